"""Every compiled kernel is its plain NumPy definition in kernels/reference.py, over shapes, dtypes and activations."""

from __future__ import annotations

import importlib
import inspect
import itertools
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba.core.errors import TypingError

from tinydl import Model, kernels
from tinydl.kernels import reference
from tinydl.kernels.blas import gemm
from tinydl.layers import ContractivePenalty, Dense, ReLU
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import SGD, Adam, RMSprop

ROUNDING = {np.float32: 2e-6, np.float64: 2e-15}  # relative; sums over n entries may differ by sqrt(n) times this
DTYPES = list(ROUNDING)
SIZES = [(1, 1, 1), (1, 5, 3), (7, 1, 4), (7, 5, 1), (3, 2, 2), (64, 29, 40), (5, 40, 29), (33, 17, 65)]
ACTIVATIONS = {name: code for name, code in kernels.ACTIVATIONS.items() if name}

# What kernels are made of; every other module holds kernels.
PARTS = (
    "reference", "blas", "compile", "threads", "memory", "elementwise", "simd",
    "direct", "winograd", "winograd_deep", "winograd_tiles",
)  # fmt: skip
COMPILED = {  # every public function of the modules that hold kernels, whether or not the package knows it
    name: function
    for module in pkgutil.iter_modules(kernels.__path__)
    if module.name not in PARTS
    for name, function in vars(importlib.import_module(f"tinydl.kernels.{module.name}")).items()
    if not name.startswith("_") and getattr(function, "__module__", "") == f"tinydl.kernels.{module.name}"
}


def close(actual: Any, expected: Any, dtype: Any, terms: int = 1) -> None:
    """`terms`: how many products of size one were summed up."""
    assert actual.dtype == expected.dtype == dtype
    tolerance = 4 * terms**0.5 * ROUNDING[dtype]
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance, strict=True)


def normal(seed: int, dtype: Any, *shapes: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


# --- names ----------------------------------------------------------------------------------------------------------


def test_there_are_kernels() -> None:
    assert {
        "dense_forward", "dense_backward", "adam", "mean_squared_error", "conv2d_forward", "max_pool_backward",
        "local_response_norm_forward",
    } <= set(COMPILED)  # fmt: skip


def test_the_switch_knows_every_kernel() -> None:
    assert set(kernels._COMPILED) == set(COMPILED)
    assert set(COMPILED) <= set(kernels.__all__)


@pytest.mark.parametrize("name", COMPILED)
def test_every_compiled_kernel_has_a_twin_with_its_signature(name: str) -> None:
    twin = getattr(reference, name)
    assert list(inspect.signature(getattr(COMPILED[name], "py_func", COMPILED[name])).parameters) == list(
        inspect.signature(twin).parameters
    )
    assert inspect.getdoc(twin)
    for which, function in (("compiled", COMPILED[name]), ("reference", twin)):
        with kernels.using(which):
            assert getattr(kernels, name) is function


def test_every_compiled_kernel_is_compared_in_this_folder() -> None:
    source = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in COMPILED if f'COMPILED["{name}"]' not in source] == []


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [0, 1, 7, 1000])
def test_sum_of_squares(dtype: Any, size: int) -> None:
    (v,) = normal(0, dtype, (size,))
    expected = float((v.astype(np.float64) ** 2).sum())
    assert COMPILED["sum_of_squares"](v) == pytest.approx(expected, rel=1e-14)
    assert reference.sum_of_squares(v) == pytest.approx(expected, rel=1e-14)
    assert COMPILED["sum_of_squares"](np.full(25, 1e20, np.float32)) == pytest.approx(2.5e41, rel=1e-6)


@pytest.mark.parametrize("bad", ["shape", "dtype", "layout"])
def test_gemm_refuses_what_blas_would_read_past(bad: str) -> None:
    a, b, c = np.ones((3, 2)), np.ones((2, 4)), np.zeros((3, 4))
    b = {"shape": np.ones((3, 4)), "dtype": b.astype(np.float32), "layout": np.ones((4, 2)).T}[bad]
    with pytest.raises(ValueError if bad == "shape" else TypingError, match=r"do not fit|C-contiguous matrices"):
        gemm(False, False, 1.0, a, b, 0.0, c)


# --- gemm -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transposes", list(itertools.product([False, True], repeat=2)))
@pytest.mark.parametrize(("m", "n", "k"), [*SIZES, (4, 3, 200)])
def test_gemm(dtype: Any, transposes: tuple[bool, bool], m: int, n: int, k: int) -> None:
    transpose_a, transpose_b = transposes
    a, b, c = normal(0, dtype, (k, m) if transpose_a else (m, k), (n, k) if transpose_b else (k, n), (m, n))
    a_before, b_before = a.copy(), b.copy()
    product = (a.T if transpose_a else a) @ (b.T if transpose_b else b)
    for alpha, beta in ((1.0, 0.0), (1.0, 1.0), (-0.5, 2.0)):
        result = c.copy()
        gemm(transpose_a, transpose_b, alpha, a, b, beta, result)
        close(result, alpha * product + beta * c, dtype, k)
    np.testing.assert_array_equal(a, a_before)
    np.testing.assert_array_equal(b, b_before)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gemm_with_beta_0_never_reads_its_target(dtype: Any) -> None:
    a, b = normal(0, dtype, (3, 4), (4, 2))
    c = np.full((3, 2), np.nan, dtype)
    gemm(False, False, 1.0, a, b, 0.0, c)
    close(c, a @ b, dtype, 4)


def test_gemm_writes_into_a_view() -> None:
    """The gradients of a model are views into one vector."""
    a, b, flat = normal(0, np.float64, (4, 3), (4, 2), 10)
    before = flat.copy()
    gemm(True, False, 1.0, a, b, 1.0, flat[2:8].reshape(3, 2))
    close(flat[2:8], before[2:8] + (a.T @ b).ravel(), np.float64, 4)
    np.testing.assert_array_equal(flat[[0, 1, 8, 9]], before[[0, 1, 8, 9]])


def test_an_edit_of_gemm_reaches_the_kernels_that_call_it(tmp_path: Path) -> None:
    """Numba's cache on disk looks at the file of the kernel only, here dense.py, not at the blas.py it is made of."""
    copy = shutil.copytree(
        Path(kernels.__path__[0]).parent, tmp_path / "tinydl", ignore=shutil.ignore_patterns("*.nb?")
    )
    script = (
        "import numpy as np; from tinydl.kernels.dense import dense_forward\n"
        "print(dense_forward(np.ones((1, 3)), np.ones((3, 1)), np.ones(0), 0).item())"
    )
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}

    def output() -> str:
        arguments = [sys.executable, "-c", script]
        return subprocess.run(
            arguments, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert output() == "3.0"
    blas = copy / "kernels" / "blas.py"
    source = blas.read_text()
    edited = source.replace("n, m, k, alpha,", "n, m, k, 10 * alpha,")
    assert edited != source
    blas.write_text(edited)
    assert output() == "30.0"


# --- dense ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize(("n", "inputs", "units"), SIZES)
def test_dense(dtype: Any, activation: str, use_bias: bool, n: int, inputs: int, units: int) -> None:
    code = ACTIVATIONS[activation]
    x, W, b, dy, dW, db = normal(1, dtype, (n, inputs), (inputs, units), units, (n, units), (inputs, units), units)
    if not use_bias:
        b, db = b[:0], db[:0]
    y = COMPILED["dense_forward"](x, W, b, code)
    close(y, reference.dense_forward(x, W, b, code), dtype, inputs)
    arguments = dy, x, W, y, code
    for need_dx in (True, False):
        results = []
        for backward in (COMPILED["dense_backward"], reference.dense_backward):
            gradients = dW.copy(), db.copy()  # both add to what is there
            results.append([backward(*arguments, *gradients, need_dx), *gradients])
        for actual, expected in zip(*results, strict=True):
            close(actual, expected, dtype, max(n, units))
        assert results[0][0].shape == ((n, inputs) if need_dx else (0, 0))


@pytest.mark.parametrize("which", ["compiled", "reference"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_and_infinity_pass_through(which: str, activation: str, dtype: Any) -> None:
    """A relu written as `x if x > 0 else 0` would turn NaN into 0 and hide that a run has diverged."""
    code = ACTIVATIONS[activation]
    x, W = np.array([[np.nan], [np.inf], [-np.inf], [1e30]], dtype), np.ones((1, 2), dtype)
    limits = {"linear": (np.inf, -np.inf), "relu": (np.inf, 0), "sigmoid": (1, 0), "tanh": (1, -1)}[activation]
    with kernels.using(which):
        y = kernels.dense_forward(x, W, W[0, :0], code)
    assert np.isnan(y[0]).all()
    assert y[1:3].tolist() == [[limits[0]] * 2, [limits[1]] * 2]
    assert (y[3] == (x[3] if activation in ("linear", "relu") else 1)).all()


def test_nan_passes_through_the_relu_layer_too() -> None:
    assert np.isnan(ReLU().forward(np.array([[np.nan]]))).all()


# --- losses ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (64, 29), (2, 3, 4, 5)])
def test_mean_squared_error(dtype: Any, shape: tuple[int, ...]) -> None:
    p, t = normal(2, dtype, shape, shape)
    value = COMPILED["mean_squared_error"](p, t)
    assert type(value) is float
    assert value == pytest.approx(reference.mean_squared_error(p, t), rel=10 * ROUNDING[dtype])
    close(COMPILED["mean_squared_error_gradient"](p, t), reference.mean_squared_error_gradient(p, t), dtype)


# --- optimizers -----------------------------------------------------------------------------------------------------


def steps(kernel: Any, slots: int, dtype: Any, size: int, *hyper: Any, count: bool = False) -> list[np.ndarray]:
    """Parameters and slots after three steps; `count`: the kernel takes the number of the step."""
    p, *state = normal(3, dtype, size, *[size] * slots)
    state = [np.abs(slot) for slot in state] or [p[:0]]
    for t in (1, 2, 3):
        g = normal(10 + t, dtype, size)[0]
        before = g.copy()
        kernel(p, g, *state, *([t] if count else []), *hyper)
        np.testing.assert_array_equal(g, before)
    return [p, *state]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd(dtype: Any, size: int, weight_decay: float, momentum: float, nesterov: bool) -> None:
    arguments = bool(momentum), dtype, size, 0.1, momentum, nesterov, weight_decay
    for actual, expected in zip(steps(COMPILED["sgd"], *arguments), steps(reference.sgd, *arguments), strict=True):
        close(actual, expected, dtype, 3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("epsilon", [1e-8, 1e-2])
def test_rmsprop(dtype: Any, size: int, epsilon: float) -> None:
    arguments = 1, dtype, size, 0.01, 0.9, epsilon
    for actual, expected in zip(
        steps(COMPILED["rmsprop"], *arguments), steps(reference.rmsprop, *arguments), strict=True
    ):
        close(actual, expected, dtype, 3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("epsilon", [1e-8, 1e-2])
def test_adam(dtype: Any, size: int, weight_decay: float, epsilon: float) -> None:
    arguments = 2, dtype, size, 0.01, 0.9, 0.999, epsilon, weight_decay
    for actual, expected in zip(
        steps(COMPILED["adam"], *arguments, count=True), steps(reference.adam, *arguments, count=True), strict=True
    ):
        close(actual, expected, dtype, 3)


STEPS: dict[str, Any] = {
    "adam": lambda p, g, slots: COMPILED["adam"](p, g, *slots, 5, 1e-3, 0.9, 0.999, 1e-8, 0.0),
    "rmsprop": lambda p, g, slots: COMPILED["rmsprop"](p, g, slots[0], 1e-3, 0.9, 1e-8),
    "momentum": lambda p, g, slots: COMPILED["sgd"](p, g, slots[0], 1e-3, 0.9, False, 0.0),
    "nesterov": lambda p, g, slots: COMPILED["sgd"](p, g, slots[0], 1e-3, 0.9, True, 0.0),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", STEPS)
def test_subnormal_moments_become_zero_and_normal_ones_stay(name: str, dtype: Any) -> None:
    tiny = np.finfo(dtype).tiny
    p, g = np.zeros(3, dtype), np.zeros(3, dtype)
    slots = [np.array([tiny / 4, tiny, 4 * tiny], dtype) for _ in range(2)]
    STEPS[name](p, g, slots)
    for slot in slots[: 2 if name == "adam" else 1]:
        assert slot[0] == 0  # subnormal before
        assert slot[1] == 0  # became so: 0.9 tiny, 0.999 tiny
        assert slot[2] > tiny


@pytest.mark.parametrize("name", STEPS)
def test_a_moment_of_nan_stays_nan(name: str) -> None:
    p, g = np.zeros(1), np.array([np.nan])
    slots = [np.zeros(1) for _ in range(2)]
    STEPS[name](p, g, slots)
    assert np.isnan(slots[0]).all()
    assert np.isnan(p).all()


@pytest.mark.parametrize("name", STEPS)
def test_a_silent_parameter_does_not_move(name: str) -> None:
    p = np.ones(2, np.float32)
    STEPS[name](p, np.zeros(2, np.float32), [np.zeros(2, np.float32) for _ in range(2)])
    assert p.tolist() == [1.0, 1.0]


# --- the switch -----------------------------------------------------------------------------------------------------


def train(optimizer: Any) -> tuple[list[float], list[np.ndarray]]:
    x = np.random.default_rng(0).normal(size=(16, 6))
    layers = [ContractivePenalty(Dense(5, "sigmoid"), 0.1), Dense(4, "relu", use_bias=False), Dense(6)]
    model = Model(layers, 6, dtype="float64")
    model.compile(optimizer, MeanSquaredError())
    return [model.train_on_batch(x, x) for _ in range(5)], model.get_weights()


@pytest.mark.parametrize("make", [Adam, lambda: SGD(0.1, momentum=0.9), RMSprop], ids=["adam", "sgd", "rmsprop"])
def test_training_on_the_reference_kernels_gives_the_same_result(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with kernels.using("compiled"):
        losses, weights = train(make())
    calls = []
    for name in COMPILED:  # proves that the other set really ran
        twin = getattr(reference, name)

        def counted(*arguments: Any, name: str = name, twin: Any = twin) -> Any:
            calls.append(name)
            return twin(*arguments)

        monkeypatch.setitem(kernels._REFERENCE, name, counted)
    with kernels.using("reference"):
        reference_losses, reference_weights = train(make())
    assert {"dense_forward", "dense_backward", "mean_squared_error", "mean_squared_error_gradient"} < set(calls)
    np.testing.assert_allclose(losses, reference_losses, rtol=1e-12)
    for weight, expected in zip(weights, reference_weights, strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-12, atol=1e-12)


def test_using_nests_and_ends_with_its_block_also_after_an_error() -> None:
    before = kernels.adam
    with kernels.using("reference"):
        with kernels.using("compiled"):
            assert kernels.adam is COMPILED["adam"]
        assert kernels.adam is reference.adam
    for which in ("reference", "compiled"):
        with pytest.raises(KeyError), kernels.using(which):
            raise KeyError
        assert kernels.adam is before


def test_using_refuses_other_names() -> None:
    with pytest.raises(ValueError, match=r"kernels: expected one of \['compiled', 'reference'\], got 'numba'"), \
         kernels.using("numba"):  # fmt: skip
        pass


def in_a_process_with(value: str) -> subprocess.CompletedProcess[str]:
    """tinydl imported and one layer run with TINYDL_KERNELS=value."""
    script = (
        "import numpy as np; from tinydl import kernels; from tinydl.kernels import reference\n"
        "twins = all(getattr(kernels, name) is getattr(reference, name) for name in kernels._COMPILED)\n"
        "y = kernels.dense_forward(np.ones((1, 2)), np.ones((2, 1)), np.ones(1), kernels.RELU)\n"
        "print(twins, y.item())"
    )
    environment = {**os.environ, "TINYDL_KERNELS": value}
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("value", "output"), [("reference", "True 3.0"), ("compiled", "False 3.0")])
def test_the_environment_chooses_the_kernels_of_a_process(value: str, output: str) -> None:
    process = in_a_process_with(value)
    assert process.stdout.strip() == output, process.stderr


def test_the_environment_refuses_other_names() -> None:
    process = in_a_process_with("fast")
    assert process.returncode != 0
    assert "ValueError: TINYDL_KERNELS: expected one of ['compiled', 'reference'], got 'fast'" in process.stderr
