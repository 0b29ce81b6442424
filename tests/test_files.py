from __future__ import annotations

import errno
import json
import os
import re
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

import pytest

from tinydl import files
from tinydl.files import markdown_table, read_json, sync_folder, write_json, write_whole


def fails(error: OSError) -> Callable[..., Any]:
    def call(*_: Any) -> None:
        raise error

    return call


def full(out: BinaryIO) -> None:
    out.write(b"n")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_whole(path, b"old")
    with pytest.raises(OSError, match=re.escape(f"No space left on device: '{path}'") + "$"):
        write_whole(path, full)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("function", ["fsync", "replace", "fstat", "chown"])
def test_no_failing_system_call_loses_the_old_file(
    function: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, function, fails(OSError(errno.EIO, os.strerror(errno.EIO), "a temporary name")))
        with suppress(OSError):  # the owner need not be kept
            write_whole(path, b"new")
    assert path.read_bytes() == (b"new" if function in ("chown", "fstat") else b"old")
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_the_old_file_alone(tmp_path: Path) -> None:
    def interrupted(out: BinaryIO) -> None:
        out.write(b"n")
        raise KeyboardInterrupt

    path = tmp_path / "file"
    write_whole(path, b"old")
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, interrupted)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # a file that Ctrl-C keeps from being closed closes itself
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no locks that end with a process")
def test_ctrl_c_at_any_line_leaves_a_whole_file_and_nothing_else(tmp_path: Path) -> None:
    path, left = tmp_path / "file", f"{tmp_path}/.file.01234567.part"
    lines = 0

    def interrupt_at(line: int) -> bool:
        """Write a file and raise KeyboardInterrupt at a line of files.py; return whether so many lines ran."""
        remaining = line

        def trace(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal remaining
            if frame.f_code.co_filename != files.__file__:
                return None
            if event == "line":
                remaining -= 1
                if remaining == 0:
                    raise KeyboardInterrupt
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            write_whole(path, b"new")
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        return remaining <= 0

    reached = True
    while reached:
        lines += 1
        path.write_bytes(b"old")
        Path(left).write_bytes(b"of a killed process")
        reached = interrupt_at(lines)
        assert path.read_bytes() in (b"old", b"new")
        assert {each.name for each in tmp_path.iterdir()} <= {"file", Path(left).name}
    assert lines > 50
    assert list(tmp_path.iterdir()) == [path]


# --- power cuts -------------------------------------------------------------------------------------------------------


def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_the_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, ...]] = []
    fsync, replace = os.fsync, os.replace

    def name_of(descriptor: int) -> str:
        at = os.fstat(descriptor)
        return next(str(path) for path in (tmp_path, *tmp_path.rglob("*")) if os.path.samestat(path.stat(), at))

    def synced(descriptor: int) -> None:
        path = Path(name_of(descriptor))
        calls.append(("sync", "folder" if path.is_dir() else path.read_text(), path.name))
        fsync(descriptor)

    def renamed(old: Path, new: Path) -> None:
        calls.append(("rename", new.name))
        replace(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    write_whole(tmp_path / "a" / "b" / "file", b"new")
    content, rename, *folders = calls
    assert content[:2] == ("sync", "new")
    assert rename == ("rename", "file")
    # each new folder's own name stands in the folder above
    assert sorted(folders) == [("sync", "folder", name) for name in sorted(["a", "b", tmp_path.name])]

    calls.clear()
    write_whole(tmp_path / "a" / "b" / "file", b"newer")
    assert [call[:2] for call in calls] == [("sync", "newer"), ("rename", "file"), ("sync", "folder")]
    calls.clear()
    write_whole(tmp_path / "a" / "b" / "file", b"newest", durable=False)
    assert calls == [("rename", "file")]


def test_a_folder_that_cannot_be_synced_is_no_error_and_a_failing_disk_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for code in (errno.EINVAL, errno.ENOTSUP):
        monkeypatch.setattr(os, "fsync", fails(OSError(code, os.strerror(code))))
        sync_folder(tmp_path)
    monkeypatch.setattr(os, "fsync", fails(OSError(errno.EIO, os.strerror(errno.EIO))))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        sync_folder(tmp_path)
    monkeypatch.setattr(os, "open", fails(PermissionError()))
    sync_folder(tmp_path)


# --- what killed processes leave --------------------------------------------------------------------------------------

KILLED = """
    import os, sys
    from tinydl.files import write_whole

    def write(out):
        out.write(b"half")
        out.flush()
        print("writing", flush=True)
        sys.stdin.read() or os.abort()

    write_whole(sys.argv[1], write)
"""


def writing(path: Path) -> subprocess.Popen[bytes]:
    """A process in the middle of a write to `path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no locks that end with a process")
def test_the_next_write_clears_what_a_killed_process_left_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model"
    write_whole(path, b"old")
    others = [".model.0123456.part", ".model.01234567.parts", "model.01234567.part", ".other.01234567.part"]
    for name in others:
        (tmp_path / name).write_bytes(b"somebody's")
    os.mkfifo(tmp_path / ".model.00000000.part")  # opening it to read would wait for a writer
    (tmp_path / ".model.11111111.part").symlink_to(path)
    kept = {each.name for each in tmp_path.iterdir()}
    with writing(path) as process:
        process.kill()
    assert {each.name for each in tmp_path.iterdir()} > kept
    assert path.read_bytes() == b"old"
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert {each.name for each in tmp_path.iterdir()} == kept


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no locks that end with a process")
def test_a_write_in_progress_is_not_cleared(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with writing(path) as process:
        for content in (b"one", b"two"):
            write_whole(path, content)
        assert len(list(tmp_path.iterdir())) == 2
        process.communicate(b"go on")
    assert process.returncode == 0
    assert path.read_bytes() == b"half"
    assert list(tmp_path.iterdir()) == [path]


def test_many_threads_may_write_the_same_file(tmp_path: Path) -> None:
    contents = [bytes([k]) * 10_000 for k in range(8)]

    def write(content: bytes) -> None:
        for _ in range(20):
            write_whole(tmp_path / "file", content, durable=False)

    with ThreadPoolExecutor() as threads:
        list(threads.map(write, contents))
    assert (tmp_path / "file").read_bytes() in contents
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_taken_for_a_left_over_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, times = files._lock, []

    def delete_first(descriptor: int, wait: bool) -> bool:
        if wait and not times:
            times.append(1)
            (temporary,) = tmp_path.glob(".file.*.part")
            temporary.unlink()
        return lock(descriptor, wait)

    monkeypatch.setattr(files, "_lock", delete_first)
    write_whole(tmp_path / "file", b"new")
    assert times
    assert (tmp_path / "file").read_bytes() == b"new"


def test_json_is_read_back(tmp_path: Path) -> None:
    content = {"a": [1, 2.5], "b": {"c": None}}
    write_json(tmp_path / "file.json", content)
    assert read_json(tmp_path / "file.json") == content
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
def test_permissions_are_kept_and_the_temporary_file_is_private(bits: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(bits)
    modes = []

    def write(out: BinaryIO) -> None:
        modes.append(stat.S_IMODE(os.fstat(out.fileno()).st_mode))
        out.write(b"new")

    write_whole(path, write)
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


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system has no links to open files")
def test_a_link_to_an_open_pipe_is_refused() -> None:
    ends = os.pipe()
    try:
        with pytest.raises(
            OSError, match="expected the path of a file, got a pipe or a device, which cannot be replaced"
        ):
            write_whole(f"/proc/self/fd/{ends[1]}", b"new")
    finally:
        for end in ends:
            os.close(end)


@pytest.mark.parametrize("path", [None, 5, b"file"])
def test_a_path_is_a_string_or_a_path(path: object) -> None:
    with pytest.raises(TypeError, match=re.escape(f"path must be a string or a pathlib.Path, got {path!r}")):
        write_whole(path, b"new")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"7", b"\xff\xfe\xfa", b"[" * 100_000, b"{" + b" " * 2000 + b"}", b"9" * 5000]
)
def test_damaged_json_is_named(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LONGEST_JSON", 1000 if b" " in content else 10**6)
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"a.json: expected a file with a JSON object, got a damaged or different one: "
    ):
        read_json(tmp_path / "a.json")
