"""Every example that trains is killed at random moments and started again with --resume: its files are the same."""

from __future__ import annotations

import json
import random
import runpy
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from .subjects import content_of
from .trial import Child, Tally, in_child

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS: dict[str, list[str]] = {
    "cifar/cnn.py": ["--epochs", "3"],
    "cifar/famous_networks.py": ["--model", "lenet5", "--epochs", "3"],
    "fraud/autoencoders.py": ["--quick", "--quiet", "--model", "vanilla", "--protocol", "honest", "--epochs", "2"],
    "lessons/residual_study.py": ["--depths", "8", "--rows", "300", "--filters", "4", "--epochs", "3"],
    "lessons/fine_tuning_study.py": ["--rows", "2", "--steps", "40", "--epochs", "3", "--seeds", "2"],
    "digits_belief_network.py": ["--quick", "--seeds", "5"],  # drawing the first seed's pictures takes half of the time
    "movie_recommender.py": ["--quick"],
}
TIMES = ("second", "minute", "time", "per_epoch", "images_per")  # in the names of figures that differ from run to run


def _run(script: str, out: Path, *options: str) -> None:
    """Run an example in this process."""
    path = EXAMPLES / script
    sys.argv = [str(path), *SCRIPTS[script], "--out", str(out), *options]
    sys.path.insert(0, str(path.parent))
    try:
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit as stop:
        if stop.code not in (None, 0, 130):
            raise RuntimeError(f"the example ended with {stop.code}") from None


def _without_times(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _without_times(value) for key, value in content.items() if not any(word in key for word in TIMES)}
    return [_without_times(value) for value in content] if isinstance(content, list) else content


def _results(out: Path) -> dict[str, Any]:
    """The example's models and figures; tables and pictures are made from these, and hold durations."""
    found: dict[str, Any] = {}
    for file in sorted(out.rglob("*")):
        name = file.relative_to(out).as_posix()
        if file.suffix == ".json":
            found[name] = _without_times(json.loads(file.read_text()))
        elif (file.suffix == ".safetensors" and "checkpoint" not in name) or file.suffix in (".csv", ".part"):
            found[name] = content_of(file)
    return found


def _options(out: Path) -> tuple[str, ...]:
    """--resume, unless the example had no time to write anything."""
    return ("--resume",) if any(out.rglob("*")) else ()


def killed(number: int, seed: int) -> Tally:
    """`number` runs of the examples in turn, each killed once or twice."""
    tally, rng = Tally(), random.Random(f"examples {seed}")
    whole: dict[str, tuple[dict[str, Any], float]] = {}
    kills = resumed = 0
    for attack in range(number):
        script = list(SCRIPTS)[attack % len(SCRIPTS)]
        if script not in whole:
            for _ in range(2):  # the first also waits for modules, kernels and fonts, and kills would come too late
                with tempfile.TemporaryDirectory() as folder:
                    start = time.perf_counter()
                    ending = in_child(partial(_run, script, Path(folder)), 600.0)
                    whole[script] = _results(Path(folder)), time.perf_counter() - start
            if ending.trouble:
                tally.count(script, f"the uninterrupted run failed: {ending.trouble}")
        expected, duration = whole[script]
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            for _ in range(rng.choice((1, 2))):
                task: Callable[[], Any] = partial(_run, script, out, *_options(out))
                child = Child(task)
                time.sleep(rng.uniform(0, duration))
                child.kill(rng.choice((signal.SIGKILL, signal.SIGTERM)))
                kills += child.wait().trouble.startswith("killed")
            resumed += len(_options(out))
            ending = in_child(partial(_run, script, out, *_options(out)), 600.0)
            found = _results(out)
            differing = [name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)]
            tally.count(f"{script}, run {attack}", ending.trouble or ", ".join(sorted(differing)))
    tally.note = f"{kills} kills before the end, {resumed} runs then had something to resume"
    return tally
