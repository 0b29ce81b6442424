"""Exercise 3: the backward pass of a Dense layer that ends in tanh.

    a = x @ W + b        x (n, inputs), W (inputs, units), b (units,)
    y = tanh(a)          y (n, units); the slope of tanh is 1 - y^2

Write the four lines of `backward`. `forward` keeps x and y as self.x and self.y. First go back through tanh, entry by
entry, then through the sum. Then run

    python examples/lessons/exercises/03_dense.py
"""

import numpy as np
from exercise import compare, run

from tinydl.gradcheck import check_layer


class DenseTanh:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        self.y = np.tanh(x @ self.W + self.b)
        return self.y

    def backward(self, dy):
        x, y, W = self.x, self.y, self.W
        da = ...  # your code, (n, units)
        self.dW = ...  # your code, (inputs, units)
        self.db = ...  # your code, (units,)
        dx = ...  # your code, (n, inputs)
        return dx


def check():
    rng = np.random.default_rng(0)
    W, b, x, dy = (rng.normal(size=shape).round(1) for shape in ((3, 3), (3,), (3, 3), (3, 3)))
    layer = DenseTanh(W, b)
    y = layer.forward(x)
    dx = layer.backward(dy)
    da = dy * (1 - y**2)
    no_slope = "da must be dy times the slope of tanh, 1 - y^2"
    mean = "the changes that the examples cause add up, so db is a sum over the rows, not a mean"
    compare("db", layer.db, da.sum(axis=0), {
        no_slope: dy.sum(axis=0), mean: da.mean(axis=0),
        "in da, the slope of tanh is 1 - y^2: y is not squared": (dy * (1 - y)).sum(axis=0),
        "in da, the slope must be multiplied by dy, the gradient that arrives": (1 - y**2).sum(axis=0),
        "da is a product entry by entry, with *: @ is a matrix product": (dy @ (1 - y**2)).sum(axis=0),
        "sum over the rows (axis=0), so that one number is left for each unit": da.sum(axis=1),
    })  # fmt: skip
    compare("dW", layer.dW, x.T @ da, {
        "this is the transpose of dW: the sum over the rows needs x.T on the left": da.T @ x,
        "x.T is missing: the index that is summed over, the row, must stand inside the product": x @ da,
        "the changes add up over the rows: the sum must not be divided by n": x.T @ da / len(x),
        "it must be computed from da, not from dy: go back through tanh first": x.T @ dy,
    })  # fmt: skip
    transposed = "W must be transposed: W.T. With other shapes, NumPy would have refused this product"
    compare("dx", dx, da @ W.T, {
        transposed: da @ W,
        "da belongs on the left: its rows are the examples, as those of dx": W @ da,
        "da belongs on the left: its rows are the examples, as those of dx (and W must be transposed)": W.T @ da,
        "it must be computed from da, not from dy: go back through tanh first": dy @ W.T,
    })  # fmt: skip
    print(check_layer(DenseTanh(rng.normal(size=(4, 2)), rng.normal(size=2)), x=(5, 4)))


if __name__ == "__main__":
    run(check)
