"""A textbook's: each layer has a list `params` and a list `grads`, which is filled in place."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer, check_loss


class Affine:
    def __init__(self, W, b):
        self.params = [W, b]
        self.grads = [np.zeros_like(W), np.zeros_like(b)]
        self.x = None

    def forward(self, x):
        W, b = self.params
        out = np.dot(x, W) + b
        self.x = x
        return out

    def backward(self, dout):
        W, b = self.params
        dx = np.dot(dout, W.T)
        dW = np.dot(self.x.T, dout)
        db = np.sum(dout, axis=0)
        self.grads[0][...] = dW
        self.grads[1][...] = db
        return dx


class Embedding:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.idx = None

    def forward(self, idx):
        (W,) = self.params
        self.idx = idx
        return W[idx]

    def backward(self, dout):
        (dW,) = self.grads
        dW[...] = 0
        np.add.at(dW, self.idx, dout)
        return None


class SoftmaxWithLoss:
    def __init__(self):
        self.params, self.grads = [], []
        self.y = None  # output of softmax
        self.t = None  # labels

    def forward(self, x, t):
        self.t = t
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        batch_size = x.shape[0]
        return -np.sum(np.log(self.y[np.arange(batch_size), t] + 1e-7)) / batch_size

    def backward(self, dout=1):
        batch_size = self.t.shape[0]
        p = self.y[np.arange(batch_size), self.t]
        scale = p / (p + 1e-7)
        dx = self.y.copy()
        dx[np.arange(batch_size), self.t] -= 1
        dx *= dout * scale[:, None]
        dx = dx / batch_size
        return dx


class RNN:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.cache = None

    def forward(self, x, h_prev):
        Wx, Wh, b = self.params
        t = np.dot(h_prev, Wh) + np.dot(x, Wx) + b
        h_next = np.tanh(t)
        self.cache = (x, h_prev, h_next)
        return h_next

    def backward(self, dh_next):
        Wx, Wh, b = self.params
        x, h_prev, h_next = self.cache

        dt = dh_next * (1 - h_next**2)
        dbias = np.sum(dt, axis=0)
        dWh = np.dot(h_prev.T, dt)
        dh_prev = np.dot(dt, Wh.T)
        dWx = np.dot(x.T, dt)
        dx_t = np.dot(dt, Wx.T)

        self.grads[0][...] = dWx
        self.grads[1][...] = dWh
        self.grads[2][...] = dbias
        return dx_t, dh_prev


class TimeAffine:
    """Affine for every step of a sequence (N, T, D)."""

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
        drx = np.dot(dout, W.T)
        return drx.reshape(*x.shape)


def randn(*shape):
    return np.random.randn(*shape)


CASES = [
    Case(
        "affine with lists",
        lambda: check_layer(Affine(randn(4, 3), randn(3)), x=(5, 4)),
        bugs=[
            Bug(
                "dW = np.dot(self.x.T, dout)", "dW = np.dot(self.x.T, dout) / len(dout)", "params[0]", r"0\.2|1/N|batch"
            ),
            Bug("db = np.sum(dout, axis=0)", "db = np.mean(dout, axis=0)", "params[1]", r"mean|1/N|0\.2|batch"),
            Bug("dx = np.dot(dout, W.T)", "dx = np.dot(dout, W.T) + b.sum()", "x", r"constant|offset|extra|added|bias"),
            Bug("self.grads[1][...] = db", "self.grads[1] += db", "params[1]", r"accumul|\+=|left|add|twice"),
            Bug("self.grads[0][...] = dW\n", "self.grads[0][...] = -dW\n", "params[0]", r"sign|-1"),
        ],
    ),
    Case(
        "embedding with repeated ids",
        lambda: check_layer(Embedding(randn(6, 3)), idx=np.array([[0, 2, 2], [5, 0, 1]])),
        bugs=[
            Bug(
                "np.add.at(dW, self.idx, dout)",
                "dW[self.idx] = dout",
                "params[0]",
                r"repeat|add\.at|twice|more than once|duplicate|accumul",
            ),
            Bug(
                "np.add.at(dW, self.idx, dout)",
                "dW[self.idx] += dout",
                "params[0]",
                r"repeat|add\.at|twice|more than once|duplicate|accumul",
            ),
            Bug(
                "np.add.at(dW, self.idx, dout)",
                "np.add.at(dW, self.idx - 1, dout)",
                "params[0]",
                r"shift|index|row|moved|order",
            ),
        ],
    ),
    Case(
        "softmax with loss",
        lambda: check_loss(SoftmaxWithLoss(), np.random.randn(4, 3), np.array([0, 2, 1, 1])),
        bugs=[
            Bug("dx = dx / batch_size", "dx = dx / 1.0", "y_pred", r"4 times|batch|1/N"),
            Bug("self.t] -= 1", "self.t] += 1", "y_pred", r"sign|label|target|one-hot|subtract"),
            Bug("dx *= dout * scale[:, None]", "dx *= -dout * scale[:, None]", "y_pred", r"sign|-1"),
            Bug("dx = dx / batch_size", "dx = dx / dx.size", "y_pred", r"0\.333|1/3|classes|size"),
        ],
    ),
    Case(
        "rnn step",
        lambda: check_layer(RNN(randn(3, 4), randn(4, 4), randn(4)), x=(2, 3), h_prev=(2, 4)),
        bugs=[
            Bug(
                "dt = dh_next * (1 - h_next**2)",
                "dt = dh_next * (1 - h_next)",
                ("x", "h_prev", "params[0]", "params[1]", "params[2]"),
                r"tanh|derivative|square",
            ),
            Bug(
                "dt = dh_next * (1 - h_next**2)",
                "dt = dh_next",
                ("x", "h_prev", "params[0]", "params[1]", "params[2]"),
                r"tanh|derivative|activation",
            ),
            Bug("dh_prev = np.dot(dt, Wh.T)", "dh_prev = np.dot(dt, Wh)", "h_prev", r"transpos|\.T"),
            Bug("dWh = np.dot(h_prev.T, dt)", "dWh = np.dot(h_next.T, dt)", "params[1]", r"h_next|output|instead"),
            Bug("dx_t = np.dot(dt, Wx.T)", "dx_t = np.dot(dh_next, Wx.T)", "x", r"tanh|derivative|activation"),
        ],
    ),
    Case(
        "time affine",
        lambda: check_layer(TimeAffine(randn(4, 3), randn(3)), x=(2, 5, 4)),
        bugs=[
            Bug(
                "self.grads[1][...] = np.sum(dout, axis=0)",
                "self.grads[1][...] = np.sum(dout, axis=0) / T",
                "params[1]",
                r"0\.2|1/|mean",
            ),
            Bug(
                "rx = x.reshape(N * T, -1)\n        self.grads",
                "rx = x.transpose(1, 0, 2).reshape(N * T, -1)\n        self.grads",
                "params[0]",
                r"order|axes|transpos|swap|permut",
            ),
            Bug(
                "return drx.reshape(*x.shape)",
                "return drx.reshape(T, N, D).transpose(1, 0, 2)",
                "x",
                r"order|axes|transpos|swap|permut|reshape",
            ),
            Bug("drx = np.dot(dout, W.T)", "drx = np.dot(dout, W.T) / (N * T)", "x", r"0\.1|1/N|batch|mean"),
        ],
    ),
]
