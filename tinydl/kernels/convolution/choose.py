"""The choice of an algorithm ("way") for each convolution: one table, read from the top.

The first way that `can` compute a convolution and is `faster` than the ways below it is chosen. Tests and benchmarks
can force a way: `kernels.convolution.forward(..., way="direct")` raises ValueError if that way cannot compute the
convolution. To force a way on every layer that it can compute, set an environment variable:

    TINYDL_CONVOLUTION=patches python ...

The table still decides for all other layers. (With TINYDL_KERNELS=reference, the definition in layers/conv.py runs
instead.)
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

from numpy.typing import NDArray

from ..activations import gradient as activation_gradient
from ..machine.codes import LINEAR, RELU
from ..machine.exponential import finish
from ..machine.moments import UNMEASURED, Measured
from ..machine.pairs import NOWHERE
from ..machine.registers import VECTOR
from ..machine.window import Window
from . import direct, patches, winograd, winograd_blocks
from .winograd_tiles import best_size, tiles_in

FEWEST_CHANNELS = 16  # with fewer, Winograd's transforms cost more than its products save
MANY_CHANNELS = 128  # the number that fills two blocks in winograd_blocks
FEW_TILES = 256  # with more, chunks of tiles are as fast as blocks of channels, and need less memory
FEW_PIXELS = 64  # of y; with at most this many, transforming the weights of MANY_CHANNELS costs more than it saves
# The largest size of W for `direct`, which reads all of W for each row of y or dx: W has to stay in the L2 cache.
MOST_WEIGHTS = 1 << 17
LANES = VECTOR // 4  # float32 numbers in a vector
FULL = 3 / 4  # how much of their vectors the filters have to fill for `direct`, unless x has few channels
FEW_CHANNELS = 8  # with at most this many, copying patches takes longer than multiplying by vectors that are half empty


class Convolution(NamedTuple):
    """The facts that decide the choice: the window, c input channels, f filters, the shape of y, and need_dx."""

    window: Window
    c: int
    f: int
    output: tuple[int, ...]
    need_dx: bool


class Way(NamedTuple):
    """One row of the table. All modules have `forward` and `backward` functions; Winograd's also take a tile size."""

    module: ModuleType
    tile: int  # pixels along a side of Winograd's tiles; 0 for other ways
    can: Callable[[Convolution], bool]
    faster: Callable[[Convolution], bool]

    def forward(
        self, x: NDArray, W: NDArray, b: NDArray, window: Window, activation: int, y: NDArray,
        measured: Measured = UNMEASURED, pooled: NDArray | None = None, where: NDArray = NOWHERE,
    ) -> bool:  # fmt: skip
        """See patches.forward; only `direct` computes sigmoid and tanh itself. Return whether y has been measured."""
        if self.module is direct:
            direct.forward(x, W, b, window, activation, y, measured, pooled, where)
            return True
        relu, whole = activation == RELU, activation in (LINEAR, RELU)  # sigmoid and tanh follow below
        now = measured if whole else UNMEASURED
        if self.module is winograd:
            winograd.forward(x, W, b, window, relu, y, self.tile, now, pooled, where)
        elif self.module is patches:
            patches.forward(x, W, b, window, relu, y, now)
        else:
            winograd_blocks.forward(x, W, b, window, relu, y, self.tile)
        finish(y, activation)
        return whole and self.module is not winograd_blocks

    def backward(
        self, dy: NDArray, x: NDArray, W: NDArray, y: NDArray, window: Window, activation: int,
        dW: NDArray, db: NDArray, dx: NDArray, plus: NDArray | None, where: NDArray = NOWHERE,
    ) -> bool:  # fmt: skip
        """See patches.backward. Return whether `plus` was added to dx, which not every way does.

        dy may be the gradient of the pooled y where the way `pools`, and `where` the places of the maxima.
        """
        if self.module is direct:
            direct.backward(dy, x, W, y, window, activation, dW, db, dx, where)
            return False
        relu = activation == RELU
        da = dy if activation in (LINEAR, RELU) else activation_gradient(dy, y, activation)
        if self.module is winograd:
            winograd.backward(da, x, W, y, window, relu, dW, db, dx, self.tile, plus, where)
            return True
        if self.module is winograd_blocks:
            winograd_blocks.backward(da, x, W, y, window, relu, dW, db, dx, self.tile)
            return False
        added = plus is not None and patches.adds(window, y.shape)
        patches.backward(da, x, W, y, window, relu, dW, db, dx, plus if added else None)
        return added

    def pools(self, window: Window, output: tuple[int, ...], activation: int) -> bool:
        """Whether forward and backward can pool y by 2x2 windows that tile it."""
        if self.module is winograd:
            return activation in (LINEAR, RELU) and winograd.pools(window, output, self.tile)
        return self.module is direct


def _small_kernel_stride_1(conv: Convolution) -> bool:
    """Whether the convolution has Winograd transforms: a 2x2 or 3x3 kernel with strides of 1."""
    return conv.window.size in ((2, 2), (3, 3)) and conv.window.strides == (1, 1)


def _3x3_stride_1(conv: Convolution) -> bool:
    return conv.window.size == (3, 3) and conv.window.strides == (1, 1)


def _fewer_products(conv: Convolution) -> bool:
    """Whether 6x6 tiles need fewer products than 5x5 tiles."""
    return best_size(conv.window, conv.output) == 6


def _many_channels_few_tiles(conv: Convolution) -> bool:
    tiles = tiles_in(conv.window, conv.output, best_size(conv.window, conv.output))
    return min(conv.c, conv.f) >= MANY_CHANNELS and 0 < tiles <= FEW_TILES and not _many_channels_few_pixels(conv)


def _many_channels_few_pixels(conv: Convolution) -> bool:
    return min(conv.c, conv.f) >= MANY_CHANNELS and math.prod(conv.output[:3]) <= FEW_PIXELS


def _some_channels(conv: Convolution) -> bool:
    return min(conv.c, conv.f) >= FEWEST_CHANNELS and not _many_channels_few_pixels(conv)


def _some_channels_and_fewer_products(conv: Convolution) -> bool:
    return _some_channels(conv) and _fewer_products(conv)


def _many_channels_few_tiles_and_fewer_products(conv: Convolution) -> bool:
    return _many_channels_few_tiles(conv) and _fewer_products(conv)


def _few_weights_full_vectors(conv: Convolution) -> bool:
    """Whether W stays in the cache and the filters fill most of their vectors, or x has few channels."""
    kh, kw = conv.window.size
    full = conv.f >= FULL * LANES * -(-conv.f // LANES)
    return kh * kw > 1 and kh * kw * conv.c * conv.f <= MOST_WEIGHTS and (full or conv.c <= FEW_CHANNELS)


def _always(conv: Convolution) -> bool:
    return True


WAYS = {
    # name: (module, tile, whether it can compute a convolution, whether it is faster than the ways below it)
    "winograd_blocks_6": Way(
        winograd_blocks, 6, _3x3_stride_1, _many_channels_few_tiles_and_fewer_products
    ),  # VGG16's last
    "winograd_blocks_5": Way(winograd_blocks, 5, _small_kernel_stride_1, _many_channels_few_tiles),  # layers
    "winograd_6": Way(winograd, 6, _3x3_stride_1, _some_channels_and_fewer_products),  # most of VGG and ResNet
    "winograd_5": Way(winograd, 5, _small_kernel_stride_1, _some_channels),  # 2x2 kernels, and a few small maps
    "direct": Way(direct, 0, _always, _few_weights_full_vectors),  # first layers, 5x5 and strided kernels
    "patches": Way(patches, 0, _always, _always),  # im2col: 1x1 kernels, few pixels, and everything else
}


def checked(owner: str, name: str) -> str:
    """Return `name` if it is the name of a way; raise ValueError if it is not."""
    if name not in WAYS:
        raise ValueError(f"{owner}: expected one of {', '.join(WAYS)}, got {name!r}")
    return name


_wanted = os.environ.get("TINYDL_CONVOLUTION")
_for_all = checked("TINYDL_CONVOLUTION", _wanted) if _wanted else None


@lru_cache(maxsize=1024)
def way_for(conv: Convolution, way: str | None = None) -> Way:
    """The way that computes this convolution.

    way: the name of a way to force. Raises ValueError if that way does not exist or cannot compute the convolution.
    """
    if way is not None:
        forced = WAYS[checked("convolution: way", way)]
        if not forced.can(conv):
            able = ", ".join(name for name, each in WAYS.items() if each.can(conv))
            raise ValueError(f"convolution: way must be one of {able} for {conv}, got {way!r}")
        return forced
    if _for_all and WAYS[_for_all].can(conv):
        return WAYS[_for_all]
    return next(each for each in WAYS.values() if each.can(conv) and each.faster(conv))
