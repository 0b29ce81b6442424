"""The order in which Keras lists the layers of a network, so that its weights load unchanged.

A chain is listed in its own order. Where the graph forks and rejoins, as around a residual block, Keras's functional
models sort by depth: a layer's depth is the largest number of layers between it and the output on any path. The deepest
layer comes first; layers of equal depth are in the order in which a depth-first walk back from the output reaches them.
A block's projection is therefore listed between the last layers of the body, not after the body.

Depth counts Keras's layers: the sum in a Residual is a layer (Add), as are the concatenation in Branches (Concatenate)
and an activation in BatchNorm or Residual (Activation). Dense and Conv2D include their activations, as in Keras.
Padding in pixels is a layer in Keras but is not counted here. Auxiliary heads are outputs that follow the model's own.

In Keras the user chooses the order of Add's inputs. Here the body comes first; in keras.applications.ResNet50 the
shortcut does. To load that model's weights, write Residual(shortcut, body) for blocks with both: the sum is the same.
"""

from __future__ import annotations

from numpy.typing import NDArray

from ..layer import Layer
from ..layers import AuxiliaryHead, BatchNorm, Branches, Residual


def keras_order(root: Layer) -> list[Layer]:
    """All layers except containers, each listed once, in Keras's order."""
    graph = _Graph()
    outputs = [graph.add(root, None)]
    for head, x in graph.heads:
        outputs.append(graph.add(head, x))
    depths = graph.depths()
    met = graph.walk_back(outputs)
    return sorted((node for node in met if isinstance(node, Layer)), key=lambda layer: -depths[id(layer)])  # stable


def arrays_in_order(root: Layer) -> list[NDArray]:
    """All arrays in Keras's order: by layer, then W, b or gamma, beta, mean, var."""
    layers = keras_order(root)
    return [array for layer in layers for arrays in (layer.params, layer.state) for array in arrays.values()]


class _Call:
    """One use of a layer. Add, Concatenate and Activation are calls without a layer."""

    def __init__(self, layer: Layer | None, before: list[_Call]) -> None:
        self.what: Layer | _Call = layer or self
        self.before = before


class _Graph:
    """The calls of a forward pass, in order."""

    def __init__(self) -> None:
        self.calls: list[_Call] = []
        self.heads: list[tuple[Layer, _Call | None]] = []

    def add(self, layer: Layer, x: _Call | None) -> _Call | None:
        """Add the calls of `layer` on the output of x (None: the network's input); return the call of its output."""
        if isinstance(layer, Residual):
            around = x if layer.shortcut is None else None
            ends = [self.add(way, x) for way in layer.sublayers()]
            return self._activation(layer, self._call(None, *ends, around))
        if isinstance(layer, Branches):
            return self._call(None, *[self.add(branch, x) for branch in layer.sublayers()])
        if isinstance(layer, AuxiliaryHead):
            self.heads.append((layer.head, x))
            return x
        if layer.sublayers():
            for below in layer.sublayers():
                x = self.add(below, x)
            return x
        x = self._call(layer.original or layer, x)
        return self._activation(layer, x) if isinstance(layer, BatchNorm) else x

    def _call(self, layer: Layer | None, *before: _Call | None) -> _Call:
        self.calls.append(_Call(layer, [call for call in before if call is not None]))
        return self.calls[-1]

    def _activation(self, layer: BatchNorm | Residual, x: _Call) -> _Call:
        return x if layer.activation in (None, "linear") else self._call(None, x)

    def depths(self) -> dict[int, int]:
        """Depths by id. As in Keras, all uses of a shared layer are at the greatest depth of the uses seen so far."""
        places: dict[int, int] = {}
        depths: dict[int, int] = {}
        for call in reversed(self.calls):
            what = id(call.what)
            depths[what] = max(places.get(id(call), 0), depths.get(what, 0))
            for one in call.before:
                places[id(one)] = max(depths[what] + 1, places.get(id(one), 0))
        return depths

    def walk_back(self, outputs: list[_Call | None]) -> list[Layer | _Call]:
        """Walk back from each output in turn, depth first; list each layer once, where it is first reached."""
        met: dict[int, Layer | _Call] = {}
        seen: set[int] = set()
        stack = outputs[::-1]
        while stack:
            call = stack.pop()
            if call is not None and id(call) not in seen:
                seen.add(id(call))
                met.setdefault(id(call.what), call.what)
                stack += call.before[::-1]
        return list(met.values())
