"""Submissions that try to pass without a right backward fail, within their limits, and leave valid results."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.gradcheck.grading import schemas
from tests.gradcheck.grading.hostile import HOSTILE, RIGHT

pytestmark = [
    pytest.mark.slow,  # some submissions use up their time
    pytest.mark.skipif(sys.platform != "linux", reason="the submissions look for their prey in /proc"),
]
SECONDS = {"spec.py": 5.0, "late.py": 3.0}  # the second is for the submissions that use up their time
SPEC = """
from tinydl.gradcheck.grading import Assignment, Task

assignment = Assignment("Hostile", [
    Task("Dense", "Dense(3, 4)", [(5, 3)], points=6, arrays={"x": 2, "W": 3, "b": 1}, forbid_numeric=True,
         reference=lambda x, W, b: x @ W + b),
], file="layers.py", seconds=SECONDS, memory=1024, hints=2)
"""
LIMITED = {
    "endless_at_import", "endless_in_forward", "sleeps_in_backward", "catches_everything", "claims_an_endless_message",
}  # fmt: skip
REASONS = {
    "exits_at_import": "the import failed: SystemExit",
    "exits_hard_at_import": "the import broke off: its process ended with exit code 0",
    "exits_hard_in_forward": "the check broke off: its process ended with exit code 0",
    "exits_in_backward": "the check failed: SystemExit",
    "is_another_layer": "forward is wrong in 20 of 20 entries",
    "is_the_identity": "no array named W, b on which forward depends was found, only x",
    "hides_its_parameters": "no array named W, b on which forward depends was found, only x",
    "memory_bomb": "MemoryError",
    "memory_bomb_at_import": "the import failed: MemoryError",
    "syntax_error": "the import failed: SyntaxError: expected ':' (layers.py, line 2)",
    "missing_class": "the check failed: NameError: name 'Dense' is not defined",
    "raises_at_import": "the import failed: RuntimeError: no",
    "numeric": "this task forbids: one backward calls forward 62 times",
    "answers_for_the_worker": "the submission's process found x, W, b right, the verification did not",
    "writes_garbage_to_the_channel": "it sent a message of",
    "nests_its_answer_deeply": "it sent something other than a message",
}
COMMAND = [sys.executable, "-m", "tinydl", "grade"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    for spec, seconds in SECONDS.items():
        (folder / spec).write_text(SPEC.replace("SECONDS", str(seconds)))
    for name, text in {**HOSTILE, "zz_right": RIGHT, "zz_right_too": RIGHT}.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def run(
    folder: Path, names: list[str], form: str, output: str, spec: str = "spec.py"
) -> subprocess.CompletedProcess[str]:
    files = [f"{name}.py" for name in names]
    return subprocess.run(
        [*COMMAND, spec, *files, "--format", form, "--output", output], cwd=folder, capture_output=True, text=True,
        check=False, timeout=300, env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def graded(folder: Path) -> dict[str, Any]:
    """The task of each submission, from two commands at the same time."""
    quick = [name for name in (*HOSTILE, "zz_right") if name not in LIMITED]
    with ThreadPoolExecutor(2) as pool:
        commands = [
            pool.submit(run, folder, quick, "json", "results.json"),
            pool.submit(run, folder, [*sorted(LIMITED), "zz_right_too"], "json", "late.json", "late.py"),
        ]
    for command in commands:
        done = command.result()
        assert done.returncode == 1, done.stderr
        assert done.stderr == ""
    time.sleep(0.3)  # a process that is still alive would now overwrite the results
    documents = [schemas.own((folder / name).read_text()) for name in ("results.json", "late.json")]
    submissions = [each for document in documents for each in document["submissions"]]
    return {Path(each["submission"]).stem: each["tasks"][0] for each in submissions}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_submission_gets_nothing(graded: dict[str, Any], name: str) -> None:
    task = graded[name]
    assert (task["passed"], task["score"]) == (False, 0)
    seconds = SECONDS["late.py" if name in LIMITED else "spec.py"]
    assert task["seconds"] < seconds + 10  # starting and killing a process takes time on a busy machine
    if name in LIMITED:
        assert f"took longer than {seconds:g} s" in task["message"]
    assert REASONS.get(name, "") in task["message"]


@pytest.mark.parametrize("name", ["zz_right", "zz_right_too"])
def test_a_right_submission_after_them_gets_all(graded: dict[str, Any], name: str) -> None:
    assert (graded[name]["score"], graded[name]["status"]) == (6, "passed")


def processes() -> list[tuple[bytes, bytes]]:
    """The command and the environment of every process that can be read."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or it is somebody else's
            found.append(((process / "cmdline").read_bytes(), (process / "environ").read_bytes()))
    return found


def test_no_process_and_no_folder_is_left_behind(graded: dict[str, Any], folder: Path) -> None:
    ours = b"TMPDIR=" + os.fsencode(folder)  # other tests may be grading at the same time
    assert not [command for command, _ in processes() if b"left-behind-by-a-submission" in command]
    assert not [command for command, variables in processes() if b"grading.worker" in command and ours in variables]
    assert not list(folder.glob("grade-*"))


def test_what_a_submission_prints_is_kept_and_cut(graded: dict[str, Any]) -> None:
    assert '"passed": true' in graded["prints_forged_rows"]["printed"]
    assert 0 < len(graded["prints_without_end"]["printed"]) <= 4000


@pytest.mark.parametrize(("form", "parse"), [("gradescope", schemas.gradescope), ("junit", schemas.junit)])
def test_the_other_formats_stay_valid(folder: Path, form: str, parse: Any) -> None:
    for name in ("overwrites_them_from_a_process_left_behind", "prints_forged_rows", "exits_hard_at_import"):
        assert run(folder, [name], form, "results").returncode == 1
        time.sleep(0.1)
        parse((folder / "results").read_text())


def test_a_submission_that_kills_the_grader_leaves_valid_results_without_points(folder: Path) -> None:
    (folder / "murder.py").write_text("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n" + RIGHT)
    assert run(folder, ["murder"], "gradescope", "killed.json").returncode == -9
    document = schemas.gradescope((folder / "killed.json").read_text())
    assert (document["score"], document["tests"][0]["output"]) == (0, "not graded")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user")
def test_as_another_user_it_cannot_kill_the_grader(folder: Path) -> None:
    text = (
        "import os\nprint(os.getuid())\ntry:\n    os.kill(os.getppid(), 9)\nexcept PermissionError:\n    print('no')\n"
    )
    (folder / "murder_as_nobody.py").write_text(text + RIGHT)
    command = [*COMMAND, "spec.py", "murder_as_nobody.py", "--user", "nobody", "--format", "json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    task = schemas.own(done.stdout)["submissions"][0]["tasks"][0]
    assert (task["status"], done.returncode) == ("passed", 0), task["message"]
    assert task["printed"].split()[1:] == ["no"]
    assert int(task["printed"].split()[0]) != 0
