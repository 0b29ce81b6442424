"""Train one autoencoder under one protocol, save it, and evaluate it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from continued import continued
from recipes import BATCH_SIZE, RECIPES, slug
from run import Run, divide, evaluate

from tinydl.callbacks import Callback, ModelCheckpoint, TensorBoard
from tinydl.datasets.creditcard import Transactions
from tinydl.detection import reconstruction_error
from tinydl.losses import MeanSquaredError
from tinydl.optimizers import Adam


@dataclass(frozen=True)
class Options:
    """What the command line says about training.

    out: folder for models and logs.
    epochs: for every model; None for those of its recipe.
    book_steps: more epochs if there are fewer rows, for the book's number of optimizer steps.
    """

    out: Path
    epochs: int | None = None
    book_steps: bool = False
    drop_duplicates: bool = False
    bar: bool = False
    resume: bool = False

    def settings(self, data: Transactions) -> dict[str, Any]:
        """What decides the results, apart from the recipes."""
        return {
            "data": data.source, "rows": data.n_rows, "frauds": data.n_frauds, "epochs": self.epochs,
            "book_steps": self.book_steps, "drop_duplicates": self.drop_duplicates,
        }  # fmt: skip


def train(name: str, protocol: str, seed: int, data: Transactions, options: Options) -> Run:
    """Train and evaluate one model under one protocol."""
    recipe = RECIPES[name]
    if protocol == "book":
        split = divide(data, protocol, seed, recipe.train_fraction)
        x = split.x_train
        monitor, restore = "loss", False
    else:
        split = divide(data, protocol, seed, drop_duplicates=options.drop_duplicates)
        x = split.x_train[: round(len(split.x_train) * recipe.train_fraction / 0.8)]  # the book's ratio, same test rows
        monitor, restore = "val_loss", True
    model = recipe.build(x.shape[1], seed=seed)
    model.compile(Adam(recipe.learning_rate, epsilon=1e-7), MeanSquaredError())  # Keras's default epsilon
    run_name = f"{protocol}-{slug(name)}-seed{seed}"
    file = options.out / "models" / f"{run_name}.safetensors"
    checkpoint, path = continued(options.out, run_name, options.settings(data), options.resume)
    best = ModelCheckpoint(file, monitor, save_best_only=True, restore_best_weights=restore)
    callbacks: list[Callback] = [best, checkpoint]
    if find_spec("tensorboardX"):
        logs = options.out / "logs" / run_name
        if path is None or not path.exists():
            for older in logs.glob("events.out.tfevents.*"):
                older.unlink()  # TensorBoard would draw an older run's curves as well
        callbacks.append(TensorBoard(logs, histogram_freq=5))
    epochs = options.epochs or (recipe.epochs_for(len(x)) if options.book_steps else recipe.epochs)
    print(f"{protocol} protocol, {name}, seed {seed}: {len(x):,} training rows, {epochs} epochs", flush=True)
    history = model.fit(
        x,
        x,
        epochs=epochs,
        batch_size=BATCH_SIZE,
        validation_data=(split.x_val, split.x_val),
        callbacks=callbacks,
        verbose=int(options.bar),
        resume=path,
    )
    seconds = sum(history.seconds)
    if history.interrupted:
        raise KeyboardInterrupt  # fit returns at Ctrl-C, but a half-trained model is no result
    run = evaluate(data, split, lambda rows: reconstruction_error(model, rows))
    run.history, run.reconstruction = history.history, model.predict(split.x_test)
    run.report |= {
        "train_rows": len(x),
        "epochs": epochs,
        "seconds": seconds,
        "microseconds_per_row": 1e6 * seconds / (len(x) * epochs),
        "first_epoch": {figure: values[0] for figure, values in history.history.items()},
        "last_epoch": {figure: values[-1] for figure, values in history.history.items()},
        "history": history.history,
    }
    return run
