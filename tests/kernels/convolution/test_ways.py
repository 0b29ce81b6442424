"""Convolution: the compiled kernels, by whichever way they go, are the plain NumPy ones; those are the textbook's sum."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tinydl import kernels
from tinydl.kernels import direct, reference
from tinydl.kernels.threads import set_num_threads

COMPILED = kernels._COMPILED
ACTIVATIONS = {name: code for name, code in kernels.ACTIVATIONS.items() if name}
DTYPES = [np.float32, np.float64]
PLAIN = {np.float32: 2e-6, np.float64: 1e-12}  # of the largest entry
WINOGRAD = {np.float32: 1e-5, np.float64: 1e-12}  # its transforms cost digits; see tinydl/kernels/winograd.py
NONE = ((0, 0), (0, 0))


def normal(seed: int, dtype: Any, *shapes: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def close(actual: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Of one shape and dtype, and no further apart than `tolerance` times the largest entry (or 1: what went in)."""
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    if expected.size:
        assert np.isfinite(actual).all()
        assert np.abs(actual - expected).max() <= tolerance * max(1, np.abs(expected).max())


def same(size: int, window: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "same", by its definition: ceil(size / stride) windows, the odd pixel behind."""
    lacking = max(0, (-(-size // stride) - 1) * stride + window - size)
    return lacking // 2, lacking - lacking // 2


def around(name: str, h: int, w: int, kh: int, kw: int, sh: int, sw: int) -> reference.Padding:
    return {
        "valid": NONE,
        "same": (same(h, kh, sh), same(w, kw, sw)),
        "one": ((1, 1), (1, 1)),
        "lopsided": ((1, 0), (0, 2)),
        "wide": ((3, 4), (5, 2)),  # wider than some windows: these see nothing but zeros
    }[name]


def both_ways(
    x: np.ndarray, W: np.ndarray, b: np.ndarray, sh: int, sw: int, padding: Any, code: int, tolerance: float
) -> None:
    """Forward, and backward onto gradients that are there already, compiled and plain; nothing given is written to."""
    y = reference.conv2d_forward(x, W, b, sh, sw, padding, code)
    dy, dW, db = normal(7, x.dtype, y.shape, W.shape, b.shape)
    given = [x, W, b, y, dy]
    before = [array.copy() for array in given]
    close(COMPILED["conv2d_forward"](x, W, b, sh, sw, padding, code), y, tolerance)
    for need_dx in (True, False):
        results = []
        for backward in (COMPILED["conv2d_backward"], reference.conv2d_backward):
            gradients = dW.copy(), db.copy()
            results.append([backward(dy, x, W, y, sh, sw, padding, code, *gradients, need_dx), *gradients])
        for actual, expected in zip(*results, strict=True):
            close(actual, expected, tolerance)
        assert results[0][0].shape == (x.shape if need_dx else (0, 0, 0, 0))
    for array, old in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, old)


IMAGES = [(2, 7, 5, 3, 4), (1, 6, 8, 1, 2), (3, 5, 9, 2, 1), (1, 4, 4, 1, 1)]  # n, h, w, c, f
STRIDES = [(1, 1), (2, 2), (2, 1), (1, 3), (3, 2)]
KERNELS = [(1, 1), (2, 2), (3, 3), (3, 2), (2, 3), (1, 4), (4, 1), (5, 3)]
PADDINGS = ["valid", "same", "one", "lopsided", "wide"]


def fitting(kh: int, kw: int, name: str) -> Iterator[tuple[tuple[int, ...], int, int, Any]]:
    """Images and strides of the grid: (n, h, w, c, f), sh, sw, padding in pixels, wherever the kernel fits."""
    for image, (sh, sw) in itertools.product(IMAGES, STRIDES):
        _, h, w, _, _ = image
        padding = around(name, h, w, kh, kw, sh, sw)
        if kh <= h + sum(padding[0]) and kw <= w + sum(padding[1]):
            yield image, sh, sw, padding


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PADDINGS)
@pytest.mark.parametrize(("kh", "kw"), KERNELS)
def test_convolution(kh: int, kw: int, name: str, dtype: Any) -> None:
    cases = list(fitting(kh, kw, name))
    assert len(cases) >= 10
    for number, ((n, h, w, c, f), sh, sw, padding) in enumerate(cases):
        x, W, b = normal(number, dtype, (n, h, w, c), (kh, kw, c, f), f)
        code = list(ACTIVATIONS.values())[number % len(ACTIVATIONS)]
        both_ways(x, W, b[: f * (number % 3 > 0)], sh, sw, padding, code, PLAIN[dtype])


# One for each way through the kernels: patches, 1x1 without patches, directly from the image (backward only without dx
# for 5 channels), Winograd's with 2x2 and 3x3, few tiles of many channels.
WAYS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "patches": ((2, 6, 5, 3), (3, 2, 3, 4)),
    "one by one": ((2, 6, 5, 3), (1, 1, 3, 4)),
    "one by one, one pixel": ((5, 1, 1, 3), (1, 1, 3, 4)),
    "direct": ((2, 6, 5, 16), (3, 2, 16, 48)),
    "direct, 5 channels": ((2, 6, 5, 5), (2, 3, 5, 32)),
    "winograd 2x2": ((2, 6, 5, 32), (2, 2, 32, 33)),
    "winograd 3x3": ((2, 6, 5, 33), (3, 3, 33, 32)),
    "winograd 2x2, deep": ((2, 6, 5, 130), (2, 2, 130, 128)),
    "winograd 3x3, deep": ((2, 5, 6, 128), (3, 3, 128, 131)),
}


def tolerance_of(way: str, dtype: Any) -> float:
    return (WINOGRAD if way.startswith("winograd") else PLAIN)[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("way", WAYS)
def test_activations_and_bias(way: str, activation: str, use_bias: bool, dtype: Any) -> None:
    x_shape, W_shape = WAYS[way]
    x, W, b = normal(1, dtype, x_shape, W_shape, W_shape[3])
    W /= np.sqrt(np.prod(W_shape[:3]))  # so that sigmoid and tanh are not all saturated
    both_ways(
        x, W.astype(dtype), b if use_bias else b[:0], 1, 1, NONE, ACTIVATIONS[activation], tolerance_of(way, dtype)
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("kh", "kw"), [(2, 2), (3, 3), (2, 3), (3, 2)])
@pytest.mark.parametrize(("c", "f"), [(32, 32), (33, 35), (31, 32), (40, 64)])
def test_kernels_with_many_channels(c: int, f: int, kh: int, kw: int, dtype: Any) -> None:
    """Tiles of 4x4 or 3x3 outputs: images that hold many, one, part of one, and what sticks out at the edges."""
    sizes = [(2, 7, 9), (1, 5, 11), (3, 3, 3), (1, 8, 13)]
    cases = [*itertools.product(sizes[:2], PADDINGS), *itertools.product(sizes[2:], ["valid", "same"])]
    for (n, h, w), name in cases:
        x, W, b = normal(h, dtype, (n, h, w, c), (kh, kw, c, f), f)
        both_ways(x, W, b, 1, 1, around(name, h, w, kh, kw, 1, 1), kernels.RELU, WINOGRAD[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PADDINGS)
@pytest.mark.parametrize(("kh", "kw"), [(3, 3), (5, 5), (2, 4), (1, 3), (7, 2)])
@pytest.mark.parametrize(("c", "f"), [(16, 16), (32, 48), (3, 32), (1, 16)])
def test_kernels_that_read_the_image(c: int, f: int, kh: int, kw: int, name: str, dtype: Any) -> None:
    """Whole vectors of filters, and (for dx) of channels: strides beyond the kernel's size, too, and rows of any length
    on which blocks of 8, 4, 2 and 1 pixels end."""
    assert direct.suits((kh, kw, c, f), False)
    assert direct.suits((kh, kw, c, f), True) == (c > 3)
    for (sh, sw), (n, h, w) in zip([(1, 1), (2, 2), (2, 1), (1, 3), (4, 6)], [(2, 7, 17), (1, 9, 13), (3, 8, 9)] * 2):  # noqa: B905
        x, W, b = normal(h, dtype, (n, h, w, c), (kh, kw, c, f), f)
        both_ways(x, W, b, sh, sw, around(name, h, w, kh, kw, sh, sw), kernels.RELU, WINOGRAD[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("x_shape", "W_shape", "strides", "padding"),
    [
        ((3, 40, 37, 15), (3, 3, 15, 20), (1, 1), ((1, 1), (1, 1))),  # several buffers of rows
        ((2, 60, 50, 16), (5, 3, 16, 32), (2, 1), ((2, 2), (1, 1))),  # also where patches are not made
        ((1, 4, 200, 40), (3, 5, 40, 31), (1, 1), NONE),  # one output row fills the buffer
        ((2, 11, 13, 15), (3, 3, 15, 150), (2, 1), NONE),  # products that are taken apart: 135 x 150
        ((5, 9, 7, 200), (1, 1, 200, 150), (1, 1), NONE),  # 1x1: x is its own patch matrix
        ((3, 20, 17, 140), (1, 1, 140, 9), (1, 1), NONE),
        ((40, 2, 3, 24), (1, 1, 24, 40), (1, 1), NONE),  # small images together
        ((2, 6, 7, 24), (1, 1, 24, 10), (2, 2), NONE),  # 1x1 with strides
        ((2, 6, 7, 24), (1, 1, 24, 10), (1, 1), ((0, 1), (2, 0))),  # 1x1 with padding
        ((2, 33, 35, 64), (3, 3, 64, 33), (1, 1), ((1, 1), (1, 1))),  # several chunks of tiles
        ((1, 9, 21, 130), (2, 2, 130, 200), (1, 1), ((0, 1), (0, 1))),  # many channels: 3 and 4 blocks of them
        ((3, 13, 6, 200), (3, 3, 200, 130), (1, 1), ((1, 1), (1, 1))),
        ((1, 50, 50, 128), (3, 3, 128, 128), (1, 1), ((1, 2), (2, 1))),  # many tiles, too
        ((1, 9, 9, 33), (3, 3, 33, 31), (2, 1), NONE),  # strides: not Winograd's
        ((1, 9, 9, 33), (4, 3, 33, 31), (1, 1), NONE),
    ],
)
def test_larger_sizes(x_shape: Any, W_shape: Any, strides: Any, padding: Any, dtype: Any) -> None:
    for use_bias, code in ((True, kernels.RELU), (False, kernels.LINEAR)):
        x, W, b = normal(3, dtype, x_shape, W_shape, W_shape[3])
        both_ways(x, W, b if use_bias else b[:0], *strides, padding, code, WINOGRAD[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", WAYS)
def test_arrays_of_any_layout(way: str, dtype: Any) -> None:
    x_shape, W_shape = WAYS[way]
    x, W, b = normal(4, dtype, x_shape, W_shape, W_shape[3])
    y = reference.conv2d_forward(x, W, b, 1, 1, NONE, kernels.RELU)
    (dy,) = normal(5, dtype, y.shape)
    expected = [COMPILED["conv2d_forward"](x, W, b, 1, 1, NONE, kernels.RELU), np.zeros_like(W), np.zeros_like(b)]
    expected.append(COMPILED["conv2d_backward"](dy, x, W, y, 1, 1, NONE, kernels.RELU, *expected[1:], True))

    def spread(array: np.ndarray) -> np.ndarray:
        return np.repeat(array, 2, axis=2)[:, :, ::2]

    for other in (np.asfortranarray, spread, lambda array: array[::-1].copy()[::-1]):
        x2, y2, dy2 = other(x), other(y), other(dy)
        actual = [COMPILED["conv2d_forward"](x2, W, b, 1, 1, NONE, kernels.RELU), np.zeros_like(W), np.zeros_like(b)]
        actual.append(COMPILED["conv2d_backward"](dy2, x2, W, y2, 1, 1, NONE, kernels.RELU, *actual[1:], True))
        for one, another in zip(actual, expected, strict=True):
            np.testing.assert_array_equal(one, another)


@pytest.mark.parametrize("which", ["compiled", "reference"])
@pytest.mark.parametrize("way", WAYS)
def test_every_call_gives_arrays_of_its_own(way: str, which: str) -> None:
    x_shape, W_shape = WAYS[way]
    x, W, b = normal(4, np.float32, x_shape, W_shape, W_shape[3])
    with kernels.using(which):
        y = kernels.conv2d_forward(x, W, b, 1, 1, NONE, kernels.LINEAR)
        before = y.copy()
        dx = kernels.conv2d_backward(y, x, W, y, 1, 1, NONE, kernels.LINEAR, np.zeros_like(W), np.zeros_like(b), True)
        again = kernels.conv2d_forward(-x, W, b, 1, 1, NONE, kernels.LINEAR)
    np.testing.assert_array_equal(y, before)
    for one, other in itertools.combinations((x, y, dx, again), 2):
        assert not np.shares_memory(one, other)


@pytest.mark.parametrize("which", ["compiled", "reference"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("way", WAYS)
def test_nan_passes_through(way: str, activation: str, which: str) -> None:
    """A relu written as `a if a > 0 else 0` would hide that a run has diverged."""
    x_shape, W_shape = WAYS[way]
    x, W, b = normal(4, np.float32, x_shape, W_shape, W_shape[3])
    x[0, 0, 0, 0] = np.nan
    with kernels.using(which):
        y = kernels.conv2d_forward(x, W, b, 1, 1, NONE, ACTIVATIONS[activation])
    assert np.isnan(y[0, 0, 0]).all()
    assert np.isfinite(y[1:]).all()


# --- threads ----------------------------------------------------------------------------------------------------------

# Each is work for three threads and more; odd numbers of rows, images and tiles.
SHARED: dict[str, tuple[tuple[int, ...], tuple[int, ...], Any]] = {
    "patches": ((7, 12, 11, 16), (3, 3, 16, 31), ((1, 1), (1, 1))),
    "one by one": ((5, 17, 9, 90), (1, 1, 90, 70), NONE),
    "direct": ((7, 12, 11, 16), (4, 3, 16, 32), ((1, 1), (1, 2))),
    "winograd 2x2": ((7, 10, 11, 48), (2, 2, 48, 40), ((0, 1), (0, 1))),
    "winograd 3x3": ((5, 13, 11, 40), (3, 3, 40, 48), ((1, 1), (1, 1))),
    "winograd 3x3, deep": ((3, 13, 11, 200), (3, 3, 200, 270), ((1, 1), (1, 1))),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("way", SHARED)
def test_any_number_of_threads(way: str, activation: str, dtype: Any) -> None:
    """To rounding the same; with one number of threads, to the bit."""
    x_shape, W_shape, padding = SHARED[way]
    code = ACTIVATIONS[activation]
    x, W, b, dW, db = normal(6, dtype, x_shape, W_shape, W_shape[3], W_shape, W_shape[3])
    W /= np.sqrt(np.prod(W_shape[:3]))  # so that tanh is not saturated
    y = reference.conv2d_forward(x, W, b, 1, 1, padding, code)
    (dy,) = normal(7, dtype, y.shape)

    def run() -> list[np.ndarray]:
        gradients = dW.copy(), db.copy()
        dx = COMPILED["conv2d_backward"](dy, x, W, y, 1, 1, padding, code, *gradients, True)
        return [COMPILED["conv2d_forward"](x, W, b, 1, 1, padding, code), dx, *gradients]

    gradients = dW.copy(), db.copy()
    expected = [y, reference.conv2d_backward(dy, x, W, y, 1, 1, padding, code, *gradients, True), *gradients]
    for threads in (1, 2, 3):
        set_num_threads(threads)
        first, second = run(), run()
        for actual, again, wanted in zip(first, second, expected, strict=True):
            close(actual, wanted, WINOGRAD[dtype])
            np.testing.assert_array_equal(actual, again)


# --- the definitions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PADDINGS)
@pytest.mark.parametrize(("kh", "kw"), KERNELS)
def test_the_textbook_the_reference_and_the_compiled_kernels_agree(kh: int, kw: int, name: str) -> None:
    for number, ((n, h, w, c, f), sh, sw, padding) in enumerate(fitting(kh, kw, name)):
        x, W, b = normal(number, np.float64, (n, h, w, c), (kh, kw, c, f), f)
        expected = reference.naive_convolution(x, W, sh, sw, padding)
        for forward in (reference.conv2d_forward, COMPILED["conv2d_forward"]):
            close(forward(x, W, b[:0], sh, sw, padding, kernels.LINEAR), expected, 1e-13)
            close(forward(x, W, b, sh, sw, padding, kernels.LINEAR), expected + b, 1e-13)


@pytest.mark.parametrize(("kh", "kw"), [(2, 2), (3, 3), (2, 3)])
def test_the_textbook_and_winograd_agree(kh: int, kw: int) -> None:
    x, W = normal(0, np.float64, (2, 6, 5, 32), (kh, kw, 32, 32))
    padding = ((0, 1), (2, 1))
    expected = reference.naive_convolution(x, W, 1, 1, padding)
    close(COMPILED["conv2d_forward"](x, W, W[0, 0, 0, :0], 1, 1, padding, kernels.LINEAR), expected, 1e-12)


def test_the_textbook_by_hand() -> None:
    """A correlation: the kernel is not flipped. Height before width."""
    x = np.arange(1.0, 7.0).reshape(1, 2, 3, 1)  # 1 2 3 / 4 5 6
    W = np.array([10.0, 1.0]).reshape(1, 2, 1, 1)  # one row, two columns
    for forward in (reference.conv2d_forward, COMPILED["conv2d_forward"]):
        assert forward(x, W, W.ravel()[:0], 1, 1, NONE, 0)[0, ..., 0].tolist() == [[12, 23], [45, 56]]
        y = forward(x, W.reshape(2, 1, 1, 1), np.array([100.0]), 1, 1, NONE, 0)
        assert y[0, ..., 0].tolist() == [[114, 125, 136]]
        y = forward(x, W, W.ravel()[:0], 1, 2, ((0, 0), (1, 0)), 0)
        assert y[0, ..., 0].tolist() == [[1, 23], [4, 56]]
    assert reference.naive_convolution(x, W, 1, 1, NONE)[0, ..., 0].tolist() == [[12, 23], [45, 56]]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PADDINGS)
@pytest.mark.parametrize(("kh", "kw"), KERNELS)
def test_im2col_and_col2im(kh: int, kw: int, name: str, dtype: Any) -> None:
    """Equal to the reference, and each the other's transpose: <im2col(x), c> = <x, col2im(c)>, exact in whole numbers."""
    for number, ((n, h, w, c, _), sh, sw, padding) in enumerate(fitting(kh, kw, name)):
        rng = np.random.default_rng(number)
        x = rng.integers(-9, 10, (n, h, w, c)).astype(dtype)
        arguments = kh, kw, sh, sw, padding
        cols = COMPILED["im2col"](x, *arguments)
        np.testing.assert_array_equal(cols, reference.im2col(x, *arguments), strict=True)
        g = rng.integers(-9, 10, cols.shape).astype(dtype)
        back = COMPILED["col2im"](g, x.shape, *arguments)
        np.testing.assert_array_equal(back, reference.col2im(g, x.shape, *arguments), strict=True)
        assert (cols * g).sum(dtype=np.float64) == (x * back).sum(dtype=np.float64)
        other = np.asfortranarray
        np.testing.assert_array_equal(COMPILED["im2col"](other(x), *arguments), cols)
        np.testing.assert_array_equal(COMPILED["col2im"](other(g), x.shape, *arguments), back)


@pytest.mark.parametrize("which", ["compiled", "reference"])
def test_im2col_by_hand(which: str) -> None:
    """The drawings in Conv2D's docstring: rows and entries in reading order; the middle is copied four times."""
    x = np.arange(1.0, 10.0).reshape(1, 3, 3, 1)
    with kernels.using(which):
        cols = kernels.im2col(x, 2, 2, 1, 1, NONE)
        assert cols.tolist() == [[1, 2, 4, 5], [2, 3, 5, 6], [4, 5, 7, 8], [5, 6, 8, 9]]
        a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p = 2.0 ** np.arange(16)  # noqa: E741
        dx = kernels.col2im(2.0 ** np.arange(16).reshape(4, 4), x.shape, 2, 2, 1, 1, NONE)
        assert dx[0, ..., 0].tolist() == [[a, b + e, f], [c + i, d + g + j + m, h + n], [k, l + o, p]]
        counts = kernels.col2im(np.ones((4, 4)), x.shape, 2, 2, 1, 1, NONE)  # not the inverse of im2col
        assert counts[0, ..., 0].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
        # two channels lie side by side within a place; strides; pixels that no window reaches come back 0
        pair = np.stack([x[..., 0], -x[..., 0]], axis=-1)
        assert kernels.im2col(pair, 1, 2, 2, 1, NONE).tolist() == [
            [1, -1, 2, -2], [2, -2, 3, -3], [7, -7, 8, -8], [8, -8, 9, -9],
        ]  # fmt: skip
        assert kernels.col2im(np.ones((4, 4)), pair.shape, 1, 2, 2, 1, NONE)[0, ..., 0].tolist() == [
            [1, 2, 1], [0, 0, 0], [1, 2, 1],
        ]  # fmt: skip
        # a window wholly in the padding is a row of zeros
        assert kernels.im2col(x, 1, 1, 2, 2, ((1, 0), (1, 0))).ravel().tolist() == [0, 0, 0, 5]


@pytest.mark.parametrize("which", ["compiled", "reference"])
@pytest.mark.parametrize(
    ("size", "window", "stride", "padding", "expected"),
    [
        (32, 3, 2, (1, 1), 16),  # the book: (32 - 3 + 2)/2 + 1 = 16.5, "16": rounded down
        (32, 3, 1, (1, 1), 32),
        (4, 2, 2, (0, 0), 2),
        (5, 2, 2, (0, 0), 2),
        (5, 5, 3, (0, 0), 1),
        (7, 3, 3, (1, 2), 3),
    ],
)
def test_output_size(which: str, size: int, window: int, stride: int, padding: Any, expected: int) -> None:
    assert kernels.output_size(size, window, stride, padding) == expected
    x, W = np.ones((1, size, 1, 1)), np.ones((window, 1, 1, 1))
    with kernels.using(which):
        y = kernels.conv2d_forward(x, W, W.ravel()[:0], stride, 1, (padding, (0, 0)), 0)
    assert y.shape == (1, expected, 1, 1)
