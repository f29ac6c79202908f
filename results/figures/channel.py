"""Draw the rate of a link over time, and the placements that a policy chose."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from emulator.core.arrays import Floats
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.trace import Trace
from results.figures.policy_data import within
from results.figures.style import INK, PAGE_IN, PLAIN, is_narrow, page, save, tidy
from results.placements import device_share, placement_in_words
from topologies.schema.study_figures import FigureStyleSection

SHOWN_S = 60.0  # of a longer run, only the first minute
WINDOWS = 300
WINDOWS_NS = tuple(factor * NS_PER_MS for factor in (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 60_000))
MAX_PLACEMENT_ROWS = 8  # with more placements, the rarest share the last row
LINE = sns.color_palette("viridis", 100)[25]


def window_ns(trace: Trace, duration_ns: int) -> int:
    """Return a round window that divides `duration_ns` into about 300 means, at least a slot long."""
    least = max(duration_ns // WINDOWS, trace.slot_ns)
    return next((window for window in WINDOWS_NS if window >= least), least)


def rates_mbps(trace: Trace, duration_ns: int, window: int) -> tuple[Floats, Floats]:
    """Return starts (s) and mean rates (Mbit/s) of consecutive windows from time 0; the trace wraps."""
    starts = range(0, max(duration_ns - window, 0) + 1, window)
    rates = [trace.rate_bps(start, start + window) for start in starts]
    return np.array(starts) / NS_PER_S, np.array(rates) / 1e6


def rate_and_placement(
    trace: Trace,
    tasks: pd.DataFrame,
    source: str,
    duration_s: float,
    path: Path,
    style: FigureStyleSection = PLAIN,
) -> Path:
    """Draw the rate of a source's own link above, the placement of each of its tasks at its arrival below.

    `tasks`: the source's tasks under one policy, columns kind, arrival_ns, placement, outcome. Placements with more
    layers on the device are higher; the rarest of many share a row."""
    start_s, stop_s = style.window_s or (0.0, SHOWN_S)
    stop_s = min(duration_s, stop_s)
    tasks = within(tasks, (start_s, stop_s))
    rows = placement_rows(tasks, source)
    names = list(dict.fromkeys(rows["row"]))
    with page(1.75 + 0.2 * len(names), style=style) as figure:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.25, 0.3 + 0.2 * len(names)))
        draw_rate(above, trace, round(stop_s * NS_PER_S))
        title = "rate and placements" if is_narrow(style, PAGE_IN) else "rate of its own link, and where its tasks ran"
        above.set_title(f"{source}: {title}", loc="left")
        above.set_xlabel("")
        _draw_placements(below, rows, names)
        below.set(xlabel="Time (s)", xlim=(start_s, stop_s))
        return save(figure, path)


def placement_rows(tasks: pd.DataFrame, source: str) -> pd.DataFrame:
    """Add to each task the row to draw it in; rows are ordered from the top by kind, then by the device's share."""
    several = tasks["kind"].nunique() > 1
    placed = tasks.assign(
        words=[placement_in_words(placement, source) for placement in tasks["placement"].astype(str)],
        own=[device_share(placement, source) for placement in tasks["placement"].astype(str)],
        kind=tasks["kind"].astype(str),
    )
    placed["row"] = placed["kind"] + ": " + placed["words"] if several else placed["words"]
    frequent = placed["row"].value_counts()
    kept = frequent.index if len(frequent) <= MAX_PLACEMENT_ROWS else frequent.index[: MAX_PLACEMENT_ROWS - 1]
    placed["rare"] = ~placed["row"].isin(kept)
    placed.loc[placed["rare"], "row"] = f"{len(frequent) - len(kept)} rarer ones"
    return placed.sort_values(["rare", "kind", "own", "row"], ascending=[True, True, False, True], kind="stable")


def draw_rate(axes: Axes, trace: Trace, duration_ns: int) -> None:
    """Draw the mean rates of windows from time 0 to `duration_ns`."""
    window = window_ns(trace, duration_ns)
    starts, rates = rates_mbps(trace, duration_ns, window)
    edges = np.append(starts, starts[-1] + window / NS_PER_S)
    axes.stairs(rates, edges, color=LINE, linewidth=1.1)
    axes.stairs(rates, edges, fill=True, color=LINE, alpha=0.12, linewidth=0)
    axes.set(ylabel=f"Rate (Mbit/s)\nmean over {window / NS_PER_MS:g} ms", xlabel="Time (s)", ylim=(0, None))
    axes.margins(x=0)
    tidy(axes)


OUTCOME_MARKERS: dict[str, dict[str, Any]] = {
    "done": {"marker": "|", "s": 34, "linewidths": 0.9, "label": "in time"},
    "missed": {"marker": "o", "s": 13, "linewidths": 0.8, "label": "too late"},
    "failed": {"marker": "x", "s": 16, "linewidths": 1.1, "label": "failed"},
}


def _draw_placements(axes: Axes, rows: pd.DataFrame, names: list[str]) -> None:
    height = {name: number for number, name in enumerate(names)}
    kinds = sorted(set(rows["kind"]))
    shades = dict(zip(kinds, sns.color_palette("viridis", len(kinds) + 1), strict=False))
    for outcome, look in OUTCOME_MARKERS.items():
        some = rows[rows["outcome"] == outcome]
        colors = [shades[kind] for kind in some["kind"]]
        hollow: dict[str, Any] = {"facecolors": "white", "edgecolors": colors} if outcome == "missed" else {"c": colors}
        axes.scatter(some["arrival_ns"] / NS_PER_S, some["row"].map(height), **hollow, **look)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    tidy(axes, "y")
    key = [
        Line2D(
            [],
            [],
            linestyle="none",
            marker=look["marker"],
            markersize=4.5,
            markerfacecolor="white",
            markeredgecolor=INK,
            label=look["label"],
        )
        for look in OUTCOME_MARKERS.values()
    ]
    axes.legend(handles=key, loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0, handletextpad=0)
