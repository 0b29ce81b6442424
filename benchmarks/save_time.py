"""Time saving a model of 40 MB against writing and syncing as many bytes.

    python -m benchmarks.save_time [--megabytes 40] [--rounds 30] [--folder FOLDER]

A save checks that all numbers are finite, computes checksums, writes a temporary file, syncs it, renames it over the
old file and syncs the folder. The baseline writes the bytes of the saved file to a new file, syncs it and renames it
over an old one. Both take turns in the same folder (default: the current one). A save without the syncs, and a load,
are timed beside them. On a busy machine other processes slow the save more than the baseline, which mostly waits for
the disk; real-time priority keeps them away (chrt -f 10 python -m benchmarks.save_time, as root).
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from unittest import mock

from benchmarks.side_by_side import machine, table, take_turns
from tinydl import Model
from tinydl.layers import Dense


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=40)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--folder", type=Path, default=Path())
    args = parser.parse_args()
    width = round((args.megabytes * 1e6 / 4 / 4) ** 0.5)
    model = Model([Dense(width) for _ in range(4)], width)
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        saved, plain = Path(name) / "saved", Path(name) / "plain"
        model.save(saved)
        content = saved.read_bytes()

        def write_and_sync() -> None:
            new = plain.with_name("new")
            with new.open("wb", buffering=0) as file:
                file.write(content)
                os.fsync(file.fileno())
            os.replace(new, plain)

        def save_without_syncs() -> None:
            with mock.patch("os.fsync"):
                model.save(saved)

        seconds = take_turns(
            {
                "write and sync the same bytes": write_and_sync,
                "model.save": lambda: model.save(saved),
                "model.save, syncs left out": save_without_syncs,
                "Model.load": lambda: Model.load(saved),
            },
            args.rounds,
        )
    print(machine())
    print(f"{len(content) / 1e6:.1f} MB in {args.folder.resolve()}, {args.rounds} rounds")
    print(table(seconds, "ms", 1e3, "write and sync the same bytes"))
    plain_seconds, our_seconds = seconds["write and sync the same bytes"], seconds["model.save"]
    for words, of in (("medians", statistics.median), ("fastest rounds", min)):  # other processes slow the median
        print(f"{words}: a save costs {of(our_seconds) / of(plain_seconds):.2f} times as much (target: at most 1.5)")


if __name__ == "__main__":
    main()
