"""Model: a chain of layers with a training loop, weights and files."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import arguments, caches, keywords
from .batches import Batches
from .callbacks import Callback, History, ProgressBar
from .kernels.machine import memory
from .kernels.machine.threads import one_blas_thread
from .layer import Layer, Shape
from .layers import Sequential
from .layers.containers import listed
from .layers.sharing import check_places
from .losses import Loss
from .metrics import Metric
from .optimizers import Optimizer
from .training import attributes, checkpoint, freezing, inputs, loop, own_layers, vector
from .training.keras_order import arrays_in_order

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Numbers too small for the dtype are 0, as they should be, even for users who let NumPy raise on underflow.
UNDERFLOW_IS_HARMLESS = np.errstate(under="ignore")


@keywords.checked(
    "compile", "fit", "evaluate", "predict", "get_weights", "set_weights", "astype", "save", "load", "load_weights",
    "save_checkpoint", "load_checkpoint", "plot", "summary",
)  # fmt: skip
class Model(keywords.Checked):
    """Layers in a chain, built for one input shape, with Keras's compile / fit / evaluate / predict.

        model = Model([Dense(40, "relu"), Dense(29)], input_shape=29, seed=0)
        model.compile(Adam(1e-3), MeanSquaredError())
        history = model.fit(x, x, epochs=30, batch_size=64)

    layers       a list of layers, or one layer
    input_shape  the shape of one sample, without the batch axis: a number or a tuple
    seed         determines the initial weights, every shuffle and all noise: the same seed gives the same bits
    dtype        "float32", or "float64" for gradient checks; data are converted to this dtype

    Several Python threads may call `predict` on a model at the same time, but not while another thread trains it.

    All parameters lie in one flat vector, `model.parameters`, and all gradients in another, `model.gradients`; the
    layers hold views into them. An optimizer step or a gradient norm is then one pass over one array.

    Raises ValueError or TypeError, before changing anything, if shapes do not fit or a layer belongs to another model.
    """

    gradcheck_rules = "fail"  # as in Layer

    def __init__(
        self, layers: Sequence[Layer] | Layer, input_shape: int | Shape, seed: int = 0, dtype: DTypeLike = "float32",
        name: str | None = None,
    ) -> None:  # fmt: skip
        self.input_shape = inputs.shape_of(input_shape)
        self.seed = arguments.whole("Model", "seed", seed)
        self.dtype = arguments.float_dtype("Model", dtype)
        self.name = name or "model"
        if type(layers) is Sequential:  # a subclass may do more, so it stays one layer
            self.root = layers
        else:
            self.root = Sequential([layers] if isinstance(layers, Layer) else listed("Model", layers))
            self.root._called = "Model"  # its messages come to a user who wrote Model([...])
        inputs.check_layers(self.root)
        own_layers.check_class(self.root)
        attributes.check_layers("Model", self.root)
        self.rng = np.random.default_rng(self.seed)
        self.output_shape = self.root.build(self.input_shape, self.rng, self.dtype)
        check_places(self.root)
        own_layers.check_arrays(self.root, self.dtype)
        attributes.remember(self.root)
        inputs.warn_of_channels_first(self.root, self.input_shape)
        for layer in self.root.walk():
            layer.in_model = True
            caches.remember(layer)
        self.optimizer: Optimizer | None = None
        self.loss: Loss | None = None
        self.metrics: dict[str, Metric] = {}
        self.epoch = 0
        self.stop_training = False
        self.interrupted = False
        self._lay_out()
        self._known = frozenset(vars(self))

    def _lay_out(self) -> None:
        self.parameters, self.gradients, self._decayed = vector.lay_out(self.root, self.dtype)
        self._step = loop.Step(self.root, self.parameters, self.gradients)

    def __getstate__(self) -> dict[str, Any]:
        """The content of copies and pickles; the layers hold the arrays, so the flat vectors are left out."""
        laid_out = ("parameters", "gradients", "_decayed", "_step")
        return {name: value for name, value in vars(self).items() if name not in laid_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lay_out()

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
        """Given dL/dy of the last forward pass, add to the gradients and return dL/dx."""
        return self.root.backward(dy)

    def penalty(self) -> float:
        return self.root.penalty()

    def zero_grad(self) -> None:
        self.gradients.fill(0)

    # --- training ---------------------------------------------------------------------------------

    def compile(self, optimizer: Optimizer, loss: Loss, metrics: Iterable[str | Metric] = ()) -> None:
        """Set optimizer, loss and metrics (names from tinydl.metrics, or functions (y_true, y_pred) -> float)."""
        inputs.check_optimizer_and_loss(optimizer, loss)
        caches.remember(loss)
        if optimizer is not self.optimizer and optimizer.iterations:
            got = f"{type(optimizer).__name__} after {optimizer.iterations} steps on another model"
            mend = "give each model its own optimizer"
            raise ValueError(f"compile: optimizer must be new, got {got}: {mend}")
        inputs.check_ends(loss, self.root, self.output_shape)
        chosen = inputs.metrics_by_name(metrics)
        self._check_attributes("compile", optimizer, loss)
        optimizer.build(self.parameters)
        optimizer.decayed, optimizer.frozen = self._decayed, freezing.frozen_ranges(self.root)
        for head in self._step.heads:
            head.expect(copy.copy(loss), None)
        self.optimizer, self.loss, self.metrics = optimizer, loss, chosen

    def _check_attributes(self, method: str, optimizer: Optimizer, loss: Loss) -> None:
        """Raise if something was set on the model, a layer, the optimizer or the loss that nothing would read."""
        attributes.check_names(method, "the model", self, self._known)
        attributes.check_layers(method, self.root)
        attributes.check_settings(method, optimizer, loss)

    def _compiled(self, method: str) -> tuple[Optimizer, Loss]:
        if self.optimizer is None or self.loss is None:
            raise RuntimeError(f"{method}: the model has no optimizer or loss yet: call compile(optimizer, loss) first")
        return self.optimizer, self.loss

    @UNDERFLOW_IS_HARMLESS
    def train_on_batch(self, x: ArrayLike, y: ArrayLike) -> float:
        """Take one optimizer step; return the loss before the step, penalties included."""
        optimizer, loss = self._compiled("train_on_batch")
        batch = inputs.check_data("train_on_batch", self, loss, x, y)
        with one_blas_thread():
            return self._step.take(*batch.batch(slice(None)), loss, optimizer)[0]

    def hand_targets(self, targets: NDArray, loss: Loss) -> None:
        """Set the loss and the targets of all auxiliary heads without targets, for the next training forward pass.

        A training step does this itself; call this method only in a gradient check of the model.
        """
        for head in self._step.heads:
            if head.targets is None:
                head.expect(copy.copy(loss), targets)

    @UNDERFLOW_IS_HARMLESS
    @one_blas_thread()
    def fit(
        self, x: ArrayLike | Batches, y: ArrayLike | None = None, epochs: int = 1, batch_size: int = 32,
        shuffle: bool = True, validation_data: tuple[ArrayLike, ArrayLike] | Batches | None = None,
        callbacks: Sequence[Callback] | None = (), verbose: int = 1, initial_epoch: int = 0,
    ) -> History:  # fmt: skip
        """Train for epochs initial_epoch .. epochs - 1 and return a History of their figures (loss and metrics).

        x and validation_data may be Batches that include their targets.
        An epoch is one pass over the rows, in a new order if `shuffle` is true, including a last short batch. Its
        "loss" is the mean over rows of the loss (penalties included) before the step on each row's batch; "val_loss"
        is the loss of `evaluate` after the epoch. verbose: 0 is silent, 1 shows a bar (lines without a terminal).

        Ctrl-C ends training cleanly: callbacks finish (the best model stays saved), and `fit` returns the History so
        far, with `interrupted` set to True.

        Before changing anything, raises RuntimeError if the model is not compiled, or ValueError if data do not fit.
        In training, raises FloatingPointError if the loss is NaN or infinite, naming the epoch, batch and layer.
        """
        optimizer, loss = self._compiled("fit")
        self._check_attributes("fit", optimizer, loss)
        freezing.check_something_trains("fit", self.root)
        data = inputs.check_data("fit", self, loss, x, y)
        validation = inputs.check_validation(self, loss, validation_data)
        epochs = arguments.positive_int("fit", "epochs", epochs)
        batch_size = arguments.positive_int("fit", "batch_size", batch_size)
        initial_epoch = arguments.whole("fit", "initial_epoch", initial_epoch)
        shuffle = arguments.flag("fit", "shuffle", shuffle)
        history = History()
        listeners = [history, *inputs.check_callbacks(callbacks), *([ProgressBar()] if verbose else [])]
        try:
            loop.run(self, self._step, data, epochs, batch_size, shuffle, validation, listeners, initial_epoch)
        finally:
            memory.release()
        history.interrupted = self.interrupted
        if self.interrupted and verbose:
            print(f"Interrupted after {len(history.epoch)} finished epochs", flush=True)
        return history

    # --- inference --------------------------------------------------------------------------------

    @UNDERFLOW_IS_HARMLESS
    @one_blas_thread()
    def evaluate(self, x: ArrayLike | Batches, y: ArrayLike | None = None, batch_size: int | None = None) -> Any:
        """The mean loss over the rows (penalties included), without noise; with metrics, a list with the loss first.

        batch_size: the number of rows per batch, by default 1,024, or 128 for images.
        """
        _, loss = self._compiled("evaluate")
        values = list(loop.figures(self, inputs.check_data("evaluate", self, loss, x, y), batch_size).values())
        memory.release()
        return values if self.metrics else values[0]

    @UNDERFLOW_IS_HARMLESS
    @one_blas_thread()
    def predict(self, x: ArrayLike | Batches, batch_size: int | None = None) -> NDArray:
        """The outputs for all rows, computed batch_size rows at a time (as in `evaluate`), without noise or dropout."""
        data = inputs.check_x("predict", self, x)
        batch_size = inputs.rows_at_a_time("predict", self, batch_size)
        y = np.empty((len(data), *self.output_shape), self.dtype)
        for start in range(0, len(data), batch_size):
            chunk = self.root.forward(data.batch(slice(start, start + batch_size))[0])
            if chunk.shape[1:] != self.output_shape:
                expected = f"the shape that its build returned, {('n', *self.output_shape)}"
                raise ValueError(f"predict: {self.layers[-1].label} must output {expected}, got {chunk.shape}")
            y[start : start + batch_size] = chunk
        del chunk
        memory.release()
        return y

    # --- weights and files ------------------------------------------------------------------------

    def get_weights(self) -> list[NDArray]:
        """Copies of all arrays in Keras's order: by layer (see keras_order), then W, b or gamma, beta, mean, var."""
        return [array.copy() for array in arrays_in_order(self.root)]

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """The inverse of get_weights. Raises ValueError, before changing anything, if the number or a shape differs."""
        arrays = arrays_in_order(self.root)
        new = [np.asarray(weight) for weight in weights]
        if [array.shape for array in arrays] != [array.shape for array in new]:
            expected = f"{len(arrays)} arrays of shapes {[array.shape for array in arrays]}"
            raise ValueError(f"set_weights: expected {expected}, got {len(new)} of shapes {[a.shape for a in new]}")
        held = (self.parameters, *self.state.values())  # `weights` may be views of these arrays, in another order
        converted = [  # convert all arrays before writing the first
            weight.astype(self.dtype, copy=any(np.may_share_memory(weight, array) for array in held)) for weight in new
        ]
        for array, weight in zip(arrays, converted, strict=True):
            array[...] = weight

    def astype(self, dtype: DTypeLike) -> Model:
        """A copy in another dtype, for gradient checks in float64. The copy keeps the loss but not the optimizer."""
        dtype = arguments.float_dtype("astype", dtype)
        other = copy.deepcopy(self)
        other.dtype, other.optimizer = dtype, None
        vector.cast(other.root, dtype)
        other._lay_out()
        return other

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the architecture and the weights to one safetensors file, atomically.

        A symbolic link stays a link, to a new file; a file that is replaced keeps its permissions.

        Raises OSError for a folder, a pipe, a device, a read-only file or a path that cannot be used; TypeError or
        ValueError if the file could not be loaded again, for example with NaN among the weights. The old file stays.
        """
        checkpoint.save_model(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], custom_layers: Sequence[type[Layer]] = ()) -> Model:
        """Load a model that `save` wrote; it is not yet compiled. `custom_layers`: its layer classes outside tinydl.

        Raises FileNotFoundError; ValueError if the file is truncated or not tinydl's, or if its arrays do not fit.
        """
        return checkpoint.load_model(cls, path, custom_layers)

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Load the weights of a saved model with the same layers; what is frozen here stays frozen.

        A float64 model also takes float32 weights; a float32 model takes no float64 ones, which would be rounded.
        Raises as `load` does, before changing anything.
        """
        checkpoint.load_weights(self, path)

    def save_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Save the model and the state for exact resumption: the optimizer, the epoch and all random generators."""
        optimizer, _ = self._compiled("save_checkpoint")
        checkpoint.save_training(self, optimizer, path)

    def load_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Load a checkpoint into a model built and compiled the same way; resumed training gives the same bits.

            model.load_checkpoint(path)
            model.fit(x, y, epochs=30, initial_epoch=model.epoch)

        A learning rate that is a number is restored, since a LearningRateScheduler may have set it, and so are the
        `trainable` flags of the layers; all other settings of the optimizer must match. A checkpoint does not hold the
        state of callbacks.

        Raises ValueError, before changing anything, if the file is not a checkpoint of such a model.
        """
        optimizer, _ = self._compiled("load_checkpoint")
        checkpoint.load_training(self, optimizer, path)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """The block diagram, with branches, shapes and parameter counts; also saved as a PNG if `path` is given."""
        from .plots.diagram import model_diagram

        return model_diagram(self, path)

    @property
    def trainable(self) -> bool:
        """Whether any layer is trainable; setting it sets all layers (see Layer.trainable)."""
        return self.root.trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.root.trainable = value

    def count_params(self) -> int:
        """The number of entries in all parameters and state arrays, as in the last lines of `summary`."""
        return self.root.count_params()

    def __repr__(self) -> str:
        shapes = f"{self.input_shape} -> {self.output_shape}"
        return f"Model({self.name!r}, {shapes}, {self.parameters.size:,} parameters, {self.dtype})"

    def _repr_html_(self) -> str:
        """The summary and the block diagram, as notebooks show them."""
        from .plots.notebook import model_html

        return model_html(self)

    def summary(self) -> None:
        """Print Keras's table: each layer with its output shape and number of parameters, and the totals.

        The parameters of frozen layers are not trainable, nor are running statistics.
        """
        wide = max(29, 2 + max(len(layer.label) for layer in self.layers))  # 29, 26 and 10 are Keras's column widths
        rule = "_" * (wide + 36)
        print(f'Model: "{arguments.shown(self.name)}"', rule, sep="\n")
        print(f"{'Layer (type)':<{wide}}{'Output Shape':<26}{'Param #':<10}")
        print("=" * len(rule))
        for layer in self.layers:
            shape = f"({', '.join(['None', *map(str, layer.output_shape or ())])})"
            print(f"{layer.label:<{wide}}{shape:<26}{layer.count_params():<10}")
            print("=" * len(rule) if layer is self.layers[-1] else rule)
        total, trained = self.count_params(), freezing.trained_entries(self.root)
        print(f"Total params: {total:,}", f"Trainable params: {trained:,}", sep="\n")
        print(f"Non-trainable params: {total - trained:,}", rule, sep="\n")
