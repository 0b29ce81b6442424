"""Compare backward with the derivative of forward, array by array, for a layer, a function, a loss or a model."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .. import arguments as check_arguments
from .adapters import ModelAsLayer, loss_alone
from .attributes import frozen_rows, move_all, unlisted_rows
from .copying import copy_as, global_random_state_kept, state_kept
from .dialects import (
    FUNCTIONS,
    LAYERS,
    LOSS,
    LOSSES,
    NETWORKS,
    Call,
    Derivative,
    Functions,
    Loss,
    ModelWithLoss,
    Settings,
    is_namespace,
    loss_names,
    no_dialect,
    signature_of,
    understood,
)
from .inputs import gathered, input_value
from .options import Keywords, Options, input_point, label, name_of
from .reach import attribute
from .report import ArrayReport, GradientCheckError, GradientCheckReport, UnclearError
from .run import refuse_other_mode, run_check
from .runner import Runner
from .subject import Subject
from .wiring import wire

if TYPE_CHECKING:
    from typing_extensions import Unpack

ArrayOrShape = NDArray[Any] | tuple[int, ...]

Check = TypeVar("Check", bound=Callable[..., Any])


def underflow_is_harmless(check: Check) -> Check:
    """Numbers too small for the dtype are 0, as they should be, even for users who let NumPy raise on underflow.

    (NumPy's errstate as a decorator would show a frame of its own in pytest's tracebacks.)
    """

    @functools.wraps(check)
    def checking(*given: Any, **named: Any) -> Any:
        with np.errstate(under="ignore"):
            return check(*given, **named)

    return checking  # type: ignore[return-value]


@underflow_is_harmless
def check_layer(
    layer: Any, x: ArrayOrShape | None = None, *more_inputs: Any, training: bool = True, float32: bool = True,
    gradients: Mapping[str, Any] | None = None, constants: Sequence[str] = (), rules: str | None = None,
    forward: Any = None, backward: Any = None, arguments: Mapping[str, Any] | None = None, outputs: int | None = None,
    scale: Any = None, **keywords: Any,
) -> GradientCheckReport:  # fmt: skip
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

    The arrays to check are found by behavior. Every floating-point array that changes forward's result when it is
    moved is a row of the report, wherever it is stored: in attributes, dicts, lists, sub-objects, closures, classes
    or globals. Its gradient is an array of the same shape that backward wrote or returned. Names and places pair the
    two (W with dW, grads["W"], nabla_W, ...); if they leave a doubt, the numbers decide. Each row is "ok", "WRONG",
    "constant" (named in `constants`) or "not checked" (backward leaves no gradient of the array). The check passes
    only if no row is "WRONG" or "not checked".

    The way to call forward and backward is found from their names, arguments and results; see dialects/. If it is
    not clear, the check rejects the code and prints an adapter to paste.

    The rules of the layer contract are tested as well: x, dy and earlier outputs are not modified, gradients
    accumulate and zero_grad resets them, a float32 run gives no float64, non-contiguous arrays give equal results,
    zeros, equal entries and large values give finite gradients, and others (see rules.py). The report lists the
    broken rules, which fail the check only if `rules` is "fail".

    A failure names the array, the entry, both values and, if a common mistake explains all probes, the likely cause:
    a wrong factor, a transposed or flipped result, a missing term, `=` in place of `+=`, a stale cache, redrawn
    noise, and others (see diagnosis/).

    The layer itself is not modified: the check works on copies, and restores objects that cannot be copied. (A layer
    that draws from NumPy's or Python's global generator must not be checked in two threads at once, because they
    would share the generator.) If the layer is not built, a copy is built, and 0.1 N(0, 1) is added to its parameters
    (the absolute value to its state, which may be a variance), because biases of 0 and scales of 1 hide errors. A built
    layer is checked at its own values. In a layer without the attribute `built`, only arrays that are all 0, all 1
    or an identity matrix are moved.

    Args:
        layer: an object with a forward and a backward; or a pair of plain functions (forward, backward). If present,
            `penalty()` is added to the objective. Random generators reachable from it are rewound before each forward.
        x: an array with the batch axis first, or a shape, for an array drawn from N(0, 1). Integer arrays
            (token ids) stay integers and are not differentiated.
        more_inputs: further inputs of forward, in its order, as arrays or shapes. Inputs may also be given by
            forward's own names for them: check_layer(cell, x=(3, 5), h=(3, 4)).
        training: the mode, passed to forward if it accepts one.
        float32: whether to check also that a float32 run gives no float64 results.
        gradients: where to find gradients that the check does not find itself: {"W": "nabla_W"}, the name of an
            attribute or a key or, in backward's result, a position.
        constants: names of arrays that forward reads but that are not learned: constants=["window"].
        rules: "note" to list broken rules, or "fail" to fail on them; default "fail" for tinydl's own layers, because
            Model relies on the rules, and "note" for all others.
        forward, backward: how to call the layer, if the check cannot tell: names of methods, or functions of the layer
            and the arrays, as in backward=lambda layer, dy: layer.back(dy, 0.1).
        arguments: further keyword arguments of forward.
        outputs: how many of the arrays that forward returns are outputs; the others are a cache for backward.
        scale: the factor by which the parameters' gradients are meant to differ from dL/dparam, such as 1/5 in a
            course that divides them by the batch size; or a dict of factors by name.
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
        GradientCheckError: a gradient is wrong or was not checked, or a rule that counts is broken; the message says
            where and, if known, why. The error's `report` is the report.
        TypeError, ValueError: invalid arguments, or a calling convention that is not clear; ValueError also if
            method="complex" is impossible.

    Example:
        check_layer(Dense(4, activation="relu"), x=(3, 5))
    """
    settings = Settings(training, arguments or {}, outputs, forward, backward)
    if isinstance(layer, tuple) and len(layer) == 2 and all(callable(function) for function in layer):
        layer = Functions(*layer)
    if isinstance(layer, FunctionType) and forward is None and backward is None:  # it returns its own backward
        named = {**keywords, "gradients": gradients, "constants": constants, "rules": rules, "scale": scale}
        return check_function(layer, None, *_given(x, more_inputs), outputs=outputs, **named)
    choice = Choice(gradients or {}, constants, rules, scale)
    given = gathered(
        "check_layer",
        *signature_of(layer, forward, len(_given(x, more_inputs))),
        ["x"],
        _given(x, more_inputs),
        keywords,
    )
    options = given.options
    settings = replace(settings, by_name=given.by_name)
    if _is_own(layer) and list(given.values) == ["x"] and forward is None and backward is None:
        return _check_own(layer, given.values["x"], settings, choice, options, float32)
    call = _understood("check_layer", LAYERS, layer, given.values, settings)
    name = label(layer) if not isinstance(layer, Functions) else name_of(layer.forward)
    return _check_call(call, name, next(iter(call.inputs)), choice, options, float32, alone=True)


@underflow_is_harmless
def check_function(
    f: Callable[..., Any], backward: Any = None, *arrays: Any,
    gradients: Mapping[str, Any] | None = None, constants: Sequence[str] = (), rules: str | None = None,
    outputs: int | None = None, scale: Any = None, **keywords: Any,
) -> GradientCheckReport:  # fmt: skip
    """Check a plain function of arrays and its hand-written backward.

        f(*arrays) -> y                  backward(dy, *arrays) -> a gradient for each array
        f(*arrays) -> (y, cache)         backward(dy, cache)   -> a gradient for each array
        f(*arrays) -> (y, pullback)      pullback(dy)          -> a gradient for each array; no backward is passed
        f(*arrays) -> (value, gradients)                       where value is one number; no backward is passed

    y is an array or a number. Integer arrays (labels, indices) and other arguments (a dict, a number, a string) are
    passed to f but not differentiated: backward omits their gradients or returns None for them. A tuple is a shape,
    for an array drawn from N(0, 1). Arrays may also be given by f's names for them, which the messages use. The
    functions may be methods, lambdas or closures: the arrays that they keep are found and checked as in
    `check_layer`. No float32 run is checked.

    Example:
        check_function(np.multiply, lambda dy, a, b: (dy * b, dy * a), (3, 5), (3, 5))
    """
    if isinstance(backward, tuple | np.ndarray):  # f returns its own backward, so this argument is its first array
        backward, arrays = None, (backward, *arrays)
    for name, function in (("f", f), ("backward", backward)):
        if not callable(function) and (name == "f" or function is not None):
            raise TypeError(f"check_function: {name} must be a function, got {function!r:.60}")
    given = gathered("check_function", *signature_of(Functions(f, backward), None, len(arrays)), [], arrays, keywords)
    choice = Choice(gradients or {}, constants, rules, scale)
    settings = Settings(outputs=outputs, by_name=given.by_name)
    call = _understood("check_function", FUNCTIONS, Functions(f, backward), given.values, settings)
    arrays_given = {name: value for name, value in call.inputs.items() if isinstance(value, np.ndarray)}
    if not arrays_given:
        raise TypeError("check_function: expected at least one array, got none")
    floats = [name for name, value in arrays_given.items() if value.dtype.kind == "f"]
    return _check_call(call, name_of(f), [*floats, *arrays_given][0], choice, given.options, float32=False)


@underflow_is_harmless
def check_derivative(
    f: Callable[..., Any], df: Callable[..., Any], x: ArrayOrShape, **keywords: Unpack[Keywords]
) -> GradientCheckReport:
    """Check a function that acts entry by entry, such as an activation, and its derivative: df(x) must be f'(x).

    Works like `check_function` with the backward dy -> dy * df(x).

    Raises:
        GradientCheckError, TypeError, ValueError: as in `check_layer`; ValueError also if f changes the shape of x.

    Example:
        check_derivative(np.tanh, lambda x: 1 - np.tanh(x) ** 2, (4, 3))
    """
    options = Options.of("check_derivative", keywords)
    for name, function in (("f", f), ("df", df)):
        if not callable(function):
            raise TypeError(f"check_derivative: {name} must be a function, got {function!r:.60}")
    point = input_point("check_derivative", "x", x, options)
    shape = np.shape(f(point.copy()))
    if shape != point.shape:
        mend = "use check_function(f, backward, x)"
        raise ValueError(
            f"check_derivative: f must act entry by entry, got shape {shape} for x of shape {point.shape}: {mend}"
        )
    call = Derivative(Functions(f, df), {"x": point}, Settings())
    call.notes.clear()
    return _check_call(call, name_of(f), "x", Choice({}, (), None), options, float32=False)


@underflow_is_harmless
def check_loss(
    loss: Any, y_pred: ArrayOrShape | None = None, y_true: Any = None, *, float32: bool = True,
    rules: str | None = None,
    forward: Any = None, backward: Any = None, arguments: Mapping[str, Any] | None = None, scale: Any = None,
    constants: Sequence[str] = (), gradients: Mapping[str, Any] | None = None, **keywords: Any,
) -> GradientCheckReport:  # fmt: skip
    """Check a loss: backward() must return d forward(y_pred, y_true) / d y_pred.

    Works like `check_layer`, with the loss value as the objective and "y_pred" as the only array (for a plain function,
    the report uses the function's own name for it). Integer labels keep their dtype, and floating-point targets are
    converted to the dtype of the run. The loss must modify neither.

    Raises:
        GradientCheckError, TypeError, ValueError: as in `check_layer`.
    """
    if isinstance(loss, tuple) and len(loss) == 2 and all(callable(function) for function in loss):
        loss = Functions(*loss)
    positional = _given(y_pred, () if y_true is None else (np.array(y_true),))
    names = loss_names(loss)
    given = gathered("check_loss", *signature_of(loss, forward, len(positional), LOSS), names, positional, keywords)
    fixed = tuple(names[1 : len(positional)])
    settings = Settings(True, arguments or {}, None, forward, backward, given.by_name, fixed)
    call = _understood("check_loss", LOSSES, loss, given.values, settings)
    choice = Choice(gradients or {}, constants, rules, scale, own=_is_own(loss))
    function = loss.forward if isinstance(loss, Functions) else loss
    name = name_of(function) if isinstance(function, FunctionType) else label(loss)
    return _check_call(call, name, next(iter(given.values)), choice, given.options, float32)


@underflow_is_harmless
def check_model(
    model: Any, x: ArrayOrShape, y: Any, *, loss: Any = None, training: bool = True, float32: bool = True,
    rules: str | None = None, constants: Sequence[str] = (), gradients: Mapping[str, Any] | None = None,
    scale: Any = None, **keywords: Unpack[Keywords],
) -> GradientCheckReport:  # fmt: skip
    """Check a whole model: the gradients of loss + penalties for x and all parameters, at their current values.

    Works like `check_layer`, with loss.forward(model.forward(x, training), y) + model.penalty() as the objective, on
    a float64 copy (made by model.astype("float64") if the model has this method). `loss` defaults to the model's own.
    y=None is for a model whose own loss takes no targets: loss(triplets).

    Raises:
        GradientCheckError, TypeError, ValueError: as in `check_layer`; ValueError also if there is no loss.
    """
    options = Options.of("check_model", keywords)
    if isinstance(model, type):
        raise TypeError(
            f"check_model: model must be an instance, got the class {model.__name__}: write {model.__name__}(...)"
        )
    choice = Choice(gradients or {}, constants, rules, scale)
    if not _is_own(model):
        call = _model_call(model, x, y, loss, Settings(training), options)
        return _check_call(call, label(model), next(iter(call.inputs)), choice, options, float32)
    loss = attribute(model, "loss") if loss is None else loss
    if loss is None:
        raise ValueError(NO_LOSS)
    point = input_point("check_model", "x", x, options)
    if not Loss.recognize(loss, {"y_pred": point, "y_true": y}, Settings()):
        raise TypeError(f"check_model: {no_dialect('check_loss', loss, {'y_pred': point, 'y_true': np.array(y)})}")

    def make(dtype: DTypeLike) -> Any:
        made, copied = _as_dtype(model, dtype), copy_as(loss_alone(loss, point, np.array(y)), dtype)
        if hasattr(made, "hand_targets"):  # a layer inside the network may have its own loss
            made.hand_targets(copied.call.inputs["y_true"], copied.call.subject)
        return ModelAsLayer(made, copied)

    with global_random_state_kept():
        rows, notes = _known_rows(make, point, training, choice)
        subject = Subject(make, label(model), "x", rows=rows, notes=notes)
        return run_check(subject, point, training, options, float32, choice.counts(own=True))


NO_LOSS = "check_model: expected a loss, got none: compile the model first, or pass loss=..."


def _model_call(model: Any, x: Any, y: Any, loss: Any, settings: Settings, options: Options) -> Call:
    """The call of a network with a built-in loss, or of a model followed by the given loss or its own."""
    inputs = {"x": input_value("check_model", "x", x, options, 0)}
    if loss is None:
        fixed = replace(settings, fixed=("x", "y"))
        targets = {} if y is None else {"y": np.array(y)}
        network = understood(NETWORKS, "check_model", model, {**inputs, **targets}, fixed)
        if network is not None:
            return network
        loss = attribute(model, "loss")
    if loss is None:
        raise ValueError(NO_LOSS)
    call = _understood("check_model", LAYERS, model, inputs, settings)
    with global_random_state_kept():
        predicted = copy_as(call, np.float64).forward()[0]
    given = {"y_pred": predicted, "y_true": np.array(y)}
    return ModelWithLoss(call, _understood("check_loss", LOSSES, loss, given, Settings(fixed=("y_true",))))


# --- shared by all checks ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """The caller's choices about arrays, gradients and rules."""

    gradients: Mapping[str, Any]
    constants: Sequence[str]
    rules: str | None
    scale: Any = None
    own: bool = False

    def __post_init__(self) -> None:
        if self.rules is not None:
            check_arguments.one_of("gradcheck", "rules", self.rules, ("note", "fail"))
        if isinstance(self.constants, str) or not all(isinstance(name, str) for name in self.constants):
            raise TypeError(f"gradcheck: constants must be a tuple of names such as ('pe',), got {self.constants!r}")

    def counts(self, own: bool) -> bool:
        """Whether a broken rule fails the check."""
        return own if self.rules is None else self.rules == "fail"


def _check_own(
    layer: Any, x: NDArray[Any], settings: Settings, choice: Choice, options: Options, float32: bool
) -> GradientCheckReport:
    """Check one of tinydl's own layers, or one derived from Layer: the contract defines where everything is."""
    training = settings.training
    if not training:
        refuse_other_mode(layer, label(layer))

    def make(dtype: DTypeLike) -> Any:
        clone = _as_dtype(layer, dtype)
        if not getattr(clone, "built", True):
            clone.build(x.shape[1:], options.rng(2), np.dtype(dtype))
            move_all(clone, options.rng(3))
        return clone

    with global_random_state_kept():
        rows, notes = _known_rows(make, x, training, choice)
        subject = Subject(make, label(layer), "x", True, rows, notes)
        return run_check(subject, x, training, options, float32, choice.counts(own=True))


def _check_call(
    call: Call, name: str, x_name: str, choice: Choice, options: Options, float32: bool, alone: bool = False
) -> GradientCheckReport:
    """Check the user's code; restore objects that cannot be copied, and arrays of classes, at the end."""
    with global_random_state_kept(), state_kept(call):
        wired, x = _wired(call, name, x_name, choice, options)
        counts = choice.counts(choice.own)
        return run_check(replace(wired, alone=alone), x, call.settings.training, options, float32, counts)


def _wired(call: Call, name: str, x_name: str, choice: Choice, options: Options) -> tuple[Subject, NDArray[Any]]:
    """Find the call's arrays and gradients in float64, or in float32 if the code raises in float64 only."""
    given = (call, name, x_name, options, choice.gradients, choice.constants, choice.scale)
    x = call.inputs[x_name]
    try:
        return wire(*given), x
    except (GradientCheckError, UnclearError):
        raise
    except Exception as error:
        try:
            wired = wire(*given, precision=np.float32)
        except Exception:
            raise error from None
        wired.notes.append(f"in float64 the code raises {type(error).__name__}: {error}")
        return wired, x.astype(np.float32) if x.dtype.kind == "f" else x


def _understood(
    owner: str, dialects: tuple[type[Call], ...], subject: Any, inputs: dict[str, Any], settings: Settings
) -> Call:
    if isinstance(subject, type) and not is_namespace(subject):
        what, kind = owner.removeprefix("check_"), subject.__name__
        raise TypeError(f"{owner}: {what} must be an instance, got the class {kind}: write {kind}(...)")
    call = understood(dialects, owner, subject, inputs, settings)
    if call is None:
        raise TypeError(f"{owner}: {no_dialect(owner, subject, inputs)}")
    return call


def _is_own(thing: Any) -> bool:
    """Whether its class promises to keep the layer contract, as tinydl's Layer and Model do."""
    return getattr(type(thing), "gradcheck_rules", None) == "fail"


def _known_rows(make: Any, x: NDArray[Any], training: bool, choice: Choice) -> tuple[dict[str, ArrayReport], list[str]]:
    """Rows for the arrays that one of tinydl's layers reads without listing them, and for those of frozen layers; and
    a note that names the latter."""
    layer = make(np.float64)
    runner = Runner(layer, training, x)
    inner = getattr(layer, "inner", layer)
    frozen = frozen_rows(getattr(inner, "root", inner), runner.params)
    notes = [f"frozen (trainable is False), so without gradients: {', '.join(frozen)}"] if frozen else []
    return {**unlisted_rows(runner, inner, x, choice.constants), **frozen}, notes


def _given(first: Any, others: Sequence[Any]) -> list[Any]:
    """The inputs given by position."""
    return [*(() if first is None else (first,)), *others]


def _as_dtype(thing: Any, dtype: DTypeLike) -> Any:
    return thing.astype(np.dtype(dtype).name) if callable(attribute(thing, "astype")) else copy_as(thing, dtype)
