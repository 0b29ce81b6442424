"""How a network ends: in logits, or in the softmax or sigmoid that turns them into probabilities.

The losses SoftmaxCrossEntropy and BinaryCrossEntropy take logits z and apply the softmax or sigmoid themselves, since
dL/dz = (p - y) / N is then exact and cannot overflow. Keras's string losses take probabilities p instead. For a network
that ends in that softmax or sigmoid both are the same mathematics: training runs the chain without its last activation,
and `predict` runs all of it. The chain without the activation shares all arrays with the network.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from ..kernels import ACTIVATIONS
from ..layer import Layer
from ..layers import (
    AuxiliaryHead,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    MaskingNoise,
    Sequential,
    Sigmoid,
    Softmax,
)
from ..layers.activations import sigmoid
from ..layers.penalties import Penalty
from ..losses import BinaryCrossEntropy, Loss, SoftmaxCrossEntropy

Activation = Callable[[NDArray], NDArray]


def softmax(z: NDArray) -> NDArray:
    """Probabilities of logits, along the last axis."""
    return Softmax().forward(z)


PROBABILITIES: dict[str, Activation] = {"softmax": softmax, "sigmoid": sigmoid}
PASS_ON = (Flatten, Dropout, GaussianNoise, MaskingNoise, Penalty, AuxiliaryHead)  # change no number when predicting
OF_LOSSES = ((SoftmaxCrossEntropy, "softmax"), (BinaryCrossEntropy, "sigmoid"))


def applied_by(loss: Loss | None) -> str | None:
    """The activation that a loss applies to its logits; None for a loss that takes the outputs as they are."""
    return next((name for kind, name in OF_LOSSES if isinstance(loss, kind)), None)


def last_activation(end: Layer) -> tuple[Layer, str]:
    """The layer that computes the output of `end`, and the name of its activation ("linear" if it has none)."""
    last = end
    while last.sublayers() and getattr(last, "activation", None) in (None, "linear"):
        below = [layer for layer in last.sublayers() if not isinstance(layer, PASS_ON)]
        last = (below or last.sublayers())[-1] if type(last) is Sequential else last.sublayers()[-1]
    name = next((name for kind, name in ((Softmax, "softmax"), (Sigmoid, "sigmoid")) if isinstance(last, kind)), None)
    return last, name or getattr(last, "activation", None) or "linear"


def up_to_logits(chain: Sequential) -> Sequential | None:
    """The chain without its last activation, with the same layers and arrays; None if it does not end in one."""
    *below, last = chain.layers
    if type(last) in (Softmax, Sigmoid):
        if not below:
            return None
        end = below
    elif type(last) is Sequential and (inner := up_to_logits(last)) is not None:
        end = [*below, inner]
    elif type(last) in (Dense, Conv2D) and last.original is None and last_activation(last)[1] in PROBABILITIES:
        end = [*below, _linear(last)]
    else:
        return None
    view = copy.copy(chain)
    view.layers = end
    return view


def _linear(layer: Any) -> Layer:
    """The same Dense or Conv2D without its activation; the two share their arrays and their regularizer."""
    twin = copy.copy(layer)
    twin.activation, twin._code = None, ACTIVATIONS[None]
    twin.original, twin._stands_in = layer, True
    return twin


def check_probabilities(method: str, root: Layer, loss: Loss | None) -> Activation | None:
    """What turns the outputs into probabilities; None if they are probabilities. Raises if nothing says how."""
    if last_activation(root)[1] in PROBABILITIES:
        return None
    if (name := applied_by(loss)) is not None:
        return PROBABILITIES[name]
    state = f"compiled with {type(loss).__name__}" if loss is not None else "not compiled"
    expected = "SoftmaxCrossEntropy or BinaryCrossEntropy, or a network that ends in Softmax or Sigmoid"
    mend = "use predict for outputs that are no logits"
    raise RuntimeError(f"{method}: probabilities need {expected}, this one is {state}: {mend}")
