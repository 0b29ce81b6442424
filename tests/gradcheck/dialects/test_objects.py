"""Objects with modes, objects that must be prepared, activations with a derivative, a history."""

import numpy as np
import pytest

from tests.gradcheck.dialects.planted import Bug, Case, fails, passes, right, wrong
from tinydl.gradcheck import GradientCheckError, check_function, check_layer

DROPOUT = """
class Dropout:
    def __init__(self):
        self.{flag} = {value}
        self.rng = np.random.default_rng(1)
{methods}
    def forward(self, x):
        self.mask = (self.rng.random(x.shape) < 0.5) / 0.5 if self.{flag} == {on} else np.ones(x.shape)
        return x * self.mask

    def backward(self, dy):
        dx = dy * self.mask
        return dx
"""
SWITCHES = """
    def train(self):
        self.on = True

    def eval(self):
        self.on = False
"""
DROPOUT_BUGS: list[Bug] = [
    ("dx = dy * self.mask", "dx = dy * (self.mask > 0)", "x"),
    ("dx = dy * self.mask", "dx = dy", "x"),
    ("dx = dy * self.mask", "dx = -dy * self.mask", "x"),
]


def dropout(flag: str, value: str, on: str = "True", methods: str = "") -> Case:
    code = DROPOUT.format(flag=flag, value=value, on=on, methods=methods)
    return Case(f"{flag} = {value}", code, "check_layer(Dropout(), (5, 6))", DROPOUT_BUGS, "x")


DROPOUTS = [
    dropout("training", "False"), dropout("train_mode", "False"), dropout("is_training", "True"),
    dropout("mode", "'train'", "'train'"), dropout("on", "False", methods=SWITCHES),
]  # fmt: skip

MADE_LATER = """
class Dense:
    def __init__(self):
        {start}

    def {make}(self, {arguments}):
        n = {n}
        self.W = np.arange(3.0 * n).reshape(n, 3) / 9 - 0.4
        self.b = np.array([0.1, -0.2, 0.3])

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dy):
        self.dW, self.db = self.x.T @ dy, dy.sum(axis=0)
        return dy @ self.W.T
"""
DENSE_BUGS: list[Bug] = [
    ("self.x.T @ dy", "-self.x.T @ dy", "W"),
    ("dy.sum(axis=0)", "dy.mean(axis=0)", "b"),
    ("return dy @", "return 2 * dy @", "x"),
]


def later(make: str, arguments: str, n: str, start: str = "pass") -> Case:
    code = MADE_LATER.format(make=make, arguments=arguments, n=n, start=start)
    return Case(f"{make}({arguments})", code, "check_layer(Dense(), (5, 4))", DENSE_BUGS, "x W b")


LATER = [
    later("init_params", "n", "n"), later("init_weights", "input_size", "input_size"), later("initialize", "fan_in", "fan_in"),
    later("build", "input_shape", "input_shape[-1]"), later("setup", "input_shape, rng", "input_shape[0]", "self.W = None"),
    later("init_params", "n_in, seed=0", "n_in"), later("build", "x", "x.shape[1]"),
]  # fmt: skip

SIGMOID = """
class Sigmoid:
    def {f}(self, x):
        return 1 / (1 + np.exp(-x))

    def {df}(self, {of}):
        {y}
        d = y * (1 - y)
        return d
"""
SIGMOID_BUGS: list[Bug] = [
    ("d = y * (1 - y)", "d = 1 - y**2", "x"),
    ("d = y * (1 - y)", "d = 2 * y * (1 - y)", "x"),
    ("return d", "return -d", "x"),
]


def sigmoid(f: str, df: str, of: str = "x") -> Case:
    y = f"y = 1 / (1 + np.exp(-{of}))" if of == "x" else f"y = {of}"
    code = SIGMOID.format(f=f, df=df, of=of, y=y)
    return Case(f"{f}, {df}({of})", code, "check_layer(Sigmoid(), (5, 4))", SIGMOID_BUGS, "x")


SIGMOIDS = [
    sigmoid("__call__", "gradient"), sigmoid("forward", "derivative"), sigmoid("f", "df"), sigmoid("fn", "prime"),
    sigmoid("activation", "activation_prime"), sigmoid("forward", "derivative", "a"),
]  # fmt: skip

HISTORY = Case(
    "a history until it is flushed",
    """
class Shared:
    def __init__(self):
        self.W = np.random.default_rng(1).normal(size=(4, 3))
        self.history = []

    def forward(self, x):
        self.history.append(x)
        return x @ self.W

    def backward(self, dy):
        x = self.history.pop()
        self.dW = x.T @ dy
        return dy @ self.W.T
""",
    "check_layer(Shared(), (5, 4))",
    [
        ("x.T @ dy", "x.T @ dy / 2", "W"),
        ("self.dW = x.T @ dy", "self.dW = np.ones((4, 3))", "W"),
        ("return dy", "return -dy", "x"),
    ],
    "x W",
)
ALL = [*DROPOUTS, *LATER, *SIGMOIDS, HISTORY]


@right(ALL)
def test_right_code_passes(case: Case) -> None:
    passes(case)


@wrong(ALL)
def test_mistakes_are_found(case: Case, bug: Bug) -> None:
    fails(case, bug)


def test_training_false_reaches_attributes_and_methods() -> None:
    for case in DROPOUTS:
        ones = Case(case.name, case.code, case.call.replace("(5, 6)", "(5, 6), training=False"))
        fails(ones, ("dx = dy * self.mask", "dx = dy * 2 if np.all(self.mask == 1) else dy * self.mask", "x"))


def test_a_note_says_that_the_mode_was_set() -> None:
    assert "checked with training=True: pass training=False for the other mode" in DROPOUTS[0].run().notes


def test_a_note_says_what_was_called_first() -> None:
    assert "init_params(4) was called first" in LATER[0].run().notes


def test_the_object_itself_is_not_prepared() -> None:
    space: dict = {"np": np, "__name__": "somebody"}
    exec(LATER[0].code, space)
    layer = space["Dense"]()
    check_layer(layer, (5, 4))
    assert not hasattr(layer, "W")


def test_unclear_sizes_are_asked_for() -> None:
    class Dense:
        def init_params(self, n_in, n_out):
            self.W = np.ones((n_in, n_out))

        def forward(self, x):
            return x @ self.W

        def backward(self, dy):
            return dy @ self.W.T

    with pytest.raises(
        TypeError, match=r"call init_params\(...\) first. The checker cannot call it, .* meaning of n_out is unclear"
    ):
        check_layer(Dense(), (5, 4))


def test_a_gradient_of_dy_is_a_backward_and_no_derivative() -> None:
    class Tanh:
        def forward(self, x):
            self.y = np.tanh(x)
            return self.y

        def gradient(self, dy):
            return dy * (1 - self.y**2)

    assert not any("derivative" in note for note in check_layer(Tanh(), (3, 4)).notes)


def test_a_derivative_that_is_right_at_the_output_alone_is_asked_about() -> None:
    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    def sigmoid_prime(z):
        return z * (1 - z)

    with pytest.raises(TypeError, match=r"right if z is the output sigmoid\(x\)"):
        check_function(sigmoid, sigmoid_prime, (4, 3))


def test_a_derivative_that_is_right_nowhere_is_wrong() -> None:
    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    def sigmoid_prime(z):
        return 1 - sigmoid(z)

    with pytest.raises(GradientCheckError, match="dz is wrong"):
        check_function(sigmoid, sigmoid_prime, (4, 3))
