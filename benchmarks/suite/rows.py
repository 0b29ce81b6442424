"""The rows of the suite: what is measured, with which contestants, and what tinydl has to reach.

A row's name is also what --only looks for. `why` explains a row that tinydl loses, in the tables.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from benchmarks.suite.results import Required

GROUPS = {
    "autoencoders": "Autoencoders: an epoch of 227,440 rows of 29 features, Adam, one thread",
    "small": "Small networks: training step, batch 128",
    "book": "The book's CNN for CIFAR-10: training step, Adam",
    "cifar": "Networks for CIFAR-10: training step, SGD with momentum",
    "imagenet": "Networks for images of 224x224: training step, SGD with momentum",
    "layers": "Single layers: forward and backward with dx; a step of Adam",
    "inference": "Predictions",
    "start": "A fresh process that trains the book's CNN",
    "disturbed": "Under disturbance",
    "check": "Gradient check in float64, of random directions",
    "scaling": "Further points of the scaling curves",
}
FEATURES = 29
STEP = ("torch last", "tf")
STEPS = ("torch last", "torch", "torch compile", "tf", "xla", "jax")
EPOCHS = ("torch loop", "torch loop compile", "tf", "xla", "keras jax", "jax", "scan", "sklearn")
SCAN = ("torch loop", "scan")
PREDICTIONS = ("torch last", "torch compile", "onnx")

Network = tuple[str, dict[str, Any]]


class Row(NamedTuple):
    """One row.

    work, network, batch, optimizer, rate    see task.py
    peers        keys of `CONTESTANTS`, besides tinydl
    threads      a fixed number, or 0 for the number that the run uses
    required     what decides about the goal of the suite; `quick`: measured with --quick
    environment  further variables of the contestants' processes
    load         another process keeps one core busy meanwhile
    copies       so many processes work at the same time
    reads        "importing" or "first": every turn is a fresh process, and these seconds of it are measured
    cold         with empty caches of compiled code
    rounds       a fixed number of rounds, or 0 for the number that the run uses
    """

    name: str
    group: str
    work: str
    network: Network
    batch: int
    peers: tuple[str, ...]
    optimizer: str = "sgd"
    rate: float = 1e-3
    threads: int = 0
    required: Required | None = None
    quick: bool = False
    environment: dict[str, str] = {}  # noqa: RUF012 (never changed)
    load: bool = False
    copies: int = 1
    reads: str = ""
    cold: bool = False
    rounds: int = 0
    why: str = ""

    @property
    def unit(self) -> str:
        if self.reads:
            return "process"
        return {"epoch": "row", "check": "check", "optimize": "step"}.get(
            self.work, "image" if self.group != "layers" else "example"
        )


BY_LAYERS = "its layers take the steps, one after the other, where JAX compiles the whole epoch"
ONE_IMAGE = (
    "one image gives a kernel too little work for two threads, so most layers run on one, with Python between them. "
    "tinydl would need products of one row divided among threads, and a chain of layers in one compiled call."
)
SEVERAL_IMAGES = (
    "ONNX Runtime prepares the weights when it loads the network, and joins batch normalization to the convolutions. "
    "tinydl's weights may change between two predictions."
)
COLD = "Numba compiles the kernels, once per machine; `python -m tinydl warmup` does so ahead."
TWO_SMALL_IMAGES = (
    "two small images give the threads little to do between their hand-overs; most of the time goes to reading and "
    "updating 11 million weights."
)
LARGE_BATCH = (
    "the arrays of 10,000 rows exceed the cache, and products take less than a third of the time: bias, tanh, its "
    "slope, and the sums pass over these arrays one after the other, where JAX joins passes."
)
BANDWIDTH = "each pass is one over memory, and Keras on TensorFlow comes a little closer to its bandwidth."
NO_TRANSFORM = (
    "tinydl has no Winograd transform for 5x5 kernels, and oneDNN, which the peers use, comes closer to the "
    "processor's peak."
)
HASWELL = (
    "the variable makes OpenBLAS run code for processors with vectors of 32 bytes; neither the peers nor tinydl's "
    "kernels use OpenBLAS."
)
VANILLA: Network = ("vanilla_autoencoder", {"n_features": FEATURES})
DEEP: Network = ("deep_autoencoder", {"n_features": FEATURES})
BOOK: Network = ("cifar_cnn", {})
RESNET20: Network = ("resnet_cifar", {"depth": 20})
VGG16: Network = ("vgg", {"depth": 16})
LARGE_DENSE: Network = ("layers", {"layers": [["Dense", {"units": 1024}]], "input_shape": [8192]})
TANH: Network = (
    "layers",
    {
        "layers": [["Dense", {"units": 32, "activation": "tanh"}], ["Dense", {"units": 16, "activation": "tanh"}],
                   ["Dense", {"units": 4}]],
        "input_shape": [4],
    },
)  # fmt: skip


def epoch(name: str, network: Network, peers: tuple[str, ...], batch: int = 64, **more: Any) -> Row:
    rate = 1e-4 if network[0] != "deep_autoencoder" else 5e-5
    return Row(name, more.pop("group", "autoencoders"), "epoch", network, batch, peers, "adam", rate, 1, **more)


def layer(
    name: str, kind: str, arguments: dict[str, Any], shape: tuple[int, ...], batch: int = 128, why: str = ""
) -> Row:  # fmt: skip
    network = "layers", {"layers": [[kind, arguments]], "input_shape": list(shape)}
    peers = ("torch last", "tf", "jax") if len(shape) == 3 else ("torch loop", "tf", "jax")
    return Row(name, "layers", "layer", network, batch, peers, why=why)


def convolution(size: int, channels: int, filters: int, kernel: int, strides: int = 1, why: str = "") -> Row:
    padding = "same" if strides == 1 else (kernel - 1) // 2
    name = f"{kernel}x{kernel}{f' / {strides}' if strides > 1 else ''}, {channels} to {filters} channels, {size}x{size}"
    arguments = {"filters": filters, "kernel_size": kernel, "strides": strides, "padding": padding, "use_bias": False}
    return layer(name, "Conv2D", arguments, (size, size, channels), 128 if size < 56 else 16, why)


def predict(name: str, network: Network, batch: int, required: Required | None = None, **more: Any) -> Row:
    return Row(f"{name} predicts {batch}", "inference", "infer", network, batch, PREDICTIONS, required=required, **more)


ROWS = [
    epoch("vanilla autoencoder", VANILLA, EPOCHS, required=Required(2.0, "epoch scan"), quick=True),
    epoch("deep autoencoder", DEEP, EPOCHS, required=Required(1 / 0.7, "epoch scan"), quick=True),
    *(
        epoch(
            f"{kind} autoencoder", (f"{kind}_autoencoder", {"n_features": FEATURES}), ("torch loop", "jax", "scan"),
            why=f"{BY_LAYERS}.",
        )
        for kind in ("sparse", "denoising", "contractive")
    ),
    *(epoch(f"vanilla autoencoder, batch {n}", VANILLA, SCAN, n) for n in (1, 16, 256, 4096)),
    *(
        epoch(f"vanilla autoencoder, {units} units", (VANILLA[0], {**VANILLA[1], "hidden": units}), SCAN)
        for units in (8, 64, 128, 512)
    ),
    epoch("dense 4-32-16-4 with tanh, batch 10,000", TANH, SCAN, 10_000, why=LARGE_BATCH),
    Row("LeNet-5", "small", "train", ("lenet5", {}), 128, STEPS, required=Required(2.5, "PyTorch"), quick=True),
    Row("CNN for 8x8 digits", "small", "train", ("digits_cnn", {}), 128, STEPS, "adam"),
    Row(
        "book CNN", "book", "train", BOOK, 128, (*STEPS, "keras jax"), "adam", required=Required(1.5), quick=True
    ),
    *(Row(f"book CNN, batch {n}", "book", "train", BOOK, n, (*STEP, "torch compile"), "adam") for n in (1, 32, 512)),
    Row("ResNet-20", "cifar", "train", RESNET20, 128, STEPS, required=Required(1.5), quick=True),
    Row("ResNet-110", "cifar", "train", ("resnet_cifar", {"depth": 110}), 128, STEP),
    Row("VGG for CIFAR-10", "cifar", "train", ("vgg_cifar", {}), 128, STEPS, required=Required(1.0), quick=True),
    Row("Inception for CIFAR-10", "cifar", "train", ("inception_cifar", {}), 64, STEP),
    Row(
        "VGG16, batch 2, forward and backward", "imagenet", "train", VGG16, 2,
        ("torch last", "torch", "torch compile", "tf"), "", required=Required(2.1), quick=True,
    ),
    Row("VGG16, batch 16", "imagenet", "train", VGG16, 16, STEP, rate=1e-4, rounds=3),
    *(
        Row(f"{name}, batch {n}", "imagenet", "train", network, n, STEP, rate=1e-4)
        for name, network in (
            ("ResNet-18", ("resnet", {"depth": 18})), ("ResNet-50", ("resnet", {"depth": 50})),
            ("GoogLeNet", ("googlenet", {})),
        )
        for n in (2, 16)
    ),
    convolution(32, 3, 64, 3), convolution(32, 16, 16, 3), convolution(16, 32, 32, 3), convolution(8, 64, 64, 3),
    convolution(32, 64, 64, 3), convolution(16, 128, 128, 3), convolution(8, 256, 256, 3), convolution(4, 512, 512, 3),
    convolution(56, 64, 64, 3), convolution(56, 128, 128, 3, 2), convolution(28, 256, 512, 1),
    convolution(28, 32, 96, 5, why=NO_TRANSFORM), convolution(32, 1, 6, 5),
    layer("Dense, 8192 to 1024", "Dense", {"units": 1024}, (8192,)),
    layer("Dense, 25088 to 4096, batch 2", "Dense", {"units": 4096}, (25088,), 2),
    layer("batch normalization, 64 channels, 32x32", "BatchNorm", {}, (32, 32, 64)),
    layer("max pooling 2x2, 64 channels, 32x32", "MaxPool2D", {}, (32, 32, 64), why=BANDWIDTH),
    layer("average pooling 2x2, 64 channels, 32x32", "AveragePool2D", {}, (32, 32, 64), why=BANDWIDTH),
    Row("Adam on 8 million parameters", "layers", "optimize", LARGE_DENSE, 1, ("torch loop", "jax"), "adam"),
    predict("book CNN", BOOK, 1, quick=True, why=ONE_IMAGE),
    predict("book CNN", BOOK, 128, Required(1.0, "PyTorch"), quick=True, why=SEVERAL_IMAGES),
    predict("ResNet-20", RESNET20, 1, why=ONE_IMAGE),
    predict("ResNet-20", RESNET20, 128, Required(1.0, "PyTorch"), quick=True, why=SEVERAL_IMAGES),
    predict("VGG16", VGG16, 1, why=ONE_IMAGE),
    predict("VGG16", VGG16, 16, Required(1.0, "PyTorch"), why=SEVERAL_IMAGES),
    *(
        Row(name, "start", "train", BOOK, 128, peers, "adam", reads=reads, cold=cold, rounds=rounds, why=why)
        for name, reads, cold, rounds, peers, why in (
            ("import", "importing", False, 3, ("torch", "tf", "jax"), "tinydl imports NumPy, SciPy and Numba."),
            ("first step, caches filled", "first", False, 3, ("torch last", "torch compile", "tf", "jax"), ""),
            ("first step, caches empty", "first", True, 1, ("torch last", "torch compile", "tf", "jax"), COLD),
        )
    ),
    Row(
        "book CNN, OPENBLAS_CORETYPE=Haswell", "disturbed", "train", BOOK, 128, STEP, "adam",
        environment={"OPENBLAS_CORETYPE": "Haswell"}, why=HASWELL,
    ),
    Row(
        "ResNet-20, OPENBLAS_CORETYPE=Haswell", "disturbed", "train", RESNET20, 128, STEP,
        environment={"OPENBLAS_CORETYPE": "Haswell"}, why=HASWELL,
    ),
    Row("ResNet-20 beside a busy process", "disturbed", "train", RESNET20, 128, STEP, load=True),
    Row("ResNet-20, four trainings at once", "disturbed", "train", RESNET20, 128, STEP, copies=4),
    Row(
        "gradient check of the book CNN, batch 2", "check", "check", BOOK, 2, ("torch loop",), rounds=3,
        why="tinydl also checks the rules for layers, and draws again where a direction crosses a kink of relu.",
    ),
    *(
        Row(f"ResNet-{depth}", "scaling", "train", ("resnet_cifar", {"depth": depth}), 128, STEP) for depth in (32, 56)
    ),
    *(
        Row(
            f"ResNet-18, {size}x{size}", "scaling", "train",
            ("resnet", {"depth": 18, "input_shape": [size, size, 3]}), 2, STEP, rate=1e-4, why=TWO_SMALL_IMAGES,
        )
        for size in (32, 64, 128)
    ),
    Row("book CNN, one thread", "scaling", "train", BOOK, 128, STEP, "adam", threads=1),
]  # fmt: skip
