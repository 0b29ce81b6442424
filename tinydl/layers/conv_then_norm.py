"""ConvThenNorm: a Conv2D and the BatchNorm after it, computed together."""

from __future__ import annotations

from numpy.typing import NDArray

from .. import kernels
from ..kernels import Window, compiled_as
from . import conv, normalization
from .conv import Conv2D
from .normalization import BatchNorm, Statistics


class ConvThenNorm:
    """A Conv2D and the BatchNorm after it. Both keep what they would keep by themselves, with the same bits.

    Forward    x = f(conv(x, W) + b), its mean and variance in training, then the normalized x
    Backward   the normalization's dx, then the convolution's

    The statistics need a pass over memory less in this way: each thread takes those of some images while the images
    that it has just written are in the cache, and the whole batch's are merged from them, as BatchNorm itself does.
    (kernels/machine/moments.py has the formulas. Winograd's way by blocks of channels never has whole images in a
    cache: after it, the statistics take a pass of their own.)
    """

    def __init__(self, conv: Conv2D, norm: BatchNorm) -> None:
        self.conv, self.norm = conv, norm
        self.label = norm.label

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        return self.norm._normalized(*self._measure(x, training))

    def _measure(self, x: NDArray, training: bool) -> tuple[NDArray, Statistics]:
        """What BatchNorm._measure returns for the convolution's output."""
        conv, norm = self.conv, self.norm
        if not (training and norm.trainable and len(x)):
            return norm._measure(conv.forward(x, training), training)
        x = conv.as_input(x)
        given = conv.params["W"], conv.params.get("b"), conv._window, conv._code
        y, mean, var = conv2d_measured_forward(x, *given)
        conv._x, conv._y = x, y
        return norm._measure(y, training, (mean, var))

    def backward(self, dy: NDArray, plus: NDArray | None = None) -> NDArray:
        """Return dx + plus, as Conv2D.backward does."""
        return self.conv.backward(self.norm.backward(dy), plus)


@compiled_as(kernels.convolution.measured_forward)
def conv2d_measured_forward(
    x: NDArray, W: NDArray, b: NDArray | None, window: Window, activation: int
) -> tuple[NDArray, NDArray, NDArray]:
    """The result y of conv2d_forward, and its mean and variance."""
    y = conv.conv2d_forward(x, W, b, window, activation)
    return y, *normalization.batch_norm_statistics(y)
