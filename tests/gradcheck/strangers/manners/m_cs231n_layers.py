"""A vision course's layers.py: functions that return (out, cache), and backward(dout, cache)."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function


def affine_forward(x, w, b):
    """x of shape (N, d_1, ..., d_k), w (D, M), b (M,)"""
    out = x.reshape(x.shape[0], -1).dot(w) + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def relu_forward(x):
    out = np.maximum(0, x)
    cache = x
    return out, cache


def relu_backward(dout, cache):
    x = cache
    dx = dout * (x > 0)
    return dx


def affine_relu_forward(x, w, b):
    a, fc_cache = affine_forward(x, w, b)
    out, relu_cache = relu_forward(a)
    return out, (fc_cache, relu_cache)


def affine_relu_backward(dout, cache):
    fc_cache, relu_cache = cache
    da = relu_backward(dout, relu_cache)
    return affine_backward(da, fc_cache)


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
        var = x.var(axis=0)
        std = np.sqrt(var + eps)
        x_hat = (x - mu) / std
        out = gamma * x_hat + beta
        cache = (x_hat, gamma, std)
        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * var
    elif mode == "test":
        out = gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta
    else:
        raise ValueError('Invalid forward batchnorm mode "%s"' % mode)
    bn_param["running_mean"] = running_mean
    bn_param["running_var"] = running_var
    return out, cache


def batchnorm_backward(dout, cache):
    x_hat, gamma, std = cache
    N = dout.shape[0]
    dbeta = dout.sum(axis=0)
    dgamma = (dout * x_hat).sum(axis=0)
    dx_hat = dout * gamma
    dx = (N * dx_hat - dx_hat.sum(axis=0) - x_hat * (dx_hat * x_hat).sum(axis=0)) / (N * std)
    return dx, dgamma, dbeta


def layernorm_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    xT = x.T
    mean = xT.mean(axis=0)
    xmu = xT - mean
    var_T = (xmu**2).mean(axis=0)
    ivar = 1.0 / np.sqrt(var_T + eps)
    xn = (xmu * ivar).T
    return gamma * xn + beta, (xn, ivar, gamma)


def layernorm_backward(dout, cache):
    xn, ivar, gamma = cache
    D = dout.shape[1]
    dgamma = np.sum(dout * xn, axis=0)
    dbeta = np.sum(dout, 0)
    dxn = dout * gamma
    s1 = dxn.sum(axis=1, keepdims=True)
    s2 = (dxn * xn).sum(axis=1, keepdims=True)
    dx = ivar[:, None] / D * (D * dxn - s1 - xn * s2)
    return dx, dgamma, dbeta


def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask = None
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        out = x * mask
    else:
        out = x
    return out, (dropout_param, mask)


def dropout_backward(dout, cache):
    dropout_param, mask = cache
    if dropout_param["mode"] == "train":
        dx = dout * mask
    else:
        dx = dout
    return dx


CASES = [
    Case("affine", lambda: check_function(affine_forward, affine_backward, (4, 2, 3), (6, 5), (5,)), bugs=[
        Bug("dx = dout.dot(w.T)", "dx = 2 * dout.dot(w.T)", "x", r"2(\.0*)? times|twice|factor"),
        Bug("dw = x.reshape(x.shape[0], -1).T.dot(dout)", "dw = x.reshape(x.shape[0], -1).T.dot(dout) / x.shape[0]", "w", r"1/N|batch size|mean"),
        Bug("db = np.sum(dout, axis=0)", "db = np.mean(dout, axis=0)", "b", r"1/N|batch size|mean"),
        Bug("    db = np.sum(dout, axis=0)", "    db = dout[0]", "b", r"first row|row 0|only one|missing.*sum|sum.*missing"),
        Bug("dw = x.reshape(x.shape[0], -1).T.dot(dout)", "dw = -x.reshape(x.shape[0], -1).T.dot(dout)", "w", r"sign|-1|minus"),
    ]),
    Case("affine relu", lambda: check_function(affine_relu_forward, affine_relu_backward, (4, 6), (6, 5), (5,)), bugs=[
        Bug("dx = dout * (x > 0)", "dx = dout * (x < 0)", ("x", "w", "b"), r"mask|invert|opposite"),
        Bug("dx = dout * (x > 0)", "dx = dout", ("x", "w", "b"), r"mask|relu|forgot|missing"),
        Bug("return affine_backward(da, fc_cache)", "return affine_backward(dout, fc_cache)", ("x", "w", "b"), r"mask|relu|derivative|forgot|missing"),
        Bug("cache = x\n    return out, cache", "cache = -x\n    return out, cache", ("x", "w", "b"), r"mask|invert|opposite"),
    ]),
    Case("batchnorm", lambda: check_function(batchnorm_forward, batchnorm_backward, (5, 3), (3,), (3,), {"mode": "train"}), bugs=[
        Bug("(N * dx_hat - dx_hat.sum(axis=0) - x_hat", "(N * dx_hat - x_hat", "x", r"mean"),
        Bug(" - x_hat * (dx_hat * x_hat).sum(axis=0)) / (N", ") / (N", "x", r"variance"),
        Bug("    dx = (N * dx_hat - dx_hat.sum(axis=0)", "    dx = gamma * (N * dx_hat - dx_hat.sum(axis=0)", "x", r"gamma"),
        Bug("(dout * x_hat).sum(axis=0)", "(dout * x_hat).mean(axis=0)", "gamma", r"1/N|batch size|mean"),
        Bug("dx_hat = dout * gamma", "dx_hat = dout", "x", r"gamma"),
        Bug("dbeta = dout.sum(axis=0)", "dbeta = (gamma * dout).sum(axis=0)", "beta", r"gamma"),
        Bug("/ (N * std)", "/ (N * std**2)", "x", r"std|variance|sqrt|root|twice"),
    ]),
    Case("layernorm", lambda: check_function(layernorm_forward, layernorm_backward, (4, 6), (6,), (6,), {}), bugs=[
        Bug("    s1 = dxn.sum(axis=1, keepdims=True)", "    s1 = dout.sum(axis=1, keepdims=True)", "x", r"gamma"),
        Bug("    dxn = dout * gamma\n", "    dxn = dout\n    ivar = ivar * gamma.mean()\n", "x", r"gamma"),
        Bug("(D * dxn - s1 - xn * s2)", "(D * dxn - s1)", "x", r"variance"),
        Bug("(D * dxn - s1 - xn * s2)", "(D * dxn - xn * s2)", "x", r"mean"),
        Bug("s2 = (dxn * xn).sum(axis=1, keepdims=True)", "s2 = (dxn * xn).sum(axis=0, keepdims=True)", "x", r"axis|variance"),
        Bug("dgamma = np.sum(dout * xn, axis=0)", "dgamma = np.sum(dout * xn * gamma, axis=0)", "gamma", r"gamma"),
    ]),
    Case("layernorm gamma outside", lambda: check_function(layernorm_forward, layernorm_backward, (3, 5), (5,), (5,), {"eps": 1e-6}), bugs=[
        Bug("    dx = ivar[:, None] / D * (D * dxn - s1 - xn * s2)", "    s1, s2 = dout.sum(axis=1, keepdims=True), (dout * xn).sum(axis=1, keepdims=True)\n    dx = gamma * ivar[:, None] / D * (D * dout - s1 - xn * s2)", "x", r"gamma.*(sum|outside|inside)"),
        Bug("dx = ivar[:, None] / D * (D", "dx = ivar[:, None] / dout.shape[0] * (D", "x", r"batch|N\b|times"),
        Bug("dbeta = np.sum(dout, 0)", "dbeta = np.sum(dout, 0) / D", "beta", r"1/|mean|times"),
        Bug("dxn = dout * gamma", "dxn = dout / gamma", "x", r"gamma|divid"),
    ]),
    Case("dropout", lambda: check_function(dropout_forward, dropout_backward, (6, 5), {"p": 0.7, "mode": "train", "seed": 231}), bugs=[
        Bug("        dx = dout * mask", "        dx = dout * (mask > 0)", "x", r"0\.7|rate|keep|\bp\b|scale"),
        Bug("        dx = dout * mask", "        dx = dout * (mask == 0) / 0.7", "x", r"mask|invert|opposite"),
        Bug("        dx = dout * mask", "        dx = dout", "x", r"mask|forgot|missing"),
        Bug("        dx = dout * mask", "        dx = dout * ((np.random.rand(*dout.shape) < 0.7) / 0.7)", "x", r"(drawn|new|fresh|another).*(mask|random)|mask.*(drawn|new|fresh|replay)"),
    ]),
]
