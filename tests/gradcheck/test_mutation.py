"""Each operator makes the mutants that its name describes, and the engine works on any layer."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from tests.proofs.mutants import targets
from tinydl import kernels
from tinydl.gradcheck import check_layer
from tinydl.gradcheck.copying import copy_as
from tinydl.gradcheck.mutation import (
    CAUGHT,
    MISSED,
    OPERATORS,
    VALUE,
    Mutant,
    Site,
    Target,
    installed,
    judge,
    mutants_of,
)
from tinydl.gradcheck.mutation.rewriting import definition_of
from tinydl.kernels import twins
from tinydl.layers import KLSparsity

# --- the operators: functions, and all mutants by each operator -----------------------------------------------------


def add(a: Any, b: Any) -> Any:
    return a + b


def subtract(a: Any, b: Any) -> Any:
    a -= -b


def multiply(dy: Any, y: Any) -> Any:
    return dy * y / 2


def square(x: Any) -> Any:
    return x**2 + x * x


def total(x: Any) -> Any:
    return x.sum(axis=0) + np.mean(x, axis=(1, 2))


def along(x: Any, axes: Any) -> Any:
    return x.sum(axis=axes)


def contract(a: Any, b: Any) -> Any:
    return np.einsum("nj,nj->j", a, b)


def product(x: Any, da: Any) -> Any:
    return x.T @ da


def stride(kh: int, kw: int, sizes: Any) -> Any:
    h, w = sizes
    return f(kh, *sizes), h, w


def f(*sizes: int) -> int:
    return len(sizes)


def cut(x: Any, padding: Any) -> Any:
    (top, bottom), (left, right) = padding
    return x[top:bottom, left:right]


def mask(dy: Any, y: Any) -> Any:
    return dy * ((y > 0) & (y != 1))


def winner(windows: Any) -> Any:
    return windows.argmax(axis=3)


def accumulate(dW: Any, more: Any) -> None:
    dW += more


def loop(x: Any, kh: int) -> None:
    for p in range(kh):
        x[p : p + 2] = 0


def choose(v: Any, ready: bool, training: bool) -> Any:
    if not ready and training:
        v = v * 2
    return v if training else None


def statements(x: Any) -> Any:
    y = x * 2
    y = y + 1
    y += 1
    return y


class Cached:
    _x: Any = None
    _mask: Any = None

    def forward(self, x: Any) -> Any:
        self._x = x
        return x

    def backward(self, dy: Any) -> Any:
        self.grads["W"] += self._x.T @ dy
        return dy * self.params["b"] * self._mask


def names(x: Any, y: Any) -> Any:
    return x + y


def arrays(x: Any, dy: Any) -> Any:
    return np.log(x).reshape(2, 3), np.zeros_like(dy, subok=False), reversed(x)


def decimal(x: Any) -> Any:
    return 0.5 * x


STALE = "_kept = getattr(self, '_x', None); self._x = x; if _kept is not None:"
EXPECTED: list[tuple[Callable[..., Any], str, list[str]]] = [
    (add, "drop term", ["return a", "return b"]),
    (add, "sign", ["return a - b", "return -(a + b)"]),
    (add, "factor 2", ["return 2 * (a + b)"]),
    (add, "1/N", ["return (a + b) / len(a)"]),
    (add, "zeros", ["return 0 * (a + b)"]),
    (add, "reverse", ["return (a + b)[::-1]", "return (a + b)[:, ::-1]", "return (a + b)[..., ::-1]"]),
    (add, "float32", ["return (_v := (a + b)).astype(np.float32).astype(_v.dtype)"]),
    (add, "float64", ["return (a + b).astype(np.float64)"]),
    (add, "first row", ["return np.concatenate([(_v := (a + b))[:1], 0 * _v[1:]])"]),
    (subtract, "sign", ["a += -b", "a -= b"]),
    (subtract, "+= to =", ["a = -b", "a[...] = -b"]),
    (multiply, "drop factor", ["return dy * y", "return dy / 2", "return y / 2"]),
    (multiply, "* and /", ["return dy * y * 2", "return dy / y / 2"]),
    (multiply, "in place", ["return np.multiply(dy, y, out=dy) / 2"]),
    (multiply, "unchanged", ["return dy"]),
    (square, "power", ["return x + x * x", "return x ** (2 + 1) + x * x", "return x ** (-2) + x * x", "return x ** 2 + x ** 3"]),
    (total, "axis", [
        "return x.sum(axis=-1) + np.mean(x, axis=(1, 2))", "return x.sum(axis=1) + np.mean(x, axis=(1, 2))",
        "return x.sum(axis=None) + np.mean(x, axis=(1, 2))", "return x.sum(axis=0) + np.mean(x, axis=(1,))",
        "return x.sum(axis=0) + np.mean(x, axis=(2,))", "return x.sum(axis=0) + np.mean(x, axis=None)",
    ]),
    (along, "axis", ["return x.sum(axis=axes[:1])", "return x.sum(axis=axes[-1:])", "return x.sum(axis=None)"]),
    (contract, "axis", ["return np.einsum('nj,nj->n', a, b)"]),
    (total, "mean and sum", ["return x.mean(axis=0) + np.mean(x, axis=(1, 2))", "return x.sum(axis=0) + np.sum(x, axis=(1, 2))"]),
    (product, "transpose", ["return x.T @ da.T", "return x @ da"]),
    (product, "first row", ["return x[:1].T @ da[:1]", "return np.concatenate([(_v := (x.T @ da))[:1], 0 * _v[1:]])"]),
    (stride, "height and width", [
        "w, h = sizes", "return (h, f(kh, *sizes), w)", "return (f(kh, *sizes), w, h)", "return (f(*sizes, kh), h, w)",
        "return (f(kw, *sizes), h, w)", "return (f(kh, *sizes[::-1]), h, w)", "return (f(kh, *sizes), w, w)",
        "return (f(kh, *sizes), h, h)",
    ]),
    (cut, "padding", [
        "(top, bottom), (left, right) = padding[::-1]", "(top, bottom), (left, right) = tuple((side[::-1] for side in padding))",
        "return x[bottom:bottom, left:right]", "return x[top:top, left:right]", "return x[top:bottom, right:right]",
        "return x[top:bottom, left:left]",
    ]),
    (mask, "comparison", ["return dy * ((y >= 0) & (y != 1))", "return dy * ((y < 0) & (y != 1))", "return dy * ((y > 0) & (y == 1))"]),
    (mask, "mask", [
        "return dy * (y > 0)", "return dy * (y != 1)", "return dy * ((y > 0) | (y != 1))",
        "return dy * (((y > 0) | True) & (y != 1))", "return dy * (((y > 0) ^ True) & (y != 1))",
        "return dy * ((y > 0) & ((y != 1) | True))", "return dy * ((y > 0) & ((y != 1) ^ True))",
    ]),
    (winner, "tie", ["return windows.argmin(axis=3)", "return windows.shape[3] - 1 - np.flip(windows, 3).argmax(axis=3)"]),
    (accumulate, "+= to =", ["dW = more", "dW[...] = more"]),
    (loop, "off by one", [
        "for p in list(range(kh))[1:]:", "for p in list(range(kh))[:-1]:", "x[p + 1:p + 2] = 0", "x[p:p + 2 - 1] = 0",
        "x[p + 1:p + 2 + 1] = 0", "x[p:p + 3] = 0", "x[p:p + 1] = 0", "x[p:p + 2] = 1", "x[p:p + 2] = -1",
    ]),
    (choose, "branch", [
        "if True:", "if False:", "if not ready:", "if training:", "if not ready or training:", "if ready and training:",
        "return v", "return None",
    ]),
    (statements, "delete", ["pass", "pass"]),
    (Cached.forward, "stale cache", [STALE]),
    (Cached.forward, "delete", ["pass"]),
    (Cached.backward, "redraw", ["self.forward(self._x, training=self._mask is not None); self.grads['W'] += self._x.T @ dy"]),
    (Cached.backward, "variable", [
        "self.params['W'] += self._x.T @ dy", "self.grads['b'] += self._x.T @ dy", "self.grads['W'] += self._mask.T @ dy",
        "return dy * self.params['b'] * self._x", "return dy * self.grads['b'] * self._mask", "return dy * self.params['W'] * self._mask",
    ]),
    (names, "variable", ["return y + y", "return x + x"]),
    (names, "unchanged", ["return x"]),
    (arrays, "function", [
        "return (np.log(x).reshape(2, 3), np.ones_like(dy, subok=False), reversed(x))",
        "return (x.reshape(2, 3), np.zeros_like(dy, subok=False), reversed(x))",
        "return (np.log1p(x).reshape(2, 3), np.zeros_like(dy, subok=False), reversed(x))",
    ]),
    (arrays, "order", [
        "return (np.log(x).reshape(2, 3, order='F'), np.zeros_like(dy, subok=False), reversed(x))",
        "return (np.log(x).reshape(2, 3), np.zeros_like(dy, subok=False), x)",
    ]),
    (arrays, "arguments", ["return (np.log(x).reshape(3, 2), np.zeros_like(dy, subok=False), reversed(x))"]),
    (arrays, "flag", ["return (np.log(x).reshape(2, 3), np.zeros_like(dy, subok=True), reversed(x))"]),
    (decimal, "constant", ["return 0.25 * x"]),
]  # fmt: skip


def mutants_by(function: Any, operator: str) -> list[Mutant]:
    return [mutant for mutant in mutants_of(function) if mutant.operator == operator]


@pytest.mark.parametrize(
    ("function", "operator", "expected"), EXPECTED, ids=lambda value: getattr(value, "__name__", None)
)
def test_an_operator(function: Any, operator: str, expected: list[str]) -> None:
    found = [mutant.change.split("  ->  ")[1] for mutant in mutants_by(function, operator)]
    assert sorted(found) == sorted(expected)


def test_every_operator_has_a_row() -> None:
    assert {operator for _, operator, _ in EXPECTED} == set(OPERATORS)


def test_a_mutant_computes_what_its_source_says() -> None:
    (mutant,) = mutants_by(add, "factor 2")
    assert mutant.source == "def add(a: Any, b: Any) -> Any:\n    return 2 * (a + b)"
    assert mutant.change == "return a + b  ->  return 2 * (a + b)"
    assert (mutant.function(1, 2), add(1, 2)) == (6, 3)


def test_no_two_mutants_are_alike_and_none_is_the_original() -> None:
    backward = twins.definition_of(kernels.dense.backward)
    sources = [mutant.source for mutant in mutants_of(backward)]
    assert len(sources) == len(set(sources)) > 100
    assert ast.unparse(definition_of(backward)) not in sources


def test_argument_checks_docstrings_and_defaults_are_left_alone() -> None:
    def guarded(x: Any, more: float = 1.5) -> Any:
        """Text."""
        if more < 0.5:
            raise ValueError(f"{more - 1}")
        return x

    operators = Counter(mutant.operator for mutant in mutants_of(guarded))
    assert operators
    assert not operators.keys() & {"comparison", "mask", "constant", "drop term", "branch"}
    assert all("more: float=1.5" in mutant.source for mutant in mutants_of(guarded))


def test_super_and_closures_go_on_working() -> None:
    for mutant in mutants_by(KLSparsity.forward, "factor 2"):
        site = Site("KLSparsity.forward", KLSparsity.forward, KLSparsity, "forward")
        layer, x = KLSparsity(), np.full((2, 3), 0.25)
        with installed(site, mutant.function):
            np.testing.assert_array_equal(layer.forward(x), 0.5)
        np.testing.assert_array_equal(layer.forward(x), 0.25)

    scale = 3

    def outer(v: Any) -> Any:
        return v * scale

    assert [mutant.function(5) for mutant in mutants_by(outer, "drop factor")] == [5, 3]


def test_lambdas_and_properties() -> None:
    pair = (lambda a: a + 1, lambda b: b - 1)
    assert [m.change for m in mutants_by(pair[1], "sign")] == [
        "return b - 1  ->  return b + 1",
        "return b - 1  ->  return -(b - 1)",
    ]


# --- any layer ------------------------------------------------------------------------------------------------------


def cubed(v: Any) -> Any:
    return v * v * v


SLOPES = {"cube": lambda v: 3 * v * v}


class Contract:
    """A base class with the methods that all layers share."""

    def checked(self, x: Any) -> Any:
        return np.asarray(x) + 0.0

    def helped(self, x: Any) -> Any:
        return self.checked(x)


class Cube(Contract):
    """y = x^3 w, in a layer that does not use tinydl."""

    def __init__(self) -> None:
        self.params, self.grads = {"w": np.full(3, 0.5)}, {"w": np.zeros(3)}

    def forward(self, x: Any) -> Any:
        self._x = self.checked(x)
        return self._scaled(cubed(self._x))

    def backward(self, dy: Any) -> Any:
        self.grads["w"] += (dy * cubed(self._x)).sum(axis=0)
        return self._scaled(dy) * SLOPES["cube"](self._x)

    def _scaled(self, v: Any) -> Any:
        return v * self.params["w"]


@dataclass(frozen=True)
class CubeCase:
    subject: Cube
    point: Any
    training: bool = True

    def check(self, **options: Any) -> object:
        return check_layer(self.subject, self.point, **options)

    def made(self, input_shape: Any, rng: Any, dtype: Any) -> Any:
        return copy_as(self.subject, dtype)


@pytest.mark.slow
def test_the_engine_needs_nothing_of_tinydl() -> None:
    target = Target(Cube, [CubeCase(Cube(), (4, 3))], contract=Contract)
    assert {site.name for site in target.sites} == {
        "Cube.forward", "Cube.backward", "Cube._scaled", "test_mutation.cubed", "SLOPES['cube']",
    }  # fmt: skip
    kinds = Counter(judge(target, site, mutant).kind for site, mutant in target.mutants())
    assert kinds[MISSED] == 0
    assert kinds[CAUGHT] > 50
    assert kinds[VALUE] > 0
    trial = target.originals[0]
    assert trial.compare_with_slopes()[0] == "right"
    assert all(trial.rules.values())


def test_methods_of_arguments_are_followed_by_their_annotations() -> None:
    names = {site.name for site in targets()["MaxPool2D"].sites}
    assert {"pooling.max_pool_backward", "Window.places", "window.output_size"} <= names
