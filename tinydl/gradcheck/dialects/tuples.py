"""Tuples: forward(inputs) -> outputs and backward(inputs, dys) -> dxs, each a tuple of arrays."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np

from ..copying import copy_as
from ..reach import parameters_of
from .call import Settings, positional
from .names import MODES, is_upstream
from .plain import Functions, Plain
from .structures import is_floating
from .trial import quietly


class Tuples(Plain):
    """forward takes a tuple of all inputs; backward takes a tuple of upstream gradients, often after the inputs."""

    example = """
class Multiply:
    def forward(self, inputs):
        self.a, self.b = inputs
        return (self.a * self.b,)

    def backward(self, inputs, dys):
        a, b = inputs
        (dy,) = dys
        return dy * b, dy * a
"""

    def __init__(self, subject: Any, inputs: dict[str, Any], settings: Settings) -> None:
        super().__init__(subject, inputs, settings)
        own = [name for name in (*self.forward_places[0], *self.forward_places[1]) if name != self.mode]
        self.tuple_name = own[0]
        self.aliases = {}

    @classmethod
    def recognize(cls, subject: Any, inputs: dict[str, Any], settings: Settings) -> bool:
        if (
            callable(settings.forward)
            or isinstance(subject, Functions)
            or not super().recognize(subject, inputs, settings)
        ):
            return False
        if not all(map(is_floating, inputs.values())):
            return False
        name = cls.named(subject, settings)[0]
        required, more, anything = positional(getattr(subject, name))
        needed = [each for each in required if each not in MODES]
        known = parameters_of(getattr(subject, name))
        keywords = {each: settings.training for each in MODES if each in known} | dict(settings.arguments)
        if len(needed) != 1 or anything:
            return False
        if len(inputs) > 1:
            return len(more) < len(inputs) - 1 and _result(subject, name, tuple(inputs.values()), keywords) is not None
        x = next(iter(inputs.values()))
        alone = _result(subject, name, x, keywords)
        if alone is not None and not (isinstance(alone, tuple | list) and len(alone) == 1):
            return False
        result = _result(subject, name, (x,), keywords)
        takes_tuples = isinstance(result, tuple | list) and len(result) > 0 and is_floating(result[0])
        return takes_tuples and (alone is None or len(result) == 1)

    def called(self, *arguments: Any) -> Any:
        result = self.the_forward(tuple(arguments), **self.keywords)
        self.count = len(result) if isinstance(result, tuple | list) else 1
        return tuple(result) if isinstance(result, list) else result

    def run_back(self, *dys: Any) -> Any:
        needed, _, anything = positional(self.the_backward)
        values: list[Any] = []
        for name in needed:
            upstream = is_upstream(name) and name != self.tuple_name
            known = {
                self.tuple_name: tuple(self.passed),
                "outputs": self.result,
                "indexes": tuple(range(len(self.passed))),
            }
            first_of_two = name == needed[0] and len(needed) == 2 and not upstream
            values.append(
                known[name] if name in known
                else dys if upstream or len(needed) == 1
                else tuple(self.passed) if first_of_two
                else dys
            )  # fmt: skip
        return self.the_backward(*values) if needed or not anything else self.the_backward(*dys)

    def settle(self) -> None:
        """Do nothing: all results are outputs, and backward takes tuples."""


def _result(subject: Any, name: str, value: Any, keywords: dict[str, Any]) -> Any:
    """The result of forward for one argument, on a copy of the subject; None if forward raises."""
    with quietly():
        try:
            return getattr(copy_as(subject, np.float64), name)(deepcopy(value), **deepcopy(keywords))
        except Exception:
            return None
