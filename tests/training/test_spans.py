"""Compiled spans of steps against the layers, bit by bit."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl import Model, kernels, models
from tinydl.batches import Batches
from tinydl.callbacks import Callback, Checkpoint, LearningRateScheduler, ModelCheckpoint
from tinydl.layers import ActivityL1, Dense, Residual, Sequential
from tinydl.losses import Huber, MeanSquaredError
from tinydl.optimizers import SGD, Adam, Lion, Optimizer, RMSprop
from tinydl.schedules import CosineDecay, Schedule
from tinydl.training import spans

RNG = np.random.default_rng(0)
X = RNG.normal(size=(333, 7)).astype(np.float32)
Y = np.stack([X.sum(axis=1), X[:, 0] * X[:, 1], np.sin(X[:, 2])], axis=1).astype(np.float32)


def regressor(dtype: str = "float32", seed: int = 0) -> Model:
    layers = [Dense(20, "relu"), Sequential([Dense(9), Dense(33, "relu", use_bias=False)]), Dense(3)]
    return Model(layers, 7, seed, dtype)


def vanilla() -> Model:
    return models.vanilla_autoencoder(7)


class Counter:
    """Counts the steps that compiled code takes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = 0
        take = spans.Spans._take

        def counted(*arguments: Any) -> tuple[int, float]:
            taken, loss = take(*arguments)
            self.steps += taken
            return taken, loss

        monkeypatch.setattr(spans.Spans, "_take", counted)


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    return Counter(monkeypatch)


def bits_of(model: Model) -> dict[str, Any]:
    assert model.optimizer is not None
    return {
        "parameters": model.parameters.tobytes(),
        "slots": {name: slot.tobytes() for name, slot in model.optimizer.slots.items()},
        "steps": model.optimizer.iterations,
        "generator": model.rng.bit_generator.state,
        "caches": [each._y.tobytes() for each in model.root.walk() if isinstance(each, Dense)],
    }


def trained(model: Model, optimizer: Optimizer, x: Any, y: Any, by_layers: bool, **options: Any) -> tuple[Any, ...]:
    model.compile(optimizer, MeanSquaredError())
    with pytest.MonkeyPatch.context() as patch:
        if by_layers:
            patch.setattr(spans.Spans, "of", lambda *ignored: None)
        history = model.fit(x, y, verbose=0, **options)
    return bits_of(model), model.gradients, history.history


OPTIMIZERS: dict[str, Callable[[], Optimizer]] = {
    "sgd": lambda: SGD(0.01),
    "momentum": lambda: SGD(0.01, momentum=0.9),
    "nesterov": lambda: SGD(0.01, momentum=0.9, nesterov=True, weight_decay=0.01),
    "rmsprop": lambda: RMSprop(1e-3),
    "rmsprop of keras": lambda: RMSprop(1e-3, keras_epsilon=True, epsilon=1e-7),
    "adam": lambda: Adam(1e-3),
    "adam of keras": lambda: Adam(1e-3, keras_epsilon=True, epsilon=1e-7),
    "adamw": lambda: Adam(1e-3, weight_decay=0.1),
    "schedule": lambda: Adam(CosineDecay(1e-2, decay_steps=37)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("case", ["autoencoder", "regressor", "float64"])
def test_the_bits_are_those_of_the_layers(name: str, case: str, counter: Counter) -> None:
    if case == "autoencoder":
        build, x, y = vanilla, X, X
    else:
        dtype = "float64" if case == "float64" else "float32"
        build, x, y = (lambda: regressor(dtype)), X.astype(dtype), Y.astype(dtype)
    options = {"epochs": 3, "batch_size": 16, "validation_split": 0.1}
    by_layers = trained(build(), OPTIMIZERS[name](), x, y, True, **options)
    assert counter.steps == 0
    by_spans = trained(build(), OPTIMIZERS[name](), x, y, False, **options)
    assert counter.steps == 3 * (math.ceil(299 / 16) - 2)
    assert by_spans[0] == by_layers[0]
    np.testing.assert_array_equal(by_spans[1], by_layers[1])
    assert by_spans[2] == by_layers[2]


@pytest.mark.parametrize(("rows", "batch_size", "shuffle"), [(64, 16, False), (65, 16, True), (333, 1, True), (40, 20, True),
                                                              (333, 500, True), (5, 2, False)])  # fmt: skip
def test_sizes(rows: int, batch_size: int, shuffle: bool) -> None:
    options = {"epochs": 2, "batch_size": batch_size, "shuffle": shuffle}
    assert (
        trained(regressor(), Adam(), X[:rows], Y[:rows], False, **options)[::2]
        == trained(regressor(), Adam(), X[:rows], Y[:rows], True, **options)[::2]
    )


@pytest.mark.parametrize("units", [20, 240])
def test_large_batches(counter: Counter, units: int) -> None:
    """The layers cut such batches by rows of x (20 units) or of W (240 units), for threads."""
    x = np.random.default_rng(3).normal(size=(1300, 31)).astype(np.float32)
    y = x[:, :21] ** 2

    def build() -> Model:
        return Model([Dense(units, "relu"), Dense(units), Dense(21)], 31, 0)

    by_layers = trained(build(), Adam(), x, y, True, epochs=2, batch_size=239)
    assert counter.steps == 0
    by_spans = trained(build(), Adam(), x, y, False, epochs=2, batch_size=239)
    assert counter.steps == 8
    assert by_spans[::2] == by_layers[::2]


def test_random_networks(counter: Counter) -> None:
    rng = np.random.default_rng(5)
    for seed in range(12):
        depth = int(rng.integers(1, 6))
        shape = [
            (int(rng.integers(1, 70)), ("relu", None, "sigmoid", "tanh")[rng.integers(4)], bool(rng.integers(2)))
            for _ in range(depth)
        ]

        def build(seed: int = seed, shape: Any = shape) -> Model:
            return Model([*(Dense(units, f, use_bias=bias) for units, f, bias in shape), Dense(3)], 7, seed)

        options = {"epochs": 2, "batch_size": int(rng.integers(1, 80))}
        assert (
            trained(build(), Adam(), X, Y, False, **options)[::2]
            == trained(build(), Adam(), X, Y, True, **options)[::2]
        )
    assert counter.steps > 0


# --- what falls back --------------------------------------------------------------------------------------------------


class Listener(Callback):
    def __init__(self) -> None:
        self.batches: list[int] = []

    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        self.batches.append(batch)


class Own(Dense):
    """A layer of one's own."""


class Halved(Schedule):
    def __call__(self, step: int) -> float:
        return 0.1 / 2**step


class Doubled(Batches):
    def take(self, rows: Any, rng: Any = None) -> Any:
        x, y = super().take(rows, rng)
        return 2 * x, y


FALL_BACK: dict[str, Callable[[], dict[str, Any]]] = {
    "a listener": lambda: {"callbacks": [Listener()]},
    "a metric": lambda: {"metrics": ["r2"]},
    "another loss": lambda: {"loss": Huber()},
    "another optimizer": lambda: {"optimizer": Lion(1e-3)},
    "clipping": lambda: {"optimizer": Adam(global_clipnorm=1.0)},
    "a penalty": lambda: {"layers": [Dense(5), ActivityL1(0.1), Dense(3)]},
    "a regularizer": lambda: {"layers": [Dense(5, kernel_regularizer="l2"), Dense(3)]},
    "a residual": lambda: {"layers": [Residual([Dense(7)]), Dense(3)]},
    "a shared layer": lambda: {"layers": [(shared := Dense(7)), shared, Dense(3)]},
    "a layer of one's own": lambda: {"layers": [Own(5), Dense(3)]},
    "a large layer": lambda: {"layers": [Dense(60_000), Dense(3)]},
    "weights of rows": lambda: {"sample_weight": np.linspace(0, 1, len(X))},
    "steps": lambda: {"steps_per_epoch": 5},
    "own batches": lambda: {"x": Doubled(X, Y), "y": None},
    "integers, which are no exception": lambda: {"x": np.arange(7 * 333).reshape(333, 7) % 5},
}


@pytest.mark.parametrize("name", FALL_BACK)
def test_anything_else_is_trained_by_the_layers(name: str, counter: Counter) -> None:
    case = FALL_BACK[name]()
    layers = case.pop("layers", None) or [Dense(5, "relu"), Dense(3)]
    model = Model(layers, 7)
    model.compile(
        case.pop("optimizer", None) or Adam(), case.pop("loss", None) or MeanSquaredError(), case.pop("metrics", ())
    )
    x, y = case.pop("x", X), case.pop("y", Y)
    history = model.fit(x, y, verbose=0, batch_size=16 if y is not None else None, **case)
    assert math.isfinite(history.history["loss"][0])
    assert counter.steps == (19 if name.startswith("integers") else 0)


def test_a_frozen_layer_and_a_change_between_epochs(counter: Counter) -> None:
    def freeze(epoch: int, logs: Any) -> None:
        model.layers[0].trainable = epoch != 0

    from tinydl.callbacks import LambdaCallback

    model = regressor()
    model.compile(Adam(), MeanSquaredError())
    model.fit(X, Y, verbose=0, epochs=3, batch_size=16, callbacks=[LambdaCallback(on_epoch_end=freeze)])
    assert counter.steps == 2 * 19  # the second epoch, with a frozen layer, goes through the layers


def test_the_reference_kernels_run_no_compiled_code(counter: Counter) -> None:
    with kernels.using("reference"):
        trained(regressor(), Adam(), X, Y, False, batch_size=16)
    assert counter.steps == 0


# --- callbacks, errors and interruptions ------------------------------------------------------------------------------


def test_callbacks_between_epochs_and_the_bar(counter: Counter, tmp_path: Path, capsys: Any) -> None:
    model = regressor()
    model.compile(Adam(), MeanSquaredError())
    rates = LearningRateScheduler(lambda epoch: 1e-3 / (epoch + 1))
    callbacks = [rates, ModelCheckpoint(tmp_path / "best.safetensors"), Checkpoint(tmp_path / "run.safetensors")]
    model.fit(X, Y, epochs=2, batch_size=16, callbacks=callbacks, verbose=1)
    assert counter.steps == 2 * 19
    said = capsys.readouterr()
    assert "Epoch 2/2" in said.out + said.err


def test_the_bar_counts_all_batches(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    from tinydl.callbacks import ProgressBar, progress_bar

    counted: list[int] = []

    class Bar:
        def update(self, batches: int) -> None:
            counted.append(batches)

        def close(self) -> None: ...

        def set_description_str(self, text: str, refresh: bool) -> None: ...

        def set_postfix(self, figures: Any, refresh: bool) -> None: ...

    monkeypatch.setattr(progress_bar, "_bar", lambda *ignored: Bar())
    model = regressor()
    monkeypatch.setattr(spans, "CALL", 4 * 16 * model.parameters.size)
    model.compile(Adam(), MeanSquaredError())
    model.fit(X, Y, epochs=2, batch_size=16, verbose=0, callbacks=[ProgressBar()])
    assert counter.steps == 2 * 19
    assert sum(counted) == 2 * 21
    assert counted[:7] == [1, 4, 4, 4, 4, 3, 1]


@pytest.mark.parametrize("optimizer", [lambda: SGD(50.0), lambda: Adam(Halved())], ids=["diverges", "fine"])
def test_a_loss_that_is_not_finite_is_explained_as_by_the_layers(optimizer: Callable[[], Optimizer]) -> None:
    found = []
    for by_layers in (True, False):
        model = regressor(seed=1)
        try:
            found.append(trained(model, optimizer(), X, Y, by_layers, epochs=2, batch_size=16)[::2])
        except FloatingPointError as error:
            found.append((str(error), bits_of(model)["parameters"], bits_of(model)["steps"]))
    assert found[0] == found[1]


def test_a_schedule_that_ends_badly_is_refused_as_by_the_layers() -> None:
    class Ends(Schedule):
        def __call__(self, step: int) -> float:
            return 1e-3 if step < 11 else -1.0

    found = []
    for by_layers in (True, False):
        model = regressor()
        with pytest.raises(ValueError, match=r"expected a rate >= 0, finite as float32, got -1\.0") as error:
            trained(model, SGD(Ends()), X, Y, by_layers, batch_size=16)
        found.append((str(error.value), bits_of(model)["parameters"], bits_of(model)["steps"]))
    assert found[0] == found[1]
    assert found[0][2] == 11


def test_a_run_resumed_inside_an_epoch_gives_the_same_bits(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    class Killed(Callback):
        def on_train_batch_end(self, batch: int, logs: Any) -> None:
            if self.model.optimizer is not None and self.model.optimizer.iterations == 30:
                raise Stop

    whole = trained(regressor(), Adam(), X, Y, False, epochs=3, batch_size=16)
    path = tmp_path / "run.safetensors"
    model = regressor()
    model.compile(Adam(), MeanSquaredError())
    with pytest.raises(Stop):
        model.fit(X, Y, epochs=3, batch_size=16, verbose=0, callbacks=[Checkpoint(path, every_batches=7), Killed()])
    again = regressor()
    again.compile(Adam(), MeanSquaredError())
    history = again.fit(X, Y, epochs=3, batch_size=16, verbose=0, resume=path)
    assert bits_of(again) == whole[0]
    assert history.history == whole[2]


def test_a_run_saved_between_spans_is_continued_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(regressor(), Adam(), X, Y, False, epochs=3, batch_size=16)
    monkeypatch.setattr(spans, "CALL", 4 * 16 * regressor().parameters.size)
    take, path = spans.Spans._take, tmp_path / "run.safetensors"
    for kill_after in (1, 7, 12):  # inside the first, the second and the third epoch
        path.unlink(missing_ok=True)
        taken = itertools.count()

        def killed(*arguments: Any, taken: Any = taken, kill_after: int = kill_after) -> tuple[int, float]:
            if next(taken) == kill_after:
                raise RuntimeError("killed")
            return take(*arguments)

        model = regressor()
        model.compile(Adam(), MeanSquaredError())
        patch = pytest.MonkeyPatch()
        patch.setattr(spans.Spans, "_take", killed)
        with pytest.raises(RuntimeError, match="killed"):
            model.fit(X, Y, epochs=3, batch_size=16, verbose=0, callbacks=[Checkpoint(path, every_seconds=1e-9)])
        patch.undo()
        assert model.optimizer is not None
        assert model.optimizer.iterations % 21 > 1  # inside an epoch
        again = regressor()
        again.compile(Adam(), MeanSquaredError())
        history = again.fit(X, Y, epochs=3, batch_size=16, verbose=0, resume=path)
        assert bits_of(again) == whole[0]
        assert history.history == whole[2]


def test_a_copy_of_the_model_is_trained_to_the_same_bits() -> None:
    model = regressor()
    model.compile(Adam(), MeanSquaredError())
    model.fit(X, Y, epochs=1, batch_size=16, verbose=0)
    other = copy.deepcopy(model)
    for each in (model, other):
        each.fit(X, Y, epochs=1, batch_size=16, verbose=0)
    assert bits_of(model) == bits_of(other)
