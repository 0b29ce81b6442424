"""Networks with a loss of their own: loss(X, y) -> (loss, gradients), or gradient(X, y), or forward and backward().

The loss may also take what forward returns: cost(forward(X), y).

X and y are data: the gradients are those of the arrays that the network holds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..reach import reach
from .call import Call, Settings, positional
from .names import BACKWARD, FORWARD, PREDICTED, TRUE, Functions, is_upstream, method_of, methods_of, plain
from .structures import is_floating, is_number
from .trial import copied, quietly

VALUE = (
    "loss", "computeloss", "cost", "computecost", "objective", "forward", "lossfunction", "costfunction", "getloss",
    "calculateloss", "calcloss", "error",
)  # fmt: skip
GRADIENTS = (
    "gradient", "gradients", "grad", "grads", "computegradients", "computegradient", "computegrads", "getgradients",
    "lossgradient", "costgradient", *BACKWARD,
)  # fmt: skip
VALUE_WORDS = ("loss", "cost", "objective")  # in other names of such a method: lossFun, loss_and_grad
DATA = re.compile(r"_?(x|xs|inputs?|data|batch|features?|samples?)", re.IGNORECASE)  # names that are no prediction's
HOLDERS = ("params", "parameters", "weights", "theta", "variables")


class Network(Call):
    """loss(X, y) returns a number; it or a second method returns the gradients of all parameters."""

    example = """
class TwoLayers:
    def __init__(self):
        self.params = {"W1": 0.1 * np.ones((4, 3)), "W2": np.arange(6.0).reshape(3, 2) / 7}

    def loss(self, X, y=None, reg=0.1):
        h = np.maximum(0, X @ self.params["W1"])
        scores = h @ self.params["W2"]
        if y is None:
            return scores
        W1, W2 = self.params["W1"], self.params["W2"]
        loss = 0.5 * np.sum((scores - y) ** 2) + 0.5 * reg * (np.sum(W1**2) + np.sum(W2**2))
        dscores = scores - y
        dh = dscores @ W2.T * (h > 0)
        return loss, {"W2": h.T @ dscores + reg * W2, "W1": X.T @ dh + reg * W1}
"""
    is_objective = True
    differentiates_inputs = False

    def __init__(self, subject: Any, inputs: dict[str, Any], settings: Settings) -> None:
        super().__init__(subject, inputs, settings)
        self.way = _way(subject, inputs, settings) or Way("")
        self.gradients: Any = None
        self.predicted: Any = None  # the last forward's result, if the loss takes it

    @classmethod
    def recognize(cls, subject: Any, inputs: dict[str, Any], settings: Settings) -> bool:
        return _way(subject, inputs, settings) is not None

    def run(self, *arguments: Any) -> Any:
        if self.way.forward is not None:
            self.predicted = getattr(self.subject, self.way.forward)(arguments[0])
            arguments = (self.predicted, *arguments[1:])
        result = getattr(self.subject, self.way.value)(*arguments, **self.keywords)
        value, self.gradients = result if self.way.gradients is None else (result, None)
        value = np.asarray(value).reshape(())
        return value if value.dtype.kind in "fc" else value.astype(np.float64)

    def run_back(self, *dys: Any) -> Any:
        gradients = self.gradients
        if self.way.gradients is not None:
            arguments = dict(zip(self.arguments, self.given_arguments(), strict=True), predicted=self.predicted)
            keywords = self.keywords if len(self.way.data) == len(self.arguments) else {}
            method = getattr(self.subject, self.way.gradients)
            gradients = method(*(arguments[name] for name in self.way.data), **keywords)
        return self.by_place(gradients)

    def by_place(self, gradients: Any) -> Any:
        """A list of gradients, keyed by the paths of the arrays in the subject's list (or dict) of the same length."""
        if not isinstance(gradients, tuple | list):
            return gradients
        for path, thing in reach(self):
            named = path and path[0] == ("attribute", "subject") and path[-1][1] in HOLDERS
            if named and isinstance(thing, list | tuple | dict) and len(thing) == len(gradients):
                values = list(thing.values()) if isinstance(thing, dict) else thing
                places = {id(value): each for each, value in reach(self) if is_floating(value)}
                pairs = zip(values, gradients, strict=True)
                return {places[id(value)]: gradient for value, gradient in pairs if id(value) in places}
        return gradients


@dataclass(frozen=True)
class Way:
    """How to call a network: the names of its methods.

    Attributes:
        value: the loss's method.
        gradients: the gradients' method; None if the loss's method returns both.
        data: the inputs that the gradients' method takes, or "predicted" for forward's result.
        forward: the method whose result the loss takes in place of X; None if the loss takes X itself.
    """

    value: str
    gradients: str | None = None
    data: tuple[str, ...] = ()
    forward: str | None = None


def _way(subject: Any, inputs: dict[str, Any], settings: Settings) -> Way | None:
    """How to call the network; None if the subject is no network with a loss."""
    if isinstance(subject, Functions | type) or settings.forward or settings.backward:
        return None
    if len(inputs) < 2 and not settings.fixed:  # a layer, unless x is known to be data
        return None
    probe = _Probe(subject, inputs, settings)
    for name in _value_names(subject):
        needed, more, anything = positional(getattr(subject, name))
        if not len(needed) <= len(inputs) <= len(needed) + len(more) and not anything:
            continue
        forward = _forward_before(subject, name, needed)
        result = probe.result(forward, name)
        if _is_pair(result, method_of(subject, BACKWARD) is None):
            return Way(name, None, tuple(inputs), forward)
        for other in (method_of(subject, (each,)) for each in GRADIENTS if is_number(result)):
            theirs = [] if other in (None, name) else positional(getattr(subject, str(other)))[0]
            if other in (None, name) or len(theirs) > len(inputs):
                continue
            data = tuple(inputs)[len(inputs) - len(theirs) :]  # (X, y), or y alone, or nothing
            if (
                len(theirs) == 1 < len(inputs)
                and not TRUE.fullmatch(theirs[0])
                and theirs[0] not in (*needed[1:], *more)
            ):
                continue
            if forward is not None and len(theirs) > 1 and _is_prediction(theirs[0]):
                data = ("predicted", *data[1:])
            elif len(theirs) == len(inputs) and not _holds_gradients(probe.result(forward, name, str(other))):
                continue
            if not theirs and any(map(is_upstream, positional(getattr(subject, str(other)))[1])):
                continue  # backward(dout=1): the subject is an ordinary layer
            return Way(name, other, data, forward)
    return None


def _value_names(subject: Any) -> list[str]:
    """The methods that may return the loss: those with usual names, then others whose names mention a loss."""
    usual = [method_of(subject, (each,)) for each in VALUE]
    others = [name for name in methods_of(subject) if any(word in plain(name) for word in VALUE_WORDS)]
    return list(dict.fromkeys([*filter(None, usual), *others]))


def _forward_before(subject: Any, value: str, needed: list[str]) -> str | None:
    """The forward whose result the loss takes, as its first argument's name shows: compute_cost(Yhat, Y)."""
    forward = method_of(subject, FORWARD)
    if forward in (None, value) or len(needed) < 2 or not _is_prediction(needed[0]):
        return None
    theirs = positional(getattr(subject, str(forward)))[0]
    return forward if len(theirs) == 1 and theirs[0] != needed[0] else None


def _is_prediction(name: str) -> bool:
    """Whether a name is usual for forward's result, and not for the data."""
    return PREDICTED.fullmatch(name) is not None and DATA.fullmatch(name) is None


class _Probe:
    """Calls methods on fresh copies to see their results."""

    def __init__(self, subject: Any, inputs: dict[str, Any], settings: Settings) -> None:
        self.call = Call(subject, inputs, settings)

    def result(self, forward: str | None, *names: str) -> Any:
        """The result of the last of the methods, called in turn; None if one raises.

        With `forward`, the first of them takes forward's result in place of the first input.
        """
        copy = copied(self.call)
        copy.passed = list(copy.inputs.values())
        given, result = copy.given_arguments(), None
        with quietly():
            try:
                for name in names:
                    first = given[:1] if forward is None else [getattr(copy.subject, forward)(*given[:1])]
                    result = getattr(copy.subject, name)(*first, *given[1:], **copy.keywords)
                    forward = None
            except Exception:
                return None
        return result


def _holds_gradients(value: Any) -> bool:
    return isinstance(value, dict | list | tuple) and bool(value)


def _is_pair(value: Any, alone: bool) -> bool:
    """Whether a result is a number and a dict or list, or a number and an array if the subject has no backward."""
    if not (isinstance(value, tuple) and len(value) == 2 and is_number(value[0])):
        return False
    return _holds_gradients(value[1]) or (alone and is_floating(value[1]))
