"""A loss, and a model with its loss, seen as a layer whose one output is the objective."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinydl.gradcheck.arguments import label
from tinydl.gradcheck.objects import Runner
from tinydl.gradcheck.report import GradientCheckError


class LossAsLayer:
    """A loss seen as a layer with one output: its value."""

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

    def __init__(self, model: Any, loss: LossAsLayer) -> None:
        self.model = model
        self.loss = loss
        self._training = Runner.takes_training(model)

    def forward(self, x: NDArray[Any], training: bool = False) -> NDArray[Any]:
        y = self.model.forward(x, training=training) if self._training else self.model.forward(x)
        return self.loss.forward(y)

    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return self.model.backward(self.loss.backward(dy))

    def penalty(self) -> float:
        return float(self.model.penalty()) if hasattr(self.model, "penalty") else 0.0

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
