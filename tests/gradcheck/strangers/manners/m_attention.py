"""A hobbyist's transformer: scaled dot-product attention as functions, multi-head attention with two outputs, a feed-forward block."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function, check_layer


def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention(q, k, v):
    d = q.shape[-1]
    a = softmax(q @ k.swapaxes(-1, -2) / np.sqrt(d))
    return a @ v, (q, k, v, a)


def attention_backward(dout, cache):
    q, k, v, a = cache
    d = q.shape[-1]
    dv = a.swapaxes(-1, -2) @ dout
    da = dout @ v.swapaxes(-1, -2)
    ds = a * (da - (da * a).sum(axis=-1, keepdims=True))
    ds = ds / np.sqrt(d)
    dq = ds @ k
    dk = ds.swapaxes(-1, -2) @ q
    return dq, dk, dv


class MultiHeadAttention:
    """ self-attention; forward gives the result and the weights """

    def __init__(self, d_model=6, n_heads=2, seed=0):
        rs = np.random.RandomState(seed)
        self.n_heads, self.d_head = n_heads, d_model // n_heads
        self.Wq, self.Wk, self.Wv, self.Wo = (rs.randn(d_model, d_model) / np.sqrt(d_model) for _ in range(4))

    def split(self, t):
        B, T, _ = t.shape
        return t.reshape(B, T, self.n_heads, self.d_head).transpose(0, 2, 1, 3)

    def merge(self, t):
        B, H, T, D = t.shape
        return t.transpose(0, 2, 1, 3).reshape(B, T, H * D)

    def forward(self, x):
        self.x = x
        self.q, self.k, self.v = self.split(x @ self.Wq), self.split(x @ self.Wk), self.split(x @ self.Wv)
        scores = self.q @ self.k.transpose(0, 1, 3, 2) / np.sqrt(self.d_head)
        self.weights = softmax(scores)
        self.merged = self.merge(self.weights @ self.v)
        return self.merged @ self.Wo, self.weights

    def backward(self, dy, dweights):
        self.dWo = np.einsum("btd,bte->de", self.merged, dy)
        dheads = self.split(dy @ self.Wo.T)
        dv = self.weights.transpose(0, 1, 3, 2) @ dheads
        dw = dheads @ self.v.transpose(0, 1, 3, 2) + dweights
        ds = self.weights * (dw - np.sum(dw * self.weights, axis=-1, keepdims=True)) / np.sqrt(self.d_head)
        dq = ds @ self.k
        dk = ds.transpose(0, 1, 3, 2) @ self.q
        dx = 0
        for name, d in (("q", dq), ("k", dk), ("v", dv)):
            d = self.merge(d)
            setattr(self, "dW" + name, np.einsum("btd,bte->de", self.x, d))
            dx = dx + d @ getattr(self, "W" + name).T
        return dx


class CausalAttention:
    def __init__(self, d):
        self.W = {n: np.random.randn(d, d) for n in "qkv"}
        self.dW = {}

    def forward(self, x):
        T = x.shape[1]
        self.x = x
        self.q, self.k, self.v = x @ self.W["q"], x @ self.W["k"], x @ self.W["v"]
        s = self.q @ self.k.swapaxes(1, 2) * x.shape[2] ** -0.5
        s = np.where(np.tri(T, dtype=bool), s, -1e9)
        self.a = softmax(s)
        return self.a @ self.v

    def backward(self, dy):
        dv = self.a.swapaxes(1, 2) @ dy
        da = dy @ self.v.swapaxes(1, 2)
        ds = self.a * (da - (da * self.a).sum(-1, keepdims=True))
        ds *= self.x.shape[2] ** -0.5
        dq, dk = ds @ self.k, ds.swapaxes(1, 2) @ self.q
        flat = self.x.reshape(-1, self.x.shape[2])
        for n, d in zip("qkv", (dq, dk, dv)):
            self.dW[n] = flat.T @ d.reshape(flat.shape)
        return dq @ self.W["q"].T + dk @ self.W["k"].T + dv @ self.W["v"].T


class FeedForward:
    def __init__(self, d=4, hidden=7):
        self.w_1, self.b_1 = np.random.randn(d, hidden), np.random.randn(hidden)
        self.w_2, self.b_2 = np.random.randn(hidden, d), np.random.randn(d)

    def forward(self, x):
        self.x = x
        self.pre = x @ self.w_1 + self.b_1
        self.sg = 1 / (1 + np.exp(-self.pre))
        self.act = self.pre * self.sg  # swish
        return x + self.act @ self.w_2 + self.b_2

    def backward(self, g):
        ax = tuple(range(g.ndim - 1))
        self.grad_w_2 = np.tensordot(self.act, g, axes=(ax, ax))
        self.grad_b_2 = g.sum(axis=ax)
        dpre = (g @ self.w_2.T) * (self.sg + self.act * (1 - self.sg))
        self.grad_w_1 = np.tensordot(self.x, dpre, axes=(ax, ax))
        self.grad_b_1 = dpre.sum(axis=ax)
        return g + dpre @ self.w_1.T


CASES = [
    Case("attention", lambda: check_function(attention, attention_backward, (2, 3, 4), (2, 5, 4), (2, 5, 4)), bugs=[
        Bug("    ds = ds / np.sqrt(d)\n", "", ("q", "k"), r"sqrt|1/sqrt|2(\.0*)? times|scale"),
        Bug("(da * a).sum(axis=-1, keepdims=True))\n    ds = ds", "(da * a).sum(axis=-2, keepdims=True))\n    ds = ds", ("q", "k"), r"axis"),
        Bug("    ds = a * (da - (da * a).sum(axis=-1, keepdims=True))\n", "    ds = a * (1 - a) * da\n", ("q", "k"), r"softmax|sigmoid|diagonal|sum|Jacobian"),
        Bug("    ds = a * (da - (da * a).sum(axis=-1, keepdims=True))\n", "    ds = da\n", ("q", "k"), r"softmax"),
        Bug("ds = ds / np.sqrt(d)", "ds = ds / d", ("q", "k"), r"sqrt|0\.5 times|half|scale"),
    ]),
    Case("square attention", lambda: check_function(attention, attention_backward, (2, 4, 3), (2, 4, 3), (2, 4, 3)), bugs=[
        Bug("dv = a.swapaxes(-1, -2) @ dout", "dv = a @ dout", "v", r"transpos|\.T|swapaxes"),
        Bug("dk = ds.swapaxes(-1, -2) @ q", "dk = ds @ q", "k", r"transpos|\.T|swapaxes"),
        Bug("dq = ds @ k", "dq = ds.swapaxes(-1, -2) @ k", "q", r"transpos|\.T|swapaxes"),
        Bug("dq = ds @ k", "dq = ds @ q", "q", r"\bk\b|\bq\b|wrong"),
    ]),
    Case("multi-head", lambda: check_layer(MultiHeadAttention(), x=(2, 4, 6)), bugs=[
        Bug("self.v.transpose(0, 1, 3, 2) + dweights", "self.v.transpose(0, 1, 3, 2)", ("x", "Wq", "Wk"), r"second output|weights|dweights|ignor|missing"),
        Bug("keepdims=True)) / np.sqrt(self.d_head)\n", "keepdims=True))\n", ("x", "Wq", "Wk"), r"sqrt|d_head|1\.73|scale"),
        Bug("dk = ds.transpose(0, 1, 3, 2) @ self.q", "dk = ds @ self.q", ("x", "Wk"), r"transpos|\.T"),
        Bug("dv = self.weights.transpose(0, 1, 3, 2) @ dheads", "dv = self.weights @ dheads", ("x", "Wv"), r"transpos|\.T"),
        Bug("np.sum(dw * self.weights, axis=-1, keepdims=True)", "np.sum(dw * self.weights, axis=-2, keepdims=True)", ("x", "Wq", "Wk"), r"axis"),
        Bug("        dheads = self.split(dy @ self.Wo.T)", "        dheads = self.split(dy @ self.Wo)", ("x", "Wq", "Wk", "Wv"), r"transpos|Wo|\.T"),
    ]),
    Case("causal attention", lambda: check_layer(CausalAttention(3), x=(2, 4, 3)), bugs=[
        Bug("        ds *= self.x.shape[2] ** -0.5\n", "", ("x", "q", "k"), r"sqrt|1\.73|scale"),
        Bug("self.dW[n] = flat.T @ d.reshape(flat.shape)", "self.dW[n] = self.x[0].T @ d[0]", ("q", "k", "v"), r"first|batch|sum|row|example"),
        Bug(' + dv @ self.W["v"].T', "", "x", r"road|missing|term|\bv\b"),
        Bug('dq @ self.W["q"].T + dk', 'dq @ self.W["q"] + dk', "x", r"transpos|\.T|\bq\b"),
        Bug("ds = self.a * (da - (da * self.a).sum(-1, keepdims=True))", "ds = np.tri(da.shape[1]) * (da - (da * self.a).sum(-1, keepdims=True))", ("x", "q", "k"), r"softmax|factor|missing"),
    ]),
    Case("feed-forward", lambda: check_layer(FeedForward(), (2, 3, 4)), bugs=[
        Bug("return g + dpre @ self.w_1.T", "return dpre @ self.w_1.T", "x", r"residual|skip|shortcut|road|dy|term|missing"),
        Bug("(self.sg + self.act * (1 - self.sg))", "self.sg", ("x", "w_1", "b_1"), r"product|term|swish|derivative|missing"),
        Bug("(self.sg + self.act * (1 - self.sg))", "(self.sg * (1 - self.sg))", ("x", "w_1", "b_1"), r"sigmoid|swish|derivative"),
        Bug("self.grad_b_2 = g.sum(axis=ax)", "self.grad_b_2 = g.sum(axis=0).mean(axis=0)", "b_2", r"1/3|0\.33|mean|sum|times"),
        Bug("np.tensordot(self.act, g, axes=(ax, ax))", "np.tensordot(self.pre, g, axes=(ax, ax))", "w_2", r"pre|act|activation|input"),
    ]),
]
