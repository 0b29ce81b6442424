"""Threads: their number and its validation, concurrency, forked processes, errors and Ctrl-C in shared work."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit
from threadpoolctl import ThreadpoolController, threadpool_limits

import tinydl
from tinydl import Model, kernels
from tinydl.kernels.machine import atomic, launch, memory, threads
from tinydl.kernels.machine.launch import Part
from tinydl.layer import Layer
from tinydl.layers import Conv2D, Dense, Dropout, Flatten, LocalResponseNorm, MaxPool2D
from tinydl.losses import MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import Adam

threads._blas()  # loads all BLAS libraries, whose settings tests compare before and after

LIMIT = 60  # seconds after which a process counts as hanging


def python(script: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
    """Run a script in a new process with these environment variables set or, if None, removed; fail if it hangs."""
    variables = {**os.environ, "TINYDL_NUM_THREADS": None, "OMP_NUM_THREADS": None, "TINYDL_QUIET": "1", **environment}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False, timeout=LIMIT,
        env={name: value for name, value in variables.items() if value is not None},
    )  # fmt: skip


def blas_threads() -> list[int]:
    return [library["num_threads"] for library in ThreadpoolController().info() if library["user_api"] == "blas"]


# --- the setting ------------------------------------------------------------------------------------------------------


def test_it_is_one_setting_under_one_name() -> None:
    assert {"num_threads", "set_num_threads"} <= set(tinydl.__all__)
    for number in (1, 3, 2):
        tinydl.set_num_threads(number)
        assert tinydl.num_threads() == threads.num_threads() == number


def test_other_numbers_of_threads_are_refused() -> None:
    before = tinydl.num_threads()
    bad: list[Any] = [0, -1, 2.0, "2", True, None, [2], np.nan, 1025, 10**20]
    for number in bad:
        with pytest.raises(ValueError, match=r"^set_num_threads: .*integer from 1 to 1024, got"):
            tinydl.set_num_threads(number)
    assert tinydl.num_threads() == before


def test_numpy_integers_are_numbers_too() -> None:
    tinydl.set_num_threads(np.int64(2))  # type: ignore[arg-type]
    assert tinydl.num_threads() == 2


ASK = "import tinydl; print(tinydl.num_threads())"


def number_in(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> int:
    """The number of threads that a process with these variables starts with, from a new import of the module."""
    for name in ("TINYDL_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    again = importlib.util.spec_from_file_location("tinydl.kernels.machine.threads_again", threads.__file__)
    assert again is not None
    assert again.loader is not None
    module = importlib.util.module_from_spec(again)
    again.loader.exec_module(module)
    return module.num_threads()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TINYDL_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"TINYDL_NUM_THREADS": "5", "OMP_NUM_THREADS": "3"}, 5),  # tinydl's own variable takes precedence
        ({"TINYDL_NUM_THREADS": "", "OMP_NUM_THREADS": "3"}, 3),
        ({"TINYDL_NUM_THREADS": " 4 "}, 4),
    ],
)
def test_the_environment_sets_it(environment: dict[str, str], expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert number_in(environment, monkeypatch) == expected


def test_it_does_so_when_tinydl_is_imported() -> None:
    process = python(ASK, TINYDL_NUM_THREADS="5", OMP_NUM_THREADS="3")
    assert process.stdout.strip() == "5", process.stderr


def test_by_default_it_is_the_cores_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert number_in({}, monkeypatch) == cores
    if hasattr(os, "sched_setaffinity"):
        one = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        assert python(one + ASK).stdout.strip() == "1"


BAD_NUMBERS = pytest.mark.parametrize("value", ["0", "-1", "two", "2.5", "1e3", "\u00b2", "1025", "9" * 20, "9" * 5000])


@BAD_NUMBERS
def test_the_environment_is_checked(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=f"^TINYDL_NUM_THREADS: .* from 1 to 1024, got '{value[:90]}"):
        number_in({"TINYDL_NUM_THREADS": value}, monkeypatch)


@BAD_NUMBERS
def test_a_variable_of_others_that_cannot_be_read_is_left_alone_and_named(
    value: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TINYDL_QUIET", raising=False)
    assert number_in({"OMP_NUM_THREADS": value}, monkeypatch) == number_in({}, monkeypatch)
    said = f"tinydl: OMP_NUM_THREADS should be an integer from 1 to 1024, got {value[:90]!r}"[:-1]
    assert capfd.readouterr().err.startswith(said)


def test_openmps_list_of_a_number_a_level_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    """OMP_NUM_THREADS=4,2 is valid in OpenMP, so it must not make importing tinydl fail."""
    assert number_in({"OMP_NUM_THREADS": "4,2"}, monkeypatch) == 4


# --- work that is shared ----------------------------------------------------------------------------------------------


@njit(nogil=True)
def note(part: Part, notes: np.ndarray) -> None:
    """Write down the part, how often it was computed, and wait as long as its row says."""
    notes[part.number, 0], notes[part.number, 1] = part.start, part.stop
    notes[part.number, 2] += 1
    for _ in range(notes[part.number, 3]):
        atomic.pause()
    notes[part.number, 4] += 1


def new_notes(parts: int, rounds: int = 0) -> np.ndarray:
    """Rows for `note`: start, stop, begun, rounds to wait, ended."""
    notes = np.zeros((parts, 5), np.int64)
    notes[:, 3] = rounds
    return notes


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_the_ranges_make_up_the_whole(number: int) -> None:
    tinydl.set_num_threads(number)
    for count in (1, 2, 3, 7, 100):
        parts = threads.parts_for(count, 1e12)
        assert parts == min(number, count)
        for rounds in (0, 1000):
            notes = new_notes(parts, rounds)
            threads.share(parts, count, note, notes)
            starts, stops, begun, _, ended = notes.T
            assert starts.tolist() == [0, *stops[:-1]]
            assert stops[-1] == count
            assert set(stops - starts) <= {count // parts, count // parts + 1}
            assert begun.tolist() == ended.tolist() == [1] * parts


def test_little_work_is_not_shared() -> None:
    tinydl.set_num_threads(4)
    assert threads.parts_for(1000, 100) == 1
    assert threads.parts_for(0, 1e12) == 1


@njit(nogil=True)
def meet(part: Part, address: int, parts: int, longest: int) -> None:
    """Wait until all parts have come here, or for a number of rounds; count those that saw the others come."""
    atomic.add(address, launch.STATE, 1)
    for _ in range(longest):
        if atomic.read(address, launch.STATE) == parts:
            atomic.add(address, launch.DONE, 1)
            return
        atomic.nap()


@pytest.mark.parametrize("number", [2, 3, 5])
def test_parts_run_at_the_same_time(number: int) -> None:
    """Also if the workers have fallen asleep, and if there are more of them than cores."""
    tinydl.set_num_threads(number)

    def met() -> bool:
        words = launch.board()
        threads.share(number, number, meet, words.ctypes.data, number, 3000)
        return words[launch.DONE] == number

    for pause in (0, 0.2):
        time.sleep(pause)
        assert any(met() for _ in range(20))  # on a busy machine, a worker may fall asleep when the work comes


def test_workers_sleep_when_there_is_nothing_to_do() -> None:
    tinydl.set_num_threads(3)
    threads.share(3, 3, note, new_notes(3))
    assert threads._workers is not None
    for _ in range(200):  # on a busy machine, looking for work takes longer than a millisecond
        time.sleep(0.05)
        if len(threads._workers.asleep) == 2:
            break
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.1
    assert len(threads._workers.asleep) == 2


def test_no_more_workers_wake_up_than_have_work() -> None:
    tinydl.set_num_threads(5)
    threads.share(2, 2, note, new_notes(2))
    workers = threads._workers
    assert workers is not None
    for parts in (2, 4, 5):
        for _ in range(200):
            time.sleep(0.05)
            if len(workers.asleep) == 4:
                break
        workers.wake(parts - 1)
        assert 4 - len(workers.asleep) <= parts - 1


def test_work_that_comes_while_a_worker_falls_asleep_is_seen() -> None:
    """Here a call comes after the worker has stopped looking, and before its bell is in its place."""

    class Late(list[Any]):
        def append(self, bell: Any) -> None:
            if not came:
                workers.calls += 1
            came.append(len(self))
            super().append(bell)

    came: list[int] = []
    tinydl.set_num_threads(2)
    threads.share(2, 2, note, new_notes(2))
    workers = threads._workers
    assert workers is not None
    workers.asleep = late = Late(workers.asleep)
    workers.wake(1)
    for _ in range(200):
        time.sleep(0.05)
        if len(came) == 2 and len(late) == 1:
            break
    assert came == [0, 0]  # it has looked once more, and its bell is not there twice
    assert len(late) == 1


def test_workers_end_when_the_number_of_threads_changes() -> None:
    for number in (4, 2, 3):
        tinydl.set_num_threads(number)
        threads.share(2, 2, note, new_notes(2))
    ours = "tinydl-1", "tinydl-2", "tinydl-3"
    for _ in range(100):
        names = sorted(thread.name for thread in threading.enumerate() if thread.name in ours)
        if names == ["tinydl-1", "tinydl-2"]:
            break
        time.sleep(0.1)
    assert names == ["tinydl-1", "tinydl-2"]


def test_models_limit_blas_to_one_thread() -> None:
    """A layer of a user's own may call BLAS, in training and in prediction."""

    class Looks(Layer):
        def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
            seen.update(blas_threads())
            return x

        def backward(self, dy: np.ndarray) -> np.ndarray:
            seen.update(blas_threads())
            return dy

    seen: set[int] = set()
    model = Model([Dense(3), Looks()], 2)
    model.compile(Adam(), MeanSquaredError())
    x, y = np.ones((4, 2)), np.ones((4, 3))
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        for use in (model.fit, model.train_on_batch, model.evaluate, model.predict):
            seen.clear()
            use(*((x,) if use == model.predict else (x, y)))
            assert seen == {1}, use
            assert blas_threads() == before


@njit(nogil=True)
def fail(part: Part, bad: np.ndarray, notes: np.ndarray) -> None:
    if bad[part.number]:
        if part.number == 0:
            raise ArithmeticError("part 0")  # (a kernel that is shared raises exceptions without variables)
        if part.number == 1:
            raise ArithmeticError("part 1")
        raise ArithmeticError("part 2")
    note(part, notes)


@pytest.mark.parametrize("bad", [{0}, {1}, {2}, {0, 1}, {1, 2}, {0, 1, 2}])
@pytest.mark.parametrize("alone", [False, True])
def test_an_exception_is_raised_after_all_parts_have_ended(bad: set[int], alone: bool) -> None:
    tinydl.set_num_threads(3)
    if alone:  # another caller uses the board
        threads.share(3, 3, note, new_notes(3))
        assert threads._workers is not None
        threads._workers._board[launch.USED] = 1
    for _ in range(5):
        notes, fails = new_notes(3, 5000), np.array([number in bad for number in range(3)])
        with pytest.raises(ArithmeticError, match=f"part {min(bad)}"):
            threads.share(3, 3, fail, fails, notes)
        expected = {number for number in range(3) if number not in bad and (number < min(bad) or not alone)}
        assert set(np.flatnonzero(notes[:, 4])) == expected
        threads.share(3, 3, fail, np.zeros(3, bool), notes)  # the workers still work
        assert notes[:, 4].all()


def test_the_number_may_be_changed_while_work_is_shared() -> None:
    tinydl.set_num_threads(3)
    notes = new_notes(3, 200_000)
    others = [threading.Thread(target=tinydl.set_num_threads, args=(number,)) for number in (1, 2, 5, 3)]
    for other in others:
        other.start()
        threads.share(3, 3, note, notes)
        other.join()
    assert (notes[:, 4] == len(others)).all()


def test_callers_in_many_threads_compute_all_their_parts() -> None:
    """Only one of them at a time has the help of the workers."""
    tinydl.set_num_threads(3)

    def call(rounds: int) -> bool:
        notes = new_notes(3, rounds)
        for _ in range(200):
            threads.share(3, 3, note, notes)
        return bool((notes[:, [2, 4]] == 200).all())

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(call, [0, 10, 100, 0, 10, 100]))


def test_nested_uses_of_one_blas_thread_restore_what_was_found() -> None:
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        with threads.one_blas_thread():
            assert set(blas_threads()) == {1}
            with pytest.raises(KeyError), threads.one_blas_thread():
                raise KeyError
            assert set(blas_threads()) == {1}
        assert blas_threads() == before


def test_openblas_is_set_without_detours() -> None:
    """Every small training step pays for it; threadpoolctl's functions take many times as long."""
    calls: list[str] = []
    limited = threads.one_blas_thread()(lambda: None)
    limited()
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, argument: calls.append(frame.f_code.co_name) if event == "call" else None)
    try:
        limited()
    finally:
        sys.setprofile(before)
    libraries = ThreadpoolController().select(user_api="blas").lib_controllers
    if any(each.internal_api != "openblas" or each.threading_layer == "openmp" for each in libraries):
        pytest.skip("threadpoolctl sets this library")
    assert len(calls) < 10, calls
    with threadpool_limits(2, "blas"):
        for own, theirs in zip(threads._blas(), libraries, strict=True):
            for number in (1, 2):
                own.set_num_threads(number)
                assert own.get_num_threads() == theirs.get_num_threads() == number


def test_one_blas_thread_holds_in_whichever_thread_it_is_asked_for_until_the_last_has_left() -> None:
    """threadpoolctl 3.8 obeys only the first thread that ever set a limit, and silently ignores the others."""
    process = python(
        """
        import threading
        import numpy as np
        from tinydl.kernels.machine import threads
        from threadpoolctl import ThreadpoolController
        blas = lambda: {one["num_threads"] for one in ThreadpoolController().info() if one["user_api"] == "blas"}
        inside, leave = threading.Event(), threading.Event()

        def run():
            with threads.one_blas_thread():
                print(blas())
                inside.set()
                leave.wait()

        with threads.one_blas_thread():
            print(blas())
        other = threading.Thread(target=run)
        with threads.one_blas_thread():
            other.start()
            inside.wait()
        print(blas())  # the other thread is still inside
        leave.set()
        other.join()
        print(blas())
        """,
        OPENBLAS_NUM_THREADS="2",
    )
    assert process.stdout.split() == ["{1}", "{1}", "{1}", "{2}"], process.stderr


# --- models -----------------------------------------------------------------------------------------------------------


def network(seed: int = 0) -> Model:
    """A network like cifar_cnn, large enough for all kinds of layers, Winograd included, to share their work."""
    layers = [
        Conv2D(32, 3, padding="same", activation="relu"), MaxPool2D(2), LocalResponseNorm(3, 0.1),
        Conv2D(48, 2, padding="same", activation="relu", use_bias=False), MaxPool2D(2), Conv2D(64, 1, activation="relu"),
        Flatten(), Dense(128, "relu"), Dropout(0.5), Dense(10),
    ]  # fmt: skip
    model = Model(layers, (16, 14, 3), seed)
    model.compile(Adam(1e-3), SoftmaxCrossEntropy())
    return model


def data(n: int = 96) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, 16, 14, 3)).astype(np.float32), rng.integers(0, 10, n)


def test_the_models_here_share_their_work(monkeypatch: pytest.MonkeyPatch) -> None:
    tinydl.set_num_threads(2)
    tasks, launcher = set(), launch.launcher

    def counted(task: Any) -> Any:
        compiled, function = launcher(task), task.py_func

        def launch(address: int, parts: int, *arguments: Any) -> None:
            if parts > 1:
                tasks.add(f"{function.__module__}.{function.__name__}")
            compiled(address, parts, *arguments)

        return launch

    monkeypatch.setattr(threads, "launcher", counted)
    monkeypatch.setattr(threads, "_launchers", {})
    with kernels.using("compiled"):
        network().train_on_batch(*data(192))
    assert {
        "convolution.winograd._forward_part", "convolution.winograd._backward_part",
        "convolution.direct._forward_part", "convolution.patches._forward_part",
        "dense._affine_rows", "dense._backward_part_of_tall", "local_response_norm._forward",
    } <= {task.removeprefix("tinydl.kernels.") for task in tasks}  # fmt: skip


def test_predictions_hardly_depend_on_the_number_of_threads_and_training_is_exact_for_each() -> None:
    x, y = data()
    losses, predictions = {}, {}
    for number in (1, 2, 3):
        tinydl.set_num_threads(number)
        predictions[number] = network().predict(x)
        runs = []
        for _ in range(2):
            model = network()
            history = model.fit(x, y, epochs=2, batch_size=32, verbose=0)
            runs.append((history.history["loss"], model.parameters.tobytes()))
        assert runs[0] == runs[1]  # the same seed gives the same bits
        losses[number] = runs[0][0]
    for number in (2, 3):
        np.testing.assert_allclose(predictions[number], predictions[1], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(losses[number], losses[1], rtol=1e-4)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_eight_threads_may_predict_at_once(number: int) -> None:
    """Each thread gets the bits that it would get alone; reused buffers are not mixed up."""
    tinydl.set_num_threads(number)
    model, (x, _) = network(), data(160)
    pieces = [x[k : k + 60] for k in range(0, 100, 10)]
    expected = [model.predict(piece) for piece in pieces]
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        with ThreadPoolExecutor(8) as pool:
            for _ in range(2):
                for actual, wanted in zip(pool.map(model.predict, pieces), expected, strict=True):
                    np.testing.assert_array_equal(actual, wanted)
        assert blas_threads() == before


def test_several_models_may_train_at_once() -> None:
    tinydl.set_num_threads(2)
    x, y = data(64)

    def train(seed: int) -> bytes:
        model = network(seed)
        model.fit(x, y, epochs=2, batch_size=32, verbose=0)
        return model.parameters.tobytes()

    alone = [train(seed) for seed in range(3)]
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(train, range(3))) == alone


# --- processes --------------------------------------------------------------------------------------------------------

TRAINED = """
import multiprocessing, os, signal, sys, threading
import numpy as np
import tinydl
sys.path.insert(0, {here!r})
from importlib.machinery import SourceFileLoader
here = SourceFileLoader("here", {file!r}).load_module()

def fork():
    child = os.fork()
    if child == 0:
        signal.alarm(20)
    return child

def work(pipe):
    # run in a child of a process that has trained: predict, and continue training
    model, (x, y) = here.network(), here.data()
    model.train_on_batch(x, y)
    pipe.send([model.predict(x).tobytes(), model.train_on_batch(x, y)])
"""


def script(body: str) -> str:
    """A script with this file's helpers, in which an alarm ends a hanging fork after 20 s."""
    body = body.replace("child = os.fork()", "child = fork()")
    return TRAINED.format(here=str(Path(__file__).parent), file=__file__) + textwrap.dedent(body)


def answers(number: int) -> tuple[str, float]:
    tinydl.set_num_threads(number)
    model, (x, y) = network(), data()
    model.train_on_batch(x, y)
    return model.predict(x).tobytes().hex()[:2000], model.train_on_batch(x, y)


FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is not available")


@FORK
@pytest.mark.slow
def test_a_forked_process_can_predict_and_train() -> None:
    process = python(
        script("""
        for number in (1, 2):
            tinydl.set_num_threads(number)
            model, (x, y) = here.network(), here.data()
            model.train_on_batch(x, y)  # starts the threads
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:  # the child continues with the model as it is
                loss = [model.predict(x).tobytes().hex()[:2000], model.train_on_batch(x, y)]
                os.write(writing, repr(loss).encode())
                os._exit(0)
            own = [model.predict(x).tobytes().hex()[:2000], model.train_on_batch(x, y)]  # the parent does the same
            assert os.waitpid(child, 0)[1] == 0
            assert os.read(reading, 10000).decode() == repr(own)
            print(own[0], own[1])
        """)
    )
    assert process.returncode == 0, process.stderr
    lines = [line.split() for line in process.stdout.splitlines()]
    assert [(prediction, float(loss)) for prediction, loss in lines] == [answers(1), answers(2)]


@pytest.mark.slow
@FORK
def test_forks_of_multiprocessing_can_predict_and_train() -> None:
    process = python(
        script("""
        tinydl.set_num_threads(2)
        here.network().train_on_batch(*here.data())
        context = multiprocessing.get_context("fork")
        ends = [context.Pipe(duplex=False) for _ in range(3)]
        children = [context.Process(target=work, args=(end[1],)) for end in ends]
        for child in children:
            child.start()
        for end in ends:
            prediction, loss = end[0].recv()
            print(prediction.hex()[:2000], loss)
        for child in children:
            child.join()
            assert child.exitcode == 0
        """)
    )
    assert process.returncode == 0, process.stderr
    lines = [line.split() for line in process.stdout.splitlines()]
    assert [(line[0], float(line[1])) for line in lines] == [answers(2)] * 3


@pytest.mark.slow
def test_spawned_processes_can_predict_and_train(tmp_path: Path) -> None:
    body = """
        if __name__ == "__main__":
            here.network().train_on_batch(*here.data())
            context = multiprocessing.get_context("spawn")
            reading, writing = context.Pipe(duplex=False)
            child = context.Process(target=work, args=(writing,))
            child.start()
            prediction, loss = reading.recv()
            child.join()
            assert child.exitcode == 0
            print(prediction.hex()[:2000], loss)
        """
    (tmp_path / "main.py").write_text(script(body))
    process = subprocess.run(
        [sys.executable, str(tmp_path / "main.py")], capture_output=True, text=True, check=False, timeout=LIMIT,
        env={**os.environ, "TINYDL_NUM_THREADS": "2"},
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    prediction, loss = process.stdout.split()
    assert (prediction, float(loss)) == answers(2)


@FORK
def test_a_fork_right_after_the_first_shared_work() -> None:
    """A worker that compiled or loaded its loop at that moment would leave Numba's lock locked in the child."""
    process = python(
        script("""
        from numba import njit
        from numba.core.compiler_lock import global_compiler_lock

        @njit(nogil=True)
        def task(part, x):
            x[part.number] = part.number

        tinydl.set_num_threads(2)
        x = np.zeros(2)
        here.threads.share(1, 1, task, x)
        here.threads.share(2, 2, task, x)
        child = os.fork()
        if child == 0:
            free = global_compiler_lock._lock.acquire(timeout=3)
            os._exit(0 if free else 1)
        print(os.waitpid(child, 0)[1])
        """)
    )
    assert process.stdout.strip() == "0", process.stderr


@pytest.mark.slow
@FORK
def test_a_fork_while_other_threads_are_at_work() -> None:
    """A lock held by another thread, in BLAS too, is never released in the child, which could wait for it forever."""
    process = python(
        script("""
        tinydl.set_num_threads(2)
        model, (x, y) = here.network(), here.data()
        expected, stop = model.predict(x), threading.Event()

        def busy():
            other = here.network()
            while not stop.is_set():
                other.predict(x)

        workers = [threading.Thread(target=busy) for _ in range(2)]
        for worker in workers:
            worker.start()
        children = []
        for _ in range(20):
            child = os.fork()
            if child == 0:
                os._exit(0 if np.array_equal(model.predict(x), expected) else 1)
            children.append(child)
        ends = [os.waitpid(child, 0)[1] for child in children]
        stop.set()
        for worker in workers:
            worker.join()
        print(ends)
        """)
    )
    assert process.stdout.strip() == str([0] * 20), process.stderr


@FORK
def test_a_fork_while_another_thread_takes_memory() -> None:
    """The memory lock is normally held for microseconds, but in this test until after the fork."""
    process = python(
        script("""
        import warnings
        from tinydl.kernels.machine import memory
        warnings.simplefilter("ignore")
        held, go_on = threading.Event(), threading.Event()

        def hold():
            with memory._lock:
                held.set()
                go_on.wait()

        worker = threading.Thread(target=hold)
        worker.start()
        held.wait()
        child = os.fork()
        if child == 0:
            memory.empty((600, 600), np.float32)
            memory.release()
            os._exit(0)
        go_on.set()
        worker.join()
        print(os.waitpid(child, 0)[1])
        """)
    )
    assert process.stdout.strip() == "0", process.stderr
    assert memory._lock.acquire(blocking=False)
    memory._lock.release()


@FORK
def test_a_fork_in_the_middle_of_another_threads_run_gives_blas_its_threads_back() -> None:
    process = python(
        script("""
        inside, go_on = threading.Event(), threading.Event()

        def run():
            with here.threads.one_blas_thread():
                inside.set()
                go_on.wait()

        worker = threading.Thread(target=run)
        worker.start()
        inside.wait()
        assert set(here.blas_threads()) == {1}
        child = os.fork()
        if child == 0:
            here.network().predict(here.data()[0])
            os._exit(0 if set(here.blas_threads()) == {2} else 1)
        go_on.set()
        worker.join()
        print(os.waitpid(child, 0)[1], set(here.blas_threads()))
        """),
        OPENBLAS_NUM_THREADS="2",
    )
    assert process.stdout.strip() == "0 {2}", process.stderr


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_waits_for_the_other_parts() -> None:
    process = python(
        """
        import os, signal, threading, time
        import numpy as np
        from numba import njit
        import tinydl
        from tinydl.kernels.machine import atomic, threads
        from threadpoolctl import ThreadpoolController, threadpool_limits
        signal.signal(signal.SIGINT, signal.default_int_handler)
        blas = lambda: [one["num_threads"] for one in ThreadpoolController().info() if one["user_api"] == "blas"]
        threadpool_limits(2, "blas")
        tinydl.set_num_threads(3)

        @njit(nogil=True)
        def task(part, naps, ended):
            for _ in range(naps[part.number]):
                atomic.nap()
            ended[part.number] = 1

        threads.share(3, 3, task, np.zeros(3, np.int64), np.zeros(3))
        # Ctrl-C while waiting for the other parts, during the caller's own part, and twice during that
        for naps, presses in (((0, 4000, 8000), 1), ((8000, 0, 0), 1), ((8000, 0, 4000), 2)):
            ended = np.zeros(3)
            for k in range(presses):
                threading.Timer(0.1 + 0.05 * k, os.kill, (os.getpid(), signal.SIGINT)).start()
            try:
                threads.share(3, 3, task, np.array(naps), ended)
            except KeyboardInterrupt:
                print("interrupted", ended.all(), blas())
        """
    )
    assert process.stdout.splitlines() == [f"interrupted True {blas_after(process)}"] * 3, process.stderr


def blas_after(process: subprocess.CompletedProcess[str]) -> str:
    """The expected numbers of BLAS threads: two for each BLAS library."""
    return str([2] * (process.stdout.splitlines()[0].count(",") + 1))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c_while_a_network_trains_ends_it_cleanly() -> None:
    process = python(
        script("""
        import signal, time
        from tinydl.callbacks import Callback
        signal.signal(signal.SIGINT, signal.default_int_handler)
        tinydl.set_num_threads(2)

        class Press(Callback):
            def on_epoch_begin(self, epoch):
                if epoch == 1:
                    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()

        model, (x, y) = here.network(), here.data()
        history = model.fit(x, y, epochs=100000, batch_size=32, verbose=0, callbacks=[Press()])
        assert history.interrupted
        model.fit(x, y, verbose=0)  # training can continue
        print("well", np.isfinite(model.predict(x)).all())
        """)
    )
    assert process.stdout.strip() == "well True", process.stderr


@pytest.mark.slow
def test_a_script_ends_when_its_work_does() -> None:
    """The process ends even with idle workers, and even if the main thread ends while they work."""
    process = python(
        script("""
        tinydl.set_num_threads(2)
        here.network().train_on_batch(*here.data())
        threading.Thread(target=lambda: [here.network().predict(here.data()[0]) for _ in range(3)]).start()
        print("done")
        """)
    )
    assert (process.returncode, process.stdout.strip(), process.stderr) == (0, "done", "")


@pytest.mark.slow
def test_a_worker_that_starts_late_leaves_blas_as_it_is() -> None:
    """Other threads may finish all the work before a new worker starts; the worker must not change BLAS then."""
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        for _ in range(200):
            tinydl.set_num_threads(8)  # starts new workers each time
            threads.share(8, 8, note, new_notes(8))
            assert blas_threads() == before
