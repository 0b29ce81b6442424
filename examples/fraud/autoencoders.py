"""Six autoencoders, PCA and an isolation forest look for fraud among card payments without training on labels.

An autoencoder learns to reproduce normal rows; rows that it reproduces badly are suspicious. Five autoencoders are from
the book (Liu & Mehta 2019) and wider than a row; the sixth has a bottleneck. Without arguments the script trains them
on generated transactions, as many as in the real data (284,807 rows, 492 frauds), and compares all detectors on the
same rows:

    python examples/fraud/autoencoders.py
    python examples/fraud/autoencoders.py --data creditcard.csv --seeds 5      # the real data
    python examples/fraud/autoencoders.py --model vanilla --quick              # a trial in a few seconds
    python examples/fraud/autoencoders.py --resume                             # continue a run that was stopped

--protocol selects how the rows are divided:
    honest   separate training, validation and test rows, the scaler fitted to training rows, the best epoch by
             validation loss restored, the threshold chosen on labeled calibration rows (the default)
    book     as in Liu & Mehta 2019, faults included: scaling before the split, all frauds in the test rows, validation
             on the test rows, no rows left for the choice of a threshold
    both     one after the other

Written to --out: report.json, table.md, words.txt, pictures (of the honest protocol, if it is run), models as
safetensors, checkpoints, from which --resume continues, and TensorBoard logs if tensorboardX is installed.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from album import draw
from baselines import BASELINES
from generator import generate
from pretraining import pretrain
from recipes import RECIPES
from report import summarise
from run import Run, divide
from splits import honest_split
from table import table
from training import Options, train
from words import in_words

from tinydl.datasets import creditcard
from tinydl.files import write_json, write_whole


def detect(name: str, protocol: str, seed: int, data: creditcard.Transactions, options: Options) -> Run:
    """Train and evaluate one detector: an autoencoder or one of the baselines."""
    if name in RECIPES:
        return train(name, protocol, seed, data, options)
    print(f"{protocol} protocol, {name}, seed {seed}", flush=True)
    split = divide(data, protocol, seed, drop_duplicates=options.drop_duplicates)
    return BASELINES[name](data, split, seed)


def write(result: dict[str, Any], out: Path) -> None:
    """Write report.json and table.md; called after every run, so that no result is lost."""
    write_json(out / "report.json", result)
    write_whole(out / "table.md", f"{table(result)}\n".encode())


def named(text: str) -> str:
    """The path in an option; an empty one, as from an unset variable, would mean the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a path, got ''")
    return text


def folder(text: str) -> Path:
    return Path(named(text))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = sorted({name.split(",")[0] for name in RECIPES})
    parser.add_argument("--model", choices=[*kinds, "all"], default="all", help="which autoencoder (default: all)")
    parser.add_argument(
        "--data", nargs="?", const=True, type=named, metavar="PATH",
        help="the real creditcard.csv, plain or gzip, or its folder; without PATH, the folder that TINYDL_DATA names "
        "(default: generated transactions)",
    )  # fmt: skip
    parser.add_argument("--download", action="store_true", help="with --data: get missing data from OpenML")
    parser.add_argument("--protocol", choices=["honest", "book", "both"], default="honest")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--epochs", type=int, help="epochs for every model (default: the book's, 30 or 50)")
    length.add_argument(
        "--book-steps", action="store_true",
        help="with part of the data: train for more epochs, to match the book's optimizer steps on all rows",
    )  # fmt: skip
    parser.add_argument("--drop-duplicates", action="store_true", help="honest protocol: keep the first of equal rows")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each model, with seeds 0, 1, ... (default: 1)")
    parser.add_argument("--out", type=folder, default=Path("runs/fraud"), help="output folder (default: runs/fraud)")
    parser.add_argument("--quick", action="store_true", help="a trial, not a result: 40,000 generated rows, 5 epochs")
    parser.add_argument("--pretrain", action="store_true", help="also train a classifier from the denoising encoder")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out, if any, bit for bit")
    parser.add_argument("--quiet", action="store_true", help="no progress bars (off a terminal there are none)")
    args = parser.parse_args()
    for option in ("epochs", "seeds"):
        if getattr(args, option) is not None and getattr(args, option) < 1:
            parser.error(f"--{option} must be >= 1")
    if args.data is None and args.download:
        parser.error("--download needs --data")
    if args.data is not None and args.quick:
        parser.error("--quick needs generated data: with --data use --epochs 5")
    if args.quick and args.epochs is None and not args.book_steps:
        args.epochs = 5

    if args.data is not None:
        try:
            data = creditcard.load(None if args.data is True else args.data, download=args.download)
            honest_split(data, 0)  # raises if there are too few frauds
        except (OSError, ValueError) as error:
            parser.error(str(error))
    else:
        data = generate(40_000, 400) if args.quick else generate()
    if args.out.exists() and not args.out.is_dir():
        parser.error(f"--out {args.out} is a file, not a folder")
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=args.out).close()
    except OSError as error:
        parser.error(f"--out {args.out}: no file can be written there ({error.strerror})")
    print(f"{data.source}: {data.n_rows:,} rows, {data.n_frauds} frauds, prevalence {data.prevalence:.3%}")

    options = Options(
        args.out,
        args.epochs,
        args.book_steps,
        args.drop_duplicates,
        sys.stderr.isatty() and not args.quiet,
        args.resume,
    )
    names = [*(name for name in RECIPES if args.model in ("all", name.split(",")[0])), *BASELINES]
    protocols = ["book", "honest"] if args.protocol == "both" else [args.protocol]
    shown: dict[str, dict[str, Run]] = {protocol: {} for protocol in protocols}
    runs: dict[str, dict[str, list[dict[str, Any]]]] = {}
    summary: dict[str, dict[str, Any]] = {}
    result: dict[str, Any] = {
        "data": data.source, "synthetic": data.is_synthetic, "interrupted": False, "summary": summary, "runs": runs
    }  # fmt: skip
    try:
        for protocol, seed, name in itertools.product(protocols, range(args.seeds), names):
            run = detect(name, protocol, seed, data, options)
            runs.setdefault(protocol, {}).setdefault(name, []).append(run.report)
            summary.setdefault(protocol, {})[name] = summarise(runs[protocol][name])
            if seed == 0:
                shown[protocol][name] = run
            write(result, args.out)
        if args.pretrain:
            print("A supervised classifier, from scratch and from the denoising encoder")
            result["pretraining"] = pretrain(data, args.seeds, options)
    except (OSError, ValueError) as error:
        if not args.resume:
            raise
        parser.error(f"--resume: {error}")
    except KeyboardInterrupt:
        result["interrupted"] = True
        if not runs:
            sys.exit("\nInterrupted before any run was finished: no report was written.")
    write(result, args.out)
    drawn = next(protocol for protocol in reversed(protocols) if shown[protocol])  # the honest protocol, if it was run
    words = in_words(shown[drawn], drawn)
    write_whole(args.out / "words.txt", f"{words}\n".encode())
    print(f"\n{table(result)}\n{words}\n", flush=True)
    written = ["report.json", "table.md", "words.txt", "models/"]
    if find_spec("tensorboardX"):
        written.append("logs/ (for TensorBoard)")
    try:
        captions = draw(shown[drawn], drawn, data.source, args.out / "pictures")
        print("\n".join([f"Pictures in {args.out / 'pictures'}, with a folder for each autoencoder:", *captions, ""]))
        written.append("pictures/")
    except KeyboardInterrupt:
        result["interrupted"] = True
    print(f"Written to {args.out.resolve()}: {', '.join(written)}")
    if result["interrupted"]:
        sys.exit(130)


if __name__ == "__main__":
    main()
