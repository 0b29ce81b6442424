"""The part of a network that a training step works on.

A frozen layer (`trainable` is False) gets no gradient, no update and no weight decay, and counts in no gradient norm.
Nothing is computed below the lowest layer that learns: a chain's backward pass ends there. A layer that learns only in
part, such as a Residual with a frozen shortcut, does its whole backward pass.
"""

from __future__ import annotations

from itertools import accumulate

from numpy.typing import NDArray

from ..layer import Layer, entries
from ..layers import BatchNorm, ContractivePenalty, Conv2D, Dense, LayerNorm, Sequential
from ..network import chained
from .vector import leaves, owners

LARGE = 1 << 16  # entries of W from which overwriting its gradient is faster than adding to zeros
LEAVE_GRADS_ALONE = (Dense.backward, Conv2D.backward, BatchNorm.backward, LayerNorm.backward)  # in a frozen layer


def learns(layer: Layer) -> bool:
    """Whether the layer, or one below it, has parameters that are trained."""
    return any(leaf.trainable and bool(leaf.params) for leaf in leaves(layer))


def trained_entries(root: Layer) -> int:
    """The number of parameters that are trained; those of a layer in two places count once."""
    return entries(array for layer in owners(root) if layer.trainable for array in layer.params.values())


def check_something_trains(method: str, root: Layer) -> None:
    """Raise if all layers with parameters are frozen. (A network without parameters has nothing to train either, but
    nobody expects it to learn.)"""
    if root.params and not learns(root):
        mend = "set trainable = True on the layers that should learn"
        raise ValueError(f"{method}: at least one layer with parameters must be trainable, got all frozen: {mend}")


class Plan:
    """What a training step does with each layer, as long as the flags stay as they are.

    flags       `trainable` of every layer that owns parameters
    cleared     the gradients to set to zero before each backward pass
    writers     large Dense layers, whose backward writes their gradients instead of adding to them
    chains      each chain around the lowest layer that learns, and that layer's place in it, unless it is the first
    without_dx  the lowest layer that learns, if its class can leave dL/dx out
    frozen      the ranges of the flat vectors that belong to frozen layers
    """

    def __init__(self, root: Layer, chain: Layer, gradients: NDArray) -> None:
        """chain: what the step runs, which shares the arrays of root's layers (see Step)."""
        check_something_trains("a training step", root)
        learners = [layer for layer in owners(root) if layer.params]
        self.flags = [layer.trainable for layer in learners]
        self.frozen = frozen_ranges(root)
        self.writers = _writers(chain)
        self.chains: list[tuple[Sequential, int]] = []
        self.without_dx = self._descend(chain)
        gradients.fill(0)  # a layer that was trained before keeps no old gradient
        untouched = [layer for layer in learners if not layer.trainable and type(layer).backward in LEAVE_GRADS_ALONE]
        skipped = [*self.writers, *untouched]
        self.cleared = [gradients]
        if skipped:
            each = [layer for layer in learners if layer not in skipped]
            self.cleared = [gradient for layer in each for gradient in layer.grads.values()]

    def _descend(self, layer: Layer) -> list[Layer]:
        """Go down to the lowest layer that learns, noting the chains on the way."""
        backward = type(layer).backward
        if backward is Sequential.backward and isinstance(layer, Sequential):
            lowest = next((k for k, below in enumerate(layer.layers) if learns(below)), 0)
            if lowest:
                self.chains.append((layer, lowest))
            return self._descend(layer.layers[lowest])
        if backward is ContractivePenalty.backward and isinstance(layer, ContractivePenalty):
            return self._descend(layer.encoder)
        # A subclass with its own backward may use the dL/dx of the class that it derives from.
        return [layer] if backward in (Dense.backward, Conv2D.backward) else []


def frozen_ranges(root: Layer) -> tuple[slice, ...]:
    """The ranges of the flat vectors (see vector.lay_out) that belong to frozen layers, merged where they touch."""
    learners = [layer for layer in owners(root) if layer.params]
    stops = list(accumulate(sum(array.size for array in layer.params.values()) for layer in learners))
    merged: list[slice] = []
    for layer, start, stop in zip(learners, [0, *stops], stops, strict=False):
        if layer.trainable or start == stop:
            continue
        if merged and merged[-1].stop == start:
            start = merged.pop().start
        merged.append(slice(start, stop))
    return tuple(merged)


def _writers(root: Layer) -> list[Dense]:
    """Large Dense layers whose backward runs once per pass because they are in a chain and are used only once."""
    shared = {id(layer.original) for layer in leaves(root)}
    return [
        layer
        for layer in chained(root)
        if isinstance(layer, Dense) and type(layer).backward is Dense.backward and layer.params["W"].size >= LARGE
        and layer.original is None and id(layer) not in shared and layer.trainable
    ]  # fmt: skip
