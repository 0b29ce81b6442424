"""float32 stays float32: with any layer, loss or optimizer, no array in a training step is float64.

The exceptions are sums over a batch or an image, listed below: one number per channel and thread, rounded at the end.
"""

from __future__ import annotations

import copy
import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import tinydl
from tests.proofs.cases import LayerCase
from tests.proofs.specs import LOSSES, OPTIMIZERS
from tests.proofs.stacks import CASES, batch, stack
from tinydl.gradcheck.reach import reach
from tinydl.layers import Dense, Layer, Tanh
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import SGD, Adam, RMSprop
from tinydl.schedules import CosineDecay, LinearWarmup, OneCycle

PACKAGE = Path(tinydl.__file__).parent
SUMS = {
    f"{file}: {function}: {name}"
    for file, function, names in (
        ("batch_norm.py", "statistics", "moments"),
        ("batch_norm.py", "_backward", "sums"),
        ("sums.py", "over_rows", "sums"),
        ("direct.py", "backward", "db_parts db_part"),
        ("patches.py", "backward", "db_parts"),
        ("winograd.py", "backward", "db_parts"),
        ("winograd_blocks.py", "backward", "db_parts"),
    )
    for name in names.split()
}


class Float64Finder:
    """A context manager that records the float64 arrays, except SUMS, that functions of tinydl return or hold in variables."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def __enter__(self) -> Float64Finder:
        self._before = sys.getprofile()
        sys.setprofile(self._look)
        return self

    def __exit__(self, *error: Any) -> None:
        sys.setprofile(self._before)

    def _look(self, frame: FrameType, event: str, value: Any) -> None:
        if event != "return" or not frame.f_code.co_filename.startswith(str(PACKAGE)):
            return
        for name, local in {**frame.f_locals, "its result": value}.items():
            where = f"{Path(frame.f_code.co_filename).name}: {frame.f_code.co_name}: {name}"
            if isinstance(local, np.ndarray) and local.dtype == np.float64 and where not in SUMS:
                self.found.append(where)


PLAIN = LayerCase(Dense(4, "relu"), (8, 5))
# Besides the kinds in the specs: NumPy scalars as hyper-parameters, and schedules, which compute in float64.
OPTIMIZERS_WITH_MORE = {
    **{f"{name} {kind}": make for name, spec in OPTIMIZERS.items() for kind, make in spec.kinds.items()},
    "NumPy scalars": lambda: Adam(np.float64(0.01), weight_decay=np.float64(0.1), global_clipnorm=0.1),
    "schedule": lambda: SGD(LinearWarmup(CosineDecay(np.float64(0.1), 9), 2), momentum=0.9, nesterov=True),
    "one cycle": lambda: RMSprop(OneCycle(np.float64(0.1), 9), global_clipnorm=1e-3),
}


def step_in_float32(case: LayerCase, loss: Any, y: Any, optimizer: Any, end: Sequence[Layer] = ()) -> None:
    """Check a training step for float64 arrays, which NumPy creates silently, e.g. by np.zeros(shape) or np.sqrt(2)."""
    model = stack(case, copy.deepcopy(end))
    model.compile(optimizer, loss)
    x, targets = batch(model)
    y = targets if y is None else y
    seen: list[tuple[str, str, np.dtype]] = []
    for layer in model.root.walk():
        watch(layer, seen)
    model.predict(x)  # first, because constants (Winograd's matrices) are computed once, in float64
    with Float64Finder() as finder:
        for _ in range(2):
            model.train_on_batch(x, y)
        model.evaluate(x, y)
        model.backward(model.loss.backward())  # down to the input: a training step omits the lowest dx
        prediction = model.predict(x)
    assert finder.found == []
    assert {what for _, what, _ in seen} == {"y", "dx"}
    assert [entry for entry in seen if entry[2] != np.float32] == []
    assert prediction.dtype == np.float32
    # Every array that the model still holds: parameters, gradients, slots, caches.
    arrays = [thing for _, thing in reach(model) if isinstance(thing, np.ndarray)]
    assert any(array is model.gradients for array in arrays)
    assert [array.shape for array in arrays if array.dtype == np.float64] == []


@pytest.mark.parametrize("name", CASES)
def test_no_float64_array_in_a_step_of_a_layer(name: str) -> None:
    step_in_float32(CASES[name], MeanSquaredError(), None, Adam(np.float64(0.01), weight_decay=0.1))


@pytest.mark.parametrize(("loss", "optimizer"), list(itertools.product(LOSSES, OPTIMIZERS_WITH_MORE)))
def test_no_float64_array_in_a_step_of_a_loss_and_an_optimizer(loss: str, optimizer: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(2):  # two draws: usually labels and probabilities, if the loss accepts both
        subject, y = LOSSES[loss].draw(lambda options: options[int(rng.integers(len(options)))], rng, (8, 3))
        y = y.astype(np.float32) if y.dtype.kind == "f" else y
        step_in_float32(PLAIN, subject, y, OPTIMIZERS_WITH_MORE[optimizer](), LOSSES[loss].end)


def watch(layer: Layer, seen: list[tuple[str, str, np.dtype]]) -> None:
    """Record the dtypes of a layer's outputs and of the gradients it passes down."""
    forward, backward = layer.forward, layer.backward

    def watched_forward(x: np.ndarray, training: bool = False) -> np.ndarray:
        y = forward(x, training)
        seen.append((layer.label, "y", y.dtype))
        return y

    def watched_backward(dy: np.ndarray) -> np.ndarray:
        dx = backward(dy)
        seen.append((layer.label, "dx", dx.dtype))
        return dx

    layer.forward, layer.backward = watched_forward, watched_backward  # type: ignore[method-assign]


class LeakyInside(Tanh):
    """Returns float32, but computes in float64, which takes twice the memory and more than twice the time."""

    def backward(self, dy: np.ndarray) -> np.ndarray:
        slope = 1 - self._y * np.sqrt(np.ones(1)) * self._y
        return (dy * slope).astype(dy.dtype)


def test_the_finder_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", Path(__file__).parent)
    layer = LeakyInside()
    with Float64Finder() as finder:
        y = layer.forward(np.ones((2, 3), np.float32))
        layer.backward(y)
    assert finder.found == ["test_float32.py: backward: slope"]
