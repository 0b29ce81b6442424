"""show_config: one aligned block with the facts that a bug report needs."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import tinydl
from tinydl.__main__ import main
from tinydl.kernels import using
from tinydl.kernels.machine import cache, processor


def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    tinydl.show_config()
    lines = capsys.readouterr().out.splitlines()
    at = max(len(line.split("  ")[0]) for line in lines)
    assert all(line[at : at + 2] == "  " != line[at + 2 : at + 4] for line in lines), "the values must form one column"
    return {line[:at].strip(): line[at + 2 :] for line in lines}


def test_names_versions_threads_and_the_folder_of_kernels(capsys: pytest.CaptureFixture[str]) -> None:
    rows = shown(capsys)
    assert rows["tinydl"].split() == [tinydl.__version__, "in", str(Path(tinydl.__file__).parent)]
    assert rows["numpy"] == np.__version__
    assert rows["threads"] == str(tinydl.num_threads())
    assert str(cache.folder()) in rows["kernels"]
    assert "BLAS" in rows


def test_says_which_kernels_run(capsys: pytest.CaptureFixture[str]) -> None:
    with using("reference"):
        assert shown(capsys)["kernels"].startswith("reference")


def test_counts_kept_kernels(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cache, "folder", lambda: tmp_path)
    for name in ("a.nbc", "b.nbc"):
        (tmp_path / name).write_bytes(bytes(1_000_000))
    assert shown(capsys)["kernels"].endswith(f"{tmp_path} (2 files, 2 MB)")


def test_a_folder_that_cannot_be_is_empty(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cache, "folder", lambda: Path(os.devnull) / "kernels")
    assert shown(capsys)["kernels"].endswith("(0 files, 0 MB)")


def test_shows_settings_and_no_other_variables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    monkeypatch.setenv("TINYDL_DATA", "/some/folder")
    monkeypatch.setenv("UNRELATED_TOKEN", "secret")
    rows = shown(capsys)
    assert rows["OPENBLAS_CORETYPE"] == "Haswell"
    assert rows["TINYDL_DATA"] == "/some/folder"
    assert "secret" not in rows.values()


@pytest.mark.parametrize("sentence", [None, "OpenBLAS runs its code for Haswell"])
def test_warns_of_old_code_in_blas(
    sentence: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(processor, "old_code_in_use", lambda cores: list(cores) and sentence)
    assert shown(capsys).get("warning") == sentence


def test_the_command_prints_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    tinydl.show_config()
    expected = capsys.readouterr().out
    assert main(["info"]) == 0
    assert capsys.readouterr().out == expected


def test_names_what_is_not_installed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("tinydl.config.PACKAGES", ("numpy", "no-such-package"))
    assert shown(capsys)["no-such-package"] == "not installed"
