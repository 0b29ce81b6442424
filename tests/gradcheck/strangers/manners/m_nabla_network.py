"""A free online book's network: lists of weights and biases, column vectors, backprop(x, y) -> (nabla_b, nabla_w)."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function, check_loss


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z):
    return sigmoid(z) * (1 - sigmoid(z))


class QuadraticCost(object):
    @staticmethod
    def fn(a, y):
        return 0.5 * np.linalg.norm(a - y) ** 2

    @staticmethod
    def grad(a, y):
        return a - y


class CrossEntropyCost(object):
    @staticmethod
    def fn(a, y):
        return np.sum(np.nan_to_num(-y * np.log(a) - (1 - y) * np.log(1 - a)))

    @staticmethod
    def grad(a, y):
        return (a - y) / (a * (1 - a))


def network_cost(x, y, b1, b2, w1, w2):
    """the cost of one example, as the book's formulas give it"""
    a = x
    for b, w in zip([b1, b2], [w1, w2]):
        a = sigmoid(np.dot(w, a) + b)
    return QuadraticCost.fn(a, y)


def backprop(g, x, y, b1, b2, w1, w2):
    biases, weights = [b1, b2], [w1, w2]
    nabla_b = [np.zeros(b.shape) for b in biases]
    nabla_w = [np.zeros(w.shape) for w in weights]
    # feedforward
    activation = x
    activations = [x]  # list to store all the activations, layer by layer
    zs = []  # list to store all the z vectors, layer by layer
    for b, w in zip(biases, weights):
        z = np.dot(w, activation) + b
        zs.append(z)
        activation = sigmoid(z)
        activations.append(activation)
    # backward pass
    delta = QuadraticCost.grad(activations[-1], y) * sigmoid_prime(zs[-1]) * g
    nabla_b[-1] = delta
    nabla_w[-1] = np.dot(delta, activations[-2].transpose())
    for l in range(2, len(weights) + 1):
        sp = sigmoid_prime(zs[-l])
        delta = np.dot(weights[-l + 1].transpose(), delta) * sp
        nabla_b[-l] = delta
        nabla_w[-l] = np.dot(delta, activations[-l - 1].transpose())
    return (np.dot(weights[0].transpose(), delta), y - activations[-1], nabla_b[0], nabla_b[1], nabla_w[0], nabla_w[1])


def fix_y(g, *a):
    dx, dy, *rest = backprop(g, *a)
    return (dx, dy * g, *rest)


target = np.array([[0.2], [0.9]])
activity = np.array([[0.3], [0.6]])
EVERY = ("x", "b1", "b2", "w1", "w2")

CASES = [
    Case("network", lambda: check_function(network_cost, fix_y, (3, 1), (2, 1), (4, 1), (2, 1), (4, 3), (2, 4)), bugs=[
        Bug("delta = QuadraticCost.grad(activations[-1], y) * sigmoid_prime(zs[-1]) * g", "delta = QuadraticCost.grad(activations[-1], y) * g", EVERY, r"sigmoid|derivative|missing"),
        Bug("sp = sigmoid_prime(zs[-l])", "sp = sigmoid(zs[-l])", ("x", "b1", "w1"), r"sigmoid|derivative"),
        Bug("sp = sigmoid_prime(zs[-l])", "sp = sigmoid_prime(activations[-l])", ("x", "b1", "w1"), r"sigmoid|derivative|output|input"),
        Bug("nabla_w[-l] = np.dot(delta, activations[-l - 1].transpose())", "nabla_w[-l] = 2 * np.dot(delta, activations[-l - 1].transpose())", "w1", r"2(\.0*)? times|twice|factor"),
        Bug("        nabla_b[-l] = delta\n", "        nabla_b[-l] = sp\n", "b1", r"delta|dy|missing|factor|derivative"),
    ]),
    Case("quadratic cost", lambda: check_loss(QuadraticCost(), activity, target), bugs=[
        Bug("        return a - y\n", "        return y - a\n", "y_pred", r"sign|-1"),
        Bug("        return a - y\n", "        return 2 * (a - y)\n", "y_pred", r"2(\.0*)? times|twice|factor"),
        Bug("        return a - y\n", "        return a\n", "y_pred", r"target|\by\b|term|missing"),
        Bug("        return a - y\n", "        return (a - y) / len(a)\n", "y_pred", r"0\.5 times|half|1/N|mean|factor"),
    ]),
    Case("cross-entropy cost", lambda: check_loss(CrossEntropyCost(), activity, target), bugs=[
        Bug("        return (a - y) / (a * (1 - a))", "        return a - y", "y_pred", r"sigmoid|factor|missing|1 - a"),
        Bug("        return (a - y) / (a * (1 - a))", "        return (a - y) / a", "y_pred", r"1 - a|factor|missing|term"),
        Bug("        return (a - y) / (a * (1 - a))", "        return (y - a) / (a * (1 - a))", "y_pred", r"sign|-1"),
        Bug("        return (a - y) / (a * (1 - a))", "        return -y / a", "y_pred", r"term|missing|1 - y"),
    ]),
]
