from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tinydl.datasets import digits


def test_all_of_them_divided_in_proportion() -> None:
    train, test = digits.load()
    assert (train.x.shape, test.x.shape) == ((1437, 8, 8, 1), (360, 8, 8, 1))
    assert train.x.dtype == np.uint8
    assert train.class_names == tuple("0123456789")
    everything = load_digits()
    both = np.concatenate([np.bincount(train.labels), np.bincount(test.labels)]).reshape(2, 10)
    np.testing.assert_array_equal(both.sum(axis=0), np.bincount(everything.target))
    assert both[1].min() >= 35
    levels = np.concatenate([train.x, test.x]).reshape(-1, 64)
    expected = np.rint(everything.data * 255 / 16)
    np.testing.assert_array_equal(np.unique(levels), np.unique(expected))
    assert sorted(map(bytes, levels)) == sorted(map(bytes, expected.astype(np.uint8)))


def test_batches_are_in_zero_to_one() -> None:
    x, y = digits.load().train.take(slice(0, 50))
    assert (x.dtype, x.min(), x.max()) == (np.float32, 0, 1)
    assert y.shape == (50,)


def test_a_seed_decides() -> None:
    first, again, other = (digits.load(seed=seed).test for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.x, again.x)
    assert (first.x != other.x).any()
    assert len(digits.load(100).test) == 100


def test_what_is_refused() -> None:
    for size in (0, -5, 2.5):
        with pytest.raises(ValueError, match=r"digits\.load: test_size must be an integer >= 1"):
            digits.load(size)  # type: ignore[arg-type]
    for size in (5, 1797, 1790):
        with pytest.raises(ValueError, match=f"cannot split off {size} of 1797 rows"):
            digits.load(size)
    with pytest.raises(ValueError, match="seed must be an integer"):
        digits.load(seed=-1)
