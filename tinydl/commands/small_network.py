"""A small network with images that it learns to tell apart: what `see` and `doctor` show if they are given no model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, MaxPool2D, Residual
from ..losses import SoftmaxCrossEntropy
from ..model import Model
from ..optimizers import Adam

SIDE = 6  # of the images, in pixels


def small_network(rows: int = 96, seed: int = 2) -> tuple[Model, NDArray, NDArray]:
    """The network, compiled but not trained, and `rows` images with their labels (see `bars`)."""
    model = Model(
        [
            Conv2D(2, 3, padding="same", use_bias=False),
            BatchNorm(activation="relu"),
            MaxPool2D(2),
            Residual([Conv2D(2, 3, padding="same", activation="relu")]),
            Flatten(),
            Dense(6, "relu"),
            Dropout(0.25),
            Dense(3),
        ],
        input_shape=(SIDE, SIDE, 1),
        seed=seed,
        name="bars",
    )  # fmt: skip
    model.compile(Adam(1e-2), SoftmaxCrossEntropy(), metrics=["accuracy"])
    return model, *bars(rows)


def bars(rows: int, seed: int = 0) -> tuple[NDArray, NDArray]:
    """Gray images (rows, 6, 6, 1) of a bright bar on a dark, noisy ground; labels 0: lying, 1: standing, 2: diagonal.

    The classes take turns, so every batch holds all three.
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 0.2, (rows, SIDE, SIDE, 1)).astype(np.float32)
    y = np.arange(rows) % 3
    along = np.arange(SIDE)
    for image, label in zip(x, y, strict=True):
        across = rng.integers(SIDE) if label < 2 else (along + rng.integers(-2, 3)) % SIDE
        place = (across, along) if label != 1 else (along, across)
        image[*place, 0] = rng.uniform(0.7, 1, SIDE)
    return x, y
