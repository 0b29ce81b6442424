"""A student's ResNet parts: blocks that hold sub-layers as attributes and in lists, one ReLU or Dropout object used in several places."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class FC:
    def __init__(self, i, o, rng):
        self.weight = rng.normal(scale=i ** -0.5, size=(i, o))
        self.bias = np.zeros(o)

    def forward(self, x):
        self.x = x
        return x @ self.weight + self.bias

    def backward(self, dy):
        self.dweight = self.x.T @ dy
        self.dbias = dy.sum(axis=0)
        return dy @ self.weight.T


class ReLU:
    def forward(self, x):
        self.pos = x > 0
        return x * self.pos

    def backward(self, dy):
        return dy * self.pos


class DropoutStack:
    """remembers its masks, so that one object serves several places"""

    def __init__(self, rate, seed=0):
        self.rate = rate
        self.rng = np.random.default_rng(seed)
        self.masks = []

    def forward(self, x):
        keep = 1 - self.rate
        self.masks.append((self.rng.random(x.shape) < keep) / keep)
        return x * self.masks[-1]

    def backward(self, dy):
        return dy * self.masks.pop()


class ResidualBlock:
    def __init__(self, d, seed=0):
        rng = np.random.default_rng(seed)
        self.fc1, self.fc2 = FC(d, d, rng), FC(d, d, rng)
        self.relu1, self.relu2 = ReLU(), ReLU()

    def forward(self, x):
        out = self.fc2.forward(self.relu1.forward(self.fc1.forward(x)))
        return self.relu2.forward(out + x)

    def backward(self, dout):
        dsum = self.relu2.backward(dout)
        dx = self.fc1.backward(self.relu1.backward(self.fc2.backward(dsum)))
        return dx + dsum


class DroppedMLP:
    def __init__(self, dims, rate=0.4):
        rng = np.random.default_rng(3)
        self.blocks = [FC(a, b, rng) for a, b in zip(dims, dims[1:])]
        self.dropout = DropoutStack(rate)

    def forward(self, x):
        for fc in self.blocks:
            x = self.dropout.forward(np.tanh(fc.forward(x)))
            fc.out = x
        return x

    def backward(self, dy):
        for fc in reversed(self.blocks):
            dy = self.dropout.backward(dy)
            h = np.tanh(fc.x @ fc.weight + fc.bias)
            dy = fc.backward(dy * (1 - h ** 2))
        return dy


class DenseBlock:
    """every layer sees all before it"""

    def __init__(self, d, growth, n):
        rng = np.random.default_rng(4)
        self.growth = growth
        self.layers = [FC(d + i * growth, growth, rng) for i in range(n)]

    def forward(self, x):
        for layer in self.layers:
            x = np.concatenate([x, np.sin(layer.forward(x))], axis=1)
        return x

    def backward(self, dy):
        for layer in self.layers[::-1]:
            dnew = dy[:, -self.growth:]
            dy = dy[:, :-self.growth] + layer.backward(dnew * np.cos(layer.x @ layer.weight + layer.bias))
        return dy


CASES = [
    Case("residual", lambda: check_layer(ResidualBlock(4), x=(5, 4)), bugs=[
        Bug("return dx + dsum", "return dx", "x", r"residual|skip|shortcut|road|term|missing"),
        Bug("return dx + dsum", "return dx + dout", "x", r"relu|mask|skip|shortcut|missing"),
        Bug("dsum = self.relu2.backward(dout)", "dsum = self.relu1.backward(dout)", ("x", "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"), r"relu|mask|wrong"),
        Bug("self.dbias = dy.sum(axis=0)", "self.dbias = dy.mean(axis=0)", ("fc1.bias", "fc2.bias"), r"1/N|batch size|mean"),
        Bug("self.relu1, self.relu2 = ReLU(), ReLU()", "self.relu1 = self.relu2 = ReLU()", ("x", "fc1.weight", "fc1.bias"), r"twice|same|shared|one .*object|used|mask"),
    ]),
    Case("one dropout object", lambda: check_layer(DroppedMLP([4, 6, 3]), x=(5, 4)), bugs=[
        Bug("return dy * self.masks.pop()", "return dy * (self.masks.pop() > 0)", ("x", "0.weight", "0.bias", "1.weight", "1.bias"), r"0\.6|keep|rate|scale"),
        Bug("return dy * self.masks.pop()", "return dy * self.masks[-1] if dy.shape == self.masks[-1].shape else dy", ("x", "0.weight", "0.bias"), r"dropout|mask|twice|same|shared|used"),
        Bug("dy = fc.backward(dy * (1 - h ** 2))", "dy = fc.backward(dy * (1 - fc.out ** 2))", ("x", "0.weight", "0.bias", "1.weight", "1.bias"), r"tanh|dropout|output|derivative"),
        Bug("            dy = self.dropout.backward(dy)\n", "", ("x", "0.weight", "0.bias", "1.weight", "1.bias"), r"dropout|mask|missing|forgot"),
    ]),
    Case("one dropout, equal widths", lambda: check_layer(DroppedMLP([4, 4, 4], 0.3), x=(5, 4)), bugs=[
        Bug("return dy * self.masks.pop()", "return dy * self.masks[-1]", ("x", "0.weight", "0.bias"), r"dropout|mask|twice|same|shared|used"),
        Bug("return dy * self.masks.pop()", "return dy * self.masks.pop(0)", ("x", "0.weight", "0.bias", "1.weight", "1.bias"), r"dropout|mask|order|twice|same|shared|used"),
        Bug("h = np.tanh(fc.x @ fc.weight + fc.bias)", "h = np.tanh(fc.x @ fc.weight) + fc.bias", ("x", "0.weight", "0.bias", "1.weight", "1.bias"), r"tanh|bias|derivative"),
        Bug("for fc in reversed(self.blocks):\n            dy", "for fc in self.blocks:\n            dy", ("x", "0.weight", "0.bias", "1.weight", "1.bias"), r"order|revers|layer"),
    ]),
    Case("dense block", lambda: check_layer(DenseBlock(3, 2, 2), (4, 3)), bugs=[
        Bug("dy = dy[:, :-self.growth] + layer", "dy = layer", ("x", "0.weight", "0.bias"), r"road|skip|term|missing|concat"),
        Bug("dnew * np.cos(layer.x @ layer.weight + layer.bias)", "dnew", ("x", "0.weight", "0.bias", "1.weight", "1.bias"), r"derivative|cos|missing|factor"),
        Bug("dnew = dy[:, -self.growth:]", "dnew = dy[:, :self.growth]", ("x", "0.weight", "0.bias", "1.weight", "1.bias"), r"slice|columns|first|last|wrong|split"),
        Bug("self.dweight = self.x.T @ dy", "self.dweight = self.x.T @ dy / len(dy)", ("0.weight", "1.weight"), r"1/N|batch size|mean"),
    ]),
]
