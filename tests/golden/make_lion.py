"""Record steps of Keras's Lion on JAX, in float64, with which the tests compare tinydl.

    KERAS_BACKEND=jax JAX_ENABLE_X64=1 python tests/golden/make_lion.py     (written with Keras 3.15 and JAX 0.10)

This file does not import tinydl, and no test imports this file. JSON stores float64 exactly.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

HERE = Path(__file__).parent
keras.config.set_floatx("float64")


def write(name: str, cases: dict[str, Any]) -> None:
    lines = [f"{json.dumps(key)}: {json.dumps(case, allow_nan=False)}" for key, case in cases.items()]
    (HERE / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


def lion(rng: np.random.Generator) -> dict[str, Any]:
    """A vector of parameters after each of six steps with given gradients."""
    start, gradients = rng.normal(size=7).round(3), rng.normal(size=(6, 7)).round(3)
    cases: dict[str, Any] = {"start": start.tolist(), "gradients": gradients.tolist()}
    for arguments in (
        {"learning_rate": 0.01}, {"learning_rate": 0.02, "beta_1": 0.5, "beta_2": 0.7},
        {"learning_rate": 0.01, "weight_decay": 0.3},
    ):  # fmt: skip
        optimizer, variable = keras.optimizers.Lion(**arguments), keras.Variable(start, dtype="float64")
        optimizer.build([variable])
        steps = []
        for g in gradients:
            optimizer.apply([keras.ops.convert_to_tensor(g, dtype="float64")])
            steps.append(np.asarray(variable.value).tolist())
        cases[json.dumps(arguments)] = steps
    return cases


if __name__ == "__main__":
    write("lion_keras", lion(np.random.default_rng(1)))
