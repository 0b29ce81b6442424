"""Run the checks of an exercise: say what to fill in, what is right, or what is wrong and where to look.

`run` ends the script. A check calls the reader's code with `call`, compares its results with numbers worked out by
other means (`compare`), and in the end repeats this with random numbers (`nudge`).
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinydl.gradcheck import GradientCheckError

GAP = "...  # your code"
HINTS = {  # by words of an error of Python's or NumPy's: what to do about it
    "read-only": "This line changes an array that came in or was kept, maybe under another name. Make a new one.",
    "truth value of an array": "Comparing arrays gives an answer for each entry: use a mask or np.where, not `if`.",
    "bitwise_xor": "A power is written **, and not ^.",
    "object is not callable": "A product needs its sign: y * (1 - y), and not y (1 - y).",
    "core dimension": "A @ B needs as many columns in A as there are rows in B. Is one of them to be transposed?",
    "enough dimensions": "@ is for matrices. Numbers are multiplied with *.",
    "broadcast together": "NumPy cannot combine arrays of these shapes entry by entry.",
    "NoneType": "One of these values is None. A function that ends without `return` gives None.",
}


class Wrong(AssertionError):
    """A result of the exercise is not right; the message says what to look at."""


def run(*checks: Callable[[], None]) -> None:
    """End the script: 0 if no check, each a function of the exercise, raises, else 1 and a message.

    If there are several checks, the first is for gaps that say "part 1", and so on, so that part 1 can be checked
    before part 2 is written.
    """
    file = Path(checks[0].__code__.co_filename)
    parser = argparse.ArgumentParser(
        description=checks[0].__globals__["__doc__"], formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    lines = file.read_text(encoding="utf-8").splitlines()
    gaps = {number: line.strip() for number, line in enumerate(lines, start=1) if GAP in line}
    for part, check in enumerate(checks, start=1):
        if any(f"part {part}" in line or len(checks) == 1 for line in gaps.values()):
            print(f"{parser.description}\n" if part == 1 else "", end="")
            print(f"Still to be written in {file.name}:")
            for number, line in gaps.items():
                print(f"  line {number}:  {line}")
            print(f"Put your code in the place of `{GAP}`, then run this file again.")
            sys.exit(1)
        try:
            check()
        except Wrong as error:
            print(f"Not right yet.\n{error}")
            sys.exit(1)
        except Exception as error:
            print(_explained(error, check))
            sys.exit(1)
    print("Right: every check of this exercise passed.")


def _explained(error: Exception, check: Callable[[], None]) -> str:
    """The error, with the reader's own lines, the shapes of the arrays in the last of them, and a hint."""
    source, first = inspect.getsourcelines(check)
    own, shapes = [], ""
    for (frame, number), step in zip(
        traceback.walk_tb(error.__traceback__), traceback.extract_tb(error.__traceback__), strict=True
    ):
        if step.filename == check.__code__.co_filename and not first <= number < first + len(source):
            own.append(f"  line {number}, in {step.name}:  {step.line}")
            shapes = _shapes(step.line or "", frame)
    if isinstance(error, AttributeError) and not own:
        name = error.name
        return f"Not right yet.\nself.{name} is not there. Does a line begin with {name} = ... without self?"
    hints = [f"  {hint}" for words, hint in HINTS.items() if words in str(error)]
    shown = [f"  shapes: {shapes}"] if shapes else []
    return "\n".join([f"Your code stopped with an error, {type(error).__name__}: {error}", *own, *shown, *hints])


def _shapes(line: str, frame: FrameType) -> str:
    """The shapes of the arrays in a line of code, such as "x (2, 3), self.W (3, 4)"."""
    shapes = {}
    for name in re.findall(r"(?:self\.)?[A-Za-z_]\w*", line):
        owner, _, attribute = name.rpartition(".")
        variables = frame.f_locals if not owner else vars(frame.f_locals.get("self"))
        if isinstance(value := variables.get(attribute), np.ndarray):
            shapes[name] = value.shape
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def freeze(*arrays: np.ndarray) -> None:
    """Make arrays that the reader's code gets read-only, so that Python stops at the line that changes one in place."""
    for array in arrays:
        array.setflags(write=False)


def call(function: Callable[..., Any], *arguments: Any, returns: str) -> Any:
    """Call the reader's function with read-only copies of the arrays, and return its results.

    returns: the names of the results, as in "dx, dW"

    Raises:
        Wrong: the function returns nothing, or another number of results.
    """
    copies = [argument.copy() if isinstance(argument, np.ndarray) else argument for argument in arguments]
    freeze(*(copy for copy in copies if isinstance(copy, np.ndarray)))
    result, names = function(*copies), returns.split(", ")
    if result is None:
        raise Wrong(f"{function.__name__} returned nothing: it must end in `return {returns}`")
    if len(names) > 1 and not (isinstance(result, tuple | list) and len(result) == len(names)):
        got = f"{len(result)} things" if isinstance(result, tuple | list) else "one thing"
        raise Wrong(f"{function.__name__} must return {len(names)} things, with `return {returns}`, got {got}")
    return result


def compare(
    name: str, got: Any, expected: ArrayLike, mistakes: Mapping[str, ArrayLike] | None = None, rtol: float = 1e-6
) -> None:
    """Compare a result with the expected one, and print it if it is right.

    mistakes: results of typical mistakes, by the message that leads to each: {"db is the sum over the rows": ...}.
    The opposite sign, the transpose and a constant factor are found without it.

    Raises:
        Wrong: no array of floats, another shape, or a value that differs by more than rtol, relative to the largest
            expected entry.
    """
    if got is None:
        raise Wrong(f"{name} is None: its value is missing")
    if got is ...:
        raise Wrong(f"{name} is still `...`: write its value")
    if isinstance(got, list | tuple):
        raise Wrong(f"{name} must be an array, got a {type(got).__name__}: np.array(...) makes an array of it")
    got, expected = np.asarray(got), np.asarray(expected)
    if got.dtype.kind not in "bif":
        raise Wrong(f"{name} must be an array of numbers, got {got!r}")

    tolerance = rtol * np.abs(expected).max(initial=1e-12)

    def close(result: ArrayLike) -> bool:
        return np.shape(result) == got.shape and np.allclose(got, result, rtol=0, atol=tolerance, equal_nan=True)

    causes = [message for message, result in (mistakes or {}).items() if close(result)]
    if got.shape != expected.shape:
        what = f"have shape {expected.shape}" if expected.ndim else "be one number"
        wrong = [f"{name} must {what}, got {f'shape {got.shape}' if got.ndim else 'one number'}"]
    elif not close(expected):
        digits = 4 if _text(got, 4) != _text(expected, 4) else 12
        wrong = [f"{name} must be", _text(expected, digits), "got", _text(got, digits)]
    elif got.ndim and got.dtype.kind != "f":
        raise Wrong(f"{name} holds whole numbers ({got.dtype}) and would cut off all others: make an array of floats")
    else:
        print(f"right: {name} = {_text(got, 4, indent=len(name) + 10).lstrip()}")
        return
    raise Wrong(
        "\n".join(wrong + [f"Likely cause: {cause}" for cause in causes or _general_causes(close, expected, got)])
    )


def _general_causes(close: Callable[[ArrayLike], bool], expected: np.ndarray, got: np.ndarray) -> list[str]:
    if close(-expected):
        return ["the sign is wrong"]
    if expected.ndim == 2 and close(expected.T):
        return ["this is the transpose of the right matrix"]
    if got.size == expected.size and got.shape != expected.shape and close(expected.reshape(got.shape)):
        return ["the numbers are right, only the shape is not"]
    if got.shape[1:] == expected.shape and got.ndim == expected.ndim + 1 and np.allclose(got.sum(axis=0), expected):
        return ["the rows must be added up, with .sum(axis=0)"]
    if close(np.zeros_like(expected)):
        return ["nothing arrives here: every entry is 0"]
    if got.shape == expected.shape and expected.size > 1 and expected.any() and np.isfinite(got).all():
        factor = float(np.sum(got * expected) / np.sum(expected**2))
        if close(factor * expected):
            return [f"a factor is missing, or one too many: every entry is {factor:g} times the right one"]
    return []


def _text(array: np.ndarray, digits: int, indent: int = 4) -> str:
    space = " " * indent
    array = array + 0.0 if array.dtype.kind == "f" else array  # this turns -0 into 0
    return space + np.array2string(array, precision=digits, separator=", ", prefix=space)


def nudge(check: Callable[..., Any], *arguments: Any, **keywords: Any) -> None:
    """Compare gradients with nudging, at random numbers, by one of the checks of tinydl.gradcheck; print one line.

    Raises:
        Wrong: a gradient differs.
    """
    try:
        check(*arguments, **keywords)
    except GradientCheckError as error:
        faults = [row for row in error.report.arrays.values() if not row.passed]
        faults.sort(key=lambda row: row.probes == 0)  # wrong ones first, then those that could not be checked
        raise Wrong(
            "With random numbers and other shapes, there is a mistake. (If the example is right: does your code\n"
            "contain numbers or shapes of it?) The checker, which nudges each number a little, says:\n  "
            + (faults[0].detail if faults else str(error))
        ) from None
    print("right: with random numbers, each gradient is what nudging gives")
