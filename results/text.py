"""Format numbers for reading, and the result table for a terminal."""

import math

import pandas as pd

from results.statistics import ranked

# heading in the terminal of each column of the summary
HEADINGS = {
    "policy": "policy",
    "compute": "compute",
    "tasks": "tasks",
    "missed": "missed",
    "failed": "failed",
    "delay_mean_ms": "mean ms",
    "delay_p50_ms": "p50 ms",
    "delay_p95_ms": "p95 ms",
    "delay_p99_ms": "p99 ms",
    "energy_mean_j": "energy J",
    "quality_loss_mean": "loss",
    "cost_mean_s": "cost s",
    "gap": "gap",
}
TEXT_COLUMNS = ("policy", "compute")


def number(value: float) -> str:
    """Format three significant digits without an exponent, keeping all digits before the point and at most nine behind
    it; NaN as a dash."""
    if math.isnan(value):
        return "-"
    if abs(value) < 5e-10:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(digits, 9)}f}"


def interval_text(low: float, high: float) -> str:
    """Format an interval, NaN as a dash."""
    return "-" if math.isnan(low) else f"{number(low)} to {number(high)}"


def percent(value: float) -> str:
    """Format a share in per cent, with one decimal below 10 %; NaN as a dash."""
    if math.isnan(value):
        return "-"
    return f"{100 * value:.{0 if abs(value) >= 0.0995 else 1}f} %"


def table_lines(summary: pd.DataFrame) -> list[str]:
    """Format the summary as aligned text: a line of headings, then one per policy, the least cost first."""
    ordered = ranked(summary).to_dict("records")
    rows = [list(HEADINGS.values()), *([_cell(column, row[column]) for column in HEADINGS] for row in ordered)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    pads = ["<" if column in TEXT_COLUMNS else ">" for column in HEADINGS]
    return ["  ".join(f"{c:{p}{w}}" for c, p, w in zip(row, pads, widths, strict=True)).rstrip() for row in rows]


def _cell(column: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    if column in ("tasks", "missed", "failed"):
        return str(int(value))
    return percent(value) if column == "gap" else number(value)
