"""The conventions for calling a forward and a backward: one small file per convention, tried in the order below."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..copying import state_kept
from ..report import UnclearError
from .call import Call, Settings
from .context import WithContext, is_namespace, signature_of
from .derivative import Derivative
from .integers import as_numbers
from .losses import Loss, LossAndGradient, ModelWithLoss, loss_names
from .names import LOSS, Functions
from .networks import Network
from .plain import Plain
from .preparing import prepare
from .pullback import Pullback
from .refusal import adapter, no_dialect
from .structures import is_structure
from .tensors import Tensors
from .tuples import Tuples

__all__ = [
    "Call", "Derivative", "FUNCTIONS", "Functions", "LAYERS", "LOSS", "LOSSES", "Loss", "ModelWithLoss", "NETWORKS",
    "Plain", "Settings", "is_namespace", "is_structure", "loss_names", "no_dialect", "signature_of", "understood",
]  # fmt: skip

LAYERS: tuple[type[Call], ...] = (WithContext, Network, Derivative, Tuples, Tensors, Plain)
FUNCTIONS: tuple[type[Call], ...] = (WithContext, Pullback, Derivative, Plain)
LOSSES: tuple[type[Call], ...] = (LossAndGradient, Loss)
ADAPTED = ("backward", "names")  # codes of the errors that an adapter mends
NETWORKS: tuple[type[Call], ...] = (Network,)


def understood(
    dialects: tuple[type[Call], ...], owner: str, subject: Any, inputs: dict[str, Any], settings: Settings
) -> Call | None:
    """The call in the first dialect that fits the subject; None if no dialect fits.

    Raises:
        UnclearError: a dialect fits, but part of the call is ambiguous; the message may hold an adapter to paste.
    """
    with state_kept([subject, settings.forward, settings.backward]):
        try:
            for dialect in dialects:
                if dialect.recognize(subject, inputs, settings):
                    return _settled(dialect, subject, inputs, settings)
        except UnclearError as error:
            mend = f". Say how to call it:\n{adapter(owner, subject, inputs)}" if error.code in ADAPTED else ""
            raise UnclearError(error.code, f"{owner}: {error}{mend}") from None
    return None


def _settled(dialect: type[Call], subject: Any, inputs: dict[str, Any], settings: Settings) -> Call:
    call = dialect(subject, inputs, settings)
    prepare(call)
    call.settle()
    numbers = as_numbers(call)
    for name in numbers:
        call.inputs[name] = call.inputs[name].astype(np.float64)
        call.notes.append(f"{name} holds integers that forward computes with: they were checked as floats")
    if numbers:
        call.settle()
    return call
