"""A performance-minded hobbyist's: everything is float32, with asserts, buffers and im2col."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer

F32 = np.float32


class Dense32:
    def __init__(self, n_in, n_out, seed=0):
        rng = np.random.default_rng(seed)
        self.w = rng.standard_normal((n_in, n_out), dtype=F32) * F32(0.5)
        self.b = np.zeros(n_out, dtype=F32)

    def forward(self, x):
        assert x.dtype == F32, f"float32 only, got {x.dtype}"
        self.x = x
        return x @ self.w + self.b

    def backward(self, dy):
        assert dy.dtype == F32
        self.dw = self.x.T @ dy
        self.db = dy.sum(axis=0, dtype=F32)
        return dy @ self.w.T


class Conv32:
    """3x3, stride 1, 'same', channels last, through im2col."""

    def __init__(self, c_in, c_out, seed=0):
        self.k = 3
        self.weight = np.random.default_rng(seed).normal(0, 0.3, (9 * c_in, c_out)).astype(np.float32)
        self.bias = np.full(c_out, 0.1, dtype=np.float32)

    def im2col(self, x):
        n, h, w, c = x.shape
        xp = np.zeros((n, h + 2, w + 2, c), dtype=np.float32)
        xp[:, 1:-1, 1:-1] = x
        cols = np.empty((n, h, w, 9, c), dtype=np.float32)
        for i in range(3):
            for j in range(3):
                cols[:, :, :, 3 * i + j] = xp[:, i : i + h, j : j + w]
        return cols.reshape(n * h * w, 9 * c)

    def col2im(self, cols, shape):
        n, h, w, c = shape
        cols = cols.reshape(n, h, w, 9, c)
        xp = np.zeros((n, h + 2, w + 2, c), dtype=np.float32)
        for i in range(3):
            for j in range(3):
                xp[:, i : i + h, j : j + w] += cols[:, :, :, 3 * i + j]
        return xp[:, 1:-1, 1:-1]

    def forward(self, x):
        x = x.astype(np.float32)
        self.shape = x.shape
        self.cols = self.im2col(x)
        out = self.cols @ self.weight + self.bias
        return out.reshape(x.shape[:3] + (-1,))

    def backward(self, dout):
        dout = dout.reshape(-1, self.bias.size).astype(np.float32)
        self.dweight = self.cols.T @ dout
        self.dbias = dout.sum(axis=0)
        return self.col2im(dout @ self.weight.T, self.shape)


CASES = [
    Case(
        "dense in float32",
        lambda: check_layer(Dense32(4, 3), x=np.random.randn(5, 4).astype(F32)),
        bugs=[
            Bug("self.dw = self.x.T @ dy", "self.dw = self.x.T @ dy / F32(len(dy))", "w", r"0\.2|1/N|batch"),
            Bug(
                "self.db = dy.sum(axis=0, dtype=F32)",
                "self.db = dy.mean(axis=0, dtype=F32)",
                "b",
                r"mean|0\.2|1/N|batch",
            ),
            Bug("return dy @ self.w.T", "return dy @ self.w.T * F32(1.1)", "x", r"1\.1|factor|times"),
            Bug("self.dw = self.x.T @ dy", "self.dw = np.abs(self.x.T) @ dy", "w", r"sign|absolute"),
        ],
    ),
    Case(
        "im2col in float32",
        lambda: check_layer(Conv32(2, 3), x=(2, 4, 4, 2)),
        bugs=[
            Bug(
                "xp[:, i : i + h, j : j + w] += cols", "xp[:, i : i + h, j : j + w] = cols", "x", r"overlap|accumul|\+="
            ),
            Bug("return xp[:, 1:-1, 1:-1]", "return xp[:, 2:, 2:]", "x", r"shift|pad|off by|crop|moved"),
            Bug(
                "self.dbias = dout.sum(axis=0)",
                "self.dbias = dout.sum(axis=0) / self.shape[0]",
                "bias",
                r"0\.5|half|1/N|batch",
            ),
            Bug("+= cols[:, :, :, 3 * i + j]", "+= cols[:, :, :, 3 * j + i]", "x", r"transpos|swap|order"),
        ],
    ),
]
