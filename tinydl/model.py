"""Model: layers that train together."""

from __future__ import annotations

import copy
import math
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import arguments, checkpoint, training
from .batches import Batches
from .callbacks import Callback, History, Logs, ProgressBar
from .keras_order import keras_order
from .kernels.machine import memory
from .kernels.machine.threads import one_blas_thread
from .layer import Layer, Shape
from .layers import AuxiliaryHead, Container, Conv2D, Dense, Sequential, Sigmoid, Softmax
from .layers.pooling import Pool2D
from .losses import BinaryCrossEntropy, Loss, SoftmaxCrossEntropy
from .metrics import METRICS, Metric
from .optimizers import Optimizer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SKIPS_INPUT_GRADIENT = (Dense.backward, Conv2D.backward)  # they look at input_gradient; an override of them may not
LARGE = 1 << 16  # parameters in a Dense layer, from where on it pays to write its gradient instead of adding to zeros


class Model:
    """Layers in a chain, built for one input shape, with Keras' compile / fit / evaluate / predict.

        model = Model([Dense(40, "relu"), Dense(29)], input_shape=29, seed=0)
        model.compile(Adam(1e-3), MeanSquaredError())
        history = model.fit(x, x, epochs=30, batch_size=64)

    layers       a list of layers, or one layer
    input_shape  of one sample, without the batch axis: a number or a tuple
    seed         decides the first weights, every shuffle and all noise: the same seed gives the same bits
    dtype        "float32", or "float64" for gradient checks; data are converted on entry

    Python threads may call `predict` on one model at the same time; while one trains it, no other may use it.

    All parameters lie in one flat vector, `model.parameters`, and all gradients in another, `model.gradients`; the
    layers hold views into them. An optimizer step or a gradient norm is one pass over one array.

    Raises ValueError or TypeError, before anything is changed, for shapes that do not fit and layers in use elsewhere.
    """

    def __init__(
        self,
        layers: Sequence[Layer] | Layer,
        input_shape: int | Shape,
        seed: int = 0,
        dtype: DTypeLike = "float32",
        name: str | None = None,
    ) -> None:
        self.input_shape = _shape(input_shape)
        self.seed = arguments.whole("Model", "seed", seed)
        self.dtype = arguments.float_dtype("Model", dtype)
        self.name = name or "model"
        if type(layers) is Sequential:  # a subclass may do more than chain, and stays a layer of its own
            self.root = layers
        else:
            self.root = Sequential([layers] if isinstance(layers, Layer) else layers)
        self._check_layers()
        self.rng = np.random.default_rng(self.seed)
        self.output_shape = self.root.build(self.input_shape, self.rng, self.dtype)
        self._check_twins()
        self._warn_of_channels_first()
        for layer in self.root.walk():
            layer.in_model = True
        self.optimizer: Optimizer | None = None
        self.loss: Loss | None = None
        self.metrics: dict[str, Metric] = {}
        self.epoch = 0
        self.stop_training = False
        self.interrupted = False
        self._lay_out()

    def _check_layers(self) -> None:
        """Refuse what would train wrongly without a word: layers of another model, layers that nobody lists."""
        for layer in self.root.walk():
            if layer.in_model:
                raise ValueError(
                    f"Model: {layer.label} already belongs to a model: give each model layers of its own and copy "
                    "weights with set_weights(get_weights())"
                )
            below = layer.sublayers()
            if below and not isinstance(layer, Container):
                raise TypeError(f"Model: {layer.label} is made of layers, so its class must derive from Container")
            for name, value in vars(layer).items():
                for inner in value if isinstance(value, list | tuple) else [value]:
                    if isinstance(inner, Layer) and name != "original" and not any(inner is one for one in below):
                        raise TypeError(
                            f"Model: {layer.label} holds the layer self.{name}, which its sublayers() does not list, "
                            "so it would not be trained: derive from Container and list it"
                        )

    def _check_twins(self) -> None:
        """Refuse layers whose second place does not share what the first one has, after `build` made the twins."""
        layers = list(self.root.walk())
        for layer in layers:
            if sum(other is layer for other in layers) > 1:
                raise TypeError(
                    f"Model: {layer.label} stands in two places, of which one has got no twin: the containers that "
                    "hold it must call super().build() first, and keep their layers as attributes or in lists"
                )
            first = layer.original
            if first is None or layer.sublayers():
                continue
            if not any(other is first for other in layers):
                raise ValueError(
                    f"Model: {layer.label} is the second place of a layer whose first is not in this model: give it "
                    "the layer itself"
                )
            if any(array is not first.params.get(key) for key, array in layer.params.items()):
                raise TypeError(
                    f"Model: {layer.label} stands in two places, but its build replaces what they share: use "
                    "self.add_parameter(name, array) in the place of self.params = {...}"
                )

    def _warn_of_channels_first(self) -> None:
        """Images declared as (3, 32, 32) would train, as 3 pixels high with 32 channels."""
        shape, first = self.input_shape, next(iter(self._leaves()))
        if isinstance(first, Conv2D | Pool2D) and shape[0] in (1, 3) and shape[1] == shape[2] > 4:
            warnings.warn(
                f"Model: input_shape {shape} is {shape[0]} pixels high with {shape[2]} channels; if the images are "
                f"channels first, say {(*shape[1:], shape[0])} and put channels last, x.transpose(0, 2, 3, 1)",
                stacklevel=3,
            )

    def _lay_out(self) -> None:
        """Move all parameters into one vector and all gradients into another; layers get views of the same shapes."""
        entries = [(layer, key) for layer in self._leaves() if layer.original is None for key in layer.params]
        total = sum(layer.params[key].size for layer, key in entries)
        # A copy in complex numbers, for the complex-step derivative, has complex parameters.
        dtype = np.result_type(self.dtype, *(layer.params[key].dtype for layer, key in entries))
        self.parameters, self.gradients = np.empty(total, dtype), np.zeros(total, dtype)
        self._decayed: list[slice] = []  # where weights decay: not biases, gamma and beta, of one dimension
        start = 0
        for layer, key in entries:
            old = layer.params[key]
            if old.ndim > 1:
                self._decayed.append(slice(start, start + old.size))
            for arrays, flat in ((layer.params, self.parameters), (layer.grads, self.gradients)):
                view = flat[start : start + old.size].reshape(old.shape)
                view[...] = arrays[key]
                arrays[key] = view
            start += old.size
        lowest = self.root.lowest_trainable()
        skips = lowest is not None and type(lowest).backward in SKIPS_INPUT_GRADIENT
        self._lowest = [each for each in self.root.walk() if skips and each.lowest_trainable() is lowest]
        shared = {id(layer.original) for layer in self._leaves()}
        self._writers = [
            layer
            for layer in _chained(self.root)
            if isinstance(layer, Dense) and type(layer).backward is Dense.backward and layer.params["W"].size >= LARGE
            and layer.original is None and id(layer) not in shared
        ]  # fmt: skip
        self._stateful = [layer for layer in self._leaves() if layer.state and layer.original is None]
        self._heads = [layer for layer in self.root.walk() if isinstance(layer, AuxiliaryHead)]

    def _leaves(self) -> Iterator[Layer]:
        """All but containers, which only show the arrays of the layers below; twins show those of another leaf."""
        return (layer for layer in self.root.walk() if not layer.sublayers())

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)  # a copy's or pickle's arrays are no longer views of one vector:
        self._lay_out()  # make them so again

    def __copy__(self) -> Model:
        return copy.deepcopy(self)

    # --- the plain passes -------------------------------------------------------------------------

    @property
    def layers(self) -> tuple[Layer, ...]:
        return tuple(self.root.layers)

    @property
    def params(self) -> dict[str, NDArray]:
        """All parameter arrays by dotted name, "dense_1.W"."""
        return self.root.params

    @property
    def grads(self) -> dict[str, NDArray]:
        return self.root.grads

    @property
    def state(self) -> dict[str, NDArray]:
        return self.root.state

    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        return self.root.forward(x, training)

    def backward(self, dy: NDArray) -> NDArray:
        """From dL/dy of the last forward to dL/dx; adds to the gradients."""
        return self.root.backward(dy)

    def penalty(self) -> float:
        return self.root.penalty()

    def zero_grad(self) -> None:
        self.gradients.fill(0)

    # --- training ---------------------------------------------------------------------------------

    def compile(self, optimizer: Optimizer, loss: Loss, metrics: Iterable[str | Metric] = ()) -> None:
        """Choose how to train. Metrics: names of tinydl.metrics, or functions (y_true, y_pred) -> float."""
        for value, kind, example in ((optimizer, Optimizer, "Adam()"), (loss, Loss, "MeanSquaredError()")):
            if not isinstance(value, kind):
                name = kind.__name__.lower()
                raise TypeError(f"compile: {name} must be a tinydl {kind.__name__}, such as {example}, got {value!r}")
        if optimizer is not self.optimizer and optimizer.iterations:
            raise ValueError(
                f"compile: this {type(optimizer).__name__} has already taken {optimizer.iterations} steps with another "
                "model, and remembers its gradients: give each model its own optimizer"
            )
        for head in self._heads:
            if head.head.output_shape != self.output_shape:
                raise ValueError(
                    f"compile: the head of {head.label} gives shape {head.head.output_shape}, the model "
                    f"{self.output_shape}: both are held against the same targets"
                )
        for end in (self.root, *(head.head for head in self._heads)):
            _refuse_probabilities(loss, end, "the model" if end is self.root else "an auxiliary head")
        chosen: dict[str, Metric] = {}
        for metric in [metrics] if isinstance(metrics, str) else metrics or ():
            name = getattr(metric, "__name__", type(metric).__name__) if callable(metric) else str(metric)
            if name in chosen or name == "loss":
                raise ValueError(f"compile: two of the figures would be called {name!r}: rename the metric")
            if not callable(metric):
                metric = METRICS[arguments.one_of("compile", "metrics", metric, METRICS)]
            chosen[name] = metric
        optimizer.build(self.parameters)
        optimizer.decayed = self._decayed
        for head in self._heads:
            head.expect(copy.copy(loss), None)
        self.optimizer, self.loss, self.metrics = optimizer, loss, chosen

    def _compiled(self, method: str) -> tuple[Optimizer, Loss]:
        if self.optimizer is None or self.loss is None:
            raise RuntimeError(
                f"{method}: the model has no loss and optimizer yet: call compile(optimizer, loss) first"
            )
        return self.optimizer, self.loss

    def train_on_batch(self, x: ArrayLike, y: ArrayLike) -> float:
        """One step of the optimizer; returns the loss (penalties included) before it."""
        self._compiled("train_on_batch")
        batch = self._check_data("train_on_batch", x, y)
        with one_blas_thread():
            return self.step(*batch.batch(slice(None)))[0]

    def step(self, x: NDArray, y: NDArray) -> tuple[float, NDArray]:
        """`train_on_batch` without its checks: the loss before the step, and the predictions."""
        loss, optimizer = self.loss, self.optimizer
        before = [(layer.state, {key: array.copy() for key, array in layer.state.items()}) for layer in self._stateful]
        self.hand_targets(y)
        try:
            y_pred = self.root.forward(x, True)
            value = float(loss.forward(y_pred, y)) + self.root.penalty()  # type: ignore[union-attr]
            if not math.isfinite(value):
                explanation = self._explain_non_finite(value, x)
                for state, old in before:  # running statistics, which the forward passes have moved
                    for key, array in old.items():
                        state[key][...] = array
                raise FloatingPointError(explanation)
            self._backward_from_zero(loss.backward())  # type: ignore[union-attr]
        finally:
            self.hand_targets(None)  # a forward pass of the user's own, on other rows, is not the heads' to judge
        optimizer.step(self.parameters, self.gradients)  # type: ignore[union-attr]
        return value, y_pred

    def hand_targets(self, targets: NDArray | None, loss: Loss | None = None) -> None:
        """To all auxiliary heads: what their next forward pass in training is judged against (None: nothing, they stay
        idle). Each training step does it by itself. With a loss, for a check: to those that have no targets yet."""
        for head in self._heads:
            if loss is None:
                head.targets = targets
            elif head.targets is None:
                head.expect(copy.copy(loss), targets)

    def _backward_from_zero(self, dy: NDArray) -> None:
        """zero_grad() and backward(dy), without what a training step does not need: zeros that large Dense layers would
        only add to, and dL/dx below the lowest layer that learns."""
        if self._writers:
            for layer in self._leaves():
                if layer not in self._writers:
                    layer.zero_grad()
        else:
            self.gradients.fill(0)
        try:
            for layer in self._writers:
                layer.accumulate = False
            for layer in self._lowest:  # and the chains around it
                layer.input_gradient = False
            self.root.backward(dy)
        finally:
            for layer in self._writers:
                layer.accumulate = True
            for layer in self._lowest:
                layer.input_gradient = True

    def _explain_non_finite(self, value: float, x: NDArray) -> str:
        bad = [name for name, array in self.params.items() if not np.isfinite(array).all()]
        where = f"the parameters {', '.join(bad)} are not finite" if bad else "all outputs are finite, the loss is not"
        if not bad and (head := next((head for head in self._heads if not math.isfinite(head.penalty())), None)):
            where = f"{where}: that of {head.label} is {head.penalty()}"
        if not np.isfinite(x).all():
            return f"the loss became {value}: the batch itself holds NaN or infinity. It has changed nothing"
        for layer in self.layers if not bad else ():
            x = layer.forward(x, True)
            if not np.isfinite(x).all():
                where = f"the first output that is not finite is that of {layer.label}"
                break
        return (
            f"the loss became {value}: {where}. This batch has changed nothing. "
            "Try a smaller learning rate, or global_clipnorm in the optimizer"
        )

    @one_blas_thread()
    def fit(
        self,
        x: ArrayLike | Batches,
        y: ArrayLike | None = None,
        epochs: int = 1,
        batch_size: int = 32,
        shuffle: bool = True,
        validation_data: tuple[ArrayLike, ArrayLike] | Batches | None = None,
        callbacks: Sequence[Callback] | None = (),
        verbose: int = 1,
        initial_epoch: int = 0,
    ) -> History:
        """Train for epochs number initial_epoch .. epochs - 1; returns the History of their figures.

        x may be Batches, which bring their own targets (and validation_data likewise).
        An epoch is one pass over a new permutation of the rows (with `shuffle`), the last short batch included. Its
        "loss" is the mean over rows of the loss (penalties included) that each had when its batch came up; "val_loss"
        is `evaluate`'s at the end of the epoch. verbose: 0 nothing, 1 a progress bar (lines off a terminal).

        Ctrl-C ends training cleanly: callbacks finish (the best model stays saved), and the History so far is
        returned, its `interrupted` true.

        Raises before anything is changed: RuntimeError without compile, ValueError for data that do not fit.
        While training: FloatingPointError when the loss is NaN or infinite, naming epoch, batch and layer.
        """
        self._compiled("fit")
        data = self._check_data("fit", x, y)
        validation = None
        if isinstance(validation_data, Batches):
            validation = self._check_data("fit: validation_data", validation_data)
        elif validation_data is not None:
            if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
                raise ValueError("fit: validation_data must be a pair (x, y), or Batches")
            validation = self._check_data("fit: validation_data", *validation_data)
        epochs = arguments.positive_int("fit", "epochs", epochs)
        batch_size = arguments.positive_int("fit", "batch_size", batch_size)
        initial_epoch = arguments.whole("fit", "initial_epoch", initial_epoch)
        shuffle = arguments.flag("fit", "shuffle", shuffle)
        history = History()
        if isinstance(callbacks, Callback):
            raise TypeError(f"fit: callbacks must be a list of Callback objects, got {callbacks!r}")
        listeners = [history, *(callbacks or ()), *([ProgressBar()] if verbose else [])]
        figures = ["loss", *self.metrics]
        for callback in listeners:
            if not isinstance(callback, Callback):
                raise TypeError(f"fit: callbacks must be Callback objects, got {callback!r}")
            callback.model = self
            callback.params = {
                "epochs": epochs,
                "initial_epoch": initial_epoch,
                "steps": math.ceil(len(data) / batch_size),
                "metrics": figures + [f"val_{name}" for name in figures if validation is not None],
            }
        for callback in listeners:
            callback.check_run()
        self.stop_training = self.interrupted = False
        try:
            training.run(self, data, epochs, batch_size, shuffle, validation, listeners, initial_epoch)
        finally:
            memory.release()
        history.interrupted = self.interrupted
        if self.interrupted and verbose:
            print(f"Interrupted after {len(history.epoch)} finished epochs", flush=True)
        return history

    # --- using it ---------------------------------------------------------------------------------

    @one_blas_thread()
    def evaluate(self, x: ArrayLike | Batches, y: ArrayLike | None = None, batch_size: int | None = None) -> Any:
        """The mean loss (penalties included) over the rows, noise off; with metrics a list, loss first.

        batch_size: rows at a time; by default 1,024, or 128 images.
        """
        self._compiled("evaluate")
        batch_size = self._rows_at_a_time("evaluate", batch_size)
        values = list(self.figures(self._check_data("evaluate", x, y), batch_size).values())
        memory.release()
        return values if self.metrics else values[0]

    def _rows_at_a_time(self, method: str, batch_size: int | None) -> int:
        if batch_size is None:
            return 1024 if len(self.input_shape) == 1 else 128  # more images would only wait in memory for their turn
        return arguments.positive_int(method, "batch_size", batch_size)

    def figures(self, data: Batches, batch_size: int | None = None) -> Logs:
        """`evaluate` without its checks: the loss and the metrics by name."""
        loss = self._compiled("evaluate")[1]
        totals = dict.fromkeys(["loss", *self.metrics], 0.0)
        for x_batch, y_batch in data.draw(self._rows_at_a_time("evaluate", batch_size)):
            y_pred = self.root.forward(x_batch)
            totals["loss"] += (loss.forward(y_pred, y_batch) + self.root.penalty()) * len(x_batch)
            for name, metric in self.metrics.items():
                totals[name] += metric(y_batch, y_pred) * len(x_batch)
        return {name: value / len(data) for name, value in totals.items()}

    @one_blas_thread()
    def predict(self, x: ArrayLike | Batches, batch_size: int | None = None) -> NDArray:
        """The outputs for all rows, computed batch_size rows at a time (as in `evaluate`), noise and dropout off."""
        data = self._check_x("predict", x)
        batch_size = self._rows_at_a_time("predict", batch_size)
        y = np.empty((len(data), *self.output_shape), self.dtype)
        for start in range(0, len(data), batch_size):
            chunk = self.root.forward(data.batch(slice(start, start + batch_size))[0])
            if chunk.shape[1:] != self.output_shape:
                raise ValueError(
                    f"predict: {self.layers[-1].label} gave an output of shape {chunk.shape}, its build had promised "
                    f"{('n', *self.output_shape)}"
                )
            y[start : start + batch_size] = chunk
        del chunk
        memory.release()
        return y

    def _check_x(self, method: str, x: ArrayLike | Batches) -> Batches:
        """What to draw batches from: x itself, or Batches of an array of this model's dtype."""
        expected = f"(n, {', '.join(map(str, self.input_shape))})"
        if isinstance(x, Batches):
            if x.sample_shape != self.input_shape or len(x) == 0:
                raise ValueError(
                    f"{method}: x must give rows of shape {expected}, got {type(x).__name__} with {len(x)} rows of "
                    f"shape {x.sample_shape}"
                )
            return x
        try:
            if np.iscomplexobj(x):
                raise TypeError("it is complex")
            with np.errstate(over="ignore"):  # what does not fit into the dtype becomes infinite, and is refused below
                array = np.ascontiguousarray(x, dtype=self.dtype)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{method}: x must be an array of numbers of shape {expected}: {error}") from None
        if array.shape[1:] != self.input_shape:
            mend = ""
            if array.shape == self.input_shape:
                mend = ": for one sample write x[None]"
            elif self.input_shape == (math.prod(array.shape[1:]),):
                mend = ": flatten the samples, x.reshape(len(x), -1), or begin the model with Flatten()"
            elif len(self.input_shape) == 3 and (*array.shape[2:], *array.shape[1:2]) == self.input_shape:
                mend = ": the images are channels first; put channels last, x.transpose(0, 2, 3, 1)"
            elif len(self.input_shape) == 3 and (*array.shape[1:], 1) == self.input_shape:
                mend = ": grey images need a channel axis of one, x[..., None]"
            raise ValueError(f"{method}: x must be of shape {expected}, got {array.shape}{mend}")
        if len(array) == 0:
            raise ValueError(f"{method}: x is empty, shape {array.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            total = float(array.sum())  # if this is finite, so is every entry; no temporary the size of x is needed
        if not math.isfinite(total) and not np.isfinite(array).all():
            place = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
            raise ValueError(
                f"{method}: x holds NaN or infinity (as {self.dtype}), first at {place}: clean or impute the data first"
            )
        return Batches(array)

    def _check_data(self, method: str, x: ArrayLike | Batches, y: ArrayLike | None = None) -> Batches:
        """x and its checked targets, as Batches."""
        loss = self._compiled(method)[1]
        data = copy.copy(self._check_x(method, x))
        if isinstance(x, Batches):
            if y is not None:
                raise ValueError(f"{method}: {type(x).__name__} bring their own targets: leave y out")
            targets: Any = data.y
        else:
            targets = data.x if y is x else y
        if targets is None:
            raise ValueError(f"{method}: there are no targets: give y, or Batches with a y")
        try:
            data.y = loss.check_targets(targets, self.output_shape, self.dtype)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{method}: {error}") from None
        if len(data) != len(data.y):
            raise ValueError(f"{method}: x has {len(data)} rows, y has {len(data.y)}")
        return data

    # --- weights and files ------------------------------------------------------------------------

    def _arrays(self) -> list[NDArray]:
        layers = keras_order(self.root)
        return [array for layer in layers for arrays in (layer.params, layer.state) for array in arrays.values()]

    def get_weights(self) -> list[NDArray]:
        """Copies of all arrays in Keras' order: layer by layer (see keras_order), W, b; gamma, beta, mean, var."""
        return [array.copy() for array in self._arrays()]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """The inverse of get_weights. Raises ValueError, before anything is changed, when number or shapes differ."""
        arrays = self._arrays()
        new = [np.asarray(weight) for weight in weights]
        if [array.shape for array in arrays] != [array.shape for array in new]:
            raise ValueError(
                f"set_weights: expected {len(arrays)} arrays of shapes {[a.shape for a in arrays]}, "
                f"got {len(new)} of shapes {[a.shape for a in new]}"
            )
        held = (self.parameters, *self.state.values())  # what is given may be views of these, in another order
        converted = [  # all, before the first is written
            weight.astype(self.dtype, copy=any(np.may_share_memory(weight, array) for array in held)) for weight in new
        ]
        for array, weight in zip(arrays, converted, strict=True):
            array[...] = weight

    def astype(self, dtype: DTypeLike) -> Model:
        """A copy in another dtype, for gradient checks in float64. It keeps the loss, not the optimizer."""
        dtype = arguments.float_dtype("astype", dtype)
        twin = copy.deepcopy(self)
        twin.dtype, twin.optimizer = dtype, None
        for layer in twin.root.walk():
            layer.dtype = twin.dtype
        for layer in twin._leaves():
            if layer.original is not None:
                continue
            for arrays in (layer.params, layer.grads, layer.state):
                arrays.update({key: array.astype(dtype) for key, array in arrays.items()})
        twin._lay_out()
        return twin

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write architecture and weights to one safetensors file, all or nothing."""
        checkpoint.save_model(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], custom_layers: Sequence[type[Layer]] = ()) -> Model:
        """A model as `save` wrote it, not compiled. `custom_layers`: classes of your own that it is made of.

        Raises FileNotFoundError, or ValueError for a file that is truncated, foreign or does not fit its architecture.
        """
        return checkpoint.load_model(cls, path, custom_layers)

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Take the weights of a saved model of this same architecture. Raises as `load`, before anything is changed."""
        checkpoint.load_weights(self, path)

    def save_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """`save`, and what exact resumption needs: the optimizer's state, the epoch, all random generators."""
        optimizer, _ = self._compiled("save_checkpoint")
        checkpoint.save_training(self, optimizer, path)

    def load_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Continue where `save_checkpoint` stopped, to the bit: into a model built and compiled as that one was.

            model.load_checkpoint(path)
            model.fit(x, y, epochs=30, initial_epoch=model.epoch)

        A learning rate that was a number is restored (a LearningRateScheduler may have set it); all else about the
        optimizer must be as it was. Callbacks have a memory of their own, which is not part of a checkpoint.

        Raises ValueError, before anything is changed, when the file is no checkpoint or is one of another model.
        """
        optimizer, _ = self._compiled("load_checkpoint")
        checkpoint.load_training(self, optimizer, path)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """The block diagram, with branches, shapes and numbers of parameters; as PNG, given `path`."""
        from .plots.diagram import model_diagram

        return model_diagram(self, path)

    def summary(self) -> None:
        """Print Keras' table: each layer with its output shape and number of parameters, and the totals."""
        wide = max(29, 2 + max(len(layer.label) for layer in self.layers))  # 29, 26 and 10 are Keras' columns
        rule = "_" * (wide + 36)
        print(f'Model: "{self.name}"', rule, f"{'Layer (type)':<{wide}}{'Output Shape':<26}{'Param #':<10}", sep="\n")
        print("=" * len(rule))
        for layer in self.layers:
            shape = f"({', '.join(['None', *map(str, layer.output_shape or ())])})"
            count = _entries([*layer.params.values(), *layer.state.values()])
            print(f"{layer.label:<{wide}}{shape:<26}{count:<10}")
            print("=" * len(rule) if layer is self.layers[-1] else rule)
        frozen = _entries(self.state.values())
        total = self.parameters.size + frozen
        print(f"Total params: {total:,}", f"Trainable params: {self.parameters.size:,}", sep="\n")
        print(f"Non-trainable params: {frozen:,}", rule, sep="\n")


def _refuse_probabilities(loss: Loss, end: Layer, whose: str) -> None:
    """A loss that applies the softmax or sigmoid itself must not get what went through it already."""
    last = end
    while last.sublayers() and getattr(last, "activation", None) in (None, "linear"):
        last = last.sublayers()[-1]
    for logits_loss, layer, name in (
        (SoftmaxCrossEntropy, Softmax, "softmax"),
        (BinaryCrossEntropy, Sigmoid, "sigmoid"),
    ):
        if isinstance(loss, logits_loss) and (isinstance(last, layer) or getattr(last, "activation", None) == name):
            raise ValueError(
                f"compile: {type(loss).__name__} takes logits and applies the {name} itself, but {whose} ends in "
                f"{last.label}, which applies it too: leave it out"
            )


def _entries(arrays: Iterable[NDArray]) -> int:
    """How many numbers they hold; an array that two layers share counts once."""
    return sum({id(array): array.size for array in arrays}.values())


def _chained(layer: Layer) -> Iterator[Layer]:
    """The layers that stand in a chain: their backward is called once a pass, by nobody but the chain."""
    if type(layer) is Sequential:
        for inner in layer.layers:
            yield from _chained(inner)
    else:
        yield layer


def _shape(input_shape: int | Shape) -> Shape:
    shape = tuple(input_shape) if isinstance(input_shape, list | tuple) else (input_shape,)
    return tuple(arguments.positive_int("Model", "every entry of input_shape", size) for size in shape)
