"""The lesson prints its measurements and claims nothing beyond them."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess as Done
from types import ModuleType

import numpy as np
import pytest

FEW = ["--rows", 1, 3, "--steps", 20, "--epochs", 1]


@pytest.fixture(scope="module")
def tuning() -> ModuleType:
    return importlib.import_module("fine_tuning_study")


def test_the_lesson_of_fine_tuning_reports_what_it_measured(run: Callable[..., Done], tmp_path: Path) -> None:
    printed = run("lessons/fine_tuning_study.py", *FEW, "--seeds", 2, "--out", tmp_path).stdout
    assert {path.name for path in tmp_path.iterdir()} == {"results.json", "table.md", "lesson.png"}
    assert (tmp_path / "table.md").read_text().strip() in printed
    results = json.loads((tmp_path / "results.json").read_text())
    assert not results["interrupted"]
    assert [(one["seed"], one["task"], one["rows"]) for one in results["runs"]] == [
        (seed, task, rows) for seed in (0, 1) for task in ("even or odd", "quarter turn") for rows in (1, 3)
    ]
    every, last = results["freezing"]["all layers learn"], results["freezing"]["only the last layer"]
    assert (every["arrays"], every["unchanged"], last["unchanged"]) == (8, 0, 6)
    assert (every["learning"], last["learning"]) == (13_186, 64 * 2 + 2)
    assert "   130 of 13,186 parameters learn, 6 of 8 arrays keep all bits" in printed
    turned = np.array([one["errors"]["frozen"] for one in results["runs"] if one["task"] == "quarter turn"][::2])
    row = next(line for line in printed.split("quarter turn\n")[-1].splitlines() if line.startswith("| 1 "))
    assert f"{turned.mean():.1%} ± {turned.std(ddof=1):.1%}" in row


def test_frozen_layers_are_the_learned_ones_until_they_are_tuned(tuning: ModuleType) -> None:
    rng = np.random.default_rng(0)
    few = rng.random((20, 8, 8, 1)).astype(np.float32), np.arange(20) % 2
    learned = tuning.network(0, 10)
    below = {}
    for way in tuning.WAYS:
        model = tuning.trained(way, 5, 2, learned, few, 4)
        below[way] = model.get_weights()[:-2]
        assert model.optimizer.learning_rate == (tuning.RATE / 3 if way == "fine-tuned" else tuning.RATE)
        assert model.optimizer.iterations == 4
    for way, same in (("frozen", True), ("fine-tuned", False), ("from scratch", False)):
        equal = [np.array_equal(new, old) for new, old in zip(below[way], learned.get_weights()[:-2], strict=True)]
        assert equal == [same] * 6
    distance = [np.abs(below[way][0] - learned.get_weights()[0]).max() for way in ("fine-tuned", "from scratch")]
    assert distance[0] < 0.01 < distance[1]


def test_the_tasks_of_fine_tuning(tuning: ModuleType) -> None:
    x, y = np.arange(10 * 4).reshape(10, 2, 2, 1), np.arange(10)
    assert tuning.even_or_odd(x, y)[1].tolist() == [0, 1] * 5
    turned, same = tuning.quarter_turn(x, y)
    assert turned[0, ..., 0].tolist() == [[1, 3], [0, 2]]
    assert same is y
    images, labels = tuning.few_of((np.repeat(x, 3, axis=0), np.repeat(y, 3)), 2, np.random.default_rng(0))
    assert labels.tolist() == [digit for digit in range(10) for _ in range(2)]
    assert (images == x[labels]).all()


@pytest.mark.parametrize(
    ("scratch", "frozen", "says"),
    [
        ([0.2, 0.3], [0.1, 0.2], "Turn, frozen against from scratch: better with 7 images of each digit."),
        ([0.2, 0.3], [0.3, 0.31], "Turn, frozen against from scratch: worse with 7 images of each digit."),
        ([0.2, 0.3], [0.1, 0.31], "Turn, frozen against from scratch: not clearly different with 7 images of"),
        ([0.2, 0.3], [0.195, 0.295], "Turn, frozen against from scratch: not clearly different with 7 images of"),
    ],
)
def test_the_lesson_of_fine_tuning_claims_no_more_than_it_shows(
    tuning: ModuleType, scratch: list[float], frozen: list[float], says: str
) -> None:
    ways = {"from scratch": np.array(scratch), "frozen": np.array(frozen), "fine-tuned": np.array(scratch)}
    said = tuning.findings("turn", {7: ways})
    assert said[0].startswith(says)
    assert said[1].startswith("Turn, fine-tuned against from scratch: not clearly different")
    assert tuning.findings("turn", {}) == []


@pytest.mark.slow
def test_ctrl_c_in_the_lesson_of_fine_tuning(interrupt: Callable[..., Done], tmp_path: Path) -> None:
    done = interrupt(
        "lessons/fine_tuning_study.py", tmp_path, "--rows", 1, 2, "--epochs", 1, "--steps", 1000, after="1 images"
    )
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert "INTERRUPTED: 1 of 20 rows are finished; only these are reported." in done.stdout
    assert json.loads((tmp_path / "results.json").read_text())["interrupted"]
    assert (tmp_path / "lesson.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", 0], "--rows must be >= 1"),
        (["--rows", 5, 101], "--rows must be at most 100: there are about 140 images of each digit"),
        (["--steps", 1], "--steps must be >= 2"),
        (["--out", __file__], "is a file, not a folder"),
    ],
)
def test_bad_options_of_the_lesson_of_fine_tuning_give_one_clear_line(
    refused: Callable[..., None], arguments: list[object], message: str
) -> None:
    refused("lessons/fine_tuning_study.py", arguments, message)
