"""A model together with its loss, presented as a layer with one output."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .adapted import Adapted
from .dialects import Loss, Settings
from .runner import Runner, reset_gradients


def loss_alone(loss: Any, y_pred: Any, y_true: Any) -> Adapted:
    """A loss as a layer with one output: its value; only y_pred is moved."""
    call = Loss(loss, {"y_pred": y_pred, "y_true": y_true}, Settings(fixed=("y_true",)))
    y_pred_path = (("attribute", "inputs"), ("item", "y_pred"))
    return Adapted(call, "y_pred", {"y_pred": y_pred_path}, {"y_pred": (("attribute", "returned"), ("item", 0))})


class ModelAsLayer:
    """A model and its loss presented as a layer whose only output is the loss value."""

    is_objective = True

    def __init__(self, model: Any, loss: Adapted) -> None:
        self.inner, self.loss = model, loss
        self._training = Runner.takes_training(model)

    def forward(self, x: NDArray[Any], training: bool = False) -> NDArray[Any]:
        y = self.inner.forward(x, training=training) if self._training else self.inner.forward(x)
        return self.loss.forward(y)

    def backward(self, dy: NDArray[Any]) -> Any:
        return self.inner.backward(self.loss.backward(dy))

    def penalty(self) -> Any:
        return self.inner.penalty() if hasattr(self.inner, "penalty") else 0.0

    def zero_grad(self) -> None:
        reset_gradients(self.inner)

    @property
    def params(self) -> dict[str, NDArray[Any]]:
        return getattr(self.inner, "params", {})

    @property
    def grads(self) -> dict[str, NDArray[Any]]:
        return getattr(self.inner, "grads", {})
