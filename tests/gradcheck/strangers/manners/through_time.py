"""A blogger's recurrent network: many words in, one answer out, states remembered in a dict."""

import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class RNN:
    """A Vanilla Recurrent Neural Network; inputs are (T, input_size), one row a word."""

    def __init__(self, input_size, output_size, hidden_size=4):
        self.Whh = np.random.randn(hidden_size, hidden_size) / 2
        self.Wxh = np.random.randn(hidden_size, input_size) / 2
        self.Why = np.random.randn(output_size, hidden_size) / 2
        self.bh = np.zeros((hidden_size, 1))
        self.by = np.zeros((output_size, 1))

    def forward(self, inputs):
        h = np.zeros((self.Whh.shape[0], 1))
        self.last_inputs = inputs
        self.last_hs = {0: h}
        for i, x in enumerate(inputs):
            h = np.tanh(self.Wxh @ x[:, None] + self.Whh @ h + self.bh)
            self.last_hs[i + 1] = h
        return self.Why @ h + self.by

    def backprop(self, d_y):
        n = len(self.last_inputs)
        self.d_Why = d_y @ self.last_hs[n].T
        self.d_by = d_y
        self.d_Whh = np.zeros(self.Whh.shape)
        self.d_Wxh = np.zeros(self.Wxh.shape)
        self.d_bh = np.zeros(self.bh.shape)
        d_inputs = np.zeros(self.last_inputs.shape)
        d_h = self.Why.T @ d_y
        for t in reversed(range(n)):
            temp = (1 - self.last_hs[t + 1] ** 2) * d_h
            self.d_bh += temp
            self.d_Whh += temp @ self.last_hs[t].T
            self.d_Wxh += temp @ self.last_inputs[t][None, :]
            d_inputs[t] = (self.Wxh.T @ temp)[:, 0]
            d_h = self.Whh.T @ temp
        return d_inputs


class LeakyIntegrator:
    """h[t] = a * h[t-1] + (1 - a) * x[t], one learned rate per feature; gradients returned in a dict."""

    def __init__(self, size):
        self.a = np.random.uniform(0.2, 0.8, size)

    def forward(self, x):
        h = np.zeros((len(x) + 1,) + x.shape[1:])
        for t in range(len(x)):
            h[t + 1] = self.a * h[t] + (1 - self.a) * x[t]
        self.x, self.h = x, h
        return h[1:]

    def backward(self, dh):
        dx = np.zeros_like(self.x)
        da = np.zeros_like(self.a)
        carry = 0
        for t in range(len(dh) - 1, -1, -1):
            g = dh[t] + carry
            dx[t] = (1 - self.a) * g
            da += np.sum((self.h[t] - self.x[t]) * g, axis=0)
            carry = self.a * g
        return {"x": dx, "a": da}


CASES = [
    Case(
        "many to one",
        lambda: check_layer(RNN(3, 2), inputs=(4, 3)),
        bugs=[
            Bug(
                "d_h = self.Whh.T @ temp", "d_h = self.Whh @ temp", ("inputs", "Whh", "Wxh", "bh"), r"transpos|\.T|time"
            ),
            Bug(
                "temp = (1 - self.last_hs[t + 1] ** 2) * d_h",
                "temp = (1 - self.last_hs[t] ** 2) * d_h",
                ("inputs", "Whh", "Wxh", "bh"),
                r"shift|off by|tanh|state",
            ),
            Bug(
                "self.d_Whh += temp @ self.last_hs[t].T",
                "self.d_Whh += temp @ self.last_hs[t + 1].T",
                "Whh",
                r"shift|off by|state|hidden",
            ),
            Bug(
                "d_h = self.Whh.T @ temp",
                "d_h = self.Whh.T @ d_h",
                ("inputs", "Whh", "Wxh", "bh"),
                r"tanh|derivative|activation",
            ),
            Bug(
                "for t in reversed(range(n)):",
                "for t in reversed(range(1, n)):",
                ("inputs", "Wxh", "bh"),
                r"first|missing|off by|zero",
            ),
        ],
    ),
    Case(
        "leaky integrator",
        lambda: check_layer(LeakyIntegrator(3), x=(5, 2, 3)),
        bugs=[
            Bug("carry = self.a * g", "carry = self.a * dh[t]", ("x", "a"), r"time|carry|later|accumul|path"),
            Bug(
                "da += np.sum((self.h[t] - self.x[t]) * g, axis=0)",
                "da += np.sum(self.h[t] * g, axis=0)",
                "a",
                r"term|missing|input",
            ),
            Bug(
                "da += np.sum((self.h[t] - self.x[t]) * g, axis=0)",
                "da = np.sum((self.h[t] - self.x[t]) * g, axis=0)",
                "a",
                r"accumul|\+=|last|first|sum",
            ),
            Bug("dx[t] = (1 - self.a) * g", "dx[t] = self.a * g", "x", r"1 - a|factor|gate"),
        ],
    ),
]
