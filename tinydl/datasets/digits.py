"""Handwritten digits: 1,797 images of 8x8 pixels, included in scikit-learn, so that no download is needed.

Source: Alpaydin & Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998; the test
set, as in `sklearn.datasets.load_digits`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import arguments
from .images import Images

__all__ = ["Digits", "load"]


class Digits(NamedTuple):
    """Training and test images, 8x8x1 uint8."""

    train: Images
    test: Images


def load(test_size: int = 360, seed: int = 0) -> Digits:
    """Split the digits: `test_size` images, chosen by `seed` with all classes in proportion, are for testing.

    Gray levels 0 to 16 are scaled to 0 to 255, which `Images` converts to 0 to 1.

    ValueError: a test size that leaves either set without images of some class, or an invalid seed.
    """
    from sklearn.datasets import load_digits

    test_size = arguments.positive_int("digits.load", "test_size", test_size)
    rng = np.random.default_rng(arguments.whole("digits.load", "seed", seed))
    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    return Digits(*Images(images, bunch.target, [str(digit) for digit in range(10)]).split(test_size, rng))
