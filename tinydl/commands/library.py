"""The checks of tinydl itself: the Check line in the docstring of every layer, loss and model."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from .. import gradcheck
from ..gradcheck import GradientCheckReport


def library() -> list[tuple[str, str, Callable[..., GradientCheckReport]]]:
    """Kind, name and check of every layer, loss and model, from the Check lines of their docstrings."""
    from .. import layers, losses, models

    return [
        (kind, name, partial(example, line, {**vars(layers), **vars(losses), **vars(models)}))
        for kind, module in (("layer", layers), ("loss", losses), ("model", models))
        for name, thing in vars(module).items()
        if not name.startswith("_") and (line := check_line(thing)) is not None
    ]


def check_line(thing: Any) -> str | None:
    """The call after "Check" in a docstring: check_layer, check_loss or check_model; None if there is no call."""
    found = re.search(r"^ *Check +(?=check_)(.*)", inspect.getdoc(thing) or "", re.MULTILINE | re.DOTALL)
    lines = found[1].splitlines() if found else []
    for end in range(1, len(lines) + 1):  # a long call continues on the next line
        call = " ".join(map(str.strip, lines[:end]))
        with suppress(SyntaxError):
            ast.parse(call, mode="eval")
            return call
    return None


def example(line: str, names: dict[str, Any], **options: Any) -> GradientCheckReport:
    """Run a Check line; the given options override those in the line."""

    def overridden(check: Callable[..., GradientCheckReport], *arguments: Any, **own: Any) -> GradientCheckReport:
        return check(*arguments, **{**own, **options})

    checks = ("check_layer", "check_loss", "check_model")
    known = {name: partial(overridden, getattr(gradcheck, name)) for name in checks}
    return eval(line, {**names, **known, "np": np, "rng": np.random.default_rng(0)})
