"""backward(dy, lr) that also updates the weights."""

import numpy as np
import pytest

from tests.gradcheck.dialects.planted import Bug, Case, fails, passes, right, wrong
from tinydl.gradcheck import check_layer

DENSE = """
class Dense:
    def __init__(self):
        rng = np.random.default_rng(1)
        self.W, self.b = rng.normal(size=(4, 3)), rng.normal(size=3)
        self.{own} = 0.05

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, {arguments}):
        dx = dy @ self.W.T
        dW = self.x.T @ dy
        db = dy.sum(axis=0)
        {update}
        return dx
"""

BUGS: list[Bug] = [
    ("self.x.T @ dy", "self.x.T @ dy / len(dy)", "W"),
    ("dy.sum(axis=0)", "dy.mean(axis=0)", "b"),
    ("dx = dy @", "dx = 2 * dy @", "x"),
]


def dense(arguments: str, rate: str, update: str = "", own: str = "units") -> Case:
    update = update or f"self.W -= {rate} * dW; self.b = self.b - {rate} * db"
    code = DENSE.format(own=own, arguments=arguments, update=update)
    return Case(f"backward({arguments}), {own}", code, "check_layer(Dense(), (5, 4))", BUGS, "x W b")


LAYERS = [
    dense("dy, lr", "lr"), dense("dy, learning_rate", "learning_rate"), dense("dy, eta=0.1", "eta"),
    dense("dy, alpha", "alpha"), dense("dy, step_size=0.01", "step_size"), dense("lr, dy", "lr"),
    dense("dy", "self.lr", own="lr"), dense("dy", "self.learning_rate", own="learning_rate"),
    dense("dy, lr", "lr", "self.dW, self.db = dW, db"),
]  # fmt: skip


@right(LAYERS)
def test_a_right_layer_passes(case: Case) -> None:
    passes(case)


@wrong(LAYERS)
def test_mistakes_are_found(case: Case, bug: Bug) -> None:
    fails(case, bug)


def test_an_update_before_its_use_is_found() -> None:
    code = LAYERS[0].code.replace("return dx", "return dy @ self.W.T")
    fails(Case("late dx", code, LAYERS[0].call), ("return dy @ self.W.T", "return dy @ self.W.T ", "x"))


def test_momentum_is_refused() -> None:
    class Dense:
        def __init__(self):
            self.W, self.v = np.ones((4, 3)), 0.0

        def forward(self, x):
            self.x = x
            return x @ self.W

        def backward(self, dy, lr):
            dx = dy @ self.W.T
            self.v = 0.9 * self.v + self.x.T @ dy
            self.W -= lr * self.v
            return dx

    with pytest.raises(TypeError, match="updates W, but not by learning rate times gradient: two calls with the same"):
        check_layer(Dense(), (5, 4))


def test_the_layer_itself_keeps_its_weights_and_its_rate() -> None:
    space: dict = {"np": np, "__name__": "somebody"}
    exec(LAYERS[6].code, space)
    layer = space["Dense"]()
    before = layer.W.copy()
    check_layer(layer, (5, 4))
    assert layer.lr == 0.05
    np.testing.assert_array_equal(layer.W, before)


def test_a_factor_named_alpha_is_no_learning_rate() -> None:
    class Leaky:
        def __init__(self):
            self.alpha = 0.3

        def forward(self, x):
            self.x = x
            return np.where(x > 0, x, self.alpha * x)

        def backward(self, dy):
            return dy * np.where(self.x > 0, 1.0, self.alpha)

    assert check_layer(Leaky(), (5, 4)).passed


@pytest.mark.parametrize("case", LAYERS[:2], ids=lambda case: case.name)
def test_a_rate_in_dx_is_found(case: Case) -> None:
    rate = "lr" if "dy, lr" in case.code else "learning_rate"
    fails(case, ("dx = dy @", f"dx = {rate} * dy @", "x"))
