from __future__ import annotations

import json
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
