"""A university course's modules.py: self.params and self.grads dicts with 'weight' and 'bias', assigned (not added) in backward."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer, check_loss, check_model


class LinearModule(object):
    """
    Linear module. Applies a linear transformation to the input data.
    """

    def __init__(self, in_features, out_features, input_layer=False):
        self.params = {'weight': None, 'bias': None}
        self.grads = {'weight': None, 'bias': None}
        self.params['weight'] = np.random.randn(out_features, in_features) * np.sqrt(2 / in_features)
        self.params['bias'] = np.zeros((1, out_features))
        self.grads['weight'] = np.zeros((out_features, in_features))
        self.grads['bias'] = np.zeros((1, out_features))

    def forward(self, x):
        self.x = x
        out = x @ self.params['weight'].T + self.params['bias']
        return out

    def backward(self, dout):
        self.grads['weight'] = dout.T @ self.x
        self.grads['bias'] = dout.sum(axis=0, keepdims=True)
        dx = dout @ self.params['weight']
        return dx

    def clear_cache(self):
        self.x = None


class ELUModule(object):
    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def forward(self, x):
        self.x = x
        out = np.where(x > 0, x, self.alpha * (np.exp(x) - 1))
        return out

    def backward(self, dout):
        dx = dout * np.where(self.x > 0, 1, self.alpha * np.exp(self.x))
        return dx

    def clear_cache(self):
        self.x = None


class SoftMaxModule(object):
    def forward(self, x):
        b = x.max(axis=1, keepdims=True)
        e = np.exp(x - b)
        self.out = e / e.sum(axis=1, keepdims=True)
        return self.out

    def backward(self, dout):
        s = self.out
        dx = s * (dout - (dout * s) @ np.ones((s.shape[1], s.shape[1])))
        return dx


class CrossEntropyModule(object):
    def forward(self, x, y):
        self.n = x.shape[0]
        return -np.mean(np.log(x[np.arange(self.n), y]))

    def backward(self, x, y):
        t = np.zeros_like(x)
        t[np.arange(x.shape[0]), y] = 1
        dx = -(t / x) / x.shape[0]
        return dx


class MLP(object):
    def __init__(self, n_inputs, n_hidden, n_classes):
        self.layers = []
        prev = n_inputs
        for h in n_hidden:
            self.layers.append(LinearModule(prev, h))
            self.layers.append(ELUModule())
            prev = h
        self.layers.append(LinearModule(prev, n_classes))
        self.layers.append(SoftMaxModule())

    def forward(self, x):
        out = x
        for layer in self.layers:
            out = layer.forward(out)
        return out

    def backward(self, dout):
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


probs = np.random.RandomState(4).dirichlet(np.ones(3) * 3, size=5)
targets = np.array([2, 0, 1, 0, 2])

CASES = [
    Case("linear", lambda: check_layer(LinearModule(4, 3), x=(5, 4)), bugs=[
        Bug("self.grads['weight'] = dout.T @ self.x", "self.grads['weight'] = dout.T @ self.x / len(dout)", "weight", r"1/N|batch size|mean"),
        Bug("self.grads['bias'] = dout.sum(axis=0, keepdims=True)", "self.grads['bias'] = dout[-1:]", "bias", r"last|row|sum"),
        Bug("dx = dout @ self.params['weight']", "dx = dout @ self.grads['weight']", "x", r"grad|dW|weight"),
        Bug("        self.grads['weight'] = dout.T @ self.x\n", "", "weight", r"zero|never|not (written|set|assigned)|missing"),
        Bug("self.grads['bias'] = dout.sum", "self.grads['bias'] = -dout.sum", "bias", r"sign|-1"),
    ]),
    Case("elu", lambda: check_layer(ELUModule(alpha=0.7), x=(4, 5)), bugs=[
        Bug("np.where(self.x > 0, 1, self.alpha * np.exp(self.x))", "np.where(self.x > 0, 1, self.alpha * (np.exp(self.x) - 1))", "x", r"exp|negative|elu|derivative|mask|- 1"),
        Bug("np.where(self.x > 0, 1, self.alpha", "np.where(self.x < 0, 1, self.alpha", "x", r"mask|invert|opposite|branch"),
        Bug("1, self.alpha * np.exp(self.x))", "1, np.exp(self.x))", "x", r"alpha|0\.7|negative"),
        Bug("dx = dout * np.where", "dx = np.where", "x", r"dy|dout|ignore|upstream"),
    ]),
    Case("softmax", lambda: check_layer(SoftMaxModule(), x=(4, 3)), bugs=[
        Bug("dx = s * (dout - (dout * s) @ np.ones((s.shape[1], s.shape[1])))", "dx = s * (1 - s) * dout", "x", r"softmax|diagonal|sigmoid|off-diagonal|Jacobian|sum"),
        Bug("(dout * s) @ np.ones((s.shape[1], s.shape[1]))", "(dout * s).sum(axis=0)", "x", r"axis"),
        Bug("dx = s * (dout - (dout * s) @ np", "dx = (dout - (dout * s) @ np", "x", r"softmax|factor|missing|output"),
        Bug("dx = s * (dout - (dout * s) @ np", "dx = s * (dout + (dout * s) @ np", "x", r"sign|term|softmax"),
    ]),
    Case("cross entropy", lambda: check_loss(CrossEntropyModule(), probs, targets), bugs=[
        Bug("dx = -(t / x) / x.shape[0]", "dx = -(t / x)", "y_pred", r"\bN\b|5(\.0*)? times|batch size|mean"),
        Bug("dx = -(t / x) / x.shape[0]", "dx = (x - t) / x.shape[0]", "y_pred", r"softmax|1/x|divi"),
        Bug("dx = -(t / x)", "dx = (t / x)", "y_pred", r"sign|-1"),
        Bug("dx = -(t / x) / x.shape[0]", "dx = -(t * np.log(x)) / x.shape[0]", "y_pred", r"log|derivative|1/x"),
    ]),
    Case("mlp", lambda: check_layer(MLP(4, [5], 3), x=(6, 4)), bugs=[
        Bug("self.grads['weight'] = dout.T @ self.x", "self.grads['weight'] = 3 * dout.T @ self.x", ("0.weight", "2.weight"), r"3(\.0*)? times|factor"),
        Bug("for layer in reversed(self.layers):\n", "for layer in reversed(self.layers[1:]):\n", ("x", "0.weight", "0.bias"), r"zero|first|layer|never|not (written|called)|shape|missing"),
        Bug("dx = dout * np.where(self.x > 0, 1, self.alpha * np.exp(self.x))", "dx = dout * (self.x > 0)", ("x", "0.weight", "0.bias"), r"negative|elu|relu|mask|exp"),
        Bug("dx = s * (dout - (dout * s) @ np", "dx = s * (dout - 0 * (dout * s) @ np", ("x", "0.weight", "0.bias", "2.weight", "2.bias"), r"softmax|sum|term"),
    ]),
    Case("mlp with loss", lambda: check_model(MLP(4, [6, 5], 3), (5, 4), targets, loss=CrossEntropyModule()), bugs=[
        Bug("self.grads['bias'] = dout.sum(axis=0, keepdims=True)", "self.grads['bias'] = dout.mean(axis=0, keepdims=True)", ("0.bias", "2.bias", "4.bias"), r"1/N|batch size|mean"),
        Bug("1, self.alpha * np.exp(self.x))\n        return dx", "1, self.alpha * np.exp(self.x))\n        return dx * dx / dout", ("x", "0.weight", "0.bias", "2.weight", "2.bias"), r"twice|squared|derivative"),
        Bug("dx = dout @ self.params['weight']", "dx = dout @ np.abs(self.params['weight'])", ("x", "0.weight", "0.bias", "2.weight", "2.bias"), r"weight|abs|sign"),
        Bug("return -np.mean(np.log(x", "return -2 * np.mean(np.log(x", ("x", "0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"), r"0\.5 times|half|factor"),
    ]),
]
