"""How a command finds the model and the rows it looks at: files, a function, or the built-in example."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from tinydl import Model
from tinydl.commands.small_network import bars, small_network
from tinydl.commands.step_of import add_arguments, model_and_rows
from tinydl.commands.target import CannotCheckError
from tinydl.layers import Dense
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import SGD

FUNCTIONS = """
import numpy as np
from tinydl import Model
from tinydl.layers import Dense

def step(units=2):
    model = Model([Dense(units)], input_shape=3)
    model.compile("sgd", "mse")
    return model, np.ones((5, 3)), np.ones((5, units))

def no_model():
    return 1, 2, 3

def lone_model():
    return step()[0]

def not_compiled():
    return Model([Dense(2)], input_shape=3), np.ones((5, 3)), np.ones((5, 2))

def uneven():
    return *step()[:2], np.ones((4, 2))

def fails():
    return 1 / 0

number = 3
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "steps.py").write_text(FUNCTIONS)
    model = Model([Dense(2)], input_shape=3)
    model.compile(SGD(0.1), MeanSquaredError())
    model.save("model.safetensors")
    square = Model([Dense(3)], input_shape=3)
    square.save("bare.safetensors")
    square.compile(SGD(0.1), MeanSquaredError())
    square.save("square.safetensors")
    np.save("x.npy", np.arange(30.0).reshape(10, 3))
    np.save("y.npy", np.ones((10, 2)))
    np.savez("x.npz", np.ones((10, 3)))
    np.save("one.npy", 3.0)
    np.save("objects.npy", np.array([None]), allow_pickle=True)
    (tmp_path / "words.npy").write_text("no numbers")
    (tmp_path / "damaged.safetensors").write_text("{}")
    return tmp_path


def given(*words: str, rows: int | None = None) -> tuple[Model, np.ndarray, np.ndarray]:
    parser = argparse.ArgumentParser()
    add_arguments(parser, rows)
    return model_and_rows(parser.parse_args(words))


def test_without_a_target_the_example() -> None:
    model, x, y = given(rows=4)
    assert model.name == "bars"
    assert x.shape == (4, 6, 6, 1)
    assert y.tolist() == [0, 1, 2, 0]
    assert len(given()[1]) == 96
    assert len(given("--rows", "7", rows=4)[1]) == 7


def test_the_example_learns() -> None:
    model, x, y = small_network(300)
    model.fit(x, y, epochs=40, verbose=0)
    _, accuracy = model.evaluate(*bars(300, seed=1))
    assert accuracy > 0.95


def test_a_file_with_arrays(capsys: pytest.CaptureFixture[str]) -> None:
    model, x, y = given("model.safetensors", "--x", "x.npy", "--y", "y.npy")
    assert model.output_shape == (2,)
    assert (x.shape, y.shape) == ((10, 3), (10, 2))
    assert capsys.readouterr().err == ""
    _, x, y = given("model.safetensors", "--x", "x.npy", "--y", "y.npy", rows=4)
    assert (x.shape, y.shape) == ((4, 3), (4, 2))
    assert capsys.readouterr().err == "the first 4 of 10 rows (--rows 10 takes all)\n"


def test_targets_left_out_are_the_inputs(capsys: pytest.CaptureFixture[str]) -> None:
    _, x, y = given("square.safetensors", "--x", "x.npy")
    assert y is x or np.array_equal(x, y)
    assert "the inputs are the targets" in capsys.readouterr().err


def test_a_function() -> None:
    model, x, y = given("steps.py:step", rows=2)
    assert model.output_shape == (2,)
    assert (x.shape, y.shape) == ((2, 3), (2, 2))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--x", "x.npy"], "--x, --y: these go with MODEL.safetensors, got no TARGET"),
        (["steps.py:step", "--y", "y.npy"], "these go with MODEL.safetensors, got TARGET steps.py:step"),
        (["none.safetensors", "--x", "x.npy"], "TARGET: none.safetensors: expected a file that save wrote"),
        (["damaged.safetensors", "--x", "x.npy"], "for layers of your own, write FILE.py:NAME"),
        (["bare.safetensors", "--x", "x.npy"], "must be compiled, got one without optimizer and loss"),
        (["model.safetensors"], "a model file holds no data: add --x FILE.npy --y FILE.npy"),
        (["model.safetensors", "--x", "x.npy"], "--y: the targets must be given, of shape (10, 2) or labels"),
        (["model.safetensors", "--x", "none.npy"], "--x: there is no file none.npy"),
        (["model.safetensors", "--x", "words.npy"], "--x words.npy: expected a .npy file with numbers"),
        (["model.safetensors", "--x", "objects.npy"], "got a damaged or different file: write one with numpy.save"),
        (["model.safetensors", "--x", "x.npz"], "--x x.npz: expected a .npy file with rows of numbers, got a .npz"),
        (["model.safetensors", "--x", "one.npy"], "got a single number"),
        (["steps.py"], "expected MODEL.safetensors, or FILE.py:NAME"),
        (["steps.py"], "write steps.py:NAME"),
        (["none.py:step"], "there is no file none.py"),
        (["steps.py:stop"], "did you mean step?"),
        (["steps.py:number"], "expected a function that returns (model, x, y), got 3"),
        (["steps.py:no_model"], "no_model() must return (model, x, y), got (int, int, int)"),
        (["steps.py:lone_model"], "lone_model() must return (model, x, y), got Model"),
        (["steps.py:not_compiled"], "must be compiled"),
        (["steps.py:uneven"], "the same number of rows, got 5 and 4"),
        (["steps.py:fails"], "fails() failed: ZeroDivisionError"),
    ],
)
def test_what_cannot_be_used_is_named(words: list[str], message: str) -> None:
    with pytest.raises(CannotCheckError) as caught:
        given(*words)
    assert message in str(caught.value)
    assert "pickle" not in str(caught.value)


@pytest.mark.parametrize("rows", ["0", "-1", "two", "1.5", "²"])
def test_rows_are_a_number(rows: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        given("--rows", rows)
    assert f"expected an integer >= 1, got {rows!r}" in capsys.readouterr().err
