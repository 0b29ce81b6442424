"""The movie recommender: its table, words, pictures and files, on generated ratings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess as Done

import numpy as np
import pytest

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
