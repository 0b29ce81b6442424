"""An impatient student's calls: check_function with bound methods, lambdas over the same object, all mixtures of them."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        dx = dy * (1 - self.y * self.y)
        return [dx]


class Affine:
    def __init__(self, d, k):
        self.W = np.random.randn(d, k)
        self.b = np.random.randn(k)

    def forward(self, x):
        self.x = x
        return x.dot(self.W) + self.b

    def backward(self, dy):
        self.dW = self.x.T.dot(dy)
        self.db = dy.sum(axis=0)
        return [dy.dot(self.W.T)]


class Cubic:
    @classmethod
    def f(cls, x):
        return x ** 3 - x

    @staticmethod
    def df(dy, x):
        return (3 * x ** 2 - 1) * dy


def both_bound():
    t = Tanh()
    return check_function(t.forward, t.backward, (5, 4))


def bound_and_lambda():
    L = Tanh()
    L.forward(np.random.randn(5, 4))  # tried it out before
    return check_function(L.forward, lambda dy, x: L.backward(dy)[0], (5, 4))


def lambda_and_bound():
    A = Affine(4, 3)
    return check_function(lambda x: A.forward(x), A.backward, (5, 4))


def both_lambdas():
    A = Affine(4, 3)
    return check_function(lambda x: A.forward(x), lambda dy, x: A.backward(dy)[0], (5, 4))


def chain():
    A, T = Affine(4, 3), Tanh()
    return check_function(lambda x: T.forward(A.forward(x)), lambda dy, x: A.backward(T.backward(dy)[0])[0], (5, 4))


CASES = [
    Case("both bound", both_bound, bugs=[
        Bug("dx = dy * (1 - self.y * self.y)", "dx = dy * (1 - self.y)", "x", r"tanh|derivative"),
        Bug("dx = dy * (1 - self.y * self.y)", "dx = dy", "x", r"tanh|derivative|missing"),
        Bug("dx = dy * (1 - self.y * self.y)", "dx = dy * self.y * (1 - self.y)", "x", r"tanh|sigmoid|derivative"),
        Bug("dx = dy * (1 - self.y * self.y)", "dx = 1 - self.y * self.y", "x", r"dy|ignore|upstream"),
    ]),
    Case("bound and lambda", bound_and_lambda, bugs=[
        Bug("dx = dy * (1 - self.y * self.y)", "dx = dy * (1 + self.y * self.y)", "x", r"sign|tanh|derivative"),
        Bug("dx = dy * (1 - self.y * self.y)", "dx = -dy * (1 - self.y * self.y)", "x", r"sign|-1"),
        Bug("dx = dy * (1 - self.y * self.y)", "dx = 2 * dy * (1 - self.y * self.y)", "x", r"2(\.0*)? times|twice|factor"),
        Bug("dx = dy * (1 - self.y * self.y)", "dx = dy * (1 - np.tanh(self.y) ** 2)", "x", r"tanh|twice|output"),
    ]),
    Case("lambda and bound", lambda_and_bound, bugs=[
        Bug("self.dW = self.x.T.dot(dy)", "self.dW = 99 * self.x.T.dot(dy)", "W", r"99"),
        Bug("self.db = dy.sum(axis=0)", "self.db = dy.mean(axis=0)", "b", r"1/N|batch size|mean"),
        Bug("return [dy.dot(self.W.T)]", "return [dy.dot(self.W.T) * 0.5]", "x", r"0\.5 times|half|factor"),
        Bug("        self.db = dy.sum(axis=0)\n", "", "b", r"never|no gradient|not (written|set|found)|missing"),
    ]),
    Case("both lambdas", both_lambdas, bugs=[
        Bug("self.dW = self.x.T.dot(dy)", "self.dW = self.x.T.dot(dy) / len(dy)", "W", r"1/N|batch size|mean"),
        Bug("self.db = dy.sum(axis=0)", "self.db = dy[0]", "b", r"first|row|sum"),
        Bug("self.dW = self.x.T.dot(dy)", "self.dW = self.W * 2", "W", r"dy|depend|ignore|itself|value|decay"),
        Bug("return [dy.dot(self.W.T)]", "return [dy.dot(self.W.T) + self.x]", "x", r"\bx\b|extra|added|term|residual"),
    ]),
    Case("chain", chain, bugs=[
        Bug("dx = dy * (1 - self.y * self.y)", "dx = dy * (1 - self.y ** 3)", ("x", "W", "b"), r"tanh|derivative"),
        Bug("self.dW = self.x.T.dot(dy)", "self.dW = -self.x.T.dot(dy)", "W", r"sign|-1"),
        Bug("self.db = dy.sum(axis=0)", "self.db = np.abs(dy).sum(axis=0)", "b", r"abs|dy|sign|linear"),
        Bug("return [dy.dot(self.W.T)]", "return [dy.dot(np.abs(self.W.T))]", "x", r"abs|sign|\bW\b"),
    ]),
    Case("class and static", lambda: check_function(Cubic.f, Cubic.df, (3, 4)), bugs=[
        Bug("return (3 * x ** 2 - 1) * dy", "return 3 * x ** 2 * dy", "x", r"term|missing|-1|constant|dy"),
        Bug("return (3 * x ** 2 - 1) * dy", "return (3 * x ** 2 - 1)", "x", r"dy|ignore|upstream"),
        Bug("return (3 * x ** 2 - 1) * dy", "return (2 * x ** 2 - 1) * dy", "x", r"factor|term|derivative|cube|power"),
        Bug("return (3 * x ** 2 - 1) * dy", "return (3 * x - 1) * dy", "x", r"power|squar|factor|derivative"),
    ]),
]
