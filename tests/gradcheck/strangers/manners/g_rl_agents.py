"""Reinforcement-learning code: Gaussian policies, dueling heads, a policy-gradient loss, a clipped TD error."""
import numpy as np


class GaussianPolicy:
    """log pi(a|s) with a linear mean and a state-independent log_std."""

    def __init__(self, obs_dim, act_dim):
        self.mu_w = np.random.randn(obs_dim, act_dim) * 0.5
        self.log_std = np.random.randn(act_dim) * 0.2

    def log_prob(self, obs, act):
        self.obs = obs
        self.std = np.exp(self.log_std)
        self.z = (act - obs @ self.mu_w) / self.std
        return np.sum(-0.5 * self.z ** 2 - self.log_std - 0.5 * np.log(2 * np.pi), axis=-1)

    def log_prob_backward(self, dlogp):
        d = dlogp[:, None]
        dmu = d * self.z / self.std
        self.grad_mu_w = self.obs.T @ dmu
        self.grad_log_std = np.sum(d * (self.z ** 2 - 1), axis=0)
        return dmu @ self.mu_w.T, -dmu


class DuelingHead:
    """Q(s, a) = V(s) + A(s, a) - mean_a A(s, a)."""

    def __init__(self, n_features, n_actions):
        self.value_w = np.random.randn(n_features, 1)
        self.adv_w = np.random.randn(n_features, n_actions)

    def forward(self, features):
        self.features = features
        v = features @ self.value_w
        a = features @ self.adv_w
        return v + a - a.mean(axis=1, keepdims=True)

    def backward(self, dq):
        dv = dq.sum(axis=1, keepdims=True)
        da = dq - dq.mean(axis=1, keepdims=True)
        self.dvalue_w = self.features.T @ dv
        self.dadv_w = self.features.T @ da
        return dv @ self.value_w.T + da @ self.adv_w.T


class PolicyGradientLoss:
    """-(advantage * log softmax(logits)[action]) - c * entropy, averaged over the steps."""

    entropy_coef = 0.05

    def __init__(self, advantages):
        self.advantages = np.asarray(advantages)

    def __call__(self, logits, actions):
        n = len(actions)
        z = logits - logits.max(axis=1, keepdims=True)
        logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        p = np.exp(logp)
        entropy = -(p * logp).sum(axis=1)
        self.cache = p, logp, entropy, actions
        picked = logp[np.arange(n), actions]
        return -(self.advantages * picked).mean() - self.entropy_coef * entropy.mean()

    def gradient(self):
        p, logp, entropy, actions = self.cache
        n = len(actions)
        onehot = np.eye(p.shape[1])[actions]
        d_pg = self.advantages[:, None] * (p - onehot)
        d_entropy = -p * (logp + entropy[:, None])
        return (d_pg - self.entropy_coef * d_entropy) / n


def huber_td(q, targets, delta=1.0):
    td = q - targets
    small = np.abs(td) <= delta
    loss = np.where(small, 0.5 * td ** 2, delta * (np.abs(td) - 0.5 * delta)).mean()
    return loss, np.where(small, td, delta * np.sign(td)) / td.size


from tests.gradcheck.strangers.corpus import Bug, Case  # noqa: E402
from tinydl.gradcheck import check_function, check_layer, check_loss  # noqa: E402

POLICY = GaussianPolicy(4, 3)

CASES = [
    Case("rl_gaussian_log_prob", lambda: check_function(POLICY.log_prob, POLICY.log_prob_backward, obs=(5, 4), act=(5, 3)),
         bugs=[
        Bug("(self.z ** 2 - 1)", "self.z ** 2", "log_std", r"term|missing|constant|log"),
        Bug("dmu = d * self.z / self.std", "dmu = d * self.z", ("obs", "act", "mu_w"), r"std|factor|column|scale|divi"),
        Bug("@ self.mu_w.T, -dmu", "@ self.mu_w.T, dmu", "act", r"sign|-1 times"),
    ]),
    Case("rl_dueling_head", lambda: check_layer(DuelingHead(4, 3), features=(5, 4)), bugs=[
        Bug("da = dq - dq.mean(axis=1, keepdims=True)", "da = dq", ("features", "adv_w"), r"mean|term|missing|constant"),
        Bug("dv = dq.sum(axis=1, keepdims=True)", "dv = dq.mean(axis=1, keepdims=True)", ("features", "value_w"),
            r"mean|sum|times the right one"),
    ]),
    Case("rl_policy_gradient_loss", lambda: check_loss(PolicyGradientLoss([0.5, -1.2, 2.0, 0.3]), (4, 3),
                                                       np.array([2, 0, 1, 1])), bugs=[
        Bug("-p * (logp + entropy[:, None])", "-p * (logp + 1)", "y_pred", r"entropy|term|sum|softmax|row"),
        Bug("self.advantages[:, None] * (p - onehot)", "p - onehot", "y_pred", r"row|advantage|weight|factor|scale"),
    ], expect="not checked", arrays=("advantages",)),
    Case("rl_huber_td", lambda: check_loss(huber_td, np.random.default_rng(5).normal(size=8) * 2, np.zeros(8)), bugs=[
        Bug("np.where(small, td, delta * np.sign(td)) / td.size", "td / td.size", "q", r"clip|large|outlier|entries|branch"),
        Bug("np.sign(td)) / td.size", "np.sign(td))", "q", r"times the right one|batch|mean|1/N"),
    ]),
]
