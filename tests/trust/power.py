"""The power fails shortly after a save: a file system on a loop device is shut down without writing what it still holds.

The call that shuts it down is the one with which file systems test themselves. Mounted again, the disk has only what
had reached it. A save that has returned must be there, or at least the file before it, and load.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tinydl import Model
from tinydl.callbacks import Checkpoint
from tinydl.files import write_json

from .faults import _fitted
from .subjects import RUN, data, network, warm_up
from .trial import Tally, in_child

SHUT_DOWN, WITHOUT_LOG = 0x8004587D, 2  # _IOR('X', 125, __u32): EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN and others
# The journal is written every second, and data, without the automatic flush at a rename, much later: the gap is wide.
SYSTEMS = {
    "ext4": ("mkfs.ext4 -q -F", "loop,noauto_da_alloc,commit=1"),
    "ext4 as usual": ("mkfs.ext4 -q -F", "loop"),
    "xfs": ("mkfs.xfs -q -f", "loop"),
    "btrfs": ("mkfs.btrfs -q -f", "loop,commit=1"),
}


def _save_over(folder: Path) -> None:
    model = _fitted(2)
    model.save(folder / "model.safetensors")


def _train(folder: Path) -> None:
    model = network()
    x, y = data()
    keep = Checkpoint(folder / RUN, every_epochs=1, keep=2)
    model.fit(x, y, epochs=3, verbose=0, callbacks=[keep], resume=folder / RUN)


def _report(folder: Path) -> None:
    write_json(folder / "report.json", {"version": 2, "rows": list(range(100_000))})


def _loads_all(folder: Path) -> str:
    files = [path for path in folder.iterdir() if path.is_file() and path.suffix != ".part"]
    for path in files:
        if path.stat().st_size == 0:
            return f"{path.name} is empty"
        if path.suffix != ".json":
            Model.load(path).predict(data()[0])
    return "" if files else "nothing is left"


ACTS: dict[str, Callable[[Path], Any]] = {
    "a model over an older one": _save_over, "a new model": _save_over, "a checkpoint": _train, "a report": _report,
}  # fmt: skip


def _cut(system: str, act: str, wait: float) -> str:
    """Make one power cut; return what is wrong with the files afterwards."""
    make, options = SYSTEMS[system]
    with tempfile.TemporaryDirectory() as temporary:
        image, mounted = Path(temporary, "disk"), Path(temporary, "mounted")
        mounted.mkdir()
        with image.open("wb") as file:
            file.truncate(400 << 20)
        subprocess.run([*make.split(), str(image)], check=True, capture_output=True)
        mount = ["mount", "-o", options, str(image), str(mounted)]
        subprocess.run(mount, check=True, capture_output=True)
        try:
            folder = mounted / "run"
            folder.mkdir()
            if act != "a new model":
                _fitted(1).save(folder / "model.safetensors")
            subprocess.run(["sync", "-f", str(mounted)], check=True)
            ending = in_child(partial(ACTS[act], folder))
            time.sleep(wait)
            descriptor = os.open(mounted, os.O_RDONLY)
            fcntl.ioctl(descriptor, SHUT_DOWN, struct.pack("I", WITHOUT_LOG))
            os.close(descriptor)
        finally:
            subprocess.run(["umount", str(mounted)], check=True, capture_output=True)
        subprocess.run(mount, check=True, capture_output=True)
        try:
            found = in_child(partial(_loads_all, folder))
        finally:
            subprocess.run(["umount", str(mounted)], check=True, capture_output=True)
    return str(ending.trouble or found.trouble or found.answer)


def unavailable() -> str:
    """Why no power can be cut here, "" if it can."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return "needs root"
    if not os.path.exists("/dev/loop-control") or shutil.which("mkfs.ext4") is None:
        return "needs loop devices and mkfs.ext4"
    with tempfile.TemporaryDirectory() as temporary:
        image, mounted = Path(temporary, "disk"), Path(temporary, "mounted")
        mounted.mkdir()
        with image.open("wb") as file:
            file.truncate(16 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True, capture_output=True)
        if subprocess.run(
            ["mount", "-o", "loop", str(image), str(mounted)], check=False, capture_output=True
        ).returncode:
            return "loop devices cannot be mounted here"
        subprocess.run(["umount", str(mounted)], check=True, capture_output=True)
    return ""


def cuts(number: int, seed: int) -> Tally:
    """`number` power cuts, on every file system whose tools are installed, 0 to 3 seconds after a save."""
    warm_up()
    tally, rng = Tally(skipped=unavailable()), random.Random(f"power {seed}")
    if tally.skipped:
        return tally
    systems = [name for name, (make, _) in SYSTEMS.items() if shutil.which(make.split()[0])]
    tally.note = ", ".join(systems)
    for attack in range(number):
        act = list(ACTS)[attack % len(ACTS)]
        system = systems[attack // len(ACTS) % len(systems)]
        wait = rng.choice((0.0, 2.2, 2.6))
        tally.count(f"{act}, {system}, {wait} s later", _cut(system, act, wait))
    return tally
