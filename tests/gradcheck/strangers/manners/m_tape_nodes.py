"""A course that grew a tape in class: w.g beside w, layers called like functions, gradients left on the arrays' owners."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function, check_layer


class Box:
    """a value and, later, its gradient .g"""

    def __init__(self, v):
        self.v = v
        self.g = None


class Lin:
    def __init__(self, w, b):
        self.w, self.b = Box(w), Box(b)

    def __call__(self, inp):
        self.inp = inp
        return inp @ self.w.v + self.b.v

    def backward(self, outg):
        self.w.g = self.inp.T @ outg
        self.b.g = outg.sum(0)
        return outg @ self.w.v.T


class Relu:
    def __call__(self, inp):
        self.inp = inp
        return inp.clip(0.) - 0.5

    def backward(self, outg): return (self.inp > 0) * outg


class Model:
    def __init__(self, n_in, nh, n_out):
        self.layers = [Lin(np.random.randn(n_in, nh), np.zeros(nh)), Relu(), Lin(np.random.randn(nh, n_out), np.zeros(n_out))]

    def __call__(self, x):
        for l in self.layers: x = l(x)
        return x

    def backward(self, g):
        for l in reversed(self.layers): g = l.backward(g)
        return g


class MulNode:
    """y = a * b with everything remembered: backward() reads self.out.g"""

    def __call__(self, a, b):
        self.a, self.b = Box(a), Box(b)
        self.out = Box(a * b)
        return self.out

    def backward(self):
        self.a.g = self.out.g * self.b.v
        self.b.g = self.out.g * self.a.v


class SquareNode:
    def __call__(self, a):
        self.a = Box(a)
        self.out = Box(a ** 2)
        return self.out

    def backward(self):
        self.a.g = 2 * self.a.v * self.out.g


mul, square = MulNode(), SquareNode()


def mul_backward(dy, a, b):
    mul(a, b).g = dy
    mul.backward()
    return mul.a.g, mul.b.g


def square_backward(dy, a):
    square(a).g = dy
    square.backward()
    return square.a.g


CASES = [
    Case("lin", lambda: check_layer(Lin(np.random.randn(3, 2), np.random.randn(2)), x=(4, 3)), bugs=[
        Bug("self.w.g = self.inp.T @ outg", "self.w.g = self.inp.T @ outg / len(outg)", "w", r"1/N|batch size|mean"),
        Bug("self.b.g = outg.sum(0)", "self.b.g = outg.mean(0)", "b", r"1/N|batch size|mean"),
        Bug("self.w.g = self.inp.T @ outg", "self.w.g = self.inp.T @ (outg * outg)", "w", r"dy|outg|squar|linear|depend"),
        Bug("        self.b.g = outg.sum(0)\n", "", "b", r"never|no gradient|not (written|set|found)|None|missing"),
    ]),
    Case("relu", lambda: check_layer(Relu(), x=(4, 3)), bugs=[
        Bug("return (self.inp > 0) * outg", "return (self.inp < 0) * outg", "x", r"mask|invert|opposite"),
        Bug("return (self.inp > 0) * outg", "return outg", "x", r"mask|relu|missing|forgot"),
        Bug("return (self.inp > 0) * outg", "return (self.inp > 0.5) * outg", "x", r"mask|threshold|0\.5"),
        Bug("return (self.inp > 0) * outg", "return (self.inp > 0) * (outg - 0.5)", "x", r"0\.5|offset|constant|term|dy"),
    ]),
    Case("model", lambda: check_layer(Model(3, 4, 2), (5, 3)), bugs=[
        Bug("self.b.g = outg.sum(0)", "self.b.g = outg.sum(0) * 2", ("0.b", "2.b"), r"2(\.0*)? times|twice|factor"),
        Bug("for l in reversed(self.layers): g = l.backward(g)", "for l in reversed(self.layers): g = l.backward(g) if l.__class__ is Lin else g", ("x", "0.w", "0.b"), r"mask|relu|layer|missing"),
        Bug("return outg @ self.w.v.T", "return outg @ self.w.v.T + self.inp * 0.1", ("x", "0.w", "0.b"), r"extra|term|\bx\b|inp|0\.1|added"),
        Bug("self.w.g = self.inp.T @ outg", "self.w.g = np.sign(self.inp.T @ outg)", ("0.w", "2.w"), r"sign|dy|linear"),
    ]),
    Case("mul node", lambda: check_layer(MulNode(), (3, 4), (3, 4)), expect="refused",
         adapter=lambda: check_function(lambda a, b: mul(a, b).v, mul_backward, (3, 4), (3, 4)), bugs=[
        Bug("self.a.g = self.out.g * self.b.v", "self.a.g = self.out.g * self.a.v", "a", r"swap|\bb\b|other|factor"),
        Bug("self.b.g = self.out.g * self.a.v", "self.b.g = self.a.v", "b", r"dy|out|ignore|upstream"),
        Bug("self.b.g = self.out.g * self.a.v", "self.b.g = self.out.g * self.out.v", "b", r"factor|\bb\b|output|out|extra"),
        Bug("self.a.g = self.out.g * self.b.v", "self.a.g = -self.out.g * self.b.v", "a", r"sign|-1"),
    ]),
    Case("square node", lambda: check_layer(SquareNode(), (3, 4)), expect="refused",
         adapter=lambda: check_function(lambda a: square(a).v, square_backward, (3, 4)), bugs=[
        Bug("self.a.g = 2 * self.a.v", "self.a.g = self.a.v", "a", r"0\.5 times|half|factor|\b2\b"),
        Bug("self.a.g = 2 * self.a.v * self.out.g", "self.a.g = 2 * self.a.v", "a", r"dy|out|ignore|upstream"),
        Bug("self.a.g = 2 * self.a.v", "self.a.g = 2 * self.out.v", "a", r"output|input|out|squar|\ba\b"),
        Bug("self.a.g = 2 * self.a.v", "self.a.g = 2 * np.abs(self.a.v)", "a", r"abs|sign"),
    ]),
]
