"""RBMRecommender: predicts ratings by one restricted Boltzmann machine per row, all of which share their weights."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import arguments, interrupts
from ..kernels.machine.threads import one_blas_thread
from ..optimizers import SGD
from ..schedules import CosineDecay
from ..training import checkpoint
from ..training.inputs import progress_bar
from ..training.resume import UNUSABLE, say
from . import rating_machine
from .base import LARGEST_TABLE, Recommender, check_history, check_units
from .rating_machine import Entries, Weights

MOST_VALUES = 100  # softmax units per column
SPREAD = 0.03  # standard deviation of the first weights
PRIOR_RATINGS = 15.0  # distributed like all ratings, and added to those of a column for its first biases
LARGEST_WEIGHT = 20.0  # weights that learn well stay below 2


class RBMRecommender(Recommender):
    """A restricted Boltzmann machine for each row of ratings; all machines share their weights.

        model = RBMRecommender(random_state=0).fit(users, items, ratings)
        model.predict(users, items)

    recommenders/rating_machine.py derives the machine, contrastive divergence (CD-k) and the predictions. Training:

    Step       The CD-k estimates of the gradients of batch_size rows are summed and divided by batch_size, and SGD with
               momentum takes a step; weight_decay pulls W to 0. The learning rate falls to 0 along half a cosine, so
               that the noise of the drawn states averages out in the last passes.
    Start      W is drawn from a normal distribution with standard deviation 0.03; c = 0. With n_jk, the number of
               ratings with value k in column j, n_j, their sum over k, and s_k, the share of value k in all ratings,
                   b_jk = log p_jk,     p_jk = (n_jk + 15 s_k) / (n_j + 15)
               so that without hidden units the machine predicts each column's own ratings, and those of all columns
               where it has few. Bernoulli units begin with the log-odds of the mean of v_j, smoothed likewise.

    units           hidden units
    visible         "softmax": one unit per value that occurs, such as 1 to 5 stars. "bernoulli": one unit per column,
                    the rating divided by the highest one, for ratings of any real value
    linear          for softmax units: True gives each column two weights per hidden unit, so that the pull of a rating
                    is linear in the rating; False gives each value a weight of its own
    k               Gibbs steps per contrastive divergence
    epochs          passes over all rows
    The other arguments are those of Recommender. The defaults were chosen for the items of MovieLens 100K
    (benchmarks/rbm_recommender.py).

    After fit, values_ (values,) holds the ratings that the units of a column stand for, components_ (units, columns,
    values) the weights of these units, and intercept_visible_ (columns, values) and intercept_hidden_ (units,) the
    biases. history_["loss"] holds, for each pass, the mean of -log p(rating | h) over all ratings, with h
    drawn given the row. The steps do not minimize this number, but it shows whether the machine learns.

    Raises     ValueError for invalid hyper-parameters, and in fit for more than 100 different ratings with softmax
               units and for sizes that need more than 1 GB; FloatingPointError if a weight exceeds 20 in training.
               The recommender then stays as it was
    Reference  Salakhutdinov, Mnih & Hinton 2007; Bernoulli units: the recommender of Liu & Mehta 2019
    """

    values_: NDArray[np.float32]
    components_: NDArray[np.float32]
    intercept_visible_: NDArray[np.float32]
    intercept_hidden_: NDArray[np.float32]
    _entries: Entries | None = None  # these defaults keep both out of copies and pickles (caches.py)
    _weights: Weights | None = None

    def __init__(
        self, units: int = 200, epochs: int = 40, batch_size: int = 16, learning_rate: float = 0.02,
        momentum: float = 0.9, weight_decay: float = 5e-3, *, visible: str = "softmax", linear: bool = True, k: int = 1,
        scale: Sequence[float] = (1.0, 5.0), based_on: str = "item", random_state: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(scale=scale, based_on=based_on, random_state=random_state)
        owner = "RBMRecommender"
        self.units = arguments.positive_int(owner, "units", units)
        self.visible = arguments.one_of(owner, "visible", visible, ("softmax", "bernoulli"))
        self.linear = arguments.flag(owner, "linear", linear)
        self.k = arguments.positive_int(owner, "k", k)
        self.epochs = arguments.positive_int(owner, "epochs", epochs)
        self.batch_size = arguments.positive_int(owner, "batch_size", batch_size)
        self.learning_rate = arguments.positive(owner, "learning_rate", learning_rate)
        self.momentum = arguments.number(owner, "momentum", momentum, 0, 1)
        self.weight_decay = arguments.number(owner, "weight_decay", weight_decay, 0)
        if visible == "bernoulli" and self.scale[0] < 0:
            expected, got = "begin at 0 or above for Bernoulli units", f"({self.scale[0]:g}, {self.scale[1]:g})"
            raise ValueError(f"{owner}: scale must {expected}, got {got}: shift the ratings, or use visible='softmax'")

    @one_blas_thread()
    def _fit(self, table: NDArray[np.float32], rated: NDArray[np.bool_], verbose: int | str) -> None:
        rng = np.random.default_rng(self.random_state)
        entries = self._entries = self._as_entries(table[rated], rated)
        sizes = (table.shape[1], *self._features.shape, self.units)
        check_units(self.units, table.shape[1] * self._features.shape[1], table.shape[1])
        draws = self.k * max(min(self.batch_size, len(table)) * self.units, len(entries.columns))
        if draws > LARGEST_TABLE:
            expected, mend = f"need at most {LARGEST_TABLE:,} random numbers", "lower k, units or batch_size"
            raise ValueError(f"fit: a batch must {expected}, got {draws:,}: {mend}")
        weights, gradients = Weights.zeros(*sizes), Weights.zeros(*sizes)
        weights.W[...] = SPREAD * rng.standard_normal(weights.W.shape, np.float32)
        weights.b[...] = _first_biases(entries, len(weights.b), self.visible == "softmax")
        self._weights = weights
        steps = -(-len(table) // self.batch_size)
        optimizer = SGD(
            CosineDecay(self.learning_rate, self.epochs * steps), self.momentum, weight_decay=self.weight_decay
        )
        optimizer.decayed = [slice(0, weights.W.size)]
        optimizer.build(weights.flat)
        begin = self._continue(weights, optimizer, rng, steps)
        progress = _Progress(verbose, self.epochs, steps, begin)
        with progress:
            for epoch in range(begin, self.epochs):
                total = 0.0
                for rows in np.array_split(rng.permutation(len(table)), steps):
                    gradients.flat[...] = 0
                    surprise, count = self._add_gradients(rows, rng, gradients)
                    gradients.flat[...] /= self.batch_size
                    optimizer.step(weights.flat, gradients.flat)
                    progress.batch(surprise / count)
                    total += surprise
                    interrupts.check()
                if not np.abs(weights.W).max() < LARGEST_WEIGHT:  # also if it is NaN
                    expected, got = f"weights must stay below {LARGEST_WEIGHT:g}", f"larger ones in epoch {epoch + 1}"
                    raise FloatingPointError(f"fit: {expected}, got {got}: lower the learning_rate")
                progress.epoch(self._record(loss=total / len(entries.columns)))
                self._save(weights, optimizer, rng, epoch + 1)
        self.components_ = (self._features @ weights.W).transpose(2, 0, 1)
        self.intercept_visible_, self.intercept_hidden_ = weights.b, weights.c

    def _save(self, weights: Weights, optimizer: SGD, rng: np.random.Generator, epoch: int) -> None:
        """Write the run, after `epoch` epochs, to the checkpoint, if there is one."""
        if self._checkpoint is None:
            return
        run = {"identity": self._identity(), "epoch": epoch, "history": self.history_}
        try:
            checkpoint.write(
                self._checkpoint, {"weights": weights.flat, **optimizer.slots},
                {"recommender": {**run, "generator": rng.bit_generator.state}},
            )  # fmt: skip
        except OSError as error:
            trouble = f"fit: {self._checkpoint} could not be written: {error}"
            warnings.warn(f"{trouble}: training goes on, and the last good file stays", stacklevel=2)

    def _continue(self, weights: Weights, optimizer: SGD, rng: np.random.Generator, steps: int) -> int:
        """Take up the run in the checkpoint, if there is one; return how many epochs are done."""
        path = self._begun()
        if path is None:
            return 0
        arrays, metadata = checkpoint.read(path)
        if "recommender" not in metadata:
            raise ValueError(f"{path}: expected the checkpoint of an RBMRecommender, got another file of tinydl's")
        run: dict[str, Any] = metadata["recommender"]
        try:
            self._check_identity(run["identity"])
            epoch = arguments.whole("checkpoint", "epoch", run["epoch"])
            if epoch > self.epochs:
                raise ValueError(f"epoch must be at most {self.epochs}, got {epoch}")
            check_history(run["history"], epoch)
            for name, array in {"weights": weights.flat, **optimizer.slots}.items():
                if arrays[name].shape != array.shape or arrays[name].dtype != array.dtype:
                    got = f"{arrays[name].shape} {arrays[name].dtype}"
                    raise ValueError(f"{name} must be {array.shape} {array.dtype}, got {got}")
                if not np.isfinite(arrays[name]).all():
                    raise ValueError(f"{name} must hold finite numbers, got NaN or infinity")
                array[...] = arrays[name]
            rng.bit_generator.state = run["generator"]
        except UNUSABLE as error:
            trouble = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            raise ValueError(f"{path}: this run cannot be continued: {trouble}") from error
        self.history_, optimizer.iterations = run["history"], epoch * steps
        if epoch == self.epochs:
            say(f"the run in {path} is finished, with {epoch} epochs: nothing is left to train")
        return epoch

    def _add_gradients(self, rows: NDArray[np.int64], rng: np.random.Generator, to: Weights) -> tuple[float, int]:
        """Add the CD-k estimates of some rows; return how badly their ratings are reconstructed, and their number."""
        assert self._weights is not None
        assert self._entries is not None
        _, W, b, c = self._weights
        starts, columns, v = self._entries
        count = int((starts[rows + 1] - starts[rows]).sum())
        hidden_draws = rng.random((len(rows), self.k, self.units), np.float32)
        visible_draws = rng.random((self.k, count), np.float32)
        surprise = rating_machine.contrastive_divergence(
            W, b, c, self._features, self.visible == "softmax", rows, starts, columns, v,
            hidden_draws, visible_draws, to.W, to.b, to.c,
        )  # fmt: skip
        return surprise, count

    def _predict_table(self) -> NDArray[np.float32]:
        assert self._weights is not None
        assert self._entries is not None
        _, W, b, c = self._weights
        softmax = self.visible == "softmax"
        return rating_machine.expected_values(W, b, c, self._features, softmax, *self._entries, self.values_)

    def _as_entries(self, ratings: NDArray[np.float32], rated: NDArray[np.bool_]) -> Entries:
        """The ratings as states of visible units; sets values_ and the features of the values."""
        rows, columns = np.nonzero(rated)
        starts = np.searchsorted(rows, np.arange(len(rated) + 1))
        if self.visible == "bernoulli":
            self.values_, self._features = np.array([self.scale[1]], np.float32), np.ones((1, 1), np.float32)
            return Entries(starts, columns, ratings[:, None] / self.values_)
        self.values_, codes = np.unique(ratings, return_inverse=True)
        if len(self.values_) > MOST_VALUES:
            expected, mend = f"at most {MOST_VALUES} different values", "round them, or use visible='bernoulli'"
            raise ValueError(f"fit: ratings must have {expected} for softmax units, got {len(self.values_):,}: {mend}")
        one_hot = np.eye(len(self.values_), dtype=np.float32)
        self._features = _linear_features(self.values_) if self.linear else one_hot
        return Entries(starts, columns, one_hot[codes])


def _linear_features(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(1, x_k) for each value k, where x_k runs from -1 to 1."""
    low, high = values[0], values[-1]
    x = (2 * values - low - high) / max(high - low, 1e-30)
    return np.stack([np.ones_like(x), x], axis=1)


def _first_biases(entries: Entries, columns: int, softmax: bool) -> NDArray[np.float64]:
    """b (columns, K): the logs of the smoothed shares of the values, or the log-odds of the smoothed means."""
    sums = np.zeros((columns, entries.v.shape[1]))
    np.add.at(sums, entries.columns, entries.v)
    counts = np.bincount(entries.columns, minlength=columns)[:, None]
    p = (sums + PRIOR_RATINGS * entries.v.mean(axis=0, dtype=np.float64)) / (counts + PRIOR_RATINGS)
    if softmax:
        return np.log(p)
    p = p.clip(0.01, 0.99)  # if all ratings are the highest
    return np.log(p / (1 - p))


class _Progress:
    """Shows the epochs and batches of a run, as Model.fit does."""

    def __init__(self, verbose: int | str, epochs: int, steps: int, begin: int) -> None:
        self.bars = progress_bar(verbose)
        for bar in self.bars:
            bar.params = {"epochs": epochs, "initial_epoch": begin, "steps": steps}
        self.done, self.steps = begin * steps, steps

    def __enter__(self) -> None:
        for bar in self.bars:
            bar.on_train_begin()

    def __exit__(self, *error: object) -> None:
        for bar in self.bars:
            bar.on_train_end()

    def batch(self, loss: float) -> None:
        """Show the next batch."""
        epoch, batch = divmod(self.done, self.steps)
        for bar in self.bars:
            if batch == 0:
                bar.on_epoch_begin(epoch)
            bar.on_train_batch_end(batch, {"loss": loss})
        self.done += 1

    def epoch(self, figures: dict[str, float]) -> None:
        """Show the end of an epoch."""
        for bar in self.bars:
            bar.on_epoch_end(self.done // self.steps - 1, figures)
