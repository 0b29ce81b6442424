"""Exercise 4: one matrix of weights, used twice.

    h = x @ W        x (n, size), W (size, size)
    y = h @ W        h and y (n, size)

Write `backward`. First go back through the second line: what does it give for dh, and for dW? Then go back through the
first line. W is used in both. Then run

    python examples/lessons/exercises/04_why_gradients_add.py
"""

import numpy as np
from exercise import compare, run

from tinydl.gradcheck import check_function


def forward(x, W):
    h = x @ W
    return h @ W


def backward(dy, x, W):
    h = x @ W
    dh = ...  # your code
    dW = ...  # your code
    dx = ...  # your code
    return dx, dW


def check():
    x, dy = np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[1.0, -1.0], [2.0, 0.0]])
    W = np.array([[1.0, 3.0], [0.0, 2.0]])
    h, dh = x @ W, dy @ W.T
    second, first = h.T @ dy, x.T @ dh
    dx, dW = backward(dy, x, W)
    skipped = "h lies between: the first line gets dh, the gradient of its result h, and not dy"
    compare("dW", dW, second + first, {
        "W is used in both lines, but only the gradient from y = h @ W is there": second,
        "W is used in both lines, but only the gradient from h = x @ W is there": first,
        skipped: second + x.T @ dy,
        "dh comes from y = h @ W, so W must be transposed in it: dy @ W.T, as in lesson 3": second + x.T @ (dy @ W),
        "the sum over the rows needs x.T and h.T on the left, as in lesson 3": dy @ h.T + dh @ x.T,
        "the two gradients are added, not multiplied": second * first,
        "the two gradients are added: no mean is taken": (second + first) / 2,
    })  # fmt: skip
    compare("dx", dx, dh @ W.T, {skipped: dy @ W.T, "W must be transposed, as in lesson 3": dh @ W})
    print(check_function(forward, backward, x=(4, 3), W=(3, 3)))


if __name__ == "__main__":
    run(check)
