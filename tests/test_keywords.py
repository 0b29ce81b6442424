"""Unknown keywords: every keyword of Keras 3.15's classes and methods is known here, or refused with advice."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinydl
from tinydl import Model, callbacks, keywords, layers, losses, optimizers, schedules
from tinydl.layers import Dense, Layer

IN_EVERY_LAYER = "activity_regularizer trainable dtype autocast name input_shape input_dim batch_input_shape weights"
IN_EVERY_OPTIMIZER = (
    "learning_rate weight_decay clipnorm clipvalue global_clipnorm use_ema ema_momentum ema_overwrite_frequency "
    "loss_scale_factor gradient_accumulation_steps name decay lr"
)
NORM = (
    "axis epsilon center scale beta_initializer gamma_initializer beta_regularizer gamma_regularizer "
    "beta_constraint gamma_constraint"
)
KERNEL = (
    "activation use_bias kernel_initializer bias_initializer kernel_regularizer bias_regularizer kernel_constraint "
    "bias_constraint"
)
POOLING = "pool_size strides padding data_format name"

# Read from the signatures of Keras 3.15.1, with the arguments that its layers take from their base class, and `lr`,
# `decay`, `input_shape`, `input_dim`, `batch_input_shape` and `weights`, which older versions had.
KERAS = {
    "Dense": f"units {KERNEL} lora_rank lora_alpha quantization_config {IN_EVERY_LAYER}",
    "Conv2D": f"filters kernel_size strides padding data_format dilation_rate groups {KERNEL} {IN_EVERY_LAYER}",
    "BatchNorm": f"{NORM} momentum moving_mean_initializer moving_variance_initializer renorm renorm_clipping "
    f"renorm_momentum synchronized {IN_EVERY_LAYER}",
    "LayerNorm": f"{NORM} {IN_EVERY_LAYER}",
    "Dropout": f"rate noise_shape seed {IN_EVERY_LAYER}",
    "GaussianNoise": f"stddev seed {IN_EVERY_LAYER}",
    "Flatten": f"data_format {IN_EVERY_LAYER}",
    "MaxPool2D": POOLING,
    "AveragePool2D": POOLING,
    "GlobalAveragePool2D": "data_format keepdims",
    "LeakyReLU": f"negative_slope {IN_EVERY_LAYER}",
    "ReLU": f"max_value negative_slope threshold {IN_EVERY_LAYER}",
    "Softmax": f"axis {IN_EVERY_LAYER}",
    "ActivityL1": f"l1 l2 {IN_EVERY_LAYER}",
    "Sequential": "layers trainable name",
    "SGD": f"momentum nesterov {IN_EVERY_OPTIMIZER}",
    "RMSprop": f"rho momentum epsilon centered {IN_EVERY_OPTIMIZER}",
    "Adam": f"beta_1 beta_2 epsilon amsgrad {IN_EVERY_OPTIMIZER}",
    "Lion": f"beta_1 beta_2 {IN_EVERY_OPTIMIZER}",
    "MeanSquaredError": "reduction name dtype",
    "BinaryCrossEntropy": "from_logits label_smoothing axis reduction name dtype",
    "SoftmaxCrossEntropy": "from_logits label_smoothing axis reduction name dtype ignore_class",
    "ModelCheckpoint": "filepath monitor verbose save_best_only save_weights_only mode save_freq "
    "initial_value_threshold",
    "EarlyStopping": "monitor min_delta patience verbose mode baseline restore_best_weights start_from_epoch",
    "LearningRateScheduler": "schedule verbose",
    "ReduceLROnPlateau": "monitor factor patience verbose mode min_delta cooldown min_lr",
    "CSVLogger": "filename separator append",
    "TensorBoard": "log_dir histogram_freq write_graph write_images write_steps_per_second update_freq profile_batch "
    "embeddings_freq embeddings_metadata",
    "ExponentialDecay": "initial_learning_rate decay_steps decay_rate staircase name",
    "CosineDecay": "initial_learning_rate decay_steps alpha name warmup_target warmup_steps",
    "PiecewiseConstant": "boundaries values name",
    "Model": "inputs outputs layers trainable name",
    "compile": "optimizer loss loss_weights metrics weighted_metrics run_eagerly steps_per_execution jit_compile "
    "auto_scale_loss",
    "fit": "x y batch_size epochs verbose callbacks validation_split validation_data shuffle class_weight "
    "sample_weight initial_epoch steps_per_epoch validation_steps validation_batch_size validation_freq",
    "evaluate": "x y batch_size verbose sample_weight steps callbacks return_dict",
    "predict": "x batch_size verbose steps callbacks",
    "save": "filepath overwrite zipped",
    "load": "filepath custom_objects compile safe_mode",
    "load_weights": "filepath skip_mismatch",
    "summary": "line_length positions print_fn expand_nested show_trainable layer_range",
    "set_weights": "weights",
}
MODULES = (tinydl, layers, losses, optimizers, callbacks, schedules)


def called(owner: str) -> Callable[..., Any]:
    """The class or the method of Model."""
    if hasattr(Model, owner):
        return getattr(Model, owner)  # type: ignore[no-any-return]
    return next(getattr(module, owner) for module in MODULES if hasattr(module, owner))  # type: ignore[no-any-return]


def message(owner: str, keyword: str) -> str:
    function = called(owner)
    with pytest.raises(TypeError) as caught:
        function(**{keyword: 1}) if isinstance(function, type) or owner == "load" else function(None, **{keyword: 1})
    return str(caught.value)


@pytest.mark.parametrize("owner", KERAS)
def test_every_keyword_of_keras_is_known_or_refused_with_advice(owner: str) -> None:
    known = inspect.signature(called(owner)).parameters
    for keyword in KERAS[owner].split():
        if keyword not in known:
            start, _, advice = message(owner, keyword).partition(f", got {keyword!r}: ")
            assert start.startswith(f"{owner}: the"), keyword
            assert advice, keyword


@pytest.mark.parametrize(
    ("owner", "keyword", "advice"),
    [
        ("Dense", "activaton", "did you mean activation?"),
        ("Dense", "Units", "did you mean units?"),
        ("Dense", "input_dim", "give the shape of one sample to the model: Model([...], input_shape=...)"),
        ("Dense", "trainable", "set it afterwards: layer.trainable = False"),
        ("Dense", "out_features", "write units"),
        ("Conv2D", "kernel", "write kernel_size"),
        ("Conv2D", "stride", "write strides"),
        ("Conv2D", "data_format", "remove it: images are channels last, (n, height, width, channels)"),
        ("Dropout", "p", "write rate"),
        ("Dropout", "seed", "remove it: the model's seed determines all random numbers, Model(..., seed=...)"),
        ("ReLU", "negative_slope", "use LeakyReLU(negative_slope)"),
        ("Adam", "lr", "write learning_rate"),
        ("Adam", "beta_1", "write beta1"),
        ("Adam", "eps", "write epsilon"),
        ("Adam", "clipnorm", "use global_clipnorm, which limits the norm of the whole gradient"),
        ("Adam", "decay", "use a schedule, such as learning_rate=ExponentialDecay(...)"),
        ("SGD", "wheels", "tinydl has no such setting: remove it"),
        ("BinaryCrossEntropy", "from_logits", "remove it: this loss takes logits, so end the model without softmax or"),
        ("ModelCheckpoint", "filepath", "write path"),
        ("EarlyStopping", "pacience", "did you mean patience?"),
        ("CosineDecay", "initial_learning_rate", "write learning_rate"),
        ("Model", "input_dim", "write input_shape"),
        ("Model", "inputs", "pass the layers as a list: Model([...], input_shape=...)"),
        ("compile", "optimiser", "did you mean optimizer?"),
        ("compile", "lr", "give it to the optimizer: Adam(learning_rate=...)"),
        ("fit", "nb_epoch", "write epochs"),
        ("fit", "epoch", "did you mean epochs?"),
        ("fit", "workers", "remove it: batches are drawn where they are used"),
        ("predict", "batchsize", "write batch_size"),
        ("load", "custom_objects", "write custom_layers"),
        ("save", "overwrite", "remove it: an existing file is replaced"),
    ],
)
def test_the_advice_names_what_was_meant(owner: str, keyword: str, advice: str) -> None:
    assert f", got {keyword!r}: {advice}" in message(owner, keyword)


def test_all_arguments_are_listed() -> None:
    assert message("ExponentialDecay", "rate").startswith(
        "ExponentialDecay: the arguments are learning_rate, decay_steps, decay_rate, got 'rate': "
    )
    assert message("ReLU", "size").startswith("ReLU: the arguments are name, got 'size': ")


def test_no_advice_names_an_argument_that_exists() -> None:
    """Advice on an argument would never be seen once its class or method takes that argument."""
    for owner, advice in keywords.INSTEAD.items():
        known = (
            () if owner in ("Layer", "Optimizer", "Loss", "Schedule") else inspect.signature(called(owner)).parameters
        )
        assert not set(advice) & set(known), owner


def test_own_classes_are_checked_by_their_own_signature() -> None:
    class Scale(Layer):
        def __init__(self, factor: float = 1.0) -> None:
            super().__init__()
            self.factor = factor

    class Anything(Layer):
        def __init__(self, **given: float) -> None:
            super().__init__()

    with pytest.raises(TypeError, match=r"Scale: the arguments are factor, got 'facter': did you mean factor\?"):
        Scale(facter=2)  # type: ignore[call-arg]
    assert Scale(factor=2).factor == 2
    Anything(facter=2)
    with pytest.raises(TypeError, match="MeanSquaredError: nothing may be given without a keyword, got 1 value"):
        losses.MeanSquaredError(3)  # type: ignore[call-arg]


def test_signatures_and_copies_stay_as_they_were() -> None:
    assert str(inspect.signature(losses.MeanSquaredError)) == "() -> 'None'"
    assert list(inspect.signature(Model.fit).parameters)[:3] == ["self", "x", "y"]
    assert Model.fit.__doc__
    layer = Dense(units=3)
    for twin in (copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert twin.units == 3


X, Y = np.ones((4, 3)), np.ones((4, 2))


@pytest.mark.parametrize(("call", "message"), [
    (lambda model: model.fit(X, Y, 64, 2), "fit: only x, y may be given without a keyword, got 4 values: write batch_size=..."),
    (lambda model: model.save("m", True), "save: only path may be given without a keyword, got 2 values: write include_"),
    (lambda model: model.load_weights("m", True), "load_weights: only path may be given without a keyword, got 2 values"),
    (lambda model: model.summary(80), "summary: nothing may be given without a keyword, got 1 value"),
    (lambda model: layers.ReLU(6), "ReLU: nothing may be given without a keyword, got 1 value: write name=..."),
    (lambda model: layers.Softmax(-1), "Softmax: nothing may be given without a keyword"),
    (lambda model: layers.Flatten("channels_first"), "Flatten: nothing may be given without a keyword"),
    (lambda model: layers.GaussianNoise(0.1, 42), "GaussianNoise: only stddev may be given without a keyword, got 2 val"),
    (lambda model: layers.MaxPool2D(2, 2, "same", "channels_first"), "MaxPool2D: only pool_size, strides, padding may"),
    (lambda model: optimizers.RMSprop(1e-3, 0.9, 0.9), "RMSprop: only learning_rate, rho may be given without a keyword"),
    (lambda model: schedules.CosineDecay(0.1, 100, 0.01), "CosineDecay: only learning_rate, decay_steps may be given"),
    (lambda model: losses.Hinge(1), "Hinge: nothing may be given without a keyword, got 1 value"),
])  # fmt: skip
def test_values_whose_place_means_something_else_in_keras_are_refused(call: Any, message: str) -> None:
    """RMSprop's third argument is a momentum there, CosineDecay's a fraction, and fit's the size of a batch."""
    model = Model([layers.Dense(2)], 3)
    model.compile("sgd", "mse")
    before = model.parameters.copy()
    with pytest.raises(TypeError) as caught:
        call(model)
    assert str(caught.value).startswith(message)
    np.testing.assert_array_equal(model.parameters, before)


def test_own_classes_may_take_any_number_of_values() -> None:
    class Sum(layers.Layer):
        def __init__(self, *numbers: float) -> None:
            super().__init__()
            self.total = sum(numbers)

    assert Sum(1, 2, 3).total == 6
