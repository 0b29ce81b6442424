"""Keras, on TensorFlow (a step as a tf.function, optionally compiled by XLA) and on JAX (a jitted step)."""

from __future__ import annotations

import math
from typing import Any

import keras

from benchmarks.suite.task import Built, Task, labelled, over, shuffled, table_of, with_gradient

add = keras.layers


class LocalResponseNorm(keras.layers.Layer):
    """TensorFlow's local response normalization; Keras has none."""

    def __init__(self, layer: dict[str, Any]) -> None:
        super().__init__()
        self.options = (layer["size"] // 2, layer["k"], layer["alpha"], layer["beta"])

    def call(self, x: Any) -> Any:
        import tensorflow as tf

        return tf.nn.local_response_normalization(x, *self.options)


def network(task: Task) -> Any:
    """The network of a plan as a functional model."""
    keras.utils.set_random_seed(0)
    x = keras.Input(task.input_shape)
    return keras.Model(x, chain(x, task.plan))


def chain(x: Any, plan: list[dict[str, Any]]) -> Any:
    for layer in plan:
        x = apply(x, layer)
    return x


def apply(x: Any, layer: dict[str, Any]) -> Any:
    """Add one layer to the graph."""
    kind, filters, activation = layer["kind"], layer["out"][-1], layer.get("activation")
    if kind == "conv":
        x, padding = padded(x, layer)
        options = {"use_bias": layer["bias"], "activation": activation}
        return add.Conv2D(filters, layer["size"], layer["strides"], padding, **options)(x)
    if kind in ("max pool", "average pool"):
        return pooled(x, layer)
    if kind == "dense":
        return add.Dense(filters, activation, layer["bias"])(x)
    if kind == "norm":
        x = add.BatchNormalization(momentum=layer["momentum"], epsilon=layer["epsilon"])(x)
        return add.Activation(activation)(x) if activation else x
    if kind == "residual":
        body, around = layer["parts"]
        return add.Activation(activation)(add.Add()([chain(x, body), chain(x, around or [])]))
    if kind == "branches":
        return add.Concatenate()([chain(x, part) for part in layer["parts"]])
    if kind == "pad channels":
        return keras.ops.pad(x, ((0, 0), (0, 0), (0, 0), (0, filters - layer["in"][-1])))
    if kind == "lrn":
        return LocalResponseNorm(layer)(x)
    simple = {"dropout": lambda: add.Dropout(layer["rate"]), "flatten": add.Flatten}
    simple["global average"] = add.GlobalAveragePooling2D
    return simple[kind]()(x)


def padded(x: Any, layer: dict[str, Any]) -> tuple[Any, str]:
    """The input and Keras's word for its padding; padding that Keras has no word for is a layer of its own."""
    padding, size, strides = layer["padding"], layer["size"], layer["strides"]
    if not any(map(sum, padding)):
        return x, "valid"
    totals = [
        max((math.ceil(pixels / step) - 1) * step + kernel - pixels, 0)
        for pixels, kernel, step in zip(layer["in"], size, strides, strict=False)
    ]
    same = [list(sides) == [total // 2, total - total // 2] for sides, total in zip(padding, totals, strict=True)]
    return (x, "same") if all(same) else (add.ZeroPadding2D(padding)(x), "valid")


def pooled(x: Any, layer: dict[str, Any]) -> Any:
    (down, across), size, strides = layer["strides"], layer["size"], layer["strides"]
    if list(size) == [1, 1]:
        return x[:, ::down, ::across]
    x, padding = padded(x, layer)  # zeros are no maxima after relu, which precedes every padded max pooling here
    return (add.MaxPooling2D if layer["kind"] == "max pool" else add.AveragePooling2D)(size, strides, padding)(x)


def optimizer_of(task: Task, model: Any) -> Any:
    if task.optimizer == "adam":
        optimizer = keras.optimizers.Adam(task.rate, epsilon=1e-7)
    else:
        optimizer = keras.optimizers.SGD(task.rate, 0.9)
    optimizer.build(model.trainable_variables)
    return optimizer


def size(model: Any) -> int:
    return sum(math.prod(weight.shape) for weight in model.trainable_variables)


def train(task: Task, xla: bool = False) -> Built:
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if keras.backend.backend() == "jax":
        model, step = jax_step(task, cross_entropy)
    else:
        model, step = tensorflow_step(task, cross_entropy, xla)
    batches = [tuple(map(keras.ops.convert_to_tensor, batch)) for batch in labelled(task)]
    return Built(over(lambda x, y: float(step(x, y)), batches), size(model), task.batch)


def epoch(task: Task, xla: bool = False) -> Built:
    """A step on shuffled rows."""
    import numpy as np

    error = keras.losses.MeanSquaredError()
    on_jax = keras.backend.backend() == "jax"
    model, step = jax_step(task, error) if on_jax else tensorflow_step(task, error, xla)
    table, rng = table_of(task), np.random.default_rng(0)
    orders = shuffled(lambda: rng.permutation(len(table)), task.batch)

    def run() -> Any:
        rows = table[next(orders)]
        return step(rows, rows)

    return Built(run, size(model), task.batch)


def tensorflow_step(task: Task, loss_of: Any, xla: bool) -> tuple[Any, Any]:
    import tensorflow as tf

    model = network(task)
    optimizer, weights = optimizer_of(task, model), model.trainable_variables

    @tf.function(jit_compile=xla)
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True))
        gradients = tape.gradient(loss, weights)
        if task.optimizer:
            optimizer.apply(gradients, weights)
            return loss, ()
        return loss, gradients  # TensorFlow would not compute them otherwise

    return model, lambda x, y: step(x, y)[0]


def jax_step(task: Task, loss_of: Any) -> tuple[Any, Any]:
    import jax

    model = network(task)
    optimizer = optimizer_of(task, model)
    state = [
        [variable.value for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    ]

    def loss_and_rest(trainable: Any, rest: Any, x: Any, y: Any) -> Any:
        outputs, rest = model.stateless_call(trainable, rest, x, training=True)
        return loss_of(y, outputs), rest

    def step(state: Any, x: Any, y: Any) -> Any:
        trainable, rest, moments = state
        (loss, rest), gradients = jax.value_and_grad(loss_and_rest, has_aux=True)(trainable, rest, x, y)
        trainable, moments = optimizer.stateless_apply(moments, gradients, trainable)
        return loss, [trainable, rest, moments]

    compiled = jax.jit(step, donate_argnums=0)

    def run(x: Any, y: Any) -> Any:
        loss, state[:] = compiled(state, x, y)
        return loss

    return model, run


def layer(task: Task) -> Built:
    """Forward and backward of one layer in TensorFlow."""
    import tensorflow as tf

    model = network(task)
    x, dy = map(tf.constant, with_gradient(task))
    weights = model.trainable_variables

    @tf.function
    def step(x: Any, dy: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = model(x, training=True)
        return tape.gradient(y, [x, *weights], dy), y  # TensorFlow would not compute y otherwise

    return Built(lambda: float(tf.reshape(step(x, dy)[0][0], -1)[0]), size(model), task.batch)
