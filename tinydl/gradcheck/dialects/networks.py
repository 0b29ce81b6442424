"""Networks with a loss of their own: loss(X, y) -> (loss, gradients), or gradient(X, y), or forward and backward().

X and y are data: the gradients are those of the arrays that the network holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..reach import reach
from .call import Call, Settings, positional
from .names import BACKWARD, TRUE, Functions, is_upstream, method_of
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
        found = _ways(subject, inputs, settings)
        self.value_name, self.gradient_name, self.data = found or ("", None, ())
        self.gradients: Any = None

    @classmethod
    def recognize(cls, subject: Any, inputs: dict[str, Any], settings: Settings) -> bool:
        return _ways(subject, inputs, settings) is not None

    def run(self, *arguments: Any) -> Any:
        result = getattr(self.subject, self.value_name)(*arguments, **self.keywords)
        value, self.gradients = result if self.gradient_name is None else (result, None)
        value = np.asarray(value).reshape(())
        return value if value.dtype.kind in "fc" else value.astype(np.float64)

    def run_back(self, *dys: Any) -> Any:
        gradients = self.gradients
        if self.gradient_name is not None:
            arguments = dict(zip(self.arguments, self.given_arguments(), strict=True))
            keywords = self.keywords if len(self.data) == len(arguments) else {}
            gradients = getattr(self.subject, self.gradient_name)(*(arguments[name] for name in self.data), **keywords)
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


def _ways(subject: Any, inputs: dict[str, Any], settings: Settings) -> tuple[str, str | None, tuple[str, ...]] | None:
    """The loss's method, the gradients' method (None if the first returns both), and the latter's inputs."""
    if isinstance(subject, Functions | type) or settings.forward or settings.backward or len(inputs) < 2:
        return None
    probe = _Probe(subject, inputs, settings)
    for name in (method_of(subject, (each,)) for each in VALUE):
        if name is None:
            continue
        needed, more, anything = positional(getattr(subject, name))
        if not len(needed) <= len(inputs) <= len(needed) + len(more) and not anything:
            continue
        result = probe.result(name)
        if _is_pair(result, method_of(subject, BACKWARD) is None):
            return name, None, tuple(inputs)
        for other in (method_of(subject, (each,)) for each in GRADIENTS if is_number(result)):
            theirs = [] if other in (None, name) else positional(getattr(subject, str(other)))[0]
            if other in (None, name) or len(theirs) > len(inputs):
                continue
            data = tuple(inputs)[len(inputs) - len(theirs) :]  # (X, y), or y alone, or nothing
            if len(theirs) == 1 and not TRUE.fullmatch(theirs[0]) and theirs[0] not in (*needed[1:], *more):
                continue
            if len(theirs) == len(inputs) and not _holds_gradients(probe.result(name, str(other))):
                continue
            if not theirs and any(map(is_upstream, positional(getattr(subject, str(other)))[1])):
                continue  # backward(dout=1): the subject is an ordinary layer
            return name, other, data
    return None


class _Probe:
    """Calls methods on fresh copies to see their results."""

    def __init__(self, subject: Any, inputs: dict[str, Any], settings: Settings) -> None:
        self.call = Call(subject, inputs, settings)

    def result(self, *names: str) -> Any:
        """The result of the last of the methods, called in turn; None if one raises."""
        copy = copied(self.call)
        copy.passed = list(copy.inputs.values())
        result = None
        with quietly():
            try:
                for name in names:
                    result = getattr(copy.subject, name)(*copy.given_arguments(), **copy.keywords)
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
