"""A blog post on normalization layers: one class each, gamma/beta, training flags and running statistics."""
import numpy as np


class BatchNorm1d:
    def __init__(self, num_features, momentum=0.9, eps=1e-5):
        self.gamma = np.random.rand(num_features) + 0.5
        self.beta = np.random.randn(num_features)
        self.momentum, self.eps = momentum, eps
        self.running_mean = np.zeros(num_features)
        self.running_var = np.ones(num_features)
        self.training = True

    def forward(self, x):
        if self.training:
            mean, var = x.mean(axis=0), x.var(axis=0)
            self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean
            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var
        else:
            mean, var = self.running_mean, self.running_var
        self.ivar = 1.0 / np.sqrt(var + self.eps)
        self.xhat = (x - mean) * self.ivar
        return self.gamma * self.xhat + self.beta

    def backward(self, dout):
        self.dgamma = np.sum(dout * self.xhat, axis=0)
        self.dbeta = np.sum(dout, axis=0)
        N = dout.shape[0]
        dxhat = dout * self.gamma
        return self.ivar / N * (N * dxhat - dxhat.sum(axis=0) - self.xhat * np.sum(dxhat * self.xhat, axis=0))


class RMSNorm:
    def __init__(self, dim, eps=1e-6):
        self.scale = np.random.rand(dim) + 0.5
        self.eps = eps

    def forward(self, x):
        self.x = x
        self.rms = np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.eps)
        return self.scale * x / self.rms

    def backward(self, grad):
        x, rms = self.x, self.rms
        self.scale_grad = np.sum(grad * x / rms, axis=tuple(range(x.ndim - 1)))
        g = grad * self.scale
        return g / rms - x * np.mean(g * x, axis=-1, keepdims=True) / rms ** 3


class InstanceNorm2d:
    """No parameters; x is (N, C, H, W)."""

    eps = 1e-5

    def forward(self, x):
        self.mu = x.mean(axis=(2, 3), keepdims=True)
        self.sigma = np.sqrt(x.var(axis=(2, 3), keepdims=True) + self.eps)
        self.out = (x - self.mu) / self.sigma
        return self.out

    def backward(self, d):
        centred = d - d.mean(axis=(2, 3), keepdims=True)
        return (centred - self.out * (d * self.out).mean(axis=(2, 3), keepdims=True)) / self.sigma


class WeightNormDense:
    """w = g * v / |v| for each output unit."""

    def __init__(self, n_in, n_out):
        self.v = np.random.randn(n_in, n_out)
        self.g = np.random.rand(n_out) + 0.5

    def forward(self, x):
        self.x = x
        self.norm = np.linalg.norm(self.v, axis=0)
        self.w = self.g * self.v / self.norm
        return x @ self.w

    def backward(self, dy):
        dw = self.x.T @ dy
        self.dg = np.sum(dw * self.v, axis=0) / self.norm
        self.dv = self.g / self.norm * dw - self.g * self.dg / self.norm ** 2 * self.v
        return dy @ self.w.T


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_layer  # noqa: E402

CASES = [
    Case("norm_batch", lambda: check_layer(BatchNorm1d(3), x=(6, 3)), bugs=[
        Bug("(N * dxhat - dxhat.sum(axis=0) - self.xhat", "(N * dxhat - self.xhat", "x", r"mean|term|missing|constant"),
        Bug("return self.ivar / N * (N * dxhat - dxhat.sum(axis=0) - self.xhat * np.sum(dxhat * self.xhat, axis=0))",
            "return self.ivar * dxhat", "x", r"mean|variance|term|missing|constant|batch stat"),
        Bug("np.sum(dout * self.xhat, axis=0)", "np.mean(dout * self.xhat, axis=0)", "gamma", r"1/N|batch size|mean"),
    ]),
    Case("norm_rms", lambda: check_layer(RMSNorm(4), x=(2, 3, 4)), bugs=[
        Bug("/ rms ** 3", "/ rms ** 2", "x", r"power|rms|term|row"),
        Bug("- x * np.mean(g * x", "+ x * np.mean(g * x", "x", r"sign|term"),
        Bug("g = grad * self.scale\n", "g = grad\n", "x", r"scale"),
    ]),
    Case("norm_instance", lambda: check_layer(InstanceNorm2d(), x=(2, 3, 3, 4)), bugs=[
        Bug("(d * self.out).mean(axis=(2, 3), keepdims=True)", "(d * self.out).sum(axis=(2, 3), keepdims=True)", "x",
            r"mean|sum|term|variance"),
        Bug(") / self.sigma\n\n\nclass WeightNormDense", ") * self.sigma\n\n\nclass WeightNormDense", "x", r"sigma|std|scale"),
    ]),
    Case("norm_weight_dense", lambda: check_layer(WeightNormDense(4, 3), x=(5, 4)), bugs=[
        Bug(" - self.g * self.dg / self.norm ** 2 * self.v", "", "v", r"norm|term|missing|constant"),
        Bug("self.dg / self.norm ** 2", "self.dg / self.norm", "v", r"norm|power|term"),
    ]),
]
