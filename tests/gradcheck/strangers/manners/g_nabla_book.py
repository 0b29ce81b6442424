"""An e-book's manner: a Network with sizes, lists of weights and biases, backprop(x, y) gives (nabla_b, nabla_w)."""
import numpy as np


class QuadraticNetwork:
    def __init__(self, sizes):
        self.num_layers = len(sizes)
        self.biases = [np.random.randn(y, 1) for y in sizes[1:]]
        self.weights = [np.random.randn(y, x) / np.sqrt(x) for x, y in zip(sizes[:-1], sizes[1:])]

    def feedforward(self, a):
        self.activations = [a]
        for b, w in zip(self.biases, self.weights):
            a = 1.0 / (1.0 + np.exp(-(w @ a + b)))
            self.activations.append(a)
        return a

    def cost(self, x, y):
        return 0.5 * np.sum((self.feedforward(x) - y) ** 2)

    def backprop(self, x, y):
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        self.feedforward(x)
        acts = self.activations
        delta = (acts[-1] - y) * acts[-1] * (1 - acts[-1])
        nabla_b[-1] = delta.sum(axis=1, keepdims=True)
        nabla_w[-1] = delta @ acts[-2].T
        for l in range(2, self.num_layers):
            sp = acts[-l] * (1 - acts[-l])
            delta = (self.weights[-l + 1].T @ delta) * sp
            nabla_b[-l] = delta.sum(axis=1, keepdims=True)
            nabla_w[-l] = delta @ acts[-l - 1].T
        return nabla_b, nabla_w


class RidgeRegression:
    """A linear model whose loss has an L2 penalty of its own."""

    alpha = 0.3

    def __init__(self, n_features):
        self.coef_ = np.random.randn(n_features)
        self.intercept_ = np.random.randn(1)

    def predict(self, X):
        return X @ self.coef_ + self.intercept_

    def loss(self, X, y):
        r = self.predict(X) - y
        return 0.5 * np.mean(r ** 2) + 0.5 * self.alpha * np.sum(self.coef_ ** 2)

    def gradient(self, X, y):
        r = self.predict(X) - y
        n = len(y)
        return {"coef_": X.T @ r / n + self.alpha * self.coef_, "intercept_": np.array([r.sum() / n])}


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_model  # noqa: E402

CASES = [
    Case("nabla_quadratic", lambda: check_model(QuadraticNetwork([3, 4, 4, 2]), np.random.default_rng(1).normal(size=(3, 5)),
                                                np.random.default_rng(2).random((2, 5))), bugs=[
        Bug("delta = (self.weights[-l + 1].T @ delta) * sp", "delta = (self.weights[-l + 1].T @ delta)",
            ("weights[0]", "weights[1]", "biases[0]", "biases[1]"), r"sigmoid|derivative|activation"),
        Bug("delta @ acts[-l - 1].T", "delta @ acts[-l].T * 1", ("weights[0]", "weights[1]"), r"shape|input|previous|another"),
        Bug("nabla_b[-1] = delta.sum(axis=1, keepdims=True)", "nabla_b[-1] = delta.mean(axis=1, keepdims=True)", "biases[2]",
            r"1/N|batch size|mean|0\.2 times"),
    ]),
    Case("nabla_ridge", lambda: check_model(RidgeRegression(4), np.random.default_rng(1).normal(size=(6, 4)),
                                            np.random.default_rng(2).normal(size=6)), bugs=[
        Bug(" + self.alpha * self.coef_,", " + 2 * self.alpha * self.coef_,", "coef_", r"penalty|regulari|decay|term"),
        Bug("X.T @ r / n + self.alpha * self.coef_", "X.T @ r / n", "coef_", r"penalty|regulari|decay|missing|term"),
    ]),
]
