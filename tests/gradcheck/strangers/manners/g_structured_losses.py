"""Losses from papers' supplements: a linear-chain CRF, contrastive and triplet losses, focal, dice, label smoothing."""
import numpy as np
from numpy import logaddexp as lae


class LinearChainCRF:
    """Negative log likelihood of tag sequences: emissions (N, T, K) and a transition matrix (K, K)."""

    def __init__(self, n_tags):
        self.transitions = 0.5 * np.random.randn(n_tags, n_tags)

    def forward(self, emissions, tags):
        N, T, K = emissions.shape
        A = self.transitions
        alpha, beta = np.empty((N, T, K)), np.zeros((N, T, K))
        alpha[:, 0] = emissions[:, 0]
        for t in range(1, T):
            alpha[:, t] = emissions[:, t] + lae.reduce(alpha[:, t - 1, :, None] + A, axis=1)
        for t in range(T - 2, -1, -1):
            beta[:, t] = lae.reduce(A + (emissions[:, t + 1] + beta[:, t + 1])[:, None, :], axis=2)
        logZ = lae.reduce(alpha[:, -1], axis=1)
        n = np.arange(N)
        gold = sum(emissions[n, t, tags[:, t]] for t in range(T))
        gold = gold + sum(A[tags[:, t - 1], tags[:, t]] for t in range(1, T))
        self.cache = emissions, tags, alpha, beta, logZ
        return np.sum(logZ - gold)

    def backward(self):
        emissions, tags, alpha, beta, logZ = self.cache
        N, T, K = emissions.shape
        marginals = np.exp(alpha + beta - logZ[:, None, None])
        d_emissions = marginals - np.eye(K)[tags]
        self.d_transitions = np.zeros((K, K))
        for t in range(1, T):
            pair = (alpha[:, t - 1, :, None] + self.transitions + (emissions[:, t] + beta[:, t])[:, None, :])
            self.d_transitions += np.exp(pair - logZ[:, None, None]).sum(axis=0)
            np.subtract.at(self.d_transitions, (tags[:, t - 1], tags[:, t]), 1.0)
        return d_emissions


def info_nce(za, zb, temperature=0.5):
    """Row i of za should match row i of zb."""
    s = za @ zb.T / temperature
    logp = s - lae.reduce(s, axis=1, keepdims=True)
    return -np.mean(np.diag(logp)), (za, zb, np.exp(logp), temperature)


def info_nce_grad(dloss, cache):
    za, zb, p, temperature = cache
    ds = dloss * (p - np.eye(len(p))) / (len(p) * temperature)
    return ds @ zb, ds.T @ za


class TripletLoss:
    margin = 1.0

    def forward(self, anchor, positive, negative):
        self.dp, self.dn = anchor - positive, anchor - negative
        h = (self.dp ** 2).sum(1) - (self.dn ** 2).sum(1) + self.margin
        self.active = h > 0
        return np.maximum(h, 0).sum()

    def backward(self, upstream=1.0):
        a = upstream * 2 * self.active[:, None]
        return a * (self.dp - self.dn), -a * self.dp, a * self.dn


class SmoothedFocal:
    """Focal loss on softmax probabilities with smoothed labels."""

    def __init__(self, gamma=2.0, smoothing=0.1, *, reduction="mean"):
        self.gamma, self.smoothing, self.reduction = gamma, smoothing, reduction

    def loss(self, y_pred, y_true):
        K = y_pred.shape[1]
        t = np.eye(K)[y_true] * (1 - self.smoothing) + self.smoothing / K
        lp = y_pred - lae.reduce(y_pred, axis=1, keepdims=True)
        p = np.exp(lp)
        total = -(t * (1 - p) ** self.gamma * lp).sum()
        return total / len(y_pred) if self.reduction == "mean" else total

    def gradient(self, y_pred, y_true):
        K = y_pred.shape[1]
        t = np.eye(K)[y_true] * (1 - self.smoothing) + self.smoothing / K
        lp = y_pred - lae.reduce(y_pred, axis=1, keepdims=True)
        p = np.exp(lp)
        g = self.gamma
        dlp = -t * ((1 - p) ** g - g * (1 - p) ** (g - 1) * p * lp)
        dz = dlp - p * dlp.sum(axis=1, keepdims=True)
        return dz / len(y_pred) if self.reduction == "mean" else dz


def dice_loss(logits, mask, smooth=1.0):
    p = 1 / (1 + np.exp(-logits))
    axes = tuple(range(1, logits.ndim))
    inter = np.sum(p * mask, axis=axes, keepdims=True)
    total = np.sum(p, axis=axes, keepdims=True) + np.sum(mask, axis=axes, keepdims=True)
    dice = (2 * inter + smooth) / (total + smooth)
    dp = -(2 * mask - dice) / (total + smooth) / len(logits)
    return 1 - dice.mean(), dp * p * (1 - p)


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_function, check_layer, check_loss  # noqa: E402

CASES = [
    Case("structured_crf", lambda: check_loss(LinearChainCRF(3), (2, 4, 3), np.array([[0, 1, 1, 2], [2, 2, 0, 1]])), bugs=[
        Bug("np.subtract.at(self.d_transitions, (tags[:, t - 1], tags[:, t]), 1.0)",
            "np.subtract.at(self.d_transitions, (tags[:, t], tags[:, t - 1]), 1.0)", "transitions",
            r"transpos|swap|order|index"),
        Bug("marginals - np.eye(K)[tags]", "marginals", "y_pred", r"true class|target|label|one.?hot|term|missing"),
    ]),
    Case("structured_info_nce", lambda: check_function(info_nce, info_nce_grad, za=(5, 3), zb=(5, 3)), bugs=[
        Bug("return ds @ zb, ds.T @ za", "return ds @ zb, ds @ za", "zb", r"transpos"),
        Bug("/ (len(p) * temperature)", "/ len(p)", ("za", "zb"), r"0\.5 times|temperature|times the right one"),
    ]),
    Case("structured_triplet", lambda: check_layer(TripletLoss(), anchor=(5, 3), positive=(5, 3), negative=(5, 3)), bugs=[
        Bug("-a * self.dp, a * self.dn", "a * self.dp, a * self.dn", "positive", r"sign|-1 times"),
        Bug("a * (self.dp - self.dn)", "a * self.dp", "anchor", r"term|missing|path"),
    ]),
    Case("structured_smoothed_focal", lambda: check_loss(SmoothedFocal(), (5, 4), np.array([0, 3, 2, 1, 1])), bugs=[
        Bug(" - g * (1 - p) ** (g - 1) * p * lp)", ")", "y_pred", r"product|term|missing"),
        Bug("dz = dlp - p * dlp.sum(axis=1, keepdims=True)", "dz = dlp - p * dlp", "y_pred", r"softmax|sum|jacobian|row|term"),
    ]),
    Case("structured_dice", lambda: check_loss(dice_loss, (2, 3, 4), np.random.default_rng(0).integers(0, 2, (2, 3, 4))), bugs=[
        Bug("return 1 - dice.mean(), dp * p * (1 - p)", "return 1 - dice.mean(), dp", "logits",
            r"sigmoid|derivative|activation"),
        Bug("-(2 * mask - dice)", "-2 * mask", "logits", r"quotient|term|missing|denominator"),
    ]),
]
