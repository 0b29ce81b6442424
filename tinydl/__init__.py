"""tinydl: deep learning by hand. Layers with hand-derived gradients on NumPy and Numba, no autograd."""

from __future__ import annotations

from . import models
from .kernels.threads import num_threads, set_num_threads
from .model import Model

__all__ = ["Model", "models", "num_threads", "set_num_threads"]
__version__ = "0.1.0"
