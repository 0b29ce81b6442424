"""The lesson prints every number of a small convolution."""

from __future__ import annotations

from collections.abc import Callable
from subprocess import CompletedProcess as Done


def test_im2col_by_hand(run: Callable[..., Done]) -> None:
    printed = run("lessons/09_im2col_by_hand.py").stdout
    assert max(map(len, printed.splitlines())) <= 80
    for line in (
        "    patch at (0, 0)  [ 1 2 0 3 1 1 0 2 4 ]  x [  1 ]  = [  1 ]",  # 1 + 0 - 0 + 2*3 + 0 - 2*1 + 0 + 0 - 4
        "    patch at (2, 1)  [ 2 4 0 1 ]              [  9 ]",  # 2 + 2*4 + 3*0 - 1
        "    [ 2 4 4 2 ]          [  3  6  0  7 ]",  # number of patches that contain each pixel; dx
        "    dx[1,1] = dcols[0,3] + dcols[1,2] + dcols[3,1] + dcols[4,0]",
        "            = (-1) + 6 + 0 + 1 = 6",
        "Largest difference from the numbers above: none.",
    ):
        assert line in printed.splitlines()
