"""A notebook: weights, gradients and remembered activations are global variables, forward and backward are functions."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function

np.random.seed(42)

# In [3]: parameters
W1 = np.random.randn(4, 5) * 0.5
b1 = np.zeros(5)
W2 = np.random.randn(5, 3) * 0.5
b2 = np.zeros(3)
dW1 = db1 = dW2 = db2 = None
cache = {}


# In [4]:
def forward(X):
    cache['X'] = X
    cache['Z1'] = X @ W1 + b1
    cache['A1'] = np.tanh(cache['Z1'])
    return cache['A1'] @ W2 + b2


# In [5]:
def backward(dZ2):
    global dW1, db1, dW2, db2
    dW2 = cache['A1'].T @ dZ2
    db2 = dZ2.sum(axis=0)
    dA1 = dZ2 @ W2.T
    dZ1 = dA1 * (1 - cache['A1'] ** 2)
    dW1 = cache['X'].T @ dZ1
    db1 = dZ1.sum(axis=0)
    return dZ1 @ W1.T


# In [9]: a vanilla RNN over a sequence, all states in a dict by time
Wxh, Whh, bh = np.random.randn(3, 4) * 0.7, np.random.randn(4, 4) * 0.7, np.random.randn(4)


def rnn(xs):
    hs = {-1: np.zeros((xs.shape[1], 4))}
    for t in range(len(xs)):
        hs[t] = np.tanh(xs[t] @ Wxh + hs[t - 1] @ Whh + bh)
    cache['hs'], cache['xs'] = hs, xs
    return np.stack([hs[t] for t in range(len(xs))])


def rnn_backward(dhs):
    global dWxh, dWhh, dbh
    hs, xs = cache['hs'], cache['xs']
    dWxh, dWhh, dbh = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(bh)
    dxs, dhnext = np.zeros_like(xs), 0
    for t in reversed(range(len(xs))):
        dh = dhs[t] + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw.sum(0)
        dWxh += xs[t].T @ dhraw
        dWhh += hs[t - 1].T @ dhraw
        dxs[t] = dhraw @ Wxh.T
        dhnext = dhraw @ Whh.T
    return dxs


CASES = [
    Case("two layers", lambda: check_function(forward, backward, (6, 4)), bugs=[
        Bug("dW2 = cache['A1'].T @ dZ2", "dW2 = cache['A1'].T @ dZ2 / len(dZ2)", "W2", r"1/N|batch size|mean"),
        Bug("db1 = dZ1.sum(axis=0)", "db1 = dA1.sum(axis=0)", "b1", r"tanh|derivative|missing|factor"),
        Bug("dZ1 = dA1 * (1 - cache['A1'] ** 2)", "dZ1 = dA1 * (1 - cache['Z1'] ** 2)", ("X", "W1", "b1"), r"tanh|Z1|derivative"),
        Bug("    dW1 = cache['X'].T @ dZ1\n", "    dW1 = 99 * cache['X'].T @ dZ1\n", "W1", r"99"),
        Bug("    db2 = dZ2.sum(axis=0)\n", "", "b2", r"never|no gradient|not (written|set|found)|missing|None|zero"),
    ]),
    Case("rnn", lambda: check_function(rnn, rnn_backward, (4, 2, 3)), bugs=[
        Bug("dhnext = dhraw @ Whh.T", "dhnext = dhraw @ Whh", ("xs", "Wxh", "Whh", "bh"), r"transpos|Whh|\.T"),
        Bug("dWhh += hs[t - 1].T @ dhraw", "dWhh += hs[t].T @ dhraw", "Whh", r"time|step|off by one|\bhs?\b|previous|state"),
        Bug("dh = dhs[t] + dhnext", "dh = dhs[t]", ("xs", "Wxh", "Whh", "bh"), r"time|later|next step|recurren|road|length"),
        Bug("dWxh += xs[t].T @ dhraw", "dWxh = xs[t].T @ dhraw", "Wxh", r"overwrit|accumulat|\+=|last|first|one step"),
        Bug("dhraw = (1 - hs[t] * hs[t]) * dh", "dhraw = (1 - hs[t - 1] * hs[t - 1]) * dh", ("xs", "Wxh", "Whh", "bh"), r"tanh|time|previous|step"),
    ]),
]
