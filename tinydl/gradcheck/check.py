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

    With a random upstream gradient dy ~ N(0, 1) and L = sum(dy * forward(x)) + penalty(), every tested entry
    (up to `probes` of x and of each parameter, at random) must satisfy

        |analytic - numeric| <= atol + rtol max(|analytic|, |numeric|)

    (if an array's gradients are all below 1, atol shrinks with them, down to the measured roundoff). The
    numeric value is computed from forward values alone, by one of two methods:

        complex   Im L(x + i h) / h with h = 1e-30, exact to about 1e-16; needs a forward that accepts complex
                  numbers and is analytic, which is tested first (see complex_step.py)
        central   seven forward passes per probe, at 100 `step` if the forward is smooth that far, else at
                  10, 1, 1/10 or 1/100 of it

    "auto" takes the complex step where possible, else central differences, and the report says why.

    Entries whose forward values show a kink, as relu has at 0 (for central differences: within the narrowest
    step), or are lost in roundoff, are replaced by others, counted and named; more than half of them is an error.
    A check that cannot fail is also an error: an array whose numeric gradients are all zero, unless in `zero_ok`.

    mode="directional" moves all arrays at once along `directions` random directions instead: two forward passes
    each, for networks too large to be probed entry by entry.

    A layer without `params` may keep its parameters and their gradients as attributes, self.W and self.dW. Other
    unlisted arrays that forward reads are named in the report's notes, or rejected if they look like
    parameters.

    Also checked: x, dy and earlier outputs are not modified, grads accumulate and zero_grad resets them,
    shapes and dtypes are right (no float64 in a float32 run), and non-contiguous arrays give the
    same result.

    A failure names the array, the entry, both values and, if one of the usual suspects explains all probes,
    the likely cause: a factor, a transposed or flipped result, a missing term or road, `=` for `+=`, a stale
    cache, noise drawn anew, and others (see diagnosis/).

    The layer itself is not modified. (A layer that draws from NumPy's global generator must not be checked in two
    threads at once, as they share it.) A layer not yet built is built as a copy, and its parameters and state
    are moved off their initial values by 0.1 N(0, 1) (state by its absolute value, as it may be a variance):
    biases of 0 and scales of 1 hide errors. A built layer is checked at its own values; if a layer has no
    `build`, its arrays that are all 0, all 1 or an identity are moved.

    Args:
        layer: any object with forward(x) or forward(x, training) and backward(dy); dicts
            `params` and `grads` if it has parameters; `state`, `penalty` and `zero_grad` are used if present.
            Random generators among its attributes, and NumPy's global one, are replayed. Or a pair of plain
            functions (forward, backward), as in `check_function`.
        x: an array with the batch axis first, or its shape, to draw from N(0, 1).
        training: passed to forward.
        float32: whether to check a float32 run as well: nothing in it may be float64.
        rtol, atol: the tolerance, 1e-6 and 1e-8.
        step: of the central differences, 1e-5, for entries of size up to 1; a larger entry takes a larger one.
        probes: entries tested per array, 64.
        zero_ok: names of arrays ("x", "W", "dense_1.b") whose gradient may be all zero.
        seed: of x, dy, the build and the choice of entries, 0.
        method: "auto", "complex" or "central".
        mode: "sampled" or "directional".
        directions: the number of directions in directional mode, 1.

    Returns:
        The report; print it for a table, or its `to_json()`.

    Raises:
        GradientCheckError: backward is wrong, or a rule is broken; the message says where and, if possible, why.
        TypeError, ValueError: invalid arguments; ValueError also if method="complex" is impossible.

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

        f(*arrays) -> y                  backward(dy, *arrays) -> a gradient for each array, or a single one
        f(*arrays) -> (y, cache)         backward(dy, cache)   -> the same

    y is an array or a number. Arrays of integers (labels, indices) are passed on and not differentiated; their
    gradient is omitted, or None. A tuple means a shape, to draw from N(0, 1). Messages call the arrays by the
    names of f's arguments. Otherwise as `check_layer`; a float32 run is not checked.

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
        raise TypeError("check_function: expected at least one floating-point array, got none")
    return _check_functions(f, backward, points, options)


def check_loss(
    loss: Any, y_pred: ArrayOrShape, y_true: NDArray[Any], *, float32: bool = True, **keywords: Unpack[Keywords]
) -> GradientCheckReport:
    """Check a loss: backward() must be d forward(y_pred, y_true) / d y_pred.

    Works as `check_layer`, with the loss value as objective; its one array is called "y_pred". Integer
    labels do not change, floating-point targets take the dtype of the run; neither may be modified.

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
    """Check a model as a whole: d(loss + penalties) with respect to x and every parameter, at the model's values.

    Works as `check_layer`, with loss.forward(model.forward(x, training), y) + model.penalty() as objective,
    on a float64 copy (made by model.astype("float64") if there is one). `loss` defaults to the model's own.

    Raises:
        GradientCheckError, TypeError, ValueError: as `check_layer`; ValueError also if there is no loss.
    """
    options = Options.of("check_model", keywords)
    need_methods("check_model", model, "model")
    loss = getattr(model, "loss", None) if loss is None else loss
    if loss is None:
        raise ValueError("check_model: there is no loss: compile the model first, or pass loss=...")
    need_methods("check_model", loss, "loss")
    point = input_point("check_model", "x", x, options)

    make_model, notes = prepared(partial(_as_dtype, model), point, training, lambda: options.rng(7))

    def make(dtype: DTypeLike) -> Any:
        made, judge = make_model(dtype), copy_as(LossAsLayer(loss, np.array(y)), dtype)
        if hasattr(made, "hand_targets"):  # for layers with a loss of their own inside the network
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
