"""Exercise 10: the backward pass of max pooling.

The windows have 3 x 3 pixels and move two pixels at a time, so neighbors overlap by one row or column:

    y[i, j] = max of x[2 i : 2 i + 3, 2 j : 2 j + 3]

`forward` is written. Complete `backward`: it gets dy, the gradient of the loss with respect to y, and returns dx, which
has the shape of x. The place of the winner in its window is given: row p and column q. Then run

    python examples/lessons/exercises/10_pooling_routes_gradients.py
"""

import numpy as np
from exercise import call, compare, nudge, run

from tinydl.gradcheck import check_function


def forward(x):
    """Max pooling of x (height, width)."""
    height, width = x.shape
    y = np.empty(((height - 1) // 2, (width - 1) // 2), x.dtype)
    for i, j in np.ndindex(y.shape):
        y[i, j] = x[2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max()
    return y


def backward(dy, x):
    """The gradient dx, given dy."""
    dx = np.zeros_like(x)
    for i, j in np.ndindex(dy.shape):
        window = x[2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
        p, q = divmod(window.argmax(), 3)  # window[p, q] is the winner
        ...  # your code: what does the window (i, j) add to dx, and where?
    return dx


def check():
    x = np.array([[1.0, 7, 2, 0, 3], [4, 0, 9, 1, 5], [3, 6, 0, 8, 2]])
    dx = call(backward, np.array([[10.0, 1]]), x, returns="dx")  # the 9 wins both windows
    everywhere, swapped, kept, corner, count, one_apart, three_apart, right = (np.zeros_like(x) for _ in range(8))
    everywhere[:, :3] += 10
    everywhere[:, 2:] += 1
    swapped[2, 1], swapped[0, 3] = 10, 1
    kept[1, 2] = 1
    corner[1, 2], corner[1, 0] = 10, 1
    count[1, 2] = 2
    one_apart[1, 1:3] = 1, 10
    three_apart[1, 2:4] = 10, 1
    right[1, 2] = 11
    mistakes = {
        "only the winner of a window receives its dy, as the other pixels do not change y": everywhere,
        "dy is missing: the window (i, j) adds dy[i, j], not 1": count,
        "max pooling is not an average: the winner of a window receives all of its dy": everywhere / 9,
        "rows and columns are exchanged: p counts rows and q columns": swapped,
        "the second window overwrites the first: a pixel that wins two windows gets the sum, so add with +=": kept,
        "p and q count from the corner of the window, which is pixel (2 i, 2 j) of x": corner,
        "the windows move two pixels at a time, so the corner of window (i, j) is pixel (2 i, 2 j)": one_apart,
        "the windows move two pixels at a time, not three: the corner of window (i, j) is (2 i, 2 j)": three_apart,
        "the winner receives dy[i, j]; its own value is no factor": 99 * right / 11,
        "the winner receives dy[i, j], and not its own value": 18 * right / 11,
    }
    compare("dx", dx, right, mistakes)
    nudge(check_function, forward, backward, x=(7, 9))


if __name__ == "__main__":
    run(check)
