"""The examples run end to end, and what they report is what they say it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tinydl import Model
from tinydl.datasets import synthetic_fraud
from tinydl.datasets.splits import honest_split
from tinydl.evaluation import choose_threshold, confusion_at, detection_metrics, reconstruction_error

EXAMPLES = Path(__file__).parents[1] / "examples"
ENVIRONMENT = {**os.environ, "PYTHONUNBUFFERED": "1"}


def run(script: str, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=check, timeout=300)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("fraud")
    done = run("fraud_autoencoders.py", "--quick", "--model", "contractive", "--epochs", 3, "--out", out)
    return out, done.stdout


def test_the_report_is_of_the_model_that_was_saved(finished: tuple[Path, str]) -> None:
    out, _ = finished
    report = json.loads((out / "report.json").read_text())["runs"]["honest"]["contractive"][0]
    split = honest_split(synthetic_fraud.generate(40_000, 400), 0)
    model = Model.load(out / "models" / "honest-contractive-seed0.safetensors")
    calibration = reconstruction_error(model, split.x_calibration)
    scores = reconstruction_error(model, split.x_test)
    threshold = choose_threshold(split.y_calibration, calibration, "f1")
    assert report["threshold"]["threshold"] == threshold
    assert report["at_threshold"]["matrix"] == confusion_at(split.y_test, scores, threshold)["matrix"]
    assert report["test"] == detection_metrics(split.y_test, scores)
    assert report["epochs"] == len(report["history"]["val_loss"]) == 3
    assert np.mean(reconstruction_error(model, split.x_val)) <= min(report["history"]["val_loss"])


def test_what_it_prints_and_where_it_writes(finished: tuple[Path, str]) -> None:
    out, printed = finished
    assert printed.startswith("SYNTHETIC: ")
    assert "Generated data: these figures say nothing about real fraud." in printed
    assert "book's area" not in printed
    assert (out / "table.md").read_text().strip() in printed
    assert f"Written to {out.resolve()}: report.json, table.md, models/" in printed
    pictures = {path.relative_to(out / "pictures").as_posix() for path in (out / "pictures").rglob("*.png")}
    assert pictures == {
        "overview.png", "loss.png", "precision_recall.png", "roc.png",
        *(f"contractive/{name}.png" for name in ("threshold", "errors", "feature_errors", "reconstructions")),
    }  # fmt: skip
    assert {path.name for path in (out / "logs").iterdir()} == {"book-contractive-seed0", "honest-contractive-seed0"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere.csv"], "nowhere.csv"),
        (["--epochs", 0], "--epochs must be 1 or more"),
        (["--epochs", 3, "--book-steps"], "not allowed with argument"),
        (["--download"], "--download goes with --data"),
        (["--quick", "--data", "x"], "--quick goes with generated data"),
        (["--quick", "--out", __file__], "is a file, not a folder"),
    ],
)
def test_bad_options_give_one_clear_line(arguments: list[object], message: str) -> None:
    done = run("fraud_autoencoders.py", *arguments, check=False)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def interrupt(out: Path, *arguments: object, after: str) -> subprocess.CompletedProcess[str]:
    """Start the example, wait for a line that holds `after`, press Ctrl-C."""
    code = (
        "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"sys.argv = {['x', '--quick', '--out', str(out), *map(str, arguments)]!r}; "
        f"runpy.run_path({str(EXAMPLES / 'fraud_autoencoders.py')!r}, run_name='__main__')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        assert process.stdout is not None
        seen = ""
        while after not in seen:
            line = process.stdout.readline()
            assert line, seen
            seen += line
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        try:
            rest, errors = process.communicate(timeout=120)
        finally:
            process.kill()
    return subprocess.CompletedProcess(code, process.returncode, seen + rest, errors)


def test_ctrl_c_keeps_what_is_finished_and_says_so(tmp_path: Path) -> None:
    done = interrupt(tmp_path, "--model", "vanilla", "--epochs", 30, after="honest protocol, vanilla")
    assert done.returncode == 130
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["interrupted"]
    assert list(report["runs"]) == ["book"]
    assert "INTERRUPTED" in done.stdout
    assert "Traceback" not in done.stderr
    before = (tmp_path / "report.json").read_bytes()
    done = interrupt(tmp_path, "--model", "vanilla", "--epochs", 1000, after="book protocol, vanilla")
    assert done.returncode == 1
    assert "no report was written" in done.stderr
    assert (tmp_path / "report.json").read_bytes() == before


def test_the_committee(tmp_path: Path) -> None:
    done = run("fraud_committee.py", "--epochs", 2, "--members", 2, 1, "--out", tmp_path)
    assert "honest protocol, committee: ROC-AUC 0.9" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"precision_recall-honest.png", "precision_recall-book.png"}
