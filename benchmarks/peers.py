"""Other gradient checkers, each asked about a problem: arrays, an objective and its claimed gradient.

    torch      torch.autograd.gradcheck on the problem as an autograd.Function; full Jacobians by central differences
    scipy      scipy.optimize.check_grad on the problem as a function of one flat vector; forward differences. It
               returns the norm of the error: wrong if above a limit times the gradient's norm
    central    the check that courses teach: (f(v + h) - f(v - h)) / 2h for every entry, with h = 1e-5; wrong if the
               norm of the difference is above 1e-7 of the sum of both gradients' norms

Each returns what is wrong as a text, "" if nothing is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import check_grad

from benchmarks.side_by_side import optional

torch = optional("torch")
torch_gradcheck = optional("torch.autograd.gradcheck")  # the module: torch.autograd has a function of that name

STEP, LIMIT = 1e-5, 1e-7  # of the plain central difference


class Problem(Protocol):
    """An objective of arrays that are moved in place, and the gradient being checked."""

    arrays: list[NDArray[Any]]

    def objective(self) -> float:
        """The objective at the arrays' present values."""

    def gradient(self) -> list[NDArray[Any]]:
        """Its claimed gradient there, one array for each of `arrays`."""


def as_functions(
    problem: Problem,
) -> tuple[Callable[[NDArray[Any]], float], Callable[[NDArray[Any]], NDArray[Any]], NDArray[Any]]:
    """The objective and the gradient as functions of one flat vector, and the vector."""
    sizes = np.cumsum([array.size for array in problem.arrays])[:-1]

    def at(v: NDArray[Any]) -> None:
        for array, part in zip(problem.arrays, np.split(v, sizes), strict=True):
            array[...] = part.reshape(array.shape)

    def f(v: NDArray[Any]) -> float:
        at(v)
        return problem.objective()

    def gradient(v: NDArray[Any]) -> NDArray[Any]:
        at(v)
        return np.concatenate([g.ravel() for g in problem.gradient()])

    return f, gradient, np.concatenate([array.ravel() for array in problem.arrays]).astype(np.float64)


def by_scipy(problem: Problem, limit: float) -> str:
    """Run check_grad; return its error if above the limit, else ""."""
    f, gradient, v = as_functions(problem)
    error = check_grad(f, gradient, v)
    return "" if error <= limit * np.linalg.norm(gradient(v)) else f"{error:.3g}"


def by_central(problem: Problem) -> str:
    """Compare with plain central differences; return the relative error if above the limit, else ""."""
    f, gradient, v = as_functions(problem)
    analytic, numeric = gradient(v), np.empty_like(v)
    for i in range(v.size):
        step = np.zeros_like(v)
        step[i] = STEP
        numeric[i] = (f(v + step) - f(v - step)) / (2 * STEP)
    error, norms = np.linalg.norm(analytic - numeric), np.linalg.norm(analytic) + np.linalg.norm(numeric)
    return "" if error <= LIMIT * norms else f"{error / norms:.3g}"


def by_torch(problem: Problem, fast_mode: bool = False) -> str:
    """Run gradcheck on the objective as an autograd.Function; return its message, "" if it passes."""
    return gradcheck(
        problem.arrays, problem.objective, lambda dy: [dy * gradient for gradient in problem.gradient()], fast_mode
    )


def gradcheck(
    arrays: list[NDArray[Any]],
    forward: Callable[[], Any],
    backward: Callable[[NDArray[Any]], list[NDArray[Any]]],
    fast_mode: bool,
) -> str:
    """Run torch.autograd.gradcheck on a function of arrays that are moved in place; return its message."""

    class Wrapped(torch.autograd.Function):  # type: ignore[name-defined]
        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> Any:
            for array, tensor in zip(arrays, tensors, strict=True):
                array[...] = tensor.detach().numpy()
            return torch.tensor(np.array(forward()))

        @staticmethod
        def backward(ctx: Any, dy: Any) -> Any:
            return tuple(torch.tensor(np.array(gradient)) for gradient in backward(dy.numpy().copy()))

    inputs = tuple(torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in arrays)
    try:
        torch_gradcheck.gradcheck(Wrapped.apply, inputs, fast_mode=fast_mode)
    except torch_gradcheck.GradcheckError as error:
        return str(error)
    return ""
