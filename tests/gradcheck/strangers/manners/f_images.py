"""float32 only: image code with np.zeros(..., dtype=np.float32) buffers and .astype(np.float32) at every door."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class Conv:
    def __init__(self, c, f, k):
        self.w = np.random.randn(f, c, k, k).astype(np.float32) * np.float32(0.3)
        self.b = np.random.randn(f).astype(np.float32)

    def forward(self, x):
        self.x = x.astype(np.float32)
        n, c, h, w = x.shape
        f, _, k, _ = self.w.shape
        out = np.zeros((n, f, h - k + 1, w - k + 1), dtype=np.float32)
        for i in range(k):
            for j in range(k):
                out += np.einsum("nchw,fc->nfhw", self.x[:, :, i:i + out.shape[2], j:j + out.shape[3]], self.w[:, :, i, j])
        return out + self.b[:, None, None]

    def backward(self, dout):
        dout = dout.astype(np.float32)
        k = self.w.shape[2]
        self.dw = np.zeros(self.w.shape, dtype=np.float32)
        dx = np.zeros(self.x.shape, dtype=np.float32)
        h, w = dout.shape[2:]
        for i in range(k):
            for j in range(k):
                self.dw[:, :, i, j] = np.einsum("nfhw,nchw->fc", dout, self.x[:, :, i:i + h, j:j + w])
                dx[:, :, i:i + h, j:j + w] += np.einsum("nfhw,fc->nchw", dout, self.w[:, :, i, j].astype(np.float32))
        self.db = dout.sum(axis=(0, 2, 3))
        return dx


class AvgPool:
    def forward(self, x):
        n, c, h, w = x.shape
        return x.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5)).astype(np.float32)

    def backward(self, dout):
        up = dout.astype(np.float32).repeat(2, axis=2).repeat(2, axis=3)
        return up / np.float32(4)


class MaxPool:
    def forward(self, x):
        n, c, h, w = x.shape
        self.blocks = x.astype(np.float32).reshape(n, c, h // 2, 2, w // 2, 2)
        self.out = self.blocks.max(axis=(3, 5))
        return self.out

    def backward(self, dout):
        mask = self.blocks == self.out[:, :, :, None, :, None]
        g = mask * dout.astype(np.float32)[:, :, :, None, :, None]
        n, c, h, _, w, _ = g.shape
        return g.reshape(n, c, 2 * h, 2 * w)


class ChannelScale:
    def __init__(self, c):
        self.gain = np.linspace(0.5, 2, c).astype(np.float32)

    def forward(self, x):
        self.x = x.astype(np.float32)
        return self.x * self.gain[:, None, None].astype(np.float32)

    def backward(self, dy):
        dy = dy.astype(np.float32)
        self.dgain = (dy * self.x).sum(axis=(0, 2, 3))
        return dy * self.gain[:, None, None].astype(np.float32)


class GlobalAverage:
    def forward(self, x):
        self.shape = x.shape
        out = np.empty(x.shape[:2], np.float32)
        out[...] = x.mean(axis=(2, 3))
        return out

    def backward(self, dy):
        n, c, h, w = self.shape
        dx = np.empty(self.shape, np.float32)
        dx[...] = dy[:, :, None, None] / (h * w)
        return dx


CASES = [
    Case("conv", lambda: check_layer(Conv(2, 3, 3), x=(2, 2, 5, 4)), bugs=[
        Bug("dx[:, :, i:i + h, j:j + w] += np", "dx[:, :, i:i + h, j:j + w] = np", "x", r"overwrit|accumulat|\+=|last|overlap"),
        Bug("dout, self.w[:, :, i, j].astype(np.float32))", "dout, self.w[:, :, k - 1 - i, k - 1 - j].astype(np.float32))", "x", r"flip|rotat|revers"),
        Bug("self.db = dout.sum(axis=(0, 2, 3))", "self.db = dout.sum(axis=(2, 3)).mean(axis=0)", "b", r"mean|batch|1/|0\.5|half"),
        Bug("self.dw[:, :, i, j] = np", "self.dw[:, :, j, i] = np", "w", r"transpos|height|width|swap"),
    ]),
    Case("average pool", lambda: check_layer(AvgPool(), x=(2, 2, 4, 6)), bugs=[
        Bug("return up / np.float32(4)", "return up", "x", r"4(\.0*)? times|factor|mean|size"),
        Bug("return up / np.float32(4)", "return up / np.float32(4.1)", "x", r"factor|times|0\.97"),
        Bug(".repeat(2, axis=2).repeat(2, axis=3)", ".repeat(4, axis=3).reshape(dout.shape[0], dout.shape[1], dout.shape[2] * 2, -1)", "x", r"reshape|order|permut|repeat|place"),
        Bug("return up / np.float32(4)", "return -up / np.float32(4)", "x", r"sign|-1"),
    ]),
    Case("max pool", lambda: check_layer(MaxPool(), x=(2, 2, 4, 4)), bugs=[
        Bug("mask = self.blocks ==", "mask = self.blocks !=", "x", r"mask|invert|opposite"),
        Bug("g = mask * dout", "g = 1.05 * mask * dout", "x", r"1\.05|factor|times"),
        Bug("g = mask * dout", "g = 0.25 * np.ones_like(mask) * dout", "x", r"mask|spread|mean|average|every"),
        Bug("g = mask * dout", "g = mask * self.blocks * dout", "x", r"factor|extra|\bx\b|value"),
    ]),
    Case("channel scale", lambda: check_layer(ChannelScale(3), x=(2, 3, 4, 2)), bugs=[
        Bug("(dy * self.x).sum(axis=(0, 2, 3))", "(dy * self.x).sum(axis=(2, 3))[0]", "gain", r"first|batch|sum|row"),
        Bug("(dy * self.x).sum(axis=(0, 2, 3))", "(dy * self.x).mean(axis=(0, 2, 3))", "gain", r"mean|1/16|0\.06|times"),
        Bug("        return dy * self.gain", "        return np.float32(0.98) * dy * self.gain", "x", r"0\.98|factor|times"),
        Bug("        return dy * self.gain", "        return dy / self.gain", "x", r"gain|divi|multipl|invers"),
    ]),
    Case("global average", lambda: check_layer(GlobalAverage(), x=(3, 2, 3, 5)), bugs=[
        Bug("/ (h * w)", "/ (h + w)", "x", r"times|factor|size|area"),
        Bug("/ (h * w)", "/ (h * w - 1)", "x", r"times|factor|size|area|1\.07"),
        Bug("/ (h * w)", "", "x", r"15(\.0*)? times|size|area|mean"),
        Bug("dy[:, :, None, None] /", "dy[:, ::-1, None, None] /", "x", r"flip|revers|channel|permut|order"),
    ]),
]
