"""Suspects found by an experiment on backward as a whole: change dy, keep each use's values, or undo an update."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from .evidence import SAME, Evidence
from .experiment import Trial, Uses, raw_backward, replayed
from .factors import DERIVATIVES, meaning, written
from .held import kept_arrays, objects_inside


def derivative_forgotten(e: Evidence) -> str | None:
    """Backward is right for dy f'(y): the derivative of the activation that comes last is left out, or taken twice."""
    trial = replayed(e)
    if trial is None:
        return None
    arrays = {"y": trial.y, trial.x_name: trial.x}
    arrays |= {name: array.copy() for name, array in kept_arrays(trial.runner).items()}
    tries = [
        (written(text, name), function, array)
        for name, array in arrays.items()
        if array.shape == trial.y.shape
        for text, function in DERIVATIVES
    ]
    for words, function, array in e.in_time(tries, 0.2):
        with np.errstate(all="ignore"):
            factor = function(array)
            ways = [("multiplied", trial.dy * factor), ("divided", trial.dy / factor)]
        if not np.all(np.isfinite(factor)) or np.ptp(factor) <= SAME * np.max(np.abs(factor)):
            continue
        for how, dy in ways:
            if not np.all(np.isfinite(dy)):
                continue
            with suppress(Exception):
                if trial.fits(trial.gradient(e.name, dy=dy)):
                    what = "is left out" if how == "multiplied" else "is taken once too often"
                    known = meaning(words)
                    return f"a derivative {what}: the gradient is right once dy is {how} by {words}{known}"
    return None


def used_twice(e: Evidence) -> str | None:
    """An object is used twice in a pass, and its second use overwrites values that the first one's backward needs."""
    with suppress(Exception):
        trial = replayed(e)
        if trial is None:
            return None
        for path, thing in e.in_time(objects_inside(trial.runner), 0.2):
            with suppress(Exception), Uses(thing) as uses:
                given = trial.gradient(e.name, uses.turn)
                if uses.count > 1 and trial.fits(given):
                    uses_it = f"forward uses {path} {uses.count} times, and each use overwrites the values kept before"
                    return f"{uses_it}: the gradient is right if every use keeps its own: make one object for each"
    return None


def updated_first(e: Evidence) -> str | None:
    """Backward updates an array before using it; with the update undone beforehand, the gradient is right."""
    with suppress(Exception):
        trial = Trial(e.scene)
        before = {name: array.copy() for name, array in trial.runner.params.items()}
        trial.runner.forward(trial.x)
        raw_backward(trial.runner, trial.dy)
        updates = {name: trial.runner.params[name] - value for name, value in before.items()}
        names = [name for name, update in updates.items() if np.any(update)]
        if not names:
            return None
        fresh = replayed(e)

        def ahead(runner: Any) -> None:
            for name in names:
                runner.params[name][...] = before[name] - updates[name]

        if fresh is not None and fresh.fits(fresh.gradient(e.name, ahead)):
            which = " and ".join(names)
            return f"backward updates {which} and then uses the new values: compute every gradient before the update"
    return None
