"""Penalties: values and gradients, compared with those that autograd derives (tests/golden/penalties.json)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl import Model
from tinydl.layers import ActivityL1, ContractivePenalty, Dense, KLSparsity, ReLU
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import SGD

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "penalties.json").read_text())
CONTRACTIVE = [name for name in GOLDEN if name.startswith("contractive")]
IDENTITY = {"activity_l1": lambda c: ActivityL1(c["factor"]), **dict.fromkeys(
    ("kl_sparsity_0.05", "kl_sparsity_0.4"), lambda c: KLSparsity(c["rho"], c["factor"])
)}  # fmt: skip


def same(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, np.array(expected), rtol=1e-11, atol=1e-14, strict=True)


def contractive(case: dict[str, Any]) -> ContractivePenalty:
    layer = ContractivePenalty(Dense(4, case["activation"], use_bias="b" in case), case["factor"])
    layer.build((5,), np.random.default_rng(0), np.float64)
    for key, parameter in layer.encoder.params.items():
        parameter[...] = case[key]
    return layer


@pytest.mark.parametrize("name", CONTRACTIVE)
@pytest.mark.parametrize("of", ["of_penalty", "of_total"])
def test_contractive_penalty_is_that_of_the_jacobian(name: str, of: str) -> None:
    """of_penalty: the penalty alone (dy = 0); of_total: the penalty together with a loss whose gradient is dy."""
    case = GOLDEN[name]
    layer = contractive(case)
    same(layer.forward(np.array(case["x"]), training=True), case["h"])
    assert layer.penalty() == pytest.approx(case["penalty"], rel=1e-13)
    dy = np.array(case["dy"])
    same(layer.backward(dy if of == "of_total" else 0 * dy), case[of]["dx"])
    for key, gradient in layer.encoder.grads.items():
        same(gradient, case[of][f"d{key}"])


def test_every_golden_case_is_compared() -> None:
    assert {*CONTRACTIVE, *IDENTITY} == set(GOLDEN)


@pytest.mark.parametrize("name", IDENTITY)
def test_terms_on_activations(name: str) -> None:
    case = GOLDEN[name]
    layer, x = IDENTITY[name](case), np.array(case["x"])
    np.testing.assert_array_equal(layer.forward(x), x)
    assert layer.penalty() == pytest.approx(case["penalty"], rel=1e-13)
    same(layer.backward(np.zeros_like(x)), case["dx"])
    dy = np.random.default_rng(0).normal(size=x.shape)
    same(layer.backward(dy), dy + np.array(case["dx"]))


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (ActivityL1(0.3), np.random.default_rng(0).normal(size=(6, 4))),
        (KLSparsity(0.1, 0.3), np.random.default_rng(0).uniform(size=(6, 4))),
        (ContractivePenalty(Dense(3, "tanh"), 0.3), np.random.default_rng(0).normal(size=(6, 4))),
    ],
    ids=["ActivityL1", "KLSparsity", "ContractivePenalty"],
)
def test_the_weight_of_a_penalty_does_not_depend_on_the_batch_size(layer: Any, x: np.ndarray) -> None:
    """The penalty is a mean over rows: repeating the batch does not change it, and halves each row's gradient."""
    layer.build((4,), np.random.default_rng(0), np.float64)
    y = layer.forward(x)
    once, dx = layer.penalty(), layer.backward(np.zeros_like(y))
    y = layer.forward(np.concatenate([x, x]))
    assert layer.penalty() == pytest.approx(once, rel=1e-13)
    same(layer.backward(np.zeros_like(y)), np.concatenate([dx, dx]) / 2)


@pytest.mark.parametrize(
    "layer", [ActivityL1(0.1), KLSparsity(), ContractivePenalty(Dense(2), 0.1)], ids=["l1", "kl", "contractive"]
)
def test_before_any_forward_there_is_no_penalty_and_no_backward(layer: Any) -> None:
    assert layer.penalty() == 0.0
    with pytest.raises(RuntimeError, match=f"{type(layer).__name__}: backward needs a forward pass"):
        layer.backward(np.zeros((1, 2)))


def test_activity_l1_by_hand() -> None:
    layer = ActivityL1(0.5)
    layer.forward(np.array([[1.0, -2.0, 0.0], [3.0, 0.0, 0.0]]))
    assert layer.penalty() == 0.5 * 6 / 2
    assert layer.backward(np.zeros((2, 3))).tolist() == [[0.25, -0.25, 0.0], [0.25, 0.0, 0.0]]


def test_kl_sparsity_is_zero_exactly_at_its_target() -> None:
    layer, x = KLSparsity(0.25), np.array([[0.0, 0.25], [0.5, 0.25]])
    layer.forward(x)
    assert layer.penalty() == pytest.approx(0, abs=1e-15)
    np.testing.assert_allclose(layer.backward(np.zeros_like(x)), 0, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kl_sparsity_of_silent_and_of_saturated_units_is_finite_and_pushes_them_back(dtype: Any) -> None:
    layer, x = KLSparsity(0.05), np.array([[0.0, 1.0], [0.0, 1.0]], dtype)
    layer.build((2,), np.random.default_rng(0), dtype)
    layer.forward(x)
    assert math.isfinite(layer.penalty())
    assert layer.penalty() > 1
    dx = layer.backward(np.zeros_like(x))
    assert np.isfinite(dx).all()
    assert (dx[:, 0] < 0).all()  # a descent step raises the silent unit
    assert (dx[:, 1] > 0).all()


@pytest.mark.parametrize("bad", [-0.1, 1.1])
def test_kl_sparsity_refuses_activations_that_are_no_rates(bad: float) -> None:
    with pytest.raises(
        ValueError, match=r"KLSparsity: expected activations in \[0, 1\], got .* put it after a sigmoid"
    ):
        KLSparsity().forward(np.array([[0.5, bad]]))


def test_a_contractive_penalty_passes_through_to_its_encoder() -> None:
    layer = ContractivePenalty(Dense(4, "tanh"), 0.0)
    assert layer.build((5,), np.random.default_rng(3), np.float64) == (4,)
    plain = Dense(4, "tanh")
    plain.build((5,), np.random.default_rng(3), np.float64)
    x, dy = np.random.default_rng(0).normal(size=(6, 5)), np.ones((6, 4))
    np.testing.assert_array_equal(layer.forward(x), plain.forward(x))
    same(layer.backward(dy), plain.backward(dy))
    assert sorted(layer.params) == ["dense_1.W", "dense_1.b"]
    same(layer.grads["dense_1.W"], plain.grads["W"])
    layer.zero_grad()
    assert not layer.grads["dense_1.W"].any()


def test_a_contractive_penalty_gives_the_weight_gradient_also_where_no_dx_is_asked_for() -> None:
    """In training, a model sets its lowest layer's input_gradient to False, because dL/dx is not needed."""
    case = GOLDEN["contractive_sigmoid_bias"]
    layer = contractive(case)
    layer.encoder.input_gradient = False
    layer.forward(np.array(case["x"]))
    assert layer.backward(np.array(case["dy"])).size == 0
    same(layer.encoder.grads["W"], case["of_total"]["dW"])


@pytest.mark.parametrize(
    ("layers", "share"),
    [
        (lambda: [Dense(4, "relu"), ActivityL1(0.7), Dense(5)], 0.05),
        (lambda: [Dense(4, "sigmoid"), KLSparsity(0.05, 0.7), Dense(5)], 0.05),
        (lambda: [ContractivePenalty(Dense(4, "sigmoid"), 0.7), Dense(5)], 0.01),
    ],
    ids=["l1", "kl", "contractive"],
)
def test_a_model_trains_on_loss_plus_penalty_and_the_penalty_falls(layers: Any, share: float) -> None:
    x = np.random.default_rng(0).normal(size=(32, 5))
    model = Model(layers(), 5, dtype="float64")
    model.compile(SGD(0.1), MeanSquaredError())
    start = model.forward(x)
    before = model.penalty()
    mse = float(np.mean((start - x) ** 2))
    assert before > share
    assert model.evaluate(x, x) == pytest.approx(mse + before, rel=1e-13)
    assert model.train_on_batch(x, x) == pytest.approx(mse + before, rel=1e-13)
    for _ in range(50):
        model.train_on_batch(x, x)
    model.forward(x)
    assert model.penalty() < 0.8 * before


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ActivityL1(-1e-3), ValueError, "ActivityL1: factor must be a finite number with 0 <= factor, got -0.001"),
        (lambda: ActivityL1(math.nan), ValueError, "ActivityL1: factor must be a finite number"),
        (lambda: KLSparsity(0.0), ValueError, "KLSparsity: rho must be above 0, got 0.0"),
        (lambda: KLSparsity(1.0), ValueError, "KLSparsity: rho must be a finite number with 0 <= rho < 1, got 1.0"),
        (lambda: KLSparsity(0.1, -1), ValueError, "KLSparsity: factor must be"),
        (lambda: ContractivePenalty(Dense(3), -1), ValueError, "ContractivePenalty: factor must be"),
        (lambda: ContractivePenalty(ReLU(), 0.1), TypeError, r"encoder must be a Dense layer, got ReLU\(\)"),
        (lambda: ContractivePenalty(Dense, 0.1), TypeError, "encoder must be a Dense layer, got <class"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("mean", [0.0, 5e-8, 1.0])
def test_kl_sparsity_goes_on_as_a_straight_line_where_its_logarithm_ends(mean: float) -> None:
    """The penalty of a unit that is (nearly) always silent or active has the slope that backward gives."""
    layer, x = KLSparsity(0.1, 0.5), np.full((2, 1), mean)
    layer.forward(x)
    before, dx = layer.penalty(), layer.backward(np.zeros_like(x))
    step = 1e-8 if mean < 0.5 else -1e-8
    layer.forward(x + step)
    assert layer.penalty() - before == pytest.approx(dx.sum() * step, rel=1e-6)
