"""Container and Sequential: layers composed of other layers."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import arguments
from ..layer import Layer, Shape
from .passes import Pass, paired
from .sharing import share

LONGEST_NAME = 128  # characters
RETURNS = {"forward": "an array", "backward": "dL/dx"}


class Container(Layer):
    """Base class of all composites. It exposes the arrays of its layers under dotted names such as "dense_1.W".

    A subclass keeps its layers as attributes (or in lists) and returns them from `sublayers`. Its `build` calls
    `super().build`, `name_sublayers` and the `build` of each layer. The subclass also defines `forward` and `backward`.

    The same layer object may appear in several places, in this container or below it; the places share its weights.
    `build` puts a copy into every place but the first, so that each place has its own cache. All copies add to the same
    `grads`, which therefore hold the sum (see sharing.py).
    """

    def sublayers(self) -> list[Layer]:
        raise NotImplementedError

    def _merged(self, kind: str) -> dict[str, NDArray]:
        return {
            f"{layer.name or position}.{key}": array
            for position, layer in enumerate(self.sublayers())
            for key, array in getattr(layer, kind).items()
        }

    # The arrays belong to the layers below; a container only exposes them, and ignores the dicts that Layer creates.
    params = property(lambda self: self._merged("params"), lambda self, ignored: None)
    grads = property(lambda self: self._merged("grads"), lambda self, ignored: None)
    state = property(lambda self: self._merged("state"), lambda self, ignored: None)

    @property
    def trainable(self) -> bool:
        """Whether any layer below is trainable; setting it sets all of them."""
        return any(layer.trainable for layer in self.sublayers())

    @trainable.setter
    def trainable(self, value: bool) -> None:
        value = arguments.flag(self.label, "trainable", value)
        for layer in self.sublayers():
            layer.trainable = value

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        share(self)
        return super().build(input_shape, rng, dtype)

    def zero_grad(self) -> None:
        for layer in self.sublayers():
            layer.zero_grad()

    def penalty(self) -> float:
        return sum([layer.penalty() for layer in self.sublayers()], 0.0)

    def name_sublayers(self) -> None:
        """Name the layers in order, as Keras does: dense_1, dense_2, dropout_1, ...; keep the names that are set."""
        taken = {layer.name for layer in self.sublayers() if layer.name}
        numbers: defaultdict[str, count[int]] = defaultdict(lambda: count(1))
        for layer in self.sublayers():
            kind = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", type(layer).__name__).lower()
            if not layer.name:
                free = next(numbered for k in numbers[kind] if (numbered := f"{kind}_{k}") not in taken)
                layer.name = free
                taken.add(free)
            if not isinstance(layer.name, str):
                raise TypeError(f"{self.label}: a layer's name must be a string, got {layer.name!r}")
            if len(layer.name) > LONGEST_NAME:
                got = f"{len(layer.name):,}: {arguments.brief(layer.name)}"
                raise ValueError(f"{self.label}: a layer's name must have at most {LONGEST_NAME} characters, got {got}")
            if "." in layer.name:
                mend = f"write {layer.name.replace('.', '_')!r}"
                raise ValueError(f"{self.label}: a layer's name must not contain a dot, got {layer.name!r}: {mend}")
        names = Counter(layer.name for layer in self.sublayers())
        for name, places in names.items():
            if places > 1:
                mend = "rename one, or leave the names out"
                got = f"{name!r} {places} times"
                raise ValueError(f"{self.label}: the names of its layers must differ, got {got}: {mend}")


def as_layer(owner: str, argument: str, value: Layer | Sequence[Layer]) -> Layer:
    """Return a layer unchanged, or a list of layers as a Sequential."""
    if isinstance(value, list | tuple):
        return Sequential(value)
    if not isinstance(value, Layer):
        mend = f": write {value.__name__}(...)" if isinstance(value, type) else ""
        raise TypeError(f"{owner}: {argument} must be a layer or a list of layers, got {value!r}{mend}")
    return value


def listed(owner: str, layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers as a list; raise, with the likely mend, if it holds anything else."""
    if isinstance(layers, Layer | str | dict) or not isinstance(layers, Iterable):
        mend = ": write a list, [Dense(10), ReLU()]" if isinstance(layers, str | dict) else ""
        raise TypeError(f"{owner}: expected a list of layers, got {layers!r}{mend}")
    found = list(layers)
    for layer in found:
        if not isinstance(layer, Layer):
            shown = type(layer).__name__ if hasattr(layer, "root") else repr(layer)
            raise TypeError(f"{owner}: expected Layer objects, got {shown}{_mend(layer)}")
    if not found:
        raise ValueError(f"{owner}: expected at least one layer, got none: write [Dense(10), ...]")
    return found


def _mend(value: Any) -> str:
    """What to write for something in a list of layers that is none."""
    if isinstance(value, type):
        return f": write {value.__name__}(...)"
    if isinstance(value, str):
        layers = {"relu": "ReLU()", "tanh": "Tanh()", "sigmoid": "Sigmoid()"}
        name = value.lower()
        if name == "softmax":
            return ": write Softmax(), or leave it out, since SoftmaxCrossEntropy applies it itself"
        return (
            f": write {layers[name]}, or Dense(10, {name!r})" if name in layers else ": write a layer, such as ReLU()"
        )
    if isinstance(value, list | tuple):
        return ": write Sequential([...]) for a chain within the chain"
    if hasattr(value, "root"):
        return ": a model cannot be part of a model, so write one list with the layers of both"
    return ": write a layer, such as Tanh()"


def returned(layer: Pass, method: str, array: NDArray | None) -> NDArray:
    """Return `array`, the result of a layer's forward or backward; raise if it is None."""
    if array is None:
        raise nothing_returned(layer, method)
    return array


def nothing_returned(layer: Pass, method: str) -> TypeError:
    """The error for a forward or backward that returned None."""
    mend = f"end {method} with a return statement"
    return TypeError(f"{layer.label}: {method} must return {RETURNS[method]}, got None: {mend}")


class Sequential(Container):
    """Layers applied one after the other: a composition of functions, to which the chain rule applies.

    Forward    y = f_k(... f_2(f_1(x)))
    Backward   dL/dx = J_1.T (... J_(k-1).T (J_k.T dy)): from last to first, each layer turns the gradient at its
               output into the gradient at its input. Passing one vector through the k products costs about two forward
               passes; multiplying the Jacobians themselves would cost far more.
    Edge       a Conv2D and the pooling or BatchNorm layer after it are computed together, to the same bits (passes.py)
    Raises     ValueError, naming both layers, if the shapes of two neighboring layers do not match
    Check      check_layer(Sequential([Dense(4, "tanh"), Dense(2)]), x=(5, 3))
    """

    lowest = 0  # a training step raises it to the lowest layer that learns: no layer below needs a gradient

    def __init__(self, layers: Sequence[Layer], *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.layers = listed("Sequential", layers)

    def sublayers(self) -> list[Layer]:
        return self.layers

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        super().build(input_shape, rng, dtype)
        self.name_sublayers()
        shape, before = tuple(input_shape), "the input"
        for layer in self.layers:
            try:
                shape_after = layer.build(shape, rng, dtype)
            except ValueError as error:
                rows = ""
                if before == "the input" and len(shape) > 1:
                    rows = f"; if {shape} is the shape of all rows, X.shape, write input_shape=X.shape[1:]"
                named = layer.sublayers() or type(layer).__name__ in str(error)
                trouble = str(error) if named else f"{layer.label}: {error}"  # some errors are NumPy's
                raise ValueError(f"{trouble} (it follows {before}, which gives {shape}{rows})") from error
            except MemoryError as error:
                raise MemoryError(f"{layer.label}: {error}") from None
            if not isinstance(shape_after, tuple):
                mend = "end build with a return statement"
                raise TypeError(
                    f"{layer.label}: build must return the output's shape, a tuple, got {shape_after!r}: {mend}"
                )
            shape, before = shape_after, layer.label
        self.output_shape = shape
        return shape

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        for layer in paired(self.layers):
            x = layer.forward(x, training)
            if x is None:
                raise nothing_returned(layer, "forward")
        return x

    def backward(self, dy: NDArray) -> NDArray:
        for layer in reversed(paired(self.layers[self.lowest :])):
            dy = layer.backward(dy)
            if dy is None:
                raise nothing_returned(layer, "backward")
        return dy
