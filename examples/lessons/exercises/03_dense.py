"""Exercise 3: the backward pass of a Dense layer that ends in tanh.

    a = x @ W + b        x (n, inputs), W (inputs, units), b (units,)
    y = tanh(a)          y (n, units); the slope of tanh is 1 - y^2

Write the four lines of `backward`. `forward` keeps x and y as self.x and self.y. First go back through tanh, entry by
entry, then through the sum. Then run

    python examples/lessons/exercises/03_dense.py
"""

import numpy as np
from exercise import call, compare, freeze, nudge, run

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
    freeze(W, b, x, y)
    dx = call(layer.backward, dy, returns="dx")
    slope = 1 - y**2
    da = dy * slope
    compare("db", layer.db, da.sum(axis=0), {
        "da must be dy times the slope of tanh, 1 - y^2, and db is made of da": dy.sum(axis=0),
        "the changes that the examples cause add up, so db is a sum over the rows, not a mean": da.mean(axis=0),
        "in da, the slope of tanh is 1 - y^2: y is not squared": (dy * (1 - y)).sum(axis=0),
        "in da, the slope must be multiplied by dy, the gradient that arrives": slope.sum(axis=0),
        "in da, y (1 - y) is the slope of the sigmoid; that of tanh is 1 - y^2": (dy * y * (1 - y)).sum(axis=0),
        "in da, y is tanh(a) already": (dy * (1 - np.tanh(y) ** 2)).sum(axis=0),
        "dy must be multiplied by the slope, not divided by it": (dy / slope).sum(axis=0),
        "da is a product entry by entry, with *: @ is a matrix product": (dy @ slope).sum(axis=0),
        "da is a product entry by entry, with *: @ is a matrix product (and dy comes first)": (slope @ dy).sum(axis=0),
        "sum over the rows (axis=0), so that one number is left for each unit": da.sum(axis=1),
        "sum over the rows, da.sum(axis=0): the same b is used in all of them": da,
        "sum over the rows alone, with axis=0: each unit has its own bias": da.sum(),
    })  # fmt: skip
    compare("dW", layer.dW, x.T @ da, {
        "this is the transpose of dW: the sum over the rows needs x.T on the left": da.T @ x,
        "x.T is missing: the index that is summed over, the row, must stand inside the product": x @ da,
        "x.T belongs on the left: the index that is summed over, the row, must stand inside the product": da @ x.T,
        "it is x.T, not x, and it belongs on the left": da @ x,
        "@ is missing: this product is taken entry by entry": x * da,
        "@ is missing: this product is taken entry by entry (* is not @)": x.T * da,
        "the changes add up over the rows: the sum must not be divided by n": x.T @ da / len(x),
        "it must be computed from da, not from dy: go back through tanh first": x.T @ dy,
        "W[i, j] is multiplied by x[m, i], not by the answer y": y.T @ da,
    })  # fmt: skip
    left = "da belongs on the left: its rows are the examples, as those of dx"
    compare("dx", dx, da @ W.T, {
        "W must be transposed: W.T. With other shapes, NumPy would have refused this product": da @ W,
        left: W @ da,
        f"{left}; and W must be transposed": W.T @ da,
        f"{left}; and not da but W is transposed": W @ da.T,
        "@ is missing: this product is taken entry by entry": da * W,
        "@ is missing: this product is taken entry by entry (* is not @)": da * W.T,
        "it must be computed from da, not from dy: go back through tanh first": dy @ W.T,
        "b is only added in forward, so it is no part of dx": da @ W.T + b,
        "this is dW: are two lines exchanged?": x.T @ da,
    })  # fmt: skip
    nudge(check_layer, DenseTanh(rng.normal(size=(4, 2)), rng.normal(size=2)), x=(5, 4))


if __name__ == "__main__":
    run(check)
