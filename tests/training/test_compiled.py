"""A loaded model is compiled as the saved one was, and trains on as it would have."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl import Model
from tinydl.layers import Dense, Softmax
from tinydl.losses import BinaryCrossEntropy, Huber, Loss, MeanSquaredError
from tinydl.metrics import accuracy
from tinydl.optimizers import SGD, Adam, Lion, Optimizer, RMSprop
from tinydl.schedules import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    LinearWarmup,
    OneCycle,
    PiecewiseConstant,
    Schedule,
    StepDecay,
)

RNG = np.random.default_rng(0)
X, Y, CLASSES = RNG.normal(size=(40, 4)), RNG.uniform(size=(40, 3)), np.arange(40) % 3


def fit(model: Model, y: Any, epochs: int = 2) -> None:
    model.fit(X, y, epochs=epochs, shuffle=False, verbose=0)


@pytest.mark.parametrize(("optimizer", "loss", "end", "y"), [
    (SGD(0.1, momentum=0.9, nesterov=True), MeanSquaredError(), [], Y), (Adam(1e-2, weight_decay=0.1), Huber(0.5), [], Y),
    (RMSprop(LinearWarmup(CosineDecay(1e-2, 50), 5)), "mae", [], Y), (Lion(1e-3), BinaryCrossEntropy(0.1), [], Y),
    (Adam(1e-2), BinaryCrossEntropy(class_weight={0: 1.0, 1: 2.0}), [], Y), ("adam", "kl_divergence", [Softmax()],
     Y / Y.sum(axis=1, keepdims=True)), ("rmsprop", "categorical_crossentropy", [Softmax()], CLASSES),
], ids=lambda value: str(value)[:30])  # fmt: skip
def test_a_loaded_model_trains_on_to_the_same_bits(optimizer: Any, loss: Any, end: Any, y: Any, tmp_path: Path) -> None:
    model = Model([Dense(5, "tanh"), Dense(3), *end], input_shape=4)
    model.compile(optimizer, loss, ["mae"] if y.ndim == 2 else ["accuracy", "auc"])
    fit(model, y)
    model.save(tmp_path / "m")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = Model.load(tmp_path / "m")
    assert loaded.evaluate(X, y, return_dict=True) == model.evaluate(X, y, return_dict=True)
    for each in (model, loaded):
        fit(each, y)
    np.testing.assert_array_equal(loaded.parameters, model.parameters)
    assert repr(loaded.optimizer) == repr(model.optimizer)
    assert repr(loaded.loss) == repr(model.loss)
    assert loaded.predict_proba(X).shape == (40, 3) if end or isinstance(loss, BinaryCrossEntropy) else True


OPTIMIZERS: dict[str, Callable[[float | Schedule], Optimizer]] = {
    "SGD": SGD, "SGD with momentum": partial(SGD, momentum=0.9), "SGD, Nesterov": partial(SGD, momentum=0.9, nesterov=True),
    "RMSprop": RMSprop, "Adam": Adam, "AdamW": partial(Adam, weight_decay=0.1), "Lion": Lion,
}  # fmt: skip
RATES: list[float | Schedule] = [  # all change, or may change, between the steps before and after the save
    0.01, Constant(0.01), StepDecay(0.01, 5), PiecewiseConstant([3, 7], [0.01, 0.02, 0.005]),
    ExponentialDecay(0.01, 3, 0.5), CosineDecay(0.01, 12), LinearWarmup(CosineDecay(0.01, 9), 6), OneCycle(0.01, 12),
]  # fmt: skip


@pytest.mark.parametrize("rate", RATES, ids=lambda rate: str(rate).partition("(")[0])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_and_schedule_goes_on_at_its_step(name: str, rate: float | Schedule, tmp_path: Path) -> None:
    whole, first = (Model([Dense(5, "tanh"), Dense(3)], input_shape=4) for _ in range(2))
    for model in (whole, first):
        model.compile(OPTIMIZERS[name](rate), "mse")
    fit(whole, Y, epochs=6)
    fit(first, Y, epochs=2)
    first.save(tmp_path / "m")
    loaded = Model.load(tmp_path / "m")
    assert loaded.optimizer is not None
    assert first.optimizer is not None
    assert loaded.optimizer.iterations == first.optimizer.iterations == 4
    assert loaded.optimizer.current_learning_rate == first.optimizer.current_learning_rate
    fit(loaded, Y, epochs=4)
    np.testing.assert_array_equal(loaded.parameters, whole.parameters)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_without_the_optimizers_state_every_schedule_begins_anew(name: str, tmp_path: Path) -> None:
    model = Model([Dense(3)], input_shape=4)
    model.compile(OPTIMIZERS[name](CosineDecay(0.01, 12)), "mse")
    fit(model, Y)
    model.save(tmp_path / "m", include_optimizer=False)
    loaded = Model.load(tmp_path / "m")
    assert loaded.optimizer is not None
    assert loaded.optimizer.iterations == 0
    assert loaded.optimizer.current_learning_rate == 0.01


def test_without_the_optimizers_vectors_the_file_is_small_and_training_begins_anew(tmp_path: Path) -> None:
    model = Model([Dense(200), Dense(3)], input_shape=4)
    model.compile(Adam(), "mse")
    fit(model, Y)
    model.save(tmp_path / "all")
    model.save(tmp_path / "weights", include_optimizer=False)
    sizes = [(tmp_path / name).stat().st_size for name in ("all", "weights")]
    assert sizes[0] - sizes[1] > 2 * model.parameters.nbytes
    loaded = Model.load(tmp_path / "weights")
    assert loaded.optimizer is not None
    assert loaded.optimizer.iterations == 0
    fit(loaded, Y)
    assert Model.load(tmp_path / "all", compile=False).loss is None
    checkpoint = tmp_path / "c"
    model.save_checkpoint(checkpoint)
    assert Model.load(checkpoint).optimizer.iterations == model.optimizer.iterations  # type: ignore[union-attr]


def test_a_model_that_was_not_compiled_is_not_compiled_when_loaded(tmp_path: Path) -> None:
    Model([Dense(3)], input_shape=4).save(tmp_path / "m")
    assert Model.load(tmp_path / "m").loss is None


class OwnLoss(MeanSquaredError):
    pass


class OwnOptimizer(SGD):
    pass


def own_metric(y_true: Any, y_pred: Any) -> float:
    return 1.0


@pytest.mark.parametrize(("optimizer", "loss", "metrics", "message"), [
    (SGD(), OwnLoss(), [], r"OwnLoss\(\) could not be restored and the model is not compiled: call compile again"),
    (OwnOptimizer(), MeanSquaredError(), [], r"OwnOptimizer\(.*could not be restored and the model is not compiled"),
    (SGD(), MeanSquaredError(), ["mae", own_metric], "own_metric could not be restored and the model is compiled without"),
    (SGD(), MeanSquaredError(), ["mae", partial(accuracy, threshold=0.9)], "accuracy could not be restored"),
])  # fmt: skip
def test_what_no_file_can_hold_is_said(
    optimizer: Optimizer, loss: Loss, metrics: Any, message: str, tmp_path: Path
) -> None:
    model = Model([Dense(3)], input_shape=4)
    model.compile(optimizer, loss, metrics)
    fit(model, Y)
    model.save(tmp_path / "m")
    with pytest.warns(UserWarning, match=message):
        loaded = Model.load(tmp_path / "m")
    assert (loaded.loss is None) == (not metrics)
    if metrics:
        assert list(loaded.metrics) == ["mae"]
        fit(loaded, Y)


def test_metrics_fitted_to_the_network_are_restored_and_copied(tmp_path: Path) -> None:
    """Several yes-or-no outputs, the threshold of a sigmoid and that of a regression wrap a metric in a function."""
    for layers, loss in (
        ([Dense(3)], BinaryCrossEntropy()),
        ([Dense(3, "sigmoid")], "binary_crossentropy"),
        ([Dense(3)], "mse"),
    ):
        model = Model(layers, input_shape=4)
        model.compile(SGD(), loss, ["f1", "accuracy", "auc"])
        model.save(tmp_path / "m")
        one_hot = np.eye(3)[CLASSES]
        assert Model.load(tmp_path / "m").evaluate(X, one_hot) == model.evaluate(X, one_hot)
        assert pickle.loads(pickle.dumps(model)).evaluate(X, one_hot) == model.evaluate(X, one_hot)
