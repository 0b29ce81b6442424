"""Somebody rebuilds a transformer: heads, masks, constant position codes, parameters in a dict."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class PositionalEncoding:
    def __init__(self, max_len, d_model):
        pos = np.arange(max_len)[:, None]
        i = np.arange(d_model)[None]
        angle = pos / np.power(10000, 2 * (i // 2) / d_model)
        self.pe = np.where(i % 2 == 0, np.sin(angle), np.cos(angle))
        self.scale = np.sqrt(d_model)

    def forward(self, x):
        return x * self.scale + self.pe[: x.shape[1]]

    def backward(self, dout):
        dx = dout * self.scale
        return dx


class CausalSelfAttention:
    def __init__(self, d_model, n_heads, rng=None):
        rng = rng or np.random.default_rng(0)
        self.n_heads = n_heads
        self.d_head = d_model // n_heads
        self.params = {k: rng.normal(0, 0.5, (d_model, d_model)) for k in ("Wq", "Wk", "Wv", "Wo")}
        self.grads = {}

    def split(self, x):
        B, T, D = x.shape
        return x.reshape(B, T, self.n_heads, self.d_head).transpose(0, 2, 1, 3)

    def merge(self, x):
        B, H, T, d = x.shape
        return x.transpose(0, 2, 1, 3).reshape(B, T, H * d)

    def forward(self, x):
        P = self.params
        q, k, v = self.split(x @ P["Wq"]), self.split(x @ P["Wk"]), self.split(x @ P["Wv"])
        scores = q @ k.swapaxes(-1, -2) / np.sqrt(self.d_head)
        mask = np.triu(np.ones(scores.shape[-2:], dtype=bool), 1)
        scores = np.where(mask, -1e9, scores)
        att = np.exp(scores - scores.max(-1, keepdims=True))
        att /= att.sum(-1, keepdims=True)
        heads = self.merge(att @ v)
        self.cache = (x, q, k, v, att, heads)
        return heads @ P["Wo"]

    def backward(self, dout):
        P = self.params
        x, q, k, v, att, heads = self.cache
        self.grads["Wo"] = np.einsum("btd,bte->de", heads, dout)
        dheads = self.split(dout @ P["Wo"].T)
        datt = dheads @ v.swapaxes(-1, -2)
        dv = att.swapaxes(-1, -2) @ dheads
        dscores = att * (datt - (datt * att).sum(-1, keepdims=True))
        dscores /= np.sqrt(self.d_head)
        dq = dscores @ k
        dk = dscores.swapaxes(-1, -2) @ q
        dq, dk, dv = self.merge(dq), self.merge(dk), self.merge(dv)
        self.grads["Wq"] = np.einsum("btd,bte->de", x, dq)
        self.grads["Wk"] = np.einsum("btd,bte->de", x, dk)
        self.grads["Wv"] = np.einsum("btd,bte->de", x, dv)
        return dq @ P["Wq"].T + dk @ P["Wk"].T + dv @ P["Wv"].T


CASES = [
    Case(
        "position codes",
        lambda: check_layer(PositionalEncoding(10, 4), x=(2, 5, 4)),
        expect="not checked",
        arrays=("pe",),
        bugs=[
            Bug("dx = dout * self.scale", "dx = dout", "x", r"0\.5|half|scale|factor"),
            Bug(
                "dx = dout * self.scale",
                "dx = dout * self.scale + self.pe[: dout.shape[1]]",
                "x",
                r"added|extra|constant",
            ),
            Bug("dx = dout * self.scale", "dx = dout * self.scale**2", "x", r"2 times|twice|scale|factor"),
            Bug("dx = dout * self.scale", "dx = dout[:, ::-1] * self.scale", "x", r"order|reverse|time"),
        ],
    ),
    Case(
        "causal self-attention",
        lambda: check_layer(CausalSelfAttention(4, 2), x=(2, 3, 4)),
        bugs=[
            Bug("        dscores /= np.sqrt(self.d_head)\n", "", ("x", "Wq", "Wk"), r"sqrt|1\.41|scale|factor"),
            Bug(
                'return dq @ P["Wq"].T + dk @ P["Wk"].T + dv @ P["Wv"].T',
                'return dq @ P["Wq"].T + dk @ P["Wk"].T',
                "x",
                r"missing|term|path|value",
            ),
            Bug("dk = dscores.swapaxes(-1, -2) @ q", "dk = dscores @ q", ("x", "Wk"), r"transpos|swap"),
            Bug(
                "(datt - (datt * att).sum(-1, keepdims=True))",
                "datt * (1 - att)",
                ("x", "Wq", "Wk"),
                r"softmax|diagonal|jacobian|sigmoid",
            ),
            Bug(
                'self.grads["Wo"] = np.einsum("btd,bte->de", heads, dout)',
                'self.grads["Wo"] = np.einsum("btd,bte->de", x, dout)',
                "Wo",
                r"input|heads|stale|instead",
            ),
        ],
    ),
]
