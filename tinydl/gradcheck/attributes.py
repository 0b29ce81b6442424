"""Find the parameters that a layer keeps outside the dict `params`, to check or reject them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .adapters import Wrapper
from .objective import moved
from .objects import Runner, global_random_state_kept, walk_with_paths
from .report import failed

# Usual names of parameters: W, W1, Wxh, b, bias, gamma, ...
PARAMETER = re.compile(r"_*(w[a-z]{0,2}|b[a-z]{0,2}|weights?|bias(es)?|gamma|beta|kernel)_?\d*", re.IGNORECASE)


class AttributesAsLayer(Wrapper):
    """A wrapper for a layer that keeps a parameter in self.W and its gradient in self.dW, without `params` and `grads`.

    The gradient arrays are set to zero before each backward, so backward may assign its gradients or add them.
    """

    def __init__(self, layer: Any, pairs: dict[str, str]) -> None:
        super().__init__(layer)
        self.pairs = pairs  # {parameter attribute: gradient attribute}
        self.grads: dict[str, NDArray[Any]] = {}

    def backward(self, dy: NDArray[Any]) -> Any:
        for gradient in self.pairs.values():
            array = getattr(self.inner, gradient, None)
            if isinstance(array, np.ndarray):
                array[...] = 0
        dx = self.inner.backward(dy)
        for name, gradient in self.pairs.items():
            self.grads.setdefault(name, np.zeros_like(getattr(self.inner, name)))
            self.grads[name] += getattr(self.inner, gradient)
        return dx

    @property
    def params(self) -> dict[str, NDArray[Any]]:
        held = {name: getattr(self.inner, name) for name in self.pairs}
        return {name: array for name, array in held.items() if isinstance(array, np.ndarray)}  # None before first use


def attribute_pairs(layer: Any, x: NDArray[Any], training: bool) -> dict[str, str]:
    """Return {"W": "dW", ...}: the parameter and gradient attributes of a layer without `params`, after one pass."""
    if getattr(layer, "params", None) or not hasattr(layer, "__dict__"):
        return {}
    runner = Runner(layer, training, x)
    y = runner.forward(x)
    if runner.params or not isinstance(y, np.ndarray):
        return {}
    before = {name: np.copy(value) for name, value in vars(layer).items() if isinstance(value, np.ndarray)}
    runner.backward(np.ones_like(y))
    pairs = {}
    for name, value in vars(layer).items():
        gradient = gradient_beside(vars(layer), name)
        if gradient is None or not isinstance(value, np.ndarray | float | np.floating):
            continue
        given = vars(layer)[gradient]
        if gradient in before and np.array_equal(before[gradient], given):
            continue  # backward does not set this attribute
        if isinstance(value, float | np.floating) and isinstance(given, float | np.floating):
            numbers = f"self.{name} and self.{gradient} are numbers"
            raise failed(type(layer).__name__, f"{numbers}: make them arrays of one entry, so that they can be checked")
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and np.shape(given) == value.shape:
            pairs[name] = gradient
    # An array that forward only caches is not a parameter.
    read = {path for path, _, _ in read_arrays(runner, layer, x)} if pairs else set()
    return {name: gradient for name, gradient in pairs.items() if name in read}


def gradient_beside(attributes: dict[str, Any], name: str) -> str | None:
    """The attribute whose name marks it as the gradient of `name`: dW, grad_W, W_grad, ..."""
    wanted = {f"d{name}", f"d_{name}", f"grad_{name}", f"grads_{name}", f"grad{name}", f"{name}_grad"}
    if name == "data":
        wanted.add("grad")
    low = {each.lower() for each in wanted}
    return next((other for other in attributes if other.lower() in low and other != name), None)


def unlisted_notes(runner: Runner, layer: Any, x: NDArray[Any], name: str) -> list[str]:
    """Return a note on arrays that were not checked; reject arrays that are clearly parameters."""
    found = read_arrays(runner, layer, x)
    for path, holder, key in found:
        attributes = vars(holder) if hasattr(holder, "__dict__") else {}
        gradient = gradient_beside(attributes, key)
        if attributes.get(gradient or "") is None or any(o is holder and k == gradient for _, o, k in found):
            gradient = None  # not set yet, or itself an input of forward, as dt may be beside t
        value, given = attributes.get(key), attributes.get(gradient or "")
        if isinstance(value, np.ndarray) and isinstance(given, np.ndarray) and value.shape != given.shape:
            shapes = f"of shape {value.shape}, but self.{gradient} has {given.shape}"
            wrong = f"{shapes}: a gradient must have the shape of its array"
        elif key in runner.params:
            wrong = f"a different array from params[{key!r}]: keep one array in both places, and change it in place"
        elif gradient is not None or "params[" in path:
            where = f", with its gradient in {gradient}" if gradient else ""
            wrong = (
                f"which looks like a parameter{where}, but params does not list it, so it cannot be checked: give the "
                "layer dicts `params` and `grads` that hold the arrays themselves, including those of inner layers"
            )
        elif runner.params and PARAMETER.fullmatch(key):
            wrong = (
                "which looks like a parameter, but backward stores no gradient for it in grads or "
                f"self.d{key}: if it is a constant, keep it in the dict `state`"
            )
        else:
            continue
        raise failed(name, f"forward reads self.{path}, {wrong}")
    paths = ", ".join(path for path, _, _ in found)
    return [f"forward also reads arrays not in params, whose gradients were not checked: {paths}"] if found else []


def read_arrays(runner: Runner, layer: Any, x: NDArray[Any]) -> list[tuple[str, Any, str]]:
    """Find arrays anywhere in the layer that forward or penalty reads but params, grads and state do not list.

    An array counts as read if a slight change to it changes the outputs. The next pass overwrites a mere cache.
    """
    listed = [*runner.params.values(), *runner.grads.values(), *(array for _, array in runner.state), x]
    candidates = [
        (path, holder, key, thing)
        for path, holder, key, thing in walk_with_paths(layer)
        if isinstance(thing, np.ndarray) and thing.dtype.kind == "f" and thing.flags.writeable
        if not any(np.shares_memory(thing, other) for other in listed)
    ]
    if not candidates:
        return []
    before = runner.values(x)

    def matters(arrays: list[NDArray[Any]]) -> bool:
        with moved(arrays, [1e-3 * (1.0 + np.abs(array)) for array in arrays]) as move:
            move(1.0)
            try:
                return not np.array_equal(runner.values(x), before, equal_nan=True)
            except Exception:  # any error shows that the arrays were read
                return True

    suspected = candidates if matters([array for *_, array in candidates]) else []
    return [(path, holder, key) for path, holder, key, array in suspected if matters([array])]


def prepared(
    make: Callable[[DTypeLike], Any], x: NDArray[np.float64], training: bool, rng: Callable[[], np.random.Generator]
) -> tuple[Callable[[DTypeLike], Any], list[str]]:
    """Wrap `make` so that parameters are moved off 0 and 1; return the wrapped function, and a note if any were moved.

    Objects with an attribute `built` or `astype` are not moved here; `check_layer` moves unbuilt layers.
    """
    with global_random_state_kept():
        bare = make(np.float64)
        pairs = attribute_pairs(bare, x.copy(), training)
    foreign = not hasattr(bare, "built") and not hasattr(bare, "astype")

    def moved_off(dtype: DTypeLike) -> tuple[Any, list[str]]:
        layer = AttributesAsLayer(make(dtype), pairs) if pairs else make(dtype)
        return layer, off_hiding_places(layer, rng()) if foreign else []

    return lambda dtype: moved_off(dtype)[0], moved_off(np.float64)[1]


def off_hiding_places(layer: Any, rng: np.random.Generator, everywhere: bool = False) -> list[str]:
    """Add 0.1 N(0, 1) to parameters, and its absolute value to state, in place; return a note that names them.

    Unless `everywhere` is True, only arrays that are all 0, all 1 or an identity matrix are moved.
    """
    names = []
    for kind in ("params", "state"):
        arrays = getattr(layer, kind, None)
        for name, value in arrays.items() if isinstance(arrays, dict) else ():
            if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or not value.size:
                continue
            identity = value.ndim == 2 and len(value) > 1 and np.array_equal(value, np.eye(len(value)))
            if everywhere or identity or np.all(value == 0) or np.all(value == 1):
                step = 0.1 * rng.standard_normal(value.shape)
                value += step if kind == "params" else np.abs(step)  # a variance must not go below 0
                names.append(name)
    return [f"{', '.join(names)}: moved by 0.1 N(0, 1), because values of 0 or 1 hide errors"] if names else []
