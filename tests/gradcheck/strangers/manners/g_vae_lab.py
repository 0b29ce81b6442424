"""A lab's VAE and density-network notebook: a random generator inside, several inputs and outputs, asserts on shapes."""
import numpy as np


class Reparameterize:
    def __init__(self, seed=0):
        self.rng = np.random.default_rng(seed)

    def forward(self, mu, logvar):
        assert mu.shape == logvar.shape
        self.eps = self.rng.standard_normal(mu.shape)
        self.sigma = np.exp(0.5 * logvar)
        return mu + self.sigma * self.eps

    def backward(self, dz):
        return dz, 0.5 * dz * self.sigma * self.eps


class Encoder:
    """x -> (mu, logvar), two heads over one hidden layer."""

    def __init__(self, d, h, z, *, scale=0.5):
        self.theta = {"W": scale * np.random.randn(d, h), "W_mu": scale * np.random.randn(h, z),
                      "W_lv": scale * np.random.randn(h, z), "b_lv": np.zeros(z)}
        self.dtheta = {}

    def forward(self, x):
        self.x = x
        self.h = np.maximum(x @ self.theta["W"], 0.0)
        mu = self.h @ self.theta["W_mu"]
        logvar = self.h @ self.theta["W_lv"] + self.theta["b_lv"]
        assert mu.shape == logvar.shape == (x.shape[0], self.theta["b_lv"].size)
        return mu, logvar

    def backward(self, d_mu, d_logvar):
        self.dtheta["W_mu"] = self.h.T @ d_mu
        self.dtheta["W_lv"] = self.h.T @ d_logvar
        self.dtheta["b_lv"] = d_logvar.sum(axis=0)
        d_h = d_mu @ self.theta["W_mu"].T + d_logvar @ self.theta["W_lv"].T
        d_a = np.where(self.h > 0, d_h, 0.0)
        self.dtheta["W"] = self.x.T @ d_a
        return d_a @ self.theta["W"].T


def kl_divergence(mu, logvar):
    """KL(q || N(0, I)), one number for each row."""
    kl = 0.5 * np.sum(np.exp(logvar) + mu ** 2 - 1.0 - logvar, axis=1)
    return kl, (mu, logvar)


def kl_divergence_grad(dkl, cache):
    mu, logvar = cache
    return dkl[:, None] * mu, dkl[:, None] * 0.5 * (np.exp(logvar) - 1.0)


class MixtureDensityNLL:
    """Negative log likelihood of scalar targets under a mixture whose parameters are the columns of the prediction."""

    def forward(self, pred, target):
        K = pred.shape[1] // 3
        logits, mean, log_s = pred[:, :K], pred[:, K:2 * K], pred[:, 2 * K:]
        logw = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        u = (target[:, None] - mean) * np.exp(-log_s)
        logp = logw - 0.5 * u ** 2 - log_s - 0.5 * np.log(2 * np.pi)
        total = np.logaddexp.reduce(logp, axis=1, keepdims=True)
        self.saved = np.exp(logp - total), np.exp(logw), u, log_s
        return -total.mean()

    def backward(self):
        resp, w, u, log_s = self.saved
        d_logits = w - resp
        d_mean = -resp * u * np.exp(-log_s)
        d_log_s = resp * (1.0 - u ** 2)
        return np.concatenate([d_logits, d_mean, d_log_s], axis=1) / len(u)


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_function, check_layer, check_loss  # noqa: E402

CASES = [
    Case("vae_reparameterize", lambda: check_layer(Reparameterize(), mu=(4, 3), logvar=(4, 3)), bugs=[
        Bug("0.5 * dz * self.sigma * self.eps", "dz * self.sigma * self.eps", "logvar", r"2(\.0)? times|factor"),
        Bug("0.5 * dz * self.sigma * self.eps", "0.5 * dz * self.eps", "logvar", r"sigma|factor|missing"),
    ]),
    Case("vae_encoder_two_heads", lambda: check_layer(Encoder(4, 6, 2), x=(5, 4)), bugs=[
        Bug("d_mu @ self.theta[\"W_mu\"].T + d_logvar @ self.theta[\"W_lv\"].T", "d_mu @ self.theta[\"W_mu\"].T", ("x", "W"),
            r"path|branch|output|missing|term"),
        Bug("self.dtheta[\"W_lv\"] = self.h.T @ d_logvar", "self.dtheta[\"W_lv\"] = self.h.T @ d_mu", "W_lv",
            r"output|upstream|another|wrong"),
    ]),
    Case("vae_kl", lambda: check_function(kl_divergence, kl_divergence_grad, mu=(4, 3), logvar=(4, 3)), bugs=[
        Bug("(np.exp(logvar) - 1.0)", "(1.0 - np.exp(logvar))", "logvar", r"sign|-1 times"),
        Bug("return dkl[:, None] * mu,", "return mu * 1,", "mu", r"upstream|ignores|dkl|dy|row"),
    ]),
    Case("vae_mixture_density", lambda: check_loss(MixtureDensityNLL(), (6, 6), np.linspace(-1, 1, 6)), bugs=[
        Bug("d_logits = w - resp", "d_logits = -resp", "y_pred", r"column|softmax|term|missing"),
        Bug("resp * (1.0 - u ** 2)", "resp * (1.0 - u)", "y_pred", r"column|square|term"),
    ]),
]
