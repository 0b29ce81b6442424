"""fit, compile and evaluate give what Keras gives from the same weights in float64 (golden/make_keras_fit.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl import Model
from tinydl.layers import BatchNorm, Dense, Softmax

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "keras_fit.json").read_text())
LINEAR = ["sample_weight", "mae", "huber", "hinge", "adam", "rmsprop", "lion"]


def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5))
    classes = (x[:, 0] > 0.3).astype(int) + (x[:, 1] > 0)
    return x, classes, rng.uniform(0.2, 2.0, size=60)


X, CLASSES, WEIGHTS = data()
ONE_HOT, YES = np.eye(3)[CLASSES], (CLASSES > 0).astype(float)
ANSWERS = np.stack([YES, (X[:, 2] > 0).astype(float)], axis=1)
CASES: dict[str, tuple[Any, ...]] = {  # the end of the network, loss, y, optimizer, metrics, arguments of fit
    "sparse_categorical_crossentropy": ("softmax", "sparse_categorical_crossentropy", CLASSES, "sgd", ["accuracy"],
                                        {"validation_split": 0.3}),
    "categorical_crossentropy": ("softmax", "categorical_crossentropy", ONE_HOT, "adam", ["accuracy"], {}),
    "binary_crossentropy": (1, "binary_crossentropy", YES, "rmsprop", ["accuracy"], {"sample_weight": WEIGHTS}),
    "binary_crossentropy, two outputs": (2, "binary_crossentropy", ANSWERS, "sgd", [], {}),
    "class_weight": ("softmax", "sparse_categorical_crossentropy", CLASSES, "sgd", [], {"class_weight": {0: 3.0, 2: 0.5}}),
    "class_weight, yes or no": (1, "binary_crossentropy", YES, "sgd", [], {"class_weight": {0: 3.0, 1: 0.5}}),
    "sample_weight": ("linear", "mse", ONE_HOT, "sgd", [], {"sample_weight": WEIGHTS, "validation_split": 0.3}),
    "mae": ("linear", "mae", ONE_HOT, "sgd", [], {}), "huber": ("linear", "huber", 3 * ONE_HOT, "sgd", [], {}),
    "hinge": ("linear", "hinge", 2 * ONE_HOT - 1, "sgd", [], {}),
    "kl_divergence": ("softmax", "kl_divergence", (ONE_HOT + 0.1) / 1.3, "sgd", [], {}),
    "adam": ("linear", "mse", ONE_HOT, "adam", [], {}), "rmsprop": ("linear", "mse", ONE_HOT, "rmsprop", [], {}),
    "lion": ("linear", "mse", ONE_HOT, "lion", [], {}),
}  # fmt: skip


def network(end: Any) -> Model:
    last = {"linear": [Dense(3)], "softmax": [Dense(3), Softmax()]}.get(end) or [Dense(end, "sigmoid")]
    return Model([Dense(6, "relu"), *last], input_shape=5, dtype="float64")


def same(ours: Any, theirs: Any, limit: float = 1e-7) -> None:
    """Keras computes some steps in float32 even if its dtype policy is float64."""
    np.testing.assert_allclose(np.asarray(ours, float), np.asarray(theirs, float), rtol=limit, atol=limit)


def same_figures(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Keras sums the figures of an epoch in float32."""
    assert set(ours) == set(theirs)
    for figure, values in theirs.items():
        same(ours[figure], values, 3e-7)


@pytest.mark.parametrize("name", GOLDEN["cases"])
def test_case(name: str) -> None:
    end, loss, y, optimizer, metrics, arguments = CASES[name]
    expected = GOLDEN["cases"][name]
    model = network(end)
    model.set_weights(expected["initial"])
    model.compile(optimizer, loss, metrics)
    history = model.fit(X, y, epochs=4, batch_size=16, shuffle=False, verbose=0, **arguments).history
    same_figures(history, expected["history"])
    same_figures(model.evaluate(X, y, return_dict=True), expected["evaluate"])
    same(model.predict(X[:3]), expected["predict"])
    for ours, theirs in zip(model.get_weights(), expected["final"], strict=True):
        same(ours, theirs)


def test_a_frozen_batch_norm_is_that_of_keras() -> None:
    expected = GOLDEN["frozen_batch_norm"]
    model = Model([BatchNorm(momentum=0.9), Dense(3), Softmax()], input_shape=5, dtype="float64")
    model.set_weights(expected["initial"])
    model.get_layer("batch_norm_1").trainable = False
    model.compile("sgd", "sparse_categorical_crossentropy")
    same_figures(model.fit(X, CLASSES, epochs=3, batch_size=16, shuffle=False, verbose=0).history, expected["history"])
    for ours, theirs in zip(model.get_weights(), expected["final"], strict=True):
        same(ours, theirs)
