"""The gradient check where NumPy and pytest alone are installed: the functions, the commands and the pytest plugin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tinydl

HOME = Path(tinydl.__file__).parents[1]
FORBIDDEN = ("numba", "llvmlite", "scipy", "sklearn", "matplotlib", "tqdm", "threadpoolctl", "safetensors", "torch")

# Every Python process that is started with this folder in PYTHONPATH runs this first.
SITECUSTOMIZE = f"""
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {FORBIDDEN}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""
LAYERS = """
import numpy as np

class Swish:
    def forward(self, x):
        self.x, self.s = x, 1 / (1 + np.exp(-x))
        return x * self.s
    def backward(self, dy):
        return dy * (self.s + self.x * self.s * (1 - self.s))

class Squares:
    def forward(self, y_pred, y_true):
        self.d = y_pred - y_true
        return (self.d**2).mean()
    def backward(self):
        return 2 * self.d / self.d.size
"""
PROGRAM = f"""
import tinydl
from tinydl.gradcheck import check_function, check_layer, check_loss, check_model, numerical_gradient
import numpy as np
from layers import Squares, Swish

assert check_layer(Swish(), (5, 3)).passed
assert check_layer(Swish(), (5, 3), mode="directional").passed
assert check_function(np.sin, lambda dy, x: dy * np.cos(x), (5, 3)).passed
assert check_loss(Squares(), (5, 3), np.ones((5, 3))).passed
assert check_model(Swish(), (5, 3), np.ones((5, 3)), loss=Squares()).passed
assert {{"Model", "models", "show_config"}} <= set(dir(tinydl))
try:
    tinydl.Model
except ModuleNotFoundError as error:
    assert error.name in {FORBIDDEN}, error.name
else:
    raise AssertionError("Model was imported")
"""


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    (tmp_path / "sitecustomize.py").write_text(SITECUSTOMIZE)
    (tmp_path / "layers.py").write_text(LAYERS)
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "test_layers.py").write_text(
        "from layers import Swish\ndef test_swish(gradcheck):\n    assert gradcheck(Swish(), (5, 3)).passed\n"
    )
    return tmp_path


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(HOME)])}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # the plugins of other packages may import anything
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_others_are_really_absent(alone: Path) -> None:
    for name in ("numba", "scipy.linalg"):
        done = run(alone, "-c", f"import {name}")
        assert "ModuleNotFoundError" in done.stderr


def test_the_checks(alone: Path) -> None:
    done = run(alone, "program.py")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_commands(alone: Path) -> None:
    done = run(alone, "-m", "tinydl", "gradcheck", "layers.py", "--shape", "5,3", "--timeout", "60")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 checks, 0 failed" in done.stdout
    tests = f"{sys.executable} -m pytest -q -p tinydl.gradcheck.pytest_plugin test_layers.py"
    done = run(alone, "-m", "tinydl", "mutants", "layers.py:Swish", "--shape", "5,3", "--limit", "3", "--tests", tests)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 of " in done.stdout
    done = run(alone, "-m", "tinydl", "gradcheck")
    assert done.returncode == 2
    assert "that of your own layers needs only NumPy: pass a TARGET" in done.stderr


def test_the_fixture(alone: Path) -> None:
    done = run(
        alone, "-m", "pytest", "-q", "-p", "tinydl.gradcheck.pytest_plugin", "--gradcheck-report", "test_layers.py"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Swish" in done.stdout
