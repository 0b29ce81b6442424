"""examples/gallery.py: the pictures of the manual's page on drawing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
MOST = 60_000  # bytes of a picture in the manual


@pytest.mark.slow
def test_it_draws_the_pictures_of_the_manual(run: Callable[..., Any], tmp_path: Path) -> None:
    page = (PICTURES.parent / "drawing.md").read_text(encoding="utf-8")
    shown = sorted(re.findall(r"\]\(pictures/(.*?)\)", page))
    printed = run("gallery.py", "--out", tmp_path).stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == shown
    assert all(f"  {name}\n" in printed for name in shown)
    for name in shown:
        kept, drawn = imread(PICTURES / name), imread(tmp_path / name)
        assert drawn.shape[1] == kept.shape[1]
        assert drawn.std() > 0.02, "the picture must not be blank"
        assert (PICTURES / name).stat().st_size < MOST
