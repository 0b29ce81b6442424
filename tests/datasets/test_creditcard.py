from __future__ import annotations

import gzip
import hashlib
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import get_data_home

from tinydl.datasets import creditcard
from tinydl.datasets.creditcard import FEATURE_NAMES, Transactions, book_split, honest_split, load

HEADER = ["Time", *FEATURE_NAMES, "Class"]


@pytest.fixture(autouse=True)
def no_data_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Neither the user's data nor the user's cache decides a test."""
    if "real" not in request.fixturenames:
        monkeypatch.delenv("TINYDL_DATA", raising=False)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "sklearn"))


@pytest.fixture(scope="module")
def real() -> Transactions:
    folder = os.environ.get("TINYDL_DATA", "")
    if not any((Path(folder) / name).is_file() for name in ("creditcard.csv", "creditcard.csv.gz")):
        pytest.skip("needs the credit-card data: set TINYDL_DATA to a folder with creditcard.csv(.gz)")
    return load()


def rows(n: int = 6) -> list[list[str]]:
    rng = np.random.default_rng(0)
    table = [[str(t), *(f"{v:.6f}" for v in rng.normal(size=29))] for t in range(n)]
    return [[*row, f'"{int(i == 1)}"'] for i, row in enumerate(table)]


def text(body: list[list[str]], header: list[str] | None = None) -> str:
    first = ",".join(f'"{name}"' for name in (HEADER if header is None else header))
    return "\n".join([first, *(",".join(row) for row in body)]) + "\n"


def write(folder: Path, content: str | bytes, name: str = "creditcard.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def make(n: int = 2000, frauds: int = 40, seed: int = 3) -> Transactions:
    """Rows out of order of time, every value different, Amount far from standard."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 29))
    features[:, 28] = rng.lognormal(3, 1, n)
    labels = np.zeros(n, np.int64)
    labels[rng.choice(n, frauds, replace=False)] = 1
    return Transactions(features, labels, rng.permutation(n).astype(float), "made up")


def members(x: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in x}


# -- reading


def test_reads_plain_csv_by_column_name(tmp_path: Path) -> None:
    data = load(write(tmp_path, text(rows())))
    assert data.features.shape == (6, 29)
    assert data.features.dtype == np.float64
    assert data.labels.tolist() == [0, 1, 0, 0, 0, 0]
    np.testing.assert_array_equal(data.time, np.arange(6))
    np.testing.assert_array_equal(data.features, np.array([r[1:-1] for r in rows()], dtype=float))
    assert (data.n_rows, data.n_frauds, data.prevalence) == (6, 1, 1 / 6)
    assert data.feature_names == FEATURE_NAMES
    assert data.source == "creditcard.csv (6 rows)"
    assert not data.is_synthetic


def test_column_order_and_further_columns_do_not_matter(tmp_path: Path) -> None:
    order = np.random.default_rng(1).permutation(31)
    header = [*(HEADER[i] for i in order), "remark"]
    shuffled = [[*(row[i] for i in order), "none"] for row in rows()]
    got = load(write(tmp_path, text(shuffled, header), "shuffled.csv"))
    expected = load(write(tmp_path, text(rows())))
    np.testing.assert_array_equal(got.features, expected.features)
    np.testing.assert_array_equal(got.labels, expected.labels)


@pytest.mark.parametrize("name", ["creditcard.csv.gz", "named_wrongly.csv"])
def test_reads_gzip_whatever_its_name(tmp_path: Path, name: str) -> None:
    expected = load(write(tmp_path, text(rows()), "plain.gz"))
    got = load(write(tmp_path, gzip.compress(text(rows()).encode()), name))
    np.testing.assert_array_equal(got.features, expected.features)


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + text(rows()).replace("\n", "\r\n").encode()
    assert load(write(tmp_path, content)).n_rows == 6
    assert load(write(tmp_path, gzip.compress(content))).n_rows == 6


def test_folder_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, gzip.compress(text(rows(5)).encode()), "creditcard.csv.gz")
    assert load(tmp_path).n_rows == 5
    monkeypatch.setenv("TINYDL_DATA", str(tmp_path))
    assert load().n_rows == 5
    other = write(tmp_path, text(rows(4)), "other.csv")
    assert load(other).n_rows == 4, "path goes before TINYDL_DATA"


def spoilt(line: int, column: str, cell: str) -> str:
    body = rows()
    body[line - 2][HEADER.index(column)] = cell
    return text(body)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: no column Time, V1"),
        (text([]), "no rows below the header"),
        (text([r[:3] + r[4:] for r in rows()], HEADER[:3] + HEADER[4:]), r"line 1: no column V3;"),
        (spoilt(4, "V7", "abc"), "line 4, column V7: expected a number, got 'abc'"),
        (spoilt(2, "Amount", ""), "line 2, column Amount: expected a number, got ''"),
        (spoilt(5, "V28", "nan"), "line 5, column V28: expected a finite number, got 'nan'"),
        (spoilt(7, "Time", "-inf"), "line 7, column Time: expected a finite number, got '-inf'"),
        (spoilt(3, "Class", '"2"'), "line 3, column Class: expected 0 .normal. or 1 .fraud., got '2'"),
        (text(rows())[:-60], "line 7: .* cells, none for column .* truncated"),
        (gzip.compress(text(rows(200)).encode())[:-200], "gzip file is truncated or damaged"),
        (gzip.compress(text(rows(9)).encode())[:-6] + b"\0" * 6, "gzip file is truncated or damaged"),
        (b"\xff\xfe\x00\x01" * 9, "not a text file"),
    ],
)
def test_faulty_files_are_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = write(tmp_path, content, "faulty.csv")
    with pytest.raises(ValueError, match=message) as caught:
        load(path)
    assert "faulty.csv" in str(caught.value)


def test_missing_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere.csv' does not exist"):
        load(tmp_path / "nowhere.csv")
    with pytest.raises(FileNotFoundError, match=r"holds neither creditcard\.csv nor creditcard\.csv\.gz"):
        load(tmp_path)
    monkeypatch.setenv("TINYDL_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError) as caught:
        load()
    for way in ("path=", "TINYDL_DATA", "download=True", "synthetic_fraud", str(tmp_path)):
        assert way in str(caught.value)


# -- OpenML


def openml(n: int = 5, time: bool = True, target: tuple[str, str] = ("0", "1")) -> Any:
    names = [*reversed(FEATURE_NAMES), *(["Time"] if time else [])]
    data = np.arange(n * len(names), dtype=float).reshape(n, -1)
    labels = np.array([target[int(i == 2)] for i in range(n)], dtype=object)
    return SimpleNamespace(data=data, target=labels, feature_names=names)


def test_download_asks_openml_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def fetch(**settings: Any) -> Any:
        asked.append(settings)
        return openml()

    monkeypatch.setattr(creditcard, "fetch_openml", fetch)
    data = load(download=True)
    assert asked == [{"data_id": 1597, "as_frame": False, "parser": "liac-arff"}]
    assert data.features[0].tolist() == list(range(28, -1, -1)), "columns are found by name"
    assert data.time is not None
    assert data.time.tolist() == [29, 59, 89, 119, 149]
    assert data.labels.tolist() == [0, 0, 1, 0, 0]
    assert data.source.startswith("OpenML 1597")


def test_download_without_time_and_with_quoted_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creditcard, "fetch_openml", lambda **kw: openml(time=False, target=("'0'", "'1'")))
    data = load(download=True)
    assert data.time is None
    assert data.n_frauds == 1
    with pytest.raises(ValueError, match="at least 2 fraud"):
        honest_split(data, 0, by_time=True)


def test_download_failures_are_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(**kwargs: Any) -> None:
        raise OSError("network is unreachable")

    monkeypatch.setattr(creditcard, "fetch_openml", offline)
    with pytest.raises(OSError, match=r"could not be fetched .*unreachable.*path="):
        load(download=True)
    monkeypatch.setattr(creditcard, "fetch_openml", lambda **kw: openml(target=("no", "yes")))
    with pytest.raises(ValueError, match="expected labels 0 and 1"):
        load(download=True)


def test_cached_copy_needs_no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real fetch_openml, on a cache laid out as it lays one out itself; Time is no feature there."""

    def offline(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("nothing may be fetched")

    monkeypatch.setattr("sklearn.datasets._openml.urlopen", offline)
    arff = "@RELATION creditcard\n"
    arff += "".join(f"@ATTRIBUTE {name} REAL\n" for name in HEADER[:-1]) + "@ATTRIBUTE Class {'0','1'}\n@DATA\n"
    arff += "".join(",".join(row).replace('"', "'") + "\n" for row in rows())
    description = {
        "id": "1597",
        "name": "creditcard",
        "version": "1",
        "format": "ARFF",
        "status": "active",
        "description": "",
        "url": "https://openml.invalid/data/v1/download/1673544/creditcard.arff",
        "md5_checksum": hashlib.md5(arff.encode()).hexdigest(),
    }
    features = [
        {
            "index": str(i),
            "name": name,
            "data_type": "nominal" if name == "Class" else "numeric",
            "is_target": str(name == "Class").lower(),
            "is_ignore": "false",
            "number_of_missing_values": "0",
            "is_row_identifier": str(name == "Time").lower(),
        }
        for i, name in enumerate(HEADER)
    ]
    qualities = [{"name": "NumberOfInstances", "value": "6"}]
    for path, content in {
        "api/v1/json/data/1597": json.dumps({"data_set_description": description}),
        "api/v1/json/data/features/1597": json.dumps({"data_features": {"feature": features}}),
        "api/v1/json/data/qualities/1597": json.dumps({"data_qualities": {"quality": qualities}}),
        "data/v1/download/1673544/creditcard.arff": arff,
    }.items():
        with pytest.raises(FileNotFoundError, match="download=True"):
            load()
        target = Path(get_data_home()) / "openml" / "openml.org" / f"{path}.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress(content.encode()))
    data = load()
    np.testing.assert_array_equal(data.features, np.array([r[1:-1] for r in rows()], dtype=float))
    assert data.labels.tolist() == [0, 1, 0, 0, 0, 0]
    assert data.time is None


# -- Transactions


def test_transactions_refuse_what_does_not_fit() -> None:
    good = make(50, 5)
    with pytest.raises(ValueError, match=r"features must have shape \(50, 29\)"):
        Transactions(good.features[:, :28], good.labels, good.time, "x")
    with pytest.raises(ValueError, match=r"time must have shape \(50,\)"):
        Transactions(good.features, good.labels, np.zeros(49), "x")
    with pytest.raises(ValueError, match="labels must be 0"):
        Transactions(good.features, good.labels + 1, good.time, "x")


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
    assert members(split.x_train) | members(split.x_test) == normal | fraud
    assert "the test rows, frauds included" in split.describe()
    assert "none: no rows are left" in split.describe()


def test_book_split_of_five_per_cent() -> None:
    assert len(book_split(make(), seed=0, train_fraction=0.05).x_train) <= 100
    with pytest.raises(ValueError, match="train_fraction must lie between 0 and 1"):
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
    # A test row moved far away changes nothing that the scaler learnt; a training row would.
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
    assert members(crossing.x_train) & members(crossing.x_test), "without dropping, some do cross"
    split = honest_split(doubled, seed=0, drop_duplicates=True)
    assert split.x_calibration is not None
    parts = [split.x_train, split.x_calibration, split.x_test]
    assert sum(map(len, parts)) == data.n_rows
    assert len(set.union(*map(members, parts))) == data.n_rows
    assert "500 duplicates dropped" in split.describe()


def test_rows_equal_as_float32_are_duplicates() -> None:
    data = make()
    features = data.features.astype(np.float32).astype(np.float64)
    nearly = features[:500] * (1 + 1e-9)  # far less than float32 resolves
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
