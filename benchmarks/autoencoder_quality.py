"""Does tinydl learn as well as PyTorch, given the same splits, networks, recipes and evaluation?

    python -m benchmarks.autoencoder_quality --data creditcard.csv [--seeds 10]

Both libraries train the book's vanilla autoencoder (and, with --deep, the deep one) under the book's protocol:
Glorot uniform, Adam with epsilon 1e-7, batches of 64. Runs with the same seed share their split but not their random
numbers, so each pair differs; the mean difference and its standard error decide. PyTorch comes with the extra
`benchmarks`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.suite.libraries import pytorch
from benchmarks.suite.plan import of
from tinydl import Model, models
from tinydl.datasets import creditcard
from tinydl.detection import detection_metrics, reconstruction_error
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import Adam

sys.path.append(str(Path(__file__).resolve().parents[1] / "examples" / "fraud"))
from report import BOOK_PREVALENCE
from splits import book_split

BATCH_SIZE, FEATURES = 64, 29
NETWORKS: dict[str, tuple[Callable[..., Model], float, int]] = {
    "vanilla": (models.vanilla_autoencoder, 1e-4, 30),
    "deep": (models.deep_autoencoder, 5e-5, 50),
}


class Predictor:
    """A PyTorch network with the method `predict` that reconstruction_error calls."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model

    @torch.no_grad()
    def predict(self, x: np.ndarray, batch_size: int) -> np.ndarray:
        return self.model(torch.from_numpy(x)).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="creditcard.csv or its folder (default: the folder that TINYDL_DATA names)")
    parser.add_argument("--download", action="store_true", help="download the file from OpenML if it is missing")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--deep", action="store_true", help="also train the deep autoencoder")
    args = parser.parse_args()
    try:
        data = creditcard.load(args.data, download=args.download)
    except (OSError, ValueError) as trouble:
        parser.error(str(trouble))
    torch.set_num_threads(1)
    for name in ("vanilla", "deep") if args.deep else ("vanilla",):
        build, rate, epochs = NETWORKS[name]
        figures: dict[str, list[float]] = {"tinydl": [], "PyTorch": []}
        for seed in range(args.seeds):
            split = book_split(data, seed)
            ours = build(FEATURES, seed=seed)
            ours.compile(Adam(rate, epsilon=1e-7), MeanSquaredError())
            x = split.x_train
            if ours.fit(x, x, epochs=epochs, batch_size=BATCH_SIZE, verbose=0).interrupted:
                raise KeyboardInterrupt
            torch.manual_seed(seed)
            theirs = pytorch.chain(of(ours))
            optimizer = torch.optim.Adam(theirs.parameters(), rate, eps=1e-7, fused=True)
            step = pytorch.rows_loop(theirs, optimizer, x, BATCH_SIZE)
            for _ in range(epochs * (len(x) // BATCH_SIZE)):
                step()
            for side, model in (("tinydl", ours), ("PyTorch", Predictor(theirs))):
                metrics = detection_metrics(split.y_test, reconstruction_error(model, split.x_test), [BOOK_PREVALENCE])
                figures[side].append(metrics["at_prevalence"]["0.00858"]["average_precision"])
            print(f"{name}, seed {seed}: " + ", ".join(f"{side} {values[-1]:.4f}" for side, values in figures.items()))
        difference = np.subtract(figures["tinydl"], figures["PyTorch"])
        for side, values in figures.items():
            print(f"{name}, {side}: average precision at 0.858 % {np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}")
        error = difference.std(ddof=1) / len(difference) ** 0.5
        print(f"{name}, paired difference: {difference.mean():+.4f}, standard error {error:.4f}", flush=True)


if __name__ == "__main__":
    main()
