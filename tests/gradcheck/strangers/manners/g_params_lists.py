"""A from-scratch textbook's manner: self.params and self.grads are lists, gradients are written in place with [...]."""
import numpy as np


class MatMul:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.x = None

    def forward(self, x):
        W, = self.params
        self.x = x
        return np.dot(x, W)

    def backward(self, dout):
        W, = self.params
        self.grads[0][...] = np.dot(self.x.T, dout)
        return np.dot(dout, W.T)


class Embedding:
    def __init__(self, W):
        self.params = [W]
        self.grads = [np.zeros_like(W)]
        self.idx = None

    def forward(self, idx):
        W, = self.params
        self.idx = idx
        return W[idx]

    def backward(self, dout):
        dW, = self.grads
        dW[...] = 0
        np.add.at(dW, self.idx, dout)
        return None


class CBOWHidden:
    """The mean of two embeddings: two layers that share one matrix."""

    def __init__(self, W_in):
        self.in_layers = [MatMul(W_in), MatMul(W_in)]
        self.params = [W_in]
        self.grads = [np.zeros_like(W_in)]

    def forward(self, contexts):
        h0 = self.in_layers[0].forward(contexts[:, 0])
        h1 = self.in_layers[1].forward(contexts[:, 1])
        return (h0 + h1) * 0.5

    def backward(self, dh):
        da = dh * 0.5
        dc = np.stack([layer.backward(da) for layer in self.in_layers], axis=1)
        self.grads[0][...] = self.in_layers[0].grads[0] + self.in_layers[1].grads[0]
        return dc


class SigmoidWithLoss:
    def __init__(self):
        self.params, self.grads = [], []
        self.y = None
        self.t = None

    def forward(self, x, t):
        self.t = t
        self.y = 1 / (1 + np.exp(-x))
        return -np.mean(t * np.log(self.y) + (1 - t) * np.log(1 - self.y))

    def backward(self, dout=1):
        return (self.y - self.t) * dout / self.y.size


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_layer, check_loss  # noqa: E402

CASES = [
    Case("lists_matmul", lambda: check_layer(MatMul(np.random.randn(4, 3)), x=(5, 4)), bugs=[
        Bug("return np.dot(dout, W.T)", "return np.dot(dout, W.T) / len(dout)", "x", r"1/N|batch size|mean"),
        Bug("self.grads[0][...] = np.dot(self.x.T, dout)", "self.grads[0][...] = np.dot(self.x.T, dout) / self.x.shape[1]",
            "params[0]", r"times the right one|1/N|features|factor"),
    ]),
    Case("lists_embedding", lambda: check_layer(Embedding(np.random.randn(7, 3)), np.array([1, 4, 4, 0, 1])), bugs=[
        Bug("np.add.at(dW, self.idx, dout)", "dW[self.idx] = dout", "params[0]", r"repeat|add\.at|accumulat|twice"),
        Bug("np.add.at(dW, self.idx, dout)", "dW[self.idx] += dout", "params[0]", r"repeat|add\.at|accumulat|twice"),
    ]),
    Case("lists_cbow_hidden", lambda: check_layer(CBOWHidden(np.random.randn(6, 3)), contexts=(4, 2, 6)), bugs=[
        Bug("self.in_layers[0].grads[0] + self.in_layers[1].grads[0]", "self.in_layers[1].grads[0]", "params[0]",
            r"shared|term|missing|accumulat|sum"),
        Bug("da = dh * 0.5", "da = dh", ("contexts", "params[0]"), r"2(\.0)? times|times the right one"),
    ]),
    Case("lists_sigmoid_with_loss", lambda: check_loss(SigmoidWithLoss(), (6, 1), np.array([[0], [1], [1], [0], [1], [0]])),
         bugs=[
        Bug("(self.y - self.t) * dout / self.y.size", "(self.t - self.y) * dout / self.y.size", "y_pred", r"sign|-1 times"),
        Bug(" * dout / self.y.size", " * dout", "y_pred", r"times the right one|batch|mean"),
    ]),
]
