from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from tinydl import Model, layers, models
from tinydl.layers import (
    AuxiliaryHead,
    AveragePool2D,
    BatchNorm,
    Branches,
    Container,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    Layer,
    LeakyReLU,
    LocalResponseNorm,
    MaxPool2D,
    PadChannels,
    ReLU,
    Residual,
    Sequential,
    Tanh,
)
from tinydl.plots import diagram
from tinydl.plots.diagram import model_diagram
from tinydl.plots.layout import Box, Chain, Detour, Fork, Frame, Part, Placed, Plan, SideExit, page


def conv(filters: int, kernel_size: int = 3, strides: int = 1, *behind: Any) -> list[Any]:
    return [Conv2D(filters, kernel_size, strides, "same", use_bias=False), BatchNorm(), *behind]


def residual(filters: int, strides: int = 1, reshaped: bool = False) -> Residual:
    body = [*conv(filters, 3, strides, ReLU()), *conv(filters)]
    return Residual(body, conv(filters, 1, strides) if reshaped else None, "relu")


def resnet(blocks: int = 3, shape: tuple[int, int, int] = (8, 8, 3)) -> Model:
    stages = [
        residual(filters, 2 if filters > 4 and not block else 1, filters > 4 and not block)
        for filters in (4, 8, 16)
        for block in range(blocks)
    ]
    return Model([*conv(4, 3, 1, ReLU()), *stages, GlobalAveragePool2D(), Dense(10)], shape, name=f"resnet{blocks}")


def inception(width: int = 4) -> Branches:
    return Branches([
        Conv2D(width, 1),
        [Conv2D(width, 1, activation="relu"), Conv2D(width, 3, padding="same")],
        [MaxPool2D(3, 1, "same"), Conv2D(width, 1)],
    ])  # fmt: skip


def head() -> AuxiliaryHead:
    return AuxiliaryHead([AveragePool2D(2), Flatten(), Dense(20, "relu"), Dropout(0.7), Dense(10)], 0.3)


def inceptions() -> Model:
    blocks = [inception(), head(), inception(), inception(5), head(), inception(6)]
    layers = [Conv2D(8, 5, 2, "same", "relu"), LocalResponseNorm(), *blocks, GlobalAveragePool2D(), Dense(10)]
    return Model(layers, (16, 16, 3), name="inceptions")


def nested() -> Model:
    inner = Residual(Branches([conv(2), [residual(4), residual(4), Conv2D(2, 1)]]), None, "tanh")
    way = [AveragePool2D(1, 2), Residual([Conv2D(4, 1), head(), Tanh()]), PadChannels(6)]
    block = Residual([inner, Conv2D(6, 3, 2, "same"), head()], way)
    return Model([Conv2D(4, 1), block, Branches([head(), Dropout(0.1)]), Flatten(), Dense(3)], (8, 8, 4))


class Block(Sequential):
    """A user's subclass of Sequential."""


class Twice(Container):
    """A composite whose computation the diagram cannot know."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = Dense(4), Sequential([Dense(4), Tanh()])

    def sublayers(self) -> list[Any]:
        return [self.first, self.second]

    def build(self, input_shape: Any, rng: Any, dtype: Any) -> Any:
        super().build(input_shape, rng, dtype)
        self.name_sublayers()
        self.output_shape = self.second.build(self.first.build(input_shape, rng, dtype), rng, dtype)
        return self.output_shape


def own() -> Model:
    shared = Dense(4, "relu")
    return Model([Block([Dense(4), Block([Dense(5), LeakyReLU(0.3)])]), Twice(), Dense(4), shared, shared], 4)


def long() -> Model:
    return Model([layer for n in range(60) for layer in (Dense(3 + n % 50), Dropout(0.2))], 3)


MODELS: dict[str, Callable[[], Model]] = {
    "vanilla": lambda: models.vanilla_autoencoder(29),
    "contractive": lambda: models.contractive_autoencoder(29),
    "cifar_cnn": models.cifar_cnn,
    "resnet": resnet,
    "deep resnet": lambda: resnet(20),
    "inceptions": inceptions,
    "nested": nested,
    "own": own,
    "long": long,
}


def lines_of(box: Box) -> str:
    return " / ".join((*box.lines, box.shape, *map(str, box.parameters)))


def drawn(model: Model, collapse: bool | None = None) -> list[str]:
    return [lines_of(placed.box) for placed in diagram._laid_out(model, collapse).boxes if placed.box]


# --- geometry -------------------------------------------------------------------------------------------------------


def apart(a: Placed, b: Placed) -> bool:
    """Whether two rectangles share at most an edge."""
    across = a.x + a.width <= b.x + 1e-9 or b.x + b.width <= a.x + 1e-9
    return across or a.y + a.height <= b.y + 1e-9 or b.y + b.height <= a.y + 1e-9


def within(a: Placed, b: Placed) -> bool:
    return (
        b.x <= a.x + 1e-9
        and b.y <= a.y + 1e-9
        and a.x + a.width <= b.x + b.width + 1e-9
        and a.y + a.height <= b.y + b.height + 1e-9
    )


def check_geometry(plan: Plan) -> None:
    whole = Placed(0, 0, plan.right, plan.height)
    assert all(within(placed, whole) for placed in [*plan.boxes, *plan.frames])
    for a, b in combinations(plan.boxes, 2):
        assert apart(a, b), (a, b)
    for frame in plan.frames:
        for other in [*plan.boxes, *plan.frames]:
            assert apart(frame, other) or within(other, frame) or within(frame, other), (frame, other)
    for line in plan.lines:
        pieces = list(zip(line.points, line.points[1:], strict=False))
        for (x0, y0), (x1, y1) in pieces:
            assert (abs(x0 - x1) < 1e-9) != (abs(y0 - y1) < 1e-9), "a segment must run along x or y, and not be a point"
            piece = Placed(min(x0, x1), min(y0, y1), abs(x0 - x1), abs(y0 - y1))
            assert within(piece, whole)
            for placed in plan.boxes:
                assert apart(piece, shrunk(placed)), (line, placed)
        if line.arrow:
            assert any(at_edge(line.points[-1], placed) for placed in plan.boxes), line


def shrunk(p: Placed) -> Placed:
    return Placed(p.x + 1e-6, p.y + 1e-6, p.width - 2e-6, p.height - 2e-6)


def at_edge(point: tuple[float, float], placed: Placed) -> bool:
    dot = Placed(*point, 0, 0)
    return within(dot, placed) and apart(dot, shrunk(placed))


@pytest.mark.parametrize("collapse", [None, True, False])
@pytest.mark.parametrize("name", MODELS)
def test_nothing_overlaps(name: str, collapse: bool | None) -> None:
    check_geometry(diagram._laid_out(MODELS[name](), collapse))


def a_box(width: int, height: int) -> Box:
    return Box("dense", (str(width), str(height)))


def a_size(box: Box) -> tuple[float, float]:
    return int(box.lines[0]) / 10, int(box.lines[1]) / 10


BOXES = st.builds(a_box, st.integers(1, 30), st.integers(1, 9))


def containers(parts: st.SearchStrategy[Part]) -> st.SearchStrategy[Part]:
    several = st.lists(parts, min_size=1, max_size=4).map(tuple)
    return st.one_of(
        st.builds(Chain, several),
        st.builds(Fork, several, BOXES),
        st.builds(Detour, parts, st.none() | parts, BOXES),
        st.builds(SideExit, parts),
        st.builds(Frame, parts, st.builds(a_box, st.integers(1, 30), st.just(2)), st.just(a_box(3, 2))),
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(st.recursive(BOXES, containers, max_leaves=12), min_size=1, max_size=12))
@pytest.mark.slow
def test_nothing_overlaps_however_parts_are_nested(parts: list[Part]) -> None:
    check_geometry(page(Chain((a_box(5, 2), *parts)), a_size))


@pytest.mark.parametrize(("boxes", "columns"), [(1, 1), (12, 2), (40, 4), (43, 4), (200, 10)])
def test_columns_are_even_and_no_more_than_needed(boxes: int, columns: int) -> None:
    plan = page(Chain(tuple(a_box(15, 5) for _ in range(boxes))), a_size)
    in_column = np.bincount(np.unique([placed.x for placed in plan.boxes], return_inverse=True)[1])
    assert len(in_column) == columns
    assert sum(in_column) == boxes
    assert max(in_column) == -(-boxes // columns)
    assert plan.height <= max(8, 0.9 * plan.right)


# --- contents -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("collapse", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_all_parameters_are_in_some_box(name: str, collapse: bool) -> None:
    model = MODELS[name]()
    chain = diagram._read(model.root)
    assert diagram._count(diagram._collapsed(chain) if collapse else chain) == model.parameters.size


def test_boxes_tell_what_a_layer_is() -> None:
    layers = [
        Conv2D(4, (3, 5), (2, 1), "same", "relu"), Conv2D(4, 1, use_bias=False), BatchNorm(), ReLU(),
        BatchNorm(activation="relu"), Tanh(), MaxPool2D(2), LocalResponseNorm(3), Flatten(),
        Dense(5, "linear"), LeakyReLU(0.3), BatchNorm(), Dropout(0.25), ReLU(), Dense(4),
    ]  # fmt: skip
    assert drawn(Model(layers, (8, 8, 2))) == [
        "input 8x8x2 / ",
        "Conv2D 4, 3x5 / 2x1, relu / 4x8x4 / 124",
        "Conv2D 4, 1x1 / BatchNorm, ReLU / 4x8x4 / 16 / 8",
        "BatchNorm, relu / Tanh / 4x8x4 / 8",
        "MaxPool2D 2x2 / 2 / 2x4x4",
        "LocalResponseNorm 3 / 2x4x4",
        "Flatten / 32",
        "Dense 5 / LeakyReLU 0.3 / 5 / 165",
        "BatchNorm / 5 / 10",
        "Dropout 0.25 / 5",
        "ReLU / 5",
        "Dense 4 / 4 / 24",
    ]


class OfUsers(Conv2D):
    """A layer outside tinydl."""


class Mine(Layer):
    """A layer outside tinydl, of a kind that has no color."""

    def forward(self, x: np.ndarray, training: bool = False) -> np.ndarray:
        return x


def test_a_box_has_the_colour_of_its_layers_module() -> None:
    model = Model(
        [Conv2D(4, 3), OfUsers(4, 3), BatchNorm(), MaxPool2D(2), Mine(), Flatten(), Dropout(0.1), Dense(3)], (8, 8, 2)
    )
    kinds = [placed.box.kind for placed in diagram._laid_out(model, None).boxes if placed.box]
    assert kinds == ["input", "conv", "conv", "pooling", "", "reshape", "noise", "dense"]
    colours = {to_hex(patch.get_edgecolor()).upper() for patch in model_diagram(model).axes[0].patches}
    assert {diagram.COLOURS[kind] for kind in ("conv", "pooling", "noise", "dense")} | {diagram.GREY} <= colours


def test_the_modules_that_have_a_colour_exist() -> None:
    kinds = set(diagram.COLOURS) - {"loss", "joint", "input"}
    assert kinds <= {kind.__module__.rpartition(".")[2] for kind in vars(layers).values() if isinstance(kind, type)}


def test_composites_of_users() -> None:
    plan = diagram._laid_out(own(), None)
    assert [lines_of(placed.box) for placed in plan.boxes if placed.box and placed.box.kind != "label"] == [
        "input 4 / ",
        "Dense 4 / 4 / 20",
        "Dense 5 / LeakyReLU 0.3 / 5 / 25",
        "Twice / 3 layers inside / 4 / 44",
        "Dense 4 / 4 / 20",
        "Dense 4, relu / 4 / 20",
        "Dense 4, relu, shared / 4",
    ]
    titles = [placed.box.lines[0] for placed in plan.boxes if placed.box and placed.box.kind == "label"]
    assert titles == ["Block", "", "Block", ""]
    assert len(plan.frames) == 2
    assert within(plan.frames[1], plan.frames[0])


def test_the_contractive_encoder_is_one_box() -> None:
    assert drawn(models.contractive_autoencoder(29))[1] == "Dense 40, relu / ContractivePenalty 1e-05 / 40 / 1200"


def arrows_into(plan: Plan, text: str) -> list[int]:
    """The number of arrows that end at each box whose first line is `text`."""
    return [
        sum(line.arrow and at_edge(line.points[-1], placed) for line in plan.lines)
        for placed in plan.boxes
        if placed.box and placed.box.lines[0] == text
    ]


def lines_from(plan: Plan, text: str) -> int:
    (placed,) = [placed for placed in plan.boxes if placed.box and placed.box.lines[0] == text]
    return sum(at_edge(line.points[0], placed) for line in plan.lines)


def test_branches_and_shortcuts_join() -> None:
    plan = diagram._laid_out(resnet(), False)
    assert arrows_into(plan, "+ relu") == [2] * 9
    assert arrows_into(plan, "Conv2D 8, 1x1 / 2") == [1]
    linear = Model([Residual(Dense(3)), Residual(Dense(3), activation="linear")], 3)
    assert arrows_into(diagram._laid_out(linear, None), "+") == [2, 2]
    plan = diagram._laid_out(inceptions(), None)
    assert arrows_into(plan, "concat 8x8x12") == [3, 3]
    assert arrows_into(plan, "concat 8x8x15") == [3]


def test_an_auxiliary_head_does_not_come_back() -> None:
    plan = diagram._laid_out(Model([Dense(4), AuxiliaryHead(Dense(3), 0.3), Dense(3, "tanh")], 4), None)
    assert arrows_into(plan, "loss x 0.3") == [1]
    assert lines_from(plan, "loss x 0.3") == 0
    assert arrows_into(plan, "Dense 3, tanh") == [1]


def test_equal_blocks_are_drawn_once() -> None:
    texts = drawn(resnet(20), True)
    assert texts.count("x 20 / ") == 1
    assert texts.count("x 19 / ") == 2
    assert "304 each / " in texts  # two convolutions of 4 x 4 x 9, and 8 for each normalization
    assert drawn(resnet(20)) == texts, "collapsed by default if the page would be too large"
    assert "x 2 / " not in drawn(resnet(3))
    assert drawn(resnet(3), True).count("x 2 / ") == 2
    dense = Model([Dense(4), Dense(4), Dense(5), Dense(5), Dense(5), Dense(5)], 4)
    assert [text for text in drawn(dense, True) if text.startswith("x")] == ["x 3 / "], "one Dense(5) has only 4 inputs"


# --- the picture ----------------------------------------------------------------------------------------------------


def words(figure: Figure) -> list[Text]:
    return [text for text in figure.axes[0].texts if text.get_text()]


@pytest.mark.parametrize("name", ["vanilla", "cifar_cnn", "resnet", "deep resnet", "inceptions", "own"])
@pytest.mark.slow
def test_rendered_text_is_in_its_box(name: str, tmp_path: Path) -> None:
    path = tmp_path / "diagram.png"
    model = MODELS[name]()
    figure = model_diagram(model, path)
    plan = diagram._laid_out(model, None)
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(120)
    canvas.draw()
    height = figure.bbox.height
    ax = figure.axes[0]
    assert np.ptp(ax.transData.transform([(0, 0), (1, 0)])[:, 0]) == pytest.approx(120), "one unit must be an inch"
    assert np.ptp(ax.transData.transform([(0, 0), (0, 1)])[:, 1]) == pytest.approx(120)
    rectangles = []
    for text in words(figure):
        b = text.get_window_extent(canvas.get_renderer())
        assert b.x0 >= 0
        assert b.y0 >= 0
        assert b.x1 <= figure.bbox.width
        (x0, y1), (x1, y0) = ax.transData.inverted().transform([(b.x0, b.y0), (b.x1, b.y1)])
        rectangles.append(Placed(x0, y0, x1 - x0, y1 - y0))
        if text.get_text().startswith("in each box"):
            continue
        assert sum(within(rectangles[-1], placed) for placed in plan.boxes) == 1, text
        assert text.get_fontsize() >= 6.5
    for a, b in combinations(rectangles, 2):
        assert apart(a, b) or min(a.y + a.height - b.y, b.y + b.height - a.y) < 0.02, "lines may touch but not overlap"
    suptitle, title = figure._suptitle.get_window_extent(), ax.title.get_window_extent()  # type: ignore[attr-defined]
    assert height > suptitle.y1
    assert suptitle.y0 > title.y1
    assert min(suptitle.x0, title.x0) > 0
    assert title.y0 > max(text.get_window_extent().y1 for text in words(figure))
    pixels = imread(path)
    assert pixels.shape[:2] == (round(height), round(figure.bbox.width)) or abs(pixels.shape[0] - height) <= 1
    assert pixels.std() > 0.02
    assert [file.name for file in tmp_path.iterdir()] == ["diagram.png"]


def test_the_title_says_name_input_parameters_and_source() -> None:
    source = "SYNTHETIC rows; " + "a long tale about where they are from" * 2
    figure = model_diagram(models.vanilla_autoencoder(29), source=source)
    assert figure.get_suptitle() == "vanilla_autoencoder"
    title = figure.axes[0].get_title()
    assert title.startswith("input 29, 2,389 parameters\nSYNTHETIC rows\n")
    figure.canvas.draw()
    extent = figure.axes[0].title.get_window_extent()
    assert extent.x0 > 0
    assert extent.y1 < figure._suptitle.get_window_extent().y0  # type: ignore[attr-defined]
    assert extent.y0 > max(text.get_window_extent().y1 for text in words(figure))


def test_a_strange_name_is_no_formula() -> None:
    figure = model_diagram(Model(Dense(1), 2, name="costs $a$_b^$"))
    figure.canvas.draw()
    assert figure.get_suptitle() == "costs $a$_b^$"


def test_the_page_follows_the_content() -> None:
    small, large = (model_diagram(model).get_size_inches() for model in (models.vanilla_autoencoder(5), resnet()))
    assert (small < 4).all()
    assert (large > 2 * small).all()
    assert (model_diagram(resnet(20)).get_size_inches() < (19, 15)).all()


def test_the_model_is_left_alone() -> None:
    model = resnet()
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    before = model.predict(x)
    model_diagram(model)
    np.testing.assert_array_equal(model.predict(x), before)


@pytest.mark.parametrize("wrong", [None, "model", Dense(3), Sequential([Dense(3)]), [Dense(3)]], ids=repr)
def test_refuses_what_is_no_built_model(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"model_diagram: expected a Model, got .*: wrap layers as Model"):
        model_diagram(wrong)


def test_refuses_a_wrong_collapse() -> None:
    with pytest.raises(ValueError, match="model_diagram: collapse must be True or False, got 'yes'"):
        model_diagram(models.vanilla_autoencoder(5), collapse="yes")  # type: ignore[arg-type]
