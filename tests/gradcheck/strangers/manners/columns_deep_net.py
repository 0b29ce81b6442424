"""A course's programming exercise: samples as columns, a cost with 1/m, dicts of parameters and of gradients."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function, check_model


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


def propagate(w, b, X, Y):
    """
    w -- weights, (n_x, 1)    b -- bias, a number
    X -- data, (n_x, m)       Y -- labels, (1, m)
    """
    m = X.shape[1]
    A = sigmoid(np.dot(w.T, X) + b)
    cost = -1 / m * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))
    dw = 1 / m * np.dot(X, (A - Y).T)
    db = 1 / m * np.sum(A - Y)
    cost = np.squeeze(np.array(cost))
    grads = {"dw": dw, "db": db}
    return grads, cost


class DeepNet:
    """[LINEAR -> TANH] * (L-1) -> LINEAR -> SIGMOID"""

    def __init__(self, layer_dims, seed=3):
        np.random.seed(seed)
        self.L = len(layer_dims) - 1
        self.parameters = {}
        self.grads = {}
        for l in range(1, self.L + 1):
            self.parameters["W" + str(l)] = np.random.randn(layer_dims[l], layer_dims[l - 1]) / np.sqrt(
                layer_dims[l - 1]
            )
            self.parameters["b" + str(l)] = np.random.randn(layer_dims[l], 1) * 0.1

    def forward(self, X):
        self.A = {0: X}
        for l in range(1, self.L + 1):
            Z = np.dot(self.parameters["W" + str(l)], self.A[l - 1]) + self.parameters["b" + str(l)]
            self.A[l] = np.tanh(Z) if l < self.L else sigmoid(Z)
        return self.A[self.L]

    def loss(self, X, Y):
        AL = self.forward(X)
        m = Y.shape[1]
        return -np.sum(Y * np.log(AL) + (1 - Y) * np.log(1 - AL)) / m

    def backward(self, Y):
        m = Y.shape[1]
        AL = self.A[self.L]
        dZ = AL - Y
        for l in reversed(range(1, self.L + 1)):
            self.grads["dW" + str(l)] = 1.0 / m * np.dot(dZ, self.A[l - 1].T)
            self.grads["db" + str(l)] = 1.0 / m * np.sum(dZ, axis=1, keepdims=True)
            if l > 1:
                dA_prev = np.dot(self.parameters["W" + str(l)].T, dZ)
                dZ = dA_prev * (1 - np.power(self.A[l - 1], 2))
        return self.grads


def linear_activation_forward(A_prev, W, b):
    """Columns are samples; the activation is relu."""
    Z = np.dot(W, A_prev) + b
    A = np.maximum(0, Z)
    assert A.shape == (W.shape[0], A_prev.shape[1])
    cache = (A_prev, W, b, Z)
    return A, cache


def linear_activation_backward(dA, cache):
    A_prev, W, b, Z = cache
    dZ = np.array(dA, copy=True)
    dZ[Z <= 0] = 0
    dW_ = np.dot(dZ, A_prev.T)
    db_ = np.sum(dZ, axis=1, keepdims=True)
    dA_prev_ = np.dot(W.T, dZ)
    assert dA_prev_.shape == A_prev.shape
    assert dW_.shape == W.shape
    return dA_prev_, dW_, db_


Y = np.array([[1, 0, 0, 1, 1]])

CASES = [
    Case(
        "logistic regression in columns",
        lambda: check_function(propagate, w=(3, 1), b=0.4, X=np.random.randn(3, 5), Y=Y),
        bugs=[
            Bug("dw = 1 / m * np.dot(X, (A - Y).T)", "dw = np.dot(X, (A - Y).T)", "w", r"5 times|1/N|batch"),
            Bug("db = 1 / m * np.sum(A - Y)", "db = 1 / m * np.sum(Y - A)", "b", r"sign|-1"),
            Bug(
                "dw = 1 / m * np.dot(X, (A - Y).T)",
                "dw = 1 / m * np.dot(X, ((A - Y) * A * (1 - A)).T)",
                "w",
                r"sigmoid|derivative",
            ),
            Bug("db = 1 / m * np.sum(A - Y)", "db = np.sum(A - Y) / X.shape[0]", "b", r"1\.67|1\.66|5/3|factor|times"),
        ],
    ),
    Case(
        "deep net in columns",
        lambda: check_model(DeepNet([4, 3, 2, 1]), np.random.randn(4, 5), Y),
        bugs=[
            Bug(
                "= 1.0 / m * np.dot(dZ, self.A[l - 1].T)",
                "= np.dot(dZ, self.A[l - 1].T)",
                ("W1", "W2", "W3"),
                r"5 times|1/N|batch",
            ),
            Bug(
                "= 1.0 / m * np.sum(dZ, axis=1, keepdims=True)",
                "= 1.0 / m * np.sum(dZ) * np.ones((len(dZ), 1))",
                ("b1", "b2"),
                r"sum|axis|axes|same",
            ),
            Bug(
                "dZ = dA_prev * (1 - np.power(self.A[l - 1], 2))",
                "dZ = dA_prev * (1 - np.power(self.A[l - 1], 1))",
                ("W1", "b1", "W2", "b2"),
                r"tanh|derivative|square",
            ),
            Bug(
                "dZ = dA_prev * (1 - np.power(self.A[l - 1], 2))",
                "dZ = dA_prev",
                ("W1", "b1", "W2", "b2"),
                r"tanh|derivative|activation",
            ),
            Bug(
                "        dZ = AL - Y",
                "        dZ = (AL - Y) * AL * (1 - AL)",
                ("W1", "b1", "W2", "b2", "W3", "b3"),
                r"sigmoid|derivative|twice",
            ),
        ],
    ),
    Case(
        "linear and relu in columns",
        lambda: check_function(
            linear_activation_forward, linear_activation_backward, A_prev=(4, 5), W=(3, 4), b=(3, 1)
        ),
        bugs=[
            Bug(
                "dW_ = np.dot(dZ, A_prev.T)",
                "dW_ = 1 / A_prev.shape[1] * np.dot(dZ, A_prev.T)",
                "W",
                r"0\.2|1/N|batch|mean|samples",
            ),
            Bug(
                "db_ = np.sum(dZ, axis=1, keepdims=True)",
                "db_ = np.mean(dZ, axis=1, keepdims=True)",
                "b",
                r"mean|0\.2|1/N|batch|samples",
            ),
            Bug("dZ[Z <= 0] = 0", "dZ[dZ <= 0] = 0", ("A_prev", "W", "b"), r"relu|mask|sign|negative"),
            Bug(
                "dA_prev_ = np.dot(W.T, dZ)", "dA_prev_ = np.dot(W.T, dA)", "A_prev", r"relu|mask|derivative|activation"
            ),
            Bug("dZ[Z <= 0] = 0", "dZ[Z > 0] = 0", ("A_prev", "W", "b"), r"relu|mask|invert"),
        ],
    ),
]
