from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinydl.datasets.augmentation import crop_and_flip, random_crop, random_flip

FUNCTIONS = [random_crop, random_flip, crop_and_flip]


def numbered(n: int = 300, h: int = 5, w: int = 7, c: int = 3, dtype: Any = np.uint8) -> np.ndarray:
    """Images without a zero and without symmetry, height and width unequal."""
    one = np.arange(1, h * w * c + 1).reshape(h, w, c)
    return np.broadcast_to(one, (n, h, w, c)).astype(dtype)


def moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """The definition: out[i, j] = image[i + down, j + right], 0 where there is no such pixel."""
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
    assert (function(images, rng) != function(images, rng)).any(), "a second draw is another"


def test_strides_do_not_matter() -> None:
    planes = np.random.default_rng(0).integers(0, 256, (6, 3, 5, 7), dtype=np.uint8)
    for function in FUNCTIONS:
        got = function(planes.transpose(0, 2, 3, 1), np.random.default_rng(1))
        expected = function(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), np.random.default_rng(1))
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_refused(function: Any) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"random_\w+: images must be an array .*, got shape \(4, 4, 3\); .*newaxis"):
        function(np.zeros((4, 4, 3)), rng)
    with pytest.raises(ValueError, match=r"got shape \(4, 48\)$"):
        function(np.zeros((4, 48)), rng)
    with pytest.raises(ValueError, match="got list"):
        function([[1]], rng)


@pytest.mark.parametrize("padding", [-1, 1.5, True, "4"])
def test_padding_is_a_whole_number(padding: Any) -> None:
    for function in (random_crop, crop_and_flip):
        with pytest.raises(ValueError, match="random_crop: padding must be a whole number of 0 or more"):
            function(numbered(2), np.random.default_rng(0), padding)
