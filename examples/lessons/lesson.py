"""The place of a lesson's pictures and animations: --out in a script, the page itself in a notebook."""

from __future__ import annotations

import argparse
import base64
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from matplotlib.animation import Animation, PillowWriter
from matplotlib.figure import Figure

from tinydl.files import write_whole
from tinydl.plots.style import save


class Lesson:
    """One run of a lesson: its options and its pictures.

    name    the lesson's file name without .py, such as "01_a_neuron_by_hand"
    out     the folder of the pictures, runs/lessons/NAME or --out; None in a notebook, which shows pictures itself
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.out: Path | None = None
        if Path(sys.argv[0]).stem != name:  # a notebook's kernel runs the cells
            return
        parser = argparse.ArgumentParser(
            description=sys.modules["__main__"].__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        place = Path("runs", "lessons", name)
        parser.add_argument("--out", type=Path, default=place, help=f"folder of the pictures (default: {place})")
        self.out = parser.parse_args().out
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError:
            parser.error(f"--out must be a folder that can be written to, got {self.out}")

    def show(self, figure: Figure, name: str) -> Figure:
        """Save the picture as NAME.png if the lesson runs as a script, and return it, for the notebook to show."""
        if self.out is not None:
            save(figure, self.out / f"{name}.png")
            print(f"\nPicture: {self.out / name}.png")
        return figure

    def play(self, animation: Animation, name: str) -> Player | None:
        """Save the animation as NAME.gif if the lesson runs as a script, else return it, for the notebook to play."""
        with TemporaryDirectory() as folder:
            draft = Path(folder, "draft.gif")
            animation.save(draft, writer=PillowWriter(fps=5), dpi=80)
            gif = draft.read_bytes()
        if self.out is None:
            return Player(gif)
        write_whole(self.out / f"{name}.gif", gif)
        print(f"\nAnimation: {self.out / name}.gif")
        return None


@dataclass
class Player:
    """An animation that a notebook plays on its page."""

    gif: bytes = field(repr=False)

    def _repr_html_(self) -> str:
        return f'<img style="max-width: 100%" src="data:image/gif;base64,{base64.b64encode(self.gif).decode("ascii")}">'
