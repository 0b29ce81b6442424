"""A vision course in class form, ported to NumPy: objects with static forward(x, w, b) and backward(dout, cache), used unbound."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function, check_loss


class Linear(object):

    @staticmethod
    def forward(x, w, b):
        out = x.reshape(len(x), -1) @ w + b
        cache = (x, w, b)
        return out, cache

    @staticmethod
    def backward(dout, cache):
        x, w, b = cache
        dx = (dout @ w.T).reshape(x.shape)
        dw = x.reshape(len(x), -1).T @ dout
        db = dout.sum(0)
        return dx, dw, db


class ReLU(object):

    @staticmethod
    def forward(x):
        out = x.copy()
        out[out < 0] = 0
        return out, x

    @staticmethod
    def backward(dout, cache):
        dx = dout.copy()
        dx[cache < 0] = 0
        return dx


class Linear_ReLU(object):

    @staticmethod
    def forward(x, w, b):
        a, fc_cache = Linear.forward(x, w, b)
        out, relu_cache = ReLU.forward(a)
        return out, (fc_cache, relu_cache)

    @staticmethod
    def backward(dout, cache):
        fc_cache, relu_cache = cache
        da = ReLU.backward(dout, relu_cache)
        return Linear.backward(da, fc_cache)


class Conv(object):

    @staticmethod
    def forward(x, w, b, conv_param):
        pad, stride = conv_param['pad'], conv_param['stride']
        N, C, H, W = x.shape
        F, C, HH, WW = w.shape
        Ho, Wo = (H + 2 * pad - HH) // stride + 1, (W + 2 * pad - WW) // stride + 1
        xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        cols = np.zeros((N, C, HH, WW, Ho, Wo))
        for i in range(HH):
            for j in range(WW):
                cols[:, :, i, j] = xp[:, :, i:i + stride * Ho:stride, j:j + stride * Wo:stride]
        cols = cols.reshape(N, C * HH * WW, Ho * Wo)
        out = (w.reshape(F, -1) @ cols).reshape(N, F, Ho, Wo) + b[:, None, None]
        return out, (x, w, cols, conv_param)

    @staticmethod
    def backward(dout, cache):
        x, w, cols, conv_param = cache
        pad, stride = conv_param['pad'], conv_param['stride']
        N, C, H, W = x.shape
        F, C, HH, WW = w.shape
        Ho, Wo = dout.shape[2:]
        d = dout.reshape(N, F, Ho * Wo)
        db = d.sum(axis=(0, 2))
        dw = np.einsum('nfp,nkp->fk', d, cols).reshape(F, C, HH, WW)
        dcols = (w.reshape(F, -1).T @ d).reshape(N, C, HH, WW, Ho, Wo)
        dxp = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
        for i in range(HH):
            for j in range(WW):
                dxp[:, :, i:i + stride * Ho:stride, j:j + stride * Wo:stride] += dcols[:, :, i, j]
        dx = dxp[:, :, pad:H + pad, pad:W + pad]
        return dx, dw, db


def svm_loss(x, y):
    N = x.shape[0]
    s_y = x[np.arange(N), y]
    margins = (x - s_y[:, None] + 1.0).clip(min=0.)
    margins[np.arange(N), y] = 0.
    loss = margins.sum() / N
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= (margins > 0).sum(axis=1)
    dx /= N
    return loss, dx


CASES = [
    Case("linear", lambda: check_function(Linear.forward, Linear.backward, (3, 2, 2), (4, 5), (5,)), bugs=[
        Bug("dw = x.reshape(len(x), -1).T @ dout", "dw = 2.0 * x.reshape(len(x), -1).T @ dout", "w", r"2(\.0*)? times|twice|factor"),
        Bug("db = dout.sum(0)", "db = dout.mean(0)", "b", r"1/N|batch size|mean"),
        Bug("dx = (dout @ w.T).reshape(x.shape)", "dx = (dout @ w.T).reshape(len(x), 2, 2).transpose(0, 2, 1).reshape(x.shape)", "x", r"transpos|swap|reshape|permut"),
        Bug("db = dout.sum(0)", "db = dout.max(0)", "b", r"sum|max|missing|dy"),
    ]),
    Case("linear relu", lambda: check_function(Linear_ReLU.forward, Linear_ReLU.backward, (4, 6), (6, 5), (5,)), bugs=[
        Bug("dx[cache < 0] = 0", "dx[cache > 0] = 0", ("x", "w", "b"), r"mask|invert|opposite"),
        Bug("        dx[cache < 0] = 0\n", "", ("x", "w", "b"), r"mask|relu|missing|forgot"),
        Bug("dx[cache < 0] = 0", "dx[dx < 0] = 0", ("x", "w", "b"), r"mask|dy|dout|wrong|sign"),
        Bug("da = ReLU.backward(dout, relu_cache)", "da = ReLU.backward(dout, -relu_cache) + ReLU.backward(dout, relu_cache)", ("x", "w", "b"), r"mask|relu|missing|forgot"),
    ]),
    Case("conv im2col", lambda: check_function(Conv.forward, Conv.backward, (2, 3, 4, 5), (2, 3, 3, 2), (2,), {'pad': 1, 'stride': 1}), bugs=[
        Bug(".reshape(F, C, HH, WW)\n        dcols", ".reshape(F, C, WW, HH).transpose(0, 1, 3, 2)\n        dcols", "w", r"reshape|height|width|transpos|square|permut"),
        Bug("dcols[:, :, i, j]\n", "dcols[:, :, HH - 1 - i, WW - 1 - j]\n", "x", r"flip|rotat|revers"),
        Bug("dx = dxp[:, :, pad:H + pad, pad:W + pad]", "dx = dxp[:, :, 2 * pad:H + 2 * pad, pad:W + pad].copy()\n        dx = np.pad(dx, ((0, 0), (0, 0), (0, H - dx.shape[2]), (0, 0)))", "x", r"pad|shift|roll"),
        Bug("np.einsum('nfp,nkp->fk', d, cols)", "(d[-1] @ cols[-1].T)", "w", r"last|batch|sum|image|example"),
        Bug("w.reshape(F, -1).T @ d", "w.reshape(-1, F) @ d", "x", r"reshape|transpos"),
    ]),
    Case("conv stride", lambda: check_function(Conv.forward, Conv.backward, (2, 1, 5, 7), (3, 1, 3, 3), (3,), {'pad': 0, 'stride': 2}), bugs=[
        Bug("stride, j:j + stride * Wo:stride] += dcols", "stride, j:j + stride * Wo:stride] = dcols", "x", r"overwrit|accumulat|\+=|overlap|last"),
        Bug("db = d.sum(axis=(0, 2))", "db = d.sum(axis=2)[0]", "b", r"first|batch|sum|row"),
        Bug("d = dout.reshape(N, F, Ho * Wo)", "d = dout.transpose(0, 1, 3, 2).reshape(N, F, Ho * Wo)", ("x", "w"), r"height|width|transpos|swap|reshape|square"),
        Bug("w.reshape(F, -1).T @ d)", "w[:, :, ::-1, ::-1].reshape(F, -1).T @ d)", "x", r"flip|rotat|revers"),
    ]),
    Case("svm loss", lambda: check_loss(svm_loss, (4, 5), np.array([0, 4, 2, 2])), bugs=[
        Bug("    dx /= N\n", "", "x", r"\bN\b|4(\.0*)? times|batch size|mean"),
        Bug("dx[np.arange(N), y] -= (margins > 0).sum(axis=1)", "dx[np.arange(N), y] -= (margins > 0).sum(axis=0)[:N]", "x", r"axis|label|correct|true"),
        Bug("dx[np.arange(N), y] -= (", "dx[np.arange(N), y] += (", "x", r"sign|label|correct|true"),
        Bug("dx[margins > 0] = 1", "dx[margins > 1] = 1", "x", r"mask|margin|threshold|missing|zero"),
    ]),
]
