from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinydl.datasets.augmentation import crop_and_flip, cutout, mixup, random_crop, random_flip

FUNCTIONS = [random_crop, random_flip, crop_and_flip, cutout]


def numbered(n: int = 300, h: int = 5, w: int = 7, c: int = 3, dtype: Any = np.uint8) -> np.ndarray:
    """Images without zeros or symmetry, of unequal height and width."""
    one = np.arange(1, h * w * c + 1).reshape(h, w, c)
    return np.broadcast_to(one, (n, h, w, c)).astype(dtype)


def moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """The definition: out[i, j] = image[i + down, j + right], or 0 outside the image."""
    h, w, _ = image.shape
    out = np.zeros_like(image)
    for i in range(h):
        for j in range(w):
            if 0 <= i + down < h and 0 <= j + right < w:
                out[i, j] = image[i + down, j + right]
    return out


@pytest.mark.parametrize("padding", [0, 1, 2, 9])
def test_a_crop_is_a_move_and_every_move_comes(padding: int) -> None:
    images = numbered(200 * (2 * min(padding, 2) + 1) ** 2)
    got = random_crop(images, np.random.default_rng(0), padding)
    span = range(-padding, padding + 1)
    ways = {moved(images[0], down, right).tobytes() for down in span for right in span}
    drawn = {image.tobytes() for image in got}
    assert drawn <= ways
    assert padding == 9 or drawn == ways


def test_all_moves_are_as_likely() -> None:
    got = random_crop(numbered(9000), np.random.default_rng(1), 1)
    _, counts = np.unique(got.reshape(len(got), -1), axis=0, return_counts=True)
    assert len(counts) == 9
    assert np.abs(counts - 1000).max() < 4 * np.sqrt(1000)


def test_a_flip_is_the_mirror_image_or_none() -> None:
    images = numbered(4000)
    got = random_flip(images, np.random.default_rng(0))
    same = (got == images).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(got[~same], images[~same][:, :, ::-1])
    assert abs(same.mean() - 0.5) < 4 * 0.5 / np.sqrt(4000)


def test_crop_and_flip_is_the_one_and_the_other() -> None:
    images = numbered(50)
    rng = np.random.default_rng(3)
    expected = random_flip(random_crop(images, rng, 2), rng)
    np.testing.assert_array_equal(crop_and_flip(images, np.random.default_rng(3), 2), expected)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int16, bool])
@pytest.mark.parametrize("shape", [(8, 5, 7, 3), (1, 4, 4, 1), (0, 6, 6, 3)])
def test_new_arrays_of_the_same_kind(function: Any, dtype: Any, shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    images.flags.writeable = False
    before = images.copy()
    got = function(images, np.random.default_rng(0))
    assert (got.shape, got.dtype) == (images.shape, images.dtype)
    assert not np.shares_memory(got, images)
    assert got.flags.c_contiguous
    assert got.flags.writeable
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_seed_decides(function: Any) -> None:
    images = numbered(64)
    first, again, other = (function(images, np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    rng = np.random.default_rng(5)
    assert (function(images, rng) != function(images, rng)).any(), "a second draw must differ"


def test_strides_do_not_matter() -> None:
    planes = np.random.default_rng(0).integers(0, 256, (6, 3, 5, 7), dtype=np.uint8)
    for function in FUNCTIONS:
        got = function(planes.transpose(0, 2, 3, 1), np.random.default_rng(1))
        expected = function(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), np.random.default_rng(1))
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_refused(function: Any) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(
        ValueError, match=r"(random_\w+|cutout): images must be an array .*, got shape \(4, 4, 3\): .*newaxis"
    ):
        function(np.zeros((4, 4, 3)), rng)
    with pytest.raises(ValueError, match=r"got shape \(4, 48\)$"):
        function(np.zeros((4, 48)), rng)
    with pytest.raises(ValueError, match="got list"):
        function([[1]], rng)


@pytest.mark.parametrize("padding", [-1, 1.5, True, "4"])
def test_padding_is_a_whole_number(padding: Any) -> None:
    for function in (random_crop, crop_and_flip):
        with pytest.raises(ValueError, match="random_crop: padding must be an integer >= 0"):
            function(numbered(2), np.random.default_rng(0), padding)


# -- cutout


def with_a_hole(image: np.ndarray, row: int, column: int, size: int, fill: Any) -> np.ndarray:
    """The definition, pixel by pixel: fill `size` rows from row - size // 2 on, and `size` columns likewise."""
    out = image.copy()
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            if 0 <= i - row + size // 2 < size and 0 <= j - column + size // 2 < size:
                out[i, j] = fill
    return out


@pytest.mark.parametrize("size", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("fill", [0, 200, [200, 0, 201]])
def test_a_cutout_is_one_square_and_every_centre_comes(size: int, fill: Any) -> None:
    images = numbered(35 * 15)  # 35 centers in 5 x 7 pixels, with 15 images for each
    got = cutout(images, np.random.default_rng(0), size, fill)
    ways = {with_a_hole(images[0], i, j, size, fill).tobytes() for i in range(5) for j in range(7)}
    assert len(ways) == 35 or size > 5  # if larger than the image is high, some squares cover the same pixels
    assert {image.tobytes() for image in got} == ways


def test_all_centres_are_as_likely() -> None:
    got = cutout(numbered(35 * 400), np.random.default_rng(1), 3)
    _, counts = np.unique(got.reshape(len(got), -1), axis=0, return_counts=True)
    assert len(counts) == 35
    assert np.abs(counts - 400).max() < 4 * np.sqrt(400)


def test_a_square_larger_than_the_image_covers_it() -> None:
    assert (cutout(numbered(50), np.random.default_rng(0), 14, 9) == 9).all()


def test_by_default_a_cutout_is_8_by_8_and_black() -> None:
    images = np.ones((200, 40, 40, 2), np.float32)
    cut = cutout(images, np.random.default_rng(0))
    assert set(np.unique(cut)) == {0, 1}
    assert (cut == 0).any(axis=2).sum(axis=1).max() == (cut == 0).any(axis=1).sum(axis=1).max() == 8


@pytest.mark.parametrize(
    ("dtype", "fill"),
    [
        (np.uint8, 255),
        (np.uint8, 3.0),
        (np.uint8, np.array([1.0, 2, 255])),
        (np.uint8, True),
        (np.int8, -128),
        (np.float32, 0.1),
        (np.float32, np.float64([-0.1, 2, 1e30])),
        (np.float64, 1e300),
        (bool, 1),
    ],
)
def test_fills_that_the_images_can_hold(dtype: Any, fill: Any) -> None:
    images = np.zeros((4, 5, 7, 3), dtype)
    got = cutout(images, np.random.default_rng(0), 20, fill)
    np.testing.assert_array_equal(got, np.broadcast_to(fill, images.shape).astype(dtype), strict=True)


@pytest.mark.parametrize(
    ("dtype", "fill", "message"),
    [
        (np.uint8, 256, "must be numbers that the images' uint8 can hold, got 256"),
        (np.uint8, -1, "uint8 can hold, got -1"),
        (np.uint8, 0.5, "uint8 can hold, got 0.5"),
        (np.uint8, [0, 0, 300], r"uint8 can hold, got \[0, 0, 300\]"),
        (np.uint8, float("nan"), "uint8 can hold, got nan"),
        (np.uint8, float("inf"), "uint8 can hold, got inf"),
        (bool, 2, "bool can hold, got 2"),
        (np.float32, 1e39, "must be finite numbers that the images' float32 can hold"),
        (np.float64, float("nan"), "must be finite numbers"),
        (np.uint8, [0, 0], r"must be one number, or 3, one per channel, got \[0, 0\]"),
        (np.uint8, [[0, 0, 0]], "must be one number, or 3, one per channel"),
        (np.uint8, [[0], [0, 0]], "must be one number, or 3, one per channel"),
        (np.uint8, "black", "must be one number, or 3, one per channel, got 'black'"),
        (np.uint8, None, "one per channel, got None"),
        (np.float32, 1j, "one per channel, got 1j"),
    ],
)
def test_fills_that_are_refused(dtype: Any, fill: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"cutout: fill .*{message}"):
        cutout(np.zeros((2, 5, 7, 3), dtype), np.random.default_rng(0), 2, fill)


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "4"])
def test_size_is_a_whole_number(size: Any) -> None:
    with pytest.raises(ValueError, match="cutout: size must be an integer >= 1"):
        cutout(numbered(2), np.random.default_rng(0), size)


# -- mixup


def batch(n: int = 12, dtype: Any = np.float32) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    return rng.standard_normal((n, 5, 7, 3)).astype(dtype), np.eye(4)[rng.integers(4, size=n)].astype(dtype)


@pytest.mark.parametrize("alpha", [0.2, 1, 5.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mixup_blends_rows_and_labels_alike(alpha: float, dtype: Any) -> None:
    x, y = batch(dtype=dtype)
    mixed_x, mixed_y = mixup(x, y, np.random.default_rng(3), alpha)
    rng = np.random.default_rng(3)
    lam = rng.beta(alpha, alpha)
    partner = rng.permutation(12)
    for i, j in enumerate(partner):
        np.testing.assert_allclose(mixed_x[i], lam * x[i] + (1 - lam) * x[j], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(mixed_y[i], lam * y[i] + (1 - lam) * y[j], rtol=1e-5)
    assert sorted(partner) == list(range(12))
    assert 0 < lam < 1


def test_lam_follows_the_beta_distribution() -> None:
    """lam has mean 1/2 and variance 1 / (4 (2 alpha + 1)); the mixed labels of four distinct classes reveal it."""
    rng, x, y = np.random.default_rng(0), np.zeros((4, 1)), np.eye(4)
    for alpha in (0.2, 1.0, 3.0):
        variance = 1 / (4 * (2 * alpha + 1))
        lams = []
        for _ in range(4000):
            _, rows = mixup(x, y, rng, alpha)
            own = rows[np.arange(4), np.arange(4)]
            if own.min() < 1:  # the permutation moved at least one row
                lams.append(own.min())
        assert abs(np.mean(lams) - 0.5) < 4 * np.sqrt(variance / len(lams))
        assert abs(np.var(lams) - variance) < 0.1 * variance


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(6,), (6, 3), (6, 4, 5, 3), (1, 2), (0, 3)])
def test_mixup_gives_new_arrays_of_the_same_kind(dtype: Any, shape: tuple[int, ...]) -> None:
    x, y = np.ones(shape, dtype), np.full((shape[0], 2), 0.5, np.float32)
    x.flags.writeable = y.flags.writeable = False
    for given, got in zip((x, y), mixup(x, y, np.random.default_rng(0)), strict=True):
        assert (got.shape, got.dtype) == (given.shape, given.dtype)
        assert not np.shares_memory(got, given)
        np.testing.assert_allclose(got, given, rtol=2e-3 if given.dtype == np.float16 else 1e-6)


def test_a_seed_decides_a_mixup() -> None:
    x, y = batch()
    first, again, other = (mixup(x, y, np.random.default_rng(seed)) for seed in (5, 5, 6))
    for k in range(2):
        np.testing.assert_array_equal(first[k], again[k])
    assert (first[0] != other[0]).any()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((3, 2), np.uint8), np.eye(3), r"x must be an array \(n, ...\) of floats, got uint8"),
        ([[1.0]], np.eye(1), "x must be an array .* got list"),
        (np.zeros((3, 2)), np.arange(3), r"y must be an array \(n, classes\) of floats, got \(3,\) int64: .*Images.one_hot\(\), or use Images.mixed\(alpha\)"),
        (np.zeros((3, 2)), np.eye(3, dtype=int), r"got \(3, 3\) int64"),
        (np.zeros((3, 2)), np.zeros(3), r"got \(3,\) float64"),
        (np.zeros((3, 2)), [0, 1, 2], "got list"),
        (np.zeros((3, 2)), np.eye(4), "one row per row of x, 3, got 4"),
    ],
)  # fmt: skip
def test_batches_that_cannot_be_mixed(x: Any, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"mixup: .*{message}"):
        mixup(x, y, np.random.default_rng(0))


@pytest.mark.parametrize("alpha", [0, -1, float("nan"), float("inf"), "1", None, True])
def test_alpha_is_a_number_above_0(alpha: Any) -> None:
    with pytest.raises(ValueError, match="mixup: alpha must be"):
        mixup(*batch(), np.random.default_rng(0), alpha)
