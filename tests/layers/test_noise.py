"""Dropout, MaskingNoise, GaussianNoise: rates, scaling, no effect outside training, and the random stream."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tinydl import Model
from tinydl.layers import Dense, Dropout, GaussianNoise, MaskingNoise, Sequential

EACH: dict[str, Any] = {
    "Dropout": lambda: Dropout(0.4),
    "MaskingNoise": lambda: MaskingNoise(0.4),
    "GaussianNoise": lambda: GaussianNoise(0.4),
}
each = pytest.mark.parametrize("make", EACH.values(), ids=EACH)


def built(layer: Any, width: int = 50, seed: int = 0, dtype: Any = np.float64) -> Any:
    layer.build((width,), np.random.default_rng(seed), dtype)
    return layer


def around(rate: float, count: int) -> Any:
    """A share that equals `rate` within four standard deviations."""
    return pytest.approx(rate, abs=4 * math.sqrt(rate * (1 - rate) / count))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_drops_at_its_rate_and_scales_the_rest_up(rate: float) -> None:
    layer, x = built(Dropout(rate)), np.full((1000, 50), 3.0)
    y = layer.forward(x, training=True)
    assert np.mean(y == 0) == around(rate, y.size)
    np.testing.assert_allclose(y[y != 0], 3 / (1 - rate), rtol=1e-15)
    assert y.mean() == pytest.approx(3, rel=0.05)  # the expected value is preserved


@pytest.mark.parametrize("rate", [0.1, 0.4, 0.9])
def test_masking_noise_drops_at_its_rate_and_scales_nothing(rate: float) -> None:
    layer, x = built(MaskingNoise(rate)), np.full((1000, 50), 3.0)
    y = layer.forward(x, training=True)
    assert np.mean(y == 0) == around(rate, y.size)
    assert set(np.unique(y)) == {0.0, 3.0}


@pytest.mark.parametrize("stddev", [0.1, 2.0])
def test_gaussian_noise_has_its_standard_deviation(stddev: float) -> None:
    layer, x = built(GaussianNoise(stddev)), np.full((1000, 50), 3.0)
    noise = layer.forward(x, training=True) - x
    assert noise.std() == pytest.approx(stddev, rel=0.02)
    assert abs(noise.mean()) < 4 * stddev / math.sqrt(noise.size)
    assert np.mean(np.abs(noise) < stddev) == pytest.approx(0.6827, abs=0.01)  # as for a normal distribution


@pytest.mark.parametrize("layer", [Dropout(0.4), MaskingNoise(0.4)], ids=repr)
def test_entries_are_dropped_independently(layer: Any) -> None:
    """The layer does not drop whole rows or columns, and no entry depends on its neighbor."""
    kept = built(layer).forward(np.ones((2000, 50)), training=True) != 0
    for axis in (0, 1):
        assert kept.mean(axis=axis).std() < 0.1
    for left, right in ((kept[:, :-1], kept[:, 1:]), (kept[:-1], kept[1:])):
        assert np.mean(left & right) == pytest.approx(0.36, abs=0.01)


@each
def test_outside_training_it_is_the_identity_and_draws_nothing(make: Any) -> None:
    layer, x = built(make(), 3), np.random.default_rng(1).normal(size=(4, 3))
    before = layer.rng.bit_generator.state
    np.testing.assert_array_equal(layer.forward(x), x)
    np.testing.assert_array_equal(layer.backward(x), x)
    assert layer.rng.bit_generator.state == before


@each
def test_outside_training_it_works_unbuilt_while_training_asks_for_a_generator(make: Any) -> None:
    layer, x = make(), np.ones((2, 3))
    np.testing.assert_array_equal(layer.forward(x), x)
    with pytest.raises(RuntimeError, match=f"{type(layer).__name__}: no random generator yet: put it into a"):
        layer.forward(x, training=True)


@pytest.mark.parametrize("layer", [Dropout(0), MaskingNoise(0.0), GaussianNoise(0)], ids=repr)
def test_a_rate_of_zero_is_the_identity(layer: Any) -> None:
    x = np.random.default_rng(1).normal(size=(4, 3))
    np.testing.assert_array_equal(built(layer, 3).forward(x, training=True), x)


@pytest.mark.parametrize("layer", [Dropout(0.4), MaskingNoise(0.4)], ids=repr)
def test_backward_uses_the_mask_of_the_forward_pass(layer: Any) -> None:
    built(layer)
    x, dy = np.ones((20, 50)), np.random.default_rng(1).normal(size=(20, 50))
    y = layer.forward(x, training=True)
    for _ in range(2):
        np.testing.assert_array_equal(layer.backward(dy), dy * y)
    layer.forward(x)  # outside training there is no mask
    np.testing.assert_array_equal(layer.backward(dy), dy)


def test_gaussian_noise_passes_the_gradient_on() -> None:
    layer, dy = built(GaussianNoise(0.4)), np.random.default_rng(1).normal(size=(20, 50))
    layer.forward(np.ones((20, 50)), training=True)
    np.testing.assert_array_equal(layer.backward(dy), dy)


@each
def test_the_same_seed_gives_the_same_noise_and_every_pass_another(make: Any) -> None:
    x = np.ones((20, 50))

    def passes(seed: int) -> list[np.ndarray]:
        layer = built(make(), seed=seed)
        return [layer.forward(x, training=True) for _ in range(3)]

    first, again, other = passes(0), passes(0), passes(1)
    np.testing.assert_array_equal(first, again)
    assert (first[0] != first[1]).any()
    assert (first[1] != first[2]).any()
    assert (first[0] != other[0]).any()


def drawn(layers: list[Any], which: int) -> np.ndarray:
    """Layer number `which` applied to ones, after two training passes through a chain of `layers`."""
    chain = Sequential(layers)
    chain.build((50,), np.random.default_rng(0), np.float64)
    for _ in range(2):
        chain.forward(np.ones((20, 50)), training=True)
    return layers[which].forward(np.ones((20, 50)), training=True)


def test_layers_draw_from_generators_of_their_own() -> None:
    one, two = Dropout(0.5), Dropout(0.5)
    chain = Sequential([one, two])
    chain.build((50,), np.random.default_rng(0), np.float64)
    assert one.rng is not two.rng
    x = np.ones((20, 50))
    assert (one.forward(x, training=True) != two.forward(x, training=True)).any()


def test_what_a_layer_draws_does_not_depend_on_what_the_others_draw() -> None:
    with_noise = drawn([Dropout(0.5), GaussianNoise(0.3)], 1)
    np.testing.assert_array_equal(drawn([Dropout(0.1), GaussianNoise(0.3)], 1), with_noise)  # another rate
    np.testing.assert_array_equal(drawn([MaskingNoise(0.0), GaussianNoise(0.3)], 1), with_noise)  # no draw at all


def test_noise_layers_do_not_change_the_first_weights() -> None:
    """Noise layers spawn their own generators and draw nothing from the generator of the weights."""
    plain = Model([Dense(4), Dense(3)], 5, seed=7)
    noisy = Model([MaskingNoise(0.4), Dense(4), Dropout(0.5), Dense(3)], 5, seed=7)
    for left, right in zip(plain.get_weights(), noisy.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


@each
def test_the_global_random_state_is_neither_used_nor_touched(make: Any) -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    built(make()).forward(np.ones((4, 50)), training=True)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


@each
def test_dtype_and_shape_follow_the_model(make: Any) -> None:
    for dtype in [np.float32, np.float64]:
        layer = make()
        layer.build((2, 3, 4), np.random.default_rng(0), dtype)
        y = layer.forward(np.ones((5, 2, 3, 4)), training=True)
        dx = layer.backward(np.ones((5, 2, 3, 4)))
        assert (y.shape, y.dtype, dx.shape, dx.dtype) == ((5, 2, 3, 4), dtype, (5, 2, 3, 4), dtype)


@each
def test_inputs_are_left_alone(make: Any) -> None:
    layer, x, dy = built(make(), 3), np.ones((4, 3)), np.ones((4, 3))
    layer.forward(x, training=True)
    layer.backward(dy)
    np.testing.assert_array_equal(x, np.ones((4, 3)))
    np.testing.assert_array_equal(dy, np.ones((4, 3)))


@each
def test_what_cannot_be_is_refused(make: Any) -> None:
    layer = built(make(), 3)
    name = type(layer).__name__
    with pytest.raises(RuntimeError, match=f"{name}: backward needs a forward pass"):
        layer.backward(np.ones((4, 3)))
    with pytest.raises(ValueError, match=rf"{name}: expected an input of shape \(batch, 3\), got \(4, 2\)"):
        layer.forward(np.ones((4, 2)))
    layer.forward(np.ones((4, 3)), training=True)
    with pytest.raises(ValueError, match=rf"{name}: dy must have the shape of the last output, \(4, 3\), got \(4, 1\)"):
        layer.backward(np.ones((4, 1)))


@pytest.mark.parametrize("layer", [Dropout, MaskingNoise])
def test_a_bad_rate_is_refused(layer: Any) -> None:
    for rate in [-0.1, 1, 1.5, math.nan, "0.5", None, True]:
        with pytest.raises(ValueError, match=f"{layer.__name__}: rate must be a finite number with 0 <= rate < 1, got"):
            layer(rate)


def test_a_bad_standard_deviation_is_refused() -> None:
    for stddev in [-0.1, math.inf, math.nan, "0.5"]:
        with pytest.raises(ValueError, match="GaussianNoise: stddev must be a finite number with 0 <= stddev, got"):
            GaussianNoise(stddev)
