"""Regularizers: terms on a layer's weights that are added to the loss and keep the weights small.

    Dense(64, "relu", kernel_regularizer=L2(1e-4))          or "l2", "l1", "l1_l2": factors of 0.01
    total loss = loss + sum of penalty(W) over the layers;  each adds gradient(W) to its dW

The definitions are those of Keras: sums over the entries of W, without a factor 1/2 or 1/N. (Keras 3 takes the strings
"l1" and "l2"; "l1_l2" is Keras 2's. The weight_decay of PyTorch's SGD adds weight_decay W to dW, as
L2(weight_decay / 2) does.)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import arguments


class Regularizer(arguments.Configured):
    """Base class of all regularizers; subclasses define the term and its gradient."""

    def penalty(self, W: NDArray) -> float:
        raise NotImplementedError(f"{type(self).__name__} has no penalty")

    def gradient(self, W: NDArray) -> NDArray:
        raise NotImplementedError(f"{type(self).__name__} has no gradient")


class L1(Regularizer):
    """The sum of absolute values: many weights become exactly or nearly 0.

    Term       P = l1 sum_k |W_k|
    Gradient   dP/dW_k = l1 sign(W_k); at 0 the slope used is 0
    Raises     ValueError if l1 is negative or not finite
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = arguments.number("L1", "l1", l1, 0)

    def penalty(self, W: NDArray) -> float:
        return self.l1 * np.sum(np.where(W > 0, W, -W)).item()  # |W|, analytic

    def gradient(self, W: NDArray) -> NDArray:
        return self.l1 * np.sign(W)


class L2(Regularizer):
    """The sum of squares: large weights cost most, and each step shrinks all weights by the same fraction.

    Term       P = l2 sum_k W_k^2
    Gradient   dP/dW_k = 2 l2 W_k
    Raises     ValueError if l2 is negative or not finite
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = arguments.number("L2", "l2", l2, 0)

    def penalty(self, W: NDArray) -> float:
        return self.l2 * np.sum(W * W).item()

    def gradient(self, W: NDArray) -> NDArray:
        return 2 * self.l2 * W


class L1L2(Regularizer):
    """Both terms, also called elastic net.

    Term       P = l1 sum_k |W_k| + l2 sum_k W_k^2
    Gradient   dP/dW_k = l1 sign(W_k) + 2 l2 W_k
    Raises     ValueError if l1 or l2 is negative or not finite
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = arguments.number("L1L2", "l1", l1, 0)
        self.l2 = arguments.number("L1L2", "l2", l2, 0)

    def penalty(self, W: NDArray) -> float:
        return L1(self.l1).penalty(W) + L2(self.l2).penalty(W)

    def gradient(self, W: NDArray) -> NDArray:
        return L1(self.l1).gradient(W) + L2(self.l2).gradient(W)


REGULARIZERS: dict[str, type[Regularizer]] = {kind.__name__: kind for kind in (L1, L2, L1L2)}
NAMED: dict[str, Callable[[], Regularizer]] = {"l1": L1, "l2": L2, "l1_l2": partial(L1L2, 0.01, 0.01)}


def regularizer(owner: str, value: Any) -> Regularizer | None:
    """Return a layer's kernel_regularizer: None, a Regularizer, or the one that a string names."""
    if value is None or isinstance(value, Regularizer):
        return value
    if isinstance(value, str) and value in NAMED:
        return NAMED[value]()
    listed = ", ".join(map(repr, NAMED))
    mend = f": write {value.__name__}(...)" if isinstance(value, type) else ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        mend = f": write L2({value!r})"
    expected = f"kernel_regularizer must be None, {listed} or a Regularizer such as L2(1e-4)"
    raise ValueError(f"{owner}: {expected}, got {value!r}{mend}")
