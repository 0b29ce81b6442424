"""float32 only: recurrent code with preallocated single-precision buffers and weights cast at each use."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer

DTYPE = np.float32


class Cell:
    def __init__(self, d, h):
        self.Wx = np.random.randn(d, h).astype(DTYPE)
        self.Wh = np.random.randn(h, h).astype(DTYPE)

    def forward(self, x, h):
        self.x, self.h0 = x.astype(DTYPE), h.astype(DTYPE)
        self.h1 = np.tanh(self.x.dot(self.Wx.astype(DTYPE)) + self.h0.dot(self.Wh.astype(DTYPE)))
        return self.h1

    def backward(self, dh):
        da = dh.astype(DTYPE) * (1 - self.h1 ** 2)
        self.dWx = self.x.T.dot(da)
        self.dWh = self.h0.T.dot(da)
        return da.dot(self.Wx.T.astype(DTYPE)), da.dot(self.Wh.T.astype(DTYPE))


class Sequence:
    def __init__(self, d, h):
        self.U = np.random.randn(d, h).astype(DTYPE)
        self.V = np.random.randn(h, h).astype(DTYPE) * DTYPE(0.5)
        self.c = np.zeros(h, DTYPE)

    def forward(self, xs):
        T, n, d = xs.shape
        self.xs = xs.astype(DTYPE)
        self.hs = np.zeros((T + 1, n, len(self.c)), DTYPE)
        for t in range(T):
            self.hs[t + 1] = np.tanh(self.xs[t] @ self.U + self.hs[t] @ self.V + self.c)
        return self.hs[1:].copy()

    def backward(self, dhs):
        self.gU, self.gV, self.gc = np.zeros_like(self.U, DTYPE), np.zeros_like(self.V, DTYPE), np.zeros_like(self.c, DTYPE)
        dxs = np.zeros(self.xs.shape, DTYPE)
        carry = np.zeros(self.hs.shape[1:], DTYPE)
        for t in range(len(dhs) - 1, -1, -1):
            da = (carry + dhs[t].astype(DTYPE)) * (1 - self.hs[t + 1] ** 2)
            self.gU += (self.xs[t].T @ da).astype(DTYPE)
            self.gV += (self.hs[t].T @ da).astype(DTYPE)
            self.gc += da.sum(axis=0).astype(DTYPE)
            dxs[t] = da @ self.U.T
            carry = da @ self.V.T
        return dxs


class Gate:
    def __init__(self, d):
        self.K = np.random.randn(d, d).astype(DTYPE)

    def forward(self, x):
        self.x = x.astype(DTYPE)
        self.s = (1 / (1 + np.exp(-(self.x @ self.K)))).astype(DTYPE)
        return self.x * self.s

    def backward(self, dy):
        dy = dy.astype(DTYPE)
        dz = dy * self.x * self.s * (1 - self.s)
        self.dK = self.x.T @ dz
        return dy * self.s + (dz @ self.K.T).astype(DTYPE)


class Attention:
    def forward(self, q, k):
        self.q, self.k = q.astype(DTYPE), k.astype(DTYPE)
        z = self.q @ self.k.T / DTYPE(np.sqrt(q.shape[1]))
        e = np.exp(z - z.max(axis=1, keepdims=True))
        self.a = e / e.sum(axis=1, keepdims=True)
        return self.a

    def backward(self, da):
        da = da.astype(DTYPE)
        dz = self.a * (da - (da * self.a).sum(axis=1, keepdims=True))
        dz = dz / DTYPE(np.sqrt(self.q.shape[1]))
        return dz @ self.k, dz.T @ self.q


class Lookup:
    def __init__(self, n, d):
        self.table = np.random.randn(n, d).astype(DTYPE)

    def forward(self, ids):
        self.ids = ids
        return self.table[ids].astype(DTYPE)

    def backward(self, dy):
        self.dtable = np.zeros(self.table.shape, DTYPE)
        np.add.at(self.dtable, self.ids, dy.astype(DTYPE))


CASES = [
    Case("cell", lambda: check_layer(Cell(3, 4), (2, 3), (2, 4)), bugs=[
        Bug("(1 - self.h1 ** 2)\n        self.dWx", "(1 - self.h0 ** 2)\n        self.dWx", ("x", "h", "Wx", "Wh"), r"tanh|h0|previous"),
        Bug("da.dot(self.Wh.T.astype(DTYPE))", "da.dot(self.Wh.astype(DTYPE))", "h", r"transpos|Wh|\.T"),
        Bug("self.dWx = self.x.T.dot(da)", "self.dWx = self.x.T.dot(da) / len(da)", "Wx", r"1/N|0\.5|half|batch size|mean"),
        Bug("self.dWh = self.h0.T.dot(da)", "self.dWh = self.h1.T.dot(da)", "Wh", r"h1|h0|wrong h|output|time"),
    ]),
    Case("sequence", lambda: check_layer(Sequence(3, 4), (4, 2, 3)), bugs=[
        Bug("carry = da @ self.V.T", "carry = da @ self.V", ("x", "U", "V", "c"), r"transpos|\bV\b|\.T"),
        Bug("self.gV += (self.hs[t].T", "self.gV += (self.hs[t + 1].T", "V", r"time|step|off by one|state|\bhs?\b"),
        Bug("self.gU += (self.xs[t].T", "self.gU = (self.xs[t].T", "U", r"overwrit|accumulat|\+=|last|first|one step"),
        Bug("            carry = da @ self.V.T\n", "", ("x", "U", "V", "c"), r"time|later|next step|recurren|road|length"),
    ]),
    Case("gate", lambda: check_layer(Gate(4), (3, 4)), bugs=[
        Bug("return dy * self.s + (dz", "return (dz", "x", r"road|term|product|missing"),
        Bug("dz = dy * self.x * self.s * (1 - self.s)", "dz = dy * self.s * (1 - self.s)", ("x", "K"), r"factor|missing|\bx\b"),
        Bug("self.dK = self.x.T @ dz", "self.dK = DTYPE(1.02) * self.x.T @ dz", "K", r"1\.02|factor|times"),
        Bug("(dz @ self.K.T)", "(dz @ self.K)", "x", r"transpos|\bK\b|\.T"),
    ]),
    Case("attention weights", lambda: check_layer(Attention(), (3, 4), (5, 4)), bugs=[
        Bug("        dz = dz / DTYPE(np.sqrt(self.q.shape[1]))\n", "", ("x", "k"), r"sqrt|2(\.0*)? times|twice|scale"),
        Bug("(da * self.a).sum(axis=1, keepdims=True)", "(da * self.a).sum(axis=0, keepdims=True)", ("x", "k"), r"axis"),
        Bug("return dz @ self.k, dz.T @ self.q", "return dz @ self.k, -dz.T @ self.q", "k", r"sign|-1"),
        Bug("dz = self.a * (da - (da", "dz = self.a * (da - DTYPE(0.9) * (da", ("x", "k"), r"softmax|term|0\.9"),
    ]),
    Case("lookup", lambda: check_layer(Lookup(6, 3), np.array([[0, 2, 2], [5, 0, 1]])), bugs=[
        Bug("np.add.at(self.dtable, self.ids, dy.astype(DTYPE))", "self.dtable[self.ids] += dy.astype(DTYPE)", "table", r"repeat|add\.at|duplicate|same (index|row|id|word)|accumulat|overwrit"),
        Bug("self.ids, dy.astype(DTYPE))", "self.ids, DTYPE(1.02) * dy.astype(DTYPE))", "table", r"1\.02|factor|times"),
        Bug("self.ids, dy.astype(DTYPE))", "self.ids - 1, dy.astype(DTYPE))", "table", r"shift|row|off by one|roll"),
        Bug("self.ids, dy.astype(DTYPE))", "self.ids, dy[::-1].astype(DTYPE))", "table", r"flip|revers|order|permut|row"),
    ]),
]
