"""Books' and courses' whole networks: loss(X, y) returns the gradients, or gradient(x, t), or backprop(x, y)."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_model


class TwoLayerNet(object):
    """A course's: one method for the loss and the gradients, with L2 regularization."""

    def __init__(self, input_size, hidden_size, output_size, std=0.5):
        self.params = {}
        self.params["W1"] = std * np.random.randn(input_size, hidden_size)
        self.params["b1"] = np.random.randn(hidden_size) * 0.1
        self.params["W2"] = std * np.random.randn(hidden_size, output_size)
        self.params["b2"] = np.zeros(output_size)

    def loss(self, X, y=None, reg=0.05):
        W1, b1 = self.params["W1"], self.params["b1"]
        W2, b2 = self.params["W2"], self.params["b2"]
        N, D = X.shape
        hidden = np.maximum(X.dot(W1) + b1, 0)
        scores = hidden.dot(W2) + b2
        if y is None:
            return scores
        shifted = scores - scores.max(axis=1, keepdims=True)
        probs = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
        loss = -np.log(probs[range(N), y]).mean()
        loss += reg * (np.sum(W1 * W1) + np.sum(W2 * W2))

        grads = {}
        dscores = probs.copy()
        dscores[range(N), y] -= 1
        dscores /= N
        grads["W2"] = hidden.T.dot(dscores) + 2 * reg * W2
        grads["b2"] = dscores.sum(axis=0)
        dhidden = dscores.dot(W2.T)
        dhidden[hidden <= 0] = 0
        grads["W1"] = X.T.dot(dhidden) + 2 * reg * W1
        grads["b1"] = dhidden.sum(axis=0)
        return loss, grads


class Network(object):
    """A free online book's: lists of weights and biases, one sample as a column, quadratic cost."""

    def __init__(self, sizes):
        self.num_layers = len(sizes)
        self.sizes = sizes
        self.biases = [np.random.randn(y, 1) for y in sizes[1:]]
        self.weights = [np.random.randn(y, x) for x, y in zip(sizes[:-1], sizes[1:])]

    def feedforward(self, a):
        for b, w in zip(self.biases, self.weights):
            a = self.sigmoid(np.dot(w, a) + b)
        return a

    def cost(self, x, y):
        return 0.5 * np.linalg.norm(self.feedforward(x) - y) ** 2

    def backprop(self, x, y):
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        activation = x
        activations = [x]
        zs = []
        for b, w in zip(self.biases, self.weights):
            z = np.dot(w, activation) + b
            zs.append(z)
            activation = self.sigmoid(z)
            activations.append(activation)
        delta = (activations[-1] - y) * self.sigmoid_prime(zs[-1])
        nabla_b[-1] = delta
        nabla_w[-1] = np.dot(delta, activations[-2].transpose())
        for l in range(2, self.num_layers):
            sp = self.sigmoid_prime(zs[-l])
            delta = np.dot(self.weights[-l + 1].transpose(), delta) * sp
            nabla_b[-l] = delta
            nabla_w[-l] = np.dot(delta, activations[-l - 1].transpose())
        return (nabla_b, nabla_w)

    def sigmoid(self, z):
        return 1.0 / (1.0 + np.exp(-z))

    def sigmoid_prime(self, z):
        return self.sigmoid(z) * (1 - self.sigmoid(z))


class MultiLayerNet:
    """A textbook's: predict, loss, gradient."""

    def __init__(self, input_size, hidden_size, output_size):
        self.params = {
            "W1": np.random.randn(input_size, hidden_size),
            "b1": np.random.randn(hidden_size),
            "W2": np.random.randn(hidden_size, output_size),
            "b2": np.random.randn(output_size),
        }

    def predict(self, x):
        p = self.params
        self.z1 = np.tanh(np.dot(x, p["W1"]) + p["b1"])
        return np.dot(self.z1, p["W2"]) + p["b2"]

    def loss(self, x, t):
        """Mean squared error."""
        return 0.5 * np.sum((self.predict(x) - t) ** 2) / x.shape[0]

    def gradient(self, x, t):
        batch_num = x.shape[0]
        dy = (self.predict(x) - t) / batch_num
        grads = {}
        grads["W2"] = np.dot(self.z1.T, dy)
        grads["b2"] = np.sum(dy, axis=0)
        da1 = np.dot(dy, self.params["W2"].T)
        dz1 = (1.0 - self.z1**2) * da1
        grads["W1"] = np.dot(x.T, dz1)
        grads["b1"] = np.sum(dz1, axis=0)
        return grads


CASES = [
    Case(
        "net with loss and grads",
        lambda: check_model(TwoLayerNet(4, 6, 3), np.random.randn(5, 4), np.array([0, 1, 2, 2, 1])),
        bugs=[
            Bug(
                "X.T.dot(dhidden) + 2 * reg * W1",
                "X.T.dot(dhidden) + reg * W1",
                "W1",
                r"regulari|weight|half|decay|plus|added",
            ),
            Bug(
                "hidden.T.dot(dscores) + 2 * reg * W2",
                "hidden.T.dot(dscores)",
                "W2",
                r"regulari|weight|decay|missing",
            ),
            Bug("        dscores /= N\n", "", ("W1", "b1", "W2", "b2"), r"5 times|1/N|batch"),
            Bug("        dhidden[hidden <= 0] = 0\n", "", ("W1", "b1"), r"relu|mask|activation|derivative"),
            Bug(
                "dscores[range(N), y] -= 1",
                "dscores[range(N), y] -= 1.0 / N",
                ("W1", "b1", "W2", "b2"),
                r"one-hot|label|target|softmax",
            ),
        ],
    ),
    Case(
        "net with backprop",
        lambda: check_model(Network([3, 4, 2]), np.random.randn(3, 1), np.array([[1.0], [0.0]])),
        bugs=[
            Bug(
                "delta = (activations[-1] - y) * self.sigmoid_prime(zs[-1])",
                "delta = activations[-1] - y",
                ("weights[0]", "weights[1]", "biases[0]", "biases[1]"),
                r"sigmoid|derivative|activation",
            ),
            Bug(
                "nabla_w[-l] = np.dot(delta, activations[-l - 1].transpose())",
                "nabla_w[-l] = np.dot(delta * sp, activations[-l - 1].transpose())",
                "weights[0]",
                r"twice|sigmoid|derivative|extra",
            ),
            Bug(
                "sp = self.sigmoid_prime(zs[-l])",
                "sp = self.sigmoid_prime(activations[-l])",
                ("weights[0]", "biases[0]"),
                r"activation|derivative|output|sigmoid",
            ),
            Bug(
                "        nabla_b[-1] = delta\n",
                "        nabla_b[-1] = delta * activations[-1]\n",
                "biases[1]",
                r"output|factor|extra|activation",
            ),
        ],
    ),
    Case(
        "net with gradient",
        lambda: check_model(MultiLayerNet(3, 5, 2), np.random.randn(4, 3), np.random.randn(4, 2)),
        bugs=[
            Bug(
                "dy = (self.predict(x) - t) / batch_num",
                "dy = self.predict(x) - t",
                ("W1", "b1", "W2", "b2"),
                r"4 times|1/N|batch",
            ),
            Bug(
                "dy = (self.predict(x) - t) / batch_num",
                "dy = 2 * (self.predict(x) - t) / batch_num",
                ("W1", "b1", "W2", "b2"),
                r"2 times|twice|half",
            ),
            Bug(
                "dz1 = (1.0 - self.z1**2) * da1",
                "dz1 = (1.0 - self.z1) * self.z1 * da1",
                ("W1", "b1"),
                r"sigmoid|tanh|derivative",
            ),
            Bug(
                'grads["b1"] = np.sum(dz1, axis=0)',
                'grads["b1"] = np.sum(da1, axis=0)',
                "b1",
                r"tanh|derivative|activation",
            ),
        ],
    ),
]
