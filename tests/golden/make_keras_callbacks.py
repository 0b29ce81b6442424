"""Record what Keras's EarlyStopping and ReduceLROnPlateau do with given figures, and values of Keras's metrics.

    KERAS_BACKEND=torch python tests/golden/make_keras_callbacks.py     (written with Keras 3.15 and PyTorch 2.13)

The callbacks run in Keras's fit; a callback before them replaces each epoch's val_loss by the given figure, and the
weight by the epoch's number. This file does not import tinydl, and no test imports this file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

HERE = Path(__file__).parent
keras.config.set_floatx("float64")


class Scripted(keras.callbacks.Callback):
    def __init__(self, figures: list[float]) -> None:
        super().__init__()
        self.figures = figures

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        logs["val_loss"] = self.figures[epoch]
        self.model.set_weights([np.array([[float(epoch)]])])


class Rates(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.rates: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        self.rates.append(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))


def run(figures: list[float], callback: Any) -> tuple[float, list[float]]:
    """The weight at the end and the rates after each epoch, of which there are as many as epochs."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    x, rates = np.zeros((1, 1)), Rates()
    model.fit(x, x, epochs=len(figures), verbose=0, callbacks=[Scripted(figures), callback, rates])
    return float(np.asarray(model.get_weights()[0]).item()), rates.rates


def sequences(rng: np.random.Generator) -> list[list[float]]:
    """Random walks of different lengths, on a grid, so that ties and changes of exactly min_delta happen."""
    return [(np.round(np.cumsum(rng.normal(size=n)) * 2) / 8).tolist() for n in (1, 2, 5, 9, 16, 16, 16, 25)]


def main() -> None:
    rng = np.random.default_rng(3)
    walks, cases = sequences(rng), []
    for stop in (
        {}, {"patience": 1}, {"patience": 3}, {"patience": 2, "min_delta": 0.25}, {"patience": 2, "mode": "max"},
        {"patience": 3, "baseline": -0.5}, {"patience": 2, "baseline": 0.25, "mode": "max"},
        {"patience": 2, "start_from_epoch": 4}, {"start_from_epoch": 2, "baseline": 0.0, "min_delta": 0.125},
    ):  # fmt: skip
        for walk in walks:
            callback = keras.callbacks.EarlyStopping(restore_best_weights=True, **stop)
            weight, rates = run(walk, callback)
            cases.append(["EarlyStopping", stop, walk, len(rates), weight])
    for reduce in (
        {"patience": 1}, {"patience": 0, "factor": 0.5}, {"patience": 2, "factor": 0.5, "min_delta": 0.25},
        {"patience": 2, "factor": 0.5, "cooldown": 2}, {"patience": 1, "factor": 0.2, "cooldown": 1, "mode": "max"},
        {"patience": 1, "factor": 0.5, "min_lr": 0.1}, {"patience": 1, "factor": 0.5, "min_lr": 0.75},
    ):  # fmt: skip
        for walk in walks:
            cases.append(
                ["ReduceLROnPlateau", reduce, walk, *run(walk, keras.callbacks.ReduceLROnPlateau(**reduce))[1:]]
            )
    lines = ",\n".join(json.dumps(case, allow_nan=False) for case in cases)
    (HERE / "callbacks_keras.json").write_text(f"[\n{lines}\n]\n")


def metrics() -> None:
    """Keras's metrics on seeded data, with probabilities where Keras wants them."""
    rng = np.random.default_rng(4)
    logits, labels = rng.normal(size=(40, 6)).round(3), rng.integers(0, 6, 40)
    one, yes = rng.normal(size=(30, 1)).round(3), rng.integers(0, 2, (30, 1))
    several, answers = rng.normal(size=(20, 3)).round(3), rng.integers(0, 2, (20, 3))
    p, y = rng.normal(size=(15, 2)).round(3), rng.normal(size=(15, 2)).round(3)
    one_hot, m = np.eye(6)[labels], keras.metrics

    def sigmoid(z: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-z))

    recorded = [
        ("accuracy", labels, logits, m.SparseCategoricalAccuracy(), labels, logits),
        ("accuracy", one_hot, logits, m.CategoricalAccuracy(), one_hot, logits),
        ("accuracy", yes, one, m.BinaryAccuracy(), yes, sigmoid(one)),
        ("accuracy", answers, several, m.BinaryAccuracy(), answers, sigmoid(several)),
        ("top_k_accuracy", labels, logits, m.SparseTopKCategoricalAccuracy(5), labels, logits),
        ("precision", yes, one, m.Precision(), yes, sigmoid(one)),
        ("recall", yes, one, m.Recall(), yes, sigmoid(one)),
        ("f1", yes, one, m.F1Score(threshold=0.5), yes, sigmoid(one)),
        ("f1", one_hot, logits, m.F1Score("macro"), one_hot, logits),
        ("f1", answers, several, m.F1Score("macro", threshold=0.5), answers, sigmoid(several)),
        ("r2", y, p, m.R2Score(), y, p),
        ("mean_absolute_error", y, p, m.MeanAbsoluteError(), y, p),
        ("mean_squared_error", y, p, m.MeanSquaredError(), y, p),
        ("root_mean_squared_error", y, p, m.RootMeanSquaredError(), y, p),
    ]
    lines = []
    for name, true, predicted, metric, keras_true, keras_predicted in recorded:
        metric.update_state(keras_true, keras_predicted)
        value = float(np.squeeze(keras.ops.convert_to_numpy(metric.result())))
        lines.append(json.dumps([name, true.tolist(), predicted.tolist(), value]))
    (HERE / "metrics_keras.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
    metrics()
