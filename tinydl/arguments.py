"""Checks of hyper-parameters, whose errors read "owner: expected value, got actual value", and `Configured`, which
reads back an object's constructor arguments so that the object can be shown, saved and copied.
"""

from __future__ import annotations

import inspect
import math
import os
import sys
from collections.abc import Collection
from difflib import get_close_matches
from numbers import Integral
from typing import Any

import numpy as np

from .caches import without_caches
from .keywords import Checked, parameters_of


def whole(owner: str, name: str, value: Any, least: float = 0) -> int:
    """Return `value` as an int; raise unless it is an integer >= `least`, which may be -inf."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        bound = f" >= {least}" if least > -math.inf else ""
        raise ValueError(f"{owner}: {name} must be an integer{bound}, got {brief(value)}{_whole_meant(value)}")
    return int(value)


def positive_int(owner: str, name: str, value: Any) -> int:
    """Return `value` as an int; raise unless it is an integer >= 1."""
    return whole(owner, name, value, 1)


def flag(owner: str, name: str, value: Any) -> bool:
    """Return `value` as a bool; raise unless it is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{owner}: {name} must be True or False, got {value!r}")
    return bool(value)


def path(owner: str, name: str, value: Any) -> str:
    """Return `value` as a string; raise unless it is a string or a pathlib.Path."""
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str):
        raise TypeError(f"{owner}: {name} must be a string or a pathlib.Path, got {brief(value)}")
    return text


def float_dtype(owner: str, dtype: Any) -> np.dtype:
    """Return `dtype` as a NumPy dtype; raise unless it is float32 or float64, which the kernels support."""
    try:
        found = None if dtype is None else np.dtype(dtype)
    except TypeError:
        found = None
    if found is None or found not in (np.dtype(np.float32), np.dtype(np.float64)):  # NumPy reads None as float64
        raise ValueError(f"{owner}: dtype must be float32 or float64, got {dtype!r}: write 'float32'")
    return found


def number(owner: str, name: str, value: Any, low: float = -math.inf, high: float = math.inf) -> float:
    """Return `value` as a float; raise unless it is finite and low <= value < high."""
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if isinstance(value, np.generic):  # the bounds would overflow in a comparison with a float32
        value = value.item()
    if not real or not abs(value) <= sys.float_info.max or not low <= value < high:
        bounds = f" with {low:g} <= {name}" + (f" < {high:g}" if high < math.inf else "") if low > -math.inf else ""
        mend = _number_meant(value)
        if not mend and real and (low, high) == (0, 1) and 10 <= value <= 100:
            mend = f": write {value / 100:g} for {value:g} %"
        raise ValueError(f"{owner}: {name} must be a finite number{bounds}, got {brief(value)}{mend}")
    return float(value)


def positive(owner: str, name: str, value: Any, high: float = math.inf) -> float:
    """Return `value` as a float; raise unless it is finite and 0 < value < high."""
    negative = isinstance(value, int | float | np.integer | np.floating) and -math.inf < value < 0
    if negative or number(owner, name, value, 0, high) == 0:
        raise ValueError(f"{owner}: {name} must be above 0, got {value!r}")
    return float(value)


def one_of(owner: str, name: str, value: Any, choices: Collection[Any], hint: str = "") -> Any:
    """Return `value`; raise unless it is one of `choices` (strings, integers or None). `hint` ends the message, or else
    the choice that was probably meant."""
    if not isinstance(value, str | int | None) or isinstance(value, bool) or value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        mend = hint or _choice_meant(value, [choice for choice in choices if isinstance(choice, str)])
        raise ValueError(f"{owner}: {name} must be one of {listed}, got {brief(value)}{mend}")
    return value


def _choice_meant(value: Any, choices: Collection[str]) -> str:
    """The end of an error message, with the string meant by 'SAME', 'rleu', 'he', np.tanh or ReLU()."""
    if not isinstance(value, str):
        name = getattr(value, "__name__", type(value).__name__).lower()
        return f": write {name!r}" if name in choices else ""
    near = get_close_matches(value.lower(), choices, n=1)
    near += [choice for choice in choices if value and choice.startswith(value.lower())]
    return f": did you mean {near[0]!r}?" if near else ""


def _number_meant(value: Any) -> str:
    """The end of an error message, with the number in "0.001" or (0.001,)."""
    if isinstance(value, list | tuple) and len(value) == 1 and isinstance(value[0], int | float):
        return f": write {value[0]!r}"  # a comma too many
    if not isinstance(value, str):
        return ""
    try:
        return f": write {float(value):g} without quotes"
    except ValueError:
        return ""


def _whole_meant(value: Any) -> str:
    """The end of an error message, with the integer in "32", (32,) or 32.0."""
    if isinstance(value, float | np.floating) and math.isfinite(value):
        return f": write {int(value)}, or // for a division" if value == int(value) else ": round it, or divide with //"
    return _number_meant(value)


def brief(value: Any) -> str:
    """The value as messages show it: on one line, and not longer than a line."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python does not write out such numbers
        return "a whole number of more than 4,300 digits"
    return text if len(text) <= 100 else f"{text[:97]}..."


def cut(text: str) -> str:
    """`text` without its middle if it is longer than some lines, as one that quotes a damaged file may be."""
    return text if len(text) <= 600 else f"{text[:400]} ... {text[-150:]}"


def shown(text: str) -> str:
    """`text` with characters that do not print, such as a terminal's escape sequences, as in Python's source."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def channels_first(shape: tuple[int, ...], expected: tuple[int, ...] | None = None) -> str:
    """The end of an error message, with the remedy, if `shape` is that of a channels-first image; otherwise "".

    `expected`, if given, decides. Otherwise a square image with 1 or 3 channels in front counts as channels first.
    """
    if len(shape) != 3:
        return ""
    channels_last = (*shape[1:], shape[0])
    if expected is not None and channels_last == expected:
        return ": the images are channels first; put channels last, x.transpose(0, 2, 3, 1)"
    if expected is None and shape[0] in (1, 3) and shape[1] == shape[2] > 4:
        return f": if the images are channels first, use {channels_last} and put channels last, x.transpose(0, 2, 3, 1)"
    return ""


class Configured(Checked):
    """Base class for classes whose constructors store each argument as the attribute of the same name."""

    def __init__(self) -> None:
        """For classes without arguments."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments: `type(thing)(**thing.get_config())` recreates the object, but for its name."""
        parameters = parameters_of(type(self).__init__)[1:]
        several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        names = [each.name for each in parameters if each.kind not in several and each.name != "name"]
        for name in names:
            if not hasattr(self, name):
                must = f"its constructor must store the argument {name!r} as self.{name}"
                raise TypeError(f"{type(self).__name__}: {must}, so that the object can be shown, saved and copied")
        return {name: getattr(self, name) for name in names}

    def __getstate__(self) -> dict[str, Any]:
        """The content of copies and pickles: everything but caches (see caches.py)."""
        return without_caches(self)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"
