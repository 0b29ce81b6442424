"""A vision course's convolution and pooling in four nested loops, with conv_param and pool_param dicts."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function


def conv_forward_naive(x, w, b, conv_param):
    """
    Input:
    - x: (N, C, H, W), w: (F, C, HH, WW), b: (F,)
    - conv_param: a dictionary with 'stride' and 'pad'
    """
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    H_out = 1 + (H + 2 * pad - HH) // stride
    W_out = 1 + (W + 2 * pad - WW) // stride
    x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), "constant")
    out = np.zeros((N, F, H_out, W_out))
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    window = x_pad[n, :, i * stride:i * stride + HH, j * stride:j * stride + WW]
                    out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out, (x, w, b, conv_param)


def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    _, _, H_out, W_out = dout.shape
    x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), "constant")
    dx_pad = np.zeros_like(x_pad)
    dw = np.zeros_like(w)
    db = dout.sum(axis=(0, 2, 3))
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    hs, ws = i * stride, j * stride
                    dw[f] += x_pad[n, :, hs:hs + HH, ws:ws + WW] * dout[n, f, i, j]
                    dx_pad[n, :, hs:hs + HH, ws:ws + WW] += w[f] * dout[n, f, i, j]
    dx = dx_pad[:, :, pad:pad + H, pad:pad + W]
    return dx, dw, db


def max_pool_forward_naive(x, pool_param):
    ph, pw, stride = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    N, C, H, W = x.shape
    Hp, Wp = 1 + (H - ph) // stride, 1 + (W - pw) // stride
    out = np.zeros((N, C, Hp, Wp))
    for i in range(Hp):
        for j in range(Wp):
            out[:, :, i, j] = x[:, :, i * stride:i * stride + ph, j * stride:j * stride + pw].max(axis=(2, 3))
    return out, (x, pool_param)


def max_pool_backward_naive(dout, cache):
    x, pool_param = cache
    ph, pw, stride = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    N, C, H, W = x.shape
    dx = np.zeros_like(x)
    for n in range(N):
        for c in range(C):
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    win = x[n, c, i * stride:i * stride + ph, j * stride:j * stride + pw]
                    a, b = np.unravel_index(np.argmax(win), win.shape)
                    dx[n, c, i * stride + a, j * stride + b] += dout[n, c, i, j]
    return dx


def spatial_groupnorm_forward(x, gamma, beta, G, gn_param):
    eps = gn_param.get("eps", 1e-5)
    N, C, H, W = x.shape
    g = x.reshape(N, G, C // G * H * W)
    mu = g.mean(axis=2, keepdims=True)
    var = g.var(axis=2, keepdims=True)
    gn = (g - mu) / np.sqrt(var + eps)
    xn = gn.reshape(N, C, H, W)
    out = xn * gamma + beta
    return out, (gn, xn, var, eps, gamma, G)


def spatial_groupnorm_backward(dout, cache):
    gn, xn, var, eps, gamma, G = cache
    N, C, H, W = dout.shape
    dgamma = (dout * xn).sum(axis=(0, 2, 3), keepdims=True)
    dbeta = dout.sum(axis=(0, 2, 3), keepdims=True)
    dg = (dout * gamma).reshape(gn.shape)
    M = gn.shape[2]
    m1 = dg.sum(axis=2, keepdims=True) / M
    m2 = gn * (dg * gn).sum(axis=2, keepdims=True) / M
    dx = ((dg - m1 - m2) / np.sqrt(var + eps)).reshape(N, C, H, W)
    return dx, dgamma, dbeta


CASES = [
    Case("conv", lambda: check_function(conv_forward_naive, conv_backward_naive, (2, 3, 5, 4), (2, 3, 3, 3), (2,), {"stride": 1, "pad": 1}), bugs=[
        Bug("                    dw[f] += x_pad", "                    dw[f] = x_pad", "w", r"overwrit|accumulat|\+=|last"),
        Bug("dx_pad[n, :, hs:hs + HH, ws:ws + WW] += w[f] *", "dx_pad[n, :, hs:hs + HH, ws:ws + WW] = w[f] *", "x", r"overwrit|accumulat|\+=|last|overlap"),
        Bug("+= w[f] * dout[n, f, i, j]", "+= w[f][:, ::-1, ::-1] * dout[n, f, i, j]", "x", r"flip|rotat|rot90"),
        Bug("dx = dx_pad[:, :, pad:pad + H, pad:pad + W]", "dx = dx_pad[:, :, :H, :W]", "x", r"pad|shift"),
        Bug("db = dout.sum(axis=(0, 2, 3))", "db = dout.mean(axis=(0, 2, 3))", "b", r"mean|1/|times"),
        Bug("db = dout.sum(axis=(0, 2, 3))", "db = dout[0].sum(axis=(1, 2))", "b", r"first|batch|example|image"),
    ]),
    Case("conv stride 2", lambda: check_function(conv_forward_naive, conv_backward_naive, (2, 2, 7, 5), (3, 2, 3, 3), (3,), dict(stride=2, pad=0)), bugs=[
        Bug("hs, ws = i * stride, j * stride", "hs, ws = i, j", ("x", "w"), r"strid"),
        Bug("np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), \"constant\")\n    dx_pad", "np.pad(x[:, ::-1], ((0, 0), (0, 0), (pad, pad), (pad, pad)), \"constant\")\n    dx_pad", "w", r"flip|revers|channel|permut"),
        Bug("                for j in range(W_out):\n                    hs", "                for j in range(W_out - 1):\n                    hs", ("x", "w"), r"last|off by one|missing|column"),
        Bug("    dw = np.zeros_like(w)", "    dw = np.ones_like(w)", "w", r"constant|added|ones|\+ ?1|differ.* by 1|offset"),
    ]),
    Case("max pool", lambda: check_function(max_pool_forward_naive, max_pool_backward_naive, (2, 2, 4, 6), {"pool_height": 2, "pool_width": 2, "stride": 2}), bugs=[
        Bug("np.argmax(win)", "np.argmin(win)", "x", r"mask|wrong (entry|place)|maximum|argm|inverted"),
        Bug("j * stride + b] += dout", "j * stride + a] += dout", "x", r"column|width|index|place|permut|shift|position"),
        Bug("dx[n, c, i * stride + a, j * stride + b] += dout[n, c, i, j]", "dx[n, c, i * stride:i * stride + ph, j * stride:j * stride + pw] += dout[n, c, i, j] / (ph * pw)", "x", r"average|spread|mean|mask|every entry of the window"),
        Bug("            for i in range(dout.shape[2]):", "            for i in range(1, dout.shape[2]):", "x", r"first|row|missing|zero|off by one"),
    ]),
    Case("overlapping max pool", lambda: check_function(max_pool_forward_naive, max_pool_backward_naive, (2, 1, 5, 5), {"pool_height": 3, "pool_width": 3, "stride": 1}), bugs=[
        Bug("j * stride + b] += dout[n, c, i, j]", "j * stride + b] = dout[n, c, i, j]", "x", r"overwrit|accumulat|\+=|last|overlap"),
        Bug("dx = np.zeros_like(x)", "dx = np.copy(x)", "x", r"x (is )?added|start|offset|missing|initial|plus x|\+ x"),
        Bug("        for c in range(C):\n            for i in range(dout", "        for c in range(C):\n            dout = 2 * dout\n            for i in range(dout", "x", r"2|twice|factor"),
        Bug("    for n in range(N):\n        for c in range(C):\n            for i in range(dout.shape[2])", "    for n in range(N - 1):\n        for c in range(C):\n            for i in range(dout.shape[2])", "x", r"last|row|example|batch|zero"),
    ]),
    Case("group norm", lambda: check_function(spatial_groupnorm_forward, spatial_groupnorm_backward, (2, 4, 3, 2), (1, 4, 1, 1), (1, 4, 1, 1), 2, {}), bugs=[
        Bug("(dg - m1 - m2)", "(dg - m1)", "x", r"variance"),
        Bug("(dg - m1 - m2)", "(dg - m2)", "x", r"mean"),
        Bug("M = gn.shape[2]", "M = H * W", "x", r"mean|variance|group|channel|size"),
        Bug("dg = (dout * gamma).reshape(gn.shape)", "dg = dout.reshape(gn.shape)", "x", r"gamma"),
        Bug("dbeta = dout.sum(axis=(0, 2, 3), keepdims=True)", "dbeta = dout.mean(axis=(0, 2, 3), keepdims=True)", "beta", r"mean|1/|times"),
    ]),
]
