"""A best-selling textbook's layers: dout changed in place, W and dW as attributes, an OrderedDict of layers, gradient(x, t) -> dict."""
from collections import OrderedDict

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer, check_loss, check_model


def softmax(x):
    x = x - np.max(x, axis=-1, keepdims=True)
    return np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True)


def cross_entropy_error(y, t):
    if y.ndim == 1:
        t = t.reshape(1, t.size)
        y = y.reshape(1, y.size)
    if t.size == y.size:
        t = t.argmax(axis=1)
    batch_size = y.shape[0]
    return -np.sum(np.log(y[np.arange(batch_size), t])) / batch_size


class Relu:
    def __init__(self):
        self.mask = None

    def forward(self, x):
        self.mask = (x <= 0)
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0
        dx = dout
        return dx


class Affine:
    def __init__(self, W, b):
        self.W = W
        self.b = b
        self.x = None
        self.original_x_shape = None
        self.dW = None
        self.db = None

    def forward(self, x):
        self.original_x_shape = x.shape
        x = x.reshape(x.shape[0], -1)
        self.x = x
        out = np.dot(self.x, self.W) + self.b
        return out

    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)
        self.db = np.sum(dout, axis=0)
        dx = dx.reshape(*self.original_x_shape)
        return dx


class SoftmaxWithLoss:
    def __init__(self):
        self.loss = None
        self.y = None
        self.t = None

    def forward(self, x, t):
        self.t = t
        self.y = softmax(x)
        self.loss = cross_entropy_error(self.y, self.t)
        return self.loss

    def backward(self, dout=1):
        batch_size = self.t.shape[0]
        if self.t.size == self.y.size:
            dx = (self.y - self.t) / batch_size
        else:
            dx = self.y.copy()
            dx[np.arange(batch_size), self.t] -= 1
            dx = dx / batch_size
        return dx


class TwoLayerNet:
    def __init__(self, input_size, hidden_size, output_size, weight_init_std=0.5):
        self.params = {}
        self.params['W1'] = weight_init_std * np.random.randn(input_size, hidden_size)
        self.params['b1'] = np.zeros(hidden_size)
        self.params['W2'] = weight_init_std * np.random.randn(hidden_size, output_size)
        self.params['b2'] = np.zeros(output_size)
        self.layers = OrderedDict()
        self.layers['Affine1'] = Affine(self.params['W1'], self.params['b1'])
        self.layers['Relu1'] = Relu()
        self.layers['Affine2'] = Affine(self.params['W2'], self.params['b2'])
        self.lastLayer = SoftmaxWithLoss()

    def predict(self, x):
        for layer in self.layers.values():
            x = layer.forward(x)
        return x

    def loss(self, x, t):
        y = self.predict(x)
        return self.lastLayer.forward(y, t)

    def gradient(self, x, t):
        # forward
        self.loss(x, t)
        # backward
        dout = 1
        dout = self.lastLayer.backward(dout)
        layers = list(self.layers.values())
        layers.reverse()
        for layer in layers:
            dout = layer.backward(dout)
        grads = {}
        grads['W1'], grads['b1'] = self.layers['Affine1'].dW, self.layers['Affine1'].db
        grads['W2'], grads['b2'] = self.layers['Affine2'].dW, self.layers['Affine2'].db
        return grads


t = np.array([2, 0, 1, 2])

CASES = [
    Case("relu in place", lambda: check_layer(Relu(), x=(4, 5)), bugs=[
        Bug("dout[self.mask] = 0\n        dx = dout", "dout[~self.mask] = 0\n        dx = dout", "x", r"mask|invert|opposite"),
        Bug("        dout[self.mask] = 0\n        dx", "        dx", "x", r"mask|relu|missing|forgot"),
        Bug("        dx = dout\n        return dx\n\n\nclass Affine", "        dx = dout * 0.5\n        return dx\n\n\nclass Affine", "x", r"0\.5 times|half|factor"),
        Bug("dout[self.mask] = 0\n        dx = dout", "dout[dout < 0] = 0\n        dx = dout", "x", r"mask|dy|dout|sign|negative"),
    ]),
    Case("affine", lambda: check_layer(Affine(np.random.randn(6, 3), np.zeros(3)), x=(4, 2, 3)), bugs=[
        Bug("self.db = np.sum(dout, axis=0)", "self.db = np.sum(dout, axis=0) / dout.shape[0]", "b", r"1/N|batch size|mean"),
        Bug("self.dW = np.dot(self.x.T, dout)", "self.dW = np.dot(self.x.T, dout) / len(dout)", "W", r"1/N|batch size|mean"),
        Bug("self.dW = np.dot(self.x.T, dout)", "self.dW = np.dot(self.x.T ** 2, dout)", "W", r"squar|\bx\b|x\*\*2"),
        Bug("dx = np.dot(dout, self.W.T)", "dx = np.dot(dout + self.b, self.W.T)", "x", r"bias|\bb\b|extra|term|dy"),
    ]),
    Case("softmax with loss", lambda: check_loss(SoftmaxWithLoss(), (4, 3), t), bugs=[
        Bug("            dx = dx / batch_size\n", "", "y_pred", r"\bN\b|4(\.0*)? times|batch size|mean"),
        Bug("dx[np.arange(batch_size), self.t] -= 1", "dx[self.t] -= 1", "y_pred", r"label|index|row|one-?hot"),
        Bug("dx = self.y.copy()", "dx = 1 - self.y", "y_pred", r"softmax|sign|1 -"),
        Bug("            dx = dx / batch_size\n", "            dx = dx / dx.size\n", "y_pred", r"1/3|0\.33|classes|size|mean"),
    ]),
    Case("two-layer net", lambda: check_model(TwoLayerNet(5, 4, 3), (4, 5), t), bugs=[
        Bug("layers.reverse()\n        for layer in layers:", "layers.reverse()\n        for layer in layers[:1] + layers[2:]:", ("W1", "b1"), r"relu|mask|layer|missing|forgot"),
        Bug("self.layers['Affine1'].dW, self.layers['Affine1'].db", "self.layers['Affine1'].dW, self.layers['Affine1'].db * 0.5", "b1", r"0\.5 times|half|factor"),
        Bug("        dout = self.lastLayer.backward(dout)\n", "        dout = self.lastLayer.backward(dout) * self.lastLayer.y\n", ("W1", "b1", "W2", "b2"), r"softmax|twice|extra|factor"),
        Bug("grads['W2'], grads['b2'] = self.layers['Affine2'].dW, self.layers['Affine2'].db", "grads['W2'], grads['b2'] = self.layers['Affine2'].W, self.layers['Affine2'].db", "W2", r"\bW2?\b.*itself|is the (array|weight)|not.*gradient|dy|value"),
    ]),
]
