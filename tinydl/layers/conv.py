"""Conv2D: the same small Dense layer, applied at every position of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import arguments, kernels
from ..initializers import INITIALIZERS
from ..kernels import Window, compiled_as
from ..layer import Shape
from ..regularizers import Regularizer
from .activations import activate, derivative
from .dense import SOFTMAX_HINT
from .regularized import Regularized
from .sliding_window import check_image, check_padding, pair, window_over


class Conv2D(Regularized):
    """Convolution of images (n, h, w, channels) with `filters` kernels of size kernel_size: y = f(conv(x, W) + b).

    Forward
        a[m, i, j, f] = sum_pqc xpad[m, i sh + p, j sw + q, c] W[p, q, c, f] + b[f]      y = f(a), f as in Dense
        (a correlation: the kernel is not flipped, as flipping would only rename its entries)

        im2col writes the window of every output pixel as a row. The sum is then a matrix product, and Conv2D is a
        Dense layer on patches: a = cols @ W + b, with W read as (kh kw c, f). For a 3x3 image, a 2x2 kernel, 1 channel:

            x = 1 2 3        cols = 1 2 4 5   <- the window of y_00         a = cols @ w0    a_00 a_01
                4 5 6               2 3 5 6   <- y_01                              w1    as  a_10 a_11
                7 8 9               4 5 7 8   <- y_10                              w2
                                    5 6 8 9   <- y_11                              w3

    Backward
        As in Dense, da = dy f'(a), with f' in terms of y. W[p, q, c, f] enters a[m, i, j, f] at every position (i, j)
        of every image m, multiplied by the pixel under it:
            dW[p, q, c, f] = sum_mij xpad[m, i sh + p, j sw + q, c] da[m, i, j, f]      db[f] = sum_mij da[m, i, j, f]
        With (m, i, j) as the row index of cols, and (p, q, c) as its column index, this is
            dW = cols.T @ da          every window's pixels times the gradient of its output
            db = da.sum(axis=(0, 1, 2))
            dcols = da @ W.T          the gradient of every entry of every window
        Each pixel is copied into up to kh kw windows and reaches the loss through every copy, so its dx is the sum of
        the dcols of its copies. This sum is col2im, the transpose of im2col (not its inverse):

            dcols = a b c d          dx = a    b+e       f          5, in the middle, was copied four times;
                    e f g h               c+i  d+g+j+m   h+n        2, 4, 6 and 8 twice; the corners once
                    i j k l               k    l+o       p
                    m n o p

    padding     zeros: "valid" (none), "same" (as in TensorFlow: output size ceil(size / stride); an odd pixel goes to
                the bottom or right), an int, (ph, pw), or ((top, bottom), (left, right)). Output size:
                    floor((size + padding - kernel) / stride) + 1
    activation  None, "linear", "relu", "sigmoid" or "tanh", computed while a is still in the CPU cache
    kernel_regularizer    a term on W that is added to the loss, as in Dense
    Shapes      x (n, h, w, c), W (kh, kw, c, filters), b (filters,), y (n, oh, ow, filters)
    Cache       x and y; backward computes the patches again, which costs less than keeping them
    Edge        pixels outside every window, left over if the strides do not divide the image, get dx = 0
                2x2 and 3x3 kernels with strides of 1 are computed by tiles (Winograd) of up to 6x6 pixels, and up to 8
                filters by tiles of up to 16 / f pixels of a row: one NaN or infinity in x makes all outputs of
                its tiles NaN, also those whose windows do not contain it.
                TINYDL_CONVOLUTION=patches, set before Python starts, computes every window by itself
    Raises      ValueError for invalid hyper-parameters, for rows instead of images, and for a kernel larger than the
                padded image
    Reference   LeCun et al. 1998; im2col: Chellapilla et al. 2006. Compiled kernels: tinydl/kernels/convolution
    Check       check_layer(Conv2D(3, 2, activation="tanh"), x=(2, 5, 4, 3))
    """

    needs_build = True
    live = ("kernel_regularizer",)

    def __init__(
        self, filters: int, kernel_size: int | tuple[int, int], strides: int | tuple[int, int] = 1,
        padding: str | int | tuple = "valid", activation: str | None = None, use_bias: bool = True,
        kernel_initializer: str = "glorot_uniform", kernel_regularizer: str | Regularizer | None = None,
        *, name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(name=name)
        self.filters = arguments.positive_int("Conv2D", "filters", filters)
        self.kernel_size = pair("Conv2D", "kernel_size", kernel_size)
        self.strides = pair("Conv2D", "strides", strides)
        self.padding = check_padding("Conv2D", padding)
        hint = SOFTMAX_HINT if activation == "softmax" else ""
        self.activation = arguments.one_of("Conv2D", "activation", activation, kernels.ACTIVATIONS, hint)
        self.use_bias = arguments.flag("Conv2D", "use_bias", use_bias)
        self.kernel_initializer = arguments.one_of("Conv2D", "kernel_initializer", kernel_initializer, INITIALIZERS)
        self.kernel_regularizer = kernel_regularizer

    def build(self, input_shape: Shape, rng: np.random.Generator, dtype: DTypeLike) -> Shape:
        super().build(input_shape, rng, dtype)
        self._code = kernels.ACTIVATIONS[self.activation]
        check_image(self.label, input_shape)
        self._window = window_over(self.label, input_shape, self.kernel_size, self.strides, self.padding)
        shape = (*self.kernel_size, input_shape[2], self.filters)
        self.check_stored(W=shape)
        self.add_parameter("W", INITIALIZERS[self.kernel_initializer](shape, rng, dtype))
        if self.use_bias:
            self.add_parameter("b", np.zeros(self.filters, dtype))
        self.output_shape = (*self._window.places(*input_shape[:2]), self.filters)
        return self.output_shape

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        x = self.as_input(x)
        self._y = y = conv2d_forward(x, self.params["W"], self.params.get("b"), self._window, self._code)
        self._x = x
        return y

    def backward(self, dy: NDArray, plus: NDArray | None = None) -> NDArray:
        """Return dx + plus; `plus` is the gradient along the shortcut of a Residual that begins with this layer."""
        dy = self.as_gradient(dy, self._y)
        W, grads = self.params["W"], self.grads if self.trainable else {}
        dW, db = grads.get("W"), grads.get("b")
        dx = conv2d_backward(dy, self._x, W, self._y, self._window, self._code, dW, db, self.input_gradient, plus)
        if self._kernel_regularizer is not None:
            self._add_regularization()
        return dx


# Sizes: n images; input h x w pixels, c channels; output oh x ow pixels, f filters; window kh x kw, strides sh, sw.


@compiled_as(kernels.convolution.forward)
def conv2d_forward(x: NDArray, W: NDArray, b: NDArray | None, window: Window, activation: int) -> NDArray:
    """y = f(im2col(x) @ W + b): x (n, h, w, c), W (kh, kw, c, f), b (f,) or None, y (n, oh, ow, f)."""
    n, h, w, _ = x.shape
    f = W.shape[3]
    oh, ow = window.places(h, w)
    cols = im2col(x, window)  # (n oh ow, kh kw c)
    a = cols @ W.reshape(-1, f)
    if b is not None:
        a = a + b
    return activate(a, activation).reshape(n, oh, ow, f)


@compiled_as(kernels.convolution.backward)
def conv2d_backward(
    dy: NDArray, x: NDArray, W: NDArray, y: NDArray, window: Window, activation: int,
    dW: NDArray | None, db: NDArray | None, need_dx: bool, plus: NDArray | None = None,
) -> NDArray:  # fmt: skip
    """Add the gradients derived in Conv2D to dW and db, and return dx (an empty array if dx is not needed).

    dW and db are None for a frozen layer, and db for a layer without a bias. plus: an array that is added to dx.
    """
    f = W.shape[3]
    da = (dy * derivative(y, activation)).reshape(-1, f)  # (n oh ow, f)
    if dW is not None:
        cols = im2col(x, window)  # (n oh ow, kh kw c)
        dW += (cols.T @ da).reshape(W.shape)
    if db is not None:
        db += da.sum(axis=0, dtype=np.float64)
    if not need_dx:
        return np.empty((0, 0, 0, 0), dy.dtype)
    dcols = da @ W.reshape(-1, f).T
    dx = col2im(dcols, x.shape, window)
    return dx if plus is None else dx + plus


@compiled_as(kernels.convolution.im2col)
def im2col(x: NDArray, window: Window) -> NDArray:
    """Write every window of x (n, h, w, c) as a row, (n oh ow, kh kw c), with windows and entries in reading order.

    The loop runs over the window's kh kw entries: entry (p, q) of all windows is the padded x, shifted by (p, q), at
    every sh-th row and sw-th column.
    """
    (kh, kw), (sh, sw), padding = window
    n, h, w, c = x.shape
    oh, ow = window.places(h, w)
    padded = np.pad(x, ((0, 0), *padding, (0, 0)))
    cols = np.empty((n, oh, ow, kh, kw, c), x.dtype)
    for p in range(kh):
        for q in range(kw):
            cols[:, :, :, p, q] = padded[:, p : p + oh * sh : sh, q : q + ow * sw : sw]
    return cols.reshape(n * oh * ow, kh * kw * c)


@compiled_as(kernels.convolution.col2im)
def col2im(cols: NDArray, x_shape: tuple[int, ...], window: Window) -> NDArray:
    """The transpose of im2col: every entry of cols is added to the pixel that it was copied from.

    It is not the inverse of im2col: a pixel in k windows is added k times. Check: <im2col(x), c> = <x, col2im(c)>.
    """
    (kh, kw), (sh, sw), ((top, bottom), (left, right)) = window
    n, h, w, c = x_shape
    oh, ow = window.places(h, w)
    places = cols.reshape(n, oh, ow, kh, kw, c)
    padded = np.zeros((n, h + top + bottom, w + left + right, c), cols.dtype)
    for p in range(kh):
        for q in range(kw):
            padded[:, p : p + oh * sh : sh, q : q + ow * sw : sw] += places[:, :, :, p, q]
    return padded[:, top : top + h, left : left + w].copy()
