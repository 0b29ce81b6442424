"""`python -m tinydl doctor`: what keeps a model from learning."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import output, step_of
from .target import CannotCheckError, described

DESCRIPTION = """\
Examine a compiled model and its rows: what keeps it from learning, and what to change.

  python -m tinydl doctor                                                a built-in example, which is healthy
  python -m tinydl doctor model.safetensors --x x.npy --y y.npy          a saved model, with its training rows
  python -m tinydl doctor train.py:make                                  what the function make returns: (model, x, y)
"""
EXITS = "exit code: 0 if nothing was found, 1 if something was, 2 if the model could not be examined"


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    command = commands.add_parser(
        "doctor", help="find what keeps a model from learning", description=DESCRIPTION, epilog=EXITS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.set_defaults(run=run)
    step_of.add_arguments(command)
    command.add_argument(
        "--batch-size", type=step_of.rows_from, default=32, metavar="N", help="that of fit (default: 32)"
    )
    command.add_argument("--seed", type=int, default=0, help="of the experiments (default: 0)")
    command.add_argument(
        "--plot", type=Path, metavar="FILE.png", help="write the learning-rate range test as a picture"
    )
    command.add_argument("--overwrite", action="store_true", help="replace the picture if it exists")


def run(arguments: argparse.Namespace) -> int:
    """Examine the model, print the report, and return the exit code."""
    try:
        if arguments.plot is not None:
            output.check("--plot", arguments.plot, output.PICTURES, arguments.overwrite)
        model, x, y = step_of.model_and_rows(arguments)
        try:
            report = model.doctor(x, y, batch_size=arguments.batch_size, seed=arguments.seed)
        except (ValueError, TypeError, RuntimeError) as error:
            raise CannotCheckError(described(error)) from error
        if arguments.plot is not None:
            report.plot(path=arguments.plot)
    except (CannotCheckError, OSError, ValueError) as error:
        print(f"doctor: {output.reason(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("doctor: interrupted", file=sys.stderr)
        return 130
    print(report)
    return 0 if report.passed else 1
