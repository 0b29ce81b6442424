"""The page of the manual that a run writes: docs/benchmarks.md, or one for another machine, and its pictures."""

from __future__ import annotations

from pathlib import Path

from benchmarks.suite import pictures, report, scaling
from benchmarks.suite.header import machine
from benchmarks.suite.results import Run
from tinydl.files import write_whole

DOCS = Path(__file__).resolve().parents[2] / "docs"
TOP = """\
# Benchmarks on {machine}

`python -m benchmarks` wrote this page. It runs tinydl beside other libraries, each in a process of its own. All take
turns, and the speed of the machine itself is measured in the same rounds.

<!-- not run: it installs the peers, and takes most of an hour -->
```sh
.venv/bin/pip install -q -e ".[benchmarks]" && .venv/bin/python -m benchmarks {options}
```

"""
READING = """\
## How to read it

- Times are medians over the rounds. "tinydl is" gives the time of the fastest peer divided by tinydl's: the median,
  the least and the largest of the rounds. Rows below 1 are marked **lost**.
- "Of the peak" is the arithmetic of direct convolutions and products as a share of the measured rate of fused
  multiply-adds. Backward counts as two forwards, without the first layer's dx. Winograd's algorithm needs less
  arithmetic, so it may exceed 100 %. "Of bandwidth" assumes that each layer reads and writes its maps once in each
  pass; arrays in the cache exceed it.
- In the tables of all contestants, the spread is half the range from the first to the third quartile of the rounds, and
  peak memory is followed by its growth since the imports.
- All contestants of a row have the same number of parameters, which is checked, the same batches in the layout that
  suits them, and read the loss as a number after each step, except in loops over an autoencoder's rows, where this
  would slow down the peers. PyTorch uses its fused optimizers. tinydl's autoencoders run through `fit`, with
  shuffling, history, and progress bar, three epochs a fit; JAX's epoch scan does without all of these.
- SimpleChains.jl, a Julia library for small networks, is not run. [Its
  authors](https://www.julialang.org/blog/2022/04/simple-chains/) published the training of a LeNet-5 on MNIST's
  images of 28x28, at 27,000 to 28,000 images/s per core, and of a tanh network 4-32-16-4, at 41 microseconds per
  epoch of 10,000 rows on 18 cores. These are figures of other machines, and its LeNet-5 reads smaller images than the
  one below.

"""
PICTURES = {
    "training": "Speed of tinydl in training, as a multiple of each peer's",
    "others": "Speed of tinydl in single layers and predictions, as a multiple of each peer's",
    "scaling": "Time of a training step by batch, width, depth, image size and threads",
}


def write(run: Run, name: str) -> list[Path]:
    """Write the page of this name and its pictures; return their paths."""
    drawn = pictures.draw(run, DOCS / "pictures", name)
    shown = {kind: f"![{PICTURES[kind]}](pictures/{path.name})\n\n" for kind, path in drawn.items()}
    curves = scaling.text(run)
    parts = [
        TOP.format(machine=machine(run.header), options=run.header.get("options", "--docs")),
        report.head(run), "\n\n",
        shown.get("training", ""), shown.get("others", ""),
        READING, "## Each row beside its fastest peer\n\n", report.overview(run),
    ]  # fmt: skip
    if curves:
        words = (scaling.__doc__ or "").split("\n\n", 1)[1].strip()
        parts += [
            "\n## Scaling\n\n",
            f"time = a + b q, with {words}\n\n",
            shown["scaling"],
            curves,
            "\n",
        ]
    parts += ["\n## Every contestant\n\n", report.details(run)]
    page = DOCS / f"{name}.md"
    write_whole(page, ("".join(parts).rstrip() + "\n").encode())
    return [page, *drawn.values()]
