"""The comparison of all detectors as a table."""

from __future__ import annotations

from typing import Any

from recipes import RECIPES

from tinydl.files import markdown_table


def table(result: dict[str, Any]) -> str:
    """The comparison as a Markdown table, with the lines that explain it: mean and standard deviation over seeds."""
    header = (
        "protocol|detector|epochs|seeds|ROC-AUC|prevalence|AP, calibration|AP|AP at 0.858 %|AP at 0.173 %|"
        "frauds found|false alarms"
    )
    book_too = not result["synthetic"] and "book" in result["summary"]
    rows = [header.split("|") + (["area at 0.858 %", "book's area"] if book_too else [])]
    for protocol, by_detector in result["summary"].items():
        for name, summary in by_detector.items():
            rows.append(_row(protocol, name, summary) + (_areas(protocol, name, summary) if book_too else []))
    explained = [
        f"{result['data']}{' INTERRUPTED: not all runs were finished.' if result['interrupted'] else ''}",
        "AP: average precision on the test rows, at their own prevalence, the book's 0.858 % and the natural 0.173 %.",
        "Frauds found and false alarms: at the threshold of the best F1 on the calibration rows.",
        "Generated data: these figures say nothing about real fraud."
        if result["synthetic"]
        else "The book gives the trapezoid area of one run, at 0.858 % (0.182 % for the 5 % pair).",
    ]
    pretraining = [
        f"{name}: average precision {_figure(summary, 'average_precision')}"
        for name, summary in result.get("pretraining", {}).items()
    ]
    return "\n".join([*explained, "", markdown_table(rows), "", *pretraining])


def _row(protocol: str, name: str, summary: dict[str, Any]) -> list[str]:
    test, at_threshold = summary["test"], summary.get("at_threshold")
    book, nature = (_figure(test["at_prevalence"][key], "average_precision") for key in ("0.00858", "0.00173"))
    return [
        protocol, name, f"{summary['epochs']['mean']:.0f}" if "epochs" in summary else "",
        str(len(test["roc_auc"]["values"])), _figure(test, "roc_auc"), f"{test['prevalence']['mean']:.2%}",
        _figure(summary, "calibration", "average_precision") if "calibration" in summary else "",
        _figure(test, "average_precision"), book, nature,
        f"{at_threshold['recall']['mean']:.0%}" if at_threshold else "",
        f"{at_threshold['false_alarms']['mean']:.0f}" if at_threshold else "",
    ]  # fmt: skip


def _areas(protocol: str, name: str, summary: dict[str, Any]) -> list[str]:
    printed = RECIPES[name].book_pr_area if protocol == "book" and name in RECIPES else None
    area = _figure(summary["test"]["at_prevalence"]["0.00858"], "pr_area_trapezoid")
    return [area, f"{printed:.4f}" if printed else ""]


def _figure(summary: dict[str, Any], *path: str) -> str:
    for key in path:
        summary = summary[key]
    spread = f" ± {summary['std']:.3f}" if len(summary["values"]) > 1 else ""
    return f"{summary['mean']:.3f}{spread}"
