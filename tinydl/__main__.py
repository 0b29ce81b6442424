"""The command line: `python -m tinydl gradcheck` checks hand-written gradients, the library's or your own."""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

from . import __version__
from .gradcheck import check_layer
from .gradcheck.options import METHODS, MODES
from .selfcheck.command import FORMS, CannotCheckError, check_library, check_target, table

GRADCHECK = f"""\
Check hand-written backward passes against forward values.

  python -m tinydl gradcheck                                     every layer, loss and model of tinydl
  python -m tinydl gradcheck layers.py:Swish --shape 5,3         your own layer, at random numbers of that shape
  python -m tinydl gradcheck mine.layers:Scale --shape 5,3 --arguments '{{"size": 3}}'

TARGET is {FORMS}: a class, a layer, a pair (forward, backward),
or a function that returns one of these.
"""
EXAMPLE = """'{"units": 4}'"""
EXITS = "exit code: 0 all right, 1 a gradient is wrong or a rule broken, 2 the check could not be made"


def shape(text: str) -> tuple[int, ...]:
    """5,4 or 5x4."""
    sizes = [size.strip() for size in re.split("[,x]", text.strip("() ,"))]
    if not all(size.isdecimal() and int(size) >= 1 for size in sizes):
        raise argparse.ArgumentTypeError(
            f"expected whole numbers of 1 or more, the batch size first, such as 5,4 or 5x4, got {text!r}"
        )
    return tuple(map(int, sizes))


def keywords(text: str) -> dict[str, Any]:
    """A JSON object."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected JSON such as {EXAMPLE}, got {text!r} ({error})") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"expected a JSON object such as {EXAMPLE}, got {text!r}")
    return value


def names(text: str) -> tuple[str, ...]:
    """b or W,b."""
    return tuple(name.strip() for name in text.split(","))


def parser() -> argparse.ArgumentParser:
    """The options; those of the check are None unless given, so that its own defaults hold."""
    default = {name: parameter.default for name, parameter in inspect.signature(check_layer).parameters.items()}
    main = argparse.ArgumentParser("python -m tinydl", description=__doc__)
    main.add_argument("--version", action="version", version=f"tinydl {__version__}")
    command = main.add_subparsers(dest="command").add_parser(
        "gradcheck", help="check hand-written gradients", description=GRADCHECK, epilog=EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.add_argument("target", metavar="TARGET", nargs="?", help="what to check; without it, the whole library")
    command.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")
    command.add_argument("--traceback", action="store_true", help="when the check could not be made: where, in full")
    own = command.add_argument_group("with TARGET")
    own.add_argument("--shape", type=shape, help="shape of x, the batch size first: 5,4 or 5x4")
    own.add_argument("--arguments", type=keywords, metavar="JSON", help="keyword arguments of the class or function")
    own.add_argument("--inference", action="store_true", help="forward is called with training=False")
    own.add_argument("--zero-ok", type=names, metavar="NAMES", help="arrays whose gradient may be all zero: b or x,b")
    how = command.add_argument_group("the check")
    how.add_argument("--method", choices=METHODS, help="central differences or the complex step")
    how.add_argument("--mode", choices=MODES, help="entry by entry, or along random directions")
    for name, kind, text in (
        ("probes", int, "entries tried per array"),
        ("directions", int, "how many, in directional mode"),
        ("rtol", float, "relative tolerance"),
        ("atol", float, "absolute tolerance"),
        ("step", float, "step of the central differences"),
        ("seed", int, "of all random numbers"),
    ):
        how.add_argument(f"--{name}", type=kind, metavar="N", help=f"{text}; default {default[name]:g}")
    return main


def gradcheck(arguments: argparse.Namespace) -> int:
    """Check, print, and return the exit code."""
    start = time.perf_counter()
    how = ("method", "mode", "probes", "directions", "rtol", "atol", "step", "seed", "zero_ok")
    options = {name: getattr(arguments, name) for name in how if getattr(arguments, name) is not None}
    with redirect_stdout(sys.stderr):  # what a layer prints is no result
        if arguments.target is None:
            for name in ("shape", "arguments", "inference", "zero_ok"):
                if getattr(arguments, name):
                    raise CannotCheckError(
                        f"--{name.replace('_', '-')} needs a TARGET; the library's cases have their own"
                    )
            outcomes = check_library(options)
        elif arguments.shape is None:
            raise CannotCheckError(
                "--shape: expected the shape of x, the batch size first, such as --shape 5,4, got none"
            )
        else:
            options["training"] = not arguments.inference
            outcomes = [check_target(arguments.target, arguments.arguments, arguments.shape, options)]
    failed = [each for each in outcomes if not each.passed]
    seconds = time.perf_counter() - start
    if arguments.json:
        document = {
            "tinydl": __version__,
            "passed": not failed,
            "checks": len(outcomes),
            "failed": len(failed),
            "seconds": round(seconds, 2),
            "cases": [each.to_dict() for each in outcomes],
        }
        print(json.dumps(document, indent=2))
    elif arguments.target is not None:
        print(outcomes[0].message or outcomes[0].report)
    else:
        print(table(outcomes))
        for each in failed:
            print(f"\n{each.kind} {each.name}: {each.message}")
        print(f"\n{len(outcomes)} checks, {len(failed)} failed, {seconds:.1f} s")
    return 1 if failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    command_line = parser()
    arguments = command_line.parse_args(argv)
    if arguments.command is None:
        command_line.print_help()
        return 0
    try:
        return gradcheck(arguments)
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


if __name__ == "__main__":
    sys.exit(main())
