"""Vision code without loops: stride tricks and einsum, channels last, transposed convolution, pooling, pixel shuffle."""
import numpy as np
from numpy.lib.stride_tricks import as_strided, sliding_window_view


class Conv2dNHWC:
    """'valid' correlation; kernel is (kh, kw, c_in, c_out)."""

    def __init__(self, kh, kw, c_in, c_out, stride=1):
        self.kernel = np.random.randn(kh, kw, c_in, c_out) * 0.3
        self.bias = np.zeros(c_out)
        self.stride = stride

    def _windows(self, x):
        kh, kw = self.kernel.shape[:2]
        n, h, w, c = x.shape
        s0, s1, s2, s3 = x.strides
        oh, ow = (h - kh) // self.stride + 1, (w - kw) // self.stride + 1
        return as_strided(x, (n, oh, ow, kh, kw, c), (s0, s1 * self.stride, s2 * self.stride, s1, s2, s3), writeable=False)

    def forward(self, x):
        self.x = np.ascontiguousarray(x)
        self.cols = self._windows(self.x)
        return np.einsum("nijklc,klcf->nijf", self.cols, self.kernel) + self.bias

    def backward(self, dy):
        self.dkernel = np.einsum("nijklc,nijf->klcf", self.cols, dy)
        self.dbias = dy.sum(axis=(0, 1, 2))
        dx = np.zeros_like(self.x)
        oh, ow = dy.shape[1:3]
        s = self.stride
        for k in range(self.kernel.shape[0]):
            for l in range(self.kernel.shape[1]):
                dx[:, k:k + s * oh:s, l:l + s * ow:s] += dy @ self.kernel[k, l].T
        return dx


class DepthwiseConv1d:
    """'same' convolution of each channel with its own taps; x is (batch, channels, time)."""

    def __init__(self, channels, width):
        self.taps = np.random.randn(channels, width)
        self.half = width // 2

    def forward(self, x):
        self.win = sliding_window_view(np.pad(x, ((0, 0), (0, 0), (self.half, self.half))), self.taps.shape[1], axis=2)
        return np.einsum("bctk,ck->bct", self.win, self.taps)

    def backward(self, dy):
        self.dtaps = np.einsum("bctk,bct->ck", self.win, dy)
        win = sliding_window_view(np.pad(dy, ((0, 0), (0, 0), (self.half, self.half))), self.taps.shape[1], axis=2)
        return np.einsum("bctk,ck->bct", win, self.taps[:, ::-1])


class ConvTranspose2d:
    """Stride 2, kernel (c_in, c_out, k, k)."""

    def __init__(self, c_in, c_out, k):
        self.w = np.random.randn(c_in, c_out, k, k) * 0.5
        self.b = np.random.randn(c_out)

    def forward(self, x):
        self.x = x
        n, _, h, w = x.shape
        c_out, k = self.w.shape[1:3]
        y = np.zeros((n, c_out, 2 * (h - 1) + k, 2 * (w - 1) + k), dtype=x.dtype)
        for i in range(h):
            for j in range(w):
                y[:, :, 2 * i:2 * i + k, 2 * j:2 * j + k] += np.tensordot(x[:, :, i, j], self.w, axes=1)
        return y + self.b[:, None, None]

    def backward(self, dy):
        dx, self.dw = np.zeros_like(self.x), np.zeros_like(self.w)
        k = self.w.shape[2]
        for i in range(dx.shape[2]):
            for j in range(dx.shape[3]):
                g = dy[:, :, 2 * i:2 * i + k, 2 * j:2 * j + k]
                dx[:, :, i, j] = np.tensordot(g, self.w, axes=([1, 2, 3], [1, 2, 3]))
                self.dw += np.tensordot(self.x[:, :, i, j], g, axes=(0, 0))
        self.db = dy.sum(axis=(0, 2, 3))
        return dx


class MaxPool2x2:
    def forward(self, x):
        n, c, h, w = x.shape
        r = x.reshape(n, c, h // 2, 2, w // 2, 2)
        y = r.max(axis=(3, 5))
        self.mask = r == y[:, :, :, None, :, None]
        return y

    def backward(self, dy):
        g = self.mask * dy[:, :, :, None, :, None]
        n, c, h, _, w, _ = g.shape
        return g.reshape(n, c, 2 * h, 2 * w)


def pixel_shuffle(x, r=2):
    n, c, h, w = x.shape
    return x.reshape(n, c // r ** 2, r, r, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // r ** 2, h * r, w * r)


def pixel_shuffle_backward(dy, r=2):
    n, c, hr, wr = dy.shape
    return dy.reshape(n, c, hr // r, r, wr // r, r).transpose(0, 1, 3, 5, 2, 4).reshape(n, c * r ** 2, hr // r, wr // r)


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_function, check_layer  # noqa: E402

CASES = [
    Case("conv_nhwc_strided", lambda: check_layer(Conv2dNHWC(3, 2, 2, 3, stride=2), x=(2, 5, 6, 2)), bugs=[
        Bug("+= dy @ self.kernel[k, l].T", "= dy @ self.kernel[k, l].T", "x", r"overlap|accumulat|\+=|overw"),
        Bug("+= dy @ self.kernel[k, l].T", "+= dy @ self.kernel[-1 - k, -1 - l].T", "x", r"flip|revers|180"),
        Bug("self.dbias = dy.sum(axis=(0, 1, 2))", "self.dbias = dy.sum(axis=0).mean(axis=(0, 1))", "bias",
            r"times the right one|mean|positions|pixels"),
    ]),
    Case("conv_depthwise_1d", lambda: check_layer(DepthwiseConv1d(3, 3), x=(2, 3, 6)), bugs=[
        Bug("win, self.taps[:, ::-1])", "win, self.taps)", "x", r"flip|revers"),
        Bug("\"bctk,bct->ck\", self.win, dy", "\"bctk,bct->ck\", self.win[..., ::-1], dy", "taps", r"flip|revers"),
    ]),
    Case("conv_transpose", lambda: check_layer(ConvTranspose2d(2, 3, 3), x=(2, 2, 3, 3)), bugs=[
        Bug("self.dw += np", "self.dw = np", "w", r"accumulat|\+=|last|overw"),
        Bug("2 * i:2 * i + k, 2 * j:2 * j + k]\n", "i:i + k, j:j + k]\n", ("x", "w"), r"stride|window|position|shift"),
    ]),
    Case("conv_maxpool_reshape", lambda: check_layer(MaxPool2x2(), x=(2, 3, 4, 6)), bugs=[
        Bug("g = self.mask * dy", "g = 0.25 * np.ones_like(self.mask) * dy", "x", r"max|mask|argmax|spread|average"),
        Bug("        g = self.mask * dy[:, :, :, None, :, None]\n",
            "        g = self.mask * dy[:, :, :, None, :, None]\n        g = g.transpose(0, 1, 2, 5, 4, 3)\n", "x",
            r"transpos|axes|swap|permut|position"),
    ]),
    Case("conv_pixel_shuffle", lambda: check_function(pixel_shuffle, pixel_shuffle_backward, x=(2, 4, 2, 3)), bugs=[
        Bug(".transpose(0, 1, 3, 5, 2, 4)", ".transpose(0, 1, 5, 3, 2, 4)", "x", r"permut|transpos|axes|order|moved"),
        Bug("dy.reshape(n, c, hr // r, r, wr // r, r)", "dy.reshape(n, c, r, hr // r, r, wr // r)", "x",
            r"permut|transpos|axes|order|moved|reshape"),
    ]),
]
