"""Learning rates that change with the optimizer's step number: schedule(step) -> learning rate, where step starts at 0.

    Adam(learning_rate=CosineDecay(1e-3, decay_steps=10_000))

Each schedule is a pure function of `step`, so a resumed run continues where it stopped.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise

from . import arguments


class Schedule(arguments.Configured):
    """Base class of all schedules."""

    def __call__(self, step: int) -> float:
        raise NotImplementedError(f"{type(self).__name__} has no __call__")

    def _rate(self, name: str, value: float) -> float:
        return arguments.number(type(self).__name__, name, value, 0)

    def _steps(self, name: str, value: int) -> int:
        return arguments.positive_int(type(self).__name__, name, value)


class Constant(Schedule):
    """lr(t) = learning_rate."""

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = self._rate("learning_rate", learning_rate)

    def __call__(self, step: int) -> float:
        return self.learning_rate


class StepDecay(Schedule):
    """lr(t) = learning_rate * decay_rate ^ floor(t / step_size): a staircase."""

    def __init__(self, learning_rate: float, step_size: int, decay_rate: float = 0.1) -> None:
        self.learning_rate = self._rate("learning_rate", learning_rate)
        self.step_size = self._steps("step_size", step_size)
        self.decay_rate = self._rate("decay_rate", decay_rate)

    def __call__(self, step: int) -> float:
        return self.learning_rate * self.decay_rate ** (step // self.step_size)


class PiecewiseConstant(Schedule):
    """lr(t) = values[k], k the number of boundaries b <= t; boundaries rise, and len(values) = len(boundaries) + 1."""

    def __init__(self, boundaries: Sequence[int], values: Sequence[float]) -> None:
        for name, given in (("boundaries", boundaries), ("values", values)):
            if isinstance(given, str) or not isinstance(given, Iterable):
                raise ValueError(f"PiecewiseConstant: {name} must be a list, got {given!r}")
        self.boundaries = [self._steps("boundaries", boundary) for boundary in boundaries]
        self.values = [self._rate("values", value) for value in values]
        if len(self.values) != len(self.boundaries) + 1 or any(a >= b for a, b in pairwise(self.boundaries)):
            expected = "PiecewiseConstant: expected rising boundaries, and one more value than boundaries"
            raise ValueError(f"{expected}, got {self.boundaries} and {self.values}")

    def __call__(self, step: int) -> float:
        return self.values[bisect_right(self.boundaries, step)]


class ExponentialDecay(Schedule):
    """lr(t) = learning_rate * decay_rate ^ (t / decay_steps)."""

    def __init__(self, learning_rate: float, decay_steps: int, decay_rate: float) -> None:
        self.learning_rate = self._rate("learning_rate", learning_rate)
        self.decay_steps = self._steps("decay_steps", decay_steps)
        self.decay_rate = self._rate("decay_rate", decay_rate)

    def __call__(self, step: int) -> float:
        return self.learning_rate * self.decay_rate ** (step / self.decay_steps)


class CosineDecay(Schedule):
    """Half a cosine, from learning_rate down to `minimum` at step decay_steps, then constant.

    lr(t) = minimum + (learning_rate - minimum) (1 + cos(pi min(t / decay_steps, 1))) / 2

    Reference  Loshchilov & Hutter 2017 (SGDR), without restarts
    """

    def __init__(self, learning_rate: float, decay_steps: int, *, minimum: float = 0.0) -> None:
        self.learning_rate = self._rate("learning_rate", learning_rate)
        self.decay_steps = self._steps("decay_steps", decay_steps)
        self.minimum = self._rate("minimum", minimum)

    def __call__(self, step: int) -> float:
        part = min(step / self.decay_steps, 1.0)
        return self.minimum + (self.learning_rate - self.minimum) * (1 + math.cos(math.pi * part)) / 2


class LinearWarmup(Schedule):
    """Rise linearly for warmup_steps steps, then follow `after`: a rate, or a schedule that starts at its own step 0.

    lr(t) = after(0) (t + 1) / warmup_steps  for t < warmup_steps,  after(t - warmup_steps)  otherwise

    Reference  Goyal et al. 2017
    """

    def __init__(self, after: float | Schedule, warmup_steps: int) -> None:
        self.after = after if isinstance(after, Schedule) else self._rate("after", after)
        self.warmup_steps = self._steps("warmup_steps", warmup_steps)

    def __call__(self, step: int) -> float:
        later = as_schedule(self.after)
        if step < self.warmup_steps:
            return later(0) * (step + 1) / self.warmup_steps
        return later(step - self.warmup_steps)


class OneCycle(Schedule):
    """Rise linearly from peak / div_factor to the peak during the first `warmup_fraction` of total_steps, then fall
    along half a cosine to peak / div_factor / final_div_factor.

    Reference  Smith & Topin 2018
    """

    def __init__(
        self, peak: float, total_steps: int, warmup_fraction: float = 0.3, div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> None:  # fmt: skip
        self.peak = self._rate("peak", peak)
        self.total_steps = self._steps("total_steps", total_steps)
        self.warmup_fraction = arguments.number("OneCycle", "warmup_fraction", warmup_fraction, 0, 1)
        self.div_factor = arguments.number("OneCycle", "div_factor", div_factor, 1)
        self.final_div_factor = arguments.number("OneCycle", "final_div_factor", final_div_factor, 1)

    def __call__(self, step: int) -> float:
        low = self.peak / self.div_factor
        top = min(self.warmup_fraction * self.total_steps, max(self.total_steps - 2, 0))  # the last rate is the lowest
        if step < top:
            return low + (self.peak - low) * step / top
        lowest = low / self.final_div_factor
        part = min((step - top) / max(self.total_steps - 1 - top, 1), 1.0)
        return lowest + (self.peak - lowest) * (1 + math.cos(math.pi * part)) / 2


def as_schedule(learning_rate: float | Schedule) -> Schedule:
    """Return a schedule unchanged, or a number as a Constant schedule."""
    return learning_rate if isinstance(learning_rate, Schedule) else Constant(learning_rate)
