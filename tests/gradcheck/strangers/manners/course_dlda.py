"""A course's handouts: A and Z, gradients named dLdW, criterions whose backward takes no argument."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer, check_loss


class BatchNorm1d:
    def __init__(self, num_features, alpha=0.9):
        self.alpha = alpha
        self.eps = 1e-8
        self.BW = np.random.uniform(0.5, 1.5, (1, num_features))
        self.Bb = np.zeros((1, num_features))
        self.dLdBW = np.zeros((1, num_features))
        self.dLdBb = np.zeros((1, num_features))
        self.running_M = np.zeros((1, num_features))
        self.running_V = np.ones((1, num_features))

    def forward(self, Z, eval=False):
        self.Z = Z
        self.N = Z.shape[0]
        if eval:
            return self.BW * (Z - self.running_M) / np.sqrt(self.running_V + self.eps) + self.Bb
        self.M = np.mean(Z, axis=0, keepdims=True)
        self.V = np.var(Z, axis=0, keepdims=True)
        self.NZ = (Z - self.M) / np.sqrt(self.V + self.eps)
        self.running_M = self.alpha * self.running_M + (1 - self.alpha) * self.M
        self.running_V = self.alpha * self.running_V + (1 - self.alpha) * self.V
        return self.BW * self.NZ + self.Bb

    def backward(self, dLdBZ):
        self.dLdBW = np.sum(dLdBZ * self.NZ, axis=0, keepdims=True)
        self.dLdBb = np.sum(dLdBZ, axis=0, keepdims=True)
        dLdNZ = dLdBZ * self.BW
        std = np.sqrt(self.V + self.eps)
        dLdV = -0.5 * np.sum(dLdNZ * (self.Z - self.M) / std**3, axis=0, keepdims=True)
        dLdM = -np.sum(dLdNZ / std, axis=0, keepdims=True)
        dLdZ = dLdNZ / std + dLdV * 2 / self.N * (self.Z - self.M) + dLdM / self.N
        return dLdZ


class Conv1d_stride1:
    def __init__(self, in_channels, out_channels, kernel_size):
        self.kernel_size = kernel_size
        self.W = np.random.normal(0, 1.0, (out_channels, in_channels, kernel_size))
        self.b = np.zeros(out_channels)
        self.dLdW = np.zeros(self.W.shape)
        self.dLdb = np.zeros(self.b.shape)

    def forward(self, A):
        self.A = A  # (N, C_in, W_in)
        output_size = A.shape[2] - self.kernel_size + 1
        Z = np.zeros((A.shape[0], self.W.shape[0], output_size))
        for i in range(output_size):
            Z[:, :, i] = np.tensordot(A[:, :, i : i + self.kernel_size], self.W, axes=([1, 2], [1, 2])) + self.b
        return Z

    def backward(self, dLdZ):
        self.dLdb = np.sum(dLdZ, axis=(0, 2))
        for k in range(self.kernel_size):
            self.dLdW[:, :, k] = np.tensordot(dLdZ, self.A[:, :, k : k + dLdZ.shape[2]], axes=([0, 2], [0, 2]))
        pad = self.kernel_size - 1
        padded = np.pad(dLdZ, ((0, 0), (0, 0), (pad, pad)))
        flipped = self.W[:, :, ::-1]
        dLdA = np.zeros(self.A.shape)
        for i in range(self.A.shape[2]):
            dLdA[:, :, i] = np.tensordot(padded[:, :, i : i + self.kernel_size], flipped, axes=([1, 2], [0, 2]))
        return dLdA


class MSELoss:
    def forward(self, A, Y):
        self.A = A
        self.Y = Y
        self.N, self.C = A.shape
        return np.sum((A - Y) ** 2) / (self.N * self.C)

    def backward(self):
        dLdA = 2 * (self.A - self.Y) / (self.N * self.C)
        return dLdA


class MeanPool2d_stride1:
    def __init__(self, kernel):
        self.kernel = kernel

    def forward(self, A):
        self.A = A
        k = self.kernel
        h, w = A.shape[2] - k + 1, A.shape[3] - k + 1
        Z = np.zeros(A.shape[:2] + (h, w))
        for i in range(k):
            for j in range(k):
                Z += A[:, :, i : i + h, j : j + w]
        return Z / k**2

    def backward(self, dLdZ):
        dLdA = np.zeros_like(self.A)
        k = self.kernel
        h, w = dLdZ.shape[2:]
        for i in range(k):
            for j in range(k):
                dLdA[:, :, i : i + h, j : j + w] += dLdZ / k**2
        return dLdA


CASES = [
    Case(
        "batch normalization with dLdBW",
        lambda: check_layer(BatchNorm1d(3), Z=(6, 3)),
        bugs=[
            Bug("+ dLdM / self.N", "", "Z", r"mean|term|missing|constant"),
            Bug("dLdV * 2 / self.N * (self.Z - self.M)", "dLdV * 2 * (self.Z - self.M)", "Z", r"var|mean"),
            Bug(
                "self.dLdBW = np.sum(dLdBZ * self.NZ, axis=0, keepdims=True)",
                "self.dLdBW = np.sum(dLdBZ * self.Z, axis=0, keepdims=True)",
                "BW",
                r"normali|input",
            ),
            Bug(
                "self.dLdBb = np.sum(dLdBZ, axis=0, keepdims=True)",
                "self.dLdBb = np.sum(dLdBZ * self.BW, axis=0, keepdims=True)",
                "Bb",
                r"gamma|factor|column",
            ),
        ],
    ),
    Case(
        "convolution in one dimension",
        lambda: check_layer(Conv1d_stride1(2, 3, 3), A=(2, 2, 7)),
        bugs=[
            Bug("flipped = self.W[:, :, ::-1]", "flipped = self.W", "A", r"flip|reverse|rotat"),
            Bug(
                "self.dLdb = np.sum(dLdZ, axis=(0, 2))",
                "self.dLdb = np.sum(dLdZ, axis=2)[0]",
                "b",
                r"sum|axis|batch|first",
            ),
            Bug(
                "self.dLdW[:, :, k] = np.tensordot",
                "self.dLdW[:, :, k] += np.tensordot",
                "W",
                r"accumul|\+=|second|zero",
            ),
            Bug("self.dLdW[:, :, k] = np", "self.dLdW[:, :, -1 - k] = np", "W", r"flip|reverse|rotat"),
        ],
    ),
    Case(
        "mean squared error with A and Y",
        lambda: check_loss(MSELoss(), np.random.randn(4, 3), np.random.randn(4, 3)),
        bugs=[
            Bug(
                "dLdA = 2 * (self.A - self.Y) / (self.N * self.C)",
                "dLdA = (self.A - self.Y) / (self.N * self.C)",
                "y_pred",
                r"0\.5|half",
            ),
            Bug(
                "dLdA = 2 * (self.A - self.Y) / (self.N * self.C)",
                "dLdA = 2 * (self.A - self.Y) / self.N",
                "y_pred",
                r"3 times|size|mean",
            ),
            Bug(
                "dLdA = 2 * (self.A - self.Y) / (self.N * self.C)",
                "dLdA = 2 * (self.Y - self.A) / (self.N * self.C)",
                "y_pred",
                r"sign|-1",
            ),
            Bug(
                "dLdA = 2 * (self.A - self.Y) / (self.N * self.C)",
                "dLdA = 2 * self.A / (self.N * self.C)",
                "y_pred",
                r"target|\bY\b|term|missing|constant",
            ),
        ],
    ),
    Case(
        "mean pooling",
        lambda: check_layer(MeanPool2d_stride1(2), A=(2, 2, 4, 4)),
        bugs=[
            Bug("+= dLdZ / k**2", "+= dLdZ", "A", r"4 times|mean|kernel|factor"),
            Bug("+= dLdZ / k**2", "= dLdZ / k**2", "A", r"overlap|accumul|\+="),
            Bug("+= dLdZ / k**2", "+= dLdZ / k", "A", r"2 times|twice|factor"),
            Bug(
                "dLdA[:, :, i : i + h, j : j + w] +=",
                "dLdA[:, :, :h, :w] +=",
                "A",
                r"shift|position|overlap|offset|zero",
            ),
        ],
    ),
]
