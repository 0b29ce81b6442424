"""The rules of the layer contract that a gradient check needs, each tested on the given layer.

A broken rule is reported in addition to the verdict on the gradients. Forward and backward are given copies, so that
a layer that writes into its input or into dy is still judged by its gradients. Only a fault that leaves nothing to
compare is an error at once: a result that is not an array, NaN, or outputs that cannot be repeated.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .adapted import Adapted
from .limits import bound
from .report import Rule, failed
from .runner import Arrays, Runner

# Relative tolerance: two passes over the same numbers may sum in a different order; a broken rule differs by far more.
SAME = 1e-9
# Relative to the largest of all gradients: a gradient that is truly 0 (a bias below batch norm) is only roundoff.
ROUNDOFF = 1e-14


class Rules:
    """The broken rules of one layer, each code once."""

    def __init__(self, broken: Mapping[str, Rule] | None = None) -> None:
        self.broken: dict[str, Rule] = dict(broken or {})

    def broke(self, code: str, message: str) -> None:
        """Record a broken rule, unless its code is recorded already."""
        self.broken.setdefault(code, Rule(code, message))

    def of_dtype(self, value: Any, dtype: np.dtype[Any], name: str) -> None:
        """Test that an array of a run has the dtype of the run."""
        if not isinstance(value, np.ndarray) or value.dtype == dtype or dtype.kind != "f":
            return
        mend = (
            "np.zeros(shape), masks divided by a number and NumPy scalars such as np.sqrt(2) are float64: pass a "
            "dtype or use math.sqrt; float32=False skips this check"
            if dtype == np.float32
            else "a hard-wired dtype prevents the check in float64: use the dtype of the parameters or of x"
        )
        self.broke("dtype", f"dtype leak: {name} is {value.dtype} in a {dtype} run ({mend})")


def first_output(runner: Runner, x: NDArray[Any], label: str, x_name: str, rules: Rules) -> NDArray[Any]:
    """Run forward twice; return its output, which must be a finite array and the same both times."""
    before = {name: value.copy() for name, value in runner.params.items()}
    start = time.process_time()
    y = np.array(_array(runner.forward(x), "forward", label))
    if isinstance(runner.layer, Adapted):
        runner.bound = bound(time.process_time() - start)
    for name in runner.inputs_modified(x, x_name):
        rules.broke("input", f"forward modifies its input {name} in place: work on a copy")
    _parameters_kept(runner, before, rules)
    if y.dtype.kind not in "fc":
        mend = f": pass {x_name} as floats, such as {x_name}.astype(float)" if x.dtype.kind in "iub" else ""
        raise failed(label, f"forward must return floating-point numbers, got an array of {y.dtype}{mend}", "output")
    if not np.all(np.isfinite(y)):
        mend = "(Softmax and its logarithm should be computed together, in a loss on logits.)"
        causes = f"is there a logarithm of 0, a division by 0 or an overflow of exp? {mend}"
        raise failed(label, f"forward gives NaN or infinity for this input: {_not_finite(y)}; {causes}", "not finite")
    if not _close(_array(runner.forward(x), "forward", label), y):
        runner.keep_state()
        again, y = np.array(runner.forward(x)), np.array(runner.forward(x))
        if not _close(again, y):
            unseen = "a generator that is not an attribute of the layer and cannot be replayed"
            causes = f"it keeps state between calls, or draws random numbers from {unseen}"
            raise failed(label, f"forward gives different outputs for the same input: {causes}", "not repeatable")
        rules.broke("state", "forward keeps state between calls, so every pass was started from the same state")
    return y


def check_rules(
    runner: Runner, x: NDArray[Any], y: NDArray[Any], dy: NDArray[Any], label: str, x_name: str, rules: Rules,
    rng: np.random.Generator,
) -> Arrays:  # fmt: skip
    """Test the rules that need no derivative; return backward's gradients by their arrays' names."""
    rules.of_dtype(y, x.dtype, "y")
    params_before = {name: value.copy() for name, value in runner.params.items()}
    runner.zero_grad()
    y = _array(runner.forward(x), "forward", label)
    y_before = y.copy()
    given = dy.copy()
    dx = runner.backward(given)
    if not _same_bits(given, dy) or (isinstance(runner.layer, Adapted) and runner.layer.dy_modified):
        rules.broke("dy", "backward modifies dy in place: the caller may use dy again (a residual block does)")
    for name in runner.inputs_modified(x, x_name):
        rules.broke("input", f"backward modifies the input {name} in place")
    if not _same_bits(y, y_before):
        rules.broke("output", "backward overwrites the y that forward returned")
    _parameters_kept(runner, params_before, rules)
    gradients = {x_name: dx, **{name: runner.grads.get(name) for name in runner.params}}
    first: Arrays = {}
    for name, gradient in gradients.items():
        if isinstance(gradient, np.ndarray):
            first[name] = gradient.copy()
            rules.of_dtype(gradient, x.dtype, f"d{name}")
    other = rng.permuted(x.ravel()).reshape(x.shape)
    try:
        runner.forward(other)
        overwritten = not _same_bits(y, y_before)
        dx = runner.layer.returned_x() if isinstance(runner.layer, Adapted) else dx
        if isinstance(dx, np.ndarray):
            dx_before = dx.copy()
            runner.backward(_like(rng, dy))
            if not _same_bits(dx, dx_before):
                rules.broke("dx", "a later backward overwrites the dx returned before: return a new array")
        if overwritten:
            text = "a later forward overwrites the y returned before: return a new array, not a reused buffer"
            rules.broke("buffer", text)
    except Exception as error:
        runner.note(f"not tested at values other than x, because the code raises {type(error).__name__} there: {error}")
    if isinstance(runner.layer, Adapted):
        _check_resets(runner, runner.layer, x, dy, first, rules)
    if runner.accumulates:
        runner.add_up(True)
        _check_accumulation(runner, x, dy, first, rules)
        runner.add_up(False)
    return first


def _parameters_kept(runner: Runner, before: Arrays, rules: Rules) -> None:
    changed = [name for name, value in runner.params.items() if name in before and not _same_bits(value, before[name])]
    if isinstance(runner.layer, Adapted):
        changed += sorted(runner.layer.changed)
    for name in changed:
        text = f"forward or backward changes the parameter {name} in place: only an optimizer may do that"
        rules.broke("parameter", text)


def _check_resets(
    runner: Runner, layer: Adapted, x: NDArray[Any], dy: NDArray[Any], first: Arrays, rules: Rules
) -> None:
    """Find stored gradients that a second pass doubles, although nothing resets them."""
    stored = [name for name in layer.stored if name in first and np.any(first[name])]
    if not stored:
        return
    layer.clear()
    runner.add_up(True)
    for _ in range(2):
        runner.forward(x)
        runner.backward(dy.copy())
    runner.add_up(False)
    roundoff = ROUNDOFF * _largest(first)
    adding = [name for name in stored if _close(layer.gradient(name), 2 * first[name], roundoff)]
    beside = {layer.gradients[name][:-1] for name in stored if name not in adding}
    mixed = [name for name in adding if layer.gradients[name][:-1] in beside]  # so nothing resets the gradients there
    layer.never_reset.update(mixed)
    if adding and not mixed and not layer.can_reset and not layer.claims_to_add:
        listed = ", ".join(f"d{name}" for name in adding)
        add = f"{listed} {'adds' if len(adding) == 1 else 'add'} up"
        rules.broke("never reset", f"{add} over calls, but the layer has no zero_grad to reset it")


def _check_accumulation(runner: Runner, x: NDArray[Any], dy: NDArray[Any], first: Arrays, rules: Rules) -> None:
    """After zero_grad, one pass must give the gradient; a second pass without zero_grad, twice the gradient."""
    roundoff = ROUNDOFF * _largest(first)
    stored = runner.layer.stored if isinstance(runner.layer, Adapted) else runner.params
    names = [name for name in stored if name in first]
    runner.zero_grad()
    runner.forward(x)
    runner.backward(dy.copy())
    for name in names:
        if not _close(runner.grads[name], first[name], roundoff):
            rules.broke("zero_grad", f"zero_grad does not reset d{name}")
    runner.forward(x)
    runner.backward(dy.copy())
    for name in names:
        twice = runner.grads[name]
        if not _close(twice, 2 * first[name], roundoff):
            assigned = "backward assigns (=) where it must add (+=)"
            neither = "two passes without zero_grad do not give twice the gradient"
            needed = f"d{name} must sum over calls, as shared weights, penalties and micro-batches require"
            rules.broke("accumulate", f"{assigned if _close(twice, first[name]) else neither}: {needed}")


def check_memory_layout(
    runner: Runner, x: NDArray[Any], y: NDArray[Any], dy: NDArray[Any], gradients: Arrays, x_name: str, rules: Rules
) -> None:
    """Slices and transposed arrays must give the same results as contiguous ones, which are y and the gradients."""
    expected = {"y": y, **{f"d{name}": gradient for name, gradient in gradients.items()}}
    roundoff = ROUNDOFF * _largest(gradients)
    for layout, rearranged in (("sliced", sliced), ("Fortran-ordered", fortran)):
        try:
            if isinstance(runner.layer, Adapted):
                runner.layer.call.layout = rearranged
                results = _one_pass(runner, x, dy, x_name)
            else:
                results = _one_pass(runner, rearranged(x), rearranged(dy), x_name, as_given=True)
        except Exception as error:
            arrays = f"{layout} arrays, equal in value to contiguous ones"
            rules.broke("layout", f"the layer raises {type(error).__name__} when {x_name} and dy are {arrays}: {error}")
            return
        finally:
            if isinstance(runner.layer, Adapted):
                runner.layer.call.layout = None
        for name, result in results.items():
            if name in expected and not _close(result, expected[name], roundoff):
                arrays = f"{layout} arrays, equal in value to contiguous ones"
                rules.broke("layout", f"{name} is different when {x_name} and dy are {arrays}")


def check_float32(runner: Runner, x: NDArray[Any], dy: NDArray[Any], x_name: str, rules: Rules) -> None:
    """No array of a float32 run may be float64. (The values of the gradients have been checked before.)"""
    for name, value in runner.params.items():
        rules.of_dtype(value, x.dtype, f"the parameter {name}")
    for name, result in _one_pass(runner, x, dy, x_name).items():
        rules.of_dtype(result, x.dtype, name)
    for name, value in runner.state:
        if value.dtype.kind == "f":
            rules.of_dtype(value, x.dtype, f"state[{name!r}]")


def upstream(runner: Runner, y: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """A random dy, because with ones the errors of softmax and batch norm cancel; 1 for an objective."""
    is_objective = getattr(runner.layer, "is_objective", False)
    return np.ones(()) if is_objective else np.asarray(rng.standard_normal(y.shape))


def _like(rng: np.random.Generator, dy: NDArray[Any]) -> NDArray[Any]:
    return dy.copy() if dy.ndim == 0 else np.asarray(rng.standard_normal(dy.shape))


def _one_pass(runner: Runner, x: NDArray[Any], dy: NDArray[Any], x_name: str, as_given: bool = False) -> Arrays:
    runner.zero_grad()
    y = runner.forward(x, as_given)
    dx = runner.backward(dy if as_given else dy.copy())
    gradients = {f"d{x_name}": dx, **{f"d{name}": np.copy(value) for name, value in runner.grads.items()}}
    return {"y": y, **{name: value for name, value in gradients.items() if isinstance(value, np.ndarray)}}


def sliced(array: NDArray[Any]) -> NDArray[Any]:
    """An array with the same values that is not contiguous."""
    if array.ndim == 0 or array.dtype.kind not in "fc":
        return array
    wider = np.full((*array.shape[:-1], 2 * array.shape[-1]), np.nan, dtype=array.dtype)
    wider[..., ::2] = array
    return wider[..., ::2]


def fortran(array: NDArray[Any]) -> NDArray[Any]:
    """The same values with columns contiguous in memory. (np.asfortranarray would give a 0-d array an axis.)"""
    return np.array(array, order="F")


def _not_finite(array: NDArray[Any]) -> str:
    bad = np.argwhere(~np.isfinite(array))
    return f"{len(bad)} of {array.size} entries, the first at {bad[0].tolist()}: {array[tuple(bad[0])]}"


def _same_bits(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def _close(a: NDArray[Any], b: NDArray[Any], roundoff: float = 0.0) -> bool:
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= SAME * np.max(np.abs(b), initial=0.0) + roundoff))


def _largest(arrays: Arrays) -> float:
    return max((float(np.max(np.abs(array), initial=0.0)) for array in arrays.values()), default=0.0)


def _array(value: Any, method: str, label: str) -> NDArray[Any]:
    if not isinstance(value, np.ndarray):
        raise failed(label, f"{method} must return an array, got {type(value).__name__}", "output")
    return value
