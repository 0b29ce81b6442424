"""`python -m tinydl draw`: pictures of im2col, pooling, receptive fields and Winograd's tiles, as files."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DESCRIPTION = """\
Draw a picture of an algorithm. All numbers in it are computed by tinydl's own code.

  python -m tinydl draw im2col --image 6x6x1 --kernel 3x3 --stride 1
  python -m tinydl draw pooling --image 6x6 --pool 2x2 --kind max
  python -m tinydl draw receptive-field --layers 3x3,3x3/2,3x3
  python -m tinydl draw receptive-field --model resnet_cifar --layer residual_4 --out field.pdf
  python -m tinydl draw tiles --image 8x8 --kernel 3x3 --padding same --out tiles.svg
"""
EXITS = "exit code: 0 if the picture was written, 2 if the command is wrong or the file exists"
MODELS = (
    "alexnet", "cifar_cnn", "digits_cnn", "googlenet", "inception_cifar", "lenet5", "resnet", "resnet_cifar", "vgg",
    "vgg_cifar",
)  # fmt: skip


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command, with a command of its own for each picture."""
    summary = "draw im2col, pooling, a receptive field or Winograd's tiles"
    raw = argparse.RawDescriptionHelpFormatter
    command = commands.add_parser("draw", help=summary, description=DESCRIPTION, epilog=EXITS, formatter_class=raw)

    def print_help(arguments: argparse.Namespace) -> int:
        command.print_help()
        return 0

    command.set_defaults(run=print_help)
    pictures = command.add_subparsers(title="pictures", metavar="PICTURE")

    def picture(name: str, draw: Callable[..., Figure], summary: str) -> argparse.ArgumentParser:
        lines = [line for line in DESCRIPTION.splitlines() if f" draw {name} " in line]
        text = f"{summary[0].upper()}{summary[1:]}.\n\n" + "\n".join(lines)
        added = pictures.add_parser(name, help=summary, description=text, epilog=EXITS, formatter_class=raw)
        added.set_defaults(run=run, draw=draw, picture=name)
        added.add_argument("--out", type=Path, metavar="FILE", default=Path(f"{name}.png"),
                           help=f"the file to write, .png, .svg or .pdf; default {name}.png")  # fmt: skip
        added.add_argument("--overwrite", action="store_true", help="replace the file if it exists")
        return added

    im2col = picture("im2col", _im2col, "the windows of an image, and the rows of the matrix that they become")
    _image(im2col, (6, 6, 1), "HxWxC")
    im2col.add_argument("--kernel", type=pair, metavar="HxW", default=(3, 3), help="the kernel's size; default 3x3")
    im2col.add_argument("--stride", type=pair, metavar="N", default=(1, 1), help="N, or HxW; default 1")
    _padding(im2col, "valid")

    pooling = picture("pooling", _pooling, "what pooling passes forward, and where it sends the gradient")
    _image(pooling, (6, 6), "HxW")
    pooling.add_argument("--pool", type=pair, metavar="HxW", default=(2, 2), help="the window's size; default 2x2")
    pooling.add_argument("--stride", type=pair, metavar="N", help="N, or HxW; default: the window's size")
    _padding(pooling, "valid")
    pooling.add_argument("--kind", choices=("max", "average"), default="max", help="the largest entry of each window "
                         "(default), or the mean")  # fmt: skip
    pooling.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the numbers drawn; default 0")

    field = picture("receptive-field", _field, "the pixels that one unit of a network sees")
    network = field.add_mutually_exclusive_group(required=True)
    network.add_argument("--model", choices=MODELS, metavar="NAME", help=f"a network: {', '.join(MODELS)}")
    network.add_argument("--layers", type=windows, metavar="LIST", help="windows of convolutions or pooling, from the "
                         "image on, as size or size/stride: 3x3,3x3/2")  # fmt: skip
    field.add_argument("--layer", metavar="NAME", help="with --model: the unit's layer; default: the last one whose "
                       "output is an image")  # fmt: skip
    field.add_argument("--unit", type=place, metavar="ROW,COLUMN", help="the unit, counted from 0,0; default: in the "
                       "middle")  # fmt: skip
    field.add_argument("--image", type=shape, metavar="HxW", help="with --layers: the image's size; default: the "
                       "smallest square one with a border around the field")  # fmt: skip
    _padding(field, None)

    tiles = picture("tiles", _tiles, "the overlapping tiles of Winograd's convolution")
    _image(tiles, (8, 8), "HxW")
    tiles.add_argument("--kernel", type=pair, metavar="HxW", default=(3, 3), help="2x2, or 3x3 (default)")
    _padding(tiles, "same")


def run(arguments: argparse.Namespace) -> int:
    """Draw the picture and write the file; return the exit code."""
    try:
        output.check("--out", arguments.out, output.PICTURES, arguments.overwrite)
        arguments.draw(arguments, arguments.out)
    except (ValueError, OSError) as error:
        print(f"draw {arguments.picture}: {_in_options(output.reason(error), arguments.picture)}", file=sys.stderr)
        return 2
    print(f"Wrote {arguments.out}")
    return 0


OPTIONS = {
    "image_shape": "--image", "kernel_size": "--kernel", "pool_size": "--pool", "strides": "--stride",
    "padding": "--padding", "seed": "--seed", "unit": "--unit", "layer": "--layer",
}  # fmt: skip


def _in_options(message: str, picture: str) -> str:
    """What a function says of its arguments, with the names of the command's options in place of theirs."""
    owner, _, rest = message.partition(": ")
    text = rest if owner.isidentifier() else message
    name, _, rest = text.partition(" ")
    if picture == "receptive-field" and name in ("kernel_size", "strides"):
        return f"--layers: {text}"
    return f"{OPTIONS[name]} {rest}" if name in OPTIONS else text


# --- the pictures -----------------------------------------------------------------------------------------------------
# matplotlib is imported late, because other commands run where only NumPy is installed.


def _im2col(arguments: argparse.Namespace, path: Path) -> Figure:
    from ..plots import im2col_diagram

    return im2col_diagram(arguments.image, arguments.kernel, arguments.stride, arguments.padding, path=path)


def _pooling(arguments: argparse.Namespace, path: Path) -> Figure:
    from ..plots import pooling_diagram

    window = arguments.pool, arguments.stride, arguments.padding
    return pooling_diagram(arguments.image, *window, kind=arguments.kind, seed=arguments.seed, path=path)


def _field(arguments: argparse.Namespace, path: Path) -> Figure:
    from .. import models
    from ..layers import Conv2D
    from ..plots import receptive_field_diagram

    network: Any
    if arguments.model is None:
        if arguments.layer is not None:
            raise ValueError("--layer goes with --model: leave layers out of the list instead")
        padding = "same" if arguments.padding is None else arguments.padding
        network = [Conv2D(1, size, stride, padding) for size, stride in arguments.layers]
    else:
        for name in ("image", "padding"):
            if getattr(arguments, name) is not None:
                raise ValueError(f"--{name} goes with --layers: a model has its own")
        network = getattr(models, arguments.model)()
    return receptive_field_diagram(
        network, arguments.layer, unit=arguments.unit, image_shape=arguments.image, path=path
    )


def _tiles(arguments: argparse.Namespace, path: Path) -> Figure:
    from ..plots import tiles_diagram

    return tiles_diagram(arguments.image, arguments.kernel, arguments.padding, path=path)


# --- options ----------------------------------------------------------------------------------------------------------


def _image(command: argparse.ArgumentParser, default: tuple[int, ...], form: str) -> None:
    text = f"the image's size; default {'x'.join(map(str, default))}"
    command.add_argument("--image", type=shape, metavar=form, default=default, help=text)


def _padding(command: argparse.ArgumentParser, default: str | None) -> None:
    told = f"default {default}" if default else "with --layers; default same"
    command.add_argument("--padding", type=padding, metavar="P", default=default, help=f"valid, same, or a number of "
                         f"pixels; {told}")  # fmt: skip


def shape(text: str) -> tuple[int, ...]:
    """The sizes in "6x6" or "6x6x1"."""
    if not re.fullmatch(r"\d+x\d+(x\d+)?", text):
        raise argparse.ArgumentTypeError(f"must be HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS, such as 6x6x1, got {text!r}")
    return tuple(map(int, text.split("x")))


def pair(text: str) -> tuple[int, int]:
    """The sizes in "3x5"; "3" means 3x3."""
    if not re.fullmatch(r"\d+(x\d+)?", text):
        raise argparse.ArgumentTypeError(f"must be a number or HEIGHTxWIDTH, such as 3x3, got {text!r}")
    parts = [int(part) for part in text.split("x")]
    return parts[0], parts[-1]


def windows(text: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """The sizes and strides in "3x3,3x3/2"."""
    found = []
    for part in text.split(","):
        if not re.fullmatch(r"\d+(x\d+)?(/\d+(x\d+)?)?", part):
            raise argparse.ArgumentTypeError(f"must be a list of SIZE or SIZE/STRIDE, such as 3x3,3x3/2, got {part!r}")
        size, _, stride = part.partition("/")
        found.append((pair(size), pair(stride or "1")))
    return found


def place(text: str) -> tuple[int, int]:
    """The row and the column in "3,5"."""
    if not re.fullmatch(r"\d+,\d+", text):
        raise argparse.ArgumentTypeError(f"must be ROW,COLUMN, such as 0,3, got {text!r}")
    row, column = map(int, text.split(","))
    return row, column


def padding(text: str) -> str | int:
    """ "valid", "same", or a number of pixels."""
    if text in ("valid", "same"):
        return text
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"must be valid, same, or a number of pixels, got {text!r}")
    return int(text)
