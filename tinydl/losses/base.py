"""Loss, the base class of all losses: targets, sample weights, and the arrays that backward needs.

With sample weights, row m of the batch counts w_m times:

    Forward    L = 1/N sum_m w_m l_m                 l_m: the sum of the loss's terms over the entries of row m
    Backward   Row m of y_pred enters only l_m, with factor w_m / N. Hence each row of dL/dy_pred is the row of the
               unweighted gradient times w_m:        dL/dp_m = w_m (1/N dl_m/dp_m)
    N          is the same number as without weights, as in Keras ("sum_over_batch_size"), so a row with weight 2 counts
               as two rows, and a batch of weights below 1 has a smaller loss and gradient. Dividing by the sum of
               the weights instead would make a row's gradient depend on the other rows of its batch
    Shapes     sample_weight (n,), one weight >= 0 per row
"""

from __future__ import annotations

import inspect

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import arguments
from ..finite import all_finite

Shape = tuple[int, ...]
# The complex step uses complex arrays; the compiled kernels need the machine's byte order, which these types have.
FLOATING = "fdFD"  # the codes of float32, float64, complex64 and complex128


class Loss(arguments.Configured):
    """Base class of all losses; subclasses define `forward` and `backward`.

    A Model calls `check_targets(y, output_shape, dtype)` once per `fit`, before it changes anything. The method raises
    for invalid targets and returns valid ones as the array that `forward` expects.

    A loss whose forward has no argument `sample_weight` works too, but a Model refuses sample weights for it.
    """

    gradcheck_rules = "fail"  # as in Layer
    _cache: tuple[NDArray, NDArray, NDArray | None] | None = None  # predictions, targets and weights, for backward

    def forward(self, y_pred: NDArray, y_true: NDArray, sample_weight: ArrayLike | None = None) -> float:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self) -> NDArray:
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def check_targets(self, y: ArrayLike, output_shape: Shape, dtype: DTypeLike) -> NDArray:
        """Check that the targets have the output's shape, and return them as an array; (n,) is read as (n, 1)."""
        return as_finite(type(self).__name__, "targets", self._of_output_shape(y, output_shape), dtype)

    def _of_output_shape(self, y: ArrayLike, output_shape: Shape) -> NDArray:
        """As `check_targets`, but in their own dtype, and entries may be NaN or infinite."""
        owner = type(self).__name__
        y = real_numbers(owner, "targets", y)
        if y.ndim == 1 and output_shape == (1,):
            y = y[:, None]
        if y.shape[1:] != output_shape:
            expected = f"targets must have the shape of the output, {shown(output_shape)}"
            raise ValueError(f"{owner}: {expected}, got {y.shape}: {other_shape(y, output_shape)}")
        return y

    def _remember(
        self, y_pred: NDArray, y_true: NDArray, sample_weight: ArrayLike | None
    ) -> tuple[NDArray, NDArray, NDArray | None]:
        """Check and keep the arguments of forward, as contiguous arrays of one floating-point dtype."""
        owner = type(self).__name__
        if not (  # the usual case, with nothing to convert, must cost little in a small network
            type(y_pred) is np.ndarray is type(y_true) and y_pred.dtype.char in "fd" and y_pred.dtype.isnative
            and y_pred.dtype == y_true.dtype and y_pred.flags.c_contiguous and y_true.flags.c_contiguous
        ):  # fmt: skip
            y_pred = as_floats(owner, y_pred)
            if type(y_true) is not np.ndarray or y_true.dtype != y_pred.dtype or not y_true.flags.c_contiguous:
                y_true = np.ascontiguousarray(real_numbers(owner, "targets", y_true), dtype=y_pred.dtype)
        if y_pred.shape != y_true.shape or y_pred.size == 0:
            expected = "predictions and targets must have the same shape and not be empty"
            mend = "reshape one of them"
            if y_pred.shape == (*y_true.shape, 1):
                mend = "write y_true[:, None]"
            raise ValueError(f"{owner}: {expected}, got {y_pred.shape} and {y_true.shape}: {mend}")
        w = None if sample_weight is None else check_sample_weight(owner, sample_weight, len(y_pred), y_pred.dtype)
        self._cache = y_pred, y_true, w
        return self._cache

    def _recall(self) -> tuple[NDArray, NDArray, NDArray | None]:
        if self._cache is None:
            mend = "call forward(y_pred, y_true) first"
            raise RuntimeError(f"{type(self).__name__}: backward needs a forward pass, got none yet: {mend}")
        return self._cache


def weighted(rows: NDArray, w: NDArray | None) -> NDArray:
    """Row m times w_m; the rows themselves if there are no weights."""
    return rows if w is None else rows * w.reshape(-1, *[1] * (rows.ndim - 1))


def takes_sample_weight(loss: Loss) -> bool:
    """Whether a loss's forward takes sample weights: a user's own loss may be written without the argument."""
    parameters = inspect.signature(loss.forward).parameters
    return "sample_weight" in parameters or any(each.kind is each.VAR_KEYWORD for each in parameters.values())


def check_sample_weight(owner: str, sample_weight: ArrayLike, rows: int, dtype: DTypeLike) -> NDArray:
    """Return sample weights as an array of the predictions' dtype; raise unless there is one, >= 0, for each row."""
    w = real_numbers(owner, "sample_weight", sample_weight)
    if w.shape != (rows,):
        mend = "pass sample_weight[:, 0]" if w.shape == (rows, 1) else "give each row of x one weight"
        raise ValueError(f"{owner}: sample_weight must be one number per row, shape ({rows},), got {w.shape}: {mend}")
    w = as_finite(owner, "sample_weight", w, np.finfo(np.dtype(dtype)).dtype)
    if rows and w.min() < 0:
        row = int(w.argmin())
        raise ValueError(f"{owner}: sample_weight must be >= 0, got {w[row]:g} in row {row}")
    return w


def as_floats(owner: str, y_pred: ArrayLike) -> NDArray:
    """Return predictions as a contiguous float32 or float64 array: integers would wrap around in a difference.

    float16 becomes float32, and other numbers become float64. Complex arrays come from the complex step only.
    """
    if type(y_pred) is not np.ndarray or y_pred.dtype.char not in FLOATING or not y_pred.dtype.isnative:
        y_pred = real_numbers(owner, "predictions", y_pred)
        if y_pred.dtype.char not in FLOATING or not y_pred.dtype.isnative:
            y_pred = y_pred.astype(np.float32 if y_pred.dtype.kind == "f" and y_pred.itemsize <= 4 else np.float64)
    return np.ascontiguousarray(y_pred)


def real_numbers(owner: str, name: str, values: ArrayLike) -> NDArray:
    """Return `values` as an array of real numbers; raise for masked, sparse and complex arrays, words and the like."""
    if isinstance(values, np.ma.MaskedArray):
        mend = "fill it, or give the masked rows a sample_weight of 0"
        raise ValueError(f"{owner}: {name} must be plain numbers, got a masked array, whose mask would be lost: {mend}")
    if hasattr(values, "toarray"):
        raise ValueError(f"{owner}: {name} must be a dense array, got {type(values).__name__}: pass {name}.toarray()")
    try:
        y = np.asarray(values)
    except ValueError as error:
        mend = "pad or cut them to one length"
        raise ValueError(f"{owner}: {name} must be an array, got rows of different lengths: {mend}") from error
    if y.dtype.kind in "fiub":
        return y
    try:
        if y.dtype.kind == "c":
            raise TypeError("they are complex")
        return y.astype(np.float64)
    except OverflowError:
        raise ValueError(f"{owner}: {name} must fit into float64, got a larger whole number: scale them") from None
    except (TypeError, ValueError) as error:
        mend = str(error)
        if y.dtype.kind == "c":
            mend = "take the real part or the absolute value"
        elif any(type(each).__name__ == "NAType" for each in y.ravel()):
            mend = f"pandas.NA marks gaps: leave such rows out, or write {name}.to_numpy(float, na_value=numpy.nan)"
        elif name == "targets" and any(isinstance(label, str) for label in y.ravel()[:1]):
            mend = f"number the words, such as {str(y.ravel()[0])!r}: names, y = np.unique(y, return_inverse=True)"
        raise ValueError(f"{owner}: {name} must be real numbers, got dtype {y.dtype}: {mend}") from None


def as_finite(owner: str, name: str, values: NDArray, dtype: DTypeLike) -> NDArray:
    """Return `values` as a contiguous array of `dtype`; raise for NaN, infinity, and numbers too large for it."""
    with np.errstate(over="ignore"):  # such a number becomes infinite
        array = np.ascontiguousarray(values, dtype=dtype)
    if not all_finite(array):
        finite(owner, name, values)
        place = tuple(np.argwhere(~np.isfinite(array))[0].tolist())
        got = f"{values[place]!s} in row {place[0]}"
        raise ValueError(f"{owner}: {name} must be finite as {array.dtype}, got {got}: scale them")
    return array


def finite(owner: str, name: str, values: NDArray) -> NDArray:
    """Return `values`; raise if there is NaN or infinity among them."""
    if not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        mend = "leave such rows out, or fill the gaps"
        raise ValueError(f"{owner}: {name} must be finite, got NaN or infinity in row {row}: {mend}")
    return values


def other_shape(y: NDArray, output_shape: Shape) -> str:
    """What to do about targets whose shape is not that of the output."""
    if y.ndim == 2 and y.T.shape[1:] == output_shape:
        return "transpose them, y.T"
    if y.dtype.kind in "iu" and (y.ndim == 1 or y.shape[1:] == (1,)):
        return "use SoftmaxCrossEntropy for integer class labels"
    if y.ndim == 1 and len(output_shape) == 1:
        return "give the last layer 1 unit"
    if y.ndim == 2 and len(output_shape) == 1:
        rows = ", and use SoftmaxCrossEntropy for one-hot rows" if one_hot(y) else ""
        return f"give the last layer {y.shape[1]} units{rows}"
    return "end the model in the shape of the targets, or reshape them"


def one_hot(y: NDArray) -> bool:
    """Whether every row has a single 1 among zeros."""
    return y.ndim == 2 and bool(((y == 0) | (y == 1)).all()) and bool((y.sum(axis=1) == 1).all())


def shown(shape: Shape) -> str:
    """The shape of a batch of arrays of this shape, for messages: "(n, 3)"."""
    return f"({', '.join(['n', *map(str, shape)])})"
