"""MovieLens: ratings of films by users of the site movielens.org, for research; the data must not be passed on.

    data = movielens.load()

    ml-100k    100,000 ratings of 1,682 films by 943 users, September 1997 to April 1998: u.data, u.item
    ml-1m      1,000,209 ratings of 3,706 films by 6,040 users, from the year 2000: ratings.dat, movies.dat

Each user has rated at least 20 films.

Source: Harper & Konstan, "The MovieLens Datasets: History and Context", 2015;
https://grouplens.org/datasets/movielens/
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..files import PathLike
from .film_ratings import FilmRatings, repeated_pairs
from .locate import DataFiles

__all__ = ["GENRES", "load"]

# The order of the columns in u.item. GENRES[0] marks films without a genre, and 1M's films are never of it.
GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
FILES = DataFiles(
    title="MovieLens",
    names=("ml-100k", "ml-1m", "ml-100k.zip", "ml-1m.zip"),
    parts=("u.data", "ratings.dat"),
    origin="https://files.grouplens.org/datasets/movielens/ml-100k.zip",
    md5="0e33842e24a9c977be4e0107933c0723",
    instead="tinydl.datasets.synthetic_ratings.load() generates ratings and needs no files",
)
_LARGEST_ARCHIVE = 2**24  # bytes; ml-1m.zip has 6 MB
_LARGEST_RATINGS = 2**25  # bytes; ratings.dat has 25 MB
_MOST_RATINGS = 2_000_000  # 1M has 1,000,209
_LARGEST_FILMS = 2**22  # bytes; u.item has 0.2 MB


class _Layout(NamedTuple):
    ratings: str
    films: str
    separator: str


_COUNTS = "u.info"  # optional; 100K's numbers of users, items and ratings
_OPENING = 852_076_800  # seconds since 1970 at the start of 1997, the year in which the site opened

_LAYOUTS = (_Layout("u.data", "u.item", "\t"), _Layout("ratings.dat", "movies.dat", "::"))


class _Films(NamedTuple):
    titles: dict[int, str]
    genres: dict[int, tuple[str, ...]]
    years: dict[int, int | None]


def load(path: PathLike | None = None, *, download: bool = False) -> FilmRatings:
    """Read the data from `path`, else from the folder in TINYDL_DATA, else from the cache (see locate.py).

    path: the folder ml-100k or ml-1m, its zip archive, or a folder that contains one of these, 100K's first. Archives
        are read in place; nothing is unpacked. Text is read as UTF-8 if it is valid UTF-8, else as Latin-1, as
        published.
    download: if the data are not found, fetch 100K's archive (5 MB) into the cache, once, and check it; this needs
        pooch.

    FileNotFoundError: the data, or a part of them, were not found.
    ValueError: a file is not as expected; the message names the file and the line.
    ImportError: pooch is missing. OSError: the download failed.
    """
    place = FILES.locate(path, download=download)
    files = _in_folder(place) if place.is_dir() else _in_archive(place)
    layout = next((each for each in _LAYOUTS if each.ratings in files), None)
    if layout is None or layout.films not in files:
        wanted = " and ".join(layout[:2]) if layout else "u.data and u.item, or ratings.dat and movies.dat"
        raise FileNotFoundError(f"{place}: expected {wanted}, got {', '.join(files) or 'neither'}: get it again")
    films = (_read_u_item if layout.films == "u.item" else _read_movies_dat)(*files[layout.films])
    users, items, ratings, times = _read_ratings(*files[layout.ratings], layout, films)
    if layout.ratings == "u.data" and _COUNTS in files:
        _check_count(*files[_COUNTS], files["u.data"][0], len(ratings))
    source = f"{place.name} ({len(ratings):,} ratings)"
    return FilmRatings(users, items, ratings.astype(np.float64), times, *films, source)


# --- files --------------------------------------------------------------------------------------------


Files = dict[str, tuple[str, str]]  # by name: the location of a file, for messages, and its content
_NAMES = (*(name for layout in _LAYOUTS for name in layout[:2]), _COUNTS)


def _in_folder(folder: Path) -> Files:
    # Only \n ends a line: other characters that end lines elsewhere may occur in titles.
    files: Files = {}
    for name in _NAMES:
        path = folder / name
        if path.is_file():
            _check_size(str(path), name, path.stat().st_size)
            files[name] = str(path), _decoded(path.read_bytes())
    return files


def _in_archive(path: Path) -> Files:
    if (size := path.stat().st_size) > _LARGEST_ARCHIVE:
        raise ValueError(f"{path}: {size:,} bytes are more than any archive of MovieLens has")
    try:
        with zipfile.ZipFile(path) as archive:
            files: Files = {}
            for member in archive.infolist():
                name = member.filename.rpartition("/")[2]
                if name in _NAMES and name not in files:
                    where = f"{path}: {name}"
                    _check_size(where, name, member.file_size)
                    files[name] = where, _decoded(archive.read(member))
            return files
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{path}: not a zip archive, or a damaged one ({error}): get it again") from error


def _decoded(content: bytes) -> str:
    """The text of a file. Titles in Latin-1 with a letter beyond ASCII are not valid UTF-8, but for rare exceptions."""
    try:
        return content.decode("utf-8-sig")  # without the mark that some editors put at the beginning
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _check_size(where: str, name: str, size: int) -> None:
    if size > (_LARGEST_RATINGS if any(name == layout.ratings for layout in _LAYOUTS) else _LARGEST_FILMS):
        raise ValueError(f"{where}: {size:,} bytes are more than any MovieLens file of this name has")


def _lines(content: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers, from 1. Both \\n and \\r\\n end a line."""
    for number, line in enumerate(content.removesuffix("\n").split("\n"), 1):
        yield number, line.removesuffix("\r")


# --- ratings ------------------------------------------------------------------------------------------


def _read_ratings(where: str, content: str, layout: _Layout, films: _Films) -> NDArray[np.int64]:
    """The four columns: users, items, ratings, times."""
    if (lines := content.count("\n")) > _MOST_RATINGS:
        raise ValueError(f"{where}: expected at most {_MOST_RATINGS:,} lines, got {lines:,}")
    valid = re.compile(layout.separator.join([r"\d{1,18}"] * 4), re.ASCII)
    for number, line in _lines(content):
        if not valid.fullmatch(line):
            expected = f"a user, an item, a rating and a time, whole numbers between {layout.separator!r}"
            raise ValueError(f"{where}: line {number}: expected {expected}, got {line!r:.100}")
    numbers = np.fromstring(content.replace(layout.separator, " "), np.int64, sep=" ")
    users, items, ratings, times = columns = np.ascontiguousarray(numbers.reshape(-1, 4).T)
    for wrong, expected in [
        (users < 1, "a user from 1"),
        ((ratings < 1) | (ratings > 5), "a rating of 1 to 5"),
        (~np.isin(items, list(films.titles)), f"an item that is in {layout.films}"),
        (times < _OPENING, f"a time, in seconds since 1970, from {_OPENING} (1997)"),
    ]:
        if wrong.any():
            row = int(wrong.argmax())
            got = f"user {users[row]}, item {items[row]}, rating {ratings[row]}, time {times[row]}"
            raise ValueError(f"{where}: line {row + 1}: expected {expected}, got {got}")
    if len(again := repeated_pairs(users, items)):
        got = f"user {users[again[0]]}, item {items[again[0]]} a second time"
        raise ValueError(f"{where}: line {again[0] + 1}: expected one rating per user and item, got {got}")
    return columns


def _check_count(where: str, content: str, ratings: str, count: int) -> None:
    """Raise if u.info has a line such as "100000 ratings" with another number than u.data has lines."""
    stated = re.search(r"^(\d{1,18}) ratings\s*$", content, re.ASCII | re.MULTILINE)
    if stated and int(stated[1]) != count:
        raise ValueError(f"{ratings}: expected {stated[1]} lines, as stated in {where}, got {count}: get it again")


# --- films --------------------------------------------------------------------------------------------


def _read_u_item(where: str, content: str) -> _Films:
    """id|title|release date|video release date|address|19 genres, each 0 or 1."""
    films = _Films({}, {}, {})
    for number, line in _lines(content):
        cells = line.split("|")
        marks = cells[5:]
        if len(cells) != 5 + len(GENRES) or any(mark not in ("0", "1") for mark in marks):
            expected = f"{5 + len(GENRES)} cells between '|', the last {len(GENRES)} of them 0 or 1"
            raise ValueError(f"{where}: line {number}: expected {expected}, got {line!r:.100}")
        genres = tuple(name for name, mark in zip(GENRES, marks, strict=True) if mark == "1")
        _add(films, f"{where}: line {number}", cells[0], cells[1], genres, cells[2])
    return films


def _read_movies_dat(where: str, content: str) -> _Films:
    """id::title::genres, which are joined by |."""
    films = _Films({}, {}, {})
    for number, line in _lines(content):
        cells = line.split("::")
        genres = tuple(cells[-1].split("|"))
        if len(cells) != 3 or not set(genres) <= set(GENRES):
            expected = "an id, a title and genres between '::', the genres joined by '|'"
            raise ValueError(f"{where}: line {number}: expected {expected}, got {line!r:.100}")
        _add(films, f"{where}: line {number}", cells[0], cells[1], genres, "")
    return films


def _add(films: _Films, at: str, item: str, title: str, genres: tuple[str, ...], released: str) -> None:
    """Add a film. Its year stands at the end of the title, or else of the release date."""
    if not re.fullmatch(r"\d{1,18}", item, re.ASCII) or not title.strip():
        raise ValueError(f"{at}: expected an id, a whole number, and a title, got {item!r} and {title!r:.100}")
    if int(item) in films.titles:
        raise ValueError(f"{at}: expected one line per film, got the id {item} a second time")
    year = re.search(r"\((\d{4})\)\s*$", title, re.ASCII) or re.search(r"-(\d{4})$", released, re.ASCII)
    films.titles[int(item)], films.genres[int(item)] = title.strip(), genres
    films.years[int(item)] = int(year[1]) if year else None
