"""Check a hand-written backward against the derivative of its forward, computed from forward values alone.

    check_layer(Dense(4), x=(3, 5))            one layer, built or not: tinydl's or the user's
    check_function(f, backward, a, b)          a plain function of arrays and its backward
    check_loss(MeanSquaredError(), y_pred, y)  one loss
    check_derivative(f, df, x)                 an activation and its derivative
    check_model(model, x, y)                   a model, its loss and its penalties together
    numerical_gradient(f, x)                   the plain central difference, for study

A layer needs only forward and backward; its params, grads, zero_grad, state and penalty are used if present. The
checker works on float64 copies and does not modify its arguments. A wrong gradient raises GradientCheckError, an
AssertionError whose message names the array, the entry, the size of the error and, if one is found, the likely cause.

The check tests whether backward is the derivative of forward. It cannot tell whether forward itself is right.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .check import check_derivative, check_function, check_layer, check_loss, check_model
    from .numeric import numerical_gradient
    from .report import ArrayReport, GradientCheckError, GradientCheckReport

__all__ = [
    "ArrayReport", "GradientCheckError", "GradientCheckReport", "check_derivative", "check_function", "check_layer",
    "check_loss", "check_model", "numerical_gradient",
]  # fmt: skip
_HOME = {
    "ArrayReport": "report", "GradientCheckError": "report", "GradientCheckReport": "report",
    "numerical_gradient": "numeric",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import the checker, and NumPy, when a function is first used: every pytest run imports the plugin beside it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME.get(name, 'check')}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
