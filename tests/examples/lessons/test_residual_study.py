"""The lesson prints its measurements and claims nothing beyond them."""

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

TINY = ["--depths", 8, 14, "--epochs", 2, "--filters", 2, "--rows", 300]


@pytest.fixture(scope="module")
def lesson() -> ModuleType:
    """The lesson's script, loaded as a module."""
    return importlib.import_module("residual_study")


@pytest.fixture(scope="module")
def lesson_run(run: Callable[..., Done], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("lesson")
    return out, run("lessons/residual_study.py", *TINY, "--seeds", 2, "--out", out).stdout


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
    run("lessons/residual_study.py", *TINY, "--seed", 1, "--out", tmp_path)
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
        "lessons/residual_study.py", tmp_path, *TINY[:3], "--epochs", 50, *TINY[7:], after="8 layers, plain"
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
    done = run("lessons/residual_study.py", *options, "--rows", 100)
    assert done.stdout.startswith("CIFAR-10 at 16x16 pixels: 100 training images; plain and residual nets of 8 layers")
    assert "the best of the shallower" not in done.stdout  # there is only one depth
    done = run("lessons/residual_study.py", *options, "--rows", 201, check=False)
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
    refused("lessons/residual_study.py", arguments, message)
