"""Checks by short training runs on copies: penalties, the learning rate, and whether 20 rows can be learned by heart.

The learning rate is judged by runs at the model's own rate, and at ten times smaller or larger ones, all on the same
batches. "Falls" means that the mean loss of the last ten batches is below 98 % of what it is without any step; "learns"
that it is below 80 % of it, and of the loss of the best constant answer.

    Too large   the loss does not fall at this rate, stays above that of a constant answer, or is NaN; but the model
                learns at a tenth, hundredth or thousandth of the rate, and its loss is then 20 % lower. Or the loss
                falls, but at a tenth of the rate it ends below half of that (in healthy networks, at 0.74 times that or
                more). If the batches had to be smaller than those of fit, for a large network, the loss must be NaN or
                double, since smaller batches need a smaller rate. With a momentum above 0.99, whose steps grow for more
                than a hundred steps, the runs have 200
    Too small   the loss does not fall at this rate, a step changes no layer's weights by more than 1/10,000, and the
                model learns at a rate 100 to 100,000 times larger, or larger still up to 1; or without global_clipnorm

The range test (Smith 2015) is the picture: the rate rises geometrically from step to step, and the loss is drawn
against it.

Reference: Smith 2015, Cyclical learning rates for training neural networks, section 3.3.
"""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from ...layers import ActivityL1, ContractivePenalty, KLSparsity
from ...layers.noise import Noise
from ...optimizers import Adam
from ...schedules import Schedule
from ...training import loop
from .experiment import Course, run
from .finding import Fault, Finding, NotCheckedError
from .patient import Patient
from .step import best_constant

STEPS, ROWS = 60, 128
LEAST_STEPS = 20
LONG_MOMENTUM, LONG_STEPS = 0.99, 200
RANGE = (1e-7, 10.0)
RANGE_STEPS = 80
LEARNS = 0.8  # of the loss at the start
FALLS = 0.98
LEARNED = 0.2  # below this share of chance, no smaller rate is tried
FAR_BETTER = 0.5  # of the loss at the model's rate
SMALL_STEP = 1e-4  # of the weights
FAR_LOWER = 0.7  # of the loss with penalties
DOUBLED = 2.0
DIVERGED = 4.0  # times the lowest loss
MANY_STEPS = 100_000  # in which a schedule must reach its largest rate
LARGEST_RATE = 1.0  # that is tried in place of one that is too small
MEMORIZED_ROWS = 20
MEMORIZING_STEPS = 300
CHUNK = 20
LEAST_MEMORIZING_STEPS = 60
MEMORIZING_RATES = (1e-3, 1e-2, 1e-1)

TOO_LARGE = Fault(
    "learning-rate-too-large",
    "the loss does not fall below that of a constant answer, but does at a smaller learning rate; or it ends below "
    "half as high at a tenth of the rate",
    "steps that are too long jump over the minimum, and can kill relu units or saturate others for good",
    "use a smaller learning rate; plot() shows the range test",
)
TOO_SMALL = Fault(
    "learning-rate-too-small",
    "at the model's learning rate the weights hardly change and the loss does not fall; at a far larger one, or "
    "without global_clipnorm, it does",
    "training would take thousands of times as long, and looks as if it had stopped",
    "use a larger learning rate; plot() shows the range test",
)
PENALTY = Fault(
    "penalty-too-strong",
    "penalties or weight decay keep the model from learning: it learns without them, but not with them, at its "
    "learning rate or at one 10 or 100 times larger",
    "the optimizer minimizes the sum of loss and penalties, and here it gives up the data to do so",
    "divide the factor by 10 until the loss of the data falls",
)
CANNOT_MEMORIZE = Fault(
    "cannot-memorize",
    "the model cannot learn 20 rows by heart, without noise and penalties, with Adam at any of three rates",
    "a network that cannot fit 20 rows will not fit more: there is a mistake in it, or it is far too small",
    "look at the findings above; else try more units, fewer bottlenecks, and a gradient check",
)


class Trials:
    """Runs of one patient on the same batches."""

    def __init__(self, patient: Patient) -> None:
        self.patient = patient
        momentum = getattr(patient.optimizer, "momentum", 0.0)
        steps = LONG_STEPS if momentum > LONG_MOMENTUM else STEPS
        self.steps, self.rows = patient.size(steps, min(ROWS, patient.batch_size))
        self.reduced = self.rows < min(patient.batch_size, len(patient.x))  # batches smaller than those of fit
        self.still = self.at(0.0).last()  # the loss of the last batches if nothing changes
        self.own = self.run(patient.copy(), None)
        self.chance = self._chance()

    def _chance(self) -> float:
        """The loss of the best constant answer; that of the network as it is, if it is not known."""
        patient = self.patient
        constant = best_constant(
            patient.loss, np.asarray(patient.y), patient.outputs[:1].repeat(len(patient.y), axis=0)
        )
        if constant is None:
            return self.still
        return loop.value_of(copy.deepcopy(patient.loss), constant, patient.y, patient.weights)

    def run(self, model: Any, rate: float | None) -> Course:
        """Train a copy; None for its own learning rate."""
        return run(model, self.patient.batches(self.steps, self.rows), rate)

    def at(self, rate: float) -> Course:
        """A run at a constant rate."""
        return self.run(self.patient.copy(), rate)

    def learns(self, course: Course) -> bool:
        """Whether the loss has fallen clearly, and below that of a constant answer."""
        return course.last() < LEARNS * min(self.still, self.chance)

    def falls(self, course: Course) -> bool:
        """Whether the loss has fallen at all."""
        return course.last() < FALLS * self.still

    def text(self, course: Course) -> str:
        """The loss at the end of a run."""
        return f"{course.last():.4g}" if course.finite else "NaN or infinity"


def trials_of(patient: Patient) -> Trials:
    """The runs that several checks share; raises NotCheckedError for a network on which they would take too long."""
    if patient.trials is None:
        steps, _ = patient.size(STEPS, ROWS)
        if steps < LEAST_STEPS:
            raise NotCheckedError(f"the network is large: the doctor would take only {steps} steps")
        patient.trials = Trials(patient)
    return patient.trials


def penalties(patient: Patient) -> list[Finding]:
    """Penalties of layers, and the optimizer's weight decay, that outweigh the data."""
    trials = trials_of(patient)
    decay = getattr(patient.optimizer, "weight_decay", 0.0)
    if not any(trials.own.penalties) and not decay:
        return []
    rate = float(patient.optimizer.current_learning_rate)
    for factor in (1, 10, 100):  # at a small rate, 60 steps may be too few to learn anything without penalties, too
        at = None if factor == 1 else rate * factor
        bound = trials.own if at is None else trials.at(at)
        if trials.learns(bound):
            return []
        free = trials.run(without_penalties(patient.copy()), at)
        if trials.learns(free) and free.last() <= FAR_LOWER * bound.last():
            break
    else:
        return []
    largest = max(patient.step.layers, key=lambda layer: layer.penalty)
    share = patient.step.penalty / max(patient.step.loss.value, 1e-30)
    where, what = largest.path, f"the penalties are {share:.3g} times the loss of the data when training begins"
    if not largest.penalty or (decay and patient.step.penalty < patient.step.loss.value):
        where, what = "optimizer", f"weight_decay is {decay:g}"
    seen = (
        f"{what}; in {trials.steps} steps{'' if at is None else f' at {at:g}'} the loss of the data goes from "
        f"{trials.still:.4g} to {trials.text(bound)} with them, and to {trials.text(free)} without"
    )
    return [PENALTY.found(where, seen)]


def without_penalties(model: Any) -> Any:
    """The copy of a model, without penalties and weight decay. The penalty of a user's own layer stays."""
    for layer in model.root.walk():
        if isinstance(layer, ActivityL1 | KLSparsity | ContractivePenalty):
            layer.factor = 0.0
        if getattr(layer, "kernel_regularizer", None) is not None:
            layer.kernel_regularizer = None
    if getattr(model.optimizer, "weight_decay", 0.0):
        model.optimizer.weight_decay = 0.0
    return model


def learning_rate(patient: Patient) -> list[Finding]:
    """Rates at which the loss does not fall, though it does at others."""
    trials = trials_of(patient)
    optimizer = patient.optimizer
    rate = float(optimizer.current_learning_rate)
    patient.rates, patient.losses = range_test(patient)
    largest = rate
    if isinstance(optimizer.learning_rate, Schedule):
        steps = {int(10 ** (k / 10)) for k in range(10 * round(math.log10(MANY_STEPS)) + 1)}
        largest = max(rate, *(float(optimizer.learning_rate(optimizer.iterations + k)) for k in steps))
    if largest == 0:
        return [TOO_SMALL.found("optimizer", "learning_rate is 0, which trains nothing; remember that 1 // 1000 is 0")]
    own = trials.own.last()
    if not math.isfinite(trials.still) or own < LEARNED * min(trials.still, trials.chance):
        return []
    began = f"in {trials.steps} steps the loss goes from {trials.still:.4g} to"
    bad = not trials.reduced or own > DOUBLED * max(trials.still, trials.chance)
    learning = trials.falls(trials.own) and own < trials.chance
    smaller = (0.1,) if learning else (0.1, 0.01, 0.001)
    for factor in smaller if rate and bad else ():
        course = trials.at(rate * factor)
        if learning:
            patient.figures["loss at a tenth"] = course.last() / own
        if trials.learns(course) and course.last() < (FAR_BETTER if learning else LEARNS) * own:
            seen = f"{began} {trials.text(trials.own)} at {rate:g}, and to {trials.text(course)} at {rate * factor:g}"
            return [TOO_LARGE.found("optimizer", seen, f"try {_round(rate * factor)}; plot() shows the range test")]
    change = largest_change(patient)
    if trials.falls(trials.own) or (rate and change * largest / rate > SMALL_STEP):
        return []
    seen = f"a step changes the weights of no layer by more than {change:.1g} of their size; {began} "
    seen += f"{trials.text(trials.own)} at {largest:g}, and to "
    for factor in (1, 10, 100) if optimizer.global_clipnorm is not None else ():
        model = patient.copy()
        model.optimizer.global_clipnorm = None
        course = trials.run(model, largest * factor)
        if trials.learns(course):
            seen += (
                f"{trials.text(course)} at {largest * factor:g} without global_clipnorm={optimizer.global_clipnorm:g}"
            )
            return [TOO_SMALL.found("optimizer", seen, "use a larger global_clipnorm, such as 1")]
    tried = largest * 1e2
    while tried <= max(largest * 1e5, LARGEST_RATE) * 1.001:
        course = trials.at(tried)
        if trials.learns(course):
            seen += f"{trials.text(course)} at {tried:g}"
            return [TOO_SMALL.found("optimizer", seen, f"try {_round(tried)}; plot() shows the range test")]
        tried *= 10
    return []


def largest_change(patient: Patient) -> float:
    """The largest update-to-weight ratio of the traced step, biases left out."""
    ratios = [
        each.figures.get("update_to_weight", 0.0)
        for layer in patient.learners
        for each in layer.params.values()
        if each.value.ndim > 1 and each.value.any()
    ]
    return max(ratios, default=0.0)


def _round(rate: float) -> str:
    """The rate with one digit."""
    return f"{float(f'{rate:.0e}'):g}"


def range_test(patient: Patient) -> tuple[list[float], list[float]]:
    """The rates of a run in which each step's is larger than the last one's, and the loss before each step.

    The run ends where the loss is above four times its lowest, or not finite.
    """
    steps, rows = patient.size(RANGE_STEPS, min(ROWS, patient.batch_size))
    rates = np.geomspace(*RANGE, steps)
    course = run(patient.copy(), patient.batches(steps, rows), rates.tolist())
    lowest = np.minimum.accumulate(course.losses)
    worse = np.flatnonzero(course.losses > DIVERGED * lowest)
    end = int(worse[0]) + 1 if len(worse) else len(course.losses)
    return rates[:end].tolist(), course.losses[:end]


def memorizing(patient: Patient) -> list[Finding]:
    """Whether the model can learn a few rows by heart, without noise and penalties."""
    if not math.isfinite(patient.step.loss.value):
        raise NotCheckedError("the loss is not finite")
    chosen = patient.rng(8).permutation(len(patient.x))[:MEMORIZED_ROWS]
    batch = patient.batch(chosen)
    x, y, _ = batch
    constant = best_constant(patient.loss, np.asarray(y), patient.outputs[:1].repeat(len(x), axis=0))
    if constant is None:
        raise NotCheckedError(f"the best constant answer under {type(patient.loss).__name__} is not known")
    by_chance = loop.value_of(copy.deepcopy(patient.loss), constant, y, None)
    if by_chance <= 0 or patient.model.parameters.size < constant.size:
        raise NotCheckedError(f"the model is too small, or {len(x)} rows too few, for learning rows by heart")
    steps, _ = patient.size(MEMORIZING_STEPS, len(x))
    if steps < LEAST_STEPS:
        raise NotCheckedError(f"the network is large: the doctor would take only {steps} steps")
    best = math.inf
    for rate in MEMORIZING_RATES:
        model = without_penalties(patient.copy())
        model.optimizer = Adam(rate)
        for layer in model.root.walk():
            for name in ("rate", "stddev") if isinstance(layer, Noise) else ():
                if hasattr(layer, name):
                    setattr(layer, name, 0.0)
        for start in range(0, steps, CHUNK):
            course = run(model, [(x, y, None)] * min(CHUNK, steps - start))
            best = min([best, *course.losses])
            if best < LEARNS * by_chance:
                return []
            if not course.finite:
                break
    if steps < LEAST_MEMORIZING_STEPS:
        raise NotCheckedError(f"the network is large: {steps} steps, all that the doctor takes, were too few")
    seen = f"in {steps} steps on {len(x)} rows the loss falls to {best:.4g}; a constant answer has {by_chance:.4g}"
    return [CANNOT_MEMORIZE.found("model", seen)]
