"""A derivative instead of a backward: f(x) with f'(x), both entry by entry, so that dx = dy * f'(x)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..report import UnclearError
from .call import Settings
from .names import DERIVATIVE, FORWARD, is_upstream
from .plain import Functions, Plain
from .trial import FITS, copied, misfit, quietly

SHORT = ("x", "z", "a", "t", "u", "v", "s")  # names of an input, some of which may also name an upstream gradient


class Derivative(Plain):
    """__call__(x) and gradient(x), or forward(x) and derivative(x): entry by entry, without an upstream gradient."""

    example = """
class Sigmoid:
    def __call__(self, x):
        return 1 / (1 + np.exp(-x))

    def gradient(self, x):
        y = self(x)
        return y * (1 - y)
"""
    tables = (FORWARD, DERIVATIVE)

    @classmethod
    def named(cls, subject: Any, settings: Settings) -> tuple[Any, Any]:
        return ("forward", "backward") if isinstance(subject, Functions) else super().named(subject, settings)

    @classmethod
    def recognize(cls, subject: Any, inputs: dict[str, Any], settings: Settings) -> bool:
        if settings.backward or len(inputs) != 1 or None in cls.named(subject, settings):
            return False
        if isinstance(subject, Functions) and subject.backward is None:
            return False
        call = cls(subject, inputs, settings)
        needed, _, anything = call.backward_places
        if len(needed) != 1 or anything:
            return False
        same = needed == call.forward_places[0][:1] and (needed[0].lower() in SHORT or not is_upstream(needed[0]))
        if isinstance(subject, Functions):
            return same
        clear = call.names[1] not in ("gradient", "grad", "computegradient")  # names that a backward may also have
        return (same or clear) and not _has_backward(call) and _is_entrywise(call)

    def __init__(self, subject: Any, inputs: dict[str, Any], settings: Settings) -> None:
        super().__init__(subject, inputs, settings)
        self.of_output = False  # whether the derivative is written in terms of y = f(x)

    def run_back(self, *dys: Any) -> Any:
        return dys[0] * self.the_backward(*([self.result] if self.of_output else self.given_arguments()))

    def settle(self) -> None:
        other = copied(self)
        other.of_output = True
        self.of_output = misfit(self) >= FITS > misfit(other)
        theirs, ours = self.backward_places[0][0], self.forward_places[0][:1]
        if self.of_output and [theirs] == ours and theirs not in ("y", "out", "output"):
            name, own = getattr(self.the_backward, "__name__", "df"), getattr(self.the_forward, "__name__", "f")
            raise UnclearError(
                "derivative", f"{name}({theirs}) is not the derivative of {own} at {theirs}, but it is right if "
                f"{theirs} is the output {own}(x). If {name} is to be called with the output, write\n"
                f"    check_derivative({own}, lambda x: {name}({own}(x)), x)",
            )  # fmt: skip
        name, of = getattr(self.the_backward, "__name__", "backward"), "f(x)" if self.of_output else "x"
        self.notes.append(
            f"{name} was taken for the derivative at {of}, as in check_derivative: the check is of dx = dy f'(x)"
        )


def _has_backward(call: Derivative) -> bool:
    """Whether the subject has a backward in addition to its derivative."""
    backward = Plain.named(call.subject, call.settings)[1]
    return backward is not None and backward != call.names[1]


def _is_entrywise(call: Derivative) -> bool:
    """Whether y and the derivative have the shape of x."""
    copy = copied(call)
    with quietly():
        try:
            shapes = [np.shape(copy.forward()[0]), np.shape(copy.the_backward(*copy.given_arguments()))]
        except Exception:
            return False
    return shapes == 2 * [np.shape(next(iter(call.inputs.values())))]
