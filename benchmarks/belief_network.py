"""Does pre-training help? Digits, read by a deep belief network and by its rivals, with all labels and with few.

    python -m benchmarks.belief_network [--seeds 5]          # about three minutes
    python -m benchmarks.belief_network --choose --seeds 3   # how the settings were chosen; likewise

Each seed splits scikit-learn's digits anew (datasets.digits.load) into 1,437 rows for training and 360 for the test,
and keeps the labels of 100, 10 or 3 % of the training rows, with all classes in proportion. Stacks of 64-256-512 units
are trained on all training rows, which needs no labels. The ways to a classifier:

    the book                  k = 2, rate 0.05, 20 epochs, no momentum; logistic regression (C = 10,000) on the features
    stack, regression         DeepBeliefNetwork(finetune=False): its default RBMs, then the same regression
    stack, fine-tuned         DeepBeliefNetwork(), the default
    from scratch              the same sigmoid layers with the same fine-tuning, from Glorot's random weights
    from scratch, relu        the same sizes with relu, from He's random weights
    no training, regression   the same regression on features of sigmoid layers with Glorot's random weights
    pixels, regression        logistic regression with scikit-learn's default C on the pixels
    pixels, SVM               scikit-learn's SVC() on the pixels, for scale

Networks take as many steps with few labels as with all (100 epochs of 45 batches), so that none is undertrained. The
table gives the mean accuracy on the test rows and the standard deviation over the seeds. The sentences below it compare
the ways on the same seeds; a difference counts if it exceeds twice its standard error.

--choose looks at training rows only: it holds a fifth of them out, and prints the accuracy there for several settings
of the RBMs, and for two rates of each kind of network.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC
from tqdm import tqdm

from tinydl import Model
from tinydl.datasets import digits
from tinydl.datasets.images import Images
from tinydl.files import markdown_table
from tinydl.layers import Dense, Layer
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import Adam
from tinydl.unsupervised import DeepBeliefNetwork

SHARES = (1.0, 0.1, 0.03)
STEPS, BATCH = 100 * 45, 32
BOOK = {"learning_rate": 0.05, "n_iter": 20, "k": 2, "momentum": 0.0}
STACKS: dict[str, dict[str, float]] = {
    "the book": BOOK,
    "rate 0.1, 20 epochs": {"learning_rate": 0.1, "n_iter": 20},
    "rate 0.1, 50 epochs": {"learning_rate": 0.1, "n_iter": 50},
    "the default: rate 0.05, 50 epochs": {},
}
RATES = {"from scratch": 3e-3, "from scratch, relu": 1e-3}  # Adam's, chosen by --choose
TUNED, SCRATCH, RELU = "stack, fine-tuned", "from scratch", "from scratch, relu"
COMPARED = [(TUNED, SCRATCH), (TUNED, RELU), ("stack, regression", "no training, regression"),
            ("stack, regression", "pixels, regression")]  # fmt: skip

Rows = tuple[NDArray, NDArray]
Score = Callable[[Rows], float]  # of the labeled rows: the accuracy on the test rows


def flat(images: Images) -> Rows:
    x, y = images.take(np.arange(len(images)))
    return x.reshape(len(x), -1), y


def labeled(rows: Rows, share: float, seed: int) -> Rows:
    """A share of the rows, with all classes in proportion."""
    if share == 1:
        return rows
    x, _, y, _ = train_test_split(*rows, train_size=share, stratify=rows[1], random_state=seed)
    return x, y


def hidden(activation: str) -> list[Layer]:
    initializer = "he_normal" if activation == "relu" else "glorot_uniform"
    return [Dense(units, activation, kernel_initializer=initializer) for units in (256, 512)]


def from_scratch(activation: str, rate: float, seed: int) -> Model:
    model = Model([*hidden(activation), Dense(10)], 64, seed)
    model.compile(Adam(rate), SoftmaxCrossEntropy(), metrics=["accuracy"])
    return model


def tuned(model: Model, few: Rows, test: Rows) -> float:
    """The accuracy on the test rows after training on a few."""
    epochs = round(STEPS / math.ceil(len(few[1]) / BATCH))
    if model.fit(*few, epochs=epochs, batch_size=BATCH, verbose=0).interrupted:
        raise KeyboardInterrupt
    return model.evaluate(*test)[1]


def regression(features: Callable[[NDArray], NDArray], few: Rows, test: Rows, C: float = 1e4) -> float:
    model = LogisticRegression(C=C, max_iter=10_000).fit(features(few[0]), few[1])
    return float(model.score(features(test[0]), test[1]))


def stack(rows: Rows, seed: int, settings: dict[str, float]) -> DeepBeliefNetwork:
    return DeepBeliefNetwork(**settings, finetune=False, random_state=seed).fit(*rows)  # type: ignore[arg-type]


def ways(train: Rows, test: Rows, seed: int) -> dict[str, Score]:
    book, ours = stack(train, seed, BOOK), stack(train, seed, {})
    untrained = Model(hidden("sigmoid"), 64, seed)
    return {
        "the book": lambda few: regression(book.transform, few, test),
        "stack, regression": lambda few: regression(ours.transform, few, test),
        TUNED: lambda few: tuned(ours.to_model(), few, test),  # what fit does if all other rows are labeled -1
        SCRATCH: lambda few: tuned(from_scratch("sigmoid", RATES[SCRATCH], seed), few, test),
        RELU: lambda few: tuned(from_scratch("relu", RATES[RELU], seed), few, test),
        "no training, regression": lambda few: regression(untrained.predict, few, test),
        "pixels, regression": lambda few: regression(lambda x: x, few, test, C=1.0),
        "pixels, SVM": lambda few: float(SVC().fit(*few).score(*test)),
    }


def findings(found: dict[str, NDArray]) -> list[str]:
    """One sentence for each share and pair of ways; `found` (shares, seeds) are the accuracies."""
    said = []
    for one, other in COMPARED:
        gains = found[one] - found[other]
        for share, gain in zip(SHARES, gains, strict=True):
            mean, error = gain.mean(), gain.std(ddof=1) / math.sqrt(len(gain))
            verdict = "no clear difference" if abs(mean) <= 2 * error else "better" if mean > 0 else "worse"
            points = f"{100 * mean:+.1f} ± {100 * error:.1f} points"
            said.append(f"{share:4.0%} of the labels: {one} against {other}: {points}, {verdict}")
    return said


def choose(seeds: int) -> None:
    """Print the accuracy on held-out training rows for several settings."""
    found: dict[str, list[float]] = {}
    for seed in tqdm(range(seeds), unit="seed"):
        x, y = flat(digits.load(seed=seed).train)
        parts = train_test_split(x, y, test_size=0.2, stratify=y, random_state=seed)
        few, held_out = (parts[0], parts[2]), (parts[1], parts[3])
        for name, settings in STACKS.items():
            dbn = stack(few, seed, settings)
            found.setdefault(f"{name}: regression", []).append(regression(dbn.transform, few, held_out))
            for rate in (1e-3, 3e-3):
                dbn.finetune_learning_rate = rate
                accuracy = tuned(dbn.to_model(), few, held_out)
                found.setdefault(f"{name}: fine-tuned at {rate:g}", []).append(accuracy)
        for activation, rate in itertools.product(("sigmoid", "relu"), (1e-3, 3e-3)):
            accuracy = tuned(from_scratch(activation, rate, seed), few, held_out)
            found.setdefault(f"from scratch: {activation} at {rate:g}", []).append(accuracy)
    rows = [[name, f"{np.mean(values):.1%} ± {np.std(values, ddof=1):.1%}"] for name, values in found.items()]
    print(f"Accuracy on held-out training rows, {seeds} seeds:\n\n{markdown_table([['', 'accuracy'], *rows])}")


def compare(seeds: int) -> None:
    found: dict[str, list[list[float]]] = {}
    for seed in tqdm(range(seeds), unit="seed"):
        train, test = map(flat, digits.load(seed=seed))
        for name, score in ways(train, test, seed).items():
            found.setdefault(name, []).append([score(labeled(train, share, seed)) for share in SHARES])
    accuracies = {name: np.transpose(values) for name, values in found.items()}
    table = [["", *(f"{share:.0%} of the labels" for share in SHARES)]]
    for name, values in accuracies.items():
        table.append([name, *(f"{v.mean():.1%} ± {v.std(ddof=1):.1%}" for v in values)])
    print(f"Accuracy on the test rows, mean ± standard deviation over {seeds} seeds:\n\n{markdown_table(table)}\n")
    print(*findings(accuracies), sep="\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5, help="at least 2 (default 5)")
    parser.add_argument("--choose", action="store_true", help="compare settings on training rows")
    args = parser.parse_args()
    if args.seeds < 2:
        parser.error("--seeds must be at least 2, for a standard deviation")
    (choose if args.choose else compare)(args.seeds)


if __name__ == "__main__":
    main()
