"""Grade a submission: run each task in a process of its own, and verify its claims from this process.

The steps of a task are the import, the check in the submission's process (for its messages, and to find the
parameters), the count of calls (`forbid_numeric`), and the verification, which alone gives points.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import check_layer
from ..hints import ENTRIES, told
from ..report import CONSTANT, OK, WRONG, ZERO, ArrayReport, GradientCheckError, GradientCheckReport, Rule
from .channel import Arrays, BrokenOffError, Fields, TookTooLongError
from .process import Process
from .remote import ForwardIsWrongError, Held, key_of, received, remote_class
from .results import ERROR, FAILED, PASSED, Item, SubmissionResult, TaskResult
from .spec import RULES, Assignment, Task, arguments_of

MOST_TEXT = 20_000  # characters kept of each text from a submission's process
UNPRINTABLE = re.compile(r"[^\t\n\x20-\x7e\u00a0-\ud7ff\ue000-\ufffd]")  # forbidden in XML, and terminal codes


def grade(
    assignment: Assignment, submission: Path, user: str | None = None,
    done: Callable[[SubmissionResult], None] = lambda result: None,
) -> SubmissionResult:  # fmt: skip
    """Grade one submission, a file or a folder; call `done` with its result before the first and after each task.

    If the submission cannot be imported, all tasks fail, and only the first is tried.
    """
    tasks = [TaskResult(task.name, float(task.points), task.visibility) for task in assignment.tasks]
    result = SubmissionResult(str(submission), tasks)
    done(result)
    for place, task in enumerate(assignment.tasks):
        trial = Trial(assignment, task, submission, user)
        result.tasks[place] = trial.run()
        if not trial.imported:
            for later in result.tasks[place + 1 :]:
                later.hint, later.message = trial.result.hint, trial.result.message
            done(result)
            break
        done(result)
    return result


class Trial:
    """One task on one submission."""

    def __init__(self, assignment: Assignment, task: Task, submission: Path, user: str | None) -> None:
        self.assignment, self.task, self.submission, self.user = assignment, task, submission, user
        self.result = TaskResult(task.name, float(task.points), task.visibility)
        self.imported = False
        self.inputs = task.values(assignment.seed)

    def run(self) -> TaskResult:
        """Run the task and return its result."""
        start, result = time.perf_counter(), self.result
        seconds, memory = self.assignment.seconds_of(self.task), self.assignment.memory_of(self.task)
        process = Process(self.submission, self.assignment.file, seconds, memory, self.user)
        doing = "the import"
        try:
            if process.missing:
                self._fail(process.missing)
                return result
            process.channel.send(process.start)
            self._ask(process, {"do": "import"})
            self.imported, doing = True, "the check"
            self._judge(process)
        except ForwardIsWrongError as error:
            self._conclude([Item("forward", False, WRONG, 1.0, _clean(error))], str(error))
        except TookTooLongError:
            self._fail(f"{doing} took longer than {seconds:g} s")
        except BrokenOffError as error:
            how = process.ending() if str(error) == "it ended" else str(error)
            self._fail(f"{doing} broke off: {_clean(how)}")
        except Exception as error:  # of the submission, or of the checker or the reference on its arrays
            self._fail(f"{doing} failed: {_clean(error)}")
        finally:
            result.printed = _clean(process.stop())
            result.seconds = round(time.perf_counter() - start, 3)
        return result

    def _ask(self, process: Process, request: Fields, arrays: Arrays | None = None) -> tuple[Fields, Arrays]:
        process.channel.send(request, arrays)
        return received(process.channel)

    def _judge(self, process: Process) -> None:
        task = self.task
        request, arrays = self._request()
        said, values = self._ask(process, request, arrays)
        claims = Claims(task, self.inputs, said, values)
        if task.forbid_numeric and claims.found:
            numeric = self._ask(process, {"do": "count"})[0].get("numeric")
            if numeric:
                reason = f"backward computes numeric differences, which this task forbids: {_clean(numeric)}"
                self._conclude([Item("backward", False, "numeric differences", 1.0, reason)], reason)
                return
        rows, message = self._verified(process, claims)
        items = self._items(claims, rows)
        message = claims.message or message
        wrong = [name for name, row in rows.items() if row.verdict == WRONG]
        hidden = [name for name in wrong if claims.passed(name)]
        if hidden and not claims.message:
            message = f"the submission's process found {', '.join(hidden)} right, the verification did not\n{message}"
        self._conclude(items, message, claims.rules)

    def _request(self) -> tuple[Fields, Arrays]:
        arrays = {f"i{k}": value for k, value in enumerate(self.inputs) if isinstance(value, np.ndarray)}
        inputs = [["array", f"i{k}"] if f"i{k}" in arrays else ["value", value] for k, value in enumerate(self.inputs)]
        task = self.task
        return {
            "do": "check", "kind": task.kind, "subject": task.subject, "loss": task.loss, "options": dict(task.options),
            "inputs": inputs, "names": task.names, "by_name": isinstance(task.inputs, Mapping),
        }, arrays  # fmt: skip

    def _verified(self, process: Process, claims: Claims) -> tuple[dict[str, ArrayReport], str]:
        """The rows of the verification, by item name; {} if the check in the submission's process found no arrays."""
        if not claims.found:
            return {}, ""
        task = self.task
        given = {name: value for name, value in zip(task.names, self.inputs, strict=True) if name is not None}
        others = {**claims.others, **given}
        if task.reference is not None:
            known = {*others, claims.x_name, *claims.names}
            missing = [name for name in arguments_of(task.reference) if name not in known]
            if missing:
                return {}, _not_found(missing, [claims.x_name, *claims.names])
        rng = np.random.default_rng([self.assignment.seed, 32])
        params = {key_of(name): claims.start(k, rng) for k, name in enumerate(claims.names)}
        is_objective = task.kind in ("loss", "model")
        held = Held(
            process.channel, task.reference, others, claims.x, claims.x_name, claims.names, is_objective=is_objective
        )
        kind = remote_class(task.name, held)
        constants = () if claims.moves_x or task.kind != "model" else ("x",)
        message = ""
        options = {"float32": False, "rules": "note", "constants": constants, **self._options(claims)}
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                layer = kind(params)
                layer.follow(claims.x)
                report = check_layer(layer, claims.x, **options)
        except GradientCheckError as error:
            report, message = error.report, str(error)
        names = {key_of(name): name for name in claims.names} | {"x": claims.x_name}
        return {names.get(key, key): row for key, row in report.arrays.items()}, message

    def _options(self, claims: Claims) -> Fields:
        options = self.task.check_options
        if "zero_ok" in options:
            keys = {name: key_of(name) for name in claims.names} | {claims.x_name: "x"}
            options["zero_ok"] = tuple(keys[name] for name in options["zero_ok"] if name in keys)
        return options

    def _items(self, claims: Claims, rows: dict[str, ArrayReport]) -> list[Item]:
        """The verdict on every array that counts: it must pass the verification and, if reported, the check."""
        weights = self.task.weights
        required = {*claims.wanted, *(weights or {})}
        items = []
        for name in dict.fromkeys([*(weights or {}), *claims.wanted, *rows, *claims.rows]):
            weight = 1.0 if weights is None else weights.get(name, 0.0)
            row, said = rows.get(name), claims.rows.get(name)
            constant = CONSTANT in (row and row.verdict, said and said.verdict)
            if name == RULES:
                continue
            if said is not None and not said.passed:
                items.append(Item(name, False, said.verdict, weight, said.detail))
            elif constant and name not in required:
                continue  # data, or an array that the staff named in constants=
            elif row is None:
                text = _not_found([name], [claims.x_name, *claims.names] if claims.found else [])
                items.append(Item(name, False, "not found", weight, text))
            else:
                items.append(Item(name, row.verdict in (OK, ZERO), row.verdict, weight, row.detail))
        if weights is not None and RULES in weights:
            items.append(self._rules_item(claims, weights[RULES], right=all(item.passed for item in items)))
        return items

    def _rules_item(self, claims: Claims, weight: float, right: bool) -> Item:
        """The item for the rules, which only the submission's process can see; it requires right gradients."""
        broken = "; ".join(rule.message for rule in claims.rules)
        if broken:
            return Item(RULES, False, "broken", weight, broken)
        return Item(RULES, right, OK if right else "not judged, because a gradient is wrong", weight)

    def _conclude(self, items: list[Item], message: str, rules: list[Rule] | None = None) -> None:
        result = self.result
        result.items = items
        passed = all(item.passed for item in items) and sum(item.weight for item in items) > 0
        result.status = PASSED if passed else FAILED
        report = GradientCheckReport(self.task.name, rules_count=False)
        for item in items:
            row = ArrayReport(item.name, (), "", verdict=OK if item.passed else item.verdict, detail=item.detail)
            report.arrays[item.name] = row
        if passed:
            notes = [f"\n  rule {rule.code}: {rule.message}" for rule in rules or []]
            result.message = f"gradient check of {self.task.name} passed{''.join(notes)}"
        else:
            result.message = message or told(report, "FAILED", ENTRIES)
        result.hint = told(report, "" if passed else result.message, self.assignment.hints_of(self.task))

    def _fail(self, reason: str) -> None:
        """Record an error. Its reason is shown at every level of hints, because it reveals nothing of the solution."""
        self.result.status = ERROR
        self.result.hint = self.result.message = reason


class Claims:
    """The parsed report of a submission's process; the constructor raises BrokenOffError if it is malformed."""

    def __init__(self, task: Task, inputs: list[Any], said: Fields, values: Arrays) -> None:
        self.rows: dict[str, ArrayReport] = {}
        self.rules: list[Rule] = []
        try:
            self._read(task, inputs, said, values)
        except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
            raise BrokenOffError(f"its answer is malformed ({type(error).__name__})") from error

    def _read(self, task: Task, inputs: list[Any], said: Fields, values: Arrays) -> None:
        self.message = _clean(said["message"])
        own_x = _place_of_x(task, inputs)
        self.x: NDArray[Any] = inputs[own_x]
        self.moves_x = said["moves_x"] is True
        names, places = [_clean(name) for name in said["names"]], list(said["places"])
        self.found = bool(names) or self.moves_x
        shown: dict[str, str] = {}  # from an input's name in the submission to its name in the spec
        for name, place in zip(names, places, strict=True):
            if type(place) is not int or not -1 <= place < len(inputs) or (self.found and said["x_place"] != own_x):
                raise ValueError("places")
            shown[name] = (task.names[place] or name) if place >= 0 else name
        self.x_name = task.names[own_x] or _clean(said.get("x_name", "x"))
        shown[_clean(said.get("x_name", "x"))] = self.x_name
        self.names = [shown[name] for name in names]
        if len({*self.names, self.x_name}) != len(names) + 1:
            raise ValueError("names")
        self.values = [inputs[place] if place >= 0 else values[f"p{k}"] for k, place in enumerate(places)]
        self.others = {_clean(name): values[f"o{k}"] for k, name in enumerate(said["others"])}
        self.are_inputs = [place >= 0 for place in places]
        report = said["report"]
        for row in report["arrays"] if report else ():
            name = shown.get(_clean(row["name"]), _clean(row["name"]))
            verdict, detail = _clean(row["verdict"]), _clean(row["detail"])
            self.rows[name] = ArrayReport(name, (), "", verdict=verdict, detail=detail)
        for rule in report["rules"] if report else ():
            self.rules.append(Rule(_clean(rule["code"]), _clean(rule["message"])))
        floats = [k for k, value in enumerate(inputs) if isinstance(value, np.ndarray) and value.dtype.kind == "f"]
        if task.kind in ("loss", "model"):
            floats = [own_x] if task.kind == "loss" or self.moves_x else []
        reported = {place: name for place, name in zip(places, self.names, strict=True) if place >= 0}
        self.wanted = [self._input_name(task, k, own_x, reported) for k in floats]
        if task.reference is not None:
            known = [*task.names, *task.options.get("constants", ())]
            self.wanted += [name for name in arguments_of(task.reference) if name not in known]

    def _input_name(self, task: Task, place: int, own_x: int, reported: dict[int, str]) -> str:
        if place == own_x:
            return self.x_name
        return task.names[place] or reported.get(place, f"input {place + 1}")

    def passed(self, name: str) -> bool:
        """Whether the submission's process reported that an array passed."""
        return name in self.rows and self.rows[name].passed

    def start(self, place: int, rng: np.random.Generator) -> NDArray[Any]:
        """The first values of the verification: the staff's inputs, and the submission's parameters with 10 % noise."""
        value = np.asarray(self.values[place], np.float64)
        if self.are_inputs[place]:
            return value.copy()
        noise = 0.1 * rng.standard_normal(value.shape)
        return np.where(value == 0, noise, value * (1.0 + noise))


def _place_of_x(task: Task, inputs: list[Any]) -> int:
    """The position of the input that the check calls x: the first, or a function's first array of floats."""
    if task.kind == "function":
        for place, value in enumerate(inputs):
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                return place
    return 0


def _not_found(names: list[str], found: list[str]) -> str:
    only = f", only {', '.join(found)}" if found else ""
    return f"no array named {', '.join(names)} on which forward depends was found{only}"


def _clean(text: Any) -> str:
    """Text from a submission's process, truncated and without control characters."""
    return UNPRINTABLE.sub("?", str(text)[:MOST_TEXT])
