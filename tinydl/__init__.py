"""tinydl: deep learning by hand. Layers with hand-derived gradients on NumPy and Numba, no autograd."""

from __future__ import annotations

from . import models
from .model import Model

__all__ = ["Model", "models"]
__version__ = "0.1.0"
