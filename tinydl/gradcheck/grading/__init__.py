"""Grade submissions: check the gradients of untrusted code, in a process of its own, for points.

    # spec.py, written by the course's staff
    from tinydl.gradcheck.grading import Assignment, Task

    assignment = Assignment("Homework 2", [
        Task("Dense", "Dense(3, 4)", inputs=[(5, 3)], points=6, arrays={"x": 2, "W": 3, "b": 1},
             reference=lambda x, W, b: x @ W + b),
    ], file="layers.py")

    python -m tinydl grade spec.py submissions/*        a table of points and the messages for the staff

The checker runs in this process and never imports a submission. A submission runs in another process (`worker.py`),
with limits on time and memory. The two exchange arrays (`channel.py`), and this process computes the verdict from these
arrays alone (`remote.py`, `judge.py`). A submission can change its own interpreter, but it passes only if the numbers
that it returns are right. docs/courses.md describes the guarantees and their limits.
"""

from __future__ import annotations

from .spec import Assignment, SpecError, Task

__all__ = ["Assignment", "SpecError", "Task"]
