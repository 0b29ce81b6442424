"""Tests of python -m tinydl gradcheck: the library's Check lines, users' layers, exit codes, messages and JSON."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tinydl
from tinydl import layers, losses, models
from tinydl.__main__ import main
from tinydl.commands import gradcheck as command
from tinydl.gradcheck import GradientCheckError, GradientCheckReport, check_layer, check_loss
from tinydl.layers import Dense, Layer, Tanh
from tinydl.losses import Loss, MeanSquaredError

Run = Callable[..., tuple[int, str, str]]

THEIRS = """
from dataclasses import dataclass
import numpy as np
print("a greeting on import")

class Swish:
    def forward(self, x, training=False):
        self.training = training
        self.x, self.s = x, 1 / (1 + np.exp(-x))
        return x * self.s
    def backward(self, dy):
        return dy * (self.s + self.x * self.s * (1 - self.s))

class Flipped(Swish):
    def backward(self, dy):
        return -super().backward(dy)

class InPlace(Swish):
    def backward(self, dy):
        dy *= 2
        return dy

class Crashing(Swish):
    def backward(self, dy):
        return dy @ np.ones((7, 7))

class OnlyInference(Swish):
    def backward(self, dy):
        return np.zeros_like(dy) if self.training else super().backward(dy)

@dataclass
class Scale:
    size: int
    factor: float = 1.0
    def __post_init__(self):
        self.params = {"s": np.full(self.size, self.factor)}
        self.grads = {"s": np.zeros(self.size)}
    def forward(self, x):
        print("a note by the layer")
        self.x = x
        return x * self.params["s"]
    def backward(self, dy):
        self.grads["s"] += (dy * self.x).sum(axis=0)
        return dy * self.params["s"]
    @classmethod
    def of_three(cls):
        return cls(3)

class Centre:
    def __init__(self):
        self.params = {"b": np.zeros(3)}
        self.grads = {"b": np.zeros(3)}
    def forward(self, x):
        z = x + self.params["b"]
        return z - z.mean(axis=0)
    def backward(self, dy):
        return dy - dy.mean(axis=0)

class NoBackward:
    def forward(self, x):
        return x

def swish():
    return Swish()

def leave():
    raise SystemExit("no reason")

swished = Swish()
sine = (np.sin, lambda dy, x: dy * np.cos(x))
cosine = (np.sin, lambda dy, x: -dy * np.cos(x))
number = 3
"""


@pytest.fixture(autouse=True)
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Change to a directory with a user's module, which is unloaded after the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    file = tmp_path / "theirs.py"
    file.write_text(THEIRS)
    yield file
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(["gradcheck", *arguments])
        except SystemExit as error:  # argparse
            code = error.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


class TanhOfItsInput(Tanh):
    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        return dy * (1 - self._y)


class TanhInPlace(Tanh):
    def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
        dy *= 2
        return dy


def few_cases(**more: object) -> list[tuple]:
    def layer(**options: object) -> GradientCheckReport:
        return check_layer(Dense(2, "tanh"), (4, 3), **options)

    def loss(**options: object) -> GradientCheckReport:
        return check_loss(MeanSquaredError(), (4, 3), np.ones((4, 3)), **options)

    return [
        ("layer", "Dense(tanh)", layer),
        ("loss", "MSE", loss),
        *[("layer", name, case) for name, case in more.items()],
    ]


# --- the library ------------------------------------------------------------------------------------------------------


LINES = {f"{kind} {name}": check for kind, name, check in command.library()}
LARGE = ("model cifar_cnn", "model resnet", "model googlenet", "model inception_cifar")  # each takes seconds


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in LINES]
)
def test_the_check_line_of_a_docstring_passes(name: str) -> None:
    assert LINES[name](probes=16).passed


def test_every_layer_and_loss_and_all_but_the_largest_models_have_a_check_line() -> None:
    public = {f"layer {name}" for name in layers.__all__} - {"layer Layer", "layer Container"}
    every = {name for name, kind in vars(losses).items() if isinstance(kind, type) and issubclass(kind, Loss)}
    architectures = {f"model {name}" for name in models.__all__} - {"model alexnet", "model vgg"}
    assert set(LINES) == public | {f"loss {name}" for name in every - {"Loss"}} | architectures


def test_a_check_line_that_is_wrong_fails() -> None:
    class Wrong(Tanh):
        """A layer.

        Check    check_layer(Wrong(),
                     x=(5, 3))
        Edge     none
        """

        def backward(self, dy: NDArray[Any]) -> NDArray[Any]:
            return -super().backward(dy)

    line = command.check_line(Wrong)
    assert line == "check_layer(Wrong(), x=(5, 3))"
    with pytest.raises(GradientCheckError, match="the sign is flipped"):
        command.example(line, {"Wrong": Wrong})
    assert command.check_line(Layer) is None


def test_options_override_those_of_a_check_line() -> None:
    report = command.example("check_layer(Tanh(), x=(5, 3), probes=9, seed=3)", {"Tanh": Tanh}, probes=4)
    assert (report.probes, report.seed) == (4, 3)


def test_the_library_as_one_document(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only layers and losses are checked here; a test above runs the models' lines."""
    rows = [row for row in command.library() if row[0] != "model"]
    monkeypatch.setattr(command, "library", lambda: rows)
    code, out, _ = run("--json", "--probes", "3")
    document = json.loads(out)
    assert code == 0
    assert [(case["kind"], case["name"]) for case in document["cases"]] == [row[:2] for row in rows]
    assert document["passed"]
    assert document["failed"] == 0
    assert document["checks"] == len(document["cases"]) >= 25
    assert document["tinydl"] == tinydl.__version__
    for case in document["cases"]:
        assert case["passed"]
        assert case["report"]["passed"]
        assert all(row["probes"] <= 3 for row in case["report"]["arrays"])


def test_as_a_process_of_its_own(theirs: Path) -> None:
    for target, code in (("Swish", 0), ("Flipped", 1)):
        arguments = ["gradcheck", f"{theirs}:{target}", "--shape", "5,3", "--json"]
        done = subprocess.run([sys.executable, "-m", "tinydl", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        assert json.loads(done.stdout)["passed"] == (code == 0)


def test_the_table(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "library", few_cases)
    code, out, _ = run("--seed", "3")
    assert code == 0
    head, *rows, blank, last = out.splitlines()
    assert head.split() == [
        "kind",
        "name",
        "arrays",
        "probes",
        "dropped",
        "max",
        "rel",
        "error",
        "method",
        "verdict",
        "ms",
    ]
    assert rows[0].split()[:5] == ["layer", "Dense(tanh)", "3", "20", "0"]
    assert rows[1].split()[:5] == ["loss", "MSE", "1", "12", "0"]
    assert all(" ok " in row for row in rows)
    assert (len(rows), blank) == (2, "")
    assert last.startswith("2 checks, 0 failed, ")
    assert last.endswith(" s")


def test_failures_are_told_in_full_under_the_table(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "of its input": lambda **options: check_layer(TanhOfItsInput(), (4, 3), **options),
        "in place": lambda **options: check_layer(TanhInPlace(), (4, 3), **options),
    }
    monkeypatch.setattr(command, "library", lambda: few_cases(**wrong))
    code, out, _ = run()
    assert code == 1
    table, *failures, last = out.split("\n\n")
    assert [row.split()[-2] for row in table.splitlines()[1:]] == ["ok", "ok", "WRONG", "BROKEN"]
    assert failures[0].startswith("layer of its input: gradient check of TanhOfItsInput")
    assert "dx is wrong in 12 of 12 probes" in failures[0]
    assert failures[1].startswith("layer in place: gradient check of TanhInPlace")
    assert "backward modifies dy in place" in failures[1]
    assert last.startswith("4 checks, 2 failed, ")
    document = json.loads(run("--json")[1])
    assert (document["passed"], document["failed"]) == (False, 2)
    assert [case["passed"] for case in document["cases"]] == [True, True, False, False]
    assert document["cases"][2]["report"]["arrays"][0]["verdict"] == "WRONG"
    assert document["cases"][3]["report"] is None
    assert "modifies dy" in document["cases"][3]["message"]


@pytest.mark.parametrize(("option", "value", "name"), [
    ("--method", "central", "method"), ("--mode", "directional", "mode"), ("--probes", "5", "probes"),
    ("--directions", "2", "directions"), ("--rtol", "1e-4", "rtol"), ("--atol", "1e-5", "atol"), ("--step", "1e-4", "step"),
    ("--seed", "7", "seed"),
])  # fmt: skip
def test_options_reach_every_check(
    run: Run, monkeypatch: pytest.MonkeyPatch, option: str, value: str, name: str
) -> None:
    seen: list[dict[str, object]] = []

    def check(**options: object) -> GradientCheckReport:
        seen.append(options)
        return check_layer(Tanh(), (2, 3))

    monkeypatch.setattr(command, "library", lambda: [("layer", "a", check), ("layer", "b", check)])
    assert run(option, value)[0] == 0
    assert [{key: str(given) for key, given in options.items()} for options in seen] == [
        {name: value if option in ("--method", "--mode") else str(type(seen[0][name])(value))}
    ] * 2


def test_a_crash_of_the_library_stops_the_run_and_names_the_case(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(**options: object) -> GradientCheckReport:
        raise RuntimeError("no room")

    monkeypatch.setattr(command, "library", lambda: few_cases(**{"a bad one": crash}))
    code, out, err = run()
    assert (code, out) == (2, "")
    assert err.startswith("gradcheck: layer a bad one: RuntimeError: no room")


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_on_a_terminal_only(run: Run, monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: terminal  # type: ignore[method-assign]
    monkeypatch.setattr(command, "library", few_cases)
    monkeypatch.setattr(sys, "stderr", stream)
    code, out, _ = run()
    assert code == 0
    assert ("0/2" in stream.getvalue()) == terminal
    assert "0/2" not in out


@pytest.mark.parametrize(
    "arguments", [["--shape", "5,3"], ["--arguments", '{"a": 1}'], ["--inference"], ["--zero-ok", "b"]]
)
def test_what_only_a_target_takes(run: Run, arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert f"{arguments[0]} needs a TARGET" in err


# --- a user's layer ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [
    "theirs:Swish", "theirs.py:Swish", "./theirs.py:Swish", "theirs:swish", "theirs:swished", "theirs:Scale.of_three", "theirs:sine",
])  # fmt: skip
def test_right(run: Run, target: str) -> None:
    code, out, _ = run(target, "--shape", "5,3")
    assert code == 0, out
    assert out.splitlines()[0].endswith(" passed")
    assert out.splitlines()[2].split()[:4] == ["x", "(5,", "3)", "15"]


@pytest.mark.parametrize(("target", "message"), [
    ("theirs:Flipped", "likely cause: the sign is flipped"), ("theirs:InPlace", "backward modifies dy in place"),
    ("theirs:cosine", "dx is wrong"),
])  # fmt: skip
def test_wrong(run: Run, target: str, message: str) -> None:
    code, out, err = run(target, "--shape", "5x3")
    assert code == 1
    assert out.startswith("gradient check of ")
    assert message in out
    assert "Traceback" not in out + err


def test_a_file_elsewhere_and_what_lies_beside_it(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "helper_of_mine.py").write_text("import numpy as np\nsine = np.sin, lambda dy, x: dy * np.cos(x)\n")
    (folder / "json.py").write_text("from helper_of_mine import sine\n")  # the standard library has this name, too
    assert run(f"{folder / 'json.py'}:sine", "--shape", "5")[0] == 0
    assert run("elsewhere.helper_of_mine:sine", "--shape", "5")[0] == 0


def test_arguments_of_the_factory(run: Run) -> None:
    code, out, _ = run("theirs:Scale", "--shape", "5,4", "--arguments", '{"size": 4, "factor": 2.5}')
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[2:4]] == ["x", "s"]
    assert run("tinydl.layers:Dense", "--shape", "5,4", "--arguments", '{"units": 3, "activation": "tanh"}')[0] == 0


def test_inference(run: Run) -> None:
    assert run("theirs:OnlyInference", "--shape", "5,3")[0] == 1
    assert run("theirs:OnlyInference", "--shape", "5,3", "--inference")[0] == 0


def test_zero_ok(run: Run) -> None:
    code, out, _ = run("theirs:Centre", "--shape", "5,3")
    assert code == 1
    assert "the check of b is vacuous" in out
    code, out, _ = run("theirs:Centre", "--shape", "5,3", "--zero-ok", "b")
    assert code == 0
    assert "zero, as allowed" in out


def test_options_of_the_check(run: Run) -> None:
    out = run("theirs:Swish", "--shape", "5,3", "--method", "central", "--probes", "4")[1]
    assert out.splitlines()[2].split()[3] == "4"
    assert "central differences" in out


@pytest.mark.parametrize("text", ["5,3", "5x3", "(5, 3)", "5, 3,"])
def test_forms_of_a_shape(run: Run, text: str) -> None:
    assert "(5, 3)" in run("theirs:Swish", "--shape", text)[1]


def test_json_and_nothing_else_on_stdout(run: Run) -> None:
    code, out, err = run("theirs:Scale", "--shape", "5,3", "--arguments", '{"size": 3}', "--json")
    document = json.loads(out)
    assert (code, document["passed"], document["checks"], document["failed"]) == (0, True, 1, 0)
    (case,) = document["cases"]
    assert (case["kind"], case["name"], case["message"]) == ("layer", "theirs:Scale", "")
    assert [row["name"] for row in case["report"]["arrays"]] == ["x", "s"]
    assert "a greeting on import" in err
    assert "a note by the layer" in err
    code, out, _ = run("theirs:Flipped", "--shape", "5,3", "--json")
    assert code == 1
    assert "the sign is flipped" in json.loads(out)["cases"][0]["message"]


# --- impossible checks ------------------------------------------------------------------------------------------------

GREETING = "a greeting on import\n"
CANNOT: dict[str, tuple[list[str], str]] = {
    "no colon": (["theirs"], "TARGET: expected package.module:Factory or path/to/file.py:Factory, got 'theirs'"),
    "no module": (["nobody:Swish"], "TARGET: importing nobody failed: ModuleNotFoundError: No module named 'nobody'"),
    "no file": (["nobody.py:Swish"], "TARGET: there is no file nobody.py"),
    "no such class": (["theirs:Swosh"], "TARGET theirs:Swosh: theirs has no 'Swosh': did you mean Swish?"),
    "no such method": (["theirs:Scale.of_thre"], "TARGET theirs:Scale.of_thre: theirs:Scale has no 'of_thre': did you mean of_three?"),
    "neither": (["theirs:number"], "expected a layer, a pair (forward, backward), or a class or function that makes one, got 3"),
    "half a layer": (["theirs:NoBackward"], "must have the methods forward and backward"),
    "arguments missing": (["theirs:Scale"], "missing 1 required positional argument: 'size': pass its arguments with --arguments"),
    "arguments unknown": (["theirs:Swish", "--arguments", '{"units": 4}'], "theirs:Swish: Swish(units=4) failed: TypeError: "),
    "arguments for an object": (["theirs:swished", "--arguments", "{}"], "--arguments: theirs:swished is not a class or function"),
    "arguments refused": (
        ["tinydl.layers:Dense", "--arguments", '{"units": -4}'], "ValueError: Dense: units must be an integer >= 1, got -4",
    ),
    "a factory that leaves": (["theirs:leave"], "theirs:leave: leave() failed: SystemExit: no reason"),
    "option refused": (["theirs:Swish", "--probes", "0"], "probes must be an integer >= 1, got 0"),
    "unknown array": (["theirs:Swish", "--zero-ok", "q"], "zero_ok names ['q'], but the arrays of Swish are ['x']"),
    "shape refused": (["tinydl.layers:GlobalAveragePool2D"], "expected images"),
}  # fmt: skip


@pytest.mark.parametrize("name", CANNOT)
def test_what_cannot_be_checked(run: Run, name: str) -> None:
    arguments, message = CANNOT[name]
    code, out, err = run(*arguments, "--shape", "5,3")
    assert (code, out) == (2, "")
    assert err.removeprefix(GREETING).startswith("gradcheck: ")
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("arguments", "message"), [
    (["--shape", "5;3"], "argument --shape: expected integers >= 1, the batch size first, such as 5,4 or 5x4, got '5;3'"),
    (["--shape", "5,0"], "got '5,0'"),
    (["--shape", ""], "got ''"),
    (["--arguments", "units=4"], "argument --arguments: expected JSON such as '{\"units\": 4}', got 'units=4'"),
    (["--arguments", "[4]"], "argument --arguments: expected a JSON object such as '{\"units\": 4}', got '[4]'"),
    (["--method", "guess"], "argument --method: invalid choice: 'guess'"),
    (["--probes", "many"], "argument --probes: invalid int value: 'many'"),
])  # fmt: skip
def test_arguments_that_make_no_sense(run: Run, arguments: list[str], message: str) -> None:
    code, out, err = run("theirs:Swish", *arguments)
    assert (code, out) == (2, "")
    assert message in err


def test_no_shape(run: Run) -> None:
    code, _, err = run("theirs:Swish")
    assert code == 2
    assert "--shape: expected the shape of x, the batch size first, such as --shape 5,4, got none" in err


def test_a_crash_is_told_with_the_line_it_comes_from(run: Run, theirs: Path) -> None:
    code, out, err = run("theirs:Crashing", "--shape", "5,3")
    assert (code, out) == (2, "")
    assert "theirs:Crashing crashed on an x of shape (5, 3): ValueError: matmul" in err
    line = 1 + THEIRS.splitlines().index("        return dy @ np.ones((7, 7))")
    assert err.splitlines()[-1] == f"  {theirs}:{line}, in backward: return dy @ np.ones((7, 7))"
    assert "Traceback" not in err
    code, _, err = run("theirs:Crashing", "--shape", "5,3", "--traceback")
    assert code == 2
    assert "Traceback (most recent call last)" in err
    assert "theirs:Crashing crashed" in err


@pytest.mark.parametrize(("text", "message"), [
    ("import nonesuch", "ModuleNotFoundError: No module named 'nonesuch'\n  "),
    ("def f(:", "SyntaxError: invalid syntax"),
    ("raise SystemExit(3)", "SystemExit: 3\n  "),
])  # fmt: skip
@pytest.mark.parametrize("where", ["broken", "broken.py"])
def test_a_module_that_cannot_be_imported(run: Run, tmp_path: Path, where: str, text: str, message: str) -> None:
    (tmp_path / "broken.py").write_text(text)
    code, _, err = run(f"{where}:Swish", "--shape", "5,3")
    assert code == 2
    assert f"TARGET: importing {where} failed: {message}" in err
    if message.endswith("\n  "):
        assert f"broken.py:1, in <module>: {text}" in err


def test_ctrl_c(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> list[tuple]:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "library", interrupted)
    assert run() == (130, "", "gradcheck: interrupted\n")


# --- the rest of the command line -------------------------------------------------------------------------------------


def test_alone_it_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "gradcheck" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"tinydl {tinydl.__version__}\n"
