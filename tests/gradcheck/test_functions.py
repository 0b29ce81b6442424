"""Tests of plain functions, checked by check_function or given to check_layer as a pair."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinydl.gradcheck import GradientCheckError, check_function, check_layer
from tinydl.layers import ReLU

Array = NDArray[Any]


def affine(x: Array, w: Array, b: Array) -> Array:
    return x @ w + b


def affine_backward(dy: Array, x: Array, w: Array, b: Array) -> tuple[Array, Array, Array]:
    return dy @ w.T, x.T @ dy, dy.sum(axis=0)


def with_cache(x: Array, w: Array, b: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    """Return y and a cache for backward, as a well-known course does."""
    return affine(x, w, b), (x, w, b)


def from_cache(dy: Array, cache: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
    return affine_backward(dy, *cache)


def cross_entropy(z: Array, labels: Array) -> Any:
    z = z - z.max(axis=1, keepdims=True)
    return -np.mean(z[np.arange(len(z)), labels] - np.log(np.exp(z).sum(axis=1)))


def cross_entropy_backward(dy: Array, z: Array, labels: Array) -> Array:
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(z)), labels] -= 1
    return dy * p / len(z)


SHAPES = ((4, 5), (5, 3), (3,))


@pytest.mark.parametrize(("f", "backward"), [(affine, affine_backward), (with_cache, from_cache)])
@pytest.mark.parametrize("mode", ["sampled", "directional"])
def test_arrays_are_named_as_the_function_names_them(f: Any, backward: Any, mode: str) -> None:
    report = check_function(f, backward, *SHAPES, mode=mode)
    assert report.subject == f.__name__
    assert set(report.arrays) == ({"x", "w", "b"} if mode == "sampled" else {"all arrays"})


def test_a_wrong_gradient_of_any_argument_is_named() -> None:
    for position, name in enumerate(("x", "w", "b")):

        def wrong(dy: Array, *arrays: Array, position: int = position) -> list[Array]:
            gradients = list(affine_backward(dy, *arrays))
            gradients[position] = 2 * gradients[position]
            return gradients

        with pytest.raises(GradientCheckError, match=f"d{name} is wrong in(.|\n)*every entry is 2 times"):
            check_function(affine, wrong, *SHAPES)


def test_labels_are_handed_on() -> None:
    labels = np.array([0, 2, 1, 1])
    report = check_function(cross_entropy, cross_entropy_backward, (4, 3), labels)
    assert set(report.arrays) == {"z"}
    check_function(cross_entropy, lambda dy, z, labels: (cross_entropy_backward(dy, z, labels), None), (4, 3), labels)
    check_function(
        lambda labels, z: cross_entropy(z, labels),
        lambda dy, labels, z: cross_entropy_backward(dy, z, labels),
        labels,
        (4, 3),
    )


def test_a_scalar_function_must_use_dy_too() -> None:
    def without_dy(dy: Array, z: Array, labels: Array) -> Array:
        return cross_entropy_backward(np.ones(()), z, labels)

    with pytest.raises(GradientCheckError, match="dz is wrong"):
        check_function(cross_entropy, without_dy, (4, 3), np.array([0, 2, 1, 1]))


def test_arrays_are_taken_as_they_are_and_left_alone() -> None:
    arrays = [np.random.default_rng(k).normal(size=shape) for k, shape in enumerate(SHAPES)]
    before = [array.copy() for array in arrays]
    check_function(affine, affine_backward, *arrays)
    assert all(np.array_equal(a, b) for a, b in zip(arrays, before, strict=True))


def test_functions_without_a_signature() -> None:
    report = check_function(np.multiply, lambda dy, a, b: (dy * b, dy * a), (3, 5), (3, 5))
    assert len(report.arrays) == 2


def test_a_pair_of_functions_is_a_layer() -> None:
    assert check_layer((np.tanh, lambda dy, x: dy * (1 - np.tanh(x) ** 2)), (4, 5)).subject == "tanh"
    kept: dict[str, Array] = {}

    def forward(x: Array) -> Array:
        kept["y"] = np.tanh(x)
        return kept["y"]

    check_layer((forward, lambda dy: dy * (1 - kept["y"] ** 2)), (4, 5))
    with pytest.raises(GradientCheckError, match=r"a factor is missing, entry by entry: \(1 - y\^2\)"):
        check_layer((forward, lambda dy: dy * 1), (4, 5))


def test_arguments_changed_in_place_are_found() -> None:
    def spoils(x: Array, w: Array) -> Array:
        y = x @ w
        w *= 2
        return y

    with pytest.raises(GradientCheckError, match="w"):
        check_function(spoils, lambda dy, x, w: (dy @ w.T, x.T @ dy), (4, 5), (5, 3))


def test_bad_input_is_refused() -> None:
    with pytest.raises(TypeError, match="f must be a function, got 3"):
        check_function(3, affine_backward, (3, 4))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="missing 2 required positional arguments"):
        check_function(affine, affine_backward, np.array([1, 2]))
    with pytest.raises(TypeError, match=r"expected an array or a shape for forward's input \(x, w, b\), got none"):
        check_function(affine, affine_backward)
    with pytest.raises(GradientCheckError, match="backward must return one gradient for each of x, w, b, got 2"):
        check_function(affine, lambda dy, x, w, b: (dy, dy), *SHAPES)
    with pytest.raises(GradientCheckError, match=r"dw has shape \(3, 5\), but w has \(5, 3\)"):
        check_function(affine, lambda dy, x, w, b: (dy @ w.T, dy.T @ x, dy.sum(axis=0)), *SHAPES)
    with pytest.raises(ValueError, match="method must be one of 'auto', 'central', 'complex', got 'autograd'"):
        check_layer(ReLU(), (3, 4), method="autograd")
    with pytest.raises(ValueError, match="mode must be one of 'sampled', 'directional', got 'fast'"):
        check_layer(ReLU(), (3, 4), mode="fast")
    with pytest.raises(ValueError, match="directions must be an integer >= 1, got 0"):
        check_layer(ReLU(), (3, 4), mode="directional", directions=0)


def test_underflow_stops_no_check_even_where_numpy_raises() -> None:
    with np.errstate(all="raise"):
        check_function(lambda x: np.exp(-x), lambda x, dy: -np.exp(-x) * dy, np.array([1.0, 2.0, 800.0]))
        assert np.geterr()["under"] == "raise"  # the setting comes back


def test_a_report_is_json() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    x[0, 0] = 0
    report = check_layer(ReLU(), x)
    read = json.loads(report.to_json())
    assert read == report.to_dict()
    assert (read["subject"], read["passed"], read["seed"]) == ("ReLU", True, 0)
    (row,) = read["arrays"]
    assert (row["name"], row["shape"], row["probes"], row["dropped"], row["dropped_indices"]) == (
        "x",
        [3, 4],
        11,
        1,
        [[0, 0]],
    )
    assert (row["method"], row["verdict"], row["passed"]) == ("complex step", "ok", True)
    with pytest.raises(GradientCheckError) as caught:
        check_layer((np.tanh, lambda dy, x: dy), (4, 5))
    failed = json.loads(caught.value.report.to_json())  # type: ignore[union-attr]
    assert not failed["passed"]
    assert failed["arrays"][0]["cause"].startswith("a factor is missing")
