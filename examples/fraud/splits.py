"""Two ways to split card payments into training and test rows: the book's, and an honest one.

An autoencoder for fraud is trained on normal rows alone, so frauds serve only for evaluation. The splits differ in the
rows to which the scaler is fitted, the validation rows, and the rows on which the threshold is chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from tinydl.datasets.creditcard import Transactions

Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Split:
    """Scaled float32 rows, ready for training and evaluation.

    x_train: normal rows only.
    x_val: rows for the validation loss: normal rows only or, in the book's protocol, the test rows.
    x_calibration, y_calibration: labeled rows for the choice of a threshold; None in the book's protocol.
        Their normal rows are those of x_val, so a score fitted to x_val (such as a covariance of residuals)
        looks too good on them; fit it to x_train instead.
    x_test, y_test: labeled rows for the final figures.
    rows_test: their positions in the data, for what no model sees, such as the kind of fraud.
    scaler_mean, scaler_scale (features,): scaled = (raw - mean) / scale; 0 and 1 for columns left unscaled.
    """

    protocol: str
    source: str
    feature_names: tuple[str, ...]
    x_train: NDArray[np.float32]
    x_val: NDArray[np.float32]
    x_calibration: NDArray[np.float32] | None
    y_calibration: NDArray[np.int64] | None
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]
    rows_test: Rows
    scaler_mean: NDArray[np.float64]
    scaler_scale: NDArray[np.float64]

    def scale(self, features: NDArray[np.float64]) -> NDArray[np.float32]:
        """Scale raw feature rows (n, features) in the same way as the rows of this split."""
        return _scale(features, self.scaler_mean, self.scaler_scale)

    def describe(self) -> str:
        """A table of the parts: rows, frauds, prevalence. Figures at different prevalences cannot be compared."""
        lines = [
            f"{self.protocol}; data: {self.source}",
            f"{'':12}{'rows':>9}{'frauds':>8}{'prevalence':>12}",
        ]

        def add(part: str, rows: int, frauds: int) -> None:
            lines.append(f"{part:12}{rows:>9,}{frauds:>8,}{frauds / rows:>12.4%}")

        add("train", len(self.x_train), 0)
        if self.x_val is self.x_test:
            lines.append("validation  = the test rows, frauds included")
        else:
            add("validation", len(self.x_val), 0)
        if self.y_calibration is None:
            lines.append("calibration  none: no rows are left to choose a threshold on")
        else:
            add("calibration", len(self.y_calibration), int(self.y_calibration.sum()))
        add("test", len(self.y_test), int(self.y_test.sum()))
        return "\n".join(lines)


def book_split(data: Transactions, seed: int, train_fraction: float = 0.8) -> Split:
    """The protocol of Liu & Mehta (Hands-On Deep Learning Architectures with Python, 2019), including its faults.

    All rows are split at random; frauds among the training rows are moved to the test rows. On the
    original data, a fraction of 0.8 gives about 227,440 training and 57,367 test rows, 0.05 gives 14,222 and 270,585.

    Its faults, which are kept to reproduce the book's figures (`honest_split` is better):
    - Amount is standardized over all rows, so the test rows leak into its mean and scale;
    - the validation rows are the test rows, frauds included, so val_loss does not show when to stop;
    - no rows remain on which to choose a threshold;
    - the test rows hold all frauds but few normal rows, so the prevalence is 0.858 % (0.182 % with 0.05)
      instead of 0.173 %;
    - duplicate rows may be in both parts.

    ValueError: train_fraction outside (0, 1), or data without a fraud.
    """
    if not 0 < train_fraction < 1:
        raise ValueError(f"train_fraction must be above 0 and below 1, got {train_fraction}")
    _require_frauds(data, 1)
    mean, scale = _fit_scaler(data.features, data.feature_names, "amount")
    drawn, rest = train_test_split(np.arange(data.n_rows), train_size=train_fraction, random_state=seed)
    is_fraud = data.labels[drawn] == 1
    test = np.concatenate([rest, drawn[is_fraud]])
    x_test = _scale(data.features[test], mean, scale)
    return Split(
        protocol=f"book's split, {train_fraction:.0%} for training, seed {seed}",
        source=data.source,
        feature_names=data.feature_names,
        x_train=_scale(data.features[drawn[~is_fraud]], mean, scale),
        x_val=x_test,
        x_calibration=None,
        y_calibration=None,
        x_test=x_test,
        y_test=data.labels[test],
        rows_test=test,
        scaler_mean=mean,
        scaler_scale=scale,
    )


def honest_split(
    data: Transactions,
    seed: int,
    *,
    validation_fraction: float = 0.2,
    test_fraction: float = 0.2,
    scale: Literal["amount", "all"] = "amount",
    drop_duplicates: bool = False,
    by_time: bool = False,
) -> Split:
    """Separate training, validation and test rows; equal rows may still be in two parts (see drop_duplicates).

    Of the normal rows, 60 % are training, 20 % validation and 20 % test rows. Frauds are not used for training: all of
    them go to the calibration and test rows, in the ratio of the two fractions. In these rows the prevalence is about
    two and a half times the natural one, for which `tinydl.detection` can correct. The calibration rows are the
    validation rows plus frauds.

    scale: "amount" standardizes Amount alone, as the book does: V1..V28 are principal components, already
        centered, and the size of each shows how much it matters. "all" standardizes every column. In both cases
        the scaler is fitted to training rows only.
    drop_duplicates: before splitting, keep only the first of the rows that are equal in every feature (as
        float32, the model's input), so that no two parts contain equal rows.
    by_time: train on the earliest rows, test on the latest, and calibrate on the frauds that precede the test rows.
        `seed` then has no effect.

    ValueError: fractions that leave no training rows, by_time for data without times, or too few frauds.
    """
    if min(validation_fraction, test_fraction) <= 0 or validation_fraction + test_fraction >= 1:
        raise ValueError(
            "validation_fraction and test_fraction must be positive and sum to less than 1, "
            f"got {validation_fraction} and {test_fraction}"
        )
    if scale not in ("amount", "all"):
        raise ValueError(f'scale must be "amount" or "all", got {scale!r}')
    _require_frauds(data, 2)
    rows: Rows = _first_of_equals(data.features) if drop_duplicates else np.arange(data.n_rows)
    if by_time:
        normal, frauds = _parts_by_time(data, rows, validation_fraction, test_fraction)
    else:
        normal, frauds = _parts_at_random(data, rows, validation_fraction, test_fraction, seed)
    train, val, normal_test = normal
    calibration = np.concatenate([val, frauds[0]])
    test = np.concatenate([normal_test, frauds[1]])

    mean, spread = _fit_scaler(data.features[train], data.feature_names, scale)
    dropped = f", {data.n_rows - len(rows):,} duplicates dropped" if drop_duplicates else ""
    return Split(
        protocol=f"honest split, {'by time' if by_time else f'at random, seed {seed}'}{dropped}",
        source=data.source,
        feature_names=data.feature_names,
        x_train=_scale(data.features[train], mean, spread),
        x_val=_scale(data.features[val], mean, spread),
        x_calibration=_scale(data.features[calibration], mean, spread),
        y_calibration=data.labels[calibration],
        x_test=_scale(data.features[test], mean, spread),
        y_test=data.labels[test],
        rows_test=test,
        scaler_mean=mean,
        scaler_scale=spread,
    )


def _require_frauds(data: Transactions, wanted: int) -> None:
    if data.n_frauds < wanted or data.n_frauds == data.n_rows:
        raise ValueError(
            f"this split needs normal rows and at least {wanted} fraud(s), "
            f"got {data.n_rows - data.n_frauds:,} normal rows and {data.n_frauds} fraud(s) from {data.source}"
        )


def _first_of_equals(features: NDArray[np.float64]) -> Rows:
    _, first = np.unique(features.astype(np.float32), axis=0, return_index=True)
    return np.sort(first)


def _parts_at_random(
    data: Transactions, rows: Rows, validation: float, test: float, seed: int
) -> tuple[list[Rows], list[Rows]]:
    normal, fraud = rows[data.labels[rows] == 0], rows[data.labels[rows] == 1]
    seen, normal_test = train_test_split(normal, test_size=test, random_state=seed)
    train, val = train_test_split(seen, test_size=validation / (1 - test), random_state=seed)
    frauds = train_test_split(fraud, test_size=test / (validation + test), random_state=seed)
    return [train, val, normal_test], frauds


def _parts_by_time(data: Transactions, rows: Rows, validation: float, test: float) -> tuple[list[Rows], list[Rows]]:
    if data.time is None:
        raise ValueError(f"by_time needs the Time column, which {data.source} lacks: load the CSV file instead")
    ordered = rows[np.argsort(data.time[rows], kind="stable")]
    n = len(ordered)
    windows = np.split(ordered, [round(n * (1 - validation - test)), round(n * (1 - test))])
    normal = [window[data.labels[window] == 0] for window in windows]
    early, middle, late = (window[data.labels[window] == 1] for window in windows)
    frauds = [np.concatenate([early, middle]), late]
    if min(len(part) for part in (*normal, *frauds)) == 0:
        raise ValueError(
            "by_time leaves a part empty: "
            f"{[len(part) for part in normal]} normal rows to train, validate and test, "
            f"{[len(part) for part in frauds]} frauds to calibrate and test: change the fractions"
        )
    return normal, frauds


def _fit_scaler(
    features: NDArray[np.float64], names: tuple[str, ...], which: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    scaler = StandardScaler().fit(features)
    scaled = np.array([which == "all" or name == "Amount" for name in names])
    return np.where(scaled, scaler.mean_, 0.0), np.where(scaled, scaler.scale_, 1.0)


def _scale(features: NDArray[np.float64], mean: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.ascontiguousarray((features - mean) / scale, dtype=np.float32)
