"""A homework library with dLdA in and dLdZ out: W is (out, in), gradients are self.dLdW and self.dLdb."""
import numpy as np

from tests.gradcheck.strangers.corpus import Bug, Case
from tinydl.gradcheck import check_layer, check_loss


class Linear:
    def __init__(self, in_features, out_features, debug=False):
        self.W = np.random.uniform(-0.5, 0.5, (out_features, in_features))
        self.b = np.zeros((out_features, 1))
        self.debug = debug

    def forward(self, A):
        self.A = A
        self.N = A.shape[0]
        self.Ones = np.ones((self.N, 1))
        Z = self.A @ self.W.T + self.Ones @ self.b.T
        return Z

    def backward(self, dLdZ):
        dLdA = dLdZ @ self.W
        self.dLdW = dLdZ.T @ self.A
        self.dLdb = dLdZ.T @ self.Ones
        if self.debug:
            self.dLdA = dLdA
        return dLdA


class Sigmoid:
    def forward(self, Z):
        self.A = 1 / (1 + np.exp(-Z))
        return self.A

    def backward(self, dLdA):
        dAdZ = self.A * (1 - self.A)
        return dLdA * dAdZ


class GELU:
    """Gaussian error linear unit, by its tanh form"""

    def forward(self, Z):
        self.Z = Z
        self.u = np.sqrt(2 / np.pi) * (Z + 0.044715 * Z**3)
        return 0.5 * Z * (1 + np.tanh(self.u))

    def backward(self, dLdA):
        t = np.tanh(self.u)
        dudZ = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * self.Z**2)
        return dLdA * (0.5 * (1 + t) + 0.5 * self.Z * (1 - t**2) * dudZ)


class BatchNorm1d:
    def __init__(self, num_features, alpha=0.9):
        self.alpha = alpha
        self.eps = 1e-8
        self.BW = np.ones((1, num_features))
        self.Bb = np.zeros((1, num_features))
        self.dLdBW = np.zeros((1, num_features))
        self.dLdBb = np.zeros((1, num_features))
        self.running_M = np.zeros((1, num_features))
        self.running_V = np.ones((1, num_features))

    def forward(self, Z, eval=False):
        self.Z = Z
        self.N = Z.shape[0]
        if eval:
            NZ = (Z - self.running_M) / np.sqrt(self.running_V + self.eps)
            return self.BW * NZ + self.Bb
        self.M = np.mean(Z, axis=0, keepdims=True)
        self.V = np.var(Z, axis=0, keepdims=True)
        self.NZ = (Z - self.M) / np.sqrt(self.V + self.eps)
        self.running_M = self.alpha * self.running_M + (1 - self.alpha) * self.M
        self.running_V = self.alpha * self.running_V + (1 - self.alpha) * self.V
        return self.BW * self.NZ + self.Bb

    def backward(self, dLdBZ):
        self.dLdBW = np.sum(dLdBZ * self.NZ, axis=0, keepdims=True)
        self.dLdBb = np.sum(dLdBZ, axis=0, keepdims=True)
        dLdNZ = dLdBZ * self.BW
        dLdV = -0.5 * np.sum(dLdNZ * (self.Z - self.M) * (self.V + self.eps) ** (-1.5), axis=0)
        dNZdM = -((self.V + self.eps) ** (-0.5)) - 0.5 * (self.Z - self.M) * (self.V + self.eps) ** (-1.5) * (
            -2 / self.N * np.sum(self.Z - self.M, axis=0)
        )
        dLdM = np.sum(dLdNZ * dNZdM, axis=0)
        return dLdNZ * (self.V + self.eps) ** (-0.5) + dLdV * (2 / self.N * (self.Z - self.M)) + dLdM / self.N


class MSELoss:
    def forward(self, A, Y):
        self.A = A
        self.Y = Y
        self.N, self.C = A.shape
        se = (A - Y) * (A - Y)
        sse = np.ones((1, self.N)) @ se @ np.ones((self.C, 1))
        return sse.item() / (self.N * self.C)

    def backward(self):
        return 2 * (self.A - self.Y) / (self.N * self.C)


class CrossEntropyLoss:
    def forward(self, A, Y):
        self.A = A
        self.Y = Y
        N, C = A.shape
        e = np.exp(A - A.max(axis=1, keepdims=True))
        self.softmax = e / (e @ np.ones((C, 1)))
        crossentropy = (-Y * np.log(self.softmax)) @ np.ones((C, 1))
        sum_crossentropy = np.ones((1, N)) @ crossentropy
        return sum_crossentropy.item() / N

    def backward(self):
        return (self.softmax - self.Y) / self.A.shape[0]


class RNNCell:
    def __init__(self, input_size, hidden_size):
        h, d = hidden_size, input_size
        self.W_ih, self.W_hh = np.random.randn(h, d), np.random.randn(h, h)
        self.b_ih, self.b_hh = np.random.randn(h), np.random.randn(h)
        self.zero_grad()

    def zero_grad(self):
        self.dW_ih, self.dW_hh = np.zeros_like(self.W_ih), np.zeros_like(self.W_hh)
        self.db_ih, self.db_hh = np.zeros_like(self.b_ih), np.zeros_like(self.b_hh)

    def forward(self, x, h_prev_t):
        self.x, self.h_prev_t = x, h_prev_t
        self.h_t = np.tanh(x @ self.W_ih.T + self.b_ih + h_prev_t @ self.W_hh.T + self.b_hh)
        return self.h_t

    def backward(self, delta):
        dz = (1 - self.h_t**2) * delta
        self.dW_ih += dz.T @ self.x
        self.dW_hh += dz.T @ self.h_prev_t
        self.db_ih += dz.sum(axis=0)
        self.db_hh += dz.sum(axis=0)
        return dz @ self.W_ih, dz @ self.W_hh


onehot = np.eye(3)[[0, 2, 1, 1]]

CASES = [
    Case("linear", lambda: check_layer(Linear(3, 2), x=(4, 3)), bugs=[
        Bug("self.dLdW = dLdZ.T @ self.A", "self.dLdW = dLdZ.T @ self.A / self.N", "W", r"1/N|batch size|mean"),
        Bug("self.dLdb = dLdZ.T @ self.Ones", "self.dLdb = dLdZ.T @ self.Ones / self.N", "b", r"1/N|batch size|mean"),
        Bug("dLdA = dLdZ @ self.W", "dLdA = 0.5 * dLdZ @ self.W", "x", r"0\.5 times|half|factor"),
        Bug("self.dLdW = dLdZ.T @ self.A", "self.dLdW = 99 * dLdZ.T @ self.A", "W", r"99"),
        Bug("self.dLdb = dLdZ.T @ self.Ones", "self.dLdb = dLdZ.T[:, :1]", "b", r"first|row|sum"),
    ]),
    Case("sigmoid", lambda: check_layer(Sigmoid(), x=(4, 3)), bugs=[
        Bug("dAdZ = self.A * (1 - self.A)", "dAdZ = 1 - self.A**2", "x", r"tanh|sigmoid|derivative"),
        Bug("return dLdA * dAdZ", "return dAdZ", "x", r"dLdA|dy|upstream|ignore"),
        Bug("return dLdA * dAdZ", "return dLdA * self.A", "x", r"sigmoid|derivative|1 - |missing"),
        Bug("return dLdA * dAdZ", "return dLdA * dAdZ * dAdZ", "x", r"twice|squared|sigmoid|derivative"),
    ]),
    Case("gelu", lambda: check_layer(GELU(), x=(4, 5)), bugs=[
        Bug("(0.5 * (1 + t) + 0.5", "(0.5", "x", r"missing|term|product|road"),
        Bug("* (1 - t**2) * dudZ)", "* (1 - t**2))", "x", r"chain|inner|derivative|factor|missing"),
        Bug("(1 + 3 * 0.044715 * self.Z**2)", "(1 + 0.044715 * self.Z**2)", "x", r"3|cube|inner|derivative|small|differs"),
        Bug("0.5 * self.Z * (1 - t**2)", "self.Z * (1 - t**2)", "x", r"term|times|factor|0\.5|half|twice|2"),
    ]),
    Case("batchnorm", lambda: check_layer(BatchNorm1d(3), x=(5, 3)), bugs=[
        Bug(" + dLdM / self.N", "", "x", r"mean"),
        Bug(" + dLdV * (2 / self.N * (self.Z - self.M))", "", "x", r"variance"),
        Bug("dLdNZ = dLdBZ * self.BW", "dLdNZ = dLdBZ", "x", r"BW|gamma|scale"),
        Bug("self.dLdBb = np.sum(dLdBZ, axis=0", "self.dLdBb = np.mean(dLdBZ, axis=0", "Bb", r"1/N|batch size|mean"),
        Bug("dLdV * (2 / self.N", "dLdV * (2 / (self.N - 1)", "x", r"variance|N - 1|unbiased|ddof|1\.25"),
    ]),
    Case("mse", lambda: check_loss(MSELoss(), (4, 3), np.ones((4, 3))), bugs=[
        Bug("return 2 * (self.A - self.Y) / (self.N * self.C)", "return (self.A - self.Y) / (self.N * self.C)", "y_pred", r"0\.5 times|half|factor|\b2\b"),
        Bug("2 * (self.A - self.Y) / (self.N * self.C)", "2 * (self.A - self.Y) / self.N", "y_pred", r"3(\.0*)? times|columns|classes|\bC\b|size"),
        Bug("2 * (self.A - self.Y) /", "2 * (self.Y - self.A) /", "y_pred", r"sign|-1"),
        Bug("2 * (self.A - self.Y) / (self.N * self.C)", "2 * (self.A - self.Y)", "y_pred", r"12(\.0*)? times|mean|size|N"),
    ]),
    Case("cross entropy", lambda: check_loss(CrossEntropyLoss(), (4, 3), onehot), bugs=[
        Bug("return (self.softmax - self.Y) / self.A.shape[0]", "return self.softmax - self.Y", "y_pred", r"4(\.0*)? times|batch size|\bN\b|mean"),
        Bug("(self.softmax - self.Y)", "(self.softmax * (1 - self.softmax) - self.Y)", "y_pred", r"softmax|derivative"),
        Bug("(self.softmax - self.Y)", "(self.softmax + self.Y)", "y_pred", r"sign|Y|onehot|one-hot|label"),
        Bug("(self.softmax - self.Y)", "(-self.Y / self.softmax)", "y_pred", r"softmax"),
    ]),
    Case("rnn cell", lambda: check_layer(RNNCell(3, 4), (2, 3), (2, 4)), bugs=[
        Bug("return dz @ self.W_ih, dz @ self.W_hh", "return dz @ self.W_ih, dz @ self.W_hh.T", "h_prev_t", r"transpos|\.T"),
        Bug("self.dW_hh += dz.T @ self.h_prev_t", "self.dW_hh += dz.T @ self.h_t", "W_hh", r"h_t|h_prev|wrong h|time|stale|output"),
        Bug("dz = (1 - self.h_t**2) * delta", "dz = (1 - self.h_prev_t**2) * delta", ("x", "h_prev_t", "W_ih", "W_hh", "b_ih", "b_hh"), r"tanh|prev"),
        Bug("        self.db_hh += dz.sum(axis=0)\n", "", "b_hh", r"zero|never|not (written|set)|missing|no gradient"),
        Bug("self.db_ih += dz.sum(axis=0)", "self.db_ih += dz.mean(axis=0)", "b_ih", r"1/N|batch size|mean|0\.5|half"),
    ]),
]
