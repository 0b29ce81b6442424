"""A systems course's homework: ops with compute(*arrays) behind __call__, gradient(out_grad, node), and functions on W1 and W2."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function, check_layer, check_loss


class Op:
    def __call__(self, a, b=None):
        self.inputs = (a,) if b is None else (a, b)
        return self.compute(*self.inputs)


class EWiseMul(Op):
    def compute(self, a, b):
        return a * b

    def backward(self, out_grad):
        lhs, rhs = self.inputs
        return out_grad * rhs, out_grad * lhs


class EWiseDiv(Op):
    def compute(self, a, b):
        return a / b

    def backward(self, out_grad):
        a, b = self.inputs
        return out_grad / b, -out_grad * a / b**2


class MatMul(Op):
    def compute(self, a, b):
        return a @ b

    def backward(self, out_grad):
        a, b = self.inputs
        ga = out_grad @ b.swapaxes(-1, -2)
        gb = a.swapaxes(-1, -2) @ out_grad
        # undo the broadcasting of batch axes
        while gb.ndim > b.ndim:
            gb = gb.sum(axis=0)
        return ga, gb


class LogSumExp(Op):
    def __init__(self, axes):
        self.axes = axes

    def compute(self, Z):
        self.m = Z.max(axis=self.axes, keepdims=True)
        return np.log(np.exp(Z - self.m).sum(axis=self.axes)) + self.m.squeeze(self.axes)

    def backward(self, out_grad):
        (Z,) = self.inputs
        e = np.exp(Z - self.m)
        return np.expand_dims(out_grad, self.axes) * e / e.sum(axis=self.axes, keepdims=True)


class LogSoftmax(Op):
    def compute(self, Z):
        s = Z - Z.max(axis=1, keepdims=True)
        return s - np.log(np.exp(s).sum(axis=1, keepdims=True))

    def backward(self, out_grad):
        p = np.exp(self.compute(self.inputs[0]))
        return out_grad - p * out_grad.sum(axis=1, keepdims=True)


class Transpose(Op):
    def __init__(self, axes):
        self.axes = axes

    def compute(self, a):
        return a.transpose(self.axes)

    def backward(self, out_grad):
        return out_grad.transpose(np.argsort(self.axes))


class PowerScalar(Op):
    def __init__(self, scalar):
        self.scalar = scalar

    def compute(self, a):
        return a**self.scalar

    def backward(self, out_grad):
        return out_grad * self.scalar * self.inputs[0] ** (self.scalar - 1)


def nn_loss(X, W1, W2, y):
    """Two layers, softmax loss, no bias. Returns the average loss."""
    Z = np.maximum(X @ W1, 0) @ W2
    return np.mean(np.log(np.exp(Z).sum(axis=1)) - Z[np.arange(len(y)), y])


def nn_grads(out_grad, X, W1, W2, y):
    m = X.shape[0]
    Z1 = np.maximum(X @ W1, 0)
    S = np.exp(Z1 @ W2)
    G2 = S / S.sum(axis=1, keepdims=True) - np.eye(W2.shape[1])[y]
    G1 = (Z1 > 0) * (G2 @ W2.T)
    return out_grad / m * G1 @ W1.T, out_grad / m * X.T @ G1, out_grad / m * Z1.T @ G2


y = np.array([1, 0, 2, 2, 1])

CASES = [
    Case("multiply", lambda: check_layer(EWiseMul(), (3, 4), (3, 4)), bugs=[
        Bug("return out_grad * rhs, out_grad * lhs", "return out_grad * lhs, out_grad * rhs", ("x", "b"), r"swap|exchang|other|order"),
        Bug("return out_grad * rhs, out_grad * lhs", "return out_grad * rhs, out_grad", "b", r"missing|factor|\bx\b|\ba\b|lhs"),
        Bug("return out_grad * rhs, out_grad * lhs", "return out_grad * rhs, rhs * lhs", "b", r"dy|out_grad|ignore|upstream"),
        Bug("return out_grad * rhs, out_grad * lhs", "return out_grad * rhs * lhs, out_grad * lhs", "x", r"extra|factor|\bx\b|squared|times"),
    ]),
    Case("divide", lambda: check_layer(EWiseDiv(), np.linspace(-2, 2, 12).reshape(3, 4), np.linspace(1, 2, 12).reshape(3, 4)), bugs=[
        Bug("-out_grad * a / b**2", "out_grad * a / b**2", "b", r"sign|-1"),
        Bug("-out_grad * a / b**2", "-out_grad * a / b", "b", r"squar|factor|power|\bb\b"),
        Bug("return out_grad / b,", "return out_grad * b,", "x", r"divid|factor|\bb\b|1/b|multipl"),
        Bug("-out_grad * a / b**2", "-out_grad / b**2", "b", r"factor|missing|\ba\b|\bx\b"),
    ]),
    Case("matmul broadcast", lambda: check_layer(MatMul(), (3, 4, 5), (5, 2)), bugs=[
        Bug("            gb = gb.sum(axis=0)", "            gb = gb[0]", "b", r"first|batch|sum|row"),
        Bug("            gb = gb.sum(axis=0)", "            gb = gb.mean(axis=0)", "b", r"1/3|mean|0\.33"),
        Bug("ga = out_grad @ b.swapaxes(-1, -2)", "ga = out_grad @ b.swapaxes(-1, -2)[::-1]", "x", r"flip|revers|order|permut"),
        Bug("ga = out_grad @ b.swapaxes(-1, -2)", "ga = -(out_grad @ b.swapaxes(-1, -2))", "x", r"sign|-1"),
    ]),
    Case("logsumexp", lambda: check_layer(LogSumExp(axes=1), x=(3, 4)), bugs=[
        Bug(" * e / e.sum(axis=self.axes, keepdims=True)", " * e / e.sum()", "x", r"axis|sum|normali|softmax"),
        Bug(" * e / e.sum(axis=self.axes, keepdims=True)", " * e", "x", r"sum|normali|divid|softmax"),
        Bug("return np.expand_dims(out_grad, self.axes) * e", "return e", "x", r"dy|out_grad|upstream|ignore"),
        Bug("e = np.exp(Z - self.m)\n        return", "e = np.exp(2 * (Z - self.m))\n        return", "x", r"exp|factor|softmax|2"),
    ]),
    Case("log softmax", lambda: check_layer(LogSoftmax(), x=(3, 4)), bugs=[
        Bug("out_grad - p * out_grad.sum(axis=1, keepdims=True)", "p * (out_grad - (out_grad * p).sum(axis=1, keepdims=True))", "x", r"softmax"),
        Bug("out_grad - p * out_grad.sum(axis=1, keepdims=True)", "out_grad - p * (out_grad * p).sum(axis=1, keepdims=True)", "x", r"softmax|sum"),
        Bug("out_grad.sum(axis=1, keepdims=True)", "out_grad.sum(axis=0, keepdims=True)", "x", r"axis"),
        Bug("out_grad - p * out_grad.sum(axis=1, keepdims=True)", "out_grad", "x", r"term|missing|sum|normali"),
        Bug("out_grad - p * out_grad.sum", "out_grad + p * out_grad.sum", "x", r"sign|term|sum|softmax"),
    ]),
    Case("transpose", lambda: check_layer(Transpose((2, 0, 1)), x=(2, 2, 2)), bugs=[
        Bug("out_grad.transpose(np.argsort(self.axes))", "out_grad.transpose(self.axes)", "x", r"transpos|permut|axes|inverse"),
        Bug("out_grad.transpose(np.argsort(self.axes))", "out_grad.transpose()", "x", r"transpos|permut|axes"),
        Bug("out_grad.transpose(np.argsort(self.axes))", "out_grad", "x", r"transpos|permut|axes"),
        Bug("out_grad.transpose(np.argsort(self.axes))", "out_grad.transpose(np.argsort(self.axes))[::-1]", "x", r"flip|revers|permut"),
    ]),
    Case("power", lambda: check_layer(PowerScalar(3), x=(3, 4)), bugs=[
        Bug("out_grad * self.scalar * self.inputs[0] ** (self.scalar - 1)", "out_grad * self.inputs[0] ** (self.scalar - 1)", "x", r"1/3|0\.33|scalar|factor"),
        Bug("** (self.scalar - 1)", "** self.scalar", "x", r"power|exponent|factor|\bx\b"),
        Bug("out_grad * self.scalar * self.inputs", "self.scalar * self.inputs", "x", r"dy|out_grad|upstream|ignore"),
        Bug("out_grad * self.scalar *", "out_grad * (self.scalar - 1) *", "x", r"2/3|0\.66|factor|times|scalar"),
    ]),
    Case("two-layer loss", lambda: check_function(nn_loss, nn_grads, (5, 4), (4, 6), (6, 3), y), bugs=[
        Bug("G1 = (Z1 > 0) * (G2 @ W2.T)", "G1 = G2 @ W2.T", ("X", "W1"), r"mask|relu|missing|forgot"),
        Bug("out_grad / m * Z1.T @ G2", "out_grad * Z1.T @ G2", "W2", r"1/N|1/m|5|mean|batch"),
        Bug(" - np.eye(W2.shape[1])[y]\n", "\n", ("X", "W1", "W2"), r"one-?hot|label|target|missing|term"),
        Bug("out_grad / m * X.T @ G1", "out_grad / m * X.T @ G1 / m", "W1", r"1/N|1/m|0\.2|mean|batch"),
    ]),
]
