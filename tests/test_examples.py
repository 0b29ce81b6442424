"""The examples run end to end, and what they report is what they say it is."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl import Model
from tinydl.datasets import digits, synthetic_fraud
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


def interrupt(script: str, out: Path, *arguments: object, after: str) -> subprocess.CompletedProcess[str]:
    """Start the example, wait for a line that holds `after`, press Ctrl-C."""
    code = (
        "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"sys.argv = {['x', '--out', str(out), *map(str, arguments)]!r}; "
        f"runpy.run_path({str(EXAMPLES / script)!r}, run_name='__main__')"
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
    script, quick = "fraud_autoencoders.py", ["--quick", "--model", "vanilla"]
    done = interrupt(script, tmp_path, *quick, "--epochs", 30, after="honest protocol, vanilla")
    assert done.returncode == 130
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["interrupted"]
    assert list(report["runs"]) == ["book"]
    assert "INTERRUPTED" in done.stdout
    assert "Traceback" not in done.stderr
    before = (tmp_path / "report.json").read_bytes()
    done = interrupt(script, tmp_path, *quick, "--epochs", 1000, after="book protocol, vanilla")
    assert done.returncode == 1
    assert "no report was written" in done.stderr
    assert (tmp_path / "report.json").read_bytes() == before


def test_the_committee(tmp_path: Path) -> None:
    done = run("fraud_committee.py", "--epochs", 2, "--members", 2, 1, "--out", tmp_path)
    assert "honest protocol, committee: ROC-AUC 0.9" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"precision_recall-honest.png", "precision_recall-book.png"}


# --- cifar_cnn.py -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Four epochs on digits, in one go."""
    out = tmp_path_factory.mktemp("digits") / "run"
    return out, run("cifar_cnn.py", "--epochs", 4, "--out", out).stdout


def report_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "report.json").read_text())


def same_run(one: Path, other: Path) -> None:
    """The same weights, optimizer, generators and figures, to the bit."""
    for name in ("checkpoint.safetensors", "model.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    ours, theirs = report_of(one), report_of(other)
    for report in (ours, theirs):
        for timing in ("seconds_per_epoch", "images_per_second"):
            assert report.pop(timing) > 0
        assert len(report["history"].pop("seconds")) == report["epochs"]
    assert ours == theirs


def test_the_tested_model_is_the_best_by_validation(digits_run: tuple[Path, str]) -> None:
    out, _ = digits_run
    report = report_of(out)
    history, test = report["history"], digits.load().test
    assert {name: len(values) for name, values in history.items()} == dict.fromkeys(
        ("loss", "accuracy", "val_loss", "val_accuracy", "seconds"), 4
    )
    assert report["best_epoch"] == 1 + int(np.argmin(history["val_loss"]))
    assert (report["train_rows"], report["validation_rows"], report["test"]["rows"]) == (1257, 180, 360)
    says = Model.load(out / "model.safetensors").predict(test).argmax(axis=1)
    matrix = np.array(report["test"]["confusion_matrix"])
    assert report["test"]["accuracy"] == np.mean(says == test.labels) == matrix.trace() / 360
    assert matrix[3, 5] == np.sum((test.labels == 3) & (says == 5))
    assert not report["interrupted"]


def test_cifar_cnn_prints_and_draws(digits_run: tuple[Path, str]) -> None:
    out, printed = digits_run
    assert printed.startswith("scikit-learn's digits: 1,257 training, 180 validation, 360 test images\n")
    assert (out / "table.md").read_text().strip() in printed
    assert f"| test, looked at once                  | 360      | {report_of(out)['test']['loss']:.4f}" in printed
    assert {path.name for path in (out / "pictures").iterdir()} == {
        "curves.png", "filters.png", "feature_maps.png", "confusion_matrix.png", "confident_mistakes.png",
    }  # fmt: skip


def test_resume_is_exact(digits_run: tuple[Path, str], tmp_path: Path) -> None:
    run("cifar_cnn.py", "--epochs", 2, "--out", tmp_path)
    run("cifar_cnn.py", "--epochs", 4, "--out", tmp_path, "--resume")
    same_run(digits_run[0], tmp_path)


def test_resume_after_a_stop_between_an_epochs_files(digits_run: tuple[Path, str], tmp_path: Path) -> None:
    """History is written first, then the checkpoint, then the best model: the last two may be missing or old."""
    whole = digits_run[0]
    run("cifar_cnn.py", "--epochs", 2, "--out", tmp_path)
    assert report_of(tmp_path)["best_epoch"] == 2, "so that the best model is the one not written"
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "report.json").unlink()
    shutil.copy(whole / "history.json", tmp_path)
    refused = run("cifar_cnn.py", "--epochs", 4, "--out", tmp_path, check=False)
    assert "holds an unfinished run: go on with --resume" in refused.stderr.splitlines()[-1]
    run("cifar_cnn.py", "--epochs", 4, "--out", tmp_path, "--resume")
    same_run(whole, tmp_path)
    for options, message in (
        (["--epochs", 3], "has 4 epochs already"),
        (["--epochs", 5, "--batch-size", 7], "was made with batch_size = 32, now it is 7"),
        (["--epochs", 5, "--seed", 1], "was made with seed = 0, now it is 1"),
    ):
        done = run("cifar_cnn.py", *options, "--out", tmp_path, "--resume", check=False)
        assert done.returncode == 2
        assert message in done.stderr.splitlines()[-1]
    same_run(whole, tmp_path)


def test_ctrl_c_keeps_the_epochs_and_resume_goes_on(tmp_path: Path) -> None:
    done = interrupt("cifar_cnn.py", tmp_path, "--epochs", 5000, after="Epoch 2/5000")
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert "The test images were not looked at." in done.stdout
    report = report_of(tmp_path)
    assert report["interrupted"]
    assert "test" not in report
    epochs = report["epochs"]
    assert f"{epochs} of 5000 epochs are finished" in done.stdout
    run("cifar_cnn.py", "--epochs", epochs + 1, "--out", tmp_path, "--resume")
    assert report_of(tmp_path)["epochs"] == epochs + 1


def test_the_books_own_recipe_has_no_validation(tmp_path: Path) -> None:
    done = run("cifar_cnn.py", "--quick", "--all-rows", "--out", tmp_path)
    assert "1,437 training, 360 test images" in done.stdout
    report = report_of(tmp_path)
    assert "val_loss" not in report["history"]
    assert report["best_epoch"] == report["epochs"] == 2
    assert "epoch 2 of 2, the last" in done.stdout


def test_cifar_cnn_reads_cifar(tmp_path: Path) -> None:
    """The files of the python version, with a few images in each."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        batch = {b"data": rng.integers(0, 256, (40, 3072), dtype=np.uint8), b"labels": [i % 10 for i in range(40)]}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    out = tmp_path / "out"
    done = run("cifar_cnn.py", "--data", tmp_path, "--epochs", 1, "--augment", "--standardise", "--out", out)
    assert done.stdout.startswith(
        "CIFAR-10: 160 training, 40 validation, 40 test images\ncifar_cnn: 9,312,202 parameters"
    )
    assert report_of(out)["settings"]["augment"]
    assert len(list((out / "pictures").iterdir())) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "'nowhere' does not exist"),
        (["--epochs", 0], "--epochs must be 1 or more"),
        (["--batch-size", -1], "--batch-size must be 1 or more"),
        (["--download"], "--download goes with --data"),
        (["--augment"], "--augment goes with --data"),
        (["--resume", "--out", "nowhere"], "--resume: nowhere holds no run to go on with"),
        (["--out", __file__], "is a file, not a folder"),
    ],
)
def test_bad_options_of_cifar_cnn_give_one_clear_line(arguments: list[object], message: str) -> None:
    done = run("cifar_cnn.py", *arguments, check=False)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


# --- the lessons ------------------------------------------------------------------------------------------------------


def test_im2col_by_hand() -> None:
    printed = run("im2col_by_hand.py").stdout
    assert max(map(len, printed.splitlines())) <= 80
    for line in (
        "    patch at (0, 0)  [ 1 2 0 3 1 1 0 2 4 ]  x [  1 ]  = [  1 ]",  # 1 + 0 - 0 + 2*3 + 0 - 2*1 + 0 + 0 - 4
        "    patch at (2, 1)  [ 2 4 0 1 ]              [  9 ]",  # 2 + 2*4 + 3*0 - 1
        "    [ 2 4 4 2 ]             [  3  6  0  7 ]",  # patches that hold each pixel, dx
        "    dx[1,1] = dcols[0,3] + dcols[1,2] + dcols[3,1] + dcols[4,0]",
        "            = (-1) + 6 + 0 + 1 = 6",
        "Largest difference to the numbers above: none.",
    ):
        assert line in printed.splitlines()
