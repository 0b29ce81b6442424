"""A student's LSTM, GRU and tree cells: several inputs and outputs, every gate a matrix of its own."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


def sig(z):
    return 1.0 / (1.0 + np.exp(-z))


class LSTMCell:
    def __init__(self, d, h):
        rng = np.random.RandomState(1)
        for g in "fiog":
            setattr(self, "W" + g, rng.randn(d + h, h) * 0.5)
            setattr(self, "b" + g, np.zeros(h))

    def forward(self, x, h, c):
        self.z = np.concatenate([x, h], axis=1)
        self.c_old = c
        self.f = sig(self.z @ self.Wf + self.bf)
        self.i = sig(self.z @ self.Wi + self.bi)
        self.o = sig(self.z @ self.Wo + self.bo)
        self.g = np.tanh(self.z @ self.Wg + self.bg)
        self.c = self.f * c + self.i * self.g
        self.tc = np.tanh(self.c)
        return self.o * self.tc, self.c

    def backward(self, dh, dc):
        dc = dc + dh * self.o * (1 - self.tc ** 2)
        do = dh * self.tc * self.o * (1 - self.o)
        df = dc * self.c_old * self.f * (1 - self.f)
        di = dc * self.g * self.i * (1 - self.i)
        dg = dc * self.i * (1 - self.g ** 2)
        dz = 0
        for name, d in (("f", df), ("i", di), ("o", do), ("g", dg)):
            setattr(self, "dW" + name, self.z.T @ d)
            setattr(self, "db" + name, d.sum(axis=0))
            dz = dz + d @ getattr(self, "W" + name).T
        n = dz.shape[1] - dh.shape[1]
        return dz[:, :n], dz[:, n:], dc * self.f


class GRUCell:
    def __init__(self, d, h):
        rng = np.random.RandomState(2)
        self.Wzx, self.Wzh, self.bz = rng.randn(d, h), rng.randn(h, h), rng.randn(h)
        self.Wrx, self.Wrh, self.br = rng.randn(d, h), rng.randn(h, h), rng.randn(h)
        self.Wnx, self.Wnh, self.bn = rng.randn(d, h), rng.randn(h, h), rng.randn(h)

    def forward(self, x, h):
        self.x, self.hidden = x, h
        self.z = sig(x @ self.Wzx + h @ self.Wzh + self.bz)
        self.r = sig(x @ self.Wrx + h @ self.Wrh + self.br)
        self.hn = h @ self.Wnh
        self.n = np.tanh(x @ self.Wnx + self.r * self.hn + self.bn)
        return (1 - self.z) * self.n + self.z * h

    def backward(self, delta):
        x, h, z, r, n = self.x, self.hidden, self.z, self.r, self.n
        dn = delta * (1 - z) * (1 - n * n)
        dz = delta * (h - n) * z * (1 - z)
        dr = dn * self.hn * r * (1 - r)
        dhn = dn * r
        self.dWnx, self.dWnh, self.dbn = x.T @ dn, h.T @ dhn, dn.sum(0)
        self.dWzx, self.dWzh, self.dbz = x.T @ dz, h.T @ dz, dz.sum(0)
        self.dWrx, self.dWrh, self.dbr = x.T @ dr, h.T @ dr, dr.sum(0)
        dx = dn @ self.Wnx.T + dz @ self.Wzx.T + dr @ self.Wrx.T
        dh_prev = delta * z + dhn @ self.Wnh.T + dz @ self.Wzh.T + dr @ self.Wrh.T
        return dx, dh_prev


class TreeCell:
    """joins the states of two children"""

    def __init__(self, h):
        rng = np.random.RandomState(3)
        self.U, self.b = rng.randn(2 * h, 4 * h) * 0.4, rng.randn(4 * h)

    def forward(self, hl, cl, hr, cr):
        H = hl.shape[1]
        self.hh, self.cl, self.cr = np.hstack([hl, hr]), cl, cr
        a = self.hh @ self.U + self.b
        self.i, self.fl, self.fr = sig(a[:, :H]), sig(a[:, H:2 * H]), sig(a[:, 2 * H:3 * H])
        self.u = np.tanh(a[:, 3 * H:])
        c = self.i * self.u + self.fl * cl + self.fr * cr
        return np.tanh(c), c

    def backward(self, dh, dc):
        H = dh.shape[1]
        c = self.i * self.u + self.fl * self.cl + self.fr * self.cr
        dc = dc + dh * (1 - np.tanh(c) ** 2)
        da = np.hstack([
            dc * self.u * self.i * (1 - self.i),
            dc * self.cl * self.fl * (1 - self.fl),
            dc * self.cr * self.fr * (1 - self.fr),
            dc * self.i * (1 - self.u ** 2),
        ])
        self.dU, self.db = self.hh.T @ da, da.sum(axis=0)
        dhh = da @ self.U.T
        return dhh[:, :H], dc * self.fl, dhh[:, H:], dc * self.fr


LSTM = ("x", "h", "c", "Wf", "Wi", "Wg", "bf", "bi", "bg")

CASES = [
    Case("lstm", lambda: check_layer(LSTMCell(3, 4), x=(2, 3), h=(2, 4), c=(2, 4)), bugs=[
        Bug("dc = dc + dh * self.o * (1 - self.tc ** 2)", "dc = dc + dh * self.o", LSTM, r"tanh|derivative"),
        Bug("dc = dc + dh * self.o * (1 - self.tc ** 2)", "dc = dc + dh * self.o * (1 - self.c ** 2)", LSTM, r"tanh|derivative"),
        Bug("df = dc * self.c_old", "df = dc * self.c", ("x", "h", "Wf", "bf"), r"c_old|gate|stale|\bc\b|old|state"),
        Bug("dz[:, n:], dc * self.f", "dz[:, n:], dc * self.i", "c", r"gate|forget|\bf\b"),
        Bug("        dc = dc + dh * self.o * (1 - self.tc ** 2)\n", "", LSTM, r"road|missing|first output|dh|term|through|ignor"),
        Bug("return dz[:, :n], dz[:, n:],", "return dz[:, -n:], dz[:, :-n],", ("x", "h"), r"swap|order|slice|columns|split|roll|shift"),
    ]),
    Case("gru", lambda: check_layer(GRUCell(3, 4), (2, 3), (2, 4)), bugs=[
        Bug("dh_prev = delta * z + dhn", "dh_prev = dhn", "h", r"road|term|missing|\bz\b"),
        Bug("dhn = dn * r", "dhn = dn", ("h", "Wnh"), r"\br\b|reset|factor|missing"),
        Bug("dz = delta * (h - n) * z", "dz = delta * (n - h) * z", ("x", "h", "Wzx", "Wzh", "bz"), r"sign|-1"),
        Bug("dn = delta * (1 - z) * (1 - n * n)", "dn = delta * z * (1 - n * n)", ("x", "h", "Wnx", "Wnh", "bn", "Wrx", "Wrh", "br"), r"gate|1 - z|\bz\b"),
        Bug("dz @ self.Wzh.T + dr @ self.Wrh.T", "dz @ self.Wzh + dr @ self.Wrh.T", "h", r"transpos|Wzh|\.T"),
        Bug("dr = dn * self.hn * r * (1 - r)", "dr = dn * h * r * (1 - r)", ("x", "h", "Wrx", "Wrh", "br"), r"hn|Wnh|missing|factor|\bh\b"),
    ]),
    Case("tree cell", lambda: check_layer(TreeCell(3), (2, 3), (2, 3), (2, 3), (2, 3)), bugs=[
        Bug("dhh[:, :H], dc * self.fl, dhh[:, H:], dc * self.fr", "dhh[:, :H], dc * self.fr, dhh[:, H:], dc * self.fl", ("cl", "cr"), r"swap|exchang|gate|fl|fr"),
        Bug("dc * self.cr * self.fr * (1 - self.fr)", "dc * self.cl * self.fr * (1 - self.fr)", ("x", "hr", "U", "b"), r"cr|cl|gate|block|columns"),
        Bug("dc = dc + dh * (1 - np.tanh(c) ** 2)", "dc = dc + dh * (1 - c ** 2)", ("x", "cl", "hr", "cr", "U", "b"), r"tanh|derivative"),
        Bug("self.db = self.hh.T @ da, da.sum(axis=0)", "self.db = self.hh.T @ da, da.mean(axis=0)", "b", r"1/N|batch size|mean|0\.5|half"),
        Bug("return dhh[:, :H], dc * self.fl, dhh[:, H:]", "return dhh[:, H:], dc * self.fl, dhh[:, :H]", ("x", "hr"), r"swap|exchang|order"),
    ]),
]
