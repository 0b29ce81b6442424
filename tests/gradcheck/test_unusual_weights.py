"""Weights in unusual kinds of arrays and places, and objects whose attribute lookup raises: none passes unseen."""

from __future__ import annotations

import array
import functools
import weakref
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tinydl.gradcheck import GradientCheckError, check_layer

Array = NDArray[Any]

WEIGHTS = np.random.default_rng(1).normal(size=(3, 4))
KEPT: list[Array] = []  # what the weak reference refers to


class Dense:
    """A dense layer; subclasses keep its weights elsewhere. dW is `factor` times the right one."""

    name = "W"

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.keep()

    def keep(self) -> None:
        self.W: Any = WEIGHTS.copy()

    def weights(self) -> Any:
        return self.W

    def forward(self, x: Array) -> Any:
        self.x = x
        return np.asarray(x @ self.weights())

    def backward(self, dy: Array) -> Any:
        self.dW = self.factor * self.x.T @ dy
        return np.asarray(dy @ self.weights().T)


class Weak(Dense):
    name = "ref"

    def keep(self) -> None:
        KEPT[:] = [WEIGHTS.copy()]
        self.ref = weakref.ref(KEPT[0])

    def weights(self) -> Any:
        return self.ref()


class Structured(Dense):
    def keep(self) -> None:
        self.p = np.zeros((), [("W", "f8", (3, 4)), ("unused", "i4")])
        self.p["W"] = WEIGHTS
        self.g = np.zeros_like(self.p)

    def weights(self) -> Any:
        return self.p["W"]

    def backward(self, dy: Array) -> Any:
        self.g["W"] = self.factor * self.x.T @ dy
        return dy @ self.p["W"].T


class Memoised(Dense):
    name = "V"

    def keep(self) -> None:
        self.V = WEIGHTS.copy()

    @functools.lru_cache  # noqa: B019 - this is what the test is about
    def weights(self) -> Any:
        return np.exp(self.V)

    def backward(self, dy: Array) -> Any:
        self.dV = self.factor * self.x.T @ dy * np.exp(self.V)
        return dy @ self.weights().T


V = WEIGHTS.copy()


@functools.lru_cache
def positive() -> Any:
    return np.exp(V)


class MemoisedGlobal(Memoised):
    weights = staticmethod(positive)  # type: ignore[assignment]

    def backward(self, dy: Array) -> Any:
        self.dV = self.factor * self.x.T @ dy * np.exp(V)
        return dy @ positive().T

    def forward(self, x: Array) -> Any:
        self.x = x
        return x @ positive()


class Matrix(Dense):
    """`*` is a matrix product: square, so that an entrywise product would not crash."""

    def keep(self) -> None:
        self.W = np.matrix(WEIGHTS[:, :3])

    def forward(self, x: Array) -> Any:
        self.x = np.asmatrix(x)
        return self.x * self.W

    def backward(self, dy: Array) -> Any:
        self.dW = self.factor * self.x.T * dy
        return np.asmatrix(dy) * self.W.T


class Parameter(np.ndarray):
    """An array that carries its gradient."""

    grad: Any

    def __new__(cls, values: Array) -> Parameter:
        self = np.asarray(values).view(cls)
        self.grad = None
        return self


class WithParameter(Dense):
    def keep(self) -> None:
        self.W = Parameter(WEIGHTS.copy())

    def backward(self, dy: Array) -> Any:
        self.W.grad = np.asarray(self.factor * self.x.T @ dy)
        return np.asarray(dy @ self.W.T)


class RaisingProperties(Dense):
    def keep(self) -> None:
        super().keep()
        self._dW: Any = None

    def backward(self, dy: Array) -> Any:
        self._dW = self.factor * self.x.T @ dy
        return dy @ self.W.T

    @property
    def gradient_of_w(self) -> Any:
        if self._dW is None:
            raise RuntimeError("call backward first")
        return self._dW

    @property
    def params(self) -> Any:
        raise RuntimeError("this layer has no params")


class AttributeDict(dict[str, Any]):
    __getattr__ = dict.__getitem__  # raises KeyError, not AttributeError


class InAttributeDict(Dense):
    def keep(self) -> None:
        self.p, self.g = AttributeDict(W=WEIGHTS.copy()), AttributeDict()

    def weights(self) -> Any:
        return self.p.W

    def backward(self, dy: Array) -> Any:
        self.g["W"] = self.factor * self.x.T @ dy
        return dy @ self.p.W.T


class LooksUpInADict(Dense):
    def keep(self) -> None:
        self.arrays, self.gradients = {"W": WEIGHTS.copy()}, {}  # type: ignore[var-annotated]

    def __getattr__(self, name: str) -> Any:
        return self.arrays[name]  # in a copy without attributes, this never ends

    def backward(self, dy: Array) -> Any:
        self.gradients["W"] = self.factor * self.x.T @ dy
        return dy @ self.W.T


class Singleton(Dense):
    the_only: Any = None

    def __new__(cls, factor: float) -> Singleton:
        cls.the_only = cls.the_only or super().__new__(cls)
        return cls.the_only  # type: ignore[no-any-return]


class Slope:
    """A number of the class, learned."""

    alpha = 0.25
    name = "alpha"

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def forward(self, x: Array) -> Any:
        self.x = x
        return np.where(x > 0, x, self.alpha * x)

    def backward(self, dy: Array) -> Any:
        self.dalpha = self.factor * (dy * self.x * (self.x < 0)).sum()
        return dy * np.where(self.x > 0, 1, self.alpha)


KINDS = [
    Weak, Structured, Memoised, MemoisedGlobal, Matrix, WithParameter, RaisingProperties, InAttributeDict,
    LooksUpInADict, Singleton, Slope,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_each_is_checked_and_left_as_it_was(kind: Any) -> None:
    before = V.copy()
    assert check_layer(kind(1.0), (5, 3)).gradients == {"x": "ok", kind.name: "ok"}
    with pytest.raises(GradientCheckError, match=r"2 times|is wrong in 1 of 1 probes") as caught:
        check_layer(kind(2.0), (5, 3))
    assert caught.value.report.gradients == {"x": "ok", kind.name: "WRONG"}
    np.testing.assert_array_equal(V, before)
    for kept in KEPT:
        np.testing.assert_array_equal(kept, WEIGHTS)
    assert Slope.alpha == 0.25
    only = Singleton.the_only
    assert only is None or (np.array_equal(only.W, WEIGHTS) and "dW" not in vars(only))


class Masked(Dense):
    """Its entry [0, 0] is masked, so forward does not depend on it."""

    def keep(self) -> None:
        self.W = np.ma.array(WEIGHTS.copy())
        self.W[0, 0] = np.ma.masked

    def forward(self, x: Array) -> Any:
        self.x = x
        return x @ self.W.filled(0.0)

    def backward(self, dy: Array) -> Any:
        self.dW = self.x.T @ dy
        self.dW[0, 0] *= self.factor
        return dy @ self.W.filled(0.0).T


def test_a_masked_entry_has_no_gradient() -> None:
    assert check_layer(Masked(0.0), (5, 3)).gradients == {"x": "ok", "W": "ok"}
    with pytest.raises(GradientCheckError, match=r"wrong in 1 of 12 probes; worst at W\[0, 0\].*numeric 0,"):
        check_layer(Masked(1.0), (5, 3))


class InABuffer(Dense):
    def keep(self) -> None:
        self.W = array.array("d", WEIGHTS.ravel())

    def weights(self) -> Any:
        return np.array(self.W).reshape(3, 4)


def test_an_array_of_the_standard_library_is_not_checked() -> None:
    with pytest.raises(GradientCheckError, match=r"W was not checked: it is an array\.array: .*np\.array\(W\)"):
        check_layer(InABuffer(1.0), (5, 3))


def test_a_history_in_such_an_array_may_grow() -> None:
    class WithHistory(Dense):
        def keep(self) -> None:
            super().keep()
            self.history = array.array("d", [1.0])

        def forward(self, x: Array) -> Any:
            self.history.append(float(np.real(x).sum()))
            return super().forward(x)

    assert check_layer(WithHistory(1.0), (5, 3)).gradients == {"x": "ok", "W": "ok"}


class ReadFromTheClass(Slope):
    alpha = 0.25

    def forward(self, x: Array) -> Any:
        self.x = x
        return np.where(x > 0, x, ReadFromTheClass.alpha * x)


def test_a_number_that_forward_reads_from_the_class_is_not_checked() -> None:
    with pytest.raises(GradientCheckError, match="alpha was not checked: it is a number of the class"):
        check_layer(ReadFromTheClass(1.0), (5, 3))
