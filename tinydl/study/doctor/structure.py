"""Checks of how the network is put together: dropout, batch normalization, frozen layers, linear layers in a row."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from ...initializers import fans
from ...layer import Layer
from ...layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, GaussianNoise, LayerNorm, MaskingNoise
from ...network import chained
from ...training import doubts, ends
from .. import figures
from .experiment import chain_of
from .finding import Fault, Finding, NotCheckedError
from .patient import Patient

CLASSES = 3
MOST_DROPPED = 0.8
LOUD = 3.0  # standard deviations of the data
SPREAD = 0.06  # how far the size of random initial weights may be from its expected value; 4 standard errors if smaller

NOISE_AT_THE_END = Fault(
    "noise-at-the-end",
    "dropout or noise comes after the last layer with weights",
    "it corrupts the outputs themselves: a dropped logit or prediction is 0, whatever the network has learned",
    "move it below the last layer with weights",
)
TOO_MUCH_NOISE = Fault(
    "too-much-noise",
    "a dropout rate above 0.8, or noise of more than 3 standard deviations of its input",
    "little of a row is left to learn from, and it differs in every step",
    "use a rate of 0.2 to 0.5 (rate is the share that is dropped, not kept), or a smaller stddev",
)
BATCH_OF_ONE = Fault(
    "batch-norm-of-one-row",
    "BatchNorm gets batches of one row in training",
    "a single row is its own mean, so the layer's output is beta, whatever x is",
    doubts.SEVERAL_ROWS,
)
FROZEN = Fault(
    "frozen-at-random",
    "a frozen layer still has its initial weights, or all layers are frozen",
    "freezing preserves what a layer has learned, but this one has learned nothing, and now it cannot learn",
    "set trainable = True, or load trained weights first",
)
LINEAR_STACK = Fault(
    "linear-stack",
    "two Dense or Conv2D layers follow one another without an activation between them, and the first is no bottleneck",
    "two linear maps in a row are one linear map, so the first layer adds weights but no expressive power",
    "give the first an activation, such as activation='relu'",
)

NARROW = Fault(
    "narrow-layer",
    "a hidden layer of one unit comes before the logits of three classes or more",
    "all the layers above it see a single number of each row, and linear logits of one number cannot tell many classes "
    "apart",
    "give it more units, such as 32",
)


def noise(patient: Patient) -> list[Finding]:
    """Dropout and noise in the wrong place, or too much of it."""
    found = []
    names = {id(layer): path for path, layer in patient.layers.items()}
    chain = [
        layer for layer in chained(patient.model.root) if layer.params or isinstance(layer, Dropout | GaussianNoise)
    ]
    if chain and any(layer.params for layer in chain) and not chain[-1].params:
        last = chain[-1]
        rate = f"rate {last.rate:g}" if isinstance(last, Dropout) else f"stddev {getattr(last, 'stddev', 0):g}"
        if getattr(last, "rate", getattr(last, "stddev", 0)):
            seen = f"{type(last).__name__} ({rate}) changes what the last layer with weights gives"
            found.append(NOISE_AT_THE_END.found(names[id(last)], seen))
    for layer in patient.leaves:
        there = patient.layers[layer.path]
        if isinstance(there, Dropout | MaskingNoise) and there.rate > MOST_DROPPED:
            seen = f"it drops {there.rate:.0%} of its inputs, so of {_units(there)} about {_left(there)} are left"
            found.append(TOO_MUCH_NOISE.found(layer.path, seen))
        if isinstance(there, GaussianNoise) and layer.x is not None and there.stddev > LOUD * (s := layer.x.std()):
            seen = f"its stddev is {there.stddev:g}, that of its inputs is {s:.3g}"
            found.append(TOO_MUCH_NOISE.found(layer.path, seen))
    return found


def _units(layer: Layer) -> str:
    count = math.prod(layer.input_shape or (1,))
    return f"{count:,} numbers"


def _left(layer: Dropout | MaskingNoise) -> str:
    return f"{max(1, round((1 - layer.rate) * math.prod(layer.input_shape or (1,)))):,}"


def single_rows(patient: Patient) -> list[Finding]:
    """BatchNorm on batches of one row: of `batch_size` 1, or the last batch of an epoch. The rule is that of `fit`."""
    layers = doubts.need_several_rows(patient.model.root)
    if not layers:
        return []
    names = {id(layer): path for path, layer in patient.layers.items()}
    size = min(patient.batch_size, patient.total)
    if size == 1:
        return [BATCH_OF_ONE.found(names[id(layers[0])], f"it gets {doubts.ONE_ROW}")]
    if patient.total % size == 1:
        seen = f"{patient.total:,} rows in batches of {size} leave one row for the last batch, which is its own mean"
        change = "leave one row out, or choose another batch_size"
        return [BATCH_OF_ONE.found(names[id(layers[0])], seen, change)]
    return []


def frozen(patient: Patient) -> list[Finding]:
    """Frozen layers that never learned anything. Initial weights are recognized by their size and by biases of 0."""
    layers = {path: layer for path, layer in patient.layers.items() if layer.params and not layer.sublayers()}
    still = {path: layer for path, layer in layers.items() if not layer.trainable}
    if not still:
        return []
    if len(still) == len(layers):
        return [FROZEN.found("model", f"all {len(layers)} layers with weights are frozen, so fit refuses to train")]
    known = {path: layer for path, layer in still.items() if isinstance(layer, Dense | Conv2D | BatchNorm | LayerNorm)}
    if not any(isinstance(layer, Dense | Conv2D) for layer in known.values()):
        raise NotCheckedError("the initial weights of the frozen layers' classes are not known")
    if not all(_is_initial(layer) for layer in known.values()):
        return []
    first = next(path for path, layer in known.items() if isinstance(layer, Dense | Conv2D))
    weights = known[first].params["W"]
    seen = (
        f"{len(still)} of {len(layers)} layers with weights are frozen, and all look untrained: biases are 0, and the "
        f"weights of {first} have a standard deviation of {weights.std():.3g}, as random initial weights have"
    )
    return [FROZEN.found(first, seen)]


def _is_initial(layer: Layer) -> bool:
    params = layer.params
    if not isinstance(layer, Dense | Conv2D):
        ones = [params["gamma"], *(layer.state[key] for key in ("var",) if key in layer.state)]
        zeros = [params["beta"], *(layer.state[key] for key in ("mean",) if key in layer.state)]
        return all((each == 1).all() for each in ones) and not any(each.any() for each in zeros)
    if "b" in params and params["b"].any():
        return False
    weights, name = params["W"], layer.kernel_initializer
    fan_in, fan_out = fans(weights.shape)
    expected = math.sqrt(2 / (fan_in + fan_out) if name.startswith("glorot") else 2 / fan_in)
    if name == "zeros":
        return not weights.any()
    bound = min(SPREAD, 4 / math.sqrt(2 * weights.size)) if weights.size > 100 else 4 / math.sqrt(2 * weights.size)
    inside = not name.endswith("uniform") or np.abs(weights).max() <= 1.0001 * math.sqrt(3) * expected
    return bool(inside and abs(float(np.sqrt(np.mean(weights**2))) / expected - 1) < bound)


def linear_stack(patient: Patient) -> list[Finding]:
    """Linear layers with nothing between them. A bottleneck is left alone: a smaller rank may be wanted."""
    plain = [layer for layer in chained(chain_of(patient.model)) if not isinstance(layer, Flatten | Dropout)]
    names = {id(layer): path for path, layer in patient.layers.items()}
    for first, second in pairwise(plain):
        kinds = isinstance(first, Dense) and isinstance(second, Dense)
        kinds = kinds or (isinstance(first, Conv2D) and isinstance(second, Conv2D | Dense))
        if not kinds or figures.activation_of(first) != "linear":
            continue
        ways = [math.prod(each or (1,)) for each in (first.input_shape, first.output_shape, second.output_shape)]
        if ways[1] >= min(ways[0], ways[2]):
            seen = f"{first.label} has no activation, and {second.label} comes next"
            return [LINEAR_STACK.found(names.get(id(first), first.name or ""), seen)]
    return []


def hidden(patient: Patient) -> list[Finding]:
    """A hidden layer too narrow for the classes; without any hidden layer, a note on what is out of reach."""
    weighted = [layer for layer in patient.layers.values() if layer.params and not layer.sublayers()]
    if len(weighted) == 1 and isinstance(weighted[0], Dense):
        raise NotCheckedError(
            f"there are none: {weighted[0].label} takes weighted sums of x, which cannot fit a relation such as XOR; "
            "if the loss stays high, put Dense(16, 'relu') before it"
        )
    if ends.applied_by(patient.loss) != "softmax" or patient.model.output_shape[-1] < CLASSES:
        return []
    names = {id(layer): path for path, layer in patient.layers.items()}
    for layer in [each for each in chained(chain_of(patient.model)) if each.params][:-1]:
        if isinstance(layer, Dense) and layer.units == 1:
            seen = f"{layer.label} has 1 unit, and the network tells {patient.model.output_shape[-1]} classes apart"
            return [NARROW.found(names.get(id(layer), layer.name or ""), seen)]
    return []
