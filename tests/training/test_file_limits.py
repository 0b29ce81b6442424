"""Small files that ask for much: each is refused at once, in little memory."""

from __future__ import annotations

import json
import struct
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tinydl import Model
from tinydl.layers import BatchNorm, Conv2D, Dense, Flatten, Layer, LayerNorm, ReLU, Sequential
from tinydl.layers.containers import LONGEST_NAME
from tinydl.layers.sharing import DEEPEST, MOST_PLACES
from tinydl.training import file_limits

SMALL = {"dense_1.W": np.zeros((4, 2), np.float32), "dense_1.b": np.zeros(2, np.float32)}


def config(kind: str, name: str = "dense_1", **arguments: Any) -> dict[str, Any]:
    return {"layer": kind, "name": name, "arguments": arguments}


def written(
    folder: Path, layers: Any, input_shape: Any = (4,), arrays: Any = SMALL, text: str | None = None, **more: Any
) -> Path:
    content = {"format": 1, "model": "m", "input_shape": input_shape, "seed": 0, "dtype": "float32", "layers": layers}
    save_file(arrays, folder / "m", {"tinydl": text or json.dumps({**content, "compiled": None, **more})})
    return folder / "m"


@contextmanager
def little(megabytes: float = 100, seconds: float = 5) -> Iterator[None]:
    """Fail if the block takes more memory or time."""
    tracemalloc.start()
    start = time.perf_counter()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1e6
        assert time.perf_counter() - start < seconds
    finally:
        tracemalloc.stop()


def nested(levels: int, times: int) -> dict[str, Any]:
    """A composite that holds another one several times, and so on."""
    inner = config("Sequential", "s", layers=[config("ReLU", "r")])
    for level in range(1, levels + 1):
        again: list[Any] = [{"same_as": level}] * (times - 1)
        inner = config("Sequential", f"s{level}", layers=[inner, *again])
    return inner


@pytest.mark.parametrize(
    ("layer", "input_shape", "array"),
    [
        (config("Dense", units=200_000_000), [4], "W"),
        (config("Dense", units=10**30), [4], "W"),
        (config("Dense", units=2, use_bias=False), [10**9], "W"),
        (config("Conv2D", filters=10**9, kernel_size=1), [8, 8, 3], "W"),
        (config("Conv2D", filters=1, kernel_size=[10**5, 10**5], padding=10**5), [8, 8, 3], "W"),
        (config("BatchNorm"), [10**9], "gamma"),
        (config("LayerNorm"), [10**9], "gamma"),
        (config("AuxiliaryHead", head=config("Dense", units=10**9)), [4], "W"),
        (config("Branches", branches=[config("Dense", "a", units=10**8)]), [4], "W"),
        (config("Residual", body=config("Dense", "a", units=4), shortcut=config("Dense", "b", units=10**9)), [4], "W"),
        ({**config("Dense", units=200_000_000), "name": None}, [4], "W"),
    ],
)
def test_shapes_are_compared_with_the_file_before_arrays_are_created(
    layer: Any, input_shape: list[int], array: str, tmp_path: Path
) -> None:
    path = written(tmp_path, [layer], input_shape)
    with (
        little(),
        pytest.raises(ValueError, match=rf"architecture cannot be built: .* {array} must have shape .*, got"),
    ):
        Model.load(path)


@pytest.mark.parametrize(
    "layers",
    [[nested(30, 4)], [nested(60, 2)], [config("ReLU", f"r{k}") for k in range(MOST_PLACES + 1)],
     [config("ReLU", "r"), *[{"same_as": 0}] * MOST_PLACES]],
)  # fmt: skip
def test_layers_are_counted_before_they_are_visited(layers: Any, tmp_path: Path) -> None:
    path = written(tmp_path, layers)
    with (
        little(),
        pytest.raises(ValueError, match=r"a model must have at most 10,000 layers, got .*counts once for each"),
    ):
        Model.load(path)


def test_nesting_is_limited_for_all_models(tmp_path: Path) -> None:
    def chain(depth: int) -> Layer:
        layer: Layer = Dense(2)
        for _ in range(depth - 1):
            layer = Sequential([layer])
        return layer

    model = Model([chain(DEEPEST - 1)], 4)  # the model's own chain is one level
    model.save(tmp_path / "m")
    assert np.array_equal(Model.load(tmp_path / "m").parameters, model.parameters)
    for depth in (DEEPEST, 5_000):
        with pytest.raises(
            ValueError, match=r"^Model: layers must be nested at most 64 deep, got (Dense|Sequential) below that"
        ):
            Model([chain(depth)], 4)


def test_names_are_limited_since_they_stand_in_the_name_of_every_array() -> None:
    Model([Dense(2, name="n" * LONGEST_NAME)], 4)
    with pytest.raises(ValueError, match="a layer's name must have at most 128 characters, got 129: 'nnn"):
        Model([Dense(2, name="n" * (LONGEST_NAME + 1))], 4)


def test_a_shared_layer_may_not_draw_its_weights_without_end(tmp_path: Path) -> None:
    arrays = {"dense_1.W": np.zeros((500, 500), np.float32), "dense_1.b": np.zeros(500, np.float32)}
    path = written(tmp_path, [config("Dense", units=500), *[{"same_as": 0}] * 5_000], [500], arrays)
    with little(), pytest.raises(ValueError, match=r"at most .* weights, counted for each place, got"):
        Model.load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 300_000, "at most 262,144 objects and arrays, got 300,000"),
        ("[" * 200_000, "maximum recursion depth"),
        ('{"format": 1' + "0" * 100_000 + "}", "Exceeds the limit"),
        ("x" * file_limits.LONGEST_HEADER, "its header must have at most 16,777,216 bytes, got 16,777,"),
    ],
)
def test_the_json_text_is_limited(text: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, None, text=text)
    with little(seconds=10), pytest.raises(ValueError, match=message):
        Model.load(path)


@pytest.mark.parametrize("start", ["[", '{"a": '])
def test_descriptions_nested_too_deep_are_refused_by_all_readers(start: str, tmp_path: Path) -> None:
    layers = start * 700 + "1" + ("]" if start == "[" else "}") * 700
    path = written(tmp_path, None, text='{"format": 1, "training": {}, "layers": ' + layers + "}")
    model = Model([Dense(2)], 4)
    model.compile("sgd", "mse")
    for read in (Model.load, model.load_weights, model.load_checkpoint):
        with pytest.raises(
            ValueError, match=r"m: (its architecture cannot be built|expected a file with this model's)"
        ):
            read(path)


@pytest.mark.parametrize("layers", [5, {}, [[]], ["Dense"], [None], [{"layer": "Dense"}], [{"same_as": 7}]])
def test_other_things_than_layers_are_refused(layers: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"m: its architecture cannot be built: "):
        Model.load(written(tmp_path, layers))


def test_a_large_file_of_holes_is_refused(tmp_path: Path) -> None:
    columns = 10**8
    layers = json.dumps({"format": 1, "model": "m", "input_shape": [4], "seed": 0, "dtype": "float32",
                         "layers": [config("Dense", units=columns, use_bias=False)], "compiled": None})  # fmt: skip
    array = {"dtype": "F32", "shape": [4, columns], "data_offsets": [0, 16 * columns]}
    header = json.dumps({"__metadata__": {"tinydl": layers}, "dense_1.W": array}).encode()
    with (tmp_path / "m").open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + 16 * columns)
    if (tmp_path / "m").stat().st_blocks * 512 > file_limits.SPARSE_FROM:
        pytest.skip("this file system has no sparse files")
    with (
        little(),
        pytest.raises(ValueError, match=r"expected a file that save wrote, got a sparse one: .* on the disk"),
    ):
        Model.load(tmp_path / "m")


def test_limits_leave_no_trace_in_a_loaded_model(tmp_path: Path) -> None:
    shared = Dense(8)
    layers = [Conv2D(2, 3), BatchNorm(), Flatten(), LayerNorm(), Sequential([shared, ReLU(), shared])]
    model = Model(layers, (4, 4, 1))
    model.save(tmp_path / "m")
    loaded = Model.load(tmp_path / "m")
    assert all("stored" not in vars(layer) for layer in loaded.root.walk())
    assert np.array_equal(loaded.parameters, model.parameters)
    x = np.ones((2, 4, 4, 1), np.float32)
    assert np.array_equal(loaded.predict(x), model.predict(x))


def test_many_layers_are_built_and_loaded_in_seconds(tmp_path: Path) -> None:
    with little(seconds=60):
        Model([ReLU() for _ in range(500)], 4).save(tmp_path / "m")
        assert len(Model.load(tmp_path / "m").layers) == 500


def test_escape_sequences_in_a_file_do_not_reach_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    lost = {"metrics": [], "strict_metrics": False, "iterations": 0, "lost": ["\x1b[31mred"], "lost_metrics": []}
    layer = config("Dense", "\x1b[31mred", units=2)
    arrays = {"\x1b[31mred.W": SMALL["dense_1.W"], "\x1b[31mred.b": SMALL["dense_1.b"]}
    path = written(tmp_path, [layer], arrays=arrays, compiled=lost, model="\x1b[31mred")
    with pytest.warns(UserWarning, match=r"so \\x1b\[31mred could not be restored"):
        model = Model.load(path)
    model.summary()
    with pytest.raises(ValueError, match=r"^\\x1b\[31mred\(x\): x must"):
        model(np.zeros((1, 3)))
    assert "\x1b" not in repr(model) + capsys.readouterr().out
