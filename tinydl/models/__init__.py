"""The architectures, each a short composition of layers. Every function returns a Model, not yet compiled."""

from __future__ import annotations

from .autoencoders import (
    contractive_autoencoder,
    deep_autoencoder,
    denoising_autoencoder,
    sparse_autoencoder,
    vanilla_autoencoder,
)

__all__ = [
    "contractive_autoencoder",
    "deep_autoencoder",
    "denoising_autoencoder",
    "sparse_autoencoder",
    "vanilla_autoencoder",
]
