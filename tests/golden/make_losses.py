"""Record losses with and without sample weights, and training with regularizers, from Keras and from PyTorch.

    KERAS_BACKEND=torch python tests/golden/make_losses.py      (written with Keras 3.15 and PyTorch 2.13, in float64)

Keras's losses are differentiated by PyTorch, its backend here; PyTorch's own losses are recorded beside them where
they have the same definition. This file does not import tinydl, and no test imports this file. JSON stores float64
exactly. A weight array is a Dense kernel (inputs, units) or a convolution's (kh, kw, in, out), images are NHWC.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import torch
import torch.nn.functional as F
from keras import losses as L
from keras.src.backend.common import dtypes

HERE = Path(__file__).parent
keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")
torch.set_default_dtype(torch.float64)
dtypes.BIT64_TO_BIT32_DTYPE.clear()  # by this table, Keras rounds float64 to float32 in some of its functions


def write(name: str, cases: dict[str, Any]) -> None:
    lines = [f"{json.dumps(key)}: {json.dumps(case, allow_nan=False)}" for key, case in cases.items()]
    (HERE / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


# --- losses ---------------------------------------------------------------------------------------------------------

Function = Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor]


def of_keras(loss: Any) -> Function:
    """A Keras loss. Weights get the axes of its terms: Keras would match (n,) weights with the last axis of images."""
    return lambda p, y, w: loss(y, p, sample_weight=w if w is None else w.reshape(-1, *[1] * (p.ndim - 2)))


def of_torch(terms: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Function:
    """The terms (reduction="none") times the weights of their rows, divided by the number of terms."""

    def mean(p: torch.Tensor, y: torch.Tensor, w: torch.Tensor | None) -> torch.Tensor:
        values = terms(p, y)
        return (values if w is None else values * w.reshape(-1, *[1] * (values.ndim - 1))).sum() / values.numel()

    return mean


def value_and_gradient(function: Function, p: np.ndarray, y: np.ndarray, w: np.ndarray | None) -> dict[str, Any]:
    y_pred = torch.tensor(p, requires_grad=True)
    value = function(y_pred, torch.tensor(y), None if w is None else torch.tensor(w))
    value.backward()
    return {"loss": value.item(), "gradient": y_pred.grad.tolist()}


def losses(rng: np.random.Generator) -> dict[str, Any]:
    cases: dict[str, Any] = {}
    weights = np.array([0.5, 0.0, 2.0, 1.0, 3.25])

    def record(
        name: str, loss: str, arguments: dict[str, Any], p: np.ndarray, y: np.ndarray, keras_loss: Any, terms: Any
    ) -> None:
        for kind, w in (("", None), (", weighted", weights[: len(p)])):
            gaps_as_null = np.where(np.isnan(y), None, y) if y.dtype == np.float64 else y
            case = {"class": loss, "arguments": arguments, "y_pred": p.tolist(), "y_true": gaps_as_null.tolist()}
            case["sample_weight"] = None if w is None else w.tolist()
            for source, function in (
                ("keras", keras_loss and of_keras(keras_loss)),
                ("torch", terms and of_torch(terms)),
            ):
                if function:
                    case[source] = value_and_gradient(function, p, y, w)
            cases[name + kind] = case

    p, y = rng.normal(size=(5, 4)), rng.normal(size=(5, 4))
    images = rng.normal(size=(2, 3, 2, 2)), rng.normal(size=(2, 3, 2, 2))

    def each(function: Any, **arguments: Any) -> Any:
        return lambda p, y: function(p, y, reduction="none", **arguments)

    for suffix, (a, b) in {"": (p, y), ", images": images, ", far": (4 * p, y)}.items():
        record(f"mse{suffix}", "MeanSquaredError", {}, a, b, L.MeanSquaredError(), each(F.mse_loss))
        record(f"mae{suffix}", "MeanAbsoluteError", {}, a, b, L.MeanAbsoluteError(), each(F.l1_loss))
        record(f"huber{suffix}", "Huber", {}, a, b, L.Huber(), each(F.huber_loss))
        record(f"huber 0.3{suffix}", "Huber", {"delta": 0.3}, a, b, L.Huber(0.3), each(F.huber_loss, delta=0.3))

    signs = rng.choice([-1.0, 1.0], (5, 4))
    record("hinge", "Hinge", {}, p, signs, L.Hinge(), lambda p, y: F.relu(1 - y * p))
    record("hinge, 0 and 1", "Hinge", {}, p, (signs + 1) / 2, L.Hinge(), None)

    q, r = rng.dirichlet(np.ones(4), 5), rng.dirichlet(np.ones(4), 5)
    rows_of_kl = lambda p, y: F.kl_div(p.log(), y, reduction="none").sum(-1)  # noqa: E731
    record("kl", "KLDivergence", {}, q, r, L.KLDivergence(), rows_of_kl)
    sharp = np.array([[1.0, 0.0, 0.0], [0.0, 0.25, 0.75], [5e-8, 0.5, 0.5 - 5e-8]])
    targets = np.array([[0.0, 0.5, 0.5], [0.0, 0.0, 1.0], [0.25, 0.25, 0.5]])
    record("kl, clipped", "KLDivergence", {}, sharp, targets, L.KLDivergence(), None)
    maps = rng.dirichlet(np.ones(3), (2, 2, 2)), rng.dirichlet(np.ones(3), (2, 2, 2))
    record("kl, images", "KLDivergence", {}, *maps, L.KLDivergence(), rows_of_kl)

    labels, rates = rng.integers(0, 2, (5, 4)).astype(float), rng.uniform(size=(5, 4))
    logits = F.binary_cross_entropy_with_logits
    for smoothing in (0.0, 0.2):
        arguments = {"label_smoothing": smoothing} if smoothing else {}
        for suffix, truth in (("", labels), (", soft", rates)):
            record(
                f"bce{suffix} {smoothing}", "BinaryCrossEntropy", arguments, 3 * p, truth,
                L.BinaryCrossentropy(from_logits=True, label_smoothing=smoothing),
                lambda p, y, s=smoothing: logits(p, y * (1 - s) + s / 2, reduction="none"),
            )  # fmt: skip
            # PyTorch's pos_weight is the weight of yes if no has weight 1; Keras has no such argument.
            record(
                f"bce{suffix} {smoothing}, classes", "BinaryCrossEntropy", {**arguments, "class_weight": {"0": 0.5, "1": 3.0}},
                3 * p, truth, None,
                lambda p, y, s=smoothing: 0.5 * logits(
                    p, y * (1 - s) + s / 2, reduction="none", pos_weight=torch.tensor(6.0)
                ),
            )  # fmt: skip
    classes = rng.integers(0, 4, 5)
    for smoothing in (0.0, 0.1):
        record(
            f"ce {smoothing}", "SoftmaxCrossEntropy", {"label_smoothing": smoothing}, p, np.eye(4)[classes],
            L.CategoricalCrossentropy(from_logits=True, label_smoothing=smoothing),
            each(F.cross_entropy, label_smoothing=smoothing),
        )  # fmt: skip
    record(
        "ce, labels", "SoftmaxCrossEntropy", {}, p, classes, L.SparseCategoricalCrossentropy(from_logits=True),
        each(F.cross_entropy),
    )  # fmt: skip

    # Keras has no loss that leaves out entries of a row, but weights of entries, each of which then is a row of one.
    for suffix, (a, b) in {"": (p, y), ", images": images}.items():
        table = np.where(np.arange(b.size).reshape(b.shape) % 3 == 1, np.nan, b)
        record(f"masked mse{suffix}", "MaskedMeanSquaredError", {}, a, table, entries_of_keras, entries_of_torch)
    return cases


def entries_of_keras(y: torch.Tensor, p: torch.Tensor, sample_weight: torch.Tensor | None = None) -> torch.Tensor:
    rated = (~torch.isnan(y)).double()
    if sample_weight is not None:
        rated = rated * sample_weight.reshape(-1, *[1] * (y.ndim - 1))
    return L.MeanSquaredError()(torch.nan_to_num(y)[..., None], p[..., None], sample_weight=rated)


def entries_of_torch(p: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    rated = ~torch.isnan(y)
    return torch.zeros_like(p).masked_scatter(rated, F.mse_loss(p[rated], y[rated], reduction="none"))


# --- training with regularizers: six steps of gradient descent ------------------------------------------------------


def trained(rng: np.random.Generator) -> dict[str, Any]:
    cases: dict[str, Any] = {}
    kinds = {
        "none": None, "l1": "l1", "l2": "l2", "L1(0.003)": keras.regularizers.L1(0.003),
        "L2(0.05)": keras.regularizers.L2(0.05), "L1L2(0.004, 0.02)": keras.regularizers.L1L2(0.004, 0.02),
    }  # fmt: skip
    x, y = rng.normal(size=(4, 5, 4, 2)), rng.normal(size=(4, 3))
    start = [rng.normal(size=shape) * 0.3 for shape in ((2, 3, 2, 3), (3,), (24, 3), (3,))]
    for shared in (False, True):
        for name, kernel_regularizer in kinds.items():
            layers = keras.layers
            image = keras.Input((5, 4, 2))
            conv = layers.Conv2D(3, (2, 3), activation="tanh", kernel_regularizer=kernel_regularizer)
            dense = layers.Dense(3, kernel_regularizer=kernel_regularizer)
            h = layers.Flatten()(conv(image))
            first = [*start]
            if shared:  # one layer in two places
                square = layers.Dense(24, "tanh", use_bias=False, kernel_regularizer=kernel_regularizer)
                h = square(square(h))
                first.insert(2, 0.2 * np.eye(24) + 0.01 * np.arange(576.0).reshape(24, 24) / 576)
            model = keras.Model(image, dense(h))
            model.set_weights(first)
            model.compile(keras.optimizers.SGD(0.1), "mse")
            history = [float(model.train_on_batch(x, y)) for _ in range(6)]
            cases[f"{name}{', shared' if shared else ''}"] = {
                "losses": history, "weights": [w.tolist() for w in model.get_weights()],
                "evaluated": float(model.evaluate(x, y, verbose=0)),
            }  # fmt: skip
    cases["data"] = {"x": x.tolist(), "y": y.tolist(), "start": [w.tolist() for w in start]}
    return cases


if __name__ == "__main__":
    write("losses_weighted", losses(np.random.default_rng(14)))
    write("regularizers_keras", trained(np.random.default_rng(15)))
