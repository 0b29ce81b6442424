"""Imitations of a big framework: Parameter with .data and .grad that accumulates, Module tree, Function with ctx."""
import numpy as np


class Parameter:
    def __init__(self, data):
        self.data = np.asarray(data, dtype=np.float64)
        self.grad = np.zeros_like(self.data)


class Module:
    def parameters(self):
        for v in vars(self).values():
            if isinstance(v, Parameter):
                yield v
            elif isinstance(v, Module):
                yield from v.parameters()
            elif isinstance(v, list):
                for m in v:
                    if isinstance(m, Module):
                        yield from m.parameters()

    def zero_grad(self):
        for p in self.parameters():
            p.grad[...] = 0.0

    def __call__(self, *args):
        return self.forward(*args)


class Linear(Module):
    def __init__(self, in_features, out_features, bias=True):
        self.weight = Parameter(np.random.randn(out_features, in_features) / np.sqrt(in_features))
        self.bias = Parameter(np.random.randn(out_features)) if bias else None

    def forward(self, input):
        self.input = input
        out = input @ self.weight.data.T
        if self.bias is not None:
            out = out + self.bias.data
        return out

    def backward(self, grad_output):
        self.weight.grad += grad_output.T @ self.input
        if self.bias is not None:
            self.bias.grad += grad_output.sum(axis=0)
        return grad_output @ self.weight.data


class LeakyReLU(Module):
    def __init__(self, negative_slope=0.1):
        self.negative_slope = negative_slope

    def forward(self, input):
        self.positive = input > 0
        return np.where(self.positive, input, self.negative_slope * input)

    def backward(self, grad_output):
        return np.where(self.positive, grad_output, self.negative_slope * grad_output)


class Sequential(Module):
    def __init__(self, *modules):
        self.modules = list(modules)

    def forward(self, input):
        for m in self.modules:
            input = m(input)
        return input

    def backward(self, grad_output):
        for m in reversed(self.modules):
            grad_output = m.backward(grad_output)
        return grad_output


class ResidualBlock(Module):
    def __init__(self, dim):
        self.fc1 = Linear(dim, dim)
        self.act = LeakyReLU(0.2)
        self.fc2 = Linear(dim, dim, bias=False)

    def forward(self, input):
        return input + self.fc2(self.act(self.fc1(input)))

    def backward(self, grad_output):
        g = self.fc1.backward(self.act.backward(self.fc2.backward(grad_output)))
        return grad_output + g


class Context:
    def save_for_backward(self, *tensors):
        self.saved_tensors = tensors


class LogSumExpPool:
    """Smooth maximum over the last axis with a learned temperature, in static methods."""

    @staticmethod
    def forward(ctx, input, tau):
        m = input.max(axis=-1, keepdims=True)
        e = np.exp((input - m) / tau)
        s = e.sum(axis=-1, keepdims=True)
        lse = np.log(s) + m / tau
        ctx.save_for_backward(input, tau, e / s, lse)
        return (tau * lse)[..., 0]

    @staticmethod
    def backward(ctx, grad_output):
        input, tau, p, lse = ctx.saved_tensors
        g = grad_output[..., None]
        grad_input = g * p
        grad_tau = np.sum(g * (lse - (p * input).sum(axis=-1, keepdims=True) / tau)).reshape(tau.shape)
        return grad_input, grad_tau


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_layer  # noqa: E402

CASES = [
    Case("torchlike_sequential", lambda: check_layer(Sequential(Linear(4, 5), LeakyReLU(), Linear(5, 3)), (6, 4)), bugs=[
        Bug("grad_output, self.negative_slope * grad_output)", "grad_output, 0.0)",
            ("x", "modules[0].weight", "modules[0].bias"), r"leaky|slope|relu|negative|activation|derivative"),
        Bug("self.bias.grad += grad_output.sum(axis=0)", "self.bias.grad += grad_output.mean(axis=0)",
            ("modules[0].bias", "modules[2].bias"), r"1/N|batch size|mean"),
    ]),
    Case("torchlike_residual", lambda: check_layer(ResidualBlock(3), input=(5, 3)), bugs=[
        Bug("return grad_output + g", "return g", "input", r"skip|residual|identity|missing"),
        Bug("self.weight.grad += grad_output.T @ self.input", "self.weight.grad += self.input.T @ grad_output",
            ("fc1.weight", "fc2.weight"), r"transpos"),
    ]),
    Case("torchlike_function_ctx", lambda: check_layer(LogSumExpPool, input=(4, 5), tau=np.array([0.7])), bugs=[
        Bug("grad_input = g * p", "grad_input = g * p / tau", "input", r"times the right one|tau|factor"),
        Bug("(lse - (p * input)", "(lse + (p * input)", "tau", r"sign|term"),
    ]),
]
