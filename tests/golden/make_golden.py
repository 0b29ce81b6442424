"""Record numbers from PyTorch, in float64, with which the tests compare tinydl. The numbers also test the forward
formulas: a gradient check proves only that backward is the derivative of forward.

    python tests/golden/make_golden.py            (needs PyTorch; written with 2.13; rewrites *.json in its folder)

This file does not import tinydl, and no test imports this file, so the numbers are independent. JSON stores float64
exactly, in its shortest decimal form. Weights have the layout (inputs, units), or (kh, kw, in, out) for convolutions;
images are NHWC, not NCHW as in PyTorch. images_keras.json and batch_norm_keras.json need TensorFlow (written with 2.21
and Keras 3.15) and are not rewritten without it. They come from TensorFlow because it defined "same" padding, and
because its running variance is the biased one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

HERE = Path(__file__).parent
ACTIVATIONS = {None: lambda a: a, "relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh}


def tensor(values: Any) -> torch.Tensor:
    return torch.tensor(np.asarray(values, dtype=np.float64), requires_grad=True)


def plain(value: Any) -> Any:
    """Convert tensors and arrays in dicts and lists to nested lists."""
    if isinstance(value, torch.Tensor):
        return value.detach().tolist()
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return value


def write(name: str, cases: dict[str, Any]) -> None:
    lines = [f"{json.dumps(key)}: {json.dumps(plain(case), allow_nan=False)}" for key, case in cases.items()]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (HERE / f"{name}.json").write_text(text)
    print(f"{name}.json: {len(cases)} cases, {len(text) / 1e3:.0f} kB")


# --- optimizers: ten steps of an autoencoder 5-4-5 on one batch ---------------------------------------------------


def forward(x: torch.Tensor, weights: list[torch.Tensor], activation: str) -> torch.Tensor:
    W1, b1, W2, b2 = weights
    return ACTIVATIONS[activation](x @ W1 + b1) @ W2 + b2


def train(
    x: np.ndarray,
    start: list[np.ndarray],
    activation: str,
    make: Any,
    clip: float | None = None,
    exact_clip: bool = True,
    schedule: Any = None,
) -> dict[str, Any]:
    """Train for ten steps. clip: largest gradient norm; exact_clip: without the 1e-6 that clip_grad_norm_ adds to the norm."""
    data, weights = torch.tensor(x), [tensor(array) for array in start]
    optimizer = make(weights)
    scheduler = schedule(optimizer) if schedule else None
    losses, norms, snapshots = [], [], {}
    for step in range(1, 11):
        optimizer.zero_grad()
        loss = F.mse_loss(forward(data, weights, activation), data)
        loss.backward()
        if clip is not None:
            norm = torch.linalg.vector_norm(torch.cat([w.grad.reshape(-1) for w in weights]))
            norms.append(float(norm))
            if not exact_clip:
                torch.nn.utils.clip_grad_norm_(weights, clip)
            elif norm > clip:
                for weight in weights:
                    weight.grad *= clip / norm
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        losses.append(float(loss.detach()))
        if step in (1, 2, 10):
            snapshots[str(step)] = plain(weights)
    return {"losses": losses, "weights": snapshots, **({"norms": norms} if norms else {})}


def optimizers(rng: np.random.Generator) -> None:
    optim = torch.optim
    for activation in ("relu", "tanh"):
        x = rng.normal(size=(7, 5))
        shapes = ((5, 4), (4,), (4, 5), (5,))
        start = [rng.normal(0, 0.6, shape) for shape in shapes]
        makers = {
            "sgd": (lambda w: optim.SGD(w, lr=0.1), {}),
            "sgd_weight_decay": (lambda w: optim.SGD(w, lr=0.1, weight_decay=0.05), {}),
            "sgd_momentum": (lambda w: optim.SGD(w, lr=0.05, momentum=0.9), {}),
            "sgd_momentum_weight_decay": (lambda w: optim.SGD(w, lr=0.05, momentum=0.9, weight_decay=0.05), {}),
            "sgd_nesterov": (lambda w: optim.SGD(w, lr=0.05, momentum=0.9, nesterov=True), {}),
            "sgd_nesterov_weight_decay": (
                lambda w: optim.SGD(w, lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.05),
                {},
            ),
            "sgd_clip": (lambda w: optim.SGD(w, lr=0.3), {"clip": 0.9}),
            "sgd_clip_grad_norm": (lambda w: optim.SGD(w, lr=0.3), {"clip": 0.9, "exact_clip": False}),
            "rmsprop": (lambda w: optim.RMSprop(w, lr=0.01, alpha=0.9, eps=1e-8), {}),
            "rmsprop_other": (lambda w: optim.RMSprop(w, lr=0.01, alpha=0.99, eps=1e-3), {}),
            "adam": (lambda w: optim.Adam(w, lr=0.01, betas=(0.9, 0.999), eps=1e-8), {}),
            "adam_other": (lambda w: optim.Adam(w, lr=0.02, betas=(0.8, 0.95), eps=1e-3), {}),
            "adamw": (lambda w: optim.AdamW(w, lr=0.01, weight_decay=0.1, eps=1e-8), {}),
            "adam_clip": (lambda w: optim.Adam(w, lr=0.05, eps=1e-8), {"clip": 0.9}),
            "adam_cosine": (
                lambda w: optim.Adam(w, lr=0.05, eps=1e-8),
                {"schedule": lambda o: optim.lr_scheduler.CosineAnnealingLR(o, T_max=12, eta_min=0.001)},
            ),
        }
        if activation == "tanh":  # four are enough: an optimizer's arithmetic is the same for every network
            makers = {name: makers[name] for name in ("sgd_nesterov", "rmsprop", "adam", "adamw")}
        runs = {name: train(x, start, activation, make, **options) for name, (make, options) in makers.items()}
        write(f"optimizers_{activation}", {"start": {"x": x, "weights": start}, **runs})


# --- layers -------------------------------------------------------------------------------------------------------


def layers(rng: np.random.Generator) -> None:
    cases: dict[str, Any] = {}
    for activation, f in ACTIVATIONS.items():
        for use_bias in (True, False):
            x, W, b = (tensor(rng.normal(size=shape)) for shape in ((6, 5), (5, 3), (3,)))
            a = x @ W + b if use_bias else x @ W
            y, dy = f(a), torch.tensor(rng.normal(size=(6, 3)))
            y.backward(dy)
            bias = {"b": b, "db": b.grad} if use_bias else {}
            cases[f"dense_{activation}_{'bias' if use_bias else 'no_bias'}"] = {
                "activation": activation, "x": x, "W": W, "dy": dy, "y": y, "dx": x.grad, "dW": W.grad, **bias,
            }  # fmt: skip
    extreme = np.array([[-1e4, -60.0, -1.0, -1e-9, 0.0, 1e-9, 1.0, 60.0, 1e4]])
    functions = {
        "ReLU": torch.relu,
        "LeakyReLU": lambda x: F.leaky_relu(x, 0.2),
        "Sigmoid": torch.sigmoid,
        "Tanh": torch.tanh,
        "Softmax": lambda x: torch.softmax(x, dim=-1),
    }
    inputs = {
        "rows": rng.normal(size=(6, 5)),
        "deep": rng.normal(size=(2, 3, 4)),
        "extreme": extreme,
        "equal": np.full((2, 4), -3.0),
    }
    for name, f in functions.items():
        for kind, values in inputs.items():
            x = tensor(values)
            y, dy = f(x), torch.tensor(rng.normal(size=values.shape))
            y.backward(dy)
            cases[f"{name}_{kind}"] = {"x": x, "dy": dy, "y": y, "dx": x.grad}
    write("layers", cases)


# --- losses -------------------------------------------------------------------------------------------------------


def losses(rng: np.random.Generator) -> None:
    cases: dict[str, Any] = {}

    def record(name: str, function: Any, y_pred: Any, y_true: Any, **arguments: Any) -> None:
        p = tensor(y_pred)
        y = torch.tensor(y_true)
        loss = function(p, y, **arguments)
        loss.backward()
        cases[name] = {"y_pred": p, "y_true": y, "loss": loss, "gradient": p.grad, **arguments}

    record("mse", F.mse_loss, rng.normal(size=(6, 4)), rng.normal(size=(6, 4)))
    record("mse_image", F.mse_loss, rng.normal(size=(2, 3, 2, 2)), rng.normal(size=(2, 3, 2, 2)))
    record("mse_one_row", F.mse_loss, rng.normal(size=(1, 4)), rng.normal(size=(1, 4)))

    bce = F.binary_cross_entropy_with_logits
    record("bce", bce, rng.normal(size=(6, 4)), rng.integers(0, 2, (6, 4)).astype(float))
    record("bce_soft", bce, rng.normal(size=(6, 4)), rng.uniform(size=(6, 4)))
    huge = np.array([[1e4, -1e4, 1e4, -1e4, 0.0, 0.0, 1e4]]).T
    record("bce_huge", bce, huge, np.array([[1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.3]]).T)

    ce = F.cross_entropy
    z, labels, soft = rng.normal(size=(6, 4)), rng.integers(0, 4, 6), rng.dirichlet(np.ones(4), 6)
    huge = np.array([[1e4, -1e4, 0.0], [1e4, -1e4, 0.0], [-1e4, -1e4, 1e4], [1e4, 1e4, 1e4], [-1e4, -1e4, -1e4]])
    huge_labels = np.array([0, 1, 2, 1, 0])
    for smoothing in (0.0, 0.1):
        suffix = "_smoothed" if smoothing else ""
        record(f"ce_labels{suffix}", ce, z, labels, label_smoothing=smoothing)
        record(f"ce_soft{suffix}", ce, z, soft, label_smoothing=smoothing)
        record(f"ce_huge{suffix}", ce, huge, huge_labels, label_smoothing=smoothing)
        record(f"ce_equal{suffix}", ce, np.full((3, 4), 2.5), np.array([3, 0, 1]), label_smoothing=smoothing)
    record("ce_one_hot", ce, z, np.eye(4)[labels], label_smoothing=0.0)
    record("ce_huge_soft", ce, huge, np.full((5, 3), 1 / 3), label_smoothing=0.0)
    write("losses", cases)


# --- penalties ----------------------------------------------------------------------------------------------------


def penalties(rng: np.random.Generator) -> None:
    cases: dict[str, Any] = {}
    factor = 0.3
    for activation in (None, "sigmoid", "tanh", "relu"):
        f = ACTIVATIONS[activation]
        for use_bias in (True, False):
            x, W, b = (tensor(rng.normal(size=shape)) for shape in ((6, 5), (5, 4), (4,)))
            inputs = [x, W, b] if use_bias else [x, W]

            def encode(
                rows: torch.Tensor, W: torch.Tensor = W, b: torch.Tensor | int = b if use_bias else 0, f: Any = f
            ) -> torch.Tensor:
                return f(rows @ W + b)

            # By definition: the mean over rows of the Jacobian's squared Frobenius norm (the Jacobian is autograd's).
            jacobians = [torch.autograd.functional.jacobian(encode, row, create_graph=True) for row in x]
            term = factor * torch.stack([(J**2).sum() for J in jacobians]).mean()
            # Without an activation the encoder's Jacobian is constant, so the penalty's gradients for x and b are zero.
            zeros = {"allow_unused": True, "materialize_grads": True, "retain_graph": True}
            of_term = torch.autograd.grad(term, inputs, **zeros)
            h, dy = encode(x), torch.tensor(rng.normal(size=(6, 4)))
            of_total = torch.autograd.grad((dy * h).sum() + term, inputs)
            names = ["dx", "dW", "db"][: len(inputs)]
            cases[f"contractive_{activation}_{'bias' if use_bias else 'no_bias'}"] = {
                "activation": activation, "factor": factor, "x": x, "W": W, **({"b": b} if use_bias else {}),
                "dy": dy, "h": h, "penalty": term,
                "of_penalty": dict(zip(names, of_term, strict=True)),
                "of_total": dict(zip(names, of_total, strict=True)),
            }  # fmt: skip

    x = tensor(np.where(rng.uniform(size=(6, 4)) < 0.3, 0.0, rng.normal(size=(6, 4))))
    term = factor * x.abs().sum(dim=1).mean()
    term.backward()
    cases["activity_l1"] = {"factor": factor, "x": x, "penalty": term, "dx": x.grad}

    for rho in (0.05, 0.4):
        x = tensor(rng.uniform(0.02, 0.98, (6, 4)))
        r = x.mean(dim=0)
        # KL(p || q) = sum p log(p / q) over the two outcomes of each unit; PyTorch's kl_div needs log q.
        p = torch.tensor([[rho, 1 - rho]]).expand(4, 2)
        term = factor * F.kl_div(torch.stack([r, 1 - r], dim=1).log(), p, reduction="sum")
        term.backward()
        cases[f"kl_sparsity_{rho}"] = {"rho": rho, "factor": factor, "x": x, "penalty": term, "dx": x.grad}
    write("penalties", cases)


# --- schedules ----------------------------------------------------------------------------------------------------


def schedules() -> None:
    cases: dict[str, Any] = {}
    lr = torch.optim.lr_scheduler

    def record(name: str, make: Any, steps: int, **arguments: Any) -> None:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        scheduler = make(optimizer, **arguments)
        rates = []
        for _ in range(steps):
            rates.append(scheduler.get_last_lr()[0])
            optimizer.step()
            scheduler.step()
        cases[name] = {"learning_rate": 0.1, "rates": rates, **arguments}

    record("StepLR", lr.StepLR, 20, step_size=7, gamma=0.5)
    record("ExponentialLR", lr.ExponentialLR, 20, gamma=0.9)
    record("CosineAnnealingLR", lr.CosineAnnealingLR, 21, T_max=20, eta_min=0.004)
    write("schedules", cases)


# --- images -------------------------------------------------------------------------------------------------------

Padding = tuple[tuple[int, int], tuple[int, int]]  # ((top, bottom), (left, right)) pixels


def short(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Draw from N(0, 1), rounded to three decimals: few enough to save space, enough to avoid ties in pooling."""
    return rng.normal(size=shape).round(3)


def padded(x: torch.Tensor, padding: Padding, value: float = 0.0) -> torch.Tensor:
    """Convert x from NHWC to NCHW and add a border of `value`."""
    (top, bottom), (left, right) = padding
    return F.pad(x.permute(0, 3, 1, 2), (left, right, top, bottom), value=value)


def record_layer(
    cases: dict[str, Any],
    name: str,
    arguments: dict[str, Any],
    f: Any,
    rng: np.random.Generator,
    **inputs: torch.Tensor,
) -> None:
    """Record y = f(), in NHWC, and the gradients of all inputs for a random dy."""
    y = f()
    dy = torch.tensor(short(rng, *y.shape))
    y.backward(dy)
    gradients = {f"d{key}": value.grad for key, value in inputs.items()}
    cases[name] = {"arguments": arguments, **inputs, "dy": dy, "y": y, **gradients}


def images(rng: np.random.Generator) -> None:
    cases: dict[str, Any] = {}
    nothing = ((0, 0), (0, 0))

    # name: shape of x, arguments of the layer, its padding in pixels
    convolutions: dict[str, tuple[tuple[int, ...], dict[str, Any], Padding]] = {
        "valid": ((2, 6, 7, 3), {"filters": 2, "kernel_size": (3, 2), "strides": (1, 2)}, nothing),
        "one_pixel": (
            (2, 6, 5, 2),
            {"filters": 3, "kernel_size": 3, "strides": 2, "padding": 1, "activation": "relu"},
            ((1, 1), (1, 1)),
        ),
        "two_sides": ((1, 4, 5, 2), {"filters": 2, "kernel_size": (4, 3), "padding": (2, 0)}, ((2, 2), (0, 0))),
        "same_odd": (
            (2, 4, 5, 2),
            {"filters": 2, "kernel_size": 3, "padding": "same", "activation": "tanh"},
            ((1, 1), (1, 1)),
        ),
        "same_even": (
            (2, 4, 5, 2),
            {"filters": 3, "kernel_size": 2, "padding": "same", "activation": "sigmoid", "use_bias": False},
            ((0, 1), (0, 1)),
        ),
        "same_strided": (  # ceil(7 / 3) = 3, (3 - 1) 3 + 4 - 7 = 3 pixels; ceil(4 / 2) = 2, 2 + 3 - 4 = 1
            (1, 7, 4, 2),
            {"filters": 2, "kernel_size": (4, 3), "strides": (3, 2), "padding": "same", "activation": "relu"},
            ((1, 2), (0, 1)),
        ),
        "lopsided": (
            (2, 4, 5, 2),
            {"filters": 2, "kernel_size": (2, 3), "strides": (2, 1), "padding": [[1, 0], [0, 2]]},
            ((1, 0), (0, 2)),
        ),
        "pointwise": ((2, 3, 4, 3), {"filters": 2, "kernel_size": 1, "activation": "relu"}, nothing),
        "gaps": ((1, 5, 7, 2), {"filters": 2, "kernel_size": 1, "strides": (2, 3)}, nothing),
        "one_channel": ((1, 3, 4, 1), {"filters": 1, "kernel_size": (2, 3), "use_bias": False}, nothing),
    }
    for name, (shape, arguments, padding) in convolutions.items():
        kernel = arguments["kernel_size"]
        kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
        filters, strides = arguments["filters"], arguments.get("strides", 1)
        x, W = tensor(short(rng, *shape)), tensor(short(rng, kh, kw, shape[-1], filters))
        inputs = {"x": x, "W": W}
        if arguments.get("use_bias", True):
            inputs["b"] = tensor(short(rng, filters))
        f, b = ACTIVATIONS[arguments.get("activation")], inputs.get("b")

        def convolve(
            f: Any = f, x: Any = x, W: Any = W, b: Any = b, strides: Any = strides, padding: Any = padding
        ) -> torch.Tensor:
            return f(F.conv2d(padded(x, padding), W.permute(3, 2, 0, 1), b, strides)).permute(0, 2, 3, 1)

        record_layer(cases, f"Conv2D_{name}", arguments, convolve, rng, **inputs)

    pools: dict[str, tuple[tuple[int, ...], dict[str, Any], Padding]] = {
        "side_by_side": ((2, 4, 6, 2), {"pool_size": 2}, nothing),
        "overlapping": ((2, 5, 7, 2), {"pool_size": 3, "strides": 2}, nothing),
        "sides_differ": ((1, 5, 7, 2), {"pool_size": (2, 3), "strides": (1, 2)}, nothing),
        "gaps": ((1, 5, 8, 2), {"pool_size": 2, "strides": 3}, nothing),
        "padded": ((1, 5, 4, 2), {"pool_size": 3, "strides": 2, "padding": 1}, ((1, 1), (1, 1))),
        "lopsided": ((1, 4, 4, 2), {"pool_size": (2, 3), "strides": 1, "padding": [[1, 0], [0, 2]]}, ((1, 0), (0, 2))),
    }
    for name, (shape, arguments, padding) in pools.items():
        size, strides = arguments["pool_size"], arguments.get("strides", arguments["pool_size"])
        for kind in ("MaxPool2D", "AveragePool2D"):
            values = short(rng, *shape)
            x = tensor(values - 5 if kind == "MaxPool2D" and padding != nothing else values)  # padding must not win

            def pool(
                kind: str = kind, x: Any = x, padding: Any = padding, size: Any = size, strides: Any = strides
            ) -> torch.Tensor:
                if kind == "MaxPool2D":
                    y = F.max_pool2d(padded(x, padding, -torch.inf), size, strides)
                else:  # the mean over pixels inside the image; F.avg_pool2d has no asymmetric padding
                    inside = padded(torch.ones_like(x), padding)
                    y = F.avg_pool2d(padded(x, padding), size, strides) / F.avg_pool2d(inside, size, strides)
                return y.permute(0, 2, 3, 1)

            record_layer(cases, f"{kind}_{name}", arguments, pool, rng, x=x)
            if name == "padded" and kind == "AveragePool2D":  # PyTorch's own layer agrees
                own = F.avg_pool2d(x.permute(0, 3, 1, 2), 3, 2, 1, count_include_pad=False)
                torch.testing.assert_close(own.permute(0, 2, 3, 1), pool(), rtol=1e-14, atol=0)

    x = tensor(short(rng, 2, 4, 3, 2))
    record_layer(
        cases, "GlobalAveragePool2D", {}, lambda: F.adaptive_avg_pool2d(x.permute(0, 3, 1, 2), 1).flatten(1), rng, x=x
    )

    for size, alpha, beta, k in ((5, 1e-4, 0.75, 2.0), (3, 0.2, 0.5, 1.0), (4, 0.3, 0.75, 2.0), (9, 0.1, 1.0, 0.5)):
        x = tensor(3 * short(rng, 2, 2, 3, 6))

        def norm(x: Any = x, size: int = size, alpha: float = alpha, beta: float = beta, k: float = k) -> torch.Tensor:
            y = F.local_response_norm(x.permute(0, 3, 1, 2), size, alpha * size, beta, k)  # F divides alpha by size
            return y.permute(0, 2, 3, 1)

        arguments = {"size": size, "alpha": alpha, "beta": beta, "k": k}
        record_layer(cases, f"LocalResponseNorm_{size}", arguments, norm, rng, x=x)

    # a small network like cifar_cnn, trained with Adam
    data, labels = short(rng, 5, 6, 5, 2), np.array([0, 2, 1, 1, 0])
    start = [short(rng, *shape) for shape in ((2, 2, 2, 3), (1, 1, 3, 4), (24, 3), (3,))]
    weights = [tensor(array) for array in start]
    optimizer = torch.optim.Adam(weights, lr=0.02, eps=1e-8)
    trace = []
    for _ in range(5):
        optimizer.zero_grad()
        W1, W2, W3, b3 = weights
        h = F.conv2d(padded(torch.tensor(data), ((0, 1), (0, 1))), W1.permute(3, 2, 0, 1)).relu()
        h = F.conv2d(F.max_pool2d(h, 2), W2.permute(3, 2, 0, 1)).relu()
        loss = F.cross_entropy(h.permute(0, 2, 3, 1).flatten(1) @ W3 + b3, torch.tensor(labels))
        loss.backward()
        optimizer.step()
        trace.append(float(loss.detach()))
    cases["network"] = {"x": data, "labels": labels, "start": start, "losses": trace, "end": weights}
    write("images", cases)


def images_keras(rng: np.random.Generator) -> None:
    """Record results for padding="same" from TensorFlow, which defined it."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    try:
        import keras
        import tensorflow as tf
    except ImportError:
        print("images_keras.json: not rewritten, because TensorFlow is not installed")
        return
    cases: dict[str, Any] = {}
    for kernel in (2, 3, 5):
        for stride in (1, 2, 3):
            W = short(rng, kernel, kernel, 1, 1)
            arguments = {"strides": stride, "padding": "same", "dtype": "float64"}
            convolution = keras.layers.Conv2D(1, kernel, use_bias=False, **arguments)
            for kind, layer in (
                ("Conv2D", convolution),
                ("MaxPool2D", keras.layers.MaxPooling2D(kernel, **arguments)),
                ("AveragePool2D", keras.layers.AveragePooling2D(kernel, **arguments)),
            ):
                x = tf.constant(short(rng, 1, 7, 6, 1) - (5 if kind == "MaxPool2D" else 0))
                if kind == "Conv2D":
                    layer.build(x.shape)
                    layer.set_weights([W])
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    y = layer(x)
                dy = short(rng, *y.shape)
                cases[f"{kind}_{kernel}_{stride}"] = {
                    "kernel": kernel, "stride": stride, "x": x.numpy(), **({"W": W} if kind == "Conv2D" else {}),
                    "dy": dy, "y": y.numpy(), "dx": tape.gradient(y, x, dy).numpy(),
                }  # fmt: skip
    write("images_keras", cases)


# --- batch normalization, and graphs that fork and join -----------------------------------------------------------


def nchw(f: Any, x: torch.Tensor) -> torch.Tensor:
    """Apply f, which needs channels first, to x with channels last."""
    return f(x) if x.ndim == 2 else f(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


def batch_norm(rng: np.random.Generator) -> None:
    """Record PyTorch's steps unchanged; its momentum is 1 minus tinydl's, and its running variance is unbiased."""
    cases: dict[str, Any] = {}
    for shape in ((7, 3), (2, 3, 4, 2), (1, 1, 2, 3)):
        for activation in (None, "relu", "tanh"):
            c, epsilon, momentum = shape[-1], 1e-3 if activation is None else 1e-5, 0.8
            f = ACTIVATIONS[activation]
            gamma, beta = tensor(1 + 0.5 * short(rng, c)), tensor(short(rng, c))
            mean, var = torch.zeros(c), torch.ones(c)
            steps = []
            for training in (True, True, True, False):
                x = tensor(2 * short(rng, *shape) + 1)
                for array in (gamma, beta):
                    array.grad = None

                def norm(z: torch.Tensor, training: bool = training) -> torch.Tensor:
                    return F.batch_norm(z, mean, var, gamma, beta, training, 1 - momentum, epsilon)  # noqa: B023

                y = f(nchw(norm, x))
                dy = torch.tensor(short(rng, *shape))
                y.backward(dy)
                steps.append({
                    "training": training, "x": x, "dy": dy, "y": y, "dx": x.grad, "dgamma": gamma.grad.clone(),
                    "dbeta": beta.grad.clone(), "mean": mean.clone(), "unbiased_var": var.clone(),
                })  # fmt: skip
            cases[f"{'x'.join(map(str, shape))}_{activation}"] = {
                "arguments": {"momentum": momentum, "epsilon": epsilon, "activation": activation},
                "gamma": gamma, "beta": beta, "steps": steps,
            }  # fmt: skip
    write("batch_norm", cases)


def layer_norm(rng: np.random.Generator) -> None:
    cases: dict[str, Any] = {}
    for shape, epsilon in (((6, 5), 1e-3), ((2, 3, 4, 3), 1e-5), ((1, 7), 0.1)):
        x, gamma, beta = (tensor(short(rng, *size)) for size in (shape, shape[-1:], shape[-1:]))
        dy = short(rng, *shape)
        y = F.layer_norm(x, shape[-1:], gamma, beta, epsilon)
        y.backward(torch.tensor(dy))
        cases["x".join(map(str, shape))] = {
            "arguments": {"epsilon": epsilon}, "x": x, "dy": dy, "gamma": gamma, "beta": beta, "y": y, "dx": x.grad,
            "dgamma": gamma.grad, "dbeta": beta.grad,
        }  # fmt: skip
    write("layer_norm", cases)


def batch_norm_keras(rng: np.random.Generator) -> None:
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    try:
        import keras
        import tensorflow as tf
    except ImportError:
        print("batch_norm_keras.json: not rewritten, because TensorFlow is not installed")
        return
    cases: dict[str, Any] = {}
    for shape, arguments in (
        ((6, 3), {}), ((2, 3, 4, 2), {"momentum": 0.7, "epsilon": 1e-4}), ((5, 4), {"momentum": 0.0, "epsilon": 0.1}),
    ):  # fmt: skip
        layer = keras.layers.BatchNormalization(dtype="float64", **arguments)
        layer.build(shape)
        c = shape[-1]
        start = [1 + 0.5 * short(rng, c), short(rng, c), short(rng, c), 0.5 + np.abs(short(rng, c))]
        layer.set_weights(start)
        steps = []
        for training in (True, True, False):
            x = tf.constant(2 * short(rng, *shape) + 1)
            dy = short(rng, *shape)
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x, training=training)
            dx, dgamma, dbeta = tape.gradient(y, [x, *layer.trainable_variables], tf.constant(dy))
            steps.append({
                "training": training, "x": x.numpy(), "dy": dy, "y": y.numpy(), "dx": dx.numpy(),
                "dgamma": dgamma.numpy(), "dbeta": dbeta.numpy(), "weights": layer.get_weights(),
            })  # fmt: skip
        cases["x".join(map(str, shape))] = {"arguments": arguments, "start": start, "steps": steps}
    write("batch_norm_keras", cases)


def conv(x: torch.Tensor, W: torch.Tensor, b: torch.Tensor, strides: int = 1) -> torch.Tensor:
    """Convolve NHWC images, padded by k // 2 on all sides, with W of shape (kh, kw, in, out)."""
    y = F.conv2d(x.permute(0, 3, 1, 2), W.permute(3, 2, 0, 1), b, strides, W.shape[0] // 2)
    return y.permute(0, 2, 3, 1)


def blocks(rng: np.random.Generator) -> None:
    """Record residual blocks, an Inception block, an auxiliary head and shared layers; weights are in tinydl's order."""
    cases: dict[str, Any] = {}

    def convolutions(*shapes: tuple[int, int, int]) -> list[torch.Tensor]:
        """W and b for each (kernel, in, out)."""
        arrays = []
        for k, c_in, c_out in shapes:
            arrays += [tensor(0.5 * short(rng, k, k, c_in, c_out)), tensor(short(rng, c_out))]
        return arrays

    def note(name: str, x: torch.Tensor, weights: list[torch.Tensor], y: torch.Tensor, **more: Any) -> None:
        dy = torch.tensor(short(rng, *y.shape))
        gradients = torch.autograd.grad(y, [x, *weights], dy)
        cases[name] = {
            "x": x, "weights": weights, "dy": dy, "y": y, "dx": gradients[0], "gradients": gradients[1:], **more,
        }  # fmt: skip

    for activation, f in ACTIVATIONS.items():
        x, weights = tensor(short(rng, 2, 4, 3, 3)), convolutions((3, 3, 2), (3, 2, 3))
        W1, b1, W2, b2 = weights
        note(f"identity_{activation}", x, weights, f(conv(conv(x, W1, b1).relu(), W2, b2) + x), activation=activation)
        x, weights = tensor(short(rng, 2, 4, 5, 2)), convolutions((3, 2, 3), (3, 3, 4), (1, 2, 4))
        W1, b1, W2, b2, W3, b3 = weights
        y = f(conv(conv(x, W1, b1, 2).relu(), W2, b2) + conv(x, W3, b3, 2))
        note(f"projection_{activation}", x, weights, y, activation=activation)

    x = tensor(short(rng, 2, 4, 3, 3))
    weights = convolutions((1, 3, 2), (1, 3, 2), (3, 2, 3), (1, 3, 1), (5, 1, 2), (1, 3, 2))
    one, reduce3, three, reduce5, five, pool = zip(weights[::2], weights[1::2], strict=True)
    pooled = F.max_pool2d(x.permute(0, 3, 1, 2), 3, 1, 1).permute(0, 2, 3, 1)
    ways = [
        conv(x, *one).relu(), conv(conv(x, *reduce3).relu(), *three).relu(),
        conv(conv(x, *reduce5).relu(), *five).relu(), conv(pooled, *pool).relu(),
    ]  # fmt: skip
    note("inception", x, weights, torch.cat(ways, dim=-1))

    # a shared module: one Linear in three places
    x = tensor(short(rng, 5, 4))
    weights = [tensor(short(rng, *shape)) for shape in ((4, 4), (4,), (8, 2), (2,))]
    W, b, V, c = weights
    h = torch.tanh(x @ W + b)
    h = torch.cat([torch.tanh(h @ W + b), h.relu()], dim=1)
    note("shared", x, weights, torch.cat([torch.tanh(h[:, :4] @ W + b), h[:, 4:]], dim=1) @ V + c)

    # GoogLeNet's loss: the output's loss plus 0.3 times the loss of a head halfway up
    x, labels = tensor(short(rng, 6, 5)), torch.tensor([0, 2, 1, 1, 0, 2])
    weights = [tensor(short(rng, *shape)) for shape in ((5, 4), (4,), (4, 3), (3,), (3, 3), (3,), (4, 3), (3,))]
    W1, b1, W2, b2, W3, b3, W4, b4 = weights
    h = torch.tanh(x @ W1 + b1)
    main, aux = F.cross_entropy(h @ W4 + b4, labels), F.cross_entropy(torch.tanh(h @ W2 + b2) @ W3 + b3, labels)
    loss = main + 0.3 * aux
    gradients = torch.autograd.grad(loss, [x, *weights])
    cases["auxiliary"] = {
        "x": x, "labels": labels, "weights": weights, "loss": loss, "main": main, "aux": aux, "dx": gradients[0],
        "gradients": gradients[1:],
    }  # fmt: skip
    write("blocks", cases)


if __name__ == "__main__":
    optimizers(np.random.default_rng(1))
    layers(np.random.default_rng(2))
    losses(np.random.default_rng(3))
    penalties(np.random.default_rng(4))
    schedules()
    images(np.random.default_rng(5))
    images_keras(np.random.default_rng(6))
    batch_norm(np.random.default_rng(7))
    batch_norm_keras(np.random.default_rng(8))
    blocks(np.random.default_rng(9))
    layer_norm(np.random.default_rng(10))
