"""Images per second in a training step of the book's CIFAR-10 network: tinydl, PyTorch, Keras on TensorFlow and on JAX.

    python -m benchmarks.cnn_step [--threads 2] [--rounds 5] [--seconds 2] [--picture step.png] [--compile]

All contestants train the same network: 9,312,202 parameters, Adam, dropout of 0.5, softmax cross-entropy on logits,
float32, batches of 128 stored in the layout that each contestant expects. A step is forward, backward, Adam, and
reading the loss as a number.

Every contestant has a process of its own (Keras's backend is chosen per process), in which it builds and compiles its
model once. Then all take turns: one works for about two seconds while the others wait for a line on their standard
input. The table lists the cores that each contestant used while working; a line below the table gives those used by
idle processes. NumPy's product of two 2048x2048 matrices is timed in the same rounds: "share of sgemm" is the rate of
the arithmetic of the direct convolutions and products (without the first layer's dx, which is not needed), divided by
the rate of NumPy's product. Memory is the process's peak, followed by its growth since the imports.

Contestants whose libraries are not installed are skipped; --compile adds torch.compile, which needs a C++ compiler.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import math
import platform
import statistics
from typing import Any

from benchmarks.processes import Built, Contestant, Worker, start, take_turns, work
from benchmarks.side_by_side import add_threads, machine, use_threads

PARAMETERS = 9_312_202
CONVS = [(32, 3, 64, 3), (16, 64, 128, 2), (16, 128, 128, 2), (8, 128, 256, 1), (4, 256, 512, 1)]  # map, c, f, kernel
POOLED = (0, 2, 3)  # the convolutions followed by pooling
DENSE = [(8192, 1024), (1024, 512), (512, 256), (256, 10)]
BATCHES = 8  # distinct batches, kept in memory
SIDE = 2048  # of the matrices whose product measures the machine's speed


def flops_of_step() -> int:
    """Operations per image: twice as many in backward as in forward, but no dx for the first layer."""
    convs = [size**2 * kernel**2 * c * f for size, c, f, kernel in CONVS]
    return 2 * (3 * (sum(convs) + sum(inputs * units for inputs, units in DENSE)) - convs[0])


# --- the contestants: each runs in its own process and imports its library there ------------------------


def data(batch_size: int) -> list[tuple[Any, Any]]:
    """Batches of noise images (n, 32, 32, 3) and random labels."""
    import numpy as np

    rng = np.random.default_rng(0)
    return [
        (rng.standard_normal((batch_size, 32, 32, 3), np.float32), rng.integers(0, 10, batch_size, np.int32))
        for _ in range(BATCHES)
    ]


def sgemm(batch_size: int) -> Built:
    import numpy as np

    a, b, c = np.random.default_rng(0).standard_normal((3, SIDE, SIDE), np.float32)

    def step(x: Any, y: Any) -> float:
        return float(np.matmul(a, b, out=c)[0, 0])

    return Built(step, [(None, None)], 0)


def tinydl(batch_size: int) -> Built:
    from tinydl import models
    from tinydl.losses import SoftmaxCrossEntropy
    from tinydl.optimizers import Adam

    model = models.cifar_cnn()
    model.compile(Adam(1e-3), SoftmaxCrossEntropy())
    return Built(model.train_on_batch, data(batch_size), model.parameters.size)


def pytorch(batch_size: int, channels_last: bool, fused: bool, compiled: bool = False) -> Built:
    import torch
    from torch import nn

    torch.manual_seed(0)
    layers: list[Any] = []
    for i, (_, c, f, kernel) in enumerate(CONVS):
        layers += [nn.Conv2d(c, f, kernel, padding="same", bias=False), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if i in POOLED else []
    layers.append(nn.Flatten())
    for inputs, units in DENSE[:-1]:
        layers += [nn.Linear(inputs, units), nn.ReLU(), nn.Dropout(0.5)]
    model = nn.Sequential(*layers, nn.Linear(*DENSE[-1]))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = model.to(memory_format=layout)
    run = torch.compile(model) if compiled else model
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, **({"fused": True} if fused else {}))
    loss_of = nn.CrossEntropyLoss()

    def step(x: Any, y: Any) -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(run(x), y)
        loss.backward()
        optimizer.step()
        return float(loss)

    batches = [
        (torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=layout), torch.from_numpy(y).long())
        for x, y in data(batch_size)
    ]
    return Built(step, batches, sum(parameter.numel() for parameter in model.parameters()))


def keras_model() -> tuple[Any, Any, Any]:
    """The Keras model, its loss and its optimizer."""
    keras = importlib.import_module("keras")
    keras.utils.set_random_seed(0)
    add = keras.layers
    layers: list[Any] = [keras.Input((32, 32, 3))]
    for i, (_, _, f, kernel) in enumerate(CONVS):
        layers.append(add.Conv2D(f, kernel, padding="same", activation="relu", use_bias=False))
        layers += [add.MaxPooling2D(2)] if i in POOLED else []
    layers.append(add.Flatten())
    for _, units in DENSE[:-1]:
        layers += [add.Dense(units, activation="relu"), add.Dropout(0.5)]
    model = keras.Sequential([*layers, add.Dense(DENSE[-1][1])])
    return model, keras.losses.SparseCategoricalCrossentropy(from_logits=True), keras.optimizers.Adam(1e-3)


def keras_train_on_batch(batch_size: int) -> Built:
    model, loss_of, optimizer = keras_model()
    model.compile(optimizer, loss_of)
    return Built(lambda x, y: float(model.train_on_batch(x, y)), data(batch_size), model.count_params())


def tensorflow_function(batch_size: int, jit_compile: bool) -> Built:
    tf = importlib.import_module("tensorflow")
    model, loss_of, optimizer = keras_model()
    optimizer.build(model.trainable_variables)

    @tf.function(jit_compile=jit_compile)
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    batches = [(tf.constant(x), tf.constant(y)) for x, y in data(batch_size)]
    return Built(lambda x, y: float(step(x, y)), batches, model.count_params())


def jax_jit(batch_size: int) -> Built:
    jax = importlib.import_module("jax")
    model, loss_of, optimizer = keras_model()
    optimizer.build(model.trainable_variables)
    state = [
        [variable.value for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    ]

    def loss_and_rest(trainable: Any, rest: Any, x: Any, y: Any) -> Any:
        logits, rest = model.stateless_call(trainable, rest, x, training=True)
        return loss_of(y, logits), rest

    def step(state: Any, x: Any, y: Any) -> Any:
        trainable, rest, moments = state
        (loss, rest), gradients = jax.value_and_grad(loss_and_rest, has_aux=True)(trainable, rest, x, y)
        trainable, moments = optimizer.stateless_apply(moments, gradients, trainable)
        return loss, [trainable, rest, moments]

    compiled = jax.jit(step, donate_argnums=0)

    def run(x: Any, y: Any) -> float:
        loss, state[:] = compiled(state, x, y)
        jax.block_until_ready(state)
        return float(loss)

    batches = [(jax.numpy.asarray(x), jax.numpy.asarray(y)) for x, y in data(batch_size)]
    return Built(run, batches, model.count_params())


TENSORFLOW, JAX = ("tensorflow", "keras"), ("jax", "keras")
SGEMM, OURS, COMPILED = "sgemm", "tinydl", "PyTorch, torch.compile, channels_last, fused Adam"
CONTESTANTS = [
    Contestant(SGEMM, sgemm, ("numpy",)),
    Contestant(OURS, tinydl, ("tinydl",)),
    Contestant("PyTorch", pytorch, ("torch",), {"channels_last": False, "fused": False}),
    Contestant("PyTorch, fused Adam", pytorch, ("torch",), {"channels_last": False, "fused": True}),
    Contestant("PyTorch, channels_last", pytorch, ("torch",), {"channels_last": True, "fused": False}),
    Contestant("PyTorch, channels_last, fused Adam", pytorch, ("torch",), {"channels_last": True, "fused": True}),
    Contestant(COMPILED, pytorch, ("torch",), {"channels_last": True, "fused": True, "compiled": True}),
    Contestant("Keras on TensorFlow, train_on_batch", keras_train_on_batch, TENSORFLOW, {}, "tensorflow"),
    Contestant(
        "Keras on TensorFlow, tf.function", tensorflow_function, TENSORFLOW, {"jit_compile": False}, "tensorflow"
    ),
    Contestant("Keras on TensorFlow, XLA", tensorflow_function, TENSORFLOW, {"jit_compile": True}, "tensorflow"),
    Contestant("Keras on JAX, train_on_batch", keras_train_on_batch, JAX, {}, "jax"),
    Contestant("Keras on JAX, jax.jit", jax_jit, JAX, {}, "jax"),
]


def report(workers: list[Worker], batch_size: int) -> tuple[str, dict[str, list[float]]]:
    """The table, and images per second of every contestant: tinydl first, then the others, fastest first."""
    speeds = {worker.name: [batch_size / seconds for seconds in worker.seconds] for worker in workers}
    by_name = {worker.name: worker for worker in workers}
    median = {name: statistics.median(values) for name, values in speeds.items()}
    names = sorted((name for name in speeds if name != SGEMM), key=lambda name: (name != OURS, -median[name]))
    rate = 2 * SIDE**3 / statistics.median(by_name[SGEMM].seconds) if SGEMM in by_name else math.nan
    lines = [
        f"| training step, batch {batch_size} | images/s | range | tinydl speedup | share of sgemm | cores | memory |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name in names:
        worker, speed = by_name[name], median[name]
        times = f"{median[OURS] / speed:.2f} x" if OURS in median and name != OURS else ""
        memory = f"{worker.peak:.0f} MB (+{worker.peak - worker.built['imported']:.0f})"
        lines.append(
            f"| {name} | {speed:.0f} | {min(speeds[name]):.0f} - {max(speeds[name]):.0f} | {times} | "
            f"{speed * flops_of_step() / rate:.0%} | {statistics.median(worker.cores):.2f} | {memory} |"
        )
    lines += ["", f"sgemm: {rate / 1e9:.0f} GFLOP/s; a step: {flops_of_step() / 1e6:.1f} MFLOP per image"]
    return "\n".join(lines), {name: speeds[name] for name in names}


def picture(speeds: dict[str, list[float]], source: str, path: str) -> None:
    """Draw images per second as bars, with the range over the rounds."""
    from tinydl.plots.style import BLUE, GREY, ORANGE, PURPLE, SKY, dress, finish, panel

    colours = {"tinydl": BLUE, "PyTorch": ORANGE, "Keras on TensorFlow": SKY, "Keras on JAX": PURPLE}
    figure, ax = panel(width=9, height=1.4 + 0.38 * len(speeds))
    medians = [statistics.median(values) for values in speeds.values()]
    errors = [
        [median - min(values) for median, values in zip(medians, speeds.values(), strict=True)],
        [max(values) - median for median, values in zip(medians, speeds.values(), strict=True)],
    ]
    shades = [colours.get(name.split(",")[0], GREY) for name in speeds]
    ax.barh(list(speeds), medians, 0.7, color=shades, xerr=errors, error_kw={"lw": 1.2, "capsize": 3})
    for at, (median, values) in enumerate(zip(medians, speeds.values(), strict=True)):
        times = f"  (tinydl {medians[0] / median:.2f} x)" if at and next(iter(speeds)) == OURS else ""
        ax.text(max(values), at, f"  {median:.0f}{times}", va="center", fontsize=10)
    ax.set_xlim(0, 1.25 * max(map(max, speeds.values())))
    ax.invert_yaxis()
    dress(ax, "Training step of the book's CIFAR-10 network", "images per second", "")
    ax.grid(visible=False, axis="y")
    finish(figure, source, path)
    print(f"\nWritten to {path}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_threads(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds per turn (default 2; at least one step)")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--picture", metavar="PATH", help="write a bar chart (PNG)")
    parser.add_argument("--compile", action="store_true", help="also time torch.compile")
    parser.add_argument("--only", metavar="WORD", help="besides tinydl, only contestants whose name contains this word")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    use_threads(args.threads)
    if args.worker:
        with contextlib.suppress(KeyboardInterrupt):
            work({one.name: one for one in CONTESTANTS}[args.worker], args.seconds, args.batch_size)
        return
    contestants = [one for one in CONTESTANTS if args.compile or one.name != COMPILED]
    if args.only:
        wanted = args.only.lower()
        contestants = [one for one in contestants if one.name in (SGEMM, OURS) or wanted in one.name.lower()]
    threads = f"{args.threads} thread{'s'[: args.threads > 1]}"
    print(machine(), f"{threads}, batch {args.batch_size}, {args.rounds} rounds", sep="\n", flush=True)
    arguments = ["--threads", args.threads, "--batch-size", args.batch_size, "--seconds", args.seconds]
    workers: list[Worker] = []
    try:
        start(contestants, list(map(str, arguments)), workers)
        idle = take_turns(workers, args.rounds)
    finally:
        for worker in workers:
            worker.stop()
    for worker in workers:
        if worker.name != SGEMM and worker.built["parameters"] != PARAMETERS:
            raise SystemExit(f"{worker.name} has {worker.built['parameters']:,} parameters, expected {PARAMETERS:,}")
        if not math.isfinite(worker.loss):
            raise SystemExit(f"{worker.name}: the loss became {worker.loss}")
    text, speeds = report(workers, args.batch_size)
    versions = {module: v for worker in workers for module, v in worker.built["versions"].items()}
    print(f"\n{text}")
    print(f"{PARAMETERS:,} parameters each; all losses finite; idle contestants used at most {idle:.1%} of a core")
    print(", ".join(f"{module} {number}" for module, number in versions.items()), flush=True)
    if args.picture:
        peers = ", ".join(f"{module} {v}" for module, v in versions.items() if module in ("torch", "tensorflow", "jax"))
        processor = machine().split(";")[0]
        source = f"batch {args.batch_size}, float32, {threads} on {processor} ({platform.machine()}); {peers}"
        picture(speeds, source, args.picture)


if __name__ == "__main__":
    main()
