"""JAX without a library of layers: a jitted step with donated buffers, and an epoch as one compiled scan."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.suite.task import ROWS, Built, Task, labelled, over, shuffled, table_of, with_gradient

ACTIVATIONS: dict[Any, Callable[[Any], Any]] = {
    "relu": lambda x: jnp.maximum(x, 0), "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid, None: lambda x: x,
}  # fmt: skip


class Pass:
    """What the layers of one forward pass share: random numbers, running statistics, and terms of the loss."""

    def __init__(self, key: Any, state: list[Any]) -> None:
        self.key, self.state, self.penalty = key, iter(state), 0.0
        self.new: list[Any] = []

    def random(self) -> Any:
        self.key, key = jax.random.split(self.key)
        return key


def initial(plan: list[dict[str, Any]], rng: np.random.Generator) -> tuple[list[Any], list[Any]]:
    """Parameters, nested as the plan is, and running statistics, in the order in which forward meets them."""
    parameters: list[Any] = []
    state: list[Any] = []
    for layer in plan:
        kind, size = layer["kind"], layer["out"][-1]
        if "parts" in layer:
            parts = [initial(part or [], rng) for part in layer["parts"]]
            parameters.append([part[0] for part in parts])
            state += [statistics for part in parts for statistics in part[1]]
        elif kind == "norm":
            parameters.append({"gamma": np.ones(size, np.float32), "beta": np.zeros(size, np.float32)})
            state.append((np.zeros(size, np.float32), np.ones(size, np.float32)))
        elif kind in ("conv", "dense", "contractive"):
            shape = (*layer.get("size", ()), layer["in"][-1], size)
            limit = math.sqrt(6 / (math.prod(shape[:-1]) + math.prod(shape[:-2]) * size))
            weights = {"W": rng.uniform(-limit, limit, shape).astype(np.float32)}
            parameters.append({**weights, **({"b": np.zeros(size, np.float32)} if layer["bias"] else {})})
        else:
            parameters.append({})
    return parameters, state


def forward(plan: list[dict[str, Any]], parameters: list[Any], x: Any, run: Pass) -> Any:
    for layer, values in zip(plan, parameters, strict=True):
        x = apply(layer, values, x, run)
    return x


def apply(layer: dict[str, Any], values: Any, x: Any, run: Pass) -> Any:
    """The output of one layer."""
    kind, f = layer["kind"], ACTIVATIONS[layer.get("activation")]
    if kind == "conv":
        order = ("NHWC", "HWIO", "NHWC")
        y = jax.lax.conv_general_dilated(x, values["W"], layer["strides"], layer["padding"], dimension_numbers=order)
        return f(y + values.get("b", 0))
    if kind == "dense":
        return f(x @ values["W"] + values.get("b", 0))
    if kind == "contractive":
        h = f(x @ values["W"] + values["b"])
        run.penalty += layer["factor"] / len(x) * jnp.sum((h > 0) @ jnp.sum(values["W"] ** 2, 0))
        return h
    if kind == "activity l1":
        run.penalty += layer["factor"] / len(x) * jnp.sum(jnp.abs(x))
        return x
    if kind == "norm":
        mean, variance = jnp.mean(x, (0, 1, 2)), jnp.var(x, (0, 1, 2))
        old, keep = next(run.state), layer["momentum"]
        run.new.append(tuple(keep * a + (1 - keep) * b for a, b in zip(old, (mean, variance), strict=True)))
        return f((x - mean) * (values["gamma"] * jax.lax.rsqrt(variance + layer["epsilon"])) + values["beta"])
    if kind == "max pool":
        return pooled(layer, x, -jnp.inf, jax.lax.max)
    if kind == "average pool":
        if list(layer["size"]) == [1, 1]:
            return x[:, :: layer["strides"][0], :: layer["strides"][1]]
        return pooled(layer, x, 0.0, jax.lax.add) / math.prod(layer["size"])
    if kind == "residual":
        body, around = layer["parts"]
        return f(forward(body, values[0], x, run) + forward(around or [], values[1], x, run))
    if kind == "branches":
        parts = zip(layer["parts"], values, strict=True)
        return jnp.concatenate([forward(part, mine, x, run) for part, mine in parts], -1)
    if kind in ("dropout", "mask"):
        kept = jax.random.bernoulli(run.random(), 1 - layer["rate"], x.shape)
        return jnp.where(kept, x / (1 - layer["rate"]) if kind == "dropout" else x, 0)
    if kind == "pad channels":
        return jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, layer["out"][-1] - layer["in"][-1])))
    if kind == "global average":
        return jnp.mean(x, (1, 2))
    if kind == "flatten":
        return x.reshape(len(x), -1)
    raise ValueError(f"no JAX code for {kind}")


def pooled(layer: dict[str, Any], x: Any, start: float, reduce: Any) -> Any:
    windows = (1, *layer["size"], 1), (1, *layer["strides"], 1)
    return jax.lax.reduce_window(x, start, reduce, *windows, ((0, 0), *map(tuple, layer["padding"]), (0, 0)))


def cross_entropy(logits: Any, labels: Any) -> Any:
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1))


def squared_error(y: Any, target: Any) -> Any:
    return jnp.mean((y - target) ** 2)


def update(task: Task, parameters: Any, gradients: Any, moments: Any, t: Any) -> tuple[Any, Any]:
    """One step of the optimizer: the new parameters and moments."""
    tree = jax.tree.map
    if task.optimizer == "adam":
        m = tree(lambda m, g: 0.9 * m + 0.1 * g, moments[0], gradients)
        v = tree(lambda v, g: 0.999 * v + 0.001 * g * g, moments[1], gradients)
        size, scale = task.rate / (1 - 0.9**t), 1 / jnp.sqrt(1 - 0.999**t)
        return tree(lambda p, m, v: p - size * m / (scale * jnp.sqrt(v) + 1e-7), parameters, m, v), (m, v)
    m = tree(lambda m, g: 0.9 * m + g, moments[0], gradients)
    return tree(lambda p, m: p - task.rate * m, parameters, m), (m,)


def prepared(task: Task, loss_of: Callable[[Any, Any], Any]) -> tuple[Any, Callable[..., Any], int]:
    """The initial state, a function (state, x, y) -> (state, loss), and the number of parameters."""
    parameters, statistics = initial(task.plan, np.random.default_rng(0))
    zeros = jax.tree.map(np.zeros_like, parameters)
    moments = {"adam": (zeros, jax.tree.map(np.copy, zeros)), "sgd": (zeros,), "": ()}[task.optimizer]
    key = jax.random.key(0, impl="unsafe_rbg")  # the fastest generator on a CPU
    state = jax.tree.map(jnp.array, (parameters, statistics, moments, jnp.float32(0), key))

    def step(state: Any, x: Any, y: Any) -> Any:
        parameters, statistics, moments, t, key = state
        key, once = jax.random.split(key)

        def loss_with_rest(parameters: Any) -> Any:
            run = Pass(once, statistics)
            return loss_of(forward(task.plan, parameters, x, run), y) + run.penalty, run.new

        (loss, statistics), gradients = jax.value_and_grad(loss_with_rest, has_aux=True)(parameters)
        t = t + 1
        if task.optimizer:
            parameters, moments = update(task, parameters, gradients, moments, t)
            gradients = ()
        return (parameters, statistics, moments, t, key), loss, gradients

    return state, step, sum(leaf.size for leaf in jax.tree.leaves(parameters))


def train(task: Task) -> Built:
    state, step, size = prepared(task, cross_entropy)
    compiled = jax.jit(step, donate_argnums=0)

    def run(x: Any, y: Any) -> float:
        nonlocal state
        state, loss, gradients = compiled(state, x, y)
        jax.block_until_ready((state, gradients))
        return float(loss)

    batches = [tuple(map(jnp.asarray, batch)) for batch in labelled(task)]
    return Built(over(run, batches), size, task.batch)


def epoch(task: Task, scan: bool = False) -> Built:
    """A jitted step on shuffled rows or, with `scan`, the whole epoch compiled: without shuffling and reports."""
    state, step, size = prepared(task, squared_error)
    table = table_of(task)
    if scan:
        whole = len(table) // task.batch  # an incomplete last batch is left out
        batches = jnp.asarray(table[: whole * task.batch].reshape(whole, task.batch, -1))

        def one(state: Any, batch: Any) -> Any:
            return step(state, batch, batch)[:2]

        compiled = jax.jit(lambda state: jax.lax.scan(one, state, batches), donate_argnums=0)

        def run_epoch() -> float:
            nonlocal state
            state, losses = compiled(state)
            return float(losses.mean())  # waits for the result

        return Built(run_epoch, size, ROWS)
    compiled = jax.jit(lambda state, x: step(state, x, x)[:2], donate_argnums=0)
    rng = np.random.default_rng(0)
    orders = shuffled(lambda: rng.permutation(len(table)), task.batch)

    def run() -> Any:
        nonlocal state
        state, loss = compiled(state, table[next(orders)])
        return loss  # not read: the next step may start before this one ends

    return Built(run, size, task.batch)


def layer(task: Task) -> Built:
    """Forward and backward of one layer."""
    parameters, statistics = initial(task.plan, np.random.default_rng(0))
    x, dy = map(jnp.asarray, with_gradient(task))
    key = jax.random.key(0)

    @jax.jit
    def passes(parameters: Any, x: Any, dy: Any) -> Any:
        def only(parameters: Any, x: Any) -> Any:
            return forward(task.plan, parameters, x, Pass(key, statistics))

        y, pull = jax.vjp(only, parameters, x)
        return y, pull(dy)

    def step() -> float:
        results = jax.block_until_ready(passes(parameters, x, dy))
        return float(results[1][1][(0,) * x.ndim])

    return Built(step, sum(leaf.size for leaf in jax.tree.leaves(parameters)), task.batch)


def optimize(task: Task) -> Built:
    """A step of the optimizer alone."""
    parameters, _ = initial(task.plan, np.random.default_rng(0))
    parameters = jax.tree.map(jnp.asarray, parameters)
    gradients = jax.tree.map(lambda p: 1e-3 * p, parameters)
    moments, t = (jax.tree.map(jnp.zeros_like, parameters), jax.tree.map(jnp.zeros_like, parameters)), jnp.float32(0)
    compiled = jax.jit(lambda p, g, m, t: (*update(task, p, g, m, t + 1), t + 1), donate_argnums=(0, 2))

    def step() -> float:
        nonlocal parameters, moments, t
        parameters, moments, t = jax.block_until_ready(compiled(parameters, gradients, moments, t))
        return float(t)

    return Built(step, sum(leaf.size for leaf in jax.tree.leaves(parameters)), 1)
