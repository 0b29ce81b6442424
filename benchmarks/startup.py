"""Time tinydl's startup: its import, and the first batch of a fresh process.

    python -m benchmarks.startup [--rounds 5] [--threads 2]

Imports are timed inside fresh processes, alternating with NumPy's and PyTorch's, after one untimed import of each. The
first batch is train_on_batch of the book's CIFAR-10 network on 128 images, in a fresh process that has imported tinydl
and built the model: once with an empty kernel cache (all kernels that it needs are compiled, for float32), then with
the cache of the first run. The second batch shows the usual cost of a batch. These processes run on a pseudo-terminal;
their terminal output is printed, with the seconds since the start of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks.side_by_side import add_threads, machine, optional, table, use_threads

IMPORT = "import time; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
BATCH = """
import os, time
start = time.perf_counter()
import numpy as np
from tinydl import models
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import Adam
seconds = {"import": time.perf_counter() - start}
rng = np.random.default_rng(0)
x, y = rng.standard_normal((128, 32, 32, 3), np.float32), rng.integers(0, 10, 128)
start = time.perf_counter()
model = models.cifar_cnn()
model.compile(Adam(1e-3), SoftmaxCrossEntropy())
seconds["build"] = time.perf_counter() - start
for batch in ("first batch", "second batch"):
    start = time.perf_counter()
    model.train_on_batch(x, y)
    seconds[batch] = time.perf_counter() - start
import json
os.write(int(os.environ["ANSWERS"]), json.dumps(seconds).encode())
"""


def imports(rounds: int) -> dict[str, list[float]]:
    """Seconds of each import, in fresh processes; tinydl.models is imported because the package alone loads lazily."""
    modules = ["numpy", "tinydl.models", *(["torch"] if optional("torch") is not None else [])]
    seconds: dict[str, list[float]] = {f"import {module}": [] for module in modules}
    for number in range(rounds + 1):
        for module in modules:
            run = subprocess.run(
                [sys.executable, "-c", IMPORT.format(module)], capture_output=True, text=True, check=True
            )
            if number:
                seconds[f"import {module}"].append(float(run.stdout))
    return seconds


def first_batch(cache: str) -> tuple[dict[str, float], list[tuple[float, str]]]:
    """The seconds of each part of a fresh process on a terminal, and the terminal's output with its times."""
    from_answers, answers = os.pipe()
    terminal, inside = os.openpty()
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", BATCH],
        stdin=inside, stdout=inside, stderr=inside, pass_fds=[answers],
        env={**os.environ, "NUMBA_CACHE_DIR": cache, "ANSWERS": str(answers)},
    )  # fmt: skip
    os.close(answers)
    os.close(inside)
    shown: list[tuple[float, str]] = []
    while True:
        try:
            text = os.read(terminal, 1 << 16).decode(errors="replace")
        except OSError:  # raised by Linux when the other end is closed
            break
        if not text:
            break
        shown.append((time.perf_counter() - start, text))
    os.close(terminal)
    with os.fdopen(from_answers) as file:
        answer = file.read()
    if process.wait() or not answer:
        raise SystemExit("the process failed:\n" + "".join(text for _, text in shown))
    return json.loads(answer), shown


def line(label: str, runs: list[dict[str, float]]) -> str:
    cells = "".join(f"{statistics.median(run[part] for run in runs):>14.2f}" for part in runs[0])
    return f"{label:<44}{cells}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_threads(parser)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    use_threads(args.threads)
    print(machine(), f"{args.threads} threads, {args.rounds} rounds\n", sep="\n", flush=True)
    print(table(imports(args.rounds), "ms", 1e3, "import numpy"), flush=True)
    with tempfile.TemporaryDirectory() as cache:
        cold, shown = first_batch(cache)
        print(f"\n{'seconds':<44}" + "".join(f"{part:>14}" for part in cold))
        print(line("empty kernel cache", [cold]), flush=True)
        warm = [first_batch(cache) for _ in range(args.rounds)]
    print(line(f"warm kernel cache, median of {args.rounds}", [seconds for seconds, _ in warm]))
    firsts = [seconds["first batch"] for seconds, _ in warm]
    print(f"first batch, warm: {min(firsts):.2f} - {max(firsts):.2f} s")
    for label, texts in (("empty", shown), ("warm", warm[0][1])):
        print(f"\nTerminal output, {label} kernel cache:" + ("" if texts else " none"))
        for at, text in texts:
            print("".join(f"{at:8.1f} s  {said}\n" for said in text.splitlines() if said), end="", flush=True)


if __name__ == "__main__":
    main()
