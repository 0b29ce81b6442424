"""The plain dialect: forward(x, ...) -> y, and backward(dy, ...) -> gradients, as methods or as two functions.

Both are found by their names (see names.py). backward's arguments are identified by their names and number: one
upstream gradient per output, the cache that forward returned besides its outputs, forward's own arguments, its output,
a learning rate. Where the names are ambiguous, assignments are tried, and the one that fits the slopes best is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice, permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..reach import Path, at, parameters_of
from ..report import UnclearError
from . import modes, remembered, updating
from .call import Call, Settings, listed, positional
from .names import (
    BACKWARD,
    CACHE,
    FORWARD,
    MODES,
    OUTPUT,
    RATES,
    Functions,
    function_of,
    is_upstream,
    method_of,
    methods_of,
)
from .structures import filled, is_floating, is_number, is_structure, leaves_of
from .trial import FAILED, FITS, SHAPELESS, best, copied, misfit, quietly

__all__ = ["Functions", "Plain"]

MOST_PLANS = 24  # the most ways to call backward that are tried
RATE = 0.5  # the learning rate passed to an updating backward; not 1, which would hide a rate in dx

Role = tuple[str, Any]  # the meaning of an argument of backward: ("dy", 0), ("argument", "x"), ("cache", None), ...
Plan = dict[str, Role]


class Plain(Call):
    """forward(x), forward(x, h), with or without a flag for training; backward(dy), (dy, cache), (x, dy), ..."""

    example = """
class Scale:
    def __init__(self):
        self.W = np.array([1.5, -2.0, 0.5])

    def forward(self, x):
        self.x = x
        return x * self.W

    def backward(self, dy):
        self.dW = (dy * self.x).sum(axis=0)
        return dy * self.W
"""
    tables: tuple[tuple[str, ...], tuple[str, ...]] = (FORWARD, BACKWARD)

    def __init__(self, subject: Any, inputs: dict[str, Any], settings: Settings) -> None:
        super().__init__(subject, inputs, settings)
        self.names = self.named(subject, settings)
        self.counts: list[int] = []  # the possible values of count, if there are several
        self.count = settings.outputs  # how many of the arrays that forward returns are outputs; None: not yet known
        self.cache: Any = None
        self.has_cache = False
        self.result: Any = None
        self.dy_count = 1
        self.plan: Plan | None = None
        self.returns_nothing: bool | None = None  # whether forward leaves its output in an attribute; None: unknown
        self.rates: list[tuple[Any, str]] = []
        self.updated: list[Path] = []
        self.rate = RATE
        self.forward_places = positional(self.the_forward)
        self.backward_places = positional(self.the_backward) if self.names[1] else ([], [], False)
        known = parameters_of(self.the_forward)
        self.keyword_names = set(known)
        self.mode = next((name for name in MODES if name in known and name not in self.arguments), None)
        self.training = settings.training
        self.switches = modes.switches(subject) if self.mode is None else []
        self.set_mode(settings.training)
        self.notes += modes.remark(self.switches, settings.training)
        own = [name for name in (*self.forward_places[0], *self.forward_places[1]) if name != self.mode]
        self.aliases = dict(zip(own, self.arguments, strict=False))  # forward's own names for its arguments

    @classmethod
    def named(cls, subject: Any, settings: Settings) -> tuple[Any, Any]:
        """The two methods, each as a name or as a function of the subject."""
        given = (settings.forward, settings.backward)
        own, theirs = (each or method_of(subject, table) for each, table in zip(given, cls.tables, strict=True))
        return own, theirs

    @classmethod
    def recognize(cls, subject: Any, inputs: dict[str, Any], settings: Settings) -> bool:
        return None not in cls.functions(subject, settings)

    @classmethod
    def functions(cls, subject: Any, settings: Settings) -> list[Callable[..., Any] | None]:
        """The functions that are called as forward and as backward; None for one that there is not."""
        given = (settings.forward, settings.backward)
        return [function_of(subject, each, table) for each, table in zip(given, cls.tables, strict=True)]

    @property
    def the_forward(self) -> Callable[..., Any]:
        """The function that is called as forward."""
        return self._function(self.names[0])

    @property
    def the_backward(self) -> Callable[..., Any]:
        """The function that is called as backward."""
        return self._function(self.names[1])

    def _function(self, name: Any) -> Callable[..., Any]:
        function = function_of(self.subject, name, ()) if name else None
        if function is None:
            raise UnclearError("names", f"{type(self.subject).__name__} has no method {name!r}")
        return function

    def set_mode(self, training: bool) -> None:
        self.training = training
        if self.mode is not None and self.mode not in self.settings.arguments:
            self.keywords[self.mode] = training

    # --- forward ------------------------------------------------------------------------------------------------------

    def run(self, *arguments: Any) -> Any:
        modes.turn(self.switches, self.training)
        before = remembered.state_of(self.subject) if self.returns_nothing is not False else None
        result = self.called(*arguments)
        if self.returns_nothing is None:
            self.returns_nothing = result is None and not self._is_function
        self.cache, self.has_cache = None, False
        if result is None and before is not None and not self._is_function:
            result = remembered.output_in(self.subject, before, arguments)
        if isinstance(result, tuple) and result:
            result = self._without_cache(result)
        self.dy_count = len(result) if isinstance(result, tuple) else 1
        self.result = result[0] if isinstance(result, tuple) and len(result) == 1 else result
        return result

    def called(self, *arguments: Any) -> Any:
        """Call forward and return its whole result."""
        by_keyword = self._by_keyword(arguments) if self.settings.by_name else {}
        return self.the_forward(*arguments[: len(arguments) - len(by_keyword)], **by_keyword, **self.keywords)

    def _by_keyword(self, arguments: tuple[Any, ...]) -> dict[str, Any]:
        """The last arguments, if they were passed by name and out of the order of forward's own arguments."""
        own = list(self.aliases)
        names = list(self.arguments)
        for place, name in enumerate(names):
            if (
                name in self.settings.by_name
                and name in self.keyword_names
                and (place >= len(own) or own[place] != name)
            ):
                return dict(zip(names[place:], arguments[place:], strict=True))
        return {}

    def _without_cache(self, result: tuple[Any, ...]) -> tuple[Any, ...]:
        """The outputs in forward's result; the rest is kept as the cache."""
        if self.count is None:
            counts = self.counts = self._counts(result)
            if len(counts) > 1:
                needed = self.backward_places[0]
                raise UnclearError(
                    "outputs", f"forward returns {len(result)} arrays and backward takes ({', '.join(needed)}): is "
                    f"{needed[-1]} the gradient of another output, or a cache? Pass outputs="
                    f"{counts[0]} or outputs={counts[1]}",
                )  # fmt: skip
            self.count = counts[0]
        rest = result[self.count :]
        self.has_cache = bool(rest)
        if len(rest) > 1 and not isinstance(rest[-1], np.ndarray) and len(self._wanting()) == 1:
            rest = rest[-1:]  # (y, weights, cache): other results precede the cache
        self.cache = rest[0] if len(rest) == 1 else rest
        return result[: self.count]

    def _counts(self, result: tuple[Any, ...]) -> list[int]:
        """The possible numbers of outputs among the returned values, the likeliest first."""
        arrays = 0
        while arrays < len(result) and (is_floating(result[arrays]) or is_structure(result[arrays])):
            arrays += 1
        needed, more, anything = self.backward_places
        named = [name for name in (*needed, *more) if self._is_upstream(name)]
        if arrays < 2 or (anything and not needed):
            return [1] if arrays < 2 or self._is_function else [arrays]
        if any(CACHE.fullmatch(name) for name in needed):
            return [min(max(1, len(named)), arrays)]
        if len(named) >= arrays:
            return [arrays]
        if isinstance(result[1], np.ndarray) and len(needed) == 1 and not more:
            return [1, arrays] if arrays == len(result) else [1]
        if len(needed) == 1 or len(named) == len(needed) or (named and self._is_known(needed[-1])):
            return [max(1, len(named))]
        return [max(1, len(named))] if not isinstance(result[1], np.ndarray) else [arrays, max(1, arrays - 1)]

    # --- backward -----------------------------------------------------------------------------------------------------

    def run_back(self, *dys: Any) -> Any:
        if self.plan is None:
            self.plan = self.plans()[0]
        if not self.updated:
            return self._called_back(*dys)
        before = {path: (at(self, path), at(self, path).copy()) for path in self.updated}
        with updating.at_rate(self.rates, self.rate):
            returned = self.as_returned(self._called_back(*dys))
        found: dict[Any, Any] = dict(returned if isinstance(returned, dict) else enumerate(returned))
        for path, (array, saved) in before.items():
            found[path] = (saved - at(self, path)) / self.rate
            updating.put_back(self, path, array, saved)
        return found

    def _called_back(self, *dys: Any) -> Any:
        needed = self.backward_places[0]
        given = {name: self._value(role, dys) for name, role in (self.plan or {}).items()}
        places = [given.pop(name) for name in needed if name in given]
        result = self.call_backward([*places, *given.pop("*", ())], given)
        if result is None and not self._is_function:
            name = next((name for name, value in self.inputs.items() if is_floating(value)), None)
            if name is not None:
                own = [each for each, argument in self.aliases.items() if argument == name]
                return remembered.gradient_in(self.subject, [*own, name], self.inputs[name].shape)
        return result

    def call_backward(self, places: list[Any], keywords: dict[str, Any]) -> Any:
        """Call backward with these arguments and return its result."""
        return self.the_backward(*places, **keywords)

    def _value(self, role: Role, dys: tuple[Any, ...]) -> Any:
        kind, key = role
        if kind == "dy":
            return dys[key]
        if kind == "part":  # a part of an output that is a list or a dict
            return dys[0][key]
        if kind == "argument":
            return filled(self.arguments[key], dict(zip(self.inputs, self.passed, strict=True)))
        if kind == "cache":
            return self.cache if key is None else self.cache[key]
        if kind == "keyword":
            return self.keywords[key]
        if kind == "all":
            cache = [self.cache] if self.has_cache else self.given_arguments() if self._is_function else []
            return [*dys[key:], *cache]
        return {"dys": dys, "result": self.result, "rate": self.rate}[kind]

    def plans(self) -> list[Plan]:
        """The ways to call backward after a forward, the likeliest first; more than one if the names are ambiguous."""
        needed, more, anything = self.backward_places
        plan: Plan = {}
        waiting: list[Role] = [("dy", place) for place in range(self.dy_count)]
        if anything and len(needed) <= len(waiting):
            plan = dict(zip(needed, waiting, strict=False))
            return [{**plan, "*": ("all", len(needed))}]
        upstream = [name for name in needed if self._is_upstream(name)]
        if isinstance(self.result, list | dict) and len(upstream) == len(self.result) > 1 == self.dy_count:
            waiting = self._parts(upstream)
        for name in needed:
            if RATES.fullmatch(name) and not self._is_argument(name) and name not in self.keywords and len(needed) > 1:
                plan[name] = ("rate", None)
            elif waiting and self._is_upstream(name):
                plan[name] = waiting.pop(0)
            elif self._is_argument(name) and not (self.has_cache and len(needed) == 2 and name == needed[-1]):
                plan[name] = ("argument", self.aliases.get(name, name))
            elif name in self.keywords:
                plan[name] = ("keyword", name)
            elif self.has_cache and CACHE.fullmatch(name):
                plan[name] = ("cache", None)
        for name in more:
            if updating.OWN_RATES.fullmatch(name) and not self._is_argument(name) and name not in self.keywords:
                plan[name] = ("rate", None)
            elif waiting and self._is_upstream(name):
                plan[name] = waiting.pop(0)
            elif self._is_argument(name):
                plan[name] = ("argument", self.aliases.get(name, name))
            elif self.has_cache and CACHE.fullmatch(name):
                plan[name] = ("cache", None)
        unclear = [name for name in needed if name not in plan]
        free = [name for name in more if name not in plan and not self._is_known(name) and not RATES.fullmatch(name)]
        if waiting and not unclear and not upstream and free:
            plan[free[0]] = waiting.pop(0)
        if len(waiting) > 1 and len(unclear) == 1 and len(waiting) == self.dy_count:
            return [{**plan, unclear[0]: ("dys", None)}]
        if waiting and not unclear and upstream and len(waiting) < self.dy_count and len(upstream) == 1:
            plan[upstream[0]], waiting = ("dys", None), []
        if not waiting and len(unclear) == 1 and OUTPUT.fullmatch(unclear[0]) and not self.has_cache:
            return [{**plan, unclear[0]: ("result", None)}]
        plans = [
            {**plan, **dict(zip(unclear, roles, strict=True))} for roles in self._orders(len(unclear), plan, waiting)
        ]
        if not plans:
            what = f"the meaning of {listed(unclear)} is unclear"
            raise UnclearError("backward", f"backward takes ({', '.join(needed)}), and {what}")
        return plans

    def _parts(self, upstream: list[str]) -> list[Role]:
        """The roles of arguments such as dy and d_weights if the output is a list or dict: gradients of its parts."""
        if isinstance(self.result, list):
            return [("part", place) for place in range(len(self.result))]
        keys = list(self.result)
        order = [next((key for key in keys if name.endswith(str(key))), None) for name in upstream]
        return [("part", key) for key in (order if None not in order and len(set(order)) == len(keys) else keys)]

    def _orders(self, count: int, plan: Plan, waiting: list[Role]) -> list[tuple[Role, ...]]:
        """The possible roles of `count` arguments: all waiting roles, then a cache, forward's arguments, its output."""
        if len(waiting) > count:
            return [()] if not count else []
        taken = list(plan.values())
        caches: list[Role] = [("cache", None)] if self.has_cache else []
        if isinstance(self.cache, tuple | list) and len(self.cache) == count - len(waiting) > 1:
            caches = [("cache", place) for place in range(len(self.cache))]
        others: list[Role] = [*caches, *(("argument", name) for name in self.arguments)]
        others = [role for role in others if role not in taken]
        if isinstance(self.result, np.ndarray):
            others.append(("result", None))
        orders = permutations([*waiting, *others], count)
        return list(islice((roles for roles in orders if all(role in roles for role in waiting)), MOST_PLANS))

    @quietly()
    def settle(self) -> None:
        """Determine, on copies, the number of outputs, the roles of backward's arguments and the arrays it updates."""
        copy = copied(self)
        try:
            outputs = copy.forward()
        except UnclearError as error:
            if error.code != "outputs" or not self._settle_count(copy.counts):
                raise
            return self.settle()
        except Exception:
            return None  # the check itself will raise the error
        self.count = copy.count
        plans = copy.plans()
        found = copy if len(plans) == 1 else best([self.planned(plan) for plan in plans])
        self.plan = plans[0] if found is None or len(plans) == 1 else found.plan
        if found is None or (len(plans) == 1 and not _runs_back(copy, plans[0], outputs)):
            self._settle_call()
        self.rates = [] if ("rate", None) in (self.plan or {}).values() else updating.own_rates(self.subject)
        if self.rates or ("rate", None) in (self.plan or {}).values():
            self.updated = updating.updated(self, _back)
        self._settle_objective(copy)
        if self.updated:
            self.notes.append("backward also updates the weights: dW = (W before - W after) / rate, and W is restored")
        return None

    def _settle_objective(self, run: Plain) -> None:
        """If backward does not use dy, forward must return the objective itself, a single number."""
        kinds = {kind for kind, _ in (self.plan or {}).values()}
        without = not kinds & {"dy", "dys", "part", "all"}
        if self.is_objective or not (without or (callable(self.settings.backward) and self._ignores_dy())):
            return
        if is_number(run.result):
            self.is_objective = self.has_data = self.must_fit = True
            self.notes.append("backward takes no dy: its result was checked as the gradient of forward's single number")
        elif without:
            what = f"forward must return one number, got an array of shape {np.shape(run.result)}"
            raise UnclearError("backward", f"backward takes no upstream gradient: {what}")

    def _ignores_dy(self) -> bool:
        """Whether backward returns the same nonzero gradients for two different dy."""
        results = []
        for dy in (1.0, 2.0):
            copy = copied(self)
            with quietly():
                try:
                    copy.backward(*(np.full(y.shape, dy) for y in copy.forward()))
                except Exception:
                    return False
            results.append([leaf for leaf in leaves_of(copy.returned) if isinstance(leaf, np.ndarray)])
        first, second = results
        return (
            bool(first)
            and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
            and any(np.any(each) for each in first)
        )

    def _settle_call(self) -> None:
        """Call the object itself instead of forward if only then backward runs without an error."""
        if self.names[0] == "__call__" or "__call__" not in methods_of(self.subject) or self.settings.forward:
            return
        copy = copied(self)
        copy.names = ("__call__", self.names[1])
        if misfit(copy) < FAILED:
            self.names = copy.names

    def planned(self, plan: Plan) -> Plain:
        """A copy that calls backward by the plan."""
        copy = copied(self)
        copy.plan = plan
        return copy

    def _settle_count(self, counts: list[int]) -> bool:
        """Whether trials settle the number of outputs: the gradient fits, or at least has x's shape."""
        errors = {}
        for count in counts:
            copy = copied(self)
            copy.count = count
            errors[count] = misfit(copy)
        runs = [count for count in counts if errors[count] < SHAPELESS]
        fits = [count for count in runs if errors[count] < FITS]
        one_argument = len(self.backward_places[0]) == 1
        chosen = fits or (runs if len(runs) == 1 or one_argument else [])
        self.count = chosen[0] if chosen else None
        return bool(chosen)

    @property
    def _is_function(self) -> bool:
        return isinstance(self.subject, Functions)

    def _wanting(self) -> list[str]:
        """backward's arguments other than upstream gradients."""
        return [name for name in self.backward_places[0] if not self._is_upstream(name)]

    def _is_argument(self, name: str) -> bool:
        return name in self.arguments or name in self.aliases

    def _is_upstream(self, name: str) -> bool:
        rate = RATES.fullmatch(name) is not None
        return is_upstream(name) and not rate and not self._is_known(name)

    def _is_known(self, name: str) -> bool:
        return self._is_argument(name) or name in self.keywords or CACHE.fullmatch(name) is not None


def _runs_back(call: Plain, plan: Plan, outputs: Sequence[NDArray[Any]]) -> bool:
    """Whether backward, called by the plan right after a forward, runs without an error."""
    call.plan = plan
    try:
        call.backward(*(np.ones(np.shape(y)) for y in outputs))
    except Exception:
        return False
    return True


def _back(call: Plain, rate: float, dys: list[NDArray[Any]]) -> None:
    """Run a call's backward at a learning rate."""
    call.rate = rate
    with updating.at_rate(call.rates, rate):
        call.backward(*dys)
