"""An online course's manner: samples are columns, parameters and gradients are dictionaries keyed W1, b1, dW1, db1."""
import numpy as np


def sigmoid(Z):
    return 1.0 / (1.0 + np.exp(-Z))


def initialize(n_x, n_h, n_y):
    return {"W1": np.random.randn(n_h, n_x) * 0.5, "b1": np.random.randn(n_h, 1) * 0.1,
            "W2": np.random.randn(n_y, n_h) * 0.5, "b2": np.random.randn(n_y, 1) * 0.1}


def forward_propagation(X, parameters):
    W1, b1, W2, b2 = parameters["W1"], parameters["b1"], parameters["W2"], parameters["b2"]
    Z1 = np.dot(W1, X) + b1
    A1 = np.tanh(Z1)
    Z2 = np.dot(W2, A1) + b2
    A2 = sigmoid(Z2)
    return A2, {"X": X, "A1": A1, "A2": A2, "parameters": parameters}


def backward_propagation(dA2, cache):
    X, A1, A2, parameters = cache["X"], cache["A1"], cache["A2"], cache["parameters"]
    dZ2 = dA2 * A2 * (1 - A2)
    dW2 = np.dot(dZ2, A1.T)
    db2 = np.sum(dZ2, axis=1, keepdims=True)
    dZ1 = np.dot(parameters["W2"].T, dZ2) * (1 - A1 ** 2)
    dW1 = np.dot(dZ1, X.T)
    db1 = np.sum(dZ1, axis=1, keepdims=True)
    return {"dX": np.dot(parameters["W1"].T, dZ1), "dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2}


class ShallowNet:
    """The same network as a class, with its own cost (cross-entropy over m columns)."""

    def __init__(self, n_x, n_h):
        self.params = {"W1": np.random.randn(n_h, n_x), "b1": np.zeros((n_h, 1)),
                       "W2": np.random.randn(1, n_h), "b2": np.zeros((1, 1))}
        self.grads = {}

    def forward(self, X):
        p = self.params
        self.X = X
        self.H = np.maximum(0, p["W1"] @ X + p["b1"])
        self.Yhat = sigmoid(p["W2"] @ self.H + p["b2"])
        return self.Yhat

    def compute_cost(self, Yhat, Y):
        m = Y.shape[1]
        return float(-np.sum(Y * np.log(Yhat) + (1 - Y) * np.log(1 - Yhat)) / m)

    def backward(self, Y):
        m = Y.shape[1]
        delta = (self.Yhat - Y) / m
        self.grads["W2"] = delta @ self.H.T
        self.grads["b2"] = delta.sum(axis=1, keepdims=True)
        delta = (self.params["W2"].T @ delta) * (self.H > 0)
        self.grads["W1"] = delta @ self.X.T
        self.grads["b1"] = delta.sum(axis=1, keepdims=True)
        return self.grads


def rnn_forward(x, a0, parameters):
    """x: (n_x, m, T), a0: (n_a, m); returns all hidden states (n_a, m, T)."""
    Wax, Waa, ba = parameters["Wax"], parameters["Waa"], parameters["ba"]
    T = x.shape[2]
    a = np.zeros(a0.shape + (T,))
    a_next = a0
    for t in range(T):
        a_next = np.tanh(Wax @ x[:, :, t] + Waa @ a_next + ba)
        a[:, :, t] = a_next
    return a, (x, a0, a, parameters)


def rnn_backward(da, caches):
    x, a0, a, parameters = caches
    Wax, Waa, ba = parameters["Wax"], parameters["Waa"], parameters["ba"]
    dx = np.zeros_like(x)
    gradients = {"dWax": np.zeros_like(Wax), "dWaa": np.zeros_like(Waa), "dba": np.zeros_like(ba)}
    da_prev = np.zeros_like(a0)
    for t in reversed(range(x.shape[2])):
        dtanh = (1 - a[:, :, t] ** 2) * (da[:, :, t] + da_prev)
        a_before = a[:, :, t - 1] if t > 0 else a0
        gradients["dWax"] += dtanh @ x[:, :, t].T
        gradients["dWaa"] += dtanh @ a_before.T
        gradients["dba"] += np.sum(dtanh, axis=1, keepdims=True)
        dx[:, :, t] = Wax.T @ dtanh
        da_prev = Waa.T @ dtanh
    gradients["dx"] = dx
    gradients["da0"] = da_prev
    return gradients


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_function, check_model  # noqa: E402

CASES = [
    Case("columns_two_layers", lambda: check_function(forward_propagation, backward_propagation, X=(3, 6),
                                                      parameters=initialize(3, 4, 2)), bugs=[
        Bug("dW1 = np.dot(dZ1, X.T)", "dW1 = np.dot(dZ1, X.T) / X.shape[1]", "parameters['W1']", r"1/N|batch size|columns|mean"),
        Bug("dZ1 = np.dot(parameters[\"W2\"].T, dZ2) * (1 - A1 ** 2)", "dZ1 = np.dot(parameters[\"W2\"].T, dZ2) * (1 - A1)",
            ("X", "parameters['W1']", "parameters['b1']"), r"tanh|derivative|activation"),
        Bug("dZ2 = dA2 * A2 * (1 - A2)", "dZ2 = dA2", ("X", "parameters['W1']", "parameters['b1']", "parameters['W2']", "parameters['b2']"), r"sigmoid|derivative|activation"),
    ]),
    Case("columns_shallow_net", lambda: check_model(ShallowNet(3, 5), np.random.default_rng(0).normal(size=(3, 7)),
                                                    np.array([[0, 1, 1, 0, 1, 0, 0]])), bugs=[
        Bug("delta = (self.Yhat - Y) / m", "delta = (self.Yhat - Y)", ("W1", "b1", "W2", "b2"),
            r"times the right one|1/N|batch|mean"),
        Bug(" * (self.H > 0)", "", ("W1", "b1"), r"relu|derivative|activation|mask"),
    ]),
    Case("columns_rnn_forward", lambda: check_function(
            rnn_forward, rnn_backward, x=(2, 3, 4), a0=(5, 3),
            parameters={"Wax": 0.3 * np.random.randn(5, 2), "Waa": 0.3 * np.random.randn(5, 5),
                        "ba": 0.3 * np.random.randn(5, 1)}), bugs=[
        Bug("(da[:, :, t] + da_prev)", "da[:, :, t]", ("x", "a0", "parameters['Wax']", "parameters['Waa']", "parameters['ba']"), r"time|recur|step|missing"),
        Bug("a_before = a[:, :, t - 1] if t > 0 else a0", "a_before = a[:, :, t]", "parameters['Waa']", r"previous|step|time|state|forward"),
        Bug("gradients[\"dba\"] += ", "gradients[\"dba\"] = ", "parameters['ba']", r"accumulat|\+=|step|overw"),
    ]),
]
