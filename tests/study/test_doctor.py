"""The doctor names each planted fault first, finds nothing in healthy models, and changes nothing."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tinydl import Model
from tinydl.__main__ import main
from tinydl.layer import Layer
from tinydl.layers import BatchNorm, Conv2D, Dense, Dropout
from tinydl.losses import Loss, MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import SGD, Adam
from tinydl.schedules import LinearWarmup
from tinydl.study import doctor
from tinydl.study.doctor.ending import reach
from tinydl.study.doctor.examination import CHECKS

from .healthy import LIBRARY, LIBRARY_SLOW, USERS, Case, drawn, images, table
from .planted import PLANTED, Planted, digits

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"
FAULTS = [fault for check in CHECKS for fault in check.faults]


def by_speed(cases: list[Any], fast: list[Any]) -> list[Any]:
    """Mark as slow all cases but the fast ones."""
    return [case if case in fast else pytest.param(case, marks=pytest.mark.slow) for case in cases]


FIRST_OF_ITS_CODE = list({case.code: case for case in reversed(PLANTED)}.values())
BRIEFLY = [*LIBRARY, "deep relu, he_normal", "digits, BatchNorm", "diabetes", "xor", "fine-tuned", "half trained",
           "own layers", "own loss", "forecast", "weak signal", "categories", "branches and heads"]  # fmt: skip
HEALTHY: dict[str, Case] = {**LIBRARY, **LIBRARY_SLOW, **USERS}


@pytest.mark.parametrize("case", by_speed(PLANTED, FIRST_OF_ITS_CODE), ids=lambda case: case.name)
def test_a_planted_fault_is_named_first(case: Planted) -> None:
    model, x, y, *options = case.build(0)
    report = model.doctor(x, y, **(options[0] if options else {}))
    assert [(each.code, each.where) for each in report.findings[:1]] == [(case.code, case.where)], str(report)
    assert not report.passed
    assert re.search(rf"^1\. {case.code} \({re.escape(case.where)}\)$", str(report), re.MULTILINE)


def test_every_fault_is_planted() -> None:
    assert len(PLANTED) >= 25
    assert len({case.name for case in PLANTED}) == len(PLANTED)
    assert {case.code for case in PLANTED} == {fault.code for fault in FAULTS}


@pytest.mark.parametrize("name", by_speed([*LIBRARY, *USERS], BRIEFLY))
def test_nothing_is_found_in_a_healthy_model(name: str) -> None:
    model, x, y = HEALTHY[name](1)
    report = doctor(model, x, y)
    assert report.passed, str(report)
    assert len(report.checks) + len(report.not_checked) == len(CHECKS)
    assert "nothing found" in str(report)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1010))
def test_nothing_is_found_in_a_network_drawn_at_random(seed: int) -> None:
    model, x, y = drawn(seed)
    report = doctor(model, x, y, seed=seed)
    assert report.passed, str(report)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet5, one_cycle", "vgg_cifar, paper"])
def test_nothing_is_found_in_a_famous_network(name: str) -> None:
    model, x, y = LIBRARY_SLOW[name](0)
    report = doctor(model, x, y)
    assert report.passed, str(report)


def everything(model: Model) -> dict[str, Any]:
    """All that training would change, as bytes."""
    optimizer = model.optimizer
    assert optimizer is not None
    return {
        **{f"params {key}": array.tobytes() for key, array in model.params.items()},
        **{f"grads {key}": array.tobytes() for key, array in model.grads.items()},
        **{f"state {key}": array.tobytes() for key, array in model.state.items()},
        **{f"slot {key}": array.tobytes() for key, array in optimizer.slots.items()},
        "optimizer": (repr(optimizer), optimizer.iterations, optimizer.current_learning_rate),
        "model rng": model.rng.bit_generator.state,
        "rngs": [layer.rng.bit_generator.state for layer in model.root.walk() if layer.rng is not None],
        "flags": [layer.trainable for layer in model.root.walk()],
        "settings": [repr(layer) for layer in model.root.walk()],
        "loss": repr(model.loss),
    }


def noisy(seed: int) -> Model:
    """A model in which everything that training changes is there, after some steps."""
    model = Model([Dense(16, use_bias=False), BatchNorm(activation="relu"), Dropout(0.3), Dense(10)], 64, seed)
    model.compile(Adam(LinearWarmup(1e-3, 10)), SoftmaxCrossEntropy(), metrics=["accuracy"])
    return model


@pytest.mark.parametrize("steps", [0, 3])
def test_the_model_and_the_rows_stay_as_they_are(steps: int) -> None:
    x, y = table("digits")
    model = noisy(0)
    for _ in range(steps):
        model.train_on_batch(x[:32], y[:32])
    twin = copy.deepcopy(model)
    before, x_before, y_before = everything(model), x.copy(), y.copy()
    model.doctor(x, y)
    assert everything(model) == before
    np.testing.assert_array_equal(x, x_before)
    np.testing.assert_array_equal(y, y_before)
    assert model.train_on_batch(x[:32], y[:32]) == twin.train_on_batch(x[:32], y[:32])
    assert everything(model) == everything(twin)


def test_the_same_seed_gives_the_same_report() -> None:
    model, x, y = digits(0, optimizer=SGD(100.0))
    first, second = model.doctor(x, y, seed=3), model.doctor(x, y, seed=3)
    assert str(first) == str(second)
    assert (first.rates, first.losses) == (second.rates, second.losses)
    assert model.doctor(x, y, seed=4).losses != first.losses


def test_the_report_says_what_was_looked_at() -> None:
    model, x, y = digits(0)
    report = model.doctor(x, y)
    assert report.rows == 1000
    assert report.total == len(x)
    lines = str(report).splitlines()
    assert lines[0] == f"doctor of model: nothing found: {len(report.checks)} checks, 1,000 of 1,797 rows"
    assert "not checked: gradient check: all layers and the loss are tinydl's" in str(report)
    assert max(map(len, lines)) <= 100
    assert report._repr_html_().startswith("<pre>doctor of model")


def test_the_range_test_is_drawn(tmp_path: Path) -> None:
    model, x, y = digits(0, optimizer=SGD(0.1))
    report = model.doctor(x, y)
    assert len(report.rates) == len(report.losses) > 20
    assert all(later > earlier for earlier, later in zip(report.rates, report.rates[1:], strict=False))
    assert min(report.losses) < 0.7 * report.losses[0]
    figure = report.plot(path=tmp_path / "rates.png")
    assert isinstance(figure, Figure)
    (ax,) = figure.axes
    assert ax.get_xscale() == "log"
    assert [text.get_text() for text in ax.get_legend().get_texts()][-1] == "the model's, 0.1"
    assert (tmp_path / "rates.png").stat().st_size > 5000


def test_a_layer_whose_weights_are_nan_is_named() -> None:
    model, x, y = digits(0)
    model.layers[0].params["W"][3, 5] = np.nan
    assert [each.code for each in model.doctor(x, y).findings] == ["not-finite"]


class Picky(Layer):
    """A layer that refuses large numbers, as a user's own may."""

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        if np.abs(x).max() > 50:
            raise ValueError("too large for me")
        self._z = x
        return x

    def backward(self, dy: NDArray) -> NDArray:
        return dy


def test_layers_that_refuse_what_the_doctor_tries_are_no_obstacle() -> None:
    model, x, y = digits(0, [Dense(32, "relu"), Dense(10), Picky()])
    report = model.doctor(x, y)
    assert report.passed, str(report)
    assert report.not_checked["last activation"].endswith("large random inputs: ValueError: too large for me")


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_few_rows_are_no_fault(rows: int) -> None:
    x, y = table("digits")
    report = digits(0)[0].doctor(x[:rows], y[:rows])
    assert report.passed, str(report)
    assert "constant targets" in report.not_checked


def test_images_are_targets_too() -> None:
    x = images().batch(slice(0, 200))[0]
    model = Model([Conv2D(8, 3, padding="same", activation="relu"), Conv2D(1, 3, padding="same")], (8, 8, 1))
    model.compile(Adam(1e-2), MeanSquaredError())
    assert model.doctor(x, x).passed
    shuffled = model.doctor(x, np.random.default_rng(0).permutation(x))
    assert [each.code for each in shuffled.findings][:1] == ["shuffled-targets"]


def seen(name: str) -> str:
    """What the first finding of a planted fault says, without its why."""
    model, x, y = next(case for case in PLANTED if case.name == name).build(0)
    first = model.doctor(x, y).findings[0]
    return f"{first.seen}; {first.change}"


def test_an_outlier_is_named_by_its_row() -> None:
    assert seen("one row of 1e6").startswith("row 5 has 1e+06 in column 3; without this row, the column has mean ")
    assert "; correct x[5], or leave the row out" in seen("one row of 1e6")


def test_the_cause_of_a_wrong_gradient_is_told_once() -> None:
    assert seen("a wrong loss").count("likely cause: every entry is -0.5 times the right one") == 1


def test_one_layer_below_is_not_called_layers() -> None:
    assert "exactly 0 in 256 rows, as are those of 1 layer below" in seen("a sigmoid output stuck at 1")


def test_what_a_single_layer_cannot_fit_is_noted() -> None:
    model = Model([Dense(1, "sigmoid")], 2, seed=0)
    model.compile(Adam(0.1), "binary_crossentropy")
    report = model.doctor(np.tile([[0, 0], [0, 1], [1, 0], [1, 1]], (20, 1)), np.tile([0, 1, 1, 0], 20))
    assert report.not_checked["hidden layers"].startswith("there are none: dense_1 (Dense) takes weighted sums of x")


def test_counts_may_be_integers() -> None:
    model, x, y = HEALTHY["counts as targets"](0)
    assert y.dtype.kind == "i"
    report = model.doctor(x, y)
    assert report.passed, str(report)
    assert "some rarely: counts, or rare classes?" in report.not_checked["numbers of the labels"]


class LogLikelihood(Loss):
    """-log of a normal density of standard deviation 0.1, which may well be negative."""

    def forward(self, y_pred: NDArray, y_true: NDArray, sample_weight: Any = None) -> float:
        self._d = y_pred - y_true
        return float(np.mean(self._d**2) / 0.02 + np.log(0.1) + 0.5 * np.log(2 * np.pi))

    def backward(self) -> NDArray:
        return 2 * self._d / 0.02 / self._d.size


def test_a_negative_loss_that_has_a_lowest_value_is_no_fault() -> None:
    x, _ = table("diabetes")
    model = Model([Dense(1, kernel_initializer="zeros")], 10, seed=0)
    model.compile(SGD(1e-3), LogLikelihood())
    report = model.doctor(x, 0.1 * x[:, :1])
    assert model.evaluate(x, 0.1 * x[:, :1]) < 0
    assert "unbounded-loss" not in [each.code for each in report.findings]
    assert "sign of the loss" in report.checks


def test_a_frozen_model_is_named() -> None:
    model, x, y = digits(0)
    model.trainable = False
    first = model.doctor(x, y).findings[0]
    assert (first.code, first.where) == ("frozen-at-random", "model")


@pytest.mark.parametrize(
    ("layer", "low", "high"),
    [(Dense(4), -np.inf, np.inf), (Dense(4, "relu"), 0, np.inf), (Dense(4, "sigmoid"), 0, 1), (Dense(4, "tanh"), -1, 1)],
)  # fmt: skip
def test_the_reach_of_a_layer_is_found_by_trying(layer: Dense, low: float, high: float) -> None:
    layer.build((8,), np.random.default_rng(0), "float32")
    assert reach(layer) == pytest.approx((low, high), abs=1e-6)


def test_errors_come_before_anything_is_done() -> None:
    x, y = table("digits")
    model = Model([Dense(10)], 64)
    with pytest.raises(RuntimeError, match=r"^doctor: the model must be compiled, got one without optimizer and loss"):
        model.doctor(x, y)
    model.compile("adam", SoftmaxCrossEntropy())
    with pytest.raises(ValueError, match=r"^doctor: x must be of shape \(n, 64\), got \(1797, 63\)"):
        model.doctor(x[:, :63], y)
    with pytest.raises(ValueError, match=r"^doctor: batch_size must be an integer >= 1, got 0"):
        model.doctor(x, y, batch_size=0)
    with pytest.raises(TypeError, match=r"^doctor: expected a Model, got Dense"):
        doctor(Dense(3), x, y)


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_command_examines_a_built_in_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    assert "nothing found" in capsys.readouterr().out


def test_the_command_examines_files_and_functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    model, x, y = digits(0, optimizer=SGD(100.0))
    model.save("m.safetensors")
    np.save("x.npy", x)
    np.save("y.npy", y)
    line = ["doctor", "m.safetensors", "--x", "x.npy", "--y", "y.npy", "--plot", "rates.png", "--seed", "0"]
    assert main(line) == 1
    assert capsys.readouterr().out == f"{model.doctor(x, y)}\n"
    assert Path("rates.png").exists()
    Path("job.py").write_text("from tests.study.planted import ones\ndef make():\n    return ones(0)\n", "utf-8")
    assert main(["doctor", "job.py:make"]) == 1
    assert "1. equal-units (dense_1)" in capsys.readouterr().out


def test_the_command_says_why_it_cannot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(tmp_path / "none.safetensors")]) == 2
    assert capsys.readouterr().err.startswith("doctor: TARGET: ")


def test_the_command_refuses_a_picture_before_it_examines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tinydl.commands.doctor.step_of.model_and_rows", lambda _: pytest.fail("it examines"))
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--plot", "rates.xyz"]) == 2
    assert capsys.readouterr().err == "doctor: --plot must end in .png, .svg, .pdf, got 'rates.xyz'\n"
    Path("rates.png").write_text("mine")
    assert main(["doctor", "--plot", "rates.png"]) == 2
    assert capsys.readouterr().err == "doctor: rates.png exists: choose another --plot, or pass --overwrite\n"
    assert Path("rates.png").read_text() == "mine"
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert main(["doctor", "--plot", "rates.png", "--overwrite"]) == 0
    assert Path("rates.png").stat().st_size > 5000


# --- the manual -----------------------------------------------------------------------------------------------------


def test_the_manual_explains_every_fault() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    for fault in FAULTS:
        wanted = f"### {fault.code} - **Seen:** {fault.sign}. - **Why:** {fault.why}. - **Change:** {fault.change}."
        assert wanted in text, f"docs/doctor.md lacks, or tells otherwise:\n{wanted}"
    assert re.findall(r"### ([\w-]+)", text) == [fault.code for fault in FAULTS]


def test_findings_are_sentences() -> None:
    for fault in FAULTS:
        for text in (fault.sign, fault.why, fault.change):
            assert text[-1] not in ".:;,", fault.code
    assert len({fault.code for fault in FAULTS}) == len(FAULTS)
