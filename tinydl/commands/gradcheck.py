"""`python -m tinydl gradcheck`: check hand-written gradients, the library's or your own."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import Any

from .. import __version__
from ..gradcheck.hints import BARE, FULL
from ..gradcheck.report import aligned
from .alone import DiedError, TimedOutError, alone
from .checking import (
    ABSTRACT,
    NO_CHECK,
    TIMED_OUT,
    Outcome,
    Request,
    add_check_options,
    add_target_options,
    check_keys,
    check_options,
    checked,
    outcome,
)
from .library import library
from .progress import Progress
from .target import FORMS, CannotCheckError, Found, Target, described, found_in

DESCRIPTION = f"""\
Check hand-written backward passes against forward values.

  python -m tinydl gradcheck                                     tinydl itself: the Check line of every docstring
  python -m tinydl gradcheck layers.py:Swish --shape 5,3         your own layer, on random input of that shape
  python -m tinydl gradcheck layers.py --shape 5,3               everything in the file
  python -m tinydl gradcheck layers.py:Swish Dense Cell --shape 5,3 --shape Cell.h=5,4
  python -m tinydl gradcheck losses.py:CrossEntropy --shape 5,3 --labels 3
  python -m tinydl gradcheck ops.py:affine,affine_backward --shape 5,3 --shape 3,4 --shape 4

TARGET is {FORMS}.
NAME stands for a layer, a loss, a pair of functions (forward, backward), or a class or function that makes one;
forward,backward names two functions. After the first TARGET, NAME alone adds a target in the same file.
"""
EXITS = """\
exit code: 0 if all checks passed, 1 if a gradient is wrong or a rule that counts is broken, 2 if something could not be
checked (unless something is wrong)"""
COLUMNS = ("kind", "name", "arrays", "probes", "dropped", "max rel error", "method", "verdict", "ms")
OF_TARGETS = ("shape", "integers", "array", "arguments", "loss", "labels", "inference", "gradients", "constants",
              "zero_ok", "forward", "backward", "outputs")  # fmt: skip


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    command = commands.add_parser(
        "gradcheck", help="check hand-written gradients", description=DESCRIPTION, epilog=EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.set_defaults(run=run)
    command.add_argument("targets", metavar="TARGET", nargs="*", help="what to check; default: the whole library")
    command.add_argument("--only", type=regex, metavar="REGEX", help="check only the names that match")
    command.add_argument("--json", action="store_true", help="print one JSON document on stdout, nothing else")
    command.add_argument("--hints", type=int, choices=range(BARE, FULL + 1), default=FULL, help="how much is shown of "
                         "a failure: 0 only that it failed, 1 which arrays are wrong, 2 the worst entry, 3 also the "
                         "likely cause (default)")  # fmt: skip
    command.add_argument("--timeout", type=seconds, metavar="SECONDS", help="the time limit of each check; the checks "
                         "then run in processes of their own")  # fmt: skip
    command.add_argument("--traceback", action="store_true", help="if a check cannot run, show the traceback")
    add_target_options(command.add_argument_group("with TARGET"))
    add_check_options(command.add_argument_group("the check"))


def regex(text: str) -> str:
    """Check that the text is a regular expression."""
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"expected a regular expression, got {text!r} ({error})") from error
    return text


def seconds(text: str) -> float:
    """Parse a time limit."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected seconds, a number > 0, got {text!r}")
    return value


# --- the checks -----------------------------------------------------------------------------------------------------


def run(arguments: argparse.Namespace) -> int:
    """Run the checks, print the results, and return the exit code."""
    try:
        return _run(arguments)
    except CannotCheckError as error:
        print(f"gradcheck: {error}", file=sys.stderr)
        if arguments.json:
            print(json.dumps({"tinydl": __version__, "passed": False, "error": str(error)}, indent=2))
        return 2
    except KeyboardInterrupt:
        print("gradcheck: interrupted", file=sys.stderr)
        return 130


def _run(arguments: argparse.Namespace) -> int:
    start = time.perf_counter()
    request = {name: value for name, value in vars(arguments).items() if name != "run"}
    if not arguments.targets:
        for name in OF_TARGETS:
            if request[name]:
                raise CannotCheckError(f"--{name.replace('_', '-')} needs a TARGET: the library's checks set it")
        left_out: dict[str, str] = {}
        requests = library_requests(request)
    else:
        requests, left_out = target_requests(request)
    outcomes = _outcomes(requests, arguments.timeout)
    left_out |= {each.name: each.message for each in outcomes if each.verdict == ABSTRACT}
    outcomes = [each for each in outcomes if each.verdict != ABSTRACT]
    if not outcomes:
        raise CannotCheckError("TARGET: nothing is left to check: " + listed(left_out))
    failed = [each for each in outcomes if each.code]
    if arguments.json:
        document = {
            "tinydl": __version__, "passed": not failed, "checks": len(outcomes), "failed": len(failed),
            "seconds": round(time.perf_counter() - start, 2), "cases": [each.to_dict() for each in outcomes],
            "left_out": left_out,
        }  # fmt: skip
        print(json.dumps(document, indent=2))
    elif arguments.targets and len(outcomes) == 1 and not left_out:
        (only,) = outcomes
        if only.verdict in (NO_CHECK, TIMED_OUT):
            print(f"gradcheck: {only.message}", file=sys.stderr)
        else:
            print(only.text)
    else:
        print("\n".join(aligned([COLUMNS, *(each.cells for each in outcomes)])))
        for each in failed:
            print(f"\n{each.kind} {each.name}: {each.message}")
        if left_out:
            print(f"\nleft out: {listed(left_out)}")
        print(f"\n{len(outcomes)} checks, {len(failed)} failed, {time.perf_counter() - start:.1f} s")
    return 1 if any(each.code == 1 for each in failed) else 2 if failed else 0


def listed(left_out: dict[str, str]) -> str:
    """The names left out, grouped by their reasons."""
    reasons: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        reasons.setdefault(reason, []).append(name)
    return "; ".join(f"{', '.join(names)} ({reason})" for reason, names in reasons.items())


def library_requests(request: Request) -> list[Request]:
    """One request for each check of the library."""
    try:
        rows = library()
    except ModuleNotFoundError as error:
        needs = "the check of tinydl itself needs all its dependencies; that of your own layers needs only NumPy"
        raise CannotCheckError(f"{error}: {needs}: pass a TARGET") from error
    chosen = [
        {**request, "kind": kind, "label": name} for kind, name, _ in rows if _is_wanted(request, f"{kind} {name}")
    ]
    return chosen or _none_wanted(request, [f"{kind} {name}" for kind, name, _ in rows])


def target_requests(request: Request) -> tuple[list[Request], dict[str, str]]:
    """One request for each target, and the names left out of whole files, with the reasons."""
    found = _within(request["timeout"], planned, request, "importing the targets")
    if "error" in found:
        raise CannotCheckError(found["error"])
    targets = [Target(**each) for each in found["targets"]]
    keys = [target.key for target in targets]
    chosen = [
        {**request, "keys": keys, "target": target, "kind": "target", "label": str(target)}
        for target in targets
        if _is_wanted(request, target.name)
    ]
    left_out = {
        name: reason for name, reason in found["left_out"].items() if _is_wanted(request, name.rpartition(":")[2])
    }
    return chosen or _none_wanted(request, [target.name for target in targets]), left_out


def planned(request: Request) -> dict[str, Any]:
    """Find the targets and return them as plain values, or the error if they cannot be found."""
    try:
        with redirect_stdout(sys.stderr):
            found: Found = found_in(request["targets"])
            check_keys({**request, "keys": [target.key for target in found.targets]}, found.targets)
    except CannotCheckError as error:
        return {"error": str(error)}
    return asdict(found)


def _is_wanted(request: Request, name: str) -> bool:
    return request["only"] is None or re.search(request["only"], name) is not None


def _none_wanted(request: Request, names: list[str]) -> list[Request]:
    raise CannotCheckError(f"--only {request['only']}: it matches none of {', '.join(names)}")


def _outcomes(requests: Sequence[Request], timeout: float | None) -> list[Outcome]:
    outcomes = []
    with Progress(len(requests), "checks") as progress:
        for request in requests:
            progress.show(request["label"])
            function = checked if "target" in request else checked_library
            start = time.perf_counter()
            try:
                found = Outcome(**_within(timeout, function, request, request["label"]))
            except CannotCheckError as error:
                verdict = TIMED_OUT if isinstance(error.__cause__, TimedOutError) else NO_CHECK
                ms = 1e3 * (time.perf_counter() - start)
                found = Outcome(request["kind"], request["label"], verdict, str(error), str(error), ms=ms)
            outcomes.append(found)
            progress.step()
    return outcomes


def _within(timeout: float | None, function: Any, request: Request, what: str) -> dict[str, Any]:
    """Run function(request), in a process of its own if there is a time limit."""
    found: dict[str, Any]
    if timeout is None:
        found = function(request)
        return found
    try:
        found = alone(function, request, timeout)
    except TimedOutError as error:
        raise CannotCheckError(f"{what} took more than {timeout:g} s: an endless loop?") from error
    except DiedError as error:
        raise CannotCheckError(f"{what}: {error}") from error
    return found


def checked_library(request: Request) -> dict[str, Any]:
    """Check the layer, loss or model of the library that the request names; return the fields of the outcome."""
    kind, name = request["kind"], request["label"]
    check = next(check for *row, check in library() if row == [kind, name])
    options = check_options(request)
    try:
        with redirect_stdout(sys.stderr):
            return asdict(outcome(kind, name, lambda: check(**options), request["hints"]))
    except (Exception, SystemExit) as error:
        raise CannotCheckError(f"{kind} {name}: {described(error)}") from error
