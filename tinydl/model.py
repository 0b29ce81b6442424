"""Model: a chain of layers with a training loop, weights and files."""

from __future__ import annotations

import copy
import os
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import arguments, caches, interrupts, keywords
from .callbacks import Callback, Checkpoint, History
from .kernels.machine import memory
from .kernels.machine.threads import one_blas_thread
from .layer import Layer, Shape
from .layers import Sequential
from .layers.containers import listed
from .layers.sharing import check_places
from .losses import Loss
from .metrics import Metric
from .optimizers import Optimizer
from .training import (
    attributes,
    by_name,
    checkpoint,
    doubts,
    ends,
    freezing,
    habits,
    inputs,
    loop,
    own_layers,
    sources,
    vector,
)  # fmt: skip
from .training.keras_order import arrays_in_order
from .training.place import Place, Seen
from .training.resume import saved_run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .study import Report, Trace

# Numbers too small for the dtype are 0, as they should be, even for users who let NumPy raise on underflow.
UNDERFLOW_IS_HARMLESS = np.errstate(under="ignore")


@keywords.checked(
    "__init__", "compile", "fit", "evaluate", "predict", "predict_proba", "predict_on_batch", "test_on_batch",
    "get_layer", "get_weights", "set_weights", "astype", "save", "load", "load_weights", "save_checkpoint",
    "load_checkpoint", "plot", "summary", "trace", "see", "doctor",
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
        self.strict_metrics = False
        self._as_compiled: Any = (None, None, None)  # the optimizer's mark, the loss and the metrics set by compile
        self.fused = False  # whether the loss takes the logits of a network that ends in probabilities (see compile)
        self.epoch = 0
        self.history: History | None = None
        self.stop_training = False
        self.interrupted = False
        self._lay_out()
        self._known = frozenset(vars(self))

    def _lay_out(self) -> None:
        self.parameters, self.gradients, self._decayed = vector.lay_out(self.root, self.dtype)
        self._step = loop.Step(
            self.root, self.parameters, self.gradients, ends.up_to_logits(self.root) if self.fused else None
        )

    def __getstate__(self) -> dict[str, Any]:
        """The content of copies and pickles; the layers hold the arrays, so the flat vectors are left out."""
        laid_out = ("parameters", "gradients", "_decayed", "_step")
        return {name: value for name, value in vars(self).items() if name not in laid_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lay_out()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(habits.missing(type(self), name), name=name, obj=self)

    def __copy__(self) -> Model:
        return copy.deepcopy(self)

    # --- the plain passes -------------------------------------------------------------------------

    @property
    def layers(self) -> tuple[Layer, ...]:
        return tuple(self.root.layers)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of this name, or at this place in `layers`; a name with dots leads into a composite.

        Raises ValueError, naming the layers there are.
        """
        return habits.find_layer(self.root, name, index)

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

    @UNDERFLOW_IS_HARMLESS
    def forward(self, x: NDArray, training: bool = False) -> NDArray:
        return self.root.forward(x, training)

    @UNDERFLOW_IS_HARMLESS
    def backward(self, dy: NDArray) -> NDArray:
        """Given dL/dy of the last forward pass, add to the gradients and return dL/dx."""
        return self.root.backward(dy)

    def penalty(self) -> float:
        return self.root.penalty()

    def zero_grad(self) -> None:
        self.gradients.fill(0)

    # --- training ---------------------------------------------------------------------------------

    def compile(
        self, optimizer: str | Optimizer, loss: str | Loss, metrics: str | Iterable[str | Metric] = (),
        strict_metrics: bool = False,
    ) -> None:  # fmt: skip
        """Set optimizer, loss and metrics.

        optimizer  an object, or Keras's name: "sgd", "rmsprop", "adam", "adamw", "lion" with Keras's default values
        loss       an object, or Keras's name: "mse", "mae", "huber", "hinge", "kl_divergence", "binary_crossentropy",
                   "categorical_crossentropy" and "sparse_categorical_crossentropy" (both take labels and one-hot rows).
                   The objects SoftmaxCrossEntropy and BinaryCrossEntropy take logits. Keras's names for them take
                   probabilities: on a network that ends in that softmax or sigmoid, the two are computed as one, and
                   `predict` gives probabilities, although model.loss takes the logits; on a linear end the logits are
                   taken, with a warning that says so
        metrics    names from tinydl.metrics, or functions (y_true, y_pred) -> float of what `predict` gives, computed
                   from a whole epoch or data set. A metric that fails or is NaN is named in a warning;
                   strict_metrics=True makes it an error
        """
        optimizer = by_name.optimizer(optimizer)
        loss, chain = by_name.loss(loss, self.root)
        caches.remember(loss)
        if loss is self.loss and self.fused:  # compile(model.optimizer, model.loss)
            chain = ends.up_to_logits(self.root)
        if optimizer is not self.optimizer and optimizer.iterations:
            got = f"{type(optimizer).__name__} after {optimizer.iterations} steps on another model"
            mend = "give each model its own optimizer"
            raise ValueError(f"compile: optimizer must be new, got {got}: {mend}")
        inputs.check_ends(loss, chain or self.root, self.output_shape)
        chosen = inputs.metrics_by_name(metrics, loss, self.root, self.output_shape)
        strict_metrics = arguments.flag("compile", "strict_metrics", strict_metrics)
        self._check_attributes("compile", optimizer, loss)
        optimizer.build(self.parameters)
        optimizer.decayed, optimizer.frozen = self._decayed, freezing.frozen_ranges(self.root)
        self.fused = chain is not None
        self._step = loop.Step(self.root, self.parameters, self.gradients, chain)
        for head in self._step.heads:
            head.expect(copy.copy(loss), None)
        self.optimizer, self.loss, self.metrics, self.strict_metrics = optimizer, loss, chosen, strict_metrics
        mark = object()
        optimizer.model_mark, self._as_compiled = mark, (mark, loss, chosen)

    def as_outputs(self, y_pred: NDArray) -> NDArray:
        """What `predict` gives, from what the loss takes: probabilities from logits, if the two are fused."""
        return ends.PROBABILITIES[ends.applied_by(self.loss) or ""](y_pred) if self.fused else y_pred

    def _check_attributes(self, method: str, optimizer: Optimizer, loss: Loss) -> None:
        """Raise if something was set on the model, a layer, the optimizer or the loss that nothing would read."""
        attributes.check_names(method, "the model", self, self._known)
        attributes.check_layers(method, self.root)
        attributes.check_settings(method, optimizer, loss)

    def _compiled(self, method: str) -> tuple[Optimizer, Loss]:
        if self.optimizer is None or self.loss is None:
            got, mend = "one without optimizer and loss", "call compile(optimizer, loss) first"
            raise RuntimeError(f"{method}: the model must be compiled, got {got}: {mend}")
        mark, loss, metrics = self._as_compiled
        if loss is not self.loss or metrics is not self.metrics or not isinstance(self.optimizer, Optimizer):
            changed = "loss" if loss is not self.loss else "metrics" if metrics is not self.metrics else "optimizer"
            got = f"model.{changed} = {getattr(self, changed)!r:.80}"
            raise RuntimeError(f"{method}: {changed} must be set by compile, got {got}: call compile(...) again")
        if self.optimizer.model_mark is not mark:
            mend = "call compile with an optimizer of its own"
            raise RuntimeError(f"{method}: the optimizer must be this model's, got one compiled into another: {mend}")
        return self.optimizer, self.loss

    @interrupts.held
    @UNDERFLOW_IS_HARMLESS
    @one_blas_thread()
    def train_on_batch(
        self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None, return_dict: bool = False,
    ) -> Any:  # fmt: skip
        """Take one optimizer step; return the loss before the step, penalties included.

        return_dict: return {"loss": ..., name of each metric: ...} instead.
        """
        optimizer, loss = self._compiled("train_on_batch")
        data = inputs.check_data("train_on_batch", self, loss, x, y, sample_weight, class_weight)
        ((batch_x, batch_y, weights),) = sources.Rows(data, len(data)).one_pass(None)
        value, y_pred = self._step.take(batch_x, batch_y, weights, loss, optimizer)
        if not return_dict:
            return value
        seen = Seen()
        seen.add(batch_y, self.as_outputs(y_pred))
        return {"loss": value, **seen.figures("train_on_batch", self)}

    @interrupts.held
    @UNDERFLOW_IS_HARMLESS
    @one_blas_thread()
    def test_on_batch(
        self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None, return_dict: bool = False
    ) -> Any:
        """`evaluate` on one batch, in one pass."""
        _, loss = self._compiled("test_on_batch")
        data = inputs.check_data("test_on_batch", self, loss, x, y, sample_weight)
        feed = sources.Feed("test_on_batch", sources.Rows(data, len(data)), None, "steps")
        return self._returned(loop.figures("test_on_batch", self, self._step, feed), return_dict)

    def predict_on_batch(self, x: ArrayLike) -> NDArray:
        """`predict` on one batch, in one pass."""
        return self(x)

    def hand_targets(self, targets: NDArray, loss: Loss) -> None:
        """Set the loss and the targets of all auxiliary heads without targets, for the next training forward pass.

        A training step does this itself; call this method only in a gradient check of the model.
        """
        for head in self._step.heads:
            if head.targets is None:
                head.expect(copy.copy(loss), targets)

    @interrupts.held
    @UNDERFLOW_IS_HARMLESS
    @one_blas_thread()
    def fit(
        self, x: Any, y: ArrayLike | None = None, *, batch_size: int | None = None, epochs: int = 1,
        verbose: int | str = "auto", callbacks: Sequence[Callback] | None = None, validation_split: float = 0.0,
        validation_data: Any = None, shuffle: bool = True, class_weight: Mapping[int, float] | None = None,
        sample_weight: ArrayLike | None = None, initial_epoch: int = 0, steps_per_epoch: int | None = None,
        validation_steps: int | None = None, validation_batch_size: int | None = None,
        validation_freq: int | Collection[int] = 1, resume: str | os.PathLike[str] | None = None,
    ) -> History:  # fmt: skip
        """Train for epochs initial_epoch .. epochs - 1 and return a History of their figures (loss and metrics).

        x, y              arrays; or x alone: Batches with targets, or anything that yields batches (x, y) or
                          (x, y, sample_weight), such as a generator, Keras's Sequence or PyTorch's DataLoader
        batch_size        rows per step, 32 if not given; a source that yields batches decides by itself
        shuffle           draw the rows (or a Sequence's batches) in a new order in each epoch
        sample_weight     how much each row counts in the loss, (n,); class_weight the same by class, {class: weight}.
                          Both multiply. The mean divides by the number of rows; metrics are not weighted
        validation_split  the fraction of the rows, from the end and before shuffling, kept for validation
        validation_data   (x, y), (x, y, sample_weight) or a source like x; it overrides validation_split.
                          validation_freq: validate after every so many epochs, or after the epochs listed (from 1)
        steps_per_epoch   batches in an epoch, which goes on where the last one stopped; needed for more than one epoch
                          from a generator. validation_steps likewise; validation begins anew where the source can
        verbose           0 is silent, 1 and "auto" show a bar (lines without a terminal), 2 shows lines
        resume            the file of a Checkpoint: continue that run to the bit, up to `epochs`, which counts from its
                          first epoch. The model must be compiled, and fit called, as before. Callbacks go on as if
                          nothing had happened, and the History is that of the whole run. Without a file of this name,
                          training starts at the beginning, and a line says so

        An epoch is one pass over the rows, including a last short batch. Its "loss" is the mean over rows of the loss
        (penalties included) before the step on each row's batch; "val_loss" is the loss of `evaluate` after the epoch.

        Ctrl-C ends training cleanly after the batch: callbacks finish (the best model stays saved), and `fit` returns
        the History so far, with `interrupted` set to True. In a callback or a source of your own, Ctrl-C acts at once,
        as a second Ctrl-C does everywhere (see tinydl/interrupts.py).

        Before changing anything, raises RuntimeError if the model is not compiled, or ValueError if data do not fit; a
        batch from a source is checked when it comes. Warns about a learning rate of 0, raw pixels 0 .. 255 or numbers
        of 10,000 and more (in arrays), and BatchNorm on batches of one row.
        In training, raises FloatingPointError if the loss is NaN or infinite, naming the epoch, batch and layer. After
        any error, `model.history` holds the figures so far.
        """
        optimizer, loss = self._compiled("fit")
        self._check_attributes("fit", optimizer, loss)
        freezing.check_something_trains("fit", self.root)
        epochs = arguments.positive_int("fit", "epochs", epochs)
        initial_epoch = arguments.whole("fit", "initial_epoch", initial_epoch)
        shuffle = arguments.flag("fit", "shuffle", shuffle)
        validates_after = inputs.check_frequency(validation_freq)
        saved = saved_run(self, optimizer, resume, initial_epoch, epochs)
        place = Place(initial_epoch) if saved is None else saved.place
        initial_epoch = place.epoch
        if validation_data is None:
            (x, y, sample_weight), validation_data = sources.split("fit", validation_split, x, y, sample_weight)
        data = sources.training_feed(
            self, loss, x, y, sample_weight, class_weight, batch_size, shuffle, steps_per_epoch, epochs - initial_epoch
        )
        counted = range(initial_epoch, min(epochs, initial_epoch + 10_000))  # epochs=10**12 means "until it stops"
        times = sum(map(validates_after, counted))
        validation = sources.validation_feed(
            self, loss, validation_data, validation_batch_size or batch_size, validation_steps, times
        )
        history = History(by_name.in_words(loss, self.root))
        bar = inputs.progress_bar(verbose)
        own = inputs.check_callbacks(callbacks)
        listeners = sorted([history, *own, *bar], key=lambda each: isinstance(each, Checkpoint))  # these come last
        job = loop.Run(data, epochs, listeners, history.notes, validation, validates_after, place, saved)
        if saved is not None:
            saved.match(listeners)
        elif initial_epoch >= epochs:
            trouble = f"initial_epoch is {initial_epoch} and epochs {epochs}, which counts from the first epoch of all"
            warnings.warn(f"fit: nothing to train: {trouble}", stacklevel=6)  # the line that calls fit
        doubts.of_rate(optimizer, own)
        doubts.of_order(data.source, own)
        if resume is None:
            doubts.of_checkpoints(own)
        if isinstance(data.source, sources.Rows):
            doubts.of_scale(self.root, data.source.data)
            doubts.of_weights(data.source.data)
            doubts.of_single_rows(self.root, min(data.source.batch_size, len(data.source.data)))
        self.history = history  # of which a run that ends in an error returns nothing
        try:
            loop.run(self, self._step, job)
        finally:
            memory.release()
        history.interrupted = self.interrupted
        if self.interrupted and bar:
            with suppress(OSError):  # of a full disk or a closed pipe
                print(f"Interrupted after {len(history.epoch)} finished epochs", flush=True)
        return history

    # --- inference --------------------------------------------------------------------------------

    @interrupts.held
    @UNDERFLOW_IS_HARMLESS
    @one_blas_thread()
    def evaluate(
        self, x: Any, y: ArrayLike | None = None, batch_size: int | None = None, verbose: int | str = 0,
        sample_weight: ArrayLike | None = None, steps: int | None = None, return_dict: bool = False,
    ) -> Any:  # fmt: skip
        """The mean loss over the rows (penalties included), without noise; with metrics, a list with the loss first.

        x: as in `fit`. batch_size: the number of rows per batch, by default 1,024, or 128 for images.
        return_dict: return {"loss": ..., name of each metric: ...} instead. verbose: 1 prints the figures.
        """
        _, loss = self._compiled("evaluate")
        feed = sources.figures_feed("evaluate", self, loss, x, y, sample_weight, batch_size, steps)
        try:
            figures = loop.figures("evaluate", self, self._step, feed)
        finally:
            memory.release()
        if inputs.progress_bar(verbose, "evaluate"):
            print(" - ".join(f"{name}: {value:.4g}" for name, value in figures.items()), flush=True)
        return self._returned(figures, return_dict)

    def _returned(self, figures: dict[str, float], return_dict: bool) -> Any:
        if return_dict:
            return figures
        return list(figures.values()) if self.metrics else figures["loss"]

    @interrupts.held
    @UNDERFLOW_IS_HARMLESS
    @one_blas_thread()
    def predict(
        self, x: Any, batch_size: int | None = None, verbose: int | str = 0, steps: int | None = None
    ) -> NDArray:
        """What the last layer gives for all rows, computed batch_size rows at a time, without noise or dropout.

        These are **logits** for a classifier trained with SoftmaxCrossEntropy or BinaryCrossEntropy: the class is
        predict(x).argmax(axis=1), or predict(x) > 0, not > 0.5, for a yes-or-no output. `predict_proba` gives
        probabilities. A network that ends in Softmax or a sigmoid gives probabilities here, too.

        x: rows, Batches, or a source of batches as in `fit`, whose targets are left out. batch_size: as in `evaluate`.
        """
        inputs.progress_bar(verbose, "predict")
        try:
            return self._predict(x, batch_size, steps)
        finally:
            memory.release()

    def _predict(self, x: Any, batch_size: int | None, steps: int | None) -> NDArray:
        if sources.is_stream(x):
            sources.refuse_beside_a_stream("predict", x, batch_size=batch_size)
            chunks = (self._forward("predict", batch).copy() for batch in sources.inputs_of("predict", self, x, steps))
            return np.concatenate(list(chunks))
        data = inputs.check_x("predict", self, x)
        batch_size = inputs.rows_at_a_time("predict", self, batch_size)
        rows = len(data) if steps is None else min(len(data), steps * batch_size)
        y = np.empty((rows, *self.output_shape), self.dtype)
        for start in range(0, rows, batch_size):
            y[start : start + batch_size] = self._forward("predict", data.batch(slice(start, start + batch_size))[0])
        return y

    def _forward(self, method: str, x: NDArray) -> NDArray:
        interrupts.check()
        y = self.root.forward(x)
        if y.shape[1:] != self.output_shape:
            expected = f"the shape that its build returned, {('n', *self.output_shape)}"
            raise ValueError(f"{method}: {self.layers[-1].label} must output {expected}, got {y.shape}")
        return y

    @UNDERFLOW_IS_HARMLESS
    def predict_proba(self, x: Any, batch_size: int | None = None) -> NDArray:
        """Probabilities: the softmax or sigmoid of what `predict` gives, by the loss that the model was compiled with.

        (n, classes) for SoftmaxCrossEntropy; the probability of yes, in the shape of the outputs, for
        BinaryCrossEntropy. The outputs themselves if the network ends in Softmax or a sigmoid. Raises RuntimeError if
        neither the loss nor the network says how to turn outputs into probabilities.
        """
        probabilities = ends.check_probabilities("predict_proba", self.root, self.loss)
        y = self.predict(x, batch_size)
        return y if probabilities is None else probabilities(y)

    @interrupts.held
    @UNDERFLOW_IS_HARMLESS
    @one_blas_thread()
    def __call__(self, x: ArrayLike, training: bool = False) -> NDArray:
        """The outputs of one batch, as an array of their own; training=True computes them as a training step does."""
        data = inputs.check_x(f"{arguments.shown(self.name)}(x)", self, x)
        return self.root.forward(data.batch(slice(None))[0], arguments.flag(self.name, "training", training)).copy()

    # --- weights and files ------------------------------------------------------------------------

    def get_weights(self) -> list[NDArray]:
        """Copies of all arrays in Keras's order: by layer (see keras_order), then W, b or gamma, beta, mean, var."""
        return [array.copy() for array in arrays_in_order(self.root)]

    @interrupts.held
    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """The inverse of get_weights. Raises ValueError, before changing anything, if the number or a shape differs."""
        arrays = arrays_in_order(self.root)
        new = [np.asarray(weight) for weight in weights]
        if odd := [array for array in new if array.dtype.kind not in "fiub"]:
            got = f"one of dtype {odd[0].dtype}"
            raise ValueError(
                f"set_weights: weights must be arrays of real numbers, got {got}: pass what get_weights gives"
            )
        if [array.shape for array in arrays] != [array.shape for array in new]:
            expected = f"{len(arrays)} arrays of shapes {[array.shape for array in arrays]}"
            got = f"{len(new)} of shapes {[a.shape for a in new]}"
            mend = "pass what get_weights of a model with the same layers gives"
            if [array.shape for array in arrays] == [array.T.shape for array in new]:
                mend = "transpose each matrix, W.T: PyTorch keeps (outputs, inputs)"
            raise ValueError(f"set_weights: expected {expected}, got {got}: {mend}")
        held = (self.parameters, *self.state.values())  # `weights` may be views of these arrays, in another order
        with np.errstate(over="ignore"):
            converted = [  # convert all arrays before writing the first
                weight.astype(self.dtype, copy=any(np.may_share_memory(weight, array) for array in held))
                for weight in new
            ]
        for weight, given in zip(converted, new, strict=True):
            if not np.isfinite(weight).all() and np.isfinite(given).all():
                got = f"{np.abs(given).max():g}"
                raise ValueError(f"set_weights: weights must fit into {self.dtype}, got {got}: use dtype='float64'")
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

    @interrupts.held
    def save(self, path: str | os.PathLike[str], *, include_optimizer: bool = True) -> None:
        """Write the architecture, the weights and how the model was compiled to one safetensors file, atomically.

        include_optimizer: also write the optimizer's vectors, so that a loaded model trains on as this one would. They
        make the file larger, with Adam three times as large.
        A symbolic link stays a link, to a new file; a file that is replaced keeps its permissions. When this method
        returns, the file would survive a power cut.

        Raises OSError for a folder, a pipe, a device, a read-only file, a path that cannot be used or a full disk;
        TypeError or ValueError if the file could not be loaded again, for example with NaN among the weights, or if a
        layer's constructor changes its arguments. The old file stays.
        """
        attributes.check_layers("save", self.root)
        checkpoint.save_model(self, path, arguments.flag("save", "include_optimizer", include_optimizer))

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], custom_layers: Sequence[type[Layer]] = (), compile: bool = True
    ) -> Model:
        """Load a model that `save` wrote, compiled as it was, so that `fit` goes on. Dropout and shuffling start anew
        from the seed; for exact resumption use save_checkpoint.

        custom_layers  its layer classes outside tinydl
        compile        False leaves it without optimizer and loss. An own optimizer or loss class, whose code no file
                       holds, does so too, with a warning; an own metric is left out with a warning

        Raises FileNotFoundError; ValueError if the file is truncated, damaged (a checksum differs) or not tinydl's, or
        if its arrays do not fit.
        """
        return checkpoint.load_model(cls, path, custom_layers, arguments.flag("load", "compile", compile))

    @interrupts.held
    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Load the weights of a saved model with the same layers; what is frozen here stays frozen.

        A float64 model also takes float32 weights; a float32 model takes no float64 ones, which would be rounded.
        Raises as `load` does, before changing anything.
        """
        checkpoint.load_weights(self, path)

    @interrupts.held
    def save_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Save the model and the state for exact resumption: the optimizer, the epoch and all random generators."""
        optimizer, _ = self._compiled("save_checkpoint")
        attributes.check_layers("save_checkpoint", self.root)
        checkpoint.save_training(self, optimizer, path)

    @interrupts.held
    def load_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Load a checkpoint into a model built and compiled the same way; resumed training gives the same bits.

            model.load_checkpoint(path)
            model.fit(x, y, epochs=30, initial_epoch=model.epoch)

        A learning rate that is a number is restored, since a LearningRateScheduler may have set it, and so are the
        `trainable` flags of the layers; all other settings of the optimizer must match. The state of callbacks, the
        history and the place inside an epoch are left out: for these use Checkpoint and fit(..., resume=path).

        Raises ValueError, before changing anything, if the file is not a checkpoint of such a model.
        """
        optimizer, _ = self._compiled("load_checkpoint")
        checkpoint.load_training(self, optimizer, path)

    def plot(self, path: str | os.PathLike[str] | None = None, *, ax: Axes | None = None) -> Figure:
        """The block diagram, with branches, shapes and parameter counts; also saved if `path` is given."""
        from .plots.diagram import model_diagram

        return model_diagram(self, path, ax=ax)

    # --- study ------------------------------------------------------------------------------------

    @interrupts.held
    def trace(self, x: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Trace:
        """All arrays, norms and gradients of the next training step, which is taken on a copy (see study/trace.py)."""
        from .study import trace

        return trace(self, x, y, sample_weight)

    @interrupts.held
    def see(
        self, x: ArrayLike, y: ArrayLike | None = None, path: str | os.PathLike[str] = "step.html",
        sample_weight: ArrayLike | None = None, *, most_entries: int | None = 4096,
    ) -> Path:  # fmt: skip
        """Write the next training step as an HTML page that shows what each number was computed from: study/see.py."""
        from .study import see

        return see(self, x, y, path, sample_weight, most_entries=most_entries)

    @interrupts.held
    def doctor(
        self, x: Any, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None, *, batch_size: int = 32,
        seed: int = 0,
    ) -> Report:  # fmt: skip
        """What keeps the model from learning these rows: examined on copies (see study/doctor/examination.py)."""
        from .study import doctor

        return doctor(self, x, y, sample_weight, batch_size=batch_size, seed=seed)

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
