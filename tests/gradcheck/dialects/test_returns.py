"""The places of backward's gradients: results of many forms, lists and dicts, and parameter objects."""

import numpy as np
import pytest

from tests.gradcheck.dialects.planted import Bug, Case, fails, passes, right, wrong
from tinydl.gradcheck import GradientCheckError, check_layer, check_loss, check_model

DENSE = """
class Parameter:
    def __init__(self, value):
        self.{value} = value
        self.{g} = None

class Dense:
    def __init__(self):
        rng = np.random.default_rng(1)
        W, b = rng.normal(size=(4, 3)), rng.normal(size=3)
        {hold}

    def forward(self, x):
        W, b = {get}
        self.x = x
        return x @ W + b

    def backward(self, dy):
        W, b = {get}
        dW = self.x.T @ dy
        db = dy.sum(axis=0)
        dx = dy @ W.T
        {back}
"""
BUGS: list[Bug] = [
    ("self.x.T @ dy", "2 * self.x.T @ dy", "W"),
    ("dy.sum(axis=0)", "dy.mean(axis=0)", "b"),
    ("dx = dy @ W.T", "dx = -dy @ W.T", "x"),
]


def dense(back: str, hold: str = "self.W, self.b = W, b", get: str = "self.W, self.b", names: str = "W b", value: str = "data",
          g: str = "grad") -> Case:  # fmt: skip
    W, b = names.split()
    bugs = [(old, new, {"W": W, "b": b, "x": "x"}[array]) for old, new, array in BUGS]
    code = DENSE.format(back=back, hold=hold, get=get, value=value, g=g)
    return Case(f"{hold}: {back}", code, "check_layer(Dense(), (5, 4))", bugs, f"x {names}")


LISTS = {
    "hold": "self.params, self.grads = [W, b], [0 * W, 0 * b]",
    "get": "self.params",
    "names": "params[0] params[1]",
}
OBJECTS = {"hold": "self.W, self.b = Parameter(W), Parameter(b)"}
FORMS = [
    dense("return dx, dW, db"), dense("return [dx, dW, db]"), dense("return dx, {'W': dW, 'b': db}"),
    dense("return {'x': dx, 'W': dW, 'b': db}"), dense("return {'dx': dx, 'dW': dW, 'db': db}"),
    dense("return [dx], [dW, db]"), dense("return dW, db, dx"), dense("self.grads = {'W': dW, 'b': db}; return dx"),
    dense("self.grads = [dW, db]; return dx", **LISTS),
    dense("self.grads[0][...] = dW; self.grads[1][...] = db; return dx", **LISTS),
    dense("self.W.g, self.b.g = dW, db; return dx", **OBJECTS, get="self.W.data, self.b.data", g="g"),
    dense("self.W.gradient, self.b.gradient = dW, db; return dx", **OBJECTS, get="self.W.value, self.b.value",
          value="value", g="gradient"),
    dense("return dx, (dW, db)"),
]  # fmt: skip


@right(FORMS)
def test_right_code_passes(case: Case) -> None:
    passes(case)


@wrong(FORMS)
def test_mistakes_are_found(case: Case, bug: Bug) -> None:
    fails(case, bug)


def test_empty_lists_of_parameters_are_no_hindrance() -> None:
    class Relu:
        def __init__(self):
            self.params, self.grads = [], []

        def forward(self, x):
            self.mask = x <= 0
            out = x.copy()
            out[self.mask] = 0
            return out

        def backward(self, dout):
            dout[self.mask] = 0
            return dout

    report = check_layer(Relu(), (4, 3))
    assert report.gradients == {"x": "ok"}
    assert [rule.code for rule in report.rules] == ["dy"]


def test_a_separate_update_is_left_alone() -> None:
    class Dense:
        def __init__(self):
            self.W = np.random.default_rng(1).normal(size=(4, 3))

        def forward(self, x):
            self.x = x
            return x @ self.W

        def backward(self, dy):
            self.dW = self.x.T @ dy
            return dy @ self.W.T

        def update(self, lr):
            self.W -= lr * self.dW

    assert check_layer(Dense(), (5, 4)).gradients == {"x": "ok", "W": "ok"}


class Sequential:
    def __init__(self, factor: float = 1.0) -> None:
        self.W = np.random.default_rng(1).normal(size=(4, 2))
        self.factor = factor

    def fprop(self, x):
        self.x = x
        return x @ self.W

    def bprop(self, delta):
        self.dW = self.factor * self.x.T @ delta
        return delta @ self.W.T


class Error:
    def loss(self, y, y_pred):
        return 0.5 * (y - y_pred) ** 2

    def gradient(self, y, y_pred):
        return y_pred - y


def test_a_model_and_a_loss_in_two_dialects_are_checked_together() -> None:
    assert check_model(Sequential(), (5, 4), np.ones((5, 2)), loss=Error()).gradients == {"x": "ok", "W": "ok"}
    with pytest.raises(GradientCheckError, match="dW is wrong"):
        check_model(Sequential(2.0), (5, 4), np.ones((5, 2)), loss=Error())


def test_a_loss_may_leave_its_gradient_in_an_attribute() -> None:
    class Loss:
        def __init__(self, factor: float) -> None:
            self.factor = factor

        def forward(self, y_pred, y_true):
            return np.mean((y_pred - y_true) ** 2, axis=-1)

        def backward(self, dvalues, y_true):
            self.dinputs = self.factor * 2 * (dvalues - y_true) / dvalues.size

    assert check_loss(Loss(1.0), (5, 4), np.zeros((5, 4))).passed
    with pytest.raises(GradientCheckError, match="dy_pred is wrong"):
        check_loss(Loss(1.1), (5, 4), np.zeros((5, 4)))


class Square:
    """x, W and V have one shape, and backward returns dx last."""

    def __init__(self, **factors: float) -> None:
        self.W, self.V = np.random.default_rng(1).normal(size=(2, 4, 4))
        self.factors = {"x": 1.0, "W": 1.0, "V": 1.0, **factors}

    def forward(self, x):
        self.x = x
        return x @ self.W @ self.V

    def backward(self, dy):
        dz = dy @ self.V.T
        gradients = {"W": self.x.T @ dz, "V": (self.x @ self.W).T @ dy, "x": dz @ self.W.T}
        return tuple(self.factors[name] * gradient for name, gradient in gradients.items())


def test_gradients_of_one_shape_are_told_apart_by_the_numbers() -> None:
    assert check_layer(Square(), (4, 4)).passed
    for wrong_array in ("x", "W", "V"):
        with pytest.raises(GradientCheckError) as caught:
            check_layer(Square(**{wrong_array: 2.0}), (4, 4))
        assert caught.value.report is not None
        verdicts = caught.value.report.gradients
        assert [name for name, verdict in verdicts.items() if verdict != "ok"] == [wrong_array]


class OfThePast:
    """A network that returns only the gradients of its weights, and has no method for its loss."""

    def __init__(self, factor: float = 1.0) -> None:
        self.weights, self.factor = [np.random.default_rng(1).normal(size=(2, 3))], factor

    def feedforward(self, a):
        return np.tanh(self.weights[0] @ a)

    def backprop(self, x, y):
        a = self.feedforward(x)
        return [self.factor * ((a - y) * (1 - a**2)) @ x.T]


def test_a_backward_without_dy_belongs_to_one_number() -> None:
    def cost(net, x, y):
        return 0.5 * np.sum((net.feedforward(x) - y) ** 2)

    x, y = np.array([[0.2], [0.5], [-0.3]]), np.array([[1.0], [0.0]])
    report = check_layer(OfThePast(), x, y, forward=cost, backward="backprop")
    assert report.gradients == {"weights[0]": "ok", "x": "constant", "y": "constant"}
    with pytest.raises(GradientCheckError, match=r"weights\[0\] is wrong"):
        check_layer(OfThePast(3.0), x, y, forward=cost, backward="backprop")


def test_a_backward_without_dy_is_refused_where_forward_gives_an_array() -> None:
    class Layer:
        def forward(self, x):
            self.x = x
            return x**2

        def backward(self):
            return 2 * self.x

    with pytest.raises(TypeError, match=r"forward must return one number, got an array of shape \(3, 2\)"):
        check_layer(Layer(), (3, 2))
