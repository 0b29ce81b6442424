"""Networks with a loss of their own, given to check_model and to check_layer with X and y."""

import numpy as np
import pytest

from tests.gradcheck.dialects.planted import Bug, Case, fails, passes, right, wrong
from tinydl.gradcheck import check_layer, check_model

NETWORK = """
class Net:
    def __init__(self):
        rng = np.random.default_rng(1)
        self.{params} = {made}

    def scores(self, X):
        W1, b1, W2 = {unpacked}
        self.kept = X, np.tanh(X @ W1 + b1)
        return self.kept[1] @ W2

    def gradients_of(self, y, reg=0.1):
        X, h = self.kept
        W1, b1, W2 = {unpacked}
        d = (h @ W2 - y) / len(X)
        dW2 = h.T @ d + reg * W2
        dz = d @ W2.T * (1 - h**2)
        dW1 = X.T @ dz + reg * W1
        db1 = dz.sum(axis=0)
        return {gradients}

    def weights(self):
        return {unpacked}

    def value(self, X, y, reg=0.1):
        W1, b1, W2 = {unpacked}
        return 0.5 * np.sum((self.scores(X) - y)**2) / len(X) + 0.5 * reg * (np.sum(W1**2) + np.sum(W2**2))

{methods}
"""

AS_DICT = {
    "params": "params", "made": "{'W1': rng.normal(size=(4, 3)), 'b1': rng.normal(size=3), 'W2': rng.normal(size=(3, 2))}",
    "unpacked": "(self.params[k] for k in ('W1', 'b1', 'W2'))", "gradients": "{'b1': db1, 'W2': dW2, 'W1': dW1}",
}  # fmt: skip
AS_LIST = {
    "params": "params", "made": "[rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=(3, 2))]",
    "unpacked": "self.params", "gradients": "[dW1, db1, dW2]",
}  # fmt: skip
AS_ATTRIBUTES = {
    "params": "W1, self.b1, self.W2", "made": "rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=(3, 2))",
    "unpacked": "self.W1, self.b1, self.W2", "gradients": "{'dW1': dW1, 'db1': db1, 'dW2': dW2}",
}  # fmt: skip

METHODS = {
    "loss gives both": """
    def loss(self, X, y=None, reg=0.1):
        if y is None:
            return self.scores(X)
        return self.value(X, y, reg), self.gradients_of(y, reg)
""",
    "gradient beside loss": """
    def loss(self, x, t):
        return self.value(x, t)

    def numerical_gradient(self, x, t):
        return "slow"

    def gradient(self, x, t):
        self.value(x, t)
        return self.gradients_of(t)
""",
    "backward of y": """
    def compute_loss(self, X, Y):
        return self.value(X, Y)

    def backward(self, Y):
        return self.gradients_of(Y)
""",
    "cost of the prediction, backward of y": """
    def forward(self, X):
        return self.scores(X)

    def compute_cost(self, Yhat, Y, reg=0.1):
        W1, b1, W2 = self.weights()
        return 0.5 * np.sum((Yhat - Y)**2) / len(Y) + 0.5 * reg * (np.sum(W1**2) + np.sum(W2**2))

    def backward(self, Y):
        return self.gradients_of(Y)
""",
    "cost and gradients of the prediction": """
    def feed_forward(self, inputs):
        return self.scores(inputs)

    def cost(self, AL, Y, reg=0.1):
        W1, b1, W2 = self.weights()
        return 0.5 * np.sum((AL - Y)**2) / len(Y) + 0.5 * reg * (np.sum(W1**2) + np.sum(W2**2))

    def backprop(self, AL, Y):
        assert AL.shape == Y.shape
        return self.gradients_of(Y)
""",
    "both under another name": """
    def lossFun(self, inputs, targets):
        return self.value(inputs, targets), self.gradients_of(targets)
""",
    "loss beside loss and gradients": """
    def loss(self, X, y):
        return self.loss_and_grad(X, y)[0]

    def loss_and_grad(self, X, y):
        return self.value(X, y), self.gradients_of(y)
""",
    "backward alone": """
    def forward(self, X, y):
        self.y = y
        return self.value(X, y)

    def backward(self):
        return self.gradients_of(self.y)
""",
}


def network(form: str, parts: dict[str, str], methods: str, check: str, names: str) -> Case:
    W1, b1, W2 = names.split()
    bugs = [
        ("h.T @ d + reg * W2", "h.T @ d", W2), ("dz.sum(axis=0)", "dz.mean(axis=0)", b1),
        ("X.T @ dz + reg", "2 * X.T @ dz + reg", W1), ("* (1 - h**2)", "* (1 - h)", f"{W1} {b1}"),
    ]  # fmt: skip
    code = NETWORK.format(**parts, methods=METHODS[methods])
    data = "np.random.default_rng(2).normal(size=(5, 4)), np.ones((5, 2))"
    return Case(f"{methods}, {form}, {check}", code, f"{check}(Net(), {data})", bugs, names)


NETWORKS = [
    network(form, parts, methods, check, names)
    for form, parts, names in (
        ("dict", AS_DICT, "W1 b1 W2"), ("list", AS_LIST, "params[0] params[1] params[2]"),
        ("attributes", AS_ATTRIBUTES, "W1 b1 W2"),
    )
    for methods in METHODS
    for check in (("check_model", "check_layer") if form == "dict" else ("check_model",))
]  # fmt: skip

LABELS = Case(
    "integer labels and a loss layer",
    """
class SoftmaxWithLoss:
    def __init__(self):
        self.params, self.grads = [], []

    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.p, self.t = e / e.sum(axis=1, keepdims=True), t
        return -np.log(self.p[np.arange(len(x)), t]).mean()

    def backward(self, dout=1):
        dx = self.p.copy()
        dx[np.arange(len(dx)), self.t] -= 1
        dx *= dout / len(dx)
        return dx
""",
    "check_layer(SoftmaxWithLoss(), (4, 3), np.array([0, 2, 1, 1]))",
    [
        ("dx *= dout / len(dx)", "dx *= 1 / len(dx)", "x"),
        ("dx *= dout / len(dx)", "dx *= dout", "x"),
        ("-= 1", "+= 1", "x"),
    ],
    "x",
)


TRIPLETS = Case(
    "ids without targets",
    """
class Triplets:
    def __init__(self):
        self.E = np.random.default_rng(1).normal(size=(6, 3))

    def loss(self, triplets):
        self.ids = a, p, n = triplets.T
        return np.mean(np.sum(self.E[a] * (self.E[n] - self.E[p]), axis=1))

    def grad(self):
        a, p, n = self.ids
        dE = np.zeros_like(self.E)
        np.add.at(dE, a, (self.E[n] - self.E[p]) / len(a))
        np.add.at(dE, p, -self.E[a] / len(a))
        np.add.at(dE, n, self.E[a] / len(a))
        return {"E": dE}
""",
    "check_model(Triplets(), np.array([[0, 1, 2], [0, 3, 1], [5, 1, 1]]), None)",
    [
        ("np.add.at(dE, p, -self", "np.add.at(dE, p, self", "E"),
        ("        np.add.at(dE, n, self.E[a] / len(a))\n", "", "E"),
    ],
    "E",
)


@right([*NETWORKS, LABELS, TRIPLETS])
def test_right_networks_pass(case: Case) -> None:
    passes(case)


@wrong([*NETWORKS, LABELS, TRIPLETS])
def test_mistakes_are_found(case: Case, bug: Bug) -> None:
    fails(case, bug)


def test_a_parameter_whose_gradient_is_left_out_is_not_checked() -> None:
    case = NETWORKS[0]
    code = case.code.replace("{'b1': db1, 'W2': dW2, 'W1': dW1}", "{'W2': dW2, 'W1': dW1}")
    with pytest.raises(AssertionError, match="b1 was not checked"):
        Case("no b1", code, case.call).run()


def test_data_are_constants_in_the_report() -> None:
    report = NETWORKS[0].run()
    assert {report.gradients.get(name, "constant") for name in ("x", "y")} == {"constant"}


def test_a_model_whose_loss_is_a_method_that_gives_no_gradients_is_refused() -> None:
    class Net:
        def forward(self, x):
            return x

        def loss(self, x, y):
            return np.sum(x * y)

    with pytest.raises(TypeError):
        check_model(Net(), (3, 2), np.ones((3, 2)))


def test_a_bias_below_a_softmax_is_looked_at() -> None:
    """Adding one constant to the whole bias would not change the result."""

    class Softmax:
        def __init__(self):
            self.b = np.zeros((1, 3))

        def forward(self, x):
            e = np.exp(x + self.b)
            self.y = e / e.sum(axis=1, keepdims=True)
            return self.y

        def backward(self, dy):
            dz = self.y * (dy - (dy * self.y).sum(axis=1, keepdims=True))
            self.db = dz.sum(axis=0, keepdims=True)
            return dz

    assert check_layer(Softmax(), (4, 3)).gradients == {"x": "ok", "b": "ok"}
