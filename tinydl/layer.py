"""The whole contract of a layer on one screen.

A layer is y = f(x, params). Training needs two things from it: dL/dparams, to learn, and dL/dx, to pass to the layer
below:

    forward(x)    computes y and caches the arrays that backward will need
    backward(dy)  takes dL/dy, adds dL/dparam to grads, returns dL/dx      (one link of the chain rule)

Every layer follows these rules:
- backward adds to `grads` (+=), as shared weights, penalties and micro-batches need sums; `zero_grad` clears `grads`.
- A layer never modifies x or dy, and never writes again to an array that it has returned.
- Parameter arrays are changed in place, never replaced: a Model holds them all in one flat vector.
- All arrays have the dtype of the parameters. A mean's factor 1/N appears only in the loss and in a penalty's own term.
- Random numbers come from `self.rng`, a Generator spawned from the one passed to `build`.
- A frozen layer (`trainable` is False) adds nothing to `grads` and keeps its `state`; dL/dx stays as it is.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import arguments

Shape = tuple[int, ...]


class Layer(arguments.Configured):
    """Base class of all layers. A subclass defines `forward` and `backward`, and `build` if it needs the input's shape.

    Attributes after `build`: `input_shape` and `output_shape` (without the batch axis), `dtype`, and
        params  trainable arrays by name, e.g. {"W": ..., "b": ...}
        grads   dL/dparam, with the same keys and shapes
        state   arrays that are saved but not trained (running statistics)
    """

    params: dict[str, NDArray]
    grads: dict[str, NDArray]
    state: dict[str, NDArray]
    name: str | None = None
    input_shape: Shape | None = None
    output_shape: Shape | None = None
    dtype: np.dtype | None = None
    rng: np.random.Generator | None = None
    needs_build: bool = False  # whether forward works only after build
    input_gradient: bool = True  # a Model clears it in training if dL/dx is not needed: any array may then be returned
    in_model: bool = False
    gradcheck_rules = "fail"  # Model relies on the layer contract, so a gradient check fails where a rule is broken
    original: Layer | None = None  # if this layer is a copy for a second place: the layer whose arrays it shares
    stored: dict[str, Shape] | None = (
        None  # while a file is loaded: the shapes of the arrays that it holds for this layer
    )
    live: tuple[str, ...] = ()  # the constructor's arguments that each pass reads, so that they may change after build
    flags_set = 0  # how often any layer was frozen or unfrozen, so that a training step sees when to plan anew
    _trainable: bool = True
    _built_with: dict[str, Any] | None = None  # the arguments that a Model was built with (see training/attributes.py)
    _called: str | None = None  # the name in messages of a layer that has no name of its own
    _x: Any = None  # the arrays that most layers keep for backward; None before the first forward pass
    _y: Any = None

    def __init__(self, *, name: str | None = None) -> None:
        """name: the layer's name, unique among its neighbours; a Model names the layers that have none."""
        self.params, self.grads, self.state = {}, {}, {}
        if name is not None:
            if not isinstance(name, str):
                known = ", ".join(list(inspect.signature(type(self).__init__).parameters)[1:])
                mend = f"the arguments are {known}"
                raise TypeError(f"{type(self).__name__}: name must be a string, got {arguments.brief(name)}: {mend}")
            self.name = name

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        """Set the input's shape (without the batch axis), create the parameters, and return the output's shape."""
        if not hasattr(self, "params"):
            raise TypeError(f"{type(self).__name__}: its __init__ must call super().__init__()")
        self.dtype = arguments.float_dtype(self.label, dtype)
        self.input_shape = self.output_shape = tuple(input_shape)
        return self.output_shape

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, dy: NDArray) -> NDArray:
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def penalty(self) -> float:
        """The term that this layer adds to the loss, computed from its last forward pass."""
        return 0.0

    def zero_grad(self) -> None:
        for gradient in self.grads.values():
            gradient.fill(0)

    @property
    def trainable(self) -> bool:
        """False freezes the layer: training leaves its parameters and state as they are.

        It may be set at any time, in a callback too, and takes effect with the next step; in a training loop of your
        own, with the next `compile`. All places of a shared layer are frozen together.
        """
        return (self.original or self)._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        (self.original or self)._trainable = arguments.flag(self.label, "trainable", value)
        Layer.flags_set += 1

    def count_params(self) -> int:
        """The number of entries in `params` and `state`; raises RuntimeError before `build`."""
        if not self.built:
            raise RuntimeError(f"{self.label}: not built yet: put it into a Model or call build first")
        return entries([*self.params.values(), *self.state.values()])

    def sublayers(self) -> list[Layer]:
        """The layers that this layer is composed of; [] for a plain layer. Composites derive from layers.Container."""
        return []

    def walk(self) -> Iterator[Layer]:
        """Yield this layer and all layers below it, depth first, in forward order."""
        yield self
        for layer in self.sublayers():
            yield from layer.walk()

    # --- for subclasses -----------------------------------------------------------------------------------------

    @property
    def built(self) -> bool:
        return self.input_shape is not None

    @property
    def label(self) -> str:
        """This layer's name in messages: "dense_1 (Dense)", or only "Dense" outside a model."""
        kind = type(self).__name__
        return f"{arguments.shown(str(self.name))} ({kind})" if self.name else self._called or kind

    def check_stored(self, **shapes: Shape) -> None:
        """In a model that is loaded from a file, raise ValueError unless the file holds arrays of these shapes.

        `build` calls it before it creates the arrays, because a file of 400 bytes may ask for a billion units.
        """
        for name, shape in shapes.items() if self.stored is not None else ():
            if (found := (self.stored or {}).get(name)) != shape:
                got = "no such array" if found is None else found
                raise ValueError(f"{self.label}: {name} must have shape {shape} in the file, got {got}")

    def add_parameter(self, name: str, value: NDArray) -> None:
        if not self._shares(self.params, name, value):
            self.params[name], self.grads[name] = value, np.zeros_like(value)

    def add_state(self, name: str, value: NDArray) -> None:
        if not self._shares(self.state, name, value):
            self.state[name] = value

    def _shares(self, arrays: dict[str, NDArray], name: str, value: NDArray) -> bool:
        """Whether this layer is a copy that shares the arrays of its `original`; raise if the shapes differ."""
        if self.original is not None and arrays[name].shape != value.shape:
            expected = f"its two places share {name}, which must have shape {arrays[name].shape} in both"
            got = f"{value.shape} for input {self.input_shape} in the second place: use a separate layer there"
            raise ValueError(f"{self.label}: {expected}, got {got}")
        return self.original is not None

    def as_input(self, x: NDArray) -> NDArray:
        """Check x's shape and return x as a C-contiguous array of this layer's dtype, copied only if necessary."""
        dtype = self.dtype
        if dtype is None:
            if self.needs_build:
                raise RuntimeError(f"{self.label}: not built yet: put it into a Model or call build first")
            x = np.asarray(x)
            dtype = np.dtype(np.float64 if x.dtype.kind == "f" and x.dtype.itemsize == 8 else np.float32)
        x = np.ascontiguousarray(x, dtype=dtype)
        if self.input_shape is not None and x.shape[1:] != self.input_shape:
            expected = ", ".join(["batch", *map(str, self.input_shape)])
            mend = arguments.channels_first(x.shape[1:], self.input_shape)
            if x.shape == self.input_shape:
                mend = ": for a single sample use x[None]"
            raise ValueError(f"{self.label}: expected an input of shape ({expected}), got {x.shape}{mend}")
        return x

    def as_gradient(self, dy: NDArray, y: NDArray | None) -> NDArray:
        """Return dy as a C-contiguous array of y's dtype; raise if the shapes differ or forward has not run."""
        if y is None:
            raise RuntimeError(f"{self.label}: backward needs a forward pass, got none yet: call forward(x) first")
        dy = np.ascontiguousarray(dy, dtype=y.dtype)
        if dy.shape != y.shape:
            raise ValueError(f"{self.label}: dy must have the shape of the last output, {y.shape}, got {dy.shape}")
        return dy


def entries(arrays: Iterable[NDArray]) -> int:
    """The number of entries in the arrays; an array that two layers share counts once."""
    return sum({id(array): array.size for array in arrays}.values())
