from __future__ import annotations

import gzip
import importlib
import pkgutil
from pathlib import Path

import pytest

from tinydl import datasets
from tinydl.datasets.locate import DataFiles, cache, open_unzipped
from tinydl.files import user_cache_folder

SINGLE = DataFiles("one file", ("rows.csv", "rows.csv.gz"), origin="https://example.org/rows.csv")
SEVERAL = DataFiles(
    "two parts", ("images", "images.tar"), origin="a friend", parts=("a.bin", "b.bin"), instead="draw some"
)

ALL = [importlib.import_module(f"tinydl.datasets.{module.name}") for module in pkgutil.iter_modules(datasets.__path__)]
WITH_FILES = [module for module in ALL if hasattr(module, "FILES")]


def write(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_the_order_of_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SINGLE.find() is None
    cached = write(tmp_path / "cache" / "rows.csv")
    assert SINGLE.find() == cached
    monkeypatch.setenv("TINYDL_DATA", str(tmp_path / "data"))
    assert SINGLE.find() == cached, "TINYDL_DATA may hold other data only"
    in_data = write(tmp_path / "data" / "rows.csv.gz")
    assert SINGLE.find() == in_data
    preferred = write(tmp_path / "data" / "rows.csv")
    assert SINGLE.find() == preferred
    given = write(tmp_path / "path" / "rows.csv")
    assert SINGLE.find(given.parent) == SINGLE.find(str(given)) == given
    anything = write(tmp_path / "any.name")
    assert SINGLE.find(anything) == anything


def test_a_folder_with_a_part_is_the_data_set_itself(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(FileNotFoundError, match=r"two parts: path=.* holds neither images nor images\.tar"):
        SEVERAL.find(tmp_path)
    archive = write(tmp_path / "images.tar")
    assert SEVERAL.find(tmp_path) == archive
    part = write(tmp_path / "images" / "b.bin")
    assert SEVERAL.find(tmp_path) == SEVERAL.find(part.parent) == part.parent


def test_a_path_is_a_path() -> None:
    for path in (5, ["rows.csv"], b"rows.csv"):
        with pytest.raises(TypeError, match=r"one file: path must be a file or a folder, got .*: write it as a string"):
            SINGLE.find(path)  # type: ignore[arg-type]


def test_a_tilde_is_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    found = write(tmp_path / "rows.csv")
    assert SINGLE.find("~/rows.csv") == found
    monkeypatch.setenv("TINYDL_DATA", "~")
    assert SINGLE.find() == found


def test_the_cache_follows_the_users_wishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache() == tmp_path / "cache"
    monkeypatch.delenv("TINYDL_CACHE")
    assert cache() == user_cache_folder()
    monkeypatch.setenv("TINYDL_CACHE", "~/elsewhere")
    assert cache() == Path.home() / "elsewhere"


def test_gzip_is_told_by_the_content(tmp_path: Path) -> None:
    for content in (b"plain", gzip.compress(b"plain")):
        (tmp_path / "file.gz").write_bytes(content)
        with open_unzipped(tmp_path / "file.gz") as file:
            assert file.read() == b"plain"
    (tmp_path / "file.gz").write_bytes(b"")
    with open_unzipped(tmp_path / "file.gz") as file:
        assert file.read() == b""


def test_some_data_sets_have_files() -> None:
    assert {module.__name__.rpartition(".")[2] for module in WITH_FILES} >= {"cifar10", "creditcard"}


@pytest.mark.parametrize("module", WITH_FILES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_the_same_errors_from_every_data_set(module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = module.FILES
    what_to_do = (
        f"Pass the path of {' or '.join(files.names)}, or of a folder that holds it (from {files.origin}). Without "
        "a path, TINYDL_DATA may name the folder; download=True (--download on the command line) fetches the data"
    )
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(FileNotFoundError) as caught:
            module.load(path, download=True)  # if a path is given, no other place is searched
        trouble = f"holds neither {' nor '.join(files.names)}" if path.is_dir() else "does not exist"
        assert str(caught.value) == f"{files.title}: path={str(path)!r} {trouble}. {what_to_do}"
    with pytest.raises(FileNotFoundError, match=r"path='/dev/null' is a pipe or a device\. "):
        module.load("/dev/null")
    for folder, said in ((None, "which is not set"), (tmp_path, str(tmp_path))):
        if folder:
            monkeypatch.setenv("TINYDL_DATA", str(folder))
        with pytest.raises(FileNotFoundError) as caught:
            module.load()
        assert str(caught.value) == (
            f"{files.title} was not found: looked for {', '.join(files.names)} in TINYDL_DATA ({said}) and in the cache "
            f"({tmp_path / 'cache'}). {what_to_do}"
        ) + (f"; {files.instead}" if files.instead else "")


@pytest.mark.parametrize("module", WITH_FILES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_a_download_is_found_again(module) -> None:
    files = module.FILES
    assert not files.md5 or files.origin.rpartition("/")[2] in files.names
