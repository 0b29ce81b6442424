"""The study behind lesson 14: more layers give a larger training error, unless shortcuts bypass them.

Plain and residual networks of growing depth train on the same images, with the same initial weights and recipe:

    python examples/lessons/residual_study.py                     # scikit-learn's digits: about a minute
    python examples/lessons/residual_study.py --data              # CIFAR-10 at 16x16 pixels: a few minutes
    python examples/lessons/residual_study.py --data --seeds 3    # three seeds, with their spread

At the paper's size the run takes days: --data --full-size --filters 16 --rows 50000 --batch-size 128 --epochs 164.

A plain net of 56 layers can compute everything that one of 20 layers can: 36 of its layers could be identities. So
its training error could be just as small. He et al. found that it is larger (figures 1 and 6) and called this
degradation. Degradation is not overfitting, because the training error itself is larger: optimization fails to find a
solution that exists. A block H(x) = relu(F(x) + x) is nearly the identity when F is small, so its layers only have to
learn the change. In backward, with J_l the Jacobian of layer (or block) l, x_l its input, L the last layer, and the
relu after each block left out:

    plain       dL/dx_l = J_l.T J_(l+1).T ... J_L.T dL/dy                     a product, which can vanish
    residual    dL/dx_l = (I + J_l.T) (I + J_(l+1).T) ... (I + J_L.T) dL/dy
                        = dL/dy + (J_l.T + ... + J_L.T) dL/dy + ...           a sum; its first term cannot shrink

It is tempting to say that plain nets fail because gradients vanish. Without batch normalization, whether they vanish
depends on the initial weights; and dL/dW_l is the product of layer l's input and its upstream gradient, so if both
shrink with each layer passed, dL/dW is equally small in all layers. With batch normalization gradients do not vanish,
either in the paper (section 4.1) or in this script's plain nets, in which they grow on the way down (Yang et al. 2019
explain why). Still, degradation occurs. This script therefore measures the norm of every convolution's gradient before
training, with and without batch normalization, and the standard deviation of each layer's responses after training
(figure 7), which can be small in a block that only corrects its input. The text printed below the tables is computed
from the figures of the run, and states where the results differ from the paper's.

Both kinds have 6 n + 2 layers, like resnet_cifar: a convolution, 3 n pairs of convolutions on maps of three sizes, and
a dense layer. Where maps are halved and channels doubled, shortcuts take every other pixel and add channels of zeros.

Written to --out: results.json (after every network), table.md, lesson.png, and checkpoints of the networks, from which
--resume continues. Ctrl-C stops the run and keeps finished results. The same seed gives the same numbers, given the
same number of threads.

References: He, Zhang, Ren & Sun 2015, Deep residual learning for image recognition; Yang, Pennington, Rao,
Sohl-Dickstein & Schoenholz 2019, A mean field theory of batch normalization.
"""

from __future__ import annotations

import argparse
import math
import sys
import textwrap
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from tinydl import Model, num_threads
from tinydl.callbacks import Checkpoint
from tinydl.datasets import cifar10, digits
from tinydl.datasets.images import Images
from tinydl.files import markdown_table, write_json, write_whole
from tinydl.layer import Layer, Shape
from tinydl.layers import AveragePool2D, BatchNorm, Conv2D, Dense, GlobalAveragePool2D, PadChannels, Residual
from tinydl.losses import SoftmaxCrossEntropy
from tinydl.optimizers import SGD
from tinydl.plots.style import BLUE, VERMILION, dress, finish
from tinydl.schedules import OneCycle

RESULTS, TABLE, PICTURE = "results.json", "table.md", "lesson.png"
KINDS = {"plain": VERMILION, "residual": BLUE}
STARTS = {  # name: batch normalization or not, and the initial weights
    "batch norm, He's weights": (True, "he_normal"),
    "no batch norm, He's weights": (False, "he_normal"),
    "no batch norm, Glorot's weights": (False, "glorot_normal"),
}
MEASURED_ROWS = 128  # images on which gradients and responses are measured
SMALLEST = 1e-38  # smallest norm plotted, about the smallest in float32; 0 has no logarithm
MARGIN = 0.02  # smallest difference of training errors worth reporting


class Recipe(NamedTuple):
    """The default settings of the training runs."""

    depths: list[int]
    rows: int
    filters: int  # in the first convolutions; later ones have twice and four times as many
    epochs: int
    batch_size: int


CIFAR = Recipe([8, 20, 32, 56], 5_000, 8, 8, 64)
DIGITS = Recipe([8, 20, 32, 44, 56], 1_437, 8, 10, 64)

# --- the two kinds of network -----------------------------------------------------------------------------------------


def unit(filters: int, strides: int, activation: str | None, normalised: bool, start: str) -> list[Layer]:
    """A 3x3 convolution, batch normalization if `normalised` is set, and the activation."""
    conv = Conv2D(filters, 3, strides, 1, None if normalised else activation, False, start)
    return [conv, BatchNorm(0.9, 1e-5, activation)] if normalised else [conv]


def network(
    kind: str, depth: int, filters: int, shape: Shape, seed: int, normalised: bool = True, start: str = "he_normal"
) -> Model:
    """A network of `depth` layers. The same seed gives both kinds the same weights, because shortcuts have none."""
    layers = unit(filters, 1, "relu", normalised, start)
    for width in (filters, 2 * filters, 4 * filters):
        for pair in range((depth - 2) // 6):
            strides = 2 if pair == 0 and width > filters else 1
            body = unit(width, strides, "relu", normalised, start)
            if kind == "plain":
                layers += [*body, *unit(width, 1, "relu", normalised, start)]
                continue
            body += unit(width, 1, None, normalised, start)
            around: list[Layer] | None = [AveragePool2D(1, 2), PadChannels(width)] if strides == 2 else None
            layers.append(Residual(body, around, "relu"))
    return Model([*layers, GlobalAveragePool2D(), Dense(10)], shape, seed, name=f"{kind}_{depth}")


# --- measurements -----------------------------------------------------------------------------------------------------


def train(kind: str, depth: int, seed: int, data: Images, args: argparse.Namespace) -> dict[str, Any] | None:
    """Train one network; return its figures, or None if Ctrl-C was pressed."""
    model = network(kind, depth, args.filters, data.sample_shape, seed)
    steps = args.epochs * math.ceil(len(data) / args.batch_size)
    sgd = SGD(OneCycle(args.learning_rate, steps), momentum=0.9, weight_decay=1e-4)
    model.compile(sgd, SoftmaxCrossEntropy(), metrics=["accuracy"])
    path = checkpoint_of(kind, depth, seed, args)
    if not args.resume:
        path.unlink(missing_ok=True)
    try:
        fitted = model.fit(
            data, epochs=args.epochs, batch_size=args.batch_size, verbose=0,
            callbacks=[Checkpoint(path, every_epochs=1, every_seconds=60)], resume=path if args.resume else None,
        )  # fmt: skip
    except FloatingPointError as error:
        raise FloatingPointError(f"{kind}, {depth} layers, seed {seed}: {error}") from None
    if fitted.interrupted:
        return None
    loss, accuracy = model.evaluate(data)
    return {
        "kind": kind, "depth": depth, "seed": seed, "parameters": model.parameters.size,
        "seconds": sum(fitted.seconds), "loss": fitted.history["loss"],
        "error": [1 - value for value in fitted.history["accuracy"]], "final_loss": loss, "final_error": 1 - accuracy,
        "responses": responses(model, data.take(slice(0, MEASURED_ROWS))[0]),
    }  # fmt: skip


def checkpoint_of(kind: str, depth: int, seed: int, args: argparse.Namespace) -> Path:
    """A network's checkpoint. The settings are part of its name: a training with others starts at its beginning."""
    names = ("data", "full_size", "rows", "filters", "epochs", "batch_size", "learning_rate")
    mark = zlib.crc32(repr([getattr(args, name) for name in names]).encode())
    return args.out / "checkpoints" / f"{kind}-{depth}-seed{seed}-{mark:08x}.safetensors"


def responses(model: Model, x: NDArray) -> list[float]:
    """The standard deviation of each convolution's output after batch normalization, before relu and addition."""
    found = []

    def listen(layer: BatchNorm) -> None:
        forward = layer.forward

        def listening(x: NDArray, training: bool = False) -> NDArray:
            scale = layer.params["gamma"] / np.sqrt(layer.state["var"] + layer.epsilon)
            found.append(float(np.std((x - layer.state["mean"]) * scale + layer.params["beta"])))
            return forward(x, training)

        layer.forward = listening  # type: ignore[method-assign]

    for layer in model.root.walk():
        if isinstance(layer, BatchNorm):
            listen(layer)
    model.forward(x)
    return found


def gradients(model: Model, x: NDArray, y: NDArray) -> dict[str, list[float]]:
    """For each convolution, first to last: the norm of dL/dW, and its ratio to the norm of W."""
    loss = SoftmaxCrossEntropy()
    loss.forward(model.forward(x, training=True), y)
    model.zero_grad()
    model.backward(loss.backward())
    found: dict[str, list[float]] = {"gradient": [], "ratio": []}
    for layer in model.root.walk():
        if isinstance(layer, Conv2D):
            norm = float(np.linalg.norm(layer.grads["W"].astype(np.float64)))
            found["gradient"].append(norm)
            found["ratio"].append(norm / float(np.linalg.norm(layer.params["W"])))
    return found


def at_initialisation(data: Images, args: argparse.Namespace) -> dict[str, Any]:
    """The gradients of the deepest networks before training, by kind and by initialization."""
    depth = max(args.depths)
    x, y = data.take(np.random.default_rng(args.seed).permutation(len(data))[:MEASURED_ROWS])
    curves = {
        kind: {
            start: gradients(network(kind, depth, args.filters, data.sample_shape, args.seed, *how), x, y)
            for start, how in STARTS.items()
        }
        for kind in KINDS
    }
    return {"depth": depth, "seed": args.seed, "rows": len(x), "curves": curves}


def load(args: argparse.Namespace) -> tuple[str, Images]:
    """The available training images, and their name."""
    if args.data is None:
        return "scikit-learn's digits", digits.load().train
    return f"CIFAR-10{'' if args.full_size else ' at 16x16 pixels'}", cifar10.load(
        args.data or None, download=args.download
    ).train


def choose(images: Images, seed: int, args: argparse.Namespace) -> Images:
    """Choose --rows images with balanced classes, halve CIFAR-10's unless --full-size is given, and standardize all."""
    if args.rows < len(images):
        images = images.split(args.rows, np.random.default_rng(seed))[1]
    if args.data is not None and not args.full_size:  # each pixel becomes the mean of four
        n, height, width, channels = images.x.shape
        squares = images.x.reshape(n, height // 2, 2, width // 2, 2, channels)
        images = Images(np.rint(squares.mean((2, 4))).astype(np.uint8), images.labels, images.class_names)
    return images.standardised()


# --- findings ---------------------------------------------------------------------------------------------------------


def errors(results: dict[str, Any]) -> dict[int, dict[str, NDArray[np.float64]]]:
    """{depth: {kind: final training errors, one per seed}}, for the seeds for which both kinds are finished."""
    runs = {(run["kind"], run["depth"], run["seed"]): run["final_error"] for run in results["runs"]}
    found: dict[int, dict[str, NDArray[np.float64]]] = {}
    for depth in sorted({depth for _, depth, _ in runs}):
        seeds = [seed for kind, d, seed in runs if (kind, d) == ("plain", depth) and ("residual", depth, seed) in runs]
        if seeds:
            found[depth] = {kind: np.array([runs[kind, depth, seed] for seed in seeds]) for kind in KINDS}
    return found


def findings(results: dict[str, Any]) -> list[str]:
    """Sentences on the results of this run, including those that differ from the paper's."""
    limits = (
        f"All results are those after {results['settings']['epochs']} epochs, when the learning rate is almost 0; "
        "this run does not show the results of longer training."
    )
    return [*depth_findings(errors(results)), *gradient_findings(results), *response_findings(results), limits]


def depth_findings(found: dict[int, dict[str, NDArray[np.float64]]]) -> list[str]:
    """Findings on the final training errors."""
    if not found:
        return ["No depth is finished for both kinds, so nothing can be compared."]
    said = []
    deepest = max(found)
    complete = [depth for depth in found if len(found[depth]["plain"]) == len(found[deepest]["plain"])]
    for kind in KINDS if len(complete) > 1 else ():
        best = min(complete[:-1], key=lambda depth: found[depth][kind].mean())
        high, low = found[deepest][kind], found[best][kind]
        text = f"{kind.capitalize()}: training error {high.mean():.1%} with {deepest} layers, {low.mean():.1%} with "
        text += f"{best}, the best of the shallower nets: {compared(high - low)}. "
        gap = (high - low).mean()
        if abs(gap) <= MARGIN:
            text += f"Differences of up to {100 * MARGIN:.0f} points are not counted: depth has no clear effect."
        elif np.all(high < low):
            text += "No degradation: more layers help."
        elif not np.all(high > low):
            text += "The seeds disagree: neither degradation nor a gain is shown."
        else:
            text += (
                "This is degradation: the deeper net could compute all that the shallower one does, but training did "
                "not find this solution. It is not overfitting, because the error is that on the training images."
            )
        said.append(text)
    plain, residual = found[deepest]["plain"], found[deepest]["residual"]
    said.append(
        f"With {deepest} layers the residual net's error is {residual.mean():.1%}, the plain net's {plain.mean():.1%}: "
        f"{compared(residual - plain)}. Both started from the same weights and saw the same batches; they "
        "differ only in the shortcuts, which have no weights."
    )
    return said


def compared(differences: NDArray[np.float64]) -> str:
    """A difference of errors in words, with the number of seeds that agree."""
    mean, seeds = float(differences.mean()), len(differences)
    text = f"{abs(100 * mean):.1f} points {'more' if mean > 0 else 'less'}"
    if seeds == 1:
        return f"{text} (one seed)"
    agreeing = int(np.sum(np.sign(differences) == np.sign(mean)))
    return f"{text} ({f'with each of {seeds}' if agreeing == seeds else f'with {agreeing} of {seeds}'} seeds)"


def gradient_findings(results: dict[str, Any]) -> list[str]:
    """Findings on the gradients before training."""
    curves = {
        kind: [np.array(curve["gradient"]) for curve in results["initialisation"]["curves"][kind].values()]
        for kind in KINDS
    }
    first, last = curves["plain"][0][[0, -1]]
    text = f"With batch normalization the plain net's gradient, before training, is {first:.3g} in the first "
    text += f"convolution and {last:.3g} in the last: "
    if first >= last / 10:
        grows = f"; it grows {first / last:,.0f}-fold" if first > 10 * last else ""
        text += f"it does not vanish on its way down{grows}. "
        text += "So vanishing gradients are not the plain net's problem, at least at the start."
    else:
        text += "it shrinks on its way down."
    said = []
    for k, start in enumerate(STARTS):
        plain, residual = (math.exp(np.log(np.maximum(curves[kind][k], SMALLEST)).mean()) for kind in KINDS)
        said.append(f"{plain:.1g} and {residual:.1g} with {start}")
    return [text, f"The gradients' geometric means over all convolutions, plain and residual: {'; '.join(said)}."]


def response_findings(results: dict[str, Any]) -> list[str]:
    """Findings on the layers' responses after training, for the deepest networks."""
    found = errors(results)
    if not found:
        return []
    deepest = max(found)
    spread = {kind: np.mean([run["responses"] for run in of(results, kind, deepest)], axis=0) for kind in KINDS}
    plain, residual = spread["plain"], spread["residual"]
    ratio = residual.mean() / plain.mean()
    word = "weaker than" if ratio < 0.9 else "stronger than" if ratio > 1.1 else "about as strong as"
    return [
        f"Responses after training, {deepest} layers: standard deviation {residual.mean():.2f} on average and at most "
        f"{residual.max():.2f} in the residual net, {plain.mean():.2f} and {plain.max():.2f} (convolution "
        f"{plain.argmax() + 1}) in the plain one. All deviations start at 1. Residual responses are {word} plain ones."
    ]


def of(results: dict[str, Any], kind: str, depth: int) -> list[dict[str, Any]]:
    """The finished runs of one network, seed by seed."""
    return [run for run in results["runs"] if (run["kind"], run["depth"]) == (kind, depth)]


def tables(results: dict[str, Any]) -> str:
    """The figures as Markdown tables: loss and error (means over seeds, errors with their spread), then gradients."""
    rows = [["layers", "parameters", "seeds"]]
    for kind in KINDS:
        rows[0] += [f"{kind}: last epoch", f"{kind}: at the end"]
    for depth in sorted({run["depth"] for run in results["runs"]}):
        both = [of(results, kind, depth) for kind in KINDS]
        seeds = sorted({len(runs) for runs in both})
        row = [str(depth), f"{(both[0] or both[1])[0]['parameters']:,}", " or ".join(map(str, seeds))]
        for runs in both:
            row.append(cell([run["loss"][-1] for run in runs], [run["error"][-1] for run in runs]))
            row.append(cell([run["final_loss"] for run in runs], [run["final_error"] for run in runs]))
        rows.append(row)
    settings = results["settings"]
    return "\n".join([
        f"{results['data']}: loss and error on the {settings['rows']:,} training images; {settings['epochs']} epochs, "
        f"{settings['filters']} filters in the first layers",
        "",
        markdown_table(rows),
        "",
        f"Norm of dL/dW before training, {results['initialisation']['depth']} layers, in the first and the last "
        "convolution:",
        "",
        markdown_table(gradient_rows(results["initialisation"]["curves"])),
    ])  # fmt: skip


def gradient_rows(curves: dict[str, Any]) -> list[list[str]]:
    rows = [["start"]]
    for kind in KINDS:
        rows[0] += [f"{kind}: first", f"{kind}: last", "first / last"]
    for start in STARTS:
        rows.append([start])
        for kind in KINDS:
            norms = curves[kind][start]["gradient"]
            ratio = f"{norms[0] / norms[-1]:.3g}" if norms[-1] else "-"
            rows[-1] += [f"{norms[0]:.3g}", f"{norms[-1]:.3g}", ratio]
    return rows


def cell(losses: list[float], wrong: list[float]) -> str:
    if not losses:
        return "-"
    spread = f" ± {np.std(wrong, ddof=1):.1%}" if len(wrong) > 1 else ""
    return f"{np.mean(losses):.3f}, {np.mean(wrong):.1%}{spread}"


# --- the picture ------------------------------------------------------------------------------------------------------


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw the lesson in four panels."""
    figure = Figure(figsize=(14, 10), layout="constrained")
    panels = figure.subplots(2, 2)
    draw_depths(panels[0, 0], results)
    draw_curves(panels[0, 1], results)
    draw_gradients(panels[1, 0], results)
    draw_responses(panels[1, 1], results)
    seeds = len({run["seed"] for run in results["runs"]})
    figure.suptitle("Plain and residual networks of growing depth")
    rows, epochs = results["settings"]["rows"], results["settings"]["epochs"]
    source = f"{results['data']}, {rows:,} images, {epochs} epochs, {seeds} seed{'s' if seeds > 1 else ''}"
    finish(figure, source, path)


def draw_depths(ax: Axes, results: dict[str, Any]) -> None:
    """Draw training error against depth: means as lines, seeds as dots."""
    for kind, colour in KINDS.items():
        depths = sorted({run["depth"] for run in results["runs"] if run["kind"] == kind})
        wrong = [[run["final_error"] for run in of(results, kind, depth)] for depth in depths]
        ax.plot(depths, [np.mean(values) for values in wrong], "-o", color=colour, lw=2.5, ms=8, label=kind)
        for depth, values in zip(depths, wrong, strict=True):
            if len(values) > 1:
                ax.plot([depth] * len(values), values, "o", color=colour, ms=5, mfc="white", zorder=3)
    ax.set_xticks(sorted({run["depth"] for run in results["runs"]}))
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    dress(ax, "Training error by depth", "layers", "misclassified training images, at the end")
    ax.legend(fontsize=11)


def draw_curves(ax: Axes, results: dict[str, Any]) -> None:
    """Draw training error by epoch for the shallowest and deepest networks: thin lines for seeds, thick for means."""
    for kind, colour in KINDS.items():
        depths = sorted({run["depth"] for run in results["runs"] if run["kind"] == kind})
        for depth in depths[-1:] + depths[: len(depths) > 1]:
            style = "-" if depth == depths[-1] else "--"
            curves = np.array([run["error"] for run in of(results, kind, depth)])
            epochs = np.arange(1, curves.shape[1] + 1)
            for curve in curves if len(curves) > 1 else ():
                ax.plot(epochs, curve, style, color=colour, lw=0.8, alpha=0.5)
            marker = "o" if len(epochs) == 1 else ""
            ax.plot(epochs, curves.mean(0), style, marker=marker, color=colour, lw=2.5, label=f"{kind}, {depth} layers")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    dress(ax, "Training error by epoch", "epoch", "misclassified training images, during the epoch")
    ax.legend(fontsize=11)


def draw_gradients(ax: Axes, results: dict[str, Any]) -> None:
    """Draw the norm of dL/dW for each convolution of the deepest networks, before training."""
    measured = results["initialisation"]
    styles = dict(zip(STARTS, ("-", "--", ":"), strict=True))
    levels = []
    for kind, colour in KINDS.items():
        for start, style in styles.items():
            norms = np.maximum(measured["curves"][kind][start]["gradient"], SMALLEST)
            ax.plot(np.arange(1, len(norms) + 1), norms, style, color=colour, lw=2)
            levels.append(np.log10(norms).mean())
    ax.set_yscale("log")
    title = f"Gradients before training, {measured['depth']} layers"
    dress(ax, title, "convolution, from the images to the classes", "norm of dL/dW")
    # The legend has an entry per kind and per start, not per curve, and is put into the widest gap between the curves.
    lines = [Line2D([], [], color=colour, lw=6) for colour in KINDS.values()]
    lines += [Line2D([], [], color="black", ls=style, lw=2) for style in styles.values()]
    levels.sort()
    gap = int(np.argmax(np.diff(levels)))
    low, high = np.log10(ax.get_ylim())
    place = ((levels[gap] + levels[gap + 1]) / 2 - low) / (high - low)
    ax.legend(lines, [*KINDS, *styles], fontsize=10, loc="center", bbox_to_anchor=(0.7, min(max(place, 0.2), 0.8)))


def draw_responses(ax: Axes, results: dict[str, Any]) -> None:
    """Draw the standard deviation of each convolution's responses after training: shallowest and deepest networks."""
    for kind, colour in KINDS.items():
        depths = sorted({run["depth"] for run in results["runs"] if run["kind"] == kind})
        for depth in depths[-1:] + depths[: len(depths) > 1]:
            spread = np.mean([run["responses"] for run in of(results, kind, depth)], axis=0)
            style = "-" if depth == depths[-1] else "--"
            layers = np.arange(1, len(spread) + 1)
            ax.plot(layers, spread, style, color=colour, lw=2, label=f"{kind}, {depth} layers")
    ax.set_ylim(bottom=0)
    dress(ax, "Responses after training", "convolution, from the images to the classes", "standard deviation")
    ax.legend(fontsize=11)


# --- the run ----------------------------------------------------------------------------------------------------------


def arguments() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """Parse the options and fill in the defaults that depend on other options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)

    def both(name: str) -> str:
        cifar, digit = (
            " ".join(map(str, value)) if isinstance(value, list) else f"{value:,}"
            for value in (getattr(CIFAR, name), getattr(DIGITS, name))
        )
        return cifar if cifar == digit else f"{cifar}; digits: {digit}"

    parser.add_argument(
        "--data", nargs="?", const="", metavar="PATH",
        help="CIFAR-10's folder or archive; without PATH, the folder that TINYDL_DATA names (default: digits)",
    )  # fmt: skip
    parser.add_argument("--download", action="store_true", help="with --data: download CIFAR-10 (163 MB) if missing")
    parser.add_argument("--full-size", action="store_true", help="with --data: 32x32 pixels; takes four times as long")
    parser.add_argument("--depths", type=int, nargs="+", help=f"each of the form 6 n + 2 (default: {both('depths')})")
    parser.add_argument("--rows", type=int, help=f"images to train on (default: {both('rows')})")
    parser.add_argument("--filters", type=int, help=f"filters of the first convolutions (default: {both('filters')})")
    parser.add_argument("--epochs", type=int, help=f"default: {both('epochs')}")
    parser.add_argument("--batch-size", type=int, help=f"default: {both('batch_size')}")
    parser.add_argument("--learning-rate", type=float, default=0.1, help="maximum (default: 0.1, the paper's)")
    parser.add_argument("--seed", type=int, default=0, help="first seed, for weights, shuffling, images (default: 0)")
    parser.add_argument("--seeds", type=int, default=1, help="number of seeds, one after the other (default: 1)")
    parser.add_argument("--quick", action="store_true", help="a trial, not a result: 8 and 20 layers, 2 epochs")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out, if any, bit for bit")
    parser.add_argument("--out", type=Path, help="default: runs/residual_cifar or runs/residual_digits")
    args = parser.parse_args()
    recipe = DIGITS if args.data is None else CIFAR
    if args.quick:
        recipe = recipe._replace(depths=[8, 20], epochs=2)
    for name, value in recipe._asdict().items():
        if getattr(args, name) is None:
            setattr(args, name, value)
    args.out = args.out or Path("runs", f"residual_{'digits' if args.data is None else 'cifar'}")
    for name, least in (("rows", 10), ("filters", 1), ("epochs", 1), ("batch_size", 1), ("seed", 0), ("seeds", 1)):
        if getattr(args, name) < least:
            parser.error(f"--{name.replace('_', '-')} must be >= {least}")
    if not 0 < args.learning_rate < math.inf:
        parser.error("--learning-rate must be above 0")
    if any(depth < 8 or depth % 6 != 2 for depth in args.depths):
        parser.error(f"--depths must be 6 n + 2: 8, 14, 20, 26, ..., got {' '.join(map(str, args.depths))}")
    args.depths = sorted(set(args.depths))
    if args.data is None and args.download:
        parser.error("--download needs --data")
    if args.data is None and args.full_size:
        parser.error("--full-size needs --data")
    if args.out.exists() and not args.out.is_dir():
        parser.error(f"--out {args.out} is a file, not a folder")
    return parser, args


def train_all(images: Images, args: argparse.Namespace, results: dict[str, Any]) -> None:
    """Train every network, seed by seed, shallow ones first; write results.json after each."""
    for seed in range(args.seed, args.seed + args.seeds):
        data = choose(images, seed, args)
        for depth in args.depths:
            for kind in KINDS:
                run = train(kind, depth, seed, data, args)
                if run is None:
                    return
                results["runs"].append(run)
                write_json(args.out / RESULTS, results)
                print(
                    f"seed {seed}, {depth:3} layers, {kind:8}: loss {run['final_loss']:.3f}, "
                    f"{run['final_error']:.1%} of the training images misclassified, {run['seconds']:.0f} s",
                    flush=True,
                )
    results["interrupted"] = False


def report(results: dict[str, Any], out: Path) -> None:
    """Write the table and the picture, and print the findings."""
    results["findings"] = findings(results)
    write_json(out / RESULTS, results)
    text = "\n".join([tables(results), "", *(textwrap.fill(said, 100) + "\n" for said in results["findings"])])
    write_whole(out / TABLE, text.encode())
    if results["interrupted"]:
        settings = results["settings"]
        whole = 2 * settings["seeds"] * len(settings["depths"])
        print(f"\nINTERRUPTED: {len(results['runs'])} of {whole} networks are finished; only these are reported.")
    print(f"\n{text}", flush=True)
    draw(results, out / PICTURE)
    print(f"Written to {out.resolve()}: {RESULTS}, {TABLE}, {PICTURE}")


def main() -> None:
    parser, args = arguments()
    try:
        source, images = load(args)
        if args.rows > len(images):
            parser.error(f"--rows must be at most {len(images):,}, the number of images, got {args.rows:,}")
        data = choose(images, args.seed, args)
        args.out.mkdir(parents=True, exist_ok=True)
        for name in (RESULTS, TABLE, PICTURE):
            (args.out / name).unlink(missing_ok=True)
    except (OSError, ValueError, ImportError) as error:
        parser.error(str(error))
    names = ("depths", "rows", "filters", "epochs", "batch_size", "learning_rate", "seed", "seeds", "full_size")
    settings = {**{name: getattr(args, name) for name in names}, "threads": num_threads()}
    depths = ", ".join(map(str, args.depths))
    print(f"{source}: {args.rows:,} training images; plain and residual nets of {depths} layers", flush=True)
    results: dict[str, Any] = {"data": source, "settings": settings, "interrupted": True, "runs": []}
    try:
        results["initialisation"] = at_initialisation(data, args)
        train_all(images, args, results)
    except FloatingPointError as error:
        sys.exit(f"{error}\nResults of earlier networks are kept in {(args.out / RESULTS).resolve()}")
    except KeyboardInterrupt:  # Ctrl-C came between two networks
        pass
    if not results["runs"]:
        sys.exit("\nInterrupted before any network was finished: nothing to report.")
    report(results, args.out)
    if results["interrupted"]:
        sys.exit(130)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; finished results are kept.")
