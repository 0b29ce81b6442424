"""Assignment and Task, with which the course's staff write a spec, and the loader of the spec's file."""

from __future__ import annotations

import importlib.util
import inspect
import json
import math
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from ..options import Options

KINDS = ("layer", "function", "loss", "model")
VISIBILITIES = ("visible", "hidden", "after_due_date", "after_published")
RULES = "rules"  # as a name in `arrays`: points for keeping the rules of the layer contract
FIXED_NAMES = {"layer": ("x",), "loss": ("y_pred", "y_true"), "model": ("x", "y"), "function": ()}


class SpecError(Exception):
    """The spec or the command is wrong: the exit code is 2, and nothing is graded."""


@dataclass(frozen=True)
class Task:
    """A layer, function, loss or model to check, for points.

    Attributes:
        name: the task's name in the results.
        subject: an expression in the submission's names and `np`: "Dense(3, 4)", "Tanh()", "softmax_loss"; for
            kind="function", the pair "affine, affine_backward".
        inputs: forward's arguments: shapes (for numbers from N(0, 1)), arrays (of integers for labels and indices) and
            plain values; or a dict of these by name. For a loss: y_pred, y_true. For a model: x, y.
        kind: "layer", "function", "loss" or "model": selects the check_* function to run.
        points: the points for the whole task, divided among `arrays`.
        arrays: the arrays whose gradients must be right, each with its share of the points; a dict of weights, or a
            list for equal shares. "rules" stands for the rules of the layer contract, whose share is given only if
            all gradients are right. None: equal shares for all inputs, the reference's arguments, and the parameters
            that are found (without a reference, a submission may hide parameters: name them).
        reference: the right forward, a function of arrays by name: lambda x, W, b: x @ W + b. The submission's forward
            must agree with it, or the task gives no points, and the gradients must be the derivatives of the reference.
            Without one, the gradients only have to fit the submission's own forward, so an identity passes.
        forbid_numeric: whether to fail a backward that computes its gradients by calling forward repeatedly.
        hints: how much students are told, 0 to 3; None: the assignment's level.
        seconds, memory: the limits of time and of memory in MB; None: the assignment's limits.
        visibility: Gradescope's: "visible", "hidden", "after_due_date" or "after_published".
        loss: kind="model": an expression for the loss, if the model has none of its own.
        options: other keywords of the check, plain values: {"rtol": 1e-5}, {"training": False}, {"constants": ["pe"]}.
    """

    name: str
    subject: str
    inputs: Sequence[Any] | Mapping[str, Any]
    kind: str = "layer"
    points: float = 1.0
    arrays: Sequence[str] | Mapping[str, float] | None = None
    reference: Callable[..., Any] | None = None
    forbid_numeric: bool = False
    hints: int | None = None
    seconds: float | None = None
    memory: int | None = None
    visibility: str = "visible"
    loss: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = f"Task {self.name!r}"
        _require(isinstance(self.name, str) and bool(self.name.strip()), where, "name must be a string", self.name)
        _require(isinstance(self.subject, str), where, "subject must be a string such as 'Dense(3, 4)'", self.subject)
        try:
            compile(self.subject.strip(), "subject", "eval")
        except SyntaxError as error:
            expected = "subject must be an expression such as 'Dense(3, 4)'"
            raise SpecError(f"{where}: {expected}, got {self.subject!r}") from error
        _require(self.kind in KINDS, where, f"kind must be one of {', '.join(KINDS)}", self.kind)
        choices = ", ".join(VISIBILITIES)
        _require(self.visibility in VISIBILITIES, where, f"visibility must be one of {choices}", self.visibility)
        _require(_number(self.points, 0.0), where, "points must be a number >= 0", self.points)
        _limits(where, self.hints, self.seconds, self.memory)
        _require(bool(self.given), where, "inputs must hold at least one shape or array", self.inputs)
        for value in self.given:
            if not isinstance(value, np.ndarray) and not is_shape(value):
                _plain(where, "inputs: expected shapes, arrays and plain values", value)
        _plain(where, "options must be plain values", dict(self.options))
        weights = self.weights
        if weights is not None:
            good = bool(weights) and all(isinstance(k, str) and _number(v, 0.0) for k, v in weights.items())
            good = good and sum(weights.values()) > 0
            _require(good, where, "arrays must name arrays, with weights >= 0", self.arrays)
        if self.reference is not None:
            _require(callable(self.reference), where, "reference must be a function", self.reference)

    @property
    def given(self) -> list[Any]:
        """The inputs in their order."""
        return list(self.inputs.values() if isinstance(self.inputs, Mapping) else self.inputs)

    @property
    def names(self) -> list[str | None]:
        """The inputs' names, with None for a name that only the submission determines."""
        if isinstance(self.inputs, Mapping):
            return list(self.inputs)
        known = FIXED_NAMES[self.kind]
        return [known[k] if k < len(known) else None for k in range(len(self.given))]

    @property
    def weights(self) -> dict[str, float] | None:
        """The share of each array; None if `arrays` is None."""
        if self.arrays is None or isinstance(self.arrays, Mapping):
            return None if self.arrays is None else dict(self.arrays)
        where = f"Task {self.name!r}"
        _require(not isinstance(self.arrays, str), where, "arrays must be a list or a dict", self.arrays)
        return dict.fromkeys(self.arrays, 1.0)

    @property
    def check_options(self) -> dict[str, Any]:
        """The options that the verification shares with the submission's own check."""
        return {each.name: self.options[each.name] for each in fields(Options) if each.name in self.options}

    def values(self, seed: int) -> list[Any]:
        """The inputs, with shapes replaced by numbers from N(0, 1)."""
        return [
            np.random.default_rng([seed, 31, place]).standard_normal(value) if is_shape(value) else value
            for place, value in enumerate(self.given)
        ]


@dataclass(frozen=True)
class Assignment:
    """The tasks, with the defaults of their limits and hints.

    Attributes:
        title: the assignment's name in the results.
        tasks: see Task.
        file: the file to import if a submission is a folder; this file may import the others in the folder.
        hints: how much students are told: 0 passed or not, 1 which array, 2 also which entry and both values, 3 the
            whole message, with the likely cause.
        seconds: the time limit of a task, including the import.
        memory: the memory limit of a task, in MB (not enforced on macOS).
        seed: the seed of the inputs that are given as shapes.
    """

    title: str
    tasks: Sequence[Task]
    file: str = "submission.py"
    hints: int = 1
    seconds: float = 20.0
    memory: int = 2048
    seed: int = 0

    def __post_init__(self) -> None:
        where = f"Assignment {self.title!r}"
        _require(isinstance(self.title, str) and bool(self.title.strip()), where, "title must be a string", self.title)
        good = isinstance(self.tasks, list | tuple) and all(isinstance(task, Task) for task in self.tasks)
        good = good and bool(self.tasks)
        _require(good, where, "tasks must be a list of Task", self.tasks)
        names = [task.name for task in self.tasks]
        _require(len(set(names)) == len(names), where, "the tasks' names must differ", names)
        relative = isinstance(self.file, str) and self.file.endswith(".py") and not Path(self.file).is_absolute()
        _require(relative, where, "file must be the name of a .py file", self.file)
        _require(type(self.seed) is int and self.seed >= 0, where, "seed must be an integer >= 0", self.seed)
        _require(None not in (self.hints, self.seconds, self.memory), where, "limits and hints must be numbers", None)
        _limits(where, self.hints, self.seconds, self.memory)

    def hints_of(self, task: Task) -> int:
        """The level of hints for a task."""
        return self.hints if task.hints is None else task.hints

    def seconds_of(self, task: Task) -> float:
        """The time limit of a task."""
        return float(self.seconds if task.seconds is None else task.seconds)

    def memory_of(self, task: Task) -> int:
        """The memory limit of a task, in MB."""
        return self.memory if task.memory is None else task.memory

    @property
    def points(self) -> float:
        """The points for all tasks."""
        return float(sum(task.points for task in self.tasks))


def is_shape(value: Any) -> bool:
    """Whether a value is a tuple of sizes."""
    return isinstance(value, tuple) and bool(value) and all(type(size) is int and size >= 1 for size in value)


def load(path: str | Path) -> Assignment:
    """The one Assignment that the staff's file defines."""
    file = Path(path).resolve()
    if not file.is_file():
        raise SpecError(f"SPEC: there is no file {path}")
    place = importlib.util.spec_from_file_location("tinydl_grading_spec", file)
    if place is None or place.loader is None:
        raise SpecError(f"SPEC: expected a Python file, got {path}")
    module = importlib.util.module_from_spec(place)
    sys.modules[place.name] = module
    sys.path.insert(0, str(file.parent))
    try:
        place.loader.exec_module(module)
    except SpecError as error:
        raise SpecError(f"SPEC {path}: {error}") from error
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        at = f", line {lines[-1]}" if lines else ""
        raise SpecError(f"SPEC {path}{at}: {type(error).__name__}: {error}") from error
    finally:
        sys.path.remove(str(file.parent))
    found = list({id(value): value for value in vars(module).values() if isinstance(value, Assignment)}.values())
    if len(found) != 1:
        raise SpecError(f"SPEC {path}: expected one Assignment(...) at the top level, found {len(found)}")
    return found[0]


def arguments_of(reference: Callable[..., Any]) -> list[str]:
    """The names of a reference's arguments."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [each.name for each in inspect.signature(reference).parameters.values() if each.kind in kinds]


def _require(condition: bool, where: str, expected: str, got: Any) -> None:
    if not condition:
        raise SpecError(f"{where}: {expected}, got {got!r:.80}")


def _number(value: Any, lowest: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and lowest <= value < math.inf


def _limits(where: str, hints: Any, seconds: Any, memory: Any) -> None:
    _require(hints is None or hints in (0, 1, 2, 3), where, "hints must be 0, 1, 2 or 3", hints)
    _require(seconds is None or (_number(seconds, 0.0) and seconds > 0), where, "seconds must be a number > 0", seconds)
    good = memory is None or (type(memory) is int and memory >= 256)
    _require(good, where, "memory must be an integer >= 256, in MB", memory)


def _plain(where: str, expected: str, value: Any) -> None:
    try:
        json.dumps(value)
    except (TypeError, ValueError) as error:
        raise SpecError(f"{where}: {expected} (numbers, strings, lists, dicts), got {value!r:.80}") from error
