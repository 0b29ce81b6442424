"""Numbers from PyTorch, in float64, for the tests to compare tinydl with. They test the forward formulas too: a
gradient check only proves that backward is the derivative of whatever forward computes.

    python tests/golden/make_golden.py            (needs PyTorch; written with 2.13; rewrites the *.json beside it)

Nothing of tinydl is imported here and no test imports this file: the numbers stand on their own. JSON keeps float64
exactly, as its shortest decimal form. Weights are in the layout (inputs, units).
"""

from __future__ import annotations

import json
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
    """Tensors and arrays as nested lists, within dicts and lists."""
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
    """clip: largest gradient norm. clip_grad_norm_ divides by the norm + 1e-6; exact_clip divides by the norm."""
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
        if activation == "tanh":  # the network hardly matters to an optimizer; a second one for the main ones
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

            # the definition: the Jacobian of every row by autograd, its squared Frobenius norm, the mean over the rows
            jacobians = [torch.autograd.functional.jacobian(encode, row, create_graph=True) for row in x]
            term = factor * torch.stack([(J**2).sum() for J in jacobians]).mean()
            # (an encoder without an activation does not give x and b any part in the penalty: zeros)
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
        # KL(p || q) = sum p log(p / q) by PyTorch's own kl_div (which takes log q), for the two outcomes of each unit
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


if __name__ == "__main__":
    optimizers(np.random.default_rng(1))
    layers(np.random.default_rng(2))
    losses(np.random.default_rng(3))
    penalties(np.random.default_rng(4))
    schedules()
