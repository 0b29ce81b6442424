"""All pictures of the manual's page "Drawing", computed anew.

Most show an algorithm, with numbers computed by tinydl's own code. Two small networks are trained for the others: a
classifier of 8x8 digits, and an autoencoder of the same digits. The digits come with scikit-learn: nothing is
downloaded.

    python examples/gallery.py                       # about 20 seconds
    python examples/gallery.py --out docs/pictures   # replace the manual's pictures
    python examples/gallery.py --film                # also optimizers.gif

Pictures have 256 colors, so that they are small. The same version of matplotlib writes the same files.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from tinydl import Model, models, plots
from tinydl.datasets import digits
from tinydl.datasets.digits import Digits
from tinydl.files import write_whole
from tinydl.layers import Dense, Flatten
from tinydl.losses import MeanSquaredError, SoftmaxCrossEntropy
from tinydl.optimizers import SGD, Adam, RMSprop
from tinydl.plots.style import png

DPI = 110
SOURCE = "scikit-learn's digits"
SHOWN = 3  # the digit in the maps


def algorithms() -> dict[str, Figure]:
    """Pictures of windows, and of the paths of optimizers."""
    curved = {
        "SGD": SGD(0.01), "SGD with momentum": SGD(0.004, momentum=0.9), "RMSprop": RMSprop(0.03), "Adam": Adam(0.1),
    }  # fmt: skip
    return {
        "draw_im2col": plots.im2col_diagram((6, 6, 1), 3),
        "draw_pooling": plots.pooling_diagram((6, 6), 2),
        "draw_receptive_field": plots.receptive_field_diagram(models.resnet_cifar(), "residual_5"),
        "draw_tiles": plots.tiles_diagram((8, 8), 3, "same"),
        "draw_ravine": plots.optimizer_paths(),
        "draw_rosenbrock": plots.optimizer_paths(curved, "rosenbrock", 100),
    }


def maps(data: Digits) -> dict[str, Figure]:
    """Saliency and occlusion of a classifier, on a test image that it recognizes."""
    model = models.digits_cnn()
    model.compile(Adam(3e-3), SoftmaxCrossEntropy(), metrics=["accuracy"])
    model.fit(data.train, epochs=6, verbose=0)
    print(f"The classifier recognizes {model.evaluate(data.test)[1]:.1%} of the test images")
    x, y = data.test.take(np.arange(len(data.test)))
    image = x[np.flatnonzero((y == SHOWN) & (model.predict(x).argmax(axis=1) == y))[0]]
    names = data.test.class_names
    return {
        "draw_saliency": plots.saliency_map(model, image, SHOWN, names=names, source=SOURCE),
        "draw_occlusion": plots.occlusion_map(
            model, image, SHOWN, patch_size=3, strides=1, names=names, source=SOURCE
        ),
    }  # fmt: skip


def spaces(data: Digits) -> dict[str, Figure]:
    """The latent spaces of two autoencoders, with codes of two units and of eight."""
    x, _ = data.train.take(np.arange(len(data.train)))
    shown, y = data.test.take(np.arange(len(data.test)))
    pictures = {}
    for name, units in {"draw_latent_space": 2, "draw_latent_space_pca": 8}.items():
        layers = [Flatten(), Dense(64, "relu"), Dense(units, name="code"), Dense(64, "relu"), Dense(64)]
        model = Model(layers, (8, 8, 1))
        model.compile(Adam(3e-3), MeanSquaredError())
        model.fit(x, x.reshape(len(x), -1), epochs=40, verbose=0)
        pictures[name] = plots.latent_space(model, shown, y, layer="code", source=SOURCE)
    return pictures


def write(figure: Figure, path: Path) -> None:
    """Write a PNG of 256 colors."""
    small = io.BytesIO()
    with Image.open(io.BytesIO(png(figure, DPI))) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    write_whole(path, small.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/gallery"), help="the folder; default runs/gallery")
    parser.add_argument("--film", action="store_true", help="also write optimizers.gif: the optimizers, step by step")
    args = parser.parse_args()
    data = digits.load()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, figure in {**algorithms(), **maps(data), **spaces(data)}.items():
        write(figure, args.out / f"{name}.png")
        print(f"  {name}.png")
    if args.film:
        plots.optimizer_animation().save(args.out / "optimizers.gif", writer="pillow", dpi=80)
        print("  optimizers.gif")
    print(f"in {args.out.resolve()}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nInterrupted.")
