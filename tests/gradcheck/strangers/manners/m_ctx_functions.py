"""A teaching framework's scalar and array functions: static forward(ctx, ...), ctx.save_for_backward and ctx.saved_values."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function, check_layer


class Function:
    pass


class Neg(Function):
    @staticmethod
    def forward(ctx, t1):
        return -t1

    @staticmethod
    def backward(ctx, grad_output):
        return -grad_output


class Mul(Function):
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, grad_output):
        a, b = ctx.saved_values
        return b * grad_output, a * grad_output


class Log(Function):
    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return np.log(a)

    @staticmethod
    def backward(ctx, grad_output):
        (a,) = ctx.saved_values
        return grad_output / a


class Exp(Function):
    @staticmethod
    def forward(ctx, t1):
        out = np.exp(t1)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, grad_output):
        out = ctx.saved_tensors[0]
        return grad_output * out


class Linear(Function):
    """x @ w + b as one node"""

    @staticmethod
    def forward(ctx, x, w, b):
        ctx.save_for_backward(x, w)
        return x @ w + b

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        return dy @ w.T, x.T @ dy, dy.sum(axis=0)


class Conv1d(Function):
    @staticmethod
    def forward(ctx, input, weight):
        """input batch x in_channels x width, weight out_channels x in_channels x k_width; zero-padded at the right"""
        ctx.save_for_backward(input, weight)
        B, C, T = input.shape
        K = weight.shape[2]
        padded = np.concatenate([input, np.zeros((B, C, K - 1))], axis=2)
        return sum(np.einsum("bct,oc->bot", padded[:, :, k:k + T], weight[:, :, k]) for k in range(K))

    @staticmethod
    def backward(ctx, grad_output):
        input, weight = ctx.saved_tensors
        T, K = input.shape[2], weight.shape[2]
        grad_input, grad_weight = np.zeros(input.shape), np.zeros(weight.shape)
        for k in range(K):
            grad_weight[:, :, k] = np.einsum("bot,bct->oc", grad_output[:, :, :T - k], input[:, :, k:])
            grad_input[:, :, k:] += np.einsum("bot,oc->bct", grad_output[:, :, :T - k], weight[:, :, k])
        return grad_input, grad_weight


class Max(Function):
    @staticmethod
    def forward(ctx, x):
        best = np.argmax(x, axis=-1)
        ctx.save_for_backward(best, x.shape)
        return np.take_along_axis(x, best[..., None], -1)[..., 0]

    @staticmethod
    def backward(ctx, grad_output):
        best, shape = ctx.saved_values
        grad = np.zeros(shape)
        np.put_along_axis(grad, best[..., None], grad_output[..., None], -1)
        return grad


CASES = [
    Case("mul", lambda: check_layer(Mul, (3, 4), (3, 4)), bugs=[
        Bug("return b * grad_output, a * grad_output", "return a * grad_output, b * grad_output", ("x", "b"), r"swap|exchang|other|order"),
        Bug("return b * grad_output, a * grad_output", "return b * grad_output, grad_output", "b", r"factor|missing|\ba\b|\bx\b"),
        Bug("return b * grad_output, a * grad_output", "return b, a", ("x", "b"), r"dy|grad_output|ignore|upstream"),
        Bug("return b * grad_output, a * grad_output", "return -b * grad_output, a * grad_output", "x", r"sign|-1"),
    ]),
    Case("log", lambda: check_layer(Log(), x=np.array([[0.5, 1.5, 2.0], [3.0, 0.7, 1.1]])), bugs=[
        Bug("return grad_output / a\n", "return grad_output * a\n", "x", r"divi|1/|invers|multipl|log|squared"),
        Bug("return grad_output / a\n", "return 1 / a\n", "x", r"dy|grad_output|ignore|upstream"),
        Bug("return grad_output / a\n", "return grad_output / a ** 2\n", "x", r"squared|power|factor|log|divi"),
        Bug("return grad_output / a\n", "return grad_output / np.log(a)\n", "x", r"log|derivative|1/"),
    ]),
    Case("exp", lambda: check_layer(Exp, x=(3, 2)), bugs=[
        Bug("return grad_output * out\n", "return grad_output * np.exp(out)\n", "x", r"exp|output|twice|saved"),
        Bug("return grad_output * out\n", "return grad_output\n", "x", r"exp|derivative|factor|missing"),
        Bug("return grad_output * out\n", "return out\n", "x", r"dy|grad_output|ignore|upstream"),
        Bug("return grad_output * out\n", "return grad_output * np.log(out)\n", "x", r"exp|log|input|output|derivative"),
    ]),
    Case("linear", lambda: check_function(Linear.forward, Linear.backward, (4, 3), (3, 2), (2,)), bugs=[
        Bug("dy @ w.T, x.T @ dy, dy.sum(axis=0)", "dy @ w.T, x.T @ dy, dy.mean(axis=0)", "b", r"1/N|batch size|mean"),
        Bug("dy @ w.T, x.T @ dy, dy.sum(axis=0)", "dy @ w.T, 2 * x.T @ dy, dy.sum(axis=0)", "w", r"2(\.0*)? times|twice|factor"),
        Bug("dy @ w.T, x.T @ dy, dy.sum(axis=0)", "(dy > 0) @ w.T, x.T @ dy, dy.sum(axis=0)", "x", r"dy|mask|sign|depend"),
        Bug("dy @ w.T, x.T @ dy, dy.sum(axis=0)", "dy @ w.T, x[:1].T @ dy[:1], dy.sum(axis=0)", "w", r"first|row|batch|sum"),
    ]),
    Case("conv1d", lambda: check_layer(Conv1d, (2, 3, 6), (4, 3, 3)), bugs=[
        Bug("grad_input[:, :, k:] += np", "grad_input[:, :, k:] = np", "x", r"overwrit|accumulat|\+=|last"),
        Bug('grad_output[:, :, :T - k], weight[:, :, k])', 'grad_output[:, :, :T - k], weight[:, :, K - 1 - k])', "x", r"flip|revers"),
        Bug('grad_output[:, :, :T - k], input[:, :, k:])', 'grad_output[:, :, k:], input[:, :, :T - k])', "weight", r"shift|direction|flip|roll"),
        Bug("for k in range(K):\n            grad_weight", "for k in range(K - 1):\n            grad_weight", ("x", "weight"), r"last|off by one|missing|zero|tap"),
        Bug('np.einsum("bot,bct->oc", grad', 'np.einsum("ot,ct->oc", grad_output[0, :, :T - k], input[0, :, k:]) + 0 * np.einsum("bot,bct->oc", grad', "weight", r"first|batch|sum|row|example"),
    ]),
    Case("max", lambda: check_layer(Max, x=(3, 5)), bugs=[
        Bug("grad = np.zeros(shape)", "grad = np.ones(shape)", "x", r"ones|offset|constant|mask|start|initial|zero"),
        Bug("np.put_along_axis(grad, best[..., None], grad", "np.put_along_axis(grad, best[..., None] - 1, grad", "x", r"shift|off by one|index|roll|place|mask"),
        Bug("np.put_along_axis(grad, best[..., None], grad_output[..., None], -1)", "grad += grad_output[..., None]", "x", r"mask|every|max|missing"),
        Bug("grad_output[..., None], -1)\n        return grad\n", "grad_output[..., None], -1)\n        return grad / shape[-1]\n", "x", r"1/5|0\.2|times|mean"),
    ]),
    Case("negation", lambda: check_layer(Neg, (4,)), bugs=[
        Bug("return -grad_output", "return grad_output", "x", r"sign|-1"),
        Bug("return -grad_output", "return -np.ones_like(grad_output)", "x", r"dy|grad_output|ignore|upstream"),
        Bug("return -grad_output", "return -grad_output[::-1]", "x", r"flip|revers"),
        Bug("return -grad_output", "return -np.sum(grad_output) * np.ones_like(grad_output)", "x", r"sum|dy|mix|entries|spread"),
    ]),
]
