"""check_layer, check_loss, check_model: backward against finite differences, array by array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from tinydl.gradcheck.adapters import LossAsLayer, ModelAsLayer
from tinydl.gradcheck.arguments import Options, input_point, label, need_methods
from tinydl.gradcheck.contract import check_float32, check_memory_layout, check_rules
from tinydl.gradcheck.objects import Runner, copy_as
from tinydl.gradcheck.probing import failure_message, probe_all
from tinydl.gradcheck.report import GradientCheckError, GradientCheckReport


def check_layer(
    layer: Any,
    x: NDArray[Any] | tuple[int, ...],
    *,
    training: bool = True,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    step: float = 1e-5,
    probes: int = 64,
    zero_ok: Sequence[str] = (),
    seed: int = 0,
) -> GradientCheckReport:
    """Check a layer's backward against finite differences of its forward, in float64.

    With a random upstream gradient dy ~ N(0, 1) and L = sum(dy * forward(x)) + penalty(), every entry tried
    (up to `probes` of x and of each parameter, at random) must satisfy

        |analytic - numeric| <= atol + rtol max(|analytic|, |numeric|)

    (where an array's gradients are all below 1, atol shrinks with them, down to the measured roundoff). The
    numeric value comes from seven forward passes a probe, at 100 `step` where the forward is smooth so far
    out, else at 10, 1, 1/10 or 1/100 of it. Entries whose forward values show a kink even there, as relu
    has at 0, or drown in roundoff, are replaced by others; more than half of them is an error. So is a check
    that cannot fail: an array whose numeric gradients are all zero, unless `zero_ok` names it.

    Arrays among the attributes that forward reads, but `params` does not list, are named in the report's notes; with
    a gradient beside them (self.W and self.dW) they are refused, as they would go unchecked.

    Also checked: x, dy and earlier outputs are left alone, grads accumulate and zero_grad resets them,
    shapes and dtypes are right (no float64 in a float32 run), and arrays that are not contiguous give the
    same result.

    The layer itself is not touched. A layer not yet built is built as a copy, and its parameters and state
    are moved off their initial values by 0.1 N(0, 1) (state by its absolute value, for the variances' sake):
    biases of 0 and scales of 1 hide errors. A built layer is checked at its own values.

    Args:
        layer: tinydl's or anyone's object with forward(x) or forward(x, training) and backward(dy); dicts
            `params` and `grads` if it has parameters; `state`, `penalty` and `zero_grad` are used if there.
            Random generators among its attributes, and NumPy's global one, are replayed.
        x: an array with the batch axis first, or its shape, to draw N(0, 1) from.
        training: what forward is told.
        rtol, atol: the tolerance.
        step: step of an entry of size up to 1; a larger entry takes a proportionally larger one.
        probes: entries tried per array.
        zero_ok: names of arrays ("x", "W", "dense_1.b") whose gradient may be all zero.
        seed: of x, dy, the build and the choice of entries.

    Returns:
        The report; print it for a table.

    Raises:
        GradientCheckError: backward is wrong, or a rule is broken; says where and, where it can, why.
        TypeError, ValueError: the arguments make no check.

    Example:
        check_layer(Dense(4, activation="relu"), x=(3, 5))
    """
    options = Options.of("check_layer", rtol, atol, step, probes, zero_ok, seed)
    need_methods("check_layer", layer, "layer")
    point = input_point("check_layer", "x", x, options)

    def make(dtype: DTypeLike) -> Any:
        clone = _as_dtype(layer, dtype)
        if not getattr(clone, "built", True):
            clone.build(point.shape[1:], options.rng(2), np.dtype(dtype))
            _leave_initial_values(clone, options.rng(3))
        return clone

    return _check(make, point, "x", label(layer), training, options)


def check_loss(
    loss: Any,
    y_pred: NDArray[Any] | tuple[int, ...],
    y_true: NDArray[Any],
    *,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    step: float = 1e-5,
    probes: int = 64,
    zero_ok: Sequence[str] = (),
    seed: int = 0,
) -> GradientCheckReport:
    """Check a loss: backward() must be d forward(y_pred, y_true) / d y_pred.

    Done as in `check_layer`, with the loss value as objective; the one array is called "y_pred". Integer
    labels stay as they are, floating-point targets take the dtype of the run; neither may be modified.

    Raises:
        GradientCheckError, TypeError, ValueError: as `check_layer`.
    """
    options = Options.of("check_loss", rtol, atol, step, probes, zero_ok, seed)
    need_methods("check_loss", loss, "loss")
    point = input_point("check_loss", "y_pred", y_pred, options)
    pair = LossAsLayer(loss, np.array(y_true))
    return _check(lambda dtype: copy_as(pair, dtype), point, "y_pred", label(loss), True, options)


def check_model(
    model: Any,
    x: NDArray[Any] | tuple[int, ...],
    y: NDArray[Any],
    *,
    loss: Any = None,
    training: bool = True,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    step: float = 1e-5,
    probes: int = 64,
    zero_ok: Sequence[str] = (),
    seed: int = 0,
) -> GradientCheckReport:
    """Check a model as a whole: d(loss + penalties) by x and by every parameter, at the model's own values.

    Done as in `check_layer`, with loss.forward(model.forward(x, training), y) + model.penalty() as objective,
    on a float64 copy (made by model.astype("float64") if there is one). `loss` defaults to the model's own.

    Raises:
        GradientCheckError, TypeError, ValueError: as `check_layer`; ValueError too when there is no loss.
    """
    options = Options.of("check_model", rtol, atol, step, probes, zero_ok, seed)
    need_methods("check_model", model, "model")
    if loss is None:
        loss = getattr(model, "loss", None)
    if loss is None:
        raise ValueError("check_model: there is no loss; compile the model first, or pass loss=...")
    need_methods("check_model", loss, "loss")
    point = input_point("check_model", "x", x, options)

    def make(dtype: DTypeLike) -> Any:
        return ModelAsLayer(_as_dtype(model, dtype), copy_as(LossAsLayer(loss, np.array(y)), dtype))

    return _check(make, point, "x", label(model), training, options)


def _check(
    make: Callable[[DTypeLike], Any],
    x: NDArray[np.float64],
    x_name: str,
    name: str,
    training: bool,
    options: Options,
) -> GradientCheckReport:
    """Check what make(dtype) makes, a fresh copy of the layer in that dtype, at x."""
    global_state = np.random.get_state()  # noqa: NPY002  (a layer that draws from it shall leave no trace)
    try:
        runner = Runner(make(np.float64), training, x)
        names = [x_name, *runner.params]
        unknown = [array for array in options.zero_ok if array not in names]
        if unknown:
            raise ValueError(f"zero_ok names {unknown}, but the arrays of {name} are {names}")
        rng = options.rng(4)
        gradients = check_rules(runner, x, name, x_name, rng)
        rows = probe_all(runner, x, x_name, gradients, options, rng)
        report = GradientCheckReport(name, options.step, options.seed, rows, _notes(runner, x, name))
        if not report.passed:
            raise GradientCheckError(failure_message(report, options), report)
        dy = gradients["dy"]
        check_memory_layout(runner, x, dy, name, x_name)
        x32 = x.astype(np.float32)
        check_float32(Runner(make(np.float32), training, x32), x32, dy.astype(np.float32), name, x_name)
        return report
    finally:
        np.random.set_state(global_state)  # noqa: NPY002


def _notes(runner: Runner, x: NDArray[np.float64], name: str) -> list[str]:
    """Say which arrays were not checked; refuse those that are plainly parameters, with a gradient beside them."""
    unlisted = runner.unlisted(x)
    attributes = getattr(runner.layer, "__dict__", {})
    for array in unlisted:
        for gradient in (f"d{array}", f"grad_{array}", f"{array}_grad"):
            if gradient in attributes and np.shape(attributes[gradient]) == attributes[array].shape:
                raise GradientCheckError(
                    f"gradient check of {name} FAILED: self.{array} looks like a parameter, with its gradient in "
                    f"self.{gradient}, but params does not list it, so it cannot be checked: keep both in dicts, "
                    f"self.params = {{{array!r}: ...}} and self.grads = {{{array!r}: ...}}"
                )
    if not unlisted:
        return []
    return [f"forward also reads {', '.join(unlisted)}, not listed in params: gradients by them were not checked"]


def _as_dtype(thing: Any, dtype: DTypeLike) -> Any:
    return thing.astype(np.dtype(dtype).name) if hasattr(thing, "astype") else copy_as(thing, dtype)


def _leave_initial_values(layer: Any, rng: np.random.Generator) -> None:
    for value in getattr(layer, "params", {}).values():
        value += 0.1 * rng.standard_normal(value.shape)
    for value in getattr(layer, "state", {}).values():
        if value.dtype.kind == "f":
            value += 0.1 * np.abs(rng.standard_normal(value.shape))
