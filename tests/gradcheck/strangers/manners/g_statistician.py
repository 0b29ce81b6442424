"""A statistician's manner: coefficients with trailing underscores, score functions, fit objects, link functions."""
import numpy as np


def poisson_nll(eta, counts):
    """Log link; returns the mean deviance part and its score."""
    lam = np.exp(eta)
    return np.mean(lam - counts * eta), (lam - counts) / counts.size


class GaussianMixture:
    """Mean negative log likelihood of rows; parameters are weights (as logits), means and log precisions (diagonal)."""

    def __init__(self, n_components, n_features):
        self.logits_ = np.random.randn(n_components)
        self.means_ = np.random.randn(n_components, n_features)
        self.log_prec_ = 0.3 * np.random.randn(n_components, n_features)

    def forward(self, X):
        self.diff_ = X[:, None, :] - self.means_
        self.prec_ = np.exp(self.log_prec_)
        logw = self.logits_ - np.logaddexp.reduce(self.logits_)
        logp = logw + 0.5 * (self.log_prec_ - self.prec_ * self.diff_ ** 2 - np.log(2 * np.pi)).sum(axis=2)
        ll = np.logaddexp.reduce(logp, axis=1)
        self.resp_ = np.exp(logp - ll[:, None])
        self.w_ = np.exp(logw)
        return -ll

    def backward(self, g):
        r = g[:, None] * self.resp_
        self.grad_logits_ = g.sum() * self.w_ - r.sum(axis=0)
        gd = r[:, :, None] * self.prec_ * self.diff_
        self.grad_means_ = -gd.sum(axis=0)
        self.grad_log_prec_ = -0.5 * (r[:, :, None] * (1 - self.prec_ * self.diff_ ** 2)).sum(axis=0)
        return gd.sum(axis=1)


class RBFKernelMachine:
    """f(x) = sum_j alpha_j exp(-gamma |x - c_j|^2); centres, alpha and log_gamma are learned."""

    def __init__(self, n_centres, dim):
        self.centres = np.random.randn(n_centres, dim)
        self.alpha = np.random.randn(n_centres)
        self.log_gamma = np.array(-0.7)

    def decision_function(self, X):
        self._delta = X[:, None] - self.centres[None]
        self._sq = np.sum(self._delta ** 2, axis=2)
        self._gamma = np.exp(self.log_gamma)
        self._K = np.exp(-self._gamma * self._sq)
        return self._K @ self.alpha

    def decision_function_grad(self, dF):
        d_K = np.outer(dF, self.alpha)
        d_sq = -self._gamma * d_K * self._K
        d_delta = 2 * d_sq[:, :, None] * self._delta
        return {"X": d_delta.sum(axis=1), "centres": -d_delta.sum(axis=0), "alpha": self._K.T @ dF,
                "log_gamma": np.array(-np.sum(d_K * self._K * self._sq) * self._gamma)}


class OrdinalLogit:
    """Cumulative logit model: cutpoints are increasing through exp of increments; loss of (X, y) with its own gradient."""

    def __init__(self, p, k):
        self.beta = np.random.randn(p)
        self.first = np.array([-1.0])
        self.log_steps = np.zeros(k - 2)

    def _cuts(self):
        return np.concatenate([self.first, self.first + np.cumsum(np.exp(self.log_steps))])

    def loss(self, X, y):
        value, _ = self.loss_and_grad(X, y)
        return value

    def loss_and_grad(self, X, y):
        n = len(y)
        cuts = np.concatenate([[-np.inf], self._cuts(), [np.inf]])
        eta = X @ self.beta
        F = 1 / (1 + np.exp(-(cuts[None, :] - eta[:, None])))
        f = F * (1 - F)
        rows = np.arange(n)
        prob = F[rows, y + 1] - F[rows, y]
        g = -1 / (n * prob)
        d_cuts = np.zeros(len(cuts))
        np.add.at(d_cuts, y + 1, g * f[rows, y + 1])
        np.add.at(d_cuts, y, -g * f[rows, y])
        d_cuts = d_cuts[1:-1]
        d_eta = -g * (f[rows, y + 1] - f[rows, y])
        tail = np.cumsum(d_cuts[::-1])[::-1]
        grads = {"beta": X.T @ d_eta, "first": np.array([d_cuts.sum()]), "log_steps": np.exp(self.log_steps) * tail[1:]}
        return -np.mean(np.log(prob)), grads


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_function, check_layer, check_loss, check_model  # noqa: E402

RBF = RBFKernelMachine(4, 3)

CASES = [
    Case("stats_poisson", lambda: check_loss(poisson_nll, (6,), np.array([0, 2, 1, 5, 0, 3])), bugs=[
        Bug("(lam - counts) / counts.size", "(lam - counts)", "eta", r"6(\.0)? times|batch|mean|1/N"),
        Bug("(lam - counts) / counts.size", "(eta - counts) / counts.size", "eta", r"link|exp|activation|derivative|predict"),
    ]),
    Case("stats_gaussian_mixture", lambda: check_layer(GaussianMixture(3, 2), X=(6, 2)), bugs=[
        Bug("g.sum() * self.w_ - r.sum(axis=0)", "-r.sum(axis=0)", "logits_", r"softmax|normali|term|missing"),
        Bug("(1 - self.prec_ * self.diff_ ** 2)", "(1 - self.diff_ ** 2)", "log_prec_", r"prec|factor|term|missing"),
        Bug("return gd.sum(axis=1)", "return gd.mean(axis=1)", "X", r"times the right one|mean|components"),
    ]),
    Case("stats_rbf", lambda: check_function(RBF.decision_function, RBF.decision_function_grad, X=(5, 3)), bugs=[
        Bug("d_delta = 2 * d_sq", "d_delta = d_sq", ("X", "centres"), r"0\.5 times|times the right one"),
        Bug("self._sq) * self._gamma)", "self._sq))", "log_gamma", r"times the right one|exp|log|factor"),
        Bug("-d_delta.sum(axis=0)", "d_delta.sum(axis=0)", "centres", r"sign|-1 times"),
    ]),
    Case("stats_ordinal", lambda: check_model(OrdinalLogit(3, 4), np.random.default_rng(0).normal(size=(8, 3)),
                                              np.array([0, 1, 2, 3, 1, 2, 0, 3])), bugs=[
        Bug("np.exp(self.log_steps) * tail[1:]", "np.exp(self.log_steps) * d_cuts[1:]", "log_steps",
            r"cumul|sum|missing|later"),
        Bug("np.array([d_cuts.sum()])", "np.array([d_cuts[0]])", "first", r"sum|missing|term"),
    ]),
]
