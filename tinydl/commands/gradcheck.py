"""`python -m tinydl gradcheck`: check hand-written gradients, the library's or your own."""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
from tqdm import tqdm

from .. import __version__, gradcheck
from ..gradcheck import GradientCheckError, GradientCheckReport, check_layer
from ..gradcheck.options import METHODS, MODES, Options
from ..gradcheck.report import aligned
from .target import FORMS, CannotCheckError, described, made, place

DESCRIPTION = f"""\
Check hand-written backward passes against forward values.

  python -m tinydl gradcheck                                     tinydl itself: the Check line of every docstring
  python -m tinydl gradcheck layers.py:Swish --shape 5,3         your own layer, on random input of that shape
  python -m tinydl gradcheck mine.layers:Scale --shape 5,3 --arguments '{{"size": 3}}'

TARGET is {FORMS}. It names a layer,
a pair of functions (forward, backward), or a class or function that makes one of these.
"""
EXAMPLE = """'{"units": 4}'"""
EXITS = "exit code: 0 if all checks passed, 1 if a gradient is wrong or a rule is broken, 2 if a check could not run"
COLUMNS = ("kind", "name", "arrays", "probes", "dropped", "max rel error", "method", "verdict", "ms")


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


def names(text: str) -> tuple[str, ...]:
    """Parse b or W,b."""
    return tuple(name.strip() for name in text.split(","))


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options. Check options are None unless given, so that the check's defaults apply."""
    command = commands.add_parser(
        "gradcheck", help="check hand-written gradients", description=DESCRIPTION, epilog=EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.set_defaults(run=run)
    command.add_argument("target", metavar="TARGET", nargs="?", help="what to check; default: the whole library")
    command.add_argument("--json", action="store_true", help="print one JSON document on stdout, nothing else")
    command.add_argument("--traceback", action="store_true", help="if a check cannot run, show the traceback")
    own = command.add_argument_group("with TARGET")
    own.add_argument("--shape", type=shape, help="shape of x, the batch size first: 5,4 or 5x4")
    own.add_argument("--arguments", type=keywords, metavar="JSON", help="keyword arguments of the class or function")
    own.add_argument("--inference", action="store_true", help="call forward with training=False")
    own.add_argument("--zero-ok", type=names, metavar="NAMES", help="arrays whose gradient may be all zero: b or x,b")
    how = command.add_argument_group("the check")
    how.add_argument("--method", choices=METHODS, help="source of the numeric gradients")
    how.add_argument("--mode", choices=MODES, help="entry by entry, or along random directions")
    for name, text in (
        ("probes", "entries tried per array"), ("directions", "random directions in directional mode"),
        ("rtol", "relative tolerance"), ("atol", "absolute tolerance"),
        ("step", "step of the central differences"), ("seed", "seed of all random numbers"),
    ):  # fmt: skip
        default = getattr(Options(), name)
        how.add_argument(f"--{name}", type=type(default), metavar="N", help=f"{text}; default {default:g}")


# --- checks ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """The result of one check: its report (None if a rule was broken before any probe), and its error message."""

    kind: str
    name: str
    report: GradientCheckReport | None
    message: str
    ms: float

    @property
    def passed(self) -> bool:
        return not self.message

    @property
    def cells(self) -> tuple[str, ...]:
        """The check's row of the table whose head is COLUMNS."""
        report, found = self.report, ("-", "-", "-", "-", "-", "RULE BROKEN")
        if report is not None and report.passed == self.passed:
            counts = (str(len(report.arrays)), str(report.probes), str(report.dropped))
            found = (*counts, f"{report.max_relative_error:.1e}", report.method, report.verdict)
        return (self.kind, self.name, *found, f"{self.ms:.0f}")

    def to_dict(self) -> dict[str, Any]:
        """The outcome as plain values, for JSON."""
        report = self.report.to_dict() if self.report else None
        return {
            "kind": self.kind, "name": self.name, "passed": self.passed, "message": self.message,
            "ms": round(self.ms, 1), "report": report,
        }  # fmt: skip


def library() -> list[tuple[str, str, Callable[..., GradientCheckReport]]]:
    """Kind, name and check of every layer, loss and model, from the Check lines of their docstrings."""
    from .. import layers, losses, models

    return [
        (kind, name, partial(example, line, {**vars(layers), **vars(losses), **vars(models)}))
        for kind, module in (("layer", layers), ("loss", losses), ("model", models))
        for name, thing in vars(module).items()
        if not name.startswith("_") and (line := check_line(thing)) is not None
    ]


def check_line(thing: Any) -> str | None:
    """The call after "Check" in a docstring: check_layer, check_loss or check_model; None if there is no call."""
    found = re.search(r"^ *Check +(?=check_)(.*)", inspect.getdoc(thing) or "", re.MULTILINE | re.DOTALL)
    lines = found[1].splitlines() if found else []
    for end in range(1, len(lines) + 1):  # a long call continues on the next line
        call = " ".join(map(str.strip, lines[:end]))
        with suppress(SyntaxError):
            ast.parse(call, mode="eval")
            return call
    return None


def example(line: str, names: dict[str, Any], **options: Any) -> GradientCheckReport:
    """Run a Check line; the given options override those in the line."""

    def overridden(check: Callable[..., GradientCheckReport], *arguments: Any, **own: Any) -> GradientCheckReport:
        return check(*arguments, **{**own, **options})

    checks = ("check_layer", "check_loss", "check_model")
    known = {name: partial(overridden, getattr(gradcheck, name)) for name in checks}
    return eval(line, {**names, **known, "np": np, "rng": np.random.default_rng(0)})


def check_library(options: dict[str, Any]) -> list[Outcome]:
    """Run all checks of `library`, showing the progress on a terminal."""
    outcomes = []
    columns, lines = shutil.get_terminal_size()  # 80 x 24 if the size is unknown; tqdm alone would show nothing
    with tqdm(library(), unit="check", disable=None, leave=False, ncols=columns, nrows=lines) as rows:
        for kind, name, check in rows:
            rows.set_postfix_str(name, refresh=False)
            try:
                outcomes.append(outcome(kind, name, partial(check, **options)))
            except (Exception, SystemExit) as error:
                raise CannotCheckError(f"{kind} {name}: {described(error)}") from error
    return outcomes


def check_target(given: argparse.Namespace, options: dict[str, Any]) -> Outcome:
    """Check the user's own layer at a random x of the given shape."""
    target, shape = given.target, given.shape
    layer = made(target, given.arguments)
    try:
        return outcome("layer", target, partial(check_layer, layer, shape, **options))
    except (Exception, SystemExit) as error:
        crash = f"{target} crashed on an x of shape {shape}: " if place(error) else ""
        raise CannotCheckError(crash + described(error)) from error


def outcome(kind: str, name: str, check: Callable[[], GradientCheckReport]) -> Outcome:
    """Run and time a check."""
    start = time.perf_counter()
    report: GradientCheckReport | None
    try:
        report, message = check(), ""
    except GradientCheckError as error:
        report, message = error.report, str(error)
    return Outcome(kind, name, report, message, 1e3 * (time.perf_counter() - start))


# --- the command ----------------------------------------------------------------------------------------------------


def run(arguments: argparse.Namespace) -> int:
    """Run the checks, print the results, and return the exit code."""
    try:
        return _run(arguments)
    except CannotCheckError as error:
        if arguments.traceback and error.__cause__ is not None:
            traceback.print_exception(error.__cause__)
        print(f"gradcheck: {error}", file=sys.stderr)
        if arguments.json:
            print(json.dumps({"tinydl": __version__, "passed": False, "error": str(error)}, indent=2))
        return 2
    except KeyboardInterrupt:
        print("gradcheck: interrupted", file=sys.stderr)
        return 130


def _run(arguments: argparse.Namespace) -> int:
    start = time.perf_counter()
    given = {field.name: getattr(arguments, field.name) for field in fields(Options)}
    options = {name: value for name, value in given.items() if value is not None}
    if arguments.target is None:
        for name in ("shape", "arguments", "inference", "zero_ok"):
            if getattr(arguments, name):
                raise CannotCheckError(f"--{name.replace('_', '-')} needs a TARGET: the library's checks set it")
    elif arguments.shape is None:
        raise CannotCheckError("--shape: expected the shape of x, the batch size first, such as --shape 5,4, got none")
    with redirect_stdout(sys.stderr):  # stdout is for the results, not for what layers print
        if arguments.target is None:
            outcomes = check_library(options)
        else:
            outcomes = [check_target(arguments, {**options, "training": not arguments.inference})]
    failed = [each for each in outcomes if not each.passed]
    seconds = time.perf_counter() - start
    if arguments.json:
        document = {
            "tinydl": __version__, "passed": not failed, "checks": len(outcomes), "failed": len(failed),
            "seconds": round(seconds, 2), "cases": [each.to_dict() for each in outcomes],
        }  # fmt: skip
        print(json.dumps(document, indent=2))
    elif arguments.target is not None:
        print(outcomes[0].message or outcomes[0].report)
    else:
        print("\n".join(aligned([COLUMNS, *(each.cells for each in outcomes)])))
        for each in failed:
            print(f"\n{each.kind} {each.name}: {each.message}")
        print(f"\n{len(outcomes)} checks, {len(failed)} failed, {seconds:.1f} s")
    return 1 if failed else 0
