"""A course's form: functions that return (out, cache), and their backward(dout, cache)."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function


def affine_forward(x, w, b):
    """x may have any number of axes: (N, d1, ..., dk)."""
    out = None
    N = x.shape[0]
    out = x.reshape(N, -1).dot(w) + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    x, w, b = cache
    dx, dw, db = None, None, None
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = dout.sum(axis=0)
    return dx, dw, db


def batchnorm_forward(x, gamma, beta, bn_param):
    mode = bn_param["mode"]
    eps = bn_param.get("eps", 1e-5)
    momentum = bn_param.get("momentum", 0.9)
    N, D = x.shape
    running_mean = bn_param.get("running_mean", np.zeros(D, dtype=x.dtype))
    running_var = bn_param.get("running_var", np.zeros(D, dtype=x.dtype))
    out, cache = None, None
    if mode == "train":
        mu = x.mean(axis=0)
        xmu = x - mu
        var = np.mean(xmu**2, axis=0)
        ivar = 1.0 / np.sqrt(var + eps)
        xhat = xmu * ivar
        out = gamma * xhat + beta
        cache = (xhat, gamma, xmu, ivar)
        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * var
    elif mode == "test":
        out = gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta
    bn_param["running_mean"] = running_mean
    bn_param["running_var"] = running_var
    return out, cache


def batchnorm_backward(dout, cache):
    xhat, gamma, xmu, ivar = cache
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dvar = -0.5 * ivar**3 * divar
    dxmu2 = 2.0 / N * xmu * dvar
    dx1 = dxmu1 + dxmu2
    dmu = -np.sum(dx1, axis=0)
    dx2 = 1.0 / N * np.ones((N, D)) * dmu
    dx = dx1 + dx2
    return dx, dgamma, dbeta


def conv_forward_naive(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    H_out = 1 + (H + 2 * pad - HH) // stride
    W_out = 1 + (W + 2 * pad - WW) // stride
    x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="constant")
    out = np.zeros((N, F, H_out, W_out))
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    window = x_pad[n, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
                    out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out, (x, w, b, conv_param)


def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache
    s, p = conv_param["stride"], conv_param["pad"]
    N, F, H_out, W_out = dout.shape
    HH, WW = w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)), mode="constant")
    dxp = np.zeros_like(xp)
    dw = np.zeros_like(w)
    db = np.zeros_like(b)
    for n in range(N):
        for f in range(F):
            db[f] += dout[n, f].sum()
            for i in range(H_out):
                for j in range(W_out):
                    r, c = i * s, j * s
                    dw[f] += xp[n, :, r : r + HH, c : c + WW] * dout[n, f, i, j]
                    dxp[n, :, r : r + HH, c : c + WW] += w[f] * dout[n, f, i, j]
    dx = dxp[:, :, p : dxp.shape[2] - p, p : dxp.shape[3] - p]
    return dx, dw, db


def max_pool_forward_naive(x, pool_param):
    ph, pw, stride = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    N, C, H, W = x.shape
    H_out, W_out = 1 + (H - ph) // stride, 1 + (W - pw) // stride
    out = np.zeros((N, C, H_out, W_out))
    for i in range(H_out):
        for j in range(W_out):
            out[:, :, i, j] = x[:, :, i * stride : i * stride + ph, j * stride : j * stride + pw].max(axis=(2, 3))
    cache = (x, pool_param)
    return out, cache


def max_pool_backward_naive(dout, cache):
    x, pool_param = cache
    ph, pw, stride = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    N, C, H_out, W_out = dout.shape
    dx = np.zeros_like(x)
    for n in range(N):
        for c in range(C):
            for i in range(H_out):
                for j in range(W_out):
                    win = x[n, c, i * stride : i * stride + ph, j * stride : j * stride + pw]
                    mask = win == np.max(win)
                    dx[n, c, i * stride : i * stride + ph, j * stride : j * stride + pw] += mask * dout[n, c, i, j]
    return dx


def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask = None
    out = x
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        out = x * mask
    cache = (dropout_param, mask)
    return out, cache


def dropout_backward(dout, cache):
    dropout_param, mask = cache
    if dropout_param["mode"] == "train":
        dx = dout * mask
    elif dropout_param["mode"] == "test":
        dx = dout
    return dx


CASES = [
    Case(
        "affine of images",
        lambda: check_function(affine_forward, affine_backward, x=(5, 2, 3), w=(6, 4), b=(4,)),
        bugs=[
            Bug("db = dout.sum(axis=0)", "db = dout.sum(axis=0) / x.shape[0]", "b", r"0\.2|batch|1/N|mean"),
            Bug(
                "dw = x.reshape(x.shape[0], -1).T.dot(dout)",
                "dw = x.reshape(x.shape[0], -1).T.dot(dout) + w",
                "w",
                r"decay|regulari|\bw\b.*added|extra|plus",
            ),
            Bug(
                "dx = dout.dot(w.T).reshape(x.shape)",
                "dx = dout.dot(w.T).reshape(x.shape, order='F')",
                "x",
                r"order|permut|reshape",
            ),
            Bug(
                "dx = dout.dot(w.T).reshape(x.shape)",
                "dx = 2 * dout.dot(w.T).reshape(x.shape)",
                "x",
                r"2 times|twice|factor",
            ),
        ],
    ),
    Case(
        "batch normalization in steps",
        lambda: check_function(
            batchnorm_forward, batchnorm_backward, x=(6, 4), gamma=(4,), beta=(4,), bn_param={"mode": "train"}
        ),
        bugs=[
            Bug(
                "dmu = -np.sum(dx1, axis=0)",
                "dmu = -np.sum(dxmu1 + dxmu1 * 0, axis=0) * 0",
                "x",
                r"mean|sum|constant",
            ),
            Bug("dvar = -0.5 * ivar**3 * divar", "dvar = -0.5 * ivar**2 * divar", "x", r"var|std|power|eps"),
            Bug("dxmu2 = 2.0 / N * xmu * dvar", "dxmu2 = xmu * dvar / N", "x", r"half|factor|var"),
            Bug(
                "dgamma = np.sum(dout * xhat, axis=0)",
                "dgamma = np.sum(dout * xmu, axis=0)",
                "gamma",
                r"xhat|normali|std|column|var|each",
            ),
            Bug(
                "dxhat = dout * gamma",
                "dxhat = dout",
                "x",
                r"gamma is|(by|without|of|times) gamma|factor|column|feature",
            ),
        ],
    ),
    Case(
        "convolution in loops",
        lambda: check_function(
            conv_forward_naive,
            conv_backward_naive,
            x=(2, 3, 5, 5),
            w=(2, 3, 3, 3),
            b=(2,),
            conv_param={"stride": 2, "pad": 1},
        ),
        bugs=[
            Bug("c : c + WW] += w[f] * dout", "c : c + WW] = w[f] * dout", "x", r"overlap|accumul|\+="),
            Bug("dw[f] += xp", "dw[f] = xp", "w", r"accumul|\+=|last|sum"),
            Bug("db[f] += dout[n, f].sum()", "db[f] = dout[n, f].sum()", "b", r"accumul|\+=|last|sum"),
            Bug("+= w[f] * dout[n, f, i, j]", "+= w[f, :, ::-1, ::-1] * dout[n, f, i, j]", "x", r"flip|rotat|reverse"),
            Bug(
                "dx = dxp[:, :, p : dxp.shape[2] - p, p : dxp.shape[3] - p]",
                "dx = dxp[:, :, : x.shape[2], : x.shape[3]]",
                "x",
                r"shift|pad|crop|off by|moved",
            ),
        ],
    ),
    Case(
        "max pooling in loops",
        lambda: check_function(
            max_pool_forward_naive,
            max_pool_backward_naive,
            x=(2, 2, 5, 5),
            pool_param={"pool_height": 3, "pool_width": 3, "stride": 2},
        ),
        bugs=[
            Bug("mask = win == np.max(win)", "mask = win == np.min(win)", "x", r"min|mask|entry|elsewhere|position"),
            Bug(
                "mask = win == np.max(win)",
                "mask = np.ones_like(win) / win.size",
                "x",
                r"average|mask|every|spread",
            ),
            Bug("+= mask * dout[n, c, i, j]", "= mask * dout[n, c, i, j]", "x", r"overlap|accumul|\+="),
            Bug("+= mask * dout[n, c, i, j]", "+= mask * dout[n, c, j, i]", "x", r"transpos|swap|order"),
        ],
    ),
    Case(
        "dropout with a seed in a dict",
        lambda: check_function(
            dropout_forward, dropout_backward, x=(4, 5), dropout_param={"p": 0.6, "mode": "train", "seed": 123}
        ),
        bugs=[
            Bug("dx = dout * mask", "dx = dout * mask * dropout_param['p']", "x", r"0\.6|scale|keep|1/p|factor"),
            Bug("dx = dout * mask", "dx = dout * (mask == 0)", "x", r"mask|invert|zero"),
            Bug("dx = dout * mask", "dx = dout", "x", r"mask|zero"),
            Bug(
                "dx = dout * mask",
                "dx = dout * (np.random.rand(*dout.shape) < dropout_param['p']) / dropout_param['p']",
                "x",
                r"mask|random|another|differ",
            ),
        ],
    ),
]
