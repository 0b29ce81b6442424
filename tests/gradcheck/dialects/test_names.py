"""Other names for forward and backward, and backward's arguments in any order."""

import numpy as np
import pytest

from tests.gradcheck.dialects.planted import Bug, Case, fails, passes, right, wrong
from tinydl.gradcheck import check_layer

DENSE = """
class Dense:
    def __init__(self):
        self.W = np.random.default_rng(1).normal(size=(4, 3))
        self.b = np.array([0.3, -0.2, 0.1])

    def {forward}(self, x):
        self.x = x
        return x @ self.W + self.b

    def {backward}(self, {arguments}):
        self.dW = self.x.T @ {dy}
        self.db = {dy}.sum(axis=0)
        dx = {dy} @ self.W.T
        return dx
"""

BUGS: list[Bug] = [
    ("self.x.T @ {dy}", "2 * self.x.T @ {dy}", "W"),
    ("{dy}.sum(axis=0)", "{dy}.mean(axis=0)", "b"),
    ("dx = {dy} @ self.W.T", "dx = {dy} @ np.abs(self.W.T)", "x"),
]


def dense(forward: str, backward: str, arguments: str = "dy", dy: str = "") -> Case:
    dy = dy or (arguments if arguments.isidentifier() else "dy")
    code = DENSE.format(forward=forward, backward=backward, arguments=arguments, dy=dy)
    bugs = [(old.format(dy=dy), new.format(dy=dy), arrays) for old, new, arrays in BUGS]
    return Case(f"{forward}, {backward}({arguments})", code, "check_layer(Dense(), (5, 4))", bugs, "x W b")


PAIRS = [
    dense("fprop", "bprop"), dense("forward_pass", "backward_pass", "grad"), dense("forwardPass", "backwardPass", "g"),
    dense("__call__", "backward", "delta"), dense("forward", "backprop", "error"), dense("feedforward", "backprop"),
    dense("feed_forward", "backpropagate", "dout"), dense("compute", "gradient", "dout"),
    dense("forward_propagation", "backward_propagation", "dA"), dense("fwd", "bwd"), dense("apply", "vjp", "cotangent"),
    dense("updateOutput", "updateGradInput", "gradOutput"), dense("Forward", "Backward"),
]  # fmt: skip

ORDERS = [
    dense("forward", "backward", "x, dy"), dense("forward", "backward", "dy, x"),
    dense("forward", "backward", "grad, output", "grad"), dense("forward", "backward", "p, q", "p"),
    dense("forward", "backward", "p, q", "q"), dense("forward", "backward", "accum_grad"),
    dense("forward", "backward", "dy=1.0"), dense("forward", "backward", "*dys", "dys[0]"),
    dense("forward", "backward", "dout, x, y", "dout"),
]  # fmt: skip


@right([*PAIRS, *ORDERS])
def test_a_right_layer_passes_under_any_usual_name(case: Case) -> None:
    passes(case)


@wrong([*PAIRS, *ORDERS])
def test_mistakes_are_found_under_any_usual_name(case: Case, bug: Bug) -> None:
    fails(case, bug)


def test_a_call_that_remembers_what_forward_does_not_is_used() -> None:
    class Product:
        def __call__(self, *inputs):
            self.inputs = inputs
            return self.forward(*inputs)

        def forward(self, a, b):
            return a * b

        def backward(self, dy):
            a, b = self.inputs
            return dy * b, dy * a

    assert check_layer(Product(), a=(3, 2), b=(3, 2)).gradients == {"a": "ok", "b": "ok"}


def hidden(function):
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


def test_decorated_methods_are_understood_by_what_they_decorate() -> None:
    class Dropped:
        @hidden
        def forward(self, x, training):
            self.mask = np.arange(x.size).reshape(x.shape) % 2 if training else np.ones(x.shape)
            return x * self.mask

        @hidden
        def backward(self, x, dy):
            return dy * self.mask

    assert check_layer(Dropped(), (4, 3)).passed
    assert check_layer(Dropped(), (4, 3), training=False).passed


def test_a_private_or_an_unrelated_method_is_no_forward() -> None:
    class Thing:
        def _forward(self, x):
            return x

        def train(self, x):
            return x

    with pytest.raises(TypeError, match="no forward and backward found in Thing: its methods are train"):
        check_layer(Thing(), (3, 2))


def test_numerical_gradient_is_no_backward() -> None:
    class Thing:
        def forward(self, x):
            return x

        def numerical_gradient(self, x):
            return x

    with pytest.raises(TypeError, match="no forward and backward found"):
        check_layer(Thing(), (3, 2))
