"""tinydl: deep-learning layers with hand-derived gradients, built on NumPy and Numba without autograd."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import models
    from .config import show_config
    from .kernels.machine.threads import num_threads, set_num_threads
    from .model import Model

__all__ = ["Model", "models", "num_threads", "set_num_threads", "show_config"]
__version__ = "0.1.0"

_HOME = {
    "Model": "model", "models": "models", "show_config": "config",
    "num_threads": "kernels.machine.threads", "set_num_threads": "kernels.machine.threads",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a module only when it is first used, because every pytest run imports this package for its plugin."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{_HOME[name]}", __name__)
    return module if name == _HOME[name] else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
