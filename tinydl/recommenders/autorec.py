"""AutoRec: an autoencoder that fills the gaps of a table of ratings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import arguments
from ..callbacks import Callback, Checkpoint, Logs
from ..kernels import ACTIVATIONS
from ..layers import Dense, Dropout
from ..losses import MaskedMeanSquaredError
from ..model import Model
from ..optimizers import Adam
from ..regularizers import L2
from ..schedules import CosineDecay
from .base import Recommender, check_history, check_units
from .biases import baseline


class AutoRec(Recommender):
    """An autoencoder whose rows are the ratings of one item by all users ("item"), or of all items by one user.

    Forward    A row r of the table has a rating y_rj in the columns j where it is rated. With the baseline
               p0_rj = mu + b_r + c_j (biases.py), the input and the target are what the baseline leaves over:
                   x_rj = y_rj - p0_rj  where rated, else 0
                   h    = tanh(x W + b), some of it dropped in training;  the output o = h V
                   prediction  p_rj = p0_rj + o_rj,  for all columns, rated or not
    Loss       sum over rated entries (o_rj - x_rj)^2 + l2 (sum W^2 + sum V^2), divided by the number of all entries:
               MaskedMeanSquaredError, and L2 with the factor l2 / (rows columns)
               An entry that is not rated adds nothing, so nothing pulls its output to 0: the net fills the gap with
               what other rows taught it. A 0 in the input of an unrated entry means "as the baseline says"
    Backward   those of Dense, Dropout and MaskedMeanSquaredError; there are no others
    Training   Adam, with a rate that falls to 0 along a cosine
    Shapes     x (batch, columns), W (columns, units), V (units, columns)
    No bias    in the output: the baseline has one for each column, and is careful with columns of few ratings. For the
               same reason h is tanh, which is 0 on average, and not the paper's sigmoid, which is 1/2: then
               sum_k V_kj / 2 would be a bias of column j that l2 hardly notices, being spread over all units. The
               error is the same, but a user-based net would recommend films with one rating of 5 to everybody
    Edge       the net sees the rating that it is to reproduce, and could copy it. Three things keep it from that: few
               units, dropout and l2. The loss on the learned ratings therefore says little: use `validation`
    Reference  Sedhain et al. 2015, with a sigmoid and without the baseline, dropout and Adam

    units           of the hidden layer
    epochs          passes over the rows, and the length of the cosine
    batch_size      rows per step
    learning_rate   Adam's, at the start
    l2              the weight of the penalty, against squared stars
    dropout         the probability of dropping a hidden unit
    activation      of the hidden layer, "tanh", "sigmoid", "relu" or None
    regularization  of the baseline's biases
    The other arguments are those of Recommender. The defaults are chosen for the items of MovieLens 100K
    (benchmarks/movielens.py).

    After fit, model_ is the Model, which has been trained with `fit` like any other. Besides val_rmse, history_ has
    "loss" and, if there are validation ratings, "rmse", that on the learned ratings.

    Raises ValueError for invalid arguments; fit as in Recommender, for weights that need more than 1 GB, and
    FloatingPointError if the loss is not finite.
    """

    model_: Model

    def __init__(
        self, units: int = 500, epochs: int = 50, batch_size: int = 128, learning_rate: float = 1e-3, l2: float = 200.0,
        dropout: float = 0.7, activation: str | None = "tanh", regularization: float = 5.0, *,
        scale: Sequence[float] = (1.0, 5.0), based_on: str = "item", random_state: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(scale=scale, based_on=based_on, random_state=random_state)
        self.units = arguments.positive_int("AutoRec", "units", units)
        self.epochs = arguments.positive_int("AutoRec", "epochs", epochs)
        self.batch_size = arguments.positive_int("AutoRec", "batch_size", batch_size)
        self.learning_rate = arguments.positive("AutoRec", "learning_rate", learning_rate)
        self.l2 = arguments.number("AutoRec", "l2", l2, 0)
        self.dropout = arguments.number("AutoRec", "dropout", dropout, 0, 1)
        self.activation = arguments.one_of("AutoRec", "activation", activation, ACTIVATIONS)
        self.regularization = arguments.number("AutoRec", "regularization", regularization, 0)

    def _fit(self, table: NDArray[np.float32], rated: NDArray[np.bool_], verbose: int | str) -> None:
        rows, columns = table.shape
        check_units(self.units, 2 * columns + 1, columns)
        self._baseline = baseline(table, rated, self.regularization)
        self._x = np.where(rated, table - self._baseline, np.float32(0))
        y = np.where(rated, self._x, np.float32(np.nan))
        penalty = L2(self.l2 / table.size)
        self.model_ = Model(
            [
                Dense(self.units, self.activation, kernel_regularizer=penalty),
                Dropout(self.dropout),
                Dense(columns, use_bias=False, kernel_regularizer=penalty),
            ],
            input_shape=columns,
            seed=self.random_state,
        )
        steps = self.epochs * -(-rows // self.batch_size)
        self.model_.compile(Adam(CosineDecay(self.learning_rate, steps)), MaskedMeanSquaredError())
        save = [] if self._checkpoint is None else [Checkpoint(self._checkpoint)]
        history = self.model_.fit(
            self._x, y, batch_size=self.batch_size, epochs=self.epochs, verbose=verbose,
            callbacks=[_Recording(self), *save], resume=self._begun(),
        )  # fmt: skip
        if history.interrupted:
            raise KeyboardInterrupt  # fit returns at Ctrl-C, but a half-trained recommender is no result

    def _predict_table(self) -> NDArray[np.floating[Any]]:
        return self._baseline + self.model_.predict(self._x)


class _Recording(Callback):
    """Adds the figures of an epoch to the recommender's history, and to those that the progress bar shows."""

    def __init__(self, recommender: AutoRec) -> None:
        self.recommender = recommender

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        logs |= self.recommender._record(loss=logs["loss"])

    def get_state(self) -> dict[str, Any]:
        return {"identity": self.recommender._identity(), "history": self.recommender.history_}

    def check_state(self, state: dict[str, Any]) -> None:
        self.recommender._check_identity(state["identity"])
        check_history(state["history"], len(state["history"].get("loss", [])))

    def set_state(self, state: dict[str, Any]) -> None:
        self.recommender.history_ = state["history"]
