"""The training loop: epochs, batches, the training step, and the calls to callbacks."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import interrupts
from ..callbacks import Callback, Checkpoint, History, Logs, ProgressBar
from ..callbacks.base import overrides
from ..layer import Layer
from ..layers import AuxiliaryHead, Sequential
from ..losses import Loss
from ..network import NetworkInTraining
from ..optimizers import Optimizer
from . import attributes, own_layers, resume
from .freezing import Plan
from .place import Place, Seen
from .resume import Saved
from .sources import Drawn, Feed
from .spans import Spans
from .vector import owners

BatchListener = Callable[[int, Logs], None]
OWN_CALLBACKS = (History, ProgressBar)  # which fit adds itself
PACKAGE = f"{__name__.partition('.')[0]}."
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
        self.own_stateful = [layer for layer in owners(root) if layer.state and not attributes.is_ours(layer)]
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

        If the loss is NaN or infinite, raises FloatingPointError. Raises ValueError if all layers are frozen. After
        any error, parameters and state are those before the step.
        """
        plan = self._plan(optimizer)
        before = [{key: array.copy() for key, array in state.items()} for state in self.stateful]
        steps = optimizer.iterations
        try:
            value, y_pred = self._differentiate(x, y, weights, loss, plan)
            optimizer.step(self.parameters, self.gradients)
        except BaseException:  # also Ctrl-C: the forward pass has changed the running statistics
            if optimizer.iterations == steps:
                self._put_back(before)
            raise
        return value, y_pred

    def _differentiate(
        self, x: NDArray, y: NDArray, weights: NDArray | None, loss: Loss, plan: Plan
    ) -> tuple[float, NDArray]:
        """Compute the gradients; return the loss and the predictions."""
        try:
            for head in self.heads:
                head.targets, head.sample_weight = y, weights
            y_pred = self.chain.forward(x, True)
            value = value_of(loss, y_pred, y, weights) + self.chain.penalty()
            if not math.isfinite(value) or (self.own_stateful and self._bad_statistics()):
                why = self.explain_non_finite(value, x, weights, True)
                raise FloatingPointError(f"{why}. The model is unchanged by this step")
            self._backward_from_zero(loss.backward(), plan)
            if not self.checked:
                own_layers.check_step(self.root, self.parameters, self.gradients, len(x))
                self.checked = True
            self._forget_targets()
        except BaseException as error:
            self._forget_targets()
            if not self.checked and isinstance(error, ValueError | TypeError):
                own_layers.explain_shape(self.root, error)
            raise
        return value, y_pred

    @interrupts.sealed
    def _put_back(self, before: list[dict[str, NDArray]]) -> None:
        """Set the running statistics to what they were before the step."""
        for state, old in zip(self.stateful, before, strict=True):
            for key, array in old.items():
                state[key][...] = array

    @interrupts.sealed
    def _forget_targets(self) -> None:
        """Clear the heads' targets: a user's own forward pass, on other rows, must not use them."""
        for head in self.heads:
            head.targets = head.sample_weight = None

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
            self._complete_again(plan)
        except BaseException:
            self._complete_again(plan)  # again, as the exception may have come in the line above
            raise

    @staticmethod
    @interrupts.sealed
    def _complete_again(plan: Plan) -> None:
        """Let `backward` add all gradients and return dL/dx, as outside training."""
        for dense in plan.writers:
            dense.accumulate = True
        for chain, _ in plan.chains:
            chain.lowest = 0
        for layer in plan.without_dx:
            layer.input_gradient = True

    def _bad_statistics(self) -> list[str]:
        """The arrays in `state` of users' layers that are not finite (BatchNorm looks at its own)."""
        return [
            f"{layer.label}'s {name}"
            for layer in self.own_stateful
            for name, array in layer.state.items()
            if not np.isfinite(array).all()
        ]

    @np.errstate(invalid="ignore")
    def explain_non_finite(self, value: float, x: NDArray, weights: NDArray | None, training: bool) -> str:
        """Why the loss of this batch, or a running statistic, is not finite: the first layer, and what to do."""
        if math.isfinite(value):
            return f"{', '.join(self._bad_statistics())} became NaN or infinite, but not the loss"
        if not np.isfinite(x).all():
            return f"the loss became {value}: the batch itself holds NaN or infinity"
        batch = x
        bad = [name for name, array in self.root.params.items() if not np.isfinite(array).all()]
        where = f"the parameters {', '.join(bad)} are not finite" if bad else "all outputs are finite, the loss is not"
        if not bad and (head := next((head for head in self.heads if not math.isfinite(head.penalty())), None)):
            where = f"{where}; the loss of {head.label} is {head.penalty()}"
        if not bad and (first := _first_non_finite(self.chain, x, training)):
            where = f"the first output that is not finite comes from {first.label}"
        mend = MEND
        if weights is not None and (heaviest := float(weights.max())) >= 1e6:
            mend = f"Scale the weights of the rows first: they reach {heaviest:.1e}. Otherwise: {MEND.lower()}"
        if (largest := float(np.abs(batch).max())) >= 1e3:
            mend = f"Scale the data first: this batch holds numbers up to {largest:.1e}. Otherwise: {MEND.lower()}"
        return f"the loss became {value}: {where}. {mend}"


def _first_non_finite(chain: Layer, x: NDArray, training: bool) -> Layer | None:
    """The first layer, also in a Sequential below, whose output for the finite x is not finite."""
    for layer in chain.sublayers():
        y = layer.forward(x, training)
        if not np.isfinite(y).all():
            return (_first_non_finite(layer, x, training) if isinstance(layer, Sequential) else None) or layer
        x = y
    return None


def value_of(loss: Loss, y_pred: NDArray, y: NDArray, weights: NDArray | None) -> float:
    """The loss of one batch. A user's own loss may be written without the argument sample_weight."""
    if weights is None:
        return float(loss.forward(y_pred, y))
    with np.errstate(over="ignore"):  # of weights that are too large, which `explain_non_finite` names
        return float(loss.forward(y_pred, y, sample_weight=weights))


@dataclass(frozen=True)
class Run:
    """What one call of `fit` does: the epochs up to epochs - 1, each a pass of `data`."""

    data: Feed
    epochs: int
    callbacks: Sequence[Callback]
    notes: list[str]
    validation: Feed | None
    validates_after: Callable[[int], bool]  # of an epoch, counted from 0
    place: Place
    saved: Saved | None = None  # the run that this one continues


def run(model: NetworkInTraining, step: Step, job: Run) -> None:
    """Run the epochs, or until `model.stop_training` is set. Ctrl-C sets `model.interrupted`; it acts between batches.

    A callback's `check_run` may raise before the run begins, as may reading the run to continue. For every callback
    whose `on_train_begin` succeeds, `on_train_end` is called, even if other callbacks raise errors.
    """
    names = ["loss", *model.metrics]
    params: dict[str, Any] = {
        "epochs": job.epochs, "initial_epoch": job.place.epoch, "steps": job.data.steps,
        "metrics": names + [f"val_{name}" for name in names if job.validation is not None],
        "batch_size": getattr(job.data.source, "batch_size", None),
    }  # fmt: skip
    settings: dict[str, Any] = {}
    if job.saved is not None or any(isinstance(callback, Checkpoint) for callback in job.callbacks):
        settings = resume.settings_of(model, params, job.data, job.validation)

    def save(path: str) -> None:
        validation = None if job.validation is None else job.validation.place()
        resume.save(model, path, job.place, job.callbacks, settings, validation)

    for callback in job.callbacks:
        resumed = job.saved is not None and job.saved.holds(callback)
        callback.notes = job.notes
        if type(callback) is not History:  # the model holds it: a circle would keep the arrays of both in memory
            callback.model = model
        callback.params = {**params, "metrics": list(params["metrics"]), "resumed": resumed}
        if isinstance(callback, Checkpoint):
            callback.write = save
    for callback in job.callbacks:
        callback.check_run()
    left = None
    if job.saved is not None:
        left = job.saved.take_up(job.data, job.validation, settings, job.epochs)
        job.saved.say_if_finished(job.epochs)
    model.stop_training = model.interrupted = False
    try:
        with ExitStack() as endings:
            for callback in job.callbacks:
                _method(callback, "on_train_begin")()
                endings.callback(_method(callback, "on_train_end"))
            if job.saved is None and any(isinstance(callback, Checkpoint) for callback in job.callbacks):
                resume.states_of(job.callbacks)  # raises for a state that no file can hold
            try:
                _epochs(model, step, job, left)
            except KeyboardInterrupt:
                model.interrupted = True
        interrupts.check()
    except KeyboardInterrupt:  # raised while callbacks began or ended
        model.interrupted = True


def _method(callback: Callback, event: str) -> Callable[..., None]:
    """A callback's method for an event. Ctrl-C waits for the end of tinydl's own methods, so that all of them see the
    same epochs; methods written elsewhere may wait for something, so there it acts at once."""
    method = getattr(callback, event)
    own = str(getattr(method, "__module__", "")).startswith(PACKAGE)
    return method if own else partial(interrupts.openly, method)


@interrupts.sealed
def _tell(methods: Iterable[Callable[..., None]], *arguments: Any) -> None:
    """Call all methods; a Ctrl-C in one is raised again when the others have been called."""
    interrupt = None
    for method in methods:
        try:
            method(*arguments)
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        try:
            raise interrupt
        finally:
            del interrupt  # its traceback refers to this frame: a circle would keep open files alive


def _epochs(model: NetworkInTraining, step: Step, job: Run, left: Iterator[Drawn] | None) -> None:
    """Train; `left` are the remaining batches of an epoch that the run to continue has begun."""
    before, after = (
        [_method(each, event) for each in job.callbacks if overrides(each, event)]
        for event in ("on_train_batch_begin", "on_train_batch_end")
    )
    checkpoints = [each for each in job.callbacks if isinstance(each, Checkpoint)]
    others = [each for each in job.callbacks if not isinstance(each, Checkpoint)]
    foreign = any(type(each) not in OWN_CALLBACKS for each in job.callbacks)
    if job.saved is not None and left is None:
        job.saved.restore()
        if job.saved.stopped:
            return
    for epoch in range(job.place.epoch, job.epochs):
        interrupts.check()
        _tell((_method(each, "on_epoch_begin") for each in job.callbacks), epoch)
        if job.saved is not None and left is not None:
            job.saved.restore()  # undoes what on_epoch_begin, called a second time for this epoch, has changed
        if foreign:  # what a callback sets, and nothing reads, is refused as before fit
            attributes.check_layers("fit", model.root)
            attributes.check_settings("fit", model.optimizer, model.loss)
        if left is None:
            job.place.begun, job.place.feed = model.rng.bit_generator.state, job.data.place()
        spans = Spans.of(model, step.chain, job.data, job.callbacks) if left is None else None
        batches = left or (job.data.epoch(model.rng) if spans is None else spans.epoch(job.place, model.rng, after))
        logs = _epoch(model, step, job.place, batches, before, after)
        left = None
        if job.validation is not None and job.validates_after(epoch):
            try:
                found = figures("fit", model, step, job.validation)
            except FloatingPointError as error:
                raise FloatingPointError(f"fit: epoch {epoch + 1}, validation {error}") from None
            logs |= {f"val_{name}": value for name, value in found.items()}
        _check_finite(model, epoch, logs)
        model.epoch = epoch + 1
        job.place.next_epoch(job.data.place())
        for group in (others, checkpoints):  # no checkpoint is made if Ctrl-C comes in another callback
            _tell((_method(each, "on_epoch_end") for each in group), epoch, logs)
        if model.stop_training:
            break


def _epoch(
    model: NetworkInTraining, step: Step, place: Place, batches: Iterator[Drawn],
    before: Sequence[Callable[[int], None]], after: Sequence[BatchListener],
) -> Logs:  # fmt: skip
    """Train on the batches of one epoch; return the loss as a mean over rows, and the metrics of all rows at once."""
    loss, optimizer = model.loss, model.optimizer
    assert loss is not None
    assert optimizer is not None
    for x, y, weights in batches:
        batch = place.batches
        if before:
            _tell(before, batch)
        try:
            value, y_pred = step.take(x, y, weights, loss, optimizer)
        except FloatingPointError as error:
            raise FloatingPointError(f"fit: epoch {place.epoch + 1}, batch {batch + 1}: {error}") from None
        place.total += value * len(x)
        place.rows += len(x)
        place.batches, place.last = batch + 1, (x, y, weights)
        if model.metrics:
            place.seen.add(y, model.as_outputs(y_pred))
        for hand_over in after:
            hand_over(batch, {"loss": value})
        interrupts.check()
    return {"loss": place.total / place.rows, **place.seen.figures("fit", model)}


def figures(method: str, model: NetworkInTraining, step: Step, data: Feed) -> Logs:
    """The loss (penalties included) as a mean over rows, and the metrics of all rows, without noise.

    If the loss is NaN or infinite, `fit` raises FloatingPointError, and other methods warn, naming batch and layer.
    """
    loss = model.loss
    assert loss is not None
    total, rows, seen = 0.0, 0, Seen()
    data.restart()
    for batch, (x, y, weights) in enumerate(data.epoch()):
        interrupts.check()
        with np.errstate(invalid="ignore"):  # of numbers that are not finite, which are named below
            y_pred = step.chain.forward(x)
            value = value_of(loss, y_pred, y, weights) + step.chain.penalty()
        if not math.isfinite(value) and math.isfinite(total):  # the first such batch
            trouble = f"batch {batch + 1}: {step.explain_non_finite(value, x, weights, False)}"
            if method == "fit":
                raise FloatingPointError(trouble)
            warnings.warn(f"{method}: {trouble}", stacklevel=2)
        total += value * len(x)
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
