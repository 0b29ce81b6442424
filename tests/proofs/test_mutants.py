"""Mutants of every layer and loss: the check catches them, and `judge` reports those that a weaker check misses.

These tests draw a sample. To check all mutants and print tables, run python -m benchmarks.mutants.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from tests.proofs.cases import LayerCase
from tests.proofs.mutants import targets
from tinydl import kernels, layers
from tinydl.gradcheck import GradientCheckError, check_layer
from tinydl.gradcheck.diagnosis import evidence
from tinydl.gradcheck.mutation import (
    CAUGHT,
    CRASH,
    EQUIVALENT,
    KINK,
    MISSED,
    VALUE,
    Case,
    Mutant,
    Site,
    Target,
    Verdict,
    check_strictly,
    installed,
    judge,
    mutants_of,
)
from tinydl.gradcheck.mutation.rewriting import compiled, definition_of
from tinydl.layers import AveragePool2D, Dense, LeakyReLU

TARGETS = targets()


@cache
def mutants_in(function: FunctionType) -> list[Mutant]:
    """Many targets run the same functions, and making mutants takes longer than judging a sample of them."""
    return list(mutants_of(function))


def mutants(target: Target) -> Iterator[tuple[Site, Mutant]]:
    """The same as target.mutants(), each made once."""
    return ((site, mutant) for site in target.sites for mutant in mutants_in(site.function))


@pytest.fixture
def brief_diagnoses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut the search for the cause of a wrong gradient short: it takes most of a check's time, and changes no verdict."""
    monkeypatch.setattr(evidence, "MOST_SECONDS_OF_ALL", 0.05)


# --- the targets ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_yields_mutants_of_forward_and_of_backward(name: str) -> None:
    target = TARGETS[name]
    names = [site.name for site in target.sites]
    assert len(names) == len(set(names))
    for method in ("forward", "backward"):
        assert any(found.endswith(f".{method}") for found in names)
        (site,) = [site for site in target.sites if site.function is getattr(target.subject, method)]
        assert len(mutants_in(site.function)) >= 3


def test_the_definitions_belong_to_those_who_call_them() -> None:
    functions_of = {name: {site.name for site in target.sites} for name, target in TARGETS.items()}
    assert {
        "conv.conv2d_forward", "conv.conv2d_backward", "conv.im2col", "conv.col2im", "activations.derivative",
        "Window.places",
    } <= functions_of["Conv2D"]  # fmt: skip
    assert {"pooling.max_pool_forward", "pooling.max_pool_backward", "conv.col2im"} <= functions_of["MaxPool2D"]
    assert "pooling._entries" in functions_of["AveragePool2D"]
    assert "normalization._sum_around" in functions_of["LocalResponseNorm"]
    assert {"mean_squared_error.mean_squared_error", "mean_squared_error.mean_squared_error_gradient"} <= functions_of[
        "MeanSquaredError"
    ]
    assert "activations.sigmoid" in functions_of["Sigmoid"]
    assert {"activations.relu", "activations.activation_gradient"} <= functions_of["ReLU"]
    statistics = {f"normalization.batch_norm_{part}" for part in ("statistics", "forward", "backward")}
    assert statistics <= functions_of["BatchNorm"]
    assert {"residual.add", "activations.activation_gradient"} <= functions_of["Residual"]
    assert {"branches.join", "branches.cut", "residual.add"} <= functions_of["Branches"]


@pytest.mark.slow
def test_the_originals_pass_strictly_and_recompiled_they_are_the_same() -> None:
    for target in TARGETS.values():
        with target.context():
            for case in target.cases:
                check_strictly(case)
    for name in ("Dense", "KLSparsity", "Sequential"):
        for site in TARGETS[name].sites:
            same = compiled(ast.unparse(definition_of(site.function)), site.function)
            assert judge(TARGETS[name], site, Mutant("none", "", "", same)).kind == EQUIVALENT, site


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_the_original_is_right_at_almost_every_point_where_it_is_compared(name: str) -> None:
    """The remaining points contain ties, zeros or float32 numbers, so their slopes are not compared."""
    target = TARGETS[name]
    trials = target.originals
    with target.context():  # its compiled twin would first have to be compiled for float64
        states = Counter(trial.compare_with_slopes()[0] for trial in trials)
    assert states["wrong"] == 0
    assert states["right"] >= 3
    assert all(all(trial.rules.values()) for trial in trials if not trial.point.attributes and not trial.error)


def test_installed_restores_everything_also_after_an_exception() -> None:
    modules = (kernels, layers.conv, layers.dense, layers.activations)

    def state() -> list[Any]:
        return [dict(vars(module)) for module in modules] + [dict(vars(Dense))]

    before = state()
    for name in ("Conv2D", "Sigmoid", "ContractivePenalty"):
        for site in TARGETS[name].sites:
            with (
                pytest.raises(RuntimeError, match="inside"),
                TARGETS[name].context(),
                installed(site, site.function),
            ):
                raise RuntimeError("inside")
    assert state() == before
    sigmoid = next(site for site in TARGETS["Sigmoid"].sites if site.name == "activations.sigmoid")

    def other(a: Any) -> Any:
        return a

    with installed(sigmoid, other):
        assert layers.activations.sigmoid is other


# --- the verdicts ---------------------------------------------------------------------------------------------------


def verdict_on(name: str, place: str, operator: str, after: str, **options: Any) -> Verdict:
    target = TARGETS[name]
    for site, mutant in mutants(target):
        if (
            site.name == place
            and mutant.operator == operator
            and mutant.change.endswith(after if "->" in after else f"->  {after}")
        ):
            return judge(target, site, mutant, **options)
    raise AssertionError(f"no such mutant: {place}, {operator}, {after}")


SLOPE = "self._slope = slope = np.where(x >= 0, x.dtype.type(1), x.dtype.type(self.negative_slope))"


def test_verdicts() -> None:
    caught = verdict_on("Dense", "dense.dense_backward", "sign", "dW -= x.T @ da")
    assert caught.kind == CAUGHT
    assert "the sign is flipped" in caught.why
    crash = verdict_on("Flatten", "Flatten.forward", "1/N", "return x.reshape(x.size, math.prod(x.shape[1:]))")
    assert (crash.kind, crash.why) == (CRASH, "ValueError: cannot reshape array of size 48 into shape (48,16)")
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


@pytest.mark.slow
@pytest.mark.usefixtures("brief_diagnoses")
def test_a_check_that_accepts_everything_is_found_out() -> None:
    """Only backward mutants are used, because `judge` cannot tell that a changed forward was unintended."""

    def verdicts(name: str, place: str, step: int, **options: Any) -> list[str]:
        target = TARGETS[name]
        found = [(site, mutant) for site, mutant in mutants(target) if site.name == place]
        return [judge(target, site, mutant, **options).kind for site, mutant in found[::step]]

    for name, place, step in (
        ("Dense", "dense.dense_backward", 9),  # of 142
        ("Sigmoid", "Sigmoid.backward", 3),
        ("SoftmaxCrossEntropy", "SoftmaxCrossEntropy.backward", 3),
    ):
        seeing = verdicts(name, place, step)
        assert seeing.count(CAUGHT) > 5
        blind = verdicts(name, place, step, check=lambda case: None)
        # A mutant that fails at special values only is equivalent at all points at which its effect is judged.
        assert sum(kind == CAUGHT and other == EQUIVALENT for kind, other in zip(seeing, blind, strict=True)) <= 2
        for kind, other in zip(seeing, blind, strict=True):
            assert other == kind or (kind in (CAUGHT, CRASH) and other in (MISSED, EQUIVALENT))


@pytest.mark.parametrize(
    ("name", "place", "operator", "after"),
    [
        ("Dense", "dense.dense_backward", "float32", "db += (_v := da.sum(axis=0, dtype=np.float64)).astype(np.float32).astype(_v.dtype)"),
        ("LeakyReLU", "LeakyReLU.backward", "in place", "return np.multiply((_v := self.as_gradient(dy, self._slope)), self._slope, out=_v)"),
        ("Dense", "dense.dense_backward", "+= to =", "dW[...] = x.T @ da"),
        ("Dense", "dense.dense_backward", "delete", "pass"),
        ("ActivityL1", "ActivityL1.backward", "unchanged", "return dy"),
    ],
)  # fmt: skip
def test_a_blind_check_misses_what_breaks_a_rule_or_is_small(name: str, place: str, operator: str, after: str) -> None:
    assert verdict_on(name, place, operator, after).kind == CAUGHT
    assert verdict_on(name, place, operator, after, check=lambda case: None).kind == MISSED


def test_a_check_of_x_alone_is_found_out() -> None:
    """Many home-made checks compare dx but not dW."""

    def check_x_only(case: Case) -> None:
        try:
            case.check()
        except GradientCheckError as error:
            if error.report is None or not error.report.arrays["x"].passed:
                raise

    place = "dense.dense_backward"
    assert verdict_on("Dense", place, "sign", "dW -= x.T @ da", check=check_x_only).kind == MISSED
    assert (
        verdict_on("Dense", place, "mean and sum", "db += da.mean(axis=0, dtype=np.float64)", check=check_x_only).kind
        == MISSED
    )
    assert verdict_on("Dense", place, "unchanged", "return x", check=check_x_only).kind == CAUGHT


@pytest.mark.parametrize(
    ("name", "place", "operator", "after"),
    [
        ("BatchNorm", "normalization.batch_norm_backward", "drop term", "return s * (g - xhat * (g * xhat).mean(axis=axes))"),
        ("BatchNorm", "normalization.batch_norm_backward", "drop term", "return s * (g - g.mean(axis=axes))"),
        ("BatchNorm", "normalization.batch_norm_backward", "drop term", "return s * (xhat * (g * xhat).mean(axis=axes))"),
        ("BatchNorm", "normalization.batch_norm_backward", "mean and sum", "return s * (g - g.sum(axis=axes) - xhat * (g * xhat).mean(axis=axes))"),
        ("BatchNorm", "normalization.batch_norm_backward", "branch", "if not training:  ->  if True:"),
        ("BatchNorm", "normalization.batch_norm_backward", "branch", "if not training:  ->  if False:"),
        ("BatchNorm", "normalization.batch_norm_backward", "+= to =", "dgamma[...] = (da * xhat).sum(axis=axes, dtype=np.float64)"),
        ("Residual", "residual.add", "drop term", "return activations.activate(a, activation)"),
        ("Residual", "residual.add", "drop term", "return activations.activate(b, activation)"),
        ("Residual", "residual.add", "in place", "return activations.activate(np.add(a, b, out=a), activation)"),
        ("Branches", "branches.cut", "off by one", "return x[..., start + 1:stop + 1].copy()"),
        ("Branches", "Branches.backward", "off by one", "for k in list(range(1, len(self.branches)))[1:]:"),
        ("PadChannels", "branches.cut", "off by one", "return x[..., start:stop - 1].copy()"),
        ("AuxiliaryHead", "AuxiliaryHead.backward", "drop factor", "dhead = dhead"),
        ("AuxiliaryHead", "AuxiliaryHead.backward", "unchanged", "return dy"),
        ("AuxiliaryHead", "AuxiliaryHead.penalty", "drop term", "return super().penalty()"),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_every_term_of_a_block_is_needed(name: str, place: str, operator: str, after: str) -> None:
    """Covers the roads of batch normalization, the terms of a residual sum, the branches' cuts, and a head's weight."""
    verdict = verdict_on(name, place, operator, after)
    assert verdict.kind in (CAUGHT, CRASH), verdict


# --- the checker ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.usefixtures("brief_diagnoses")
def test_no_mutant_of_a_small_target_is_missed() -> None:
    for name, step in (("ActivityL1", 1), ("MeanSquaredError", 3)):  # test_the_table has all mutants of two others
        target = TARGETS[name]
        chosen = islice(mutants(target), 0, None, step)
        verdicts = [(site.name, mutant.change, judge(target, site, mutant)) for site, mutant in chosen]
        assert [found for found in verdicts if found[2].kind == MISSED] == []
        assert sum(found[2].kind == CAUGHT for found in verdicts) > 30


def sampled(name: str, fast: bool) -> list[tuple[str, str, Verdict]]:
    """The verdicts on every 290th mutant, or on every 58th and one more, as small targets have few;
    python -m benchmarks.mutants judges all."""
    target = TARGETS[name]
    every29 = enumerate(islice(mutants(target), 5, None, 29))
    chosen = [each for number, each in every29 if (number % 10 == 0 if fast else number % 2 == 1 or number == 2)]
    return [(site.name, mutant.change, judge(target, site, mutant)) for site, mutant in chosen]


@pytest.mark.parametrize("fast", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.usefixtures("brief_diagnoses")
def test_a_sample_of_the_mutants_is_not_missed(name: str, fast: bool) -> None:
    verdicts = sampled(name, fast)
    assert fast or any(found[2].kind in (CAUGHT, CRASH) for found in verdicts)
    assert [found for found in verdicts if found[2].kind == MISSED] == []


def test_the_cases_are_what_finds_a_mistake() -> None:
    """With square windows and images, a height mistaken for a width goes unnoticed."""
    target = TARGETS["AveragePool2D"]
    (site, mutant), = [
        (site, mutant) for site, mutant in mutants(target)
        if mutant.operator == "height and width" and site.name == "conv.col2im" and mutant.change.startswith("for q in")
    ]  # fmt: skip
    square = replace(target, cases=[LayerCase(AveragePool2D(2), (2, 4, 4, 2))])
    assert judge(target, site, mutant).kind == CAUGHT
    assert judge(square, site, mutant).kind == MISSED


@pytest.mark.slow
def test_the_table() -> None:
    script, root = ("-m", "benchmarks.mutants"), Path(__file__).parents[2]
    process = subprocess.run(
        [sys.executable, *script, "--layer", "LeakyReLU", "--layer", "Tanh"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert lines[-1].endswith("caught, 0 missed")
    assert any(line.startswith("| Tanh | ") for line in lines)
    assert any(line.startswith("- kink, comparison, LeakyReLU.forward: ") for line in lines)
    unknown = subprocess.run(
        [sys.executable, *script, "--layer", "Tan"], cwd=root, capture_output=True, text=True, check=False
    )
    assert unknown.returncode == 2
    assert "unknown: Tan: choose from" in unknown.stderr


def test_layers_are_found_by_the_check_that_users_call() -> None:
    """Only mutants that lose precision (float32) need the strict tolerance; the defaults catch all others."""
    site = next(site for site in TARGETS["LeakyReLU"].sites if site.name == "LeakyReLU.backward")
    for mutant in [mutant for mutant in mutants_of(site.function) if mutant.operator == "sign"]:
        with installed(site, mutant.function), pytest.raises(AssertionError, match="sign is flipped"):
            check_layer(LeakyReLU(0.3), (3, 4))
