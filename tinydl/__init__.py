"""tinydl: deep-learning layers with hand-derived gradients, built on NumPy and Numba without autograd."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__ as __version__

if TYPE_CHECKING:
    from . import (
        callbacks,
        datasets,
        detection,
        gradcheck,
        initializers,
        kernels,
        layers,
        losses,
        metrics,
        models,
        optimizers,
        plots,
        recommenders,
        regularizers,
        schedules,
        study,
        unsupervised,
    )  # fmt: skip
    from .config import show_config
    from .kernels.machine.threads import num_threads, set_num_threads
    from .model import Model

_MODULES = (
    "callbacks", "datasets", "detection", "gradcheck", "initializers", "kernels", "layers", "losses", "metrics",
    "models", "optimizers", "plots", "recommenders", "regularizers", "schedules", "study", "unsupervised",
)  # fmt: skip
_HOME = {
    "Model": "model", "show_config": "config",
    "num_threads": "kernels.machine.threads", "set_num_threads": "kernels.machine.threads",
}  # fmt: skip
__all__ = [
    "Model", "callbacks", "datasets", "detection", "gradcheck", "initializers", "kernels", "layers", "losses",
    "metrics", "models", "num_threads", "optimizers", "plots", "recommenders", "regularizers", "schedules",
    "set_num_threads", "show_config", "study", "unsupervised",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a module only when it is first used, because every pytest run imports this package for its plugin."""
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({"__version__", *__all__})
