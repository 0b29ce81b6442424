"""Records what Keras's fit, compile and evaluate give, in float64 and without shuffling: keras_fit.json.

    python -m venv keras && keras/bin/pip install keras==3.15.1 jax numpy
    KERAS_BACKEND=jax keras/bin/python tests/golden/make_keras_fit.py

Every case stores its initial weights, so that a test can start from the same ones.
"""

import json
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_ENABLE_X64", "1")

import keras
import numpy as np
from keras import layers

keras.config.set_floatx("float64")
keras.config.set_dtype_policy("float64")


def data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5))
    classes = (x[:, 0] > 0.3).astype(int) + (x[:, 1] > 0)
    return x, classes, rng.uniform(0.2, 2.0, size=60)


def network(*end, first=None):
    model = keras.Sequential([keras.Input((5,)), first or layers.Dense(6, activation="relu"), *end])
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(2)
    model.set_weights([rng.normal(scale=0.5, size=array.shape) for array in model.get_weights()])
    return model


def recorded(model, history, initial, **more):
    return {
        "initial": [w.tolist() for w in initial], "history": history.history,
        "final": [np.asarray(w).tolist() for w in model.get_weights()], **more,
    }  # fmt: skip


def run(end, loss, y, optimizer="sgd", metrics=(), **fit):
    x, _, _ = data()
    model = network(*end)
    initial = model.get_weights()
    model.compile(optimizer=optimizer, loss=loss, metrics=list(metrics))
    history = model.fit(x, y, epochs=4, batch_size=16, shuffle=False, verbose=0, **fit)
    found = model.evaluate(x, y, verbose=0, return_dict=True)
    return recorded(model, history, initial, evaluate={k: float(v) for k, v in found.items()},
                    predict=model.predict(x[:3], verbose=0).tolist())  # fmt: skip


def script():
    """The script of tests/training/test_keras_script.py."""
    x, classes, weights = data()
    model = network(layers.Dense(3, activation="softmax", name="head"))
    initial = model.get_weights()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, restore_best_weights=True)
    slower = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1)
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
    return recorded(model, second, initial, first=first.history,
                    evaluate=[float(v) for v in model.evaluate(x, classes, verbose=0)])  # fmt: skip


def frozen_batch_norm():
    x, classes, _ = data()
    norm = layers.BatchNormalization(momentum=0.9)
    model = network(layers.Dense(3, activation="softmax"), first=norm)
    weights = model.get_weights()
    weights[3] = np.abs(weights[3]) + 0.5  # the running variance
    model.set_weights(weights)
    norm.trainable = False
    model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
    history = model.fit(x, classes, epochs=3, batch_size=16, shuffle=False, verbose=0)
    return recorded(model, history, weights)


def main():
    x, classes, weights = data()
    one_hot, yes = np.eye(3)[classes], (classes > 0).astype(float)
    answers = np.stack([yes, (x[:, 2] > 0).astype(float)], axis=1)
    spread = (one_hot + 0.1) / 1.3
    softmax = lambda: [layers.Dense(3, activation="softmax")]  # noqa: E731
    linear = lambda: [layers.Dense(3)]  # noqa: E731
    cases = {
        "sparse_categorical_crossentropy": run(softmax(), "sparse_categorical_crossentropy", classes,
                                               metrics=["accuracy"], validation_split=0.3),
        "categorical_crossentropy": run(softmax(), "categorical_crossentropy", one_hot, "adam", ["accuracy"]),
        "binary_crossentropy": run([layers.Dense(1, activation="sigmoid")], "binary_crossentropy", yes, "rmsprop",
                                   ["accuracy"], sample_weight=weights),
        "binary_crossentropy, two outputs": run([layers.Dense(2, activation="sigmoid")], "binary_crossentropy", answers),
        "class_weight": run(softmax(), "sparse_categorical_crossentropy", classes, class_weight={0: 3.0, 2: 0.5}),
        "class_weight, yes or no": run([layers.Dense(1, activation="sigmoid")], "binary_crossentropy", yes,
                                       class_weight={0: 3.0, 1: 0.5}),
        "sample_weight": run(linear(), "mse", one_hot, sample_weight=weights, validation_split=0.3),
        "mae": run(linear(), "mae", one_hot), "huber": run(linear(), "huber", 3 * one_hot),
        "hinge": run(linear(), "hinge", 2 * one_hot - 1), "kl_divergence": run(softmax(), "kl_divergence", spread),
        "adam": run(linear(), "mse", one_hot, "adam"), "rmsprop": run(linear(), "mse", one_hot, "rmsprop"),
        "lion": run(linear(), "mse", one_hot, "lion"),
    }  # fmt: skip
    record = {"cases": cases, "script": script(), "frozen_batch_norm": frozen_batch_norm()}
    path = Path(__file__).with_name("keras_fit.json")
    path.write_text(json.dumps(record))
    print(f"{path.name}: {path.stat().st_size:,} bytes, Keras {keras.__version__}")


if __name__ == "__main__":
    main()
