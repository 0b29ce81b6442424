"""Mutants of every layer and loss: that they are what they are called, that the judge can fail, that the check finds them.

All of them, with tables: python benchmarks/mutants.py.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tinydl.selfcheck import cases, mutants, telling
from tinydl.selfcheck.mutants import (
    CAUGHT,
    CRASH,
    EQUIVALENT,
    KINK,
    MISSED,
    VALUE,
    Site,
    Target,
    installed,
    judge,
    targets,
)
from tinydl.selfcheck.mutation import Mutant, compiled, definition_of, mutants_of
from tinydl.selfcheck.operators import OPERATORS

from tinydl import kernels, layers, losses
from tinydl.gradcheck import GradientCheckError, check_layer
from tinydl.kernels import reference
from tinydl.layers import AveragePool2D, Dense, KLSparsity, Layer, LeakyReLU

TARGETS = {target.name: target for target in targets()}

# --- the operators: functions, and all that each operator makes of them ---------------------------------------------


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
    sources = [mutant.source for mutant in mutants_of(reference.dense_backward)]
    assert len(sources) == len(set(sources)) > 100
    assert ast.unparse(definition_of(reference.dense_backward)) not in sources


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
    names = {site.name for site in TARGETS["ContractivePenalty"].sites}
    assert {"_DERIVATIVES['tanh']", "Container.params", "Container.grads", "ContractivePenalty._derivatives"} <= names


# --- the targets ----------------------------------------------------------------------------------------------------


def test_every_public_layer_and_every_loss_is_a_target() -> None:
    public = set(layers.__all__) - {"Layer", "Container"}
    every = {name for name, kind in vars(losses).items() if isinstance(kind, type) and issubclass(kind, losses.Loss)}
    assert set(TARGETS) == public | every - {"Loss"}


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_yields_mutants_of_forward_and_of_backward(name: str) -> None:
    target = TARGETS[name]
    names = [site.name for site in target.sites]
    assert len(names) == len(set(names))
    for method in ("forward", "backward"):
        assert any(found.endswith(f".{method}") for found in names)
        (site,) = [site for site in target.sites if site.function is getattr(target.subject, method)]
        assert len(list(islice(mutants_of(site.function), 3))) == 3


def test_the_kernels_belong_to_those_who_call_them() -> None:
    kernels_of = {
        name: {s.name.split(".")[1] for s in TARGETS[name].sites if s.name.startswith("reference.")} for name in TARGETS
    }
    assert {
        "conv2d_forward",
        "conv2d_backward",
        "im2col",
        "col2im",
        "dense_backward",
        "activation_gradient",
    } <= kernels_of["Conv2D"]
    assert {"max_pool_forward", "max_pool_backward", "col2im", "output_size"} <= kernels_of["MaxPool2D"]
    assert "_entries" in kernels_of["AveragePool2D"]
    assert "_sum_around" in kernels_of["LocalResponseNorm"]
    assert kernels_of["MeanSquaredError"] == {"mean_squared_error", "mean_squared_error_gradient"}
    assert kernels_of["Sigmoid"] == {"sigmoid"}
    assert kernels_of["ReLU"] == {"relu", "relu_gradient"}
    assert {f"batch_norm_{part}" for part in ("statistics", "forward", "backward")} <= kernels_of["BatchNorm"]
    assert {"add", "relu_gradient", "activation_gradient"} <= kernels_of["Residual"]
    assert {"join", "cut", "add"} <= kernels_of["Branches"]


def test_the_originals_pass_strictly_and_recompiled_they_are_the_same() -> None:
    for target in TARGETS.values():
        with kernels.using("reference"):
            for case in target.cases:
                mutants.check_strictly(case)
    for name in ("Dense", "KLSparsity", "Sequential"):
        for site in TARGETS[name].sites:
            same = compiled(ast.unparse(definition_of(site.function)), site.function)
            assert judge(TARGETS[name], site, Mutant("none", "", "", same)).kind == EQUIVALENT, site


@pytest.mark.parametrize("name", TARGETS)
def test_the_original_is_right_at_almost_every_point_where_it_is_compared(name: str) -> None:
    """(The others hold ties, zeros, float32.)"""
    trials = TARGETS[name].originals
    states = Counter(trial.compare_with_slopes()[0] for trial in trials)
    assert states["wrong"] == 0
    assert states["right"] >= 3
    assert all(all(trial.rules.values()) for trial in trials if not trial.point.attributes and not trial.error)


def test_installed_restores_everything_also_after_an_exception() -> None:
    def state() -> list[Any]:
        return [dict(vars(module)) for module in (reference, kernels, layers.conv, layers.activations)] + [
            dict(vars(Dense))
        ]

    before = state()
    for name in ("Conv2D", "Sigmoid", "ContractivePenalty"):
        for site in TARGETS[name].sites:
            with pytest.raises(RuntimeError, match="inside"), installed(site, site.function):
                raise RuntimeError("inside")
    assert state() == before
    sigmoid = next(site for site in TARGETS["Sigmoid"].sites if site.name == "reference.sigmoid")
    with installed(sigmoid, add):
        assert layers.activations.sigmoid is reference.sigmoid is add
        assert kernels.dense_forward is reference.dense_forward


class Doubled(Layer):
    """y = 2 x."""

    _x: NDArray[Any] | None = None

    def forward(self, x: NDArray[Any], training: bool = False) -> NDArray[Any]:
        self._x = x = self.as_input(x)
        return 2 * x

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return 2 * self.as_gradient(dy, self._x)


def test_a_new_public_layer_is_picked_up_from_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "Doubled", Doubled, raising=False)
    monkeypatch.setattr(layers, "__all__", [*layers.__all__, "Doubled"])
    with pytest.raises(ValueError, match="Doubled has no row in TELLING, nor in the library's table"):
        targets()
    monkeypatch.setitem(cases.LAYERS, "Doubled", cases.LayerCase(Doubled(), (3, 4)))
    (target,) = [target for target in targets() if target.name == "Doubled"]
    assert [type(telling.subject_of(case)) for case in target.cases] == [Doubled, telling.Reused]
    kinds = Counter(judge(target, site, mutant).kind for site, mutant in target.mutants())
    assert kinds[CAUGHT] >= 15
    assert kinds[MISSED] == 0


# --- the judge ------------------------------------------------------------------------------------------------------


def verdict_on(name: str, place: str, operator: str, after: str, **options: Any) -> mutants.Verdict:
    target = TARGETS[name]
    for site, mutant in target.mutants():
        if site.name == place and mutant.operator == operator and mutant.change.endswith(f"->  {after}"):
            return judge(target, site, mutant, **options)
    raise AssertionError(f"no such mutant: {place}, {operator}, {after}")


SLOPE = "self._slope = slope = np.where(x >= 0, x.dtype.type(1), x.dtype.type(self.negative_slope))"


def test_verdicts() -> None:
    caught = verdict_on("Dense", "reference.dense_backward", "sign", "dW -= x.T @ da")
    assert caught.kind == CAUGHT
    assert "the sign is flipped" in caught.why
    crash = verdict_on("Flatten", "Flatten.forward", "1/N", "return x.reshape(x.size, math.prod(x.shape[1:]))")
    assert (crash.kind, crash.why) == (CRASH, "ValueError: cannot reshape array of size 24 into shape (24,12)")
    value = verdict_on("Dropout", "Dropout.forward", "drop factor", "self._mask = mask = keep")
    assert value.kind == VALUE
    assert "y differs by" in value.why
    same = verdict_on(
        "GlobalAveragePool2D", "GlobalAveragePool2D.backward", "height and width", "_, w, h, _ = self._x_shape"
    )
    assert same.kind == EQUIVALENT
    kink = verdict_on("LeakyReLU", "LeakyReLU.forward", "comparison", SLOPE)
    assert kink.kind == KINK
    assert "slope" in kink.why


def test_a_check_that_accepts_everything_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """In backward kernels: of another forward the judge cannot know that it was not meant."""

    def verdicts(name: str, place: str) -> list[str]:
        target = TARGETS[name]
        found = [(site, mutant) for site, mutant in target.mutants() if site.name == place]
        return [judge(target, site, mutant).kind for site, mutant in found[::3]]

    for name, place in (
        ("Dense", "reference.dense_backward"),
        ("ReLU", "reference.relu_gradient"),
        ("SoftmaxCrossEntropy", "SoftmaxCrossEntropy.backward"),
    ):
        seeing = verdicts(name, place)
        assert seeing.count(CAUGHT) > 5
        with monkeypatch.context() as blindfold:
            blindfold.setattr(cases, "check_layer", lambda *args, **options: None)
            blindfold.setattr(cases, "check_loss", lambda *args, **options: None)
            blind = verdicts(name, place)
        assert blind == [MISSED if kind in (CAUGHT, CRASH) else kind for kind in seeing]


@pytest.mark.parametrize(
    ("name", "place", "operator", "after"),
    [
        ("Dense", "reference.dense_backward", "float32", "db += (_v := da.sum(axis=0)).astype(np.float32).astype(_v.dtype)"),
        ("LeakyReLU", "LeakyReLU.backward", "in place", "return np.multiply((_v := self.as_gradient(dy, self._slope)), self._slope, out=_v)"),
        ("Dense", "reference.dense_backward", "+= to =", "dW[...] = x.T @ da"),
        ("Dense", "reference.dense_backward", "delete", "pass"),
        ("ActivityL1", "ActivityL1.backward", "unchanged", "return dy"),
    ],
)  # fmt: skip
def test_a_blind_check_misses_what_breaks_a_rule_or_is_small(name: str, place: str, operator: str, after: str) -> None:
    assert verdict_on(name, place, operator, after).kind == CAUGHT
    assert verdict_on(name, place, operator, after, check=lambda case: None).kind == MISSED


def test_a_check_of_x_alone_is_found_out() -> None:
    """As many a home-made check has it: dx is compared, dW is not."""

    def check_x_only(case: telling.Checked) -> None:
        try:
            case.check()
        except GradientCheckError as error:
            if error.report is None or not error.report.arrays["x"].passed:
                raise

    place = "reference.dense_backward"
    assert verdict_on("Dense", place, "sign", "dW -= x.T @ da", check=check_x_only).kind == MISSED
    assert verdict_on("Dense", place, "mean and sum", "db += da.mean(axis=0)", check=check_x_only).kind == MISSED
    assert verdict_on("Dense", place, "unchanged", "return x", check=check_x_only).kind == CAUGHT


@pytest.mark.parametrize(
    ("name", "place", "operator", "after"),
    [
        ("BatchNorm", "reference.batch_norm_backward", "drop term", "return gamma * inverse * (da - xhat * (da * xhat).mean(axis=axes))"),
        ("BatchNorm", "reference.batch_norm_backward", "drop term", "return gamma * inverse * (da - da.mean(axis=axes))"),
        ("BatchNorm", "reference.batch_norm_backward", "drop term", "return gamma * inverse * (xhat * (da * xhat).mean(axis=axes))"),
        ("BatchNorm", "reference.batch_norm_backward", "mean and sum", "return gamma * inverse * (da - da.sum(axis=axes) - xhat * (da * xhat).mean(axis=axes))"),
        ("BatchNorm", "reference.batch_norm_backward", "branch", "if True:"),
        ("BatchNorm", "reference.batch_norm_backward", "branch", "if False:"),
        ("BatchNorm", "reference.batch_norm_backward", "+= to =", "dgamma[...] = (da * xhat).sum(axis=axes)"),
        ("Residual", "reference.add", "drop term", "return activate(a, activation)"),
        ("Residual", "reference.add", "drop term", "return activate(b, activation)"),
        ("Residual", "reference.add", "in place", "return activate(np.add(a, b, out=a), activation)"),
        ("Branches", "reference.cut", "off by one", "return x[..., start + 1:stop + 1].copy()"),
        ("Branches", "Branches.backward", "branch", "dx = piece"),
        ("PadChannels", "PadChannels.backward", "off by one", "return self.as_gradient(dy, self._y)[..., :self._kept - 1].copy()"),
        ("AuxiliaryHead", "AuxiliaryHead.backward", "drop factor", "dhead = dhead"),
        ("AuxiliaryHead", "AuxiliaryHead.backward", "unchanged", "return dy"),
        ("AuxiliaryHead", "AuxiliaryHead.penalty", "drop term", "return super().penalty()"),
    ],
)  # fmt: skip
def test_every_term_of_a_block_is_needed(name: str, place: str, operator: str, after: str) -> None:
    """The three roads of batch normalisation, both terms of a residual sum, every branch's cut, the head's share."""
    verdict = verdict_on(name, place, operator, after)
    assert verdict.kind in (CAUGHT, CRASH), verdict


# --- the checker ----------------------------------------------------------------------------------------------------


def test_no_mutant_of_a_small_target_is_missed() -> None:
    for name in ("LeakyReLU", "ActivityL1", "MeanSquaredError"):
        target = TARGETS[name]
        verdicts = [(site.name, mutant.change, judge(target, site, mutant)) for site, mutant in target.mutants()]
        assert [found for found in verdicts if found[2].kind == MISSED] == []
        assert sum(found[2].kind == CAUGHT for found in verdicts) > 30


@pytest.mark.parametrize("name", TARGETS)
def test_a_sample_of_the_mutants_is_not_missed(name: str) -> None:
    target = TARGETS[name]
    verdicts = [
        (site.name, mutant.change, judge(target, site, mutant))
        for site, mutant in islice(target.mutants(), 5, None, 29)
    ]
    assert [found for found in verdicts if found[2].kind == MISSED] == []
    assert any(found[2].kind == CAUGHT for found in verdicts)


def test_the_cases_are_what_finds_a_mistake() -> None:
    """On square windows and images nobody sees height taken for width."""
    target = TARGETS["AveragePool2D"]
    (site, mutant), = [
        (site, mutant) for site, mutant in target.mutants()
        if mutant.operator == "height and width" and site.name == "reference.col2im" and mutant.change.startswith("for q in")
    ]  # fmt: skip
    square = Target(target.subject, [cases.LayerCase(AveragePool2D(2), (2, 4, 4, 2))])
    assert judge(target, site, mutant).kind == CAUGHT
    assert judge(square, site, mutant).kind == MISSED


def test_the_table() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "mutants.py"
    process = subprocess.run(
        [sys.executable, script, "--layer", "LeakyReLU", "--layer", "Tanh"], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert lines[-1].endswith("caught, 0 missed")
    assert any(line.startswith("| Tanh | ") for line in lines)
    assert any(line.startswith("- kink, comparison, LeakyReLU.forward: ") for line in lines)
    unknown = subprocess.run([sys.executable, script, "--layer", "Tan"], capture_output=True, text=True, check=False)
    assert unknown.returncode == 2
    assert "unknown: Tan; there are" in unknown.stderr


def test_layers_are_found_by_the_check_that_users_call() -> None:
    """The strict tolerance is for float32 only: the rest is found with the defaults."""
    site = next(site for site in TARGETS["LeakyReLU"].sites if site.name == "LeakyReLU.backward")
    for mutant in mutants_by(site.function, "sign"):
        with installed(site, mutant.function), pytest.raises(AssertionError, match="sign is flipped"):
            check_layer(LeakyReLU(0.3), (3, 4))
