"""An introductory machine-learning course: modules with samples as columns, backward(dLdZ), sgd_step(lrate), and a Sequential of modules."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer, check_loss


class Module:
    def sgd_step(self, lrate): pass  # For modules w/o weights


class Linear(Module):
    def __init__(self, m, n):
        self.m, self.n = (m, n)  # (in size, out size)
        self.W0 = np.zeros([self.n, 1])  # (n x 1)
        self.W = np.random.normal(0, 1.0 * m ** (-.5), [m, n])  # (m x n)

    def forward(self, A):
        self.A = A   # (m x b)
        return np.dot(self.W.T, A) + self.W0  # (n x b)

    def backward(self, dLdZ):  # dLdZ is (n x b), uses stored self.A
        self.dLdW = np.dot(self.A, dLdZ.T)       # (m x n)
        self.dLdW0 = dLdZ.sum(axis=1).reshape((self.n, 1))  # (n x 1)
        return np.dot(self.W, dLdZ)              # (m x b)

    def sgd_step(self, lrate):
        self.W -= lrate * self.dLdW
        self.W0 -= lrate * self.dLdW0


class Tanh(Module):
    def forward(self, Z):
        self.A = np.tanh(Z)
        return self.A

    def backward(self, dLdA):
        return dLdA * (1.0 - (self.A ** 2))


class ReLU(Module):
    def forward(self, Z):
        self.A = np.maximum(0, Z)
        return self.A

    def backward(self, dLdA):
        return dLdA * (self.A != 0)


class SoftMax(Module):
    def forward(self, Z):
        ez = np.exp(Z)
        return ez / np.sum(ez, axis=0)

    def backward(self, dLdZ):  # passed straight through, as NLL's gradient is dLdZ
        return dLdZ


class NLL(Module):
    """softmax is folded in: takes Z, as its backward is about Z"""

    def forward(self, Z, Y):
        ez = np.exp(Z)
        self.Ypred = ez / np.sum(ez, axis=0)
        self.Y = Y
        return float(np.sum(-Y * np.log(self.Ypred)))

    def backward(self):
        return self.Ypred - self.Y


class BatchNorm(Module):
    def __init__(self, m):
        self.eps = 1e-20
        self.m = m
        self.B = np.zeros([self.m, 1])
        self.G = np.random.normal(0, 1.0 * self.m ** (-.5), [self.m, 1])

    def forward(self, A):   # A is m x K
        self.A = A
        self.K = A.shape[1]
        self.mus = np.mean(A, axis=1, keepdims=True)
        self.vars = np.var(A, axis=1, keepdims=True)
        self.std_inv = 1 / np.sqrt(self.vars + self.eps)
        self.norm = (self.A - self.mus) * self.std_inv
        return self.G * self.norm + self.B

    def backward(self, dLdZ):
        A_min_mu = self.A - self.mus
        dLdnorm = dLdZ * self.G
        dLdVar = np.sum(dLdnorm * A_min_mu * -0.5 * self.std_inv**3, axis=1, keepdims=True)
        dLdMu = np.sum(dLdnorm * (-self.std_inv), axis=1, keepdims=True) + dLdVar * (-2 / self.K) * np.sum(A_min_mu, axis=1, keepdims=True)
        dLdX = (dLdnorm * self.std_inv) + dLdVar * (2 / self.K) * A_min_mu + (1 / self.K) * dLdMu
        self.dLdB = np.sum(dLdZ, axis=1, keepdims=True)
        self.dLdG = np.sum(dLdZ * self.norm, axis=1, keepdims=True)
        return dLdX


class Sequential:
    def __init__(self, modules):
        self.modules = modules

    def forward(self, Xt):
        for m in self.modules: Xt = m.forward(Xt)
        return Xt

    def backward(self, delta):
        for m in self.modules[::-1]: delta = m.backward(delta)
        return delta


Y = np.eye(3)[:, [0, 1, 1, 2]]

CASES = [
    Case("linear", lambda: check_layer(Linear(3, 2), x=(3, 5)), bugs=[
        Bug("self.dLdW = np.dot(self.A, dLdZ.T)", "self.dLdW = np.dot(self.A, dLdZ.T) / self.A.shape[1]", "W", r"1/|5|0\.2|batch|mean"),
        Bug("self.dLdW0 = dLdZ.sum(axis=1)", "self.dLdW0 = dLdZ.mean(axis=1)", "W0", r"1/|5|0\.2|batch|mean"),
        Bug("self.dLdW0 = dLdZ.sum(axis=1)", "self.dLdW0 = dLdZ[:, 0]", "W0", r"first|column|sum"),
        Bug("return np.dot(self.W, dLdZ) ", "return np.dot(self.W + self.W0.T, dLdZ) ", "x", r"W0|bias|extra|term"),
    ]),
    Case("tanh", lambda: check_layer(Tanh(), (3, 4)), bugs=[
        Bug("(1.0 - (self.A ** 2))", "(1.0 - self.A) ** 2", "x", r"tanh|derivative|1 - "),
        Bug("(1.0 - (self.A ** 2))", "(1.0 - np.tanh(self.A) ** 2)", "x", r"tanh|twice|output|derivative"),
        Bug("(1.0 - (self.A ** 2))", "self.A * (1.0 - self.A)", "x", r"tanh|sigmoid|derivative"),
        Bug("return dLdA * (1.0 - (self.A ** 2))", "return dLdA", "x", r"tanh|derivative|missing"),
    ]),
    Case("nll", lambda: check_loss(NLL(), (3, 4), Y), bugs=[
        Bug("return self.Ypred - self.Y\n", "return self.Y - self.Ypred\n", "y_pred", r"sign|-1"),
        Bug("return self.Ypred - self.Y\n", "return (self.Ypred - self.Y) / self.Y.shape[1]\n", "y_pred", r"1/|4|0\.25|batch|mean"),
        Bug("return self.Ypred - self.Y\n", "return -self.Y / self.Ypred\n", "y_pred", r"softmax"),
        Bug("return self.Ypred - self.Y\n", "return self.Ypred\n", "y_pred", r"Y|label|target|one-?hot|missing"),
    ]),
    Case("batch norm columns", lambda: check_layer(BatchNorm(3), x=(3, 5)), bugs=[
        Bug(" + (1 / self.K) * dLdMu", "", "x", r"mean"),
        Bug(" + dLdVar * (2 / self.K) * A_min_mu", "", "x", r"variance"),
        Bug("self.dLdB = np.sum(dLdZ, axis=1, keepdims=True)", "self.dLdB = np.sum(dLdZ * self.G, axis=1, keepdims=True)", "B", r"G|gamma|scale"),
        Bug("self.dLdG = np.sum(dLdZ * self.norm", "self.dLdG = np.sum(dLdZ * self.A", "G", r"norm|A\b|x\b|input|xhat|x_hat"),
        Bug("* -0.5 * self.std_inv**3", "* -0.5 * self.std_inv**2", "x", r"variance|std|power|\*\*"),
    ]),
    Case("sequential", lambda: check_layer(Sequential([Linear(3, 4), Tanh(), Linear(4, 2), ReLU()]), (3, 5)), bugs=[
        Bug("return dLdA * (self.A != 0)", "return dLdA", ("x", "0.W", "0.W0", "2.W", "2.W0"), r"mask|relu|missing|forgot"),
        Bug("self.dLdW = np.dot(self.A, dLdZ.T)", "self.dLdW = np.dot(self.A, np.abs(dLdZ.T))", ("0.W", "2.W"), r"abs|sign|dy|dLdZ"),
        Bug("for m in self.modules[::-1]: delta = m.backward(delta)", "for m in self.modules[::-1]: m.backward(delta); delta = delta if not hasattr(m, 'W') else m.backward(delta)", ("x", "0.W", "0.W0", "2.W", "2.W0"), r"mask|relu|tanh|derivative|missing"),
        Bug("return np.dot(self.W, dLdZ) ", "return np.dot(2 * self.W, dLdZ) ", ("x", "0.W", "0.W0"), r"2(\.0*)? times|4(\.0*)? times|twice|factor"),
    ]),
]
