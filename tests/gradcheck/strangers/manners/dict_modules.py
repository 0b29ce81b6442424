"""A university assignment's: self.params and self.grads are dicts, sub-layers sit in a list, dropout has a generator."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class LinearModule(object):
    def __init__(self, in_features, out_features):
        self.params = {"weight": None, "bias": None}
        self.grads = {"weight": None, "bias": None}
        self.params["weight"] = np.random.normal(0, np.sqrt(2 / in_features), (out_features, in_features))
        self.params["bias"] = np.zeros((1, out_features))

    def forward(self, x):
        self.x = x
        out = np.matmul(x, self.params["weight"].T) + self.params["bias"]
        return out

    def backward(self, dout):
        self.grads["weight"] = np.matmul(dout.T, self.x)
        self.grads["bias"] = np.ones((1, dout.shape[0])) @ dout
        dx = np.matmul(dout, self.params["weight"])
        return dx


class TanhModule(object):
    def forward(self, x):
        self.out = np.tanh(x)
        return self.out

    def backward(self, dout):
        return dout * (1 - np.square(self.out))


class Dropout(object):
    def __init__(self, p, seed=42):
        self.p = p
        self.rng = np.random.default_rng(seed)

    def forward(self, x):
        self.mask = self.rng.random(x.shape) >= self.p
        return x * self.mask / (1 - self.p)

    def backward(self, dout):
        dx = dout * self.mask / (1 - self.p)
        return dx


class GroupNorm(object):
    """Over groups of channels of (N, C, H, W)."""

    def __init__(self, num_groups, num_channels, eps=1e-5):
        self.G = num_groups
        self.eps = eps
        self.params = {
            "gamma": np.random.uniform(0.5, 1.5, (1, num_channels, 1, 1)),
            "beta": np.random.randn(1, num_channels, 1, 1),
        }
        self.grads = {}

    def forward(self, x):
        N, C, H, W = x.shape
        g = x.reshape(N, self.G, -1)
        self.istd = 1 / np.sqrt(g.var(axis=2, keepdims=True) + self.eps)
        self.xhat = ((g - g.mean(axis=2, keepdims=True)) * self.istd).reshape(x.shape)
        return self.params["gamma"] * self.xhat + self.params["beta"]

    def backward(self, dout):
        N, C, H, W = dout.shape
        self.grads["gamma"] = np.sum(dout * self.xhat, axis=(0, 2, 3), keepdims=True)
        self.grads["beta"] = np.sum(dout, axis=(0, 2, 3), keepdims=True)
        dxhat = (dout * self.params["gamma"]).reshape(N, self.G, -1)
        xhat = self.xhat.reshape(N, self.G, -1)
        m = xhat.shape[2]
        dx = (
            self.istd
            / m
            * (m * dxhat - dxhat.sum(axis=2, keepdims=True) - xhat * np.sum(dxhat * xhat, axis=2, keepdims=True))
        )
        return dx.reshape(dout.shape)


class MLP(object):
    def __init__(self, n_inputs, n_hidden, n_outputs):
        self.layers = []
        for n in n_hidden:
            self.layers += [LinearModule(n_inputs, n), TanhModule()]
            n_inputs = n
        self.layers.append(LinearModule(n_inputs, n_outputs))

    def forward(self, x):
        out = x
        for layer in self.layers:
            out = layer.forward(out)
        return out

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


CASES = [
    Case(
        "linear module",
        lambda: check_layer(LinearModule(4, 4), x=(5, 4)),
        bugs=[
            Bug(
                'self.grads["weight"] = np.matmul(dout.T, self.x)',
                'self.grads["weight"] = np.matmul(self.x.T, dout)',
                "weight",
                r"transpos|\.T",
            ),
            Bug(
                'self.grads["bias"] = np.ones((1, dout.shape[0])) @ dout',
                'self.grads["bias"] = np.mean(dout, axis=0, keepdims=True)',
                "bias",
                r"mean|0\.2|1/N|batch",
            ),
            Bug(
                'dx = np.matmul(dout, self.params["weight"])',
                'dx = np.matmul(dout, self.params["weight"].T)',
                "x",
                r"transpos|\.T",
            ),
            Bug(
                'dx = np.matmul(dout, self.params["weight"])',
                'dx = np.matmul(dout, self.grads["weight"])',
                "x",
                r"instead|own gradient|not the weight",
            ),
        ],
    ),
    Case(
        "dropout with a generator",
        lambda: check_layer(Dropout(0.4), x=(4, 5)),
        bugs=[
            Bug("dx = dout * self.mask / (1 - self.p)", "dx = dout * self.mask", "x", r"0\.6|keep|scale|factor|1 - p"),
            Bug("dx = dout * self.mask / (1 - self.p)", "dx = dout * ~self.mask / (1 - self.p)", "x", r"mask|invert"),
            Bug(
                "dx = dout * self.mask / (1 - self.p)",
                "dx = dout * (self.rng.random(dout.shape) >= self.p) / (1 - self.p)",
                "x",
                r"mask|random|another|new|differ",
            ),
            Bug(
                "dx = dout * self.mask / (1 - self.p)",
                "dx = dout * self.mask / self.p",
                "x",
                r"1\.5|keep|scale|factor",
            ),
        ],
    ),
    Case(
        "group normalization",
        lambda: check_layer(GroupNorm(2, 4), x=(2, 4, 2, 3)),
        bugs=[
            Bug(
                "(m * dxhat - dxhat.sum(axis=2, keepdims=True) - xhat",
                "(m * dxhat - xhat",
                "x",
                r"mean|term|missing|constant",
            ),
            Bug(
                "- xhat * np.sum(dxhat * xhat, axis=2, keepdims=True))",
                "- xhat * np.mean(dxhat * xhat, axis=2, keepdims=True))",
                "x",
                r"mean|sum|var",
            ),
            Bug(
                'self.grads["gamma"] = np.sum(dout * self.xhat, axis=(0, 2, 3), keepdims=True)',
                'self.grads["gamma"] = np.sum(dout * self.xhat, axis=(2, 3), keepdims=True)[:1]',
                "gamma",
                r"sum|axis|batch|first",
            ),
            Bug('dxhat = (dout * self.params["gamma"]).reshape', "dxhat = dout.reshape", "x", r"scale|factor"),
            Bug(
                "xhat = self.xhat.reshape(N, self.G, -1)\n        m = xhat.shape[2]",
                "xhat = self.xhat.reshape(N, self.G, -1)\n        m = xhat.shape[2] - 1",
                "x",
                r"off by|count|mean",
            ),
        ],
    ),
    Case(
        "mlp of modules",
        lambda: check_layer(MLP(3, [4, 5], 2), x=(6, 3)),
        bugs=[
            Bug(
                "return dout * (1 - np.square(self.out))",
                "return dout * (1 - self.out)",
                ("x", "layers[0].weight", "layers[0].bias", "layers[2].weight", "layers[2].bias"),
                r"tanh|derivative|square",
            ),
            Bug(
                "for layer in reversed(self.layers):",
                "for layer in reversed(self.layers[1:]):",
                ("x", "layers[0].weight", "layers[0].bias"),
                r"first layer|missing|not called|None|no gradient|(has|of|wrong) shape|shape \(",
            ),
            Bug(
                "return dout * (1 - np.square(self.out))",
                "return dout",
                ("x", "layers[0].weight", "layers[0].bias", "layers[2].weight", "layers[2].bias"),
                r"tanh|derivative|activation",
            ),
            Bug(
                "            dout = layer.backward(dout)\n",
                "            dout = layer.backward(dout) * 1.01\n",
                ("x", "layers[0].weight", "layers[0].bias", "layers[2].weight", "layers[2].bias"),
                r"1\.0\d|factor|times",
            ),
        ],
    ),
]
