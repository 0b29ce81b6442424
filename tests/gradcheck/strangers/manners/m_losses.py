"""A student's losses.py: loss/grad, loss/gradient, __call__ and backward, functions that return both, regularized ones."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_loss


class MSE:
    def loss(self, predicted, actual):
        return np.sum((predicted - actual) ** 2)

    def grad(self, predicted, actual):
        return 2 * (predicted - actual)


class BCEWithLogits:
    def loss(self, y_hat, y):
        return np.mean(np.maximum(y_hat, 0) - y_hat * y + np.log1p(np.exp(-np.abs(y_hat))))

    def gradient(self, y_hat, y):
        p = 1 / (1 + np.exp(-y_hat))
        return (p - y) / y.size


class HuberLoss:
    def __init__(self, delta=1.0):
        self.delta = delta

    def __call__(self, pred, target):
        self.r = pred - target
        a = np.abs(self.r)
        quad = 0.5 * self.r ** 2
        lin = self.delta * (a - 0.5 * self.delta)
        return np.where(a <= self.delta, quad, lin).mean()

    def backward(self):
        return np.clip(self.r, -self.delta, self.delta) / self.r.size


class KLDivergence:
    """KL(target || softmax(logits)), batchmean"""

    def forward(self, logits, target):
        z = logits - logits.max(1, keepdims=True)
        self.logq = z - np.log(np.exp(z).sum(1, keepdims=True))
        self.target = target
        return (target * (np.log(target) - self.logq)).sum() / len(target)

    def backward(self, grad=1.0):
        return grad * (np.exp(self.logq) - self.target) / len(self.target)


def focal_loss(p, y, gamma=2.0):
    pt = np.where(y == 1, p, 1 - p)
    loss = -((1 - pt) ** gamma * np.log(pt)).mean()
    g = gamma * (1 - pt) ** (gamma - 1) * np.log(pt) - (1 - pt) ** gamma / pt
    dp = np.where(y == 1, g, -g) / p.size
    return loss, dp


def cosine_loss(a, b):
    na, nb = np.linalg.norm(a, axis=1, keepdims=True), np.linalg.norm(b, axis=1, keepdims=True)
    cos = (a * b).sum(axis=1, keepdims=True) / (na * nb)
    da = -(b / (na * nb) - cos * a / na ** 2) / len(a)
    return (1 - cos).mean(), da


class Hinge:
    def calc_loss(self, s, y):
        return np.maximum(0, 1 - y * s).mean()

    __call__ = calc_loss

    def grad(self, s, y):
        return np.where(y * s < 1, -y, 0) / s.size


r = np.random.RandomState(0)
targets = r.randn(4, 3)
bits = r.randint(0, 2, (4, 3)).astype(float)
probs = r.uniform(0.2, 0.8, (4, 3))
dist = r.dirichlet([2, 2, 2], size=4)

CASES = [
    Case("mse", lambda: check_loss(MSE(), (4, 3), targets), bugs=[
        Bug("return 2 * (predicted - actual)", "return predicted - actual", "y_pred", r"0\.5 times|half|factor|\b2\b"),
        Bug("return 2 * (predicted - actual)", "return 2 * (actual - predicted)", "y_pred", r"sign|-1"),
        Bug("return 2 * (predicted - actual)", "return 2 * (predicted - actual) / len(actual)", "y_pred", r"1/N|batch|mean|0\.25"),
        Bug("return 2 * (predicted - actual)", "return 2 * np.abs(predicted - actual)", "y_pred", r"abs|sign"),
    ]),
    Case("bce with logits", lambda: check_loss(BCEWithLogits(), (4, 3), bits), bugs=[
        Bug("return (p - y) / y.size", "return (p - y) / len(y)", "y_pred", r"3(\.0*)? times|size|columns"),
        Bug("return (p - y) / y.size", "return (p - y) * p * (1 - p) / y.size", "y_pred", r"sigmoid|derivative|extra|twice"),
        Bug("return (p - y) / y.size", "return (y_hat - y) / y.size", "y_pred", r"sigmoid|missing|logit"),
        Bug("return (p - y) / y.size", "return (p + y) / y.size", "y_pred", r"sign|term|target|label"),
    ]),
    Case("huber", lambda: check_loss(HuberLoss(0.8), (4, 3), targets), bugs=[
        Bug("np.clip(self.r, -self.delta, self.delta)", "np.sign(self.r) * self.delta", "y_pred", r"mask|branch|clip|quadratic|small|\|r\|"),
        Bug("np.clip(self.r, -self.delta, self.delta)", "np.clip(self.r, -1, 1)", "y_pred", r"delta|0\.8|1\.25|clip|branch"),
        Bug("np.clip(self.r, -self.delta, self.delta)", "self.r", "y_pred", r"clip|branch|large|linear|mask"),
        Bug("self.delta) / self.r.size", "self.delta)", "y_pred", r"12(\.0*)? times|size|mean"),
    ]),
    Case("kl", lambda: check_loss(KLDivergence(), (4, 3), dist), bugs=[
        Bug("(np.exp(self.logq) - self.target) / len(self.target)", "(np.exp(self.logq) - self.target)", "y_pred", r"4(\.0*)? times|\bN\b|batch|mean"),
        Bug("(np.exp(self.logq) - self.target)", "-self.target", "y_pred", r"softmax|normali|term|missing"),
        Bug("(np.exp(self.logq) - self.target)", "(self.logq - self.target)", "y_pred", r"exp|softmax|log"),
        Bug("(np.exp(self.logq) - self.target)", "(np.exp(self.logq) - self.target) * np.exp(self.logq)", "y_pred", r"softmax|extra|factor|twice"),
    ]),
    Case("focal", lambda: check_loss(focal_loss, probs, bits), bugs=[
        Bug(" - (1 - pt) ** gamma / pt\n", "\n", "p", r"term|missing|road|product"),
        Bug("g = gamma * (1 - pt) ** (gamma - 1) * np.log(pt) - ", "g = -", "p", r"term|missing|road|product"),
        Bug("np.where(y == 1, g, -g)", "np.where(y == 1, g, g)", "p", r"sign|mask|label"),
        Bug("np.where(y == 1, g, -g) / p.size", "np.where(y == 1, g, -g)", "p", r"12(\.0*)? times|size|mean"),
    ]),
    Case("cosine", lambda: check_loss(cosine_loss, (4, 3), targets), bugs=[
        Bug(" - cos * a / na ** 2)", ")", "a", r"norm|term|missing|road"),
        Bug("cos * a / na ** 2", "cos * a / na", "a", r"norm|power|squar|term"),
        Bug("da = -(b", "da = (b", "a", r"sign|-1"),
        Bug("na ** 2) / len(a)", "na ** 2)", "a", r"4(\.0*)? times|\bN\b|batch|mean"),
    ]),
    Case("hinge", lambda: check_loss(Hinge(), (4, 3), np.sign(targets)), bugs=[
        Bug("np.where(y * s < 1, -y, 0)", "np.where(y * s > 1, -y, 0)", "y_pred", r"mask|invert|opposite"),
        Bug("np.where(y * s < 1, -y, 0)", "-y", "y_pred", r"mask|margin|missing|forgot"),
        Bug("np.where(y * s < 1, -y, 0)", "np.where(y * s < 1, -1, 0)", "y_pred", r"label|sign|\by\b|factor"),
        Bug("np.where(y * s < 1, -y, 0)", "np.where(y * s < 0, -y, 0)", "y_pred", r"mask|margin|threshold|branch"),
    ]),
]
