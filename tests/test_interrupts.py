"""Ctrl-C: when it acts, and what it leaves behind."""

from __future__ import annotations

import csv
import hashlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import tinydl
from tinydl import Model, interrupts
from tinydl.callbacks import Callback, CSVLogger, History, LambdaCallback, ModelCheckpoint
from tinydl.interrupts import check, held, openly, sealed
from tinydl.kernels.machine import threads
from tinydl.layers import BatchNorm, Dense, Dropout
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import SGD, Adam
from tinydl.recommenders import RBMRecommender
from tinydl.unsupervised import BernoulliRBM

PACKAGE = str(Path(tinydl.__file__).parent)


@pytest.fixture(autouse=True)
def default_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits SIGINT as ignored
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


# --- when it acts -----------------------------------------------------------------------------------------------------


def outcome(function: Callable[[list[str]], Any]) -> list[str]:
    """What a function has appended to its argument, and "interrupted" if Ctrl-C ended it."""
    done: list[str] = []
    try:
        function(done)
    except KeyboardInterrupt:
        done.append("interrupted")
    return done


def test_it_waits_for_the_end_of_a_held_function() -> None:
    @held
    def work(done: list[str]) -> None:
        press()
        done.append("all")

    assert outcome(work) == ["all", "interrupted"]
    assert outcome(lambda done: [work(done), done.append("more")]) == ["all", "interrupted"]


def test_it_waits_for_a_check() -> None:
    @held
    def work(done: list[str]) -> None:
        check()
        press()
        done.append("first half")
        check()
        done.append("second half")

    assert outcome(work) == ["first half", "interrupted"]


def test_it_waits_for_the_outermost_held_function() -> None:
    @held
    def inner() -> None:
        press()

    @held
    def outer(done: list[str]) -> None:
        inner()
        done.append("outer")

    assert outcome(outer) == ["outer", "interrupted"]


def test_in_open_code_it_acts_at_once() -> None:
    @held
    def work(done: list[str]) -> None:
        openly(press)
        done.append("more")

    assert outcome(work) == ["interrupted"]


def test_a_held_function_within_open_code_ends_first() -> None:
    @held
    def inner(done: list[str]) -> None:
        press()
        done.append("inner")

    def users(done: list[str]) -> None:
        inner(done)
        done.append("user's")

    assert outcome(held(lambda done: openly(users, done))) == ["inner", "interrupted"]


def test_the_second_acts_at_once_and_in_sealed_code_the_third() -> None:
    def work(done: list[str]) -> None:
        for number in "123":
            press()
            done.append(number)

    assert outcome(held(work)) == ["1", "interrupted"]
    assert outcome(held(lambda done: sealed(work)(done))) == ["1", "2", "interrupted"]


def test_an_error_does_not_swallow_it() -> None:
    @held
    def work(done: list[str]) -> None:
        press()
        raise ValueError

    assert outcome(work) == ["interrupted"]


def test_presses_are_counted_anew_in_each_call() -> None:
    @held
    def work(done: list[str]) -> None:
        press()
        done.append("all")

    assert outcome(work) == outcome(work) == ["all", "interrupted"]


def test_other_handlers_are_called_at_the_safe_moment_and_stay() -> None:
    calls: list[str] = []

    @held
    def work() -> None:
        press()
        calls.append("work")

    def theirs(number: int, frame: FrameType | None) -> None:
        calls.append("handler")

    signal.signal(signal.SIGINT, theirs)
    work()
    assert calls == ["work", "handler"]
    assert signal.getsignal(signal.SIGINT) is theirs
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    held(lambda: signal.signal(signal.SIGINT, theirs))()  # set by a callback
    assert signal.getsignal(signal.SIGINT) is theirs
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_other_threads_are_left_alone() -> None:
    done: list[str] = []

    @held
    def work() -> None:
        check()
        done.append("all")

    thread = threading.Thread(target=work)

    @held
    def main() -> None:
        press()
        thread.start()
        thread.join()
        done.append("main")

    with pytest.raises(KeyboardInterrupt):
        main()
    assert done == ["all", "main"]


# --- in training ------------------------------------------------------------------------------------------------------

X = np.random.default_rng(0).normal(size=(24, 5)).astype(np.float32)


def network() -> Model:
    model = Model([Dense(6, "relu"), BatchNorm(), Dropout(0.2), Dense(5)], 5)
    model.compile(Adam(), MeanSquaredError(), metrics=["mae"])
    return model


def fit(model: Model, folder: Path, *callbacks: Callback) -> History:
    own = [*callbacks, CSVLogger(folder / "l.csv"), ModelCheckpoint(folder / "m", "loss", save_best_only=True)]
    return model.fit(X, X, batch_size=8, epochs=2, verbose=0, validation_data=(X, X), callbacks=own)


def whole(model: Model, generators: bool) -> str:
    """A digest of all that a training step changes. (Dropout's generator may be ahead of a step that was cut.)"""
    assert model.optimizer is not None
    digest = hashlib.sha256(model.parameters.tobytes())
    for array in (*model.optimizer.slots.values(), *model.state.values()):
        digest.update(array.tobytes())
    if generators:
        digest.update(str([layer.rng and layer.rng.bit_generator.state for layer in model.layers]).encode())
    return digest.hexdigest()


class Press:
    """A trace function that presses Ctrl-C before the lines of these numbers, counted over all lines in tinydl."""

    def __init__(self, *numbers: int) -> None:
        self.numbers, self.lines = numbers, 0

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Press | None:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            self.lines += 1
            if self.lines in self.numbers:
                if self.lines == self.numbers[-1]:
                    sys.settrace(None)
                press()
        return self


def blas_threads() -> list[int]:
    return [library.get_num_threads() for library in threads._blas()]


@pytest.fixture
def steps(tmp_path: Path) -> dict[int, tuple[str, str]]:
    """The digests after each step of a run without Ctrl-C."""
    seen: dict[int, tuple[str, str]] = {}
    model = network()

    def note(*_: Any) -> None:
        seen[model.optimizer.iterations] = whole(model, False), whole(model, True)

    note()
    fit(model, tmp_path, LambdaCallback(on_train_batch_end=note))
    return seen


def attacked(folder: Path, *numbers: int) -> tuple[Model, History | None, int]:
    """A model whose fit was interrupted at these lines, its history, and the number of lines."""
    model, history, trace, before = network(), None, Press(*numbers), sys.gettrace()
    sys.settrace(trace)
    try:
        history = fit(model, folder)
    except KeyboardInterrupt:  # before the first batch, or after the last callback
        pass
    finally:
        sys.settrace(before)
    return model, history, trace.lines


@pytest.mark.parametrize("gap", [0, 1, 50], ids=["once", "twice at once", "twice"])
def test_ctrl_c_at_any_line_of_fit_leaves_everything_whole(
    gap: int, tmp_path: Path, steps: dict[int, tuple[str, str]]
) -> None:
    """A sample of the lines."""
    threads_before, errors_before = blas_threads(), np.geterr()
    with threadpool_limits(2, "blas"):
        files = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        lines = attacked(tmp_path)[2]
        for number in np.random.default_rng(gap).integers(1, lines, 25).tolist():
            (folder := tmp_path / f"{number}-{gap}").mkdir(exist_ok=True)
            model, history, _ = attacked(folder, *([number, number + gap] if gap else [number]))
            assert model.optimizer is not None
            assert whole(model, generators=not gap) == steps[model.optimizer.iterations][0 if gap else 1]
            assert set(blas_threads()) <= {1, 2}
            assert 2 in blas_threads()
            assert np.geterr() == errors_before
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
            assert files in (0, len(os.listdir("/proc/self/fd")))
            assert {name for name in os.listdir(folder) if gap == 0} <= {"l.csv", "m"}
            if history is not None:
                assert history.interrupted or model.optimizer.iterations == max(steps)
                begun = (folder / "l.csv").exists() or not gap  # a second press may come before the log is begun
                rows = csv.DictReader((folder / "l.csv").read_text().splitlines() if begun else [])
                assert [int(row["epoch"]) for row in rows] == history.epoch
            if (folder / "m").exists():
                Model.load(folder / "m")
            model.forward(X)
            assert model.backward(np.ones((24, 5), np.float32)).shape == X.shape
            assert not model.fit(X, X, verbose=0).interrupted
    assert blas_threads() == threads_before


def test_all_callbacks_see_the_epoch_in_which_one_is_interrupted(tmp_path: Path) -> None:
    class Interrupted(Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            press()
            raise AssertionError("a callback of the user's own is interrupted at once")

    history = fit(network(), tmp_path, Interrupted())
    assert history.interrupted
    assert history.epoch == [0]
    assert len((tmp_path / "l.csv").read_bytes().splitlines()) == 2
    assert (tmp_path / "m").exists()


@pytest.mark.parametrize("event", ["on_epoch_begin", "on_train_batch_begin", "on_train_batch_end", "on_train_begin"])
def test_functions_of_a_lambda_callback_are_interrupted_at_once(event: str, tmp_path: Path) -> None:
    done: list[str] = []
    function = lambda *_: [press(), done.append("more")]  # noqa: E731
    history = fit(network(), tmp_path, LambdaCallback(**{event: function}))
    assert history.interrupted
    assert done == []


def test_a_source_that_waits_is_interrupted_at_once(tmp_path: Path) -> None:
    done: list[str] = []

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield X, X
        press()
        done.append("more")
        yield X, X

    model = network()
    history = model.fit(batches(), verbose=0)
    assert history.interrupted
    assert done == []
    assert model.optimizer is not None
    assert model.optimizer.iterations == 1


def test_predict_and_evaluate_are_interrupted_between_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    rows: list[int] = []
    forward = model.root.forward

    def pressed(x: np.ndarray, training: bool = False) -> np.ndarray:
        rows.append(len(x))
        press()
        return forward(x, training)

    monkeypatch.setattr(model.root, "forward", pressed)
    for call in (model.predict, lambda x, **given: model.evaluate(x, x, **given)):
        rows.clear()
        with pytest.raises(KeyboardInterrupt):
            call(X, batch_size=6)
        assert rows == [6]


def test_a_step_that_fails_moves_no_running_statistic() -> None:
    model = network()
    before = whole(model, False)
    for part in ("loss", "optimizer"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(interrupts, "_pressed", 0)
            patch.setattr(getattr(model, part), "backward" if part == "loss" else "build", _fails)
            with pytest.raises(RuntimeError, match="failed"):
                model.train_on_batch(X, X)
        assert whole(model, False) == before


def _fails(*_: Any) -> None:
    raise RuntimeError("failed")


# --- machines and recommenders ----------------------------------------------------------------------------------------


def test_a_machine_is_interrupted_between_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).integers(0, 2, (12, 4)).astype(np.float32)
    machine = BernoulliRBM(3, batch_size=4, n_iter=2, random_state=0)
    updates: list[int] = []
    update = BernoulliRBM._update

    def pressed(self: BernoulliRBM, batch: np.ndarray) -> None:
        press()
        update(self, batch)
        updates.append(len(batch))

    monkeypatch.setattr(BernoulliRBM, "_update", pressed)
    with pytest.raises(KeyboardInterrupt):
        machine.fit(rows)
    assert updates == [4]
    assert not hasattr(machine, "components_")


def test_a_recommender_whose_fit_is_interrupted_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    users, items = np.divmod(np.arange(12), 4)
    ratings = 1.0 + np.arange(12) % 5
    recommender = RBMRecommender(units=2, epochs=2, batch_size=2, random_state=0)
    recommender.fit(users, items, ratings, verbose=0)
    before = recommender.predict(users, items)
    step = SGD.step
    monkeypatch.setattr(SGD, "step", lambda *given: [press(), step(*given)])
    with pytest.raises(KeyboardInterrupt):
        recommender.fit(users, items, ratings[::-1], verbose=0)
    np.testing.assert_array_equal(recommender.predict(users, items), before)
