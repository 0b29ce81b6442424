"""`python -m tinydl warmup` compiles every kernel that the library's networks need in float32."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tinydl.files import write_whole
from tinydl.kernels.machine.cache import folder
from tinydl.kernels.machine.compile import COMPILES

NETWORKS = """
import numpy as np
from numba.core import event
from tinydl import Model, layers, models
from tinydl.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import SGD, Adam

class Compiled(event.Listener):
    def on_start(self, event):
        print(event.data["dispatcher"].py_func.__qualname__)

    def on_end(self, event): ...

event.register("numba:compile", Compiled())
rng = np.random.default_rng(0)

def train(model, loss, rows=3):
    x = rng.standard_normal((rows, *model.input_shape))
    y = np.arange(rows) % 2 if isinstance(loss, SoftmaxCrossEntropy) else rng.random((rows, *model.output_shape))
    model.compile(Adam(weight_decay=0.1), loss)
    model.fit(x, y, verbose=0)
    model.evaluate(x, y)

for name in models.__all__:
    make = getattr(models, name)
    if name.endswith("autoencoder"):
        train(make(7), MeanSquaredError(), 200)
    elif name in ("resnet", "googlenet"):
        train(make(input_shape=(64, 64, 3)), SoftmaxCrossEntropy())
    elif name in ("alexnet", "vgg"):  # too large; their layers follow
        continue
    else:
        train(make(), SoftmaxCrossEntropy())
convolutions = [layers.Conv2D(8, 11, 4), layers.LocalResponseNorm(), layers.MaxPool2D(3, 2), layers.Conv2D(128, 3),
                layers.Conv2D(130, 3, padding="same"), layers.Conv2D(5, 1, activation="sigmoid")]
rows = [layers.Flatten(), layers.Dense(30, "tanh"), layers.BatchNorm(activation="sigmoid"), layers.KLSparsity(0.1, 0.1),
        layers.LayerNorm(), layers.GaussianNoise(0.1), layers.LeakyReLU(0.1), layers.Tanh(), layers.Dense(1)]
train(Model([*convolutions, *rows], (67, 59, 3)), BinaryCrossEntropy())
"""


def tinydl(cache: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "TINYDL_QUIET": "1", **more}
    return subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.skipif(not COMPILES, reason="NUMBA_DISABLE_JIT is set, so nothing is compiled")
def test_after_warmup_nothing_is_compiled(tmp_path: Path) -> None:
    first = tinydl(tmp_path, "-m", "tinydl", "warmup")
    assert first.returncode == 0, first.stderr
    head, *steps, last = first.stdout.splitlines()
    assert head.startswith(f"Compiling into {tmp_path}/kernels-")
    assert len(steps) == 8
    assert all(line.endswith(" s") for line in steps)
    count = len(list(tmp_path.glob("*/*.nbc")))
    assert f": {count} new kernels; {count} files, " in last
    for file in tmp_path.glob("*/*.nbc"):  # the other tests need the same kernels
        if not (folder() / file.name).exists():
            write_whole(folder() / file.name, file.read_bytes(), durable=False)
    used = tinydl(tmp_path, "-c", NETWORKS)
    assert (used.returncode, used.stdout) == (0, ""), used.stderr
    assert ": no new kernel; " in tinydl(tmp_path, "-m", "tinydl", "warmup").stdout


def test_without_a_compiler_there_is_nothing_to_do(tmp_path: Path) -> None:
    done = tinydl(tmp_path, "-m", "tinydl", "warmup", TINYDL_KERNELS="reference")
    assert done.returncode == 0
    assert done.stdout.startswith("Nothing to compile: ")
    assert not list(tmp_path.iterdir())
