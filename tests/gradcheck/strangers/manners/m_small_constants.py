"""Careful beginners' code: 1e-7 inside logarithms and roots, so that nothing is ever zero, and left out of backward."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer, check_loss


class SoftmaxCrossEntropy:
    def forward(self, x, t):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        self.t = t
        delta = 1e-7
        return -np.log(self.y[np.arange(len(t)), t] + delta).sum() / len(t)

    def backward(self):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return dx / len(self.t)


class Standardization:
    """over the features, eps under the root"""

    def forward(self, x):
        self.n = x.shape[1]
        self.sd = np.sqrt(x.var(axis=1, keepdims=True) + 1e-12)
        self.h = (x - x.mean(axis=1, keepdims=True)) / self.sd
        return self.h

    def backward(self, dy):
        return (dy - dy.mean(axis=1, keepdims=True) - self.h * (dy * self.h).mean(axis=1, keepdims=True)) / self.sd


class BinaryCE:
    def loss(self, p, y):
        p = np.clip(p, 1e-9, 1 - 1e-9)
        return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean())

    def grad(self, p, y):
        return (p - y) / (p * (1 - p)) / y.size


p = np.random.RandomState(0).uniform(0.1, 0.9, (5, 1))
y = np.array([[0.0], [1], [1], [0], [1]])

CASES = [
    Case("delta in the log", lambda: check_loss(SoftmaxCrossEntropy(), (4, 3), np.array([0, 1, 2, 1])), bugs=[
        Bug("return dx / len(self.t)", "return dx", "y_pred", r"4(\.0*)? times|\bN\b|batch|mean"),
        Bug("        dx[np.arange(len(self.t)), self.t] -= 1\n", "", "y_pred", r"label|one-?hot|missing|- ?1"),
        Bug("return dx / len(self.t)", "return dx * self.y / len(self.t)", "y_pred", r"softmax|extra|factor|twice"),
        Bug("dx = self.y.copy()", "dx = self.y ** 2", "y_pred", r"softmax|squar|twice"),
    ]),
    Case("tiny eps", lambda: check_layer(Standardization(), x=(3, 6)), bugs=[
        Bug("dy - dy.mean(axis=1, keepdims=True) - self.h", "dy - self.h", "x", r"mean"),
        Bug(" - self.h * (dy * self.h).mean(axis=1, keepdims=True)", "", "x", r"variance|sd|std"),
        Bug("(dy * self.h).mean(axis=1, keepdims=True)", "(dy * self.h).mean(axis=0, keepdims=True)", "x", r"axis|variance"),
        Bug("(dy * self.h).mean(axis=1, keepdims=True)) / self.sd", "(dy * self.h).mean(axis=1, keepdims=True)) * self.sd", "x", r"sd|std|divi|multipl"),
    ]),
    Case("clipped", lambda: check_loss(BinaryCE(), p, y), bugs=[
        Bug("return (p - y) / (p * (1 - p)) / y.size", "return (p - y) / y.size", "y_pred", r"sigmoid|factor|p \* ?\(1|missing"),
        Bug("return (p - y) / (p * (1 - p)) / y.size", "return (y - p) / (p * (1 - p)) / y.size", "y_pred", r"sign|-1"),
        Bug("/ (p * (1 - p)) / y.size", "/ (p * (1 - p))", "y_pred", r"5(\.0*)? times|\bN\b|batch|mean|size"),
        Bug("return (p - y) / (p * (1 - p))", "return -(y / p)", "y_pred", r"term|missing|1 - y|label"),
    ]),
]
