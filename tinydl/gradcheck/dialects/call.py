"""Call: the user's code and the convention for calling it; the base class of all dialects."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..reach import Partly, parameters_of
from ..report import UnclearError
from .structures import Leaf, filled, in_order, is_floating, mapped, split

ONE_OUTPUT = Leaf("y")


@dataclass(frozen=True)
class Settings:
    """The caller's settings for the calling convention.

    Attributes:
        training: the mode, for a forward that distinguishes training from inference.
        arguments: further keyword arguments of forward.
        outputs: how many of the arrays that forward returns are outputs; None: to be determined.
        forward, backward: a method's name, or a function of the subject and further arguments; None: the usual names.
        by_name: the inputs passed by name.
        fixed: inputs that are not differentiated (targets, labels).
    """

    training: bool = True
    arguments: Mapping[str, Any] = field(default_factory=dict)
    outputs: int | None = None
    forward: Any = None
    backward: Any = None
    by_name: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()


class Call(Partly):
    """A subject, its inputs, and the way to call its forward and backward.

    Each dialect is a subclass: `recognize` tells whether the dialect fits a subject, and `run` and `run_back` call the
    subject. A call keeps its whole state in attributes, because it is copied as a whole, in several dtypes.

    Attributes:
        subject: the object or the functions being checked.
        inputs: the arrays (and other values) in forward's arguments, by name and in order; arrays of floats may be
            changed in place. An argument state=(h, c) gives the inputs state[0] and state[1].
        arguments: a template for each of forward's arguments (see structures.py).
        settings: the caller's settings.
        keywords: further keyword arguments of forward.
        returned: the last backward's result, as a list of arrays by position or a dict of arrays by name.
        differentiates_inputs: False if backward need not give the gradients of the inputs (the loss of a whole
            network); the inputs are then constants.
        has_data: True if inputs without a gradient are data, and therefore constant.
        must_fit: True if an array is taken for an input's gradient only when its values are right.
        is_objective: True if forward returns the value of the objective itself and backward takes no dy.
    """

    example = ""  # code in this dialect, for the manual and the tests
    unwalked = frozenset({
        "count", "counts", "plan", "aliases", "mode", "forward_places", "backward_places", "keyword_names", "training",
        "has_cache", "dy_count", "updated", "unwraps", "outputs_template", "arguments", "layout", "returns_nothing",
        "settings",  # its functions are in `names`
    })  # fmt: skip
    differentiates_inputs = True
    has_data = False
    must_fit = False
    is_objective = False

    def __init__(self, subject: Any, inputs: dict[str, Any], settings: Settings) -> None:
        self.subject, self.settings = subject, settings
        self.inputs: dict[str, Any] = {}
        self.arguments = {name: split(name, value, self.inputs) for name, value in inputs.items()}
        self.outputs_template: Any = None  # of the last forward's result
        self.keywords = dict(settings.arguments)
        self.returned: Any = None
        self.passed: list[Any] = []  # the copies passed to the last forward
        self.layout: Callable[[NDArray[Any]], NDArray[Any]] | None = None  # the arrays' memory layout; None: unchanged
        self.notes: list[str] = []

    @classmethod
    def recognize(cls, subject: Any, inputs: dict[str, Any], settings: Settings) -> bool:
        """Whether this dialect fits the subject, judged by the subject's methods, signatures and behavior."""
        raise NotImplementedError

    def run(self, *arguments: Any) -> Any:
        """Call forward and return its outputs, without caches: an array, a number, or a tuple, list or dict."""
        raise NotImplementedError

    def run_back(self, *dys: Any) -> Any:
        """Call backward with one upstream gradient per output; return its gradients, in a tuple, list or dict."""
        raise NotImplementedError

    def forward(self) -> tuple[NDArray[Any], ...]:
        """Run forward on copies of the current inputs and return its outputs."""
        self.passed = [
            self.arranged(value.copy()) if isinstance(value, np.ndarray) else value for value in self.inputs.values()
        ]
        result = self.run(*self.given_arguments())
        if type(result) is np.ndarray:
            self.outputs_template = ONE_OUTPUT
            return (result,)
        outputs: dict[str, NDArray[Any]] = {}
        self.outputs_template = mapped(result, partial(self._output, into=outputs), "y")
        if not outputs:
            raise UnclearError("output", f"forward must return an array, got {result!r:.60}")
        return tuple(outputs.values())

    def given_arguments(self) -> list[Any]:
        """forward's arguments, built from the copies of the inputs."""
        values = dict(zip(self.inputs, self.passed, strict=True))
        return [filled(template, values) for template in self.arguments.values()]

    def backward(self, *dys: NDArray[Any]) -> None:
        """Run backward and keep its result in `returned`."""
        waiting = iter(dys)
        upstream = mapped(self.outputs_template, lambda leaf, _: next(waiting) if isinstance(leaf, Leaf) else None)
        self.returned = self.as_returned(self.run_back(*(upstream if isinstance(upstream, tuple) else (upstream,))))

    def as_returned(self, result: Any) -> Any:
        """A result as a dict or list of arrays, in the inputs' order if the result has the arguments' structure."""
        if isinstance(result, dict):
            return {key: _as_array(value) for key, value in result.items()}
        templates = list(self.arguments.values())
        if any(not isinstance(template, Leaf) for template in templates) and isinstance(result, tuple | list):
            if len(templates) == 1 and not (len(result) == 1 and isinstance(result[0], tuple | list | dict)):
                result = [result]
            if len(result) == len(templates):
                pairs = zip(templates, result, strict=True)
                result = [part for template, given in pairs for part in in_order(template, given)]
        if isinstance(result, tuple | list):
            return [_as_array(value) for value in result]
        return [] if result is None else [_as_array(result)]

    def settle(self) -> None:
        """Decide, by trials on copies, the questions that the names and number of arguments leave open."""

    def given_arrays(self) -> list[NDArray[Any]]:
        """The inputs and the copies passed to forward, which do not belong to the subject."""
        return [value for value in (*self.inputs.values(), *self.passed) if isinstance(value, np.ndarray)]

    def set_mode(self, training: bool) -> None:
        """Switch to training or to inference, if forward distinguishes the two."""

    def arranged(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array in the memory layout being tried."""
        return array if self.layout is None else self.layout(array)

    def _output(self, output: Any, name: str, into: dict[str, NDArray[Any]]) -> Leaf | None:
        """The leaf for an output that has a derivative; None for other results (masks, counts, None)."""
        if isinstance(output, np.ndarray) or (np.isscalar(output) and not isinstance(output, str)):
            array = np.asarray(output)
            if is_floating(array) or name == "y":
                into[name] = array
                return Leaf(name)
        elif name == "y":
            kind = type(output).__name__
            inside = [each for each, value in getattr(output, "__dict__", {}).items() if is_floating(value)]
            mend = f": pass forward=lambda layer, x: layer.forward(x).{inside[0]}" if len(inside) == 1 else ""
            raise UnclearError("output", f"forward must return an array, got {kind}{mend}")
        return None


def _as_array(value: Any) -> Any:
    """Convert numbers to arrays without axes, inside dicts, lists and tuples as well."""
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, dict):
        return {key: _as_array(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_as_array(each) for each in value]
    return np.asarray(value) if np.isscalar(value) else value


def positional(function: Callable[..., Any]) -> tuple[list[str], list[str], bool]:
    """The names of a function's required and optional positional arguments, and whether it accepts *args."""
    parameters = parameters_of(function).values()
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p.name for p in places if p.default is p.empty]
    more = [p.name for p in places if p.default is not p.empty]
    unknown = not parameters  # a built-in function without a signature
    return needed, more, (unknown and _takes_anything(function)) or any(p.kind is p.VAR_POSITIONAL for p in parameters)


def _takes_anything(function: Callable[..., Any]) -> bool:
    """Whether a function's signature cannot be read."""
    try:
        inspect.signature(function)
    except (TypeError, ValueError):
        return True
    return False


def listed(names: Sequence[str]) -> str:
    """Join names as in "x, h and c"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
