"""What is no layer seen as one: a loss, a model with its loss, plain functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .objects import Runner
from .options import label
from .report import GradientCheckError


class LossAsLayer:
    """A loss seen as a layer with one output: its value."""

    is_objective = True

    def __init__(self, loss: Any, y_true: NDArray[Any]) -> None:
        self.loss = loss
        self.y_true = y_true
        self.given = y_true

    def forward(self, x: NDArray[Any], training: bool = False) -> NDArray[Any]:
        self.given = self.y_true.copy()
        value = self.loss.forward(x, self.given)
        if np.size(value) != 1:
            raise GradientCheckError(
                f"gradient check of {label(self.loss)} FAILED: forward must return one number, got {value!r:.50}"
            )
        self._labels_untouched("forward")
        return np.array(value, dtype=x.dtype).reshape(())

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        """The loss's own gradient; dy is 1, since nothing stands above a loss."""
        dx = self.loss.backward()
        self._labels_untouched("backward")
        return dx

    def _labels_untouched(self, method: str) -> None:
        if self.given.tobytes() != self.y_true.tobytes():
            raise GradientCheckError(f"gradient check of {label(self.loss)} FAILED: {method} modifies y_true")


class ModelAsLayer:
    """A model and its loss seen as a layer with one output."""

    is_objective = True

    def __init__(self, model: Any, loss: LossAsLayer) -> None:
        self.model = model
        self.loss = loss
        self._training = Runner.takes_training(model)

    def forward(self, x: NDArray[Any], training: bool = False) -> NDArray[Any]:
        y = self.model.forward(x, training=training) if self._training else self.model.forward(x)
        return self.loss.forward(y)

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return self.model.backward(self.loss.backward(dy))

    def penalty(self) -> Any:
        return self.model.penalty() if hasattr(self.model, "penalty") else 0.0

    def zero_grad(self) -> None:
        if hasattr(self.model, "zero_grad"):
            self.model.zero_grad()
        else:
            for gradient in self.grads.values():
                gradient[...] = 0

    @property
    def params(self) -> dict[str, NDArray[Any]]:
        return getattr(self.model, "params", {})

    @property
    def grads(self) -> dict[str, NDArray[Any]]:
        return getattr(self.model, "grads", {})


class FunctionAsLayer:
    """y = f(*arrays) and its hand-written backward seen as a layer: one array is x, the others are parameters.

    f gives y, or (y, cache); backward is called as backward(dy, cache), backward(dy, *arrays) or, if it takes nothing
    else, backward(dy). It gives one gradient for each array of floating-point numbers (None for the others may stand
    in between), or the one gradient alone.
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
        if self._has_cache:
            result = self.backward_function(dy, self._cache)
        else:
            result = self.backward_function(dy, *(self._arrays if _takes_more_than_dy(self.backward_function) else ()))
        gradients = self._by_name(result)
        for name, total in self.grads.items():
            gradient = gradients[name]
            if np.shape(gradient) != total.shape:
                raise GradientCheckError(
                    f"gradient check of {self.name} FAILED: d{name} has shape {np.shape(gradient)}, but {name} has "
                    f"{total.shape}; a gradient has the shape of what it is the gradient of"
                )
            total += gradient
        dx = gradients[self.x_name]
        return np.asarray(dx) if np.isscalar(dx) else dx

    def _by_name(self, result: Any) -> dict[str, Any]:
        wanted = [name for name in self.order if name not in self.constants]
        given = list(result) if isinstance(result, tuple | list) else [result]
        if len(given) == len(self.order):
            return dict(zip(self.order, given, strict=True))
        if len(given) == len(wanted):
            return dict(zip(wanted, given, strict=True))
        raise GradientCheckError(
            f"gradient check of {self.name} FAILED: backward must return {len(wanted)} gradients, of "
            f"{', '.join(wanted)}, got {len(given)}"
        )


def _takes_more_than_dy(backward: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(backward).parameters.values()
    except (TypeError, ValueError):  # built in: nobody knows
        return True
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(places) > 1 or any(p.kind is p.VAR_POSITIONAL for p in parameters)
