"""The base class of all callbacks, and the check that each method of a callback is one that a run calls."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import Any

from ..keywords import Checked
from ..network import NetworkInTraining
from ..optimizers import Optimizer
from ..schedules import Schedule

Logs = dict[str, float]
"""The values of figures by name."""


class Callback(Checked):
    """Base class of all callbacks, with one empty method per event. Epochs and batches count from 0.

    A method may have more parameters than the one it overrides if they have defaults: on_train_begin(self, logs=None),
    as written for Keras, works. A public method whose name begins with "on_" but that no run calls is refused.
    """

    model: NetworkInTraining
    params: dict[str, Any]
    every_batch = True  # whether on_train_batch_end must see every batch, not only some of them
    notes: list[str]  # those of the run's History: a callback adds what went wrong without ending the run

    @property
    def _optimizer(self) -> Optimizer:
        """The model's optimizer, which exists because a run requires a compiled model."""
        assert self.model.optimizer is not None
        return self.model.optimizer

    def check_run(self) -> None:
        """Raise if the run cannot succeed; called before any callback begins or any weight changes."""

    def on_train_begin(self) -> None: ...

    def on_epoch_begin(self, epoch: int) -> None: ...

    def on_train_batch_begin(self, batch: int) -> None: ...

    def on_train_batch_end(self, batch: int, logs: Logs) -> None: ...

    def on_epoch_end(self, epoch: int, logs: Logs) -> None: ...

    def on_train_end(self) -> None:
        """Called at the end of a run, even after Ctrl-C or an error."""

    def get_state(self) -> dict[str, Any]:
        """What this callback needs to go on after a restart: numbers, strings, arrays, and lists and dicts of these.

        A Checkpoint saves it. What the constructor sets need not be in it.
        """
        return {}

    def check_state(self, state: dict[str, Any]) -> None:
        """Raise if `set_state(state)` cannot succeed; called after `check_run`, before anything changes."""

    def set_state(self, state: dict[str, Any]) -> None:
        """Take up what `get_state` returned: called after `on_train_begin` in a run that continues from a file.

        If the file was made inside an epoch, it is called after that epoch's `on_epoch_begin`.
        """

    def _refuse_schedule(self) -> None:
        """Raise if the optimizer's rate is a schedule, which a callback that sets a number would switch off."""
        if isinstance(rate := self._optimizer.learning_rate, Schedule):
            expected, mend = (
                "the optimizer's learning_rate must be a number",
                "use either the schedule or this callback",
            )
            raise ValueError(f"{type(self).__name__}: {expected}, got {rate!r}: {mend}")


EVENTS = {  # each event with the arguments that its method receives
    "on_train_begin": (), "on_epoch_begin": ("epoch",), "on_train_batch_begin": ("batch",),
    "on_train_batch_end": ("batch", "logs"), "on_epoch_end": ("epoch", "logs"), "on_train_end": (),
}  # fmt: skip
NEVER_CALLED = {  # methods of Keras and of PyTorch Lightning, with what takes their place
    "set_model": "on_train_begin may read self.model", "set_params": "on_train_begin may read self.params",
    "on_batch_begin": "write on_train_batch_begin(self, batch)",
    "on_batch_end": "write on_train_batch_end(self, batch, logs)",
    "on_epoch_start": "write on_epoch_begin(self, epoch)", "on_train_epoch_start": "write on_epoch_begin(self, epoch)",
    "on_train_epoch_end": "write on_epoch_end(self, epoch, logs)", "on_train_start": "write on_train_begin(self)",
    "on_test_begin": "validation runs before on_epoch_end, whose logs hold its figures",
    "on_test_end": "validation runs before on_epoch_end, whose logs hold its figures",
}  # fmt: skip


def overrides(callback: Callback, event: str) -> bool:
    """Whether a callback has its own method for an event; calling the empty one for every batch would cost time."""
    method = getattr(callback, event)
    return getattr(method, "__func__", method) is not getattr(Callback, event)


def check_methods(callback: Callback) -> None:
    """Raise TypeError for a method that no run calls, or that cannot be called with its event's arguments."""
    owner = type(callback).__name__
    if overrides(callback, "get_state") != overrides(callback, "set_state"):
        has, lacks = ("get_state", "set_state") if overrides(callback, "get_state") else ("set_state", "get_state")
        raise TypeError(f"{owner}: get_state and set_state must come together, got only {has}: define {lacks}, too")
    for name in dir(callback):
        if name in EVENTS:
            _check_arguments(owner, name, getattr(callback, name))
        elif name in NEVER_CALLED or (name.startswith("on_") and callable(getattr(callback, name))):
            nearest = get_close_matches(name, EVENTS, n=1, cutoff=0)[0]
            mend = NEVER_CALLED.get(name, f"did you mean {nearest}? If you call it yourself, rename it to _{name}")
            raise TypeError(f"{owner}: methods must be of {', '.join(EVENTS)}, got {name}, which no run calls: {mend}")


def _check_arguments(owner: str, name: str, method: Any) -> None:
    expected = EVENTS[name]
    if not callable(method):
        raise TypeError(f"{owner}: {name} must be a method, got {method!r}")
    function = getattr(method, "__func__", None)  # of a method; LambdaCallback sets plain functions
    given = expected if function is None else ("self", *expected)
    try:
        signature = inspect.signature(method if function is None else function)
    except (TypeError, ValueError):  # a built-in function without a signature
        return
    try:
        signature.bind(*given)
    except TypeError:
        takes = ", ".join(given)
        mend = takes if "logs" in expected else f"{takes}, logs=None"
        raise TypeError(f"{owner}: {name} must take ({takes}), got {signature}: write {name}({mend})") from None
