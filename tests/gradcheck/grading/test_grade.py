"""Points, partial credit, hints and reasons, for submissions that students might hand in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.gradcheck.grading.hostile import RIGHT
from tinydl.gradcheck.grading import Assignment, Task
from tinydl.gradcheck.grading.judge import grade
from tinydl.gradcheck.grading.results import SubmissionResult, TaskResult

DENSE: dict[str, Any] = {
    "subject": "Dense(3, 4)", "inputs": [(5, 3)], "points": 6, "arrays": {"x": 2, "W": 3, "b": 1},
    "reference": lambda x, W, b: x @ W + b,
}  # fmt: skip
Graded = Callable[..., TaskResult]


@pytest.fixture
def graded(tmp_path: Path) -> Graded:
    """Grade a text, as a submission's only file, by one task."""

    def result_of(text: str, assignment: dict[str, Any] | None = None, **task: Any) -> TaskResult:
        (tmp_path / "given.py").write_text(text)
        whole = Assignment("Test", [Task("task", **{**DENSE, **task})], **(assignment or {}))
        return grade(whole, tmp_path / "given.py").tasks[0]

    return result_of


def changed(old: str, new: str, text: str = RIGHT) -> str:
    assert text.count(old) == 1
    return text.replace(old, new)


DB_IS_A_MEAN = changed("dy.sum(axis=0)", "dy.mean(axis=0)")


# --- points -----------------------------------------------------------------------------------------------------------


def test_everything_right(graded: Graded) -> None:
    result = graded(RIGHT)
    assert (result.status, result.score, result.max_score) == ("passed", 6, 6)
    assert [(item.name, item.passed, item.weight) for item in result.items] == [
        ("x", True, 2), ("W", True, 3), ("b", True, 1),
    ]  # fmt: skip
    assert result.hint == result.message == "gradient check of task passed"


def test_partial_credit_by_the_weights_of_the_arrays(graded: Graded) -> None:
    result = graded(DB_IS_A_MEAN)
    assert (result.status, result.score) == ("failed", 5)
    assert [item.passed for item in result.items] == [True, True, False]
    assert "1/N with the batch size N = 5" in result.message


def test_equal_shares_if_arrays_are_listed_or_left_out(graded: Graded) -> None:
    assert graded(DB_IS_A_MEAN, arrays=["x", "W", "b"]).score == 4
    assert graded(DB_IS_A_MEAN, arrays=None).score == 4


def test_an_array_that_is_not_named_has_no_points_but_can_fail_the_task(graded: Graded) -> None:
    result = graded(DB_IS_A_MEAN, arrays=["x", "W"])
    assert (result.status, result.score) == ("failed", 6)


def test_a_parameter_without_a_gradient_is_not_right(graded: Graded) -> None:
    result = graded(changed("self.dW, self.db = self.x.T @ dy, dy.sum(axis=0)", "self.dW = self.x.T @ dy"))
    assert (result.status, result.score) == ("failed", 5)
    assert "b was not checked" in result.message


def test_other_names_are_not_found_and_the_message_says_which_there_are(graded: Graded) -> None:
    result = graded(RIGHT.replace("self.W", "self.weights").replace("self.dW", "self.dweights"))
    assert (result.status, result.score) == ("failed", 0)
    assert result.message.startswith("no array named W on which forward depends was found, only x, ")
    assert "weights" in result.message


def test_rules_are_worth_what_the_staff_say(graded: Graded) -> None:
    in_place = changed("return dy @ self.W.T", "dx = dy @ self.W.T\n        dy *= 2\n        return dx")
    result = graded(in_place, arrays={"x": 2, "W": 2, "b": 1, "rules": 1})
    assert (result.status, result.score) == ("failed", 5)
    assert "modifies dy in place" in result.message
    without = graded(in_place)
    assert (without.status, without.score) == ("passed", 6)
    assert "modifies dy in place" in without.message  # for the staff


def test_no_points_for_the_rules_without_right_gradients(graded: Graded) -> None:
    result = graded(DB_IS_A_MEAN, arrays={"x": 2, "W": 2, "b": 1, "rules": 1})
    assert (result.status, result.score) == ("failed", 4)
    assert [(item.name, item.passed) for item in result.items][2:] == [("b", False), ("rules", False)]


def test_the_arguments_of_the_reference_count_even_if_a_submission_calls_them_state(graded: Graded) -> None:
    text = changed("self.W, self.b = ", "self.state = {}; self.state['W'], self.b = ").replace(
        "self.W", "self.state['W']"
    )
    assert graded(text, arrays=None).status == "passed"
    wrong = graded(text.replace("self.x.T @ dy,", "2 * self.x.T @ dy,"), arrays=None)
    assert (wrong.status, wrong.score) == ("failed", 4)
    assert "W" in [item.name for item in wrong.items if not item.passed]


# --- the reference ----------------------------------------------------------------------------------------------------


def test_a_consistent_but_wrong_forward_gets_nothing(graded: Graded) -> None:
    text = changed("return x @ self.W + self.b", "return 2 * x @ self.W + self.b")
    text = changed("self.x.T @ dy", "2 * self.x.T @ dy", changed("dy @ self.W.T", "2 * dy @ self.W.T", text))
    result = graded(text, hints=2)
    assert (result.status, result.score) == ("failed", 0)
    assert "forward is wrong in 20 of 20 entries: y[0, 0] is" in result.hint
    assert graded(text, reference=None).score == 6  # a gradient check alone cannot find it


def test_a_forward_of_the_wrong_shape(graded: Graded) -> None:
    result = graded(changed("return x @ self.W + self.b", "return (x @ self.W + self.b)[:, :2]"))
    assert (result.passed, result.score) == (False, 0)


# --- hints ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "shown", "withheld"),
    [
        (0, ["FAILED"], ["b", "wrong", "analytic", "mean"]),
        (1, ["b: WRONG"], ["analytic", "mean"]),
        (2, ["db is wrong", "worst at b[", "analytic", "numeric"], ["mean", "cause"]),
        (3, ["db is wrong", "likely cause", "the mean belongs in the loss"], []),
    ],
)
def test_hints(graded: Graded, level: int, shown: list[str], withheld: list[str]) -> None:
    result = graded(DB_IS_A_MEAN, {"hints": level})
    assert all(text in result.hint for text in shown), result.hint
    assert not any(text in result.hint.replace("gradient check of task", "") for text in withheld), result.hint
    assert "the mean belongs in the loss" in result.message  # the staff see everything at every level


def test_a_task_may_have_its_own_level(graded: Graded) -> None:
    assert graded(DB_IS_A_MEAN, {"hints": 3}, hints=0).hint == "gradient check of task FAILED"


def test_what_says_nothing_of_the_solution_is_told_at_every_level(graded: Graded) -> None:
    assert "SyntaxError: expected ':' (submission.py, line 1)" in graded("class Dense\n", {"hints": 0}).hint
    crash = graded(changed("self.x = x\n", "self.x = x.no_such_thing\n"), {"hints": 0})
    assert "no_such_thing" in crash.hint
    assert "submission.py:10, in forward: self.x = x.no_such_thing" in crash.hint


# --- numeric backward passes ------------------------------------------------------------------------------------------

NUMERIC = """
import numpy as np

class Square:
    def _y(self, x):
        return x ** 2
    def forward(self, x):
        self.x = x
        return self._y(x)
    def backward(self, dy):
        result = np.zeros_like(self.x)
        for index in np.ndindex(self.x.shape):
            step = np.zeros_like(self.x)
            step[index] = 1e-5
            result[index] = ((CALL(self.x + step) - CALL(self.x - step)) * dy).sum() / 2e-5
        return result
"""
SQUARE: dict[str, Any] = {
    "subject": "Square()", "arrays": None, "reference": lambda x: x**2, "points": 1, "forbid_numeric": True,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("call", ["self._y", "Square().forward", "(lambda x: x ** 2)", "other"])
def test_a_numeric_backward_is_found(graded: Graded, call: str) -> None:
    text = "def other(x):\n    return x * x\n" + NUMERIC.replace("CALL", call)
    result = graded(text, **SQUARE)
    assert (result.status, result.score) == ("failed", 0)
    assert "computes numeric differences, which this task forbids: one backward calls" in result.message
    assert graded(text, **{**SQUARE, "forbid_numeric": False}).score == 1


@pytest.mark.parametrize(
    "backward",
    [
        "return 2 * self.x * dy",
        "self.forward(self.x)\n        return 2 * self.x * dy",  # computes a value again instead of keeping it
        "return np.array([[slope(v) for v in row] for row in self.x]) * dy",  # a function called for each entry
        "return np.array([2 * self._y(row) / row for row in self.x]) * dy",  # forward's own helper, for each sample
    ],
)
def test_an_honest_backward_is_not_called_numeric(graded: Graded, backward: str) -> None:
    start, _, _ = NUMERIC.partition("        result =")
    text = f"def slope(v):\n    return 2 * v\n{start}        {backward}\n"
    result = graded(text, **SQUARE)
    assert (result.status, result.score) == ("passed", 1), result.message


# --- kinds ------------------------------------------------------------------------------------------------------------

OTHERS = '''
import numpy as np

def affine(x, W, b):
    return x @ W + b

def affine_backward(dy, x, W, b):
    return dy @ W.T, x.T @ dy, dy.sum(axis=0)

class MeanSquare:
    def forward(self, y_pred, y_true):
        self.difference = y_pred - y_true
        return (self.difference ** 2).mean()
    def backward(self):
        return 2 * self.difference / self.difference.size

class Embedding:
    def __init__(self, count, size):
        self.W = np.random.default_rng(0).normal(size=(count, size))
    def forward(self, ids):
        self.ids = ids
        return self.W[ids]
    def backward(self, dy):
        self.dW = np.zeros_like(self.W)
        np.add.at(self.dW, self.ids, dy)

class Cell:
    """h' = tanh(x U + h V)"""
    def __init__(self):
        rng = np.random.default_rng(0)
        self.U, self.V = rng.normal(size=(3, 4)), rng.normal(size=(4, 4))
    def forward(self, x, h):
        self.x, self.h, self.new = x, h, np.tanh(x @ self.U + h @ self.V)
        return self.new
    def backward(self, dnew):
        da = dnew * (1 - self.new ** 2)
        self.dU, self.dV = self.x.T @ da, self.h.T @ da
        return da @ self.U.T, da @ self.V.T

class Net:
    """One dense layer without a bias; the loss is given."""
    def __init__(self):
        self.W = np.random.default_rng(0).normal(size=(3, 2))
    def forward(self, x):
        self.x = x
        return x @ self.W
    def backward(self, dy):
        self.dW = self.x.T @ dy
        return dy @ self.W.T

class Positions:
    def __init__(self):
        self.W, self.pe = np.ones((3, 2)) / 2, np.arange(10.0).reshape(5, 2)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.pe
    def backward(self, dy):
        self.dW = np.einsum("ni,nj->ij", self.x, dy)
        return dy @ self.W.T

class Single:
    def __init__(self):
        self.W = np.random.default_rng(0).normal(size=(3, 4)).astype("f")
    def forward(self, x):
        self.x = np.asarray(x, "f")
        return np.tanh(self.x @ self.W.astype("f"))
    def backward(self, dy):
        da = np.asarray(dy, "f") * (1 - np.tanh(self.x @ self.W.astype("f")) ** 2)
        self.dW = self.x.T @ da
        return da @ self.W.T.astype("f")

class Dropout:
    def __init__(self):
        self.rng = np.random.default_rng(0)
    def forward(self, x, training=True):
        self.mask = (self.rng.random(x.shape) < 0.5) / 0.5 if training else np.ones(x.shape)
        return x * self.mask
    def backward(self, dy):
        return dy * self.mask
'''
AFFINE = {"subject": "affine, affine_backward", "kind": "function", "inputs": [(5, 3), (3, 4), (4,)]}
LOSS = {"subject": "MeanSquare()", "kind": "loss", "inputs": [(4, 3), np.ones((4, 3))]}
KINDS: dict[str, dict[str, Any]] = {
    "function": {**AFFINE, "reference": lambda x, W, b: x @ W + b},
    "function, no reference": AFFINE,
    "loss": {**LOSS, "reference": lambda y_pred, y_true: ((y_pred - y_true) ** 2).mean()},
    "loss, no reference": LOSS,
    "indices": {"subject": "Embedding(7, 3)", "inputs": [np.array([[1, 2], [0, 1]])], "reference": lambda x, W: W[x]},
    "two inputs": {
        "subject": "Cell()", "inputs": {"x": (5, 3), "h": (5, 4)},
        "reference": lambda x, h, U, V: np.tanh(x @ U + h @ V),
    },
    "two inputs, in a list": {"subject": "Cell()", "inputs": [(5, 3), (5, 4)], "arrays": ["x", "h", "U", "V"]},
    "model": {
        "subject": "Net()", "kind": "model", "inputs": [(4, 3), np.ones((4, 2))], "loss": "MeanSquare()",
        "reference": lambda x, y, W: ((x @ W - y) ** 2).mean(),
    },
    "constants": {
        "subject": "Positions()", "inputs": [(5, 3)], "options": {"constants": ["pe"]}, "arrays": ["x", "W"],
        "reference": lambda x, W, pe: x @ W + pe,
    },
    "single precision": {
        "subject": "Single()", "inputs": [(5, 3)], "arrays": ["x", "W"], "reference": lambda x, W: np.tanh(x @ W),
    },
    "single precision, no reference": {"subject": "Single()", "inputs": [(5, 3)]},
    "noise": {"subject": "Dropout()", "inputs": [(5, 3)]},
    "options": {"subject": "Dropout()", "inputs": [(5, 3)], "options": {"training": False, "probes": 3}},
}  # fmt: skip
PLAIN: dict[str, Any] = {"arrays": None, "reference": None, "points": 2}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_kinds(graded: Graded, kind: str) -> None:
    result = graded(OTHERS, **{**PLAIN, **KINDS[kind]})
    assert (result.status, result.score) == ("passed", 2), result.message
    assert all(item.passed for item in result.items)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "old", "new", "array"),
    [
        ("function", "x.T @ dy, dy.sum(axis=0)", "x.T @ dy, 2 * dy.sum(axis=0)", "b"),
        ("loss", "return 2 * self.difference", "return 3 * self.difference", "y_pred"),
        ("indices", "np.add.at(self.dW, self.ids, dy)", "self.dW[self.ids] = dy", "W"),
        ("two inputs", "self.h.T @ da", "self.h.T @ dnew", "V"),
        ("two inputs, in a list", "da @ self.U.T, da @ self.V.T", "da @ self.U.T, da @ self.V", "h"),
        ("model", "self.dW = self.x.T @ dy", "self.dW = self.x.T @ dy * 2", "W"),
        ("single precision", "return da @ self.W", "return 1.01 * da @ self.W", "x"),
        ("noise", "return dy * self.mask", "return dy", "x"),
    ],
)
def test_a_mistake_in_each_kind(graded: Graded, kind: str, old: str, new: str, array: str) -> None:
    result = graded(changed(old, new, OTHERS), **{**PLAIN, **KINDS[kind]})
    assert result.status == "failed"
    assert [item.name for item in result.items if not item.passed] == [array]


# --- submissions ------------------------------------------------------------------------------------------------------


def test_a_folder_with_a_module_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "helper.py").write_text("def total(dy):\n    return dy.sum(axis=0)\n")
    text = "from helper import total\n" + changed("dy.sum(axis=0)", "total(dy)")
    (tmp_path / "work" / "layers.py").write_text(text + "open('made.txt', 'w').write('x')\n")
    result = grade(Assignment("Test", [Task("task", **DENSE)], file="layers.py"), tmp_path / "work")
    assert result.score == 6, result.tasks[0].message
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["helper.py", "layers.py"]  # it ran in a copy


def test_a_folder_without_the_file_fails_all_tasks(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(RIGHT)
    result = grade(Assignment("Test", [Task("a", **DENSE), Task("b", **DENSE)], file="layers.py"), tmp_path)
    assert [task.message for task in result.tasks] == ["there is no layers.py in the submission"] * 2
    assert (result.score, result.max_score, result.passed) == (0, 12, False)


def test_one_task_does_not_spoil_the_next_and_each_result_is_handed_on(tmp_path: Path) -> None:
    text = (
        "import os\n" + RIGHT + "\nclass Bad:\n    def forward(self, x):\n        os._exit(3)\n    backward = forward\n"
    )
    (tmp_path / "given.py").write_text(text)
    bad = Task("bad", "Bad()", [(5, 3)])
    seen: list[list[str]] = []

    def done(result: SubmissionResult) -> None:
        seen.append([task.status for task in result.tasks])

    result = grade(Assignment("Test", [bad, Task("good", **DENSE)]), tmp_path / "given.py", done=done)
    assert seen == [["error", "error"], ["error", "error"], ["error", "passed"]]
    assert "its process ended with exit code 3" in result.tasks[0].message
    assert result.tasks[1].score == 6


def test_an_import_that_fails_is_tried_once(tmp_path: Path) -> None:
    (tmp_path / "given.py").write_text("1 / 0\n")
    result = grade(Assignment("Test", [Task("a", **DENSE), Task("b", **DENSE)]), tmp_path / "given.py")
    assert ["ZeroDivisionError" in task.message for task in result.tasks] == [True, True]
    assert result.tasks[1].seconds == 0


def test_the_environment_of_a_submission_holds_no_secrets(graded: Graded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    text = "import os\nprint(os.environ.get('SECRET_TOKEN'), sorted(os.listdir()))\n" + RIGHT
    assert graded(text).printed.strip() == "None ['submission.py']"


def test_modules_of_a_submission_do_not_hide_the_real_ones(tmp_path: Path) -> None:
    for name in ("numpy.py", "json.py", "tinydl.py", "socket.py"):
        (tmp_path / name).write_text("raise RuntimeError('the wrong module')\n")
    (tmp_path / "submission.py").write_text(RIGHT)
    assert grade(Assignment("Test", [Task("task", **DENSE)]), tmp_path).score == 6
