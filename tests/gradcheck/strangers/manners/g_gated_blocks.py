"""Kaggle notebooks' building blocks: highway, squeeze-and-excite, FiLM, mixture of experts, maxout; lists of layers, *args."""
import numpy as np


def sigm(z):
    return 1 / (1 + np.exp(-z))


class Highway:
    def __init__(self, d):
        self.Wh, self.Wt = np.random.randn(d, d) / d ** 0.5, np.random.randn(d, d) / d ** 0.5
        self.bt = np.full(d, -1.0)

    def forward(self, x):
        H, T = np.tanh(x @ self.Wh), sigm(x @ self.Wt + self.bt)
        self.mem = x, H, T
        return T * H + (1 - T) * x

    def backward(self, g):
        x, H, T = self.mem
        gH = g * T * (1 - H * H)
        gT = g * (H - x) * T * (1 - T)
        self.gWh, self.gWt, self.gbt = x.T @ gH, x.T @ gT, gT.sum(0)
        return g * (1 - T) + gH @ self.Wh.T + gT @ self.Wt.T


class SqueezeExcite:
    """x (N, C, H, W) scaled by channel gates computed from its means."""

    def __init__(self, channels, reduced):
        self.down = np.random.randn(channels, reduced)
        self.up = np.random.randn(reduced, channels)

    def forward(self, x):
        self.x = x
        self.s = x.mean(axis=(2, 3))
        self.z = np.maximum(self.s @ self.down, 0)
        self.gate = sigm(self.z @ self.up)
        return x * self.gate[:, :, None, None]

    def backward(self, g):
        area = g.shape[2] * g.shape[3]
        dgate = (g * self.x).sum(axis=(2, 3))
        du = dgate * self.gate * (1 - self.gate)
        self.dup = self.z.T @ du
        dz = (du @ self.up.T) * (self.z > 0)
        self.ddown = self.s.T @ dz
        ds = dz @ self.down.T
        return g * self.gate[:, :, None, None] + (ds / area)[:, :, None, None]


class FiLM:
    """Feature maps (N, C, T) modulated by a condition (N, D)."""

    def __init__(self, d_cond, channels):
        self.w_scale = np.random.randn(d_cond, channels)
        self.w_shift = np.random.randn(d_cond, channels)

    def forward(self, *inputs):
        feats, cond = inputs
        self.feats, self.cond = feats, cond
        self.scale = 1 + cond @ self.w_scale
        return self.scale[..., None] * feats + (cond @ self.w_shift)[..., None]

    def backward(self, grad):
        dscale, dshift = (grad * self.feats).sum(-1), grad.sum(-1)
        self.dw_scale, self.dw_shift = self.cond.T @ dscale, self.cond.T @ dshift
        return self.scale[..., None] * grad, dscale @ self.w_scale.T + dshift @ self.w_shift.T


class Expert:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, g):
        self.dW = self.x.T @ g
        return g @ self.W.T


class MixtureOfExperts:
    def __init__(self, n_in, n_out, n_experts):
        self.experts = [Expert(n_in, n_out) for _ in range(n_experts)]
        self.router = np.random.randn(n_in, n_experts)

    def forward(self, x):
        self.x = x
        l = x @ self.router
        e = np.exp(l - l.max(1, keepdims=True))
        self.pi = e / e.sum(1, keepdims=True)
        self.outs = np.stack([ex.forward(x) for ex in self.experts], axis=1)
        return np.einsum("ne,neo->no", self.pi, self.outs)

    def backward(self, dy):
        dpi = np.einsum("no,neo->ne", dy, self.outs)
        dl = self.pi * (dpi - (self.pi * dpi).sum(1, keepdims=True))
        self.drouter = self.x.T @ dl
        dx = dl @ self.router.T
        for k, ex in enumerate(self.experts):
            dx += ex.backward(self.pi[:, k:k + 1] * dy)
        return dx


class Maxout:
    """The largest of k affine pieces."""

    def __init__(self, n_in, n_out, k=3):
        self.W = np.random.randn(k, n_in, n_out)
        self.b = np.random.randn(k, 1, n_out)

    def forward(self, x):
        self.x = x
        z = x @ self.W + self.b
        self.winner = z.argmax(axis=0)
        return np.take_along_axis(z, self.winner[None], axis=0)[0]

    def backward(self, dy):
        dz = (np.arange(len(self.W))[:, None, None] == self.winner) * dy
        self.dW = self.x.T @ dz
        self.db = dz.sum(axis=1, keepdims=True)
        return (dz @ self.W.transpose(0, 2, 1)).sum(axis=0)


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_layer  # noqa: E402

CASES = [
    Case("gated_highway", lambda: check_layer(Highway(3), x=(5, 3)), bugs=[
        Bug("return g * (1 - T) + gH", "return gH", "x", r"skip|identity|path|term|missing"),
        Bug("gT = g * (H - x)", "gT = g * H", ("x", "Wt", "bt"), r"term|missing|gate"),
    ]),
    Case("gated_squeeze_excite", lambda: check_layer(SqueezeExcite(4, 3), x=(3, 4, 2, 3)), bugs=[
        Bug("(ds / area)", "ds", "x", r"area|mean|term|pixels|missing"),
        Bug(" + (ds / area)[:, :, None, None]", "", "x", r"path|gate|term|missing|constant"),
        Bug("dz = (du @ self.up.T) * (self.z > 0)", "dz = du @ self.up.T", ("x", "down"), r"relu|mask|activation|derivative"),
    ]),
    Case("gated_film", lambda: check_layer(FiLM(3, 2), (4, 2, 5), (4, 3)), bugs=[
        Bug("(grad * self.feats).sum(-1), grad.sum(-1)", "(grad * self.feats).sum(-1), grad.mean(-1)", ("x1", "w_shift"),
            r"times the right one|mean|sum|path"),
        Bug("dscale @ self.w_scale.T + dshift @ self.w_shift.T", "dscale @ self.w_scale.T", "x1", r"path|term|missing"),
    ]),
    Case("gated_mixture_of_experts", lambda: check_layer(MixtureOfExperts(4, 3, 2), x=(5, 4)), bugs=[
        Bug("ex.backward(self.pi[:, k:k + 1] * dy)", "ex.backward(dy)", ("x", "experts[0].W", "experts[1].W"),
            r"row|gate|weight|upstream|factor"),
        Bug("dx += ex", "dx = ex", "x", r"accumulat|\+=|overw|last|missing|path"),
    ]),
    Case("gated_maxout", lambda: check_layer(Maxout(4, 3), x=(5, 4)), bugs=[
        Bug("== self.winner) * dy", "== self.winner[::-1]) * dy", ("x", "W", "b"), r"mask|argmax|max|winner|rows"),
        Bug("transpose(0, 2, 1)).sum(axis=0)", "transpose(0, 2, 1)).mean(axis=0)", "x", r"times the right one|0\.33|mean"),
    ]),
]
