"""Recurrent code of several hands: a GRU cell with a state, an LSTM over time that keeps lists, a bidirectional wrapper."""
import numpy as np


def sig(a):
    return 1 / (1 + np.exp(-a))


class GRUCell:
    def __init__(self, n_in, n_hid):
        s = 1 / np.sqrt(n_hid)
        for gate in "zrn":
            setattr(self, "W" + gate, s * np.random.randn(n_in, n_hid))
            setattr(self, "U" + gate, s * np.random.randn(n_hid, n_hid))
            setattr(self, "b" + gate, np.zeros(n_hid))

    def forward(self, x, h):
        z = sig(x @ self.Wz + h @ self.Uz + self.bz)
        r = sig(x @ self.Wr + h @ self.Ur + self.br)
        n = np.tanh(x @ self.Wn + (r * h) @ self.Un + self.bn)
        self.tape = x, h, z, r, n
        return (1 - z) * n + z * h

    def backward(self, dh_new):
        x, h, z, r, n = self.tape
        dn = dh_new * (1 - z) * (1 - n ** 2)
        dz = dh_new * (h - n) * z * (1 - z)
        drh = dn @ self.Un.T
        dr = drh * h * r * (1 - r)
        self.dWz, self.dWr, self.dWn = x.T @ dz, x.T @ dr, x.T @ dn
        self.dUz, self.dUr, self.dUn = h.T @ dz, h.T @ dr, (r * h).T @ dn
        self.dbz, self.dbr, self.dbn = dz.sum(0), dr.sum(0), dn.sum(0)
        dx = dz @ self.Wz.T + dr @ self.Wr.T + dn @ self.Wn.T
        dh = dh_new * z + drh * r + dz @ self.Uz.T + dr @ self.Ur.T
        return dx, dh


class LSTM:
    """x (T, N, D) -> (last hidden state, last cell state); gates i, f, o, g side by side in one matrix."""

    def __init__(self, D, H):
        self.W = np.random.randn(D + H, 4 * H) / np.sqrt(D + H)
        self.b = np.zeros(4 * H)
        self.b[H:2 * H] = 1.0
        self.H = H

    def forward(self, x):
        T, N, D = x.shape
        h, c = np.zeros((N, self.H)), np.zeros((N, self.H))
        self.steps = []
        for t in range(T):
            xh = np.hstack([x[t], h])
            i, f, o, g = np.split(xh @ self.W + self.b, 4, axis=1)
            i, f, o, g = sig(i), sig(f), sig(o), np.tanh(g)
            c_prev = c
            c = f * c + i * g
            h = o * np.tanh(c)
            self.steps.append((xh, i, f, o, g, c_prev, c))
        return h, c

    def backward(self, dh, dc):
        self.dW, self.db = np.zeros_like(self.W), np.zeros_like(self.b)
        dxs = []
        for xh, i, f, o, g, c_prev, c in reversed(self.steps):
            tc = np.tanh(c)
            dc = dc + dh * o * (1 - tc ** 2)
            d = np.hstack([dc * g * i * (1 - i), dc * c_prev * f * (1 - f), dh * tc * o * (1 - o), dc * i * (1 - g ** 2)])
            self.dW += xh.T @ d
            self.db += d.sum(axis=0)
            dxh = d @ self.W.T
            dxs.append(dxh[:, :-self.H])
            dh = dxh[:, -self.H:]
            dc = dc * f
        return np.stack(dxs[::-1])


class ElmanLayer:
    """h_t = relu(x_t Wx + h_{t-1} Wh), x (N, T, D); returns all states."""

    def __init__(self, D, H):
        self.Wx, self.Wh = np.random.randn(D, H), 0.5 * np.random.randn(H, H)

    def forward(self, x):
        N, T, _ = x.shape
        hs = np.zeros((N, T + 1, self.Wh.shape[0]))
        for t in range(T):
            hs[:, t + 1] = np.maximum(0, x[:, t] @ self.Wx + hs[:, t] @ self.Wh)
        self.x, self.hs = x, hs
        return hs[:, 1:]

    def backward(self, dhs):
        dx, self.dWx, self.dWh = np.empty_like(self.x), 0, 0
        nxt = 0
        for t in reversed(range(dhs.shape[1])):
            da = (dhs[:, t] + nxt) * (self.hs[:, t + 1] > 0)
            self.dWx = self.dWx + self.x[:, t].T @ da
            self.dWh = self.dWh + self.hs[:, t].T @ da
            dx[:, t] = da @ self.Wx.T
            nxt = da @ self.Wh.T
        return dx


class Bidirectional:
    def __init__(self, forward_layer, backward_layer):
        self.fw, self.bw = forward_layer, backward_layer

    def forward(self, x):
        return np.concatenate([self.fw.forward(x), self.bw.forward(x[:, ::-1])[:, ::-1]], axis=2)

    def backward(self, dy):
        left, right = np.split(dy, 2, axis=2)
        return self.fw.backward(left) + self.bw.backward(right[:, ::-1])[:, ::-1]


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_layer  # noqa: E402

CASES = [
    Case("recurrent_gru_cell", lambda: check_layer(GRUCell(3, 4), x=(5, 3), h=(5, 4)), bugs=[
        Bug("dh = dh_new * z + drh * r", "dh = dh_new * z + drh", "h", r"reset|gate|term|factor"),
        Bug("(r * h).T @ dn", "h.T @ dn", "Un", r"reset|gate|factor|input|missing"),
        Bug("dz = dh_new * (h - n)", "dz = dh_new * (n - h)", ("x", "h", "Wz", "Uz", "bz"), r"sign|-1 times"),
    ]),
    Case("recurrent_lstm_last", lambda: check_layer(LSTM(3, 4), x=(4, 2, 3)), bugs=[
        Bug("            dc = dc * f\n", "", ("x", "W", "b"), r"forget|gate|time|step|recur"),
        Bug("dc = dc + dh * o * (1 - tc ** 2)", "dc = dh * o * (1 - tc ** 2)", ("x", "W", "b"),
            r"time|cell|step|recur|missing|output"),
        Bug("self.db += d.sum(axis=0)", "self.db = d.sum(axis=0)", "b", r"accumulat|\+=|step|overw"),
    ]),
    Case("recurrent_bidirectional", lambda: check_layer(Bidirectional(ElmanLayer(3, 4), ElmanLayer(3, 4)), x=(2, 5, 3)), bugs=[
        Bug("self.bw.backward(right[:, ::-1])[:, ::-1]", "self.bw.backward(right[:, ::-1])", "x", r"revers|flip|time|order"),
        Bug("(dhs[:, t] + nxt) * ", "dhs[:, t] * ", ("x", "fw.Wx", "fw.Wh", "bw.Wx", "bw.Wh"), r"time|recur|step|missing"),
    ]),
]
