"""A vision hobbyist's convolutions in NHWC and NCHW: im2col with stride tricks, transposed, depthwise, pooling, padding, upsampling."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


def im2col(x, kh, kw):
    return np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(1, 2))  # n, oh, ow, c, kh, kw


class ConvNHWC:
    def __init__(self, kh, kw, cin, cout):
        self.kernel = np.random.randn(kh, kw, cin, cout)
        self.b = np.random.randn(cout)

    def forward(self, x):
        kh, kw, ci, co = self.kernel.shape
        self.shape = x.shape
        cols = im2col(x, kh, kw)
        n, oh, ow = cols.shape[:3]
        self.cols = cols.transpose(0, 1, 2, 4, 5, 3).reshape(n * oh * ow, kh * kw * ci)
        return (self.cols @ self.kernel.reshape(-1, co) + self.b).reshape(n, oh, ow, co)

    def backward(self, dy):
        kh, kw, ci, co = self.kernel.shape
        n, oh, ow, _ = dy.shape
        flat = dy.reshape(-1, co)
        self.dkernel = (self.cols.T @ flat).reshape(kh, kw, ci, co)
        self.db = flat.sum(axis=0)
        dcols = (flat @ self.kernel.reshape(-1, co).T).reshape(n, oh, ow, kh, kw, ci)
        dx = np.zeros(self.shape)
        for i in range(kh):
            for j in range(kw):
                dx[:, i:i + oh, j:j + ow] += dcols[:, :, :, i, j]
        return dx


class TransposedConv:
    """NCHW, stride s, no padding"""

    def __init__(self, ci, co, k, s):
        self.s = s
        self.W = np.random.randn(ci, co, k, k)

    def forward(self, x):
        self.x = x
        n, c, h, w = x.shape
        k, s = self.W.shape[2], self.s
        y = np.zeros((n, self.W.shape[1], (h - 1) * s + k, (w - 1) * s + k))
        for i in range(h):
            for j in range(w):
                y[:, :, i * s:i * s + k, j * s:j * s + k] += np.tensordot(x[:, :, i, j], self.W, axes=1)
        return y

    def backward(self, dy):
        k, s = self.W.shape[2], self.s
        self.dW = np.zeros_like(self.W)
        dx = np.zeros_like(self.x)
        for i in range(dx.shape[2]):
            for j in range(dx.shape[3]):
                piece = dy[:, :, i * s:i * s + k, j * s:j * s + k]
                self.dW += np.tensordot(self.x[:, :, i, j].T, piece, axes=1)
                dx[:, :, i, j] = np.tensordot(piece, self.W, axes=([1, 2, 3], [1, 2, 3]))
        return dx


class Depthwise:
    def __init__(self, c, k):
        self.f = np.random.randn(c, k, k)

    def forward(self, x):
        self.x = x
        win = np.lib.stride_tricks.sliding_window_view(x, self.f.shape[1:], axis=(2, 3))
        return np.einsum("nchwij,cij->nchw", win, self.f)

    def backward(self, g):
        _, k, l = self.f.shape
        win = np.lib.stride_tricks.sliding_window_view(self.x, (k, l), axis=(2, 3))
        self.grad_f = np.einsum("nchwij,nchw->cij", win, g)
        gp = np.pad(g, ((0, 0), (0, 0), (k - 1, k - 1), (l - 1, l - 1)))
        gwin = np.lib.stride_tricks.sliding_window_view(gp, (k, l), axis=(2, 3))
        return np.einsum("nchwij,cij->nchw", gwin, self.f[:, ::-1, ::-1])


class Upsample:
    def __init__(self, r):
        self.r = r

    def forward(self, x):
        return x.repeat(self.r, axis=2).repeat(self.r, axis=3)

    def backward(self, dy):
        n, c, h, w = dy.shape
        r = self.r
        return dy.reshape(n, c, h // r, r, w // r, r).sum(axis=(3, 5))


class PixelShuffle:
    def __init__(self, r):
        self.r = r

    def forward(self, x):
        n, c, h, w = x.shape
        r = self.r
        return x.reshape(n, c // r**2, r, r, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // r**2, h * r, w * r)

    def backward(self, dy):
        n, c, h, w = dy.shape
        r = self.r
        return dy.reshape(n, c, h // r, r, w // r, r).transpose(0, 1, 3, 5, 2, 4).reshape(n, c * r**2, h // r, w // r)


class MaxPool:
    def __init__(self, size, stride):
        self.size, self.stride = size, stride

    def forward(self, x):
        self.x = x
        n, h, w, c = x.shape
        oh, ow = (h - self.size) // self.stride + 1, (w - self.size) // self.stride + 1
        out = np.full((n, oh, ow, c), -np.inf)
        self.arg = np.zeros((n, oh, ow, c), int)
        for i in range(self.size):
            for j in range(self.size):
                v = x[:, i:i + oh * self.stride:self.stride, j:j + ow * self.stride:self.stride][:, :oh, :ow]
                better = v > out
                self.arg[better] = i * self.size + j
                out = np.where(better, v, out)
        return out

    def backward(self, dy):
        dx = np.zeros_like(self.x)
        n, oh, ow, c = np.indices(dy.shape)
        r = oh * self.stride + self.arg // self.size
        s = ow * self.stride + self.arg % self.size
        np.add.at(dx, (n, r, s, c), dy)
        return dx


CASES = [
    Case("conv nhwc", lambda: check_layer(ConvNHWC(3, 2, 2, 3), x=(2, 5, 4, 2)), bugs=[
        Bug("(self.cols.T @ flat).reshape(kh, kw, ci, co)", "(self.cols.T @ flat).reshape(kw, kh, ci, co).transpose(1, 0, 2, 3)", "kernel", r"height|width|reshape|transpos|swap|square"),
        Bug("(self.cols.T @ flat).reshape(kh, kw, ci, co)", "(self.cols.T @ flat).reshape(ci, kh, kw, co).transpose(1, 2, 0, 3)", "kernel", r"channel|reshape|transpos|order|permut"),
        Bug(".reshape(n, oh, ow, kh, kw, ci)", ".reshape(n, ow, oh, kh, kw, ci).transpose(0, 2, 1, 3, 4, 5)", "x", r"height|width|reshape|transpos|swap|square"),
        Bug("dx[:, i:i + oh, j:j + ow] += dcols", "dx[:, i:i + oh, j:j + ow] = dcols", "x", r"overwrit|accumulat|\+=|last|overlap"),
        Bug("self.db = flat.sum(axis=0)", "self.db = flat.mean(axis=0)", "b", r"mean|1/|times"),
    ]),
    Case("square conv nhwc", lambda: check_layer(ConvNHWC(3, 3, 2, 2), x=(2, 5, 5, 2)), bugs=[
        Bug("+= dcols[:, :, :, i, j]", "+= dcols[:, :, :, j, i]", "x", r"height|width|transpos|swap"),
        Bug("self.dkernel = (self.cols.T @ flat)", "self.dkernel = (self.cols.T @ flat[::-1])", "kernel", r"flip|revers|order|permut"),
        Bug("flat = dy.reshape(-1, co)", "flat = dy.transpose(0, 2, 1, 3).reshape(-1, co)", ("x", "kernel"), r"height|width|reshape|transpos|swap"),
        Bug("self.kernel.reshape(-1, co).T)", "self.kernel[::-1, ::-1].reshape(-1, co).T)", "x", r"flip|rotat|revers"),
    ]),
    Case("transposed conv", lambda: check_layer(TransposedConv(2, 3, 3, 2), x=(2, 2, 3, 4)), bugs=[
        Bug("                self.dW += np", "                self.dW = np", "W", r"overwrit|accumulat|\+=|last"),
        Bug("piece = dy[:, :, i * s:i * s + k, j * s:j * s + k]", "piece = dy[:, :, i:i + k, j:j + k]", ("x", "W"), r"strid|shift|place"),
        Bug("dx[:, :, i, j] = np.tensordot(piece, self.W,", "dx[:, :, i, j] = np.tensordot(piece, self.W[:, :, ::-1, ::-1],", "x", r"flip|rotat|revers"),
        Bug("dx[:, :, i, j] = np.tensordot(piece, self.W,", "dx[:, :, i, j] = np.tensordot(piece, self.W.transpose(0, 1, 3, 2),", "x", r"transpos|height|width|swap"),
    ]),
    Case("depthwise", lambda: check_layer(Depthwise(3, 3), x=(2, 3, 5, 4)), bugs=[
        Bug("gwin, self.f[:, ::-1, ::-1])", "gwin, self.f)", "x", r"flip|rotat|revers"),
        Bug('np.einsum("nchwij,nchw->cij", win, g)', 'np.einsum("chwij,chw->cij", win[0], g[0])', "f", r"first|batch|sum|image|example"),
        Bug('np.einsum("nchwij,nchw->cij", win, g)', 'np.einsum("nchwij,nchw->cji", win, g)', "f", r"transpos|height|width|swap"),
        Bug("gwin, self.f[:, ::-1, ::-1])", "gwin, self.f[::-1, ::-1, ::-1])", "x", r"flip|revers|channel|order"),
    ]),
    Case("upsample", lambda: check_layer(Upsample(2), x=(2, 2, 3, 4)), bugs=[
        Bug(".sum(axis=(3, 5))", ".mean(axis=(3, 5))", "x", r"0\.25|1/4|mean|sum"),
        Bug("return dy.reshape(n, c, h // r, r, w // r, r).sum(axis=(3, 5))", "return dy[:, :, ::r, ::r]", "x", r"sum|missing|only|one entry|first"),
        Bug("dy.reshape(n, c, h // r, r, w // r, r).sum(axis=(3, 5))", "dy.reshape(n, c, r, h // r, r, w // r).sum(axis=(2, 4))", "x", r"reshape|order|axes|permut"),
        Bug(".sum(axis=(3, 5))", ".max(axis=(3, 5))", "x", r"max|sum|missing|dy|linear"),
    ]),
    Case("pixel shuffle", lambda: check_layer(PixelShuffle(2), x=(1, 4, 2, 3)), bugs=[
        Bug(".transpose(0, 1, 3, 5, 2, 4)", ".transpose(0, 1, 5, 3, 2, 4)", "x", r"transpos|order|permut|axes|swap"),
        Bug("return dy.reshape(n, c, h // r, r, w // r, r).transpose(0, 1, 3, 5, 2, 4)", "return dy.reshape(n, c, r, h // r, r, w // r).transpose(0, 1, 2, 4, 3, 5)", "x", r"transpos|order|permut|axes|reshape"),
        Bug("return dy.reshape(n, c, h // r, r, w // r, r).transpose(0, 1, 3, 5, 2, 4)", "return dy", "x", r"transpos|order|permut|axes|reshape"),
        Bug(".reshape(n, c * r**2, h // r, w // r)\n", ".reshape(n, c * r**2, h // r, w // r) / r**2\n", "x", r"0\.25|1/4|times|mean"),
    ]),
    Case("max pool with indices", lambda: check_layer(MaxPool(3, 2), x=(2, 5, 7, 2)), bugs=[
        Bug("np.add.at(dx, (n, r, s, c), dy)", "dx[n, r, s, c] = dy", "x", r"overwrit|accumulat|\+=|last|overlap|add\.at"),
        Bug("r = oh * self.stride + self.arg // self.size", "r = oh * self.stride + self.arg % self.size", "x", r"index|row|column|place|swap|transpos|permut"),
        Bug("s = ow * self.stride + self.arg % self.size", "s = ow * self.stride", "x", r"index|column|place|shift|first"),
        Bug("np.add.at(dx, (n, r, s, c), dy)", "np.add.at(dx, (n, r, s, c), dy * self.x[n, r, s, c])", "x", r"\bx\b|factor|extra|max"),
    ]),
]
