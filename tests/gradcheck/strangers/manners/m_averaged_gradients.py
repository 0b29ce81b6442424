"""A specialization's convention: parameters' gradients are averages over the samples (1/m), while dA is not; scale= says so."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function, check_layer


def linear_forward(A_prev, W, b):
    Z = W @ A_prev + b
    return Z, (A_prev, W)


def linear_backward(dZ, cache):
    A_prev, W = cache
    m = A_prev.shape[1]
    dW = 1. / m * np.dot(dZ, A_prev.T)
    db = 1. / m * np.sum(dZ, axis=1, keepdims=True)
    dA_prev = np.dot(W.T, dZ)
    return dA_prev, dW, db


class AveragingDense:
    def __init__(self, n, m):
        self.weights = np.random.randn(n, m)
        self.biases = np.random.randn(m)

    def forward(self, x):
        self.x = x
        return np.sinh(x @ self.weights + self.biases)

    def backward(self, error):
        error = error * np.cosh(self.x @ self.weights + self.biases)
        self.weights_grad = np.mean(self.x[:, :, None] * error[:, None, :], axis=0)
        self.biases_grad = np.mean(error, axis=0)
        return error @ self.weights.T


CASES = [
    Case("columns", lambda: check_function(linear_forward, linear_backward, (4, 6), (3, 4), (3, 1), scale={"W": 1 / 6, "b": 1 / 6}), bugs=[
        Bug("dW = 1. / m * np.dot(dZ, A_prev.T)", "dW = np.dot(dZ, A_prev.T)", "W", r"6(\.0*)? times|\bm\b|factor|mean|batch"),
        Bug("db = 1. / m * np.sum(dZ, axis=1, keepdims=True)", "db = 1. / m * dZ[:, :1]", "b", r"first|column|sum"),
        Bug("dA_prev = np.dot(W.T, dZ)", "dA_prev = 1. / m * np.dot(W.T, dZ)", "A_prev", r"1/6|0\.16|1/m|mean|batch|factor"),
        Bug("m = A_prev.shape[1]", "m = A_prev.shape[0]", ("W", "b"), r"1\.5 times|factor|batch|size|shape"),
    ]),
    Case("rows", lambda: check_layer(AveragingDense(3, 2), x=(5, 3), scale=1 / 5), bugs=[
        Bug("self.biases_grad = np.mean(error, axis=0)", "self.biases_grad = np.sum(error, axis=0)", "biases", r"5(\.0*)? times|\bN\b|factor|mean|batch"),
        Bug("error = error * np.cosh", "error = error * np.sinh", ("x", "weights", "biases"), r"cosh|sinh|derivative"),
        Bug("np.mean(self.x[:, :, None] * error[:, None, :], axis=0)", "np.mean(self.x[:, :, None] * error[:, None, :], axis=0) * 2", "weights", r"2(\.0*)? times|twice|factor"),
        Bug("return error @ self.weights.T", "return error @ self.weights.T / len(error)", "x", r"1/N|batch size|mean|0\.2|1/5"),
    ]),
]
