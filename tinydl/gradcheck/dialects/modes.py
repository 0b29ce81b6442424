"""Modes: objects that an attribute (`training`) or train() and eval() switch between training and inference."""

from __future__ import annotations

from typing import Any

from ..reach import attribute, parameters_of, reach
from .names import MODES, plain

example = """
class HalfDropout:
    def __init__(self):
        self.training = False

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        self.mask = np.arange(x.size).reshape(x.shape) % 2 if self.training else 1.0
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask
"""

Switch = tuple[Any, str, Any, Any]  # an object, an attribute or "()", and the two values or method names


def switches(subject: Any) -> list[Switch]:
    """The switches between training and inference in the subject and in the objects that it holds."""
    found: list[Switch] = []
    for path, thing in reach(subject):
        if isinstance(thing, dict | list | tuple) or attribute(thing, "__dict__") is None:
            continue
        if any(kind in ("cell", "global", "function") for kind, _ in path):
            continue
        found += [
            (thing, name, True, False)
            for name, value in vars(thing).items()
            if isinstance(value, bool) and (name.lstrip("_") in MODES or plain(name) == "istraining")
        ]
        if vars(thing).get("mode") in ("train", "training"):
            mode = vars(thing)["mode"]
            found.append((thing, "mode", mode, {"train": "test", "training": "testing"}[mode]))
    evaluate = next((name for name in ("eval", "evaluate", "test", "inference") if _is_switch(subject, name)), None)
    if _is_switch(subject, "train") and evaluate:
        found.append((subject, "()", "train", evaluate))
    return found


def _is_switch(subject: Any, name: str) -> bool:
    """Whether a method can be called without arguments."""
    method = attribute(subject, name)
    if not callable(method) or isinstance(subject, type):
        return False
    parameters = parameters_of(method).values()
    return all(p.default is not p.empty for p in parameters) and len(parameters) < 2


def turn(found: list[Switch], training: bool) -> None:
    """Set every switch."""
    for thing, name, on, off in found:
        wanted = on if training else off
        if name == "()":
            getattr(thing, wanted)()
        else:
            setattr(thing, name, wanted)


def remark(found: list[Switch], training: bool) -> list[str]:
    """A note for each attribute that has the value of the other mode and is therefore changed in the copies."""
    wrong = {
        f"{name}={on if training else off!r}"
        for thing, name, on, off in found
        if name != "()" and getattr(thing, name) != (on if training else off)
    }
    return [f"checked with {each}: pass training={not training} for the other mode" for each in sorted(wrong)]
