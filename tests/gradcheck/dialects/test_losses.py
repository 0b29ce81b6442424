"""Losses: names, the order of the arguments, several numbers, (loss, gradient) from one function."""

import numpy as np
import pytest

from tests.gradcheck.dialects.planted import Bug, Case, fails, passes, right, wrong
from tinydl.gradcheck import GradientCheckError, check_loss

OBJECT = """
class SquaredError:
    def {forward}(self, {inputs}):
        self.kept = {pred}, {true}
        return {value}

    def {backward}(self, {arguments}):
        {unpack}
        g = 2 * (p - t){scale}
        return g
"""


def loss(
    forward: str, backward: str, arguments: str = "", inputs: str = "y_pred, y_true", unpack: str = "p, t = self.kept",
    value: str = "np.mean(({pred} - {true})**2)", scale: str = " / p.size", order: str = "01",
) -> Case:  # fmt: skip
    names = inputs.split(", ")
    pred, true = names[int(order[0])], names[int(order[1])]
    value = value.format(pred=pred, true=true)
    code = OBJECT.format(forward=forward, backward=backward, arguments=arguments, inputs=inputs, pred=pred, true=true,
                         unpack=unpack, value=value, scale=scale)  # fmt: skip
    bugs = [
        ("g = 2 * (p - t)", "g = 2 * (t - p)", "y_pred"), ("return g", "return g * p", "y_pred"),
        ("g = 2 *", "g = 2.7 *", "y_pred"),
    ]  # fmt: skip
    targets = "np.random.default_rng(5).normal(size=(3, 4))"
    name = f"{forward}({inputs}), {backward}({arguments}){scale}"
    return Case(name, code, f"check_loss(SquaredError(), (3, 4), {targets})", bugs, "y_pred")


PAIR = "p, t = {}, {}".format
LOSSES = [
    loss("forward", "backward"), loss("loss", "grad"), loss("loss", "gradient", "y_pred, y_true", unpack=PAIR("y_pred", "y_true")),
    loss("loss", "backward"), loss("__call__", "gradient"), loss("__call__", "backward"), loss("calculate", "backward"),
    loss("compute", "derivative", "a, b", "a, b", PAIR("a", "b")), loss("cost", "cost_prime"),
    loss("forward", "backward", "dvalues, y_true", unpack=PAIR("dvalues", "y_true")),
    loss("forward", "backward", "dout=1"), loss("forward", "backward", "dout"),
    loss("forward", "backward", "y_true, y_pred", "y_true, y_pred", PAIR("y_pred", "y_true"), order="10"),
    loss("loss", "gradient", "y, y_pred", "y, y_pred", PAIR("y_pred", "y"), order="10"),
    loss("loss", "prime", "u, v", "u, v", PAIR("v", "u"), value="np.mean(({pred} - {true})**2 * {true}**2)",
         scale=" * t**2 / p.size", order="10"),
    loss("loss", "grad", "actual, predicted", "predicted, actual", PAIR("predicted", "actual")),
    loss("loss", "grad", value="({pred} - {true})**2", scale=""),
    loss("loss", "grad", value="({pred} - {true})**2"),
    loss("forward", "backward", "dvalues, y_true", unpack=PAIR("dvalues", "y_true"),
         value="np.mean(({pred} - {true})**2, axis=-1)"),
    loss("forward", "backward", value="np.sum(({pred} - {true})**2, axis=1)", scale=" / len(p)"),
    loss("forward", "backward", value="np.sum(({pred} - {true})**2, axis=1)", scale=""),
]  # fmt: skip

FUNCTIONS = """
def softmax_loss({arguments}):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    rows = np.arange(len(x))
    loss = -np.log(p[rows, y]).mean()
    dx = p.copy()
    dx[rows, y] -= 1
    dx /= len(x)
    return {result}
"""
FUNCTION_BUGS: list[Bug] = [
    ("    dx /= len(x)\n", "", "x"), ("dx[rows, y] -= 1", "dx[rows, y] += 1", "x"),
    ("dx = p.copy()", "dx = 2 * p", "x"),
]  # fmt: skip
BOTH = [
    Case(f"{arguments} -> {result}", FUNCTIONS.format(arguments=arguments, result=result),
         "check_loss(softmax_loss, (3, 4), np.array([0, 3, 1]))", FUNCTION_BUGS, "x")
    for arguments, result in (("x, y", "loss, dx"), ("x, y", "loss, p, dx"), ("x, y, reg=0.1", "dx, loss"))
]  # fmt: skip
STATIC = Case(
    "static methods",
    """
class AbsoluteError:
    @staticmethod
    def loss(y_true, y_pred):
        return np.abs(y_pred - y_true).mean()

    @staticmethod
    def gradient(y_true, y_pred):
        return np.sign(y_pred - y_true) / y_true.size
""",
    "check_loss(AbsoluteError, (3, 4), np.zeros((3, 4)))",
    [
        ("np.sign(y_pred - y_true) /", "np.sign(y_true - y_pred) /", "y_pred"),
        (" / y_true.size", "", "y_pred"),
        ("np.sign(y_pred - y_true) /", "(y_pred - y_true) /", "y_pred"),
    ],
)
ALL = [*LOSSES, *BOTH, STATIC]


@right(ALL)
def test_right_losses_pass(case: Case) -> None:
    passes(case)


@wrong(ALL)
def test_mistakes_are_found(case: Case, bug: Bug) -> None:
    fails(case, bug)


def test_a_note_says_what_several_numbers_were_taken_for() -> None:
    notes = {case.name: " ".join(case.run().notes) for case in LOSSES[-5:]}
    said = [note.partition("their ")[2].partition(" ")[0] for note in notes.values()]
    assert said == ["sum", "mean", "mean", "mean", "sum"]


def test_a_pair_of_functions_is_a_loss() -> None:
    def cost(a, y):
        return 0.5 * np.sum((a - y) ** 2)

    check_loss((cost, lambda a, y: a - y), (3, 2), np.ones((3, 2)))
    with pytest.raises(GradientCheckError, match="check of cost FAILED\n  da is wrong"):
        check_loss((cost, lambda a, y: y - a), (3, 2), np.ones((3, 2)))


def test_a_pair_whose_target_comes_first_reports_y_pred() -> None:
    pair = (lambda y_true, p: np.sum((p - y_true) ** 2), lambda y_true, p: 2 * (p - y_true))
    assert check_loss(pair, (3, 2), np.ones((3, 2))).gradients == {"y_pred": "ok"}


def test_an_object_without_a_gradient_is_refused() -> None:
    class Loss:
        def loss(self, y_pred, y_true):
            return np.mean((y_pred - y_true) ** 2)

    with pytest.raises(TypeError, match="no forward and backward found in Loss: its methods are loss"):
        check_loss(Loss(), (3, 2), np.ones((3, 2)))


class MeanOfLosses:
    """A book's loss: forward returns a number for each row, and calculate their mean."""

    def __init__(self, rows: bool = True) -> None:
        self.rows = rows

    def calculate(self, output, y):
        return np.mean(self.forward(output, y))

    def forward(self, y_pred, y_true):
        return np.mean((y_true - y_pred) ** 2, axis=-1)

    def backward(self, dvalues, y_true):
        self.dinputs = -2 * (y_true - dvalues) / dvalues.shape[1]
        if self.rows:
            self.dinputs /= len(dvalues)


def test_a_method_that_gives_the_one_number_decides() -> None:
    assert check_loss(MeanOfLosses(), (3, 4), np.zeros((3, 4))).passed
    with pytest.raises(GradientCheckError, match="dy_pred is wrong"):
        check_loss(MeanOfLosses(rows=False), (3, 4), np.zeros((3, 4)))
