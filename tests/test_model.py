"""Model: the flat vectors, fit's arithmetic, Keras's conventions, and errors raised before anything changes."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController, threadpool_limits

from tinydl import Model, models
from tinydl.callbacks import Callback, LearningRateScheduler, ModelCheckpoint
from tinydl.layers import (
    ActivityL1,
    AuxiliaryHead,
    BatchNorm,
    Branches,
    Container,
    ContractivePenalty,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Layer,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
)
from tinydl.losses import BinaryCrossEntropy, Loss, MeanAbsoluteError, MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import SGD, Adam
from tinydl.schedules import Schedule


def autoencoder(seed: int = 0, optimizer: SGD | Adam | None = None, dtype: str = "float32") -> Model:
    model = Model([Dense(4, "relu"), Dense(3)], 3, seed, dtype)
    model.compile(optimizer or SGD(0.05), MeanSquaredError())
    return model


def rows(n: int = 20, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)


# --- the flat vectors -------------------------------------------------------------------------------------------------


def test_parameters_and_gradients_are_views_of_one_vector() -> None:
    model = autoencoder()
    assert model.parameters.size == 4 * 3 + 4 + 3 * 4 + 3
    np.testing.assert_array_equal(model.parameters, np.concatenate([w.ravel() for w in model.get_weights()]))
    model.parameters[:] = 7
    assert all((w == 7).all() for w in model.params.values())
    model.forward(rows())
    model.backward(np.ones((20, 3), np.float32))
    np.testing.assert_array_equal(model.gradients, np.concatenate([g.ravel() for g in model.grads.values()]))
    assert model.gradients.any()


def test_backward_adds_and_zero_grad_resets() -> None:
    model, dy = autoencoder(), rows(seed=2)
    model.forward(rows())
    model.backward(dy)
    once = model.gradients.copy()
    model.backward(dy)
    np.testing.assert_allclose(model.gradients, 2 * once, rtol=1e-5)
    model.zero_grad()
    assert not model.gradients.any()


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_train_on_their_own(duplicate: object) -> None:
    model = autoencoder(optimizer=Adam())
    model.train_on_batch(rows(), rows())
    other = duplicate(model)  # type: ignore[operator]
    before = model.parameters.copy()
    first = other.train_on_batch(rows(), rows())
    np.testing.assert_array_equal(model.parameters, before)
    assert not np.array_equal(other.predict(rows()), model.predict(rows()))
    assert model.train_on_batch(rows(), rows()) == first
    np.testing.assert_array_equal(model.parameters, other.parameters)


def test_astype_is_a_copy_in_another_dtype() -> None:
    model = autoencoder()
    other = model.astype("float64")
    assert other.parameters.dtype == np.float64
    assert other.forward(rows().astype(np.float64)).dtype == np.float64
    np.testing.assert_allclose(other.predict(rows()), model.predict(rows()), rtol=1e-5, atol=1e-6)
    other.parameters[:] = 0
    assert model.parameters.any()


def test_input_gradient_is_full_outside_training() -> None:
    model = autoencoder()
    model.train_on_batch(rows(), rows())
    model.forward(rows())
    assert model.backward(rows(seed=2)).shape == (20, 3)


# --- training ---------------------------------------------------------------------------------------------------------


def test_a_step_of_sgd_is_the_formula() -> None:
    model = Model([Dense(1, use_bias=False)], 2, dtype="float64")
    model.compile(SGD(0.1), MeanSquaredError())
    model.set_weights([np.array([[1.0], [2.0]])])
    x, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.0], [1.0]])
    # predictions 5 and 11, errors 5 and 10: L = (25 + 100) / 2, dW = 2/2 (5 [1, 2] + 10 [3, 4]) = [35, 50]
    assert model.train_on_batch(x, y) == pytest.approx(62.5, rel=1e-15)
    np.testing.assert_allclose(model.get_weights()[0], [[1 - 3.5], [2 - 5.0]], rtol=1e-15)


def test_epoch_loss_is_the_mean_over_rows_with_a_short_last_batch() -> None:
    model, seen = autoencoder(optimizer=SGD(0.0)), rows(10)
    history = model.fit(seen, seen, epochs=2, batch_size=4, shuffle=False, verbose=0, validation_data=(seen, seen))
    expected = np.mean((model.predict(seen) - seen) ** 2)
    np.testing.assert_allclose(history.history["loss"], [expected] * 2, rtol=1e-6)
    np.testing.assert_allclose(history.history["val_loss"], [expected] * 2, rtol=1e-6)
    assert history.epoch == [0, 1]


def test_every_epoch_is_a_new_permutation_of_all_rows() -> None:
    class Spy(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[int] = []

        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            if training:
                self.seen += x[:, 0].astype(int).tolist()
            return x

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return dy

    spy = Spy()
    model = Model([spy, Dense(1)], 1)
    model.compile(SGD(0.0), MeanSquaredError())
    model.fit(np.arange(11.0)[:, None], np.zeros(11), epochs=2, batch_size=4, verbose=0)
    first, second = spy.seen[:11], spy.seen[11:]
    assert sorted(first) == sorted(second) == list(range(11))
    assert first != second
    assert first != list(range(11))


def test_targets_follow_their_rows_through_the_shuffle() -> None:
    x = np.random.default_rng(0).normal(size=(64, 2))
    model = Model([Dense(1)], 2, dtype="float64")
    model.compile(Adam(0.05), MeanSquaredError())
    history = model.fit(x, x @ [[2.0], [-1.0]] + 0.5, epochs=200, batch_size=16, verbose=0)
    assert history.history["loss"][-1] < 1e-8
    np.testing.assert_allclose(model.get_weights()[0], [[2], [-1]], atol=1e-3)


def test_training_data_are_not_modified() -> None:
    x = rows()
    x.flags.writeable = False
    autoencoder().fit(x, x, epochs=1, shuffle=False, verbose=0)


def test_fit_says_loss_with_penalty() -> None:
    layer = ActivityL1(0.5)
    model = Model([Dense(4, "relu"), layer, Dense(3)], 3, dtype="float64")
    model.compile(SGD(0.0), MeanSquaredError())
    x = rows()
    hidden = np.maximum(x.astype(float) @ model.params["dense_1.W"], 0)
    expected = np.mean((model.predict(x) - x) ** 2) + 0.5 * np.abs(hidden).sum() / len(x)
    assert model.fit(x, x, verbose=0).history["loss"][0] == pytest.approx(expected, rel=1e-6)
    assert model.evaluate(x, x) == pytest.approx(expected, rel=1e-6)


def test_predict_and_evaluate_switch_noise_off() -> None:
    model = Model([Dropout(0.5), GaussianNoise(1.0), Dense(3)], 3)
    model.compile(SGD(), MeanSquaredError())
    x = rows()
    np.testing.assert_allclose(model.predict(x), x @ model.params["dense_1.W"], rtol=1e-5, atol=1e-6)
    assert model.evaluate(x, x) == model.evaluate(x, x)


def test_predict_does_not_depend_on_the_batch_size() -> None:
    model = autoencoder()
    np.testing.assert_allclose(model.predict(rows(), batch_size=7), model.predict(rows()), rtol=1e-6)


def test_threads_may_predict_at_once_and_blas_gets_its_threads_back() -> None:
    def blas_threads() -> list[int]:
        return [library["num_threads"] for library in ThreadpoolController().info() if library["user_api"] == "blas"]

    model, x = Model([Dense(64, "relu"), Dropout(0.5), Dense(3)], 3), rows(3000)
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        expected = model.predict(x)
        with ThreadPoolExecutor(8) as pool:
            for result in pool.map(lambda _: model.predict(x), range(80)):
                np.testing.assert_array_equal(result, expected)
        assert blas_threads() == before


def test_metrics_accuracy_by_name_and_by_function() -> None:
    def zero_share(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        return float(np.mean(y_true == 0))

    x = np.eye(4, dtype=np.float32)
    model = Model([Dense(4, use_bias=False)], 4)
    model.compile(SGD(0.0), SoftmaxCrossEntropy(), metrics=["accuracy", zero_share])
    model.set_weights([np.eye(4)])
    history = model.fit(x, [0, 1, 2, 0], batch_size=3, verbose=0)
    assert history.history["accuracy"] == [0.75]
    assert history.history["zero_share"] == [0.5]
    loss, accuracy, share = model.evaluate(x, np.eye(4)[[0, 1, 2, 0]])
    assert (accuracy, loss) == (0.75, pytest.approx(history.history["loss"][0], rel=1e-6))
    assert share == 0.75


def test_binary_accuracy_takes_the_sign_of_the_logit() -> None:
    model = Model([Dense(1, use_bias=False)], 1)
    model.compile(SGD(), BinaryCrossEntropy(), metrics=["accuracy"])
    model.set_weights([[[1.0]]])
    assert model.evaluate([[-2.0], [3.0], [1.0], [-1.0]], [0, 1, 0, 0])[1] == 0.75


def test_first_layer_gradient_is_skipped_only_below_the_lowest_parameters() -> None:
    """Skipping dx of the lowest layer with parameters, as training does, must not change the update."""
    layers = [Sequential([Dropout(0.0), Dense(4, "tanh")]), Dense(3)]
    model = Model(layers, 3, dtype="float64")
    model.compile(SGD(1.0), MeanSquaredError())
    x = rows().astype(float)
    loss = MeanSquaredError()
    loss.forward(model.forward(x, True), x)
    model.backward(loss.backward())
    expected = model.parameters - model.gradients
    model.train_on_batch(x, x)
    np.testing.assert_allclose(model.parameters, expected, rtol=1e-14)


class Twice(Container):
    """One Dense layer used twice in a row; its gradient is the sum over both uses."""

    def __init__(self, inner: Layer) -> None:
        super().__init__()
        self.inner = inner

    def sublayers(self) -> list[Layer]:
        return [self.inner]

    def build(self, input_shape: tuple[int, ...], rng: np.random.Generator, dtype: object) -> tuple[int, ...]:
        super().build(input_shape, rng, dtype)
        self.name_sublayers()
        self.output_shape = self.inner.build(input_shape, rng, dtype)
        return self.output_shape

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        self._between = self.inner.forward(x, training)
        self._x = x
        return self.inner.forward(self._between, training)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        dy = self.inner.backward(dy)
        self.inner.forward(self._x)  # restores the cache of the first use
        return self.inner.backward(dy)


class Halved(Dense):
    """A user's subclass of Dense, which also adds to its gradient."""

    def backward(self, dy: np.ndarray) -> np.ndarray:
        dx = super().backward(0.5 * dy)
        self.grads["W"] += 1
        return dx


LARGE_LAYERS = {
    "chain": lambda: [Dense(300, "relu"), Dense(300, "tanh"), Dense(10)],
    "no bias": lambda: [Dense(300, "relu", use_bias=False), Dense(300, use_bias=False)],
    "nested": lambda: [Sequential([Sequential([Dense(300, "tanh")]), Dropout(0.0)]), Dense(10)],
    "penalty": lambda: [ContractivePenalty(Dense(300, "tanh"), 0.5), ActivityL1(0.1), Dense(300)],
    "shared": lambda: [Twice(Dense(300, "tanh")), Dense(5)],
    "own": lambda: [Halved(300, "tanh"), Dense(300)],
}


@pytest.mark.parametrize("name", LARGE_LAYERS)
def test_a_training_steps_gradients_are_those_of_backward_from_zero(name: str) -> None:
    """Large layers may write their gradient instead of adding it to zeros; where a sum is needed, they still add."""
    model = Model(LARGE_LAYERS[name](), 300, dtype="float64")
    model.compile(SGD(0.0), MeanSquaredError())
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 300)), rng.normal(size=(4, *model.output_shape))
    for _ in range(2):
        model.zero_grad()
        model.loss.forward(model.forward(x, True), y)
        model.backward(model.loss.backward())
        expected = model.gradients.copy()
        model.gradients[:] = np.nan  # as if left over from the previous step
        model.train_on_batch(x, y)
        np.testing.assert_allclose(model.gradients, expected, rtol=1e-12, atol=1e-15)
        model.loss.forward(model.forward(x, True), y)
        assert model.backward(model.loss.backward()).shape == x.shape  # outside training, layers add and return dx
        np.testing.assert_allclose(model.gradients, 2 * expected, rtol=1e-12, atol=1e-15)


# --- reproducible -----------------------------------------------------------------------------------------------------

TRAIN = """
import numpy as np
from tinydl import models
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import Adam
x = np.random.default_rng(0).normal(size=(300, 6))
model = models.denoising_autoencoder(6, seed={seed})
model.compile(Adam(1e-3), MeanSquaredError())
history = model.fit(x, x, epochs=3, batch_size=32, verbose=0)
print(history.history["loss"], model.parameters.tobytes().hex()[:4000])
"""


@pytest.mark.slow
def test_same_seed_same_bits_in_two_processes() -> None:
    def run(seed: int) -> str:
        return subprocess.run(
            [sys.executable, "-c", TRAIN.format(seed=seed)], check=True, capture_output=True, text=True
        ).stdout

    first = run(3)
    assert first == run(3)
    assert first != run(4)


def test_global_random_state_is_untouched() -> None:
    np.random.seed(5)  # noqa: NPY002 (the point of the test)
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    model = models.denoising_autoencoder(3)
    model.compile(Adam(), MeanSquaredError())
    model.fit(rows(), rows(), verbose=0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


# --- summary, weights -------------------------------------------------------------------------------------------------


def test_summary_is_keras_table(capsys: pytest.CaptureFixture[str]) -> None:
    models.vanilla_autoencoder(29).summary()
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert printed[1:9] == [
        "_" * 65,
        "Layer (type)                 Output Shape              Param #",
        "=" * 65,
        "dense_1 (Dense)              (None, 40)                1200",
        "_" * 65,
        "dense_2 (Dense)              (None, 29)                1189",
        "=" * 65,
        "Total params: 2,389",
    ]
    models.deep_autoencoder(29).summary()
    assert "Total params: 11,269" in capsys.readouterr().out


def test_weights_round_trip_in_keras_order() -> None:
    model = autoencoder()
    assert [w.shape for w in model.get_weights()] == [(3, 4), (4,), (4, 3), (3,)]
    weights = [np.full(w.shape, i) for i, w in enumerate(model.get_weights())]
    model.set_weights(weights)
    for got, wanted in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(got, wanted)
    model.get_weights()[0][:] = 99  # a copy
    assert model.params["dense_1.W"].max() == 0
    before = model.parameters.copy()
    with pytest.raises(ValueError, match=r"set_weights: expected 4 arrays of shapes .*\(3, 4\).*got 4 .*\(4, 3\)"):
        model.set_weights([weights[0].T, *weights[1:]])
    np.testing.assert_array_equal(model.parameters, before)


def test_weights_may_be_the_models_own_in_another_order_and_are_only_read() -> None:
    model = Model([Dense(3), BatchNorm(), Dense(3)], 3)
    model.set_weights([np.full(weight.shape, k) for k, weight in enumerate(model.get_weights())])
    W1, b1, W2, b2 = (model.params[f"dense_{k}.{key}"] for k in (1, 2) for key in ("W", "b"))
    state = model.state["batch_norm_1.mean"], model.state["batch_norm_1.var"]
    model.set_weights(
        [W2, b2, model.params["batch_norm_1.beta"], model.params["batch_norm_1.gamma"], *state[::-1], W1, b1]
    )
    assert [weight.flat[0] for weight in model.get_weights()] == [6, 7, 3, 2, 5, 4, 0, 1]
    weights = model.get_weights()  # of the model's dtype, so not even copied
    model.set_weights(weights)
    model.parameters[:] = 9
    model.state["batch_norm_1.mean"][:] = 9
    assert [weight.flat[0] for weight in weights] == [6, 7, 3, 2, 5, 4, 0, 1]


def test_weights_that_are_no_numbers_change_nothing() -> None:
    model = autoencoder()
    before, weights = model.parameters.copy(), model.get_weights()
    with pytest.raises(ValueError, match="set_weights: weights must be arrays of real numbers, got one of dtype <U1"):
        model.set_weights([weights[0] + 1, *weights[1:3], ["a", "b", "c"]])
    np.testing.assert_array_equal(model.parameters, before)


def test_a_composite_of_ones_own_lists_its_weights_in_its_order() -> None:
    class Reversed(Sequential):
        """A user's container: Keras's order has no rule for it, so its sublayers count as a chain."""

    class Pair(Container):
        def __init__(self, first: Layer, second: Layer) -> None:
            super().__init__()
            self.first, self.second = first, second

        def sublayers(self) -> list[Layer]:
            return [self.first, self.second]

        def build(self, input_shape: tuple[int, ...], rng: np.random.Generator, dtype: object) -> tuple[int, ...]:
            super().build(input_shape, rng, dtype)  # type: ignore[arg-type]
            self.name_sublayers()
            self.first.build(input_shape, rng, dtype)  # type: ignore[arg-type]
            return self.second.build(input_shape, rng, dtype)  # type: ignore[arg-type]

    model = Model([Pair(Dense(4), Dense(5)), Reversed([Dense(6)])], 3)
    assert [weight.shape for weight in model.get_weights()] == [(3, 4), (4,), (3, 5), (5,), (5, 6), (6,)]


# --- weight decay: weights shrink, vectors with one entry per unit do not ---------------------------------------------

DECAY_OPTIMIZERS = {
    "sgd": lambda decay: SGD(0.1, weight_decay=decay),
    "momentum": lambda decay: SGD(0.1, momentum=0.9, nesterov=True, weight_decay=decay),
    "adam": lambda decay: Adam(0.1, weight_decay=decay),
}


def decaying_layers() -> list[Layer]:
    dense, norm = Dense(6), BatchNorm()
    return [
        Conv2D(2, 2), BatchNorm(), Flatten(), Dense(6), Residual([dense, norm], Dense(6)),
        Branches([[dense, norm], AuxiliaryHead([Dense(5), BatchNorm(), Dense(2)])]), Dense(2),
    ]  # fmt: skip


@pytest.mark.parametrize("name", DECAY_OPTIMIZERS)
def test_weight_decay_leaves_biases_gamma_and_beta_alone(name: str) -> None:
    """All gradients are 0, some layers are nested, and a layer in two places must decay only once."""
    model = Model(decaying_layers(), (3, 3, 2), dtype="float64")
    optimizer = DECAY_OPTIMIZERS[name](0.5)
    model.compile(optimizer, MeanSquaredError())
    assert not model.gradients.any()
    model.parameters[:] = np.random.default_rng(0).uniform(1, 2, model.parameters.size)
    before = {key: array.copy() for key, array in model.params.items()}
    optimizer.step(model.parameters, model.gradients)
    kinds = {key.split(".")[-1] for key in before}
    assert kinds == {"W", "b", "gamma", "beta"}
    rate = 1 - 0.1 * 0.5 * (1.9 if name == "momentum" else 1)  # Nesterov's step is g + momentum v, where v = g
    for key, array in model.params.items():
        expected = rate * before[key] if key.endswith("W") else before[key]
        np.testing.assert_allclose(array, expected, rtol=1e-14, err_msg=key)


def test_copies_and_recompiled_models_decay_the_same_parts() -> None:
    model = Model(decaying_layers(), (3, 3, 2))
    model.compile(Adam(weight_decay=0.1), MeanSquaredError())
    assert model.optimizer is not None
    parts = model.optimizer.decayed
    assert parts
    assert sum(part.stop - part.start for part in parts) == sum(
        {id(array): array.size for array in model.params.values() if array.ndim > 1}.values()
    )
    x, y = np.random.default_rng(0).normal(size=(8, 3, 3, 2)), np.ones((8, 2))
    model.train_on_batch(x, y)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other.optimizer.decayed == parts
    model.compile(model.optimizer, MeanSquaredError())
    assert model.optimizer.decayed == parts


# --- rejected ---------------------------------------------------------------------------------------------------------

X = np.zeros((5, 3), np.float32)
WITH_NAN, WITH_INF = X.copy(), X.copy()
WITH_NAN[2, 1], WITH_INF[4, 0] = np.nan, np.inf


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X[:0], X[:0], r"fit: x must not be empty, got shape \(0, 3\)"),
        (np.zeros((5, 4)), X, r"fit: x must be of shape \(n, 3\), got \(5, 4\)"),
        (np.zeros(3), X, r"fit: x must be of shape \(n, 3\), got \(3,\): for a single sample use x\[None\]"),
        (np.zeros((5, 1, 3)), X, r"fit: x must be of shape \(n, 3\), got \(5, 1, 3\): flatten the samples"),
        (WITH_NAN, X, r"fit: x must be finite, got NaN or infinity, first at \(2, 1\)"),
        (WITH_INF, X, r"fit: x must be finite, got NaN or infinity, first at \(4, 0\)"),
        (np.full((5, 3), 1e300), X, r"fit: x must be finite as float32, got 1e\+300 at \(0, 0\)"),
        ([["a", "b", "c"]], X, r"fit: x must be an array of numbers of shape \(n, 3\)"),
        (
            X,
            np.zeros((5, 2)),
            r"fit: MeanSquaredError: targets .* shape of the output, \(n, 3\), got \(5, 2\)",
        ),
        (X, np.zeros((4, 3)), r"fit: x and y must have the same number of rows, got 5 and 4"),
        (X, WITH_NAN, r"fit: MeanSquaredError: targets must be finite, got NaN or infinity in row 2"),
        (X, np.zeros(5, int), r"use SoftmaxCrossEntropy for integer class labels"),
    ],
)
def test_bad_data_are_refused_before_anything_changes(x: object, y: object, message: str) -> None:
    model = autoencoder()
    model.fit(X + 1, X + 1, verbose=0)
    before, generator = model.parameters.copy(), model.rng.bit_generator.state
    with pytest.raises(ValueError, match=message):
        model.fit(x, y, verbose=0)
    with pytest.raises(ValueError, match=message.replace("fit:", "train_on_batch:")):
        model.train_on_batch(x, y)
    np.testing.assert_array_equal(model.parameters, before)
    assert model.rng.bit_generator.state == generator


def test_bad_validation_data_are_refused_before_training() -> None:
    model = autoencoder()
    with pytest.raises(ValueError, match=r"validation_data: x must be of shape \(n, 3\), got \(5, 4\)"):
        model.fit(X, X, validation_data=(np.zeros((5, 4)), X), verbose=0)
    with pytest.raises(ValueError, match=r"validation_data must be \(x, y\), \(x, y, sample_weight\) or a source of"):
        model.fit(X, X, validation_data=X, verbose=0)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 2, 3, 1], r"labels must lie in 0 \.\. 2 for 3 classes, got 0 \.\. 3"),
        ([0, 1, 2, -1, 1], r"labels must lie in 0 \.\. 2 for 3 classes, got -1 \.\. 2"),
        ([0, 1, 2, 0.5, 1], r"labels must be integers"),
        (np.full((5, 3), 0.5), r"every row of targets must be a distribution"),
    ],
)
def test_labels_out_of_range(labels: object, message: str) -> None:
    model = Model([Dense(3)], 3)
    model.compile(SGD(), SoftmaxCrossEntropy())
    with pytest.raises(ValueError, match=message):
        model.fit(X, labels, verbose=0)


def test_uncompiled_model_says_so() -> None:
    model = Model([Dense(3)], 3)
    for call in (lambda: model.fit(X, X), lambda: model.evaluate(X, X), lambda: model.train_on_batch(X, X)):
        with pytest.raises(RuntimeError, match="call compile"):
            call()


def test_compile_wants_objects_or_known_names() -> None:
    model = Model([Dense(3)], 3)
    with pytest.raises(ValueError, match=r"optimizer must be one of 'sgd', .* got 'adma': did you mean 'adam'"):
        model.compile("adma", MeanSquaredError())
    with pytest.raises(TypeError, match=r"optimizer must be a name, or a tinydl Optimizer .* got 0.1"):
        model.compile(0.1, MeanSquaredError())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"loss must be a name, .* got <class .*>: write MeanSquaredError\(\)"):
        model.compile(SGD(), MeanSquaredError)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"metrics must be one of 'accuracy'"):
        model.compile(SGD(), MeanSquaredError(), metrics=["acuracy"])


def test_a_layer_belongs_to_one_model() -> None:
    layer = Dense(3)
    model = Model([layer], 3)
    weights = model.parameters.copy()
    with pytest.raises(ValueError, match=r"dense_1 \(Dense\), which already belongs to a model"):
        Model([layer, Dense(3)], 3)
    np.testing.assert_array_equal(model.params["dense_1.W"].ravel(), weights[:9])
    with pytest.raises(ValueError, match=r"dense_1 \(Dense\), which already belongs to a model"):
        Model([Residual(layer)], 3)


def test_an_optimizer_belongs_to_one_model() -> None:
    optimizer = Adam()
    Model([Dense(3)], 3).compile(optimizer, MeanSquaredError())
    with pytest.raises(ValueError, match=r"Adam: expected the 12 float32 parameters it trains, got 4"):
        Model([Dense(1)], 3).compile(optimizer, MeanSquaredError())


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([], 3), ValueError, "at least one layer"),
        (([Dense], 3), TypeError, r"write Dense\(\.\.\.\)"),
        (([Dense(3)], 0), ValueError, "every entry of input_shape"),
        (
            ([Dense(3)], (4, 4, 1)),
            ValueError,
            r"put a Flatten\(\) before it .it follows the input, which gives",
        ),
        (([Dense(3)], 3, 0, "float16"), ValueError, "dtype must be float32 or float64"),
    ],
)
def test_bad_models(arguments: tuple, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Model(*arguments)


def test_a_layer_in_two_places_of_different_containers_shares_its_weights() -> None:
    """See layers/test_shared.py."""
    layer = Dense(3)
    model = Model([Sequential([layer]), Sequential([layer])], 3)
    assert model.parameters.size == 12
    assert model.params["sequential_1.dense_1.W"] is model.params["sequential_2.dense_1.W"]


class Hides(Layer):
    """A wrongly written composite: sublayers() omits its layer, and it does not derive from Container."""

    listed = False

    def __init__(self) -> None:
        super().__init__()
        self.inner = Dense(3)

    def sublayers(self) -> list[Layer]:
        return [self.inner] if self.listed else []

    def build(self, input_shape: tuple[int, ...], rng: np.random.Generator, dtype: object) -> tuple[int, ...]:
        super().build(input_shape, rng, dtype)  # type: ignore[arg-type]
        return self.inner.build(input_shape, rng, dtype)  # type: ignore[arg-type]


class Lists(Hides):
    listed = True


def test_layers_that_would_not_be_trained_are_refused() -> None:
    with pytest.raises(TypeError, match=r"Hides holds the layer self.inner, but its sublayers\(\) does not return it"):
        Model([Hides()], 3)
    with pytest.raises(TypeError, match="Lists has sublayers, so its class must derive from Container"):
        Model([Lists()], 3)


def test_a_composite_of_ones_own_trains_and_counts() -> None:
    class Twice(Container):
        """y = 2 inner(x)"""

        def __init__(self, inner: Layer) -> None:
            super().__init__()
            self.inner = inner

        def sublayers(self) -> list[Layer]:
            return [self.inner]

        def build(self, input_shape: tuple[int, ...], rng: np.random.Generator, dtype: object) -> tuple[int, ...]:
            super().build(input_shape, rng, dtype)  # type: ignore[arg-type]
            self.name_sublayers()
            return self.inner.build(input_shape, rng, dtype)  # type: ignore[arg-type]

        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            return 2 * self.inner.forward(x, training)

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return self.inner.backward(2 * dy)  # type: ignore[return-value]

    model = Model([Twice(Dense(4, "tanh")), Dense(3)], 3)
    assert model.parameters.size == 12 + 4 + 12 + 3
    assert "twice_1.dense_1.W" in model.params
    model.compile(SGD(0.1), MeanSquaredError())
    before = model.parameters.copy()
    model.train_on_batch(rows(), rows())
    assert (model.parameters != before).mean() > 0.9


@pytest.mark.parametrize("place", [0, 1])
def test_a_backward_that_returns_nothing_is_named(place: int) -> None:
    class NoReturn(Layer):
        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            return x

        def backward(self, dy: np.ndarray) -> np.ndarray:  # type: ignore[return]
            pass

    layers: list[Layer] = [Dense(3), Dense(3)]
    layers.insert(place + 1, NoReturn())
    model = Model(layers, 3)
    model.compile(SGD(), MeanSquaredError())
    with pytest.raises(TypeError, match=r"no_return_1 \(NoReturn\): backward must return dL/dx, got None"):
        model.train_on_batch(rows(), rows())


def test_an_override_of_dense_backward_gets_its_dx_in_training_too() -> None:
    class Halved(Dense):
        def backward(self, dy: np.ndarray) -> np.ndarray:
            return super().backward(dy) * 0.5  # type: ignore[operator]

    model = Model([Halved(3), Dense(3)], 3)
    model.compile(SGD(), MeanSquaredError())
    model.train_on_batch(rows(), rows())


def test_parameters_made_in_a_constructor_are_kept() -> None:
    class Scale(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.add_parameter("s", np.ones(3, np.float32))

        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            self.x = x
            return x * self.params["s"]

        def backward(self, dy: np.ndarray) -> np.ndarray:
            self.grads["s"] += (dy * self.x).sum(axis=0)
            return dy * self.params["s"]

    model = Model([Scale()], 3)
    model.compile(SGD(0.1), MeanSquaredError())
    model.train_on_batch(rows(), 2 * rows())
    assert (model.params["scale_1.s"] > 1).all()


def test_an_optimizer_that_has_trained_another_model_is_refused() -> None:
    optimizer = Adam()
    first = Model([Dense(3)], 3)
    first.compile(optimizer, MeanSquaredError())
    first.train_on_batch(rows(), rows())
    first.compile(optimizer, MeanSquaredError())  # the same model again: training continues
    with pytest.raises(ValueError, match="optimizer must be new, got Adam after 1 steps on another model"):
        Model([Dense(3)], 3).compile(optimizer, MeanSquaredError())


@pytest.mark.parametrize(
    ("last", "loss"),
    [
        (Softmax(), SoftmaxCrossEntropy()),
        (Sigmoid(), BinaryCrossEntropy()),
        (Dense(3, "sigmoid"), BinaryCrossEntropy()),
        (Sequential([Dense(3), Softmax()]), SoftmaxCrossEntropy()),
        (Sequential([AuxiliaryHead([Dense(3), Softmax()]), Dense(3)]), SoftmaxCrossEntropy()),
        (Residual(Dense(3), None, "sigmoid"), BinaryCrossEntropy()),
    ],
)
def test_probabilities_are_no_logits(last: Layer, loss: Loss) -> None:
    with pytest.raises(
        ValueError,
        match=r"takes logits and applies the .* itself, but (the model|an auxiliary head) ends in .*remove that layer",
    ):
        Model([Dense(3), copy.deepcopy(last)], 3).compile(SGD(), loss)


@pytest.mark.parametrize("seed", [-1, 1.5, True, "0", None, np.random.default_rng(0)])
def test_bad_seeds(seed: object) -> None:
    with pytest.raises(ValueError, match="Model: seed must be an integer >= 0"):
        Model([Dense(3)], 3, seed=seed)  # type: ignore[arg-type]


def test_numpy_seeds_can_be_saved(tmp_path: Path) -> None:
    Model([Dense(3)], 3, seed=np.int64(3)).save(tmp_path / "m")  # type: ignore[arg-type]
    assert Model.load(tmp_path / "m").seed == 3


@pytest.mark.parametrize("dtype", ["int32", "float16", "complex64", None, "nonsense"])
def test_astype_and_build_refuse_what_kernels_cannot_do(dtype: object) -> None:
    with pytest.raises(ValueError, match="dtype must be float32 or float64"):
        autoencoder().astype(dtype)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="dtype must be float32 or float64"):
        Dense(3).build((3,), np.random.default_rng(0), dtype)  # type: ignore[arg-type]


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_parameters_that_blow_up_in_an_epochs_last_step_are_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "m"
    model = autoencoder(optimizer=SGD(3e38))
    model.save(path)
    good = path.read_bytes()
    with pytest.raises(FloatingPointError, match=r"after epoch 1, dense_1.W.* are not finite"):
        model.fit(100 * rows(), 100 * rows(), callbacks=[ModelCheckpoint(path, "loss")], verbose=0)
    assert path.read_bytes() == good


class Product(Layer):
    """A layer whose state overflows while its output stays 1."""

    def build(self, *given: Any) -> tuple[int, ...]:
        shape = super().build(*given)
        self.add_state("product", np.ones(1, np.float32))
        return shape

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        with np.errstate(over="ignore"):
            self.state["product"] *= np.float32(1e30)
            self.state["product"] *= np.float32(1e30)
        return x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy


def test_state_that_is_not_finite_is_named_before_a_callback_saves_it(tmp_path: Path) -> None:
    model = Model([Product(), Dense(3)], 3)
    model.compile(SGD(0.01), MeanSquaredError())
    (tmp_path / "m").write_bytes(b"good")
    named = r"fit: epoch 1, batch 1: product_1 \(Product\)'s product became NaN or infinite"
    with pytest.raises(FloatingPointError, match=named):
        model.fit(rows(), rows(), callbacks=[ModelCheckpoint(tmp_path / "m", "loss")], verbose=0)
    assert (tmp_path / "m").read_bytes() == b"good"


@pytest.mark.filterwarnings("ignore:fit. x should hold numbers near")
def test_an_optimizer_whose_vectors_overflow_is_named() -> None:
    """The loss is finite, but the square of its gradient is not: Adam's steps would be 0 from then on."""
    model = Model([Dense(1)], 2)
    model.compile(Adam(1e-3), MeanAbsoluteError())
    with pytest.raises(FloatingPointError, match=r"fit: after epoch 1, Adam's v are not finite. Try a smaller"):
        model.fit(np.full((4, 2), 1e25), np.zeros((4, 1)), verbose=0)


def test_a_rate_beyond_the_dtype_is_named_where_it_enters() -> None:
    for kind in (SGD, Adam):
        with pytest.raises(ValueError, match=rf"{kind.__name__}: expected a rate >= 0, finite as float32, got 1e\+39"):
            autoencoder(optimizer=kind(1e39))
        model = autoencoder(optimizer=kind(0.1))
        model.optimizer.learning_rate = 1e39  # type: ignore[union-attr]
        before = model.parameters.copy()
        with pytest.raises(ValueError, match="finite as float32"):
            model.train_on_batch(rows(), rows())
        np.testing.assert_array_equal(model.parameters, before)
    message = r"LearningRateScheduler: schedule\(0\) must be a finite number with 0 <= schedule\(0\) < 3.40282e\+38, got 1e\+300"
    model = autoencoder()
    before = model.parameters.copy()
    with pytest.raises(ValueError, match=message):
        model.fit(rows(), rows(), callbacks=[LearningRateScheduler(lambda epoch: 1e300)], verbose=0)
    np.testing.assert_array_equal(model.parameters, before)
    large = autoencoder().astype("float64")
    large.compile(SGD(1e39), "mse")


def test_a_schedule_that_gives_nonsense_is_named() -> None:
    class Wrong(Schedule):
        def __call__(self, step: int) -> float:
            return float("nan")

    model = autoencoder(optimizer=SGD(Wrong()))
    before = model.parameters.copy()
    with pytest.raises(ValueError, match=r"SGD: expected a rate >= 0, finite as float32, got nan from Wrong\(\)"):
        model.train_on_batch(rows(), rows())
    np.testing.assert_array_equal(model.parameters, before)


def test_flatten_makes_the_image_model_work() -> None:
    assert Model([Flatten(), Dense(3)], (4, 5, 2)).predict(np.zeros((2, 4, 5, 2))).shape == (2, 3)


# --- failures in training ---------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_diverging_run_names_epoch_batch_and_cause() -> None:
    model = Model([Dense(8, "relu"), Dense(3)], 3)
    model.compile(SGD(1e6), MeanSquaredError())
    x = rows(64)
    with pytest.raises(FloatingPointError, match=r"fit: epoch \d+, batch \d+: the loss became .*smaller learning rate"):
        model.fit(x, x, epochs=50, batch_size=16, verbose=0)


@pytest.mark.filterwarnings("ignore:invalid value encountered")  # the reference kernels make NumPy warn
def test_the_layer_that_breaks_is_named() -> None:
    class Explodes(Layer):
        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            return x * np.float32(np.inf)

        def backward(self, dy: np.ndarray) -> np.ndarray:
            return dy

    model = Model([Dense(3), Explodes(), Dense(3)], 3)
    model.compile(SGD(), MeanSquaredError())
    before = model.parameters.copy()
    with pytest.raises(FloatingPointError, match=r"first output that is not finite comes from explodes_1 \(Explodes\)"):
        model.train_on_batch(rows(), rows())
    np.testing.assert_array_equal(model.parameters, before)


def test_forward_that_returns_nothing_is_named() -> None:
    class Forgets(Layer):
        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            x * 2  # type: ignore[return]

    with pytest.raises(TypeError, match=r"forgets_1 \(Forgets\): forward must return an array, got None"):
        Model([Forgets(), Dense(1)], 3).predict(X)


@pytest.mark.parametrize("value", ["batch", 1, None])
def test_flags_must_be_true_or_false(value: object) -> None:
    model = autoencoder()
    with pytest.raises(ValueError, match="fit: shuffle must be True or False"):
        model.fit(X, X, shuffle=value, verbose=0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Dense: use_bias must be True or False"):
        Dense(3, use_bias=value)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="SGD: nesterov must be True or False"):
        SGD(0.1, 0.9, nesterov=value)  # type: ignore[arg-type]


def test_callbacks_must_be_callbacks() -> None:
    with pytest.raises(TypeError, match="callbacks must be Callback objects"):
        autoencoder().fit(X, X, callbacks=[print], verbose=0)  # type: ignore[list-item]


def test_an_error_in_a_callback_still_ends_the_others() -> None:
    class Ends(Callback):
        ended = False

        def on_train_end(self) -> None:
            self.ended = True

    class Breaks(Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            raise OSError("disk full")

    ends = Ends()
    with pytest.raises(OSError, match="disk full"):
        autoencoder().fit(X, X, callbacks=[ends, Breaks()], verbose=0)
    assert ends.ended


def test_an_input_shape_with_channels_first_is_warned_of() -> None:
    with pytest.warns(
        UserWarning, match=r"input_shape \(3, 32, 32\) means images 3 pixels high with 32 channels.* use \(32, 32, 3\)"
    ):
        Model([Conv2D(4, 3, padding="same")], (3, 32, 32))
    Model([Flatten(), Dense(4)], (3, 32, 32))
    Model([Conv2D(4, 3, padding="same")], (3, 32, 16))
