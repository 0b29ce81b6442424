"""The contestants: what each is called in the tables, and how its process is started."""

from __future__ import annotations

from typing import Any, NamedTuple


class Contestant(NamedTuple):
    """A row in the tables, the file of `libraries` that builds it, the modules it needs, and its variant."""

    name: str
    library: str
    modules: tuple[str, ...]
    options: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    backend: str = ""  # of Keras


TENSORFLOW, ON_JAX = ("tensorflow", "keras"), ("jax", "keras")
OURS = "tinydl"

CONTESTANTS = {
    OURS: Contestant(OURS, "ours", ("tinydl",)),
    "torch": Contestant("PyTorch", "pytorch", ("torch",), {"channels_last": False}),
    "torch last": Contestant("PyTorch, channels_last", "pytorch", ("torch",), {"channels_last": True}),
    "torch compile": Contestant(
        "PyTorch, torch.compile, channels_last", "pytorch", ("torch",), {"channels_last": True, "compiled": True}
    ),
    "torch loop": Contestant("PyTorch", "pytorch", ("torch",)),
    "torch loop compile": Contestant("PyTorch, torch.compile", "pytorch", ("torch",), {"compiled": True}),
    "tf": Contestant("Keras on TensorFlow, tf.function", "keras_models", TENSORFLOW, {}, "tensorflow"),
    "xla": Contestant("Keras on TensorFlow, XLA", "keras_models", TENSORFLOW, {"xla": True}, "tensorflow"),
    "keras jax": Contestant("Keras on JAX, jit", "keras_models", ON_JAX, {}, "jax"),
    "jax": Contestant("JAX, jit", "plain_jax", ("jax",)),
    "scan": Contestant("JAX, epoch scan", "plain_jax", ("jax",), {"scan": True}),
    "sklearn": Contestant("scikit-learn, MLPRegressor", "scikit", ("sklearn",)),
    "onnx": Contestant("ONNX Runtime", "onnx_runtime", ("onnxruntime",)),
}
