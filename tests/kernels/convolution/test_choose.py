"""The choice of a convolution's method: the table, and methods forced for a call or for a process."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tinydl import kernels
from tinydl.kernels import Window
from tinydl.kernels.convolution import choose
from tinydl.kernels.convolution.choose import WAYS, Convolution, way_for

SAME = ((1, 1), (1, 1))
NAMES = "winograd_blocks_6, winograd_blocks_5, winograd_6, winograd_5, direct, patches"


def convolution(
    size: int, c: int, f: int, side: int, strides: int = 1, need_dx: bool = True, n: int = 32
) -> Convolution:
    return Convolution(Window((size, size), (strides, strides), SAME), c, f, (n, side, side, f), need_dx)


TABLE = [
    ("direct", convolution(3, 3, 32, 32, need_dx=False)),  # a first layer
    ("direct", convolution(5, 1, 6, 28, need_dx=False)),  # LeNet-5's layers
    ("direct", convolution(5, 6, 16, 10)),
    ("direct", convolution(5, 16, 24, 32)),
    ("patches", convolution(5, 16, choose.LANES + 1, 32)),  # most of the second vector would be empty
    ("direct", convolution(3, 3, 33, 32)),  # but patches of so few channels take longer
    ("winograd_6", convolution(3, 64, 64, 32)),  # as in VGG and ResNet
    ("winograd_5", convolution(2, 16, 16, 32)),
    ("winograd_5", convolution(3, 64, 64, 9)),  # 9 tiles of 5x5, or 9 of 6x6
    ("winograd_6", convolution(3, 512, 512, 14)),
    ("winograd_blocks_6", convolution(3, 512, 512, 14, n=2)),  # many channels, few tiles
    ("patches", convolution(3, 512, 512, 4, n=2)),  # 32 pixels for 2 million weights
    ("winograd_blocks_6", convolution(3, 256, 256, 4, n=128)),  # 128 tiles of 6x6, though 512 of 5x5
    ("winograd_blocks_5", convolution(2, 512, 512, 14, n=2)),
    ("direct", convolution(5, 16, 32, 32)),
    ("direct", convolution(3, 32, 64, 32, strides=2)),
    ("patches", convolution(5, 96, 256, 27)),  # W is too large to stay in the cache
    ("patches", convolution(1, 64, 64, 32)),
    ("direct", convolution(3, 1, 16, 28, need_dx=False)),
]


@pytest.mark.parametrize(("way", "conv"), TABLE)
def test_the_table(way: str, conv: Convolution) -> None:
    assert way_for(conv) is WAYS[way]


def test_every_way_is_the_fastest_somewhere_and_the_last_can_always() -> None:
    assert {way for way, _ in TABLE} == set(WAYS)
    *_, last = WAYS.values()
    assert all(last.can(conv) and last.faster(conv) for _, conv in TABLE)


def run(way: str | None) -> None:
    """Forward and backward of a 5x5 kernel, which has no Winograd transform."""
    x, W, window = np.ones((1, 6, 7, 16)), np.ones((5, 5, 16, 16)), Window((5, 5))
    y = kernels.convolution.forward(x, W, None, window, kernels.RELU, way)
    kernels.convolution.backward(y, x, W, y, window, kernels.RELU, np.zeros_like(W), None, True, way=way)


@pytest.mark.parametrize("way", ["direct", "patches"])
def test_a_way_can_be_forced(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    for each in WAYS.values():
        for function in ("forward", "backward"):
            text = f"{each.module.__name__.rpartition('.')[2]}.{function}"
            monkeypatch.setattr(each.module, function, lambda *_, text=text: seen.append(text))
    run(way)
    assert seen == [f"{way}.forward", f"{way}.backward"]


def test_a_forced_way_that_cannot_is_refused_with_those_that_can() -> None:
    expected = r"^convolution: way must be one of direct, patches for Convolution\(.*\), got 'winograd_6'$"
    with pytest.raises(ValueError, match=expected):
        run("winograd_6")
    expected = f"^convolution: way: expected one of {NAMES}, got 'im2col'$"
    with pytest.raises(ValueError, match=expected):
        run("im2col")


def table_with(value: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """choose.py as loaded in a process with TINYDL_CONVOLUTION set to `value`."""
    monkeypatch.setenv("TINYDL_CONVOLUTION", value)
    spec: Any = importlib.util.spec_from_file_location("tinydl.kernels.convolution.choose_again", choose.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("way", WAYS)
def test_the_environment_forces_a_way_wherever_it_can(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    again = table_with(way, monkeypatch)
    for usual, conv in TABLE:
        assert again.way_for(conv) is again.WAYS[way if WAYS[way].can(conv) else usual]
        assert again.way_for(conv, "patches") is again.WAYS["patches"]  # an argument overrides it


def test_the_environment_may_be_empty_and_other_names_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    again = table_with("", monkeypatch)
    assert all(again.way_for(conv) is again.WAYS[way] for way, conv in TABLE)
    expected = f"^TINYDL_CONVOLUTION: expected one of {NAMES}, got 'fast'$"
    with pytest.raises(ValueError, match=expected):
        table_with("fast", monkeypatch)


def test_a_process_takes_the_way_that_is_forced() -> None:
    script = """
        import numpy as np
        from tinydl.kernels.convolution import direct, patches, winograd, winograd_blocks
        from tinydl.layers import Conv2D
        for module in (direct, patches, winograd, winograd_blocks):
            module.forward = lambda *_, module=module: print(module.__name__)
        for layer in (Conv2D(32, 3), Conv2D(32, 3, strides=2)):
            layer.build((8, 8, 32), np.random.default_rng(0), np.float32)
            layer.forward(np.ones((1, 8, 8, 32), np.float32))
    """
    environment = {**os.environ, "TINYDL_KERNELS": "compiled", "TINYDL_CONVOLUTION": "winograd_blocks_6"}
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment, capture_output=True, text=True, check=False
    )
    names = [f"tinydl.kernels.convolution.{way}" for way in ("winograd_blocks", "direct")]  # strides 2: not Winograd
    assert process.stdout.split() == names, process.stderr
