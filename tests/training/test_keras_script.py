"""A script written for Keras runs with its imports and the line that builds the model changed, to Keras's figures.

The same script, on Keras, is `script` in golden/make_keras_fit.py; both start from the weights recorded there. What did not
have to change: strings, validation_split, class_weight, callbacks, freezing, sample weights and validation_freq.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tinydl import Model, callbacks, layers

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "keras_fit.json").read_text())["script"]


def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5))
    classes = (x[:, 0] > 0.3).astype(int) + (x[:, 1] > 0)
    return x, classes, rng.uniform(0.2, 2.0, size=60)


def script(initial: Any) -> tuple[Any, Any, Any, Any]:
    x, classes, weights = data()
    model = Model(
        [layers.Dense(6, activation="relu"), layers.Dense(3, name="head"), layers.Softmax()],
        input_shape=5,
        dtype="float64",
    )
    model.set_weights(initial)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)
    slower = callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1)
    first = model.fit(
        x, classes, batch_size=8, epochs=6, validation_split=0.25, class_weight={0: 1.0, 1: 2.0, 2: 0.5},
        callbacks=[stop, slower], shuffle=False, verbose=0,
    )  # fmt: skip
    model.layers[0].trainable = False
    model.compile(optimizer="rmsprop", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    second = model.fit(
        x, classes, sample_weight=weights, batch_size=8, epochs=9, initial_epoch=6, shuffle=False, verbose=0,
        validation_data=(x, classes), validation_freq=3,
    )  # fmt: skip
    return first, second, model.evaluate(x, classes, verbose=0), model


def test_the_script_reaches_keras_figures() -> None:
    first, second, figures, model = script(GOLDEN["initial"])
    for ours, theirs in ((first.history, GOLDEN["first"]), (second.history, GOLDEN["history"])):
        for name in theirs:
            if name != "learning_rate":  # Keras adds it where ReduceLROnPlateau is used
                np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-6)
    np.testing.assert_allclose(figures, GOLDEN["evaluate"], rtol=1e-6)
    for ours, theirs in zip(model.get_weights(), GOLDEN["final"], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)
