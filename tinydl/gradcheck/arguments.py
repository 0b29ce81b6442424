"""What the checks are asked for: options and input, refused where they make no check."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

METHODS = ("auto", "central", "complex")
MODES = ("sampled", "directional")


@dataclass(frozen=True)
class Options:
    """The options that all checks share, validated."""

    rtol: float
    atol: float
    step: float
    probes: int
    zero_ok: tuple[str, ...]
    seed: int
    method: str
    mode: str
    directions: int

    @classmethod
    def of(
        cls,
        owner: str,
        rtol: float,
        atol: float,
        step: float,
        probes: int,
        zero_ok: Sequence[str],
        seed: int,
        method: str,
        mode: str,
        directions: int,
    ) -> Options:
        for name, value, lowest in (("rtol", rtol, 0.0), ("atol", atol, 0.0), ("step", step, math.ulp(0.0))):
            if isinstance(value, bool) or not isinstance(value, Real) or not lowest <= value < math.inf:
                kind = "a positive number" if name == "step" else "a number of 0 or more"
                raise ValueError(f"{owner}: {name} must be {kind}, got {value!r}")
        for name, count, least in (("probes", probes, 1), ("seed", seed, 0), ("directions", directions, 1)):
            if isinstance(count, bool) or not isinstance(count, Integral) or count < least:
                raise ValueError(f"{owner}: {name} must be a whole number of {least} or more, got {count!r}")
        if isinstance(zero_ok, str) or not all(isinstance(name, str) for name in zero_ok):
            raise TypeError(f"{owner}: zero_ok must be a tuple of names such as ('b',), got {zero_ok!r}")
        for name, word, words in (("method", method, METHODS), ("mode", mode, MODES)):
            if word not in words:
                raise ValueError(f"{owner}: {name} must be one of {', '.join(map(repr, words))}, got {word!r}")
        return cls(
            float(rtol), float(atol), float(step), int(probes), tuple(zero_ok), int(seed), method, mode, int(directions)
        )

    def rng(self, purpose: int) -> np.random.Generator:
        """A stream of its own for each purpose, from 1: [seed, 0] is the stream of default_rng(seed)."""
        return np.random.default_rng([self.seed, purpose])


def input_point(owner: str, name: str, x: Any, options: Options, position: int = 0) -> NDArray[np.float64]:
    """The point to check at, a float64 array of its own; arguments are drawn from one stream each, by position."""
    if isinstance(x, tuple):
        if not x or not all(isinstance(n, Integral) and not isinstance(n, bool) and int(n) >= 1 for n in x):
            raise ValueError(f"{owner}: {name} as a shape must be a tuple of whole numbers of 1 or more, got {x}")
        return options.rng(1 if position == 0 else 100 + position).standard_normal(x)
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "fiub":
        got = f"an array of {x.dtype}" if isinstance(x, np.ndarray) else f"{type(x).__name__} {x!r:.60}"
        raise TypeError(f"{owner}: {name} must be an array of numbers or a shape such as (3, 5), got {got}")
    if x.ndim == 0 or x.size == 0:
        raise ValueError(f"{owner}: {name} must have a batch axis and at least one entry, got shape {x.shape}")
    if not np.all(np.isfinite(x)):
        bad = np.argwhere(~np.isfinite(x))
        raise ValueError(f"{owner}: {name} has {len(bad)} NaN or infinite entries, the first at {bad[0].tolist()}")
    return np.array(x, dtype=np.float64, order="C")


def need_methods(owner: str, thing: Any, name: str) -> None:
    """Refuse a class, and anything without forward and backward."""
    if isinstance(thing, type):
        raise TypeError(f"{owner}: {name} is the class {thing.__name__}; pass an object of it: {thing.__name__}(...)")
    for method in ("forward", "backward"):
        if not callable(getattr(thing, method, None)):
            raise TypeError(
                f"{owner}: {name} must have the methods forward and backward; {thing!r:.80} has no {method}"
            )


def label(thing: Any) -> str:
    """How messages call it: its class, and its name if it has one."""
    name = getattr(thing, "name", None)
    return f"{type(thing).__name__} {name!r}" if isinstance(name, str) else type(thing).__name__
