from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from splits import book_split, honest_split

from tinydl.datasets import creditcard
from tinydl.datasets.creditcard import Transactions


@pytest.fixture(scope="module")
def real() -> Transactions:
    if "TINYDL_DATA" not in os.environ or creditcard.FILES.find() is None:
        pytest.skip("needs the credit-card data: set TINYDL_DATA to a folder with creditcard.csv(.gz)")
    return creditcard.load()


def make(n: int = 2000, frauds: int = 40, seed: int = 3) -> Transactions:
    """Rows not sorted by time, with all values distinct and Amount far from standardized."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 29))
    features[:, 28] = rng.lognormal(3, 1, n)
    labels = np.zeros(n, np.int64)
    labels[rng.choice(n, frauds, replace=False)] = 1
    return Transactions(features, labels, rng.permutation(n).astype(float), "made up")


def members(x: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in x}


# -- the book's split


def test_book_split_of_the_real_rows(real: Transactions) -> None:
    split = book_split(real, seed=1)
    assert len(split.x_train) == 50_165
    assert len(split.x_test) == real.n_rows - 50_165
    assert split.y_test.sum() == 492
    assert "50,165" in split.describe()


def test_book_split_keeps_the_books_protocol() -> None:
    data = make()
    split = book_split(data, seed=0)
    amount = data.features[:, 28]
    assert split.scaler_mean[28] == pytest.approx(amount.mean(), rel=1e-12)
    assert split.scaler_scale[28] == pytest.approx(amount.std(), rel=1e-12)
    np.testing.assert_array_equal(split.scaler_mean[:28], 0)
    np.testing.assert_array_equal(split.scaler_scale[:28], 1)
    assert split.x_val is split.x_test
    assert split.x_calibration is None
    assert split.y_test.sum() == data.n_frauds
    frauds_in_drawn = 1600 - len(split.x_train)
    assert 0 < frauds_in_drawn < 40
    assert len(split.x_test) == 400 + frauds_in_drawn
    everything = split.scale(data.features)
    normal, fraud = members(everything[data.labels == 0]), members(everything[data.labels == 1])
    assert members(split.x_train) <= normal
    assert members(split.x_test[split.y_test == 1]) == fraud
    np.testing.assert_array_equal(everything[split.rows_test], split.x_test)
    assert members(split.x_train) | members(split.x_test) == normal | fraud
    assert "the test rows, frauds included" in split.describe()
    assert "none: no rows are left" in split.describe()


def test_book_split_of_five_per_cent() -> None:
    assert len(book_split(make(), seed=0, train_fraction=0.05).x_train) <= 100
    with pytest.raises(ValueError, match="train_fraction must be above 0 and below 1"):
        book_split(make(), seed=0, train_fraction=1.0)


# -- the honest split


@pytest.mark.parametrize("which", ["amount", "all"])
def test_honest_scaler_sees_training_rows_only(which: Any) -> None:
    data = make()
    split = honest_split(data, seed=0, scale=which)
    raw_train = split.x_train * split.scaler_scale + split.scaler_mean
    fitted = slice(0, 29) if which == "all" else slice(28, 29)
    np.testing.assert_allclose(split.scaler_mean[fitted], raw_train.mean(axis=0)[fitted], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(split.scaler_scale[fitted], raw_train.std(axis=0)[fitted], rtol=1e-5)
    # Moving a test row far away does not affect the scaler; moving a training row would.
    place = np.argsort(np.abs(split.scale(data.features) - split.x_test[0]).sum(axis=1))[0]
    features = data.features.copy()
    features[place] = 1e6
    moved = honest_split(Transactions(features, data.labels, data.time, "x"), seed=0, scale=which)
    np.testing.assert_array_equal(moved.scaler_mean, split.scaler_mean)


def test_honest_parts_are_disjoint_and_sized() -> None:
    data = make()
    split = honest_split(data, seed=0)
    assert split.x_calibration is not None
    assert split.y_calibration is not None
    assert [len(p) for p in (split.x_train, split.x_val)] == [1176, 392]
    assert [len(split.y_calibration), split.y_calibration.sum()] == [412, 20]
    assert [len(split.y_test), split.y_test.sum()] == [412, 20]
    scaled = split.scale(data.features)
    normal, fraud = members(scaled[data.labels == 0]), members(scaled[data.labels == 1])
    np.testing.assert_array_equal(scaled[split.rows_test], split.x_test)
    train, val, test = members(split.x_train), members(split.x_val), members(split.x_test)
    assert train | val <= normal
    assert not train & val
    assert not (train | members(split.x_calibration)) & test
    assert members(split.x_calibration[split.y_calibration == 0]) == val
    assert train | members(split.x_calibration) | test == normal | fraud


def test_duplicates_never_cross() -> None:
    data = make()
    again = np.random.default_rng(0).choice(data.n_rows, 500, replace=False)
    doubled = Transactions(
        np.concatenate([data.features, data.features[again]]),
        np.concatenate([data.labels, data.labels[again]]),
        None,
        "doubled",
    )
    crossing = honest_split(doubled, seed=0)
    assert members(crossing.x_train) & members(crossing.x_test), "without dropping, some duplicates must cross"
    split = honest_split(doubled, seed=0, drop_duplicates=True)
    assert split.x_calibration is not None
    parts = [split.x_train, split.x_calibration, split.x_test]
    assert sum(map(len, parts)) == data.n_rows
    assert len(set.union(*map(members, parts))) == data.n_rows
    assert "500 duplicates dropped" in split.describe()


def test_rows_equal_as_float32_are_duplicates() -> None:
    data = make()
    features = data.features.astype(np.float32).astype(np.float64)
    nearly = features[:500] * (1 + 1e-9)  # far below float32's resolution
    assert (nearly != features[:500]).all()
    both, labels = np.concatenate([features, nearly]), np.concatenate([data.labels, data.labels[:500]])
    split = honest_split(Transactions(both, labels, None, "nearly doubled"), seed=0, drop_duplicates=True)
    assert "500 duplicates dropped" in split.describe()
    assert split.x_calibration is not None
    assert sum(map(len, (split.x_train, split.x_calibration, split.x_test))) == data.n_rows


def test_split_by_time_goes_forward() -> None:
    data = make()
    features = data.features.copy()
    features[:, 0] = data.time  # V1 is left unscaled, so it carries the time into the parts
    split = honest_split(Transactions(features, data.labels, data.time, "x"), seed=0, by_time=True)
    assert split.x_calibration is not None
    assert split.y_calibration is not None
    assert split.x_train[:, 0].max() < split.x_val[:, 0].min()
    assert split.x_val[:, 0].max() < split.x_test[:, 0].min()
    assert split.x_calibration[:, 0].max() < split.x_test[:, 0].min()
    assert split.y_calibration.sum() + split.y_test.sum() == data.n_frauds
    assert len(split.y_test) == 400


def test_splits_of_the_real_rows(real: Transactions) -> None:
    split = honest_split(real, seed=0, drop_duplicates=True)
    assert split.y_calibration is not None
    assert split.y_calibration.sum() + split.y_test.sum() == 473
    assert not members(split.x_train) & members(split.x_test)


def test_refusals() -> None:
    data = make()
    with pytest.raises(ValueError, match="sum to less than 1"):
        honest_split(data, 0, validation_fraction=0.5, test_fraction=0.5)
    with pytest.raises(ValueError, match='scale must be "amount" or "all"'):
        honest_split(data, 0, scale="none")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="by_time needs the Time column"):
        honest_split(Transactions(data.features, data.labels, None, "x"), 0, by_time=True)
    with pytest.raises(ValueError, match="at least 1 fraud"):
        book_split(Transactions(data.features, 0 * data.labels, None, "x"), 0)
    assert data.time is not None
    early = Transactions(data.features, (data.time < 40).astype(np.int64), data.time, "x")
    with pytest.raises(ValueError, match=r"leaves a part empty.*\[40, 0\] frauds"):
        honest_split(early, 0, by_time=True)


@pytest.mark.parametrize("split", [book_split, honest_split])
def test_seeds_decide(split: Any) -> None:
    data = make()
    one, same, other = split(data, 1), split(data, 1), split(data, 2)
    for name in ("x_train", "x_val", "x_test", "y_test"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
    assert one.x_train.shape != other.x_train.shape or (one.x_train != other.x_train).any()


@pytest.mark.parametrize("split", [book_split, honest_split])
def test_rows_are_ready_for_training(split: Any) -> None:
    parts = split(make(), 0)
    for x in (parts.x_train, parts.x_val, parts.x_test):
        assert x.dtype == np.float32
        assert x.flags.c_contiguous
