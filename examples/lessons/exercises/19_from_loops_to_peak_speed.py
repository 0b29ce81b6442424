"""Exercise 19: a convolution without small loops.

`slow` computes a convolution as its definition says it, one multiplication at a time. x (n, h, w, c) are n images with
c channels, W (kh, kw, c, f) are f filters, y (n, oh, ow, f) is the result, with oh = h - kh + 1 and ow = w - kw + 1:

    y[:, i, j] = sum over a, b of x[:, i + a, j + b] @ W[a, b]

Write `fast`, which gives the same numbers without a loop over images, positions, channels or filters. Loop over the
kh x kw entries of the filters instead. For one entry (a, b), the pixels x[:, i + a, j + b] of all positions (i, j) are
one slice of x, of shape (n, oh, ow, c), and all their products with W[a, b] are one call of NumPy. Then run

    python examples/lessons/exercises/19_from_loops_to_peak_speed.py
"""

import time

import numpy as np
from exercise import Wrong, call, compare, run


def slow(x, W):
    (n, h, w, c), (kh, kw, _, f) = x.shape, W.shape
    y = np.zeros((n, h - kh + 1, w - kw + 1, f))
    for m, i, j, k in np.ndindex(y.shape):
        for a in range(kh):
            for b in range(kw):
                for channel in range(c):
                    y[m, i, j, k] += x[m, i + a, j + b, channel] * W[a, b, channel, k]
    return y


def fast(x, W):
    (n, h, w, c), (kh, kw, _, f) = x.shape, W.shape
    oh, ow = h - kh + 1, w - kw + 1
    y = np.zeros((n, oh, ow, f))
    for a in range(kh):
        for b in range(kw):
            pixels = ...  # your code: the slice of x that entry (a, b) of the filters meets
            y = ...  # your code
    return y


def seconds(function, *arrays):
    start = time.perf_counter()
    function(*arrays)
    return time.perf_counter() - start


def check():
    x = np.array([[1.0, 2, 0, 1], [3, 1, 1, 0], [0, 2, 4, 1]])[None, :, :, None]  # one image, 3 x 4, one channel
    W = np.array([[1.0, 2, 0], [3, -1, 1]])[:, :, None, None]  # one filter, 2 x 3
    mistakes = {
        "every entry adds its products to y; here the last entry replaces the others": [[1, 0], [4, 1]],
        "a moves along the height, b along the width": [[14, 7], [6, 8]],
        "the filter is not turned around: entry (a, b) meets the pixels x[:, i + a, j + b]": [[2, 7], [13, 9]],
        "the slice does not depend on a and b: entry (a, b) begins a rows and b columns later": [[6, 12], [18, 6]],
    }
    try:
        y = call(fast, x, W, returns="y")
    except ValueError as error:
        hint = "for every entry (a, b), the slice has the oh x ow positions of y"
        raise Wrong(f"the shapes do not fit: {error}\nLikely cause: {hint}") from None
    compare("y", y[0, :, :, 0], [[14, 4], [7, 6]], mistakes)
    rng = np.random.default_rng(0)
    x, W = rng.standard_normal((2, 7, 6, 3)), rng.standard_normal((3, 2, 3, 4))
    if not np.allclose(fast(x, W), slow(x, W)):
        raise Wrong("right for one channel and one filter, but not for 3 channels and 4 filters\n"
                    "Likely cause: the channels are summed by the matrix product, pixels @ W[a, b]")  # fmt: skip
    print("right: 2 images, 3 channels, 4 filters")
    x, W = rng.standard_normal((4, 16, 16, 8)), rng.standard_normal((3, 3, 8, 8))
    gain = seconds(slow, x, W) / min(seconds(fast, x, W) for _ in range(10))
    if gain < 50:
        hint = "there is still a loop over images, positions, channels or filters"
        raise Wrong(f"the values are right, but fast is only {gain:.0f} times as fast as slow\nLikely cause: {hint}")
    print(f"right: {gain:,.0f} times as fast as the loops")


if __name__ == "__main__":
    run(check)
