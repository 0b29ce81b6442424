"""The records of one training step: plain data, as `trace` fills it in and JSON holds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from ..layer import Shape


@dataclass
class ParameterTrace:
    """One parameter of a layer: the array before the step, dL/dparameter, and the array after the step.

    `gradient` is None for a frozen layer, and `after` is None if the step could not be taken.
    """

    value: NDArray
    gradient: NDArray | None
    after: NDArray | None
    figures: dict[str, float] = field(default_factory=dict)  # norm, gradient_norm, update_norm, update_to_weight


@dataclass
class LayerTrace:
    """One layer in one step.

    path          its name, with the names of the composites around it: "residual_1.sequential_1.conv2d_1"
    kind          its class
    of_tinydl     whether it is tinydl's own class, not one of the same name
    depth         0 in the model's chain, 1 inside a composite, and so on
    settings      its constructor's arguments; for layers with windows also "window": kernel, strides, padding
    forward, backward, term   the lines of its docstring under these headings
    x, y          what forward got and returned (None if it did not run)
    dy, dx        what backward got and returned: dL/dy and dL/dx
    kept          the arrays that forward left in the layer for backward, by name; often x or y themselves
    params        by name
    state         running statistics, after the forward pass
    penalty       the term that this layer alone adds to the loss
    figures       numbers about the whole arrays: "y.rms", "dy.norm", ..., and
                  dead_units    units of a relu that are 0 in all rows (None for other activations)
                  saturated     share of a sigmoid's or tanh's outputs on the flat part of the curve (or None)
                  kept_bytes    memory of the arrays in `kept`; x and y count in each layer that keeps them
                  operations    of forward, by its formula; None for classes that are not tinydl's
                  forward_seconds, backward_seconds    the shorter of two runs, the layers inside included
    notes         what a reader of these figures must know
    cropped       the full shapes of arrays of which a file kept only the first entries along each axis, by name
    """

    path: str
    kind: str
    of_tinydl: bool
    depth: int
    settings: dict[str, Any]
    forward: list[str]
    backward: list[str]
    term: list[str]
    x: NDArray | None
    y: NDArray | None
    dy: NDArray | None
    dx: NDArray | None
    kept: dict[str, NDArray]
    params: dict[str, ParameterTrace]
    state: dict[str, NDArray]
    trainable: bool
    penalty: float
    figures: dict[str, float | int | None]
    notes: list[str] = field(default_factory=list)
    cropped: dict[str, Shape] = field(default_factory=dict)

    def shape(self, name: str) -> Shape | None:
        """The full shape of "x", "y", "dy" or "dx", also where only a part is kept; None if there is no such array."""
        array = getattr(self, name)
        return self.cropped.get(name, None if array is None else array.shape)


@dataclass
class LossTrace:
    """The loss of the step. `value` is the mean over the batch, without the penalties of layers.

    of_tinydl   as in LayerTrace
    y_pred   what the loss got: logits where it applies the softmax or sigmoid itself
    dy       dL/dy_pred, where the backward pass begins
    """

    kind: str
    of_tinydl: bool
    settings: dict[str, Any]
    forward: list[str]
    backward: list[str]
    value: float
    y_pred: NDArray
    y_true: NDArray
    sample_weight: NDArray | None
    dy: NDArray
    notes: list[str] = field(default_factory=list)
    cropped: dict[str, Shape] = field(default_factory=dict)


@dataclass
class Step:
    """One training step of a model. `layers` are in forward order, each composite before its parts."""

    model: str
    input_shape: Shape
    dtype: str
    rows: int
    parameters: int
    layers: list[LayerTrace]
    loss: LossTrace
    penalty: float
    optimizer: str
    learning_rate: float
    kept_bytes: int  # memory of all arrays that forward kept for backward; an array that two layers keep counts once
    notes: list[str] = field(default_factory=list)
