"""A wrong spec is refused with the expected and the given value, and the channel reads nothing beyond its limits."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinydl.gradcheck.grading import Assignment, SpecError, Task
from tinydl.gradcheck.grading.channel import BrokenOffError, Channel, TookTooLongError
from tinydl.gradcheck.grading.spec import load


def task(**changes: Any) -> Task:
    return Task(**{"name": "Dense", "subject": "Dense(3, 4)", "inputs": [(5, 3)], **changes})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: task(name=" "), "Task ' ': name must be a string"),
        (lambda: task(subject="class Dense"), "subject must be an expression such as 'Dense(3, 4)', got 'class Dense'"),
        (lambda: task(subject=3), "subject must be a string"),
        (lambda: task(inputs=[]), "inputs must hold at least one shape or array"),
        (lambda: task(inputs=[{1, 2}]), "inputs: expected shapes, arrays and plain values"),
        (lambda: task(kind="layers"), "kind must be one of layer, function, loss, model, got 'layers'"),
        (lambda: task(points=-1), "points must be a number >= 0, got -1"),
        (lambda: task(points=float("nan")), "points must be a number >= 0, got nan"),
        (lambda: task(arrays={"W": -1}), "arrays must name arrays, with weights >= 0"),
        (lambda: task(arrays={"W": 0}), "arrays must name arrays, with weights >= 0"),
        (lambda: task(arrays=[]), "arrays must name arrays"),
        (lambda: task(arrays="W"), "arrays must be a list or a dict, got 'W'"),
        (lambda: task(reference="x @ W"), "reference must be a function, got 'x @ W'"),
        (lambda: task(hints=4), "hints must be 0, 1, 2 or 3, got 4"),
        (lambda: task(seconds=0), "seconds must be a number > 0, got 0"),
        (lambda: task(memory=10), "memory must be an integer >= 256, in MB, got 10"),
        (
            lambda: task(visibility="secret"),
            "visibility must be one of visible, hidden, after_due_date, after_published",
        ),
        (lambda: task(options={"forward": print}), "options must be plain values"),
        (lambda: Assignment("", [task()]), "title must be a string"),
        (lambda: Assignment("A", []), "tasks must be a list of Task, got []"),
        (lambda: Assignment("A", [task(), task()]), "the tasks' names must differ, got ['Dense', 'Dense']"),
        (lambda: Assignment("A", [task()], file="layers"), "file must be the name of a .py file, got 'layers'"),
        (lambda: Assignment("A", [task()], file="/layers.py"), "file must be the name of a .py file"),
        (lambda: Assignment("A", [task()], seed=-1), "seed must be an integer >= 0, got -1"),
    ],
)
def test_what_is_wrong_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        make()
    assert message in str(caught.value)


def test_defaults_come_from_the_assignment() -> None:
    own = task(hints=3, seconds=2, memory=512)
    whole = Assignment("A", [task(points=2), own.__class__(**{**vars(own), "name": "other"})], hints=0, seconds=9)
    assert [whole.hints_of(each) for each in whole.tasks] == [0, 3]
    assert [whole.seconds_of(each) for each in whole.tasks] == [9, 2]
    assert [whole.memory_of(each) for each in whole.tasks] == [2048, 512]
    assert whole.points == 3


def test_inputs_given_as_shapes_are_random_and_the_same_each_time() -> None:
    given = task(inputs=[(5, 3), (5, 3), np.array([1, 2]), 0.5])
    first, second, labels, number = given.values(seed=0)
    assert first.shape == second.shape == (5, 3)
    assert not np.array_equal(first, second)
    assert (labels.tolist(), number) == ([1, 2], 0.5)
    np.testing.assert_array_equal(given.values(0)[0], first)
    assert not np.array_equal(given.values(1)[0], first)


# --- the file ---------------------------------------------------------------------------------------------------------

GOOD = "from tinydl.gradcheck.grading import Assignment, Task\na = Assignment('A', [Task('t', 'T()', [(2, 3)])])\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n", "expected one Assignment(...) at the top level, found 0"),
        (GOOD + GOOD.replace("a = ", "b = "), "expected one Assignment(...) at the top level, found 2"),
        ("import no_such_module\n", "line 1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("\n\n1 / 0\n", "line 3: ZeroDivisionError"),
        ("def f(:\n", "SyntaxError"),
        ("raise SystemExit(0)\n", "SystemExit"),
        (GOOD.replace("'T()'", "'T('"), "Task 't': subject must be an expression"),
    ],
)
def test_a_wrong_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "spec.py").write_text(text)
    with pytest.raises(SpecError) as caught:
        load(tmp_path / "spec.py")
    assert message in str(caught.value)


def test_a_file_may_import_the_ones_beside_it_and_use_a_name_twice(tmp_path: Path) -> None:
    (tmp_path / "solutions_of_ours.py").write_text("def right(x):\n    return x\n")
    (tmp_path / "spec.py").write_text("import solutions_of_ours\n" + GOOD + "again = a\n")
    assert load(tmp_path / "spec.py").title == "A"


# --- the channel ------------------------------------------------------------------------------------------------------


@pytest.fixture
def ends() -> Iterator[tuple[Channel, socket.socket]]:
    """The checker's end, and the raw socket that a submission might write to."""
    ours, theirs = socket.socketpair()
    yield Channel(ours, time.monotonic() + 0.5), theirs
    ours.close()
    theirs.close()


def test_arrays_come_back_as_they_were(ends: tuple[Channel, socket.socket]) -> None:
    ours, theirs = ends
    arrays = {
        "f": np.arange(6.0).reshape(2, 3).T, "c": np.array([1 + 2j]), "i": np.array(3), "b": np.array([True]),
        "empty": np.zeros((0, 2), np.float32),
    }  # fmt: skip
    Channel(theirs).send({"do": "it"}, arrays)
    fields, received = ours.receive()
    assert fields == {"do": "it"}
    for name, array in arrays.items():
        np.testing.assert_array_equal(received[name], array)
        assert received[name].dtype == array.dtype
        assert received[name].flags.writeable


@pytest.mark.parametrize(
    "fields",
    [
        [], 3, {}, {"arrays": 3}, {"arrays": [["x", "|O", [1]]]}, {"arrays": [["x", "<f8", [-1]]]},
        {"arrays": [["x", "<f8", [1.5]]]}, {"arrays": [["x", "V8", [1]]]}, {"arrays": [["x", "no", [1]]]},
        {"arrays": [["x", "<f8", [10**9]]]}, {"arrays": [["x", "<f8", [10**6, 10**6]]]}, {"arrays": [["x"]]},
        {"arrays": [["x", "<f8", [1] * 70]]}, {"arrays": [["x", "<f8,<f8", [1]]]},
    ],
)  # fmt: skip
def test_what_is_no_message_breaks_off(ends: tuple[Channel, socket.socket], fields: Any) -> None:
    ours, theirs = ends
    text = json.dumps(fields).encode()
    theirs.sendall(struct.pack(">I", len(text)) + text)
    with pytest.raises(BrokenOffError, match="it sent"):
        ours.receive()


@pytest.mark.parametrize("sent", [b"", b"\0\0", b"\0\0\0\x08{", b"\0\0\0\x0d" + b'{"arrays":[]}'[:5]])
def test_a_message_that_does_not_come_to_its_end_takes_too_long(
    ends: tuple[Channel, socket.socket], sent: bytes
) -> None:
    ours, theirs = ends
    theirs.sendall(sent)
    with pytest.raises(TookTooLongError):
        ours.receive()


def test_an_end_that_is_not_read_takes_too_long(ends: tuple[Channel, socket.socket]) -> None:
    with pytest.raises(TookTooLongError):
        ends[0].send({}, {"x": np.zeros(10**6)})


def test_an_end_that_is_closed(ends: tuple[Channel, socket.socket]) -> None:
    ours, theirs = ends
    theirs.close()
    with pytest.raises(BrokenOffError, match="it ended"):
        ours.receive()
