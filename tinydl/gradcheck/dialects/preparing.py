"""Preparation: objects whose init_params(n) or build(input_shape) creates the weights and must be called first."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..reach import attribute, parameters_of
from ..report import UnclearError
from .call import Call, listed, positional
from .names import method_of, plain
from .trial import copied, quietly

example = """
class Dense:
    def __init__(self, units=2):
        self.units = units

    def init_params(self, n_features):
        self.W = np.arange(float(n_features * self.units)).reshape(n_features, self.units) / 9 - 0.4

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dy):
        self.dW = self.x.T @ dy
        return dy @ self.W.T
"""

FIRST = (
    "build", "initparams", "initparameters", "initweights", "initializeparams", "initializeparameters",
    "initializeweights", "initialize", "initialise", "init", "setup", "initialiseweights", "initialiseparameters",
    "createparams", "createweights", "makeparams", "makeweights", "resetparameters", "reset", "setinputshape",
)  # fmt: skip
LAST_AXIS = (
    "n", "nin", "infeatures", "inputsize", "inputdim", "indim", "inputs", "nfeatures", "features", "fanin", "ninputs",
    "d", "din", "insize", "numfeatures", "numinputs", "inputfeatures", "dim", "nx", "idim",
)  # fmt: skip
SHAPES = ("inputshape", "shape", "inshape", "inputdims", "xshape")
GENERATORS = ("rng", "generator", "randomstate")


def is_built_anew(subject: Any) -> bool:
    """Whether each copy is built by build(input_shape, rng, dtype), as tinydl's layers are."""
    unbuilt = attribute(subject, "built") is False and callable(attribute(subject, "build"))
    return unbuilt and len(positional(subject.build)[0]) == 3


def prepare(call: Call) -> None:
    """If forward raises an error until the object's weights are created, create them in the call's copy of the object.

    Raises:
        UnclearError: the object has a method that creates weights, but the arguments of this method are unclear.
    """
    name = method_of(call.subject, FIRST)
    if name is None or isinstance(call.subject, type) or is_built_anew(call.subject):
        return
    error = _raised(call)
    if error is None:
        return
    method = getattr(call.subject, name)
    x = next(iter(call.inputs.values()))
    places = parameters_of(method).values()
    known = _known(np.asarray(x))
    needed = [p for p in places if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    unclear = [p.name for p in needed if plain(p.name) not in known]
    if not unclear:
        for values in _choices([known[plain(p.name)] for p in needed]):
            copy = copied(call)
            with quietly():
                try:
                    getattr(copy.subject, name)(*values)
                except Exception:
                    continue
            if _raised(copy) is None:
                call.subject = copy.subject
                shown = ", ".join("rng" if isinstance(v, np.random.Generator) else repr(v) for v in values)
                call.notes.append(f"{name}({shown}) was called first")
                return
    if unclear and isinstance(error, AttributeError | TypeError | KeyError):
        raise UnclearError(
            "prepare", f"forward raises {type(error).__name__} ({error}): call {name}(...) first. "
            f"The checker cannot call it, because the meaning of {listed(unclear)} is unclear",
        )  # fmt: skip


def _known(x: np.ndarray) -> dict[str, list[Any]]:
    """The possible values of arguments with known names, the likeliest first."""
    known: dict[str, list[Any]] = {name: [x.shape[-1] if x.ndim else 1] for name in LAST_AXIS}
    known |= {name: [x.shape[1:], x.shape] for name in SHAPES}
    known |= {name: [np.random.default_rng(0)] for name in GENERATORS}
    return known | {
        "x": [x],
        "input": [x],
        "seed": [0],
        "dtype": [np.dtype(np.float64)],
        "batchsize": [len(x) if x.ndim else 1],
    }


def _choices(options: list[list[Any]]) -> list[list[Any]]:
    """The first option of every argument, then the second of those that have two."""
    return [[each[min(k, len(each) - 1)] for each in options] for k in range(2)]


def _raised(call: Call) -> Exception | None:
    """The error that forward raises on a copy; None if it raises none."""
    copy = copied(call)
    with quietly():
        try:
            copy.forward()
        except Exception as error:
            return error
    return None
