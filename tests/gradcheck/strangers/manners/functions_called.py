"""A book that builds a framework: __call__(*inputs) remembers the inputs, forward and backward only do sums."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class Function:
    def __call__(self, *inputs):
        self.inputs = inputs
        ys = self.forward(*inputs)
        if not isinstance(ys, tuple):
            ys = (ys,)
        self.outputs = ys
        return ys if len(ys) > 1 else ys[0]

    def forward(self, *xs):
        raise NotImplementedError()

    def backward(self, *gys):
        raise NotImplementedError()


class Mul(Function):
    def forward(self, x0, x1):
        return x0 * x1

    def backward(self, gy):
        x0, x1 = self.inputs
        return gy * x1, gy * x0


class MatMul(Function):
    def forward(self, x, W):
        return x.dot(W)

    def backward(self, gy):
        x, W = self.inputs
        gx = gy.dot(W.T)
        gW = x.T.dot(gy)
        return gx, gW


class Polar(Function):
    """Two inputs, two outputs."""

    def forward(self, r, phi):
        return r * np.cos(phi), r * np.sin(phi)

    def backward(self, gx, gy):
        r, phi = self.inputs
        gr = gx * np.cos(phi) + gy * np.sin(phi)
        gphi = gy * self.outputs[0] - gx * self.outputs[1]
        return gr, gphi


CASES = [
    Case(
        "product of two",
        lambda: check_layer(Mul(), x0=(3, 4), x1=(3, 4)),
        bugs=[
            Bug("return gy * x1, gy * x0", "return gy * x0, gy * x1", ("x0", "x1"), r"swap|exchang|other"),
            Bug("return gy * x1, gy * x0", "return gy * x1, gy", "x1", r"factor|missing"),
            Bug("return gy * x1, gy * x0", "return gy * self.outputs[0], gy * x0", "x0", r"output|factor|extra"),
            Bug("return gy * x1, gy * x0", "return gy * x1, -gy * x0", "x1", r"sign|-1"),
        ],
    ),
    Case(
        "matrix product",
        lambda: check_layer(MatMul(), x=(4, 3), W=(3, 3)),
        bugs=[
            Bug("gx = gy.dot(W.T)", "gx = gy.dot(W)", "x", r"transpos|\.T"),
            Bug("gW = x.T.dot(gy)", "gW = gy.T.dot(x)", "W", r"transpos|\.T"),
            Bug("gW = x.T.dot(gy)", "gW = x.T.dot(gy) / x.shape[0]", "W", r"0\.25|1/N|batch"),
            Bug("gx = gy.dot(W.T)", "gx = gy.dot(W.T) * x", "x", r"input|factor"),
        ],
    ),
    Case(
        "two outputs",
        lambda: check_layer(Polar(), r=(5,), phi=(5,)),
        bugs=[
            Bug(
                "gr = gx * np.cos(phi) + gy * np.sin(phi)",
                "gr = gx * np.cos(phi)",
                "r",
                r"second output|missing|term",
            ),
            Bug(
                "gphi = gy * self.outputs[0] - gx * self.outputs[1]",
                "gphi = gy * self.outputs[0] + gx * self.outputs[1]",
                "phi",
                r"sign|term",
            ),
            Bug(
                "gphi = gy * self.outputs[0] - gx * self.outputs[1]",
                "gphi = gy * np.cos(phi) - gx * np.sin(phi)",
                "phi",
                r"factor|missing",
            ),
            Bug(
                "gr = gx * np.cos(phi) + gy * np.sin(phi)",
                "gr = gx * np.sin(phi) + gy * np.cos(phi)",
                "r",
                r"swap|outputs|cos|sin|order|exchang",
            ),
        ],
    ),
]
