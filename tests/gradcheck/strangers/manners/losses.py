"""Losses in the shapes they come in: a class with loss and grad, a function of both, __call__, three inputs, a pair."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function, check_loss


class TSE:
    """Total squared error; not the mean."""

    def loss(self, predicted, actual):
        return np.sum((predicted - actual) ** 2)

    def grad(self, predicted, actual):
        return 2 * (predicted - actual)


def svm_loss(x, y):
    """
    Inputs:
    - x: scores, (N, C)
    - y: labels, (N,)
    Returns a tuple of: loss, dx
    """
    N = x.shape[0]
    correct = x[np.arange(N), y]
    margins = np.maximum(0, x - correct[:, np.newaxis] + 1.0)
    margins[np.arange(N), y] = 0
    loss = np.sum(margins) / N
    num_pos = np.sum(margins > 0, axis=1)
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= num_pos
    dx /= N
    return loss, dx


class BCEWithLogits:
    def __call__(self, logits, targets):
        self.logits, self.targets = logits, targets
        loss = np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))
        return loss.mean()

    def backward(self):
        p = 1 / (1 + np.exp(-self.logits))
        return (p - self.targets) / self.targets.size


def huber(y_true, y_pred, delta=0.8):
    r = y_pred - y_true
    small = np.abs(r) <= delta
    return np.mean(np.where(small, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta)))


def huber_prime(y_true, y_pred, delta=0.8):
    r = y_pred - y_true
    return np.clip(r, -delta, delta) / r.size


class TripletLoss:
    def __init__(self, margin=0.2):
        self.margin = margin

    def forward(self, anchor, positive, negative):
        self.dp = anchor - positive
        self.dn = anchor - negative
        gap = (self.dp**2).sum(1) - (self.dn**2).sum(1) + self.margin
        self.active = (gap > 0)[:, None]
        return np.maximum(gap, 0).sum()

    def backward(self, dout=1.0):
        scale = 2 * dout * self.active
        d_anchor = scale * (self.dp - self.dn)
        d_positive = -scale * self.dp
        d_negative = scale * self.dn
        return d_anchor, d_positive, d_negative


def kl_divergence(mu, logvar):
    """The VAE's, and its gradients with respect to both inputs: (loss, (dmu, dlogvar))."""
    kl = -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))
    dmu = mu
    dlogvar = 0.5 * (np.exp(logvar) - 1)
    return kl, (dmu, dlogvar)


CASES = [
    Case(
        "loss and grad",
        lambda: check_loss(TSE(), np.random.randn(4, 2), np.random.randn(4, 2)),
        bugs=[
            Bug("return 2 * (predicted - actual)", "return predicted - actual", "y_pred", r"0\.5|half"),
            Bug("return 2 * (predicted - actual)", "return 2 * (actual - predicted)", "y_pred", r"sign|-1"),
            Bug(
                "return 2 * (predicted - actual)",
                "return 2 * (predicted - actual) / len(actual)",
                "y_pred",
                r"0\.25|1/N|batch|mean",
            ),
            Bug(
                "return 2 * (predicted - actual)",
                "return 2 * np.abs(predicted - actual)",
                "y_pred",
                r"sign|absolute",
            ),
        ],
    ),
    Case(
        "hinge with its gradient",
        lambda: check_loss(svm_loss, np.random.randn(5, 4), np.array([0, 3, 1, 1, 2])),
        bugs=[
            Bug("    dx /= N\n", "", "x", r"5 times|1/N|batch"),
            Bug("dx[np.arange(N), y] -= num_pos", "dx[np.arange(N), y] -= 1", "x", r"label|correct|count|number"),
            Bug("dx[np.arange(N), y] -= num_pos", "dx[np.arange(N), y] += num_pos", "x", r"sign|label|correct"),
            Bug(
                "dx[margins > 0] = 1",
                "dx[margins > 0] = margins[margins > 0]",
                "x",
                r"margin|squared|constant|derivative|indicator",
            ),
        ],
    ),
    Case(
        "bce with logits",
        lambda: check_loss(BCEWithLogits(), np.random.randn(4, 2), np.array([[0, 1], [1, 1], [0, 0], [1, 0]])),
        bugs=[
            Bug(
                "return (p - self.targets) / self.targets.size",
                "return (p - self.targets) / len(self.targets)",
                "y_pred",
                r"2 times|size|mean|twice",
            ),
            Bug(
                "return (p - self.targets) / self.targets.size",
                "return (p - self.targets) * p * (1 - p) / self.targets.size",
                "y_pred",
                r"sigmoid|derivative|twice|extra",
            ),
            Bug(
                "return (p - self.targets) / self.targets.size",
                "return (self.logits - self.targets) / self.targets.size",
                "y_pred",
                r"sigmoid|activation",
            ),
            Bug(
                "return (p - self.targets) / self.targets.size",
                "return (self.targets - p) / self.targets.size",
                "y_pred",
                r"sign|-1",
            ),
        ],
    ),
    Case(
        "huber and prime with targets first",
        lambda: check_loss((huber, huber_prime), y_pred=np.random.randn(6, 2), y_true=np.random.randn(6, 2)),
        bugs=[
            Bug(
                "return np.clip(r, -delta, delta) / r.size",
                "return np.clip(r, -delta, delta)",
                "y_pred",
                r"12 times|mean|size",
            ),
            Bug(
                "return np.clip(r, -delta, delta) / r.size",
                "return r / r.size",
                "y_pred",
                r"clip|delta|large|outlier|some",
            ),
            Bug(
                "return np.clip(r, -delta, delta) / r.size",
                "return np.clip(r, -1, 1) / r.size",
                "y_pred",
                r"clip|delta|large|outlier|some",
            ),
            Bug(
                "return np.clip(r, -delta, delta) / r.size",
                "return np.clip(-r, -delta, delta) / r.size",
                "y_pred",
                r"sign|-1",
            ),
        ],
    ),
    Case(
        "triplet loss",
        lambda: check_loss(TripletLoss(), anchor=(16, 3), positive=(16, 3), negative=(16, 3)),
        bugs=[
            Bug(
                "d_anchor = scale * (self.dp - self.dn)",
                "d_anchor = scale * self.dp",
                "anchor",
                r"term|missing",
            ),
            Bug("d_negative = scale * self.dn", "d_negative = -scale * self.dn", "negative", r"sign|-1"),
            Bug(
                "scale = 2 * dout * self.active",
                "scale = 2 * dout",
                ("anchor", "positive", "negative"),
                r"active|mask|zero|relu|margin",
            ),
            Bug("d_positive = -scale * self.dp", "d_positive = -0.5 * scale * self.dp", "positive", r"0\.5|half"),
        ],
    ),
    Case(
        "kl divergence with two gradients",
        lambda: check_function(kl_divergence, mu=(3, 4), logvar=(3, 4)),
        bugs=[
            Bug("dmu = mu", "dmu = 2 * mu", "mu", r"2 times|twice"),
            Bug(
                "dlogvar = 0.5 * (np.exp(logvar) - 1)",
                "dlogvar = 0.5 * np.exp(logvar)",
                "logvar",
                r"constant|term|missing|0\.5",
            ),
            Bug("dlogvar = 0.5 * (np.exp(logvar) - 1)", "dlogvar = 0.5 * (1 - np.exp(logvar))", "logvar", r"sign|-1"),
            Bug("dmu = mu", "dmu = mu / len(mu)", "mu", r"0\.333|1/N|batch|mean"),
        ],
    ),
]
