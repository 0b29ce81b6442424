"""The corpus of strangers' code under tinydl's checker and under others: the part --strangers of gradient_checkers.

The code in tests/gradcheck/strangers has no common form: most of it could not be called by the other checkers at all.
So every checker is given the adapter that tinydl's check makes for itself. From the call that the code's author would
try, tinydl finds how forward and backward are called, which arrays forward depends on, and where their gradients are
(tinydl/gradcheck/wiring.py). Then, in place of tinydl's own check of these arrays, each other checker is asked about

    f = sum(dy * forward) + penalty    of the inputs and all parameters with a gradient, with one random dy for all
    g                                  the gradients that backward leaves for them

Thus the tables compare the judgement alone; finding the arrays, tinydl's other half, is given to everyone:

    - A gradient that a planted bug never writes, or writes in another shape, is seen by the adapter: found by all.
    - Kept gradients are set to 0 before each pass, unless the correct code overwrites them; then they are left, and
      the code has run once before, so that a bug that adds to them shows.
    - Random generators are rewound, and the code's state is put back, before each pass.
    - Constant arrays are declared as such in the cases whose author expects it. The call of a case that no program
      could understand is the one by the adapter that comes with the case.

Of a planted bug, "found" means that a gradient is called wrong or was never written; "stopped", that an exception or a
refusal left no verdict. Of correct code, "stopped" also counts what could not be judged. Times are medians over the
correct cases, each timed once, all checkers in turn in one process on one thread. They are of the judgement alone, in
which tinydl also tests the rules of its contract and a float32 run.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.peers import by_central, by_scipy, by_torch, torch
from benchmarks.strangers import group
from tests.gradcheck.strangers.corpus import Case, same_array, with_bug
from tests.gradcheck.strangers.verdicts import PASSED, WRONG, Outcome, judged, outcome
from tinydl.gradcheck import ArrayReport, GradientCheckError, GradientCheckReport, check
from tinydl.gradcheck.options import Options
from tinydl.gradcheck.report import CONSTANT, NOT_CHECKED, aligned
from tinydl.gradcheck.rules import upstream
from tinydl.gradcheck.run import run_check
from tinydl.gradcheck.runner import Runner
from tinydl.gradcheck.subject import Subject

FOUND, STOPPED = "found", "stopped"
OTHER, FLOAT32 = "all other code", "float32-only code"


class Misshapen(Exception):
    """A gradient does not have the shape of its array."""


class Wired:
    """What tinydl's wiring found, as a problem for the other checkers."""

    def __init__(self, subject: Subject, x: NDArray[Any], training: bool, options: Options, keeps: bool) -> None:
        rng = options.rng(4)
        other = rng.permuted(x.ravel()).reshape(x.shape)
        try:
            self.runner = Runner(subject.make(np.float64), training, other)
        except Exception:  # the code takes only x
            self.runner = Runner(subject.make(np.float64), training, x)
        if subject.keeps_state:
            self.runner.keep_state()
        self.layer, self.x = self.runner.layer, x.copy()
        self.dy = upstream(self.runner, np.array(self.runner.forward(x)), rng)
        named = {subject.x_name: self.x} if self.layer.moves_x else {}
        unique = {id(array): name for name, array in {**named, **self.runner.params}.items()}
        self.names = list(unique.values())
        self.arrays = [{**named, **self.runner.params}[name] for name in self.names]
        self.x_name = subject.x_name
        if keeps:
            self.gradient()
            self.layer.adding = True

    def objective(self) -> float:
        """sum(dy * y) + penalty."""
        values = self.runner.values(self.x)
        return float(np.sum(self.dy.ravel() * values[:-1]) + values[-1])

    def gradient(self) -> list[NDArray[Any]]:
        """The gradients that backward leaves."""
        self.runner.forward(self.x)
        dx = self.runner.backward(self.dy.copy())
        found = {**self.runner.grads, self.x_name: dx}
        gradients = [np.array(found[name]) for name in self.names]
        for name, gradient, array in zip(self.names, gradients, self.arrays, strict=True):
            if gradient.shape != array.shape:
                raise Misshapen(f"d{name} has shape {gradient.shape}, but {name} has {array.shape}")
        return gradients

    def overwrites(self) -> bool:
        """Whether backward gives the same gradients when it finds those of an earlier pass."""
        expected = self.gradient()
        self.layer.adding = True
        return all(np.allclose(a, b) for _ in range(2) for a, b in zip(self.gradient(), expected, strict=True))


Judge = Callable[[Wired], str]


@dataclass
class Answer:
    """What one checker says of a case, the seconds of the adapter and of the judgement, and whether the adapter alone
    has seen a fault.
    """

    outcome: Outcome
    adapting: float
    judging: float
    by_adapter: bool


class Checks:
    """All checkers on one case, correct and with its bugs."""

    def __init__(self, case: Case, judges: dict[str, Judge]) -> None:
        self.case, self.judges = case, judges
        self.keeps = False  # whether gradients are left as they are between passes
        self._run(case, self._learn)

    def answers(self, case: Case) -> dict[str, Answer]:
        """What each checker says of the case, which is the correct one or has a bug."""
        found = {"tinydl": self._run(case, run_check)}
        for name, judge in self.judges.items():
            found[name] = self._run(case, partial(self._asked, judge))
        return found

    def _run(self, case: Case, judge: Callable[..., Any]) -> Answer:
        """Run a case's call with `judge` in place of tinydl's check of the arrays that it has found."""
        seconds, seen = 0.0, False

        def timed(subject: Subject, *given: Any) -> Any:
            nonlocal seconds, seen
            subject = replace(subject, rows=self._declared(subject.rows))
            seen = not all(row.passed for row in subject.rows.values())
            start = time.perf_counter()
            try:
                return judge(subject, *given)
            finally:
                seconds = time.perf_counter() - start

        with mock.patch.object(check, "run_check", timed):
            result = outcome(case.adapter or case.check)
        return Answer(result, result.seconds - seconds, seconds, seen)

    def _declared(self, rows: dict[str, ArrayReport]) -> dict[str, ArrayReport]:
        """The rows of arrays that are not compared, with those constant that the case's author expects to be so."""
        constant = {name for name in rows if any(same_array(name, array) for array in self.case.arrays)}
        return {name: replace(row, verdict=CONSTANT) if name in constant else row for name, row in rows.items()}

    def _learn(self, subject: Subject, x: NDArray[Any], training: bool, options: Options, *_: Any) -> Any:
        self.keeps = Wired(subject, x, training, options, False).overwrites()
        return GradientCheckReport(subject.name)

    def _asked(
        self, judge: Judge, subject: Subject, x: NDArray[Any], training: bool, options: Options, *_: Any
    ) -> GradientCheckReport:
        row = ArrayReport("all arrays", (), "-")
        try:
            wrong = judge(Wired(subject, x, training, options, self.keeps))
        except Misshapen as error:
            wrong = str(error)
        if wrong:
            row.verdict, row.detail = WRONG, wrong
        report = GradientCheckReport(subject.name, arrays={**subject.rows, row.name: row})
        if not report.passed:
            raise GradientCheckError(wrong or NOT_CHECKED, report)
        return report


def judges(scipy_limit: float) -> dict[str, Judge]:
    """The checkers beside tinydl's, by name."""
    found: dict[str, Judge] = {}
    if torch is not None:
        found["torch.autograd.gradcheck"] = by_torch
    found["scipy.optimize.check_grad"] = lambda problem: by_scipy(problem, scipy_limit)
    found["plain central difference"] = by_central
    return found


def compare(chosen: list[Case], scipy_limit: float, markdown: bool) -> None:
    """Run all checkers on these cases and print the table."""
    others = judges(scipy_limit)
    right: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    bugs: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    adapting: list[float] = []
    by_adapter = 0
    with np.errstate(all="ignore"):
        for case in chosen[:1]:  # untimed: the first calls of a library are slow
            Checks(case, others).answers(case)
        for case in tqdm(chosen, unit="case", leave=False):
            kind = FLOAT32 if group(case) == "float32" else OTHER
            checks = Checks(case, others)
            for name, answer in checks.answers(case).items():
                verdict = answer.outcome.verdict
                right[kind, name][verdict if verdict in (PASSED, WRONG) else STOPPED] += 1
                seconds[kind, name].append(answer.judging)
                adapting.append(answer.adapting)
            for bug in case.bugs:
                answers = checks.answers(with_bug(case, bug))
                for name, answer in answers.items():
                    verdict = FOUND if judged(bug, answer.outcome).found else answer.outcome.verdict
                    bugs[kind, name][verdict if verdict in (FOUND, PASSED) else STOPPED] += 1
                by_adapter += all(answer.by_adapter for answer in answers.values())
    heads = ["code", "checker", "correct: passed", "called wrong", "stopped", "bugs: found", "passed", "stopped", "ms"]
    rows = []
    for kind in (OTHER, FLOAT32):
        total = f"{kind}: {right[kind, 'tinydl'].total()} correct, {bugs[kind, 'tinydl'].total():,} bugs"
        for name in ("tinydl", *others):
            counts = [right[kind, name][v] for v in (PASSED, WRONG, STOPPED)]
            counts += [bugs[kind, name][v] for v in (FOUND, PASSED, STOPPED)]
            median = 1e3 * statistics.median(seconds[kind, name] or [np.nan])
            rows.append([total if name == "tinydl" else "", name, *(f"{n:,}" for n in counts), f"{median:.1f}"])
    show(heads, rows, markdown)
    took = f"{1e3 * statistics.median(adapting):.1f} ms"
    print(
        f"\nThe adapter takes {took} more, for each checker. It finds no gradient at all in {by_adapter} of the bugs."
    )
    if torch is None:
        print("PyTorch is not installed: its gradcheck was skipped.")


def show(heads: list[str], rows: list[list[str]], markdown: bool) -> None:
    """Print a table, in Markdown or with aligned columns."""
    if markdown:
        for row in (heads, ["---", "---", *["---:"] * (len(heads) - 2)], *rows):
            print(f"| {' | '.join(row)} |")
    else:
        print("\n".join(aligned([heads, *rows])))
