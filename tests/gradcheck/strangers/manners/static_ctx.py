"""A library's habit without the library: static forward(ctx, ...) and backward(ctx, grad_output)."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function


class Context:
    def __init__(self):
        self.saved_tensors = ()

    def save_for_backward(self, *tensors):
        self.saved_tensors = tensors


class Function:
    @classmethod
    def apply(cls, *args):
        ctx = Context()
        return cls.forward(ctx, *args), ctx


class Linear(Function):
    @staticmethod
    def forward(ctx, input, weight, bias):
        ctx.save_for_backward(input, weight, bias)
        return input @ weight.T + bias

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        grad_input = grad_output @ weight
        grad_weight = grad_output.T @ input
        grad_bias = grad_output.sum(0)
        return grad_input, grad_weight, grad_bias


class Swish(Function):
    @staticmethod
    def forward(ctx, x, beta):
        s = 1 / (1 + np.exp(-beta * x))
        ctx.save_for_backward(x, beta, s)
        return x * s

    @staticmethod
    def backward(ctx, grad_output):
        x, beta, s = ctx.saved_tensors
        ds = s * (1 - s)
        gx = grad_output * (s + beta * x * ds)
        gbeta = (grad_output * x * x * ds).sum(axis=0)
        return gx, gbeta


class LayerNorm(Function):
    @staticmethod
    def forward(ctx, x, g, b, eps=1e-5):
        mu = x.mean(-1, keepdims=True)
        rstd = 1 / np.sqrt(x.var(-1, keepdims=True) + eps)
        xhat = (x - mu) * rstd
        ctx.save_for_backward(xhat, rstd, g)
        return xhat * g + b

    @staticmethod
    def backward(ctx, dy):
        xhat, rstd, g = ctx.saved_tensors
        axes = tuple(range(dy.ndim - 1))
        dg = (dy * xhat).sum(axes)
        db = dy.sum(axes)
        dxhat = dy * g
        dx = rstd * (dxhat - dxhat.mean(-1, keepdims=True) - xhat * (dxhat * xhat).mean(-1, keepdims=True))
        return dx, dg, db


CASES = [
    Case(
        "linear with ctx",
        lambda: check_function(Linear.forward, Linear.backward, input=(4, 3), weight=(3, 3), bias=(3,)),
        bugs=[
            Bug("grad_input = grad_output @ weight", "grad_input = grad_output @ weight.T", "input", r"transpos|\.T"),
            Bug(
                "grad_weight = grad_output.T @ input", "grad_weight = input.T @ grad_output", "weight", r"transpos|\.T"
            ),
            Bug("grad_bias = grad_output.sum(0)", "grad_bias = grad_output.sum(1)[:3]", "bias", r"axis|sum"),
            Bug("grad_bias = grad_output.sum(0)", "grad_bias = grad_output[0]", "bias", r"sum|first|batch"),
        ],
    ),
    Case(
        "swish with ctx",
        lambda: check_function(Swish.forward, Swish.backward, x=(4, 3), beta=(3,)),
        bugs=[
            Bug("gx = grad_output * (s + beta * x * ds)", "gx = grad_output * (s + x * ds)", "x", r"chain|inner"),
            Bug(
                "gx = grad_output * (s + beta * x * ds)",
                "gx = grad_output * s",
                "x",
                r"term|missing|product rule|derivative",
            ),
            Bug(
                "gbeta = (grad_output * x * x * ds)",
                "gbeta = (grad_output * x * ds)",
                "beta",
                r"missing|factor|chain",
            ),
            Bug("ds = s * (1 - s)", "ds = 1 - s**2", ("x", "beta"), r"sigmoid|tanh|derivative"),
        ],
    ),
    Case(
        "layer normalization with ctx",
        lambda: check_function(LayerNorm.forward, LayerNorm.backward, x=(2, 3, 5), g=(5,), b=(5,)),
        bugs=[
            Bug("dxhat - dxhat.mean(-1, keepdims=True) - xhat", "dxhat - xhat", "x", r"mean|term|missing|constant"),
            Bug("- xhat * (dxhat * xhat).mean(-1, keepdims=True))", ")", "x", r"var|term|missing|std"),
            Bug(
                "- xhat * (dxhat * xhat).mean(-1, keepdims=True))",
                "- xhat * (dxhat * xhat).sum(-1, keepdims=True))",
                "x",
                r"mean|sum|var",
            ),
            Bug("dxhat = dy * g", "dxhat = dy", "x", r"gamma|scale|factor"),
            Bug(
                "axes = tuple(range(dy.ndim - 1))\n        dg = (dy * xhat).sum(axes)",
                "axes = tuple(range(dy.ndim - 1))\n        dg = (dy * xhat).mean(0).sum(0)",
                "g",
                r"mean|0\.5|half|batch|1/N",
            ),
        ],
    ),
]
