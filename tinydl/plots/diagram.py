"""The block diagram of a model, as in papers: boxes, arrows, branches and shortcuts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import chain, groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from tinydl import arguments, layers
from tinydl.files import PathLike
from tinydl.layer import Layer, Shape
from tinydl.network import Network, chained

from .board import cell_points, tint
from .layout import Box, Chain, Detour, Fork, Frame, Line, Part, Placed, Plan, SideExit, Size, page
from .style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, SKY, VERMILION, Picture, finish, points

NAME, SMALL, TITLE, FACTS = 8.0, 7.0, 14.0, 12.0  # text sizes in points (the last is that of axes titles)
LINE, LAST, MARGIN = 0.145, 0.14, 0.055  # heights in inches: a line, the last line, the space above and below
EDGE = 0.25  # inches around the page
TOP = 0.16  # inches between the title and the drawing
KEY = "in each box: output shape, parameters"
LARGEST = (18.0, 14.0)  # inches: on a larger page, equal blocks are collapsed

COLOURS = {  # by a layer's module in tinydl.layers, or by the kind of another box
    "conv": BLUE, "dense": VERMILION, "pooling": ORANGE, "normalization": GREEN, "activations": SKY,
    "noise": PURPLE, "penalties": PURPLE, "loss": PURPLE, "joint": INK, "input": INK,
}  # fmt: skip
PLAIN = ("joint", "input", "loss", "label")  # boxes of one line, as wide as their text
TELLING = ("filters", "units", "channels", "size", "rate", "stddev", "negative_slope", "rho", "factor")


def model_diagram(
    model: Network, path: PathLike | None = None, source: str | None = None, *, collapse: bool | None = None,
    ax: Axes | None = None,
) -> Figure:  # fmt: skip
    """Draw a model's layers as boxes and the flow between them as arrows, from top to bottom, then column by column.

    A box names the layer, its main hyper-parameters ("Conv2D 64, 3x3 / 2": filters, kernel, stride) and any built-in
    activation; below, the output shape is on the left and the number of parameters, if any, on the right.
    BatchNorm and activations directly after a layer with parameters share its box, with their parameters after a "+".
    A Residual is drawn as its body, with its shortcut as a line around the body to a "+". Branches stand side by side
    and join at "concat". An AuxiliaryHead stands beside the flow. Any other composite with its own forward is one box.

    collapse  draw a run of equal blocks (the same layers, hyper-parameters and shapes) once, with "x 17" on a frame;
              by default only if the page would otherwise not fit on a screen
    source    the name of the data, added to the title
    ax        axes to draw on, with the texts as small as the drawing then is; by default a figure of the needed size

    TypeError: model is not a Model (wrap a layer as Model(layer, input_shape)).
    """
    if not isinstance(model, Network):
        raise TypeError(f"model_diagram: expected a Model, got {model!r}: wrap layers as Model(layers, input_shape)")
    if collapse is not None:
        collapse = arguments.flag("model_diagram", "collapse", collapse)
    plan = _laid_out(model, collapse)
    with_norm = any(placed.box and len(placed.box.parameters) > 1 for placed in plan.boxes)
    key = KEY + (" (+ those of BatchNorm)" if with_norm else "")
    facts = f"input {_shape(model.input_shape)}, {model.parameters.size:,} parameters"
    name = arguments.shown(model.name)  # fonts have no control characters
    widths = (plan.right, _width(name, TITLE, "bold"), _width(facts, FACTS), _width(key, SMALL))
    width = max(widths) + 2 * EDGE
    foot = plan.height + 0.22  # the key's position
    left = (width - plan.right) / 2
    limits: dict[str, Any] = {"xlim": (-left, width - left), "ylim": (foot + EDGE, -TOP)}
    if ax is not None:
        ax.set(**limits, aspect="equal", anchor="N")
        ax.set_axis_off()
        ax.set_title(f"{name}: {facts}", fontsize=points(ax, FACTS), parse_math=False)
        _draw(ax, plan, key, foot, shrink=cell_points(ax) / 72)
        return finish(ax.figure.figure, source, path)
    figure = Picture(figsize=(width, 1))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    ax.set_title(facts, pad=0)
    finish(figure, source, None)  # may add lines to the title
    titles = 0.36 + 0.21 * (ax.get_title().count("\n") + 1)
    height = titles + TOP + foot + EDGE
    figure.set_size_inches(width, height)
    figure.suptitle(name, fontsize=TITLE, fontweight="bold", y=1 - 0.14 / height, va="top", parse_math=False)
    ax.set_position((0, 0, 1, 1 - titles / height))
    ax.set(**limits)
    _draw(ax, plan, key, foot)
    return finish(figure, None, path)


def _laid_out(model: Network, collapse: bool | None) -> Plan:
    whole = Chain((Box("input", (f"input {_shape(model.input_shape)}",)), *_read(model.root).parts))
    size = _sizes(whole)
    plan = page(_collapsed(whole) if collapse else whole, size)
    if collapse is None and (plan.right > LARGEST[0] or plan.height > LARGEST[1]):
        plan = page(_collapsed(whole), size)
    return plan


def _read(*in_turn: Layer) -> Chain:
    """Read layers as one chain, flattening nested Sequentials; layers that usually go together share a box."""
    parts: list[Part] = []
    for layer in chain.from_iterable(map(chained, in_turn)):
        part = _part(layer)
        before = parts[-1] if parts else None
        if isinstance(part, Box) and isinstance(before, Box) and _joins(part, before):
            parts[-1] = _joined(before, part)
        else:
            parts.append(part)
    return Chain(tuple(parts))


def _part(layer: Layer) -> Part:
    """The part drawn for one layer; a composite that keeps the library's forward is drawn with its contents."""
    forward = type(layer).forward
    if isinstance(layer, layers.Branches) and forward is layers.Branches.forward:
        joint = Box("joint", (f"concat {_shape(layer.output_shape)}",))
        return Fork(tuple(_read(branch) for branch in layer.branches), joint)
    if isinstance(layer, layers.Residual) and forward is layers.Residual.forward:
        joint = Box("joint", (" ".join(["+", *_activation(layer)]),))
        return Detour(_read(layer.body), None if layer.shortcut is None else _read(layer.shortcut), joint)
    if isinstance(layer, layers.AuxiliaryHead) and forward is layers.AuxiliaryHead.forward:
        return SideExit(Chain((*_read(layer.head).parts, Box("loss", (f"loss x {layer.weight:g}",)))))
    if isinstance(layer, layers.ContractivePenalty) and forward is layers.ContractivePenalty.forward:
        encoder = _layer_box(layer.encoder)
        return replace(encoder, lines=(*encoder.lines, _named(layer)))
    if isinstance(layer, layers.Sequential) and forward is layers.Sequential.forward:
        return Frame(_read(*layer.layers), Box("label", (type(layer).__name__,)), Box("label", ("",)))
    if isinstance(layer, layers.Container):
        return _layer_box(layer, f"{sum(not inner.sublayers() for inner in layer.walk())} layers inside")
    return _layer_box(layer)


def _layer_box(layer: Layer, *more: str) -> Box:
    own = (inner for inner in layer.walk() if not inner.sublayers() and not _shared(inner))  # no containers
    count = sum(array.size for inner in own for array in inner.params.values())
    return Box(_kind(layer), (_named(layer), *more), _shape(layer.output_shape), (count,) if count else ())


def _kind(layer: Layer) -> str:
    """The module of tinydl.layers that defines the layer's class, or else its nearest base class from tinydl.layers."""
    home = f"{layers.__name__}."
    return next((base.__module__[len(home) :] for base in type(layer).__mro__ if base.__module__.startswith(home)), "")


def _shared(layer: Layer) -> bool:
    """Whether the layer shares the parameters of another layer, whose box counts them."""
    return layer.original is not None and bool(layer.params)


def _named(layer: Layer) -> str:
    """ "Conv2D 64, 3x3 / 2, relu": the class and its main hyper-parameters."""
    told = [f"{value:g}" for key in TELLING if isinstance(value := getattr(layer, key, None), int | float)]
    window = getattr(layer, "kernel_size", getattr(layer, "pool_size", None))
    strides = getattr(layer, "strides", None)
    if isinstance(window, tuple) and isinstance(strides, tuple):
        stride = str(strides[0]) if len(set(strides)) == 1 else _shape(strides)
        told.append(_shape(window) + (f" / {stride}" if stride != "1" else ""))
    name = " ".join([type(layer).__name__, ", ".join(told)]).rstrip()
    return ", ".join([name, *_activation(layer), *(["shared"] if _shared(layer) else [])])


def _activation(layer: Layer) -> list[str]:
    """A list with the name of the layer's built-in activation, if any."""
    name = getattr(layer, "activation", None)
    return [name] if isinstance(name, str) and name != "linear" else []


def _shape(shape: Shape | None) -> str:
    return "x".join(map(str, shape or ()))


def _joins(part: Box, before: Box) -> bool:
    """Whether a part joins the box before it: BatchNorm after a layer with parameters, an activation after either."""
    if before.kind not in ("conv", "dense", "normalization") or part.shape != before.shape:
        return False
    first = len(before.lines) == 1 and bool(before.parameters) and before.kind != "normalization"
    return part.kind == "activations" or (first and part.lines[0].startswith("BatchNorm"))


def _joined(before: Box, part: Box) -> Box:
    first, *more = before.lines
    lines = first, ", ".join([*more, *part.lines])
    return replace(before, lines=lines, parameters=before.parameters + part.parameters)


def _collapsed(part: Any) -> Any:
    """The same part with each run of two or more equal blocks, or of three or more equal boxes, drawn once."""
    if isinstance(part, tuple):
        return tuple(map(_collapsed, part))
    if isinstance(part, Box) or not isinstance(part, Part):
        return part
    if not isinstance(part, Chain):
        return replace(part, **{name: _collapsed(value) for name, value in vars(part).items()})
    parts: list[Part] = []
    for block, run in groupby(part.parts):
        times, small = len(list(run)), _collapsed(block)
        if times >= (3 if isinstance(block, Box) else 2):
            each = Box("label", (f"{_count(block):,} each" if _count(block) else "",))
            parts.append(Frame(small, Box("label", (f"x {times}",)), each, times))
        else:
            parts += [small] * times
    return Chain(tuple(parts))


def _boxes(part: Any, times: int = 1) -> Iterator[tuple[Box, int]]:
    """All boxes in a part, or in a tuple of them, each with the number of times it occurs."""
    if isinstance(part, Box):
        yield part, times
    elif isinstance(part, tuple):
        for one in part:
            yield from _boxes(one, times)
    elif isinstance(part, Part):
        yield from _boxes(tuple(vars(part).values()), times * getattr(part, "times", 1))


def _count(part: Part) -> int:
    return sum(times * sum(box.parameters) for box, times in _boxes(part))


@cache
def _width(text: str, points: float, weight: str = "normal") -> float:
    """The width of a text in inches, with a margin because letters are rounded to pixels."""
    font = FontProperties(size=points, weight=weight)
    return 1.05 * float(TextPath((0, 0), text, prop=font).get_extents().x1) / 72 if text else 0.0


def _parameters(box: Box) -> str:
    return " + ".join(f"{count:,}" for count in box.parameters)


def _weight(box: Box) -> str:
    return "bold" if box.kind == "label" else "normal"


def _sizes(part: Part) -> Size:
    """The function that returns the size of a box; all boxes of layers have the width that the widest one needs."""

    def needed(box: Box) -> float:
        last = [_width(text, SMALL) for text in (box.shape, _parameters(box)) if text]
        names = [_width(line, NAME, _weight(box)) for line in box.lines]
        return max(*names, sum(last) + 0.18 * (len(last) - 1)) + (0.04 if box.kind == "label" else 0.2)

    common = max((needed(box) for box, _ in _boxes(part) if box.kind not in PLAIN), default=0.0)

    def size(box: Box) -> tuple[float, float]:
        if box.kind in PLAIN:
            return needed(box), LINE + 2 * MARGIN - 0.03
        return common, LINE * len(box.lines) + LAST + 2 * MARGIN

    return size


def _draw(ax: Axes, plan: Plan, key: str, foot: float, shrink: float = 1.0) -> None:
    """Draw the plan, and the key below it; `shrink`: inches on the page for each inch of the plan."""
    ax.text(
        plan.right / 2, foot, key, fontsize=SMALL * shrink, color=GREY, ha="center", va="center_baseline"
    )  # fmt: skip
    for frame in plan.frames:
        _outline(ax, frame, 0.1, fc="#f5f5f5", ec="#b0b0b0", lw=0.8, ls=(0, (4, 2)), zorder=0.5)
    pieces = [_rounded(line) for line in plan.lines]
    heads = [_head(line) for line in plan.lines if line.arrow]
    ax.add_patch(PathPatch(Path.make_compound_path(*pieces), fill=False, ec=INK, lw=0.9, zorder=1))
    ax.add_patch(PathPatch(Path.make_compound_path(*heads), fc=INK, lw=0, zorder=1.5))
    for placed in plan.boxes:
        _draw_box(ax, placed, shrink)


def _draw_box(ax: Axes, placed: Placed, shrink: float) -> None:
    box, x, y = placed.box, placed.x, placed.y
    assert box is not None
    middle = x + placed.width / 2
    style: dict[str, Any] = {"va": "center_baseline", "fontsize": NAME * shrink, "ha": "center"}
    colour = COLOURS.get(box.kind, GREY)
    if box.kind in PLAIN:
        if box.kind != "label":
            _outline(ax, placed, 0.09, fc=tint(colour, 0.1), ec=colour, lw=0.9, zorder=2)
        ax.text(middle, y + placed.height / 2, box.lines[0], weight=_weight(box), color=INK, **style)
        return
    _outline(ax, placed, 0.045, fc=tint(colour, 0.17), ec=colour, lw=0.9, zorder=2)
    for number, line in enumerate(box.lines):
        ax.text(middle, y + MARGIN + LINE * (number + 0.5), line, color="black", **style)
    at = y + placed.height - MARGIN - LAST / 2
    style |= {"fontsize": SMALL * shrink, "color": INK}
    ax.text(x + 0.08, at, box.shape, **style | {"ha": "left"})
    ax.text(x + placed.width - 0.08, at, _parameters(box), **style | {"ha": "right"})


def _outline(ax: Axes, placed: Placed, radius: float, **style: Any) -> None:
    corners = f"round,pad=0,rounding_size={min(radius, placed.height / 2)}"
    ax.add_patch(FancyBboxPatch((placed.x, placed.y), placed.width, placed.height, boxstyle=corners, **style))


def _rounded(line: Line, radius: float = 0.07) -> Path:
    """A line with rounded corners; a line with an arrowhead ends inside the arrowhead."""
    points = list(line.points)
    if line.arrow:
        points[-1] = _towards(points[-1], points[-2], 0.03)
    vertices, codes = [points[0]], [Path.MOVETO]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        vertices += [_towards(corner, before, radius), corner, _towards(corner, after, radius)]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*vertices, points[-1]], [*codes, Path.LINETO])


def _head(line: Line) -> Path:
    """The triangular arrowhead at the end of a line."""
    tip, before = line.points[-1], line.points[-2]
    x, y = _towards(tip, before, 0.075)
    across, down = (0.033 * (y - tip[1]) / 0.075, 0.033 * (x - tip[0]) / 0.075)
    return Path([tip, (x - across, y - down), (x + across, y + down), tip], closed=True)


def _towards(start: tuple[float, float], goal: tuple[float, float], distance: float) -> tuple[float, float]:
    """The point at `distance` from `start` toward `goal`, or halfway if the distance is larger."""
    dx, dy = goal[0] - start[0], goal[1] - start[1]
    share = min(distance / (abs(dx) + abs(dy)), 0.5)
    return start[0] + share * dx, start[1] + share * dy
