"""Are examples that are killed at random moments, and started again with --resume, the runs that nothing has stopped?

    python -m benchmarks.killed_examples                     # 5 kills of each example, about 20 minutes
    python -m benchmarks.killed_examples --kills 2 cifar/cnn.py

Each example is started with small settings, killed (SIGKILL) at a random moment of its training, and started again with
--resume, several times; then it may finish. Compared with a run that was left alone are all weights, optimizers,
generators and histories in its checkpoints and models, and all reports, without the entries that hold times.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

EXAMPLES = Path(__file__).parents[1] / "examples"
RUNS = {  # with settings for about ten seconds of training
    "cifar/cnn.py": ["--epochs", "30"],
    "cifar/famous_networks.py": ["--model", "lenet5", "--epochs", "12"],
    "fraud/autoencoders.py": ["--quick", "--model", "contractive", "--protocol", "both", "--epochs", "6"],
    "fraud/committee.py": ["--epochs", "4", "--members", "2", "2"],
    "lessons/residual_study.py": ["--depths", "8", "14", "--epochs", "3", "--rows", "400"],
    "lessons/fine_tuning_study.py": ["--rows", "1", "2", "--steps", "100", "--epochs", "3", "--seeds", "2"],
    "digits_belief_network.py": ["--quick", "--seeds", "5"],
    "movie_recommender.py": ["--quick"],
}
TIMES = {"seconds", "seconds_per_epoch", "images_per_second", "microseconds_per_row", "elapsed", "freezing"}


def without_times(value: Any) -> Any:
    """JSON without the entries that hold times."""
    if isinstance(value, dict):
        return {key: without_times(each) for key, each in value.items() if key not in TIMES}
    if isinstance(value, str) and "tfevents" in value:  # a name with the time in it
        return ""
    return [without_times(each) for each in value] if isinstance(value, list) else value


def content(out: Path) -> dict[str, Any]:
    """Everything that a run has written, apart from pictures, texts with times, and events."""
    found: dict[str, Any] = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out).as_posix()
        if path.suffix == ".json":
            found[name] = without_times(json.loads(path.read_text()))
        elif path.suffix == ".safetensors":
            with safe_open(path, framework="numpy") as file:
                found[name] = {key: file.get_tensor(key).tobytes() for key in file.keys()}  # noqa: SIM118
                found[name]["about"] = without_times(json.loads(file.metadata()["tinydl"]))
    return found


def start(script: str, out: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(EXAMPLES / script), *RUNS[script], "--out", str(out), *options]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ})


def finish(script: str, out: Path, *options: str) -> tuple[str, float]:
    """Let a run finish; return its complaint, if any, and the seconds that it took."""
    begin = time.perf_counter()
    process = start(script, out, *options)
    _, errors = process.communicate()
    return errors.decode()[-500:] if process.returncode else "", time.perf_counter() - begin


def trial(script: str, kills: int, rng: random.Random) -> tuple[int, str]:
    """The number of kills that came before the end, and what differs; "" if nothing does."""
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        finish(script, whole)  # the first run may compile kernels
        trouble, seconds = finish(script, whole)
        done = 0
        for _ in range(kills if not trouble else 0):
            process = start(script, killed, "--resume")
            try:
                process.communicate(timeout=rng.uniform(1.0, seconds))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                done += 1
        trouble = trouble or finish(script, killed, "--resume")[0]
        if trouble:
            return done, trouble
        one, other = content(whole), content(killed)
        names = sorted(name for name in one.keys() | other.keys() if not same(one.get(name), other.get(name)))
        return done, ", ".join(names)


def same(one: Any, other: Any) -> bool:
    try:
        np.testing.assert_equal(one, other)
    except AssertionError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples", nargs="*", choices=[*RUNS, []], default=[], help="default: all")
    parser.add_argument("--kills", type=int, default=5, help="of each example (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    args = parser.parse_args()
    total, failed = 0, 0
    for script in args.examples or RUNS:
        done, trouble = trial(script, args.kills, random.Random(f"{args.seed} {script}"))
        total, failed = total + done, failed + bool(trouble)
        print(f"{script:34} {done} kills before the end: {trouble or 'the same run'}", flush=True)
    print(f"{total} kills, {failed} examples that differ")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
