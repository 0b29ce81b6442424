"""BernoulliRBM: a restricted Boltzmann machine, trained by contrastive divergence.

The functions at the end are the NumPy definitions; `compiled_as` binds one of them to its compiled twin.
"""

from __future__ import annotations

import copy
import sys
import time
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import arguments, interrupts, kernels
from ..kernels import compiled_as
from ..kernels.machine.threads import one_blas_thread
from . import checks, energy, likelihood
from .likelihood import Estimate

OWNER = "BernoulliRBM"
LEAST_MEAN = 0.01  # means of visible units are kept this far from 0 and 1, where their log-odds are infinite


class BernoulliRBM(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A restricted Boltzmann machine of binary units: a model of the probability of rows, and a source of features.

    energy.py derives the free energy F(v), with p(v) = exp(-F(v)) / Z, and the conditional probabilities

        P(h_j = 1 | v) = sigmoid(c_j + sum_i W_ji v_i)      P(v_i = 1 | h) = sigmoid(b_i + sum_j h_j W_ji)

    Gradient       The log-likelihood of a row is L = log p(v) = -F(v) - log Z. Its two terms give two expectations:
                       -dF(v)/dW_ji    = P(h_j = 1 | v) v_i                            from F = -b.v - sum log(1 + exp)
                       dlog Z/dW_ji    = sum_v' exp(-F(v')) / Z (-dF(v')/dW_ji) = sum_v' p(v') P(h_j = 1 | v') v'_i
                       dL/dW_ji        = P(h_j = 1 | v) v_i - E[ P(h_j = 1 | v') v'_i ]      v' drawn from the machine
                       dL/db_i         = v_i - E[ v'_i ]
                       dL/dc_j         = P(h_j = 1 | v) - E[ P(h_j = 1 | v') ]
                   averaged over the batch. The first term, the positive phase, makes the data more probable. The
                   second, the negative phase, makes rows less probable that the machine generates itself. At a
                   maximum of the likelihood, the two are equal.

    k steps        The second expectation has 2^visible terms. A Gibbs chain, h ~ p(h | v), v ~ p(v | h), h ~ ..., ends
                   up drawing from p, so contrastive divergence (CD-k) starts chains at the rows of the batch and
                   averages over the v' that they reach after k steps. What it leaves out is known exactly
                   (Bengio & Delalleau 2009):
                       dL(v)/dW = E[ CD-k(v) ] + E[ dlog p(v')/dW ]      v': the chain from v after k steps
                   The last expectation is 0 for v' drawn from p, because there sum_v p dlog p = d sum_v p = 0.
                   It vanishes as k grows, but slowly if the weights are large, because the chain then mixes slowly.
                   Modes of p far away from the data stay unnoticed.
    No gradient    CD-k is not the gradient of any function (Sutskever & Tieleman 2010): a gradient has a symmetric
                   Jacobian, and CD's is not symmetric. No loss can be reported that it lowers, and no gradient check
                   applies. The tests compare its mean with enumeration and with `exact_gradient` instead.
    persistent     Persistent contrastive divergence (Tieleman 2008) does not restart the chains at the data. The
                   batch_size chains go on from where the last update left them. As the weights change little between
                   two updates, the chains stay close to p, and the bias is small even for k = 1, if the learning rate
                   is small. The chains' hidden units are `h_samples_`.

    Update         velocity = momentum velocity + learning_rate (dL/dW - weight_decay W)          W += velocity
                   The biases likewise, without weight decay.
    Sparsity       With q_j = mean_m P(h_j = 1 | v_m), the mean activity over the batch, and t = sparsity_target,
                       sparsity_cost sum_j ( t log(t / q_j) + (1 - t) log((1 - t) / (1 - q_j)) )
                   is subtracted from the batch's mean log-likelihood. Its gradient with respect to a_mj, by q_j, is
                       -sparsity_cost (t - q_j) / (q_j (1 - q_j)) p_mj (1 - p_mj) / n
                   With p_mj in the positive phase, p_mj / n is what the log-likelihood gives for a_mj. So the
                   penalty is a change of p in the positive phase (`toward_target`).

    n_components   number of hidden units
    learning_rate  fixed; 0.05 to 0.1 suits most data; smaller for persistent chains and large batches
    batch_size     rows per update; also the number of persistent chains
    n_iter         passes of `fit` over the rows, which are shuffled in each
    k              Gibbs steps per update
    momentum       0 to below 1; weight_decay about 1e-4 keeps weights small and chains mixing
    random_state   an int, a numpy.random.Generator or None; the same int gives the same bits
    verbose        1 prints a line after each pass, with the pseudo-log-likelihood per row (`score_samples`),
                   here of one unit of each row, times the number of units

    Hinton 2010 advises: batches of 10 to 100 rows with all classes in each; weights that start at N(0, 0.01^2) and
    visible biases at the log-odds of the units' means, as done here; k = 1 at first, and more steps or persistent
    chains for a better model of the data; sampled hidden units, never their probabilities, to drive the visible ones;
    watching the free energy of training and validation rows, whose growing gap means overfitting, rather than the
    reconstruction error, which CD-k does not minimize.

    Attributes     components_ (hidden, visible) is W, intercept_hidden_ is c, intercept_visible_ is b; h_samples_
                   (batch_size, hidden); visible_mean_ (visible,), the means of the rows seen, the base of
                   `annealed_log_partition_function`; random_state_, the Generator of all draws since `fit`
    dtype          float32 rows make a float32 machine, all others a float64 machine
    Raises         ValueError for invalid hyper-parameters (in fit and partial_fit, as in scikit-learn), for weights
                   of more than 2 GB, and for NaN, infinity, masks, times, empty data and other widths; TypeError for
                   sparse matrices; FloatingPointError if a weight or bias exceeds 10,000. A machine whose fit or
                   partial_fit fails, or is interrupted by Ctrl-C, stays as it was
    Warns          once, if values lie outside 0 .. 1: they are no probabilities
    Reference      Smolensky 1986; Hinton 2002, 2010; Tieleman 2008; Bengio & Delalleau 2009; Sutskever & Tieleman 2010
    """

    def __init__(
        self,
        n_components: int = 256,
        *,
        learning_rate: float = 0.1,
        batch_size: int = 10,
        n_iter: int = 10,
        k: int = 1,
        persistent: bool = False,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        sparsity_target: float = 0.1,
        sparsity_cost: float = 0.0,
        verbose: int = 0,
        random_state: int | np.random.Generator | None = None,
    ) -> None:
        self.n_components = n_components
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.k = k
        self.persistent = persistent
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.sparsity_target = sparsity_target
        self.sparsity_cost = sparsity_cost
        self.verbose = verbose
        self.random_state = random_state

    # --- training -----------------------------------------------------------------------------------------------------

    @interrupts.held
    @one_blas_thread()
    def fit(self, X: ArrayLike, y: Any = None) -> BernoulliRBM:
        """Train on the rows of X (n, visible), from new weights. y is ignored."""
        self._check_settings()
        new, rng = copy.copy(self), checks.generator(OWNER, self.random_state)
        rows = new._validated(X, (np.float64, np.float32), reset=True)
        with checks.draws_undone_by_errors(rng):
            new._start(rows, rng)
            new._train(rows)
        self.__dict__.update(new.__dict__)  # at the end, so that a failure leaves self as it was
        return self

    def _train(self, rows: NDArray) -> None:
        """All passes over the rows, from new weights."""
        self._warn(rows)
        self.visible_mean_ = rows.mean(axis=0, dtype=np.float64)
        self._rows_seen = len(rows)
        self.intercept_visible_[...] = likelihood.log_odds(self._base_means())
        for epoch in range(self.n_iter):
            start = time.perf_counter()
            order = self.random_state_.permutation(len(rows))
            for at in range(0, len(rows), self.batch_size):
                self._update(rows[order[at : at + self.batch_size]])
                interrupts.check()
            self._check_weights()
            if self.verbose:
                seconds, figure = time.perf_counter() - start, self._estimated_score(rows)
                print(
                    f"Epoch {epoch + 1}/{self.n_iter} - {seconds:.1f}s - pseudo_log_likelihood: {figure:.4g}",
                    flush=True,
                )

    @interrupts.held
    @one_blas_thread()
    def partial_fit(self, X: ArrayLike, y: Any = None) -> BernoulliRBM:
        """Update once, with the rows of X as one batch; the first call makes the weights. y is ignored."""
        self._check_settings()
        new, first = copy.copy(self), not hasattr(self, "components_")
        rng = checks.generator(OWNER, self.random_state)
        if first:
            rows = new._validated(X, (np.float64, np.float32), reset=True)
        else:
            self._check_sizes()
            rng, rows = self.random_state_, new._validated(X, self.components_.dtype)
        with checks.draws_undone_by_errors(rng):
            if first:
                new._start(rows, rng)
                new.visible_mean_, new._rows_seen = np.zeros(rows.shape[1]), 0
            else:
                new._own_parameters()
            new._warn(rows)
            new._rows_seen += len(rows)
            change = rows.mean(axis=0, dtype=np.float64) - new.visible_mean_
            new.visible_mean_ = new.visible_mean_ + change * (len(rows) / new._rows_seen)
            if first:
                new.intercept_visible_[...] = likelihood.log_odds(new._base_means())
            new._update(rows)
            new._check_weights()
        self.__dict__.update(new.__dict__)
        return self

    def _start(self, X: NDArray, rng: np.random.Generator) -> None:
        """Make the weights for rows like X."""
        visible, hidden, dtype = X.shape[1], self.n_components, X.dtype
        checks.affordable(OWNER, "n_components", hidden, visible, "visible units")
        checks.affordable(OWNER, "batch_size", self.batch_size, hidden, "hidden units")
        self.components_ = rng.normal(0, 0.01, (hidden, visible)).astype(dtype)
        self.intercept_hidden_, self.intercept_visible_ = np.zeros(hidden, dtype), np.zeros(visible, dtype)
        self.h_samples_ = np.zeros((self.batch_size, hidden), dtype)
        self.random_state_ = rng
        self._velocity = _Gradient(*map(np.zeros_like, self._parameters()))
        self._n_features_out = hidden
        self._warned = False

    def _own_parameters(self) -> None:
        """Copy what updates change in place, which this copy of a machine shares with the machine itself."""
        self.components_, self.intercept_visible_, self.intercept_hidden_ = map(np.array, self._parameters())
        self._velocity = _Gradient(*map(np.array, self._velocity))

    def _update(self, v: NDArray) -> None:
        """One step of contrastive divergence with a batch."""
        W, b, c = self._parameters()
        p = energy.hidden_probabilities(v, W, c)
        v_model, p_model = self._negative_phase(p)
        if self.persistent:
            self.h_samples_ = energy.sample(p_model, self.random_state_)
        if self.sparsity_cost:
            p = toward_target(p, self.sparsity_target, self.sparsity_cost)
        update(
            v, p, v_model, p_model, W, b, c, *self._velocity, float(self.learning_rate), float(self.momentum),
            float(self.weight_decay),
        )  # fmt: skip

    def _negative_phase(self, p: NDArray) -> tuple[NDArray, NDArray]:
        """The visible units at the end of the chains, and their hidden units' probabilities.

        p (n, hidden) are the hidden units' probabilities for the batch, at which chains start that do not persist.
        """
        h = self.h_samples_ if self.persistent else energy.sample(p, self.random_state_)
        return gibbs_chain(h, *self._parameters(), self.k, self.random_state_)

    def _parameters(self) -> tuple[NDArray, NDArray, NDArray]:
        """W, b, c."""
        return self.components_, self.intercept_visible_, self.intercept_hidden_

    # --- features, samples, scores ------------------------------------------------------------------------------------

    @interrupts.held
    @one_blas_thread()
    def transform(self, X: ArrayLike) -> NDArray:
        """P(h = 1 | v) for each row v of X: (n, hidden)."""
        W, _, c = self._fitted()
        return energy.hidden_probabilities(self._rows(X), W, c)

    @interrupts.held
    @one_blas_thread()
    def gibbs(self, v: ArrayLike, n_steps: int = 1) -> NDArray:
        """Visible units after n_steps of Gibbs chains that start at the rows of v: (n, visible), zeros and ones."""
        W, b, c = self._fitted()
        n_steps = arguments.positive_int(OWNER, "n_steps", n_steps)
        rows, rng = self._rows(v), self.random_state_
        return gibbs_chain(energy.sample(energy.hidden_probabilities(rows, W, c), rng), W, b, c, n_steps, rng)[0]

    def free_energy(self, v: ArrayLike) -> NDArray:
        """F(v) of each row, in nats, (n,): low for probable rows. log p(v) = -F(v) - log Z."""
        return energy.free_energy(self._rows(v), *self._fitted())

    def score_samples(self, X: ArrayLike) -> NDArray:
        """The pseudo-log-likelihood of each row, sum_i log P(v_i | all other visible units), in nats; (n,).

        No partition function is needed for it, because Z cancels in
            P(v_i = 1 | others) = sigmoid(F(v with v_i = 0) - F(v with v_i = 1))
        Values between 0 and 1 give a cross-entropy, v_i log P + (1 - v_i) log(1 - P). scikit-learn draws one unit of
        each row at random and multiplies by their number; for binary rows, this is the mean of its draws. The time is
        that of `visible` free energies for each row.
        """
        rows = self._rows(X)
        self._fitted()
        scores = np.zeros(len(rows), rows.dtype)
        for i in range(rows.shape[1]):
            scores += self._score_of_units(rows, np.full(len(rows), i))
        return scores

    def _score_of_units(self, v: NDArray, units: NDArray) -> NDArray:
        """v_i log P(v_i = 1 | others) + (1 - v_i) log P(v_i = 0 | others) of unit i = units[m] in each row m."""
        W, b, c = self._parameters()
        value, weights = v[np.arange(len(v)), units], W[:, units].T
        off = v @ W.T + c - value[:, np.newaxis] * weights  # a with v_i = 0
        logit = b[units] + (energy.softplus(off + weights) - energy.softplus(off)).sum(axis=1)
        return value * logit - energy.softplus(logit)

    def _estimated_score(self, X: NDArray) -> float:
        """An estimate of the mean of `score_samples` from one unit of each row, another one in each of the next."""
        width = X.shape[1]
        return width * float(self._score_of_units(X, np.arange(len(X)) % width).mean())

    # --- gradients and likelihoods ------------------------------------------------------------------------------------

    @interrupts.held
    @one_blas_thread()
    def gradient(self, v: ArrayLike) -> dict[str, NDArray]:
        """What contrastive divergence adds to the parameters for a batch, before the learning rate.

        The mean over the batch of the positive minus the negative phase, with chains of k steps; in a persistent
        machine, the chains begin at h_samples_, which stays as it is. Momentum, weight decay and sparsity are left
        out. Chains are drawn anew in each call.

        Returns "dW" (hidden, visible), "db" (visible,), "dc" (hidden,), in the direction in which the log-likelihood
        grows.
        """
        W, _, c = self._fitted()
        rows = self._rows(v)
        p = energy.hidden_probabilities(rows, W, c)
        v_model, p_model = self._negative_phase(p)
        return phases(expectations(rows, p), expectations(v_model, p_model))

    def exact_gradient(self, v: ArrayLike) -> dict[str, NDArray]:
        """The gradient of the mean log-likelihood of the rows, as `gradient` returns it, by enumeration in float64.

        ValueError: more than 20 units in both layers.
        """
        W, b, c = self._enumerable()
        rows = self._rows(v).astype(np.float64)
        return phases(expectations(rows, energy.hidden_probabilities(rows, W, c)), exact_expectations(W, b, c))

    def log_partition_function(self) -> float:
        """log Z in nats, exact, for machines whose smaller layer has up to 20 units.

        ValueError: more than 20 units in both layers.
        """
        return likelihood.log_partition_function(*self._enumerable())

    @interrupts.held
    @one_blas_thread()
    def annealed_log_partition_function(
        self, n_chains: int = 100, n_temperatures: int = 1000, random_state: int | np.random.Generator | None = None
    ) -> Estimate:
        """log Z in nats with its standard error, by annealed importance sampling (derived in likelihood.py).

        The base machine has the means of the training rows. The error falls with both numbers; the time grows with
        their product. random_state: as in the constructor; None draws from the machine's own generator.

        ValueError: invalid arguments.
        """
        W, b, c = self._fitted()
        n_chains = arguments.whole(OWNER, "n_chains", n_chains, 2)
        checks.affordable(OWNER, "n_chains", n_chains, max(W.shape), "units of a layer")
        n_temperatures = arguments.positive_int(OWNER, "n_temperatures", n_temperatures)
        rng = self.random_state_ if random_state is None else checks.generator(OWNER, random_state)
        means = self._base_means()
        return likelihood.annealed_log_partition_function(W, b, c, means, n_chains, n_temperatures, rng)

    def log_likelihood(self, v: ArrayLike, log_partition: Estimate | float | None = None) -> Estimate:
        """The mean of log p(v) over the rows, in nats, with the standard error that comes from log Z.

        log_partition: log Z for the present weights: an Estimate, or a number if it is exact (standard error 0). None
        computes it: exactly if the smaller layer has up to 20 units, else by `annealed_log_partition_function` with its
        defaults.

        ValueError: log_partition is neither, or is not finite.
        """
        W, b, c = (x.astype(np.float64) for x in self._fitted())
        rows = self._rows(v).astype(np.float64)
        if log_partition is None:
            small = min(W.shape) <= likelihood.MOST_UNITS
            log_partition = self.log_partition_function() if small else self.annealed_log_partition_function()
        log_Z, error = log_partition if isinstance(log_partition, Estimate) else (log_partition, 0.0)
        log_Z = arguments.number(OWNER, "log_partition", log_Z)
        return Estimate(float(-energy.free_energy(rows, W, b, c).mean()) - log_Z, error)

    def _base_means(self) -> NDArray[np.float64]:
        return np.clip(self.visible_mean_, LEAST_MEAN, 1 - LEAST_MEAN)

    # --- checks -------------------------------------------------------------------------------------------------------

    def _check_settings(self) -> None:
        arguments.positive_int(OWNER, "n_components", self.n_components)
        arguments.positive(OWNER, "learning_rate", self.learning_rate)
        arguments.positive_int(OWNER, "batch_size", self.batch_size)
        arguments.whole(OWNER, "n_iter", self.n_iter)
        arguments.positive_int(OWNER, "k", self.k)
        arguments.flag(OWNER, "persistent", self.persistent)
        arguments.number(OWNER, "momentum", self.momentum, 0, 1)
        arguments.number(OWNER, "weight_decay", self.weight_decay, 0)
        arguments.positive(OWNER, "sparsity_target", self.sparsity_target, 1)
        arguments.number(OWNER, "sparsity_cost", self.sparsity_cost, 0)
        if not isinstance(self.verbose, bool):
            arguments.whole(OWNER, "verbose", self.verbose)

    def _check_sizes(self) -> None:
        """Check that settings which determine shapes are still those of the weights and chains."""
        sizes = {"n_components": len(self.components_)}
        if self.persistent:
            sizes["batch_size"] = len(self.h_samples_)
        for name, size in sizes.items():
            if getattr(self, name) != size:
                mend = "set it back, or call fit to begin anew"
                raise ValueError(f"{OWNER}: {name} must stay {size} in partial_fit, got {getattr(self, name)}: {mend}")

    def _fitted(self) -> tuple[NDArray, NDArray, NDArray]:
        """W, b, c of a fitted machine."""
        check_is_fitted(self)
        return self._parameters()

    def _enumerable(self) -> tuple[NDArray, NDArray, NDArray]:
        """W, b, c in float64, of a machine that is small enough to enumerate."""
        W, b, c = self._fitted()
        if min(W.shape) > likelihood.MOST_UNITS:
            expected = f"the smaller layer must have up to {likelihood.MOST_UNITS} units to be enumerated"
            mend = "use annealed_log_partition_function, or gradient with a large k"
            raise ValueError(f"{OWNER}: {expected}, got {W.shape[1]} visible and {W.shape[0]} hidden units: {mend}")
        return W.astype(np.float64), b.astype(np.float64), c.astype(np.float64)

    def _rows(self, X: ArrayLike) -> NDArray:
        """Rows for a fitted machine, in its dtype."""
        check_is_fitted(self)
        rows = self._validated(X, self.components_.dtype)
        self._warn(rows)
        return rows

    def _validated(self, X: ArrayLike, dtype: Any, reset: bool = False) -> NDArray:
        """The rows of X after all checks; reset=True records their width."""
        checks.plain(OWNER, "X", X, "0")
        return validate_data(self, X, dtype=dtype, reset=reset)

    def _warn(self, X: NDArray) -> None:
        """Warn once if values are no probabilities."""
        low, high = X.min(), X.max()
        if not self._warned and (low < 0 or high > 1):
            self._warned = True
            expected = "values must lie in 0 .. 1, because they stand for probabilities"
            mend = "scale them, for example with sklearn.preprocessing.MinMaxScaler"
            warnings.warn(f"{OWNER}: {expected}, got {low:.4g} to {high:.4g}: {mend}", stacklevel=_users_line())

    def _check_weights(self) -> None:
        checks.bounded(OWNER, "lower learning_rate, or scale the rows to 0 .. 1", *self._parameters())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


# --- definitions ------------------------------------------------------------------------------------------------------


class _Gradient(NamedTuple):
    """Three arrays of the shapes of W, b and c."""

    dW: NDArray
    db: NDArray
    dc: NDArray


def expectations(v: NDArray, p: NDArray, weights: NDArray | None = None) -> _Gradient:
    """The means over rows of h_j v_i, v_i and h_j, where p (n, hidden) are the hidden units' probabilities given v.

    weights (n,): probabilities of the rows that add up to 1; by default all rows are equally probable.
    """
    weighted = p / len(v) if weights is None else p * weights[:, np.newaxis]
    mean_v = v.mean(axis=0) if weights is None else weights @ v
    return _Gradient(weighted.T @ v, mean_v, weighted.sum(axis=0))


def exact_expectations(W: NDArray, b: NDArray, c: NDArray) -> _Gradient:
    """The same means over all states of the machine, weighted with their probabilities p(v)."""
    if len(c) < len(b):  # enumerate the hidden units: the machine with its layers swapped has the same joint states
        swapped = exact_expectations(np.ascontiguousarray(W.T), c, b)
        return _Gradient(swapped.dW.T, swapped.dc, swapped.db)
    log_Z = likelihood.log_partition_function(W, b, c)
    total = _Gradient(*map(np.zeros_like, (W, b, c)))
    for v in likelihood.all_states(len(b)):
        probabilities = np.exp(-energy.free_energy(v, W, b, c) - log_Z)
        part = expectations(v, energy.hidden_probabilities(v, W, c), probabilities)
        for array, more in zip(total, part, strict=True):
            array += more
    return total


def phases(positive: _Gradient, negative: _Gradient) -> dict[str, NDArray]:
    """The gradient: the positive minus the negative phase."""
    return {
        name: data - model for name, data, model in zip(_Gradient._fields, positive, negative, strict=True)
    }  # fmt: skip


def gibbs_chain(
    h: NDArray, W: NDArray, b: NDArray, c: NDArray, k: int, rng: np.random.Generator
) -> tuple[NDArray, NDArray]:
    """k steps v ~ p(v | h), h ~ p(h | v) from h (n, hidden): the last v, and P(h = 1 | v) for it.

    The last hidden units are not drawn: in the gradient their probabilities have the same mean and vary less.
    """
    for step in range(1, k + 1):
        v = energy.sample(energy.visible_probabilities(h, W, b), rng)
        p = energy.hidden_probabilities(v, W, c)
        if step < k:
            h = energy.sample(p, rng)
    return v, p


def toward_target(p: NDArray, target: float, cost: float) -> NDArray:
    """p of the positive phase with the sparsity penalty, derived in BernoulliRBM.

    A unit whose q_j rounds to 0 or 1 has no slope left, and stays as it is.
    """
    q = p.mean(axis=0)
    spread = q * (1 - q)
    factor = np.divide(cost * (target - q), spread, out=np.zeros_like(q), where=spread > 0)
    return p + factor * p * (1 - p)


@compiled_as(kernels.rbm.update)
def update(
    v: NDArray, p: NDArray, v_model: NDArray, p_model: NDArray, W: NDArray, b: NDArray, c: NDArray,
    velocity_W: NDArray, velocity_b: NDArray, velocity_c: NDArray, learning_rate: float, momentum: float,
    weight_decay: float,
) -> None:  # fmt: skip
    """The update derived in BernoulliRBM, in place. Without momentum, the velocities are not used."""
    dW = p.T @ v / len(v) - p_model.T @ v_model / len(v_model) - weight_decay * W
    db = v.mean(axis=0) - v_model.mean(axis=0)
    dc = p.mean(axis=0) - p_model.mean(axis=0)
    for array, velocity, gradient in ((W, velocity_W, dW), (b, velocity_b, db), (c, velocity_c, dc)):
        step = learning_rate * gradient
        if momentum:
            velocity[...] = step = momentum * velocity + step
        array += step


def _users_line() -> int:
    """The stacklevel of the line outside tinydl and its wrappers that led to the function which warns."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals["__name__"].split(".")[0] in ("tinydl", "contextlib", "sklearn"):
        frame, level = frame.f_back, level + 1
    return level
