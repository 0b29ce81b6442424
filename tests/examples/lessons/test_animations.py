"""Lessons save their animations, and notebooks play them."""

from __future__ import annotations

import base64
import sys
from pathlib import Path

import pytest
from lesson import Lesson
from matplotlib.animation import FuncAnimation
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image


@pytest.fixture
def animation() -> FuncAnimation:
    figure = Figure(figsize=(2, 1))
    (line,) = figure.subplots().plot([], [])

    def draw(frame: int) -> list[Line2D]:
        line.set_data([0, 1], [0, frame])
        return [line]

    return FuncAnimation(figure, draw, frames=3)


def test_a_script_saves_its_animation(
    animation: FuncAnimation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["99_moving.py", "--out", str(tmp_path / "out")])
    assert Lesson("99_moving").play(animation, "moving") is None
    assert capsys.readouterr().out == f"\nAnimation: {tmp_path / 'out' / 'moving'}.gif\n"
    with Image.open(tmp_path / "out" / "moving.gif") as gif:
        assert getattr(gif, "n_frames", 1) == 3


def test_a_notebook_plays_the_animation_and_saves_nothing(
    animation: FuncAnimation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "connection.json"])
    monkeypatch.chdir(tmp_path)
    player = Lesson("99_moving").play(animation, "moving")
    assert player is not None
    assert base64.b64decode(player._repr_html_().split("base64,")[1].split('"')[0]).startswith(b"GIF89a")
    assert repr(player) == "Player()"
    assert not list(tmp_path.iterdir())
