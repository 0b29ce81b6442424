"""PyTorch, eager and by torch.compile, with its fused optimizers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from benchmarks.suite.task import Built, Task, labelled, over, shuffled, table_of, with_gradient

MODULES: dict[Any, Callable[[], nn.Module]] = {
    "relu": lambda: nn.ReLU(inplace=True), "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, None: nn.Identity,
}  # fmt: skip


class Residual(nn.Module):
    """f(body(x) + shortcut(x))."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None, activation: str | None) -> None:
        super().__init__()
        self.body, self.shortcut, self.activation = body, shortcut or nn.Identity(), MODULES[activation]()

    def forward(self, x: Any) -> Any:
        return self.activation(self.body(x) + self.shortcut(x))


class Branches(nn.Module):
    """The branches' maps, concatenated."""

    def __init__(self, branches: list[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Any) -> Any:
        return torch.cat([branch(x) for branch in self.branches], 1)


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


class Mask(nn.Module):
    """Zero features with probability `rate`, without scaling the others."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Any) -> Any:
        return x * (torch.rand_like(x) >= self.rate) if self.training else x


class Penalized(nn.Module):
    """A layer that leaves a term of the loss in `penalty`."""

    def __init__(self, layer: dict[str, Any]) -> None:
        super().__init__()
        self.factor, self.penalty = layer["factor"], torch.zeros(())
        self.encoder = dense(layer) if layer["kind"] == "contractive" else None
        if self.encoder and layer["activation"] != "relu":
            raise ValueError(f"the contractive penalty is written for relu, got {layer['activation']}")

    def forward(self, x: Any) -> Any:
        if self.encoder is None:
            self.penalty = self.factor / len(x) * x.abs().sum()
            return x
        h = torch.relu(self.encoder(x))
        s = self.encoder.weight.square().sum(1)
        self.penalty = self.factor / len(x) * ((h > 0).to(x.dtype) @ s).sum()
        return h


def dense(layer: dict[str, Any]) -> nn.Linear:
    """A linear layer with tinydl's initial weights."""
    linear = nn.Linear(layer["in"][0], layer["out"][0], layer["bias"])
    nn.init.xavier_uniform_(linear.weight)
    if layer["bias"]:
        nn.init.zeros_(linear.bias)
    return linear


def chain(plan: list[dict[str, Any]]) -> nn.Sequential:
    """The network of a plan."""
    return nn.Sequential(*itertools.chain.from_iterable(modules(layer) for layer in plan))


def modules(layer: dict[str, Any]) -> list[nn.Module]:
    """The modules of one layer: itself, and its activation."""
    kind = layer["kind"]
    activation = [MODULES[layer["activation"]]()] if layer.get("activation") else []
    if kind == "conv":
        return [*convolution(layer), *activation]
    if kind in ("max pool", "average pool"):
        return [pool(layer)]
    if kind == "dense":
        return [dense(layer), *activation]
    if kind == "norm":
        return [nn.BatchNorm2d(layer["out"][-1], layer["epsilon"], 1 - layer["momentum"]), *activation]
    if kind == "residual":
        body, around = layer["parts"]
        return [Residual(chain(body), chain(around) if around else None, layer["activation"])]
    if kind == "branches":
        return [Branches([chain(part) for part in layer["parts"]])]
    if kind in ("contractive", "activity l1"):
        return [Penalized(layer)]
    if kind == "pad channels":
        more = layer["out"][-1] - layer["in"][-1]
        return [Function(lambda x: nn.functional.pad(x, (0, 0, 0, 0, 0, more)))]
    simple: dict[str, Callable[[], nn.Module]] = {
        "dropout": lambda: nn.Dropout(layer["rate"]),
        "mask": lambda: Mask(layer["rate"]),
        "flatten": nn.Flatten,
        "global average": lambda: Function(lambda x: x.mean((2, 3))),
        "lrn": lambda: nn.LocalResponseNorm(layer["size"], layer["alpha"] * layer["size"], layer["beta"], layer["k"]),
    }
    return [simple[kind]()]


def convolution(layer: dict[str, Any]) -> list[nn.Module]:
    sizes = layer["in"][-1], layer["out"][-1], layer["size"], layer["strides"]
    (top, bottom), (left, right) = layer["padding"]
    if (top, left) == (bottom, right):
        return [nn.Conv2d(*sizes, (top, left), bias=layer["bias"])]
    return [nn.ZeroPad2d((left, right, top, bottom)), nn.Conv2d(*sizes, bias=layer["bias"])]


def pool(layer: dict[str, Any]) -> nn.Module:
    (top, bottom), (left, right) = layer["padding"]
    (down, across), size, strides = layer["strides"], layer["size"], layer["strides"]
    if layer["kind"] == "average pool" and list(size) == [1, 1]:
        return Function(lambda x: x[:, :, ::down, ::across])
    if layer["kind"] == "average pool" and not any((top, bottom, left, right)):
        return nn.AvgPool2d(size, strides)
    if layer["kind"] == "max pool" and (top, left) == (bottom, right):
        return nn.MaxPool2d(size, strides, (top, left))
    if layer["kind"] == "max pool" and (top, left) == (0, 0):
        return nn.MaxPool2d(size, strides, ceil_mode=True)  # a window beyond the edge takes the pixels that exist
    raise ValueError(f"no pooling module for {layer}")


def network(task: Task, channels_last: bool, dtype: Any = torch.float32) -> tuple[Any, Any]:
    """The network and its memory format."""
    torch.set_num_threads(task.threads)
    torch.manual_seed(0)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = chain(task.plan).to(dtype)
    return (model.to(memory_format=layout) if len(task.input_shape) == 3 else model), layout


def tensor(array: Any, layout: Any) -> Any:
    """Images in PyTorch's order of axes, stored as `layout`; rows as they are."""
    values = torch.from_numpy(array)
    return values.permute(0, 3, 1, 2).contiguous(memory_format=layout) if values.ndim == 4 else values


def optimizer_of(task: Task, model: Any) -> Any:
    """The fused optimizer, which is the fastest on a CPU."""
    if task.optimizer == "adam":
        return torch.optim.Adam(model.parameters(), task.rate, eps=1e-7, fused=True)
    return torch.optim.SGD(model.parameters(), task.rate, 0.9, fused=True) if task.optimizer else None


def size(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def train(task: Task, channels_last: bool = True, compiled: bool = False) -> Built:
    model, layout = network(task, channels_last)
    optimizer, run = optimizer_of(task, model), torch.compile(model) if compiled else model

    def step(x: Any, y: Any) -> float:
        model.zero_grad(set_to_none=True)
        loss = nn.functional.cross_entropy(run(x), y)
        loss.backward()
        if optimizer is not None:
            optimizer.step()
        return float(loss)

    batches = [(tensor(x, layout), torch.from_numpy(y).long()) for x, y in labelled(task)]
    return Built(over(step, batches), size(model), task.batch)


def infer(task: Task, channels_last: bool = True, compiled: bool = False) -> Built:
    model, layout = network(task, channels_last)
    run = torch.compile(model.eval()) if compiled else model.eval()

    @torch.inference_mode()
    def step(x: Any) -> float:
        return float(run(x)[0, 0])

    return Built(over(step, [(tensor(x, layout),) for x, _ in labelled(task)]), size(model), task.batch)


def layer(task: Task, channels_last: bool = True) -> Built:
    model, layout = network(task, channels_last)
    x, dy = (tensor(array, layout) for array in with_gradient(task))
    x.requires_grad_()

    def step() -> float:
        x.grad = None
        model.zero_grad(set_to_none=True)
        model(x).backward(dy)
        return float(x.grad[(0,) * x.ndim])

    return Built(step, size(model), task.batch)


def optimize(task: Task) -> Built:
    """A step of the optimizer alone."""
    model, _ = network(task, False)
    for each in model.parameters():
        each.grad = 1e-3 * each.detach()
    optimizer = optimizer_of(task, model)

    def step() -> float:
        optimizer.step()
        return float(next(model.parameters())[0, 0])

    return Built(step, size(model), 1)


def rows_loop(model: Any, optimizer: Any, x: Any, batch: int, compiled: bool = False) -> Callable[[], Any]:
    """A step of a loop over shuffled rows. The loss is added up as a tensor: reading it as a number would cost more."""
    table, total, penalized = torch.from_numpy(x), torch.zeros(()), [m for m in model if isinstance(m, Penalized)]

    def loss_of(rows: Any) -> Any:
        loss = nn.functional.mse_loss(model(rows), rows)
        for module in penalized:
            loss = loss + module.penalty
        return loss

    run = torch.compile(loss_of) if compiled else loss_of
    orders = shuffled(lambda: torch.randperm(len(table)), batch)

    def step() -> Any:
        rows = table.index_select(0, next(orders))
        optimizer.zero_grad(set_to_none=True)
        loss = run(rows)
        loss.backward()
        optimizer.step()
        return total.add_(loss.detach())

    return step


def epoch(task: Task, compiled: bool = False) -> Built:
    model, _ = network(task, False)
    step = rows_loop(model, optimizer_of(task, model), table_of(task), task.batch, compiled)
    return Built(step, size(model), task.batch)


def check(task: Task) -> Built:
    """torch.autograd.gradcheck in its fast mode: one random direction per array of parameters, in float64."""
    model, layout = network(task, False, torch.float64)
    model.eval()  # dropout would draw anew in each pass
    x, y = labelled(task)[0]
    inputs, labels = tensor(x, layout).double(), torch.from_numpy(y).long()
    names = [name for name, _ in model.named_parameters()]

    def loss_of(*values: Any) -> Any:
        logits = torch.func.functional_call(model, dict(zip(names, values, strict=True)), inputs)
        return nn.functional.cross_entropy(logits, labels)

    def step() -> float:
        passed = torch.autograd.gradcheck(loss_of, tuple(model.parameters()), fast_mode=True, raise_exception=False)
        return float(passed)

    return Built(step, size(model), 1)


def export(task: Task, path: str) -> None:
    """Write the network as an ONNX file."""
    model, layout = network(task, False)
    x = tensor(labelled(task)[0][0], layout)
    torch.onnx.export(model.eval(), (x,), path, input_names=["x"], dynamo=False)
