"""The training runs on images: reports, pictures, and bit-for-bit resumption of stopped runs."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess as Done
from typing import Any

import famous_networks
import numpy as np
import pytest
from safetensors import safe_open

from tinydl import Model
from tinydl.datasets import digits

# --- cifar/cnn.py -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits_run(run: Callable[..., Done], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An uninterrupted run of four epochs on digits."""
    out = tmp_path_factory.mktemp("digits") / "run"
    return out, run("cifar/cnn.py", "--epochs", 4, "--out", out).stdout


@pytest.fixture(scope="module")
def first_half(run: Callable[..., Done], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first two of these epochs, as a run of their own; tests continue a copy."""
    out = tmp_path_factory.mktemp("half") / "run"
    run("cifar/cnn.py", "--epochs", 2, "--out", out)
    return out


def report_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "report.json").read_text())


def same_run(one: Path, other: Path) -> None:
    """Assert that two runs have the same weights, optimizer, generators and figures, to the bit."""
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    states = []
    for out in (one, other):
        with safe_open(out / "checkpoint.safetensors", framework="numpy") as file:
            training = json.loads(file.metadata()["tinydl"])["training"]
            states.append((training, {key: file.get_tensor(key) for key in file.keys()}))  # noqa: SIM118
    np.testing.assert_equal(*states)
    ours, theirs = report_of(one), report_of(other)
    for report in (ours, theirs):
        for timing in ("seconds_per_epoch", "images_per_second"):
            assert report.pop(timing) > 0
        assert len(report["history"].pop("seconds")) == report["epochs"]
    assert ours == theirs


@pytest.mark.slow
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
    assert f"| test, evaluated once                   | 360      | {report_of(out)['test']['loss']:.4f}" in printed
    assert {path.name for path in (out / "pictures").iterdir()} == {
        "curves.png", "filters.png", "feature_maps.png", "confusion_matrix.png", "confident_mistakes.png",
    }  # fmt: skip


@pytest.mark.slow
def test_resume_is_exact(
    run: Callable[..., Done], digits_run: tuple[Path, str], first_half: Path, tmp_path: Path
) -> None:
    shutil.copytree(first_half, tmp_path, dirs_exist_ok=True)
    run("cifar/cnn.py", "--epochs", 4, "--out", tmp_path, "--resume")
    same_run(digits_run[0], tmp_path)


@pytest.mark.slow
def test_resume_after_a_stop_between_an_epochs_files(
    run: Callable[..., Done], digits_run: tuple[Path, str], first_half: Path, tmp_path: Path
) -> None:
    """The history and the best model are written before the checkpoint, so a stop can leave those of a later epoch."""
    whole = digits_run[0]
    shutil.copytree(first_half, tmp_path, dirs_exist_ok=True)
    (tmp_path / "report.json").unlink()
    shutil.copy(whole / "history.json", tmp_path)
    shutil.copy(whole / "model.safetensors", tmp_path)
    refused = run("cifar/cnn.py", "--epochs", 4, "--out", tmp_path, check=False)
    assert "holds an unfinished run: continue with --resume" in refused.stderr.splitlines()[-1]
    run("cifar/cnn.py", "--epochs", 4, "--out", tmp_path, "--resume")
    same_run(whole, tmp_path)
    for options, message in (
        (["--epochs", 5, "--batch-size", 7], "was made with batch_size = 32, got 7"),
        (["--epochs", 5, "--seed", 1], "was made with seed = 0, got 1"),
    ):
        done = run("cifar/cnn.py", *options, "--out", tmp_path, "--resume", check=False)
        assert done.returncode == 2
        assert message in done.stderr.splitlines()[-1]
    same_run(whole, tmp_path)
    for damaged in ("{", "[]", '{"settings": 7}'):
        (tmp_path / "history.json").write_text(damaged)
        done = run("cifar/cnn.py", "--epochs", 5, "--out", tmp_path, "--resume", check=False)
        assert done.returncode == 2
        assert "history.json: expected" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_ctrl_c_keeps_the_epochs_and_resume_goes_on(
    run: Callable[..., Done], interrupt: Callable[..., Done], tmp_path: Path
) -> None:
    done = interrupt("cifar/cnn.py", tmp_path, "--epochs", 5000, after="Epoch 2/5000")
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert "The test images were not used." in done.stdout
    report = report_of(tmp_path)
    assert report["interrupted"]
    assert "test" not in report
    epochs = report["epochs"]
    assert f"{epochs} of 5000 epochs are finished" in done.stdout
    run("cifar/cnn.py", "--epochs", epochs + 1, "--out", tmp_path, "--resume")
    assert report_of(tmp_path)["epochs"] == epochs + 1


def test_the_books_own_recipe_has_no_validation(run: Callable[..., Done], tmp_path: Path) -> None:
    theirs = [
        tmp_path / "notes.txt",
        tmp_path / "pictures" / "holiday.png",
        tmp_path / "pictures" / "2019" / "curves.png",
    ]
    for path in theirs:
        path.parent.mkdir(exist_ok=True)
        path.write_text("somebody's")
    done = run("cifar/cnn.py", "--quick", "--all-rows", "--out", tmp_path)
    assert "1,437 training, 360 test images" in done.stdout
    report = report_of(tmp_path)
    assert "val_loss" not in report["history"]
    assert report["best_epoch"] == report["epochs"] == 2
    assert "epoch 2 of 2, the last" in done.stdout
    assert [path.read_text() for path in theirs] == ["somebody's"] * 3  # --out may hold other files


@pytest.mark.slow
def test_cifar_cnn_reads_cifar(run: Callable[..., Done], tmp_path: Path) -> None:
    """The script reads files in the Python version's format, with a few images in each."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        batch = {b"data": rng.integers(0, 256, (40, 3072), dtype=np.uint8), b"labels": [i % 10 for i in range(40)]}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    out = tmp_path / "out"
    done = run("cifar/cnn.py", "--data", tmp_path, "--epochs", 1, "--augment", "--standardise", "--out", out)
    assert done.stdout.startswith(
        "CIFAR-10: 160 training, 40 validation, 40 test images\ncifar_cnn: 9,312,202 parameters"
    )
    assert report_of(out)["settings"]["augment"]
    assert len(list((out / "pictures").iterdir())) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "'nowhere' does not exist"),
        (["--epochs", 0], "--epochs must be >= 1"),
        (["--batch-size", -1], "--batch-size must be >= 1"),
        (["--download"], "--download needs --data"),
        (["--augment"], "--augment needs --data"),
        (["--out", __file__], "is a file, not a folder"),
    ],
)
def test_bad_options_of_cifar_cnn_give_one_clear_line(
    refused: Callable[..., None], arguments: list[object], message: str
) -> None:
    refused("cifar/cnn.py", arguments, message)


# --- cifar/famous_networks.py -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lenet_run(run: Callable[..., Done], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """An uninterrupted run of LeNet-5 on digits: eight epochs with mixup, cutout, label smoothing and one cycle."""
    out = tmp_path_factory.mktemp("lenet") / "run"
    return out, run("cifar/famous_networks.py", *LENET, "--epochs", 8, "--out", out).stdout


LENET = ["--model", "lenet5", "--learning-rate", 0.05, "--label-smoothing", 0.1, "--mixup", 0.2, "--cutout", 4]


@pytest.mark.slow
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


@pytest.mark.slow
def test_cifar_architectures_resumes_exactly_and_remembers_its_budget(
    run: Callable[..., Done], interrupt: Callable[..., Done], lenet_run: tuple[Path, str], tmp_path: Path
) -> None:
    stopped = interrupt("cifar/famous_networks.py", tmp_path, *LENET, "--epochs", 8, after="Epoch 2/8")
    assert stopped.returncode == 130
    assert report_of(tmp_path)["interrupted"]
    for options, message in (
        ([*LENET, "--epochs", 4], "was made with epochs = 8, got 4"),
        (["--model", "lenet5"], "was made with learning_rate = 0.05, got 0.2"),
        ([*LENET, "--recipe", "paper"], "was made with recipe = 'one_cycle', got 'paper'"),
    ):
        done = run("cifar/famous_networks.py", *options, "--out", tmp_path, "--resume", check=False)
        assert done.returncode == 2
        assert message in done.stderr.splitlines()[-1]
    assert "8 epochs, batches of 128" in run("cifar/famous_networks.py", *LENET, "--out", tmp_path, "--resume").stdout
    same_run(lenet_run[0], tmp_path)


@pytest.mark.parametrize("model", sorted(famous_networks.MODELS))
def test_every_network_takes_enlarged_digits_and_photographs(model: str) -> None:
    for shape in ((32, 32, 1), (32, 32, 3)):
        network = famous_networks.MODELS[model](input_shape=shape, seed=0)
        assert network.output_shape == (10,)


@pytest.mark.slow
def test_a_deep_network_runs_on_enlarged_digits(
    run: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time budget is too short for more than one epoch, even of a few digits."""
    rng = np.random.default_rng(0)
    few = digits.Digits(*(images.split(size, rng)[1] for images, size in zip(digits.load(), (400, 100), strict=True)))
    monkeypatch.setattr(digits, "load", lambda: few)
    done = run(
        "cifar/famous_networks.py", "--model", "resnet20", "--minutes", 0.01, "--recipe", "paper", "--out", tmp_path
    )
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
        (["--mixup", -1], "--mixup must be >= 0"),
        (["--minutes", 0], "--minutes must be above 0"),
        (["--learning-rate", 0], "--learning-rate must be above 0"),
        (["--label-smoothing", 1], "--label-smoothing must be >= 0 and below 1"),
        (["--cutout", -3], "--cutout must be >= 0"),
        (["--data", "nowhere"], "'nowhere' does not exist"),
    ],
)
def test_bad_options_of_cifar_architectures_give_one_clear_line(
    refused: Callable[..., None], arguments: list[object], message: str
) -> None:
    refused("cifar/famous_networks.py", arguments, message)
