"""Architectures, each a short composition of layers. Every function returns an uncompiled Model."""

from .alexnet import alexnet
from .autoencoders import (
    bottleneck_autoencoder,
    contractive_autoencoder,
    deep_autoencoder,
    denoising_autoencoder,
    sparse_autoencoder,
    vanilla_autoencoder,
)
from .inception import googlenet, inception_cifar
from .lenet import lenet5
from .resnet import resnet, resnet_cifar
from .small_cnns import cifar_cnn, digits_cnn
from .vgg import vgg, vgg_cifar

__all__ = [
    "alexnet", "bottleneck_autoencoder", "cifar_cnn", "contractive_autoencoder", "deep_autoencoder",
    "denoising_autoencoder", "digits_cnn", "googlenet", "inception_cifar", "lenet5", "resnet", "resnet_cifar",
    "sparse_autoencoder", "vanilla_autoencoder", "vgg", "vgg_cifar",
]  # fmt: skip
