"""Gists: a character model with one lossFun, and a policy network with a model dict."""
import numpy as np


class CharRNN:
    def __init__(self, vocab_size=5, hidden_size=4):
        self.Wxh = np.random.randn(hidden_size, vocab_size) * 0.3
        self.Whh = np.random.randn(hidden_size, hidden_size) * 0.3
        self.Why = np.random.randn(vocab_size, hidden_size) * 0.3
        self.bh = np.zeros((hidden_size, 1))
        self.by = np.zeros((vocab_size, 1))

    def lossFun(self, inputs, targets):
        """Forward and backward over a sequence of characters; returns the loss and the gradients."""
        xs, hs, ps = {}, {-1: np.zeros_like(self.bh)}, {}
        loss = 0
        for t in range(len(inputs)):
            xs[t] = np.zeros((self.Wxh.shape[1], 1))
            xs[t][inputs[t]] = 1
            hs[t] = np.tanh(self.Wxh @ xs[t] + self.Whh @ hs[t - 1] + self.bh)
            scores = self.Why @ hs[t] + self.by
            ps[t] = np.exp(scores) / np.sum(np.exp(scores))
            loss += -np.log(ps[t][targets[t], 0])
        dWxh, dWhh, dWhy = np.zeros_like(self.Wxh), np.zeros_like(self.Whh), np.zeros_like(self.Why)
        dbh, dby = np.zeros_like(self.bh), np.zeros_like(self.by)
        dhnext = np.zeros_like(hs[0])
        for t in reversed(range(len(inputs))):
            dy = np.copy(ps[t])
            dy[targets[t]] -= 1
            dWhy += dy @ hs[t].T
            dby += dy
            dh = self.Why.T @ dy + dhnext
            dhraw = (1 - hs[t] * hs[t]) * dh
            dbh += dhraw
            dWxh += dhraw @ xs[t].T
            dWhh += dhraw @ hs[t - 1].T
            dhnext = self.Whh.T @ dhraw
        return loss, dict(Wxh=dWxh, Whh=dWhh, Why=dWhy, bh=dbh, by=dby)


def policy_forward(x, model):
    h = x @ model["W1"]
    h[h < 0] = 0
    logp = h @ model["W2"]
    p = 1.0 / (1.0 + np.exp(-logp))
    return p, (x, h, p, model)


def policy_backward(dp, cache):
    x, h, p, model = cache
    dlogp = dp * p * (1 - p)
    dW2 = h.T @ dlogp
    dh = np.outer(dlogp, model["W2"])
    dh[h <= 0] = 0
    return {"W1": x.T @ dh, "W2": dW2, "x": dh @ model["W1"].T}


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_function, check_model  # noqa: E402

CASES = [
    Case("gist_charrnn", lambda: check_model(CharRNN(), np.array([0, 3, 1, 1, 4]), np.array([3, 1, 1, 4, 2])), bugs=[
        Bug("dh = self.Why.T @ dy + dhnext", "dh = self.Why.T @ dy", ("Wxh", "Whh", "bh"), r"time|recur|step|missing"),
        Bug("dWhh += dhraw @ hs[t - 1].T", "dWhh += dhraw @ hs[t].T", "Whh", r"previous|state|step|time"),
        Bug("dby += dy", "dby = dy", "by", r"accumulat|\+=|step|overw|sum"),
    ]),
    Case("gist_policy", lambda: check_function(policy_forward, policy_backward, x=(5, 4),
                                               model={"W1": np.random.randn(4, 6), "W2": np.random.randn(6)}), bugs=[
        Bug("    dh[h <= 0] = 0\n", "", ("x", "model['W1']"), r"relu|mask|negative|derivative|activation"),
        Bug("dlogp = dp * p * (1 - p)", "dlogp = dp * (1 - p)", ("x", "model['W1']", "model['W2']"), r"sigmoid|derivative|activation"),
    ]),
]
