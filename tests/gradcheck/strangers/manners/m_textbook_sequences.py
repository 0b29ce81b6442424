"""A textbook's second volume: params and grads as lists, grads written with [...], layers in time with kept states."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class MatMul:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.x = None

    def forward(self, x):
        W, = self.params
        out = np.dot(x, W)
        self.x = x
        return out

    def backward(self, dout):
        W, = self.params
        dx = np.dot(dout, W.T)
        dW = np.dot(self.x.T, dout)
        self.grads[0][...] = dW
        return dx


class Sigmoid:
    def __init__(self):
        self.params, self.grads = [], []
        self.out = None

    def forward(self, x):
        out = 1 / (1 + np.exp(-x))
        self.out = out
        return out

    def backward(self, dout):
        return dout * (1.0 - self.out) * self.out


class Embedding:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.idx = None

    def forward(self, idx):
        W, = self.params
        self.idx = idx
        return W[idx]

    def backward(self, dout):
        dW, = self.grads
        dW[...] = 0
        np.add.at(dW, self.idx, dout)
        return None


class RNN:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.cache = None

    def forward(self, x, h_prev):
        Wx, Wh, b = self.params
        h_next = np.tanh(np.dot(h_prev, Wh) + np.dot(x, Wx) + b)
        self.cache = (x, h_prev, h_next)
        return h_next

    def backward(self, dh_next):
        Wx, Wh, b = self.params
        x, h_prev, h_next = self.cache
        dt = dh_next * (1 - h_next ** 2)
        self.grads[0][...] = np.dot(x.T, dt)
        self.grads[1][...] = np.dot(h_prev.T, dt)
        self.grads[2][...] = np.sum(dt, axis=0)
        return np.dot(dt, Wx.T), np.dot(dt, Wh.T)


class TimeRNN:
    def __init__(self, Wx, Wh, b, stateful=False):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.layers = None
        self.h, self.dh = None, None
        self.stateful = stateful

    def forward(self, xs):
        Wx, Wh, b = self.params
        N, T, D = xs.shape
        H = Wx.shape[1]
        self.layers = []
        hs = np.empty((N, T, H), dtype=xs.dtype)
        if not self.stateful or self.h is None:
            self.h = np.zeros((N, H), dtype=xs.dtype)
        for t in range(T):
            layer = RNN(*self.params)
            self.h = layer.forward(xs[:, t, :], self.h)
            hs[:, t, :] = self.h
            self.layers.append(layer)
        return hs

    def backward(self, dhs):
        N, T, H = dhs.shape
        dxs = np.empty((N, T, self.params[0].shape[0]), dtype=dhs.dtype)
        dh = 0
        grads = [0, 0, 0]
        for t in reversed(range(T)):
            layer = self.layers[t]
            dx, dh = layer.backward(dhs[:, t, :] + dh)  # the gradients flow together
            dxs[:, t, :] = dx
            for i, grad in enumerate(layer.grads):
                grads[i] += grad
        for i, grad in enumerate(grads):
            self.grads[i][...] = grad
        self.dh = dh
        return dxs


class TimeAffine:
    def __init__(self, W, b):
        self.params = [W, b]
        self.grads = [np.zeros_like(W), np.zeros_like(b)]
        self.x = None

    def forward(self, x):
        N, T, D = x.shape
        W, b = self.params
        rx = x.reshape(N * T, -1)
        self.x = x
        return (np.dot(rx, W) + b).reshape(N, T, -1)

    def backward(self, dout):
        x = self.x
        N, T, D = x.shape
        W, b = self.params
        dout = dout.reshape(N * T, -1)
        rx = x.reshape(N * T, -1)
        self.grads[0][...] = np.dot(rx.T, dout)
        self.grads[1][...] = np.sum(dout, axis=0)
        return np.dot(dout, W.T).reshape(*x.shape)


rn = np.random.randn

CASES = [
    Case("matmul", lambda: check_layer(MatMul(rn(3, 2)), x=(4, 3)), bugs=[
        Bug("        dW = np.dot(self.x.T, dout)\n", "        dW = np.dot(self.x.T, dout) / len(dout)\n", "params[0]", r"1/N|batch size|mean"),
        Bug("self.grads[0][...] = dW", "self.grads[0][...] = W", "params[0]", r"itself|value|not.*gradient|dy|depend"),
        Bug("        self.grads[0][...] = dW\n", "", "params[0]", r"zero|never|not (written|set)|missing"),
        Bug("dx = np.dot(dout, W.T)\n        dW", "dx = 3 * np.dot(dout, W.T)\n        dW", "x", r"3(\.0*)? times|factor"),
    ]),
    Case("sigmoid", lambda: check_layer(Sigmoid(), x=(4, 3)), bugs=[
        Bug("dout * (1.0 - self.out) * self.out", "dout * (1.0 - self.out)", "x", r"sigmoid|derivative|factor|missing"),
        Bug("dout * (1.0 - self.out) * self.out", "dout * (self.out - 1.0) * self.out", "x", r"sign|-1"),
        Bug("dout * (1.0 - self.out) * self.out", "(1.0 - self.out) * self.out", "x", r"dy|dout|ignore|upstream"),
        Bug("dout * (1.0 - self.out) * self.out", "dout * (1.0 - self.out ** 2)", "x", r"tanh|sigmoid|derivative"),
    ]),
    Case("embedding", lambda: check_layer(Embedding(rn(7, 3)), x=np.array([[1, 2, 2], [0, 6, 1]])), bugs=[
        Bug("np.add.at(dW, self.idx, dout)", "dW[self.idx] = dout", "params[0]", r"repeat|add\.at|duplicate|same (index|row|id|word)|accumulat|overwrit"),
        Bug("np.add.at(dW, self.idx, dout)", "np.add.at(dW, self.idx.T.reshape(self.idx.shape), dout)", "params[0]", r"order|reshape|transpos|permut|index|row"),
        Bug("np.add.at(dW, self.idx, dout)", "np.add.at(dW, self.idx, 2 * dout)", "params[0]", r"2(\.0*)? times|twice|factor"),
        Bug("np.add.at(dW, self.idx, dout)", "np.add.at(dW, self.idx, dout[::-1])", "params[0]", r"flip|revers|order|permut"),
    ]),
    Case("rnn cell", lambda: check_layer(RNN(rn(3, 4), rn(4, 4), rn(4)), x=(2, 3), h_prev=(2, 4)), bugs=[
        Bug("dt = dh_next * (1 - h_next ** 2)", "dt = dh_next * (1 - h_next)", ("x", "h_prev", "params[0]", "params[1]", "params[2]"), r"tanh|derivative"),
        Bug("return np.dot(dt, Wx.T), np.dot(dt, Wh.T)", "return np.dot(dt, Wx.T), np.dot(dt, Wh)", "h_prev", r"transpos|\.T"),
        Bug("self.grads[1][...] = np.dot(h_prev.T, dt)", "self.grads[1][...] = np.dot(h_next.T, dt)", "params[1]", r"h_next|h_prev|wrong h|output|time"),
        Bug("self.grads[2][...] = np.sum(dt, axis=0)", "self.grads[2][...] = np.sum(dh_next, axis=0)", "params[2]", r"tanh|derivative|missing|factor"),
    ]),
    Case("time rnn", lambda: check_layer(TimeRNN(rn(3, 4), rn(4, 4), rn(4)), x=(2, 5, 3)), bugs=[
        Bug("layer.backward(dhs[:, t, :] + dh)", "layer.backward(dhs[:, t, :])", ("x", "params[0]", "params[1]", "params[2]"), r"time|later|next step|recurren|road|length"),
        Bug("                grads[i] += grad", "                grads[i] = grad", ("params[0]", "params[1]", "params[2]"), r"overwrit|accumulat|\+=|last|first|one step"),
        Bug("return np.dot(dt, Wx.T), np.dot(dt, Wh.T)", "return np.dot(dt, Wx.T), np.dot(dt, Wh)", ("x", "params[0]", "params[1]", "params[2]"), r"transpos|Wh|\.T|params\[1\]"),
        Bug("for t in reversed(range(T)):\n            layer = self", "for t in range(T):\n            layer = self", ("x", "params[0]", "params[1]", "params[2]"), r"order|revers|time|direction|forward"),
    ]),
    Case("time affine", lambda: check_layer(TimeAffine(rn(3, 2), rn(2)), (2, 4, 3)), bugs=[
        Bug("self.grads[1][...] = np.sum(dout, axis=0)\n        return np.dot(dout, W.T).reshape", "self.grads[1][...] = np.sum(dout, axis=0) / T\n        return np.dot(dout, W.T).reshape", "params[1]", r"1/|4|0\.25|\bT\b|mean"),
        Bug("self.grads[0][...] = np.dot(rx.T, dout)", "self.grads[0][...] = np.dot(rx[:T].T, dout[:T])", "params[0]", r"first|batch|row|sum|example"),
        Bug("self.grads[0][...] = np.dot(rx.T, dout)", "self.grads[0] += np.dot(rx.T, dout) * self.params[0]", "params[0]", r"extra|factor|W|params"),
        Bug("np.dot(dout, W.T).reshape(*x.shape)", "np.dot(dout, W.T).reshape(T, N, D).swapaxes(0, 1)", "x", r"reshape|order|permut|transpos|axes"),
    ]),
]
