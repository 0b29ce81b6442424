"""Buffers are reused, but never while any array that uses them is alive."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tinydl.kernels.machine import memory
from tinydl.layers import Conv2D, MaxPool2D

MEGA = 1 << 20


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    memory.release()
    yield
    memory.release()


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (7,), (2, 3, 4, 5), (33, 1, 300, 41), (MEGA + 3,)])
def test_it_is_an_array_like_any_other(shape: tuple[int, ...]) -> None:
    dtypes: list[Any] = [np.float32, np.float64, np.uint16, "float32", np.dtype("f8")]
    for dtype in [*dtypes, *dtypes]:  # first fresh, then reused
        array = memory.empty(shape, dtype)
        assert (array.shape, array.dtype) == (shape, np.dtype(dtype))
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.flags.aligned
        array[...] = 1
        assert array.sum(dtype=np.float64) == array.size
        del array


def test_a_block_that_nobody_sees_any_more_is_used_again() -> None:
    first = memory.empty((500, 600), np.float32)
    there = address(first)
    del first
    again = memory.empty((600, 500), np.float32)
    assert address(again) == there
    another = memory.empty((600, 500), np.float32)
    assert address(another) != there
    assert not np.shares_memory(again, another)


def test_an_array_a_little_smaller_fits_and_one_much_smaller_does_not_take_the_room() -> None:
    first = memory.empty((4 * MEGA,), np.uint8)
    there = address(first)
    del first
    assert address(memory.empty((4 * MEGA - 1000,), np.uint8)) == there
    assert address(memory.empty((MEGA,), np.uint8)) != there
    assert address(memory.empty((4 * MEGA,), np.uint8)) == there  # the smaller array has not split the block


# Ways to keep a reference to the memory of an array `a` after `a` itself is deleted.
HOLDS: dict[str, Callable[[np.ndarray], Any]] = {
    "a view": lambda a: a[1:],
    "a view of a view": lambda a: a[1:].T[::2],
    "one entry's view": lambda a: a[3:4, 5:6],
    "a reshaped view": lambda a: a.reshape(-1)[7:],
    "another dtype": lambda a: a.view(np.uint8)[::3],
    "a read-only view": lambda a: np.broadcast_to(a[:1], a.shape),
    "asarray": np.asarray,
    "a memoryview": memoryview,
    "an array from its buffer": lambda a: np.frombuffer(a.data, a.dtype),
    "strided by hand": lambda a: np.lib.stride_tricks.sliding_window_view(a, (2, 2)),
    "in a list": lambda a: [[a]],
    "in an array of objects": lambda a: np.array([a, None], dtype=object),
    "in a closure": lambda a: lambda: a,
    "its iterator": lambda a: a.flat,
    "its rows' generator": lambda a: (row for row in a),
    "an exception's frame": lambda a: _raised(a),
}


def _raised(array: np.ndarray) -> Exception:
    try:
        raise ValueError
    except ValueError as error:
        return error


@pytest.mark.parametrize("how", HOLDS)
def test_what_is_seen_in_any_way_is_not_given_out_again(how: str) -> None:
    array = memory.empty((600, 500), np.float32)
    array[...] = 1
    there = address(array)
    held = HOLDS[how](array)
    del array
    others = [memory.empty((600, 500), np.float32) for _ in range(4)]
    assert there not in [address(other) for other in others]
    for other in others:
        other[...] = 2
    memory.release()
    assert address(memory.empty((600, 500), np.float32)) != there
    del held, other, others
    seen = [memory.empty((600, 500), np.float32) for _ in range(5)]
    assert there in [address(array) for array in seen]


def test_a_random_life_of_arrays() -> None:
    """Each array keeps its values as long as a reference to any part of it exists."""
    rng = np.random.default_rng(0)
    holds = [HOLDS[name] for name in ("a view", "a view of a view", "a reshaped view", "asarray", "one entry's view")]
    alive: list[tuple[int, np.ndarray]] = []
    for number in range(400):
        rows = int(rng.choice([500, 520, 600, 700]))
        array = memory.empty((rows, 600), np.float32)
        array[...] = number
        alive.append((number, holds[number % len(holds)](array)))
        del array
        while len(alive) > rng.integers(1, 9):
            alive.pop(int(rng.integers(len(alive))))
        if number % 50 == 0:
            memory.release()
        for wanted, view in alive:
            assert view.flat[0] == view.flat[-1] == wanted
    for wanted, view in alive:
        assert (view == wanted).all()


def test_threads_get_arrays_of_their_own() -> None:
    def life(thread: int) -> bool:
        rng = np.random.default_rng(thread)
        held: list[tuple[int, np.ndarray]] = []
        for number in range(60):
            array = memory.empty((600, 500 + 10 * int(rng.integers(3))), np.float32)
            array[...] = 1000 * thread + number
            held.append((1000 * thread + number, array[::7].T))
            del array
            if len(held) > 2:
                held.pop(int(rng.integers(3)))
            if number % 20 == 0:
                memory.release()
            if not all((view == wanted).all() for wanted, view in held):
                return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(life, range(6)))


def traced() -> int:
    return tracemalloc.get_traced_memory()[0]


def test_release_gives_back_what_lies_free_and_nothing_else() -> None:
    tracemalloc.start()
    try:
        start = traced()
        held = memory.empty((2 * MEGA,), np.uint8)
        held[...] = 7
        free = [memory.empty((3 * MEGA,), np.uint8) for _ in range(3)]
        assert traced() - start >= 11 * MEGA
        del free
        assert traced() - start >= 11 * MEGA  # kept for reuse
        memory.release()
        assert 2 * MEGA <= traced() - start < 3 * MEGA
        assert (held == 7).all()
        there = address(held)
        del held
        assert address(memory.empty((2 * MEGA,), np.uint8)) == there  # deleting `held` freed its block for reuse
        memory.release()
        assert traced() - start < MEGA
    finally:
        tracemalloc.stop()


def test_what_lies_free_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """`KEPT` limits free memory: blocks of sizes used only once must not pile up until the process ends."""
    monkeypatch.setattr(memory, "KEPT", 8 * MEGA)
    tracemalloc.start()
    try:
        start = traced()
        for number in range(2, 10):
            memory.empty((number * 2 * MEGA,), np.uint8)
        assert traced() - start <= 8 * MEGA + 18 * MEGA  # KEPT plus the last block, which was still in use
    finally:
        tracemalloc.stop()


def test_outputs_and_gradients_of_layers_stay_what_they_were() -> None:
    """Layers return arrays that use these buffers, and keep some of them until the next forward pass."""
    rng = np.random.default_rng(0)
    layers = [Conv2D(8, 3, padding="same", activation="relu"), MaxPool2D(2), Conv2D(8, 1)]
    shape: tuple[int, ...] = (64, 64, 3)
    for layer in layers:
        shape = layer.build(shape, np.random.default_rng(1), np.float32)
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    for _ in range(3):
        x = rng.standard_normal((17, 64, 64, 3)).astype(np.float32)
        outputs = [x]
        for layer in layers:
            outputs.append(layer.forward(outputs[-1], training=True))
        dy = outputs[-1]
        for layer in reversed(layers):
            dy = layer.backward(dy)
            outputs.append(dy)
        seen += [(array, array.copy()) for array in outputs]
        memory.release()
    for array, before in seen:
        np.testing.assert_array_equal(array, before)
