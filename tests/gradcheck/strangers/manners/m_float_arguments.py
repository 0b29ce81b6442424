"""A statistician's functions: floats, flags and options among the arguments, penalties, sample weights, labels of several kinds."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function, check_layer


def ridge(w, X, y, reg):
    r = X @ w - y
    return 0.5 * np.mean(r**2) + 0.5 * reg * w @ w


def ridge_gradient(g, w, X, y, reg):
    r = X @ w - y
    n = len(y)
    return g * (X.T @ r / n + reg * w), g * (np.outer(r, w) / n), g * -r / n


def smooth_clip(x, low, high, sharpness=5.0):
    s = 1 / (1 + np.exp(-sharpness * x))
    return low + (high - low) * s


def smooth_clip_backward(dy, x, low, high, sharpness=5.0):
    s = 1 / (1 + np.exp(-sharpness * x))
    return dy * (high - low) * sharpness * s * (1 - s)


def weighted_logistic(scores, labels, flag, options):
    w = options["weights"] if flag else np.ones(len(labels))
    t = 2 * labels - 1
    value = np.sum(w * np.logaddexp(0, -t * scores)) / w.sum()
    return value, (scores, t, w)


def weighted_logistic_backward(dv, saved):
    scores, t, w = saved
    return -dv * w * t / (1 + np.exp(t * scores)) / w.sum()


class ElasticNet:
    """identity that adds its penalty to the loss by itself"""

    def __init__(self, l2=0.1):
        self.l2 = l2
        self.w = np.random.randn(4)

    def forward(self, X, training=False):
        self.X = X
        return X @ self.w + 0.5 * self.l2 * np.sum(self.w**2)

    def backward(self, dy):
        self.dw = self.X.T @ dy + self.l2 * self.w * dy.sum()
        return np.outer(dy, self.w)


labels = np.array([0, 1, 1, 0, 1])

CASES = [
    Case("ridge", lambda: check_function(ridge, ridge_gradient, (3,), (5, 3), (5,), 0.3), bugs=[
        Bug("(X.T @ r / n + reg * w)", "(X.T @ r / n)", "w", r"reg|penalty|decay|term|0\.3"),
        Bug("(X.T @ r / n + reg * w)", "(X.T @ r / n + 2 * reg * w)", "w", r"reg|penalty|decay|term|0\.3"),
        Bug("(X.T @ r / n + reg * w)", "(X.T @ r + reg * w)", "w", r"5(\.0*)? times|\bN\b|term|mean|batch"),
        Bug("g * -r / n\n", "g * r / n\n", "y", r"sign|-1"),
    ]),
    Case("smooth clip", lambda: check_function(smooth_clip, smooth_clip_backward, (4, 3), -1.0, 2.0), bugs=[
        Bug("dy * (high - low) * sharpness * s", "dy * (high - low) * s", "x", r"0\.2 times|1/5|sharpness|inner|chain|factor"),
        Bug("dy * (high - low) * sharpness", "dy * high * sharpness", "x", r"0\.66|low|factor|times"),
        Bug("* s * (1 - s)\n", "* s\n", "x", r"sigmoid|derivative|1 - s|missing"),
        Bug("return dy * (high - low)", "return (high - low)", "x", r"dy|ignore|upstream"),
    ]),
    Case("weighted logistic", lambda: check_function(weighted_logistic, weighted_logistic_backward, (5,), labels, True, {"weights": np.array([1, 2, 1, 3, 1])}), bugs=[
        Bug("return -dv * w * t", "return -dv * t", "scores", r"weight|\bw\b|factor|missing"),
        Bug("return -dv * w * t", "return dv * w * t", "scores", r"sign|-1"),
        Bug("(1 + np.exp(t * scores)) / w.sum()", "(1 + np.exp(t * scores)) / len(w)", "scores", r"1\.6|8|factor|times|sum"),
        Bug("(1 + np.exp(t * scores))", "(1 + np.exp(-t * scores))", "scores", r"sign|sigmoid|1 -|complement"),
    ]),
    Case("penalty inside", lambda: check_layer(ElasticNet(), x=(5, 4)), bugs=[
        Bug(" + self.l2 * self.w * dy.sum()", "", "w", r"penalty|l2|decay|term|0\.1"),
        Bug("self.w * dy.sum()", "self.w", "w", r"dy|penalty|l2|sum|term|constant"),
        Bug("return np.outer(dy, self.w)", "return np.outer(dy, self.w) / len(dy)", "x", r"1/N|batch size|mean|0\.2"),
        Bug("self.l2 * self.w * dy.sum()", "2 * self.l2 * self.w * dy.sum()", "w", r"penalty|l2|decay|term|0\.1"),
    ]),
]
