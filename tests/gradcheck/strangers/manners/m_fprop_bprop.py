"""An old neural-network library: fprop and bprop, layers in a list, weights in .W with .W_grad, prints for debugging."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class InnerProduct(object):
    def __init__(self, nin, nout):
        self.W = np.random.normal(size=(nin, nout))
        self.b = np.random.normal(size=nout)
        self.W_grad = None
        self.b_grad = None

    def fprop(self, inputs):
        print('fprop', inputs.shape)
        self._inputs = inputs
        return np.dot(inputs, self.W) + self.b

    def bprop(self, grads):
        self.W_grad = np.dot(self._inputs.T, grads)
        self.b_grad = np.sum(grads, 0)
        return np.dot(grads, self.W.T)


class Softplus(object):
    def fprop(self, inputs):
        self.inputs = inputs
        return np.logaddexp(0, inputs)

    def bprop(self, grads):
        return grads / (1.0 + np.exp(-self.inputs))


class Maxout(object):
    def __init__(self, k):
        self.k = k

    def fprop(self, inputs):
        n, d = inputs.shape
        x = inputs.reshape(n, d // self.k, self.k)
        self.which = x.argmax(axis=2)
        self.shape = x.shape
        return x.max(axis=2)

    def bprop(self, grads):
        out = np.zeros(self.shape)
        i, j = np.indices(self.which.shape)
        out[i, j, self.which] = grads
        return out.reshape(out.shape[0], -1)


class MLP(object):
    def __init__(self, layers):
        self.layers = layers
        assert len(layers) > 0

    def fprop(self, x):
        for l in self.layers:
            x = l.fprop(x)
        return x

    def bprop(self, g):
        for l in self.layers[::-1]:
            g = l.bprop(g)
        return g


CASES = [
    Case("inner product", lambda: check_layer(InnerProduct(4, 3), x=(5, 4)), bugs=[
        Bug("self.b_grad = np.sum(grads, 0)", "self.b_grad = np.sum(grads, 0) / len(grads)", "b", r"1/N|batch size|mean"),
        Bug("self.W_grad = np.dot(self._inputs.T, grads)", "self.W_grad = np.dot(self._inputs.T, grads) + self.W", "W", r"\bW\b|decay|term|penalty|added|extra"),
        Bug("return np.dot(grads, self.W.T)", "return np.dot(grads, self.W.T) + grads.mean()", "x", r"extra|term|mean|added"),
        Bug("self.W_grad = np.dot(self._inputs.T, grads)", "self.W_grad = -np.dot(self._inputs.T, grads)", "W", r"sign|-1"),
    ]),
    Case("softplus", lambda: check_layer(Softplus(), x=(5, 4)), bugs=[
        Bug("return grads / (1.0 + np.exp(-self.inputs))", "return grads / (1.0 + np.exp(self.inputs))", "x", r"sign|sigmoid|1 -|softplus"),
        Bug("return grads / (1.0 + np.exp(-self.inputs))", "return grads * (self.inputs > 0)", "x", r"relu|sigmoid|softplus|mask|derivative"),
        Bug("return grads / (1.0 + np.exp(-self.inputs))", "return 1 / (1.0 + np.exp(-self.inputs))", "x", r"dy|grads|ignore|upstream"),
        Bug("return grads / (1.0 + np.exp(-self.inputs))", "return grads * np.exp(-self.inputs) / (1.0 + np.exp(-self.inputs)) ** 2", "x", r"sigmoid|derivative|twice|softplus"),
    ]),
    Case("maxout", lambda: check_layer(Maxout(3), x=(4, 6)), bugs=[
        Bug("out[i, j, self.which] = grads", "out[...] = grads[:, :, None]", "x", r"mask|every|max|missing"),
        Bug("out[i, j, self.which] = grads", "out[i, j, self.which - 1] = grads", "x", r"shift|off by one|index|roll|place|mask"),
        Bug("out[i, j, self.which] = grads", "out[i, j, self.which] = 1", "x", r"dy|grads|ignore|upstream"),
        Bug("return out.reshape(out.shape[0], -1)", "return out.transpose(0, 2, 1).reshape(out.shape[0], -1)", "x", r"transpos|reshape|order|permut"),
    ]),
    Case("mlp", lambda: check_layer(MLP([InnerProduct(4, 6), Maxout(2), InnerProduct(3, 2), Softplus()]), x=(5, 4)), bugs=[
        Bug("self.W_grad = np.dot(self._inputs.T, grads)", "self.W_grad = np.dot(self._inputs.T, grads) * 0.5", ("0.W", "2.W"), r"0\.5 times|half|factor"),
        Bug("return grads / (1.0 + np.exp(-self.inputs))", "return grads", ("x", "0.W", "0.b", "2.W", "2.b"), r"derivative|missing|factor|softplus|sigmoid"),
        Bug("return np.dot(grads, self.W.T)", "return np.dot(grads, self.W.T) * (self._inputs > 0)", ("x", "0.W", "0.b"), r"mask|relu|extra"),
        Bug("        out = np.zeros(self.shape)\n", "        out = np.full(self.shape, 0.1)\n", ("x", "0.W", "0.b"), r"constant|offset|0\.1|added|start|initial"),
    ]),
]
