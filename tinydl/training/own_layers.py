"""A user's own layers: the mistakes after which a layer would fail far from its cause, or would silently not train.

`check_class` looks at a layer before it is built, `check_arrays` after, and `check_step` at the end of the first
backward pass, before the optimizer changes anything.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layer import Layer
from .attributes import is_ours
from .vector import owners

METHODS = {  # what a Model passes to each method, and how to write its parameters
    "build": (((), None, None), "build(self, input_shape, rng, dtype)"),
    "forward": ((None, True), "forward(self, x, training=False)"),
    "backward": ((None,), "backward(self, dy)"),
}
ARRAYS = ("params", "grads", "state")
DEPTH = 3  # how far to look into lists of dicts of objects


def own(root: Layer) -> Iterator[Layer]:
    """The layers of a user's classes that own arrays."""
    return (layer for layer in owners(root) if not is_ours(layer))


def check_class(root: Layer) -> None:
    """Check that the methods exist with the right parameters, and that __init__ called Layer's."""
    for layer in own(root):
        if not hasattr(layer, "params"):
            mend = "write super().__init__() as its first line"
            raise TypeError(f"Model: {layer.label}: its __init__ must call Layer's, got no such call: {mend}")
        for name, (given, expected) in METHODS.items():
            method = getattr(layer, name)
            if name == "forward" and type(layer).forward is Layer.forward:  # a model that only predicts has no backward
                got = "call: rename it to forward" if hasattr(layer, "call") else "no forward: define it"
                raise TypeError(f"Model: {layer.label} must define {expected}, got {got}")
            try:
                inspect.signature(method).bind(*given)
            except TypeError:
                got = f"{name}{inspect.signature(getattr(type(layer), name))}"
                mend = "change its parameters"
                raise TypeError(f"Model: {layer.label} must define {expected}, got {got}: {mend}") from None


def check_arrays(root: Layer, dtype: np.dtype) -> None:
    """Check that a built layer's arrays are where training finds them."""
    for layer in own(root):
        if layer.input_shape is None:
            mend = "write super().build(input_shape, rng, dtype) as its first line"
            raise TypeError(f"Model: {layer.label}: its build must call Layer's, got no such call: {mend}")
        _check_pairs("Model", layer)
        for kind in ("params", "state"):
            for name, array in getattr(layer, kind).items():
                if array.dtype.kind == "f" and array.dtype != dtype:
                    mend = "create it in build, with build's dtype"
                    got = f"{array.dtype}: {mend}"
                    raise TypeError(
                        f"Model: {layer.label}: {kind}[{name!r}] must have the model's dtype {dtype}, got {got}"
                    )
        for name, place in _loose(layer):
            mend = (
                f"in build, call self.add_parameter({name!r}, array), or add_state if it is not trained, and use "
                f"self.params[{name!r}] (a cache's name begins with an underscore)"
            )
            trouble = f"holds a float array in self.{place}, which would be neither trained nor saved"
            raise TypeError(f"Model: {layer.label} {trouble}: {mend}")
        for name, gradient in _pairs(vars(layer)):
            if not np.any(_numbers(vars(layer)[gradient])):  # zeros, to which backward will add
                _refuse_pair("Model", layer, name, gradient)


def check_step(root: Layer, parameters: NDArray, gradients: NDArray, rows: int) -> None:
    """Check that the first training pass has left the arrays of `params` and `grads` in place."""
    for layer in own(root):
        _check_pairs("fit", layer)
        for kind, vector in (("params", parameters), ("grads", gradients)):
            for name, array in getattr(layer, kind).items():
                if array.base is not vector.base:
                    write = "[...] = array" if kind == "params" else " += array"
                    trouble = f"created or replaced {kind}[{name!r}], so the optimizer does not see it"
                    mend = f"create it in build, with add_parameter, and write self.{kind}[{name!r}]{write}"
                    raise TypeError(f"fit: a pass through {layer.label} {trouble}: {mend}")
        for name, gradient in _pairs(vars(layer)):
            value = vars(layer)[name]
            if _is_float(value) and value.shape[:1] != (rows,) and not name.startswith("_"):
                _refuse_pair("fit", layer, name, gradient)


def explain_shape(root: Layer, error: Exception) -> None:
    """After an error in a training pass, raise a clearer one if an own layer's output has an unexpected shape."""
    for layer in own(root):
        shape = (2, *(layer.input_shape or ()))
        try:
            y = copy.deepcopy(layer).forward(np.zeros(shape, layer.dtype), True)
        except Exception:  # a layer that cannot run on zeros has said so itself
            continue
        if y is not None and np.shape(y)[1:] != layer.output_shape:
            expected = f"the shape that its build returned, {('n', *(layer.output_shape or ()))}"
            mend = "define build, and return the shape of one row of forward's output"
            raise ValueError(f"{layer.label} must output {expected}, got {('n', *np.shape(y)[1:])}: {mend}") from error


def _check_pairs(method: str, layer: Layer) -> None:
    """Check that params and grads have the same keys and shapes."""
    for kind, other in (("params", "grads"), ("grads", "params")):
        for name, array in getattr(layer, kind).items():
            pair = getattr(layer, other).get(name)
            if pair is None:
                mend = f"in build, call self.add_parameter({name!r}, array), which makes both"
                raise TypeError(f"{method}: {layer.label} has {kind}[{name!r}] but no {other}[{name!r}]: {mend}")
            if np.shape(pair) != np.shape(array):
                expected = f"{kind}[{name!r}] and {other}[{name!r}] must have equal shapes"
                raise ValueError(f"{method}: {layer.label}: {expected}, got {np.shape(array)} and {np.shape(pair)}")


def _refuse_pair(method: str, layer: Layer, name: str, gradient: str) -> None:
    trouble = f"holds self.{name} and its gradient self.{gradient}, which the optimizer does not see"
    mend = f"in build, call self.add_parameter({name.lstrip('_')!r}, array), and use self.params and self.grads"
    raise TypeError(f"{method}: {layer.label} {trouble}: {mend}")


def _pairs(attributes: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The names of numbers, or of lists or arrays of numbers, beside which a gradient of the same shape is held."""
    for name, value in attributes.items():
        bare = name.lstrip("_")
        dash = name[: len(name) - len(bare)]
        for gradient in (f"{dash}d{bare}", f"{dash}d_{bare}", f"{dash}grad_{bare}", f"{name}_grad"):
            if gradient in attributes and _numbers(value).dtype.kind == "f":
                other = _numbers(attributes[gradient])
                if other.dtype.kind in "fi" and other.shape == np.shape(value):
                    yield name, gradient


def _numbers(value: Any) -> NDArray:
    """A number, or a list or array of numbers, as an array; an array of no kind of number for anything else."""
    if isinstance(value, float | int | np.ndarray | np.number) and not isinstance(value, bool):
        return np.asarray(value)
    if isinstance(value, list | tuple) and value and all(isinstance(each, float | int) for each in value):
        return np.asarray(value)
    return np.array(None)


def _is_float(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 0


def _loose(layer: Layer) -> Iterator[tuple[str, str]]:
    """The public attributes that hold float arrays, also in lists, dicts and plain objects: name and place."""
    for name, value in vars(layer).items():
        if not name.startswith("_") and name not in ARRAYS:
            yield from _loose_in(value, name, name, DEPTH)


def _loose_in(value: Any, name: str, place: str, depth: int) -> Iterator[tuple[str, str]]:
    if _is_float(value):
        yield name, place
    elif depth and isinstance(value, list | tuple | dict):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _loose_in(
                entry, key if isinstance(key, str) else f"{name}_{key}", f"{place}[{key!r}]", depth - 1
            )
    elif depth and hasattr(value, "__dict__") and not isinstance(value, Layer | ModuleType) and not callable(value):
        for key, entry in vars(value).items():
            yield from _loose_in(entry, key, f"{place}.{key}", depth - 1)
