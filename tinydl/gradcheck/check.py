"""Compare backward with the derivative of forward, array by array, for a layer, a function, a loss or a model."""

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
    (at most `probes` of x and of each parameter, chosen at random) must satisfy

        |analytic - numeric| <= atol + rtol max(|analytic|, |numeric|)

    If an array's gradients are all below 1, atol shrinks with them, down to the measured roundoff. The
    numeric value is computed from forward values alone, by one of two methods:

        complex   Im L(x + i h) / h with h = 1e-30, exact to about 1e-16; needs a forward that accepts complex
                  numbers and is analytic, which is tested first (see complex_step.py)
        central   seven forward values per probe, spaced by 100 `step` if forward is smooth over their range,
                  else by 10, 1, 1/10 or 1/100 `step`

    "auto" uses the complex step if possible, else central differences, and the report then gives the reason.

    An entry is dropped if its forward values show a kink, as relu has at 0 (for central differences, a kink within
    the narrowest step), or are lost in roundoff. The report lists dropped entries; other entries replace them. It is
    an error if more than half are dropped, or if all numeric gradients of an array not in `zero_ok` are zero, because
    such a check could not fail.

    mode="directional" instead moves all arrays at once along `directions` random directions, with two forward passes
    each. It is meant for networks too large to be probed entry by entry.

    A layer without `params` may keep its parameters and their gradients as attributes, such as self.W and self.dW.
    The report's notes name other unlisted arrays that forward reads; any that look like parameters are rejected.

    The check also tests that x, dy and earlier outputs are not modified, that grads accumulate and zero_grad resets
    them, that shapes and dtypes are right (no float64 in a float32 run), and that non-contiguous arrays give equal
    results.

    A failure names the array, the entry, both values and, if a common mistake explains all probes, the likely cause:
    a wrong factor, a transposed or flipped result, a missing term, `=` in place of `+=`, a stale cache, redrawn
    noise, and others (see diagnosis/).

    The layer itself is not modified. (A layer that draws from NumPy's global generator must not be checked in two
    threads at once, because they would share the generator.) If the layer is not built, a copy is built, and
    0.1 N(0, 1) is added to its parameters (the absolute value to its state, which may be a variance), because biases
    of 0 and scales of 1 hide errors. A built layer is checked at its own values. In a layer without the attribute
    `built`, only arrays that are all 0, all 1 or an identity matrix are moved.

    Args:
        layer: an object with forward(x) or forward(x, training), backward(dy) and, if it has parameters, dicts
            `params` and `grads`; `state`, `penalty` and `zero_grad` are used if present. Random generators among
            its attributes, and NumPy's global one, are rewound before each forward. A pair of plain functions
            (forward, backward) is checked as in `check_function`.
        x: an array with the batch axis first, or a shape, for an array drawn from N(0, 1).
        training: the mode, passed to forward.
        float32: whether to check as well that a float32 run gives no float64 results.
        rtol, atol: the relative and absolute tolerance; default 1e-6 and 1e-8.
        step: the step of central differences for entries up to 1 in size, larger for larger entries; default 1e-5.
        probes: the number of entries tested per array; default 64.
        zero_ok: names of arrays ("x", "W", "dense_1.b") whose gradient may be all zero.
        seed: the seed for x, dy, the build and the choice of entries; default 0.
        method: "auto" (the default), "complex" or "central".
        mode: "sampled" (the default) or "directional".
        directions: the number of directions in directional mode; default 1.

    Returns:
        The report: print it for a table, or call its `to_json()`.

    Raises:
        GradientCheckError: backward is wrong, or the layer breaks a rule; the message says where and, if known, why.
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

        f(*arrays) -> y                  backward(dy, *arrays) -> a gradient for each array
        f(*arrays) -> (y, cache)         backward(dy, cache)   -> a gradient for each array

    y is an array or a number. Integer arrays (labels, indices) are passed to f but not differentiated: backward omits
    their gradients or returns None for them. A tuple is a shape, for an array drawn from N(0, 1). Messages use the
    names of f's arguments. Everything else is as in `check_layer`, except that no float32 run is checked.

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
    """Check a loss: backward() must return d forward(y_pred, y_true) / d y_pred.

    Works like `check_layer`, with the loss value as the objective and "y_pred" as the only array. Integer labels
    keep their dtype, and floating-point targets are converted to the dtype of the run. The loss may modify neither.

    Raises:
        GradientCheckError, TypeError, ValueError: as in `check_layer`.
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
    """Check a whole model: the gradients of loss + penalties with respect to x and all parameters, at their values.

    Works like `check_layer`, with loss.forward(model.forward(x, training), y) + model.penalty() as the objective, on
    a float64 copy (made by model.astype("float64") if the model has this method). `loss` defaults to the model's own.

    Raises:
        GradientCheckError, TypeError, ValueError: as in `check_layer`; ValueError also if there is no loss.
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
        if hasattr(made, "hand_targets"):  # a layer inside the network may have its own loss
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
    """The names of f's first arguments; x0, x1, ... for arguments without a name."""
    names = places_of(f)
    return [names[k] if k < len(names) else f"x{k}" for k in range(count)]
