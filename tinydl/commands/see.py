"""`python -m tinydl see`: one training step as an HTML page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import output
from .step_of import FORMS, add_arguments, model_and_rows
from .target import CannotCheckError

ROWS = 4
DESCRIPTION = f"""\
Write one training step of a model as an HTML page: every array of every layer, forward and back, and for every number
the products that it is the sum of. The page needs no network; open it in a browser.

  python -m tinydl see                                                  a small built-in network
  python -m tinydl see model.safetensors --x x.npy --y y.npy --rows 2   a saved model
  python -m tinydl see steps.py:first --out first.html                  a function that returns (model, x, y)

TARGET is {FORMS}.
"""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    command = commands.add_parser(
        "see", help="write one training step as an HTML page", description=DESCRIPTION,
        epilog="exit code: 0 if the page was written, 2 if it could not be or the file exists",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.set_defaults(run=run)
    add_arguments(command, ROWS)
    command.add_argument(
        "--out", type=Path, default=Path("step.html"), metavar="FILE.html", help="the page (default: step.html)"
    )
    command.add_argument("--overwrite", action="store_true", help="replace the page if it exists")


def run(arguments: argparse.Namespace) -> int:
    """Write the page, print its path, and return the exit code."""
    try:
        output.check("--out", arguments.out, (".html",), arguments.overwrite)
        model, x, y = model_and_rows(arguments)
        path = model.see(x, y, arguments.out)
    except (CannotCheckError, OSError, ValueError, TypeError, FloatingPointError) as error:
        print(f"see: {output.reason(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("see: interrupted", file=sys.stderr)
        return 130
    print(f"{path} ({path.stat().st_size / 1000:,.0f} kB): {len(x)} rows through {model.name}; open it in a browser")
    return 0
