"""check_layer, check_function, check_loss, check_model: backward against the derivative of forward, array by array."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .adapters import FunctionAsLayer, LossAsLayer, ModelAsLayer
from .attributes import off_hiding_places, prepared
from .objects import copy_as, places_of
from .options import Keywords, Options, input_point, label, need_methods
from .report import GradientCheckReport
from .run import run_check

if TYPE_CHECKING:
    from typing_extensions import Unpack

ArrayOrShape = NDArray[Any] | tuple[int, ...]


def check_layer(
    layer: Any, x: ArrayOrShape, *, training: bool = True, float32: bool = True, **keywords: Unpack[Keywords]
) -> GradientCheckReport:
    """Check a layer's backward against the derivative of its forward, in float64.

    With a random upstream gradient dy ~ N(0, 1) and L = sum(dy * forward(x)) + penalty(), every entry tried
    (up to `probes` of x and of each parameter, at random) must satisfy

        |analytic - numeric| <= atol + rtol max(|analytic|, |numeric|)

    (where an array's gradients are all below 1, atol shrinks with them, down to the measured roundoff). The
    numeric value comes from forward values alone, by one of two methods:

        complex   Im L(x + i h) / h with h = 1e-30, exact to about 1e-16; needs a forward that takes complex
                  numbers and is analytic, which is tried out first (see complex_step.py)
        central   seven forward passes a probe, at 100 `step` where the forward is smooth so far out, else at
                  10, 1, 1/10 or 1/100 of it

    "auto" takes the complex step where it can, else central differences, and the report says why.

    Entries whose forward values show a kink, as relu has at 0 (with central differences: within the narrowest
    step), or drown in roundoff, are replaced by others, counted and named; more than half of them is an error.
    So is a check that cannot fail: an array whose numeric gradients are all zero, unless `zero_ok` names it.

    mode="directional" moves all arrays at once along `directions` random directions instead: two forward passes
    each, for networks too large to be probed entry by entry.

    A layer without `params` may keep its parameters and their gradients as attributes, self.W and self.dW. Other
    arrays that forward reads, but nothing lists, are named in the report's notes, or refused, if they look like
    parameters.

    Also checked: x, dy and earlier outputs are left alone, grads accumulate and zero_grad resets them,
    shapes and dtypes are right (no float64 in a float32 run), and arrays that are not contiguous give the
    same result.

    A failure names the array, the entry, both values and, where one of the usual suspects explains all probes,
    the likely cause: a factor, a transposed or flipped result, a missing term or road, `=` for `+=`, a stale
    cache, noise drawn anew, and others (see diagnosis/).

    The layer itself is not touched. (One that draws from NumPy's global generator must not be checked in two threads at
    once: there is only one.) A layer not yet built is built as a copy, and its parameters and state
    are moved off their initial values by 0.1 N(0, 1) (state by its absolute value, for the variances' sake):
    biases of 0 and scales of 1 hide errors. A built layer is checked at its own values; of a layer that knows no
    `build`, arrays that are all 0, all 1 or an identity are moved.

    Args:
        layer: tinydl's or anyone's object with forward(x) or forward(x, training) and backward(dy); dicts
            `params` and `grads` if it has parameters; `state`, `penalty` and `zero_grad` are used if there.
            Random generators among its attributes, and NumPy's global one, are replayed. Or a pair of plain
            functions (forward, backward), as in `check_function`.
        x: an array with the batch axis first, or its shape, to draw N(0, 1) from.
        training: what forward is told.
        float32: whether a float32 run, too, is looked at: nothing in it may be float64.
        rtol, atol: the tolerance, 1e-6 and 1e-8.
        step: of the central differences, 1e-5, for an entry of size up to 1; a larger entry takes a larger one.
        probes: entries tried per array, 64.
        zero_ok: names of arrays ("x", "W", "dense_1.b") whose gradient may be all zero.
        seed: of x, dy, the build and the choice of entries, 0.
        method: "auto", "complex" or "central".
        mode: "sampled" or "directional".
        directions: how many, in directional mode, 1.

    Returns:
        The report; print it for a table, or its `to_json()`.

    Raises:
        GradientCheckError: backward is wrong, or a rule is broken; says where and, where it can, why.
        TypeError, ValueError: the arguments make no check; ValueError too when method="complex" cannot be.

    Example:
        check_layer(Dense(4, activation="relu"), x=(3, 5))
    """
    options = Options.of("check_layer", keywords)
    if isinstance(layer, tuple) and len(layer) == 2 and all(callable(function) for function in layer):
        return _check_functions(*layer, {"x": input_point("check_layer", "x", x, options)}, options)
    need_methods("check_layer", layer, "layer")
    point = input_point("check_layer", "x", x, options)

    def make(dtype: DTypeLike) -> Any:
        clone = _as_dtype(layer, dtype)
        if not getattr(clone, "built", True):
            clone.build(point.shape[1:], options.rng(2), np.dtype(dtype))
            off_hiding_places(clone, options.rng(3), everywhere=True)
        return clone

    made, notes = prepared(make, point, training, lambda: options.rng(7))
    return run_check(made, point, "x", label(layer), training, options, float32, alone=True, notes=notes)


def check_function(
    f: Callable[..., Any], backward: Callable[..., Any], *arrays: ArrayOrShape, **keywords: Unpack[Keywords]
) -> GradientCheckReport:
    """Check a plain function of arrays and its hand-written backward.

        f(*arrays) -> y                  backward(dy, *arrays) -> a gradient for each array, or the one alone
        f(*arrays) -> (y, cache)         backward(dy, cache)   -> the same

    y is an array or a number. Arrays of integers (labels, indices) are handed on and not differentiated; their
    gradient is left out, or None. A tuple stands for a shape, to draw N(0, 1) from. Messages call the arrays by the
    names of f's arguments. Otherwise as `check_layer`; what a float32 run gives is not looked at.

    Example:
        check_function(np.multiply, lambda dy, a, b: (dy * b, dy * a), (3, 5), (3, 5))
    """
    options = Options.of("check_function", keywords)
    for name, function in (("f", f), ("backward", backward)):
        if not callable(function):
            raise TypeError(f"check_function: {name} must be a function, got {function!r:.60}")
    points: dict[str, NDArray[Any]] = {}
    for position, (name, array) in enumerate(zip(_argument_names(f, len(arrays)), arrays, strict=True)):
        if isinstance(array, np.ndarray) and array.dtype.kind in "iub":
            points[name] = array.copy()
        else:
            points[name] = input_point("check_function", name, array, options, position)
    if not any(array.dtype.kind == "f" for array in points.values()):
        raise TypeError("check_function: there is no array of floating-point numbers to differentiate by")
    return _check_functions(f, backward, points, options)


def check_loss(
    loss: Any, y_pred: ArrayOrShape, y_true: NDArray[Any], *, float32: bool = True, **keywords: Unpack[Keywords]
) -> GradientCheckReport:
    """Check a loss: backward() must be d forward(y_pred, y_true) / d y_pred.

    Done as in `check_layer`, with the loss value as objective; the one array is called "y_pred". Integer
    labels stay as they are, floating-point targets take the dtype of the run; neither may be modified.

    Raises:
        GradientCheckError, TypeError, ValueError: as `check_layer`.
    """
    options = Options.of("check_loss", keywords)
    need_methods("check_loss", loss, "loss")
    point = input_point("check_loss", "y_pred", y_pred, options)
    pair = LossAsLayer(loss, np.array(y_true))
    return run_check(partial(copy_as, pair), point, "y_pred", label(loss), True, options, float32)


def check_model(
    model: Any, x: ArrayOrShape, y: NDArray[Any], *, loss: Any = None, training: bool = True, float32: bool = True,
    **keywords: Unpack[Keywords],
) -> GradientCheckReport:  # fmt: skip
    """Check a model as a whole: d(loss + penalties) by x and by every parameter, at the model's own values.

    Done as in `check_layer`, with loss.forward(model.forward(x, training), y) + model.penalty() as objective,
    on a float64 copy (made by model.astype("float64") if there is one). `loss` defaults to the model's own.

    Raises:
        GradientCheckError, TypeError, ValueError: as `check_layer`; ValueError too when there is no loss.
    """
    options = Options.of("check_model", keywords)
    need_methods("check_model", model, "model")
    loss = getattr(model, "loss", None) if loss is None else loss
    if loss is None:
        raise ValueError("check_model: there is no loss; compile the model first, or pass loss=...")
    need_methods("check_model", loss, "loss")
    point = input_point("check_model", "x", x, options)

    make_model, notes = prepared(partial(_as_dtype, model), point, training, lambda: options.rng(7))

    def make(dtype: DTypeLike) -> Any:
        made, judge = make_model(dtype), copy_as(LossAsLayer(loss, np.array(y)), dtype)
        if hasattr(made, "hand_targets"):  # to layers that have a loss of their own in the middle of the network
            made.hand_targets(judge.y_true, judge.loss)
        return ModelAsLayer(made, judge)

    return run_check(make, point, "x", label(model), training, options, float32, notes=notes)


def _check_functions(
    f: Callable[..., Any], backward: Callable[..., Any], points: dict[str, NDArray[Any]], options: Options
) -> GradientCheckReport:
    x_name = next(name for name, array in points.items() if array.dtype.kind == "f")
    whole = FunctionAsLayer(f, backward, points, x_name)
    notes = off_hiding_places(whole, options.rng(7))
    return run_check(
        partial(copy_as, whole), points[x_name], x_name, whole.name, True, options, float32=False, notes=notes
    )


def _as_dtype(thing: Any, dtype: DTypeLike) -> Any:
    return thing.astype(np.dtype(dtype).name) if hasattr(thing, "astype") else copy_as(thing, dtype)


def _argument_names(f: Callable[..., Any], count: int) -> list[str]:
    """f's own names for its first arguments; x0, x1, ... where it has none."""
    names = places_of(f)
    return [names[k] if k < len(names) else f"x{k}" for k in range(count)]
