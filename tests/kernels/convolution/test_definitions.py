"""Convolution: definitions against the textbook's sum, im2col and col2im compiled and plain, examples by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.kernels.comparing import DTYPES, Compared, either, normal
from tests.kernels.convolution.textbook import SIZES, fitting, textbook
from tinydl import kernels
from tinydl.kernels import LINEAR, Window, output_size
from tinydl.layers import conv

im2col, col2im = Compared("im2col"), Compared("col2im")


@pytest.mark.parametrize("size", SIZES)
def test_the_textbook_and_the_definition_agree(size: tuple[int, int]) -> None:
    for number, ((n, h, w, c, f), window) in enumerate(fitting(size)):
        x, W, b = normal(np.float64, (n, h, w, c), (*size, c, f), f, seed=number)
        expected = textbook(x, W, window)
        with kernels.using("reference"):
            np.testing.assert_allclose(conv.conv2d_forward(x, W, None, window, LINEAR), expected, rtol=0, atol=1e-12)
            np.testing.assert_allclose(conv.conv2d_forward(x, W, b, window, LINEAR), expected + b, rtol=0, atol=1e-12)


@either
def test_by_hand(mode: str) -> None:
    """The convolution is a correlation: the kernel is not flipped. Height comes before width."""
    x = np.arange(1.0, 7.0).reshape(1, 2, 3, 1)  # 1 2 3 / 4 5 6
    W = np.array([10.0, 1.0]).reshape(1, 2, 1, 1)  # one row, two columns
    with kernels.using(mode):
        y = conv.conv2d_forward(x, W, None, Window((1, 2)), LINEAR)
        assert y[0, ..., 0].tolist() == [[12, 23], [45, 56]]
        y = conv.conv2d_forward(x, W.reshape(2, 1, 1, 1), np.array([100.0]), Window((2, 1)), LINEAR)
        assert y[0, ..., 0].tolist() == [[114, 125, 136]]
        y = conv.conv2d_forward(x, W, None, Window((1, 2), (1, 2), ((0, 0), (1, 0))), LINEAR)
        assert y[0, ..., 0].tolist() == [[1, 23], [4, 56]]
    assert textbook(x, W, Window((1, 2)))[0, ..., 0].tolist() == [[12, 23], [45, 56]]


@pytest.mark.parametrize("size", SIZES)
def test_im2col_and_col2im(size: tuple[int, int]) -> None:
    """Each is the other's transpose: <im2col(x), c> = <x, col2im(c)>, exactly for integers."""
    cases = list(fitting(size))
    assert len(cases) >= 50
    for number, ((n, h, w, c, _), window) in enumerate(cases):
        rng = np.random.default_rng(number)
        dtype = DTYPES[number % 2]
        x = rng.integers(-9, 10, (n, h, w, c)).astype(dtype)
        (cols,) = im2col(x, window)
        g = rng.integers(-9, 10, cols.shape).astype(dtype)
        (back,) = col2im(g, x.shape, window)
        assert (cols * g).sum(dtype=np.float64) == (x * back).sum(dtype=np.float64)
        if number % 8 == 0:
            im2col.in_any_layout(x, window)
            col2im.in_any_layout(g, x.shape, window, of=["cols"])


@either
def test_im2col_by_hand(mode: str) -> None:
    """The drawings in Conv2D's docstring: patches and entries in reading order; the middle pixel is copied 4 times."""
    x, window = np.arange(1.0, 10.0).reshape(1, 3, 3, 1), Window((2, 2))
    with kernels.using(mode):
        assert conv.im2col(x, window).tolist() == [[1, 2, 4, 5], [2, 3, 5, 6], [4, 5, 7, 8], [5, 6, 8, 9]]
        a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p = 2.0 ** np.arange(16)  # noqa: E741
        dx = conv.col2im(2.0 ** np.arange(16).reshape(4, 4), x.shape, window)
        assert dx[0, ..., 0].tolist() == [[a, b + e, f], [c + i, d + g + j + m, h + n], [k, l + o, p]]
        counts = conv.col2im(np.ones((4, 4)), x.shape, window)  # not the inverse of im2col
        assert counts[0, ..., 0].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
        # Two adjacent channels per pixel, and strides that skip pixels; pixels that no window reaches get 0.
        pair, window = np.stack([x[..., 0], -x[..., 0]], axis=-1), Window((1, 2), (2, 1))
        assert conv.im2col(pair, window).tolist() == [
            [1, -1, 2, -2], [2, -2, 3, -3], [7, -7, 8, -8], [8, -8, 9, -9],
        ]  # fmt: skip
        assert conv.col2im(np.ones((4, 4)), pair.shape, window)[0, ..., 0].tolist() == [
            [1, 2, 1], [0, 0, 0], [1, 2, 1],
        ]  # fmt: skip
        # A window entirely in the padding is a row of zeros.
        assert conv.im2col(x, Window((1, 1), (2, 2), ((1, 0), (1, 0)))).ravel().tolist() == [0, 0, 0, 5]


def test_complex_numbers_go_to_the_definition() -> None:
    """The complex-step derivative needs complex inputs."""
    x, W = normal(np.float64, (1, 4, 5, 2), (3, 2, 2, 3))
    im2col(x + 1e-20j, Window((2, 2)))
    (y,) = Compared("conv2d_forward")(x + 1e-20j, W, None, Window((3, 2)), LINEAR)
    assert y.imag.any()


@either
def test_output_size(mode: str) -> None:
    for size, window, stride, padding, expected in [
        (32, 3, 2, (1, 1), 16),  # the book: (32 - 3 + 2)/2 + 1 = 16.5, rounded down to "16"
        (32, 3, 1, (1, 1), 32),
        (4, 2, 2, (0, 0), 2),
        (5, 2, 2, (0, 0), 2),
        (5, 5, 3, (0, 0), 1),
        (7, 3, 3, (1, 2), 3),
    ]:
        assert output_size(size, window, stride, padding) == expected
        with kernels.using(mode):
            sliding = Window((window, 1), (stride, 1), (padding, (0, 0)))
            y = conv.conv2d_forward(np.ones((1, size, 1, 1)), np.ones((window, 1, 1, 1)), None, sliding, LINEAR)
        assert y.shape == (1, expected, 1, 1)
