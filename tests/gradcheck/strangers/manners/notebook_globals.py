"""A notebook's: the weights are global variables, and the cells call functions that read them."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_function

# In[1]
np.random.seed(1)
hidden_size = 4
vocab_size = 3
Wxh = np.random.randn(hidden_size, vocab_size) * 0.5  # input to hidden
Whh = np.random.randn(hidden_size, hidden_size) * 0.5  # hidden to hidden
Why = np.random.randn(vocab_size, hidden_size) * 0.5  # hidden to output
bh = np.zeros((hidden_size, 1))
by = np.zeros((vocab_size, 1))


# In[2]
def lossFun(inputs, targets, hprev):
    """
    inputs, targets are both list of integers, hprev is Hx1 array of initial hidden state
    returns the loss, gradients on model parameters, and last hidden state
    """
    xs, hs, ps = {}, {}, {}
    hs[-1] = np.copy(hprev)
    loss = 0
    for t in range(len(inputs)):
        xs[t] = np.zeros((vocab_size, 1))
        xs[t][inputs[t]] = 1
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
        y = Why @ hs[t] + by
        ps[t] = np.exp(y) / np.sum(np.exp(y))
        loss += -np.log(ps[t][targets[t], 0])
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by)
    dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dy = np.copy(ps[t])
        dy[targets[t]] -= 1
        dWhy += dy @ hs[t].T
        dby += dy
        dh = Why.T @ dy + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw
        dWxh += dhraw @ xs[t].T
        dWhh += dhraw @ hs[t - 1].T
        dhnext = Whh.T @ dhraw
    return loss, dWxh, dWhh, dWhy, dbh, dby, hs[len(inputs) - 1]


# In[3]
W1 = np.random.randn(3, 5) * 0.7
b1 = np.random.randn(5) * 0.1
W2 = np.random.randn(5, 2) * 0.7
b2 = np.random.randn(2) * 0.1


def forward(X):
    global h
    h = 1 / (1 + np.exp(-(X @ W1 + b1)))
    return h @ W2 + b2


def backward(X, dscores):
    global dW1, db1, dW2, db2
    dW2 = h.T @ dscores
    db2 = dscores.sum(axis=0)
    dhidden = dscores @ W2.T
    da = dhidden * h * (1 - h)
    dW1 = X.T @ da
    db1 = da.sum(axis=0)
    return da @ W1.T


# What a helpful neighbour would write so that the checker sees the globals.
CASES = [
    Case(
        "character rnn with globals",
        lambda: check_function(lossFun, inputs=[0, 2, 1, 1], targets=[2, 1, 1, 2], hprev=np.zeros((hidden_size, 1))),
        expect="not checked",
        arrays=("hprev",),
        bugs=[
            Bug("dh = Why.T @ dy + dhnext", "dh = Why.T @ dy", ("Wxh", "Whh", "bh"), r"time|later|path|missing"),
            Bug("dWhh += dhraw @ hs[t - 1].T", "dWhh += dhraw @ hs[t].T", "Whh", r"time|shift|hidden|off by"),
            Bug("        dbh += dhraw\n", "        dbh += dh\n", "bh", r"tanh|derivative|activation"),
            Bug("        dby += dy\n", "        dby = dy\n", "by", r"accumul|\+=|last|sum|time"),
            Bug("dy[targets[t]] -= 1", "dy[inputs[t]] -= 1", ("Wxh", "Whh", "Why", "bh", "by"), r"target|label|input"),
        ],
    ),
    Case(
        "two layers with globals",
        lambda: check_function(forward, backward, X=(4, 3)),
        bugs=[
            Bug(
                "da = dhidden * h * (1 - h)",
                "da = dhidden * (1 - h * h)",
                ("X", "W1", "b1"),
                r"sigmoid|tanh|derivative",
            ),
            Bug("db2 = dscores.sum(axis=0)", "db2 = dscores.mean(axis=0)", "b2", r"mean|0\.25|1/N|batch"),
            Bug("dW1 = X.T @ da", "dW1 = X.T @ dhidden", "W1", r"sigmoid|derivative|activation"),
            Bug("return da @ W1.T", "return dhidden @ W1.T", "X", r"sigmoid|derivative|activation"),
        ],
    ),
]
