from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest

from tinydl.files import markdown_table, write_json, write_whole


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "file"
    write_whole(path, b"old")

    def full(self: Path, content: bytes) -> None:
        with self.open("wb") as file:
            file.write(content[:1])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_json_is_read_back(tmp_path: Path) -> None:
    content = {"a": [1, 2.5], "b": {"c": None}}
    write_json(tmp_path / "file.json", content)
    text = (tmp_path / "file.json").read_text()
    assert json.loads(text) == content
    assert text.endswith("}\n")


def test_columns_of_a_table_line_up() -> None:
    table = markdown_table([["layer", "n"], ["Dense", "1,000"], ["", "2"]])
    assert table == "| layer | n     |\n| ----- | ----- |\n| Dense | 1,000 |\n|       | 2     |"


# --- where a file is written ------------------------------------------------------------------------------------------


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_link_is_kept_and_its_target_written(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    target, link, chain = tmp_path / "data" / "file", tmp_path / "link", tmp_path / "chain"
    link.symlink_to("data/file")
    chain.symlink_to(link)
    for content in (b"new", b"newer"):  # first there is no target yet
        write_whole(chain, content)
        assert target.read_bytes() == content
        assert chain.is_symlink()
        assert link.is_symlink()
    assert [path.name for path in target.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("bits", [0o600, 0o640, 0o666, 0o755])
def test_permissions_are_kept_and_the_temporary_file_is_private(
    bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(bits)
    modes = []
    write = Path.write_bytes
    monkeypatch.setattr(Path, "write_bytes", lambda self, content: modes.append(mode(self)) or write(self, content))
    write_whole(path, b"new")
    assert mode(path) == bits
    assert modes == [0o600]
    assert path.read_bytes() == b"new"


def test_a_new_file_gets_the_usual_permissions(tmp_path: Path) -> None:
    write_whole(tmp_path / "ours", b"")
    (tmp_path / "usual").write_bytes(b"")
    assert mode(tmp_path / "ours") == mode(tmp_path / "usual")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may give a file away")
def test_the_owner_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    os.chown(path, 1234, 5678)
    write_whole(path, b"new")
    assert (path.stat().st_uid, path.stat().st_gid, path.read_bytes()) == (1234, 5678, b"new")


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("n" * os.pathconf(tmp_path, "PC_NAME_MAX"))
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"


def test_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    write_whole("~/folder/file", b"new")
    assert (tmp_path / "folder" / "file").read_bytes() == b"new"


def made(folder: Path) -> Path:
    """A folder with one of each kind of thing that must not be replaced."""
    (folder / "folder").mkdir()
    (folder / "file").write_bytes(b"old")
    (folder / "locked").write_bytes(b"old")
    (folder / "locked").chmod(0o444)
    (folder / "to_locked").symlink_to("locked")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    return folder


NO_FILES: dict[str, tuple[type[OSError], str]] = {
    ".": (IsADirectoryError, "got a folder: add a file name"),
    "": (IsADirectoryError, "got a folder: add a file name"),
    "..": (IsADirectoryError, "got a folder"),
    "~": (IsADirectoryError, "got a folder"),
    "/": (IsADirectoryError, "got a folder: add a file name"),
    "folder": (IsADirectoryError, "got a folder"),
    "new/": (IsADirectoryError, "got a folder"),
    "pipe": (OSError, "got a pipe or a device, which cannot be replaced"),
    "/dev/null": (OSError, "got a pipe or a device"),
    "locked": (PermissionError, "got a read-only one: choose another path"),
    "to_locked": (PermissionError, "got a read-only one"),
    "file/inside": (NotADirectoryError, "got one that cannot be used: Not a directory"),
    "loop": (OSError, "Too many levels of symbolic links"),
    "~nobody-of-this-name/file": (OSError, "Could not determine home directory"),
    "n" * 300: (OSError, "File name too long"),
    "folder/" + "é" * 200: (OSError, "File name too long"),
    "new/" + "n" * 300: (OSError, "File name too long"),
    "new/" + "n" * 300 + "/file": (OSError, "File name too long"),
    "new/" * 1100 + "file": (OSError, "File name too long"),
    "null\0": (OSError, "null"),
}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no pipes with names")
@pytest.mark.parametrize("path", NO_FILES, ids=lambda path: ascii(path[:20]))
def test_what_is_no_file_is_refused_and_nothing_changes(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made(tmp_path))
    before = sorted((each.name, each.lstat().st_mode, each.lstat().st_mtime_ns) for each in tmp_path.iterdir())
    error, message = NO_FILES[path]
    with pytest.raises(error, match=re.escape(message)) as raised:
        write_whole(path, b"new")
    assert str(raised.value).startswith(f"{path!r}: expected ")
    assert sorted((each.name, each.lstat().st_mode, each.lstat().st_mtime_ns) for each in tmp_path.iterdir()) == before


@pytest.mark.parametrize("path", [None, 5, b"file"])
def test_a_path_is_a_string_or_a_path(path: object) -> None:
    with pytest.raises(TypeError, match=re.escape(f"path must be a string or a pathlib.Path, got {path!r}")):
        write_whole(path, b"new")  # type: ignore[arg-type]
