"""Sequential and Flatten: composition, names, shared arrays, and messages that name both neighbors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinydl.layers import (
    ActivityL1,
    ContractivePenalty,
    Dense,
    Dropout,
    Flatten,
    Layer,
    LeakyReLU,
    MaskingNoise,
    ReLU,
    Sequential,
    Tanh,
)


def built(layers: list[Layer], shape: tuple[int, ...] = (5,), seed: int = 0) -> Sequential:
    chain = Sequential(layers)
    chain.build(shape, np.random.default_rng(seed), np.float64)
    return chain


def test_it_is_the_composition_and_the_chain_rule() -> None:
    one, two, three = Dense(4, "tanh"), Tanh(), Dense(2)
    chain = built([one, two, three])
    x, dy = np.random.default_rng(1).normal(size=(3, 5)), np.random.default_rng(2).normal(size=(3, 2))
    np.testing.assert_array_equal(chain.forward(x), three.forward(two.forward(one.forward(x))))
    chain.zero_grad()
    dx = chain.backward(dy)
    grads = {name: gradient.copy() for name, gradient in chain.grads.items()}
    chain.zero_grad()
    np.testing.assert_array_equal(dx, one.backward(two.backward(three.backward(dy))))
    for name, gradient in chain.grads.items():
        np.testing.assert_array_equal(gradient, grads[name])


def test_build_carries_the_shape_through() -> None:
    chain = Sequential([Flatten(), Dense(4), ReLU(), Dense(2)])
    assert not chain.built
    assert chain.build((3, 2), np.random.default_rng(0), np.float32) == (2,)
    assert chain.built
    assert [layer.output_shape for layer in chain.layers] == [(6,), (4,), (4,), (2,)]
    assert (chain.input_shape, chain.output_shape) == ((3, 2), (2,))


def test_names_are_those_of_keras_and_given_ones_stay() -> None:
    mine = Dense(3)
    mine.name = "code"
    chain = built([MaskingNoise(0.1), Dense(4), LeakyReLU(), Dense(5), ReLU(), ActivityL1(0.1), mine])
    assert [layer.name for layer in chain.layers] == [
        "masking_noise_1", "dense_1", "leaky_re_lu_1", "dense_2", "re_lu_1", "activity_l1_1", "code",
    ]  # fmt: skip


def test_params_grads_and_penalty_are_those_of_the_layers_below() -> None:
    encoder = Sequential([Dense(4, "relu"), ActivityL1(0.5)])
    chain = built([encoder, ContractivePenalty(Dense(3), 0.2)])
    assert sorted(chain.params) == [
        "contractive_penalty_1.dense_1.W", "contractive_penalty_1.dense_1.b",
        "sequential_1.dense_1.W", "sequential_1.dense_1.b",
    ]  # fmt: skip
    assert chain.params["sequential_1.dense_1.W"] is encoder.layers[0].params["W"]
    assert chain.grads["sequential_1.dense_1.W"] is encoder.layers[0].grads["W"]
    assert chain.state == {}
    y = chain.forward(np.ones((2, 5)))
    terms = [encoder.layers[1].penalty(), chain.layers[1].penalty()]
    assert min(terms) > 0
    assert chain.penalty() == sum(terms)
    chain.backward(np.ones_like(y))
    assert chain.grads["sequential_1.dense_1.W"].any()
    chain.zero_grad()
    assert not any(gradient.any() for gradient in chain.grads.values())


def test_walk_goes_depth_first_in_the_order_of_the_forward_pass() -> None:
    inner, wrapped = Sequential([ReLU(), Tanh()]), ContractivePenalty(Dense(3), 0.1)
    chain = Sequential([inner, wrapped, Dropout(0.5)])
    assert list(chain.walk()) == [chain, inner, *inner.layers, wrapped, wrapped.encoder, chain.layers[2]]


def test_backward_stops_at_the_lowest_layer_that_learns() -> None:
    first, below = Dense(4), ReLU()
    inner = Sequential([below, first])
    chain = built([MaskingNoise(0.3), inner, Dense(2)])
    dy = np.ones((3, 2))
    chain.forward(np.random.default_rng(0).normal(size=(3, 5)))
    assert chain.backward(dy).shape == (3, 5)
    whole = {name: gradient.copy() for name, gradient in chain.grads.items()}
    chain.zero_grad()
    chain.lowest, inner.lowest, first.input_gradient = 1, 1, False
    below.backward = None  # type: ignore[assignment, method-assign]
    assert chain.backward(dy).size == 0
    for name, gradient in chain.grads.items():
        np.testing.assert_array_equal(gradient, whole[name])


def test_a_shape_that_does_not_fit_names_both_neighbours() -> None:
    with pytest.raises(
        ValueError, match=r"dense_1 \(Dense\).*\(3, 2\): put a Flatten\(\) before it.*follows the input"
    ):
        built([Dense(4)], (3, 2))
    chain = [Flatten(), Dense(4), Reshaper(), Dense(2)]
    with pytest.raises(ValueError, match=r"dense_2 \(Dense\).*follows reshaper_1 \(Reshaper\), which gives \(2, 2\)"):
        built(chain, (3, 2))


class Reshaper(Layer):
    """A layer that declares the output shape (2, 2) for rows of four."""

    def build(self, input_shape: Any, rng: Any, dtype: Any) -> Any:
        super().build(input_shape, rng, dtype)
        self.output_shape = (2, 2)
        return self.output_shape


class Forgetful(Layer):
    def forward(self, x: np.ndarray, training: bool = False) -> Any:
        return None


def test_a_layer_that_forgets_its_return_is_named() -> None:
    chain = built([Dense(3), Forgetful()])
    with pytest.raises(TypeError, match=r"forgetful_1 \(Forgetful\): forward must return an array, got None"):
        chain.forward(np.ones((2, 5)))


def test_a_backward_that_forgets_its_return_is_named_also_where_dx_is_not_needed() -> None:
    layer = Dense(3)
    chain = built([layer, ReLU()])
    layer.backward = lambda dy: None  # type: ignore[assignment, method-assign, return-value]
    for layer.input_gradient in (True, False):
        chain.forward(np.ones((2, 5)))
        with pytest.raises(TypeError, match=r"dense_1 \(Dense\): backward must return dL/dx, got None"):
            chain.backward(np.ones((2, 3)))


def test_a_layer_without_forward_or_backward_says_so() -> None:
    with pytest.raises(NotImplementedError, match="Reshaper has no forward"):
        Reshaper().forward(np.ones((1, 4)))
    with pytest.raises(NotImplementedError, match="Forgetful has no backward"):
        Forgetful().backward(np.ones((1, 4)))


def test_bad_layers_are_refused() -> None:
    with pytest.raises(
        TypeError, match=r"Sequential: expected Layer objects, got <class .*ReLU'>: write ReLU\(\.\.\.\)"
    ):
        Sequential([Dense(3), ReLU])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="Sequential: expected Layer objects, got 'relu'"):
        Sequential(["relu"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="Sequential: expected at least one layer, got none"):
        Sequential([])


def test_one_layer_in_two_places_shares_its_weights() -> None:
    """test_shared.py has more tests of shared layers."""
    twice = Dense(5)
    chain = built([twice, ReLU(), twice])
    assert [layer.name for layer in chain.layers] == ["dense_1", "re_lu_1", "dense_2"]
    assert chain.params["dense_1.W"] is chain.params["dense_2.W"]


def test_two_layers_of_one_name_are_refused() -> None:
    one, other = Dense(5), Dense(5)
    one.name = other.name = "code"
    with pytest.raises(ValueError, match=r"^Sequential: the names of its layers must differ, got 'code' 2 times"):
        built([one, other])


def test_the_config_makes_the_same_chain() -> None:
    chain = Sequential([Dense(4, "relu", use_bias=False), Dropout(0.25)])
    assert repr(chain) == (
        "Sequential(layers=[Dense(units=4, activation='relu', use_bias=False, kernel_initializer='glorot_uniform', "
        "kernel_regularizer=None), Dropout(rate=0.25)])"
    )
    twin = Sequential(**chain.get_config())
    assert twin.layers == chain.layers


def test_flatten_reads_in_c_order_and_back() -> None:
    layer, x = Flatten(), np.arange(24.0).reshape(2, 3, 4)
    assert layer.build((3, 4), np.random.default_rng(0), np.float64) == (12,)
    y = layer.forward(np.asfortranarray(x))
    assert y.tolist() == [list(range(12)), list(range(12, 24))]
    np.testing.assert_array_equal(layer.backward(y), x)
    with pytest.raises(ValueError, match=r"expected an input of shape \(batch, 3, 4\), got \(2, 4, 3\)"):
        layer.forward(np.ones((2, 4, 3)))
    with pytest.raises(ValueError, match=r"dy must have the shape of the last output, \(2, 12\), got \(2, 3, 4\)"):
        layer.backward(x)
    with pytest.raises(RuntimeError, match="Flatten: backward needs a forward pass"):
        Flatten().backward(y)


def test_flatten_of_rows_and_of_single_numbers() -> None:
    assert Flatten().build((7,), np.random.default_rng(0), np.float64) == (7,)
    layer = Flatten()
    assert layer.forward(np.ones((3,))).shape == (3, 1)
    assert layer.backward(np.ones((3, 1))).shape == (3,)
