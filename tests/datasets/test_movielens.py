"""MovieLens: small files in both layouts, written here, and the real data if TINYDL_DATA has them."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tinydl.datasets import movielens
from tinydl.datasets.film_ratings import FilmRatings
from tinydl.datasets.movielens import GENRES, load

Files = dict[str, str]


@pytest.fixture(scope="module")
def real() -> FilmRatings:
    if "TINYDL_DATA" not in os.environ or movielens.FILES.find() is None:
        pytest.skip("needs MovieLens: set TINYDL_DATA to a folder with ml-100k")
    return load()


def marks(*genres: str) -> str:
    return "|".join("1" if name in genres else "0" for name in GENRES)


SMALL_100K = {
    "u.data": "196\t242\t3\t881250949\n186\t302\t1\t891717742\n196\t302\t5\t881250950\n",
    "u.item": (
        f"242|Kolya (1996)|24-Jan-1997||http://us.imdb.com/M/title-exact?Kolya%20(1996)|{marks('Comedy')}\n"
        f"302|L.A. Confidential (1997)|01-Jan-1997|||{marks('Crime', 'Film-Noir')}\n"
        f"267|unknown||||{marks('unknown')}\n"
        f"1633|\u00c1 k\u00f6ldum klaka (Cold Fever) (1994)|08-Mar-1996|||{marks('Drama')}\n"
        f"9|Land and Freedom (Tierra y libertad)|01-Jan-1995|||{marks('War')}\n"
    ),
}
SMALL_1M = {
    "ratings.dat": "1::1193::5::978300760\n1::661::3::978302109\n6040::661::1::956704746\n",
    "movies.dat": (
        "661::James and the Giant Peach (1996)::Animation|Children's|Musical\n"
        "1193::One Flew Over the Cuckoo's Nest (1975)::Drama\n"
        "1205::Mis\u00e9rables, Les (1995)::Drama|Musical\n"
    ),
}


def write(folder: Path, files: Files) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content.encode("latin-1"))
    return folder


def zipped(path: Path, files: Files) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{path.stem}/{name}", content.encode("latin-1"))
        archive.writestr(f"{path.stem}/README", "not read")
    return path


# -- reading


def test_reads_the_layout_of_100k(tmp_path: Path) -> None:
    data = load(write(tmp_path / "ml-100k", SMALL_100K))
    assert data.users.tolist() == [196, 186, 196]
    assert data.items.tolist() == [242, 302, 302]
    assert data.ratings.tolist() == [3.0, 1.0, 5.0]
    assert data.times.tolist() == [881250949, 891717742, 881250950]
    assert [each.dtype for each in (data.users, data.items, data.ratings, data.times)] == ["i8", "i8", "f8", "i8"]
    assert data.titles[1633] == "\u00c1 k\u00f6ldum klaka (Cold Fever) (1994)"
    assert data.genres[302] == ("Crime", "Film-Noir")
    assert dict(data.years) == {242: 1996, 302: 1997, 267: None, 1633: 1994, 9: 1995}
    assert (data.n_ratings, data.n_users, data.n_items) == (3, 2, 2)
    assert data.source == "ml-100k (3 ratings)"
    assert not data.is_synthetic


def test_reads_the_layout_of_1m(tmp_path: Path) -> None:
    data = load(write(tmp_path / "anywhere", SMALL_1M))
    assert data.users.tolist() == [1, 1, 6040]
    assert data.items.tolist() == [1193, 661, 661]
    assert data.ratings.tolist() == [5, 3, 1]
    assert data.titles[1205] == "Mis\u00e9rables, Les (1995)"
    assert data.genres[661] == ("Animation", "Children's", "Musical")
    assert data.years[1193] == 1975


@pytest.mark.parametrize(("name", "files"), [("ml-100k", SMALL_100K), ("ml-1m", SMALL_1M)])
def test_reads_archives_in_place(tmp_path: Path, name: str, files: Files) -> None:
    data, same = load(zipped(tmp_path / f"{name}.zip", files)), load(write(tmp_path / "folder", files))
    np.testing.assert_array_equal(data.users, same.users)
    assert data.titles == same.titles
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", f"{name}.zip"]


def test_windows_line_ends_and_a_missing_last_one(tmp_path: Path) -> None:
    changed = {name: content.replace("\n", "\r\n").removesuffix("\r\n") for name, content in SMALL_100K.items()}
    data = load(write(tmp_path / "ml-100k", changed))
    assert data.times.tolist() == [881250949, 891717742, 881250950]
    assert data.genres[9] == ("War",)


def test_characters_that_end_lines_elsewhere_do_not_in_titles(tmp_path: Path) -> None:
    files = {**SMALL_1M, "movies.dat": SMALL_1M["movies.dat"].replace("Giant", "Gi\x85\x0cant")}
    assert load(write(tmp_path / "ml-1m", files)).titles[661].startswith("James and the Gi")


@pytest.mark.parametrize(("name", "films"), [("ml-100k", "u.item"), ("ml-1m", "movies.dat")])
def test_titles_in_utf_8_are_read_as_such(tmp_path: Path, name: str, films: str) -> None:
    files = SMALL_100K if name == "ml-100k" else SMALL_1M
    expected = load(write(tmp_path / name, files)).titles
    for encoding in ("utf-8", "utf-8-sig"):
        for each, content in files.items():
            (tmp_path / name / each).write_bytes(content.encode(encoding))
        assert load(tmp_path / name).titles == expected


def test_the_stated_number_of_ratings_must_be_there(tmp_path: Path) -> None:
    files = {**SMALL_100K, "u.info": "2 users\n4 items\n3 ratings\n"}
    assert load(write(tmp_path / "ml-100k", files)).n_ratings == 3
    files["u.data"] = SMALL_100K["u.data"].split("\n")[0]
    for place in (write(tmp_path / "cut", files), zipped(tmp_path / "ml-100k.zip", files)):
        with pytest.raises(ValueError, match=r"u\.data: expected 3 lines, as stated in .*u\.info, got 1: get it again"):
            load(place)


def test_search_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match=r"MovieLens was not found: .*synthetic_ratings.load\(\) generates"):
        load()
    monkeypatch.setenv("TINYDL_DATA", str(tmp_path))
    write(tmp_path / "ml-1m", SMALL_1M)
    assert load().source == "ml-1m (3 ratings)"
    write(tmp_path / "ml-100k", SMALL_100K)
    assert load().source == "ml-100k (3 ratings)"
    assert load(tmp_path / "ml-1m").source == "ml-1m (3 ratings)"


# -- what is refused


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("196\t242\t3", "line 2: expected a user, an item, a rating and a time, whole numbers between '\\\\t', got"),
        ("196\t242\t3\t881250949\t7", "line 2: expected a user"),
        ("196 242 3 881250949", "line 2: expected a user"),
        ("196::242::3::881250949", "line 2: expected a user"),
        ("", "line 2: expected a user, .*, got ''"),
        ("196\t242\t3.5\t881250949", "line 2: expected a user"),
        ("196\t242\tnan\t881250949", "line 2: expected a user"),
        ("-196\t242\t3\t881250949", "line 2: expected a user"),
        ("196\t242\t3\t9999999999999999999", "line 2: expected a user"),
        ("196\t\u00b2\t3\t881250949", "line 2: expected a user"),
        ("196\t242\t6\t881250949", "line 2: expected a rating of 1 to 5, got user 196, item 242, rating 6, t"),
        ("196\t242\t0\t881250949", "line 2: expected a rating of 1 to 5"),
        ("0\t242\t3\t881250949", "line 2: expected a user from 1"),
        ("196\t242\t3\t881250949", "line 2: expected one rating per user and item, got user 196, item 242 a second"),
        ("7\t242\t3\t8812509", "line 2: expected a time, in seconds since 1970, from 852076800 .*, time 8812509"),
        ("196\t243\t3\t881250949", "line 2: expected an item that is in u.item, got user 196, item 243"),
    ],
)
def test_malformed_ratings_are_refused_with_their_line(tmp_path: Path, line: str, message: str) -> None:
    first, *rest = SMALL_100K["u.data"].split("\n")
    folder = write(tmp_path / "ml-100k", {**SMALL_100K, "u.data": "\n".join([first, line, *rest])})
    with pytest.raises(ValueError, match=f"u.data: {message}"):
        load(folder)


@pytest.mark.parametrize(
    ("files", "name", "line", "message"),
    [
        (SMALL_100K, "u.item", "5|Film", "line 2: expected 24 cells between '\\|', the last 19 of them 0 or 1, got"),
        (SMALL_100K, "u.item", f"5|Film (1990)||||{marks()}|0", "line 2: expected 24 cells"),
        (SMALL_100K, "u.item", f"5|Film (1990)||||{marks().replace('0', '2')}", "line 2: expected 24 cells"),
        (SMALL_100K, "u.item", f"x|Film (1990)||||{marks()}", "line 2: expected an id, a whole number, and a title"),
        (SMALL_100K, "u.item", f"5| ||||{marks()}", "line 2: expected an id, a whole number, and a title, got '5'"),
        (SMALL_100K, "u.item", f"242|Film||||{marks()}", "line 2: expected one line per film, got the id 242 a second"),
        (SMALL_1M, "movies.dat", "5::Film (1990)", "line 2: expected an id, a title and genres between '::'"),
        (SMALL_1M, "movies.dat", "5::Film (1990)::Drama|Opera", "line 2: expected an id, a title and genres"),
        (SMALL_1M, "movies.dat", "five::Film (1990)::Drama", "line 2: expected an id, a whole number"),
        (SMALL_1M, "ratings.dat", "1::1193::5", "line 2: expected a user, an item, a rating and a time"),
        (SMALL_1M, "ratings.dat", "1::1193::0.5::978300760", "line 2: expected a user"),
    ],
)
def test_malformed_films_are_refused(tmp_path: Path, files: Files, name: str, line: str, message: str) -> None:
    first, *rest = files[name].split("\n")
    folder = write(tmp_path / "data", {**files, name: "\n".join([first, line, *rest])})
    with pytest.raises(ValueError, match=f"{name}: {message}"):
        load(folder)


def test_empty_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"u.data: line 1: expected a user"):
        load(write(tmp_path / "a", {**SMALL_100K, "u.data": ""}))
    with pytest.raises(ValueError, match=r"u.item: line 1: expected 24 cells"):
        load(write(tmp_path / "b", {**SMALL_100K, "u.item": ""}))
    with pytest.raises(FileNotFoundError, match=r"c: expected u.data and u.item, got u.data: get it again"):
        load(write(tmp_path / "c", {"u.data": SMALL_100K["u.data"]}))
    with pytest.raises(FileNotFoundError, match=r"path=.*d' holds neither ml-100k nor ml-1m nor ml-100k.zip nor ml-1m"):
        load(write(tmp_path / "d", {}))
    with pytest.raises(
        FileNotFoundError, match=r"expected u.data and u.item, or ratings.dat and movies.dat, got neith"
    ):
        load(zipped(tmp_path / "ml-100k.zip", {}))


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "ml-100k.zip", SMALL_100K)
    content = path.read_bytes()
    damaged = bytearray(content)
    damaged[60] ^= 255  # in the compressed u.data
    for bad in (content[: len(content) // 2], b"text", bytes(damaged)):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"ml-100k.zip: not a zip archive, or a damaged one \(.*\): get it again"):
            load(path)


def test_a_file_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movielens, "_LARGEST_RATINGS", 50)
    with pytest.raises(
        ValueError, match=r"ml-100k.zip: u.data: 60 bytes are more than any MovieLens file of this name has"
    ):
        load(zipped(tmp_path / "ml-100k.zip", SMALL_100K))


def test_film_ratings_check_their_arrays() -> None:
    one = np.array([1])
    with pytest.raises(
        TypeError, match=r"FilmRatings: users must be a NumPy array, got \[1\]: write np.asarray\(users\)"
    ):
        FilmRatings([1], one, one, one, {1: "A"}, {1: ()}, {1: None}, "here")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must be 1-D and of one length"):
        FilmRatings(one, one, np.array([3.0, 4.0]), one, {1: "A"}, {1: ()}, {1: None}, "here")
    with pytest.raises(ValueError, match="titles must hold every item, got none for item 1"):
        FilmRatings(one, one, np.array([3.0]), one, {}, {}, {}, "here")


# -- the real data


def test_the_real_data(real: FilmRatings) -> None:
    assert (real.n_ratings, real.n_users, real.n_items) == (100_000, 943, 1682)
    assert real.ratings.mean() == 3.52986
    assert np.bincount(real.ratings.astype(int)).tolist() == [0, 6110, 11370, 27145, 34174, 21201]  # published counts
    assert real.titles[98] == "Silence of the Lambs, The (1991)"
    assert real.genres[98] == ("Drama", "Thriller")
    assert [item for item, year in real.years.items() if year is None] == [267]
    assert np.bincount(real.users).max() == 737
    assert len(np.unique(real.users * 2000 + real.items)) == 100_000


@pytest.mark.parametrize("name", ["u.data", "u.item"])
def test_sparse_files_of_3_gb_are_not_read(name: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "ml-100k", SMALL_100K)
    with (folder / name).open("r+b") as file:
        file.truncate(3 * 10**9)
    with pytest.raises(
        ValueError, match=f"{name}: 3,000,000,000 bytes are more than any MovieLens file of this name has"
    ):
        load(folder)


def test_the_number_of_ratings_and_the_archive_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movielens, "_MOST_RATINGS", 2)
    with pytest.raises(ValueError, match=r"u.data: expected at most 2 lines, got 3"):
        load(write(tmp_path / "ml-100k", SMALL_100K))
    with (tmp_path / "ml-1m.zip").open("wb") as file:
        file.truncate(2**25)
    with pytest.raises(ValueError, match="33,554,432 bytes are more than any archive of MovieLens has"):
        load(tmp_path / "ml-1m.zip")
