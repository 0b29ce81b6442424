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
from pathlib import Path

import numpy as np
import torch

from benchmarks.autoencoder_fit import BATCH_SIZE, FEATURES, NETWORKS, torch_epoch, torch_network
from tinydl.datasets import creditcard
from tinydl.detection import detection_metrics, reconstruction_error
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import Adam

sys.path.append(str(Path(__file__).resolve().parents[1] / "examples" / "fraud"))
from report import BOOK_PREVALENCE
from splits import book_split

EPOCHS = {"vanilla": 30, "deep": 50}


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
    for name in ("vanilla", "deep") if args.deep else ("vanilla",):
        build, sizes, rate = NETWORKS[name]
        figures: dict[str, list[float]] = {"tinydl": [], "PyTorch": []}
        for seed in range(args.seeds):
            split = book_split(data, seed)
            ours = build(FEATURES, seed=seed)
            ours.compile(Adam(rate, epsilon=1e-7), MeanSquaredError())
            x = split.x_train
            if ours.fit(x, x, epochs=EPOCHS[name], batch_size=BATCH_SIZE, verbose=0).interrupted:
                raise KeyboardInterrupt
            theirs, optimizer = torch_network(sizes, rate, {"fused": True}, seed)
            epoch = torch_epoch(theirs, optimizer, split.x_train)
            for _ in range(EPOCHS[name]):
                epoch()
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
