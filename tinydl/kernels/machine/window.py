"""Window: the sliding window of convolution and pooling."""

from __future__ import annotations

from typing import NamedTuple

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]  # ((top, bottom), (left, right))


class Window(NamedTuple):
    """A window of kh x kw pixels that slides over an image in steps of sh and sw, with padding around the image.

    (kh, kw), (sh, sw), ((top, bottom), (left, right)) = window
    """

    size: Pair
    strides: Pair = (1, 1)
    padding: Padding = ((0, 0), (0, 0))

    def places(self, h: int, w: int) -> Pair:
        """The number of windows in an image of h x w pixels, down and across: the size of the output."""
        (kh, kw), (sh, sw), (vertical, horizontal) = self
        return output_size(h, kh, sh, vertical), output_size(w, kw, sw, horizontal)


def output_size(size: int, window: int, stride: int, padding: Pair) -> int:
    """The number of windows along one side: floor((size + padding - window) / stride) + 1."""
    return (size + sum(padding) - window) // stride + 1
