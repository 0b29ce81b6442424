"""Six autoencoders for anomaly detection: trained to reproduce normal rows, they reproduce unusual rows badly.

Train each with MeanSquaredError and the row itself as the target, `fit(x, x)`; a row's score is its mean squared
reconstruction error. The outputs are linear, since standardized features have both signs.

A hidden layer as wide as the row can represent the identity. With c above every |x_j| of interest,

    relu(x I + c) I - c = x

so n units copy every row, anomalies included. The book's models have 40 or 80 units for 29 features: they detect
anomalies only because training stops early and their units specialize in common rows. `bottleneck_autoencoder` cannot
copy.

Reference: Liu & Mehta 2019, Hands-On Deep Learning Architectures with Python, chapter 3, for the first five.
"""

from __future__ import annotations

from numpy.typing import DTypeLike

from ..layers import ActivityL1, ContractivePenalty, Dense, MaskingNoise
from ..model import Model


def vanilla_autoencoder(n_features: int, hidden: int = 40, seed: int = 0, dtype: DTypeLike = "float32") -> Model:
    """One hidden layer, n - 40 - n with relu: 2,389 parameters for 29 features.

    Check   check_model(vanilla_autoencoder(5), x=(6, 5), y=np.ones((6, 5)), loss=MeanSquaredError())
    """
    layers = [Dense(hidden, "relu"), Dense(n_features)]
    return Model(layers, n_features, seed, dtype, "vanilla_autoencoder")


def deep_autoencoder(n_features: int, seed: int = 0, dtype: DTypeLike = "float32") -> Model:
    """Three hidden layers, n - 80 - 40 - 80 - n with relu: 11,269 parameters for 29 features.

    Check   check_model(deep_autoencoder(5), x=(6, 5), y=np.ones((6, 5)), loss=MeanSquaredError())
    """
    layers = [Dense(80, "relu"), Dense(40, "relu"), Dense(80, "relu"), Dense(n_features)]
    return Model(layers, n_features, seed, dtype, "deep_autoencoder")


def sparse_autoencoder(n_features: int, l1: float = 1.92e-3, seed: int = 0, dtype: DTypeLike = "float32") -> Model:
    """The deep autoencoder with an L1 penalty on its first hidden layer, so that most of its units are 0 for any row.

    l1 weights a mean over rows; its default is 64 times the book's 3e-5, which weights a sum over 64 rows.

    Check   check_model(sparse_autoencoder(5), x=(6, 5), y=np.ones((6, 5)), loss=MeanSquaredError())
    """
    layers = [Dense(80, "relu"), ActivityL1(l1), Dense(40, "relu"), Dense(80, "relu"), Dense(n_features)]
    return Model(layers, n_features, seed, dtype, "sparse_autoencoder")


def denoising_autoencoder(
    n_features: int, rate: float = 0.4, hidden: int = 40, seed: int = 0, dtype: DTypeLike = "float32"
) -> Model:
    """The vanilla autoencoder, with each input feature zeroed with probability `rate`, drawn anew for every batch.

    The target is the clean row, so copying is not a solution: missing features must be inferred from the others.
    Reference: Vincent et al. 2008.

    Check   check_model(denoising_autoencoder(5), x=(6, 5), y=np.ones((6, 5)), loss=MeanSquaredError())
    """
    layers = [MaskingNoise(rate), Dense(hidden, "relu"), Dense(n_features)]
    return Model(layers, n_features, seed, dtype, "denoising_autoencoder")


def contractive_autoencoder(
    n_features: int, factor: float = 1e-5, activation: str = "relu", hidden: int = 40, seed: int = 0,
    dtype: DTypeLike = "float32",
) -> Model:  # fmt: skip
    """The vanilla autoencoder with a penalty on its encoder's Jacobian, so that the code varies little with the row.

    activation: "relu", as in the book; "sigmoid" or "tanh", as in Rifai et al. 2011.

    Check   check_model(contractive_autoencoder(5), x=(6, 5), y=np.ones((6, 5)), loss=MeanSquaredError())
    """
    layers = [ContractivePenalty(Dense(hidden, activation), factor), Dense(n_features)]
    return Model(layers, n_features, seed, dtype, "contractive_autoencoder")


def bottleneck_autoencoder(
    n_features: int, code: int = 10, hidden: int = 128, activation: str = "tanh", seed: int = 0,
    dtype: DTypeLike = "float32",
) -> Model:  # fmt: skip
    """A narrow linear code between hidden layers, n - 128 - 10 - 128 - n with tanh: 10,279 parameters for 29 features.

    All outputs lie on a surface with at most `code` dimensions, so for code < n_features the model cannot learn the
    identity: it reproduces the rows near that surface, which training puts where normal rows are dense. Without the
    hidden layers the surface is flat, and the best one is spanned by the first principal components (Baldi & Hornik
    1989). The hidden layers bend it.

    activation: tanh also bounds the outputs, |y_j| <= |b_j| + sum_i |W_ij|, so rows far outside the range of the normal
        rows are reproduced badly even if they lie in the surface's direction; relu units follow them.

    Check   check_model(bottleneck_autoencoder(5, 2), x=(6, 5), y=np.ones((6, 5)), loss=MeanSquaredError())
    """
    layers = [Dense(hidden, activation), Dense(code), Dense(hidden, activation), Dense(n_features)]
    return Model(layers, n_features, seed, dtype, "bottleneck_autoencoder")
