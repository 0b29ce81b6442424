"""The training loop: epochs, batches, the training step, and the calls to callbacks."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np
from numpy.typing import NDArray

from ..batches import Batches
from ..callbacks import Callback, Logs
from ..callbacks.base import overrides
from ..layer import Layer
from ..layers import AuxiliaryHead
from ..losses import Loss
from ..metrics import Metric
from ..network import NetworkInTraining
from ..optimizers import Optimizer
from . import own_layers
from .freezing import Plan
from .inputs import rows_at_a_time
from .vector import owners

BatchListener = Callable[[int, Logs], None]
MEND = "Try a smaller learning rate, or global_clipnorm in the optimizer"


class Step:
    """A training step: forward, loss, backward, optimizer. The work to do is planned once, and again when layers have
    been frozen or unfrozen."""

    def __init__(self, root: Layer, parameters: NDArray, gradients: NDArray) -> None:
        self.root, self.parameters, self.gradients = root, parameters, gradients
        self.heads = [layer for layer in root.walk() if isinstance(layer, AuxiliaryHead)]
        self.stateful = [layer.state for layer in owners(root) if layer.state]
        self.learners = [layer for layer in owners(root) if layer.params]
        self.plan: Plan | None = None  # made by the first step
        self.checked = False  # whether a step has succeeded, so that own layers need no more checks

    def take(self, x: NDArray, y: NDArray, loss: Loss, optimizer: Optimizer) -> tuple[float, NDArray]:
        """Take one step; return the loss before the step (penalties included) and the predictions.

        If the loss is NaN or infinite, raises FloatingPointError and leaves parameters and state unchanged. Raises
        ValueError if all layers are frozen.
        """
        plan = self._plan()
        before = [{key: array.copy() for key, array in state.items()} for state in self.stateful]
        for head in self.heads:
            head.targets = y
        try:
            y_pred = self.root.forward(x, True)
            value = float(loss.forward(y_pred, y)) + self.root.penalty()
            if not math.isfinite(value):
                explanation = self._explain_non_finite(value, x)
                for state, old in zip(self.stateful, before, strict=True):  # the forward passes changed the state
                    for key, array in old.items():
                        state[key][...] = array
                raise FloatingPointError(explanation)
            self._backward_from_zero(loss.backward(), plan)
            if not self.checked:
                own_layers.check_step(self.root, self.parameters, self.gradients, len(x))
                self.checked = True
        except (ValueError, TypeError) as error:
            if not self.checked:
                own_layers.explain_shape(self.root, error)
            raise
        finally:
            for head in self.heads:  # a user's own forward pass, on other rows, must not use these targets
                head.targets = None
        if optimizer.frozen != plan.frozen:
            optimizer.frozen = plan.frozen
        optimizer.step(self.parameters, self.gradients)
        return value, y_pred

    def _plan(self) -> Plan:
        """The present plan, or a new one if flags have changed."""
        if self.plan is None or self.plan.flags != [layer._trainable for layer in self.learners]:
            self.plan = Plan(self.root, self.gradients)
        return self.plan

    def _backward_from_zero(self, dy: NDArray, plan: Plan) -> None:
        """Do zero_grad() and backward(dy), except for what a training step does not need: zeros in the gradients of
        large Dense layers, gradients of frozen layers, and dL/dx of the lowest layer that learns."""
        for gradient in plan.cleared:
            gradient.fill(0)
        try:
            for dense in plan.writers:
                dense.accumulate = False
            for chain, lowest in plan.chains:
                chain.lowest = lowest
            for layer in plan.without_dx:
                layer.input_gradient = False
            self.root.backward(dy)
        finally:
            for dense in plan.writers:
                dense.accumulate = True
            for chain, _ in plan.chains:
                chain.lowest = 0
            for layer in plan.without_dx:
                layer.input_gradient = True

    def _explain_non_finite(self, value: float, x: NDArray) -> str:
        if not np.isfinite(x).all():
            return f"the loss became {value}: the batch itself holds NaN or infinity. The model is unchanged"
        bad = [name for name, array in self.root.params.items() if not np.isfinite(array).all()]
        where = f"the parameters {', '.join(bad)} are not finite" if bad else "all outputs are finite, the loss is not"
        if not bad and (head := next((head for head in self.heads if not math.isfinite(head.penalty())), None)):
            where = f"{where}; the loss of {head.label} is {head.penalty()}"
        for layer in self.root.sublayers() if not bad else ():
            x = layer.forward(x, True)
            if not np.isfinite(x).all():
                where = f"the first output that is not finite comes from {layer.label}"
                break
        return f"the loss became {value}: {where}. The model is unchanged. {MEND}"


def run(
    model: NetworkInTraining, step: Step, data: Batches, epochs: int, batch_size: int, shuffle: bool,
    validation: Batches | None, callbacks: Sequence[Callback], initial_epoch: int,
) -> None:  # fmt: skip
    """Run epochs initial_epoch .. epochs - 1, or until `model.stop_training` is set. Ctrl-C sets `model.interrupted`.

    A callback's `check_run` may raise before the run begins. For every callback whose `on_train_begin` succeeds,
    `on_train_end` is called, even if other callbacks raise errors.
    """
    names = ["loss", *model.metrics]
    metrics = names + [f"val_{name}" for name in names if validation is not None]
    steps = math.ceil(len(data) / batch_size)
    for callback in callbacks:
        callback.model = model
        callback.params = {
            "epochs": epochs, "initial_epoch": initial_epoch, "steps": steps, "metrics": list(metrics),
            "batch_size": batch_size,
        }  # fmt: skip
    for callback in callbacks:
        callback.check_run()
    model.stop_training = model.interrupted = False
    try:
        with ExitStack() as endings:
            for callback in callbacks:
                callback.on_train_begin()
                endings.callback(callback.on_train_end)
            before = [each.on_train_batch_begin for each in callbacks if overrides(each, "on_train_batch_begin")]
            after = [each.on_train_batch_end for each in callbacks if overrides(each, "on_train_batch_end")]
            try:
                for epoch in range(initial_epoch, epochs):
                    for callback in callbacks:
                        callback.on_epoch_begin(epoch)
                    logs = _epoch(model, step, epoch, data, batch_size, shuffle, before, after)
                    if validation is not None:
                        logs |= {f"val_{name}": value for name, value in figures(model, validation).items()}
                    _check_finite(model, epoch, logs)
                    model.epoch = epoch + 1
                    for callback in callbacks:
                        callback.on_epoch_end(epoch, logs)
                    if model.stop_training:
                        break
            except KeyboardInterrupt:
                model.interrupted = True
    except KeyboardInterrupt:  # raised while callbacks began or ended
        model.interrupted = True


def _epoch(
    model: NetworkInTraining, step: Step, epoch: int, data: Batches, batch_size: int, shuffle: bool,
    before: Sequence[Callable[[int], None]], after: Sequence[BatchListener],
) -> Logs:  # fmt: skip
    """Train for one pass over all rows; return the loss as a mean over rows, and the metrics of all rows at once."""
    loss, optimizer = model.loss, model.optimizer
    assert loss is not None
    assert optimizer is not None
    total, seen = 0.0, Seen()
    for batch, (x_batch, y_batch) in enumerate(data.draw(batch_size, model.rng, shuffle)):
        for notify in before:
            notify(batch)
        try:
            value, y_pred = step.take(x_batch, y_batch, loss, optimizer)
        except FloatingPointError as error:
            raise FloatingPointError(f"fit: epoch {epoch + 1}, batch {batch + 1}: {error}") from None
        total += value * len(x_batch)
        if model.metrics:
            seen.add(y_batch, y_pred)
        for hand_over in after:
            hand_over(batch, {"loss": value})
    return {"loss": total / len(data), **seen.figures("fit", model)}


class Seen:
    """The targets and the predictions of one pass. A metric such as average precision needs them all: its mean over
    batches is another number."""

    def __init__(self) -> None:
        self.targets: list[NDArray] = []
        self.predictions: list[NDArray] = []

    def add(self, y_true: NDArray, y_pred: NDArray) -> None:
        self.targets.append(y_true)
        self.predictions.append(y_pred.copy())  # a view would keep the batch's large block of memory in use

    def figures(self, method: str, model: NetworkInTraining) -> Logs:
        """The metrics by name. A metric that raises or is not a number is named in a warning, and its value is NaN."""
        if not model.metrics:
            return {}
        y_true, y_pred = np.concatenate(self.targets), np.concatenate(self.predictions)
        return {name: _value(method, name, metric, y_true, y_pred) for name, metric in model.metrics.items()}


def _value(method: str, name: str, metric: Metric, y_true: NDArray, y_pred: NDArray) -> float:
    try:
        value = float(metric(y_true, y_pred))
        trouble = f"is {value}" if not math.isfinite(value) else ""
    except Exception as error:
        value, trouble = math.nan, f"failed: {type(error).__name__}: {error}"
    if trouble:
        warnings.warn(f"{method}: the metric {name!r} {trouble}; training is not affected", stacklevel=2)
    return value


def figures(model: NetworkInTraining, data: Batches, batch_size: int | None = None) -> Logs:
    """The loss (penalties included) as a mean over rows, and the metrics of all rows, without noise."""
    loss, root = model.loss, model.root
    assert loss is not None
    total, seen = 0.0, Seen()
    for x_batch, y_batch in data.draw(rows_at_a_time("evaluate", model, batch_size)):
        y_pred = root.forward(x_batch)
        total += (loss.forward(y_pred, y_batch) + root.penalty()) * len(x_batch)
        if model.metrics:
            seen.add(y_batch, y_pred)
    return {"loss": total / len(data), **seen.figures("evaluate", model)}


def _check_finite(model: NetworkInTraining, epoch: int, logs: Logs) -> None:
    """Raise if the model is not finite, before callbacks save it: the last loss was computed before the last step."""
    losses = [name for name in ("loss", "val_loss") if name in logs]
    bad: list[str] = [name for name in losses if not math.isfinite(logs[name])]  # a metric may have none
    bad += [name for name, array in model.params.items() if not np.isfinite(array).all()]
    if bad:
        raise FloatingPointError(f"fit: after epoch {epoch + 1}, {', '.join(bad)} are not finite. {MEND}")
