"""Do x and y belong together? Whether y is shuffled or shifted against x.

For inputs and targets of one shape, as in an autoencoder, the rows are compared entry by entry. Otherwise it takes
statistics, since y may depend on x in any way:

    Test        kernel ridge regression predicts each row's targets from all other rows (leave-one-out, in closed form),
                once with a linear and once with a Gaussian kernel on standardized columns. The statistic is the squared
                error. What it would be if y had nothing to do with x is found from 499 random orders of y
    Closed form with H = K (K + ridge)^-1 the error of row i, predicted from the others, is (y_i - (H y)_i) / (1 - H_ii)
    Finding     only if with neither kernel the rows' own order has a smaller error than all 499 others (p = 0.002), and
                the model itself, trained for a short time on half of the rows, is not better on the other half than a
                constant (p = 0.002). So shuffled targets stay unnamed by chance in about one case of 200. Few or very
                noisy rows may hide a real relation: the finding says what was seen, not what must be
    Shift       if y moved by one or two rows then explains more than its random orders do by eight of their standard
                deviations, y is shifted

Reference: for leave-one-out, Golub, Heath & Wahba 1979; for permutation tests, Good 2005.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ...losses import SoftmaxCrossEntropy
from .experiment import chain_of, run
from .finding import Fault, Finding, NotCheckedError
from .patient import Patient
from .rows import columns_of

ORDERS, FEW_ORDERS = 499, 49
FAR = 8.0  # standard deviations of the orders
BETTER = 2.9  # standard errors: p = 0.002
LEAST_ROWS = 100  # fewer rows leave a real relation undetected too often
LEAST_OTHERS = 20  # rows that are not of the largest class
MOST_ROWS = 500
MOST_TARGETS = 16
MOST_COLUMNS = 4096
RIDGE = 0.3  # relative to the mean diagonal of the kernel
SHIFTS = (1, -1, 2, -2)
HELD_OUT_STEPS = 100

SHIFTED = Fault(
    "shifted-targets",
    "y fits x only after it is moved by a row or two, or, for an autoencoder, by some columns",
    "every row is trained with the target of another one",
    "look for a header read as a row, a dropped first row, or an index that is off by one; compare some rows by hand",
)
SHUFFLED = Fault(
    "shuffled-targets",
    "nothing in x predicts y: no better than when y is put in a random order",
    "without a relation, a network can only learn the rows by heart",
    "shuffle x and y with the same permutation, order = rng.permutation(len(x)); x[order], y[order]; compare some rows "
    "by hand",
)


def pairing(patient: Patient) -> list[Finding]:
    """Targets that belong to other rows."""
    if patient.reconstructs:
        return []
    if patient.x.shape == patient.y.shape and (found := _of_one_shape(patient)):
        return found
    if len(patient.x) < LEAST_ROWS:
        raise NotCheckedError(f"fewer than {LEAST_ROWS} rows may hide a relation between x and y")
    if len(np.unique(np.asarray(patient.y).reshape(len(patient.y), -1), axis=0)) < 2:
        return []  # constant targets have a finding of their own
    classes = patient.classes
    if classes is not None and len(classes) - np.bincount(classes).max() < LEAST_OTHERS:
        raise NotCheckedError(f"fewer than {LEAST_OTHERS} of the rows looked at are of another class than most")
    chosen = np.sort(patient.rng(3).permutation(len(patient.x))[:MOST_ROWS])
    flat = _columns(patient, chosen)
    if flat.shape[1] == 0:
        return []  # constant inputs, likewise
    targets = _standardized(columns_of(patient, patient.y)[chosen])
    rng = patient.rng(4)
    orders = [rng.permutation(len(chosen)) for _ in range(ORDERS)]
    hats = []
    for kernel in (lambda: flat @ flat.T, lambda: _gaussian(flat)):
        hats.append(_hat(kernel()))
        if _place(hats[-1], targets, orders[:FEW_ORDERS])[1] > FAR:
            return []  # a clear relation, as in most cases
    places = [_place(hat, targets, orders)[0] for hat in hats]
    if min(places) <= 1 / (1 + ORDERS):
        return []
    tried = f"{len(chosen)} rows, linear and Gaussian kernels: p = {places[0]:.3f} and {places[1]:.3f}"
    for shift in SHIFTS:
        moved, inside = _moved(patient, chosen, shift)
        if moved is not None and max(_place(hat, moved, orders)[1] for hat in hats) > FAR:
            seen = f"y does not depend on x ({tried}), but y moved by {shift:+d} row does, in all {inside} rows tried"
            change = (
                f"pair row i of x with row i {'+' if shift > 0 else '-'} {abs(shift)} of y, and look why they differ"
            )
            return [SHIFTED.found("y", seen, change)]
    if not _model_is_better(patient):
        seen = f"no relation between x and y was found ({tried}; the model itself, trained on half of the rows, is no "
        return [SHUFFLED.found("y", f"{seen}better on the other half than a constant)")]
    return []


def _of_one_shape(patient: Patient) -> list[Finding]:
    """Targets that are the inputs in another order."""
    x, y = np.asarray(patient.x), np.asarray(patient.y)
    for axis in range(1, x.ndim):
        for shift in (*range(1, min(x.shape[axis], 5)), *range(-min(x.shape[axis], 5) + 1, 0)):
            if np.array_equal(np.roll(x, shift, axis), y):
                seen = f"y is x, moved by {shift:+d} along axis {axis}"
                return [SHIFTED.found("y", seen, "pass y = x, if the network is to reproduce its inputs")]
    everything_x, everything_y = np.asarray(patient.data.x), np.asarray(patient.data.y)
    if everything_x.shape != everything_y.shape:
        return []
    place = {hash(row.tobytes()): k for k, row in enumerate(everything_x)}
    found = [place.get(hash(row.tobytes())) for row in np.asarray(everything_y[patient.rows], everything_x.dtype)]
    if None in found or len(found) < 2:
        return []
    away = [int(k) - int(row) for k, row in zip(found, patient.rows, strict=True) if k is not None]
    if all(one == other for one, other in pairwise(away)) and away[0]:
        return [SHIFTED.found("y", f"row i of y is row i {'+' if away[0] > 0 else '-'} {abs(away[0])} of x")]
    elsewhere = sum(map(bool, away))
    if elsewhere > len(away) / 2:
        seen = f"the rows of y are those of x, but {elsewhere:,} of {len(away):,} stand in another place"
        return [SHUFFLED.found("y", seen)]
    return []


def _columns(patient: Patient, chosen: NDArray[np.intp]) -> NDArray[np.float64]:
    """Standardized columns of x; of very many columns, some chosen at random."""
    flat = np.asarray(patient.x[chosen], np.float64).reshape(len(chosen), -1)
    if flat.shape[1] > MOST_COLUMNS:
        flat = flat[:, patient.rng(5).permutation(flat.shape[1])[:MOST_COLUMNS]]
    flat = flat - flat.mean(axis=0)
    size = flat.std(axis=0)
    return flat[:, size > 0] / size[size > 0]


def _standardized(targets: NDArray[np.float64]) -> NDArray[np.float64]:
    """At most so many columns, each of mean 0 and variance 1; constant ones are left out."""
    centered = targets - targets.mean(axis=0)
    size = centered.std(axis=0)
    return (centered[:, size > 0] / size[size > 0])[:, :MOST_TARGETS]


def _gaussian(flat: NDArray[np.float64]) -> NDArray[np.float64]:
    """exp(-d^2 / median d^2), d: the distance of two rows."""
    squares = (flat**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares[None, :] - 2 * flat @ flat.T, 0)
    positive = distances[distances > 1e-9 * squares.mean()]
    return np.exp(-distances / (np.median(positive) if positive.size else 1.0))


def _hat(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """H, with the mean of the targets as a feature of its own; kernel: (rows, rows)."""
    rows = len(kernel)
    middle = np.eye(rows) - 1 / rows
    centered = middle @ kernel @ middle
    ridge = RIDGE * np.trace(centered) / rows
    hat: NDArray[np.float64] = np.linalg.solve(centered + ridge * np.eye(rows), centered).T + 1 / rows
    return hat


def _place(
    hat: NDArray[np.float64], targets: NDArray[np.float64], orders: list[NDArray[np.intp]]
) -> tuple[float, float]:
    """The p-value, the share of the orders (with that of the rows) that explain at least as much; and how many standard
    deviations of theirs it is above their mean."""
    spare = 1 - np.diag(hat)[:, None]

    def errors(y: NDArray[np.float64]) -> NDArray[np.float64]:
        columns: NDArray[np.float64] = (((y - hat @ y) / spare) ** 2).sum(axis=0)
        return columns.reshape(-1, targets.shape[1]).sum(axis=1)

    (seen,) = errors(targets)
    random = errors(np.hstack([targets[order] for order in orders]))
    return float((1 + (random <= seen).sum()) / (1 + len(orders))), float((random.mean() - seen) / random.std())


def _moved(patient: Patient, chosen: NDArray[np.intp], shift: int) -> tuple[NDArray[np.float64] | None, int]:
    """The targets of the rows `shift` further on (None if the rows end too soon for many), and for how many rows."""
    places = patient.rows[chosen] + shift
    inside = (places >= 0) & (places < patient.total)
    if inside.sum() < 0.9 * len(chosen):
        return None, 0
    _, y = patient.data.batch(np.clip(places, 0, patient.total - 1))
    return _standardized(columns_of(patient, y)), int(inside.sum())


def _model_is_better(patient: Patient) -> bool:
    """Whether the model, trained on half of the rows, is better on the other half than a constant (a paired t-test)."""
    model = patient.copy()
    half = len(patient.x) // 2
    steps, rows = patient.size(HELD_OUT_STEPS, 32)
    order = patient.rng(6).permutation(len(patient.x))
    kept = order[half:]
    course = run(model, patient.part(order[:half]).batches(steps, rows))
    if not course.finite:
        return False
    chain = chain_of(model)
    predicted = chain.forward(patient.x[kept], False)
    gains = _gains(patient, predicted, kept)
    spread = gains.std() / np.sqrt(len(gains))
    return bool(spread > 0 and gains.mean() / spread > BETTER)


def _gains(patient: Patient, predicted: NDArray, kept: NDArray[np.intp]) -> NDArray[np.float64]:
    """For each row, how much closer to the truth its outputs are than they are to that of a random other row."""
    y = np.asarray(patient.y)
    others = kept[patient.rng(7).permutation(len(kept))]
    if isinstance(patient.loss, SoftmaxCrossEntropy) and y.ndim == 1:
        logits = predicted - predicted.mean(axis=0)
        rows = np.arange(len(kept))
        return np.asarray(logits[rows, y[kept]] - logits[rows, y[others]], np.float64)
    flat = (predicted - predicted.mean(axis=0)).reshape(len(kept), -1)
    difference = np.nan_to_num((y[kept] - y[others]).reshape(len(kept), -1))
    return np.asarray((flat * difference).sum(axis=1), np.float64)
