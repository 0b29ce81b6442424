"""All kinds of attacks: what is done, how often at full count and in the sample of the test suite, and by what."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from . import determinism, faults, hostile, interrupts, kills, leaks, mutated, parallel, power
from .examples import killed as killed_examples
from .trial import Tally


class Attacks(NamedTuple):
    """One kind of attack, called with the number of attacks and a seed."""

    what: str
    holds: str
    full: int
    sample: int  # 0: left to the benchmark
    make: Callable[[int, int], Tally]


KINDS: dict[str, Attacks] = {
    "kills": Attacks(
        "training killed at random moments", "resumes to the bits of the uninterrupted run", 200, 6, kills.at_random),
    "operations": Attacks(
        "training killed at its file operations", "resumes to the same bits", 300, 6, faults.killed),
    "examples": Attacks(
        "examples killed at random moments", "--resume gives the same files", 60, 0, killed_examples),
    "faults": Attacks(
        "failing writes, full disks, kills while saving", "the former file or the new one loads; no log ends a run",
        500, 18, faults.injected),
    "power": Attacks(
        "power cuts after a save", "what was saved loads", 12, 0, power.cuts),
    "files": Attacks(
        "damaged files of ten kinds", "a correct load or one clear error, within 1 GB and 10 s", 10_000, 400,
        mutated.files),
    "flips": Attacks(
        "single bits flipped in arrays", "noticed, and the array named", 1_000, 40, mutated.flips_in_arrays),
    "headers": Attacks(
        "single bits flipped before the arrays", "noticed", 50_000, 100, mutated.flips_in_headers),  # all bits
    "pickles": Attacks("hostile pickles", "refused, and nothing runs", 1_640, 200, hostile.pickles),
    "bombs": Attacks(
        "small files that claim to be huge", "a correct load or one clear error, within 1 GB and 10 s", 1_000, 10,
        hostile.bombs),
    "interrupts": Attacks(
        "Ctrl-C at a line", "files, BLAS threads, backward and a further fit as if nothing had been", 19_000, 60,
        interrupts.at_lines),
    "twice": Attacks(
        "Ctrl-C twice", "files are whole, BLAS has its threads", 4_000, 30, interrupts.twice),
    "parallel": Attacks(
        "threads, forks, spawned processes and loky at the same time", "the results are those of work done alone",
        3_380, 28, parallel.together),
    "determinism": Attacks(
        "variations of one training run", "the same bits", 36, 8, determinism.same_bits),
    "leaks": Attacks(
        "repetitions", "no more memory, open files, threads or files on disk", 37_000, 260, leaks.cycles),
}  # fmt: skip
