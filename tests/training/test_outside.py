"""What users set, reuse and hand over from outside is respected, or refused: cases of a reader who tried to break Model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl import Model
from tinydl.callbacks import LambdaCallback
from tinydl.layers import ActivityL1, Conv2D, Dense, Dropout, Flatten, Softmax
from tinydl.losses import BinaryCrossEntropy, Hinge, MeanSquaredError
from tinydl.optimizers import SGD
from tinydl.regularizers import L2

RNG = np.random.default_rng(0)
X, Y, CLASSES = RNG.normal(size=(40, 4)), RNG.normal(size=(40, 1)), np.arange(40) % 3


def network(*metrics: Any, optimizer: Any = "sgd") -> Model:
    model = Model([Dense(1)], input_shape=4, dtype="float64")
    model.compile(optimizer, "mse", metrics)
    return model


def test_a_source_may_reuse_its_arrays() -> None:
    def reusing() -> Iterator[tuple[Any, Any]]:
        x, y = np.empty((10, 4)), np.empty((10, 1))
        for start in range(0, 40, 10):
            x[:], y[:] = X[start : start + 10], Y[start : start + 10]
            yield x, y

    model = network("mae")
    assert model.evaluate(reusing()) == pytest.approx(model.evaluate(X, Y))
    np.testing.assert_allclose(model.predict(reusing()), model.predict(X))


def test_a_metric_cannot_spoil_the_next_one() -> None:
    def writing(y_true: Any, y_pred: Any) -> float:
        y_pred -= y_pred.mean()
        return 0.0

    model = network(writing, "mae")
    with pytest.warns(UserWarning, match="the metric 'writing' failed: ValueError: .*read-only"):
        found = model.evaluate(X, Y, return_dict=True)
    assert found["mae"] == pytest.approx(np.abs(model.predict(X) - Y).mean())


@pytest.mark.parametrize(("name", "value"), [("loss", MeanSquaredError()), ("loss", "mae"), ("metrics", ["mae"]),
                                             ("optimizer", "adam")])  # fmt: skip
def test_what_compile_sets_is_not_set_from_outside(name: str, value: Any) -> None:
    model = network()
    setattr(model, name, value)
    for call in (lambda: model.fit(X, Y, verbose=0), lambda: model.evaluate(X, Y), lambda: model.train_on_batch(X, Y)):
        with pytest.raises(RuntimeError, match=rf"{name} must be set by compile, got model.{name} = .*: call compile"):
            call()


def test_an_optimizer_serves_one_model() -> None:
    optimizer = SGD(0.1, momentum=0.9)
    first, second = network(optimizer=optimizer), network(optimizer=optimizer)
    second.fit(X, Y, verbose=0)
    with pytest.raises(RuntimeError, match="fit: the optimizer must be this model's, got one compiled into another"):
        first.fit(X, Y, verbose=0)


def test_a_fused_model_is_compiled_again_with_its_own_loss() -> None:
    model = Model([Dense(3), Softmax()], input_shape=4, dtype="float64")
    model.compile("sgd", "categorical_crossentropy")
    before = model.evaluate(X, CLASSES)
    model.compile(model.optimizer, model.loss)  # type: ignore[arg-type]
    assert model.evaluate(X, CLASSES) == before


@pytest.mark.parametrize(
    "last", [Flatten, lambda: Dropout(0.5), lambda: ActivityL1(0.1)], ids=["flatten", "dropout", "l1"]
)
def test_probabilities_are_seen_behind_layers_that_pass_them_on(last: Callable[[], Any]) -> None:
    model = Model([Flatten(), Dense(4, "sigmoid"), last()], input_shape=(2, 2, 1))
    with pytest.raises(ValueError, match="takes logits and applies the sigmoid itself, but the model ends in dense_1"):
        model.compile("sgd", BinaryCrossEntropy())
    with pytest.raises(ValueError, match="binary_crossentropy needs a chain that ends in its sigmoid"):
        model.compile("sgd", "binary_crossentropy")


def test_a_regression_decides_halfway_between_its_targets() -> None:
    model = Model([Dense(1, use_bias=False)], input_shape=1, dtype="float64")
    model.set_weights([np.array([[1.0]])])
    model.compile("sgd", "mse", ["accuracy"])
    x = np.array([[0.1], [0.9], [0.4], [0.6]])
    assert model.evaluate(x, [0, 1, 0, 1])[1] == 1.0
    assert model.evaluate(x - 0.5, [-1, 1, -1, 1])[1] == 1.0


def test_a_hinge_takes_class_weights() -> None:
    for labels in (CLASSES % 2, 2 * (CLASSES % 2) - 1):
        model, other = (Model([Dense(1)], input_shape=4, dtype="float64") for _ in range(2))
        for each in (model, other):
            each.compile(SGD(0.1), Hinge())
        model.fit(X, labels, class_weight={0: 1.0, 1: 3.0}, verbose=0)
        other.fit(X, labels, sample_weight=np.where(CLASSES % 2, 3.0, 1.0), verbose=0)
        np.testing.assert_array_equal(model.parameters, other.parameters)


def test_a_built_layer_that_was_changed_is_not_saved(tmp_path: Path) -> None:
    model = Model([Conv2D(2, 3)], input_shape=(6, 6, 1))
    model.layers[0].strides = (2, 2)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"save: .*strides must stay \(1, 1\), got \(2, 2\)"):
        model.save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_regularizer_is_looked_at_too() -> None:
    model = Model([Dense(1, kernel_regularizer=L2(0.1))], input_shape=4)
    model.compile("sgd", "mse")
    model.layers[0].kernel_regularizer.factor = 5  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="fit: L2 has no attribute 'factor', but it was set"):
        model.fit(X, Y, verbose=0)


@pytest.mark.parametrize(("call", "message"), [
    (lambda m: m.fit(np.array(["2020-01-01"] * 4, "M8[D]").reshape(1, 4), Y[:1]), r"got a ndarray: turn times into numbers"),
    (lambda m: m.fit((X, Y)), r"fit: x must be a plain array, got a tuple: its entries have the shapes \(40, 4\) and "),
    (lambda m: m.predict([[10**400, 0, 0, 0]]), "predict: x must be an array of numbers of shape"),
    (lambda m: m.evaluate(X, Y, steps=50), r"evaluate: the Batches must give 50 batches an epoch \(steps\), got 1 and"),
    (lambda m: m.test_on_batch(X[:0], Y[:0]), "test_on_batch: x must not be empty"),
    (lambda m: m.predict_proba(X, verbos=0), "predict_proba: the arguments are x, batch_size"),
])  # fmt: skip
def test_what_cannot_be_used_is_refused(call: Callable[[Model], Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        call(network())


@pytest.mark.parametrize("given", [Dense, "Dense", [Dense(1)]], ids=["class", "name", "object"])
def test_custom_layers_are_a_list_of_classes(given: Any, tmp_path: Path) -> None:
    network().save(tmp_path / "m")
    assert Model.load(tmp_path / "m", custom_layers={"Dense": Dense}).loss is not None
    with pytest.raises(TypeError, match="load: custom_layers must be a list of layer classes, got"):
        Model.load(tmp_path / "m", custom_layers=given)


@pytest.mark.parametrize("name", ["epoch", "learning_rate", "val_loss"])
def test_metrics_do_not_take_the_history_s_own_names(name: str) -> None:
    def metric(y_true: Any, y_pred: Any) -> float:
        return 0.0

    metric.__name__ = name
    with pytest.raises(ValueError, match="compile: a metric must not have a name of the history's own"):
        network(metric)


@pytest.mark.parametrize(("where", "name", "value"), [("optimizer", "lr", 0.0), ("layer", "trainble", False),
                                                      ("layer", "activation", "tanh")])  # fmt: skip
def test_what_a_callback_sets_and_nothing_reads_is_refused_in_its_epoch(where: str, name: str, value: Any) -> None:
    model = network()

    def setting(epoch: int, logs: Any) -> None:
        if epoch == 1:
            setattr(model.optimizer if where == "optimizer" else model.layers[0], name, value)

    history: list[int] = []
    count = LambdaCallback(on_epoch_begin=setting, on_epoch_end=lambda epoch, logs: history.append(epoch))
    with pytest.raises((AttributeError, ValueError), match=rf"fit: .*{name}"):
        model.fit(X, Y, epochs=3, callbacks=[count], verbose=0)
    assert history == [0]
