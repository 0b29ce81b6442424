"""Argument checks for layers with a sliding window (size, strides, padding), and the Window built from them."""

from __future__ import annotations

from typing import Any

from .. import arguments
from ..kernels import Padding, Window
from ..layer import Shape

Pair = tuple[int, int]  # (height, width)


def pair(owner: str, name: str, value: Any) -> Pair:
    """Return `value`, an integer >= 1 or a pair of them, as a pair (height, width)."""
    if isinstance(value, list | tuple):
        if len(value) != 2:
            raise ValueError(f"{owner}: {name} must be a number or a pair (height, width), got {value!r}")
        return arguments.positive_int(owner, name, value[0]), arguments.positive_int(owner, name, value[1])
    size = arguments.positive_int(owner, name, value)
    return size, size


def check_padding(owner: str, padding: Any) -> Any:
    """Return the padding with lists (from JSON) turned into tuples; raise unless it has one of the allowed forms."""
    if isinstance(padding, str):
        return arguments.one_of(owner, "padding", padding, ("valid", "same"))
    if isinstance(padding, list | tuple) and len(padding) == 2:
        if all(isinstance(side, list | tuple) and len(side) == 2 for side in padding):
            return tuple(tuple(arguments.whole(owner, "padding", size) for size in side) for side in padding)
        if not any(isinstance(side, list | tuple) for side in padding):
            return tuple(arguments.whole(owner, "padding", size) for size in padding)
    elif not isinstance(padding, list | tuple):
        return arguments.whole(owner, "padding", padding)
    forms = '"valid", "same", a number, (height, width) or ((top, bottom), (left, right))'
    raise ValueError(f"{owner}: padding must be {forms}, got {padding!r}")


def pixels(padding: Any, image: Shape, size: Pair, strides: Pair) -> Padding:
    """The padding in pixels, as ((top, bottom), (left, right)).

    "same": the output has ceil(length / stride) pixels, so the last window ends at (ceil(length / stride) - 1) stride
    + window. The image is padded up to this end; if the padding is odd, the bottom and right get the extra pixel.
    """
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        lacking = [
            max(0, (-(-length // stride) - 1) * stride + kernel - length)
            for length, kernel, stride in zip(image, size, strides, strict=False)
        ]
        return (lacking[0] // 2, lacking[0] - lacking[0] // 2), (lacking[1] // 2, lacking[1] - lacking[1] // 2)
    if isinstance(padding, int):
        return (padding, padding), (padding, padding)
    height, width = padding[0], padding[1]
    return ((height, height), (width, width)) if isinstance(height, int) else (height, width)


def check_image(label: str, input_shape: Shape) -> None:
    """Raise unless `input_shape` is the shape of an image."""
    if len(input_shape) == 3:
        return
    mend = ""
    if len(input_shape) == 2:
        mend = ": give gray images a channel axis, x[..., None]"
    elif len(input_shape) == 1:
        mend = ": put it before Flatten() and Dense layers"
    raise ValueError(f"{label}: expected images, input shape (height, width, channels), got {tuple(input_shape)}{mend}")


def window_over(label: str, image: Shape, size: Pair, strides: Pair, padding: Any) -> Window:
    """Return the window over images of this shape; raise if it is larger than the padded image."""
    window = Window(size, strides, pixels(padding, image, size, strides))
    for side, length, kernel, around in zip(("height", "width"), image, size, window.padding, strict=False):
        if kernel > length + sum(around):
            mend = arguments.channels_first(tuple(image)) or ": use a smaller window or more padding"
            got = f"{side} {kernel} for {length} pixels + {sum(around)} of padding, input shape {tuple(image)}"
            raise ValueError(f"{label}: the window must fit into the padded image, got {got}{mend}")
    return window
