"""The model and the rows that a command looks at: a file and arrays, a function that gives them, or an example."""

from __future__ import annotations

import argparse
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .target import CannotCheckError, Target, described, named

if TYPE_CHECKING:
    from ..model import Model

FORMS = "MODEL.safetensors, or FILE.py:NAME of a function that returns (model, x, y)"


def add_arguments(parser: argparse.ArgumentParser, rows: int | None = None) -> None:
    """Add TARGET, --x, --y and --rows. rows: the default of --rows, None for all rows that there are."""
    parser.add_argument("target", metavar="TARGET", nargs="?", help=f"{FORMS}; default: a built-in example")
    parser.add_argument("--x", metavar="FILE.npy", help="the inputs for MODEL.safetensors")
    parser.add_argument("--y", metavar="FILE.npy", help="the targets; may be left out if they are the inputs")
    parser.add_argument("--rows", type=rows_from, default=rows, metavar="N",
                        help=f"use the first N rows (default: {rows or 'all'})")  # fmt: skip


def rows_from(text: str) -> int:
    """Parse a number of rows."""
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer >= 1, got {text!r}")
    return int(text)


def model_and_rows(arguments: argparse.Namespace) -> tuple[Model, Any, Any]:
    """The compiled model with the first --rows rows of x and y. Choices that nobody made are named on stderr.

    Raises CannotCheckError, with the mend, for files and functions that cannot be used.
    """
    target, rows = arguments.target, arguments.rows
    if (arguments.x or arguments.y) and not str(target).endswith(".safetensors"):
        raise CannotCheckError(
            f"--x, --y: these go with MODEL.safetensors, got {'no TARGET' if target is None else f'TARGET {target}'}"
        )
    if target is None:
        from .small_network import small_network  # the other commands run where only NumPy is installed

        return small_network() if rows is None else small_network(rows)
    if target.endswith(".safetensors"):
        model, x, y = _from_files(target, arguments.x, arguments.y)
    else:
        model, x, y = _from_function(target)
    if model.optimizer is None or model.loss is None:
        got, mend = "one without optimizer and loss", "write FILE.py:NAME of a function that loads and compiles it"
        raise CannotCheckError(f"TARGET {target}: the model must be compiled, got {got}: {mend}")
    if len(x) == 0 or len(x) != len(y):
        raise CannotCheckError(f"TARGET {target}: x and y must have the same number of rows, got {len(x)} and {len(y)}")
    if rows is not None and len(x) > rows:
        _say(f"the first {rows} of {len(x):,} rows (--rows {len(x)} takes all)")
    return model, x[:rows], y[:rows]


def _from_files(target: str, x_file: str | None, y_file: str | None) -> tuple[Model, NDArray, NDArray]:
    from ..model import Model

    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            model = Model.load(target)
    except OSError as error:
        raise CannotCheckError(f"TARGET: {error}") from error
    except ValueError as error:
        mend = "for layers of your own, write FILE.py:NAME of a function that loads it"
        raise CannotCheckError(f"TARGET {target}: {error}: {mend}") from error
    for each in said:
        _say(str(each.message))
    if x_file is None:
        raise CannotCheckError(f"TARGET {target}: a model file holds no data: add --x FILE.npy --y FILE.npy")
    x = _array("--x", x_file)
    if y_file is not None:
        return model, x, _array("--y", y_file)
    if x.shape[1:] != model.output_shape:
        expected = f"of shape ({len(x)}, {', '.join(map(str, model.output_shape))})"
        raise CannotCheckError(f"--y: the targets must be given, {expected} or labels: add --y FILE.npy")
    _say("no --y: the inputs are the targets, as for an autoencoder")
    return model, x, x


def _array(option: str, file: str) -> NDArray:
    """The array in a .npy file, which is read only as far as its rows are used."""
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise CannotCheckError(f"{option}: there is no file {file}") from None
    except (OSError, ValueError, EOFError) as error:
        got = error.strerror if isinstance(error, OSError) and error.strerror else "a damaged or different file"
        mend = "write one with numpy.save(file, array)"
        raise CannotCheckError(f"{option} {file}: expected a .npy file with numbers, got {got}: {mend}") from error
    if not isinstance(array, np.ndarray):
        array.close()
    if not isinstance(array, np.ndarray) or array.ndim == 0:
        got = "a single number" if isinstance(array, np.ndarray) else "a .npz archive"
        raise CannotCheckError(f"{option} {file}: expected a .npy file with rows of numbers, got {got}")
    return array


def _from_function(target: str) -> tuple[Model, Any, Any]:
    where, colon, name = target.rpartition(":")
    if not colon or not where or not name:
        hint = f": write {target}:NAME" if target.endswith(".py") else ""
        raise CannotCheckError(f"TARGET: expected {FORMS}, got {target!r}{hint}")
    found = named(Target(where, name))
    if not callable(found):
        raise CannotCheckError(f"TARGET {target}: expected a function that returns (model, x, y), got {found!r:.80}")
    try:
        given = found()
    except (Exception, SystemExit) as error:
        raise CannotCheckError(f"TARGET {target}: {name}() failed: {described(error)}") from error
    from ..model import Model

    if not isinstance(given, tuple | list) or len(given) != 3 or not isinstance(given[0], Model):
        several = isinstance(given, tuple | list)
        got = f"({', '.join(type(each).__name__ for each in given)})" if several else type(given).__name__
        raise CannotCheckError(f"TARGET {target}: {name}() must return (model, x, y), got {got:.80}")
    model, x, y = given
    if not all(hasattr(each, "__len__") and hasattr(each, "__getitem__") for each in (x, y)):
        got = f"{type(x).__name__} and {type(y).__name__}"
        raise CannotCheckError(f"TARGET {target}: x and y must be arrays with one row per sample, got {got}")
    return model, x, y


def _say(line: str) -> None:
    print(line, file=sys.stderr)
