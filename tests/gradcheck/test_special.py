"""Values at which formulas break are tried as well, and their faults are reported beside the verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinydl.gradcheck import GradientCheckError, check_layer, check_loss

Array = NDArray[Any]


class Product:
    def forward(self, x: Array) -> Array:
        self.x = x
        self.y = x.prod(axis=1, keepdims=True)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy * self.y / self.x


class Norm:
    def forward(self, x: Array) -> Array:
        self.x = x
        self.n = np.sqrt((x * x).sum(axis=1, keepdims=True))
        return self.n

    def backward(self, dy: Array) -> Array:
        return dy * self.x / self.n


class SoftmaxWithoutShift:
    def forward(self, x: Array) -> Array:
        e = np.exp(x)
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y

    def backward(self, dy: Array) -> Array:
        return self.y * (dy - (dy * self.y).sum(axis=1, keepdims=True))


class WrongAtZero:
    """x |x|, whose derivative at 0 is 0, not 1."""

    def forward(self, x: Array) -> Array:
        self.x = x
        return x * np.abs(x)

    def backward(self, dy: Array) -> Array:
        return dy * np.where(self.x == 0, 1.0, 2 * np.abs(self.x))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (Product(), r"at zeros of x, the gradient at \[0, 0\] is nan, where the slope of forward is 0"),
        (Norm(), r"at zeros of x, the gradient at \[0, 0\] is nan, where forward is finite \(with a kink\)"),
        (WrongAtZero(), "at zeros of x, the slope along a random line is"),
    ],
)
def test_faults_at_special_values_are_reported(layer: Any, message: str) -> None:
    report = check_layer(layer, (4, 3))
    assert report.gradients == {"x": "ok"}
    (rule,) = report.rules
    assert rule.code == "special values"
    with pytest.raises(GradientCheckError, match=message) as caught:
        check_layer(layer, (4, 3), rules="fail")
    assert caught.value.report.gradients == {"x": "ok"}


def test_a_forward_that_overflows_is_noted() -> None:
    report = check_layer(SoftmaxWithoutShift(), (4, 3))
    assert report.passed
    assert report.rules == []
    assert "at entries near 1000 of x forward returns NaN" in report.notes


def test_points_outside_the_domain_are_left_out() -> None:
    class Cholesky:
        """Raises if x is not positive definite, so the check may only use the points that the user gave."""

        def forward(self, x: Array) -> Array:
            self.L = np.linalg.cholesky(x)
            return self.L

        def backward(self, dy: Array) -> Array:
            L = self.L
            inner = np.tril(np.swapaxes(L, -1, -2) @ dy)
            inner[..., range(3), range(3)] /= 2
            inverse = np.linalg.inv(L)
            S = np.swapaxes(inverse, -1, -2) @ inner @ inverse
            return np.tril(S + np.swapaxes(S, -1, -2)) - np.eye(3) * S  # cholesky reads the lower triangle only

    a = np.random.default_rng(0).normal(size=(2, 3, 3))
    x = a @ np.swapaxes(a, 1, 2) + 3 * np.eye(3)
    report = check_layer(Cholesky(), x, float32=False)
    assert report.passed
    assert report.rules == []
    assert any("because the code raises LinAlgError there" in note for note in report.notes)


class LogWithConstant:
    """A textbook cross-entropy with 1e-7 in its logarithm, which backward leaves out."""

    def forward(self, x: Array, t: Array) -> float:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.p, self.t = e / e.sum(axis=1, keepdims=True), t
        return float(-np.log(self.p[np.arange(len(t)), t] + 1e-7).mean())

    def backward(self) -> Array:
        dx = self.p.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dx / len(self.t)


def test_a_small_constant_that_backward_leaves_out_is_named() -> None:
    report = check_loss(LogWithConstant(), (4, 3), np.array([0, 1, 2, 1]))
    assert report.gradients == {"y_pred": "ok"}
    messages = {rule.code: rule.message for rule in report.rules}
    expected = (
        "forward adds a small constant, 1e-07, that backward leaves out; otherwise the gradient is right to 1e-05"
    )
    assert expected in messages["small constant"]
    with pytest.raises(GradientCheckError, match="forward adds a small constant"):
        check_loss(LogWithConstant(), (4, 3), np.array([0, 1, 2, 1]), rules="fail")
