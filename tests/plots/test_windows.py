"""The pictures of windows: every number in them against a loop over pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tinydl import plots
from tinydl.layers import Conv2D


def board_at(figure: Figure, name: str, rows: int, columns: int) -> list[list[str]]:
    """The texts in the cells of the board below the caption `name`."""
    ax = figure.axes[0]
    corner = next(text.get_position() for text in ax.texts if text.get_text().startswith(name))
    inside = [text for text in ax.texts if (text.get_ha(), text.get_va()) == ("center", "center_baseline")]
    places = [tuple(round(at - 0.5, 3) for at in text.get_position()) for text in inside]
    found = dict(zip(places, (text.get_text() for text in inside), strict=True))
    x0 = round(corner[0], 3)
    tops = {y for x, y in found if x == x0 and y > corner[1]}
    y0 = min(tops)
    return [[found[round(x0 + j, 3), round(y0 + i, 3)] for j in range(columns)] for i in range(rows)]


def as_numbers(board: list[list[str]]) -> np.ndarray:
    return np.array([[float(text.replace("\N{MINUS SIGN}", "-")) for text in row] for row in board])


def framed(figure: Figure) -> list[tuple[float, float, float, float]]:
    """The thick frames: x, y, width, height."""
    patches = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle) and not patch.get_fill()]
    return [(*(round(v, 3) for v in p.get_xy()), p.get_width(), p.get_height()) for p in patches]


# --- im2col -----------------------------------------------------------------------------------------------------------


def windows_of(x: np.ndarray, size: tuple[int, int], strides: tuple[int, int]) -> np.ndarray:
    """Every window of a padded image (h, w, c) as a row, pixel by pixel."""
    h, w, c = x.shape
    rows = []
    for i in range(0, h - size[0] + 1, strides[0]):
        for j in range(0, w - size[1] + 1, strides[1]):
            rows.append([x[i + p, j + q, k] for p in range(size[0]) for q in range(size[1]) for k in range(c)])
    return np.array(rows)


@pytest.mark.parametrize(
    ("shape", "size", "strides", "padding", "around"),
    [
        ((6, 6, 1), (3, 3), (1, 1), "valid", ((0, 0), (0, 0))),
        ((4, 5, 1), (2, 3), (2, 1), "same", ((0, 0), (1, 1))),
        ((3, 4, 2), (2, 2), (1, 2), 1, ((1, 1), (1, 1))),
    ],
)
def test_im2col_numbers(shape: Any, size: Any, strides: Any, padding: Any, around: Any) -> None:
    figure = plots.im2col_diagram(shape, size, strides, padding)
    x = np.pad(np.arange(1, np.prod(shape) + 1).reshape(shape), (*around, (0, 0)))
    cols = windows_of(x, size, strides)
    np.testing.assert_array_equal(as_numbers(board_at(figure, "cols", *cols.shape)), cols)
    for channel in range(shape[2]):
        name = "x" if shape[2] == 1 else f"x, channel {channel}"
        np.testing.assert_array_equal(as_numbers(board_at(figure, name, *x.shape[:2])), x[..., channel])
    output = Conv2D(1, size, strides, padding).build(shape, np.random.default_rng(0), np.float32)[:2]
    np.testing.assert_array_equal(as_numbers(board_at(figure, "y", *output)).ravel(), np.arange(len(cols)))
    title = figure.axes[0].get_title()
    assert f"cols {len(cols)} x {cols.shape[1]}, y {output[0]} x {output[1]}" in title


def test_im2col_frames_the_windows_of_the_rows_it_frames() -> None:
    frames = framed(plots.im2col_diagram((6, 6), 3))
    windows = [(x, round(y - 1.9, 3)) for x, y, w, h in frames if (w, h) == (3, 3)]
    assert windows == [(0, 0), (1, 1), (3, 3)]
    rows = [round(y - 1.9, 3) for _, y, w, h in frames if (w, h) == (9, 1)]
    assert rows == [0 * 4 + 0, 1 * 4 + 1, 3 * 4 + 3]


def test_a_long_matrix_is_cut_in_the_middle() -> None:
    figure = plots.im2col_diagram((12, 12), 6)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts.count("\N{MIDLINE HORIZONTAL ELLIPSIS}") == 27 + 20 - 1
    assert "48" in texts, "the last row's number must be drawn"
    assert "cols 49 x 36" in figure.axes[0].get_title()


def test_numbers_that_would_be_too_small_are_left_out_and_that_is_said() -> None:
    figure = plots.im2col_diagram((60, 60), 3)
    assert "numbers left out" in figure.axes[0].get_title()
    assert all(text.get_fontsize() >= 4.4 for text in figure.axes[0].texts)


def test_titles_lie_inside_the_picture() -> None:
    figure = plots.im2col_diagram((40, 40, 1), 3)
    figure.draw_without_rendering()
    box, room = figure.axes[0].title.get_window_extent(), figure.bbox
    assert "numbers left out" in figure.axes[0].get_title()
    assert box.x0 >= room.x0
    assert box.x1 <= room.x1
    assert box.y1 <= room.y1


# --- pooling ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["max", "average"])
@pytest.mark.parametrize(
    ("shape", "size", "strides", "padding", "around"),
    [
        ((6, 6), (2, 2), None, "valid", (0, 0)),
        ((5, 7), (3, 2), (2, 1), "valid", (0, 0)),
        ((6, 4), (3, 3), (2, 2), 1, (1, 1)),
    ],
)
def test_pooling_numbers(kind: str, shape: Any, size: Any, strides: Any, padding: Any, around: Any) -> None:
    figure = plots.pooling_diagram(shape, size, strides, padding, kind=kind, seed=3)
    step = strides or size
    x = as_numbers(board_at(figure, "x", *shape))
    assert sorted(x.ravel()) == list(range(1, x.size + 1))
    oh, ow = ((shape[k] + 2 * around[k] - size[k]) // step[k] + 1 for k in (0, 1))
    dy = as_numbers(board_at(figure, "dy", oh, ow))
    assert set(np.abs(dy).ravel()) <= set(range(1, 10))
    y, dx = np.zeros((oh, ow)), np.zeros(shape)
    for i in range(oh):
        for j in range(ow):
            pixels = [
                (u, v)
                for u in range(i * step[0] - around[0], i * step[0] - around[0] + size[0])
                for v in range(j * step[1] - around[1], j * step[1] - around[1] + size[1])
                if 0 <= u < shape[0] and 0 <= v < shape[1]
            ]
            values = [x[pixel] for pixel in pixels]
            y[i, j] = max(values) if kind == "max" else sum(values) / len(values)
            for pixel in [pixels[int(np.argmax(values))]] if kind == "max" else pixels:
                dx[pixel] += dy[i, j] if kind == "max" else dy[i, j] / len(pixels)
    np.testing.assert_allclose(as_numbers(board_at(figure, "y", oh, ow)), y, rtol=5e-3)
    np.testing.assert_allclose(as_numbers(board_at(figure, "dx", *shape)), dx, rtol=5e-3, atol=1e-12)
    bold = {text.get_text() for text in figure.axes[0].texts if text.get_weight() == "bold"}
    assert kind == "average" or {f"{value:g}" for value in y.ravel()} <= bold


def test_the_same_seed_draws_the_same_numbers() -> None:
    def texts(seed: int) -> list[str]:
        return [text.get_text() for text in plots.pooling_diagram(seed=seed).axes[0].texts]

    assert texts(1) == texts(1) != texts(2)


# --- tiles ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "kernel", "padding", "output", "tile"),
    [((8, 8), 3, "same", (8, 8), 6), ((12, 9), 2, "valid", (11, 8), 5), ((5, 4), 3, "valid", (3, 2), 5)],
)
def test_tiles_cover_what_their_outputs_need(shape: Any, kernel: int, padding: str, output: Any, tile: int) -> None:
    figure = plots.tiles_diagram(shape, kernel, padding)
    m = tile + 1 - kernel
    frames = framed(figure)
    of_y = [(x, y - 1.4) for x, y, w, h in frames if (w, h) == (m, m)]
    across, down = -(-output[1] // m), -(-output[0] // m)
    right = min(x for x, _ in of_y)
    places = [(round((x - right) / m), round(y / m)) for x, y in of_y]
    assert places == [(j, i) for i in range(down) for j in range(across)]
    inputs = [
        (round(x), round(y - 1.4)) for x, y, w, _ in frames if tile - 0.6 < w <= tile
    ]  # some are drawn a little smaller
    picked = sorted({0, min(1, across - 1), (down > 1) * across + min(1, across - 1)})
    assert inputs == [(number % across * m, number // across * m) for number in picked]
    assert f"{tile**2} products instead of {m * m * kernel**2}" in figure.axes[0].get_title()
    assert f"{down} x {across} tiles" in figure.axes[0].get_title()


@pytest.mark.parametrize("inches", [7, 3.4, 2])
def test_numbers_of_tiles_fit_or_are_left_out(inches: float) -> None:
    figure = Figure(figsize=(inches, inches), layout="constrained")
    plots.tiles_diagram((60, 60), ax=figure.subplots())
    figure.draw_without_rendering()
    ax = figure.axes[0]
    numbers = [text for text in ax.texts if text.get_text().isdigit()]
    (x0, _), (x1, _) = ax.transData.transform([(0, 0), (4, 0)])  # the width of a tile
    assert all(text.get_window_extent().width < 0.97 * (x1 - x0) for text in numbers)
    assert bool(numbers) == (inches == 7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.im2col_diagram((6,)), r"image_shape must be \(height, width\) or .* got \(6,\)"),
        (lambda: plots.im2col_diagram((6, 0)), "image_shape must be an integer >= 1, got 0"),
        (lambda: plots.im2col_diagram((6, 65)), "image_shape must be at most 64 x 64, got 6 x 65"),
        (lambda: plots.im2col_diagram((6, 6, 4)), "at most 3 channels, got 4"),
        (lambda: plots.im2col_diagram((6, 6), 7), "must fit into the padded image, got height 7 for 6 pixels"),
        (lambda: plots.im2col_diagram((6, 6), padding="full"), "padding must be one of 'valid', 'same', got 'full'"),
        (lambda: plots.pooling_diagram((6, 6, 2)), "must have 1 channel, got 2"),
        (lambda: plots.pooling_diagram(kind="min"), "kind must be one of 'max', 'average', got 'min'"),
        (lambda: plots.pooling_diagram(seed=-1), "seed must be an integer >= 0, got -1"),
        (lambda: plots.tiles_diagram(kernel_size=5), "kernel_size must be 2 or 3, which have transforms, got 5 x 5"),
        (lambda: plots.tiles_diagram(kernel_size=(2, 3)), "kernel_size must be 2 or 3, .* got 2 x 3"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
