"""The training loop: epochs, batches, the training step, and the calls to callbacks."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..callbacks import Callback, History, Logs, ProgressBar
from ..callbacks.base import overrides
from ..layer import Layer
from ..layers import AuxiliaryHead
from ..losses import Loss
from ..metrics import Metric
from ..network import NetworkInTraining
from ..optimizers import Optimizer
from . import attributes, own_layers
from .freezing import Plan
from .sources import Feed
from .vector import owners

BatchListener = Callable[[int, Logs], None]
OWN_CALLBACKS = (History, ProgressBar)  # which fit adds itself
MEND = "Try a smaller learning rate, or global_clipnorm in the optimizer"


class Step:
    """A training step: forward, loss, backward, optimizer. The work to do is planned once, and again when layers have
    been frozen or unfrozen."""

    def __init__(self, root: Layer, parameters: NDArray, gradients: NDArray, chain: Layer | None = None) -> None:
        """`chain`, if given, takes the place of `root` in every pass: see ends.up_to_logits."""
        self.root, self.parameters, self.gradients = root, parameters, gradients
        self.chain = root if chain is None else chain
        self.heads = [layer for layer in root.walk() if isinstance(layer, AuxiliaryHead)]
        self.stateful = [layer.state for layer in owners(root) if layer.state]
        self.learners = [layer for layer in owners(root) if layer.params]
        self.plan: Plan | None = None  # made by the first step
        self.planned_at = -1  # Layer.flags_set at that time
        self.optimizer: Optimizer | None = None  # the one that knows the plan
        self.checked = False  # whether a step has succeeded, so that own layers need no more checks

    def take(
        self, x: NDArray, y: NDArray, weights: NDArray | None, loss: Loss, optimizer: Optimizer
    ) -> tuple[float, NDArray]:
        """Take one step; return the loss before the step (penalties included) and the predictions.

        weights: how much each row counts in the loss, or None.

        If the loss is NaN or infinite, raises FloatingPointError and leaves parameters and state unchanged. Raises
        ValueError if all layers are frozen.
        """
        plan = self._plan(optimizer)
        before = [{key: array.copy() for key, array in state.items()} for state in self.stateful]
        for head in self.heads:
            head.targets, head.sample_weight = y, weights
        try:
            y_pred = self.chain.forward(x, True)
            value = value_of(loss, y_pred, y, weights) + self.chain.penalty()
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
                head.targets = head.sample_weight = None
        optimizer.step(self.parameters, self.gradients)
        return value, y_pred

    def _plan(self, optimizer: Optimizer) -> Plan:
        """The present plan, or a new one if flags have changed. The optimizer is told which parameters are frozen."""
        if self.plan is None or self.planned_at != Layer.flags_set or self.optimizer is not optimizer:
            if self.plan is None or self.plan.flags != [layer.trainable for layer in self.learners]:
                self.plan = Plan(self.root, self.chain, self.gradients)
            optimizer.frozen = self.plan.frozen
            self.planned_at, self.optimizer = Layer.flags_set, optimizer
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
            self.chain.backward(dy)
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
        batch = x
        bad = [name for name, array in self.root.params.items() if not np.isfinite(array).all()]
        where = f"the parameters {', '.join(bad)} are not finite" if bad else "all outputs are finite, the loss is not"
        if not bad and (head := next((head for head in self.heads if not math.isfinite(head.penalty())), None)):
            where = f"{where}; the loss of {head.label} is {head.penalty()}"
        for layer in self.chain.sublayers() if not bad else ():
            x = layer.forward(x, True)
            if not np.isfinite(x).all():
                where = f"the first output that is not finite comes from {layer.label}"
                break
        mend = MEND
        if (largest := float(np.abs(batch).max())) >= 1e3:
            mend = f"Scale the data first: this batch holds numbers up to {largest:.1e}. Otherwise: {MEND.lower()}"
        return f"the loss became {value}: {where}. The model is unchanged. {mend}"


def value_of(loss: Loss, y_pred: NDArray, y: NDArray, weights: NDArray | None) -> float:
    """The loss of one batch. A user's own loss may be written without the argument sample_weight."""
    return float(loss.forward(y_pred, y) if weights is None else loss.forward(y_pred, y, sample_weight=weights))


@dataclass(frozen=True)
class Run:
    """What one call of `fit` does: epochs initial_epoch .. epochs - 1, each a pass of `data`."""

    data: Feed
    epochs: int
    initial_epoch: int
    callbacks: Sequence[Callback]
    validation: Feed | None
    validates_after: Callable[[int], bool]  # of an epoch, counted from 0


def run(model: NetworkInTraining, step: Step, job: Run) -> None:
    """Run the epochs, or until `model.stop_training` is set. Ctrl-C sets `model.interrupted`.

    A callback's `check_run` may raise before the run begins. For every callback whose `on_train_begin` succeeds,
    `on_train_end` is called, even if other callbacks raise errors.
    """
    names = ["loss", *model.metrics]
    metrics = names + [f"val_{name}" for name in names if job.validation is not None]
    for callback in job.callbacks:
        callback.model = model
        callback.params = {
            "epochs": job.epochs, "initial_epoch": job.initial_epoch, "steps": job.data.steps,
            "metrics": list(metrics), "batch_size": getattr(job.data.source, "batch_size", None),
        }  # fmt: skip
    for callback in job.callbacks:
        callback.check_run()
    model.stop_training = model.interrupted = False
    try:
        with ExitStack() as endings:
            for callback in job.callbacks:
                callback.on_train_begin()
                endings.callback(callback.on_train_end)
            try:
                _epochs(model, step, job)
            except KeyboardInterrupt:
                model.interrupted = True
    except KeyboardInterrupt:  # raised while callbacks began or ended
        model.interrupted = True


def _epochs(model: NetworkInTraining, step: Step, job: Run) -> None:
    before = [each.on_train_batch_begin for each in job.callbacks if overrides(each, "on_train_batch_begin")]
    after = [each.on_train_batch_end for each in job.callbacks if overrides(each, "on_train_batch_end")]
    foreign = any(type(each) not in OWN_CALLBACKS for each in job.callbacks)
    for epoch in range(job.initial_epoch, job.epochs):
        for callback in job.callbacks:
            callback.on_epoch_begin(epoch)
        if foreign:  # what a callback sets, and nothing reads, is refused as before fit
            attributes.check_layers("fit", model.root)
            attributes.check_settings("fit", model.optimizer, model.loss)
        logs = _epoch(model, step, epoch, job.data, before, after)
        if job.validation is not None and job.validates_after(epoch):
            logs |= {f"val_{name}": value for name, value in figures("fit", model, step, job.validation).items()}
        _check_finite(model, epoch, logs)
        model.epoch = epoch + 1
        for callback in job.callbacks:
            callback.on_epoch_end(epoch, logs)
        if model.stop_training:
            break


def _epoch(
    model: NetworkInTraining, step: Step, epoch: int, data: Feed, before: Sequence[Callable[[int], None]],
    after: Sequence[BatchListener],
) -> Logs:  # fmt: skip
    """Train on the batches of one epoch; return the loss as a mean over rows, and the metrics of all rows at once."""
    loss, optimizer = model.loss, model.optimizer
    assert loss is not None
    assert optimizer is not None
    total, rows, seen = 0.0, 0, Seen()
    for batch, (x, y, weights) in enumerate(data.epoch(model.rng)):
        for notify in before:
            notify(batch)
        try:
            value, y_pred = step.take(x, y, weights, loss, optimizer)
        except FloatingPointError as error:
            raise FloatingPointError(f"fit: epoch {epoch + 1}, batch {batch + 1}: {error}") from None
        total += value * len(x)
        rows += len(x)
        if model.metrics:
            seen.add(y, model.as_outputs(y_pred))
        for hand_over in after:
            hand_over(batch, {"loss": value})
    return {"loss": total / rows, **seen.figures("fit", model)}


class Seen:
    """The targets and the predictions of one pass. A metric such as average precision needs them all: its mean over
    batches is another number."""

    def __init__(self) -> None:
        self.targets: list[NDArray] = []
        self.predictions: list[NDArray] = []

    def add(self, y_true: NDArray, y_pred: NDArray) -> None:
        self.targets.append(np.array(y_true))  # a source may reuse its arrays
        self.predictions.append(y_pred.copy())  # a view would keep the batch's large block of memory in use

    def figures(self, method: str, model: NetworkInTraining) -> Logs:
        """The metrics by name. One that raises or is not a number is named in a warning, and its value is NaN; with
        compile(strict_metrics=True), it is named in an error."""
        if not model.metrics:
            return {}
        y_true, y_pred = np.concatenate(self.targets), np.concatenate(self.predictions)
        y_true.flags.writeable = y_pred.flags.writeable = False  # for the metrics that come after one that writes
        found = {}
        for name, metric in model.metrics.items():
            found[name], trouble = _value(metric, y_true, y_pred)
            if trouble and model.strict_metrics:
                raise ValueError(f"{method}: the metric {name!r} {trouble}")
            if trouble:
                warnings.warn(f"{method}: the metric {name!r} {trouble}; training is not affected", stacklevel=2)
        return found


def _value(metric: Metric, y_true: NDArray, y_pred: NDArray) -> tuple[float, str]:
    """A metric's value, and what is wrong with it."""
    try:
        value = float(metric(y_true, y_pred))
    except Exception as error:
        return math.nan, f"failed: {type(error).__name__}: {error}"
    return value, "" if math.isfinite(value) else f"is {value}"


def figures(method: str, model: NetworkInTraining, step: Step, data: Feed) -> Logs:
    """The loss (penalties included) as a mean over rows, and the metrics of all rows, without noise."""
    loss = model.loss
    assert loss is not None
    total, rows, seen = 0.0, 0, Seen()
    data.restart()
    for x, y, weights in data.epoch():
        y_pred = step.chain.forward(x)
        total += (value_of(loss, y_pred, y, weights) + step.chain.penalty()) * len(x)
        rows += len(x)
        if model.metrics:
            seen.add(y, model.as_outputs(y_pred))
    return {"loss": total / rows, **seen.figures(method, model)}


def _check_finite(model: NetworkInTraining, epoch: int, logs: Logs) -> None:
    """Raise if the model is not finite, before callbacks save it: the last loss was computed before the last step."""
    losses = [name for name in ("loss", "val_loss") if name in logs]
    bad: list[str] = [name for name in losses if not math.isfinite(logs[name])]  # a metric may have none
    bad += [name for name, array in (model.params | model.state).items() if not np.isfinite(array).all()]
    assert model.optimizer is not None
    kind = type(model.optimizer).__name__  # a square that overflows stays infinite, so Adam's steps would all be 0
    bad += [f"{kind}'s {name}" for name, slot in model.optimizer.slots.items() if not np.isfinite(slot).all()]
    if bad:
        raise FloatingPointError(f"fit: after epoch {epoch + 1}, {', '.join(bad)} are not finite. {MEND}")
