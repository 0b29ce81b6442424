"""Adapters that present a loss, a model with its loss, or plain functions as a layer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .objects import Runner, parameters_of, places_of, reset_gradients
from .options import label
from .report import failed, need_shape


class LossAsLayer:
    """A loss presented as a layer whose only output is the loss value."""

    is_objective = True

    def __init__(self, loss: Any, y_true: NDArray[Any]) -> None:
        self.loss = loss
        self.y_true = self.given = y_true

    def forward(self, x: NDArray[Any], training: bool = False) -> NDArray[Any]:
        self.given = self.y_true.copy()
        value = self.loss.forward(x, self.given)
        if np.size(value) != 1:
            raise failed(label(self.loss), f"forward must return one number, got {value!r:.50}")
        self._labels_untouched("forward")
        return np.array(value, dtype=x.dtype).reshape(())

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """Return the loss's own gradient: dy is always 1, because the loss is the objective."""
        dx = self.loss.backward()
        self._labels_untouched("backward")
        return dx

    def _labels_untouched(self, method: str) -> None:
        if self.given.tobytes() != self.y_true.tobytes():
            raise failed(label(self.loss), f"{method} modifies y_true")


class Wrapper:
    """A wrapper that passes forward and penalty on to another layer."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self._training = Runner.takes_training(inner)

    def forward(self, x: NDArray[Any], training: bool = False) -> Any:
        return self.inner.forward(x, training=training) if self._training else self.inner.forward(x)

    def penalty(self) -> Any:
        return self.inner.penalty() if hasattr(self.inner, "penalty") else 0.0


class ModelAsLayer(Wrapper):
    """A model and its loss presented as a layer whose only output is the loss value."""

    is_objective = True

    def __init__(self, model: Any, loss: LossAsLayer) -> None:
        super().__init__(model)
        self.loss = loss

    def forward(self, x: NDArray[Any], training: bool = False) -> NDArray[Any]:
        return self.loss.forward(super().forward(x, training))

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return self.inner.backward(self.loss.backward(dy))

    def zero_grad(self) -> None:
        reset_gradients(self.inner)

    @property
    def params(self) -> dict[str, NDArray[Any]]:
        return getattr(self.inner, "params", {})

    @property
    def grads(self) -> dict[str, NDArray[Any]]:
        return getattr(self.inner, "grads", {})


class FunctionAsLayer:
    """y = f(*arrays) and its hand-written backward presented as a layer: one array is x, the others are parameters.

    f returns y or (y, cache). backward is called as backward(dy, cache) if f returns a cache, as backward(dy) if dy is
    its only argument, and as backward(dy, *arrays) otherwise. It returns one gradient for each floating-point array,
    optionally with None for each of the other arrays; a single gradient need not be in a tuple.
    """

    def __init__(
        self, f: Callable[..., Any], backward: Callable[..., Any], arrays: dict[str, NDArray[Any]], x_name: str
    ) -> None:
        self.f, self.backward_function = f, backward
        self.name = getattr(f, "__name__", type(f).__name__)
        self.constants = {name: array for name, array in arrays.items() if array.dtype.kind not in "fc"}
        self.params = {name: a for name, a in arrays.items() if name != x_name and name not in self.constants}
        self.grads = {name: np.zeros_like(array) for name, array in self.params.items()}
        self.order, self.x_name = list(arrays), x_name
        self._cache: Any = None

    def forward(self, x: NDArray[Any]) -> Any:
        known = {**self.constants, **self.params, self.x_name: x}
        self._arrays = [known[name] for name in self.order]
        result = self.f(*self._arrays)
        self._has_cache = isinstance(result, tuple) and len(result) == 2
        y, self._cache = result if self._has_cache else (result, None)
        return np.asarray(y) if np.isscalar(y) else y

    def backward(self, dy: NDArray[Any]) -> Any:
        more = [self._cache] if self._has_cache else self._arrays if _takes_more_than_dy(self.backward_function) else []
        gradients = self._by_name(self.backward_function(dy, *more))
        for name, total in self.grads.items():
            need_shape(np.asarray(gradients[name]), total, name, self.name)
            total += gradients[name]
        dx = gradients[self.x_name]
        return np.asarray(dx) if np.isscalar(dx) else dx

    def _by_name(self, result: Any) -> dict[str, Any]:
        wanted = [name for name in self.order if name not in self.constants]
        given = list(result) if isinstance(result, tuple | list) else [result]
        for names in (self.order, wanted):
            if len(given) == len(names):
                return dict(zip(names, given, strict=True))
        expected = f"one gradient for each of {', '.join(wanted)}"
        raise failed(self.name, f"backward must return {expected}, got {len(given)}")


def _takes_more_than_dy(backward: Callable[..., Any]) -> bool:
    kinds = [parameter.kind for parameter in parameters_of(backward).values()]
    built_in = not kinds  # a built-in function, whose signature is unknown
    return built_in or len(places_of(backward)) > 1 or inspect.Parameter.VAR_POSITIONAL in kinds
