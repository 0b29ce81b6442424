"""Time convolution and pooling by shape, forward and backward, against PyTorch and TensorFlow, and matrix products.

    python -m benchmarks.convolution [--threads 2] [--rounds 5] [--batch-size 128]
    python -m benchmarks.convolution --network resnet20 vgg16 inception

The second form instead times the layers of whole networks, in milliseconds, and adds up these times, each as often as
the layer occurs: ResNet-20 for 32x32 images (batch 128), VGG16 for 224x224 images (batch 2) with its pools and dense
layers, and layers of several Inception networks. The dx of a first layer is left out, as in training; ReLU and batch
norm are not included.

All contestants take turns in one process, in float32; medians are reported. Backward is dW, db and dx together, without
the forward pass before it. GFLOP/s count the arithmetic of the direct convolution (2 n oh ow kh kw c f in forward,
twice as much in backward), whatever a contestant really computes; in brackets is the share of NumPy's rate for products
of 2048x2048 matrices in the same rounds. Winograd's method does less arithmetic, so its share may exceed 100 %.

For kernels of 2x2 and 3x3 with strides of 1, tinydl has two methods: Winograd's, and products over patches (with few
channels, over the image itself). tinydl/kernels/convolution/choose.py chooses one; the other has its own column.
PyTorch is timed in its default layout and in channels_last, with padding="same", as its users write it (for a 2x2
kernel it first copies x into a padded image). TensorFlow is timed with tf.nn.conv2d inside a tf.function. Peers that
are not installed are skipped.
"""

from __future__ import annotations

from benchmarks.side_by_side import add_threads, machine, optional, take_turns, use_threads

THREADS = use_threads()

import argparse
import math
import statistics
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinydl import kernels
from tinydl.kernels.convolution import choose
from tinydl.kernels.machine.product import Rows, product
from tinydl.kernels.machine.threads import one_blas_thread

torch, tf = optional("torch"), optional("tensorflow")

SIDE = 2048  # of the matrices whose product measures the machine's speed
SGEMM = "sgemm"
OURS, OTHER = "tinydl", "tinydl's other method"
PEERS = ("PyTorch", "channels_last", "TensorFlow")
REST, LEAST = 0.05, 0.05  # seconds, see take_turns

PASSES = ("forward", "backward")

Run = Callable[[], Any]
Medians = dict[tuple[str, int], float]


class Conv(NamedTuple):
    """A convolution of square maps with a square kernel, padded "same" for strides of 1, else by (kernel - 1) // 2."""

    size: int
    c: int
    f: int
    kernel: int
    stride: int = 1
    first: bool = False  # a first layer needs no dx
    bias: bool = True

    def __str__(self) -> str:
        stride = f" / {self.stride}" if self.stride > 1 else ""
        return f"{self.size}x{self.size}, {self.c} to {self.f}, {self.kernel}x{self.kernel}{stride}"

    def flops(self, n: int) -> int:
        return 2 * n * self.after**2 * self.kernel**2 * self.c * self.f

    @property
    def padding(self) -> kernels.Padding:
        before = (self.kernel - 1) // 2
        around = (before, self.kernel // 2 if self.stride == 1 else before)
        return around, around

    @property
    def after(self) -> int:
        """The side of the output map."""
        return kernels.output_size(self.size, self.kernel, self.stride, self.padding[0])

    @property
    def window(self) -> kernels.Window:
        return kernels.Window((self.kernel, self.kernel), (self.stride, self.stride), self.padding)

    def shape_of(self, n: int) -> choose.Convolution:
        """The description by which choose.py selects a method."""
        return choose.Convolution(self.window, self.c, self.f, (n, self.after, self.after, self.f), not self.first)


class Pool(NamedTuple):
    """A pooling over square maps."""

    kind: str
    size: int
    c: int
    window: int
    stride: int

    def __str__(self) -> str:
        return f"{self.kind} {self.size}x{self.size}, {self.c}, {self.window}x{self.window} / {self.stride}"


class Affine(NamedTuple):
    """A dense layer."""

    inputs: int
    units: int

    def __str__(self) -> str:
        return f"dense, {self.inputs} to {self.units}"


CIFAR = [Conv(32, 3, 64, 3), Conv(16, 64, 128, 2), Conv(16, 128, 128, 2), Conv(8, 128, 256, 1), Conv(4, 256, 512, 1)]
OTHERS = [
    Conv(32, 16, 16, 3), Conv(32, 64, 64, 3), Conv(16, 32, 32, 3), Conv(16, 128, 128, 3), Conv(8, 64, 64, 3),
    Conv(8, 256, 256, 3),
]  # fmt: skip
PRODUCTS = [  # label, transposed or not, m, n, k
    (f"{SIDE}^3, from main memory", False, SIDE, SIDE, SIDE),
    ("im2col 3x3, 128 to 128", False, 96, 128, 1152),  # 96 pixels: those that tinydl lowers at once
    ("dW of im2col 3x3", True, 1152, 128, 48),
    ("1x1, 128 to 256", False, 336, 256, 128),
    ("dW of 1x1", True, 128, 256, 256),
]
POOLS = [
    *(Pool(kind, size, c, 2, 2) for kind in ("max", "average") for size, c in ((32, 64), (16, 128), (8, 256))),
    Pool("max", 32, 64, 3, 2), Pool("average", 32, 64, 3, 2),
]  # fmt: skip

NETWORKS: dict[str, tuple[int, list[tuple[int, Conv | Pool | Affine]]]] = {  # batch size, (occurrences, layer)
    "resnet20": (128, [
        (1, Conv(32, 3, 16, 3, first=True, bias=False)), (6, Conv(32, 16, 16, 3, bias=False)),
        (1, Conv(32, 16, 32, 3, 2, bias=False)), (5, Conv(16, 32, 32, 3, bias=False)),
        (1, Conv(16, 32, 64, 3, 2, bias=False)), (5, Conv(8, 64, 64, 3, bias=False)),
    ]),
    "vgg16": (2, [
        (1, Conv(224, 3, 64, 3, first=True)), (1, Conv(224, 64, 64, 3)), (1, Pool("max", 224, 64, 2, 2)),
        (1, Conv(112, 64, 128, 3)), (1, Conv(112, 128, 128, 3)), (1, Pool("max", 112, 128, 2, 2)),
        (1, Conv(56, 128, 256, 3)), (2, Conv(56, 256, 256, 3)), (1, Pool("max", 56, 256, 2, 2)),
        (1, Conv(28, 256, 512, 3)), (2, Conv(28, 512, 512, 3)), (1, Pool("max", 28, 512, 2, 2)),
        (3, Conv(14, 512, 512, 3)), (1, Pool("max", 14, 512, 2, 2)),
        (1, Affine(25088, 4096)), (1, Affine(4096, 4096)), (1, Affine(4096, 1000)),
    ]),
    "inception": (16, [
        (1, Conv(32, 96, 32, 3)), (1, Conv(32, 64, 48, 3)), (1, Conv(16, 160, 48, 3)), (1, Conv(16, 160, 96, 3)),
        (1, Conv(8, 240, 160, 3)), (1, Conv(224, 3, 64, 7, 2, first=True)), (1, Conv(28, 16, 32, 5)),
        (1, Conv(14, 32, 96, 5)), (1, Conv(56, 64, 256, 1)), (1, Conv(56, 256, 64, 1)), (1, Conv(28, 512, 256, 1)),
        (1, Conv(56, 256, 128, 1, 2)), (1, Conv(56, 128, 128, 3, 2)),
    ]),
}  # fmt: skip


def numbers(rng: np.random.Generator, *shape: int) -> NDArray:
    return rng.standard_normal(shape, dtype=np.float32)


def plural(threads: int) -> str:
    return "1 thread" if threads == 1 else f"{threads} threads"


# --- the machine's products ---------------------------------------------------------------------------


def sgemm() -> Run:
    """NumPy's matrix product on all threads."""
    a, b, c = numbers(np.random.default_rng(0), 3, SIDE, SIDE)
    return partial(np.matmul, a, b, out=c)


def products(rounds: int) -> None:
    """Time matrix products of one thread by NumPy's BLAS, and by machine/product.py."""
    print(f"\nMatrix products, GFLOP/s\n{'':<48}{'BLAS':>10}{'tinydl':>10}")
    rng = np.random.default_rng(0)
    for label, transpose, m, n, k in PRODUCTS:
        a, b, c = numbers(rng, m * k), numbers(rng, k * n), np.full(m * n, np.nan, np.float32)
        left, right = a.reshape(k, m).T if transpose else a.reshape(m, k), b.reshape(k, n)
        by_blas = partial(np.matmul, left, right, out=np.empty((m, n), np.float32))
        in_a, in_b = Rows(0, m if transpose else k), Rows(0, n)
        ours = partial(product, transpose, False, (m, n, k), a, in_a, b, in_b, False, c, in_b)
        ours()
        np.testing.assert_allclose(c.reshape(m, n), left @ right, 1e-3, 1e-2, err_msg=label)
        with one_blas_thread():
            seconds = take_turns({"BLAS": by_blas, "tinydl": ours}, rounds, REST, LEAST)
        cells = "".join(f"{2e-9 * m * n * k / statistics.median(values):>10.0f}" for values in seconds.values())
        print(f"one thread: {label:<36}{cells}", flush=True)
    seconds = take_turns({SGEMM: sgemm()}, rounds, REST, LEAST)
    rate = 2e-9 * SIDE**3 / statistics.median(seconds[SGEMM])
    label = f"NumPy's, {plural(THREADS)}: {SIDE}^3"
    print(f"{label:<48}{rate:>10.0f}", flush=True)


# --- convolution --------------------------------------------------------------------------------------


def tinydl_conv(conv: Conv, x: NDArray, W: NDArray, b: NDArray, dy: NDArray, way: str | None = None) -> tuple[Run, Run]:
    dW, db = np.zeros_like(W), np.zeros_like(b)

    @one_blas_thread()  # as in Model.fit and train_on_batch
    def forward() -> NDArray:
        return kernels.convolution.forward(x, W, b, conv.window, kernels.LINEAR, way)

    y = forward()

    @one_blas_thread()
    def backward() -> tuple[NDArray, ...]:
        dW.fill(0)
        db.fill(0)
        arrays = dy, x, W, y
        dx = kernels.convolution.backward(*arrays, conv.window, kernels.LINEAR, dW, db, not conv.first, way=way)
        return tuple(array for array in (dx, dW, db) if array.size)

    return forward, backward


def other_way(conv: Conv, n: int) -> str:
    """The best other method: one without Winograd if choose.py selects a Winograd method, else a Winograd method."""
    shape = conv.shape_of(n)
    winograds = choose.way_for(shape).tile > 0
    ways = {name: way for name, way in choose.WAYS.items() if (way.tile > 0) != winograds}
    return next(name for name, way in ways.items() if way.can(shape) and (way.faster(shape) or not winograds))


def wanted_of(conv: Conv) -> list[int]:
    """The indices, among x, W and b, of the arrays whose gradients are requested."""
    return [at for at, wanted in enumerate((not conv.first, True, conv.bias)) if wanted]


def torch_tensor(array: NDArray, layout: Any) -> Any:
    """Convert NHWC to PyTorch's NCHW, stored in the memory format `layout`."""
    return torch.from_numpy(array).permute(0, 3, 1, 2).contiguous(memory_format=layout)


def torch_conv(layout: Any, conv: Conv, x: NDArray, W: NDArray, b: NDArray, dy: NDArray) -> tuple[Run, Run]:
    inputs = [torch_tensor(x, layout), torch_tensor(W.transpose(3, 0, 1, 2), layout), torch.from_numpy(b.copy())]
    wanted = [inputs[at] for at in wanted_of(conv)]
    for tensor in wanted:
        tensor.requires_grad_()
    gradient, bias = torch_tensor(dy, layout), inputs[2] if conv.bias else None
    padding = "same" if conv.stride == 1 else (conv.kernel - 1) // 2
    forward = partial(torch.nn.functional.conv2d, *inputs[:2], bias, stride=conv.stride, padding=padding)
    return forward, partial(torch.autograd.grad, forward(), wanted, gradient, retain_graph=True)


def tensorflow_conv(conv: Conv, x: NDArray, W: NDArray, b: NDArray, dy: NDArray) -> tuple[Run, Run]:
    inputs, gradient = [tf.constant(array) for array in (x, W, b)], tf.constant(dy)

    def apply(x: Any, W: Any, b: Any) -> Any:
        around = ((0, 0), *conv.padding, (0, 0))
        y = tf.nn.conv2d(x, W, conv.stride, "SAME" if conv.stride == 1 else around)
        return tf.nn.bias_add(y, b) if conv.bias else y

    def differentiate(x: Any, W: Any, b: Any, dy: Any) -> Any:
        with tf.GradientTape() as tape:
            wanted = [(x, W, b)[at] for at in wanted_of(conv)]
            tape.watch(wanted)
            y = apply(x, W, b)  # dropped from the compiled graph: no gradient needs y
        return tape.gradient(y, wanted, dy)

    return partial(tf.function(apply), *inputs), partial(tf.function(differentiate), *inputs, gradient)


def conv_contestants(conv: Conv, n: int) -> dict[str, tuple[Run, Run]]:
    rng = np.random.default_rng(0)
    x, dy = numbers(rng, n, conv.size, conv.size, conv.c), numbers(rng, n, conv.after, conv.after, conv.f)
    W, b = numbers(rng, conv.kernel, conv.kernel, conv.c, conv.f), numbers(rng, conv.f if conv.bias else 0)
    arrays = (conv, x, W, b, dy)
    found = {OURS: tinydl_conv(*arrays)}
    if conv.kernel in (2, 3) and conv.stride == 1:
        found[OTHER] = tinydl_conv(*arrays, way=other_way(conv, n))
    if torch is not None:
        found["PyTorch"] = torch_conv(torch.contiguous_format, *arrays)
        found["channels_last"] = torch_conv(torch.channels_last, *arrays)
    if tf is not None:
        found["TensorFlow"] = tensorflow_conv(*arrays)
    return found


# --- pooling ------------------------------------------------------------------------------------------


def tinydl_pool(pool: Pool, x: NDArray, dy: NDArray) -> tuple[Run, Run]:
    window = kernels.Window((pool.window, pool.window), (pool.stride, pool.stride))
    if pool.kind == "average":
        backward = partial(kernels.pooling.average_backward, dy, x.shape, window)
        return partial(kernels.pooling.average_forward, x, window), backward
    where = kernels.pooling.max_forward(x, window)[1]
    backward = partial(kernels.pooling.max_backward, dy, where, x.shape, window)
    return lambda: kernels.pooling.max_forward(x, window)[0], backward


def torch_pool(layout: Any, pool: Pool, x: NDArray, dy: NDArray) -> tuple[Run, Run]:
    tensor, gradient = torch_tensor(x, layout).requires_grad_(), torch_tensor(dy, layout)
    function = torch.nn.functional.max_pool2d if pool.kind == "max" else torch.nn.functional.avg_pool2d
    forward = partial(function, tensor, pool.window, pool.stride)
    return forward, partial(torch.autograd.grad, forward(), [tensor], gradient, retain_graph=True)


def tensorflow_pool(pool: Pool, x: NDArray, dy: NDArray) -> tuple[Run, Run]:
    tensor, gradient = tf.constant(x), tf.constant(dy)
    sides = {"ksize": [1, pool.window, pool.window, 1], "strides": [1, pool.stride, pool.stride, 1], "padding": "VALID"}
    if pool.kind == "average":
        forward = partial(tf.function(lambda x: tf.raw_ops.AvgPool(value=x, **sides)), tensor)
        backward = tf.function(lambda dy: tf.raw_ops.AvgPoolGrad(orig_input_shape=x.shape, grad=dy, **sides))
        return forward, partial(backward, gradient)
    forward = partial(tf.function(lambda x: tf.raw_ops.MaxPool(input=x, **sides)), tensor)
    backward = tf.function(lambda x, y, dy: tf.raw_ops.MaxPoolGrad(orig_input=x, orig_output=y, grad=dy, **sides))
    return forward, partial(backward, tensor, forward(), gradient)


def pool_contestants(pool: Pool, n: int) -> dict[str, tuple[Run, Run]]:
    rng = np.random.default_rng(0)
    after = (pool.size - pool.window) // pool.stride + 1
    x, dy = numbers(rng, n, pool.size, pool.size, pool.c), numbers(rng, n, after, after, pool.c)
    found = {OURS: tinydl_pool(pool, x, dy)}
    if torch is not None:
        found["PyTorch"] = torch_pool(torch.contiguous_format, pool, x, dy)
        found["channels_last"] = torch_pool(torch.channels_last, pool, x, dy)
    if tf is not None:
        found["TensorFlow"] = tensorflow_pool(pool, x, dy)
    return found


# --- dense ------------------------------------------------------------------------------------------------------------


def affine_contestants(layer: Affine, n: int) -> dict[str, tuple[Run, Run]]:
    rng = np.random.default_rng(0)
    x, dy, W = (numbers(rng, *shape) for shape in ((n, layer.inputs), (n, layer.units), (layer.inputs, layer.units)))
    b, dW, db = numbers(rng, layer.units), np.zeros_like(W), np.zeros(layer.units, np.float32)

    def backward() -> tuple[NDArray, ...]:
        dx = kernels.dense.backward(dy, x, W, y, kernels.LINEAR, dW, db, True, accumulate=False)
        return dx, dW, db

    forward = partial(kernels.dense.forward, x, W, b, kernels.LINEAR)
    y = forward()
    found: dict[str, tuple[Run, Run]] = {OURS: (forward, backward)}
    if torch is not None:
        inputs = [torch.from_numpy(array.copy()).requires_grad_() for array in (x, W.T, b)]
        run = partial(torch.nn.functional.linear, *inputs)
        both = run, partial(torch.autograd.grad, run(), inputs, torch.from_numpy(dy), retain_graph=True)
        found.update({"PyTorch": both, "channels_last": both})
    if tf is not None:
        tensors, gradient = [tf.constant(array) for array in (x, W, b)], tf.constant(dy)

        def differentiate(x: Any, W: Any, b: Any, dy: Any) -> Any:
            return tf.matmul(dy, W, transpose_b=True), tf.matmul(x, dy, transpose_a=True), tf.reduce_sum(dy, 0)

        apply = tf.function(lambda x, W, b: tf.matmul(x, W) + b)
        found["TensorFlow"] = partial(apply, *tensors), partial(tf.function(differentiate), *tensors, gradient)
    return found


# --- measuring ----------------------------------------------------------------------------------------


def check_agreement(label: str, results: dict[str, Any]) -> None:
    """Raise AssertionError unless the norms of all contestants' results are close."""
    lengths = {}
    for name, result in results.items():
        arrays = result if isinstance(result, tuple | list) else [result]
        plain = [np.asarray(array.detach() if hasattr(array, "detach") else array, np.float64) for array in arrays]
        lengths[name] = [float(np.linalg.norm(array.ravel())) for array in plain]
    for name, values in lengths.items():
        np.testing.assert_allclose(values, lengths[OURS], 1e-3, err_msg=f"{label}: {name} differs from {OURS}")


def measure(label: str, contestants: dict[str, tuple[Run, Run]], rounds: int, *more: tuple[str, Run]) -> Medians:
    """Median seconds, by (contestant, 0 for forward or 1 for backward); those of `more`, by (name, 0)."""
    runs = {(name, at): both[at] for at in (0, 1) for name, both in contestants.items()}
    for at, direction in enumerate(PASSES):
        check_agreement(f"{label}, {direction}", {name: runs[name, at]() for name in contestants})
    runs.update({(name, 0): run for name, run in more})
    named = {f"{name} {at}": run for (name, at), run in runs.items()}
    seconds = take_turns(named, rounds, REST, LEAST)
    return {key: statistics.median(values) for key, values in zip(runs, seconds.values(), strict=True)}


def row(label: str, direction: str, columns: list[str], cells: list[str]) -> str:
    widths = [max(13, len(column)) for column in columns]
    ends = "".join(f" {cell:>{width}} |" for cell, width in zip(cells, widths, strict=True))
    return f"| {label:<28} | {direction:<8} |{ends}"


def heading(first: str, columns: list[str]) -> None:
    print(row(first, "pass", columns, columns))
    print(
        f"|{'-' * 30}|{'-' * 10}|" + "".join("-" * (max(13, len(column)) + 1) + ":|" for column in columns), flush=True
    )


def against(medians: Medians, at: int, peers: list[str]) -> str:
    """The ratio of tinydl's speed to the best peer's."""
    return f"{min(medians[peer, at] for peer in peers) / medians[OURS, at]:.2f} x" if peers else ""


def convolutions(convs: list[Conv], n: int, rounds: int, peers: list[str]) -> None:
    columns = [OURS, OTHER, *peers, "tinydl / best", SGEMM]
    heading("GFLOP/s (share of sgemm)", columns)
    for conv in convs:
        medians = measure(str(conv), conv_contestants(conv, n), rounds, (SGEMM, sgemm()))
        rate = 2e-9 * SIDE**3 / medians[SGEMM, 0]
        for at, direction in enumerate(PASSES):
            cells = []
            for name in (OURS, OTHER, *peers):
                speed = 1e-9 * conv.flops(n) * (1 + at) / medians.get((name, at), math.inf)
                way = f"{other_way(conv, n)} " if name == OTHER and (name, at) in medians else ""
                cells.append(f"{way}{speed:.0f} ({speed / rate:.0%})" if speed else "")
            cells += [against(medians, at, peers), f"{rate:.0f}"]
            print(row(str(conv), direction, columns, cells), flush=True)


def poolings(n: int, rounds: int, peers: list[str]) -> None:
    columns = [OURS, *peers, "tinydl / best"]
    heading("milliseconds", columns)
    for pool in POOLS:
        medians = measure(str(pool), pool_contestants(pool, n), rounds)
        for at, direction in enumerate(PASSES):
            cells = [f"{1e3 * medians[name, at]:.2f}" for name in (OURS, *peers)]
            print(row(str(pool), direction, columns, [*cells, against(medians, at, peers)]), flush=True)


def network(name: str, rounds: int, peers: list[str]) -> None:
    """Print the milliseconds of a network's layers, and their sum with each layer counted as often as it occurs."""
    n, layers = NETWORKS[name]
    columns = [OURS, *peers, *(f"tinydl / {peer}" for peer in peers)]
    print(f"\n{name}, batch {n}, milliseconds")
    heading("layer", columns)
    sums = {(who, at): 0.0 for who in (OURS, *peers) for at in (0, 1)}

    def line(label: str, medians: Medians, at: int) -> None:
        cells = [f"{1e3 * medians[who, at]:.2f}" for who in (OURS, *peers)]
        ratios = [f"{medians[peer, at] / medians[OURS, at]:.2f} x" for peer in peers]
        print(row(label, PASSES[at] if at < 2 else "both", columns, cells + ratios), flush=True)

    for times, layer in layers:
        contestants: dict[str, tuple[Run, Run]]
        if isinstance(layer, Conv):
            contestants = conv_contestants(layer, n)
            contestants.pop(OTHER, None)
        else:
            contestants = pool_contestants(layer, n) if isinstance(layer, Pool) else affine_contestants(layer, n)
        medians = measure(str(layer), contestants, rounds)
        for at in (0, 1):
            line(f"{times} * {layer}" if times > 1 else str(layer), medians, at)
            for who in (OURS, *peers):
                sums[who, at] += times * medians[who, at]
    sums.update({(who, 2): sums[who, 0] + sums[who, 1] for who in (OURS, *peers)})
    for at in (0, 1, 2):
        line("all layers", sums, at)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_threads(parser)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument(
        "--network", nargs="+", choices=NETWORKS, default=[], help="time these networks, at their own batch sizes"
    )
    args = parser.parse_args()
    warnings.filterwarnings("ignore", "Using padding='same' with even kernel lengths")  # PyTorch copies x, see above
    n, rounds = args.batch_size, args.rounds
    peers = [name for name in PEERS if (tf if name == "TensorFlow" else torch) is not None]
    print(f"{machine()}, {f'tensorflow {tf.__version__}' if tf else 'no tensorflow'}")
    if args.network:
        print(f"{plural(THREADS)}, {rounds} rounds", flush=True)
        for name in args.network:
            network(name, rounds, peers)
        return
    print(f"{plural(THREADS)}, batch {n}, {rounds} rounds", flush=True)
    products(rounds)
    print("\nConvolution: the layers of the book's CIFAR-10 network")
    convolutions(CIFAR, n, rounds, peers)
    print("\nConvolution: other 3x3 layers")
    convolutions(OTHERS, n, rounds, peers)
    print("\nPooling, without padding")
    poolings(n, rounds, peers)


if __name__ == "__main__":
    main()
