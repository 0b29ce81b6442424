"""DeepBeliefNetwork: a classifier whose layers are first trained, one by one, as restricted Boltzmann machines."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted, column_or_1d, validate_data

from .. import arguments
from ..layers import Dense
from ..layers.activations import sigmoid
from ..losses import SoftmaxCrossEntropy
from ..model import Model
from ..optimizers import Adam
from . import checks, energy
from .bernoulli_rbm import BernoulliRBM

OWNER = "DeepBeliefNetwork"
UNLABELED = -1  # scikit-learn's mark for a row without a label
KINDS: tuple[Any, ...] = (str, (bool, np.bool_), Real)  # of labels
ROUNDING = 1e-6  # values this far outside 0 .. 1 are rounding errors of a scaler, and are clipped


class DeepBeliefNetwork(ClassNamePrefixFeaturesOutMixin, ClassifierMixin, TransformerMixin, BaseEstimator):
    """A stack of RBMs, trained without labels, that becomes a classifier in a second step.

    Model          Layers h0 = v (the row), h1, ..., hL. The top two form an RBM with parameters W_L, b_L, c_L; each
                   layer below is drawn from the one above it:
                       p(h0, ..., hL) = p(h0 | h1) ... p(h{L-2} | h{L-1}) p(h{L-1}, hL)
                       P(h{l-1}_i = 1 | h_l) = sigmoid(b_l,i + sum_j h_l,j W_l,ji)

    Stacking       An RBM is a p(v | h) under a prior p(h), both made from the same W. Keep p(v | h), and let a second
                   RBM learn a better prior: one for the h that the data cause. For every distribution q(h | v),
                       log p(v) = sum_h q(h | v) (log p(h) + log p(v | h) - log q(h | v)) + KL(q(h | v) || p(h | v))
                   because p(h) p(v | h) = p(h | v) p(v). KL is >= 0, so the sum is a lower bound of log p(v). With the
                   first RBM's own p(h | v) as q, KL is 0: bound and log p(v) are equal. The new prior changes one term
                   of the bound, sum_h q(h | v) log p(h): the log-likelihood of a model of h whose data are drawn from
                   q(h | v), that is, the next RBM's own objective. A second RBM that starts as the first one upside
                   down (W_2 = W_1.T, b_2 = c_1, c_2 = b_1) has the same p(h). From there, a gain of its objective is
                   a gain of the bound, and log p(v) is at least as large.
    Not promised   - Contrastive divergence follows no gradient, so the objective itself need not grow.
                   - These RBMs start at small random weights and have widths of their own, so they start below the
                     old prior.
                   - They learn from the probabilities P(h = 1 | v), not from units drawn with these probabilities.
                   - From the third layer on, q is not the posterior of the model so far, and KL is not 0. The bound
                     may grow while log p(v) falls.
                   - A better model of the rows is no better classifier. docs/belief_network.md measures whether it is.

    Fine-tuning    Given the layer below, P(h_l = 1 | h{l-1}) = sigmoid(c_l + W_l h{l-1}) is Dense(units, "sigmoid")
                   with its W = W_l.T and b = c_l. A chain of these layers and a new Dense(classes) is a classifier;
                   with SoftmaxCrossEntropy and Adam, all of its layers learn, by Dense's own backward pass. The
                   b_l, which lead downwards, are not part of it. finetune=False is the way of the book: the layers stay
                   as they are, and logistic regression learns the last one from their outputs.

    hidden_layer_sizes    numbers of units, from the bottom up: the book's are 256 and 512, on 64 pixels
    learning_rate, batch_size, n_iter, k, momentum    of each RBM, as in BernoulliRBM
    finetune              True, or False for logistic regression
    finetune_learning_rate, finetune_batch_size, finetune_epochs    Adam's rate, rows per step, passes over the rows
    C                     inverse strength of logistic regression's L2 penalty, as in scikit-learn, if finetune=False
    random_state          an int, a numpy.random.Generator or None; the same int gives the same bits
    verbose               1 prints the progress of each RBM and of the fine-tuning

    Labels are numbers, strings or booleans. Rows labeled -1 are unlabeled, as in sklearn.semi_supervised: the stack
    learns from them, and the second step does not. To use -1 as a class, rename it. With strings or booleans, use an
    array of dtype object, in which -1 stays a number. score counts rows labeled -1 as wrong, as in scikit-learn: leave
    them out there.

    Attributes     classes_, the sorted labels; rbms_, the stack, which fine-tuning does not change; model_, the network
                   that classifies, a Model: model_.save(path) writes it, and pickle writes the whole estimator
    dtype          float32 rows make a float32 network, all others a float64 network
    Raises         ValueError for invalid hyper-parameters (in fit, as in scikit-learn), for weights of more than 2 GB
                   in a layer, for NaN, infinity, masks, times, empty data, values outside 0 .. 1, missing labels,
                   labels that are no whole numbers, and a single class; FloatingPointError if a weight or bias exceeds
                   10,000. A network whose fit fails, or is interrupted by Ctrl-C, stays as it was
    Reference      Hinton, Osindero & Teh 2006, A fast learning algorithm for deep belief nets; Bengio, Lamblin,
                   Popovici & Larochelle 2006, Greedy layer-wise training of deep networks
    """

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (256, 512),
        *,
        learning_rate: float = 0.05,
        batch_size: int = 10,
        n_iter: int = 50,
        k: int = 1,
        momentum: float = 0.9,
        finetune: bool = True,
        finetune_learning_rate: float = 3e-3,
        finetune_batch_size: int = 32,
        finetune_epochs: int = 100,
        C: float = 1e4,
        random_state: int | np.random.Generator | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.k = k
        self.momentum = momentum
        self.finetune = finetune
        self.finetune_learning_rate = finetune_learning_rate
        self.finetune_batch_size = finetune_batch_size
        self.finetune_epochs = finetune_epochs
        self.C = C
        self.random_state = random_state
        self.verbose = verbose

    # --- training -----------------------------------------------------------------------------------------------------

    def fit(self, X: ArrayLike, y: ArrayLike) -> DeepBeliefNetwork:
        """Train on the rows of X (n, features), in 0 .. 1, and their labels y (n,); -1 marks a row without a label."""
        rng = self._check_settings()
        rows = self._check_rows(X)
        labeled, classes, numbers = _check_labels(y, rows)
        new = copy.copy(self)
        validate_data(new, X, skip_check_array=True)  # sets n_features_in_ and feature_names_in_
        for below, units in pairwise((rows.shape[1], *self.hidden_layer_sizes)):
            checks.affordable(OWNER, "each of hidden_layer_sizes", units, below, "units below")
            checks.affordable(OWNER, "batch_size", self.batch_size, units, "hidden units")
        with checks.draws_undone_by_errors(rng):
            new._train(rows, labeled, classes, numbers, rng)
        self.__dict__.update(new.__dict__)  # at the end, so that a failure leaves self as it was
        return self

    def _train(
        self, rows: NDArray, labeled: NDArray[np.bool_], classes: NDArray, numbers: NDArray[np.intp],
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        """Both steps: the stack, and the network that starts at it."""
        machines, features = self._machines(rng), rows
        for level, machine in enumerate(machines, start=1):
            if self.verbose:
                print(f"RBM {level} of {len(machines)}: {features.shape[1]} - {machine.n_components} units", flush=True)
            features = machine.fit(features).transform(features)
        model = self._network(machines, len(classes), int(rng.integers(2**31)))
        if self.finetune:
            if self.verbose:
                print(f"Fine-tuning: {len(numbers):,} labeled rows, {len(classes)} classes", flush=True)
            history = model.fit(
                rows[labeled], numbers, batch_size=self.finetune_batch_size, epochs=self.finetune_epochs,
                verbose=int(self.verbose),
            )  # fmt: skip
            if history.interrupted:
                raise KeyboardInterrupt
            checks.bounded(OWNER, "lower finetune_learning_rate", model.parameters)
        else:
            _learn_last_layer(model.layers[-1].params, features[labeled], numbers, self.C)
        self.classes_, self.rbms_, self.model_ = classes, machines, model
        self._n_features_out = machines[-1].n_components

    def _machines(self, rng: np.random.Generator) -> list[BernoulliRBM]:
        """The stack, untrained. Each machine has a seed of its own."""
        options = {name: getattr(self, name) for name in ("learning_rate", "batch_size", "n_iter", "k", "momentum")}
        return [
            BernoulliRBM(units, **options, random_state=int(rng.integers(2**31)), verbose=self.verbose)
            for units in self.hidden_layer_sizes
        ]

    def _network(self, machines: list[BernoulliRBM], classes: int, seed: int) -> Model:
        """The stack as a chain of Dense layers, with a new last layer, compiled for fine-tuning."""
        layers = [Dense(machine.n_components, "sigmoid") for machine in machines]
        weights = machines[0].components_
        model = Model([*layers, Dense(classes)], weights.shape[1], seed, weights.dtype, "deep_belief_network")
        for layer, machine in zip(layers, machines, strict=True):
            layer.params["W"][...] = machine.components_.T
            layer.params["b"][...] = machine.intercept_hidden_
        model.compile(Adam(self.finetune_learning_rate), SoftmaxCrossEntropy(), metrics=["accuracy"])
        return model

    # --- predictions, features, samples -------------------------------------------------------------------------------

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """The probability of each class, in the order of classes_: (n, classes)."""
        return softmax(self._logits(X).astype(np.float64), axis=1)

    def predict(self, X: ArrayLike) -> NDArray:
        """The most probable label of each row: (n,)."""
        logits = self._logits(X)
        return self.classes_[logits.argmax(axis=1)]

    def _logits(self, X: ArrayLike) -> NDArray:
        rows = self._rows(X)
        return self.model_.predict(rows)

    def transform(self, X: ArrayLike) -> NDArray:
        """The features from which the last layer decides: the outputs of the highest hidden layer of model_.

        (n, hidden_layer_sizes[-1]), fine-tuned unless finetune=False. Those of the stack itself are
        rbms_[1].transform(rbms_[0].transform(X)).
        """
        h = self._rows(X)
        for layer in self.model_.layers[:-1]:
            h = sigmoid(h @ layer.params["W"] + layer.params["b"])
        return h

    def gibbs(self, v: ArrayLike, n_steps: int = 1) -> NDArray:
        """What the stack generates after n_steps in its top RBM, one chain for each row of v: (n, features).

        The units of each layer are drawn given the layer below, up to the top RBM, in which a Gibbs chain runs; then
        each layer is drawn given the layer above. The lowest layer is not drawn: these are the probabilities of its
        units, which vary less. Start at rows of data, or at noise for samples that depend on no row.
        """
        check_is_fitted(self)
        n_steps = arguments.positive_int(OWNER, "n_steps", n_steps)
        h = self._rows(v)
        top = self.rbms_[-1]
        for machine in self.rbms_[:-1]:
            h = energy.sample(machine.transform(h), machine.random_state_)
        h = energy.sample(top.transform(top.gibbs(h, n_steps)), top.random_state_)
        for machine in reversed(self.rbms_):
            p = energy.visible_probabilities(h, machine.components_, machine.intercept_visible_)
            h = energy.sample(p, machine.random_state_)
        return p

    def to_model(self) -> Model:
        """A new Model that starts at the stack: sigmoid Dense layers with W = components_.T and b = intercept_hidden_,
        and an untrained Dense layer with one logit per class. It is compiled, and `fit` takes class numbers 0, 1, ...

        fit(finetune=True) trains such a network, from the same weights, and keeps it as model_.
        """
        check_is_fitted(self)
        return self._network(self.rbms_, len(self.classes_), self.model_.seed)

    # --- checks -------------------------------------------------------------------------------------------------------

    def _check_settings(self) -> np.random.Generator:
        """Check the hyper-parameters; return the generator of all random numbers of a fit."""
        sizes = self.hidden_layer_sizes
        if not isinstance(sizes, list | tuple) or not sizes:
            mend = ""
            if isinstance(sizes, Integral | np.ndarray | range):
                mend = f": write {tuple(np.ravel(sizes[:9] if isinstance(sizes, range) else sizes).tolist())}"
            expected = "hidden_layer_sizes must be numbers of units, from the bottom up, such as (256, 512)"
            raise ValueError(f"{OWNER}: {expected}, got {arguments.brief(sizes)}{mend}")
        for units in sizes:
            arguments.positive_int(OWNER, "each of hidden_layer_sizes", units)
        arguments.positive(OWNER, "learning_rate", self.learning_rate)
        arguments.whole(OWNER, "n_iter", self.n_iter)
        for name in ("batch_size", "k", "finetune_batch_size", "finetune_epochs"):
            arguments.positive_int(OWNER, name, getattr(self, name))
        arguments.number(OWNER, "momentum", self.momentum, 0, 1)
        arguments.flag(OWNER, "finetune", self.finetune)
        arguments.positive(OWNER, "finetune_learning_rate", self.finetune_learning_rate)
        arguments.positive(OWNER, "C", self.C)
        if not isinstance(self.verbose, bool):
            arguments.whole(OWNER, "verbose", self.verbose)
        return checks.generator(OWNER, self.random_state)

    def _check_rows(self, X: ArrayLike) -> NDArray:
        """The rows of X, clipped to 0 .. 1, after a check that they lie there but for rounding."""
        checks.plain(OWNER, "X", X, "0")
        rows = check_array(X, dtype=(np.float64, np.float32), estimator=self, input_name="X")
        low, high = float(rows.min()), float(rows.max())
        if low < -ROUNDING or high > 1 + ROUNDING:
            expected = "X must lie in 0 .. 1, because its values stand for the probabilities that units are on"
            mend = "scale them, for example with sklearn.preprocessing.MinMaxScaler"
            raise ValueError(f"{OWNER}: {expected}, got {low:.4g} to {high:.4g}: {mend}")
        return rows.clip(0, 1)

    def _rows(self, X: ArrayLike) -> NDArray:
        """Rows for a fitted network, in its dtype."""
        check_is_fitted(self)
        checks.plain(OWNER, "X", X, "0")
        return validate_data(self, X, dtype=self.model_.dtype, reset=False)


def _check_labels(y: ArrayLike, rows: NDArray) -> tuple[NDArray[np.bool_], NDArray, NDArray[np.intp]]:
    """Which rows have a label; the sorted labels; and the class number of each labeled row."""
    if y is None:
        mend = "pass labels, or use BernoulliRBM to learn without any"
        raise ValueError(f"{OWNER}: fit requires y to be passed, but the target y is None: {mend}")
    checks.plain(OWNER, "y", y, str(UNLABELED))
    if hasattr(y, "iloc"):  # scikit-learn would turn pandas' own integers and booleans into floats
        y = np.asarray(y)
    labels = column_or_1d(y, warn=True)
    check_consistent_length(rows, labels)
    if missing := [label for label in labels.tolist() if _is_missing(label)]:
        raise ValueError(f"{OWNER}: y must hold labels, got {missing[0]}: mark rows without a label with -1")
    if labels.dtype.kind in "US" and (labels == str(UNLABELED)).any():
        mend = "use an array of dtype object, in which -1 stays a number"
        raise ValueError(f"{OWNER}: y must mark rows without a label with the number -1, got the string '-1': {mend}")
    labeled = np.asarray(labels != UNLABELED)
    if not labeled.any():
        raise ValueError(f"{OWNER}: y must have labels of at least two classes, got -1 (unlabeled) in all rows")
    labels = _of_one_kind(labels[labeled])
    classes, numbers = np.unique(labels, return_inverse=True)
    if len(classes) < 2:
        apart = " beside -1, which marks rows without a label: rename -1 if it is a class" * (not labeled.all())
        raise ValueError(f"{OWNER}: y must have at least two classes, got one class, {classes.tolist()[0]!r}{apart}")
    return labeled, classes, numbers


def _is_missing(label: Any) -> bool:
    """Whether a label is None, NaN, infinity, or pandas' NA or NaT, which have no truth value or no equal."""
    if isinstance(label, float | np.floating):
        return not np.isfinite(label)
    return label is None or type(label).__name__ in ("NAType", "NaTType")


def _of_one_kind(labels: NDArray) -> NDArray:
    """The labels; booleans and numbers in an array of dtype object get a dtype of their own."""
    firsts: dict[Any, Any] = {}
    for label in labels.tolist():
        kind = next((each for each in KINDS if isinstance(label, each)), None)
        if kind is None:
            raise ValueError(f"{OWNER}: y must hold strings, booleans or numbers, got {arguments.brief(label)}")
        firsts.setdefault(kind, label)
    if len(firsts) > 1:
        one, other = [firsts[kind] for kind in KINDS if kind in firsts][:2]
        expected, mend = "y must hold only strings, only booleans or only numbers", "write all classes alike"
        raise ValueError(f"{OWNER}: {expected}, got {one!r} and {other!r}: {mend}")
    if labels.dtype == object and str not in firsts:
        labels = np.array(labels.tolist())
    if labels.dtype.kind == "f" and (parts := labels[labels % 1 != 0]).size:
        got, mend = "Unknown label type: continuous", "turn measurements into classes, for example with numpy.digitize"
        raise ValueError(f"{OWNER}: y must hold whole numbers, got {parts[0]:g} ({got}): {mend}")
    return labels


def _learn_last_layer(params: dict[str, NDArray], features: NDArray, numbers: NDArray[np.intp], C: float) -> None:
    """Set W and b of the last layer by logistic regression.

    For two classes, scikit-learn gives one logit z; the logits (0, z) have the same probabilities.
    """
    found = LogisticRegression(C=C, max_iter=10_000).fit(features, numbers)
    W, b = found.coef_.T, found.intercept_
    if W.shape[1] == 1:
        W, b = np.column_stack([np.zeros_like(W), W]), np.append(0, b)
    params["W"][...] = W
    params["b"][...] = b
