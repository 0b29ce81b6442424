"""trace: one training step of a model, with every array that went forward and back kept and measured.

    step = model.trace(x, y)
    print(step)                        # a table, one row for each layer
    step["dense_1"].params["W"].gradient
    step.gradient_flow()               # a picture: the size of the gradients, layer by layer
    step.to_json("step.json");  Trace.from_json("step.json")

The step is the one that `train_on_batch(x, y)` would take next, with the same dropout masks, but it is taken on a copy:
weights, running statistics, optimizer and random generators of the model stay as they are.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..kernels.machine.threads import one_blas_thread
from ..layer import Layer
from ..losses import Loss
from ..network import Network, NetworkInTraining
from ..training import ends, freezing, inputs, loop, sources
from ..training.vector import offset
from . import figures
from .formulas import section
from .recorder import Passage, listen
from .records import LayerTrace, LossTrace, ParameterTrace, Step
from .table import text_of
from .trace_json import MOST_ENTRIES, json_of, read

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SECONDS = ("forward_seconds", "backward_seconds")


class Trained(NetworkInTraining, Protocol):
    """A compiled Model."""

    def zero_grad(self) -> None: ...


@dataclass
class Trace(Step):
    """One training step of a model: its records (see Step), with a table, JSON and pictures."""

    def __getitem__(self, path: str) -> LayerTrace:
        """A layer by its path, or by its own name if no other layer has it. KeyError names the paths there are."""
        found = [layer for layer in self.layers if layer.path == path]
        found = found or [layer for layer in self.layers if layer.path.rpartition(".")[2] == path]
        if len(found) != 1:
            what = "no layer" if not found else f"{len(found)} layers"
            raise KeyError(
                f"{what} {path!r} in this trace: the paths are {', '.join(each.path for each in self.layers)}"
            )
        return found[0]

    def __str__(self) -> str:
        return text_of(self)

    def _repr_html_(self) -> str:
        """The table, as notebooks show it."""
        from ..notebooks import html_text

        return html_text(str(self))

    def to_json(self, path: str | Path | None = None, most_entries: int | None = MOST_ENTRIES) -> str:
        """Return the trace as JSON text; write it to a file, too, if `path` is given.

        most_entries    of larger arrays only the first entries along each axis are kept, so that at most so many are
                        left, and their full shapes are noted in `cropped`; None keeps everything. The figures are those
                        of the whole arrays in any case
        """
        return json_of(self, path, most_entries)

    @classmethod
    def from_json(cls, source: str | Path) -> Trace:
        """Read what `to_json` gave: its text, or the path of its file.

        Raises FileNotFoundError; ValueError if it is not the JSON of a trace.
        """
        return read(cls, source)

    def gradient_flow(self, ax: Axes | None = None, path: str | Path | None = None) -> Figure:
        """A picture: the root mean square of dL/dy and of each layer's weight gradients (see plots.gradient_flow)."""
        from ..plots.step import gradient_flow

        return gradient_flow(self, ax=ax, path=path)

    def activations(self, ax: Axes | None = None, path: str | Path | None = None) -> Figure:
        """A picture: how each layer's outputs are distributed, with dead units and saturation (plots.activations)."""
        from ..plots.step import activations

        return activations(self, ax=ax, path=path)


def trace(model: Trained, x: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Trace:
    """Take one training step on a copy of a compiled model; return everything that happened (see the module).

    x, y, sample_weight    the rows of the step, as for `train_on_batch`

    A loss that is NaN or infinite raises nothing: the trace shows where it arises; then no parameter has an `after`.

    Raises RuntimeError unless the model is compiled; ValueError or TypeError for rows that do not fit the model;
    FloatingPointError if a BatchNorm's variance overflows.
    """
    if not isinstance(model, Network) or not hasattr(model, "compile"):
        raise TypeError(
            f"trace: expected a Model, got {type(model).__name__}: wrap layers as Model(layers, input_shape)"
        )
    if model.optimizer is None or model.loss is None:
        raise RuntimeError("trace: the model must be compiled, got one without optimizer and loss: call compile first")
    data = inputs.check_data("trace", model, model.loss, x, y, sample_weight)
    ((rows, targets, weights),) = sources.Rows(data, len(data)).one_pass(None)
    with one_blas_thread(), np.errstate(all="ignore"):
        first = _step(copy.deepcopy(model), rows, targets, weights)  # may include the time of compiling kernels
        seconds = [{name: layer.figures[name] for name in SECONDS} for layer in first.layers]
        del first
        step = _step(copy.deepcopy(model), rows, targets, weights)
    for layer, earlier in zip(step.layers, seconds, strict=True):
        for name in SECONDS:
            layer.figures[name] = min(layer.figures[name] or 0.0, earlier[name] or 0.0)
    return step


def _step(model: Any, x: NDArray, y: NDArray, weights: NDArray | None) -> Trace:
    """Take the step on `model` itself, which nobody else may use."""
    loss, optimizer = model.loss, model.optimizer
    chain: Layer = (ends.up_to_logits(model.root) if model.fused else None) or model.root
    step = loop.Step(model.root, model.parameters, model.gradients, chain)
    for head in step.heads:
        head.targets, head.sample_weight = y, weights
    before = model.parameters.copy()
    passages = listen(chain)
    y_pred = chain.forward(x, True)
    value = loop.value_of(loss, y_pred, y, weights)
    penalty = float(chain.penalty())
    for each in passages:  # now, as the optimizer changes the weights that a term may be made of
        each.penalty = each.layer.penalty() - sum(inner.penalty() for inner in each.layer.sublayers())
    model.zero_grad()
    dy = loss.backward()
    chain.backward(dy)
    gradients = model.gradients.copy()  # an optimizer may change the vector that it gets
    rate = float(optimizer.current_learning_rate)
    taken = math.isfinite(value + penalty)
    if taken:
        optimizer.frozen = freezing.frozen_ranges(model.root)
        optimizer.step(model.parameters, gradients)
    notes = [] if taken else [f"the loss is {value + penalty}, so no optimizer step was taken"]
    return Trace(
        model.name, tuple(model.input_shape), str(model.dtype), len(x), model.parameters.size,
        [_layer(each, model, before, taken) for each in passages], _loss(model, value, y_pred, y, weights, dy),
        penalty, repr(optimizer), rate, _unique_bytes(kept for each in passages for kept in each.kept.values()), notes,
    )  # fmt: skip


def _layer(passage: Passage, model: Any, before: NDArray, taken: bool) -> LayerTrace:
    layer, x, y = passage.layer, passage.x, passage.y
    settings = layer.get_config() if hasattr(layer, "get_config") else {}
    settings = {name: value for name, value in settings.items() if not _holds_layers(value)}
    if (window := getattr(layer, "_window", None)) is not None:
        settings["window"] = tuple(window)
    leaf = not layer.sublayers()
    trainable = layer.trainable
    params = {}
    for name, value in layer.params.items() if leaf else ():
        start = offset(value, model.parameters)
        old = before[start : start + value.size].reshape(value.shape)
        params[name] = _parameter(old, layer.grads[name] if trainable else None, value if taken else None)
    numbers: dict[str, float | int | None] = {}
    for name in ("x", "y", "dy", "dx"):
        array = getattr(passage, name)
        if array is not None:
            numbers |= {f"{name}.{figure}": number for figure, number in figures.spread(array).items()}
    notes = []
    if passage.forward_calls == 0:
        notes.append("forward did not run in this step")
    if passage.forward_calls > 1:
        notes.append(f"forward ran {passage.forward_calls} times: the arrays are those of the last time")
    if passage.forward_calls and not passage.backward_calls:
        notes.append("backward did not run in this step")
    if leaf and layer.original is not None and not getattr(layer, "_stands_in", False):
        notes.append(f"shares its parameters with {layer.original.label}: the gradients are the sums over all places")
    if params and not trainable:
        notes.append("frozen: it has no gradients and keeps its values")
    if passage.y is not None and not np.isfinite(passage.y).all():
        notes.append("its output contains NaN or infinity")
    numbers |= {
        "dead_units": figures.dead_units(layer, y) if y is not None else None,
        "saturated": figures.saturated_share(layer, y) if y is not None else None,
        "kept_bytes": _unique_bytes(passage.kept.values()),
        "operations": 0 if x is None or y is None else figures.operations(layer, x, y),
        "forward_seconds": passage.forward_seconds,
        "backward_seconds": passage.backward_seconds,
    }
    return LayerTrace(
        passage.path, type(layer).__name__, figures.of_tinydl(layer), passage.depth, settings,
        section(layer, "Forward"), section(layer, "Backward"), section(layer, "Term"),
        x, y, passage.dy, passage.dx, passage.kept, params,
        dict(layer.state) if leaf else {}, trainable, float(passage.penalty), numbers, notes,
    )  # fmt: skip


def _parameter(old: NDArray, gradient: NDArray | None, new: NDArray | None) -> ParameterTrace:
    """Norms are left out where they do not exist; update_to_weight is infinite for an update of zeros."""
    numbers = {"norm": figures.norm(old)}
    if gradient is not None:
        numbers["gradient_norm"] = figures.norm(gradient)
        if new is not None:
            numbers["update_norm"] = update = figures.norm(new - old)
            numbers["update_to_weight"] = update / numbers["norm"] if numbers["norm"] else math.inf if update else 0.0
    return ParameterTrace(old, gradient, new, numbers)


def _loss(
    model: Any, value: float, y_pred: NDArray, y: NDArray, weights: NDArray | None, dy: NDArray
) -> LossTrace:  # fmt: skip
    loss: Loss = model.loss
    settings = loss.get_config() if hasattr(loss, "get_config") else {}
    notes = []
    if model.fused:
        notes.append(
            f"the network's last {ends.applied_by(loss)} and this loss are computed as one: the loss takes the logits"
        )
    return LossTrace(
        type(loss).__name__, figures.of_tinydl(loss), settings, section(loss, "Forward"), section(loss, "Backward"),
        value, y_pred, y, weights,
        dy, notes,
    )  # fmt: skip


def _holds_layers(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(_holds_layers(each) for each in value)
    return isinstance(value, Layer)


def _unique_bytes(arrays: Iterable[NDArray]) -> int:
    """The memory of the arrays; views of one buffer count once, with the largest view."""
    sizes: dict[int, int] = {}
    for array in arrays:
        start = array.__array_interface__["data"][0]
        sizes[start] = max(sizes.get(start, 0), array.nbytes)
    return sum(sizes.values())
