"""Measure how far equal units drift apart because matrix products round differently at their edges.

    python -m benchmarks.symmetry

All weights start at 0.1, so all hidden units get equal gradients. BLAS may add up the last columns of a product in
another order than the others. The table shows the largest difference between the weights of two units.
"""

from __future__ import annotations

import numpy as np

from tinydl import Model
from tinydl.layers import Dense
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import SGD, Adam


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((512, 29)).astype(np.float32)
    y = np.sin(x @ rng.standard_normal((29, 3)).astype(np.float32))
    print("optimizer  units  dtype    after 160 steps  after 1,600 steps")
    for optimizer in (SGD, Adam):
        for units in (4, 16, 17, 40):
            for dtype in ("float32", "float64"):
                model = Model([Dense(units, "tanh"), Dense(3)], 29, dtype=dtype)
                for layer in model.layers:
                    layer.params["W"][...] = 0.1
                model.compile(optimizer(0.01), MeanSquaredError())
                W, differences = model.layers[0].params["W"], []
                for epochs in (10, 100):
                    model.fit(x, y, epochs=epochs, batch_size=32, shuffle=False, verbose=0, initial_epoch=model.epoch)
                    differences.append(np.ptp(W, axis=1).max())
                print(f"{optimizer.__name__:9}  {units:5}  {dtype}  {differences[0]:15.0e}  {differences[1]:17.0e}")


if __name__ == "__main__":
    main()
