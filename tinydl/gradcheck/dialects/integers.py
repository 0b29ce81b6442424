"""Integer inputs: indices stay as they are; numbers that forward computes with are checked as floats."""

from __future__ import annotations

from typing import Any

import numpy as np

from .call import Call
from .structures import leaves_of
from .trial import copied, quietly

FRACTION = 0.25

example = """
class Embedding:
    def __init__(self):
        self.table = np.arange(12.0).reshape(6, 2) / 10

    def forward(self, ids):
        self.ids = ids
        return self.table[ids]

    def backward(self, dy):
        self.dtable = np.zeros_like(self.table)
        np.add.at(self.dtable, self.ids, dy)
"""


def as_numbers(call: Call) -> list[str]:
    """The integer inputs that forward treats as numbers, which are therefore checked as floats.

    If such an input moves by a fraction, forward's result moves, and backward returns an array of floats of its shape.
    """
    return [
        name
        for name, value in call.inputs.items()
        if isinstance(value, np.ndarray) and value.dtype.kind in "iu" and name not in call.settings.fixed
        if _moves(call, name) and _has_gradient(call, name)
    ]


def _moves(call: Call, name: str) -> bool:
    results = [_result(call, name, shift) for shift in (0.0, FRACTION)]
    return None not in results and results[0] != results[1]


def _result(call: Call, name: str, shift: float) -> list[bytes] | None:
    copy = copied(call)
    copy.inputs[name] = copy.inputs[name] + shift
    with quietly():
        try:
            return [np.asarray(y).tobytes() for y in copy.forward()]
        except Exception:
            return None


def _has_gradient(call: Call, name: str) -> bool:
    copy = copied(call)
    copy.inputs[name] = copy.inputs[name].astype(np.float64)
    with quietly():
        try:
            outputs = copy.forward()
            copy.backward(*(np.ones(y.shape) for y in outputs))
        except Exception:
            return False
    arrays = [each for each, value in copy.inputs.items() if isinstance(value, np.ndarray)]
    found: list[Any] = list(leaves_of(copy.returned))
    if len(arrays) > 1:  # backward returns one gradient per input, in order
        found = [found[arrays.index(name)]] if len(found) == len(arrays) else []
    shape = copy.inputs[name].shape
    return any(isinstance(each, np.ndarray) and each.dtype.kind == "f" and each.shape == shape for each in found)
