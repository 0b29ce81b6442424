"""A student's solution of a vision course's assignment: pairs of functions with a cache tuple."""
import numpy as np


def affine_forward(x, w, b):
    N = x.shape[0]
    out = x.reshape(N, -1).dot(w) + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    x, w, b = cache
    dx = dout.dot(w.T).reshape(x.shape)
    dw = x.reshape(x.shape[0], -1).T.dot(dout)
    db = np.sum(dout, axis=0)
    return dx, dw, db


def spatial_groupnorm_forward(x, gamma, beta, G=2, eps=1e-5):
    N, C, H, W = x.shape
    xg = x.reshape(N, G, -1)
    mu = xg.mean(axis=2, keepdims=True)
    var = xg.var(axis=2, keepdims=True)
    std = np.sqrt(var + eps)
    z = ((xg - mu) / std).reshape(N, C, H, W)
    out = gamma * z + beta
    return out, (z, std, gamma, G)


def spatial_groupnorm_backward(dout, cache):
    z, std, gamma, G = cache
    N, C, H, W = dout.shape
    dbeta = dout.sum(axis=(0, 2, 3), keepdims=True)
    dgamma = (dout * z).sum(axis=(0, 2, 3), keepdims=True)
    dz = (dout * gamma).reshape(N, G, -1)
    zg = z.reshape(N, G, -1)
    m = dz.shape[2]
    dx = (dz - dz.sum(axis=2, keepdims=True) / m - zg * (dz * zg).sum(axis=2, keepdims=True) / m) / std
    return dx.reshape(N, C, H, W), dgamma, dbeta


def conv_forward_naive(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    Ho = 1 + (H + 2 * pad - HH) // stride
    Wo = 1 + (W + 2 * pad - WW) // stride
    out = np.zeros((N, F, Ho, Wo))
    for n in range(N):
        for f in range(F):
            for i in range(Ho):
                for j in range(Wo):
                    r, c = i * stride, j * stride
                    out[n, f, i, j] = np.sum(xp[n, :, r:r + HH, c:c + WW] * w[f]) + b[f]
    return out, (xp, w, b, conv_param)


def conv_backward_naive(dout, cache):
    xp, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, F, Ho, Wo = dout.shape
    HH, WW = w.shape[2:]
    dxp, dw, db = np.zeros_like(xp), np.zeros_like(w), np.zeros_like(b)
    for n in range(N):
        for f in range(F):
            for i in range(Ho):
                for j in range(Wo):
                    r, c = i * stride, j * stride
                    g = dout[n, f, i, j]
                    db[f] += g
                    dw[f] += g * xp[n, :, r:r + HH, c:c + WW]
                    dxp[n, :, r:r + HH, c:c + WW] += g * w[f]
    dx = dxp[:, :, pad:dxp.shape[2] - pad, pad:dxp.shape[3] - pad]
    return dx, dw, db


def svm_loss(x, y):
    """Multiclass hinge loss: returns (loss, dx)."""
    N = x.shape[0]
    correct = x[np.arange(N), y][:, np.newaxis]
    margins = np.maximum(0, x - correct + 1.0)
    margins[np.arange(N), y] = 0
    loss = np.sum(margins) / N
    dx = (margins > 0).astype(float)
    dx[np.arange(N), y] -= np.sum(dx, axis=1)
    dx /= N
    return loss, dx


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_function, check_loss  # noqa: E402

CASES = [
    Case("cs231n_affine", lambda: check_function(affine_forward, affine_backward, x=(4, 2, 3), w=(6, 5), b=(5,)), bugs=[
        Bug("db = np.sum(dout, axis=0)", "db = np.mean(dout, axis=0)", "b", r"1/N|batch size|mean"),
        Bug("dw = x.reshape(x.shape[0], -1).T.dot(dout)", "dw = x.reshape(x.shape[0], -1).T.dot(dout) / len(x)", "w",
            r"1/N|batch size|mean"),
        Bug("dx = dout.dot(w.T)", "dx = dout.dot(w.reshape(w.shape[1], w.shape[0]))", "x", r"transpos|reshape"),
    ]),
    Case("cs231n_spatial_groupnorm",
         lambda: check_function(spatial_groupnorm_forward, spatial_groupnorm_backward,
                                x=(3, 4, 2, 3), gamma=(1, 4, 1, 1), beta=(1, 4, 1, 1)), bugs=[
        Bug("m = dz.shape[2]", "m = N", "x", r"mean|size|group|term|count"),
        Bug("dz = (dout * gamma).reshape(N, G, -1)", "dz = dout.reshape(N, G, -1)", "x", r"gamma"),
        Bug(" - zg * (dz * zg).sum(axis=2, keepdims=True) / m)", ")", "x", r"variance|std|term|missing"),
    ]),
    Case("cs231n_conv_naive",
         lambda: check_function(conv_forward_naive, conv_backward_naive, x=(2, 2, 5, 5), w=(3, 2, 3, 3), b=(3,),
                                conv_param={"stride": 2, "pad": 1}), bugs=[
        Bug("dw[f] += g * xp", "dw[f] = g * xp", "w", r"accumulat|\+=|last|overw"),
        Bug("+= g * w[f]", "+= g * w[f][:, ::-1, ::-1]", "x", r"flip|revers|180"),
    ]),
    Case("cs231n_svm_loss",
         lambda: check_loss(svm_loss, np.random.default_rng(3).normal(size=(5, 4)), np.array([0, 3, 1, 1, 2])), bugs=[
        Bug("    dx /= N\n", "", "x", r"times the right one|1/N|batch|mean|divid"),
        Bug("    dx[np.arange(N), y] -= np.sum(dx, axis=1)\n", "", "x", r"true class|label|target|y|missing"),
    ]),
]
