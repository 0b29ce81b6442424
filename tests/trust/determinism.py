"""The same seed gives the same bits, whatever else is different: the process, its hash seed, its history, its threads,
what is printed, where arrays lie in memory, how the data come in, and how often the run was stopped."""

from __future__ import annotations

import contextlib
import copy
import io
import os
import pickle
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tinydl
from tinydl import Model
from tinydl.callbacks import Callback, CSVLogger, ModelCheckpoint

from .subjects import data, fingerprint, network, warm_up
from .trial import Tally, in_child

ROOT = Path(__file__).parents[2]
Variation = Callable[[], Model]


def plain(model: Model | None = None, x: Any = None, y: Any = None, **options: Any) -> Model:
    """The run itself: three epochs with a last short batch."""
    model = network() if model is None else model
    own_x, own_y = data()
    settings: dict[str, Any] = {"batch_size": 10, "epochs": 3, "verbose": 0}
    model.fit(own_x if x is None else x, own_y if y is None else y, **(settings | options))
    return model


def _printing(verbose: int) -> Variation:
    def run() -> Model:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return plain(verbose=verbose)

    return run


def _moved(array: np.ndarray, offset: int) -> np.ndarray:
    """The same numbers at an address that is not a multiple of 64."""
    room = np.empty(array.nbytes + 64 + offset, np.uint8)
    start = (-room.ctypes.data) % 64 + offset
    moved = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


def _after_other_work() -> Model:
    other = network(5)
    other.fit(*data(4), epochs=2, verbose=0)
    np.random.default_rng().standard_normal(1000)
    np.random.seed(3)  # noqa: NPY002 (what users' programs do)
    random.seed(3)
    return plain()


def _between_epochs(do: Callable[[Model], object]) -> Variation:
    """Something else is done with the model after each epoch."""

    class Between(Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
            do(self.model)  # type: ignore[arg-type]

    return lambda: plain(callbacks=[Between()])


def _stopped(save: bool) -> Model:
    model = plain(epochs=1)
    with tempfile.TemporaryDirectory() as folder:
        model.save_checkpoint(Path(folder, "run"))
        if save:
            model = network(9)
        model.load_checkpoint(Path(folder, "run"))
    return plain(model, initial_epoch=1)


def _in_thread() -> Model:
    found: list[Model] = []
    thread = threading.Thread(target=lambda: found.append(plain()))
    thread.start()
    thread.join()
    return found[0]


def _beside_others() -> Model:
    stop = threading.Event()

    def busy() -> None:
        other, (x, y) = network(3), data(3)
        while not stop.is_set():
            other.fit(x, y, verbose=0)

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        return plain()
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _with_files() -> Model:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return plain(callbacks=[CSVLogger(folder / "log.csv"), ModelCheckpoint(folder / "best", "loss")])


def _traced() -> Model:
    def trace(frame: Any, event: str, argument: object) -> Any:
        return trace

    sys.settrace(trace)
    try:
        return plain()
    finally:
        sys.settrace(None)


@contextlib.contextmanager
def _blas(threads: int) -> Iterator[None]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(threads, "blas"):
        yield


def _with_blas(threads: int) -> Variation:
    def run() -> Model:
        with _blas(threads):
            return plain()

    return run


def _rebuilt() -> Model:
    x, y = data()
    return plain(pickle.loads(pickle.dumps(network())), x, y)


VARIATIONS: dict[str, Variation] = {
    "again": plain,
    "a bar is shown": _printing(1), "lines are shown": _printing(2),
    "a copy of the model": lambda: plain(copy.deepcopy(network())), "a pickled model": _rebuilt,
    "after other work": _after_other_work,
    "in a thread": _in_thread, "beside other trainings": _beside_others,
    "with files": _with_files, "with a trace function": _traced,
    "with validation": lambda: plain(validation_data=data(1)),
    "predictions between epochs": _between_epochs(lambda model: model.predict(data(2)[0])),
    "evaluation between epochs": _between_epochs(lambda model: model.evaluate(*data(2))),
    "copies between epochs": _between_epochs(copy.deepcopy),
    "saved and loaded into the same model": lambda: _stopped(False),
    "saved and loaded into a new model": lambda: _stopped(True),
    "data of float64": lambda: plain(x=data()[0].astype(np.float64)),
    "data in Fortran's order": lambda: plain(x=np.asfortranarray(data()[0])),
    "data in every other row": lambda: plain(x=np.repeat(data()[0], 2, axis=0)[::2]),
    "data as lists": lambda: plain(x=data()[0].tolist(), y=data()[1].tolist()),
    "labels of int32": lambda: plain(y=data()[1].astype(np.int32)),
    "labels of uint8": lambda: plain(y=data()[1].astype(np.uint8)),
    "read-only data": lambda: plain(x=np.frombuffer(data()[0].tobytes(), np.float32).reshape(data()[0].shape)),
    **{f"data {offset} bytes beside 64": (lambda offset=offset: plain(x=_moved(data()[0], offset)))  # type: ignore[misc]
       for offset in (4, 16, 36)},
    **{f"BLAS on {threads} threads outside": _with_blas(threads) for threads in (1, 2)},
}  # fmt: skip
PROCESSES: dict[str, dict[str, str]] = {
    **{f"hash seed {seed}": {"PYTHONHASHSEED": str(seed)} for seed in (0, 1, 12345)},
    "Python without assert": {"PYTHONOPTIMIZE": "1"},
    "Python's debugging memory": {"PYTHONMALLOC": "debug"},
    "memory filled with bytes": {"MALLOC_PERTURB_": "165"},
    "another locale and time zone": {"LC_ALL": "C", "TZ": "Asia/Kathmandu"},
    "BLAS on three threads": {"OPENBLAS_NUM_THREADS": "3"},
}


def _hash(run: Variation) -> str:
    tinydl.set_num_threads(1)
    model = run()
    model.epoch = 3  # one variation counts from its own beginning
    return fingerprint(model)


def same_bits(number: int, seed: int) -> Tally:
    """`number` variations in turn, each in a process of its own."""
    warm_up()
    tally = Tally()
    expected = in_child(lambda: _hash(plain)).answer
    names = [*VARIATIONS, *PROCESSES]
    rng = random.Random(f"determinism {seed}")
    for name in names if number >= len(names) else sorted(rng.sample(list(VARIATIONS), number)):
        if name in PROCESSES:
            environment = {**os.environ, "TINYDL_QUIET": "1", **PROCESSES[name]}
            command = [sys.executable, "-m", __spec__.name]
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
            found, trouble = done.stdout.strip(), done.stderr[-200:] if done.returncode else ""
        else:
            ending = in_child(lambda name=name: _hash(VARIATIONS[name]))  # type: ignore[misc]
            found, trouble = ending.answer, ending.trouble
        tally.count(name, trouble or ("" if found == expected else "other bits"))
    return tally


if __name__ == "__main__":
    print(_hash(plain))
