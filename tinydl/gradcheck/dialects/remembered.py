"""Results in attributes: forward stores its output in `self.output`, backward its gradient in `self.dinputs`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..report import UnclearError

example = """
class Dense:
    def __init__(self):
        self.weights = np.array([[0.5, -0.3], [0.2, 0.8]])

    def forward(self, inputs):
        self.inputs = inputs
        self.output = np.dot(inputs, self.weights)

    def backward(self, dvalues):
        self.dweights = np.dot(self.inputs.T, dvalues)
        self.dinputs = np.dot(dvalues, self.weights.T)
"""

OUTPUTS = ("output", "outputs", "out", "y", "result", "a", "activation", "activations", "z", "value", "values", "h")
GRADIENTS = (
    "dinputs", "dinput", "dx", "dX", "d_input", "d_inputs", "d_x", "grad_input", "grad_inputs", "gradInput",
    "input_grad", "input_gradient", "inputs_grad", "grad_x", "gradient", "grad", "delta", "dinput_", "dA_prev",
)  # fmt: skip


def state_of(subject: Any) -> dict[str, int]:
    """The identities of an object's attributes."""
    return {name: id(value) for name, value in getattr(subject, "__dict__", {}).items()}


def output_in(subject: Any, before: dict[str, int], arguments: Sequence[Any]) -> Any:
    """The output that forward stored in an attribute: one with a usual name, else the only array that forward set."""
    attributes = getattr(subject, "__dict__", {})
    for name in OUTPUTS:
        if isinstance(attributes.get(name), np.ndarray):
            return attributes[name]
    new = [
        name
        for name, value in attributes.items()
        if isinstance(value, np.ndarray) and value.dtype.kind in "fc" and before.get(name) != id(value)
        if not any(value is argument for argument in arguments)
    ]
    if len(new) != 1:
        seen = f"and sets {', '.join(new)}" if new else "and sets no array"
        raise UnclearError(
            "output", f"forward returns None {seen}: pass forward=lambda layer, x: (layer.forward(x), layer.NAME)[1]"
        )
    return attributes[new[0]]


def gradient_in(subject: Any, inputs: list[str], shape: tuple[int, ...]) -> Any:
    """The input's gradient that backward stored in an attribute; None if no attribute has a usual name.

    An array of the input's shape is preferred. Without one, the check reports the wrong shape of the first array.
    """
    attributes = getattr(subject, "__dict__", {})
    own = [prefix + name for name in inputs for prefix in ("d", "d_", "grad_", "g", "delta_")]
    own += [name + suffix for name in inputs for suffix in ("_grad", "_gradient", "_g")]
    found = [attributes[name] for name in (*own, *GRADIENTS) if isinstance(attributes.get(name), np.ndarray)]
    return next((array for array in found if array.shape == shape), found[0] if found else None)
