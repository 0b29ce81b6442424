"""A vision course's classifiers: losses that return (loss, dx), and networks with loss(X, y) -> (loss, grads)."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_loss, check_model


def softmax_loss(x, y):
    shifted = x - x.max(axis=1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    N = x.shape[0]
    loss = -log_probs[np.arange(N), y].mean()
    dx = np.exp(log_probs)
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx


def svm_loss(x, y, delta=1.0):
    n = len(x)
    correct = x[np.arange(n), y]
    margins = np.maximum(0, x - correct[:, None] + delta)
    margins[np.arange(n), y] = 0
    total = margins.sum() / n
    num_pos = np.sum(margins > 0, axis=1)
    dscores = (margins > 0).astype(x.dtype)
    dscores[np.arange(n), y] -= num_pos
    return total, dscores / n


class TwoLayerNet(object):
    """affine - relu - affine - softmax"""

    def __init__(self, input_dim=6, hidden_dim=5, num_classes=3, weight_scale=0.5, reg=0.1):
        self.params = {}
        self.reg = reg
        self.params["W1"] = weight_scale * np.random.randn(input_dim, hidden_dim)
        self.params["b1"] = np.zeros(hidden_dim)
        self.params["W2"] = weight_scale * np.random.randn(hidden_dim, num_classes)
        self.params["b2"] = np.zeros(num_classes)

    def loss(self, X, y=None):
        W1, b1 = self.params["W1"], self.params["b1"]
        W2, b2 = self.params["W2"], self.params["b2"]
        hidden = np.maximum(X.dot(W1) + b1, 0)
        scores = hidden.dot(W2) + b2
        if y is None:  # test time
            return scores
        loss, grads = 0, {}
        loss, dscores = softmax_loss(scores, y)
        loss += 0.5 * self.reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
        grads["W2"] = hidden.T.dot(dscores) + self.reg * W2
        grads["b2"] = dscores.sum(axis=0)
        dhidden = dscores.dot(W2.T)
        dhidden[hidden <= 0] = 0
        grads["W1"] = X.T.dot(dhidden) + self.reg * W1
        grads["b1"] = dhidden.sum(axis=0)
        return loss, grads


class LinearSVM:
    def __init__(self, D=4, K=3):
        self.W = 0.1 * np.random.randn(D, K)

    def loss(self, X_batch, y_batch, reg=1e-2):
        l, ds = svm_loss(X_batch.dot(self.W), y_batch)
        return l + reg * np.sum(self.W ** 2), X_batch.T.dot(ds) + 2 * reg * self.W


class FullyConnectedNet(object):
    """Any number of hidden layers."""

    def __init__(self, hidden_dims, input_dim=4, num_classes=3, reg=0.0):
        dims = [input_dim] + hidden_dims + [num_classes]
        self.num_layers = 1 + len(hidden_dims)
        self.reg = reg
        self.params = {}
        for l in range(self.num_layers):
            self.params["W%d" % (l + 1)] = 0.5 * np.random.randn(dims[l], dims[l + 1])
            self.params["b%d" % (l + 1)] = np.zeros(dims[l + 1])

    def loss(self, X, y=None):
        L = self.num_layers
        acts, h = [], X
        for l in range(1, L + 1):
            acts.append(h)
            z = h @ self.params["W%d" % l] + self.params["b%d" % l]
            h = np.tanh(z) if l < L else z
        if y is None:
            return h
        loss, dz = softmax_loss(h, y)
        grads = {}
        for l in range(L, 0, -1):
            W = self.params["W%d" % l]
            loss += 0.5 * self.reg * (W ** 2).sum()
            grads["W%d" % l] = acts[l - 1].T @ dz + self.reg * W
            grads["b%d" % l] = dz.sum(0)
            if l > 1:
                dz = (dz @ W.T) * (1 - acts[l - 1] ** 2)
        return loss, grads


labels = np.array([0, 2, 1, 1, 0])

CASES = [
    Case("softmax loss", lambda: check_loss(softmax_loss, (5, 3), labels), bugs=[
        Bug("    dx /= N\n", "", "x", r"\bN\b|5(\.0*)? times|batch size|mean"),
        Bug("    dx[np.arange(N), y] -= 1\n", "", "x", r"onehot|one-hot|label|- ?1|missing"),
        Bug("    dx[np.arange(N), y] -= 1\n", "    dx[np.arange(N), y] += 1\n", "x", r"sign|onehot|one-hot|label|\+ ?1"),
        Bug("dx = np.exp(log_probs)", "dx = np.exp(shifted)", "x", r"normali[sz]|softmax|sum"),
        Bug("dx = np.exp(log_probs)", "dx = log_probs.copy()", "x", r"log|exp|softmax"),
    ]),
    Case("svm loss", lambda: check_loss(svm_loss, (5, 3), labels), bugs=[
        Bug("dscores[np.arange(n), y] -= num_pos", "dscores[np.arange(n), y] -= 1", "x", r"count|number|label|correct|true class"),
        Bug("return total, dscores / n", "return total, dscores", "x", r"\bN\b|5(\.0*)? times|batch size|mean"),
        Bug("    dscores[np.arange(n), y] -= num_pos\n", "", "x", r"label|correct|true class|missing|zero"),
        Bug("dscores = (margins > 0).astype(x.dtype)", "dscores = margins.copy()", "x", r"mask|margin|derivative|step"),
    ]),
    Case("two-layer net", lambda: check_model(TwoLayerNet(), (5, 6), labels), bugs=[
        Bug("hidden.T.dot(dscores) + self.reg * W2", "hidden.T.dot(dscores)", "W2", r"reg|penalty|decay|\bW2? (term|times)|0\.1"),
        Bug("X.T.dot(dhidden) + self.reg * W1", "X.T.dot(dhidden) + 2 * self.reg * W1", "W1", r"reg|penalty|decay|\bW1? (term|times)|0\.1"),
        Bug("        dhidden[hidden <= 0] = 0\n", "", ("W1", "b1"), r"mask|relu|missing|forgot"),
        Bug('grads["b2"] = dscores.sum(axis=0)', 'grads["b2"] = dscores.mean(axis=0)', "b2", r"1/N|batch size|mean"),
        Bug("dhidden = dscores.dot(W2.T)", "dhidden = hidden.dot(W2).dot(W2.T)", ("W1", "b1"), r"dy|dscores|scores|upstream|stale|gradient of the loss|ignore"),
    ]),
    Case("linear svm", lambda: check_model(LinearSVM(), (5, 4), labels), bugs=[
        Bug("+ 2 * reg * self.W\n", "+ reg * self.W\n", "W", r"reg|penalty|decay|W (term|times)|0\.01"),
        Bug("X_batch.T.dot(ds) + 2 * reg * self.W\n", "X_batch.T.dot(ds)\n", "W", r"reg|penalty|decay|W (term|times)|0\.0[12]"),
        Bug("X_batch.T.dot(ds) +", "X_batch.T.dot(ds) / len(ds) +", "W", r"1/N|batch size|mean|times"),
        Bug("        return l + reg", "        ds = ds * 2\n        return l + reg", "W", r"2(\.0*)? times|twice|factor"),
    ]),
    Case("fully connected", lambda: check_model(FullyConnectedNet([6, 5], reg=0.3), (4, 4), labels[:4]), bugs=[
        Bug("(dz @ W.T) * (1 - acts[l - 1] ** 2)", "dz @ W.T", ("W1", "b1", "W2", "b2"), r"tanh|derivative|1 - "),
        Bug("* (1 - acts[l - 1] ** 2)", "* (1 - acts[l - 1]) ** 2", ("W1", "b1", "W2", "b2"), r"tanh|derivative|1 - "),
        Bug('grads["b%d" % l] = dz.sum(0)', 'grads["b%d" % l] = dz.sum(0) + self.reg * self.params["b%d" % l] ** 0', ("b1", "b2", "b3"), r"reg|constant|added|penalty|0\.3|offset"),
        Bug("for l in range(L, 0, -1):\n            W = self.params", "for l in range(L, 0, -1):\n            dz = dz * (2 if l == 1 else 1)\n            W = self.params", ("W1", "b1"), r"2(\.0*)? times|twice|factor"),
    ]),
]
