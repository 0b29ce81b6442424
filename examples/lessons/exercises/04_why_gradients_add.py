"""Exercise 4: one matrix of weights, used twice.

    h = x @ W        x (n, size), W (size, size)
    y = h @ W        h and y (n, size)

Write `backward`. First go back through the second line: what does it give for dh, and for dW? Then go back through the
first line. W is used in both. Then run

    python examples/lessons/exercises/04_why_gradients_add.py
"""

import numpy as np
from exercise import call, compare, nudge, run

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
    dx, dW = call(backward, dy, x, W, returns="dx, dW")
    skipped = "h lies between: the first line gets dh, the gradient of its result h, and not dy"
    in_dh = "dh comes from y = h @ W, so it is dy @ W.T, as dx in lesson 3"
    compare("dW", dW, second + first, {
        "W is used in both lines, but only the gradient from y = h @ W is there": second,
        "W is used in both lines, but only the gradient from h = x @ W is there": first,
        "the second line multiplies W by h, the first by x: their gradients differ": 2 * second,
        "the second line multiplies W by h, not by x: its gradient is h.T @ dy": x.T @ dy + first,
        skipped: second + x.T @ dy,
        f"{in_dh}: W must be transposed": second + x.T @ (dy @ W),
        f"{in_dh}: dy belongs on the left": second + x.T @ (W.T @ dy),
        f"{in_dh}: dy belongs on the left, and W must be transposed": second + x.T @ (W @ dy),
        f"{in_dh}, a matrix product with @": second + x.T @ (dy * W),
        "the sum over the rows needs x.T and h.T on the left, as in lesson 3": dy @ h.T + dh @ x.T,
        "h and x must be transposed: the sum over the rows needs h.T and x.T": h @ dy + x @ dh,
        "@ is missing: these products are taken entry by entry": h * dy + x * dh,
        "the two gradients are added, not multiplied": second * first,
        "the two gradients are added, not multiplied with @": second @ first,
        "the two gradients are added, not subtracted": second - first,
        "the two gradients are added: no mean is taken": (second + first) / 2,
        "this is dx: return dx first, then dW": dh @ W.T,
    })  # fmt: skip
    compare("dx", dx, dh @ W.T, {
        skipped: dy @ W.T,
        "W must be transposed, as in lesson 3": dh @ W,
        "dh belongs on the left, as in lesson 3": W.T @ dh,
        "x is used in one place only, so it has one gradient": dh @ W.T + dy @ W.T,
        "x is used in one place only, and dy arrives there as dh": dh @ W.T + dy,
        "x is used in one place only, so nothing is doubled": 2 * dh @ W.T,
    })  # fmt: skip
    nudge(check_function, forward, backward, x=(4, 3), W=(3, 3))


if __name__ == "__main__":
    run(check)
