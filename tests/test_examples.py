"""The examples run end to end, and what they report is what they say it is."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tinydl import Model, models
from tinydl.datasets import digits, synthetic_fraud
from tinydl.datasets.images import Images
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
        f"sys.argv = {['x', '--out', str(out), *map(str, arguments)]!r}; sys.path.insert(0, {str(EXAMPLES)!r}); "
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


# --- cifar_architectures.py -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lenet_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Eight epochs of LeNet-5 on digits, in one go; blended and blotted out, smoothed, by one cycle."""
    out = tmp_path_factory.mktemp("lenet") / "run"
    return out, run("cifar_architectures.py", *LENET, "--epochs", 8, "--out", out).stdout


LENET = ["--model", "lenet5", "--learning-rate", 0.05, "--label-smoothing", 0.1, "--mixup", 0.2, "--cutout", 4]


def test_cifar_architectures_learns_prints_and_draws(lenet_run: tuple[Path, str]) -> None:
    out, printed = lenet_run
    report = report_of(out)
    assert printed.startswith("scikit-learn's digits: 1,257 training, 180 validation, 360 test images\nlenet5: 61,706")
    assert report["test"]["accuracy"] > 0.8
    assert report["best_epoch"] == 1 + int(np.argmax(report["history"]["val_accuracy"]))
    assert report["settings"]["recipe"] == "one_cycle"
    assert (out / "table.md").read_text().strip() in printed
    assert (out / "model.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in (out / "pictures").iterdir()} == {
        "curves.png", "filters.png", "feature_maps.png", "confusion_matrix.png", "confident_mistakes.png",
    }  # fmt: skip


def test_cifar_architectures_resumes_exactly_and_remembers_its_budget(
    lenet_run: tuple[Path, str], tmp_path: Path
) -> None:
    stopped = interrupt("cifar_architectures.py", tmp_path, *LENET, "--epochs", 8, after="Epoch 2/8")
    assert stopped.returncode == 130
    assert report_of(tmp_path)["interrupted"]
    for options, message in (
        ([*LENET, "--epochs", 4], "was made with epochs = 8, now it is 4"),
        (["--model", "lenet5"], "was made with learning_rate = 0.05, now it is 0.2"),
        ([*LENET, "--recipe", "paper"], "was made with recipe = 'one_cycle', now it is 'paper'"),
    ):
        done = run("cifar_architectures.py", *options, "--out", tmp_path, "--resume", check=False)
        assert done.returncode == 2
        assert message in done.stderr.splitlines()[-1]
    assert "to 8, batches of 128" in run("cifar_architectures.py", *LENET, "--out", tmp_path, "--resume").stdout
    same_run(lenet_run[0], tmp_path)


@pytest.mark.parametrize("model", ["resnet20", "vgg"])
def test_architectures_run_on_enlarged_digits(model: str, tmp_path: Path) -> None:
    """(A budget too short for more than one epoch.)"""
    done = run("cifar_architectures.py", "--model", model, "--minutes", 0.01, "--recipe", "paper", "--out", tmp_path)
    report = report_of(tmp_path)
    assert report["epochs"] == report["settings"]["epochs"] == 1
    assert report["settings"]["learning_rate"] == 0.1
    assert "parameters; 1 epoch, batches of 128" in done.stdout
    assert np.isfinite(report["test"]["loss"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "resnet21"], "invalid choice: 'resnet21'"),
        (["--epochs", 3, "--minutes", 2], "not allowed with argument"),
        (["--mixup", -1], "--mixup must be 0 or more"),
        (["--minutes", 0], "--minutes must be above 0"),
        (["--learning-rate", 0], "--learning-rate must be above 0"),
        (["--label-smoothing", 1], "--label-smoothing must be 0 or more, and below 1"),
        (["--cutout", -3], "--cutout must be 0 or more"),
        (["--data", "nowhere"], "'nowhere' does not exist"),
    ],
)
def test_bad_options_of_cifar_architectures_give_one_clear_line(arguments: list[object], message: str) -> None:
    done = run("cifar_architectures.py", *arguments, check=False)
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


# --- residual_lesson.py -----------------------------------------------------------------------------------------------

TINY = ["--depths", 8, 14, "--epochs", 2, "--filters", 2, "--rows", 300]


@pytest.fixture(scope="module")
def lesson() -> Iterator[ModuleType]:
    """The script as a module."""
    sys.path.insert(0, str(EXAMPLES))
    try:
        yield importlib.import_module("residual_lesson")
    finally:
        sys.path.remove(str(EXAMPLES))


@pytest.fixture(scope="module")
def lesson_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("lesson")
    return out, run("residual_lesson.py", *TINY, "--seeds", 2, "--out", out).stdout


def lesson_results(out: Path) -> dict[str, Any]:
    return json.loads((out / "results.json").read_text())


def test_the_residual_lesson_reports_what_it_measured(lesson_run: tuple[Path, str]) -> None:
    out, printed = lesson_run
    assert {path.name for path in out.iterdir()} == {"results.json", "table.md", "lesson.png"}
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
        assert said.startswith("That is degradation") == harmed
        for row in (8, 14):
            mean, spread = errors(kind, row).mean(), errors(kind, row).std(ddof=1)
            assert f"{mean:.1%} ± {spread:.1%} " in next(line for line in printed.splitlines() if f"| {row} " in line)
    gap = errors("residual", 14).mean() - errors("plain", 14).mean()
    assert f"{abs(100 * gap):.1f} points {'more' if gap > 0 else 'less'}" in text
    norms = results["initialisation"]["curves"]["plain"]["batch norm, He's weights"]["gradient"]
    assert len(norms) == 13
    assert f"is {norms[0]:.3g} in the first convolution and {norms[-1]:.3g} in the last: " in text
    assert ("it does not vanish on its way down" in text) == (norms[0] >= norms[-1] / 10)


def test_the_residual_lesson_by_seed(lesson_run: tuple[Path, str], tmp_path: Path) -> None:
    """The second of two seeds is what it is alone, to the bit."""
    run("residual_lesson.py", *TINY, "--seed", 1, "--out", tmp_path)
    second = [one for one in lesson_results(lesson_run[0])["runs"] if one["seed"] == 1]
    alone = lesson_results(tmp_path)["runs"]
    for one in (*second, *alone):
        assert one.pop("seconds") > 0
    assert alone == second


def test_both_kinds_start_from_the_same_weights(lesson: ModuleType) -> None:
    """Those of resnet_cifar, which the residual one is."""
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
    for _ in range(200):  # until the running statistics are those of the batch
        model.forward(x, training=True)
    assert lesson.responses(model, x) == pytest.approx([1] * 7, abs=0.01)  # as gamma is 1
    y = np.arange(32) % 10
    found = lesson.gradients(model, x, y)
    weights = [array for name, array in model.grads.items() if name.endswith("W")][:-1]  # without the dense layer's
    assert found["gradient"] == pytest.approx([np.linalg.norm(array) for array in weights], rel=1e-5)


@pytest.mark.parametrize(
    ("plain", "residual", "says"),
    [
        ([[0.3, 0.3], [0.5, 0.6]], [[0.3, 0.3], [0.2, 0.2]], ["That is degradation", "No degradation: it gains by depth"]),
        ([[0.3, 0.3], [0.3, 0.33]], [[0.3, 0.3], [0.3, 0.3]], ["depth does not show", "depth does not show"]),
        ([[0.3, 0.3], [0.29, 0.6]], [[0.3, 0.3], [0.4, 0.5]], ["The seeds disagree", "That is degradation"]),
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


def test_ctrl_c_in_the_residual_lesson(tmp_path: Path) -> None:
    done = interrupt("residual_lesson.py", tmp_path, *TINY[:2], 14, "--epochs", 50, after="8 layers, plain")
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert "INTERRUPTED: 1 of 4 networks are finished; only they are reported." in done.stdout
    assert "No depth is finished in both kinds: nothing can be compared." in done.stdout
    assert lesson_results(tmp_path)["interrupted"]
    assert (tmp_path / "lesson.png").is_file()


def test_the_residual_lesson_reads_cifar(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        batch = {b"data": rng.integers(0, 256, (40, 3072), dtype=np.uint8), b"labels": [i % 10 for i in range(40)]}
        (tmp_path / name).write_bytes(pickle.dumps(batch, protocol=2))
    options = ["--data", tmp_path, "--depths", 8, "--epochs", 1, "--filters", 2, "--out", tmp_path / "out"]
    done = run("residual_lesson.py", *options, "--rows", 100)
    assert done.stdout.startswith("CIFAR-10 at 16x16 pixels: 100 training images; plain and residual nets of 8 layers")
    assert "the best of the shallower" not in done.stdout  # there is one depth only
    done = run("residual_lesson.py", *options, "--rows", 201, check=False)
    assert "--rows must be at most 200, the images there are; got 201" in done.stderr.splitlines()[-1]


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
        (["--depths", 8, 9], "--depths must be 6 n + 2: 8, 14, 20, 26, ...; got 8 9"),
        (["--epochs", 0], "--epochs must be 1 or more"),
        (["--rows", 5000], "--rows must be at most 1,437"),
        (["--learning-rate", 0], "--learning-rate must be more than 0"),
        (["--full-size"], "--full-size goes with --data"),
        (["--out", __file__], "is a file, not a folder"),
    ],
)
def test_bad_options_of_the_residual_lesson_give_one_clear_line(arguments: list[object], message: str) -> None:
    done = run("residual_lesson.py", *arguments, check=False)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
