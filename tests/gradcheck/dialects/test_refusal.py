"""A refusal comes with an adapter, and the adapter works when it is pasted."""

from typing import Any

import numpy as np
import pytest

from tinydl.gradcheck import GradientCheckError, check_function, check_layer, check_loss

from .planted import CHECKS


class Odd:
    """A layer without any usual names."""

    def __init__(self, factor: float = 1.0) -> None:
        self.W = np.random.default_rng(1).normal(size=(4, 3))
        self.factor = factor

    def push_ahead(self, x):
        self.x = x
        return x @ self.W

    def take_back(self, dy):
        self.dW = self.factor * self.x.T @ dy
        return dy @ self.W.T

    def describe(self):
        return "odd"


class Cell:
    def go_up(self, x, state):
        self.h, self.c = state
        return x * self.h, self.c * x

    def go_down(self, g):
        return None


class OddLoss:
    def badness(self, y_pred, y_true):
        self.d = y_pred - y_true
        return np.sum(self.d**2)

    def badness_slope(self):
        return 2 * self.d


class ManyArguments:
    def forward(self, x):
        return x * 2

    def backward(self, dy, first, second, third):
        return dy * 2


def adapter_in(call: Any) -> str:
    with pytest.raises(TypeError, match="Say how to call it:") as caught:
        call()
    return str(caught.value).partition("Say how to call it:\n")[2]


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "ok"), (2.0, "WRONG")])
def test_the_adapter_of_a_layer_works_when_pasted(factor: float, verdict: str) -> None:
    odd = Odd(factor)
    text = adapter_in(lambda: check_layer(odd, (5, 4)))
    assert "check_layer(odd, (5, 4)," in text
    assert "odd.push_ahead(x)" in text
    assert "odd.take_back(dy)" in text
    try:
        report = eval(text.strip(), {**CHECKS, "odd": odd})
    except GradientCheckError as error:
        report = error.report
    assert report.gradients == {"x": "ok", "W": verdict}


def test_the_adapter_of_a_loss_works_when_pasted() -> None:
    oddloss, y_true = OddLoss(), np.ones((3, 2))
    text = adapter_in(lambda: check_loss(oddloss, (3, 2), y_true))
    report = eval(text.strip(), {**CHECKS, "oddloss": oddloss, "y_true": y_true})
    assert report.gradients == {"y_pred": "ok"}


def test_a_function_without_a_backward_is_refused_with_an_adapter() -> None:
    def f(x):
        return x**2

    text = adapter_in(lambda: check_function(f, (3, 2)))
    space = {**CHECKS, "f": f, "backward": lambda dy, x: 2 * dy * x}
    assert eval(text.strip(), space).gradients == {"x": "ok"}


class Box:
    def __init__(self, v):
        self.v, self.g = v, None


class InBoxes(Odd):
    def forward(self, x):
        return Box(self.push_ahead(x))

    def backward(self, dy):
        return self.take_back(dy)


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "ok"), (2.0, "WRONG")])
def test_a_result_in_a_box_is_refused_with_the_forward_to_paste(factor: float, verdict: str) -> None:
    layer = InBoxes(factor)
    with pytest.raises(TypeError, match="must return an array, got Box: pass forward=") as caught:
        check_layer(layer, (5, 4))
    pasted = str(caught.value).partition("pass ")[2]
    try:
        report = eval(f"check_layer(layer, (5, 4), {pasted})", {**CHECKS, "layer": layer})
    except GradientCheckError as error:
        report = error.report
    assert report.gradients == {"x": "ok", "W": verdict}


def test_shapes_of_a_state_stand_in_the_adapter() -> None:
    text = adapter_in(lambda: check_layer(Cell(), (2, 3), ((2, 3), (2, 3))))
    assert "check_layer(cell, (2, 3), ((2, 3), (2, 3))," in text
    assert "cell.go_down(dy)" in text


def test_what_is_not_known_stays_open_in_the_adapter() -> None:
    text = adapter_in(lambda: check_layer(ManyArguments(), (3, 2)))
    assert "manyarguments.backward(dy, first=..., second=..., third=...)" in text


def test_methods_can_be_given_by_name() -> None:
    assert check_layer(Odd(), (5, 4), forward="push_ahead", backward="take_back").passed
    assert check_loss(OddLoss(), (3, 2), np.ones((3, 2)), forward="badness", backward="badness_slope").passed


def test_one_of_them_may_be_given() -> None:
    class Half:
        def forward(self, x):
            self.x = x
            return x**2

        def other(self, dy):
            return 2 * dy * self.x

    assert check_layer(Half(), (3, 2), backward="other").passed
    assert check_layer(Half(), (3, 2), backward=lambda half, dy: half.other(dy)).passed


def test_an_object_without_methods_is_refused() -> None:
    class Empty:
        pass

    with pytest.raises(TypeError, match="no forward and backward found in Empty: it has no methods"):
        check_layer(Empty(), (3, 2))
