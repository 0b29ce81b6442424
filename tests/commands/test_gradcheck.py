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
from tinydl.commands import library as command_library
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
def sin(x):  # older releases of NumPy do not name np.sin's argument
    return np.sin(x)

sine = (sin, lambda dy, x: dy * np.cos(x))
cosine = (sin, lambda dy, x: -dy * np.cos(x))
number = 3
"""


@pytest.fixture(autouse=True)
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Change to a directory with a user's module, which is unloaded after the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    file = tmp_path / "theirs.py"
    file.write_text(THEIRS)
    (tmp_path / "empty.py").write_text("def helper(x):\n    return x\n")
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
# Each takes seconds; tests/test_manual.py runs them, with all others, by the command without a target.
LARGE = ("model cifar_cnn", "model resnet", "model googlenet", "model inception_cifar")


@pytest.mark.parametrize("name", [name for name in LINES if name not in LARGE])
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

    line = command_library.check_line(Wrong)
    assert line == "check_layer(Wrong(), x=(5, 3))"
    with pytest.raises(GradientCheckError, match="the sign is flipped"):
        command_library.example(line, {"Wrong": Wrong})
    assert command_library.check_line(Layer) is None


def test_options_override_those_of_a_check_line() -> None:
    report = command_library.example("check_layer(Tanh(), x=(5, 3), probes=9, seed=3)", {"Tanh": Tanh}, probes=4)
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
    assert [row.split()[-2] for row in table.splitlines()[1:]] == ["ok", "ok", "WRONG", "WRONG"]
    assert failures[0].startswith("layer of its input: gradient check of TanhOfItsInput")
    assert "dx is wrong in 12 of 12 probes" in failures[0]
    assert failures[1].startswith("layer in place: gradient check of TanhInPlace")
    assert "backward modifies dy in place" in failures[1]
    assert last.startswith("4 checks, 2 failed, ")
    document = json.loads(run("--json")[1])
    assert (document["passed"], document["failed"]) == (False, 2)
    assert [case["passed"] for case in document["cases"]] == [True, True, False, False]
    assert document["cases"][2]["report"]["arrays"][0]["verdict"] == "WRONG"
    assert [rule["code"] for rule in document["cases"][3]["report"]["rules"]] == ["dy"]
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


def test_a_crash_of_the_library_is_a_row_of_its_own(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(**options: object) -> GradientCheckReport:
        raise RuntimeError("no room")

    monkeypatch.setattr(command, "library", lambda: few_cases(**{"a bad one": crash}))
    code, out, _ = run()
    assert code == 2
    assert [row.split()[-2] for row in out.split("\n\n")[0].splitlines()[1:]] == ["ok", "ok", "CHECK"]
    assert "layer a bad one: RuntimeError: no room" in out


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
    assert code == 2
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


# --- whole files, several targets, several inputs ----------------------------------------------------------------------

FILE = """
import numpy as np

class Base:
    def forward(self, x):
        raise NotImplementedError
    def backward(self, dy):
        raise NotImplementedError

class Double(Base):
    def forward(self, x):
        return 2 * x
    def backward(self, dy):
        return 2 * dy

class Cell:
    def __init__(self):
        self.W, self.U = np.ones((3, 4)) / 3, np.eye(4) / 2
    def forward(self, x, h):
        self.x, self.h, self.y = x, h, np.tanh(x @ self.W + h @ self.U)
        return self.y
    def backward(self, dy):
        da = dy * (1 - self.y**2)
        self.dW, self.nabla = self.x.T @ da, self.h.T @ da
        return da @ self.W.T, da @ self.U.T

class Embedding:
    def __init__(self):
        self.E = np.linspace(0, 1, 40).reshape(10, 4)
    def forward(self, ids):
        self.ids = ids
        return self.E[ids]
    def backward(self, dy):
        self.dE = np.zeros_like(self.E)
        np.add.at(self.dE, self.ids, dy)

class Scaled:
    def __init__(self, factor):
        self.factor = factor
    def forward(self, x):
        return x * self.factor
    def backward(self, dy):
        return dy * self.factor

class Squares:
    def forward(self, y_pred, y_true):
        self.d = y_pred - y_true
        return (self.d**2).mean()
    def backward(self):
        return 2 * self.d / self.d.size

class CrossEntropy:
    def forward(self, logits, labels):
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        self.p, self.t = p / p.sum(axis=1, keepdims=True), labels
        return -np.log(self.p[np.arange(len(labels)), labels]).mean()
    def backward(self):
        d = self.p.copy()
        d[np.arange(len(d)), self.t] -= 1
        return d / len(d)

def affine(x, W, b):
    return x @ W + b

def affine_backward(dy, x, W, b):
    return dy @ W.T, x.T @ dy, dy.sum(axis=0)

def helper(x):
    return x

class Optimizer:
    def step(self):
        pass

scaled = Scaled(3.0)
"""
SHAPES = [
    "--shape",
    "5,3",
    "--shape",
    "Cell=5,3",
    "--shape",
    "Cell.h=5,4",
    "--shape",
    "affine=5,3",
    "--shape",
    "affine=3,4",
    "--shape",
    "affine=4",
    "--integers",
    "Embedding.ids=10",
    "--labels",
    "CrossEntropy=3",
]
CHECKED = ["Double", "Cell", "Embedding", "Squares", "CrossEntropy", "affine,affine_backward", "scaled"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "whole.py"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize("target", ["whole.py", "whole"])
def test_a_whole_file(run: Run, file: Path, target: str) -> None:
    code, out, _ = run(target, *SHAPES)
    assert code == 0, out
    table, left_out, last = out.split("\n\n")
    assert [row.split()[1] for row in table.splitlines()[1:]] == [f"{target}:{name}" for name in CHECKED]
    assert f"{target}:Base (abstract)" in left_out
    assert f"{target}:Scaled (checked as scaled)" in left_out
    assert f"{target}:helper (no function has the name of its backward)" in left_out
    assert f"{target}:Optimizer (no backward)" in left_out
    assert last.startswith("7 checks, 0 failed, ")


def test_a_whole_file_as_json(run: Run, file: Path) -> None:
    code, out, _ = run("whole.py", "--json", *SHAPES)
    document = json.loads(out)
    assert code == 0
    assert [case["name"] for case in document["cases"]] == [f"whole.py:{name}" for name in CHECKED]
    assert [case["kind"] for case in document["cases"]] == ["layer"] * 3 + ["loss"] * 2 + ["function", "layer"]
    assert set(document["left_out"]) == {f"whole.py:{name}" for name in ("Base", "Scaled", "helper", "Optimizer")}


def test_what_a_whole_file_holds_is_never_left_out_silently(run: Run, file: Path) -> None:
    file.write_text(FILE.replace("scaled = Scaled(3.0)", ""))
    code, out, _ = run("whole.py", *SHAPES)
    assert code == 2
    assert "layer whole.py:Scaled: TARGET whole.py:Scaled: Scaled() failed: TypeError" in out
    assert run("whole.py", *SHAPES, "--arguments", 'Scaled={"factor": 2.5}')[0] == 0


def test_a_wrong_gradient_outweighs_a_check_that_could_not_run(run: Run, file: Path) -> None:
    file.write_text(FILE.replace("scaled = Scaled(3.0)", "").replace("return 2 * dy", "return 3 * dy"))
    code, out, _ = run("whole.py", *SHAPES)
    assert code == 1
    assert [row.split()[-2] for row in out.split("\n\n")[0].splitlines()[1:4]] == ["WRONG", "ok", "ok"]


def test_several_targets(run: Run, file: Path) -> None:
    code, out, _ = run("whole.py:Double", "Squares", "theirs:Swish", "swish", "--shape", "5,3")
    assert code == 0
    names = [row.split()[1] for row in out.split("\n\n")[0].splitlines()[1:]]
    assert names == ["whole.py:Double", "whole.py:Squares", "theirs:Swish", "theirs:swish"]


def test_only(run: Run, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, _ = run("whole.py", "--only", "^S|double", "--json", *SHAPES)
    document = json.loads(out)
    assert [case["name"] for case in document["cases"]] == ["whole.py:Squares"]
    assert list(document["left_out"]) == ["whole.py:Scaled"]
    code, _, err = run("whole.py", "--only", "nothing", "--shape", "5,3")
    assert code == 2
    assert "--only nothing: it matches none of Base, Double, Cell, " in err
    monkeypatch.setattr(command, "library", few_cases)
    assert run("--only", "^loss")[1].endswith("\n") and "1 checks, 0 failed" in run("--only", "^loss")[1]  # noqa: PT018


def rows(out: str) -> dict[str, str]:
    """The shape of each array in the table of a single check."""
    lines = [line for line in out.splitlines()[2:] if line.split()[-1] in ("ok", "constant")]
    return {line.split()[0]: line[line.index("(") : line.index(")") + 1] for line in lines}


@pytest.mark.parametrize("shapes", [
    ["--shape", "5,3", "--shape", "5,4"], ["--shape", "x=5,3", "--shape", "h=5,4"], ["--shape", "h=5,4", "--shape", "5,3"],
    ["--shape", "Cell=5,3", "--shape", "Cell.h=5,4"], ["--shape", "5,3", "--array", "h=rng.normal(size=(5, 4))"],
])  # fmt: skip
def test_several_inputs(run: Run, file: Path, shapes: list[str]) -> None:
    code, out, _ = run("whole.py:Cell", *shapes)
    assert code == 0, out
    assert rows(out) == {"x": "(5, 3)", "h": "(5, 4)", "W": "(3, 4)", "U": "(4, 4)"}


def test_an_input_is_missing(run: Run, file: Path) -> None:
    code, _, err = run("whole.py:Cell", "--shape", "5,3")
    assert code == 2
    assert "missing 1 required positional argument: 'h'" in err
    assert "such as --shape h=5,4" in err


def test_functions(run: Run, file: Path) -> None:
    for shapes in ("--shape 5,3 --shape 3,2 --shape 2", "--shape x=5,3 --shape b=2 --shape W=3,2"):
        code, out, _ = run("whole.py:affine,affine_backward", *shapes.split())
        assert code == 0, out
        assert rows(out) == {"x": "(5, 3)", "W": "(3, 2)", "b": "(2,)"}


def test_integers(run: Run, file: Path) -> None:
    for given in ("--shape 7 --integers ids=10", "--shape ids=7 --integers ids=10", "--shape 7 --integers x=10"):
        code, out, _ = run("whole.py:Embedding", *given.split())
        assert code == 0, out
        assert rows(out) == {"E": "(10, 4)"}
    assert run("whole.py:Embedding", "--array", "ids=[[1, 2, 1]]")[0] == 0
    code, _, err = run("whole.py:Embedding", "--integers", "ids=10")
    assert code == 2
    assert "--integers ids=10: ids has no shape: add --shape ids=5,4" in err


def test_losses(run: Run, file: Path) -> None:
    for given in ("--shape 5,3", "--shape y_pred=5,3 --shape y_true=1,3", "--shape 5,3 --array y_true=np.ones((5,3))"):
        code, out, _ = run("whole.py:Squares", *given.split())
        assert code == 0, out
        assert rows(out) == {"y_pred": "(5, 3)"}
    assert run("whole.py:CrossEntropy", "--shape", "5,3", "--labels", "3")[0] == 0
    assert run("whole.py:CrossEntropy", "--shape", "5,3", "--integers", "labels=3", "--shape", "labels=5")[0] == 0
    assert run("tinydl.losses:SoftmaxCrossEntropy", "--shape", "5,3", "--labels", "3")[0] == 0
    text = (
        FILE.replace("class Squares", "class Distance")
        .replace("y_pred, y_true", "a, b")
        .replace("y_pred - y_true", "a - b")
    )
    file.write_text(text)
    assert run("whole.py:Distance", "--shape", "5,3", "--shape", "5,3", "--loss")[0] == 0


def test_the_names_of_gradients_and_constants(run: Run, file: Path) -> None:
    given = ["--shape", "x=5,3", "--shape", "h=5,4"]
    code, out, _ = run("whole.py:Cell", *given, "--gradients", "W=dW,U=nabla")
    assert code == 0, out
    code, _, err = run("whole.py:Cell", *given, "--gradients", "U=nothing")
    assert code == 2
    assert "nothing" in err
    file.write_text(FILE.replace("self.dW, self.nabla = self.x.T @ da, self.h.T @ da", "self.dW = self.x.T @ da"))
    code, out, _ = run("whole.py:Cell", *given)
    assert code == 2
    assert "not checked" in out
    assert run("whole.py:Cell", *given, "--constants", "U")[0] == 0
    assert run("whole.py:Cell", "Double", *given, "--constants", "Cell.U")[0] == 0


def test_rules_and_float32(run: Run, tmp_path: Path) -> None:
    assert run("theirs:InPlace", "--shape", "5,3", "--rules", "fail")[0] == 1
    (tmp_path / "wide.py").write_text(
        "import numpy as np\nclass Wide:\n    def forward(self, x):\n        return x * np.full(x.shape, 2.0)\n"
        "    def backward(self, dy):\n        return 2 * dy\n"
    )
    assert "rule dtype" in run("wide:Wide", "--shape", "5,3")[1]
    assert run("wide:Wide", "--shape", "5,3", "--rules", "fail")[0] == 1
    assert run("wide:Wide", "--shape", "5,3", "--rules", "fail", "--no-float32")[0] == 0


def test_hints(run: Run) -> None:
    told = [run("theirs:Flipped", "--shape", "5,3", "--hints", str(level))[1] for level in range(4)]
    assert told[0] == "gradient check of Flipped FAILED\n"
    assert told[1] == "gradient check of Flipped FAILED\n  x: WRONG\n"
    assert "worst at x[" in told[2]
    assert "likely cause" not in told[2]
    assert "likely cause: the sign is flipped" in told[3]
    for level, known in ((0, ()), (1, ("WRONG",)), (2, ("WRONG", "worst at")), (3, ("WRONG", "worst at", "flipped"))):
        out = run("theirs:Flipped", "--shape", "5,3", "--json", "--hints", str(level))[1]
        found = [word for word in ("worst at", "flipped") if word in out]
        assert found == [word for word in known if word != "WRONG"]


@pytest.mark.slow
def test_a_time_limit(run: Run, file: Path) -> None:
    endless = "class Endless:\n    def forward(self, x):\n        while True: pass\n    def backward(self, dy):\n        return dy\n"
    file.write_text(FILE + endless)
    code, out, _ = run("whole.py", "--timeout", "3", "--only", "Endless|Double", *SHAPES)
    assert code == 2
    assert [row.split()[-2] for row in out.split("\n\n")[0].splitlines()[1:]] == ["ok", "OUT"]
    assert "whole.py:Endless took more than 3 s: an endless loop?" in out
    file.write_text("while True: pass")
    code, _, err = run("whole.py", "--timeout", "1", "--shape", "5,3")
    assert code == 2
    assert "importing the targets took more than 1 s" in err
    file.write_text("import os\n" + FILE.replace("return 2 * x", "os._exit(0)"))
    code, _, err = run("whole.py:Double", "--timeout", "20", "--shape", "5,3")
    assert code == 2
    assert "the process ended with exit code 0 and left no result" in err


OTHERS = """
import numpy as np

class Context:
    def forward(ctx, a, b):
        ctx.ab = a, b
        return a * b
    def backward(ctx, dy):
        a, b = ctx.ab
        return dy * b, dy * a
    forward, backward = staticmethod(forward), staticmethod(backward)

class Prop:
    def fprop(self, x):
        self.x = x
        return x**2
    def bprop(self, dy):
        return 2 * dy * self.x

class Net:
    def __init__(self):
        self.params = {"W": np.linspace(-1, 1, 12).reshape(4, 3)}
    def loss(self, X, y):
        scores = X @ self.params["W"]
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(y)), y]).mean()
        p[np.arange(len(y)), y] -= 1
        return loss, {"W": X.T @ p / len(y)}

class Product:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y
    def backward(self, dout):
        return dout * self.y, dout * self.x

def softplus(z):
    return np.log1p(np.exp(z))

def softplus_prime(z):
    return 1 / (1 + np.exp(-z))

def squared_loss(y_pred, y_true):
    d = y_pred - y_true
    return np.mean(d**2), 2 * d / d.size
"""


def test_other_conventions(run: Run, tmp_path: Path) -> None:
    (tmp_path / "others.py").write_text(OTHERS)
    shapes = ["--shape", "5,4", "--shape", "Product=5,4", "--shape", "Product.y=5,4", "--shape", "Context.b=5,4"]
    code, out, _ = run("others.py", "--json", "--labels", "Net=3", *shapes)
    document = json.loads(out)
    assert code == 0, [case["message"] for case in document["cases"]]
    assert [(case["kind"], case["name"].partition(":")[2]) for case in document["cases"]] == [
        ("layer", "Context"), ("layer", "Prop"), ("layer", "Net"), ("layer", "Product"), ("function", "softplus,softplus_prime"),
        ("loss", "squared_loss"),
    ]  # fmt: skip
    assert document["left_out"] == {}


def test_options_that_speak_of_nothing(run: Run, file: Path) -> None:
    for given, message in (
        (["--shape", "Celll=5,3"], "--shape Celll=...: Celll is neither a target nor an input: did you mean Cell?"),
        (["--shape", "g=5,3"], "--shape g=...: g is neither a target nor an input: these are Cell, h, x"),
        (["--arguments", 'h={"a": 1}'], "--arguments h=...: h is neither a target nor an input: these are Cell"),
        (["--array", "h=1 +"], "--array h=1 +: SyntaxError: "),
    ):
        code, out, err = run("whole.py:Cell", "--shape", "5,3", *given)
        assert (code, out) == (2, "")
        assert message in err


def test_a_file_in_a_package(run: Run, tmp_path: Path) -> None:
    package = tmp_path / "mine" / "layers"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package.parent / "base.py").write_text("class Base:\n    def backward(self, dy):\n        return dy\n")
    (package / "shift.py").write_text(
        "from ..base import Base\nclass Shift(Base):\n    def forward(self, x):\n        return x + 1\n"
    )
    assert run("mine/layers/shift.py:Shift", "--shape", "5,3")[0] == 0


# --- impossible checks ------------------------------------------------------------------------------------------------

GREETING = "a greeting on import\n"
CANNOT: dict[str, tuple[list[str], str]] = {
    "no name": (["theirs:"], "TARGET: expected package.module:NAME or path/to/file.py:NAME, or the file or module alone, got 'theirs:'"),
    "two names joined": (["theirs:Swish,Scale"], "separate the names of several targets by spaces: theirs:Swish Scale"),
    "nothing to check": (["empty"], "TARGET empty: it holds neither layers nor losses nor pairs of functions"),
    "no module": (["nobody:Swish"], "TARGET: importing nobody failed: ModuleNotFoundError: No module named 'nobody'"),
    "no file": (["nobody.py:Swish"], "TARGET: there is no file nobody.py"),
    "no such class": (["theirs:Swosh"], "TARGET theirs:Swosh: theirs has no 'Swosh': did you mean Swish?"),
    "no such method": (["theirs:Scale.of_thre"], "TARGET theirs:Scale.of_thre: theirs:Scale has no 'of_thre': did you mean of_three?"),
    "neither": (["theirs:number"], "expected a layer, a pair (forward, backward), or a class or function that makes one, got 3"),
    "half a layer": (["theirs:NoBackward"], "no forward and backward found in NoBackward"),
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
    (["--arguments", "units=four"], "argument --arguments: expected JSON such as '{\"units\": 4}', got 'four'"),
    (["--arguments", "[4]"], "argument --arguments: expected a JSON object such as '{\"units\": 4}', got '[4]'"),
    (["--method", "guess"], "argument --method: invalid choice: 'guess'"),
    (["--probes", "many"], "argument --probes: invalid int value: 'many'"),
    (["--integers", "10"], "argument --integers: expected ARRAY=VALUE such as ids=10, got '10'"),
    (["--labels", "none"], "argument --labels: expected an integer >= 1, got 'none'"),
    (["--gradients", "W"], "argument --gradients: expected ARRAY=GRADIENT such as W=nabla_W, got 'W'"),
    (["--timeout", "0"], "argument --timeout: expected seconds, a number > 0, got '0'"),
    (["--only", "("], "argument --only: expected a regular expression, got '('"),
    (["--hints", "4"], "argument --hints: invalid choice: 4"),
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
