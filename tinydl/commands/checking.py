"""The check of one target of a command line: the options, the inputs and the outcome as plain values."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from functools import partial
from itertools import takewhile
from typing import Any

import numpy as np

from ..gradcheck import GradientCheckError, GradientCheckReport, check_function, check_layer, check_loss
from ..gradcheck.hints import FULL, told, told_json
from ..gradcheck.options import METHODS, MODES, Options
from ..gradcheck.report import OK, WRONG
from .target import SHORT, CannotCheckError, Target, described, forward_names, is_answer, is_loss, made, named, place

EXAMPLE = """'{"units": 4}'"""
NO_CHECK, TIMED_OUT, ABSTRACT = "NO CHECK", "TIMED OUT", "abstract"
# Options of the form [NAME=]VALUE, or [NAME.]ARRAY=VALUE.
BY_KEY = ("shape", "integers", "array", "labels", "arguments")

Request = dict[str, Any]  # the options of a command line, all of them plain values


# --- the options ----------------------------------------------------------------------------------------------------


def shape(text: str) -> tuple[int, ...]:
    """Parse 5,4 or 5x4."""
    sizes = [size.strip() for size in re.split("[,x]", text.strip("() ,"))]
    if not all(size.isdecimal() and int(size) >= 1 for size in sizes):
        expected = "integers >= 1, the batch size first, such as 5,4 or 5x4"
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return tuple(map(int, sizes))


def keywords(text: str) -> dict[str, Any]:
    """Parse a JSON object."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected JSON such as {EXAMPLE}, got {text!r} ({error})") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"expected a JSON object such as {EXAMPLE}, got {text!r}")
    return value


def count(text: str) -> int:
    """Parse an integer >= 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer >= 1, got {text!r}")
    return int(text)


def names(text: str) -> tuple[str, ...]:
    """Parse b or W,b."""
    return tuple(name.strip() for name in text.split(","))


def pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Parse W=nabla_W or W=nabla_W,b=nabla_b."""
    found = tuple(tuple(part.strip() for part in pair.split("=")) for pair in text.split(","))
    if not all(len(pair) == 2 and all(pair) for pair in found):
        raise argparse.ArgumentTypeError(f"expected ARRAY=GRADIENT such as W=nabla_W, got {text!r}")
    return tuple((pair[0], pair[1]) for pair in found)


def keyed(parse: Callable[[str], Any], needs_key: str = "") -> Callable[[str], tuple[str, Any]]:
    """Parse KEY=VALUE, or VALUE alone, with the key "". `needs_key` is an example for options that require a key."""

    def parsed(text: str) -> tuple[str, Any]:
        match = re.fullmatch(r"([A-Za-z_][\w.]*)=(.*)", text, re.DOTALL)
        if needs_key and not match:
            raise argparse.ArgumentTypeError(f"expected ARRAY=VALUE such as {needs_key}, got {text!r}")
        return (match[1], parse(match[2])) if match else ("", parse(text))

    return parsed


def add_target_options(group: argparse._ArgumentGroup) -> None:
    """Add the options that describe a target."""
    several = "; may be repeated"
    for option, kind, metavar, text in (
        ("shape", keyed(shape), "[KEY=]5,4", "shape of the next input, the batch size first. KEY is an input (h=5,4), "
         f"one of several targets (Dense=5,4), or both (LSTM.h=5,4){several}"),
        ("integers", keyed(count, "ids=10"), "KEY=10", f"an input that holds integers from 0 to 9{several}"),
        ("array", keyed(str, "'x=np.eye(3)'"), "KEY=EXPR", "an input as a Python expression with np and a "
         f"random generator rng{several}"),
        ("labels", keyed(count), "[KEY=]10", "the targets of a loss are labels from 0 to 9; default: random numbers of "
         f"the predictions' shape{several}"),
        ("arguments", keyed(keywords), "[KEY=]JSON", f"keyword arguments of the class or function{several}"),
    ):  # fmt: skip
        group.add_argument(f"--{option}", type=kind, metavar=metavar, action="append", default=[], help=text)
    group.add_argument("--loss", action="store_true", help="check the target as a loss, whatever its names")
    group.add_argument("--inference", action="store_true", help="call forward with training=False")
    group.add_argument("--gradients", type=pairs, metavar="W=nabla_W", action="extend", default=[],
                       help=f"the array that holds the gradient of W{several}")  # fmt: skip
    group.add_argument("--constants", type=names, metavar="NAMES", action="extend", default=[],
                       help="arrays that are not learned: pe or pe,mask")  # fmt: skip
    group.add_argument("--zero-ok", type=names, metavar="NAMES", action="extend", default=[],
                       help="arrays whose gradient may be all zero: b or x,b")  # fmt: skip
    group.add_argument("--forward", metavar="METHOD", help="the name of the forward method, if it is unusual")
    group.add_argument("--backward", metavar="METHOD", help="the name of the backward method, if it is unusual")
    group.add_argument("--outputs", type=count, metavar="N", help="how many of the arrays that forward returns are "
                       "outputs; the rest is a cache")  # fmt: skip


def add_check_options(group: argparse._ArgumentGroup) -> None:
    """Add the options of the check itself. They are None unless given, so that the check's defaults apply."""
    group.add_argument("--method", choices=METHODS, help="source of the numeric gradients")
    group.add_argument("--mode", choices=MODES, help="entry by entry, or along random directions")
    for name, text in (
        ("probes", "entries tried per array"), ("directions", "random directions in directional mode"),
        ("rtol", "relative tolerance"), ("atol", "absolute tolerance"),
        ("step", "step of the central differences"), ("seed", "seed of all random numbers"),
    ):  # fmt: skip
        default = getattr(Options(), name)
        group.add_argument(f"--{name}", type=type(default), metavar="N", help=f"{text}; default {default:g}")
    group.add_argument("--float32", action=argparse.BooleanOptionalAction, default=None,
                       help="whether layers and losses are also run in float32; default: yes")  # fmt: skip
    group.add_argument("--rules", choices=("note", "fail"), help="whether a broken rule (dy modified, ...) is a note "
                       "or a failure; default: a failure in tinydl's own layers, a note in others")  # fmt: skip


def check_options(request: Request) -> dict[str, Any]:
    """The options of the check that were given."""
    known = [*(each.name for each in fields(Options) if each.name != "zero_ok"), "float32", "rules"]
    return {name: request[name] for name in known if request.get(name) is not None}


# --- options of one of several targets --------------------------------------------------------------------------------


def said_of(request: Request, target: Target, option: str) -> list[tuple[str, Any]]:
    """The values of an option for a target, each with the name of an array or "", the general values first."""
    general, own = [], []
    for key, value in request[option]:
        owner, _, name = key.rpartition(".")
        if key in request["keys"]:
            own += [("", value)] if key == target.key else []
        elif owner in request["keys"]:
            own += [(name, value)] if owner == target.key else []
        else:
            general.append((key, value))
    if any(not name for name, _ in own):  # the target's own positional values replace the general ones
        general = [(name, value) for name, value in general if name]
    return general + own


def names_for(request: Request, target: Target, option: str) -> tuple[str, ...]:
    """The arrays of a target that are named in an option."""
    return tuple(
        name for name, _ in said_of({**request, option: [(name, None) for name in request[option]]}, target, option)
    )


def check_keys(request: Request, targets: Sequence[Target]) -> None:
    """Raise CannotCheckError if an option names a target or an input that does not exist."""
    inputs: set[str] = set()
    for target in targets:
        thing = named(target)
        found = forward_names(thing)
        if found is None:
            return  # its inputs may have any names
        inputs |= {*found, "x", *(("y_pred", "y_true") if request["loss"] or is_loss(thing, target.name) else ())}
    for option in BY_KEY:
        of_inputs = option not in ("labels", "arguments")
        for key, _ in request[option]:
            owner = key.rpartition(".")[0]
            if not key or key in request["keys"] or owner in request["keys"] or (key in inputs and of_inputs):
                continue
            known = [*request["keys"], *(sorted(inputs) if of_inputs else ())]
            near = get_close_matches(key, known, 1)
            mend = f"did you mean {near[0]}?" if near else f"these are {', '.join(known)}"
            raise CannotCheckError(f"--{option} {key}=...: {key} is neither a target nor an input: {mend}")


def inputs_of(request: Request, target: Target, thing: Any, loss: bool) -> tuple[list[Any], dict[str, Any]]:
    """The inputs of a target's forward: by position as far as possible, and the others by name."""
    rng = np.random.default_rng([request.get("seed") or 0, 7])
    own = forward_names(thing) or []
    known = ["y_pred", "y_true"] if loss else own
    if loss and len(own) > 1 and is_answer(own[0]) and not is_answer(own[1]):
        own = [own[1], own[0], *own[2:]]  # forward(y_true, y_pred)
    first = known[0] if known else "x"
    usual = {"x": first, **dict(zip(own, known, strict=False))}  # the names by which inputs may be called
    given = [(usual.get(name, name), value) for name, value in said_of(request, target, "shape")]
    inputs = {name: value for name, value in given if name}
    placed = [value for name, value in given if not name]
    free = [name for name in known or [first] if name not in inputs]
    inputs |= dict(zip(free, placed, strict=False))
    more = placed[len(free) :]
    for name, bound in said_of(request, target, "integers"):
        if usual.get(name, name) in inputs:
            inputs[usual.get(name, name)] = rng.integers(0, bound, inputs[usual.get(name, name)])
        elif len(request["keys"]) == 1:
            raise CannotCheckError(f"--integers {name}={bound}: {name} has no shape: add --shape {name}=5,4")
    for name, expression in said_of(request, target, "array"):
        try:
            inputs[usual.get(name, name)] = np.asarray(eval(expression, {"np": np, "rng": rng}))
        except Exception as error:
            raise CannotCheckError(f"--array {name}={expression}: {type(error).__name__}: {error}") from error
    if len(request["keys"]) > 1 and known:  # general values apply where they fit
        inputs, more = {name: value for name, value in inputs.items() if name in known}, []
    if first not in inputs:
        raise _no_shape(request, target)
    _add_targets(request, target, inputs, known, loss, rng)
    by_position = list(takewhile(inputs.__contains__, known or [first]))
    return [*map(inputs.pop, by_position), *more], inputs


def _add_targets(
    request: Request, target: Target, inputs: dict[str, Any], known: list[str], loss: bool, rng: np.random.Generator
) -> None:
    """Add the targets of a loss or a network: labels if requested, else random numbers for a loss."""
    answers = [name for name in known[1:] if loss or is_answer(name) or name in SHORT]
    labels = said_of(request, target, "labels")
    if not answers or isinstance(inputs.get(answers[0]), np.ndarray):
        return
    size: tuple[int, ...] = inputs[known[0]] if isinstance(inputs[known[0]], tuple) else np.shape(inputs[known[0]])
    shape = inputs.get(answers[0])
    if labels and (loss or shape is None):
        inputs[answers[0]] = rng.integers(0, labels[-1][1], shape or (size[:-1] if loss else size[:1]))
    elif loss:
        inputs[answers[0]] = rng.standard_normal(shape or size)


def _no_shape(request: Request, target: Target) -> CannotCheckError:
    key = f"{target.key}=" if len(request["keys"]) > 1 else ""
    expected = f"expected the shape of x, the batch size first, such as --shape {key}5,4"
    return CannotCheckError(f"--shape: {expected}, got none" + (f" for {target.key}" if key else ""))


# --- the check ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """The result of one check as plain values.

    Attributes:
        kind: "layer", "loss", "function" or "model".
        name: the target.
        verdict: the report's verdict, or NO_CHECK, TIMED_OUT or ABSTRACT.
        message: what is wrong, as far as the hints allow; "" if it passed.
        text: the message, or else the report of a check that passed, for printing.
        code: 0 if it passed, 1 if a gradient is wrong or a broken rule counts, 2 if it could not be checked.
        ms: the check's time in milliseconds.
        report: the report as a dict, as far as the hints allow; None if there is none.
        figures: the report's cells in a table.
    """

    kind: str
    name: str
    verdict: str
    message: str = ""
    text: str = ""
    code: int = 2
    ms: float = 0.0
    report: dict[str, Any] | None = None
    figures: Sequence[str] = ("-", "-", "-", "-", "-")

    @property
    def cells(self) -> tuple[str, ...]:
        """The outcome's row in a table."""
        return (self.kind, self.name, *self.figures, self.verdict, f"{self.ms:.0f}")

    def to_dict(self) -> dict[str, Any]:
        """The fields of the outcome in the JSON document."""
        own = {name: value for name, value in asdict(self).items() if name not in ("text", "figures", "code")}
        return {**own, "passed": self.code == 0, "ms": round(self.ms, 1)}


def outcome(kind: str, name: str, check: Callable[[], GradientCheckReport], hints: int = FULL) -> Outcome:
    """Run and time a check."""
    start = time.perf_counter()
    message = ""
    try:
        report = check()
    except GradientCheckError as error:
        report, message = error.report, str(error)
    ms = 1e3 * (time.perf_counter() - start)
    text = told(report, message, hints)
    wrong = bool(report.arrays) and (report.verdict == WRONG or (report.rules_count and bool(report.rules)))
    worst = f"{report.max_relative_error:.1e}" if report.probes else "-"
    figures = (str(len(report.arrays)), str(report.probes), str(report.dropped), worst, report.method or "-")
    verdict = (report.verdict if report.arrays else NO_CHECK) if message else OK
    code = 0 if verdict == OK else 1 if wrong else 2
    return Outcome(
        kind, name, verdict, text if message else "", text, code, ms, told_json(report, hints),
        figures if hints == FULL else Outcome.figures,
    )  # fmt: skip


def checked(request: Request) -> dict[str, Any]:
    """Check request["target"] and return the fields of the outcome."""
    target: Target = request["target"]
    kind, name = "layer", request["label"]
    try:
        with redirect_stdout(sys.stderr):  # stdout is for the results, not for the output of layers
            thing = _object(request, target)
            loss = _is_loss(request, thing, target)
            kind = "loss" if loss else "function" if isinstance(thing, tuple) else "layer"
            positions, by_name = inputs_of(request, target, thing, loss)
            try:
                check = partial(_check, request, target, kind, thing, positions, by_name)
                return asdict(outcome(kind, name, check, request.get("hints", FULL)))
            except (Exception, SystemExit) as error:
                if isinstance(error, NotImplementedError) and target.of_whole_file:
                    return asdict(Outcome(kind, name, ABSTRACT, "abstract"))
                raise CannotCheckError(_why(request, target, positions, error)) from error
    except CannotCheckError as error:
        if request.get("traceback") and error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        return asdict(Outcome(kind, name, NO_CHECK, str(error), str(error)))


def _object(request: Request, target: Target) -> Any:
    """The object to check, made with --arguments."""
    said = [value for _, value in said_of(request, target, "arguments")]
    arguments = {name: value for each in said for name, value in each.items()} if said else None
    return made(target, arguments, _is_loss(request, named(target), target))


def _is_loss(request: Request, thing: Any, target: Target) -> bool:
    return request["loss"] or is_loss(thing, target.name)


def _why(request: Request, target: Target, positions: Sequence[Any], error: BaseException) -> str:
    """The reason why a check could not run: a crash in the user's code, or arguments that the checker rejects."""
    if place(error):
        sizes = ", ".join(str(each if isinstance(each, tuple) else np.shape(each)) for each in positions)
        what = "an x of shape" if len(positions) == 1 else "inputs of shapes"
        return f"{target} crashed on {what} {sizes}: {described(error)}"
    key = f"{target.key}." if len(request["keys"]) > 1 else ""
    is_short = isinstance(error, TypeError) and "missing" in str(error)
    return described(error) + (f": give the shapes of all inputs, such as --shape {key}h=5,4" if is_short else "")


def _check(
    request: Request, target: Target, kind: str, thing: Any, positions: list[Any], by_name: dict[str, Any]
) -> GradientCheckReport:
    options = check_options(request)
    options |= {name: names_for(request, target, name) for name in ("zero_ok", "constants")}
    options["gradients"] = dict(said_of(request, target, "gradients"))
    if kind == "function":
        options.pop("float32", None)
    else:
        options |= {name: request[name] for name in ("forward", "backward") if request[name] is not None}
    if kind != "loss" and request["outputs"] is not None:
        options["outputs"] = request["outputs"]
    if kind == "loss":
        return check_loss(thing, *positions, **options)
    if kind == "function":
        return check_function(*thing, *positions, **{**by_name, **options})
    options |= {"training": not request["inference"], **by_name}
    return check_layer(thing, *positions, **options)
