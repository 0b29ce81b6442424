"""A first tutorial's: the parameters are plain numbers."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class LinearRegression:
    """y = w x + b for points on a line."""

    def __init__(self, w=0.3, b=-0.2):
        self.w = w
        self.b = b

    def forward(self, x):
        self.x = x
        return self.w * x + self.b

    def backward(self, dy):
        self.dw = np.sum(dy * self.x)
        self.db = np.sum(dy)
        return dy * self.w


class PReLU:
    def __init__(self, alpha=0.25):
        self.alpha = alpha
        self.grad_alpha = 0.0

    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * x)

    def backward(self, grad):
        negative = self.x <= 0
        self.grad_alpha = float(np.sum(grad[negative] * self.x[negative]))
        return np.where(negative, self.alpha * grad, grad)


class Temperature:
    """softmax(x / T)"""

    def __init__(self, T=1.7):
        self.params = {"T": T}
        self.grads = {"T": 0.0}

    def forward(self, x):
        self.x = x
        e = np.exp((x - x.max(axis=-1, keepdims=True)) / self.params["T"])
        self.p = e / e.sum(axis=-1, keepdims=True)
        return self.p

    def backward(self, dp):
        dz = self.p * (dp - np.sum(dp * self.p, axis=-1, keepdims=True))
        self.grads["T"] = -np.sum(dz * self.x) / self.params["T"] ** 2
        dx = dz / self.params["T"]
        return dx


CASES = [
    Case(
        "line",
        lambda: check_layer(LinearRegression(), x=(8,)),
        bugs=[
            Bug("self.dw = np.sum(dy * self.x)", "self.dw = np.mean(dy * self.x)", "w", r"mean|0\.125|1/8|1/N|sum"),
            Bug("self.db = np.sum(dy)", "self.db = len(dy)", "b", r"constant|ignor|upstream"),
            Bug("return dy * self.w", "return dy * self.w + self.b", "x", r"bias|constant|added|extra"),
            Bug("self.dw = np.sum(dy * self.x)", "self.dw = np.sum(dy) * np.sum(self.x)", "w", r"sum|product|order"),
        ],
    ),
    Case(
        "prelu",
        lambda: check_layer(PReLU(), x=(4, 5)),
        bugs=[
            Bug("np.sum(grad[negative] * self.x[negative])", "np.sum(grad * self.x)", "alpha", r"mask|negative|relu"),
            Bug("np.sum(grad[negative] * self.x[negative])", "np.sum(grad[negative])", "alpha", r"input|factor"),
            Bug(
                "np.where(negative, self.alpha * grad, grad)",
                "np.where(negative, grad, self.alpha * grad)",
                "x",
                r"mask|invert|swap|where",
            ),
            Bug("negative = self.x <= 0", "negative = grad <= 0", ("x", "alpha"), r"mask|sign|negative"),
        ],
    ),
    Case(
        "softmax with temperature",
        lambda: check_layer(Temperature(), x=(3, 4)),
        bugs=[
            Bug('dx = dz / self.params["T"]', "dx = dz", "x", r"1\.7|temperature|factor"),
            Bug(
                '-np.sum(dz * self.x) / self.params["T"] ** 2',
                '-np.sum(dz * self.x) / self.params["T"]',
                "T",
                r"1\.7|square|factor|times",
            ),
            Bug(
                '-np.sum(dz * self.x) / self.params["T"] ** 2',
                'np.sum(dz * self.x) / self.params["T"] ** 2',
                "T",
                r"sign|-1",
            ),
            Bug(
                "dz = self.p * (dp - np.sum(dp * self.p, axis=-1, keepdims=True))",
                "dz = self.p * (dp - np.sum(dp, axis=-1, keepdims=True))",
                ("x", "T"),
                r"softmax|jacobian|sum",
            ),
        ],
    ),
]
