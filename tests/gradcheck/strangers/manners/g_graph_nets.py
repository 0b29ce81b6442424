"""Graph-network theses: normalized adjacency as a constant, edge lists with scatter sums, attentive pooling."""
import numpy as np


class GCNLayer:
    def __init__(self, adjacency, f_in, f_out):
        A = adjacency + np.eye(len(adjacency))
        d = A.sum(axis=1) ** -0.5
        self.A_hat = d[:, None] * A * d
        self.theta = np.random.randn(f_in, f_out)

    def forward(self, H):
        self.AH = self.A_hat @ H
        self.Z = self.AH @ self.theta
        return np.maximum(self.Z, 0)

    def backward(self, G):
        G = G * (self.Z > 0)
        self.theta_grad = self.AH.T @ G
        return self.A_hat.T @ (G @ self.theta.T)


class EdgeConv:
    """m_i = sum over edges (j -> i) of tanh(W [h_i, h_j - h_i]); edges is an integer array (2, E)."""

    def __init__(self, f_in, f_out):
        self.W = np.random.randn(2 * f_in, f_out) * 0.5

    def forward(self, h, edges):
        src, dst = edges
        self.feat = np.concatenate([h[dst], h[src] - h[dst]], axis=1)
        self.msg = np.tanh(self.feat @ self.W)
        self.n, self.src, self.dst = len(h), src, dst
        out = np.zeros((self.n, self.W.shape[1]), dtype=h.dtype)
        np.add.at(out, dst, self.msg)
        return out

    def backward(self, dout):
        d = dout[self.dst] * (1 - self.msg ** 2)
        self.dW = self.feat.T @ d
        dfeat = d @ self.W.T
        f = dfeat.shape[1] // 2
        dh = np.zeros((self.n, f))
        np.add.at(dh, self.dst, dfeat[:, :f] - dfeat[:, f:])
        np.add.at(dh, self.src, dfeat[:, f:])
        return dh


class AttentivePool:
    """Weighted mean of the nodes of each graph; score = h . query / sqrt(d); sizes lists the graphs' node counts."""

    def __init__(self, d, sizes):
        self.query = np.random.randn(d)
        self.bounds = np.cumsum([0] + list(sizes))

    def forward(self, h):
        self.h = h
        self.root = np.sqrt(len(self.query))
        self.weights, out = [], []
        for a, b in zip(self.bounds[:-1], self.bounds[1:]):
            s = h[a:b] @ self.query / self.root
            w = np.exp(s - s.max())
            w = w / w.sum()
            self.weights.append(w)
            out.append(w @ h[a:b])
        return np.array(out)

    def backward(self, dout):
        dh = np.zeros_like(self.h)
        dq = np.zeros_like(self.query)
        for k, (a, b) in enumerate(zip(self.bounds[:-1], self.bounds[1:])):
            w, hk = self.weights[k], self.h[a:b]
            dw = hk @ dout[k]
            ds = w * (dw - w @ dw) / self.root
            dq += ds @ hk
            dh[a:b] = np.outer(w, dout[k]) + np.outer(ds, self.query)
        self.query_grad = dq
        return dh


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_layer  # noqa: E402

RING = np.roll(np.eye(5), 1, axis=1)

CASES = [
    Case("graph_gcn", lambda: check_layer(GCNLayer(RING, 3, 4), H=(5, 3)), bugs=[
        Bug("self.A_hat.T @ (G @ self.theta.T)", "self.A_hat @ (G @ self.theta.T)", "H", r"transpos"),
        Bug("        G = G * (self.Z > 0)\n", "", ("H", "theta"), r"relu|mask|activation|derivative"),
    ], expect="not checked", arrays=("A_hat",)),
    Case("graph_edge_conv", lambda: check_layer(EdgeConv(3, 4), h=(4, 3), edges=np.array([[0, 1, 2, 3, 0], [1, 2, 1, 0, 3]])),
         bugs=[
        Bug("dfeat[:, :f] - dfeat[:, f:])", "dfeat[:, :f])", "h", r"path|term|missing"),
        Bug("np.add.at(dh, self.src, dfeat[:, f:])", "dh[self.src] += dfeat[:, f:]", "h", r"repeat|add\.at|accumulat|twice"),
    ]),
    Case("graph_attentive_pool", lambda: check_layer(AttentivePool(3, [2, 3, 1]), h=(6, 3)), bugs=[
        Bug(" + np.outer(ds, self.query)", "", "h", r"path|score|attention|term|missing"),
        Bug("dq += ds @ hk", "dq = ds @ hk", "query", r"accumulat|\+=|last|overw|zero"),
    ]),
]
