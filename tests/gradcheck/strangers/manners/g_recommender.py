"""Recommender code: ids in, scores out; factor tables, biases, factorization machine, BPR triplets, bags of items."""
import numpy as np


class BiasedMF:
    def __init__(self, n_users, n_items, k, mu=3.5):
        self.P, self.Q = 0.5 * np.random.randn(n_users, k), 0.5 * np.random.randn(n_items, k)
        self.bu, self.bi = np.zeros(n_users), np.zeros(n_items)
        self.mu = mu

    def predict(self, users, items):
        self.u, self.i = users, items
        return self.mu + self.bu[users] + self.bi[items] + (self.P[users] * self.Q[items]).sum(1)

    def backprop(self, err):
        g = {name: np.zeros_like(getattr(self, name)) for name in ("P", "Q", "bu", "bi")}
        np.add.at(g["bu"], self.u, err)
        np.add.at(g["bi"], self.i, err)
        np.add.at(g["P"], self.u, err[:, None] * self.Q[self.i])
        np.add.at(g["Q"], self.i, err[:, None] * self.P[self.u])
        self.grads = g
        return g


class FactorizationMachine:
    """w0 + x w + 1/2 sum_f ((x V)_f^2 - (x^2 V^2)_f)."""

    def __init__(self, n, k):
        self.w0, self.w, self.V = np.zeros(1), np.random.randn(n), np.random.randn(n, k)

    def forward(self, x):
        self.x, self.xv = x, x @ self.V
        return self.w0 + x @ self.w + 0.5 * (self.xv ** 2 - x ** 2 @ self.V ** 2).sum(axis=1)

    def backward(self, dy):
        d = dy[:, None]
        self.dw0, self.dw = dy.sum(keepdims=True), self.x.T @ dy
        self.dV = self.x.T @ (d * self.xv) - ((self.x ** 2).T @ dy)[:, None] * self.V
        return d * (self.w + self.xv @ self.V.T - self.x * (self.V ** 2).sum(axis=1))


class BPR:
    """Mean of -log sigmoid(u.i - u.j) for triplets of ids (user, liked item, other item)."""

    def __init__(self, n_users, n_items, k=4):
        self.user_emb = np.random.randn(n_users, k)
        self.item_emb = np.random.randn(n_items, k)

    def loss(self, triplets):
        u, i, j = triplets.T
        self.ids = u, i, j
        self.diff = np.einsum("nk,nk->n", self.user_emb[u], self.item_emb[i] - self.item_emb[j])
        return np.mean(np.logaddexp(0, -self.diff))

    def grad(self):
        u, i, j = self.ids
        s = (-1 / (1 + np.exp(self.diff)) / len(u))[:, None]
        d_user, d_item = np.zeros_like(self.user_emb), np.zeros_like(self.item_emb)
        np.add.at(d_user, u, s * (self.item_emb[i] - self.item_emb[j]))
        np.add.at(d_item, i, s * self.user_emb[u])
        np.add.at(d_item, j, -s * self.user_emb[u])
        return {"user_emb": d_user, "item_emb": d_item}


class HistoryBag:
    """Mean of item vectors, padded with -1; dict input {"items": ids (N, L)}."""

    def __init__(self, n_items, k):
        self.E = np.random.randn(n_items, k)

    def forward(self, batch):
        ids = batch["items"]
        self.keep = ids >= 0
        self.ids = np.where(self.keep, ids, 0)
        self.count = np.maximum(self.keep.sum(axis=1, keepdims=True), 1)
        return (self.E[self.ids] * self.keep[..., None]).sum(axis=1) / self.count

    def backward(self, dy):
        g = (dy / self.count)[:, None, :] * self.keep[..., None]
        self.dE = np.zeros_like(self.E)
        np.add.at(self.dE, self.ids, g)


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_function, check_layer, check_model  # noqa: E402

MF = BiasedMF(5, 6, 3)

CASES = [
    Case("rec_biased_mf", lambda: check_function(MF.predict, MF.backprop, users=np.array([0, 1, 1, 4]),
                                                 items=np.array([5, 2, 2, 0])), bugs=[
        Bug("np.add.at(g[\"bu\"], self.u, err)", "g[\"bu\"][self.u] += err", "bu", r"repeat|add\.at|accumulat|twice"),
        Bug("err[:, None] * self.Q[self.i]", "err[:, None] * self.P[self.u]", "P", r"factor|other|swap|wrong"),
    ]),
    Case("rec_factorization_machine", lambda: check_layer(FactorizationMachine(4, 3), x=(5, 4)), bugs=[
        Bug(" - ((self.x ** 2).T @ dy)[:, None] * self.V", "", "V", r"term|missing|square"),
        Bug("self.w + self.xv @ self.V.T", "self.xv @ self.V.T", "x", r"term|missing|linear|path"),
    ]),
    Case("rec_bpr", lambda: check_model(BPR(4, 6), np.array([[0, 1, 2], [0, 3, 1], [2, 5, 2], [3, 1, 0]]), None), bugs=[
        Bug("        np.add.at(d_item, j, -s * self.user_emb[u])\n", "", "item_emb", r"missing|term|path|rows"),
        Bug("s = (-1 / (1 + np.exp(self.diff)) / len(u))", 
            "s = (1 / (1 + np.exp(self.diff)) / len(u))", ("user_emb", "item_emb"),
            r"sign|-1 times"),
    ]),
    Case("rec_history_bag", lambda: check_layer(HistoryBag(6, 3), batch={
            "items": np.array([[1, 1, -1], [0, 4, 5], [2, -1, -1]])}), bugs=[
        Bug("(dy / self.count)[:, None, :] * self.keep[..., None]",
            "(dy / self.count)[:, None, :] * np.ones(self.keep.shape + (1,))",
            "E", r"mask|padd|row 0|row"),
        Bug("(dy / self.count)", "(dy / self.ids.shape[1])", "E", r"mean|count|row|mask|padd"),
    ]),
]
