"""tinydl."""

from __future__ import annotations

import io
from functools import partial
from typing import Any
from unittest import mock

from benchmarks.suite import plan
from benchmarks.suite.task import ROWS, Built, Task, labelled, over, table_of, with_gradient
from tinydl import Model
from tinydl.optimizers import SGD, Adam, Optimizer

EPOCHS = 3  # of one fit, which checks the rows once


class Still(Optimizer):
    """Leaves the parameters as they are: for a step of forward and backward only."""

    def update(self, params: Any, grads: Any, learning_rate: float) -> None:
        pass


class Terminal(io.StringIO):
    """A terminal that discards its output, so that the progress bar still does all its work."""

    def isatty(self) -> bool:
        return True


def compiled(task: Task, loss: Any) -> Model:
    model = plan.build(*task.network)
    optimizers: dict[str, Any] = {
        "adam": partial(Adam, task.rate, epsilon=1e-7), "sgd": partial(SGD, task.rate, 0.9), "": partial(Still, 0.0),
    }  # fmt: skip
    model.compile(optimizers[task.optimizer](), loss)
    return model


def train(task: Task) -> Built:
    from tinydl.losses import SoftmaxCrossEntropy

    model = compiled(task, SoftmaxCrossEntropy())
    return Built(over(model.train_on_batch, labelled(task)), model.parameters.size, task.batch)


def infer(task: Task) -> Built:
    model = plan.build(*task.network)
    step = over(lambda x, y: model.predict_on_batch(x)[0, 0], labelled(task))
    return Built(step, model.parameters.size, task.batch)


def epoch(task: Task) -> Built:
    """A few epochs of one public `fit`, with shuffling, History and the progress bar."""
    from tinydl.losses import MeanSquaredError

    model, x = compiled(task, MeanSquaredError()), table_of(task)

    def step() -> float:
        with mock.patch("sys.stderr", Terminal()):
            return model.fit(x, x, epochs=EPOCHS, batch_size=task.batch).history["loss"][-1]

    return Built(step, model.parameters.size, EPOCHS * ROWS)


def layer(task: Task) -> Built:
    from tinydl.kernels.machine.threads import one_blas_thread
    from tinydl.layers import Dense

    model = plan.build(*task.network)
    (only,), (x, dy) = model.layers, with_gradient(task)
    if isinstance(only, Dense):
        only.accumulate = False  # as in training

    @one_blas_thread()  # as in training
    def step() -> float:
        if not isinstance(only, Dense):
            only.zero_grad()
        only.forward(x, training=True)
        return float(only.backward(dy).flat[0])

    return Built(step, model.parameters.size, task.batch)


def optimize(task: Task) -> Built:
    """A step of the optimizer alone."""
    from tinydl.losses import MeanSquaredError

    model = compiled(task, MeanSquaredError())
    optimizer = model.optimizer
    assert optimizer is not None
    model.gradients[...] = 1e-3 * model.parameters

    def step() -> float:
        optimizer.step(model.parameters, model.gradients)
        return float(model.parameters[0])

    return Built(step, model.parameters.size, 1)


def check(task: Task) -> Built:
    """A gradient check of the whole network in random directions, in float64."""
    import numpy as np

    from tinydl.gradcheck import check_model
    from tinydl.losses import SoftmaxCrossEntropy

    model, (x, y) = plan.build(*task.network), labelled(task)[0]

    def step() -> float:
        report = check_model(model, x=x.astype(np.float64), y=y, loss=SoftmaxCrossEntropy(), mode="directional")
        return float(report.passed)

    return Built(step, model.parameters.size, 1)
