"""Keras's string losses take probabilities: fused with the softmax or sigmoid at the network's end, or taken on logits."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinydl import Model
from tinydl.layers import BatchNorm, Conv2D, Dense, Flatten, ReLU, Sequential, Sigmoid, Softmax
from tinydl.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import SGD

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 4))
CLASSES, YES = np.arange(20) % 3, (np.arange(20) % 2)[:, None]
ENDS: dict[str, tuple[Callable[[], list[Any]], Callable[[], list[Any]], str, Any, Any]] = {
    "Softmax()": (lambda: [Dense(3), Softmax()], lambda: [Dense(3)], "categorical_crossentropy", SoftmaxCrossEntropy, CLASSES),
    "Dense(1, sigmoid)": (lambda: [Dense(1, "sigmoid")], lambda: [Dense(1)], "binary_crossentropy", BinaryCrossEntropy, YES),
    "Sigmoid()": (lambda: [Dense(1), Sigmoid()], lambda: [Dense(1)], "binary_crossentropy", BinaryCrossEntropy, YES),
    "in a Sequential": (lambda: [Sequential([Dense(5), Dense(3), Softmax()])], lambda: [Sequential([Dense(5), Dense(3)])],
                        "sparse_categorical_crossentropy", SoftmaxCrossEntropy, CLASSES),
}  # fmt: skip


def pair(name: str) -> tuple[Model, Model, Any]:
    """A network with a fused end, the same network on logits, and its targets."""
    with_end, without, loss, kind, y = ENDS[name]
    fused = Model([Dense(6, "tanh"), BatchNorm(), *with_end()], input_shape=4, dtype="float64")
    logits = Model([Dense(6, "tanh"), BatchNorm(), *without()], input_shape=4, dtype="float64")
    fused.compile(SGD(0.5), loss, ["accuracy"])
    logits.compile(SGD(0.5), kind(), ["accuracy"])
    return fused, logits, y


@pytest.mark.parametrize("name", ENDS)
def test_a_fused_end_trains_as_the_logits_do_and_predicts_probabilities(name: str) -> None:
    fused, logits, y = pair(name)
    expected = logits.fit(X, y, epochs=3, batch_size=8, verbose=0, validation_data=(X, y)).history
    assert fused.fit(X, y, epochs=3, batch_size=8, verbose=0, validation_data=(X, y)).history == expected
    np.testing.assert_array_equal(fused.parameters, logits.parameters)
    assert fused.evaluate(X, y) == logits.evaluate(X, y)
    np.testing.assert_allclose(fused.predict(X), logits.predict_proba(X), rtol=1e-13)
    np.testing.assert_array_equal(fused.predict_proba(X), fused.predict(X))


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["deep", "pickle"]
)
def test_a_copy_keeps_its_fused_end(copied: Callable[[Model], Model]) -> None:
    fused, _, y = pair("Dense(1, sigmoid)")
    fused.fit(X, y, verbose=0)
    twin = copied(fused)
    for model in (fused, twin):
        model.fit(X, y, epochs=2, verbose=0)
    np.testing.assert_array_equal(twin.parameters, fused.parameters)


def test_logits_far_out_have_a_finite_loss_and_gradient() -> None:
    """With log of the probability, either would be infinite or 0."""
    model = Model([Dense(1, "sigmoid")], input_shape=1, dtype="float32")
    model.set_weights([np.array([[200.0]]), np.zeros(1)])
    model.compile(SGD(0.0), "binary_crossentropy")
    assert model.train_on_batch([[1.0]], [0.0]) == pytest.approx(200)
    np.testing.assert_array_equal(model.gradients, [1, 1])


def test_a_metric_gets_what_predict_gives() -> None:
    fused, _, y = pair("Softmax()")
    seen: list[np.ndarray] = []

    def look(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        seen.append(y_pred)
        return 0.0

    fused.compile(SGD(), "categorical_crossentropy", [look])
    fused.evaluate(X, y)
    np.testing.assert_allclose(seen[0].sum(axis=1), 1)


def test_images_end_in_a_convolution() -> None:
    x, y = RNG.normal(size=(6, 4, 4, 1)), RNG.integers(0, 2, size=(6, 4, 4, 1))
    fused, logits = (
        Model([Conv2D(1, 3, padding="same", activation=a)], input_shape=(4, 4, 1)) for a in ("sigmoid", None)
    )
    fused.compile(SGD(0.5), "binary_crossentropy")
    logits.compile(SGD(0.5), BinaryCrossEntropy())
    for model in (fused, logits):
        model.fit(x, y, epochs=2, verbose=0)
    np.testing.assert_array_equal(fused.parameters, logits.parameters)


def test_a_linear_end_is_taken_as_logits_and_said() -> None:
    model = Model([Dense(3)], input_shape=4)
    with pytest.warns(
        UserWarning, match=r"categorical_crossentropy is taken on logits, because dense_1 \(Dense\) at the end"
    ):
        model.compile("adam", "categorical_crossentropy")
    model.fit(X, CLASSES, verbose=0)
    assert not np.allclose(model.predict(X).sum(axis=1), 1)
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize(("layers", "loss", "message"), [
    ([Dense(3), Sigmoid()], "categorical_crossentropy", r"takes probabilities of a softmax, got sigmoid of sigmoid_1 .*"
                                                        r"or use 'binary_crossentropy'"),
    ([Dense(3), Softmax()], "binary_crossentropy", r"takes probabilities of a sigmoid, got softmax of softmax_1"),
    ([Dense(3, "relu")], "binary_crossentropy", r"takes probabilities of a sigmoid, got relu of dense_1"),
    ([Dense(3), Softmax()], SoftmaxCrossEntropy(), r"SoftmaxCrossEntropy takes logits .* pass loss='categorical_crossentropy'"),
    ([Dense(1, "sigmoid")], BinaryCrossEntropy(), r"BinaryCrossEntropy takes logits .* pass loss='binary_crossentropy'"),
    ([Dense(3)], "crossentropy", r"loss must be one of 'mean_squared_error', .* got 'crossentropy'"),
    ([Dense(3)], "binary_crossentropi", r"did you mean 'binary_crossentropy'"),
])  # fmt: skip
def test_ends_that_do_not_fit_are_refused(layers: list[Any], loss: Any, message: str) -> None:
    model = Model(layers, input_shape=4)
    with pytest.raises(ValueError, match=message):
        model.compile("sgd", loss)
    assert model.loss is None


def test_probabilities_need_a_loss_or_an_end_that_says_how() -> None:
    model = Model([Dense(3)], input_shape=4)
    with pytest.raises(RuntimeError, match=r"predict_proba: probabilities need .*, this one is not compiled"):
        model.predict_proba(X)
    model.compile("sgd", MeanSquaredError())
    with pytest.raises(RuntimeError, match=r"this one is compiled with MeanSquaredError: use predict"):
        model.predict_proba(X)
    model.compile("sgd", BinaryCrossEntropy())
    np.testing.assert_allclose(model.predict_proba(X), 1 / (1 + np.exp(-model.predict(X))), rtol=1e-6)


def test_metrics_that_decide_look_at_the_end() -> None:
    """0.5 is the threshold of probabilities, 0 that of logits; several yes-or-no outputs are counted one by one."""
    y = np.array([[1.0, 0.0], [0.0, 1.0]])
    for layers, loss, z in (([Dense(2)], BinaryCrossEntropy(), [[2.0, 1.0], [-1.0, 2.0]]),
                            ([Dense(2, "sigmoid")], "binary_crossentropy", [[2.0, 1.0], [-1.0, 2.0]])):  # fmt: skip
        model = Model(layers, input_shape=2, dtype="float64")
        model.set_weights([np.eye(2), np.zeros(2)])
        model.compile("sgd", loss, ["accuracy", "precision"])
        figures = model.evaluate(np.array(z), y, return_dict=True)
        assert figures["accuracy"] == 0.75
        assert figures["precision"] == 0.75  # the mean of 1 (one yes, and it is right) and 1/2; by argmax it would be 1


def test_a_metric_that_fails_ends_the_run_only_if_asked() -> None:
    def broken(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        raise ZeroDivisionError("no rows")

    model = Model([Dense(3)], input_shape=4)
    model.compile("sgd", "mse", [broken])
    with pytest.warns(UserWarning, match=r"the metric 'broken' failed: ZeroDivisionError: no rows; training is not"):
        assert np.isnan(model.fit(X, np.eye(3)[CLASSES], verbose=0).history["broken"][0])
    model.compile("sgd", "mse", [broken], strict_metrics=True)
    with pytest.raises(ValueError, match=r"fit: the metric 'broken' failed: ZeroDivisionError"):
        model.fit(X, np.eye(3)[CLASSES], verbose=0)


def test_one_batch_at_a_time() -> None:
    model, twin = (Model([Flatten(), Dense(3)], input_shape=4, dtype="float64") for _ in range(2))
    y = np.eye(3)[CLASSES]
    for each in (model, twin):
        each.compile(SGD(0.1), "mse", ["mae"])
    weights = RNG.uniform(size=20)
    value = model.train_on_batch(X, y, sample_weight=weights, return_dict=True)
    history = twin.fit(X, y, sample_weight=weights, batch_size=20, shuffle=False, verbose=0).history
    assert value == {name: pytest.approx(values[0]) for name, values in history.items()}
    np.testing.assert_allclose(model.parameters, twin.parameters, rtol=1e-13)
    assert model.test_on_batch(X, y) == model.evaluate(X, y)
    assert model.test_on_batch(X, y, return_dict=True) == model.evaluate(X, y, return_dict=True)
    for outputs in (model.predict_on_batch(X), model(X), model(list(X))):
        np.testing.assert_array_equal(outputs, model.predict(X))
    kept = model(X[:2])
    model(X[2:4])
    np.testing.assert_array_equal(kept, model.predict(X[:2]))  # an array of its own


def test_layers_by_name() -> None:
    model = Model([Dense(3), Sequential([Dense(2), ReLU()])], input_shape=4)
    assert model.get_layer("dense_1") is model.layers[0]
    assert model.get_layer(index=-1) is model.layers[1]
    assert model.get_layer("sequential_1.dense_1").units == 2
    for given, message in (({"name": "dense1"}, r"must be one of the layers, dense_1, sequential_1, got 'dense1': did you"),
                           ({"index": 2}, r"index must be an integer in 0 \.\. 1, got 2"), ({}, "either a name or an"),
                           ({"name": "sequential_1.x"}, r"the layers of sequential_1 \(Sequential\), dense_1, re_lu_1|relu_1")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            model.get_layer(**given)


@pytest.mark.parametrize(("name", "message"), [
    ("predict_classes", r"write predict\(x\).argmax\(-1\)"), ("fit_generator", r"pass the generator to fit\("),
    ("add", r"Model\(\[Dense\(3\), \.\.\.\], input_shape=\.\.\.\)"), ("sumary", "did you mean summary"),
    ("state_dict", "get_weights"), ("score", "evaluate"), ("qqq", r"has no attribute 'qqq'$"),
])  # fmt: skip
def test_what_other_libraries_have_is_named(name: str, message: str) -> None:
    model = Model([Dense(3)], input_shape=4)
    with pytest.raises(AttributeError, match=message):
        getattr(model, name)
    assert not hasattr(model, name)
