"""The lessons print their measurements and claim nothing beyond them."""

from __future__ import annotations

import argparse
import importlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess as Done
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tinydl import models
from tinydl.datasets.images import Images

# --- the lessons ------------------------------------------------------------------------------------------------------


def test_im2col_by_hand(run: Callable[..., Done]) -> None:
    printed = run("lessons/01_im2col_by_hand.py").stdout
    assert max(map(len, printed.splitlines())) <= 80
    for line in (
        "    patch at (0, 0)  [ 1 2 0 3 1 1 0 2 4 ]  x [  1 ]  = [  1 ]",  # 1 + 0 - 0 + 2*3 + 0 - 2*1 + 0 + 0 - 4
        "    patch at (2, 1)  [ 2 4 0 1 ]              [  9 ]",  # 2 + 2*4 + 3*0 - 1
        "    [ 2 4 4 2 ]          [  3  6  0  7 ]",  # number of patches that contain each pixel; dx
        "    dx[1,1] = dcols[0,3] + dcols[1,2] + dcols[3,1] + dcols[4,0]",
        "            = (-1) + 6 + 0 + 1 = 6",
        "Largest difference from the numbers above: none.",
    ):
        assert line in printed.splitlines()


# --- lessons/02_residual_networks.py -----------------------------------------------------------------------------------------------

TINY = ["--depths", 8, 14, "--epochs", 2, "--filters", 2, "--rows", 300]


@pytest.fixture(scope="module")
def lesson() -> ModuleType:
    """The lesson's script, loaded as a module."""
    return importlib.import_module("02_residual_networks")


@pytest.fixture(scope="module")
def lesson_run(run: Callable[..., Done], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("lesson")
    return out, run("lessons/02_residual_networks.py", *TINY, "--seeds", 2, "--out", out).stdout


def lesson_results(out: Path) -> dict[str, Any]:
    return json.loads((out / "results.json").read_text())


def test_the_residual_lesson_reports_what_it_measured(lesson_run: tuple[Path, str]) -> None:
    out, printed = lesson_run
    assert {path.name for path in out.iterdir()} == {"results.json", "table.md", "lesson.png", "checkpoints"}
    assert (out / "table.md").read_text().strip() in printed
    results = lesson_results(out)
    assert not results["interrupted"]
    assert [(run["seed"], run["depth"], run["kind"]) for run in results["runs"]] == [
        (seed, depth, kind) for seed in (0, 1) for depth in (8, 14) for kind in ("plain", "residual")
    ]
    for one in results["runs"]:
        assert len(one["loss"]) == len(one["error"]) == 2
        assert len(one["responses"]) == one["depth"] - 1
        assert 0 <= one["final_error"] <= 1
    text = " ".join(printed.split())

    def errors(kind: str, depth: int) -> np.ndarray:
        return np.array([r["final_error"] for r in results["runs"] if (r["kind"], r["depth"]) == (kind, depth)])

    for kind in ("plain", "residual"):
        deep, shallow = errors(kind, 14), errors(kind, 8)
        claim = f"{kind.capitalize()}: training error {deep.mean():.1%} with 14 layers, {shallow.mean():.1%} with 8, "
        assert claim in text
        said = text.split(claim)[1].split(". ")[1]
        harmed = (deep - shallow).mean() > 0.02 and (deep > shallow).all()
        assert said.startswith("This is degradation") == harmed
        for row in (8, 14):
            mean, spread = errors(kind, row).mean(), errors(kind, row).std(ddof=1)
            assert f"{mean:.1%} ± {spread:.1%} " in next(line for line in printed.splitlines() if f"| {row} " in line)
    gap = errors("residual", 14).mean() - errors("plain", 14).mean()
    assert f"{abs(100 * gap):.1f} points {'more' if gap > 0 else 'less'}" in text
    norms = results["initialisation"]["curves"]["plain"]["batch norm, He's weights"]["gradient"]
    assert len(norms) == 13
    assert f"is {norms[0]:.3g} in the first convolution and {norms[-1]:.3g} in the last: " in text
    assert ("it does not vanish on its way down" in text) == (norms[0] >= norms[-1] / 10)


@pytest.mark.slow
def test_the_residual_lesson_by_seed(run: Callable[..., Done], lesson_run: tuple[Path, str], tmp_path: Path) -> None:
    """In a run of two seeds, the second gives the same bits as when it runs alone."""
    run("lessons/02_residual_networks.py", *TINY, "--seed", 1, "--out", tmp_path)
    second = [one for one in lesson_results(lesson_run[0])["runs"] if one["seed"] == 1]
    alone = lesson_results(tmp_path)["runs"]
    for one in (*second, *alone):
        assert one.pop("seconds") > 0
    assert alone == second


def test_both_kinds_start_from_the_same_weights(lesson: ModuleType) -> None:
    """Both networks start with resnet_cifar's weights, and the residual network makes the same predictions."""
    plain, residual = (lesson.network(kind, 20, 16, (8, 8, 3), seed=3) for kind in ("plain", "residual"))
    ours = models.resnet_cifar(20, (8, 8, 3), seed=3)
    x = np.random.default_rng(0).standard_normal((2, 8, 8, 3)).astype(np.float32)
    assert np.array_equal(plain.parameters, residual.parameters)
    assert np.array_equal(ours.parameters, residual.parameters)
    assert np.array_equal(ours.predict(x), residual.predict(x))
    assert not np.allclose(plain.predict(x), residual.predict(x))


def test_the_residual_lesson_measures(lesson: ModuleType) -> None:
    model = lesson.network("residual", 8, 4, (8, 8, 1), seed=0)
    x = np.random.default_rng(0).standard_normal((32, 8, 8, 1)).astype(np.float32)
    for _ in range(200):  # until the running statistics equal the batch's
        model.forward(x, training=True)
    assert lesson.responses(model, x) == pytest.approx([1] * 7, abs=0.01)  # because gamma is 1
    y = np.arange(32) % 10
    found = lesson.gradients(model, x, y)
    weights = [array for name, array in model.grads.items() if name.endswith("W")][:-1]  # all but the dense layer's
    assert found["gradient"] == pytest.approx([np.linalg.norm(array) for array in weights], rel=1e-5)


@pytest.mark.parametrize(
    ("plain", "residual", "says"),
    [
        ([[0.3, 0.3], [0.5, 0.6]], [[0.3, 0.3], [0.2, 0.2]], ["This is degradation", "No degradation: more layers help"]),
        ([[0.3, 0.3], [0.3, 0.33]], [[0.3, 0.3], [0.3, 0.3]], ["depth has no clear effect", "depth has no clear effect"]),
        ([[0.3, 0.3], [0.29, 0.6]], [[0.3, 0.3], [0.4, 0.5]], ["The seeds disagree", "This is degradation"]),
        ([[0.3, 0.3], [0.5]], [[0.3, 0.3], [0.2]], ["With 56 layers the residual net's error is 20.0%"]),
    ],
)  # fmt: skip
def test_the_residual_lesson_claims_no_more_than_it_shows(
    lesson: ModuleType, plain: list[list[float]], residual: list[list[float]], says: list[str]
) -> None:
    found = {
        depth: {"plain": np.array(one), "residual": np.array(other)}
        for depth, one, other in zip((20, 56), plain, residual, strict=True)
    }
    said = lesson.depth_findings(found)
    for words, sentence in zip(says, said, strict=False):
        assert words in sentence
    assert len(said) == (3 if len(says) == 2 else 1)


@pytest.mark.slow
def test_ctrl_c_in_the_residual_lesson(interrupt: Callable[..., Done], tmp_path: Path) -> None:
    done = interrupt(
        "lessons/02_residual_networks.py", tmp_path, *TINY[:2], 14, "--epochs", 50, after="8 layers, plain"
    )
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert "INTERRUPTED: 1 of 4 networks are finished; only these are reported." in done.stdout
    assert "No depth is finished for both kinds, so nothing can be compared." in done.stdout
    assert lesson_results(tmp_path)["interrupted"]
    assert (tmp_path / "lesson.png").is_file()


def test_the_residual_lesson_reads_cifar(run: Callable[..., Done], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        batch = {b"data": rng.integers(0, 256, (40, 3072), dtype=np.uint8), b"labels": [i % 10 for i in range(40)]}
        (tmp_path / name).write_bytes(pickle.dumps(batch, protocol=2))
    options = ["--data", tmp_path, "--depths", 8, "--epochs", 1, "--filters", 2, "--out", tmp_path / "out"]
    done = run("lessons/02_residual_networks.py", *options, "--rows", 100)
    assert done.stdout.startswith("CIFAR-10 at 16x16 pixels: 100 training images; plain and residual nets of 8 layers")
    assert "the best of the shallower" not in done.stdout  # there is only one depth
    done = run("lessons/02_residual_networks.py", *options, "--rows", 201, check=False)
    assert "--rows must be at most 200, the number of images, got 201" in done.stderr.splitlines()[-1]


def test_the_residual_lesson_halves_images(lesson: ModuleType) -> None:
    rng = np.random.default_rng(0)
    given = Images(rng.integers(0, 256, (60, 32, 32, 3), np.uint8), np.arange(60) % 10, [str(i) for i in range(10)])
    options = argparse.Namespace(rows=60, data="", full_size=False)
    half = lesson.choose(given, 0, options)
    assert half.x.shape == (60, 16, 16, 3)
    assert half.x[7, 2, 3, 1] == np.rint(given.x[7, 4:6, 6:8, 1].mean())
    options.full_size, options.rows = True, 20
    assert lesson.choose(given, 0, options).x.shape == (20, 32, 32, 3)
    assert np.bincount(lesson.choose(given, 0, options).labels).tolist() == [2] * 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "'nowhere' does not exist"),
        (["--depths", 8, 9], "--depths must be 6 n + 2: 8, 14, 20, 26, ..., got 8 9"),
        (["--epochs", 0], "--epochs must be >= 1"),
        (["--rows", 5000], "--rows must be at most 1,437"),
        (["--learning-rate", 0], "--learning-rate must be above 0"),
        (["--full-size"], "--full-size needs --data"),
        (["--out", __file__], "is a file, not a folder"),
    ],
)
def test_bad_options_of_the_residual_lesson_give_one_clear_line(
    refused: Callable[..., None], arguments: list[object], message: str
) -> None:
    refused("lessons/02_residual_networks.py", arguments, message)


# --- lessons/03_fine_tuning.py ----------------------------------------------------------------------------------------

FEW = ["--rows", 1, 3, "--steps", 20, "--epochs", 1]


@pytest.fixture(scope="module")
def tuning() -> ModuleType:
    return importlib.import_module("03_fine_tuning")


def test_the_lesson_of_fine_tuning_reports_what_it_measured(run: Callable[..., Done], tmp_path: Path) -> None:
    printed = run("lessons/03_fine_tuning.py", *FEW, "--seeds", 2, "--out", tmp_path).stdout
    assert {path.name for path in tmp_path.iterdir()} == {"results.json", "table.md", "lesson.png"}
    assert (tmp_path / "table.md").read_text().strip() in printed
    results = lesson_results(tmp_path)
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
        "lessons/03_fine_tuning.py", tmp_path, "--rows", 1, 2, "--epochs", 1, "--steps", 1000, after="1 images"
    )
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert "INTERRUPTED: 1 of 20 rows are finished; only these are reported." in done.stdout
    assert lesson_results(tmp_path)["interrupted"]
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
    refused("lessons/03_fine_tuning.py", arguments, message)
