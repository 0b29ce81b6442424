"""A deep-learning specialization's notebook: samples as columns, A and Z, caches in tuples, grads in a dict, 1/m in the cost."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function, check_model


def linear_forward(A, W, b):
    Z = np.dot(W, A) + b
    cache = (A, W, b)
    return Z, cache


def linear_backward(dZ, cache):
    A_prev, W, b = cache
    dW = np.dot(dZ, A_prev.T)
    db = np.sum(dZ, axis=1, keepdims=True)
    dA_prev = np.dot(W.T, dZ)
    return dA_prev, dW, db


def sigmoid(Z):
    A = 1 / (1 + np.exp(-Z))
    return A, Z


def sigmoid_backward(dA, cache):
    Z = cache
    s = 1 / (1 + np.exp(-Z))
    dZ = dA * s * (1 - s)
    return dZ


def relu(Z):
    A = np.maximum(0, Z)
    return A, Z


def relu_backward(dA, cache):
    Z = cache
    dZ = np.array(dA, copy=True)
    dZ[Z <= 0] = 0
    return dZ


def linear_activation_forward(A_prev, W, b, activation):
    Z, linear_cache = linear_forward(A_prev, W, b)
    A, activation_cache = sigmoid(Z) if activation == "sigmoid" else relu(Z)
    return A, (linear_cache, activation_cache)


def linear_activation_backward(dA, cache, activation="relu"):
    linear_cache, activation_cache = cache
    if activation == "relu":
        dZ = relu_backward(dA, activation_cache)
    elif activation == "sigmoid":
        dZ = sigmoid_backward(dA, activation_cache)
    return linear_backward(dZ, linear_cache)


class ShallowModel:
    def __init__(self, n_x, n_h, n_y):
        self.parameters = {
            "W1": np.random.randn(n_h, n_x) * 0.5, "b1": np.zeros((n_h, 1)),
            "W2": np.random.randn(n_y, n_h) * 0.5, "b2": np.zeros((n_y, 1)),
        }

    def loss(self, X, Y):
        m = X.shape[1]
        p = self.parameters
        A1 = np.tanh(p["W1"] @ X + p["b1"])
        A2 = 1 / (1 + np.exp(-(p["W2"] @ A1 + p["b2"])))
        cost = -1 / m * np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2))
        # ---- backward_propagation ----
        dZ2 = A2 - Y
        dW2 = 1 / m * np.dot(dZ2, A1.T)
        db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)
        dZ1 = np.dot(p["W2"].T, dZ2) * (1 - np.power(A1, 2))
        dW1 = 1 / m * np.dot(dZ1, X.T)
        db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)
        return np.squeeze(cost), {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}


def rnn_cell_forward(xt, a_prev, Wax, Waa, Wya, ba, by):
    a_next = np.tanh(Wax @ xt + Waa @ a_prev + ba)
    z = Wya @ a_next + by
    e = np.exp(z - z.max(axis=0))
    yt_pred = e / e.sum(axis=0)
    return a_next, yt_pred, (a_next, a_prev, xt, Wax, Waa, Wya, yt_pred)


def rnn_cell_backward(da_next, dyt, cache):
    a_next, a_prev, xt, Wax, Waa, Wya, yt_pred = cache
    dz = yt_pred * (dyt - (dyt * yt_pred).sum(axis=0, keepdims=True))
    da = da_next + Wya.T @ dz
    dtanh = (1 - a_next**2) * da
    return (Wax.T @ dtanh, Waa.T @ dtanh, dtanh @ xt.T, dtanh @ a_prev.T, dz @ a_next.T,
            dtanh.sum(axis=1, keepdims=True), dz.sum(axis=1, keepdims=True))


Y = np.array([[1, 0, 1, 1, 0]])

CASES = [
    Case("linear columns", lambda: check_function(linear_forward, linear_backward, (4, 6), (3, 4), (3, 1)), bugs=[
        Bug("dW = np.dot(dZ, A_prev.T)\n", "dW = np.dot(dZ, A_prev.T) / A_prev.shape[1]\n", "W", r"1/N|1/m|6|mean|batch|times"),
        Bug("    db = np.sum(dZ, axis=1, keepdims=True)\n    dA", "    db = np.mean(dZ, axis=1, keepdims=True)\n    dA", "b", r"1/N|1/m|6|mean|batch|times"),
        Bug("dA_prev = np.dot(W.T, dZ)", "dA_prev = np.dot(W.T, dZ) * 2", "A", r"2(\.0*)? times|twice|factor"),
        Bug("dA_prev = np.dot(W.T, dZ)", "dA_prev = np.dot(W.T, dZ - dZ.mean(axis=1, keepdims=True))", "A", r"mean|missing|subtract|extra|term"),
    ]),
    Case("sigmoid", lambda: check_function(sigmoid, sigmoid_backward, (3, 5)), bugs=[
        Bug("dZ = dA * s * (1 - s)", "dZ = dA * s * (1 + s)", "Z", r"sigmoid|derivative|sign|1 - "),
        Bug("dZ = dA * s * (1 - s)", "dZ = dA * (1 - s)", "Z", r"sigmoid|derivative|factor|missing"),
        Bug("dZ = dA * s * (1 - s)", "dZ = s * (1 - s)", "Z", r"dA|dy|upstream|ignore|derivative"),
        Bug("dZ = dA * s * (1 - s)", "dZ = dA * Z * (1 - Z)", "Z", r"sigmoid|Z|input|output|before|twice|derivative"),
    ]),
    Case("activation relu", lambda: check_function(linear_activation_forward, linear_activation_backward, (4, 5), (3, 4), (3, 1), "relu"), bugs=[
        Bug("dZ[Z <= 0] = 0", "dZ[Z > 0] = 0", ("A_prev", "W", "b"), r"mask|invert|opposite"),
        Bug("    dZ[Z <= 0] = 0\n", "", ("A_prev", "W", "b"), r"mask|relu|missing|forgot"),
        Bug("dZ = np.array(dA, copy=True)", "dZ = np.abs(dA)", ("A_prev", "W", "b"), r"sign|abs|dy|dA"),
        Bug("dZ[Z <= 0] = 0", "dZ[Z <= 0] = 0.1 * dZ[Z <= 0]", ("A_prev", "W", "b"), r"leak|mask|0\.1|relu|negative"),
    ]),
    Case("shallow model", lambda: check_model(ShallowModel(3, 4, 1), (3, 5), Y), bugs=[
        Bug("dW2 = 1 / m * np.dot(dZ2, A1.T)", "dW2 = np.dot(dZ2, A1.T)", "W2", r"1/N|1/m|5|mean|batch|times"),
        Bug("db1 = 1 / m * np.sum(dZ1", "db1 = np.sum(dZ1", "b1", r"1/N|1/m|5|mean|batch|times"),
        Bug("(1 - np.power(A1, 2))", "A1 * (1 - A1)", ("W1", "b1"), r"tanh|sigmoid|derivative"),
        Bug("dZ2 = A2 - Y", "dZ2 = (A2 - Y) * A2 * (1 - A2)", ("W1", "b1", "W2", "b2"), r"sigmoid|derivative|twice"),
        Bug("dZ1 = np.dot(p[\"W2\"].T, dZ2) *", "dZ1 = np.sum(dZ2, axis=0) *", ("W1", "b1"), r"W2|missing|W"),
        Bug("dW1 = 1 / m * np.dot(dZ1, X.T)", "dW1 = 1 / X.shape[0] * np.dot(dZ1, X.T)", "W1", r"times|1/|batch|m\b|factor"),
    ]),
    Case("rnn cell with prediction", lambda: check_function(rnn_cell_forward, rnn_cell_backward, (3, 6), (4, 6), (4, 3), (4, 4), (2, 4), (4, 1), (2, 1)), bugs=[
        Bug("da = da_next + Wya.T @ dz", "da = da_next", ("xt", "a_prev", "Wax", "Waa", "ba"), r"second output|yt_pred|dyt|road|missing|ignor"),
        Bug("da = da_next + Wya.T @ dz", "da = Wya.T @ dz", ("xt", "a_prev", "Wax", "Waa", "ba"), r"first output|a_next|da_next|road|missing|ignor"),
        Bug("(Wax.T @ dtanh, Waa.T @ dtanh,", "(Wax.T @ dtanh, Waa @ dtanh,", "a_prev", r"transpos|\.T"),
        Bug("dtanh = (1 - a_next**2) * da", "dtanh = (1 - a_prev**2) * da", ("xt", "a_prev", "Wax", "Waa", "ba"), r"tanh|a_prev|prev"),
        Bug("dz = yt_pred * (dyt - (dyt * yt_pred).sum(axis=0, keepdims=True))", "dz = yt_pred * (dyt - (dyt * yt_pred).sum(axis=1, keepdims=True))", ("xt", "a_prev", "Wax", "Waa", "Wya", "ba", "by"), r"axis|softmax"),
        Bug("dz = yt_pred * (dyt - (dyt * yt_pred).sum(axis=0, keepdims=True))", "dz = yt_pred * (1 - yt_pred) * dyt", ("xt", "a_prev", "Wax", "Waa", "Wya", "ba", "by"), r"softmax|sum|Jacobian|diagonal|sigmoid"),
    ]),
]
