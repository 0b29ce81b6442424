"""Record networks built by Keras: the order of their weights and their predictions, to test that such weights load.

    python tests/golden/make_keras_models.py            (needs TensorFlow; written with 2.21 and Keras 3.15)

This file does not import tinydl, and no test imports this file. keras_models.json holds, for every network, its
layers, the shapes in `get_weights()`, the names of layers with weights in Keras's order, and predictions. Weights and
inputs are not stored: `weights_for` and `inputs_for` draw them by a rule that the test implements separately.

Layers are lists: [class, name, arguments], or ["Residual", body, shortcut, activation], ["Branches", chains] and
["AuxiliaryHead", head], where a chain is a list of layers. A repeated name means that the layer is shared. Classes and
arguments have tinydl's names; padding may be a number of pixels. Auxiliary heads are additional outputs.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras
from keras import layers as kl

HERE = Path(__file__).parent
Chain = list[list[Any]]


# --- the rule -----------------------------------------------------------------------------------------------------


def weights_for(shapes: list[Any], seed: int, gain: float) -> list[np.ndarray]:
    """Draw the arrays in order from one generator: kernels from N(0, gain / fan-in), vectors from U(0.5, 1.5)."""
    rng = np.random.default_rng(seed)
    arrays = []
    for shape in shapes:
        if len(shape) > 1:
            scale = np.float32(math.sqrt(gain / math.prod(shape[:-1])))
            arrays.append(rng.standard_normal(shape, np.float32) * scale)
        else:
            arrays.append(rng.random(shape, np.float32) + np.float32(0.5))
    return arrays


def inputs_for(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Draw inputs from N(0, 1), by a generator with the next seed."""
    return np.random.default_rng(seed + 1).standard_normal(shape, np.float32)


# --- Keras's functional API ---------------------------------------------------------------------------------------


class Builder:
    """Builds a Keras graph; holds its layers by name, and the outputs of its auxiliary heads."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}
        self.heads: list[Any] = []

    def chain(self, layers: Chain, x: Any) -> Any:
        for kind, *rest in layers:
            if kind == "Residual":
                body, shortcut, activation = rest
                x = kl.Add()([self.chain(body, x), x if shortcut is None else self.chain(shortcut, x)])
                x = kl.Activation(activation)(x) if activation else x
            elif kind == "Branches":
                x = kl.Concatenate()([self.chain(branch, x) for branch in rest[0]])
            elif kind == "AuxiliaryHead":
                self.heads.append(self.chain(rest[0], x))
            else:
                x = self.leaf(kind, *rest, x)
        return x

    def leaf(self, kind: str, name: str, arguments: dict[str, Any], x: Any) -> Any:
        more = dict(arguments)
        activation = more.pop("activation", None)
        pixels = more.get("padding")
        if isinstance(pixels, int):
            more["padding"] = "valid"
            x = kl.ZeroPadding2D(pixels)(x) if pixels else x
        if name not in self.made:
            if kind in ("Conv2D", "Dense"):
                more["activation"] = activation
            keras_class = {
                "BatchNorm": "BatchNormalization", "MaxPool2D": "MaxPooling2D", "AveragePool2D": "AveragePooling2D",
                "GlobalAveragePool2D": "GlobalAveragePooling2D",
            }.get(kind, kind)  # fmt: skip
            self.made[name] = getattr(kl, keras_class)(name=name, **more)
        x = self.made[name](x)
        return kl.Activation(activation)(x) if kind == "BatchNorm" and activation else x


def functional(layers: Chain, input_shape: tuple[int, ...]) -> Any:
    x, builder = keras.Input(input_shape), Builder()
    y = builder.chain(layers, x)
    return keras.Model(x, [y, *builder.heads] if builder.heads else y)


def record(cases: dict[str, Any], name: str, model: Any, layers: Chain | None, seed: int, gain: float, n: int) -> None:
    """Record one network; layers: None if the test defines the layers itself."""
    shapes = [array.shape for array in model.get_weights()]
    model.set_weights(weights_for(shapes, seed, gain))
    x = inputs_for((n, *model.input_shape[1:]), seed)
    y = model(x, training=False)
    y = (y[0] if isinstance(y, list) else y).numpy()
    names = [layer.name for layer in model.layers if layer.weights]
    cases[name] = {
        "input_shape": model.input_shape[1:], "layers": layers, "seed": seed, "gain": gain, "shapes": shapes,
        "names": names, "predictions": y.tolist(),
    }  # fmt: skip
    print(
        f"{name}: {len(shapes)} arrays, predictions {y.min():.3g} .. {y.max():.3g}, std {y.std():.3g}, {keras.ops.size(y)}"
    )


# --- the networks -------------------------------------------------------------------------------------------------


class Names:
    """Numbers the layers of each kind: conv2d_1, conv2d_2, ..."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def __call__(self, kind: str, **arguments: Any) -> list[Any]:
        self.numbers[kind] = self.numbers.get(kind, 0) + 1
        return [kind, f"{kind.lower()}_{self.numbers[kind]}", arguments]


def vgg16() -> Chain:
    new = Names()
    layers = []
    for filters, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(convolutions):
            layers.append(new("Conv2D", filters=filters, kernel_size=3, padding="same", activation="relu"))
        layers.append(new("MaxPool2D", pool_size=2))
    dense = [new("Dense", units=4096, activation="relu") for _ in range(2)]
    return [*layers, new("Flatten"), *dense, new("Dense", units=1000)]


def resnet() -> Chain:
    """A small network like ResNet-18 and -50: basic blocks and bottlenecks, with and without projections."""
    new = Names()

    def conv(filters: int, kernel_size: int, strides: int = 1, activation: str | None = None) -> Chain:
        return [
            new("Conv2D", filters=filters, kernel_size=kernel_size, strides=strides, padding="same", use_bias=False),
            new("BatchNorm", epsilon=1e-5, activation=activation),
        ]

    def relu_layer(layers: Chain) -> Chain:
        return [*layers, new("ReLU")]

    return [
        *conv(8, 3, activation="relu"), new("MaxPool2D", pool_size=3, strides=2, padding="same"),
        ["Residual", [*conv(8, 3, activation="relu"), *conv(8, 3)], None, "relu"],
        ["Residual", [*conv(12, 3, 2, "relu"), *conv(12, 3)], conv(12, 1, 2), "relu"],
        ["Residual", [*relu_layer(conv(6, 1)), *conv(6, 3, 1, "relu"), *conv(20, 1)], conv(20, 1), None], new("ReLU"),
        ["Residual", [*conv(5, 1, 2, "relu"), *conv(5, 3, 1, "relu"), *conv(24, 1)], conv(24, 1, 2), "relu"],
        ["Residual", [*conv(5, 1, 1, "relu"), *conv(24, 3)], None, "relu"],
        new("GlobalAveragePool2D"), new("Dense", units=10),
    ]  # fmt: skip


def googlenet() -> Chain:
    new = Names()

    def conv(filters: int, kernel_size: int, strides: int = 1) -> list[Any]:
        return new(
            "Conv2D", filters=filters, kernel_size=kernel_size, strides=strides, padding="same", activation="relu"
        )

    def bare(filters: int, kernel_size: int, strides: int = 1) -> Chain:
        return [
            new("Conv2D", filters=filters, kernel_size=kernel_size, strides=strides, padding="same"),
            new("BatchNorm", activation="relu"),
        ]

    def inception(one: int, reduce3: int, three: int, reduce5: int, five: int, pool: int) -> list[Any]:
        return ["Branches", [
            [conv(one, 1)], [conv(reduce3, 1), conv(three, 3)], [conv(reduce5, 1), conv(five, 5)],
            [new("MaxPool2D", pool_size=3, strides=1, padding="same"), conv(pool, 1)],
        ]]  # fmt: skip

    return [
        conv(8, 7, 2), new("MaxPool2D", pool_size=3, strides=2, padding="same"), conv(8, 1), *bare(12, 3),
        inception(6, 5, 8, 3, 4, 5), inception(7, 6, 9, 2, 5, 4),
        ["Branches", [[*bare(5, 1), *bare(9, 3, 2)], [*bare(4, 1), *bare(6, 3), *bare(6, 3, 2)],
                      [new("MaxPool2D", pool_size=3, strides=2, padding="same")]]],
        ["Branches", [bare(6, 1), [*bare(5, 1), ["Branches", [bare(7, 3), bare(5, 3)]]], [conv(4, 1)]]],
        new("GlobalAveragePool2D"), new("Dropout", rate=0.4), new("Dense", units=10),
    ]  # fmt: skip


def resnet50() -> Chain:
    """keras.applications.ResNet50, which lists the shortcut first; body and shortcut are therefore exchanged here."""
    new = Names()

    def conv(
        filters: int, kernel_size: int, strides: int = 1, activation: str | None = None, pixels: Any = "same"
    ) -> Chain:
        return [
            new("Conv2D", filters=filters, kernel_size=kernel_size, strides=strides, padding=pixels),
            new("BatchNorm", epsilon=1.001e-5, activation=activation),
        ]

    layers = [*conv(64, 7, 2, "relu", 3), new("MaxPool2D", pool_size=3, strides=2, padding=1)]
    for filters, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            strides = 2 if block == 0 and filters > 64 else 1
            body = [*conv(filters, 1, strides, "relu"), *conv(filters, 3, 1, "relu"), *conv(4 * filters, 1)]
            if block == 0:
                layers.append(["Residual", conv(4 * filters, 1, strides), body, "relu"])
            else:
                layers.append(["Residual", body, None, "relu"])
    return [*layers, new("GlobalAveragePool2D"), new("Dense", units=10)]


def shared() -> dict[str, Chain]:
    """Networks with layers used in several places and at several depths, nested branches, and additional outputs."""
    new = Names()

    def conv(filters: int = 4) -> list[Any]:
        return new("Conv2D", filters=filters, kernel_size=3, padding="same", activation="relu")

    end = [new("GlobalAveragePool2D"), new("Dense", units=3)]
    a, b, c, d, e, f, g = (conv() for _ in range(7))
    norm = new("BatchNorm")
    head = [new("GlobalAveragePool2D"), new("Dense", units=5, activation="relu"), new("Dense", units=3)]
    other = [new("GlobalAveragePool2D"), new("Dense", units=3)]
    return {
        "shared in a chain": [a, b, b, norm, b, norm, *end],
        "shared by branches": [a, ["Branches", [[b, c], [d], [c, b]]], *end],
        "shared by blocks": [a, ["Residual", [b, norm, c, norm], None, "relu"], ["Residual", [c, b], [b], None], *end],
        "first on the way back": [a, ["Residual", [b], [c], None], ["Residual", [c], [d], None], *end],
        "nested": [
            a, ["Branches", [[["Residual", [b, c], [d], "relu"], ["Branches", [[e], [conv(), conv(3)]]]],
                             [["Residual", [f, g, conv()], [["Residual", [conv()], [conv()], None]], None]]]], *end,
        ],
        "heads": [
            a, ["Residual", [b], [c], None], ["AuxiliaryHead", head], d, ["Branches", [[e], [f, g]]],
            ["AuxiliaryHead", other], conv(), *end,
        ],
    }  # fmt: skip


def drawn(rng: np.random.Generator) -> Chain:
    """A random network with maps of 6 channels, branches that fork and join, and some shared layers."""
    new, made = Names(), []

    def leaf() -> list[Any]:
        if made and rng.random() < 0.15:
            return made[rng.integers(len(made))]
        if rng.random() < 0.35:
            layer = new("BatchNorm", activation=[None, "relu"][rng.integers(2)])
        else:
            activation = [None, "relu", "tanh"][rng.integers(3)]
            layer = new("Conv2D", filters=6, kernel_size=int(rng.integers(1, 4)), padding="same", activation=activation,
                        use_bias=bool(rng.integers(2)))  # fmt: skip
        made.append(layer)
        return layer

    def chain(length: int, deep: int) -> Chain:
        layers: Chain = []
        for _ in range(length):
            kind = rng.random()
            if deep and kind < 0.3:
                shortcut = chain(int(rng.integers(1, 3)), deep - 1) if rng.random() < 0.7 else None
                layers.append(
                    ["Residual", chain(int(rng.integers(1, 4)), deep - 1), shortcut, [None, "relu"][rng.integers(2)]]
                )
            elif deep and kind < 0.55:
                ways = [chain(int(rng.integers(1, 4)), deep - 1) for _ in range(rng.integers(2, 4))]
                layers += [["Branches", ways], new("Conv2D", filters=6, kernel_size=1, activation="tanh")]
            elif kind < 0.62:
                layers.append(new("MaxPool2D", pool_size=2, strides=1, padding="same"))
            else:
                layers.append(leaf())
        return layers

    stem = new("Conv2D", filters=6, kernel_size=1, activation="tanh")
    return [stem, *chain(int(rng.integers(2, 6)), 2), new("GlobalAveragePool2D"), new("Dense", units=4)]


if __name__ == "__main__":
    cases: dict[str, Any] = {}
    by_hand = functional(vgg16(), (224, 224, 3))
    record(cases, "VGG16", by_hand, None, 1, 2.0, 1)
    predicted = cases["VGG16"]["predictions"]
    own = keras.applications.VGG16(weights=None, classifier_activation=None)
    record(cases, "VGG16", own, None, 1, 2.0, 1)
    np.testing.assert_allclose(cases["VGG16"]["predictions"], predicted, rtol=1e-5, atol=1e-5)
    own = keras.applications.ResNet50(weights=None, input_shape=(64, 64, 3), classes=10, classifier_activation=None)
    record(cases, "ResNet50", own, resnet50(), 2, 1.0, 2)
    record(cases, "resnet", functional(resnet(), (32, 32, 3)), resnet(), 3, 1.0, 3)
    record(cases, "googlenet", functional(googlenet(), (32, 32, 3)), googlenet(), 4, 2.0, 3)
    for k, (name, layers) in enumerate(shared().items()):
        record(cases, name, functional(layers, (6, 6, 2)), layers, 10 + k, 1.0, 2)
    for k in range(20):
        layers = drawn(np.random.default_rng(100 + k))
        record(cases, f"drawn {k}", functional(layers, (5, 4, 3)), layers, 200 + k, 1.0, 2)
    lines = [f"{json.dumps(key)}: {json.dumps(case, allow_nan=False)}" for key, case in cases.items()]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (HERE / "keras_models.json").write_text(text)
    print(f"keras_models.json: {len(cases)} cases, {len(text) / 1e3:.0f} kB")
