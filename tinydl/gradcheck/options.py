"""The options and the input of a check, and their validation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from .. import arguments
from .reach import attribute

METHODS = ("auto", "central", "complex")
MODES = ("sampled", "directional")


@dataclass(frozen=True)
class Options:
    """The options common to all checks, with their defaults; see `check_layer` for their meaning."""

    rtol: float = 1e-6
    atol: float = 1e-8
    step: float = 1e-5
    probes: int = 64
    zero_ok: Sequence[str] = ()
    seed: int = 0
    method: str = "auto"
    mode: str = "sampled"
    directions: int = 1

    @classmethod
    def of(cls, owner: str, given: Mapping[str, Any], inputs: Sequence[str] = ()) -> Options:
        """The options given as keywords, validated; the others keep their defaults. inputs: other known keywords."""
        names = [field.name for field in fields(cls)]
        for name in given:
            if name not in names:
                near = get_close_matches(name, [*names, *inputs], 1)
                hint = f": did you mean {near[0]}?" if near else f": the options are {', '.join(names)}"
                hint += f"; forward takes {', '.join(inputs)}" if inputs and not near else ""
                raise TypeError(f"{owner}: there is no option {name!r}{hint}")
        options = cls(**given)
        for name, lowest in (("rtol", 0.0), ("atol", 0.0), ("step", math.ulp(0.0))):
            value = getattr(options, name)
            if isinstance(value, bool) or not isinstance(value, Real) or not lowest <= float(value) < math.inf:
                kind = "a positive number" if name == "step" else "a number >= 0"
                raise ValueError(f"{owner}: {name} must be {kind}, got {value!r}")
        for name, least in (("probes", 1), ("seed", 0), ("directions", 1)):
            arguments.whole(owner, name, getattr(options, name), least)
        if isinstance(options.zero_ok, str) or not all(isinstance(name, str) for name in options.zero_ok):
            raise TypeError(f"{owner}: zero_ok must be a tuple of names such as ('b',), got {options.zero_ok!r}")
        arguments.one_of(owner, "method", options.method, METHODS)
        arguments.one_of(owner, "mode", options.mode, MODES)
        defaults = cls()
        return cls(*(type(getattr(defaults, name))(getattr(options, name)) for name in names))

    def rng(self, purpose: int) -> np.random.Generator:
        """A separate random stream for each purpose >= 1 (0 would give the stream of default_rng(seed))."""
        return np.random.default_rng([self.seed, purpose])


class Keywords(TypedDict, total=False):
    """The fields of `Options` as keyword arguments of the checks."""

    rtol: float
    atol: float
    step: float
    probes: int
    zero_ok: Sequence[str]
    seed: int
    method: str
    mode: str
    directions: int


def input_point(owner: str, name: str, x: Any, options: Options, position: int = 0) -> NDArray[np.float64]:
    """The point of the check, a new float64 array; if x is a shape, `position` selects the random stream."""
    if isinstance(x, tuple):
        if not x or not all(isinstance(n, Integral) and not isinstance(n, bool) and int(n) >= 1 for n in x):
            raise ValueError(f"{owner}: {name} as a shape must be a tuple of integers >= 1, got {x}")
        return options.rng(1 if position == 0 else 100 + position).standard_normal(x)
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "fiub":
        got = f"an array of {x.dtype}" if isinstance(x, np.ndarray) else f"{type(x).__name__} {x!r:.60}"
        raise TypeError(f"{owner}: {name} must be an array of numbers or a shape such as (3, 5), got {got}")
    if x.ndim == 0 or x.size == 0:
        raise ValueError(f"{owner}: {name} must have a batch axis and at least one entry, got shape {x.shape}")
    gaps = owner == "check_loss" and position > 0  # the targets of a loss may mark missing entries by NaN
    bad = np.argwhere(np.isinf(x) if gaps else ~np.isfinite(x))
    if len(bad):
        raise ValueError(f"{owner}: {name} has {len(bad)} NaN or infinite entries, the first at {bad[0].tolist()}")
    return np.array(x, dtype=np.float64, order="C")


def label(thing: Any) -> str:
    """An object's name in messages: its class, and its own name if it has one."""
    name = attribute(thing, "name")
    return f"{type(thing).__name__} {name!r}" if isinstance(name, str) else type(thing).__name__


def name_of(function: Any) -> str:
    """The name of a function in messages: Tanh.forward for a method."""
    owner = getattr(function, "__self__", None)
    name = getattr(function, "__name__", type(function).__name__)
    return f"{type(owner).__name__}.{name}" if owner is not None and not isinstance(owner, type) else name
