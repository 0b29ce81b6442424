"""The user's code in the form that the checker works on: y = forward(x), the other arrays, and backward."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .dialects.call import Call, positional
from .reach import Partly, Path, at, attribute, put

Scales = Mapping[str, float]


class Adapted(Partly):
    """A call whose arrays are known: x, `params` (all other arrays that are moved) and the `grads` of one pass.

    Several outputs are joined into one flat y, and their gradients into one flat dy. `arrays` and `gradients` are
    paths from the call, so they are valid in every copy. If backward changes the arrays themselves (because it also
    updates the weights), they are restored afterwards, and `changed` names them.
    """

    unwalked = frozenset({"x_name", "arrays", "gradients", "scale", "outputs", "grads"})

    def __init__(
        self, call: Call, x_name: str, arrays: dict[str, Path], gradients: dict[str, Path], scale: Scales | None = None
    ) -> None:
        self.call, self.x_name = call, x_name
        self.arrays, self.gradients, self.scale = arrays, gradients, scale or {}
        self.grads: dict[str, NDArray[Any]] = {}
        self.changed: set[str] = set()
        self.dy_modified = False
        self.never_reset: set[str] = set()  # arrays whose gradients add up although others are overwritten
        self.outputs: tuple[NDArray[Any], ...] = ()  # of the last forward
        self.adding = False  # whether backward starts from the previous pass's gradients

    @property
    def is_objective(self) -> bool:
        """Whether y is the objective itself, so that dy is 1."""
        return self.call.is_objective

    @property
    def claims_to_add(self) -> bool:
        """Whether the subject has dicts `params` and `grads`, which suggests that gradients accumulate."""
        held = (attribute(self.call.subject, name) for name in ("params", "grads"))
        return all(isinstance(each, dict) and each for each in held)

    @property
    def stored(self) -> list[str]:
        """The arrays whose gradients the subject keeps, rather than returns."""
        return [name for name, path in self.gradients.items() if path[0] == ("attribute", "subject")]

    @property
    def can_reset(self) -> bool:
        """Whether the subject has a method that looks like zero_grad."""
        return any(
            "zero" in name.lower() or "clear" in name.lower() or "reset" in name.lower()
            for name in dir(self.call.subject)
        )

    @property
    def moves_x(self) -> bool:
        """Whether x is moved; indices, and data that are not differentiated, stay as they are."""
        return self.x_name in self.arrays

    @property
    def params(self) -> dict[str, NDArray[Any]]:
        """The arrays other than x, each as a plain array that shares the memory of the user's kind of array."""
        return {name: np.asarray(array) for name, array in self._held().items()}

    def _held(self) -> dict[str, NDArray[Any]]:
        held = {name: find(self.call, path) for name, path in self.arrays.items() if name != self.x_name}
        return {name: array for name, array in held.items() if isinstance(array, np.ndarray)}

    def forward(self, x: NDArray[Any], training: bool = True) -> NDArray[Any]:
        self.call.inputs[self.x_name] = x
        self.call.set_mode(training)
        self.outputs = outputs = self.call.forward()
        return outputs[0] if len(outputs) == 1 else np.concatenate([output.ravel() for output in outputs])

    def backward(self, dy: NDArray[Any]) -> Any:
        """Return dx; `grads` then holds the other gradients of this pass alone."""
        if not self.adding:
            self.clear()
        before = {name: (array, array.copy()) for name, array in self._held().items()}
        given = self.parts(dy)
        as_given = [part.tobytes() for part in given]
        self.call.backward(*given)
        self.dy_modified |= as_given != [part.tobytes() for part in given]
        found = {name: self.gradient(name) for name in self.gradients}
        for name, (array, values) in before.items():
            self._restore(name, array, values)
        self.grads = {name: gradient for name, gradient in found.items() if name != self.x_name}
        return found.get(self.x_name)

    def returned_x(self) -> Any:
        """The array object that backward returned for x, not a copy."""
        path = self.gradients.get(self.x_name, ())
        return find(self.call, path) if path and path[0] == ("attribute", "returned") else None

    def gradient(self, name: str) -> Any:
        """A copy of an array's gradient, read at its path and divided by its scale."""
        gradient = find(self.call, self.gradients[name])
        if not np.isscalar(gradient) and not isinstance(gradient, list | np.ndarray):
            return gradient
        gradient = np.asarray(gradient)  # a plain array, also for the user's kind of array
        array = self.call.inputs[self.x_name] if name == self.x_name else find(self.call, self.arrays[name])
        if gradient.shape != np.shape(array) and gradient.size == np.size(array) == 1:
            gradient = gradient.reshape(np.shape(array))  # a number for an array of one entry
        return gradient / self.scale[name] if name in self.scale else gradient.copy()

    def _restore(self, name: str, array: NDArray[Any], values: NDArray[Any]) -> None:
        now = find(self.call, self.arrays[name])
        if now is not array and not (isinstance(now, np.ndarray) and same_memory(now, array)):
            self.changed.add(name)
            put(self.call, self.arrays[name], array)
        if np.asarray(array).tobytes() != np.asarray(values).tobytes():
            self.changed.add(name)
            np.asarray(array)[...] = np.asarray(values)

    def parts(self, dy: NDArray[Any]) -> list[NDArray[Any]]:
        """Copies of dy's parts, one for each output, in float32 for a float32 output."""
        flat = [dy]
        if len(self.outputs) > 1:
            flat = np.split(dy, np.cumsum([output.size for output in self.outputs])[:-1])
        return [
            self.call.arranged(part.reshape(y.shape).astype(y.dtype if y.dtype == np.float32 else dy.dtype))
            for part, y in zip(flat, self.outputs, strict=True)
        ]

    def penalty(self) -> Any:
        penalty = attribute(self.call.subject, "penalty")
        return penalty() if callable(penalty) and not positional(penalty)[0] else 0.0

    def zero_grad(self) -> None:
        zero = attribute(self.call.subject, "zero_grad")
        if callable(zero) and not positional(zero)[0]:
            zero()
        else:
            self.clear()

    def clear(self) -> None:
        """Set the gradients that the subject keeps to 0."""
        for path in self.gradients.values():
            held = find(self.call, path)
            if isinstance(held, np.ndarray) and path[0] != ("attribute", "returned") and held.flags.writeable:
                held[...] = 0


def same_memory(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether two arrays are one view, as two readings of one field of a structured array are."""
    views = (a.__array_interface__, b.__array_interface__)
    return all(views[0][key] == views[1][key] for key in ("data", "shape", "strides"))


def find(root: Any, path: Path) -> Any:
    """The object at the end of a path; None if the path leads nowhere (yet)."""
    try:
        return at(root, path)
    except (KeyError, IndexError, AttributeError, TypeError, ValueError):
        return None
