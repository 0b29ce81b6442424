"""The ULB credit-card fraud data: 284,807 card payments from two days in September 2013, 492 of them fraudulent.

Columns: Time (seconds since the first row), V1..V28 (principal components of unpublished features),
Amount, Class (1 = fraud). examples/fraud studies these data.

Source: Dal Pozzolo, Caelen, Johnson & Bontempi, "Calibrating Probability with Undersampling for Unbalanced
Classification", 2015; the Kaggle data set mlg-ulb/creditcardfraud, also OpenML data set 1597.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from urllib.parse import urlparse

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import fetch_openml, get_data_home

from .. import arguments
from ..files import PathLike
from .locate import DataFiles, open_unzipped

__all__ = ["FEATURE_NAMES", "Transactions", "load"]

FEATURE_NAMES = (*(f"V{i}" for i in range(1, 29)), "Amount")
OPENML_ID = 1597
FILES = DataFiles(
    title="the credit-card data",
    names=("creditcard.csv", "creditcard.csv.gz"),
    origin="Kaggle: mlg-ulb/creditcardfraud",
    instead="examples/fraud/generator.py generates a stand-in and needs no files",
)
_COLUMNS = ("Time", *FEATURE_NAMES, "Class")
_LONGEST_LINE = 2**16  # characters; the lines of the data have about 500
_MOST_LINES = 600_000  # the data have 284,808
_LONGEST_DESCRIPTION = 2**20  # bytes
_LONGEST_FILE = 2**29  # characters; the data have 151 million


@dataclass(frozen=True, eq=False)
class Transactions:
    """Card payments and their labels, unscaled.

    features (n, 29) float64: V1..V28, then Amount in the card's currency.
    labels (n,) int64: 0 normal, 1 fraud.
    time (n,) float64: seconds since the first row, or None if the source omits it.
    kinds (n,): the kind of each fraud, "" for normal rows; generated data only.
    source: the origin of the rows; for generated data it begins with "SYNTHETIC".

    ValueError: arrays of unequal length, or labels other than 0 and 1.
    """

    features: NDArray[np.float64]
    labels: NDArray[np.int64]
    time: NDArray[np.float64] | None
    source: str
    feature_names: tuple[str, ...] = FEATURE_NAMES
    kinds: NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        n, got = len(self.labels), self.features.shape
        if got != (n, len(self.feature_names)):
            expected = f"({n}, {len(self.feature_names)}), one row per label and one column per feature name"
            raise ValueError(f"features must have shape {expected}, got {got}")
        for name, column in (("time", self.time), ("kinds", self.kinds)):
            if column is not None and column.shape != (n,):
                raise ValueError(f"{name} must have shape ({n},), one entry per label, got {column.shape}")
        if not np.isin(self.labels, (0, 1)).all():
            raise ValueError(f"labels must be 0 (normal) or 1 (fraud), got {np.unique(self.labels)}")

    @property
    def n_rows(self) -> int:
        return len(self.labels)

    @property
    def n_frauds(self) -> int:
        return int(self.labels.sum())

    @property
    def prevalence(self) -> float:
        """The share of frauds among all rows: 0.00173 in the original data."""
        return self.n_frauds / self.n_rows

    @property
    def is_synthetic(self) -> bool:
        return self.source.startswith("SYNTHETIC")


def load(path: PathLike | None = None, *, download: bool = False) -> Transactions:
    """Read the data from `path`, else the folder in TINYDL_DATA, else the cache (see locate.py), else OpenML's copy.

    path: a CSV file, plain or gzip, or a folder that holds creditcard.csv or creditcard.csv.gz.
    download: if the data are not found, fetch OpenML's copy (tens of MB) once; scikit-learn checks it and keeps it
        in its own cache. `time` is None if OpenML does not list Time as a feature.

    FileNotFoundError: the data were not found.
    ValueError: the file is not as expected; the message names the file, line and column.
    """
    if found := FILES.find(path):
        return _read_csv(found)
    if download or _is_in_openml_cache():
        return _read_openml()
    raise FILES.missing()


def _open(path: Path) -> TextIO:
    return io.TextIOWrapper(open_unzipped(path), encoding="utf-8-sig", newline="")


def _read_csv(path: Path) -> Transactions:
    try:
        with _open(path) as file:
            lines = _lines(path, file)
            header = next(csv.reader([next(lines, "")]), [])
            if missing := [name for name in _COLUMNS if name not in header]:
                got = arguments.brief(header)
                raise ValueError(f"{path}: line 1: no column {', '.join(missing)}, got the header {got}")
            table = _parse(path, lines, [header.index(name) for name in _COLUMNS])
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: the gzip file is truncated or damaged ({error}): get it again") from error
    except csv.Error as error:
        raise ValueError(f"{path}: not CSV ({error})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file ({error}): expected CSV, plain or gzip") from error
    return Transactions(
        features=np.ascontiguousarray(table[:, 1:-1]),
        labels=table[:, -1].astype(np.int64),
        time=table[:, 0].copy(),
        source=f"{path.name} ({len(table):,} rows)",
    )


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """The lines of a file that may be of any kind or size: a gzip file of 3 MB may hold one line of 3 GB."""
    left = _LONGEST_FILE
    for number in range(1, _MOST_LINES + 1):
        if not (line := file.readline(_LONGEST_LINE)):
            return
        left -= len(line)
        if left < 0:
            raise ValueError(f"{path}: expected at most {_LONGEST_FILE:,} characters, got more")
        if len(line) == _LONGEST_LINE and line[-1] not in "\r\n":
            raise ValueError(f"{path}: line {number}: expected less than {_LONGEST_LINE:,} characters, got more")
        if line.count('"') % 2:
            raise ValueError(
                f"{path}: line {number}: expected cells that end on their line, got an open quotation mark"
            )
        yield line
    if file.read(1):
        raise ValueError(f"{path}: expected at most {_MOST_LINES:,} lines, got more")


def _parse(path: Path, lines: Iterator[str], columns: list[int]) -> NDArray[np.float64]:
    """The rows after the header as numbers, (n, 31) in the order of _COLUMNS."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "input contained no data": raised as an error below
        try:
            table = np.loadtxt(lines, delimiter=",", quotechar='"', comments=None, usecols=columns, ndmin=2)
        except UnicodeDecodeError:
            raise
        except ValueError as error:
            if str(error).startswith(f"{path}: "):  # from _lines
                raise
            raise ValueError(_first_fault(path, columns) or f"{path}: {error}") from None
    if len(table) == 0:
        raise ValueError(f"{path}: no rows below the header")
    if not np.isfinite(table).all() or not np.isin(table[:, -1], (0, 1)).all():
        raise ValueError(_first_fault(path, columns))
    return table


def _first_fault(path: Path, columns: list[int]) -> str | None:
    """Describe the first invalid cell, found by reading the file again, slowly; None if all cells are valid."""
    with _open(path) as file:
        reader = csv.reader(_lines(path, file))
        next(reader)
        for cells in filter(None, reader):
            where = f"{path}: line {reader.line_num}"
            for name, column in zip(_COLUMNS, columns, strict=True):
                if column >= len(cells):
                    return f"{where}: {len(cells)} cells, none for column {name}: is the file truncated?"
                cell = cells[column]
                try:
                    value = float(cell if cell.isascii() and "_" not in cell else "")  # Python reads more than NumPy
                except ValueError:
                    return f"{where}, column {name}: expected a number, got {arguments.brief(cell)}"
                if not math.isfinite(value):
                    return f"{where}, column {name}: expected a finite number, got {cell!r}"
                if name == "Class" and value not in (0, 1):
                    return f"{where}, column Class: expected 0 (normal) or 1 (fraud), got {cell!r}"
    return None


def _is_in_openml_cache() -> bool:
    """Whether scikit-learn has already fetched the data; it stores a URL's content under the URL's path."""
    cache = Path(get_data_home()) / "openml" / "openml.org"
    description = cache / f"api/v1/json/data/{OPENML_ID}.gz"
    if not description.is_file():
        return False
    try:
        with gzip.open(description) as file:
            url = json.loads(file.read(_LONGEST_DESCRIPTION))["data_set_description"]["url"]
        return (cache / f"{urlparse(str(url)).path.lstrip('/')}.gz").is_file()
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError, RecursionError) as error:
        expected = "expected OpenML's description of the data, in scikit-learn's cache"
        got = f"a damaged file ({type(error).__name__}): delete it, or use load(path=...)"
        raise ValueError(f"{description}: {expected}, got {got}") from None


def _read_openml() -> Transactions:
    """Read OpenML's copy through scikit-learn, which checks and caches it; the liac-arff parser needs no pandas."""
    try:
        bunch = fetch_openml(data_id=OPENML_ID, as_frame=False, parser="liac-arff")
    except OSError as error:
        trouble = f"OpenML data set {OPENML_ID} could not be fetched ({error})"
        raise OSError(f"{trouble}: use load(path=...) with the CSV file") from error
    except Exception as error:  # scikit-learn does not expect damaged files in its cache
        got = f"damaged files in {get_data_home()} ({type(error).__name__}): delete its folder openml"
        raise ValueError(
            f"OpenML data set {OPENML_ID}: expected files that scikit-learn can read, got {got}"
        ) from error
    names = list(bunch.feature_names)
    if missing := [name for name in FEATURE_NAMES if name not in names]:
        raise ValueError(f"OpenML data set {OPENML_ID}: no column {', '.join(missing)}, got {names}")
    table = np.asarray(bunch.data, dtype=np.float64)
    labels = np.char.strip(np.asarray(bunch.target, dtype=str), "'\"")
    if not np.isin(labels, ("0", "1")).all():
        raise ValueError(f"OpenML data set {OPENML_ID}: expected labels 0 and 1, got {np.unique(labels)}")
    if not np.isfinite(table).all():
        raise ValueError(f"OpenML data set {OPENML_ID}: columns must hold finite numbers")
    return Transactions(
        features=np.ascontiguousarray(table[:, [names.index(name) for name in FEATURE_NAMES]]),
        labels=labels.astype(np.int64),
        time=table[:, names.index("Time")].copy() if "Time" in names else None,
        source=f"OpenML {OPENML_ID} ({len(table):,} rows)",
    )
