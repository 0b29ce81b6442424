"""The positions of a block diagram's boxes and lines: only geometry, no drawing.

Lengths are in inches; y grows downward. A tree of parts (Box, Chain, Fork, Detour, SideExit, Frame) becomes a Plan:
each part is laid out in its own coordinates, then shifted into the part that contains it. All parts have a spine, the
vertical line x = 0 on which the flow enters at y = 0 and leaves at y = `end`, so consecutive parts are aligned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import dist

GAP = 0.19  # from one box down to the next, with room for an arrow
ASIDE = 0.2  # between parts that are side by side
GUTTER = 0.5  # between columns, for the line from one column to the next
HEADER = 0.3  # the strip in a frame for its labels
PAD = 0.11  # between a frame and its contents
TALL = 8.0  # a page up to this height is not broken into more columns
LANDSCAPE = 0.9  # a page whose height is at most this share of its width is not broken either

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """Lines of text with an outline; `shape` and `parameters` (one number per layer in the box) form the last line."""

    kind: str
    lines: tuple[str, ...]
    shape: str = ""
    parameters: tuple[int, ...] = ()


@dataclass(frozen=True)
class Chain:
    """Parts in sequence, from top to bottom."""

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Fork:
    """Branches side by side, all fed from one line and joined by a box that spans them."""

    branches: tuple[Part, ...]
    joint: Box


@dataclass(frozen=True)
class Detour:
    """A body and a line around the body, optionally through `around`, both ending at `joint`."""

    body: Part
    around: Part | None
    joint: Box


@dataclass(frozen=True)
class SideExit:
    """A branch that does not rejoin the chain but goes down a lane beside the chain, which continues straight."""

    head: Part


@dataclass(frozen=True)
class Frame:
    """An outline around a part drawn once for `times` equal parts, with labels to the left and right of the spine."""

    inner: Part
    title: Box
    note: Box
    times: int = 1


Part = Box | Chain | Fork | Detour | SideExit | Frame
Size = Callable[[Box], tuple[float, float]]  # the width and height of a box


@dataclass(frozen=True)
class Placed:
    """A rectangle: a box or, if `box` is None, the outline of a frame. (x, y) is its upper left corner."""

    x: float
    y: float
    width: float
    height: float
    box: Box | None = None


@dataclass(frozen=True)
class Line:
    """A line of horizontal and vertical pieces from point to point; the last piece may end in an arrowhead."""

    points: tuple[Point, ...]
    arrow: bool


@dataclass
class Plan:
    """A part's layout: its extent from the spine, and its boxes, frames and lines."""

    left: float = 0.0
    right: float = 0.0
    height: float = 0.0
    end: float = 0.0  # y at which the flow leaves the spine's last box
    head: bool = False  # whether a line from above ends at a box, with an arrowhead
    boxes: list[Placed] = field(default_factory=list)
    frames: list[Placed] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def put(self, part: Plan, dx: float = 0.0, dy: float = 0.0) -> None:
        """Include a part, shifted so that its spine is at x = dx and its top at y = dy."""
        self.boxes += [replace(b, x=b.x + dx, y=b.y + dy) for b in part.boxes]
        self.frames += [replace(f, x=f.x + dx, y=f.y + dy) for f in part.frames]
        self.lines += [Line(tuple((x + dx, y + dy) for x, y in line.points), line.arrow) for line in part.lines]
        self.left, self.right = max(self.left, part.left - dx), max(self.right, part.right + dx)
        self.height = max(self.height, part.height + dy)

    def line(self, *points: Point, arrow: bool = True) -> None:
        """Add a line without its redundant points."""
        kept = [point for i, point in enumerate(points) if not i or dist(point, points[i - 1]) > 1e-9]
        if len(kept) > 1:
            self.lines.append(Line(tuple(kept), arrow))


def arrange(part: Part, size: Size) -> Plan:
    """Lay out a part and its contents."""
    if isinstance(part, Box):
        width, height = size(part)
        return Plan(width / 2, width / 2, height, height, True, [Placed(-width / 2, 0, width, height, part)])
    if isinstance(part, Chain):
        return _stack([_planned(inner, size) for inner in part.parts])
    if isinstance(part, Fork):
        return _fork(part, size)
    if isinstance(part, Detour):
        return _detour(part, size)
    if isinstance(part, Frame):
        return _frame(part, size)
    return arrange(Chain((part,)), size)  # a SideExit alone


def _planned(part: Part, size: Size) -> tuple[bool, Plan]:
    """Whether a part of a chain is a side exit, and the plan of the part (of a side exit's head)."""
    return (True, arrange(part.head, size)) if isinstance(part, SideExit) else (False, arrange(part, size))


def _tops(parts: Sequence[tuple[bool, Plan]]) -> tuple[list[float], float]:
    """The top of each part of a chain, and the bottom of the whole chain, including the lane of side exits."""
    tops: list[float] = []
    y = lane = 0.0  # where the spine and the lane end so far
    for aside, plan in parts:
        y += GAP if tops else 0.0
        if aside:
            y = max(y, lane + GAP if lane else 0.0)
            lane = y + GAP + plan.height
        tops.append(y)
        y += 0.0 if aside else plan.height
    return tops, max(y, lane)


def _stack(parts: Sequence[tuple[bool, Plan]]) -> Plan:
    tops, height = _tops(parts)
    whole = Plan(head=not parts[0][0] and parts[0][1].head)
    lane = max((plan.right for aside, plan in parts if not aside), default=0.0) + ASIDE
    before = 0.0  # the end of the spine so far
    for y, (aside, plan) in zip(tops, parts, strict=True):
        whole.line((0, before), (0, y), arrow=plan.head and not aside)
        if aside:
            x = lane + plan.left
            whole.line((0, y), (x, y), (x, y + GAP), arrow=plan.head)
            whole.put(plan, x, y + GAP)
            before = y
        else:
            whole.put(plan, 0, y)
            before = y + plan.end
    whole.height, whole.end = height, before
    return whole


def _fork(fork: Fork, size: Size) -> Plan:
    plans = [arrange(branch, size) for branch in fork.branches]
    for plan in plans:  # a bare line also needs room on both sides
        plan.left, plan.right = max(plan.left, ASIDE), max(plan.right, ASIDE)
    total = sum(plan.left + plan.right for plan in plans) + ASIDE * (len(plans) - 1)
    width, height = size(fork.joint)
    width = max(width, total)
    joint = GAP + max(plan.height for plan in plans) + GAP
    whole = Plan(width / 2, width / 2)
    x = -total / 2
    for plan in plans:
        x += plan.left
        whole.line((0, 0), (x, 0), (x, GAP), arrow=plan.head)
        whole.put(plan, x, GAP)
        whole.line((x, GAP + plan.end), (x, joint))
        x += plan.right + ASIDE
    whole.boxes.append(Placed(-width / 2, joint, width, height, fork.joint))
    whole.height = whole.end = joint + height
    return whole


def _detour(detour: Detour, size: Size) -> Plan:
    body = arrange(detour.body, size)
    around = Plan() if detour.around is None else arrange(detour.around, size)
    width, height = size(detour.joint)
    tallest = max(body.height, around.height)
    joint = GAP + tallest + GAP
    whole = Plan(width / 2, width / 2)
    whole.line((0, 0), (0, GAP), arrow=body.head)
    whole.put(body, 0, GAP)
    whole.line((0, GAP + body.end), (0, joint))
    x = max(body.right, width / 2) + ASIDE + around.left
    top = GAP + (tallest - around.height) / 2
    centre = joint + height / 2
    if detour.around is None:
        whole.line((0, 0), (x, 0), (x, centre), (width / 2, centre))
        whole.right = max(whole.right, x)
    else:
        whole.line((0, 0), (x, 0), (x, top), arrow=around.head)
        whole.put(around, x, top)
        whole.line((x, top + around.end), (x, centre), (width / 2, centre))
    whole.boxes.append(Placed(-width / 2, joint, width, height, detour.joint))
    whole.height = whole.end = joint + height
    return whole


def _frame(frame: Frame, size: Size) -> Plan:
    inner = arrange(frame.inner, size)
    (title, title_height), (note, note_height) = size(frame.title), size(frame.note)
    left, right = max(inner.left, title + PAD) + PAD, max(inner.right, note + PAD) + PAD
    whole = Plan(left, right)
    whole.boxes = [
        Placed(PAD - left, (HEADER - title_height) / 2, title, title_height, frame.title),
        Placed(right - PAD - note, (HEADER - note_height) / 2, note, note_height, frame.note),
    ]
    whole.line((0, 0), (0, HEADER), arrow=inner.head)
    whole.put(inner, 0, HEADER)
    whole.height = whole.end = HEADER + inner.height + PAD
    whole.line((0, HEADER + inner.end), (0, whole.end), arrow=False)
    whole.frames.insert(0, Placed(-left, 0, left + right, whole.height))
    return whole


def page(chain: Chain, size: Size) -> Plan:
    """Lay out a whole chain in the fewest columns that avoid a tall, narrow page; its `left` is 0."""
    parts = [_planned(part, size) for part in chain.parts]
    plan = _columns([parts])
    for number in range(2, len(parts) + 1):
        if plan.height <= max(TALL, LANDSCAPE * plan.right):
            break
        plan = _columns(_break(parts, number))
    return plan


def _break(parts: list[tuple[bool, Plan]], number: int) -> list[list[tuple[bool, Plan]]]:
    """Cut a chain into at most `number` pieces, with the tallest as short as possible (to within 1 %)."""
    limit = _tops(parts)[1] / number
    while True:
        pieces: list[list[tuple[bool, Plan]]] = [[]]
        for part in parts:
            if pieces[-1] and _tops([*pieces[-1], part])[1] > limit:
                pieces.append([])
            pieces[-1].append(part)
        if len(pieces) <= number:
            return pieces
        limit *= 1.01


def _columns(pieces: list[list[tuple[bool, Plan]]]) -> Plan:
    """Place pieces side by side; a line runs from the end of each through the gap to the top of the next piece."""
    whole = Plan()
    top = GAP if len(pieces) > 1 else 0.0
    foot: tuple[Point, float] | None = None  # where the last column's flow ends, and the y at which its line turns
    for piece in pieces:
        plan = _stack(piece)
        across = whole.right + GUTTER / 2
        x = plan.left if foot is None else across + GUTTER / 2 + plan.left
        if foot is not None:
            (last, end), low = foot
            whole.line((last, end), (last, low), (across, low), (across, 0), (x, 0), (x, top), arrow=plan.head)
            whole.height = max(whole.height, low)
        whole.put(plan, x, top)
        foot = (x, top + plan.end), top + plan.height + GAP
    whole.left = 0.0
    return whole
