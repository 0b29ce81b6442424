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
from tinydl.datasets.creditcard import FEATURE_NAMES, Transactions, load

HEADER = ["Time", *FEATURE_NAMES, "Class"]


@pytest.fixture(scope="module")
def real() -> Transactions:
    if "TINYDL_DATA" not in os.environ or creditcard.FILES.find() is None:
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
    assert load(other).n_rows == 4, "path takes precedence over TINYDL_DATA"


def spoilt(line: int, column: str, cell: str) -> str:
    body = rows()
    body[line - 2][HEADER.index(column)] = cell
    return text(body)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "line 1: no column Time, V1"),
        (text([]), "no rows below the header"),
        (text([r[:3] + r[4:] for r in rows()], HEADER[:3] + HEADER[4:]), r"line 1: no column V3, got"),
        (spoilt(4, "V7", "abc"), "line 4, column V7: expected a number, got 'abc'"),
        (spoilt(2, "Amount", ""), "line 2, column Amount: expected a number, got ''"),
        (spoilt(5, "V1", "1_000"), "line 5, column V1: expected a number, got '1_000'"),
        (
            spoilt(3, "V2", "\N{ARABIC-INDIC DIGIT ONE}"),
            "line 3, column V2: expected a number, got '\N{ARABIC-INDIC DIGIT ONE}'",
        ),
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
    for way in ("path", "TINYDL_DATA", "download=True", "generator", str(tmp_path)):
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
    assert data.features[0].tolist() == list(range(28, -1, -1)), "columns must be found by name"
    assert data.time is not None
    assert data.time.tolist() == [29, 59, 89, 119, 149]
    assert data.labels.tolist() == [0, 0, 1, 0, 0]
    assert data.source.startswith("OpenML 1597")


def test_download_without_time_and_with_quoted_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creditcard, "fetch_openml", lambda **kw: openml(time=False, target=("'0'", "'1'")))
    data = load(download=True)
    assert data.time is None
    assert data.n_frauds == 1


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
    """The real fetch_openml finds data in its own cache format; OpenML does not list Time as a feature."""

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
    features, labels, time = np.zeros((50, 29)), np.arange(50) % 2, np.zeros(50)
    with pytest.raises(ValueError, match=r"features must have shape \(50, 29\)"):
        Transactions(features[:, :28], labels, time, "x")
    with pytest.raises(ValueError, match=r"time must have shape \(50,\)"):
        Transactions(features, labels, np.zeros(49), "x")
    with pytest.raises(ValueError, match="labels must be 0"):
        Transactions(features, labels + 1, time, "x")


# -- files that ask for much

LONG = "1" * 70_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LONG, "line 1: expected less than 65,536 characters, got more"),
        (text(rows()) + LONG, "line 8: expected less than 65,536 characters, got more"),
        (text(rows()) + '"open', "line 8: expected cells that end on their line, got an open quotation mark"),
        (text(rows()) + "\n" * 700_000, "expected at most 600,000 lines, got more"),
        (
            text([["x", *rows()[0][1:]]]).replace("x", "x" * 60_000),
            "line 2, column Time: expected a number, got 'xxx.*x[.]",
        ),
        (text(rows(), ["a" * 30_000]), "no column Time, .*, got the header .*aaa[.]{3}$"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_lines_and_their_number_are_limited(content: str, message: str, zipped: bool, tmp_path: Path) -> None:
    given = gzip.compress(content.encode()) if zipped else content
    with pytest.raises(ValueError, match=message) as caught:
        load(write(tmp_path, given))
    assert len(str(caught.value)) < 700 + len(str(tmp_path))


def test_the_whole_text_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creditcard, "_LONGEST_FILE", 1000)
    with pytest.raises(ValueError, match=r"creditcard.csv: expected at most 1,000 characters, got more"):
        load(write(tmp_path, text(rows())))


@pytest.mark.parametrize(
    "content",
    [
        b"garbage",
        gzip.compress(b"{}" * 100, mtime=0)[:20],
        *(gzip.compress(text, mtime=0) for text in (b"{x", b"{}", b"[]", b"[" * 10**5, b"7")),
    ],  # without the time of day, which would give the tests other names in each process
)
def test_a_damaged_cache_of_openml_is_named(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    monkeypatch.setenv("TINYDL_CACHE", str(tmp_path / "empty"))
    monkeypatch.delenv("TINYDL_DATA", raising=False)
    file = tmp_path / "openml/openml.org/api/v1/json/data/1597.gz"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"1597.gz: expected OpenML's description .*, got a damaged file \(\w+\): delete"
    ):
        load()


def test_damaged_data_in_the_cache_of_openml_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(**keywords: Any) -> Any:
        raise KeyError("status")

    monkeypatch.setattr(creditcard, "fetch_openml", damaged)
    with pytest.raises(
        ValueError, match=r"expected files that scikit-learn can read, got damaged files in .*\(KeyError\)"
    ):
        creditcard._read_openml()
