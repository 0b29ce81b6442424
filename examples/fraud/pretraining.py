"""Does an autoencoder's training without labels help a classifier that has few labels?"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from continued import continued
from recipes import BATCH_SIZE
from report import PREVALENCES, summarise
from sklearn.model_selection import train_test_split
from splits import honest_split
from training import Options

from tinydl import Model, models
from tinydl.callbacks import EarlyStopping
from tinydl.datasets.creditcard import Transactions
from tinydl.detection import detection_metrics
from tinydl.layers import Dense
from tinydl.losses import BinaryCrossEntropy, MeanSquaredError
from tinydl.optimizers import Adam


def pretrain(data: Transactions, seeds: int, options: Options) -> dict[str, Any]:
    """Compare a classifier that starts from a denoising encoder with one that starts from random weights.

    Both classifiers are 29 - 40 relu - 1; one starts with random weights, the other with the denoising encoder. They
    train on normal rows and the honest split's calibration frauds (all, or a tenth), and are tested on its test rows.
    """
    results: dict[str, list[dict[str, Any]]] = {}
    settings = options.settings(data)
    how: dict[str, Any] = {"epochs": options.epochs or 30, "batch_size": BATCH_SIZE, "verbose": 0}
    for seed in range(seeds):
        split = honest_split(data, seed)
        assert split.x_calibration is not None
        assert split.y_calibration is not None
        autoencoder = models.denoising_autoencoder(split.x_train.shape[1], seed=seed)
        autoencoder.compile(Adam(1e-3), MeanSquaredError())
        x = split.x_train
        checkpoint, path = continued(options.out, f"pretraining-seed{seed}", settings, options.resume)
        if autoencoder.fit(x, x, callbacks=[checkpoint], resume=path, **how).interrupted:
            raise KeyboardInterrupt
        encoder = autoencoder.get_weights()[:2]
        for share in (1.0, 0.1):
            frauds = np.flatnonzero(split.y_calibration == 1)
            frauds = frauds[: math.ceil(share * len(frauds))]
            normal = np.flatnonzero(split.y_calibration == 0)
            x = np.concatenate([split.x_train, split.x_calibration[normal], split.x_calibration[frauds]])
            y = np.repeat([0, 1], [len(x) - len(frauds), len(frauds)])
            x, x_val, y, y_val = train_test_split(x, y, test_size=0.2, stratify=y, random_state=seed)
            for start in ("scratch", "pretrained"):
                model = Model([Dense(len(encoder[1]), "relu"), Dense(1)], x.shape[1], seed=seed)
                if start == "pretrained":
                    model.set_weights(encoder + model.get_weights()[2:])
                model.compile(Adam(1e-3), BinaryCrossEntropy())
                best = EarlyStopping(patience=5, restore_best_weights=True)
                run_name = f"classifier-{start}-{len(frauds)}-seed{seed}"
                checkpoint, path = continued(options.out, run_name, settings, options.resume)
                callbacks = [best, checkpoint]
                if model.fit(x, y, validation_data=(x_val, y_val), callbacks=callbacks, resume=path, **how).interrupted:
                    raise KeyboardInterrupt
                metrics = detection_metrics(split.y_test, model.predict(split.x_test)[:, 0], PREVALENCES)
                name = f"classifier ({start}), {len(frauds)} training frauds"
                results.setdefault(name, []).append(metrics)
                print(f"seed {seed}, {name}: average precision {metrics['average_precision']:.3f}", flush=True)
    return {name: summarise(reports) for name, reports in results.items()}
