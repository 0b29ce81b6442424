"""What all tests share: the order of the files, the number of threads, and one thread for NumPy's BLAS.

With --dist loadfile, pytest-xdist gives a file as a whole to one of its processes. A long file that starts last keeps
the other processes waiting, so the files that take longest start first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from threadpoolctl import ThreadpoolController

import tinydl

FIRST = [
    "commands/test_warmup.py",  # compiles kernels that all tests need, while the next two files need none
    "commands/test_mutants.py",
    "gradcheck/test_diagnosis.py",
    "proofs/test_gradients.py",
    "proofs/test_mutants.py",
    "test_manual.py",
    "proofs/test_properties.py",
    "trust/test_trust.py",
    "study/test_doctor.py",
    "examples/test_cifar.py",
    "examples/fraud/test_scripts.py",
    "examples/lessons/test_lessons.py",
    "kernels/convolution/test_ways.py",
    "kernels/machine/test_cache.py",
    "gradcheck/grading/test_hostile.py",
    "test_threads.py",
    "study/test_trace.py",
    "gradcheck/grading/test_grade.py",
    "gradcheck/test_check.py",
    "gradcheck/strangers/test_corpus.py",
]
ABOUT_THREADS = {"test_threads.py", "test_interrupts.py", "test_trust.py"}  # they prove that BLAS gets its threads back


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config.option, "loadscopereorder"):  # by default, the files with the most tests start first
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {f"tests/{file}": place for place, file in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.nodeid.partition("::")[0], len(rank)))


@pytest.fixture(autouse=True)
def as_many_threads_as_before() -> Iterator[None]:
    """No test leaves another number of threads to the next: sums in float32 would depend on the order of the tests."""
    before = tinydl.num_threads()
    yield
    if tinydl.num_threads() != before:  # (setting it starts new threads)
        tinydl.set_num_threads(before)


@pytest.fixture(scope="module", autouse=True)
def one_blas_thread(request: pytest.FixtureRequest) -> Iterator[None]:
    """BLAS's threads wait for one another in a busy loop: with two test processes on two cores, a small product takes
    up to a hundred times as long with two threads as with one."""
    about_threads = request.path.name in ABOUT_THREADS
    with nullcontext() if about_threads else ThreadpoolController().limit(limits=1, user_api="blas"):
        yield
