"""Losses: forward(y_pred, y_true) returns a number, and backward() its gradient with respect to y_pred.

The two methods are found by their names (loss, calculate, __call__; gradient, grad, ...). The target
is recognized by its name, or else by trying both orders. If a loss returns one number per row or entry, the check takes
their mean or their sum, depending on which one backward differentiates.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, permutations
from types import FunctionType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..copying import copy_as
from ..reach import places_of
from ..report import UnclearError
from .call import Call, Settings, positional
from .names import CACHE, LOSS, LOSS_BACKWARD, OUTPUT, PREDICTED, TRUE, Functions, method_of
from .plain import MOST_PLANS, Plain, Role
from .structures import is_floating, leaves_of
from .trial import FITS, best, copied, misfit, quietly, slope

REDUCTIONS = ("mean", "sum", "mean over the rows of the sums")


class Loss(Plain):
    """forward(y_pred, y_true) -> a number; backward(), or backward(y_pred, y_true), or either with dy first."""

    example = """
class SquaredError:
    def forward(self, y_pred, y_true):
        self.difference = y_pred - y_true
        return np.mean(self.difference**2)

    def backward(self):
        return 2 * self.difference / self.difference.size
"""
    is_objective = True
    tables = (LOSS, LOSS_BACKWARD)

    def __init__(self, subject: Any, inputs: dict[str, Any], settings: Settings) -> None:
        super().__init__(subject, inputs, settings)
        self.true_first = False
        self.reduction: str | None = None
        self._name_arguments()

    def _name_arguments(self) -> None:
        own = [name for name in (*self.forward_places[0], *self.forward_places[1]) if name != self.mode]
        order = list(self.arguments)
        if self.true_first:
            order[:2] = order[1::-1]
        self.aliases = dict(zip(own, order, strict=False))

    def called(self, *arguments: Any) -> Any:
        if self.true_first and len(arguments) > 1:
            arguments = (arguments[1], arguments[0], *arguments[2:])
        return super().called(*arguments)

    def run(self, *arguments: Any) -> Any:
        result = super().run(*arguments)
        value = np.asarray(result[0] if isinstance(result, tuple) else result)
        if value.dtype.kind not in "fciu":
            raise UnclearError("output", f"forward must return one number, got {result!r:.50}")
        if value.ndim and value.size > 1 and self.reduction is None:
            self.reduction = "sum"  # until settle() compares the reductions with backward
        if value.ndim and value.size > 1:
            over_rows = value.sum() / len(value)
            value = np.asarray({"mean": value.mean(), "sum": value.sum()}.get(str(self.reduction), over_rows))
        value = value.reshape(())
        x = arguments[0]
        return value if value.dtype == np.float32 or not is_floating(x) else value.astype(x.dtype)

    # --- backward -----------------------------------------------------------------------------------------------------

    def plans(self) -> list[dict[str, Role]]:
        needed, more, anything = self.backward_places
        dy: Role = ("dy", 0)
        pred, true = (("argument", name) for name in list(self.arguments)[:2])
        if anything and not needed:
            return [{}, {"*": ("both", None)}]
        plan: dict[str, Role] = {}
        guessed = None
        for name in (*needed, *(each for each in more if self._is_argument(each))):
            if self.has_cache and CACHE.fullmatch(name):
                plan[name] = ("cache", None)
            elif name in self.keywords:
                plan[name] = ("keyword", name)
            elif TRUE.fullmatch(name):
                plan[name] = true
            elif name in self.arguments or (name in self.aliases and self.is_clear):
                plan[name] = ("argument", self.aliases.get(name, name))
            elif PREDICTED.fullmatch(name) and pred not in plan.values():
                plan[name], guessed = pred, name
        unclear = [name for name in needed if name not in plan]
        roles: list[Role] = [pred, true, dy, *([("cache", None)] if self.has_cache else []), ("result", None)]
        if len(needed) > 1 or not any(map(self._is_upstream, needed)):
            free = [role for role in roles if role not in plan.values()]
        else:
            free = [dy, *(role for role in roles if role != dy)]
        orders = islice(permutations(free, len(unclear)), MOST_PLANS)
        plans = [{**plan, **dict(zip(unclear, order, strict=True))} for order in orders]
        if not plans:
            raise UnclearError("backward", f"backward of a loss must take at most y_pred, y_true and dy, got {needed}")
        kept = self._kept_outputs() if guessed is not None else []
        return plans + [{**each, guessed: ("own", name)} for each in plans for name in kept]

    def _kept_outputs(self) -> list[str]:
        """The attributes in which forward stored an output of y_pred's shape, such as a softmax."""
        shape = self.passed[0].shape
        attributes = getattr(self.subject, "__dict__", {})
        return [
            name
            for name, value in attributes.items()
            if OUTPUT.fullmatch(name) and is_floating(value) and value.shape == shape
        ]

    def _value(self, role: Role, dys: tuple[Any, ...]) -> Any:
        if role[0] == "own":
            return getattr(self.subject, role[1])
        return self.passed[:2] if role[0] == "both" else super()._value(role, dys)

    @property
    def is_clear(self) -> bool:
        """Whether the names of forward's arguments show which one is the target."""
        return self._order_by_name() is not None

    def _order_by_name(self) -> bool | None:
        """True if the target comes first, False if it comes second, None if the names do not show the order."""
        return target_first([name for name in places_of(self.the_forward) if name != self.mode])

    def settle(self) -> None:
        first = self._settle_value()
        by_name = self._order_by_name()
        ways = []
        errors: list[Exception] = []
        for true_first in (False, True) if by_name is None else (by_name,):
            copy = first
            try:
                if copy is None or true_first:
                    copy = copied(self)
                    copy.true_first = true_first
                    copy._name_arguments()
                    with quietly():
                        copy.forward()
                ways += [(true_first, plan, copy.reduction) for plan in copy.plans()]
            except Exception as error:
                errors.append(error)
        if not ways:
            if isinstance(errors[0], UnclearError):
                raise errors[0]
            return  # the check itself will raise the error
        best_way = self._best(ways) if len(ways) > 1 or ways[0][2] is not None else None
        self.true_first, self.plan = ways[0][:2] if best_way is None else (best_way.true_first, best_way.plan)
        self._name_arguments()
        if best_way is not None and best_way.reduction is not None:
            self.reduction = self._best_reduction(best_way)
            self.notes.append(f"the loss gives several numbers: backward is checked against their {self.reduction}")

    def _settle_value(self) -> Loss | None:
        """If forward returns several numbers and another method, such as calculate, returns one, use that method.

        Returns the copy that has just run this method; None if none gives one number.
        """
        names = [method_of(self.subject, (name,)) for name in LOSS] if not self.settings.forward else []
        for name in [self.names[0], *dict.fromkeys(filter(None, names))]:
            copy = copied(self)
            copy.names = (name, self.names[1])
            copy.forward_places = positional(copy.the_forward)
            with quietly():
                try:
                    copy.forward()
                except Exception:
                    continue
            if copy.reduction is None:
                self.names, self.forward_places = copy.names, copy.forward_places
                self._name_arguments()
                return copy
        return None

    def _best(self, ways: list[Any]) -> Loss:
        copies = []
        for true_first, plan, reduction in ways:
            copy = copied(self)
            copy.true_first, copy.plan, copy.reduction = true_first, plan, reduction
            copy._name_arguments()
            copies.append(copy)
            if reduction is not None:
                for other in REDUCTIONS[:1] + REDUCTIONS[2:]:
                    copy = copied(copy)
                    copy.reduction = other
                    copies.append(copy)
        return best(copies) or copies[0]

    def _best_reduction(self, call: Loss) -> str:
        """The reduction that backward differentiates, else the one whose slopes are closest in size to its gradient."""
        distances = {}
        name = next(iter(self.inputs))
        for reduction in REDUCTIONS:
            copy = copied(call)
            copy.reduction = reduction
            if misfit(copy) < FITS:
                return reduction
            with quietly():
                try:
                    run = copied(copy)
                    run.forward()
                    run.backward(np.ones(()))
                    gradient = run.returned[0]
                    slopes = [slope(copy, name, v, [np.ones(())]) for v in np.random.default_rng(0).standard_normal(
                        (4, *gradient.shape))]  # fmt: skip
                    size = np.linalg.norm(gradient) / max(float(np.std(slopes)), 1e-300)
                    distances[reduction] = abs(float(np.log(size)))
                except Exception:
                    distances[reduction] = float("inf")
        return min(distances, key=lambda each: distances[each])


def target_first(names: Sequence[str]) -> bool | None:
    """Whether the target comes before the prediction, by the arguments' names; None if they do not show the order."""
    if len(names) < 2:
        return False
    true = [TRUE.fullmatch(name) is not None for name in names[:2]]
    if true[0] != true[1]:
        return true[0]
    if names[0].lower() == "y" and (PREDICTED.fullmatch(names[1]) or names[1].lower() in ("yhat", "y_")):
        return True  # (y, y_pred)
    return False if names[1].lower() == "y" else None


def loss_names(loss: Any) -> list[str]:
    """The names of the prediction and the target: a plain function's own, if it has them in this order."""
    function = loss.forward if isinstance(loss, Functions) else loss
    names = places_of(function)[:2] if isinstance(function, FunctionType) else []
    first = target_first(names)
    known = first is False or (first is None and function is loss)  # a lone function is called in the given order
    return names if len(names) == 2 and known else ["y_pred", "y_true"]


class LossAndGradient(Call):
    """One function f(y_pred, y_true) -> (loss, gradient with respect to y_pred), as in many courses."""

    example = """
def squared_error(y_pred, y_true):
    difference = y_pred - y_true
    return np.mean(difference**2), 2 * difference / difference.size
"""
    is_objective = True

    def __init__(self, subject: Any, inputs: dict[str, Any], settings: Settings) -> None:
        super().__init__(subject, inputs, settings)
        self.function_name = _giving_both(subject, inputs, settings)
        self.gradients: list[Any] = []
        self.place = 0

    @classmethod
    def recognize(cls, subject: Any, inputs: dict[str, Any], settings: Settings) -> bool:
        return settings.backward is None and _giving_both(subject, inputs, settings) is not None

    def run(self, *arguments: Any) -> Any:
        function = self.subject if self.function_name == "" else getattr(self.subject, str(self.function_name))
        result = function(*arguments, **self.keywords)
        value = next(each for each in result if np.size(each) == 1)
        self.gradients = [each for each in result if each is not value]
        value = np.asarray(value).reshape(())
        return value if not is_floating(arguments[0]) else value.astype(arguments[0].dtype)

    def run_back(self, *dys: Any) -> Any:
        return self.gradients[self.place]

    def settle(self) -> None:
        copy = copied(self)
        with quietly():
            copy.forward()
        calls = []
        shape = next(iter(self.inputs.values())).shape
        for place, gradient in enumerate(copy.gradients):
            if isinstance(gradient, np.ndarray) and gradient.shape == shape:
                calls.append(copied(self))
                calls[-1].place = place
        found = best(calls) if calls else None
        self.place = found.place if found is not None else 0


def _giving_both(subject: Any, inputs: dict[str, Any], settings: Settings) -> str | None:
    """The method that returns a number and an array: "" for the subject itself, None if there is no such method."""
    names = [""] if callable(subject) and not isinstance(subject, type) else []
    if not isinstance(subject, FunctionType):
        names += [name for name in (settings.forward, method_of(subject, LOSS)) if isinstance(name, str)]
    x = next(iter(inputs.values()))
    for name in names:
        with quietly():
            try:
                copy = copy_as(subject, np.float64)
                function = copy if name == "" else getattr(copy, name)
                if positional(function)[0] and len(positional(function)[0]) > len(inputs):
                    continue
                result = function(*(np.copy(each) for each in inputs.values()), **settings.arguments)
            except Exception:
                continue
        if isinstance(result, tuple | list) and len(result) > 1:
            numbers = [
                each for each in result if np.isscalar(each) or (isinstance(each, np.ndarray) and each.size == 1)
            ]
            arrays = [each for each in result if isinstance(each, np.ndarray) and each.shape == x.shape]
            if numbers and arrays:
                return name
    return None


class ModelWithLoss(Call):
    """A model followed by its loss: the value of the loss as a function of x and of the model's arrays."""

    is_objective = True

    def __init__(self, model: Call, loss: Call) -> None:
        super().__init__(model.subject, {}, model.settings)
        self.inputs, self.arguments = model.inputs, model.arguments
        self.model, self.loss = model, loss
        self.notes = [*model.notes, *loss.notes]

    def run(self, *arguments: Any) -> Any:
        outputs = self.model.forward()
        self.loss.inputs["y_pred"] = outputs[0]
        return self.loss.forward()[0]

    def given_arrays(self) -> list[NDArray[Any]]:
        return [*super().given_arrays(), *self.model.given_arrays(), *self.loss.given_arrays()]

    def set_mode(self, training: bool) -> None:
        self.model.set_mode(training)

    def run_back(self, *dys: NDArray[Any]) -> Any:
        self.loss.backward(*dys)
        self.model.backward(next(each for each in leaves_of(self.loss.returned) if isinstance(each, np.ndarray)))
        return self.model.returned
