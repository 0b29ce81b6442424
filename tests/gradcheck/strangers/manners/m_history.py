"""A robotics student's recurrent layers: they keep a history of all steps until it is flushed, and pop it on the way back."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer


class RememberingDense:
    """may be called several times before backward; each backward pops one input; gradients add up"""

    def __init__(self, n, m):
        self.w = np.random.randn(n, m)
        self.gw = np.zeros_like(self.w)
        self.stack = []

    def forward(self, x):
        self.stack.append(x)
        return x @ self.w

    def backward(self, dy):
        x = self.stack.pop()
        self.gw += x.T @ dy
        return dy @ self.w.T

    def flush(self):
        self.stack.clear()
        self.gw[:] = 0


class ElmanNet:
    """list of inputs and hidden states by attribute; BPTT in backward"""

    def __init__(self, d, h, o, seed=0):
        rs = np.random.RandomState(seed)
        self.U, self.W, self.V = rs.randn(d, h) * 0.6, rs.randn(h, h) * 0.6, rs.randn(h, o)
        self.reset()

    def reset(self):
        self.xs, self.hs = [], []

    def forward(self, X):
        self.reset()
        h = np.zeros((X.shape[1], self.W.shape[0]))
        self.hs.append(h)
        out = []
        for x in X:
            h = np.tanh(x @ self.U + h @ self.W)
            self.xs.append(x)
            self.hs.append(h)
            out.append(h @ self.V)
        return np.array(out)

    def backward(self, dO):
        self.dU, self.dW, self.dV = np.zeros_like(self.U), np.zeros_like(self.W), np.zeros_like(self.V)
        dX = np.zeros((len(self.xs),) + self.xs[0].shape)
        delta_t = np.zeros_like(self.hs[0])
        for t in np.arange(len(self.xs))[::-1]:
            self.dV += self.hs[t + 1].T @ dO[t]
            delta_t = delta_t + dO[t] @ self.V.T
            delta_t = delta_t * (1 - self.hs[t + 1] ** 2)
            self.dW += self.hs[t].T @ delta_t
            self.dU += self.xs[t].T @ delta_t
            dX[t] = delta_t @ self.U.T
            # Update delta for the next step
            delta_t = delta_t @ self.W.T
        return dX


class LeakyIntegrator:
    """s_t = a s_(t-1) + (1 - a) x_t, a learnt for every channel; keeps every state"""

    def __init__(self, c):
        self.a = np.linspace(0.2, 0.8, c)

    def forward(self, x):
        self.x, s = x, np.zeros(x.shape[1:])
        self.states = [s]
        for xt in x:
            s = self.a * s + (1 - self.a) * xt
            self.states.append(s)
        return np.stack(self.states[1:])

    def backward(self, dy):
        dx, ds = np.empty_like(self.x), 0
        self.da = np.zeros_like(self.a)
        for t in range(len(dy) - 1, -1, -1):
            ds = ds + dy[t]
            self.da += (ds * (self.states[t] - self.x[t])).sum(axis=0)
            dx[t] = ds * (1 - self.a)
            ds = ds * self.a
        return dx


ALL = ("x", "U", "W")

CASES = [
    Case("remembering dense", lambda: check_layer(RememberingDense(3, 2), x=(4, 3)), bugs=[
        Bug("self.gw += x.T @ dy", "self.gw += x.T @ dy / len(x)", "w", r"1/N|batch size|mean"),
        Bug("x = self.stack.pop()\n        self.gw += x.T @ dy", "x = self.stack[0]\n        self.gw += 2 * x.T @ dy", "w", r"2(\.0*)? times|twice|stale|first|factor"),
        Bug("        self.gw += x.T @ dy\n", "        self.gw -= x.T @ dy\n", "w", r"sign|-1"),
        Bug("return dy @ self.w.T", "return dy @ self.w.T + x", "x", r"\bx\b|extra|added|term|residual"),
    ]),
    Case("elman", lambda: check_layer(ElmanNet(3, 4, 2), x=(4, 2, 3)), bugs=[
        Bug("delta_t = delta_t @ self.W.T", "delta_t = delta_t @ self.W", ALL, r"transpos|\bW\b|\.T"),
        Bug("self.dW += self.hs[t].T @ delta_t", "self.dW += self.hs[t + 1].T @ delta_t", "W", r"time|step|off by one|state|\bhs?\b"),
        Bug("delta_t = delta_t * (1 - self.hs[t + 1] ** 2)", "delta_t = delta_t * (1 - self.hs[t] ** 2)", ALL, r"tanh|time|step|\bhs?\b"),
        Bug("delta_t = delta_t + dO[t] @ self.V.T", "delta_t = dO[t] @ self.V.T", ALL, r"time|later|next step|recurren|road|length"),
        Bug("self.dU += self.xs[t].T @ delta_t", "self.dU = self.xs[t].T @ delta_t", "U", r"overwrit|accumulat|\+=|last|first|one step"),
        Bug("self.dV += self.hs[t + 1].T @ dO[t]", "self.dV += self.hs[t].T @ dO[t]", "V", r"time|step|off by one|state|\bhs?\b"),
    ]),
    Case("leaky integrator", lambda: check_layer(LeakyIntegrator(3), x=(5, 2, 3)), bugs=[
        Bug("ds = ds * self.a\n", "ds = ds * (1 - self.a)\n", ("x", "a"), r"\ba\b|1 - a|factor|time"),
        Bug("(ds * (self.states[t] - self.x[t]))", "(ds * self.states[t])", "a", r"term|missing|\bx\b|road"),
        Bug("(self.states[t] - self.x[t])", "(self.states[t + 1] - self.x[t])", "a", r"time|step|off by one|state"),
        Bug("ds = ds + dy[t]", "ds = dy[t]", ("x", "a"), r"time|later|next step|recurren|road|length"),
        Bug("dx[t] = ds * (1 - self.a)", "dx[t] = ds", "x", r"1 - a|factor|missing|\ba\b"),
    ]),
]
