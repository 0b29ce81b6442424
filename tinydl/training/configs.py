"""Objects with constructor arguments as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

NEWER: dict[str, Any] = {  # arguments that older files lack, with the value that they had: written only if it differs
    "kernel_regularizer": None, "keras_epsilon": False,
}  # fmt: skip


def arguments_of(value: Any) -> dict[str, Any]:
    """The constructor's arguments that a file holds."""
    config = value.get_config()
    return {name: each for name, each in config.items() if name not in NEWER or each != NEWER[name]}


def object_to_config(value: Any) -> Any:
    """An optimizer, loss, schedule or regularizer: {"class": ..., "arguments": {...}}; other values as they are."""
    if hasattr(value, "get_config"):
        arguments = {name: object_to_config(argument) for name, argument in arguments_of(value).items()}
        return {"class": type(value).__name__, "arguments": arguments}
    return value


def create(kind: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """An object of a known class from a file's arguments; the constructor checks their values."""
    if not all(map(str.isidentifier, arguments)):  # Python's error would print such a name as it is
        raise ValueError(f"arguments must have Python's names, got {list(arguments)!r}")
    return kind(**arguments)
