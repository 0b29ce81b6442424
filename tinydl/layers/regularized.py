"""Regularized: the base class of layers with a kernel_regularizer, a term on W alone that is added to the loss."""

from __future__ import annotations

from ..layer import Layer
from ..regularizers import Regularizer, regularizer


class Regularized(Layer):
    """Base class of layers whose weights W may have a regularizer.

    Term       P(W), counted once for a layer in several places, and not at all while the layer is frozen (as in Keras)
    Backward   W reaches the total loss by two roads, through the layer's output and directly through P. Backward
               therefore adds dP/dW to the gradient that it derives from dy
    """

    _kernel_regularizer: Regularizer | None = None
    _stands_in: bool = False  # whether this copy of its original takes that layer's own place, not a second one

    @property
    def kernel_regularizer(self) -> Regularizer | None:
        """The regularizer, or None; it may be set at any time, to an object or a name."""
        return self._kernel_regularizer

    @kernel_regularizer.setter
    def kernel_regularizer(self, value: str | Regularizer | None) -> None:
        self._kernel_regularizer = regularizer(type(self).__name__, value)

    def penalty(self) -> float:
        if self._kernel_regularizer is None:  # the usual case, once per layer and step
            return 0.0
        active = self._active_regularizer()
        return 0.0 if active is None or not self.built else active.penalty(self.params["W"])

    def _add_regularization(self) -> None:
        """Add dP/dW to the gradient of W."""
        active = self._active_regularizer()
        if active is not None:
            self.grads["W"] += active.gradient(self.params["W"])

    def _active_regularizer(self) -> Regularizer | None:
        counts = self.original is None or self._stands_in
        return self._kernel_regularizer if counts and self.trainable else None
