"""Notes on transformers: attention functions with masks, a multi-head class, positional codes, tied output embedding."""
import numpy as np


def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def attention(q, k, v, mask=None):
    """mask: booleans (T, S), True where attention is allowed."""
    scale = 1.0 / np.sqrt(q.shape[-1])
    scores = np.einsum("btd,bsd->bts", q, k) * scale
    if mask is not None:
        scores = np.where(mask, scores, -1e9)
    p = softmax(scores)
    return np.einsum("bts,bsd->btd", p, v), (q, k, v, p, scale)


def attention_backward(dout, cache):
    q, k, v, p, scale = cache
    dv = np.einsum("bts,btd->bsd", p, dout)
    dp = np.einsum("btd,bsd->bts", dout, v)
    ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True)) * scale
    dq = np.einsum("bts,bsd->btd", ds, k)
    dk = np.einsum("bts,btd->bsd", ds, q)
    return dq, dk, dv


class MultiHeadSelfAttention:
    def __init__(self, d_model, n_heads, causal=True):
        assert d_model % n_heads == 0
        self.h, self.causal = n_heads, causal
        self.Wqkv = np.random.randn(d_model, 3 * d_model) / np.sqrt(d_model)
        self.Wo = np.random.randn(d_model, d_model) / np.sqrt(d_model)

    def _split(self, t):
        B, T, D = t.shape
        return t.reshape(B, T, self.h, D // self.h).transpose(0, 2, 1, 3)

    def _merge(self, t):
        B, h, T, d = t.shape
        return t.transpose(0, 2, 1, 3).reshape(B, T, h * d)

    def forward(self, x):
        self.x = x
        T = x.shape[1]
        self.q, self.k, self.v = (self._split(t) for t in np.split(x @ self.Wqkv, 3, axis=-1))
        self.scale = self.q.shape[-1] ** -0.5
        s = self.q @ self.k.transpose(0, 1, 3, 2) * self.scale
        if self.causal:
            s = s + np.triu(np.full((T, T), -1e9), 1)
        self.p = softmax(s)
        self.ctx = self._merge(self.p @ self.v)
        return self.ctx @ self.Wo

    def backward(self, g):
        self.dWo = np.einsum("bti,btj->ij", self.ctx, g)
        gc = self._split(g @ self.Wo.T)
        gv = self.p.transpose(0, 1, 3, 2) @ gc
        gp = gc @ self.v.transpose(0, 1, 3, 2)
        gs = self.p * (gp - np.sum(gp * self.p, axis=-1, keepdims=True))
        gs = gs * self.scale
        gq = gs @ self.k
        gk = gs.transpose(0, 1, 3, 2) @ self.q
        gqkv = np.concatenate([self._merge(t) for t in (gq, gk, gv)], axis=-1)
        self.dWqkv = np.einsum("bti,btj->ij", self.x, gqkv)
        return gqkv @ self.Wqkv.T


class TokenAndPosition:
    """Learned token table plus fixed sinusoids."""

    def __init__(self, vocab, d, max_len=10):
        self.table = np.random.randn(vocab, d)
        pos, i = np.arange(max_len)[:, None], np.arange(d)[None, :]
        angle = pos / 10000 ** (2 * (i // 2) / d)
        self.pe = np.where(i % 2 == 0, np.sin(angle), np.cos(angle))

    def forward(self, tokens):
        self.tokens = tokens
        self.root = np.sqrt(self.table.shape[1])
        return self.table[tokens] * self.root + self.pe[:tokens.shape[1]]

    def backward(self, dout):
        self.grad_table = np.zeros_like(self.table)
        np.add.at(self.grad_table, self.tokens, dout * self.root)


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_function, check_layer  # noqa: E402

CASES = [
    Case("transformer_attention_masked", lambda: check_function(
            attention, attention_backward, q=(2, 3, 4), k=(2, 5, 4), v=(2, 5, 4), mask=np.tri(3, 5, 2, dtype=bool)), bugs=[
        Bug("(dp - (dp * p).sum(axis=-1, keepdims=True)) * scale", "(dp - (dp * p).sum(axis=-1, keepdims=True))", ("q", "k"),
            r"2(\.0)? times|scale|sqrt|times the right one"),
        Bug("ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True))", "ds = p * (1 - p) * dp", ("q", "k"),
            r"softmax|jacobian|diagonal|term|sum"),
        Bug("dk = np.einsum(\"bts,btd->bsd\", ds, q)", "dk = np.einsum(\"bts,btd->bsd\", p, q)", "k", r"upstream|depend|dy"),
    ]),
    Case("transformer_multi_head", lambda: check_layer(MultiHeadSelfAttention(6, 2), x=(2, 4, 6)), bugs=[
        Bug("for t in (gq, gk, gv)", "for t in (gk, gq, gv)", ("x", "Wqkv"), r"swap|order|block|column|exchang"),
        Bug("self.dWo = np.einsum(\"bti,btj->ij\", self.ctx, g)", "self.dWo = np.einsum(\"bti,btj->ij\", self.ctx, g) / len(g)",
            "Wo", r"0\.5 times|1/N|batch size|mean"),
        Bug("        gs = gs * self.scale\n", "", ("x", "Wqkv"), r"scale|sqrt|columns|block|times"),
    ]),
    Case("transformer_token_and_position", lambda: check_layer(TokenAndPosition(6, 4), tokens=np.array([[1, 2, 2], [5, 1, 0]])),
         bugs=[
        Bug("np.add.at(self.grad_table, self.tokens, dout * self.root)", "self.grad_table[self.tokens] += dout * self.root",
            "table", r"repeat|add\.at|accumulat|twice"),
        Bug("dout * self.root)", "dout)", "table", r"0\.5 times|times the right one|sqrt"),
    ], expect="not checked", arrays=("pe",)),
]
