"""A row of the table of mistakes, and the objects that the rows' code uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinydl import Model, callbacks, gradcheck, layers, losses, optimizers, regularizers, schedules
from tinydl.batches import Batches
from tinydl.layers import Conv2D, Dense, Flatten
from tinydl.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import Adam


@dataclass(frozen=True)
class Mistake:
    """Code as a user would type it, and the message that it must cause.

    The message must match the patterns of its four parts one after the other: it begins with the place, and then names
    what is expected there, what came, and the mend.
    """

    name: str
    code: str
    kind: type[Exception]  # a Warning if the code runs on
    place: str
    expected: str
    got: str
    mend: str
    source: str | None = None  # where somebody met the same mistake in another library


MODELS = {
    "new": lambda: Model([Dense(3)], input_shape=4),
    "classifier": lambda: compiled([Dense(5, "relu"), Dense(3)], 4, SoftmaxCrossEntropy()),
    "binary": lambda: compiled([Dense(1)], 4, BinaryCrossEntropy()),
    "regressor": lambda: compiled([Dense(1)], 4, MeanSquaredError()),
    "cnn": lambda: compiled([Conv2D(2, 3), Flatten(), Dense(3)], (8, 8, 3), SoftmaxCrossEntropy()),
}


def compiled(chain: list[layers.Layer], input_shape: Any, loss: losses.Loss) -> Model:
    model = Model(chain, input_shape)
    model.compile(Adam(), loss)
    return model


def models(code: str) -> dict[str, Model]:
    """New models under the names that the code uses."""
    return {name: make() for name, make in MODELS.items() if name in code}


def names() -> dict[str, Any]:
    """What a user has imported, and data."""
    found: dict[str, Any] = {"__name__": "typed", "np": np, "Model": Model, "Batches": Batches}
    for module in (layers, losses, optimizers, schedules, callbacks, regularizers):
        found |= {name: value for name, value in vars(module).items() if name[0].isupper()}
    found |= {name: getattr(gradcheck, name) for name in ("check_layer", "numerical_gradient")}
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, 4)).astype(np.float32)
    labels = np.arange(12) % 3
    return found | {
        "x": x, "y": 2 * x[:, :1], "labels": labels, "one_hot": np.eye(3)[labels], "yes": (labels == 1).astype(int),
        "images": rng.random((6, 8, 8, 3), dtype=np.float32), "kinds": np.arange(6) % 3,
    }  # fmt: skip
