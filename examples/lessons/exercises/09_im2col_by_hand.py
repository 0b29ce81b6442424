"""Exercise 9: col2im for another kernel.

This kernel has 2 rows and 3 columns. It moves one pixel down, but two pixels to the right, so the patch at (i, j) is

    x[i : i + 2, 2 j : 2 j + 3]

`im2col` is written: it makes each patch a row of six numbers. Write `col2im`: it gets dcols, the gradient of the loss
with respect to im2col's result, and returns dx, the gradient with respect to x. Then run

    python examples/lessons/exercises/09_im2col_by_hand.py
"""

import numpy as np
from exercise import call, compare, nudge, run

from tinydl.gradcheck import check_function


def places(x):
    """All pairs (i, j), in the order of the rows of cols."""
    height, width = x.shape
    return [(i, j) for i in range(height - 1) for j in range((width - 1) // 2)]


def im2col(x):
    """The patches of x (height, width), one in each row."""
    return np.array([x[i : i + 2, 2 * j : 2 * j + 3].ravel() for i, j in places(x)])


def col2im(dcols, x):
    """The gradient dx, given dcols."""
    dx = np.zeros_like(x)
    for row, (i, j) in zip(dcols, places(x), strict=True):
        patch = ...  # your code: the six numbers of the row, in the shape of a patch
        ...  # your code: what happens to dx?
    return dx


def check():
    dcols = np.array([[1.0, 2, 3, 4, 5, 6], [10, 20, 30, 40, 50, 60]])  # two patches, which share one column
    dx = call(col2im, dcols, np.zeros((2, 5)), returns="dx")
    overlap = "patches overlap: a pixel's gradient is the sum over the patches that contain it, so add with +="
    mistakes = {
        overlap: [[1, 2, 10, 20, 30], [4, 5, 40, 50, 60]],
        "the shared column is averaged: its pixels reach the loss through both copies, so their gradients add": [
            [1, 2, 6.5, 20, 30], [4, 5, 23, 50, 60],
        ],
        "a patch has 2 rows and 3 columns, in reading order": [[1, 3, 15, 30, 50], [2, 4, 26, 40, 60]],
        "the patches are 2 columns apart: the patch at (i, j) begins in column 2 j": [
            [1, 12, 23, 30, 0], [4, 45, 56, 60, 0],
        ],
        "every patch is added to the corner of the image: the patch at (i, j) begins at row i and column 2 j": [
            [11, 22, 33, 0, 0], [44, 55, 66, 0, 0],
        ],
    }  # fmt: skip
    compare("dx", dx, [[1, 2, 13, 20, 30], [4, 5, 46, 50, 60]], mistakes)
    nudge(check_function, im2col, col2im, x=(4, 7))


if __name__ == "__main__":
    run(check)
