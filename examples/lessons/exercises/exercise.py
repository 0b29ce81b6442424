"""Run the check of an exercise: say what to fill in, what is right, or what is wrong and where to look."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from tinydl.gradcheck import GradientCheckError

GAP = "...  # your code"


class Wrong(AssertionError):
    """A result of the exercise is not right; the message says what to look at."""


def run(check: Callable[[], None]) -> None:
    """End the script: 0 if `check`, a function of the exercise, raises nothing, else 1 and a message."""
    file = Path(check.__code__.co_filename)
    parser = argparse.ArgumentParser(
        description=check.__globals__["__doc__"], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    lines = file.read_text(encoding="utf-8").splitlines()
    gaps = [number for number, line in enumerate(lines, start=1) if GAP in line]
    if gaps:
        print(f"{parser.description}\nStill to be written in {file.name}:")
        for number in gaps:
            print(f"  line {number}:  {lines[number - 1].strip()}")
        print(f"Put your code in the place of `{GAP}`, then run this file again.")
        sys.exit(1)
    try:
        check()
    except (Wrong, GradientCheckError) as error:
        print(f"Not right yet.\n{error}")
        sys.exit(1)
    except Exception as error:
        print(f"Your code stopped with an error, {type(error).__name__}: {error}")
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename == str(file) and frame.name != check.__name__:
                print(f"  line {frame.lineno}, in {frame.name}:  {frame.line}")
        sys.exit(1)
    print("Right: every check of this exercise passed.")


def compare(
    name: str, got: ArrayLike, expected: ArrayLike, mistakes: Mapping[str, ArrayLike] | None = None, rtol: float = 1e-6
) -> None:
    """Compare a result with the expected one, and print it if it is right.

    mistakes: results of typical mistakes, by the message that leads to each: {"db is the sum over the rows": ...}

    Raises:
        Wrong: another shape, or a value that differs by more than rtol, relative to the largest expected entry.
    """
    got, expected = np.asarray(got), np.asarray(expected)
    if got.dtype.kind not in "bif":
        raise Wrong(f"{name} must be an array of numbers, got {got!r}")
    if got.shape != expected.shape:
        raise Wrong(f"{name} must have shape {expected.shape}, got {got.shape}")
    tolerance = rtol * np.abs(expected).max(initial=1e-12)
    if not np.allclose(got, expected, rtol=0, atol=tolerance):
        lines = [f"{name} must be", _indented(expected), "got", _indented(got)]
        for message, result in (mistakes or {}).items():
            result = np.asarray(result)
            if result.shape == got.shape and np.allclose(got, result, rtol=0, atol=tolerance, equal_nan=True):
                lines.append(f"Likely cause: {message}")
        raise Wrong("\n".join(lines))
    print(f"right: {name} = {np.array2string(got, precision=4, separator=', ', prefix=' ' * (len(name) + 10))}")


def _indented(array: np.ndarray) -> str:
    return "    " + np.array2string(array, precision=4, separator=", ", prefix="    ")
