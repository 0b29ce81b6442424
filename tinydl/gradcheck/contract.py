"""The rules of the layer contract that a gradient check needs, each tested on the given layer."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .objects import Arrays, Runner
from .report import failed, need_shape

# Relative tolerance: two passes over the same numbers may sum in another order; a broken rule differs by far more.
SAME = 1e-9
# Relative to the largest of all gradients: a gradient that is truly 0 (a bias below batch norm) is only roundoff.
ROUNDOFF = 1e-14


def check_rules(runner: Runner, x: NDArray[Any], label: str, x_name: str, rng: np.random.Generator) -> Arrays:
    """Test every rule that needs no derivative; return the upstream gradient and backward's results.

    The result maps "dy" to the upstream gradient, and each array's name to its gradient.

    Raises:
        GradientCheckError: a rule is broken; the message says which.
    """
    refuse = partial(failed, label)
    x_before = x.copy()
    params_before = {name: value.copy() for name, value in runner.params.items()}
    y = _array(runner.forward(x), "forward", label)
    if not _same_bits(x, x_before):
        raise refuse(f"forward modifies its input {x_name} in place: work on a copy")
    _right_dtype(y, x.dtype, "y", label)
    if not np.all(np.isfinite(y)):
        mend = "(Softmax and its logarithm should be computed together, in a loss on logits.)"
        causes = f"is there a logarithm of 0, a division by 0 or an overflow of exp? {mend}"
        raise refuse(f"forward gives NaN or infinity for this input: {_not_finite(y)}; {causes}")
    y_before = y.copy()
    if not _close(runner.forward(x), y_before):
        unseen = "a generator that is not an attribute of the layer and cannot be replayed"
        causes = f"it keeps state between calls, or draws random numbers from {unseen}"
        raise refuse(f"forward gives different outputs for the same input: {causes}")

    dy = _upstream(runner, y, rng)
    dy_before = dy.copy()
    runner.zero_grad()
    y = runner.forward(x)
    dx = _array(runner.backward(dy), "backward", label)
    grads = runner.grads
    if not _same_bits(dy, dy_before):
        raise refuse("backward modifies dy in place: the caller may use dy again (a residual block does)")
    if not _same_bits(x, x_before):
        raise refuse(f"backward modifies the input {x_name} in place")
    if not _same_bits(y, y_before):
        raise refuse("backward overwrites the y that forward returned")
    for name, value in runner.params.items():
        if name in params_before and not _same_bits(value, params_before[name]):
            raise refuse(f"forward or backward changes the parameter {name} in place: only an optimizer may do that")
    need_shape(dx, x, x_name, label)
    for name, value in runner.params.items():
        if name not in grads:
            raise refuse(f"grads has no {name!r} after backward, only {sorted(grads)}: give it all keys of params")
        need_shape(grads[name], value, name, label)
    gradients = {x_name: dx, **{name: grads[name] for name in runner.params}}
    for name, gradient in gradients.items():
        _right_dtype(gradient, x.dtype, f"d{name}", label)
        if not np.all(np.isfinite(gradient)):
            raise refuse(f"backward gives NaN or infinity in d{name}: {_not_finite(gradient)}")
    first = {name: gradient.copy() for name, gradient in gradients.items()}

    other = rng.permuted(x.ravel()).reshape(x.shape)
    runner.forward(other)
    if not _same_bits(y, y_before):
        raise refuse("a later forward overwrites the y returned before: return a new array, not a reused buffer")
    runner.backward(_upstream(runner, y, rng))
    if not _same_bits(dx, first[x_name]):
        raise refuse("a later backward overwrites the dx returned before: return a new array")
    _check_accumulation(runner, x, dy, first, label)
    return {"dy": dy, **first}


def _check_accumulation(runner: Runner, x: NDArray[Any], dy: NDArray[Any], first: Arrays, label: str) -> None:
    """After zero_grad, one pass must give the gradient; a second pass without zero_grad, twice the gradient."""
    roundoff = ROUNDOFF * _largest(first)
    runner.zero_grad()
    runner.forward(x)
    runner.backward(dy)
    for name in runner.params:
        if not _close(runner.grads[name], first[name], roundoff):
            raise failed(label, f"zero_grad does not reset d{name}")
    runner.forward(x)
    runner.backward(dy)
    for name in runner.params:
        twice = runner.grads[name]
        if not _close(twice, 2 * first[name], roundoff):
            assigned = "backward assigns (=) where it must add (+=)"
            neither = "two passes without zero_grad do not give twice the gradient"
            needed = f"d{name} must sum over calls, as shared weights, penalties and micro-batches require"
            raise failed(label, f"{assigned if _close(twice, first[name]) else neither}: {needed}")


def check_memory_layout(runner: Runner, x: NDArray[Any], dy: NDArray[Any], label: str, x_name: str) -> None:
    """Slices and transposed arrays must give the same results as contiguous ones."""
    expected = _one_pass(runner, x, dy, x_name)
    roundoff = ROUNDOFF * _largest({name: result for name, result in expected.items() if name != "y"})
    for layout, rearranged in (("sliced", sliced), ("Fortran-ordered", np.asfortranarray)):
        for name, result in _one_pass(runner, rearranged(x), rearranged(dy), x_name).items():
            if not _close(result, expected[name], roundoff):
                arrays = f"{layout} arrays, equal in value to contiguous ones"
                raise failed(label, f"{name} is different when {x_name} and dy are {arrays}")


def check_float32(runner: Runner, x: NDArray[Any], dy: NDArray[Any], label: str, x_name: str) -> None:
    """No array of a float32 run may be float64. (The values of the gradients have been checked before.)"""
    for name, value in runner.params.items():
        _right_dtype(value, x.dtype, f"the parameter {name}", label)
    for name, result in _one_pass(runner, x, dy, x_name).items():
        _right_dtype(result, x.dtype, name, label)
    for name, value in runner.state:
        if value.dtype.kind == "f":
            _right_dtype(value, x.dtype, f"state[{name!r}]", label)


def _upstream(runner: Runner, y: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """A random dy, because with ones the errors of softmax and batch norm cancel; 1 for an objective."""
    is_objective = getattr(runner.layer, "is_objective", False)
    return np.ones(()) if is_objective else np.asarray(rng.standard_normal(y.shape))


def _one_pass(runner: Runner, x: NDArray[Any], dy: NDArray[Any], x_name: str) -> Arrays:
    runner.zero_grad()
    y = runner.forward(x)
    dx = runner.backward(dy)
    return {"y": y, f"d{x_name}": dx, **{f"d{name}": value.copy() for name, value in runner.grads.items()}}


def sliced(array: NDArray[Any]) -> NDArray[Any]:
    """An array with the same values that is not contiguous."""
    if array.ndim == 0:
        return array
    wider = np.full((*array.shape[:-1], 2 * array.shape[-1]), np.nan, dtype=array.dtype)
    wider[..., ::2] = array
    return wider[..., ::2]


def _not_finite(array: NDArray[Any]) -> str:
    bad = np.argwhere(~np.isfinite(array))
    return f"{len(bad)} of {array.size} entries, the first at {bad[0].tolist()}: {array[tuple(bad[0])]}"


def _same_bits(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def _close(a: NDArray[Any], b: NDArray[Any], roundoff: float = 0.0) -> bool:
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= SAME * np.max(np.abs(b), initial=0.0) + roundoff))


def _largest(arrays: Arrays) -> float:
    return max(float(np.max(np.abs(array), initial=0.0)) for array in arrays.values())


def _array(value: Any, method: str, label: str) -> NDArray[Any]:
    if not isinstance(value, np.ndarray):
        mend = ": return dL/dx" if value is None and method == "backward" else ""
        raise failed(label, f"{method} must return an array, got {type(value).__name__}{mend}")
    return value


def _right_dtype(value: NDArray[Any], dtype: np.dtype[Any], name: str, label: str) -> None:
    if value.dtype != dtype:
        mend = (
            "np.zeros(shape), masks divided by a number and NumPy scalars such as np.sqrt(2) are float64: pass a "
            "dtype or use math.sqrt; the gradients themselves are right, and float32=False skips this check"
            if dtype == np.float32
            else "a hard-wired dtype prevents the check in float64: use the dtype of the parameters or of x"
        )
        raise failed(label, f"dtype leak: {name} is {value.dtype} in a {dtype} run ({mend})")
