"""The lesson prints every number of a small convolution."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess as Done


def test_im2col_by_hand(run: Callable[..., Done], tmp_path: Path) -> None:
    printed = run("lessons/09_im2col_by_hand.py", "--out", tmp_path).stdout
    for line in (
        "patch at (0, 0)  [1 2 3 1]  x [ 1] = [13]",  # 1 + 2*2 + 3*3 - 1
        "patch at (2, 1)  [2 4 0 1]           [ 9]",  # 2 + 2*4 + 3*0 - 1
        " [2 4 4 2]",  # number of patches that contain each pixel of a row in the middle
        "dx[1, 1] = (-1) + (6) + (0) + (1) = 6",
        " [ 3  6  0  7]",  # its row of dx
        "equal to the definition: True",
        "largest differences from Conv2D in y, dx and dW: 0 0 0",
    ):
        assert line in printed.splitlines()
