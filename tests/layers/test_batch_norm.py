"""BatchNorm: PyTorch's and Keras's values over several steps, its running statistics, and invalid input."""

from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl import Model, kernels
from tinydl.kernels.machine.threads import set_num_threads
from tinydl.layers import BatchNorm, Conv2D, Dense, GlobalAveragePool2D
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import SGD

HERE = Path(__file__).parents[1] / "golden"
GOLDEN = json.loads((HERE / "batch_norm.json").read_text())
KERAS = json.loads((HERE / "batch_norm_keras.json").read_text())


def built(layer: BatchNorm, shape: tuple[int, ...] = (3,), dtype: Any = np.float64) -> BatchNorm:
    layer.build(shape, np.random.default_rng(0), dtype)
    return layer


def same(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, np.array(expected), rtol=1e-11, atol=1e-12, strict=True)


@pytest.mark.parametrize("name", GOLDEN)
def test_values_gradients_and_running_statistics_of_pytorch(name: str) -> None:
    """Three training steps and one inference step; PyTorch's running variance averages unbiased variances."""
    case = GOLDEN[name]
    shape = np.shape(case["steps"][0]["x"])
    layer = built(BatchNorm(**case["arguments"]), shape[1:])
    layer.params["gamma"][:], layer.params["beta"][:] = case["gamma"], case["beta"]
    m, momentum = math.prod(shape[:-1]), case["arguments"]["momentum"]
    unbiased = np.ones(shape[-1])
    for step in case["steps"]:
        layer.zero_grad()
        same(layer.forward(np.array(step["x"]), step["training"]), step["y"])
        same(layer.backward(np.array(step["dy"])), step["dx"])
        same(layer.grads["gamma"], step["dgamma"])
        same(layer.grads["beta"], step["dbeta"])
        same(layer.state["mean"], step["mean"])
        if step["training"]:
            var = np.array(step["x"]).var(axis=tuple(range(len(shape) - 1)))
            unbiased = momentum * unbiased + (1 - momentum) * var * m / (m - 1)
        same(unbiased, step["unbiased_var"])
        layer.state["var"][:] = unbiased  # the last step, inference, uses PyTorch's variance


@pytest.mark.parametrize("name", KERAS)
def test_values_gradients_and_running_statistics_of_keras(name: str) -> None:
    case = KERAS[name]
    layer = built(BatchNorm(**case["arguments"]), np.shape(case["steps"][0]["x"])[1:])
    arrays = [*layer.params.values(), *layer.state.values()]  # in Keras's order
    for array, start in zip(arrays, case["start"], strict=True):
        array[:] = start
    for step in case["steps"]:
        layer.zero_grad()
        same(layer.forward(np.array(step["x"]), step["training"]), step["y"])
        same(layer.backward(np.array(step["dy"])), step["dx"])
        same(layer.grads["gamma"], step["dgamma"])
        same(layer.grads["beta"], step["dbeta"])
        for array, expected in zip(arrays, step["weights"], strict=True):
            same(array, expected)


def test_the_defaults_are_those_of_keras() -> None:
    assert BatchNorm().get_config() == {"momentum": 0.99, "epsilon": 1e-3, "activation": None}
    layer = built(BatchNorm())
    values = [array.tolist() for array in (*layer.params.values(), *layer.state.values())]
    assert values == [[1] * 3, [0] * 3, [0] * 3, [1] * 3]
    assert [*layer.params, *layer.state] == ["gamma", "beta", "mean", "var"]


@pytest.mark.parametrize("shape", [(50, 3), (4, 5, 6, 3)])
def test_a_channel_gets_mean_beta_and_standard_deviation_gamma(shape: tuple[int, ...]) -> None:
    layer = built(BatchNorm(epsilon=1e-12), shape[1:])
    layer.params["gamma"][:], layer.params["beta"][:] = [1, 2, 3], [-1, 0, 5]
    x = np.random.default_rng(0).normal([1e3, -7, 0], [5, 0.1, 9], shape)
    y = layer.forward(x, training=True).reshape(-1, 3)
    np.testing.assert_allclose(y.mean(axis=0), [-1, 0, 5], atol=1e-9)
    np.testing.assert_allclose(y.std(axis=0), [1, 2, 3], rtol=1e-9)


def test_a_shift_or_stretch_of_x_changes_nothing_and_gets_no_gradient() -> None:
    layer, rng = built(BatchNorm(epsilon=1e-15)), np.random.default_rng(0)
    x, dy = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
    y = layer.forward(x, training=True)
    dx = layer.backward(dy)
    np.testing.assert_allclose(layer.forward(3 * x + 7, training=True), y, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(dx.sum(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose((dx * x).sum(axis=0), 0, atol=1e-12)


def test_a_batch_of_one_row_is_beta_and_gets_no_gradient() -> None:
    for shape in ((1, 3), (1, 1, 1, 3)):
        layer = built(BatchNorm(0.5), shape[1:])
        layer.params["beta"][:] = [-1, 0, 2]
        x = np.array([5.0, -3.0, 0.1]).reshape(shape)
        assert layer.forward(x, training=True).ravel().tolist() == [-1, 0, 2]
        assert not layer.backward(np.ones(shape)).any()
        assert layer.grads["gamma"].tolist() == [0, 0, 0]
        assert layer.grads["beta"].tolist() == [1, 1, 1]
        np.testing.assert_allclose(layer.state["mean"], [2.5, -1.5, 0.05])
        np.testing.assert_allclose(layer.state["var"], [0.5, 0.5, 0.5])  # 0.5 * 1 + 0.5 * 0


def test_a_constant_channel_is_no_division_by_zero() -> None:
    layer = built(BatchNorm(), dtype=np.float32)
    x = np.full((8, 3), 1e4, np.float32)
    assert not layer.forward(x, training=True).any()
    assert np.isfinite(layer.backward(np.random.default_rng(0).normal(size=(8, 3)))).all()


@pytest.mark.parametrize("mode", ["compiled", "reference"])
@pytest.mark.parametrize("scale", [1e-45, 1e-40, 1e-30, 1e-10, 1e3, 1e10, 1e18])
@pytest.mark.parametrize("offset", [0, 1, 1e6, 1e20])
def test_extreme_inputs_give_finite_outputs_gradients_and_statistics(offset: float, scale: float, mode: str) -> None:
    rng = np.random.default_rng(0)
    x = (rng.uniform(-1, 1, (16, 3)) * scale + offset).astype(np.float32)
    x[:, 2] = offset  # a constant channel
    layer = built(BatchNorm(), dtype=np.float32)
    with kernels.using(mode), np.errstate(all="raise", under="ignore"):
        y = layer.forward(x, training=True)
        dx = layer.backward(rng.normal(size=x.shape).astype(np.float32))
    assert np.abs(y).max() < 4  # sqrt(15) at most; PyTorch 2.13 gives 3.4e13 for channels that are 1e20 throughout
    assert not y[:, 2].any()
    for array in (dx, layer.state["mean"], layer.state["var"], *layer.grads.values()):
        assert np.isfinite(array).all()


@pytest.mark.parametrize("mode", ["compiled", "reference"])
@pytest.mark.parametrize(("dtype", "size"), [(np.float32, 1e20), (np.float32, 3e38), (np.float64, 1e160)])
def test_a_variance_that_overflows_is_refused_and_changes_nothing(size: float, dtype: Any, mode: str) -> None:
    layer = built(BatchNorm(), dtype=dtype)
    x = np.random.default_rng(0).choice([-size, size], (16, 3)).astype(dtype)
    message = (
        r"^BatchNorm: the variance of the inputs must fit into float\d\d \(up to .*\), got inputs of up to .*: scale"
    )
    with kernels.using(mode), pytest.raises(FloatingPointError, match=message):
        layer.forward(x, training=True)
    assert layer.state["mean"].tolist() == [0, 0, 0]
    assert layer.state["var"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("mode", ["compiled", "reference"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_inputs_pass_through_but_never_reach_the_running_statistics(bad: float, mode: str) -> None:
    layer = built(BatchNorm(), dtype=np.float32)
    x = np.ones((4, 3), np.float32)
    x[1, 1] = bad
    with kernels.using(mode), np.errstate(invalid="ignore"):
        y = layer.forward(x, training=True)
    assert np.isnan(y[:, 1]).any()
    assert layer.state["mean"].tolist() == [0, 0, 0]
    assert layer.state["var"].tolist() == [1, 1, 1]


def test_inference_changes_no_running_statistics_and_does_not_look_at_the_batch() -> None:
    layer, rng = built(BatchNorm(0.5)), np.random.default_rng(0)
    for _ in range(3):
        layer.forward(rng.normal(2, 3, (9, 3)), training=True)
    before = {key: array.copy() for key, array in layer.state.items()}
    x = rng.normal(size=(4, 3))
    y = layer.forward(x)
    np.testing.assert_array_equal(layer.forward(x[1:2]), y[1:2])
    layer.backward(np.ones((1, 3)))
    for key, array in layer.state.items():
        np.testing.assert_array_equal(array, before[key])
    np.testing.assert_allclose(y, (x - before["mean"]) / np.sqrt(before["var"] + 1e-3), rtol=1e-13)


def test_backward_is_that_of_the_pass_before_it_even_if_the_statistics_move_on() -> None:
    layer, rng = built(BatchNorm(0.0)), np.random.default_rng(0)
    x, dy = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    layer.forward(x)
    expected = layer.backward(dy)
    layer.forward(x)
    layer.state["mean"] += 5  # as if the statistics had moved on
    layer.state["var"] *= 3
    np.testing.assert_array_equal(layer.backward(dy), expected)


def test_float32_stays_float32() -> None:
    for training in [True, False]:
        for activation in [None, "relu", "sigmoid", "tanh"]:
            layer = built(BatchNorm(activation=activation), (2, 2, 3), np.float32)
            y = layer.forward(np.random.default_rng(0).normal(size=(4, 2, 2, 3)), training)  # float64 input
            dx = layer.backward(np.ones((4, 2, 2, 3)))
            arrays = [y, dx, *layer.params.values(), *layer.grads.values(), *layer.state.values()]
            assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


def test_arrays_of_others_are_neither_written_to_nor_handed_out_twice() -> None:
    layer, rng = built(BatchNorm(activation="relu"), (2, 2, 3)), np.random.default_rng(1)
    x, dy = rng.normal(size=(2, 2, 2, 3)), rng.normal(size=(2, 2, 2, 3))
    y = layer.forward(x, training=True)
    dx = layer.backward(dy)
    before = [array.copy() for array in (x, dy, y, dx)]
    layer.forward(-2 * x, training=True)
    layer.backward(-dy)
    for array, old in zip((x, dy, y, dx), before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_gradients_add() -> None:
    layer, rng = built(BatchNorm()), np.random.default_rng(0)
    layer.forward(rng.normal(size=(5, 3)), training=True)
    layer.backward(np.ones((5, 3)))
    layer.backward(np.ones((5, 3)))
    assert layer.grads["beta"].tolist() == [10, 10, 10]


def network(activation: str | None = "relu") -> Model:
    model = Model(
        [Conv2D(8, 3, padding="same", use_bias=False), BatchNorm(0.9, activation=activation), GlobalAveragePool2D(), Dense(2)],
        (12, 12, 3),
    )  # fmt: skip
    model.compile(SGD(0.1, momentum=0.9), MeanSquaredError())
    return model


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_bits_twice(threads: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 12, 12, 3)).astype(np.float32), rng.normal(size=(300, 2)).astype(np.float32)
    runs = []
    set_num_threads(threads)
    for _ in range(2):
        model = network()
        model.fit(x, y, epochs=2, batch_size=128, verbose=0)
        runs.append([model.parameters, *model.state.values(), model.predict(x)])
    for first, second in zip(*runs, strict=True):
        np.testing.assert_array_equal(first, second)


def test_threads_may_predict_at_once() -> None:
    model, x = network(), np.random.default_rng(0).normal(size=(700, 12, 12, 3)).astype(np.float32)
    model.train_on_batch(x[:64], np.ones((64, 2)))
    expected = model.predict(x)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda _: model.predict(x), range(12)):
            np.testing.assert_array_equal(result, expected)


def test_running_statistics_become_those_of_the_data() -> None:
    """After many training passes over one batch, inference gives the same output as training."""
    x = np.random.default_rng(0).normal(3, 2, (200, 3))
    layer = built(BatchNorm(0.5))
    for _ in range(60):
        y = layer.forward(x, training=True)
    np.testing.assert_allclose(layer.forward(x), y, rtol=1e-10, atol=1e-12)


def test_a_bad_momentum_is_refused() -> None:
    for value in [-0.1, 1, 1.5, np.nan, np.inf, "0.9", True, None]:
        with pytest.raises(
            ValueError, match=r"^BatchNorm: momentum must be a finite number with 0 <= momentum < 1, got"
        ):
            BatchNorm(value)


def test_a_bad_epsilon_is_refused() -> None:
    for value in [0, -1e-3, np.nan, np.inf, "1", True, None]:
        with pytest.raises(
            ValueError, match=r"^BatchNorm: epsilon must be (above 0|a finite number with 0 <= epsilon), got"
        ):
            BatchNorm(0.9, value)


def test_a_bad_activation_is_refused() -> None:
    for value in ["softmax", "ReLU", 1, True, ["relu"], Dense]:
        with pytest.raises(
            ValueError, match=r"^BatchNorm: activation must be one of None, 'linear', 'relu', 'sigmoid', 'tanh', got"
        ):
            BatchNorm(activation=value)


def test_use_before_build_or_forward_and_foreign_arrays_are_refused() -> None:
    with pytest.raises(RuntimeError, match=r"^BatchNorm: not built yet: put it into a Model or call build first"):
        BatchNorm().forward(np.ones((2, 3)))
    with pytest.raises(RuntimeError, match=r"^BatchNorm: backward needs a forward pass"):
        BatchNorm().backward(np.ones((2, 3)))
    layer = built(BatchNorm())
    with pytest.raises(RuntimeError, match="BatchNorm: backward needs a forward pass"):
        layer.backward(np.ones((2, 3)))
    layer.forward(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"dy must have the shape of the last output, \(2, 3\), got \(3, 2\)"):
        layer.backward(np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"expected an input of shape \(batch, 3\), got \(2, 5\)"):
        layer.forward(np.ones((2, 5)))


def test_the_config_makes_the_same_layer() -> None:
    layer = BatchNorm(0.9, 1e-5, "relu")
    assert repr(BatchNorm(**layer.get_config())) == repr(layer)
    assert repr(layer) == "BatchNorm(momentum=0.9, epsilon=1e-05, activation='relu')"
