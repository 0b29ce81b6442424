"""Exercise 14: the backward pass of a residual block.

The block of the first residual networks has two layers in its body, and a relu after the sum:

    h = relu(x W1)          relu replaces negative numbers by 0
    a = x + h W2            the shortcut and the body
    y = relu(a)             x, a and y (n, units), W1 (units, hidden), W2 (hidden, units)

`forward` is written. Write `backward`: it gets dy, the gradient of the loss with respect to y, and returns the
gradients with respect to x, W1 and W2. dy belongs to the caller: do not change it. Then run

    python examples/lessons/exercises/14_residual_networks.py
"""

import numpy as np
from exercise import call, compare, nudge, run

from tinydl.gradcheck import check_function


def forward(x, W1, W2):
    h = np.maximum(x @ W1, 0)
    return np.maximum(x + h @ W2, 0)


def backward(dy, x, W1, W2):
    h = np.maximum(x @ W1, 0)
    a = x + h @ W2
    da = ...  # your code: back through the relu after the sum
    dW2 = ...  # your code
    dh = ...  # your code
    dh = dh * (h > 0)  # back through the relu in the body
    dW1 = ...  # your code
    dx = ...  # your code
    return dx, dW1, dW2


def check():
    x, W1 = np.array([[1.0, -3], [2, 1]]), np.array([[1.0, 2, 0], [0, 1, -1]])
    W2 = np.array([[1.0, 0], [-1, 2], [1, 0.5]])  # a is [[5, -1.5], [-1, 11]]
    dy = np.array([[1.0, 2], [-1, 3]])
    dx, dW1, dW2 = call(backward, dy, x, W1, W2, returns="dx, dW1, dW2")
    no_relu = "the relu after the sum is forgotten: where a is negative, y does not depend on it, and da is 0"
    value = "the slope of relu is 1 or 0; it is not relu itself"
    mistakes = {
        no_relu: [[-1, 8], [-5, 15], [3, 6]],
        value: [[5, 66], [0, 165], [15, 0]],
        f"{value}: da is not dy times a": [[7, 63], [5, 165], [15, -9]],
        "the slope of relu asks whether a is positive, not whether dy is": [[1, 8], [0, 15], [3, 6]],
        "this is dW1: return dx, then dW1, then dW2": [[1, 12, 1], [-3, 6, -3]],
    }
    compare("dW2", dW2, [[1, 6], [0, 15], [3, 0]], mistakes)
    mistakes = {
        "dh is made of da, not of dy: the way back goes through the last relu first": [[-1, 14, 2], [-4, 7, -6]]
    }
    compare("dW1", dW1, [[1, 12, 1], [-3, 6, -3]], mistakes)
    mistakes = {
        "the way around the body is missing: dx = da + ...": [[1, -1], [12, 6]],
        "the way through the body is missing": [[1, 0], [0, 3]],
        "the shortcut is added before the relu: da, not dy, goes around the body": [[2, 1], [11, 9]],
        "the two ways add; they are not averaged": [[1, -0.5], [6, 4.5]],
        "the two ways add; they are not multiplied": [[1, 0], [0, 18]],
        "the two ways add; they are not subtracted": [[0, 1], [-12, -3]],
        "the shortcut passes the gradient da on, and not x": [[2, -4], [14, 7]],
        "the shortcut passes the gradient da on, and not the number 1": [[2, 0], [13, 7]],
    }
    compare("dx", dx, [[2, -1], [12, 9]], mistakes)
    nudge(check_function, forward, backward, x=(4, 3), W1=(3, 5), W2=(5, 3))


if __name__ == "__main__":
    run(check)
