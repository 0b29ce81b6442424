"""Every convolution method, forced wherever it works, equals the definition; also NaN, layouts and threads."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tests.kernels.comparing import ACTIVATIONS, DTYPES, Compared, normal
from tests.kernels.convolution.textbook import PADDINGS, SIZES, fitting, window_of
from tinydl import kernels
from tinydl.kernels import LINEAR, RELU, SIGMOID, TANH, Window
from tinydl.kernels.convolution import patches
from tinydl.kernels.convolution.choose import WAYS, Convolution
from tinydl.kernels.machine.product import DEEP
from tinydl.kernels.machine.threads import set_num_threads
from tinydl.layers import conv

AROUND = ((1, 1), (1, 1))
DIGITS: dict[str, dict[Any, float]] = {  # relative to the largest entry, or to 1, whichever is larger
    "patches": {np.float32: 2e-6, np.float64: 1e-12},
    "direct": {np.float32: 2e-6, np.float64: 1e-12},
    **{name: {np.float32: 1e-5, np.float64: 1e-12} for name in WAYS if name.startswith("winograd")},  # lose digits
}


def pair(way: str) -> tuple[Compared, Compared]:
    forward = Compared("conv2d_forward", rounding=DIGITS[way], floor=1)
    return forward, Compared("conv2d_backward", changes=["dW", "db"], rounding=DIGITS[way], floor=1)


def arrays(image: tuple[int, ...], f: int, window: Window, dtype: Any, use_bias: bool = True) -> list[Any]:
    """x, W, b, dy, dW and db; W is scaled so that not all sigmoid and tanh outputs saturate."""
    W_shape = (*window.size, image[3], f)
    y_shape = (image[0], *window.places(*image[1:3]), f)
    x, W, b, dy, dW, db = normal(dtype, image, W_shape, f, y_shape, W_shape, f)
    W /= dtype(np.sqrt(np.prod(W_shape[:3])))
    return [x, W, b if use_bias else None, dy, dW, db if use_bias else None]


def check(
    way: str, image: tuple[int, ...], f: int, window: Window, dtype: Any, code: int = RELU, use_bias: bool = True
) -> int:
    """Compare forward, and backward onto nonzero gradients, for each need_dx that the method supports.

    Returns the number of values of need_dx."""
    forward, backward = pair(way)
    x, W, b, dy, dW, db = arrays(image, f, window, dtype, use_bias)
    y = forward.definition(x, W, b, window, code)[0]
    could = [each for each in (True, False) if WAYS[way].can(Convolution(window, image[3], f, y.shape, each))]
    if False in could:
        forward(x, W, b, window, code, way=way)
    for need_dx in could:
        dx, *_ = backward(dy, x, W, y, window, code, dW, db, need_dx, way=way)
        assert dx.shape == (x.shape if need_dx else (0, 0, 0, 0))
        (alone,) = backward.twin(dy, x, W, y, window, code, None, None, need_dx, way=way)  # a frozen layer
        np.testing.assert_array_equal(alone, dx)
    return len(could)


# --- all supported sizes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_patches(size: tuple[int, int]) -> None:
    codes = list(ACTIVATIONS.values())
    for number, ((*image, f), window) in enumerate(fitting(size)):
        code, use_bias = codes[number % 4], number % 3 > 0
        assert check("patches", tuple(image), f, window, DTYPES[number // 2 % 2], code, use_bias) == 2


@pytest.mark.parametrize("size", [(3, 3), (5, 5), (2, 4), (1, 3), (7, 2), (1, 1)])
@pytest.mark.parametrize(("c", "f"), [(16, 16), (32, 48), (3, 33), (1, 6), (7, 20), (2, 2)])
def test_direct(c: int, f: int, size: tuple[int, int]) -> None:
    """Filters and channels fill whole vectors, or end inside one; strides may exceed the kernel's size, blocks of pixels
    have 10, 9, 8, 4, 2 or 1 rows, and several pixels of few filters are computed as one if they divide a row."""
    strides = [(1, 1), (2, 2), (2, 1), (1, 3), (4, 6)]
    images = [(2, 7, 17), (1, 9, 13), (3, 8, 9)]
    for number, (padding, stride) in enumerate(itertools.product(PADDINGS, strides)):
        n, h, w = images[number % 3]
        window = window_of(size, stride, padding, h, w)
        code = (RELU, LINEAR)[number % 2]
        assert check("direct", (n, h, w, c), f, window, DTYPES[number // 2 % 2], code) == 2


@pytest.mark.parametrize(
    ("way", "size"),
    [
        (f"winograd{kind}_{tile}", size)
        for kind in ("", "_blocks")
        for tile, size in ((5, (2, 2)), (5, (3, 3)), (6, (3, 3)))
    ],
)
@pytest.mark.parametrize(("c", "f"), [(32, 32), (33, 35), (1, 3), (40, 64), (130, 70)])
def test_winograd(c: int, f: int, way: str, size: tuple[int, int]) -> None:
    """Images hold many tiles (of 4x4 or 3x3 outputs), one, or part of one, and may end inside a tile; channels fill a
    block, part of one, or several."""
    cases = itertools.product([(2, 7, 9), (1, 5, 11), (3, 3, 3), (1, 8, 13)], PADDINGS)
    for number, ((n, h, w), padding) in enumerate(cases):
        window = window_of(size, (1, 1), padding, h, w)
        code = (RELU, LINEAR)[number // 2 % 2]
        assert check(way, (n, h, w, c), f, window, DTYPES[number % 2], code, number % 3 > 0) == 2


LARGER = [
    ((3, 40, 37, 15), 20, Window((3, 3), (1, 1), AROUND)),  # several buffers of rows
    ((2, 60, 50, 16), 32, Window((5, 3), (2, 1), ((2, 2), (1, 1)))),  # also for direct, which makes no patches
    ((1, 4, 200, 40), 31, Window((3, 5))),  # one output row fills the buffer
    ((2, 11, 13, 15), 150, Window((3, 3), (2, 1))),  # split products: 135 x 150
    ((5, 9, 7, 200), 150, Window((1, 1))),  # 1x1: x is its own patch matrix
    ((3, 20, 17, 140), 9, Window((1, 1))),
    ((40, 2, 3, 24), 40, Window((1, 1))),  # several small images in one product
    ((5, 1, 1, 3), 4, Window((1, 1))),  # images of one pixel
    ((2, 6, 7, 24), 10, Window((1, 1), (2, 2))),  # 1x1 with strides
    ((2, 6, 7, 24), 10, Window((1, 1), (1, 1), ((0, 1), (2, 0)))),  # 1x1 with padding
    ((2, 33, 35, 64), 33, Window((3, 3), (1, 1), AROUND)),  # several chunks of tiles
    ((1, 9, 21, 130), 200, Window((2, 2), (1, 1), ((0, 1), (0, 1)))),  # many channels: 3 and 4 blocks
    ((3, 13, 6, 200), 130, Window((3, 3), (1, 1), AROUND)),
    ((1, 50, 50, 128), 128, Window((3, 3), (1, 1), ((1, 2), (2, 1)))),  # many channels and many tiles
    ((1, 9, 9, 33), 31, Window((4, 3))),
    ((2, 3, 4, 140), 150, Window((3, 3), (2, 1), AROUND)),  # fewer pixels than filters: patches divides W
    ((1, 2, 2, 130), 160, Window((3, 3), (1, 1), AROUND)),
    ((1, 3, 1, 16), 16, Window((2, 3), (1, 9), ((0, 0), (5, 0)))),  # windows see only part of the padding
]


@pytest.mark.parametrize(("image", "f", "window"), LARGER, ids=str)
def test_larger_sizes(image: tuple[int, ...], f: int, window: Window) -> None:
    able = {way for way in WAYS if check(way, image, f, window, np.float32)}
    assert {"direct", "patches"} <= able
    assert (
        ("winograd_5" in able) == ("winograd_blocks_5" in able) == (window[:2] in (((2, 2), (1, 1)), ((3, 3), (1, 1))))
    )
    assert ("winograd_6" in able) == ("winograd_blocks_6" in able) == (window[:2] == ((3, 3), (1, 1)))
    assert check("patches", image, f, window, np.float64, LINEAR, use_bias=False) == 2


# --- every property of each method ------------------------------------------------------------------------------------

# A small convolution for each method, and one with work for three threads: odd numbers of rows, images and tiles.
EACH: dict[str, tuple[str, tuple[int, ...], int, Window]] = {
    "patches": ("patches", (2, 6, 5, 3), 4, Window((3, 2))),
    "one by one": ("patches", (2, 6, 5, 3), 4, Window((1, 1))),
    "few pixels": ("patches", (2, 3, 5, 3), 31, Window((3, 2))),
    "direct": ("direct", (2, 6, 5, 16), 48, Window((3, 2))),
    "direct, odd": ("direct", (2, 6, 5, 3), 9, Window((3, 2))),
    "direct, pixels as one": ("direct", (2, 6, 8, 1), 3, Window((3, 3), (1, 1), ((1, 1), (0, 0)))),
    "winograd 2x2": ("winograd_5", (2, 6, 5, 32), 33, Window((2, 2))),
    "winograd 3x3": ("winograd_6", (2, 6, 5, 33), 32, Window((3, 3))),
    "winograd 3x3, 5x5 tiles": ("winograd_5", (2, 6, 5, 33), 32, Window((3, 3))),
    "blocks 2x2": ("winograd_blocks_5", (2, 6, 5, 130), 128, Window((2, 2))),
    "blocks 3x3, 5x5 tiles": ("winograd_blocks_5", (2, 5, 6, 128), 131, Window((3, 3))),
    "blocks 3x3": ("winograd_blocks_6", (2, 5, 6, 128), 131, Window((3, 3))),
}
SHARED: dict[str, tuple[str, tuple[int, ...], int, Window]] = {
    "patches": ("patches", (7, 12, 11, 16), 31, Window((3, 3), (1, 1), AROUND)),
    "one by one": ("patches", (5, 17, 9, 90), 70, Window((1, 1))),
    "few pixels": ("patches", (3, 4, 5, 64), 200, Window((3, 3), (1, 1), AROUND)),
    "direct": ("direct", (7, 12, 11, 16), 32, Window((4, 3), (1, 1), ((1, 1), (1, 2)))),
    "direct, pixels as one": ("direct", (7, 27, 30, 2), 6, Window((5, 5), (1, 2), ((2, 2), (2, 2)))),
    "winograd 2x2": ("winograd_5", (7, 10, 11, 48), 40, Window((2, 2), (1, 1), ((0, 1), (0, 1)))),
    "winograd 3x3": ("winograd_6", (5, 13, 11, 40), 48, Window((3, 3), (1, 1), AROUND)),
    "blocks 3x3": ("winograd_blocks_6", (3, 13, 11, 200), 270, Window((3, 3), (1, 1), AROUND)),
}
each = pytest.mark.parametrize(("way", "image", "f", "window"), EACH.values(), ids=EACH)


@each
def test_activations_and_bias(way: str, image: tuple[int, ...], f: int, window: Window) -> None:
    for dtype, code, use_bias in itertools.product(DTYPES, (RELU, LINEAR), (True, False)):
        assert check(way, image, f, window, dtype, code, use_bias) == 2
    for dtype, code in zip(DTYPES, (SIGMOID, TANH), strict=True):
        check(way, image, f, window, dtype, code)


@each
def test_arrays_of_any_layout(way: str, image: tuple[int, ...], f: int, window: Window) -> None:
    forward, backward = pair(way)
    for dtype in DTYPES:
        x, W, b, dy, dW, db = arrays(image, f, window, dtype)
        forward.in_any_layout(x, W, b, window, RELU, way=way, of=["x", "W"])
        (y,) = forward.twin(x, W, b, window, RELU, way=way)
        given, changed = (dy, x, W, y, window, RELU, dW, db, True, 3 * x), ["dy", "x", "W", "y", "plus"]
        backward.in_any_layout(*given, way=way, of=changed)
        dx, *with_plus = backward.twin(*given, way=way)
        without, *rest = backward.twin(*given[:-1], way=way)
        for actual, expected in zip([dx, *with_plus], [without + 3 * x, *rest], strict=True):
            np.testing.assert_array_equal(actual, expected, strict=True)


def test_plus_is_added_to_dx() -> None:
    window = Window((3, 3), (1, 1), AROUND)
    forward, backward = pair("patches")
    x, W, b, dy, dW, db = arrays((2, 5, 4, 3), 2, window, np.float64)
    (y,) = forward.twin(x, W, b, window, RELU)
    backward(dy, x, W, y, window, RELU, dW, db, True, 3 * x)
    assert backward(dy, x, W, y, window, RELU, dW, db, False, 3 * x)[0].size == 0
    with pytest.raises(
        ValueError, match=r"^conv2d_backward: plus must have the shape of x, \(2, 5, 4, 3\), got \(1, 5,"
    ):
        backward.twin(dy, x, W, y, window, RELU, dW, db, True, x[:1])


@pytest.mark.parametrize(("f", "adds"), [(5, True), (DEEP, True), (DEEP + 1, False), (700, False)])
def test_a_product_without_patches_adds_to_dx_to_the_same_bits(f: int, adds: bool) -> None:
    """Beyond DEEP filters its sums are cut into parts; with more filters than pixels, W is divided instead."""
    window, image = Window((1, 1), (1, 1), ((0, 0), (0, 0))), (6, 11, 9, 70)
    forward, backward = pair("patches")
    for dtype, threads in itertools.product(DTYPES, (1, 2, 3)):
        set_num_threads(threads)
        x, W, b, dy, dW, db = arrays(image, f, window, dtype)
        (y,) = forward.twin(x, W, b, window, RELU, way="patches")
        assert patches.adds(window, y.shape) == adds
        (plus,) = normal(dtype, image)
        before = plus.copy()
        with_plus, *_ = backward.twin(dy, x, W, y, window, RELU, dW, db, True, plus, way="patches")
        without, *_ = backward.twin(dy, x, W, y, window, RELU, dW, db, True, way="patches")
        np.testing.assert_array_equal(with_plus, without + plus, strict=True)
        np.testing.assert_array_equal(plus, before)


@each
def test_every_call_gives_arrays_of_its_own(way: str, image: tuple[int, ...], f: int, window: Window) -> None:
    forward, backward = pair(way)
    x, W, b, dy, dW, db = arrays(image, f, window, np.float32)
    (y,), before = forward.twin(x, W, b, window, LINEAR, way=way), forward.twin(x, W, b, window, LINEAR, way=way)
    (dx, *_) = backward.twin(dy, x, W, y, window, LINEAR, dW, db, True, way=way)
    (again,) = forward.twin(-x, W, b, window, LINEAR, way=way)
    np.testing.assert_array_equal(y, before[0])
    for one, other in itertools.combinations((x, y, dx, again), 2):
        assert not np.shares_memory(one, other)


@each
def test_nan_passes_through(way: str, image: tuple[int, ...], f: int, window: Window) -> None:
    """A relu written as `a if a > 0 else 0` would hide that a run has diverged."""
    x, W, b, *_ = arrays(image, f, window, np.float32)
    x[0, 0, 0, 0] = np.nan
    for code in ACTIVATIONS.values():
        (y,) = pair(way)[0].twin(x, W, b, window, code, way=way)
        with kernels.using("reference"):
            expected = conv.conv2d_forward(x, W, b, window, code)
        for each_y in (y, expected):
            assert np.isnan(each_y[0, 0, 0]).all()
            assert np.isfinite(each_y[1:]).all()


def test_lanes_that_do_not_count_spoil_nothing() -> None:
    """The direct way computes excess lanes from the numbers of other pixels, filters and channels."""
    image, f, window = (2, 6, 5, 3), 9, Window((3, 2), (1, 1), AROUND)
    forward, backward = pair("direct")
    x, W, b, dy, dW, db = arrays(image, f, window, np.float32)
    for array, at in ((x, (0, 3, 2, 1)), (dy, (1, 2, 1, 3))):
        array[at] = np.nan
        (y,) = forward.definition(x, W, b, window, LINEAR)
        given = dy, x, W, y, window, LINEAR, dW, db, True
        actual = forward.twin(x, W, b, window, LINEAR, way="direct") + backward.twin(*given, way="direct")
        for one, other in zip(actual, (y, *backward.definition(*given)), strict=True):
            assert np.isfinite(other).any()
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-4)
        array[at] = 1


def test_nan_spreads_to_pixels_computed_as_one() -> None:
    """The direct way computes two pixels of 6 filters as one; others are as exact as in the definition."""
    image, f, window = (2, 6, 8, 1), 6, Window((3, 3))
    forward, backward = pair("direct")
    x, W, b, dy, dW, db = arrays(image, f, window, np.float32)
    x[0, 2, 4, 0] = np.nan  # in the windows of pixels 2, 3 and 4 of a row, of which 4 is computed with 5
    (y,) = forward.twin(x, W, b, window, LINEAR, way="direct")
    assert np.isnan(y[0, :3, 2:6]).all()
    assert np.isnan(y).sum() == 3 * 4 * f
    x[0, 2, 4, 0], dy[0, 2, 1, 0] = 1, np.nan  # whose window has columns 1, 2 and 3; it is computed with 0
    (dx, *_) = backward.twin(dy, x, W, forward.definition(x, W, b, window, LINEAR)[0], window, LINEAR, dW, db, True)
    assert np.isnan(dx[0, 2:5, :4]).all()
    assert np.isnan(dx).sum() == 3 * 4


@pytest.mark.parametrize(("way", "image", "f", "window"), SHARED.values(), ids=SHARED)
def test_any_number_of_threads(way: str, image: tuple[int, ...], f: int, window: Window) -> None:
    """Results agree to rounding for all numbers of threads, and to the bit for the same number."""
    forward, backward = pair(way)
    for dtype, code in zip(DTYPES, (RELU, TANH), strict=True):
        x, W, b, dy, dW, db = arrays(image, f, window, dtype)
        (y,) = expected = forward.definition(x, W, b, window, code)
        given = dy, x, W, y, window, code, dW, db, True
        expected_backward = backward.definition(*given)
        for threads in (1, 2, 3):
            set_num_threads(threads)
            runs = [(forward.twin(*given[1:3], b, window, code, way=way), backward.twin(*given, way=way)) for _ in "12"]
            for compared, actual, again, wanted in zip(
                (forward, backward), *runs, (expected, expected_backward), strict=True
            ):
                for one, two, three in zip(actual, again, wanted, strict=True):
                    compared.equal(one, three)
                    np.testing.assert_array_equal(one, two)
