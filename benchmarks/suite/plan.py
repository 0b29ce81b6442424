"""Networks as plain data, read off tinydl's own models, so that every library builds the same layers.

A plan is a list of dicts, one per layer, with the layer's `kind`, its `in` and `out` shapes without the batch axis
(NHWC), and its hyper-parameters. Plans survive JSON: the parent process reads them off a model, and the processes of
the peers, which do not import tinydl, build from them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from tinydl import Model, layers, models

Plan = list[dict[str, Any]]
FLOAT = 4  # bytes


def build(builder: str, options: dict[str, Any]) -> Model:
    """The model of `tinydl.models` with this name or, for "layers", a chain of layers by their names."""
    if builder == "layers":
        chain = [getattr(layers, name)(**arguments) for name, arguments in options["layers"]]
        return Model(chain, tuple(options["input_shape"]))
    if "input_shape" in options:
        options = {**options, "input_shape": tuple(options["input_shape"])}
    return getattr(models, builder)(**options)


def of(model: Model) -> Plan:
    """The plan of a model."""
    return [_entry(layer) for layer in model.layers]


def _entry(layer: Any) -> dict[str, Any]:
    return {"in": layer.input_shape, "out": layer.output_shape, **_hyper_parameters(layer)}


def _chain(layer: Any) -> Plan:
    return [_entry(each) for each in layer.layers] if isinstance(layer, layers.Sequential) else [_entry(layer)]


def _hyper_parameters(layer: Any) -> dict[str, Any]:
    match layer:
        case layers.Conv2D():
            return {"kind": "conv", **_window(layer), "bias": layer.use_bias, "activation": layer.activation}
        case layers.Dense():
            return {"kind": "dense", "bias": layer.use_bias, "activation": layer.activation}
        case layers.BatchNorm():
            options = {"momentum": layer.momentum, "epsilon": layer.epsilon, "activation": layer.activation}
            return {"kind": "norm", **options}
        case layers.MaxPool2D():
            return {"kind": "max pool", **_window(layer)}
        case layers.AveragePool2D():
            return {"kind": "average pool", **_window(layer)}
        case layers.LocalResponseNorm():
            return {"kind": "lrn", "size": layer.size, "alpha": layer.alpha, "beta": layer.beta, "k": layer.k}
        case layers.Dropout() | layers.MaskingNoise():
            return {"kind": "dropout" if isinstance(layer, layers.Dropout) else "mask", "rate": layer.rate}
        case layers.ActivityL1():
            return {"kind": "activity l1", "factor": layer.factor}
        case layers.ContractivePenalty():
            return {**_hyper_parameters(layer.encoder), "kind": "contractive", "factor": layer.factor}
        case layers.Residual():
            around = None if layer.shortcut is None else _chain(layer.shortcut)
            return {"kind": "residual", "parts": [_chain(layer.body), around], "activation": layer.activation}
        case layers.Branches():
            return {"kind": "branches", "parts": [_chain(branch) for branch in layer.branches]}
        case layers.GlobalAveragePool2D():
            return {"kind": "global average"}
        case layers.Flatten():
            return {"kind": "flatten"}
        case layers.PadChannels():
            return {"kind": "pad channels"}
    raise TypeError(f"{type(layer).__name__}: the suite has no plan for this layer")


def _window(layer: Any) -> dict[str, Any]:
    window = layer._window
    return {"size": window.size, "strides": window.strides, "padding": window.padding}


def leaves(plan: Plan) -> Iterator[dict[str, Any]]:
    """All layers of the plan that compute something themselves, and the sums of residual blocks."""
    for layer in plan:
        for part in layer.get("parts", []):
            yield from leaves(part or [])
        if layer["kind"] != "branches":
            yield layer


def parameters(plan: Plan) -> int:
    """The number of trained parameters."""
    return sum(_weights(layer) for layer in leaves(plan))


def _weights(layer: dict[str, Any]) -> int:
    units = layer["out"][-1]
    if layer["kind"] == "norm":
        return 2 * units
    return _kernel(layer) + units * bool(layer.get("bias"))


def _kernel(layer: dict[str, Any]) -> int:
    if layer["kind"] in ("conv", "dense", "contractive"):
        return math.prod(layer.get("size", ())) * layer["in"][-1] * layer["out"][-1]
    return 0


def operations(plan: Plan, work: str) -> int:
    """Floating-point operations per row or image, of direct convolutions and dense layers.

    Backward takes twice as many as forward, without the dx of a trained network's first layer.
    """
    products = [_kernel(layer) * math.prod(layer["out"][:-1]) for layer in leaves(plan) if _kernel(layer)]
    if work == "infer":
        return 2 * sum(products)
    return 2 * (3 * sum(products) - (products[0] if products and work != "layer" else 0))


def traffic(plan: Plan, work: str, batch: int, optimizer: str) -> int:
    """Bytes that a step moves at least, if every layer reads its input and writes its output once in each pass.

    Backward reads dy, x and the output, and writes dx. Parameters are read in each pass, their gradients are written,
    and the optimizer reads parameters, gradients and moments, and writes all but the gradients. A step whose arrays
    stay in the cache moves less.
    """
    maps = sum(math.prod(layer["in"]) + math.prod(layer["out"]) for layer in leaves(plan))
    weights = parameters(plan)
    if work == "infer":
        return FLOAT * (batch * maps + weights)
    update = {"adam": 7, "sgd": 5, "": 0}[optimizer]  # SGD with momentum
    return FLOAT * (batch * 3 * maps + (3 + update) * weights)
