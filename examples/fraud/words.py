"""The result in words: what was flagged, found and falsely flagged, and which kinds of fraud were found."""

from __future__ import annotations

from collections.abc import Mapping

from kinds import AMOUNTS, MEANINGS
from recipes import RECIPES
from run import Run


def chosen(runs: Mapping[str, Run]) -> str:
    """The autoencoder with the highest average precision on calibration rows; without such rows, the first one."""
    names = [name for name in runs if name in RECIPES]
    return max(names, key=lambda name: _precision(runs[name], "calibration")) if _calibrated(runs) else names[0]


def in_words(runs: Mapping[str, Run], protocol: str) -> str:
    """What the chosen autoencoder, PCA and the forest find among the test rows of one split."""
    if not _calibrated(runs):
        return (
            f"The {protocol} protocol has no calibration rows: no autoencoder and no threshold can be chosen honestly."
        )
    best = chosen(runs)
    rivals = {name: run for name, run in runs.items() if name == best or name not in RECIPES}
    y = runs[best].split.y_test
    n, frauds = len(y), int(y.sum())
    width = max(map(len, rivals))
    lines = [
        f"In words ({protocol} protocol, seed 0: {n:,} test payments, {frauds} of them frauds)",
        "",
        f"On the calibration rows {best} has the highest average precision of all autoencoders, so it is chosen:",
        *(f"    {name:{width}}  {_precision(run, 'calibration'):.3f}{_setting(run)}" for name, run in rivals.items()),
        _verdict(best, rivals),
        "",
        "A payment is flagged if its score reaches the threshold that has the best F1 on the calibration rows:",
        *(f"    {name:{width}}  {_alarms(run, n, frauds)}" for name, run in rivals.items()),
        "",
        *_by_group(best, rivals),
    ]
    return "\n".join(lines)


def _calibrated(runs: Mapping[str, Run]) -> bool:
    return all("calibration" in run.report for run in runs.values())


def _precision(run: Run, part: str) -> float:
    return float(run.report[part]["average_precision"])


def _setting(run: Run) -> str:
    if "components" in run.report:
        return f", with {run.report['components']} components"
    return f", with {run.report['rows_per_tree']:,} rows per tree" if "rows_per_tree" in run.report else ""


def _verdict(best: str, rivals: Mapping[str, Run]) -> str:
    scores = {name: _precision(run, "test") for name, run in rivals.items()}
    figures = ", ".join(f"{name} {score:.3f}" for name, score in scores.items())
    ahead = [name for name, score in scores.items() if score > scores[best]]
    result = f"{' and '.join(ahead)} did better than the autoencoder" if ahead else "the autoencoder did best"
    return f"On the test rows {result}: {figures}."


def _alarms(run: Run, n: int, frauds: int) -> str:
    found, false = run.report["at_threshold"]["found"], run.report["at_threshold"]["false_alarms"]
    rate = f", 1 in {(n - frauds) / false:,.0f} normal payments" if false else ""
    return f"flags {found + false:,}: {found} frauds ({found / frauds:.0%} of all) and {false:,} false alarms{rate}"


def _by_group(best: str, rivals: Mapping[str, Run]) -> list[str]:
    """A line for each group of frauds, and a sentence on the groups found most and least."""
    groups = rivals[best].report["found_by_group"]
    by_amount = set(groups) == set(AMOUNTS)
    width = max(map(len, groups))
    lines = [f"Frauds found, by {'amount (the real data name no kinds of fraud)' if by_amount else 'kind'}:"]
    for name, counts in groups.items():
        found = ", ".join(f"{rival} {run.report['found_by_group'][name]['found']}" for rival, run in rivals.items())
        meaning = f"; {MEANINGS[name]}" if name in MEANINGS else ""
        lines.append(f"    {name:{width}}  of {counts['frauds']:3}: {found}{meaning}")
    shares = {name: counts["found"] / counts["frauds"] for name, counts in groups.items() if counts["frauds"]}
    most, least = max(shares, key=lambda name: shares[name]), min(shares, key=lambda name: shares[name])
    what = "amounts " if by_amount else ""
    lines.append(
        f"{best} finds the largest share of {what}{most} ({shares[most]:.0%}) and the smallest of {what}{least} "
        f"({shares[least]:.0%})."
    )
    return lines
