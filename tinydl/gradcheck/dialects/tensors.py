"""torch tensors: a hand-written backward on tensors is checked on arrays that share their memory.

This module never imports torch: if the user's code has tensors, it has imported torch.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..reach import Path, put, reach, text
from .call import Settings
from .plain import Plain
from .structures import mapped
from .trial import copied, quietly


class Tensors(Plain):
    """forward(x) and backward(dy) on torch tensors; the tensors that the object holds are its parameters."""

    example = """
import torch

class Dense:
    def __init__(self):
        self.W = torch.tensor([[0.5, -0.3], [0.2, 0.8]])

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dy):
        self.dW = self.x.T @ dy
        return dy @ self.W.T
"""

    def __init__(self, subject: Any, inputs: dict[str, Any], settings: Settings) -> None:
        super().__init__(subject, inputs, settings)
        self.paths: dict[str, Path] = {}  # the paths of the float tensors that the subject holds
        self.held: dict[str, Any] = {}  # the values of these tensors, as arrays
        self.written: dict[str, Any] = {}  # the tensors that the last backward left in the subject, as arrays
        for path, tensor in self._tensors():
            array = as_array(tensor)
            if array.dtype.kind == "f" and path[-1][0] in ("attribute", "item", "cell", "global"):
                self.paths[text(path[1:])] = path
                self.held[text(path[1:])] = array.astype(np.float64)

    @classmethod
    def recognize(cls, subject: Any, inputs: dict[str, Any], settings: Settings) -> bool:
        if not is_loaded() or not Plain.recognize(subject, inputs, settings):
            return False
        call = cls(subject, inputs, settings)
        if call.held:
            return True
        return not _runs(Plain(subject, inputs, settings)) and _runs(call)

    def _tensors(self) -> list[tuple[Path, Any]]:
        return [
            (path, thing) for path, thing in reach(self) if path[:1] == (("attribute", "subject"),) and is_tensor(thing)
        ]

    def called(self, *arguments: Any) -> Any:
        for name, path in self.paths.items():
            put(self, path, as_tensor(self.held[name]))
        return as_arrays(super().called(*map(as_tensors, arguments)))

    def call_backward(self, places: list[Any], keywords: dict[str, Any]) -> Any:
        given = {name: as_tensors(value) for name, value in keywords.items()}
        result = as_arrays(super().call_backward([as_tensors(place) for place in places], given))
        own = set(self.paths.values())
        self.written = {text(path[1:]): as_array(tensor) for path, tensor in self._tensors() if path not in own}
        for path, tensor in self._tensors():
            if path in own and getattr(tensor, "grad", None) is not None:
                self.written[f"{text(path[1:])}_grad"] = as_array(tensor.grad)
        return result


def is_loaded() -> bool:
    """Whether torch has been imported."""
    return getattr(sys.modules.get("torch"), "Tensor", None) is not None


def is_tensor(value: Any) -> bool:
    """Whether a value is a torch tensor."""
    return is_loaded() and isinstance(value, sys.modules["torch"].Tensor)


def as_array(tensor: Any) -> Any:
    """An array that shares the memory of a tensor."""
    return np.asarray(tensor.detach().numpy())


def as_tensor(array: Any) -> Any:
    """A tensor that shares the memory of an array."""
    return sys.modules["torch"].from_numpy(array)


def as_arrays(value: Any) -> Any:
    """A result with its tensors as arrays."""
    return mapped(value, lambda leaf, _: as_array(leaf) if is_tensor(leaf) else leaf)


def as_tensors(value: Any) -> Any:
    """An argument with its arrays as tensors."""
    return mapped(value, lambda leaf, _: as_tensor(leaf) if isinstance(leaf, np.ndarray) else leaf)


def _runs(call: Plain) -> bool:
    copy = copied(call)
    with quietly():
        try:
            copy.forward()
        except Exception:
            return False
    return True
