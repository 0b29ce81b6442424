"""The architectures, each a short composition of layers. Every function returns a Model, not yet compiled."""

from __future__ import annotations

from .autoencoders import (
    contractive_autoencoder,
    deep_autoencoder,
    denoising_autoencoder,
    sparse_autoencoder,
    vanilla_autoencoder,
)
from .convolutional import cifar_cnn, digits_cnn

__all__ = [
    "cifar_cnn",
    "contractive_autoencoder",
    "deep_autoencoder",
    "denoising_autoencoder",
    "digits_cnn",
    "sparse_autoencoder",
    "vanilla_autoencoder",
]
