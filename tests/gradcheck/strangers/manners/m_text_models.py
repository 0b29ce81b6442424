"""A language student's models: embeddings that cast their ids, skip-gram with negative samples, a tagger over sequences of ids."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function, check_layer, check_model


class Embedding:
    def __init__(self, vocab, dim):
        self.E = np.random.randn(vocab, dim)
        self.dE = np.zeros_like(self.E)

    def forward(self, x):
        self.ids = x.astype(int)
        return self.E[self.ids]

    def backward(self, dy):
        self.dE = np.zeros_like(self.E)
        for i, d in zip(self.ids.ravel(), dy.reshape(-1, self.E.shape[1])):
            self.dE[i] += d
        return None


class MeanOfWords:
    """bag of words: embeds and averages the tokens that are not padding (id 0)"""

    def __init__(self, vocab, dim, classes):
        self.params = {"E": np.random.randn(vocab, dim), "W": np.random.randn(dim, classes)}

    def forward(self, tokens):
        self.tokens = tokens
        self.real = tokens > 0
        self.count = self.real.sum(axis=1, keepdims=True)
        e = self.params["E"][tokens] * self.real[:, :, None]
        self.mean = e.sum(axis=1) / self.count
        return self.mean @ self.params["W"]

    def backward(self, dy):
        dmean = dy @ self.params["W"].T / self.count
        dE = np.zeros_like(self.params["E"])
        np.add.at(dE, self.tokens, dmean[:, None, :] * self.real[:, :, None])
        self.grads = {"E": dE, "W": self.mean.T @ dy}


def skipgram(center, context, labels, V, U):
    """negative sampling: context (n, k) ids, labels (n, k) of 0 and 1"""
    v = V[center]
    s = np.einsum("nd,nkd->nk", v, U[context])
    p = 1 / (1 + np.exp(-s))
    loss = -np.sum(labels * np.log(p) + (1 - labels) * np.log(1 - p))
    return loss, (center, context, labels, V, U, p)


def skipgram_backward(g, cache):
    center, context, labels, V, U, p = cache
    ds = g * (p - labels)
    dV, dU = np.zeros_like(V), np.zeros_like(U)
    np.add.at(dV, center, np.einsum("nk,nkd->nd", ds, U[context]))
    np.add.at(dU, context, ds[:, :, None] * V[center][:, None, :])
    return dV, dU


class Tagger:
    """ids -> embedding -> tanh rnn -> softmax at every step; loss(X, Y) -> loss, grads"""

    def __init__(self, vocab=6, d=3, h=4, tags=3):
        r = np.random.RandomState(11)
        self.params = {"E": r.randn(vocab, d), "Wx": r.randn(d, h), "Wh": r.randn(h, h) * 0.5, "Wy": r.randn(h, tags)}

    def loss(self, X, Y):
        p, (N, T) = self.params, X.shape
        hs, probs, total = [np.zeros((N, p["Wh"].shape[0]))], [], 0.0
        for t in range(T):
            hs.append(np.tanh(p["E"][X[:, t]] @ p["Wx"] + hs[-1] @ p["Wh"]))
            e = np.exp(hs[-1] @ p["Wy"])
            probs.append(e / e.sum(axis=1, keepdims=True))
            total -= np.log(probs[-1][np.arange(N), Y[:, t]]).sum() / (N * T)
        g = {k: np.zeros_like(v) for k, v in p.items()}
        dnext = np.zeros_like(hs[0])
        for t in range(T - 1, -1, -1):
            dy = probs[t].copy()
            dy[np.arange(N), Y[:, t]] -= 1
            dy /= N * T
            g["Wy"] += hs[t + 1].T @ dy
            da = (dy @ p["Wy"].T + dnext) * (1 - hs[t + 1] ** 2)
            g["Wx"] += p["E"][X[:, t]].T @ da
            g["Wh"] += hs[t].T @ da
            np.add.at(g["E"], X[:, t], da @ p["Wx"].T)
            dnext = da @ p["Wh"].T
        return total, g


ids = np.array([[3, 1, 1], [0, 3, 4]])
padded = np.array([[2, 5, 0, 0], [1, 1, 4, 0], [3, 2, 5, 5]])
signs = np.array([[1, 0, 0], [1, 0, 0]])

CASES = [
    Case("embedding that casts", lambda: check_layer(Embedding(5, 3), x=ids), bugs=[
        Bug("self.dE[i] += d", "self.dE[i] = d", "E", r"repeat|add\.at|duplicate|same (index|row|id|word)|accumulat|overwrit"),
        Bug("self.dE[i] += d", "self.dE[i - 1] += d", "E", r"shift|row|off by one|roll"),
        Bug("self.dE[i] += d", "self.dE[i] += d / len(dy)", "E", r"0\.5 times|half|1/N|batch|mean"),
        Bug("self.dE[i] += d", "self.dE[i] -= d", "E", r"sign|-1"),
    ]),
    Case("mean of words", lambda: check_layer(MeanOfWords(6, 3, 2), padded), bugs=[
        Bug(".T / self.count", ".T / self.tokens.shape[1]", "E", r"count|length|padding|1/4|T\b|times|rows"),
        Bug("dmean[:, None, :] * self.real[:, :, None])", "dmean[:, None, :] + 0 * self.real[:, :, None])", "E", r"mask|padding|\[0|row|missing"),
        Bug('"W": self.mean.T @ dy}', '"W": self.mean.T @ dy / len(dy)}', "W", r"1/N|batch size|mean"),
        Bug("dmean = dy @ self.params[\"W\"].T / self.count", "dmean = dy @ self.params[\"W\"].T", "E", r"count|length|divi|mean|rows"),
    ]),
    Case("skip-gram", lambda: check_function(skipgram, skipgram_backward, np.array([0, 2]), np.array([[1, 3, 4], [3, 3, 0]]), signs, (3, 4), (5, 4)), bugs=[
        Bug("np.add.at(dU, context, ds[:, :, None] * V[center][:, None, :])", "dU[context] = ds[:, :, None] * V[center][:, None, :]", "U", r"repeat|add\.at|duplicate|same (index|row|id|word)|accumulat|overwrit"),
        Bug("ds = g * (p - labels)", "ds = g * (p - labels) / len(labels)", ("V", "U"), r"0\.5 times|half|1/N|batch|mean"),
        Bug("ds = g * (p - labels)", "ds = g * (labels - p)", ("V", "U"), r"sign|-1"),
        Bug("np.add.at(dV, center, np", "np.add.at(dV, center[::-1], np", "V", r"order|revers|flip|row|permut"),
    ]),
    Case("tagger", lambda: check_model(Tagger(), np.array([[0, 5, 2, 2], [1, 2, 4, 0]]), np.array([[0, 1, 2, 0], [2, 2, 1, 0]])), bugs=[
        Bug('dnext = da @ p["Wh"].T', 'dnext = da @ p["Wh"]', ("E", "Wx", "Wh"), r"transpos|Wh|\.T"),
        Bug('np.add.at(g["E"], X[:, t], da @ p["Wx"].T)', 'g["E"][X[:, t]] = da @ p["Wx"].T', "E", r"repeat|add\.at|duplicate|accumulat|overwrit|\+=|last|first"),
        Bug('g["Wh"] += hs[t].T @ da', 'g["Wh"] += hs[t + 1].T @ da', "Wh", r"time|step|off by one|state|\bhs?\b"),
        Bug("            dy /= N * T\n", "            dy /= N\n", ("E", "Wx", "Wh", "Wy"), r"4(\.0*)? times|\bT\b|length|factor"),
        Bug('(dy @ p["Wy"].T + dnext) * (1 - hs[t + 1] ** 2)', '(dy @ p["Wy"].T + dnext) * (1 - hs[t] ** 2)', ("E", "Wx", "Wh"), r"tanh|time|step|\bhs?\b"),
    ]),
]
