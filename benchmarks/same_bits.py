"""Do two versions of tinydl train to the same bits? Every model of the library is trained for 20 steps.

    python -m benchmarks.same_bits --write before.json        # with one version
    python -m benchmarks.same_bits --compare before.json      # with the other; exit code 1 if anything differs

The hashes cover the weights in get_weights' order (before and after the steps), predictions, losses, and the bytes of
the saved model and of a checkpoint; with --compare, models saved by the other version are also loaded. Bits depend on
the machine and on the number of threads, so compare on one machine, with the same TINYDL_NUM_THREADS.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tinydl import Model, models
from tinydl.losses import BinaryCrossEntropy, Loss, MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import SGD, Adam, Optimizer, RMSprop

STEPS = 20
KEPT = 1 << 20  # models with more parameters are not stored beside the hashes

ROWS, IMAGES, LARGE = (64, 29), (16, 32, 32, 3), (2, 224, 224, 3)
adam, rmsprop = partial(Adam, 1e-3, weight_decay=1e-4), partial(RMSprop, 1e-3)
sgd, clipped = partial(SGD, 0.01, 0.9, True, 5e-4), partial(SGD, 1e-3, 0.9, weight_decay=5e-4, global_clipnorm=1.0)

# Model, batch shape, classes (0: the model reconstructs its input), optimizer.
CASES: dict[str, tuple[Callable[[], Model], tuple[int, ...], int, Callable[[], Optimizer]]] = {
    "vanilla": (partial(models.vanilla_autoencoder, 29), ROWS, 0, adam),
    "deep": (partial(models.deep_autoencoder, 29), ROWS, 0, adam),
    "sparse": (partial(models.sparse_autoencoder, 29), ROWS, 0, rmsprop),
    "denoising": (partial(models.denoising_autoencoder, 29), ROWS, 0, sgd),
    "contractive": (partial(models.contractive_autoencoder, 29), ROWS, 0, adam),
    "contractive, sigmoid": (partial(models.contractive_autoencoder, 29, 1e-3, "sigmoid"), ROWS, 0, clipped),
    "contractive, tanh": (partial(models.contractive_autoencoder, 29, 1e-3, "tanh"), ROWS, 0, clipped),
    "digits_cnn": (models.digits_cnn, (32, 8, 8, 1), 10, adam),
    "cifar_cnn": (models.cifar_cnn, (128, 32, 32, 3), 10, adam),
    "lenet5": (models.lenet5, (128, 32, 32, 1), 10, clipped),
    "vgg_cifar": (models.vgg_cifar, IMAGES, 10, sgd),
    "inception_cifar": (models.inception_cifar, IMAGES, 10, sgd),
    "resnet20_cifar": (partial(models.resnet_cifar, 20), (64, 32, 32, 3), 10, sgd),
    "resnet56_cifar": (partial(models.resnet_cifar, 56), IMAGES, 10, sgd),
    "alexnet": (models.alexnet, LARGE, 1000, clipped),
    "vgg11": (partial(models.vgg, 11), LARGE, 1000, clipped),
    "vgg16": (partial(models.vgg, 16), LARGE, 1000, adam),
    "resnet18": (partial(models.resnet, 18), LARGE, 1000, clipped),
    "resnet50": (partial(models.resnet, 50), LARGE, 1000, clipped),
    "googlenet": (partial(models.googlenet, auxiliary_heads=True), LARGE, 1000, clipped),
}


def digest(*arrays: Any) -> str:
    """One hash over the bytes of several arrays."""
    total = hashlib.sha256()
    for array in arrays:
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()[:24]


def loss_and_targets(x: np.ndarray, classes: int, rng: np.random.Generator) -> tuple[Loss, np.ndarray]:
    """Cross-entropy against random labels, or the mean squared error against the input."""
    if classes:
        return SoftmaxCrossEntropy(0.1), rng.integers(classes, size=len(x))
    return MeanSquaredError(), x


def measured(name: str, folder: Path) -> dict[str, Any]:
    """The hashes of one model; the file of a small model stays in the folder."""
    make, shape, classes, optimizer = CASES[name]
    rng = np.random.default_rng(7)
    x = rng.standard_normal(shape).astype(np.float32)
    loss, y = loss_and_targets(x, classes, rng)
    model = make()
    model.compile(optimizer(), loss)
    found: dict[str, Any] = {
        "shapes": [list(array.shape) for array in model.get_weights()],
        "first weights": digest(*model.get_weights()),
    }
    found["losses"] = digest(np.array([model.train_on_batch(x, y) for _ in range(STEPS)]))
    found["weights"] = digest(*model.get_weights())
    found["predictions"] = digest(model.predict(x))
    model.fit(x, y, epochs=2, batch_size=len(x) // 2 + 1, verbose=0)
    found["after fit"] = digest(*model.get_weights())
    file, checkpoint = folder / f"{name}.safetensors", folder / "checkpoint"
    model.save(file)
    model.save_checkpoint(checkpoint)
    found["saved file"], found["checkpoint"] = (digest(np.fromfile(path, np.uint8)) for path in (file, checkpoint))
    checkpoint.unlink()
    if model.parameters.size > KEPT:
        file.unlink()
    return found


def logits_of_a_detector() -> str:
    """Hash the gradient of BinaryCrossEntropy, which no model of the library uses."""
    rng = np.random.default_rng(3)
    loss = BinaryCrossEntropy()
    z = rng.standard_normal((64, 3)).astype(np.float32)
    loss.forward(z, rng.uniform(size=z.shape).astype(np.float32))
    return digest(loss.backward())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", metavar="FILE", type=Path, help="write the hashes, and small models beside FILE")
    parser.add_argument("--compare", metavar="FILE", type=Path, help="compare with the hashes in FILE")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), help="only these models")
    arguments = parser.parse_args()
    before = json.loads(arguments.compare.read_text()) if arguments.compare else {}
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.write.absolute().parent if arguments.write else Path(temporary)
        differing = 0
        for name in arguments.only:
            found[name] = measured(name, folder)
            changed = [key for key, value in found[name].items() if before.get(name, found[name]).get(key) != value]
            old = arguments.compare.absolute().parent / f"{name}.safetensors" if arguments.compare else None
            if old and old.exists() and digest(*Model.load(old).get_weights()) != before[name]["after fit"]:
                changed.append("weights loaded from the earlier file")
            differing += bool(changed)
            print(f"{name:<24}{'differs: ' + ', '.join(changed) if changed else 'ok'}", flush=True)
        found["BinaryCrossEntropy"] = logits_of_a_detector()
        if before and before["BinaryCrossEntropy"] != found["BinaryCrossEntropy"]:
            differing += 1
            print("BinaryCrossEntropy      differs")
    if arguments.write:
        arguments.write.write_text(json.dumps(found, indent=1))
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
