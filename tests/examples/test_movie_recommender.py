"""The movie recommender: its table, words, pictures and files, on generated ratings."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess as Done

import numpy as np
import pytest

from tinydl.recommenders import RBMRecommender

SCRIPT = "movie_recommender.py"


@pytest.fixture(scope="module")
def quick(run: Callable[..., Done], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("movies")
    return out, run(SCRIPT, "--quick", "--out", out, "--user", 7, "--film", 5).stdout


def test_it_prints_a_table_and_recommendations(quick: tuple[Path, str]) -> None:
    out, printed = quick
    lines = printed.splitlines()
    assert lines[0].startswith("SYNTHETIC: 150 users, 80 films, seed 0 (")
    assert (out / "table.md").read_text().strip().split("\n\n")[1] in printed
    assert (out / "recommendations.md").read_text().strip() in printed
    assert "for user 7, who rated" in printed
    assert sum(line.startswith("- ") for line in lines) == 5 + 10 + 10
    assert "The films nearest to " in printed
    assert len(lines) < 70


def test_the_report_agrees_with_the_table(quick: tuple[Path, str]) -> None:
    out, printed = quick
    report = json.loads((out / "report.json").read_text())
    assert report["synthetic"] is True
    assert {"user and item bias", "AutoRec, items", "AutoRec, users"} <= set(report["models"])
    for name, figures in report["models"].items():
        row = next(line for line in printed.splitlines() if line.startswith(f"| {name} "))
        assert f" {figures['rmse']:.4f} " in row
        assert f" {figures['ndcg@10']:.3f} " in row
        assert figures["rmse"] == figures["history"]["val_rmse"][-1]
        assert np.isfinite(figures["rmse"])


def test_pictures_are_drawn(quick: tuple[Path, str]) -> None:
    out, printed = quick
    pictures = {path.name for path in (out / "pictures").iterdir()}
    assert pictures == {"learning_curves.png", "errors_by_popularity.png", "predictions.png", "film_map.png"}
    assert all(name in printed for name in pictures)


def test_a_run_that_was_stopped_is_resumed(
    quick: tuple[Path, str], run: Callable[..., Done], refused: Callable[..., None], tmp_path: Path
) -> None:
    """Some models are finished, one has begun, and one is missing: the figures are those of a run without a stop."""
    shutil.copytree(quick[0] / "checkpoints", tmp_path / "checkpoints")
    for name in ("rbm", "rbm-user"):
        (tmp_path / "checkpoints" / f"{name}.safetensors").unlink()
    stop, record = itertools.count(), RBMRecommender._record

    def stopped(self: RBMRecommender, **figures: float) -> dict[str, float]:
        if next(stop) == 2:
            raise KeyboardInterrupt
        return record(self, **figures)

    arguments = ("--quick", "--out", tmp_path, "--user", 7, "--film", 5, "--resume")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RBMRecommender, "_record", stopped)
        assert run(SCRIPT, *arguments, check=False).returncode == 1
    assert not (tmp_path / "report.json").exists()
    printed = run(SCRIPT, *arguments).stdout
    assert printed.count(", resumed |") == 3
    reports = [json.loads((out / "report.json").read_text())["models"] for out in (quick[0], tmp_path)]
    for figures in (each for report in reports for each in report.values()):
        del figures["seconds"]
    assert reports[0] == reports[1]
    assert (tmp_path / "recommendations.md").read_text() == (quick[0] / "recommendations.md").read_text()
    refused(SCRIPT, [*arguments, "--seed", 1], "error: --resume: ")
    assert ", resumed" not in run(SCRIPT, "--quick", "--out", tmp_path, "--model", "autorec").stdout


def test_bad_options_get_one_line(refused: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for arguments, message in [
        (["--download"], "--download needs --data"),
        (["--data", tmp_path], "holds neither ml-100k nor ml-1m"),
        (["--quick", "--user", 1000], "--user: no user 1000 among 150, 1 to 150"),
        (["--quick", "--film", "Metropolis"], "--film: no rated film has the id 'Metropolis', or 'Metropolis' in its"),
        (["--seed", -1], "--seed must be >= 0"),
        (["--out", tmp_path / "file"], "is a file, not a folder"),
    ]:
        refused(SCRIPT, arguments, message)


def test_one_model_and_a_film_by_its_title(run: Callable[..., Done], tmp_path: Path) -> None:
    printed = run(SCRIPT, "--quick", "--out", tmp_path, "--model", "autorec", "--film", "RIVER").stdout
    nearest = next(line for line in printed.splitlines() if line.startswith("The films nearest to "))
    assert "River (" in nearest
    assert "bias" not in (tmp_path / "table.md").read_text()


def test_biases_know_no_similar_films(run: Callable[..., Done], tmp_path: Path) -> None:
    printed = run(SCRIPT, "--quick", "--out", tmp_path, "--model", "bias").stdout
    assert "recommends, of the films" in printed
    assert "The films nearest to " not in printed
    assert "film_map.png" not in {path.name for path in (tmp_path / "pictures").iterdir()}
