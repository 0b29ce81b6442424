"""The tables of a run, in Markdown."""

from __future__ import annotations

import math
import statistics

from benchmarks.suite.header import machine
from benchmarks.suite.results import Measured, Result, Run, spread
from benchmarks.suite.rows import GROUPS, ROWS
from tinydl.files import markdown_table

UNITS = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6))
WHY = {row.name: row.why for row in ROWS}  # not kept with a run: it is written when the run is known
ABSENT = "not installed"
LOST = {"lost": "**lost**", "missed": "**missed**"}


def duration(seconds: float) -> str:
    """A time in the unit that suits it, with three digits."""
    unit, size = next((pair for pair in UNITS if seconds >= pair[1]), UNITS[-1])
    value = seconds / size
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f} {unit}" if value else "0"


def per_call(result: Result, seconds: float) -> float:
    """The time of a row of an epoch, or of a whole step or prediction."""
    return seconds * (1 if result.unit in ("row", "process", "check") else result.batch)


def percent(share: float) -> str:
    return "" if math.isnan(share) else f"{share:.0%}"


def head(run: Run) -> str:
    """The machine, its speed, and the versions."""
    header = run.header
    probes = header.get("probes", {})
    fma, sgemm, bandwidth = (f"{probes.get(name, 0) / 1e9:.0f}" for name in ("fma", "sgemm", "bandwidth"))
    unset = ", ".join(header["unset"])
    lines = [
        f"- {machine(header)}, {header['threads']} threads unless a row says otherwise; NumPy's BLAS runs the code for "
        f"{header.get('core', 'an unknown core')}",
        f"- the machine's own speed, measured in the same run: {fma} GFLOP/s of fused multiply-adds, {sgemm} GFLOP/s "
        f"of sgemm (2048 x 2048), {bandwidth} GB/s",
        f"- {header['date']}, {header['rounds']} rounds of {header['seconds']:g} seconds; "
        + ", ".join(f"{name} {version}" for name, version in header["versions"].items()),
    ]
    missing = {trouble for result in run.results for trouble in result.missing.values() if trouble.startswith(ABSENT)}
    lines += [f"- {trouble}" for trouble in sorted(missing)]
    if unset:
        lines.append(
            f"- {unset}: set on this machine, and unset for this run, as it slows down NumPy and tinydl, but no peer"
        )
    return "\n".join(lines)


def goal(result: Result) -> str:
    """What is required of a row, and whether it was reached."""
    if result.required is None:
        return ""
    ratio, against = result.required
    verdict = result.verdict()
    return f"{ratio:.2f} x{f' {against}' if against else ''}: {LOST.get(verdict, verdict)}"


def overview(run: Run) -> str:
    """One line per row: tinydl beside the fastest peer."""
    lines = []
    for group, title in GROUPS.items():
        rows = [result for result in run.results if result.group == group and result.contestants]
        if not rows:
            continue
        table = [["", "tinydl", "fastest peer", "", "tinydl is", "of the peak", "required"]]
        table += [_line(result) for result in rows]
        lines += [f"### {title}", "", markdown_table(table), ""]
        lines += [f"{result.row}: {WHY[result.row]}\n" for result in rows if WHY.get(result.row) and _is_lost(result)]
    return "\n".join(lines)


def _is_lost(result: Result) -> bool:
    peers = result.peers()
    return bool(peers and result.ours and result.ratio(peers[0]) < 1)


def _line(result: Result) -> list[str]:
    ours, peers = result.ours, result.peers()
    own = duration(per_call(result, ours.median)) if ours else "did not run"
    peak = percent(result.share(ours, "fma")) if ours else ""
    if not ours or not peers:
        return [result.row, own, peers[0].name if peers else "", "", "", peak, ""]
    best, each = peers[0], result.ratios(peers[0])
    times = f"{result.ratio(best):.2f} x as fast ({min(each):.2f} - {max(each):.2f})"
    if _is_lost(result):
        times = f"**lost**: {times}"
    return [result.row, own, best.name, duration(per_call(result, best.median)), times, peak, goal(result)]


def details(run: Run) -> str:
    """Every contestant of every row."""
    lines = []
    for result in run.results:
        if not result.contestants:
            continue
        table = [["", "median", "spread", "tinydl is", "CPU", "of FMA peak", "of sgemm", "of bandwidth", "peak memory"]]
        ordered = ([result.ours] if result.ours else []) + result.peers()
        table += [_detail(result, each) for each in ordered]
        threads = f"{result.threads} thread{'s'[: result.threads > 1]}"
        lines += [f"### {result.row} ({_per(result)}, {threads})", "", markdown_table(table), ""]
        troubles = {name: trouble for name, trouble in result.missing.items() if not trouble.startswith(ABSENT)}
        lines += [f"{name} did not run: {trouble}\n" for name, trouble in troubles.items()]
    return "\n".join(lines)


def _per(result: Result) -> str:
    if result.unit in ("row", "process", "check"):
        return f"per {result.unit}"
    return f"per batch of {result.batch}"


def _detail(result: Result, each: Measured) -> list[str]:
    times = f"{result.ratio(each):.2f} x" if result.ours and each is not result.ours else ""
    cpu = statistics.median(each.cpu)
    imported = each.built.get("imported", math.nan)
    shares = [percent(result.share(each, probe)) for probe in ("fma", "sgemm", "bandwidth")]
    memory = f"{each.peak:.0f} MB (+{each.peak - imported:.0f})" if each.peak else ""
    wide = "" if math.isnan(spread(each.seconds)) else f"± {spread(each.seconds):.1%}"
    processor = duration(per_call(result, cpu)) if cpu else ""
    return [each.name, duration(per_call(result, each.median)), wide, times, processor, *shares, memory]


def text(run: Run) -> str:
    """What a run prints."""
    return "\n\n".join([head(run), overview(run), details(run)])
