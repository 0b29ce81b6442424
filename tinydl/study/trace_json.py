"""A trace as JSON, and back.

    {"format": "tinydl trace 1", "arrays": [ARRAY, ...], "model": ..., "layers": [...], "loss": {...}, ...}

The keys are the attributes of the classes in records.py. Each array stands once in "arrays", and its number stands
where it is used: a layer's x is the y of the layer below. An ARRAY has the keys

    dtype   "float32", "int64", ...
    shape   the full shape
    kept    the shape of the part that is kept: the first entries along each axis
    data    these entries in C order, as little-endian bytes in base64

JSON has no NaN or infinity: such numbers are the strings "nan", "inf" and "-inf".
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..arguments import brief
from ..files import read_json, write_whole
from ..layer import Shape
from .records import LayerTrace, LossTrace, ParameterTrace, Step

MOST_ENTRIES = 4096  # of each array, unless told otherwise
FORMAT = "tinydl trace 1"
LONGEST = 1 << 28  # bytes of a file; the largest networks, cropped, need about a quarter of it
Recorded = TypeVar("Recorded", bound=Step)
OF_LAYER = ("x", "y", "dy", "dx")
OF_LOSS = ("y_pred", "y_true", "sample_weight", "dy")
OF_PARAMETER = ("value", "gradient", "after")
DTYPES = (
    "float32",
    "float64",
    "float16",
    "bool",
    *(f"{kind}int{bits}" for kind in ("", "u") for bits in (8, 16, 32, 64)),
)


def json_of(step: Step, path: str | Path | None, most_entries: int | None) -> str:
    """See Trace.to_json."""
    check_most_entries("to_json", most_entries)
    writer = _Writer(most_entries)
    content = {
        **_plain({name: value for name, value in vars(step).items() if name not in ("layers", "loss")}),
        "loss": writer.loss(step.loss),
        "layers": [writer.layer(layer) for layer in step.layers],
    }
    text = json.dumps({"format": FORMAT, **content, "arrays": writer.arrays}, allow_nan=False)
    if path is not None:
        write_whole(path, f"{text}\n".encode())
    return text


def check_most_entries(owner: str, value: Any) -> None:
    """Raise ValueError unless it is an integer >= 1, or None."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if value is not None and not (whole and value >= 1):
        raise ValueError(f"{owner}: most_entries must be an integer >= 1, or None, got {brief(value)}")


class _Writer:
    """Collects the arrays of a trace, each once."""

    def __init__(self, most_entries: int | None) -> None:
        self.most_entries = most_entries
        self.arrays: list[dict[str, Any]] = []
        self.numbers: dict[tuple[Any, ...], tuple[int, NDArray]] = {}  # with the array, which keeps its memory

    def layer(self, layer: LayerTrace) -> dict[str, Any]:
        arrays = {name: self.number(getattr(layer, name), layer.cropped.get(name)) for name in OF_LAYER}
        params = {
            key: {name: self.number(getattr(each, name), layer.cropped.get(f"params.{key}")) for name in OF_PARAMETER}
            | {"figures": _plain(each.figures)}
            for key, each in layer.params.items()
        }
        named = {
            kind: {
                key: self.number(each, layer.cropped.get(f"{kind}.{key}")) for key, each in getattr(layer, kind).items()
            }
            for kind in ("kept", "state")
        }
        rest = {
            name: value for name, value in vars(layer).items() if name not in (*arrays, *named, "params", "cropped")
        }
        return {**_plain(rest), **arrays, "params": params, **named}

    def loss(self, loss: LossTrace) -> dict[str, Any]:
        arrays = {name: self.number(getattr(loss, name), loss.cropped.get(name)) for name in OF_LOSS}
        return {**_plain({name: v for name, v in vars(loss).items() if name not in (*arrays, "cropped")}), **arrays}

    def number(self, array: NDArray | None, full: Shape | None) -> int | None:
        """The array's place in `arrays`. full: its shape, if `array` is only a part."""
        if array is None:
            return None
        shape = array.shape if full is None else full
        # by memory: a layer may keep a view of its input, which is another object
        key = (array.__array_interface__["data"][0], array.strides, array.dtype.str, array.shape, shape)
        if key not in self.numbers:
            part = array[tuple(map(slice, cropped(array.shape, self.most_entries)))]
            data = np.ascontiguousarray(part, part.dtype.newbyteorder("<"))
            self.numbers[key] = len(self.arrays), array
            self.arrays.append({
                "dtype": part.dtype.name, "shape": list(shape), "kept": list(part.shape),
                "data": base64.b64encode(data.tobytes()).decode("ascii"),
            })  # fmt: skip
        return self.numbers[key][0]


def cropped(shape: Shape, most_entries: int | None) -> Shape:
    """The shape of at most so many entries: the longest axis is halved until they are few enough."""
    lengths = list(shape)
    while most_entries is not None and math.prod(lengths) > most_entries:
        longest = lengths.index(max(lengths))
        lengths[longest] = (lengths[longest] + 1) // 2
    return tuple(lengths)


def _plain(value: Any) -> Any:
    """Numbers, texts, lists and dicts as JSON has them; any other object as its repr."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return repr(value)


def read(kind: type[Recorded], source: str | Path) -> Recorded:
    """The trace, as an object of the class `kind`: see Trace.from_json."""
    text = source if isinstance(source, str) and source.lstrip()[:1] == "{" else None
    where = brief(str(source)) if text is None else "the text"
    try:
        content = read_json(source, LONGEST) if text is None else json.loads(text)
        if content.get("format") != FORMAT:
            raise ValueError(f"its format is {brief(content.get('format'))}")
        return _Reader(content["arrays"]).step(kind, content)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        got = f"{type(error).__name__}: {error}" if not isinstance(error, ValueError) else str(error)
        got = got.removeprefix(f"{source}: expected a file with a JSON object, got ")  # the file is named below
        raise ValueError(f"from_json: {where} must be what Trace.to_json gave, got something else: {got}") from None


class _Reader:
    """Turns JSON objects back into traces; an array that several places name is one array again."""

    def __init__(self, arrays: list[dict[str, Any]]) -> None:
        self.arrays = [_array(each) for each in arrays]
        self.shapes = [tuple(map(int, each["shape"])) for each in arrays]

    def step(self, kind: type[Recorded], content: dict[str, Any]) -> Recorded:
        given = ("layers", "loss", "input_shape")
        rest = {name: content[name] for name in Step.__dataclass_fields__ if name not in given}
        for name in ("penalty", "learning_rate"):
            rest[name] = float(rest[name])
        layers = [self.layer(each) for each in content["layers"]]
        return kind(input_shape=tuple(content["input_shape"]), layers=layers, loss=self.loss(content["loss"]), **rest)

    def layer(self, content: dict[str, Any]) -> LayerTrace:
        cut: dict[str, Shape] = {}
        fetch = self._fetcher(cut)
        given = ("cropped", "params", "figures", "kept", "state", "penalty", *OF_LAYER)
        rest = {name: content[name] for name in LayerTrace.__dataclass_fields__ if name not in given}
        params = {
            key: ParameterTrace(
                **{name: fetch(f"params.{key}", each[name]) for name in OF_PARAMETER}, figures=_numbers(each["figures"])
            )
            for key, each in content["params"].items()
        }
        named: dict[str, Any] = {
            kind: {key: fetch(f"{kind}.{key}", each) for key, each in content[kind].items()}
            for kind in ("kept", "state")
        }
        arrays = {name: fetch(name, content[name]) for name in OF_LAYER}
        numbers, penalty = _numbers(content["figures"]), float(content["penalty"])
        return LayerTrace(params=params, figures=numbers, penalty=penalty, cropped=cut, **named, **arrays, **rest)

    def loss(self, content: dict[str, Any]) -> LossTrace:
        cut: dict[str, Shape] = {}
        fetch = self._fetcher(cut)
        given = ("cropped", "value", *OF_LOSS)
        rest = {name: content[name] for name in LossTrace.__dataclass_fields__ if name not in given}
        arrays = {name: fetch(name, content[name]) for name in OF_LOSS}
        return LossTrace(value=float(content["value"]), cropped=cut, **arrays, **rest)

    def _fetcher(self, cut: dict[str, Shape]) -> Callable[[str, int | None], Any]:
        """A function that looks an array up by its number, and notes its full shape in `cut` if it is only a part."""

        def fetch(name: str, number: int | None) -> NDArray | None:
            if number is None:
                return None
            if self.arrays[number].shape != self.shapes[number]:
                cut[name] = self.shapes[number]
            return self.arrays[number]

        return fetch


def _array(content: dict[str, Any]) -> NDArray:
    if content["dtype"] not in DTYPES:
        raise ValueError(f"an array has the dtype {brief(content['dtype'])}")
    dtype = np.dtype(content["dtype"])
    data = base64.b64decode(content["data"], validate=True)
    kept = tuple(map(int, content["kept"]))
    if any(length < 0 for length in kept) or math.prod(kept) * dtype.itemsize != len(data):
        raise ValueError(f"an array of shape {kept} has {len(data):,} bytes")
    if len(kept) != len(content["shape"]) or any(
        part > full for part, full in zip(kept, content["shape"], strict=True)
    ):
        raise ValueError(f"an array of shape {content['shape']} keeps {list(kept)}")
    return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype).reshape(kept)


def _numbers(content: dict[str, Any]) -> dict[str, Any]:
    return {name: float(value) if isinstance(value, str) else value for name, value in content.items()}
