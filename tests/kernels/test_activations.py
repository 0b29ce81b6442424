"""relu and the gradient of every activation: the compiled kernels equal the definitions, relu to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.comparing import Compared, either, normal
from tinydl import kernels
from tinydl.kernels import LINEAR, RELU, SIGMOID, TANH
from tinydl.kernels.activations import WORK
from tinydl.kernels.machine.threads import parts_for, set_num_threads
from tinydl.layers import activations

SHAPES = [(1, 1), (7, 3), (5, 1), (2, 3, 5, 6), (1, 1, 1, 17), (3, 37, 41, 33), (3, 61, 63, 96)]
relu = Compared("relu")
gradient = Compared("activation_gradient", returns=["dy"])
smooth_gradient = Compared("activation_gradient", rounding={np.float32: 2e-6, np.float64: 1e-14})


@pytest.mark.parametrize("shape", SHAPES)
def test_relu_and_the_gradients(shape: tuple[int, ...]) -> None:
    for threads, dtype in ((1, np.float64), (2, np.float32)):
        set_num_threads(threads)
        x, dy = normal(dtype, shape, shape)
        x.ravel()[::5] = 0
        (y,) = relu(x)
        (dx,) = gradient(dy, y, RELU)
        assert not dx[x <= 0].any()  # the gradient at 0 is 0
        np.testing.assert_array_equal(dx[x > 0], dy[x > 0])
        relu.in_any_layout(x)
        gradient.in_any_layout(dy, y, RELU, of=["dy", "y"])
        gradient(dy, y, LINEAR)
        for activation in (SIGMOID, TANH):
            smooth_gradient(dy, np.tanh(x), activation)


def test_some_of_the_shapes_are_for_two_threads() -> None:
    set_num_threads(2)
    sizes = [np.prod(shape).item() for shape in SHAPES]
    assert {parts_for(size, size * WORK) for size in sizes} == {1, 2}


@either
def test_nan_infinity_and_the_smallest_numbers(mode: str) -> None:
    tiny = np.finfo(np.float64).smallest_subnormal
    x = np.array([-1.0, np.nan, 2.0, -np.inf, np.inf, tiny, -tiny, 0.0])
    with kernels.using(mode):
        np.testing.assert_array_equal(activations.relu(x), [0, np.nan, 2, 0, np.inf, tiny, 0, 0])
        # A NaN that arrives at an active unit is passed on: an earlier bug must not be hidden.
        dx = activations.activation_gradient(np.array([np.nan, 1.0, 1.0]), np.array([2.0, tiny, 0.0]), RELU)
    np.testing.assert_array_equal(dx, [np.nan, 1, 0])


def test_complex_numbers_go_to_the_definition() -> None:
    """The complex-step derivative needs complex inputs."""
    relu(np.array([[1 + 2j, -1 + 3j]]))


def test_other_shapes_are_refused() -> None:
    """The kernel does not check bounds: if one array were shorter, it would read past that array's end."""
    for other in [(2, 2), (2, 4), (1, 3), (3,), (3, 2)]:
        expected = rf"^activation_gradient: dy and y must have the same shape, got \(2, 3\) and \({other[0]},"
        with pytest.raises(ValueError, match=expected):
            gradient.twin(np.ones((2, 3)), np.ones(other), RELU)
