"""The study's scripts run end to end, and their reports are correct."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess as Done

import numpy as np
import pytest
from baselines import BASELINES
from generator import generate
from recipes import RECIPES
from report import PREVALENCES
from splits import honest_split

from tinydl import Model
from tinydl.detection import choose_threshold, confusion_at, detection_metrics, reconstruction_error

LOG = "logs/honest-contractive-seed0"
THEIRS = ("notes.txt", "pictures/holiday.jpg", "pictures/2019/roc.png", f"{LOG}/notes.txt")  # a user's own files
OLDER = ("pictures/vanilla/threshold.png", f"{LOG}/events.out.tfevents.1.host.2.0123abcd")  # an earlier run's


@pytest.fixture(scope="module")
def finished(run: Callable[..., Done], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("fraud")
    for name in (*THEIRS, *OLDER):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("older")
    options = ["--quick", "--model", "contractive", "--protocol", "both", "--epochs", 3]
    done = run("fraud/autoencoders.py", *options, "--out", out)
    return out, done.stderr + done.stdout


@pytest.mark.slow
def test_the_report_is_of_the_model_that_was_saved(finished: tuple[Path, str]) -> None:
    out, _ = finished
    report = json.loads((out / "report.json").read_text())["runs"]["honest"]["contractive"][0]
    split = honest_split(generate(40_000, 400), 0)
    model = Model.load(out / "models" / "honest-contractive-seed0.safetensors")
    calibration = reconstruction_error(model, split.x_calibration)
    scores = reconstruction_error(model, split.x_test)
    threshold = choose_threshold(split.y_calibration, calibration, "f1")
    assert report["threshold"]["threshold"] == threshold
    assert report["at_threshold"]["matrix"] == confusion_at(split.y_test, scores, threshold)["matrix"]
    assert report["test"] == detection_metrics(split.y_test, scores, PREVALENCES)
    assert report["epochs"] == len(report["history"]["val_loss"]) == 3
    assert np.mean(reconstruction_error(model, split.x_val)) <= min(report["history"]["val_loss"])


@pytest.mark.slow
def test_what_it_prints_and_where_it_writes(finished: tuple[Path, str]) -> None:
    out, printed = finished
    assert "SYNTHETIC: " in printed
    assert "Generated data: these figures say nothing about real fraud." in printed
    assert "book's area" not in printed
    assert (out / "table.md").read_text().strip() in printed
    assert (out / "words.txt").read_text().strip() in printed
    assert f"Written to {out.resolve()}: report.json, table.md, words.txt, models/" in printed
    pictures = {path.relative_to(out).as_posix() for path in (out / "pictures").rglob("*.png")} - set(THEIRS)
    pictures = {path.removeprefix("pictures/") for path in pictures}
    assert pictures == {
        "overview.png", "loss.png", "precision_recall.png", "autoencoders.png", "roc.png", "kinds.png",
        *(f"contractive/{name}.png" for name in ("threshold", "errors", "feature_errors", "reconstructions")),
    }  # fmt: skip
    assert all(f"    {name} " in printed for name in pictures)
    assert {path.name for path in (out / "logs").iterdir()} == {"book-contractive-seed0", "honest-contractive-seed0"}


@pytest.mark.slow
def test_it_removes_an_earlier_runs_files_and_no_others(finished: tuple[Path, str]) -> None:
    out, _ = finished
    assert [(out / name).read_text() for name in THEIRS] == ["older"] * len(THEIRS)
    assert not any((out / name).exists() for name in OLDER)


@pytest.mark.slow
def test_off_a_terminal_the_table_comes_within_forty_lines(finished: tuple[Path, str]) -> None:
    """Without arguments all detectors run, under one protocol; here three of them do, under two."""
    lines = finished[1].split("| detector ")[0].splitlines()
    progress = [line for line in lines if " protocol, " in line]
    assert [line.split(":")[0] for line in progress] == [
        f"{protocol} protocol, {name}, seed 0"
        for protocol in ("book", "honest")
        for name in ("contractive", "PCA", "isolation forest")
    ]
    assert len(lines) - len(progress) + len(RECIPES) + len(BASELINES) <= 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere.csv"], "nowhere.csv"),
        (["--epochs", 0], "--epochs must be >= 1"),
        (["--epochs", 3, "--book-steps"], "not allowed with argument"),
        (["--download"], "--download needs --data"),
        (["--quick", "--data", "x"], "--quick needs generated data"),
        (["--quick", "--out", __file__], "is a file, not a folder"),
        (["--quick", "--out", f"{__file__}/x"], "no file can be written there"),
        (["--quick", "--out", ""], "argument --out: expected a path, got ''"),
        (["--data", ""], "argument --data: expected a path, got ''"),
    ],
)
def test_bad_options_give_one_clear_line(refused: Callable[..., None], arguments: list[object], message: str) -> None:
    refused("fraud/autoencoders.py", arguments, message)


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished_and_says_so(interrupt: Callable[..., Done], tmp_path: Path) -> None:
    script, quick = "fraud/autoencoders.py", ["--quick", "--model", "vanilla"]
    done = interrupt(script, tmp_path, *quick, "--protocol", "both", "--epochs", 30, after="honest protocol, vanilla")
    assert done.returncode == 130
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["interrupted"]
    assert list(report["runs"]) == ["book"]
    assert "INTERRUPTED" in done.stdout
    assert "Traceback" not in done.stderr
    before = (tmp_path / "report.json").read_bytes()
    done = interrupt(script, tmp_path, *quick, "--epochs", 1000, after="honest protocol, vanilla")
    assert done.returncode == 1
    assert "no report was written" in done.stderr
    assert (tmp_path / "report.json").read_bytes() == before


def test_the_committee(run: Callable[..., Done], tmp_path: Path) -> None:
    done = run("fraud/committee.py", "--epochs", 2, "--members", 2, 1, "--out", tmp_path)
    assert "honest protocol, committee: ROC-AUC 0.9" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {
        "precision_recall-honest.png", "precision_recall-book.png", "checkpoints",
    }  # fmt: skip


@pytest.mark.parametrize("script", ["fraud/committee.py", "fraud/autoencoders.py"])
def test_a_damaged_checkpoint_gives_one_clear_line(
    script: str, run: Callable[..., Done], refused: Callable[..., None], tmp_path: Path
) -> None:
    how: list[object] = ["--epochs", 1, "--out", tmp_path]
    how += ["--members", 1, 1] if "committee" in script else ["--quick", "--model", "vanilla", "--protocol", "book"]
    run(script, *how)
    for path in (tmp_path / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:1000])
    refused(script, [*how, "--resume"], "--resume: ")


@pytest.mark.slow
def test_ctrl_c_ends_the_committee_with_one_line(interrupt: Callable[..., Done], tmp_path: Path) -> None:
    done = interrupt("fraud/committee.py", tmp_path, "--epochs", 1000, after="frauds")
    assert done.returncode == 1
    assert done.stderr.endswith("\nInterrupted; --resume continues the run.\n")
    assert "Traceback" not in done.stderr
