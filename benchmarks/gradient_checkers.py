"""Which checker finds the most mutants: tinydl's, torch.autograd.gradcheck or scipy.optimize.check_grad?

    python -m benchmarks.gradient_checkers               # all mutants of all layers and losses
    python -m benchmarks.gradient_checkers --every 10    # every tenth mutant
    python -m benchmarks.gradient_checkers --strangers   # other people's code instead: see peers_on_strangers.py

Each mutant is a layer or a loss of tinydl with one mistake planted in its source (tinydl/gradcheck/mutation). Its
inputs are tiny and chosen to expose it (tests/proofs/specs), which suits a checker that probes every entry. So every
`--usual-every`th mutant is also checked at one input of usual size.

Every checker gets the mutant at the same inputs, one after another until one input exposes the mistake, with the
checker's own defaults:

    tinydl            check_layer and check_loss, with the oracle chosen automatically
    tinydl, central   the same, by central differences alone
    torch             the layer wrapped as an autograd.Function; full Jacobians by central differences
    torch, fast_mode  the same, with random projections of the Jacobians
    scipy             sum(dy * y) + penalty as a function of one flat vector, with a random dy; forward differences. It
                      returns the norm of the error: wrong if above `--scipy-limit` times the gradient's norm

All run in one process on one thread and take turns on each mutant. Two kinds of mutants count: those that change the
gradient, and those that break a rule for layers, such as that dy stays unchanged, which no peer claims to check.
"""

from __future__ import annotations

import argparse
import copy
import re
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from benchmarks.side_by_side import machine, use_threads

use_threads(1)

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.peers import by_scipy, by_torch, gradcheck, torch
from benchmarks.peers_on_strangers import compare
from tests.gradcheck.strangers import corpus
from tests.proofs.cases import Case, LayerCase, LossCase
from tests.proofs.drawing import ONLY_IMAGES
from tests.proofs.mutants import targets
from tests.proofs.specs import DIFFERENTIATED
from tinydl import kernels
from tinydl.gradcheck import GradientCheckError
from tinydl.gradcheck.mutation import CAUGHT, MISSED, Verdict, installed, judge
from tinydl.gradcheck.runner import Runner


def usual(spec: Any) -> Case:
    """The first case of a spec, at an input of usual size."""
    plain = next(iter(spec.cases.values()))
    size = (2, 8, 8, 8) if spec.inputs is ONLY_IMAGES else (32, 30)
    return LayerCase(plain.subject, size, plain.options)


USUAL = {name: spec.usual or usual(spec) for name, spec in DIFFERENTIATED.items()}
WRONG, RULES = "wrong", "rules"


class Subject:
    """A case as plain functions of float64 arrays, for the peers."""

    def __init__(self, case: Case) -> None:
        rng = np.random.default_rng(0)
        given = case.point
        self.x = rng.standard_normal(given) if isinstance(given, tuple) else np.array(given, dtype=np.float64)
        self.loss: Any = None
        self.arrays = [self.x]
        if isinstance(case, LossCase):
            self.loss, self.y_true = copy.deepcopy(case.subject), case.y_true
            return
        layer = case.made(self.x.shape[1:], rng, np.float64)
        for value in layer.params.values():
            value += 0.1 * rng.standard_normal(value.shape)
        self.runner = Runner(layer, case.training, self.x)
        self.arrays += list(layer.params.values())
        self.dy = rng.standard_normal(self.runner.forward(self.x).shape)
        self.has_penalty = layer.penalty() != 0.0

    def forward(self) -> NDArray[Any]:
        """The output of a layer, or the value of a loss."""
        if self.loss is not None:
            return np.array(self.loss.forward(self.x, self.y_true))
        return self.runner.forward(self.x)

    def backward(self, dy: NDArray[Any]) -> list[NDArray[Any]]:
        """The gradients with respect to all arrays."""
        if self.loss is not None:
            return [self.loss.backward() * dy]
        self.runner.zero_grad()
        dx = self.runner.backward(dy)
        return [dx, *(gradient.copy() for gradient in self.runner.grads.values())]

    def objective(self) -> float:
        """One number: the loss, or sum(dy * y) + penalty."""
        y = self.forward()
        return float(y) if self.loss is not None else float(np.sum(self.dy * y)) + self.runner.penalty()

    def gradient(self) -> list[NDArray[Any]]:
        """The gradient of `objective`."""
        self.forward()
        return self.backward(np.ones(()) if self.loss is not None else self.dy)


def by_tinydl(case: Case, method: str) -> str:
    """The checker's error message; "" if the check passes."""
    try:
        case.check(method=method)
    except GradientCheckError as error:
        return str(error)
    return ""


def by_torch_in_full(case: Case, fast_mode: bool) -> str:
    """Run gradcheck on all outputs of a layer, or on the objective of a loss or of a layer with a penalty."""
    subject = Subject(case)
    if subject.loss is not None or subject.has_penalty:
        return by_torch(subject, fast_mode)
    return gradcheck(subject.arrays, subject.forward, subject.backward, fast_mode)


def contestants(scipy_limit: float) -> dict[str, Callable[[Case], str]]:
    """The contestants, by name."""
    found: dict[str, Callable[[Case], str]] = {
        "tinydl": lambda case: by_tinydl(case, "auto"),
        "tinydl, central": lambda case: by_tinydl(case, "central"),
    }
    if torch is not None:
        found["torch"] = lambda case: by_torch_in_full(case, False)
        found["torch, fast_mode"] = lambda case: by_torch_in_full(case, True)
    found["scipy"] = lambda case: by_scipy(Subject(case), scipy_limit)
    return found


def tried(check: Callable[[Case], str], cases: list[Case]) -> tuple[str, float]:
    """The error message for the first case that exposes a mistake, and the seconds until it appeared."""
    start = time.perf_counter()
    for case in cases:
        try:
            message = check(case)
        except Exception as error:  # a crash on unsupported input counts as a find
            message = f"{type(error).__name__}: {error}"
        if message:
            return message, time.perf_counter() - start
    return "", time.perf_counter() - start


class Score:
    """The contestants' results for one kind of input."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.caught: dict[str, Counter[str]] = defaultdict(Counter)
        self.named, self.alarms, self.total = Counter[str](), Counter[str](), Counter[str]()
        self.seconds: dict[str, float] = defaultdict(float)
        self.right = 0

    def mutant(self, kind: str, checks: dict[str, Callable[[Any], str]], cases: list[Any]) -> None:
        """Run all checkers on one mutant, which must be installed."""
        self.total[kind] += 1
        for name, check in checks.items():
            message, took = tried(check, cases)
            self.seconds[name] += took
            self.caught[name][kind] += bool(message)
            self.named[name] += kind == WRONG and "likely cause" in message

    def correct(self, checks: dict[str, Callable[[Any], str]], cases: list[Any]) -> None:
        """Run all checkers on layers without mistakes."""
        self.right += len(cases)
        for name, check in checks.items():
            for case in cases:
                self.alarms[name] += bool(tried(check, [case])[0])

    def show(self) -> None:
        """Print the results as a table."""
        wrong, rules = self.total[WRONG], self.total[RULES]
        print(f"\n{self.title}: {wrong} mutants with a wrong gradient, {rules} that break a rule\n")
        heads = (
            "checker",
            "wrong gradients caught",
            "with a cause named",
            "broken rules caught",
            "false alarms",
            "seconds",
            "ratio",
        )
        print(f"| {' | '.join(heads)} |")
        print("|---|---|---|---|---|---|---|")
        for name, found in self.caught.items():
            print(
                f"| {name} | {found[WRONG]} of {wrong} ({found[WRONG] / max(1, wrong):.1%}) "
                f"| {self.named[name] / max(1, found[WRONG]):.0%} | {found[RULES]} of {rules} "
                f"| {self.alarms[name]} of {self.right} | {self.seconds[name]:.1f} "
                f"| {self.seconds[name] / self.seconds['tinydl']:.2f} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="take every Nth mutant (default: all)")
    parser.add_argument(
        "--usual-every", type=int, default=20, help="of these, also check every Nth at usual size (default: every 20th)"
    )
    parser.add_argument("--scipy-limit", type=float, default=1e-5, help="relative error above which scipy fails")
    parser.add_argument(
        "--strangers", action="store_true", help="the corpus of strangers' code in place of the mutants"
    )
    parser.add_argument("--mutants", action="store_true", help="with --strangers: the mutants too")
    parser.add_argument(
        "--only", type=re.compile, default=re.compile(""), metavar="REGEX", help="with --strangers: of file:case names"
    )
    parser.add_argument("--markdown", action="store_true", help="with --strangers: print a table for the documentation")
    args = parser.parse_args()
    if args.every < 1 or args.usual_every < 1:
        parser.error("--every and --usual-every must be >= 1")
    print(f"{machine()}\n")
    warnings.simplefilter("ignore")
    if args.strangers:
        chosen = [case for case in corpus.cases() if args.only.search(case.key)]
        if not chosen:
            parser.error("--only matches no case")
        compare(chosen, args.scipy_limit, args.markdown)
    if args.mutants or not args.strangers:
        compare_on_mutants(args.scipy_limit, args.every, args.usual_every)


def compare_on_mutants(scipy_limit: float, take_every: int, usual_every: int) -> None:
    """Run all checkers on every Nth mutant of tinydl's layers and losses, and print the tables."""
    checks = contestants(scipy_limit)
    own, large = Score("At the mutants' own tiny inputs"), Score("At inputs of usual size")
    every = [(target, site, mutant) for target in targets().values() for site, mutant in target.mutants()]
    with np.errstate(all="ignore"):
        for number, (target, site, mutant) in enumerate(tqdm(every[::take_every], unit="mutant")):
            verdict = judge(target, site, mutant)
            if verdict.kind not in (CAUGHT, MISSED):
                continue
            kind = kind_of(verdict)
            with target.context(), installed(site, mutant.function):
                own.mutant(kind, checks, list(target.cases))
                if number % usual_every == 0:
                    large.mutant(kind, checks, [USUAL[target.name]])
        with kernels.using("reference"):
            own.correct(checks, [case for target in targets().values() for case in target.cases])
            large.correct(checks, list(USUAL.values()))
    own.show()
    large.show()


def kind_of(verdict: Verdict) -> str:
    """Return WRONG (gradient) or RULES (broken rule), by the strict check that classifies the mutants."""
    of_gradient = ("likely cause", "is wrong", "vacuous", "no usable derivative")
    return WRONG if verdict.kind == MISSED or any(mark in verdict.why for mark in of_gradient) else RULES


if __name__ == "__main__":
    main()
