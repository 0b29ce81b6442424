"""A probabilist's layers: generators among the attributes, dropout masks, Gaussian noise, the reparametrization trick."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class Dropout:
    def __init__(self, rate=0.4, rng=None):
        self.rate = rate
        self.rng = rng or np.random.default_rng()

    def forward(self, x, training=True):
        if not training:
            self.mask = np.ones_like(x)
            return x
        self.mask = self.rng.uniform(size=x.shape) >= self.rate
        return x * self.mask / (1 - self.rate)

    def backward(self, dy):
        return dy * self.mask / (1 - self.rate)


class Reparametrize:
    """z = mu + exp(logvar / 2) eps"""

    def __init__(self, seed):
        self.random = np.random.RandomState(seed)

    def forward(self, mu, logvar):
        self.eps = self.random.standard_normal(mu.shape)
        self.std = np.exp(0.5 * logvar)
        return mu + self.std * self.eps

    def backward(self, dz):
        dmu = dz
        dlogvar = dz * self.eps * 0.5 * self.std
        return dmu, dlogvar


class MultiplicativeNoise:
    def __init__(self, n):
        self.log_alpha = np.full(n, -1.0)
        self.gen = np.random.default_rng(8)

    def forward(self, x):
        self.x = x
        self.xi = self.gen.normal(size=x.shape)
        self.amp = np.exp(self.log_alpha)
        return x * (1 + self.amp * self.xi)

    def backward(self, dy):
        self.dlog_alpha = (dy * self.x * self.xi * self.amp).sum(axis=0)
        return dy * (1 + self.amp * self.xi)


class DropConnect:
    """drops weights, not activities"""

    def __init__(self, n, m, p=0.5):
        self.p = p
        self.W = np.random.randn(n, m)
        self.bias = np.random.randn(m)

    def forward(self, x):
        self.x = x
        self.keep = (np.random.rand(*self.W.shape) > self.p) / (1 - self.p)
        return x @ (self.W * self.keep) + self.bias

    def backward(self, dy):
        self.dW = (self.x.T @ dy) * self.keep
        self.dbias = dy.sum(axis=0)
        return dy @ (self.W * self.keep).T


CASES = [
    Case("dropout", lambda: check_layer(Dropout(0.4, np.random.default_rng(1)), x=(5, 6)), bugs=[
        Bug("return dy * self.mask / (1 - self.rate)", "return dy * self.mask", "x", r"0\.6|rate|keep|scale"),
        Bug("return dy * self.mask / (1 - self.rate)", "return dy * self.mask / self.rate", "x", r"rate|1\.5|keep|scale|times"),
        Bug("return dy * self.mask / (1 - self.rate)", "return dy * ~self.mask / (1 - self.rate)", "x", r"mask|invert|opposite"),
        Bug("return dy * self.mask / (1 - self.rate)", "return dy * (self.rng.uniform(size=dy.shape) >= self.rate) / (1 - self.rate)", "x", r"(drawn|new|fresh|another).*(mask|random|noise)|(mask|noise).*(drawn|new|fresh|replay)"),
    ]),
    Case("reparametrize", lambda: check_layer(Reparametrize(0), (4, 3), (4, 3)), bugs=[
        Bug("dlogvar = dz * self.eps * 0.5 * self.std", "dlogvar = dz * self.eps * self.std", "logvar", r"2(\.0*)? times|twice|factor"),
        Bug("dlogvar = dz * self.eps * 0.5 * self.std", "dlogvar = dz * self.eps * 0.5", "logvar", r"std|exp|factor|missing"),
        Bug("dlogvar = dz * self.eps * 0.5 * self.std", "dlogvar = dz * 0.5 * self.std", "logvar", r"eps|noise|factor|missing"),
        Bug("        dmu = dz\n", "        dmu = dz * self.std\n", "x", r"std|factor|extra"),
    ]),
    Case("multiplicative noise", lambda: check_layer(MultiplicativeNoise(4), x=(3, 4)), bugs=[
        Bug("self.x * self.xi * self.amp).sum(axis=0)", "self.x * self.xi).sum(axis=0)", "log_alpha", r"exp|amp|factor|missing|2\.7"),
        Bug("return dy * (1 + self.amp * self.xi)", "return dy", "x", r"noise|factor|missing|xi"),
        Bug("return dy * (1 + self.amp * self.xi)", "return dy * (1 + self.xi)", "x", r"amp|factor|noise|missing"),
        Bug("self.amp).sum(axis=0)", "self.amp).mean(axis=0)", "log_alpha", r"1/N|batch size|mean"),
    ]),
    Case("drop connect", lambda: check_layer(DropConnect(4, 3), x=(5, 4)), bugs=[
        Bug("self.dW = (self.x.T @ dy) * self.keep", "self.dW = self.x.T @ dy", "W", r"mask|keep|missing|forgot"),
        Bug("return dy @ (self.W * self.keep).T", "return dy @ self.W.T", "x", r"mask|keep|missing|forgot"),
        Bug("self.dW = (self.x.T @ dy) * self.keep", "self.dW = (self.x.T @ dy) * (self.keep > 0)", "W", r"0\.5 times|half|keep|rate|scale"),
        Bug("self.dbias = dy.sum(axis=0)", "self.dbias = dy.sum(axis=0) / self.p", "bias", r"2(\.0*)? times|twice|factor|\bp\b"),
    ]),
]
