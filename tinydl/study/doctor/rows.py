"""Checks of the rows by themselves: weights, inputs, targets, contradictions, copies of y among the columns of x."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...losses import Huber, MaskedMeanSquaredError, MeanAbsoluteError, MeanSquaredError, SoftmaxCrossEntropy
from ...training import doubts
from .finding import Fault, Finding, NotCheckedError
from .patient import Patient

LARGE_COLUMN = 10.0  # root mean square; weights begin near 1 / sqrt(inputs), so outputs begin about as large as inputs
SMALL_COLUMNS = 1e-3
CONTRADICTED = 0.1  # the share of rows that no network can fit
SAME = 1 - 1e-6  # correlation of a column that is y itself, perhaps scaled
FEW, LEAST_ROWS = 20, 10  # rows below which nothing is said: of a class, in all
RARE = 0.1  # of the commonest number: of counts, the largest are rarer than that
LARGE_TARGET = 50.0  # root mean square; outputs begin near -1 .. 1, and an optimizer moves them slowly

ZERO_WEIGHTS = Fault(
    "zero-sample-weights",
    "the weights of all rows, or of all rows of one class, are 0",
    "a row of weight 0 adds nothing to the loss or its gradient, so nothing is learned from it",
    "give these rows weights above 0, or leave sample_weight out",
)
CONSTANT_INPUT = Fault(
    "constant-input",
    "all rows of x are equal, or more than half of the columns of a table are constant",
    "a network gives equal rows equal outputs, so it cannot tell them apart",
    "look at how x is read and prepared, for example at x.std(axis=0)",
)
UNSCALED_INPUT = Fault(
    "unscaled-input",
    "x holds raw pixels, or a column's root mean square is above 10, or those of all columns are below 0.001; and no "
    "normalization comes first",
    "initial weights suit inputs near -1 .. 1: larger inputs saturate units, and the largest column dominates the "
    "gradient; with far smaller ones the gradient is almost 0",
    "scale each column, (x - mean) / std with the mean and std of the training rows; divide pixels by 255",
)
UNSCALED_TARGET = Fault(
    "unscaled-targets",
    "the targets of a regression have a root mean square above 50",
    "a network begins with outputs near -1 .. 1, and at usual learning rates it takes thousands of steps to reach far "
    "larger targets; the gradient is as large as the distance",
    "standardize y, (y - mean) / std, and turn predictions back with prediction * std + mean",
)
ONE_CLASS = Fault(
    "one-class",
    "all labels are the same class",
    "a network that always answers with this class has no error, whatever x is",
    "look at how y is read, filtered or split: rows sorted by class must be shuffled first",
)
CONSTANT_TARGET = Fault(
    "constant-target",
    "all targets are the same number",
    "the last bias alone fits a constant, so nothing is learned about x",
    "look at how y is read and computed",
)
UNUSED_OUTPUT = Fault(
    "labels-from-one",
    "the labels are 1 .. classes - 1, and no row has label 0",
    "labels count from 0: an output for class 0 that never occurs means that they were counted from 1",
    "pass y - 1, and give the last layer one unit for each class",
)
CLASS_NUMBERS = Fault(
    "labels-as-numbers",
    "the integers 0, 1, 2, ..., each of them common, are the targets of a single output with a squared or absolute "
    "error",
    "if they are classes, the loss treats class 4 as the mean of classes 3 and 5",
    "give the last layer one unit for each class, and use SoftmaxCrossEntropy",
)
CONTRADICTION = Fault(
    "contradicting-labels",
    "equal rows of x have different labels",
    "a network gives equal rows equal outputs, so it can fit only one of their labels",
    "look for a column that was lost, for rows that were joined wrongly, and for x that was rounded too far",
)
LEAK = Fault(
    "leaking-labels",
    "a column of x is y itself, perhaps scaled",
    "the network will copy this column, and fail where it is not known",
    "remove the column from x",
)


def weights(patient: Patient) -> list[Finding]:
    """Sample weights that leave rows out."""
    given = patient.data.sample_weight
    if given is None:
        return []
    if not np.any(given):
        return [ZERO_WEIGHTS.found("sample_weight", f"the weights of all {len(given):,} rows are 0")]
    classes = patient.classes
    if classes is None or patient.weights is None:
        return []
    lost = [c for c in np.unique(classes) if (classes == c).sum() >= FEW and not patient.weights[classes == c].any()]
    names = ", ".join(map(str, lost))
    return [ZERO_WEIGHTS.found("sample_weight", f"the weights of all rows of class {names} are 0")] if lost else []


def constant_inputs(patient: Patient) -> list[Finding]:
    """Inputs without information."""
    if len(patient.x) < 2:
        raise NotCheckedError("a single row says nothing about how rows differ")
    same = (patient.x == patient.x[:1]).all(axis=0)
    if same.all():
        value = f", and every entry is {patient.x.flat[0]:g}" if (patient.x == patient.x.flat[0]).all() else ""
        return [CONSTANT_INPUT.found("x", f"all {len(patient.x):,} rows looked at are equal{value}")]
    if same.ndim == 1 and same.sum() > same.size / 2 and same.size > 2:
        first = ", ".join(map(str, np.flatnonzero(same)[:5]))
        seen = f"{same.sum()} of {same.size} columns are constant, the first ones {first}"
        return [CONSTANT_INPUT.found("x", seen)]
    return []


def scale(patient: Patient) -> list[Finding]:
    """Inputs that a first Dense or Conv2D layer gets unscaled. The first rules are those of `fit`'s warning."""
    first = doubts.first_weights(patient.model.root)
    if first is None:
        raise NotCheckedError("the first layer with weights is a normalization or one of your own")
    flat = np.asarray(patient.x, np.float64).reshape(len(patient.x), -1)
    sizes = np.sqrt((flat**2).mean(axis=0))
    largest = int(sizes.argmax())
    column = flat[:, largest]
    if sizes[largest] > LARGE_COLUMN and len(column) >= LEAST_ROWS:
        far = int(np.abs(column).argmax())
        rest = np.delete(column, far)
        if np.sqrt((rest**2).mean()) <= LARGE_COLUMN:
            row = patient.rows[far]
            seen = (
                f"row {row} has {column[far]:.4g} in column {largest}; without this row, the column has mean "
                f"{rest.mean():.4g} and standard deviation {rest.std():.4g}"
            )
            change = f"correct x[{row}], or leave the row out; scaling the column would make all its other rows equal"
            return [UNSCALED_INPUT.found("x", seen, change)]
    if (doubt := doubts.about_scale(patient.x)) is not None:
        expected, got, mend = doubt
        return [UNSCALED_INPUT.found("x", f"its numbers are {got}; {first.label} works with {expected}", mend)]
    if sizes[largest] > LARGE_COLUMN:
        seen = (
            f"column {largest} has mean {column.mean():.4g} and standard deviation {column.std():.4g}; the median of "
            f"the columns' root mean squares is {np.median(sizes):.3g}"
        )
        return [UNSCALED_INPUT.found("x", seen)]
    if 0 < sizes[largest] < SMALL_COLUMNS:
        return [UNSCALED_INPUT.found("x", f"no column has a root mean square above {sizes[largest]:.2g}")]
    return []


def constant_targets(patient: Patient) -> list[Finding]:
    """Targets of one value."""
    if patient.total < LEAST_ROWS:
        raise NotCheckedError(f"fewer than {LEAST_ROWS} rows may have equal targets by chance")
    y = np.asarray(patient.data.y)  # of all rows: some classes are rare
    classes = patient.classes_of(y)
    if classes is not None:
        several = (classes != classes[0]).any()
        seen = f"all {len(classes):,} rows are of class {classes[0]}"
        return [] if several else [ONE_CLASS.found("y", seen)]
    rows = y.reshape(len(y), -1)
    rows = rows[:, ~np.isnan(rows).all(axis=0)]
    if rows.size and (np.nanmax(rows, axis=0) == np.nanmin(rows, axis=0)).all():
        value = f"{rows[0, 0]:g}" if rows.shape[1] == 1 else "the same"
        return [CONSTANT_TARGET.found("y", f"the targets of all {len(rows):,} rows are {value}")]
    return []


def numbering(patient: Patient) -> list[Finding]:
    """Labels that count from 1, and labels that are taken for numbers."""
    classes, loss = patient.classes, patient.loss
    if isinstance(loss, SoftmaxCrossEntropy) and classes is not None:
        outputs = patient.model.output_shape[-1]
        found = np.unique(classes)
        if outputs > 2 and len(classes) >= FEW * outputs and np.array_equal(found, np.arange(1, outputs)):
            seen = f"the labels are 1 .. {outputs - 1}, the network has {outputs} outputs, and no row has label 0"
            return [UNUSED_OUTPUT.found("y", seen)]
    given = getattr(patient.given, "dtype", None)
    single = patient.model.output_shape == (1,) and isinstance(loss, MeanSquaredError | MeanAbsoluteError)
    if single and not isinstance(loss, MaskedMeanSquaredError) and given is not None and given.kind in "iu":
        found, times = np.unique(np.asarray(patient.data.y), return_counts=True)
        if (
            3 <= len(found) <= FEW
            and np.array_equal(found, np.arange(len(found)))
            and patient.total >= FEW * len(found)
        ):
            if times.min() < RARE * times.max():
                raise NotCheckedError(
                    f"y holds the integers 0 .. {len(found) - 1}, some rarely: counts, or rare classes?"
                )
            seen = f"y holds the integers 0 .. {len(found) - 1}, and {type(loss).__name__} compares them with 1 output"
            change = f"write Dense({len(found)}) and SoftmaxCrossEntropy(); if they are measurements, pass floats"
            return [CLASS_NUMBERS.found("y", seen, change)]
    return []


def scale_of_targets(patient: Patient) -> list[Finding]:
    """Targets far larger than what a network gives at the start."""
    if patient.trained:
        raise NotCheckedError("the model has been trained")
    if not isinstance(patient.loss, MeanSquaredError | MeanAbsoluteError | Huber | MaskedMeanSquaredError):
        return []
    y = np.asarray(patient.y, np.float64)
    y = y[np.isfinite(y)]
    size = float(np.sqrt((y**2).mean())) if y.size else 0.0
    if size <= LARGE_TARGET:
        return []
    return [UNSCALED_TARGET.found("y", f"its numbers have mean {y.mean():.4g} and standard deviation {y.std():.4g}")]


def contradictions(patient: Patient) -> list[Finding]:
    """Equal rows with different labels."""
    classes = patient.classes
    if classes is None:
        raise NotCheckedError("y holds no classes, and equal rows may well have different numbers")
    flat = np.ascontiguousarray(patient.x).reshape(len(patient.x), -1)
    groups: dict[bytes, list[int]] = {}
    for row, label in zip(flat, classes, strict=True):
        groups.setdefault(row.tobytes(), []).append(int(label))
    if len(groups) == 1:
        return []  # constant-input says so
    unfit = sum(len(labels) - np.bincount(labels).max() for labels in groups.values())
    if unfit <= CONTRADICTED * len(flat):
        return []
    mixed = [labels for labels in groups.values() if len(set(labels)) > 1]
    seen = (
        f"{sum(map(len, mixed)):,} of {len(flat):,} rows have an equal row with another label, so no network can be "
        f"right on more than {1 - unfit / len(flat):.0%} of the rows"
    )
    return [CONTRADICTION.found("y", seen)]


def leaks(patient: Patient) -> list[Finding]:
    """Columns of x that are y."""
    flat = np.asarray(patient.x, np.float64).reshape(len(patient.x), -1)
    if flat.shape[1] < 2 or len(flat) < FEW:
        raise NotCheckedError(f"it takes two columns and {FEW} rows to tell a copy of y from an input that predicts y")
    if patient.x.shape == patient.y.shape:
        return []  # an autoencoder: y is to be found in x
    targets = columns_of(patient, patient.y)
    tie = np.abs(_standardized(flat).T @ _standardized(targets)) / len(flat)
    if tie.size and tie.max() > SAME:
        column, target = np.unravel_index(int(tie.argmax()), tie.shape)
        what = "y" if targets.shape[1] == 1 else f"column {target} of y"
        seen = f"column {column} of x and {what} have a correlation of {tie.max():.6f}"
        return [LEAK.found("x", seen, f"remove column {column} from x")]
    return []


def columns_of(patient: Patient, y: NDArray) -> NDArray[np.float64]:
    """Targets as columns of numbers: of classes, the class number, and yes or no for each class; 0 for gaps."""
    classes = patient.classes_of(y)
    if classes is None:
        return np.nan_to_num(np.asarray(y, np.float64).reshape(len(y), -1))
    found = np.unique(classes)
    one_hot = (classes[:, None] == found).astype(np.float64)
    return classes[:, None].astype(np.float64) if len(found) <= 2 else np.hstack([classes[:, None], one_hot])


def _standardized(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    centered = columns - columns.mean(axis=0)
    size = centered.std(axis=0)
    return centered / np.where(size > 0, size, np.inf)
