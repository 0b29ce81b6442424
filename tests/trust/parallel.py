"""Threads, forks, spawned processes and joblib's workers use models at the same time: all results are the serial ones."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import tinydl
from tinydl import Model
from tinydl.layers import Conv2D, Dense, Flatten, MaxPool2D

from .subjects import data, fingerprint, network
from .trial import Tally, in_child, shares

ROOT = Path(__file__).parents[2]


def images(seed: int = 0) -> tuple[Model, Any]:
    """A network large enough that tinydl's own threads share its work, and images for it."""
    model = Model([Conv2D(16, 3, activation="relu"), MaxPool2D(2), Flatten(), Dense(10)], (16, 16, 3), seed)
    return model, np.random.default_rng(seed).standard_normal((64, 16, 16, 3)).astype(np.float32)


def _same(found: Any, expected: Any) -> str:
    return "" if np.array_equal(found, expected) else "another result than alone"


def threads(number: int, seed: int) -> list[tuple[str, str]]:
    """Predictions in eight threads, with one model for all and with models of their own."""
    tinydl.set_num_threads(2)
    model, x = images(seed)
    expected = model.predict(x)

    def predict(attack: int) -> str:
        own = model if attack % 2 else images(seed)[0]
        return _same(own.predict(x, batch_size=64), expected)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(predict, range(number)))
    return [(f"thread, prediction {attack}", trouble) for attack, trouble in enumerate(found)]


def trainings(number: int, seed: int) -> list[tuple[str, str]]:
    """Models that train in threads, four at a time."""

    def train(_: int) -> str:
        model = network()
        model.fit(*data(), epochs=2, verbose=0)
        return fingerprint(model)

    expected = train(0)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(train, range(number)))
    return [(f"thread, training {n}", "" if each == expected else "other weights") for n, each in enumerate(found)]


def forks(number: int, seed: int) -> list[tuple[str, str]]:
    """Forks while another thread trains: the child predicts and trains as alone."""
    tinydl.set_num_threads(2)
    model, x = images(seed)
    expected = model.predict(x)
    alone = network()
    alone.fit(*data(), epochs=1, verbose=0)
    trained, stop = fingerprint(alone), threading.Event()

    def train() -> None:
        busy, z = images(seed + 1)
        busy.compile("adam", "mse")
        while not stop.is_set():
            busy.fit(z, np.zeros((len(z), 10)), verbose=0)

    def child() -> str:
        again = network()
        again.fit(*data(), epochs=1, verbose=0)
        return _same(model.predict(x), expected) or ("" if fingerprint(again) == trained else "other weights")

    worker = threading.Thread(target=train)
    worker.start()
    try:
        endings = [in_child(child, 60.0) for _ in range(number)]
    finally:
        stop.set()
        worker.join()
    return [(f"fork {n}", each.trouble or each.answer) for n, each in enumerate(endings)]


def predicted(model: Model, x: Any) -> Any:
    """What a worker process does."""
    return model.predict(x)


def _in_pool(kind: str, number: int, seed: int) -> list[tuple[str, str]]:
    """Predictions in a pool of two processes, to which the model is pickled."""
    model, x = images(seed)
    model.predict(x[:1])  # its buffers must not be sent along
    expected = model.predict(x)
    if kind == "loky":
        from joblib import Parallel, delayed

        found = Parallel(n_jobs=2, backend="loky")(delayed(predicted)(model, x) for _ in range(number))
    else:
        with ProcessPoolExecutor(2, multiprocessing.get_context(kind)) as pool:
            found = list(pool.map(predicted, [model] * number, [x] * number))
    return [(f"{kind}, prediction {n}", _same(each, expected)) for n, each in enumerate(found)]


KINDS: dict[str, tuple[int, Callable[[int, int], list[tuple[str, str]]]]] = {  # with its weight among the attacks
    "threads": (20, threads),
    "trainings": (2, trainings),
    "forks": (2, forks),
    "spawn": (2, partial(_in_pool, "spawn")),
    "loky": (2, partial(_in_pool, "loky")),
}


def together(number: int, seed: int) -> Tally:
    """`number` results of work done at the same time, each compared with that of work done alone."""
    tally, rng = Tally(), random.Random(f"parallel {seed}")
    kinds = {kind: each for kind, each in KINDS.items() if kind != "loky" or importlib.util.find_spec("joblib")}
    weights = [weight for weight, _ in kinds.values()]
    parts = shares(number, sum(weights))
    for kind, weight in zip(kinds, weights, strict=True):
        some, parts = sum(parts[:weight]), parts[weight:]
        if not some:
            continue
        command = [sys.executable, "-m", __spec__.name, kind, str(some), str(rng.randrange(100))]
        environment = {**os.environ, "TINYDL_QUIET": "1"}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment, timeout=300
            )
        except subprocess.TimeoutExpired:
            tally.count(kind, "hangs")
            continue
        results = [line.partition("\t") for line in done.stdout.splitlines() if "\t" in line]
        for attack, _, trouble in results:
            tally.count(attack, trouble)
        if done.returncode or len(results) != some:
            tally.count(kind, f"ended with status {done.returncode}: {done.stderr[-200:]}")
    return tally


def main() -> None:
    """Do the work of one kind in this process; print a line for each result."""
    kind, number, seed = sys.argv[1:]
    for attack, trouble in KINDS[kind][1](int(number), int(seed)):
        print(f"{attack}\t{trouble}")


if __name__ == "__main__":
    main()
