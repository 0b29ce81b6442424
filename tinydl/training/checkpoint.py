"""Models on disk: safetensors files with the architecture as JSON in their metadata.

A safetensors file holds only numbers and text, so reading one cannot run code; layers are created from a fixed registry
of classes. Each file is written under a temporary name and then renamed: a save that is interrupted leaves the old file
or the new one, never a partial file. What could not be loaded again is not written, and a checksum of every array shows
damage when a file is loaded.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from .. import arguments
from .. import layers as _layers
from ..files import PathLike, destination, write_whole
from ..finite import all_finite
from ..layer import Layer
from ..network import Network, NetworkInTraining
from ..optimizers import Optimizer
from ..regularizers import REGULARIZERS, Regularizer
from . import arrays_on_disk, compiled, file_limits
from .configs import arguments_of, create, object_to_config

AnyModel = TypeVar("AnyModel", bound=NetworkInTraining)
FORMAT = 1
MOST_STEPS = 2**53
SLOT = "optimizer/"  # prefix for an optimizer's vectors; layers' arrays have dotted names
RUN = "run/"  # prefix for the arrays of a run: what callbacks keep, what metrics have seen
REGISTRY: dict[str, type[Layer] | type[Regularizer]] = {
    **{name: getattr(_layers, name) for name in _layers.__all__ if name not in ("Layer", "Container")},
    **REGULARIZERS,
}


def layer_to_config(value: Any, seen: list[Layer] | None = None) -> Any:
    """A layer as JSON, {"layer": class, "arguments": {...}}; layers and regularizers among the arguments are converted.

    A frozen layer also has "trainable": false. A repeated layer is {"same_as": k}, where k is its index among the
    layers converted so far, innermost first.
    """
    seen = [] if seen is None else seen
    if isinstance(value, Layer):
        original = value.original or value
        for k, layer in enumerate(seen):
            if layer is original:
                return {"same_as": k}
        arguments = {name: layer_to_config(argument, seen) for name, argument in arguments_of(value).items()}
        seen.append(original)
        frozen = {} if value.sublayers() or value.trainable else {"trainable": False}
        return {"layer": type(value).__name__, "name": value.name, **frozen, "arguments": arguments}
    if isinstance(value, Regularizer):
        return object_to_config(value)
    if isinstance(value, list | tuple):
        return [layer_to_config(entry, seen) for entry in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        raise TypeError(f"a layer's argument must be a number, a string, a layer or a list of these, got {value!r}")
    return value


def layer_from_config(config: Any, registry: Mapping[str, type] = REGISTRY, seen: list[Layer] | None = None) -> Any:
    """Create new, unbuilt layers from the result of `layer_to_config`."""
    seen = [] if seen is None else seen
    if isinstance(config, list):
        return [layer_from_config(entry, registry, seen) for entry in config]
    if isinstance(config, dict):
        if "same_as" in config:
            return seen[arguments.whole("checkpoint", "same_as", config["same_as"])]
        key, base = ("class", Regularizer) if "class" in config else ("layer", Layer)
        kind: Any = registry.get(config.get(key, ""))
        if kind is None or not issubclass(kind, base):
            mend = "pass its class, Model.load(path, custom_layers=[...])"
            things = f"{base.__name__.lower()}s from tinydl or custom_layers"
            raise ValueError(f"expected {things}, got {config.get(key)!r}: {mend}")
        given = {name: layer_from_config(value, registry, seen) for name, value in config["arguments"].items()}
        layer = create(kind, given)
        if isinstance(layer, Regularizer):
            return layer
        layer.name = config["name"]
        if "trainable" in config:
            layer.trainable = config["trainable"]
        seen.append(layer)
        return layer
    return config


def write(path: PathLike, tensors: Mapping[str, NDArray], metadata: Mapping[str, Any]) -> None:
    """Write arrays and JSON-able metadata to `path`, atomically; missing folders are created.

    Raises an OSError if the path cannot be written, TypeError or ValueError if the file could not be loaded again.
    """
    destination(path)  # raises before the arrays are looked at
    for key, array in tensors.items():
        _check_storable(path, key, array)
    try:
        text = json.dumps({"format": FORMAT, "checksums": True, **metadata})
    except TypeError as error:
        raise TypeError(f"{Path(path).name}: the model cannot be written as JSON: {error}") from error
    write_whole(path, lambda out: arrays_on_disk.write(out, tensors, text))


def read(path: PathLike) -> tuple[dict[str, NDArray], dict[str, Any]]:
    """Return (tensors, metadata) from a file that `write` made.

    Raises OSError if there is no such file or if it cannot be read; ValueError if it is truncated, damaged, of another
    kind, or from a newer tinydl.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected a model file, got a folder: add a file name")
    if path.exists() and not path.is_file():
        raise OSError(f"{path}: expected a file that save wrote, got a pipe or a device: choose another path")
    if not path.exists():
        got = "a link to no file" if path.is_symlink() else "no file of that name"
        names = set(os.listdir(path.parent) if path.parent.is_dir() else []) - {path.name}
        near = get_close_matches(path.name, sorted(names), n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"look in {path.absolute().parent}"
        raise FileNotFoundError(f"{path}: expected a file that save wrote, got {got}: {mend}")
    try:
        file_limits.check_file(path)
    except OSError as error:
        got, mend = f"one that cannot be read ({error.strerror})", "ask for the permission, or copy it anew"
        raise type(error)(f"{path}: expected a file that save wrote, got {got}: {mend}") from None
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is not a dict)
        text = metadata.get(arrays_on_disk.TEXT)
        if text is not None and arrays_on_disk.CHECKSUMS in metadata:
            arrays_on_disk.check(tensors, text, metadata[arrays_on_disk.CHECKSUMS])
        content = file_limits.from_json(text) if text is not None else None
        if isinstance(content, dict) and content.get("checksums") and arrays_on_disk.CHECKSUMS not in metadata:
            raise arrays_on_disk.DamagedError("its checksums must stand beside the description of its layers, got none")
    except arrays_on_disk.DamagedError as error:
        raise ValueError(f"{path}: {error}") from None
    except (SafetensorError, ValueError, TypeError, AttributeError, OSError, RecursionError) as error:
        reason = arguments.shown(str(error))  # it may quote the file; a chained error would show the text as it is
        got, mend = f"{_kind(path)}: {reason}", "write it with model.save(path)"
        raise ValueError(f"{path}: expected a safetensors file, got {got}: {mend}") from None
    if not isinstance(content, dict):
        got, mend = "a safetensors file without an architecture", "write it with model.save(path)"
        raise ValueError(f"{path}: expected a file written by tinydl, got {got}: {mend}")
    if content.get("format") != FORMAT:
        got = arguments.brief(content.get("format"))
        raise ValueError(f"{path}: expected format {FORMAT}, got {got}: upgrade tinydl")
    return tensors, content


def why(error: Exception) -> str:
    """What is wrong with the content of a file that caused this error, for a message."""
    text = arguments.cut(str(error))
    if isinstance(error, ValueError):
        return text
    return (
        f"it lacks the field {text}" if isinstance(error, KeyError) else f"a field has a value of another kind ({text})"
    )


def _kind(path: Path) -> str:
    """The kind of a file that is no safetensors file, by its first bytes."""
    with path.open("rb") as file:
        start = file.read(6)
    kinds = {
        b"\x89HDF": "an HDF5 file, such as Keras's .h5", b"PK": "a zip archive, such as .keras, .pt or .npz",
        b"\x80": "a pickle", b"\x93NUMPY": "a NumPy array",
    }  # fmt: skip
    return next((kind for mark, kind in kinds.items() if start.startswith(mark)), "a truncated or different file")


def _check_storable(path: PathLike, key: str, array: NDArray) -> None:
    """Raise if an array, or its name, would make a file that cannot be loaded again."""
    if not key.isascii() and any(0xD800 <= ord(one) < 0xE000 for one in key):
        raise ValueError(f"{path}: the name {key!r} holds half of a surrogate pair, which files cannot: rename it")
    if array.dtype.str[1:] not in arrays_on_disk.NAMES:
        raise TypeError(f"{path}: {key!r} must hold real numbers, got {array.dtype}")
    if not is_of_run(key):
        _check_finite(path, key, array)


class NotFiniteError(ValueError, FloatingPointError):
    """An array to save holds NaN or infinity. After a FloatingPointError, a Checkpoint lets `fit` name the batch."""


def _check_finite(path: PathLike, key: str, array: NDArray) -> None:
    if not all_finite(array):
        bad = array.size - int(np.isfinite(array).sum())
        kind = "NaN" if np.isnan(array).any() else "infinity"
        got = f"{kind} ({bad} of {array.size} entries)"
        mend = "load the last good file, or train again with a smaller learning rate"
        raise NotFiniteError(f"{path}: {key!r} must hold finite numbers, got {got}: {mend}")


def _is_slot(key: str) -> bool:
    """Whether the name is that of an optimizer's vector, not of an array of a layer called "optimizer/..."."""
    return key.startswith(SLOT) and "." not in key


def is_of_run(key: str) -> bool:
    """Whether the name is that of an array of a run, not of an array of a layer called "run/..."."""
    return key.startswith(RUN) and "." not in key


def save_model(model: NetworkInTraining, path: PathLike, include_optimizer: bool) -> None:
    """Write the architecture, the weights and how the model was compiled, if wanted with the optimizer's vectors."""
    optimizer = model.optimizer if include_optimizer else None
    slots = _slots(optimizer) if optimizer is not None and optimizer.iterations else {}
    metadata = _architecture(model)
    if optimizer is None and metadata["compiled"] is not None:
        metadata["compiled"]["iterations"] = 0
    write(path, {**_tensors(model), **slots}, metadata)


def load_model(
    kind: Callable[..., AnyModel], path: PathLike, custom_layers: Sequence[type[Layer]], restore: bool
) -> AnyModel:
    """Load a new model of class `kind` from a file that `save_model` or `save_training` wrote.

    restore: whether to compile it as it was.
    """
    tensors, metadata = read(path)
    registry = {**REGISTRY, **_by_name(custom_layers)}
    try:
        layers = layer_from_config(metadata["layers"], registry)
        file_limits.expect(layers, {key: tensor.shape for key, tensor in tensors.items()})
        model = kind(layers, tuple(metadata["input_shape"]), metadata["seed"], metadata["dtype"], metadata["model"])
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, MemoryError) as error:
        raise ValueError(f"{path}: its architecture cannot be built: {why(error)}") from error
    file_limits.forget(model.root)
    _set_tensors(model, path, tensors)
    how = metadata.get("compiled")
    if restore and how is not None:
        slots = _slots_in(tensors)
        try:
            compiled.restore(model, how)
            optimizer = model.optimizer
            if optimizer is not None and (slots or not optimizer.slots):  # SGD without momentum has only a step number
                _check_slots(path, slots, optimizer)
                optimizer.iterations = count("iterations", how["iterations"])
                for name, slot in slots.items():
                    optimizer.slots[name][...] = slot
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            trouble = f"it cannot be compiled as it was: {why(error)}"
            raise ValueError(f"{path}: {trouble}: load it with compile=False") from error
    return model


def _by_name(custom_layers: Any) -> dict[str, type]:
    """The classes of custom_layers by name; {name: class}, as Keras's custom_objects, works too."""
    classes = list(custom_layers.values()) if isinstance(custom_layers, Mapping) else custom_layers
    several = isinstance(classes, list | tuple | set)
    for each in classes if several else [classes]:
        if not several or not isinstance(each, type) or not issubclass(each, Layer | Regularizer):
            raise TypeError(f"load: custom_layers must be a list of layer classes, got {each!r}: write [MyLayer]")
    return {layer.__name__: layer for layer in classes}


def load_weights(model: NetworkInTraining, path: PathLike) -> None:
    """Load only the weights, into a model with the same layers, which may differ in what is frozen."""
    tensors, metadata = read(path)
    _check_same_layers(model, path, metadata)
    _set_tensors(model, path, tensors)


def save_training(
    model: NetworkInTraining, optimizer: Optimizer, path: PathLike, run: Mapping[str, Any] | None = None,
    arrays: Mapping[str, NDArray] | None = None,
) -> None:  # fmt: skip
    """Write the model, the optimizer's vectors and step number, the epoch, and the state of every generator.

    run, arrays: the rest of a run in `fit`, see resume.py; the names of the arrays begin with RUN.
    """
    training = {
        "optimizer": object_to_config(optimizer), "iterations": optimizer.iterations, "epoch": model.epoch,
        "generators": [generator.bit_generator.state for generator in _generators(model)],
    }  # fmt: skip
    rest = {} if run is None else {"run": run}
    tensors = {**_tensors(model), **_slots(optimizer), **(arrays or {})}
    write(path, tensors, {**_architecture(model), "training": training, **rest})


def _slots(optimizer: Optimizer) -> dict[str, NDArray]:
    return {f"{SLOT}{name}": slot for name, slot in optimizer.slots.items()}


def load_training(model: NetworkInTraining, optimizer: Optimizer, path: PathLike) -> None:
    """Load a file of `save_training` into a model and an optimizer created the same way, after checking the file."""
    prepare_training(model, optimizer, path, *read(path))()


def prepare_training(
    model: NetworkInTraining, optimizer: Optimizer, path: PathLike, tensors: dict[str, NDArray],
    metadata: dict[str, Any],
) -> Callable[[], None]:  # fmt: skip
    """Check the content of a file of `save_training`; return the function that loads it, which cannot fail."""
    training = metadata.get("training")
    if not isinstance(training, dict):
        raise ValueError(f"{path}: expected a checkpoint, got a saved model without training state: use Model.load")
    _check_same_layers(model, path, metadata)
    if (dtype := metadata.get("dtype")) != model.dtype.name:
        got, mend = f"a {model.dtype.name} model", "make it with the file's dtype"
        raise ValueError(f"{path}: this checkpoint needs a model of dtype {arguments.brief(dtype)}, got {got}: {mend}")
    try:
        saved, own = training["optimizer"], object_to_config(optimizer)
        rate, own_rate = saved["arguments"]["learning_rate"], own["arguments"]["learning_rate"]
        numbers = isinstance(rate, float) and isinstance(own_rate, float)
        if numbers:  # the only setting that may differ, since a callback may have set it
            own["arguments"]["learning_rate"] = arguments.number("checkpoint", "learning_rate", rate, 0)
        if saved != own:
            expected = arguments.cut(str(saved))
            raise ValueError(f"the optimizer must be {expected}, as in the file, got {own}: compile with the saved one")
        slots = _slots_in(tensors)
        _check_slots(path, slots, optimizer)
        iterations, epoch = (count(name, training[name]) for name in ("iterations", "epoch"))
        flags = _flags(model, metadata["layers"])
        generators = _generators(model)
        restored = [copy.deepcopy(generator) for generator in generators]
        for generator, state in zip(restored, training["generators"], strict=True):
            generator.bit_generator.state = state
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(f"{path}: this checkpoint cannot continue this model's training: {why(error)}") from error
    arrays = _checked_tensors(model, path, tensors)

    def load() -> None:
        _copy_tensors(model, arrays)
        for name, slot in slots.items():
            optimizer.slots[name][...] = slot
        optimizer.iterations, model.epoch = iterations, epoch
        for layer, trainable in flags:
            layer.trainable = trainable
        if numbers:
            optimizer.learning_rate = rate
        for generator, loaded in zip(generators, restored, strict=True):
            generator.bit_generator.state = loaded.bit_generator.state

    return load


def _slots_in(tensors: Mapping[str, NDArray]) -> dict[str, NDArray]:
    return {key.removeprefix(SLOT): tensor for key, tensor in tensors.items() if _is_slot(key)}


def _check_slots(path: PathLike, slots: Mapping[str, NDArray], optimizer: Optimizer) -> None:
    """Raise unless a file's vectors are those of this optimizer: names, shapes, dtypes, finite, no negative squares."""
    if slots.keys() != optimizer.slots.keys():
        expected, got = list(optimizer.slots), arguments.brief(list(slots))
        raise ValueError(f"{path}: the vectors of {type(optimizer).__name__} must be {expected}, got {got}")
    for name, slot in slots.items():
        key, own = f"{SLOT}{name}", optimizer.slots[name]
        if slot.shape != own.shape:
            raise ValueError(f"{path}: {key!r} must have this model's {own.size} numbers, got shape {slot.shape}")
        _check_dtype(path, key, slot.dtype, own.dtype)
        _check_finite(path, key, slot)
        if name in optimizer.squares and slot.size and slot.min() < 0:
            raise ValueError(f"{path}: {key!r} must hold means of squares, got the negative number {slot.min()}")


def count(name: str, value: Any) -> int:
    """A number of steps or epochs from a file; kernels and schedules compute with numbers of this size exactly."""
    if arguments.whole("checkpoint", name, value) > MOST_STEPS:
        raise ValueError(f"checkpoint: {name} must be at most 2**53, got {arguments.brief(value)}")
    return int(value)


def _check_dtype(path: PathLike, key: str, found: np.dtype, wanted: np.dtype) -> None:
    """Raise if numbers would change: float32 becomes float64 exactly, but not the other way round."""
    if found.kind != wanted.kind or not np.can_cast(found, wanted):
        mend = ""
        if found.kind == wanted.kind == "f":
            mend = f", which would round: Model.load(path) keeps {found}, and astype({wanted.name!r}) then rounds"
        raise ValueError(f"{path}: {key!r} must hold {wanted} numbers, got {found}{mend}")


def _architecture(model: NetworkInTraining) -> dict[str, Any]:
    layers = layer_to_config(model.layers)
    _check_recreated(model, layers)
    return {
        "model": model.name, "input_shape": list(model.input_shape), "seed": model.seed, "dtype": model.dtype.name,
        "layers": layers, "compiled": compiled.to_config(model),
    }  # fmt: skip


def _check_recreated(model: Network, configs: Sequence[Any]) -> None:
    """Raise TypeError if a file with these configs would not be loaded as this model's layers: a user's constructor may
    change an argument before it stores it, or not accept the stored one."""
    classes = _classes(model)
    made: list[Layer] = []
    described: list[Layer] = []
    for layer, config in zip(model.layers, configs, strict=True):
        try:
            text = json.dumps(config)
        except TypeError:
            return  # `write` says so
        mend = "its constructor must store each argument as it is, under the argument's name"
        try:
            again = layer_to_config(layer_from_config(config, classes, made), described)
        except Exception as error:  # of a user's constructor
            raise TypeError(f"{layer.label}: {config['arguments']} cannot be loaded again: {error}: {mend}") from error
        if json.dumps(again) != text:
            got = f"got {again['arguments']} after {config['arguments']}"
            raise TypeError(f"{layer.label}: a loaded layer must have the saved one's arguments, {got}: {mend}")


def _classes(model: Network) -> dict[str, type[Layer] | type[Regularizer]]:
    """The classes of layers and regularizers by name; raise if a file would be loaded with another of the same name."""
    classes = dict(REGISTRY)
    for layer in model.root.walk():
        kinds: list[type[Layer] | type[Regularizer]] = [type(layer)]
        kinds += [type(each) for each in vars(layer).values() if isinstance(each, Regularizer)]
        for kind in kinds:
            known = classes.setdefault(kind.__name__, kind)
            if known is not kind:
                expected = f"a saved {'layer' if kind is kinds[0] else 'regularizer'}'s class needs a name of its own"
                got = f"another is {known.__module__}.{known.__qualname__}"
                raise TypeError(f"{layer.label}: {expected}, but {got}: rename yours")
    return classes


def _tensors(model: Network) -> dict[str, NDArray]:
    both = model.params.keys() & model.state.keys()
    if both:
        raise ValueError(f"a layer's state must not have the name of one of its parameters, got {min(both)!r}")
    return {**model.params, **model.state}


def _generators(model: NetworkInTraining) -> list[np.random.Generator]:
    return [model.rng, *(layer.rng for layer in model.root.walk() if layer.rng is not None)]


def _without_flags(config: Any) -> Any:
    """The config of layers without what is frozen."""
    if isinstance(config, dict):
        return {key: _without_flags(value) for key, value in config.items() if key != "trainable"}
    return [_without_flags(entry) for entry in config] if isinstance(config, list) else config


def _flags(model: Network, config: Any) -> list[tuple[Layer, bool]]:
    """The model's layers and their flags in `config`, which differs from the model's own config only in these."""
    layers: list[Layer] = []
    flags: list[bool] = []

    def walk(own: Any, theirs: Any) -> None:
        if isinstance(own, list):
            for one, other in zip(own, theirs, strict=True):
                walk(one, other)
        elif isinstance(own, dict) and "layer" in own:
            for name, argument in own["arguments"].items():
                walk(argument, theirs["arguments"][name])
            flags.append(arguments.flag("checkpoint", "trainable", theirs.get("trainable", True)))

    walk(layer_to_config(model.layers, layers), config)
    return [(layer, flag) for layer, flag in zip(layers, flags, strict=True) if not layer.sublayers()]


def _check_same_layers(model: Network, path: PathLike, metadata: dict[str, Any]) -> None:
    own = _without_flags(layer_to_config(model.layers))
    try:
        theirs = _without_flags(metadata.get("layers"))
    except RecursionError:
        got = "a description nested too deep"
        raise ValueError(f"{path}: expected a file with this model's layers, got {got}") from None
    if own != theirs:
        pairs = zip_longest(own, theirs if isinstance(theirs, list) else [])
        mine, other = next((pair for pair in pairs if pair[0] != pair[1]), (own, theirs))
        mend = "make the model as the saved one was, or use Model.load(path)"
        got = arguments.cut(str(other))
        raise ValueError(f"{path}: expected a file with this model's layers, {mine}, got {got}: {mend}")


def _set_tensors(model: Network, path: PathLike, tensors: dict[str, NDArray]) -> None:
    _copy_tensors(model, _checked_tensors(model, path, tensors))


def _checked_tensors(model: Network, path: PathLike, tensors: dict[str, NDArray]) -> dict[str, NDArray]:
    """The arrays of the model's layers; raise unless they fit."""
    own = _tensors(model)
    tensors = {key: tensor for key, tensor in tensors.items() if not _is_slot(key) and not is_of_run(key)}
    wanted, found = ({key: array.shape for key, array in arrays.items()} for arrays in (own, tensors))
    if wanted != found:
        first = min(key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key))
        shapes = f"expected shape {wanted.get(first)}, got {found.get(first)}"
        raise ValueError(f"{path}: its arrays do not fit this model, first at {first!r}: {shapes}")
    for key, tensor in tensors.items():
        _check_dtype(path, key, tensor.dtype, own[key].dtype)
        _check_finite(path, key, tensor)
    return tensors


def _copy_tensors(model: Network, tensors: Mapping[str, NDArray]) -> None:
    for key, array in _tensors(model).items():
        array[...] = tensors[key]
