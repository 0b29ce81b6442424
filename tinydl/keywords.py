"""Unknown keyword arguments. The error names the argument that was probably meant, or says what to use instead."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

Class = TypeVar("Class", bound=type)
_NONE = inspect.Parameter.empty

OTHER_NAMES = {  # names that other libraries, or their older versions, give to our arguments
    "act": "activation", "alpha": "negative_slope", "amount": "rate", "batch_shape": "input_shape",
    "batchsize": "batch_size", "beta_1": "beta1", "beta_2": "beta2", "bias": "use_bias", "criterion": "loss",
    "custom_objects": "custom_layers", "eps": "epsilon", "file": "path", "filename": "path", "filepath": "path",
    "init": "kernel_initializer", "initial_learning_rate": "learning_rate", "input_dim": "input_shape",
    "input_size": "input_shape", "kernel": "kernel_size", "kernel_init": "kernel_initializer", "l2": "weight_decay",
    "learning_rate_init": "learning_rate", "lr": "learning_rate", "max_grad_norm": "global_clipnorm",
    "min_learning_rate": "min_lr", "n_epochs": "epochs", "nb_epoch": "epochs", "nb_filter": "filters",
    "num_epochs": "epochs", "opt": "optimizer", "out_channels": "filters", "out_features": "units",
    "output_dim": "units", "p": "rate", "pad": "padding", "prob": "rate", "random_state": "seed",
    "seed": "random_state", "sigma": "stddev", "std": "stddev", "stride": "strides", "validation": "validation_data",
    "weight_init": "kernel_initializer",
}  # fmt: skip

NO_BUILD_ARGUMENT = "give the shape of one sample to the model: Model([...], input_shape=...)"
NO_CONSTRAINT = "tinydl has no constraints: remove it"
CHANNELS_LAST = "remove it: images are channels last, (n, height, width, channels)"
ONE_SEED = "remove it: the model's seed determines all random numbers, Model(..., seed=...)"
LAST_AXIS = "remove it: the last axis is used"
NO_LAZY_RUN = "remove it: all steps run in compiled kernels already"
ONE_PROCESS = "remove it: batches are drawn where they are used, without other processes"
WEIGHT_DECAY = "use weight_decay in the optimizer, Adam(weight_decay=...)"
CLIPS_THE_NORM = "use global_clipnorm, which limits the norm of the whole gradient"
PENALTY_LAYER = "put a penalty layer such as ActivityL1 after this layer"
NO_AVERAGE = "tinydl keeps no moving average of the weights: remove it"
LOGITS = "remove it: this loss takes logits, so end the model without softmax or sigmoid"

# What to do about arguments that an owner does not have. An owner is a class, with its base classes, or a method.
INSTEAD: dict[str, dict[str, str]] = {
    "Layer": {
        "activity_regularizer": PENALTY_LAYER,
        "autocast": "remove it",
        "axis": LAST_AXIS,
        "batch_input_shape": NO_BUILD_ARGUMENT,
        "batch_shape": NO_BUILD_ARGUMENT,
        "bias_initializer": "remove it: biases begin at 0",
        "bias_regularizer": "remove it: biases are not regularized",
        "center": "remove it: beta is always there",
        "data_format": CHANNELS_LAST,
        "dilation_rate": "tinydl has no dilated convolution: remove it",
        "dtype": "give it to the model: Model(..., dtype='float64')",
        "groups": "tinydl has no grouped convolution: remove it",
        "in_channels": NO_BUILD_ARGUMENT,
        "in_features": NO_BUILD_ARGUMENT,
        "input_dim": NO_BUILD_ARGUMENT,
        "input_shape": NO_BUILD_ARGUMENT,
        "scale": "remove it: gamma is always there",
        "seed": ONE_SEED,
        "trainable": "set it afterwards: layer.trainable = False",
        "weights": "set them in the model: model.set_weights(...)",
        **{f"{name}_constraint": NO_CONSTRAINT for name in ("kernel", "bias", "beta", "gamma")},
    },
    "ReLU": {"negative_slope": "use LeakyReLU(negative_slope)"},
    "Optimizer": {
        "amsgrad": "tinydl has no AMSGrad: remove it",
        "clip_norm": CLIPS_THE_NORM,
        "clipnorm": CLIPS_THE_NORM,
        "clipvalue": CLIPS_THE_NORM,
        "decay": "use a schedule, such as learning_rate=ExponentialDecay(...)",
        "ema_momentum": NO_AVERAGE,
        "ema_overwrite_frequency": NO_AVERAGE,
        "gradient_accumulation_steps": "remove it, and give fit a larger batch_size",
        "name": "remove it: only layers and models have names",
        "params": "remove it: compile hands the parameters to the optimizer",
        "use_ema": NO_AVERAGE,
    },
    "Loss": {
        "axis": LAST_AXIS,
        "dtype": "remove it: the loss has the dtype of the model",
        "from_logits": LOGITS,
        "name": "remove it: only layers and models have names",
        "reduction": "remove it: a loss is the mean over the rows",
    },
    "Schedule": {"name": "remove it: only layers and models have names"},
    "CosineDecay": {
        "alpha": "give the last rate itself: minimum = alpha * learning_rate",
        "warmup_steps": "put it into a warmup: LinearWarmup(CosineDecay(...), warmup_steps)",
        "warmup_target": "put it into a warmup: LinearWarmup(CosineDecay(...), warmup_steps)",
    },
    "ModelCheckpoint": {
        "save_freq": "remove it: the model is saved at the end of an epoch",
        "save_weights_only": "remove it: load_weights reads the weights alone",
    },
    "TensorBoard": {"update_freq": "remove it: figures are written at the end of an epoch"},
    "Model": {
        "batch_size": "give it to fit: model.fit(x, y, batch_size=...)",
        "inputs": "pass the layers as a list: Model([...], input_shape=...)",
        "outputs": "pass the layers as a list: Model([...], input_shape=...)",
        "trainable": "set it afterwards: model.trainable = False",
    },
    "compile": {
        "auto_scale_loss": "remove it: nothing runs in float16",
        "jit_compile": NO_LAZY_RUN,
        "learning_rate": "give it to the optimizer: Adam(learning_rate=...)",
        "lr": "give it to the optimizer: Adam(learning_rate=...)",
        "run_eagerly": NO_LAZY_RUN,
        "steps_per_execution": NO_LAZY_RUN,
    },
    "fit": {
        "learning_rate": "give it to the optimizer: Adam(learning_rate=...)",
        "lr": "give it to the optimizer: Adam(learning_rate=...)",
        "metrics": "give them to compile: model.compile(optimizer, loss, metrics=[...])",
        "max_queue_size": ONE_PROCESS,
        "use_multiprocessing": ONE_PROCESS,
        "workers": ONE_PROCESS,
    },
    "evaluate": {"callbacks": "remove it: callbacks belong to fit"},
    "predict": {"callbacks": "remove it: callbacks belong to fit"},
    "save": {
        "overwrite": "remove it: an existing file is replaced",
        "save_format": "remove it: the file is safetensors",
    },
    "load": {
        "safe_mode": "remove it: a file never runs code",
    },
    "load_weights": {
        "by_name": "remove it: build a model with the same layers",
        "skip_mismatch": "remove it: build a model with the same layers",
    },
}


@functools.lru_cache(maxsize=1024)
def parameters_of(function: Callable[..., Any]) -> tuple[inspect.Parameter, ...]:
    """The function's parameters in order. They are remembered: every `fit` asks for those of all its layers."""
    return tuple(inspect.signature(function).parameters.values())


def check(owners: Sequence[str], function: Callable[..., Any], given: Iterable[str]) -> None:
    """Raise TypeError if `function` does not take a keyword in `given`. The message begins with the first owner."""
    parameters = parameters_of(function)
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = [each.name for each in parameters if each.kind in named and each.name not in ("self", "cls")]
    for name in given:
        if name not in known:
            expected = f"the arguments are {', '.join(known)}" if known else "there are no arguments"
            raise TypeError(f"{owners[0]}: {expected}, got {name!r}: {mend(owners, name, known)}")


def mend(owners: Sequence[str], name: str, known: Sequence[str]) -> str:
    """What to write instead of an unknown argument."""
    if OTHER_NAMES.get(name) in known:
        return f"write {OTHER_NAMES[name]}"
    advice = next((INSTEAD[owner][name] for owner in owners if name in INSTEAD.get(owner, ())), None)
    if advice:
        return advice
    near = nearest(name, known)
    return f"did you mean {near}?" if near else "tinydl has no such setting: remove it"


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name that was probably meant by `name`, if there is one."""
    other = OTHER_NAMES.get(name.lower())
    if other in known:
        return other
    lower = {each.lower(): each for each in known}
    found = get_close_matches(name.lower(), lower, n=1, cutoff=0.7)
    return lower[found[0]] if found else None


class Checked:
    """Base class for classes whose constructors refuse unknown keywords with advice."""

    if not TYPE_CHECKING:  # a type checker should look at the constructors themselves

        def __new__(cls, *args: Any, **keywords: Any) -> Any:
            if keywords:
                check([base.__name__ for base in cls.__mro__], cls.__init__, keywords)
            if args:
                check_positions(cls.__name__, cls.__init__, len(args))
            return super().__new__(cls)

    def __init__(self) -> None:
        """For classes without arguments; object's own constructor would accept any."""


def check_positions(owner: str, function: Callable[..., Any], given: int) -> None:
    """Refuse values without keywords beyond the arguments that allow it: their order differs between libraries."""
    parameters = parameters_of(function)[1:]
    free = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
    if given > len(free) and not any(each.kind is each.VAR_POSITIONAL for each in parameters):
        by_name = [f"{each.name}=..." for each in parameters if each.kind is each.KEYWORD_ONLY][:2]
        expected = f"only {', '.join(free)} may be given" if free else "nothing may be given"
        mend = f": write {', '.join(by_name)}" if by_name else ""
        got = f"{given} value{'s' * (given > 1)}"
        raise TypeError(f"{owner}: {expected} without a keyword, got {got}{mend}")


def checked(*methods: str) -> Callable[[Class], Class]:
    """A class decorator: the named methods refuse unknown keywords, and calls without a needed one, with advice."""

    def wrap(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        parameters = parameters_of(function)
        positional = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
        needed = [each.name for each in parameters[1:] if each.name in positional and each.default is _NONE]

        @functools.wraps(function)
        def checking(*args: Any, **keywords: Any) -> Any:
            if keywords:
                check([name], function, keywords)
            if len(args) > len(positional):
                check_positions(name, function, len(args) - 1)
            given = {*positional[1 : len(args)], *keywords}
            if missing := [each for each in needed if each not in given]:
                got = f"only {', '.join(each for each in positional if each in given)}" if given else "no arguments"
                mend = f"write {name}({', '.join(f'{each}=...' for each in needed)})"
                raise TypeError(f"{name}: {' and '.join(missing)} must be given, got {got}: {mend}")
            return function(*args, **keywords)

        return checking

    def decorate(cls: Class) -> Class:
        for name in methods:
            method = vars(cls)[name]
            kind = type(method) if isinstance(method, classmethod) else None
            wrapped = wrap(cls.__name__ if name == "__init__" else name, method.__func__ if kind else method)
            setattr(cls, name, kind(wrapped) if kind else wrapped)
        return cls

    return decorate
