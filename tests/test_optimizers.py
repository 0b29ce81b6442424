"""Optimizers: ten steps of a Model against PyTorch's (recorded in tests/golden), state, clipping, invalid input."""

from __future__ import annotations

import copy
import json
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.proofs.specs import OPTIMIZERS
from tinydl import Model
from tinydl.layers import Dense
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import SGD, Adam, Lion, Optimizer, RMSprop
from tinydl.schedules import CosineDecay

GOLDEN = {
    activation: json.loads((Path(__file__).parent / "golden" / f"optimizers_{activation}.json").read_text())
    for activation in ("relu", "tanh")
}


MAKE: dict[str, Any] = {name: make for spec in OPTIMIZERS.values() for name, make in spec.recorded.items()}
KINDS: dict[str, Any] = {
    f"{name} {kind}".strip(): make for name, spec in OPTIMIZERS.items() for kind, make in spec.kinds.items()
}
DECAYING = {name: make for name, make in KINDS.items() if "weight_decay" in make().get_config()}
EVERY = {**MAKE, **KINDS}
WITH_EPSILON_IN_THE_NORM = "sgd_clip_grad_norm"  # torch.nn.utils.clip_grad_norm_ divides by the norm + 1e-6
CASES = [
    (activation, name)
    for activation, runs in GOLDEN.items()
    for name in runs
    if name not in ("start", WITH_EPSILON_IN_THE_NORM)
]


def ten_steps(activation: str, optimizer: Optimizer) -> tuple[list[float], dict[int, list[np.ndarray]]]:
    """Repeat the recorded run: a 5-4-5 autoencoder in float64 with recorded weights, on one recorded batch."""
    start = GOLDEN[activation]["start"]
    x = np.array(start["x"])
    model = Model([Dense(4, activation), Dense(5)], input_shape=5, dtype="float64")
    model.set_weights([np.array(weight) for weight in start["weights"]])
    model.compile(optimizer, MeanSquaredError())
    optimizer.decayed = None  # PyTorch's optimizers decay biases too
    losses, weights = [], {}
    for step in range(1, 11):
        losses.append(model.train_on_batch(x, x))
        weights[step] = model.get_weights()
    return losses, weights


def compare(activation: str, name: str, optimizer: Optimizer, rtol: float) -> None:
    losses, weights = ten_steps(activation, optimizer)
    golden = GOLDEN[activation][name]
    np.testing.assert_allclose(losses, golden["losses"], rtol=rtol)
    for step, expected in golden["weights"].items():
        for weight, correct in zip(weights[int(step)], expected, strict=True):
            np.testing.assert_allclose(weight, np.array(correct), rtol=rtol, atol=rtol, strict=True)


@pytest.mark.parametrize(("activation", "name"), CASES)
def test_ten_steps_agree_with_pytorch(activation: str, name: str) -> None:
    compare(activation, name, MAKE[name](), rtol=1e-12)


def test_clipping_agrees_with_clip_grad_norm_to_its_epsilon() -> None:
    compare("relu", WITH_EPSILON_IN_THE_NORM, SGD(0.3, global_clipnorm=0.9), rtol=5e-6)


LION = json.loads((Path(__file__).parent / "golden" / "lion_keras.json").read_text())


@pytest.mark.parametrize("arguments", [name for name in LION if name.startswith("{")])
def test_six_steps_of_lion_agree_with_keras(arguments: str) -> None:
    names = {name.replace("_1", "1").replace("_2", "2"): value for name, value in json.loads(arguments).items()}
    optimizer, p = Lion(**names), np.array(LION["start"])
    for g, expected in zip(LION["gradients"], LION[arguments], strict=True):
        optimizer.step(p, np.array(g))
        np.testing.assert_allclose(p, expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["sgd_clip", "adam_clip"])
def test_the_recorded_clipping_was_at_work_in_some_steps_only(name: str) -> None:
    norms = GOLDEN["relu"][name]["norms"]
    assert min(norms) < 0.9 < max(norms)


def test_every_recorded_run_is_compared() -> None:
    assert {name for _, name in CASES} == set(MAKE)


def test_the_first_step_of_adam_moves_every_parameter_by_the_learning_rate() -> None:
    """The bias correction divides; multiplying would make the first step ten times as large."""
    p, g = np.zeros(3), np.array([1e-3, -5.0, 100.0])
    Adam(0.01).step(p, g)
    np.testing.assert_allclose(p, [-0.01, 0.01, -0.01], rtol=1e-4)


def test_clipping_keeps_the_direction_and_leaves_the_gradients_alone() -> None:
    p, g = np.zeros(2), np.array([3.0, 4.0])
    SGD(1.0, global_clipnorm=1.0).step(p, g)
    np.testing.assert_allclose(p, [-0.6, -0.8], rtol=1e-15)
    assert g.tolist() == [3.0, 4.0]


def test_a_gradient_below_the_bound_is_not_scaled_up() -> None:
    p = np.zeros(2)
    SGD(1.0, global_clipnorm=10.0).step(p, np.array([3.0, 4.0]))
    assert p.tolist() == [-3.0, -4.0]


@pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
def test_parameters_change_in_place_in_their_own_dtype_and_gradients_stay(make: Any) -> None:
    rng = np.random.default_rng(0)
    p, g = (rng.standard_normal(50).astype(np.float32) for _ in range(2))
    optimizer, p_before, g_before = make(), p.copy(), g.copy()
    for t in range(1, 4):
        optimizer.step(p, g)
        assert optimizer.iterations == t
    assert p.dtype == np.float32
    assert (p != p_before).all()
    np.testing.assert_array_equal(g, g_before)
    assert {slot.dtype for slot in optimizer.slots.values()} <= {np.dtype(np.float32)}
    assert {slot.shape for slot in optimizer.slots.values()} <= {p.shape}


@pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
def test_float32_follows_float64(make: Any) -> None:
    rng = np.random.default_rng(1)
    p = rng.standard_normal(30)
    runs = {}
    for dtype in (np.float32, np.float64):
        optimizer, vector = make(), p.astype(dtype)
        for seed in range(20):
            optimizer.step(vector, np.random.default_rng(seed).standard_normal(30).astype(dtype))
        runs[dtype] = vector
    np.testing.assert_allclose(runs[np.float32], runs[np.float64], rtol=1e-4, atol=1e-5)


def test_a_rate_of_zero_changes_nothing() -> None:
    for make in EVERY.values():
        optimizer = make()
        optimizer.learning_rate = 0.0
        p = np.array([1.0, -2.0])
        optimizer.step(p, np.array([3.0, 4.0]))
        assert p.tolist() == [1.0, -2.0]


def test_the_learning_rate_may_change_between_steps() -> None:
    optimizer, p = SGD(1.0), np.zeros(1)
    optimizer.step(p, np.ones(1))
    optimizer.learning_rate = 0.5
    optimizer.step(p, np.ones(1))
    optimizer.learning_rate = CosineDecay(0.25, 100)
    assert optimizer.current_learning_rate == CosineDecay(0.25, 100)(2)
    assert p.tolist() == [-1.5]


def test_slots_are_made_only_where_they_are_needed() -> None:
    p = np.zeros(3)
    for optimizer, names in ((SGD(0.1), []), (SGD(0.1, momentum=0.5), ["velocity"]), (RMSprop(), ["v"])):
        optimizer.build(p)
        assert list(optimizer.slots) == names
    adam = Adam()
    adam.build(p)
    assert list(adam.slots) == ["m", "v"]
    adam.build(p)  # again for the same parameters: the slots are kept
    assert math.isclose(adam.slots["m"].sum(), 0.0)


def test_an_optimizer_of_another_model_is_refused_before_anything_changes() -> None:
    optimizer, p = Adam(), np.ones(3)
    optimizer.step(p, np.ones(3))
    other = np.ones(4)
    with pytest.raises(
        ValueError, match="Adam: expected the 3 float64 parameters it trains, got 4 float64: give each model"
    ):
        optimizer.step(other, np.ones(4))
    with pytest.raises(ValueError, match="expected the 3 float64 parameters it trains, got 3 float32"):
        optimizer.step(np.ones(3, np.float32), np.ones(3, np.float32))
    assert other.tolist() == [1.0] * 4
    assert optimizer.iterations == 1


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float16", "bool"])
def test_parameters_that_are_no_floats_are_refused(dtype: str) -> None:
    for optimizer in (SGD(0.1), Adam()):
        p = np.ones(3, dtype)
        with pytest.raises(TypeError, match=f": parameters must be float32 or float64, got {dtype}: use astype"):
            optimizer.step(p, np.ones(3, np.float32))
        assert p.tolist() == [1, 1, 1]
        assert not optimizer.slots


def test_gradients_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"SGD: expected gradients of shape \(3,\), got \(4,\)"):
        SGD().step(np.ones(3), np.ones(4))


def test_bad_hyper_parameters_are_refused() -> None:
    for make, message in [
        (lambda: Adam(-1e-3), "Adam: learning_rate must be a finite number with 0 <= learning_rate, got -0.001"),
        (lambda: Adam("1e-3"), "Adam: learning_rate must be a finite number"),
        (lambda: Adam(beta1=1.0), "Adam: beta1 must be a finite number with 0 <= beta1 < 1, got 1.0"),
        (lambda: Adam(beta2=-0.1), "Adam: beta2 must be"),
        (lambda: Adam(epsilon=0.0), "Adam: epsilon must be a finite number with 1e-16 <= epsilon, got 0.0"),
        (lambda: Adam(weight_decay=-1), "Adam: weight_decay must be"),
        (lambda: SGD(momentum=1.0), "SGD: momentum must be a finite number with 0 <= momentum < 1"),
        (lambda: SGD(nesterov=True), "SGD: nesterov=True needs a momentum above 0, got 0"),
        (lambda: SGD(weight_decay=float("nan")), "SGD: weight_decay must be"),
        (lambda: Lion(beta1=1.0), "Lion: beta1 must be a finite number with 0 <= beta1 < 1, got 1.0"),
        (lambda: Lion(weight_decay=-1), "Lion: weight_decay must be"),
        (lambda: RMSprop(rho=1.0), "RMSprop: rho must be"),
        (lambda: RMSprop(epsilon=-1e-8), "RMSprop: epsilon must be"),
        (lambda: SGD(global_clipnorm=0), "SGD: global_clipnorm must be above 0, got 0"),
        (lambda: Adam(global_clipnorm=float("inf")), "Adam: global_clipnorm must be a finite number"),
    ]:
        with pytest.raises(ValueError, match=message):
            make()


def test_the_config_makes_the_same_optimizer() -> None:
    for make in EVERY.values():
        optimizer = make()
        twin = type(optimizer)(**optimizer.get_config())
        assert repr(twin) == repr(optimizer)
    assert repr(SGD()) == (
        "SGD(learning_rate=0.01, momentum=0.0, nesterov=False, weight_decay=0.0, global_clipnorm=None)"
    )


# --- parameters that decay


PARTS = {
    "some": [slice(0, 7), slice(9, 12), slice(20, 29)],
    "not the first": [slice(3, 30)],
    "to the end": [slice(11, 40)],
    "one": [slice(39, 40)],
    "merged": [slice(20, 25), slice(3, 5), slice(5, 9), slice(6, 8), slice(12, 12), slice(25, 40, 1)],
    "all": [slice(0, 40)],
    "none": [],
    "an empty one": [slice(4, 4)],
}


def by_formula(optimizer: Optimizer, gradients: list[np.ndarray], decay: np.ndarray) -> np.ndarray:
    """The same steps in float64 by the spec's formula; `decay` holds one weight decay per entry."""
    limit = optimizer.global_clipnorm or math.inf
    clipped = [g * min(1, limit / np.linalg.norm(g)) for g in gradients]
    return OPTIMIZERS[type(optimizer).__name__].by_formula(optimizer, start(), clipped, decay)


def steps(optimizer: Optimizer, dtype: Any = np.float64, size: int = 40) -> tuple[np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(3)
    p = rng.standard_normal(size).astype(dtype)
    gradients = [rng.standard_normal(size).astype(dtype) for _ in range(5)]
    for g in gradients:
        optimizer.step(p, g)
    return p, gradients


def start(dtype: Any = np.float64, size: int = 40) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(size).astype(dtype)


@pytest.mark.parametrize("name", KINDS)
def test_steps_follow_the_formula(name: str) -> None:
    optimizer = KINDS[name]()
    p, gradients = steps(optimizer)
    np.testing.assert_allclose(p, by_formula(optimizer, gradients, np.zeros(40)), rtol=1e-12)


@pytest.mark.parametrize("name", DECAYING)
def test_only_some_parts_decay(name: str) -> None:
    for parts in PARTS.values():
        optimizer = DECAYING[name](weight_decay=0.3)
        optimizer.decayed = parts
        p, gradients = steps(optimizer)
        decay = np.zeros(40)
        for part in parts:
            decay[part] = 0.3
        np.testing.assert_allclose(p, by_formula(optimizer, gradients, decay), rtol=1e-12)


@pytest.mark.parametrize("name", DECAYING)
def test_each_part_is_updated_to_the_bit_as_a_whole_vector_would_be(name: str) -> None:
    """Parameters and slots equal those with decay inside the parts, and those without decay outside."""
    for dtype in [np.float32, np.float64]:
        for parts in PARTS.values():
            optimizer, full, none = (DECAYING[name](weight_decay=decay) for decay in (0.3, 0.3, 0.0))
            optimizer.decayed = parts
            p, p_full, p_none = (steps(each, dtype)[0] for each in (optimizer, full, none))
            decays = np.zeros(40, bool)
            for part in parts:
                decays[part] = True
            np.testing.assert_array_equal(p, np.where(decays, p_full, p_none), strict=True)
            for slot, values in optimizer.slots.items():
                np.testing.assert_array_equal(values, np.where(decays, full.slots[slot], none.slots[slot]), strict=True)


@pytest.mark.parametrize("name", DECAYING)
@pytest.mark.slow
def test_long_vectors_with_parts(name: str) -> None:
    """The vectors are long enough to be shared among threads."""
    size = 1_200_000
    optimizer, full, none = (DECAYING[name](weight_decay=decay) for decay in (0.3, 0.3, 0.0))
    optimizer.decayed = [slice(5, 900_001), slice(900_100, size)]
    p, p_full, p_none = (steps(each, np.float32, size)[0] for each in (optimizer, full, none))
    expected = p_full.copy()
    for part in (slice(0, 5), slice(900_001, 900_100)):
        expected[part] = p_none[part]
    np.testing.assert_array_equal(p, expected)


@pytest.mark.parametrize("name", ["SGD", "SGD momentum", "SGD nesterov", "Adam", "Adam clip"])
@pytest.mark.parametrize(("decay", "parts"), [(0.3, None), (0.0, [slice(3, 5), slice(7, 9)])])
def test_one_call_of_the_kernel_where_no_parts_are_needed(
    name: str, decay: float, parts: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[np.ndarray, float]] = []
    kernel = "sgd" if isinstance(DECAYING[name](), SGD) else "adam"
    monkeypatch.setattr(f"tinydl.optimizers.{kernel}", lambda p, *rest: seen.append((p, rest[-1])))
    optimizer, p = DECAYING[name](weight_decay=decay), np.ones(40)
    optimizer.decayed = parts
    optimizer.step(p, np.ones(40))
    assert len(seen) == 1
    assert seen[0][0] is p
    assert seen[0][1] == decay


def test_neighbouring_parts_are_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, float]] = []
    monkeypatch.setattr("tinydl.optimizers.sgd", lambda p, *rest: seen.append((p.size, rest[-1])))
    optimizer = SGD(weight_decay=0.5)
    optimizer.decayed = [slice(10, 20), slice(20, 26), slice(2, 4)]
    assert optimizer.decayed == (slice(2, 4), slice(10, 26))
    optimizer.step(np.ones(40), np.ones(40))
    assert seen == [(2, 0.0), (2, 0.5), (6, 0.0), (16, 0.5), (14, 0.0)]


def test_weight_decay_may_change_between_steps() -> None:
    optimizer, p = SGD(1.0), np.ones(3)
    optimizer.decayed = [slice(1, 2)]
    optimizer.step(p, np.zeros(3))
    optimizer.weight_decay = 0.5
    optimizer.step(p, np.zeros(3))
    assert p.tolist() == [1.0, 0.5, 1.0]
    optimizer.decayed = None
    optimizer.step(p, np.zeros(3))
    assert p.tolist() == [0.5, 0.25, 0.5]


@pytest.mark.parametrize("twin", [copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_copies_know_what_decays(twin: Any) -> None:
    optimizer = Adam(0.01, weight_decay=0.3)
    optimizer.decayed = PARTS["some"]
    again = twin(optimizer)
    assert again.decayed == tuple(PARTS["some"])
    same = Adam(0.01, weight_decay=0.3)
    same.decayed = PARTS["some"]
    np.testing.assert_array_equal(steps(again)[0], steps(same)[0])
    again.decayed = None
    assert optimizer.decayed == tuple(PARTS["some"])
    assert "decayed" not in repr(optimizer)
    assert "decayed" not in optimizer.get_config()


def test_by_default_everything_decays() -> None:
    assert all(make().decayed is None for make in MAKE.values())


def test_parts_that_are_none() -> None:
    for parts, message in [
        ([3], r"decayed must hold slices \(start, stop\) of the vector, got 3"),
        ([(0, 3)], r"got \(0, 3\)"),
        ([slice(0, 8, 2)], r"got slice\(0, 8, 2\)"),
        ([slice(None, 3)], "the start of a decayed part must be an integer >= 0, got None"),
        ([slice(3, None)], "the stop of a decayed part must be an integer >= 3, got None"),
        ([slice(-3, 2)], "the start of a decayed part must be an integer >= 0, got -3"),
        ([slice(3, 2)], "the stop of a decayed part must be an integer >= 3, got 2"),
    ]:
        optimizer = SGD(weight_decay=0.1)
        optimizer.decayed = [slice(1, 2)]
        with pytest.raises(ValueError, match=f"SGD: .*{message}"):
            optimizer.decayed = parts
        assert optimizer.decayed == (slice(1, 2),)


def test_parts_of_a_longer_vector_are_refused_before_anything_changes() -> None:
    optimizer, p = Adam(weight_decay=0.1), np.ones(8)
    optimizer.decayed = [slice(0, 3), slice(5, 9)]
    with pytest.raises(ValueError, match="Adam: decayed must lie in the 8 parameters, got a stop at 9"):
        optimizer.step(p, np.ones(8))
    assert p.tolist() == [1.0] * 8
    assert (optimizer.iterations, optimizer.slots) == (0, {})
