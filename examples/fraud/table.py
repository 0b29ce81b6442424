"""The comparison of all detectors as a table."""

from __future__ import annotations

from typing import Any

from recipes import RECIPES

from tinydl.files import markdown_table

COMMON = ("protocol", "seeds", "prevalence")  # stated above the table if they are the same in all of its rows


def table(result: dict[str, Any]) -> str:
    """The comparison as a Markdown table, with the lines that explain it: mean and standard deviation over seeds."""
    rows = [
        _row(protocol, name, summary, area=not result["synthetic"] and protocol == "book")
        for protocol, by_detector in result["summary"].items()
        for name, summary in by_detector.items()
    ]
    common = {key: rows[0][key] for key in COMMON if len({row[key] for row in rows}) == 1}
    columns = [key for key in rows[0] if key not in common and any(row[key] for row in rows)]
    of_all_rows = "".join(f"; {key} {value}" for key, value in common.items())
    explained = [
        f"{result['data']}{of_all_rows}{' INTERRUPTED: not all runs were finished.' if result['interrupted'] else ''}",
        "AP: average precision on the test rows, at their own prevalence, the book's 0.858 % and the natural 0.173 %.",
        "Found: share of the frauds flagged, at the threshold that has the best F1 on the calibration rows.",
        "Generated data: these figures say nothing about real fraud."
        if result["synthetic"]
        else "The book gives the trapezoid area of one run, at 0.858 % (0.182 % for the 5 % pair).",
    ]
    pretraining = [
        f"{name}: average precision {_figure(summary, 'average_precision')}"
        for name, summary in result.get("pretraining", {}).items()
    ]
    cells = [columns, *([row[key] for key in columns] for row in rows)]
    return "\n".join([*explained, "", markdown_table(cells), "", *pretraining])


def _row(protocol: str, name: str, summary: dict[str, Any], area: bool) -> dict[str, str]:
    """One detector's figures by column; "" where the protocol or the detector has none."""
    test, at_threshold = summary["test"], summary.get("at_threshold")
    book, nature = (test["at_prevalence"][key] for key in ("0.00858", "0.00173"))
    printed = RECIPES[name].book_pr_area if name in RECIPES else None
    return {
        "protocol": protocol,
        "detector": name,
        "epochs": f"{summary['epochs']['mean']:.0f}" if "epochs" in summary else "",
        "seeds": str(len(test["roc_auc"]["values"])),
        "prevalence": f"{test['prevalence']['mean']:.2%}",
        "ROC-AUC": _figure(test, "roc_auc"),
        "AP, calibration": _figure(summary, "calibration", "average_precision") if "calibration" in summary else "",
        "AP": _figure(test, "average_precision"),
        "AP at 0.858 %": _figure(book, "average_precision"),
        "AP at 0.173 %": _figure(nature, "average_precision"),
        "found": f"{at_threshold['recall']['mean']:.0%}" if at_threshold else "",
        "false alarms": f"{at_threshold['false_alarms']['mean']:.0f}" if at_threshold else "",
        "area at 0.858 %": _figure(book, "pr_area_trapezoid") if area else "",
        "book's area": f"{printed:.4f}" if area and printed else "",
    }


def _figure(summary: dict[str, Any], *path: str) -> str:
    for key in path:
        summary = summary[key]
    spread = f" ± {summary['std']:.3f}" if len(summary["values"]) > 1 else ""
    return f"{summary['mean']:.3f}{spread}"
