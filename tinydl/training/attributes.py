"""Attributes that were set from outside but that nothing reads: a setting that is ignored is worse than an error.

Python accepts `layer.trainble = False` without a word, and `layer.units = 7` on a layer that was built with 5 units.
`compile` and `fit` look through the objects of tinydl's own classes for names that the class does not know, values that
the constructor would refuse, and arguments that were used up when the layer was built. Names that begin with an
underscore are left alone, and so are the objects of a user's classes.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

from ..arguments import Configured
from ..keywords import INSTEAD, nearest
from ..layer import Layer

TRAINABLE = "to freeze the layer, write layer.trainable = False"
IN_PARAMS = "the arrays are in params: write layer.params['W'][...] = values"
OF_THE_OPTIMIZER = "it belongs to the optimizer: model.optimizer.learning_rate = ..."
ADVICE = {
    "Layer": {
        "requires_grad": TRAINABLE, "frozen": TRAINABLE, "freeze": TRAINABLE,
        "W": IN_PARAMS, "b": IN_PARAMS, "weight": IN_PARAMS, "kernel": IN_PARAMS, "bias": IN_PARAMS,
    },
    "Model": {"lr": OF_THE_OPTIMIZER, "learning_rate": OF_THE_OPTIMIZER},
}  # fmt: skip


def is_ours(thing: Any) -> bool:
    """Whether the object's class is tinydl's: the attributes of a user's class are the user's own affair."""
    return type(thing).__module__.partition(".")[0] == __name__.partition(".")[0]


def check_names(owner: str, name: str, thing: Any, more: frozenset[str] = frozenset()) -> None:
    """Raise AttributeError if the object holds a public attribute that its class does not know. `more`: names it does.

    owner: the method that checks; name: the object's name in messages
    """
    if not is_ours(thing):
        return
    known = more | _known(type(thing))  # type: ignore[arg-type]
    for each in vars(thing):
        if not each.startswith("_") and each not in known:
            mend = _mend(type(thing), each, known)
            raise AttributeError(f"{owner}: {name} has no attribute {each!r}, but it was set: {mend}")


@cache
def _known(cls: type) -> frozenset[str]:
    """Attributes, methods, annotations and constructor arguments."""
    annotations = (vars(base).get("__annotations__", ()) for base in cls.__mro__)
    return frozenset(dir(cls)).union(inspect.signature(cls).parameters, *annotations)


def _mend(cls: type, name: str, known: frozenset[str]) -> str:
    bases = [base.__name__ for base in cls.__mro__]
    for advice in (ADVICE, INSTEAD):
        for base in bases:
            if name in advice.get(base, ()):
                return advice[base][name]
    near = nearest(name, [each for each in sorted(known) if not each.startswith("_")])
    return (
        f"did you mean {near}?" if near else "nothing reads it (begin the names of your own notes with an underscore)"
    )


def check_values(thing: Configured) -> None:
    """Raise as the constructor does if it would refuse the present values of its arguments."""
    config = thing.get_config()
    if is_ours(thing) and not any(isinstance(each, Layer | list | tuple) for each in config.values()):
        type(thing)(**config)


def remember(root: Layer) -> None:
    """Keep the arguments that the layers have just been built with."""
    for layer in root.walk():
        if is_ours(layer):
            layer._built_with = _used_up(layer)


def check_layers(owner: str, root: Layer) -> None:
    """Check names and values of all layers, and that built layers keep the arguments that they were built with."""
    for layer in root.walk():
        check_names(owner, layer.label, layer)
        if not is_ours(layer):
            continue
        if layer._built_with is not None:
            now = _used_up(layer)
            for name, old in layer._built_with.items():
                if not _same(old, now[name]):
                    mend = "build a new Model for another value"
                    got = f"{_shown(now[name])}, which the built layer would ignore"
                    raise ValueError(f"{owner}: {layer.label}.{name} must stay {_shown(old)}, got {got}: {mend}")
        check_values(layer)
        check_settings(owner, getattr(layer, "kernel_regularizer", None))


def _used_up(layer: Layer) -> dict[str, Any]:
    """The constructor's arguments that are read by `build` alone. Lists are copied, as they can change in place."""
    config = {name: value for name, value in layer.get_config().items() if name not in layer.live}
    return {name: list(value) if isinstance(value, list) else value for name, value in config.items()}


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_same, old, new))
    return old is new or (not isinstance(old, Layer) and type(old) is type(new) and bool(old == new))


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    return value.label if isinstance(value, Layer) else repr(value)


def check_settings(owner: str, *things: Any) -> None:
    """Check names and values of an optimizer, its schedule, and a loss."""
    for thing in things:
        if isinstance(thing, Configured):
            check_names(owner, type(thing).__name__, thing)
            check_values(thing)
