"""Signal-processing engineers: FIR and IIR filters that learn, window constants, spectra, smoothing with a learned alpha."""
import numpy as np


class LearnedFIR:
    """Windowed FIR filter over the last axis, causal; the window is a constant."""

    def __init__(self, n_taps):
        self.taps = np.random.randn(n_taps)
        self.window = np.hanning(n_taps + 2)[1:-1]

    def process(self, x):
        self.x = x
        h = self.taps * self.window
        return np.stack([np.convolve(row, h)[:row.size] for row in x])

    def process_backward(self, dy):
        h = self.taps * self.window
        n, L = dy.shape[1], h.size
        dx = np.stack([np.convolve(row[::-1], h)[:n][::-1] for row in dy])
        dh = np.array([np.sum(dy[:, k:] * self.x[:, :n - k]) for k in range(L)])
        self.dtaps = dh * self.window
        return dx


class ExponentialSmoother:
    """s_t = a x_t + (1 - a) s_{t-1}, a = sigmoid(theta) for each channel; x is (T, C)."""

    def __init__(self, channels):
        self.theta = np.linspace(-1.0, 1.0, channels)

    def forward(self, x):
        self.x, self.a = x, 1 / (1 + np.exp(-self.theta))
        s = np.empty((len(x) + 1, x.shape[1]))
        s[0] = 0
        for t in range(len(x)):
            s[t + 1] = self.a * x[t] + (1 - self.a) * s[t]
        self.s = s
        return s[1:]

    def backward(self, ds):
        dx = np.zeros_like(self.x)
        da = np.zeros_like(self.a)
        carry = np.zeros(ds.shape[1])
        for t in range(len(ds) - 1, -1, -1):
            carry = carry + ds[t]
            da += carry * (self.x[t] - self.s[t])
            dx[t] = carry * self.a
            carry = carry * (1 - self.a)
        self.d_theta = da * self.a * (1 - self.a)
        return dx


def power_spectrum(x):
    """|rfft(x)|^2 / n over the last axis (n even)."""
    X = np.fft.rfft(x, axis=-1)
    return (X.real ** 2 + X.imag ** 2) / x.shape[-1], X


def power_spectrum_adjoint(dP, X):
    n = 2 * (X.shape[-1] - 1)
    G = dP * X
    G[..., 1:-1] *= 0.5
    return 2 * np.fft.irfft(G, n=n, axis=-1)


class Biquad:
    """y[t] = b0 x[t] + b1 x[t-1] - a1 y[t-1], coefficients in an array of three."""

    def __init__(self):
        self.coef = np.array([0.6, 0.3, -0.5])

    def __call__(self, x):
        b0, b1, a1 = self.coef
        y = np.zeros_like(x)
        for t in range(x.size):
            y[t] = b0 * x[t]
            if t:
                y[t] += b1 * x[t - 1] - a1 * y[t - 1]
        self._x, self._y = x, y
        return y

    def vjp(self, g):
        b0, b1, a1 = self.coef
        x, y = self._x, self._y
        lam = np.zeros_like(g)
        for t in range(g.size - 1, -1, -1):
            lam[t] = g[t] - (a1 * lam[t + 1] if t + 1 < g.size else 0.0)
        dx = b0 * lam
        dx[:-1] += b1 * lam[1:]
        self.coef_grad = np.array([lam @ x, lam[1:] @ x[:-1], -lam[1:] @ y[:-1]])
        return dx


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_function, check_layer  # noqa: E402

FIR = LearnedFIR(4)

CASES = [
    Case("signal_fir", lambda: check_function(FIR.process, FIR.process_backward, x=(2, 8)), bugs=[
        Bug("np.convolve(row[::-1], h)[:n][::-1]", "np.convolve(row, h)[:n]", "x", r"flip|revers|time|causal|correlat"),
        Bug("self.dtaps = dh * self.window", "self.dtaps = dh", "taps", r"window|factor|missing|scale"),
    ], expect="not checked", arrays=("window",)),
    Case("signal_smoother", lambda: check_layer(ExponentialSmoother(3), x=(6, 3)), bugs=[
        Bug("self.d_theta = da * self.a * (1 - self.a)", "self.d_theta = da", "theta", r"sigmoid|derivative|activation"),
        Bug("            carry = carry * (1 - self.a)\n", "            carry = 0\n", ("x", "theta"),
            r"time|recur|step|missing"),
        Bug("(self.x[t] - self.s[t])", "(self.x[t] - self.s[t + 1])", "theta", r"previous|state|step|time|shift"),
    ]),
    Case("signal_power_spectrum", lambda: check_function(power_spectrum, power_spectrum_adjoint, x=(3, 8)), bugs=[
        Bug("    G[..., 1:-1] *= 0.5\n", "", "x", r"frequenc|half|hermit|factor|term"),
        Bug("return 2 * np.fft.irfft", "return np.fft.irfft", "x", r"0\.5 times|times the right one"),
    ]),
    Case("signal_biquad", lambda: check_layer(Biquad(), x=(9,)), bugs=[
        Bug("lam[t] = g[t] - (a1 * lam[t + 1]", "lam[t] = g[t] + (a1 * lam[t + 1]", ("x", "coef"), r"sign|recur|time|step"),
        Bug("-lam[1:] @ y[:-1]", "lam[1:] @ y[:-1]", "coef", r"sign|-1 times"),
        Bug("        dx[:-1] += b1 * lam[1:]\n", "", "x", r"missing|term|path|time"),
    ]),
]
