"""Definitions and twins: each has its counterpart, each pair is compared, and one switch selects which ones run."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.kernels.comparing import Compared, normal
from tinydl import Model, kernels
from tinydl.kernels import PAIRS, twins
from tinydl.kernels.twins import Pair
from tinydl.layers import ContractivePenalty, Dense
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import SGD, Adam, RMSprop

# --- pairs ------------------------------------------------------------------------------------------------------------


def public_functions() -> list[tuple[str, Callable[..., Any]]]:
    """The public functions of all modules and packages in kernels/ except machine/ and twins.py."""
    found = []
    for entry in pkgutil.iter_modules(kernels.__path__, "tinydl.kernels."):
        if entry.name not in ("tinydl.kernels.machine", "tinydl.kernels.twins"):
            module = importlib.import_module(entry.name)
            own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == entry.name]
            names = getattr(module, "__all__", [name for name in own if not name.startswith("_")])
            found += [(f"{entry.name}.{name}", getattr(module, name)) for name in names]
    return [(name, value) for name, value in found if callable(value) and not isinstance(value, type)]


def test_every_public_kernel_is_the_twin_of_one_definition() -> None:
    twins = [pair.twin for pair in PAIRS]
    functions = dict(public_functions())
    assert {"tinydl.kernels.dense.backward", "tinydl.kernels.convolution.im2col"} < set(functions)
    layers_are_its_definition = {"tinydl.kernels.span.steps"}  # compared in tests/training/test_spans.py
    others = functions.keys() - layers_are_its_definition
    assert [name for name in others if twins.count(functions[name]) != 1] == []
    assert len(others) == len(PAIRS)


def test_a_definition_lives_outside_kernels_and_says_what_it_computes() -> None:
    for pair in PAIRS:
        file = Path(inspect.getfile(pair.definition)).resolve()
        assert Path(kernels.__path__[0]).resolve() not in file.parents, pair.name
        assert pair.holder is vars(sys.modules[pair.definition.__module__])
        assert pair.name == pair.definition.__name__
        assert inspect.getdoc(pair.definition), pair.name
        assert kernels.definition_of(pair.twin) is pair.definition


def test_a_twin_takes_what_its_definition_takes() -> None:
    for name, _, definition, twin in PAIRS:
        wanted, taken = (list(inspect.signature(function).parameters.values()) for function in (definition, twin))
        if taken[-1].name == "way":  # convolution twins also take a method
            assert taken.pop().default is None
        assert [(each.name, each.default) for each in taken] == [(each.name, each.default) for each in wanted], name


def test_every_pair_is_compared_in_this_folder() -> None:
    source = "".join(path.read_text() for path in Path(__file__).parent.rglob("test_*.py") if path != Path(__file__))
    missing = [pair.name for pair in PAIRS if f'Compared("{pair.name}"' not in source]
    assert not missing, (
        f"no test compares the twins of {missing}: use Compared(name) in a test file of {Path(__file__).parent}"
    )


# Mistakes that Compared must find: each of these twins differs from its definition in one way.
def _by_a_digit(p: np.ndarray, g: np.ndarray, *rest: Any) -> None:
    _sgd(p, g, *rest)
    p *= 1 + 1e-5


def _of_another_dtype(p: np.ndarray, g: np.ndarray, *rest: Any) -> np.ndarray:
    _sgd(p, g, *rest)
    return p.astype(np.float64)


def _writes_into_g(p: np.ndarray, g: np.ndarray, *rest: Any) -> None:
    _sgd(p, g, *rest)
    g[0] = 0


def _gives_nan(p: np.ndarray, g: np.ndarray, *rest: Any) -> None:
    p[0] = np.nan


def _hands_g_out(p: np.ndarray, g: np.ndarray, *rest: Any) -> np.ndarray:
    _sgd(p, g, *rest)
    return g[:1]


_sgd = Compared("sgd").pair.definition


@pytest.mark.parametrize("wrong", [_by_a_digit, _of_another_dtype, _writes_into_g, _gives_nan, _hands_g_out])
def test_a_wrong_twin_is_found(wrong: Callable[..., Any]) -> None:
    compared = Compared("sgd", changes=["p", "v"], rounding={np.float32: 2e-6})
    p, g = normal(np.float32, 5, 5)
    compared(p, g, p[:0], 0.1, 0.0, False, 0.0)
    compared.pair = compared.pair._replace(twin=wrong)
    with pytest.raises((AssertionError, ValueError)):
        compared(p, g, p[:0], 0.1, 0.0, False, 0.0)


# --- the switch -------------------------------------------------------------------------------------------------------


def bound_to(mode: str) -> bool:
    functions = [pair.twin if mode == "compiled" else pair.definition for pair in PAIRS]
    return [pair.holder[pair.name] for pair in PAIRS] == functions


def test_using_binds_every_name() -> None:
    for mode in ("compiled", "reference"):
        with kernels.using(mode):
            assert bound_to(mode)


def test_using_nests_and_ends_with_its_block_also_after_an_error() -> None:
    with kernels.using("reference"):
        with kernels.using("compiled"):
            assert bound_to("compiled")
        assert bound_to("reference")
        for mode in ("reference", "compiled"):
            with pytest.raises(KeyError), kernels.using(mode):
                raise KeyError
            assert bound_to("reference")


def train(optimizer: Any) -> tuple[list[float], list[np.ndarray]]:
    x = np.random.default_rng(0).normal(size=(16, 6))
    layers = [ContractivePenalty(Dense(5, "sigmoid"), 0.1), Dense(4, "relu", use_bias=False), Dense(6)]
    model = Model(layers, 6, dtype="float64")
    model.compile(optimizer, MeanSquaredError())
    return [model.train_on_batch(x, x) for _ in range(5)], model.get_weights()


@pytest.mark.parametrize("make", [Adam, lambda: SGD(0.1, momentum=0.9), RMSprop], ids=["adam", "sgd", "rmsprop"])
def test_training_on_the_definitions_gives_the_same_result(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with kernels.using("compiled"):
        losses, weights = train(make())
    called = set()
    with kernels.using("reference"):
        for pair in PAIRS:  # count calls to prove that the definitions run

            def counted(*arguments: Any, pair: Pair = pair) -> Any:
                called.add(pair.name)
                return pair.definition(*arguments)

            monkeypatch.setitem(pair.holder, pair.name, counted)
        expected_losses, expected_weights = train(make())
        monkeypatch.undo()
    used = {"dense_forward", "dense_backward", "mean_squared_error", "mean_squared_error_gradient"}
    assert used | {type(make()).__name__.lower()} <= called
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-12)
    for weight, expected in zip(weights, expected_weights, strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-12, atol=1e-12)


def test_a_mode_that_cannot_be_is_refused_by_the_name_of_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"kernels: expected one of \['compiled', 'reference'\], got 'numba'"), \
         kernels.using("numba"):  # fmt: skip
        pass
    with pytest.raises(ValueError, match=r"^TINYDL_KERNELS: expected one of .*, got 'fast'$"):
        twins._switch("TINYDL_KERNELS", "fast")
    monkeypatch.setattr(twins, "COMPILES", False)
    with pytest.raises(RuntimeError, match=r"^TINYDL_KERNELS: NUMBA_DISABLE_JIT switches Numba's compiler off"):
        twins._switch("TINYDL_KERNELS", "compiled")


# --- processes --------------------------------------------------------------------------------------------------------

SCRIPT = """
    import numpy as np
    from tinydl import Model, kernels, layers, losses, optimizers

    print(all(pair.holder[pair.name] is pair.definition for pair in kernels.PAIRS))
    try:
        with kernels.using("compiled"):
            print("compiled")
    except RuntimeError as error:
        print(error)
    x = np.random.default_rng(0).standard_normal((6, 7, 5, 3)).astype(np.float32)
    chain = [layers.Conv2D(16, 3, activation="relu"), layers.MaxPool2D(2), layers.Flatten(), layers.Dense(4, "tanh")]
    model = Model(chain, (7, 5, 3), 0)
    model.compile(optimizers.Adam(0.01), losses.MeanSquaredError())
    print(model.predict(x).tobytes().hex(), model.train_on_batch(x, np.ones((6, 4), np.float32)))
    print(np.concatenate([weight.ravel() for weight in model.get_weights()]).tobytes().hex())
"""


def process_with(**environment: str) -> list[str]:
    """The output of SCRIPT: whether every name is bound to its definition, the result of using("compiled"), a network's
    predictions, its loss, and its weights after a step."""
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT)], capture_output=True, text=True, check=False,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    return process.stdout.splitlines()


def test_the_environment_chooses_and_without_numbas_compiler_the_definitions_run() -> None:
    """Under NUMBA_DISABLE_JIT, meant for debugging, kernels cannot call BLAS and would return uninitialized memory."""
    bound, answer, *numbers = process_with(TINYDL_KERNELS="reference", NUMBA_DISABLE_JIT="0")
    assert (bound, answer) == ("True", "compiled")
    bound, answer, *without = process_with(TINYDL_KERNELS="", NUMBA_DISABLE_JIT="1")
    assert bound == "True"
    assert answer == "kernels: NUMBA_DISABLE_JIT switches Numba's compiler off: only 'reference' can run"
    assert without == numbers
