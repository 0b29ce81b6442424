"""The usual names of forward, backward and their arguments, and the lookup of methods by these names.

Names are compared in lower case, without underscores: forward_pass, forwardPass and ForwardPass are one name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..reach import attribute

FORWARD = (
    "forward", "fprop", "forwardpass", "forwardprop", "forwardpropagation", "forwardpropagate", "feedforward", "fwd",
    "forwards", "propagate", "updateoutput", "compute", "apply", "activate", "activation", "evaluate", "transform",
    "call", "run", "fn", "func", "function", "f", "value",
)  # fmt: skip
BACKWARD = (
    "backward", "bprop", "backwardpass", "backprop", "backpropagate", "backpropagation", "backwardprop",
    "backwardpropagation", "backwardpropagate", "bwd", "backwards", "updategradinput", "feedback", "pullback", "vjp",
    "gradient", "grad", "gradients", "computegradient", "computegradients", "computegrad", "getgradients",
)  # fmt: skip
DERIVATIVE = (
    "derivative", "deriv", "prime", "fprime", "df", "dfn", "dfunc", "differentiate", "diff", "dactivation",
    "activationderivative", "activationprime", "gradient", "grad", "computegradient",
)  # fmt: skip
LOSS = (
    "forward", "loss", "calculate", "computeloss", "calculateloss", "calcloss", "lossfunction", "lossfn", "getloss",
    "cost", "computecost", "costfunction", "objective", "error", "criterion", *FORWARD[1:], "eval", "compare",
)  # fmt: skip
LOSS_BACKWARD = (
    *BACKWARD, *DERIVATIVE, "lossgradient", "lossgrad", "lossprime", "lossderivative", "gradloss", "dloss", "delta",
    "costprime", "costgradient", "costderivative", "calculategradient", "calcgradient", "dcost", "errorprime",
    "inputgradient", "inputgrad", "backwardloss", "bp",
)  # fmt: skip

MODES = ("training", "train", "is_training", "train_flg", "is_train", "train_mode", "training_mode", "istrain")
RATES = re.compile(r"_?(lr|l_?rate|learn(ing)?_?rate|eta|alpha|rate|step_?size)", re.IGNORECASE)
CONTEXT = re.compile(r"(ctx|context|_ctx|c_t_x)", re.IGNORECASE)
UPSTREAM = re.compile(
    r"(d_?|g_?|del_?)[a-z]\w*|[a-z]+_(g|bar|dot)|.*(grad|delta|upstream|dout|error|err|diff|gy|sens)\w*"
    r"|d|g|e|accum\w*|top_diff\w*|next_?d\w*|backprop\w*",
    re.IGNORECASE,
)
NO_UPSTREAM = re.compile(r"(data|dim|dims|depth|decay|dropout|gamma|gain|gates?|global\w*|\w*_true|learning_\w+)")
CACHE = re.compile(
    r"_?(cache\w*|ctx|context|mem|memory|saved\w*|tape|state|residuals?|aux|stash|tmp|store|stored|kept|history)",
    re.IGNORECASE,
)
OUTPUT = re.compile(r"_?(y|a|z|out|output|outputs|y_hat|y_pred|result|activations?)", re.IGNORECASE)
TRUE = re.compile(
    r"_?(y_?true|y_?t|yt|true\w*|targets?|t|labels?|lbls?|ground_?truth|gt|truth|actual|expected|desired|y_?real|"
    r"y_?train|y_?batch|one_?hot\w*|correct\w*|ys|reference|tgt|trg|wanted|y_?star|class_?labels|true_?\w+|\w+_true)",
    re.IGNORECASE,
)
PREDICTED = re.compile(
    r"_?(y_?pred\w*|y_?hat|y_?p|yp|pred\w*|prob\w*|outputs?|out|logits?|scores?|x|z|a|p|h|o|guess|estimates?|inputs?|"
    r"d_?values|y_?out|activations?|a_?l|result|\w+_pred|hypothes[ie]s|model_?output)",
    re.IGNORECASE,
)


class Functions:
    """Two plain functions, a forward and a backward, as one subject."""

    def __init__(self, forward: Callable[..., Any], backward: Callable[..., Any] | None) -> None:
        self.forward, self.backward = forward, backward


def plain(name: str) -> str:
    """A name in lower case, without underscores."""
    return name.replace("_", "").lower()


def method_of(subject: Any, table: Sequence[str]) -> str | None:
    """The name of the subject's method that comes first in a table."""
    own = {plain(name): name for name in methods_of(subject)}
    return next((own[name] for name in table if name in own), None)


def methods_of(subject: Any) -> list[str]:
    """The names of the public methods of an object or a class, and `__call__` if an object's class has one."""
    names = [name for name in dir(subject) if not name.startswith("_")]
    if not isinstance(subject, type) and hasattr(type(subject), "__call__"):  # noqa: B004 (a class is callable as well)
        names.append("__call__")
    return [name for name in names if callable(attribute(subject, name))]


def function_of(subject: Any, given: Any, table: Sequence[str]) -> Callable[..., Any] | None:
    """The method given by name, the given function with the subject bound to it, or the first method in the table."""
    if callable(given):
        return partial(given, subject)
    name = given or method_of(subject, table)
    found = None if name is None else attribute(subject, name)
    return found if callable(found) else None


def is_upstream(name: str) -> bool:
    """Whether a name is usual for an upstream gradient: dy, dout, grad_output, delta, error, g."""
    return UPSTREAM.fullmatch(name) is not None and NO_UPSTREAM.fullmatch(name) is None
