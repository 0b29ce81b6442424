"""`python -m tinydl draw`: files, formats, refusals."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tinydl.__main__ import main
from tinydl.commands import draw

ROOT = Path(__file__).parents[2]
STARTS = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
EXAMPLES = re.findall(r"python -m tinydl draw (.*)", draw.DESCRIPTION)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", EXAMPLES)
def test_the_examples_in_the_help_run(line: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw", *line.split()]) == 0
    (file,) = folder.iterdir()
    assert capsys.readouterr().out == f"Wrote {file.name}\n"
    assert file.read_bytes().startswith(STARTS[file.suffix])
    assert "--out" in line or file.name == f"{line.split()[0]}.png"


def test_every_picture_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw"]) == 0
    text = capsys.readouterr().out
    for name in ("im2col", "pooling", "receptive-field", "tiles"):
        assert f"  python -m tinydl draw {name} " in text
        with pytest.raises(SystemExit):
            main(["draw", name, "--help"])
        assert f"  python -m tinydl draw {name} " in capsys.readouterr().out


@pytest.mark.parametrize("suffix", STARTS)
def test_the_suffix_gives_the_format_and_the_same_command_the_same_bytes(suffix: str, folder: Path) -> None:
    for name in ("a", "b"):
        assert main(["draw", "tiles", "--out", f"{name}{suffix}"]) == 0
    content = (folder / f"a{suffix}").read_bytes()
    assert content.startswith(STARTS[suffix])
    assert content == (folder / f"b{suffix}").read_bytes()


def test_a_file_that_exists_is_replaced_only_with_overwrite(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "im2col.png"
    file.write_bytes(b"mine")
    assert main(["draw", "im2col"]) == 2
    assert capsys.readouterr().err == "draw im2col: im2col.png exists: choose another --out, or pass --overwrite\n"
    assert file.read_bytes() == b"mine"
    assert main(["draw", "im2col", "--overwrite"]) == 0
    assert file.read_bytes().startswith(STARTS[".png"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("im2col --image 6", "argument --image: must be HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS, such as 6x6x1, got '6'"),
        ("im2col --kernel 3,3", "argument --kernel: must be a number or HEIGHTxWIDTH, such as 3x3, got '3,3'"),
        ("im2col --padding full", "argument --padding: must be valid, same, or a number of pixels, got 'full'"),
        ("im2col --kernel 9", "draw im2col: the window must fit into the padded image, got height 9 for 6 pixels"),
        ("im2col --stride 0", "draw im2col: --stride must be an integer >= 1, got 0"),
        ("im2col --out a.jpg", "draw im2col: --out must end in .png, .svg, .pdf, got 'a.jpg'"),
        ("pooling --kind min", "argument --kind: invalid choice: 'min'"),
        ("pooling --image 6x6x3", "draw pooling: --image must have 1 channel, got 3"),
        ("receptive-field", "one of the arguments --model --layers is required"),
        ("receptive-field --layers 3x3,", "must be a list of SIZE or SIZE/STRIDE, such as 3x3,3x3/2, got ''"),
        ("receptive-field --layers 3 --layer a", "draw receptive-field: --layer goes with --model"),
        ("receptive-field --model lenet5 --image 9x9", "draw receptive-field: --image goes with --layers"),
        ("receptive-field --model lenet5 --layer a", "draw receptive-field: --layer must be one of 'conv2d_1', "),
        ("receptive-field --model lenet5 --unit 9,9", "draw receptive-field: --unit must lie in the output of"),
        ("receptive-field --model lenet5 --unit 9", "argument --unit: must be ROW,COLUMN, such as 0,3, got '9'"),
        ("receptive-field --model lenet", "argument --model: invalid choice: 'lenet'"),
        ("im2col --image 65x6", "draw im2col: --image must be at most 64 x 64, got 65 x 6"),
        ("receptive-field --layers 3/0", "draw receptive-field: --layers: strides must be an integer >= 1, got 0"),
        ("tiles --kernel 5", "draw tiles: --kernel must be 2 or 3, which have transforms, got 5 x 5"),
    ],
)
def test_refusals_say_what_to_do_and_write_nothing(
    line: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["draw", *line.split()])
    except SystemExit as stop:
        code = int(stop.code or 0)
    assert code == 2
    assert message in capsys.readouterr().err
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_without_a_display(folder: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "MPLBACKEND")}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-m", "tinydl", "draw", "pooling"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "Wrote pooling.png\n"
    assert (folder / "pooling.png").exists()
