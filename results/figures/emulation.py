"""Draw the figures of an emulation: one per function, from a table, to a path whose suffix is the format."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from results.agreement.summary import signed
from results.figures.style import COLUMN_IN, DASHES, INK, MARKERS, Look, page, save, tidy

LINEAR_MS = 1.0  # the axis of differences is linear up to this magnitude, logarithmic beyond
MAX_LINKS_SHOWN = 24  # of more links, those furthest from the schedule
ONE_PERCENT = 0.01
MIN_SHARE_LATER = 1e-5  # lower end of the axis of shares
MIN_LATE_MS = 1e-3  # lower end of the axis of lateness
FAINT = "0.75"


def kind_looks(kinds: Sequence[str]) -> dict[str, Look]:
    """Return a look for each kind, with colours from dark to light."""
    palette = sns.color_palette("viridis", 100)
    last = max(len(kinds) - 1, 1)
    return {
        kind: Look(palette[10 + round(65 * place / last)], DASHES[place % len(DASHES)], MARKERS[place % len(MARKERS)])
        for place, kind in enumerate(kinds)
    }


def agreement(tasks: pd.DataFrame, parts: pd.DataFrame, path: Path) -> Path:
    """Draw the real sojourn of each task against the simulated one, and the mean difference by part.

    `tasks`: kind, simulated_ns, real_ns (agreement.parquet); `parts`: see `results.agreement.summary.part_table`."""
    kinds = sorted(tasks["kind"].unique())
    look = kind_looks(kinds)
    names = list(dict.fromkeys(parts["part"]))
    with page(0.75 + 0.11 * len(names) * (1 + len(kinds))) as figure:
        left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
        _draw_sojourns(left, tasks, look)
        _draw_parts(right, parts, names, look)
        handles, labels = left.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
        return save(figure, path)


def _draw_sojourns(axes: Axes, tasks: pd.DataFrame, look: dict[str, Look]) -> None:
    low = 1e-6 * max(tasks[["simulated_ns", "real_ns"]].min().min(), 1) / 1.25
    high = 1e-6 * tasks[["simulated_ns", "real_ns"]].max().max() * 1.25
    axes.plot([low, high], [low, high], color=INK, linewidth=0.8, linestyle=DASHES[1], label="equal")
    for kind, rows in tasks.groupby("kind"):
        style = look[str(kind)]
        axes.scatter(
            rows["simulated_ns"] * 1e-6,
            rows["real_ns"] * 1e-6,
            s=13,
            marker=style.marker,
            facecolors="none",
            edgecolors=[style.color],
            linewidths=0.8,
            label=f"{kind} tasks",
        )
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 60 * low else (1, 3)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())
    axes.set(xlabel="Simulated sojourn (ms)", ylabel="Real sojourn (ms)")
    tidy(axes)


def _draw_parts(axes: Axes, parts: pd.DataFrame, names: list[str], look: dict[str, Look]) -> None:
    heights = {name: place for place, name in enumerate(names)}
    kinds = list(look)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xscale("symlog", linthresh=LINEAR_MS, linscale=0.8)
    for place, kind in enumerate(kinds):
        offset = 0.56 * ((place + 0.5) / len(kinds) - 0.5)
        style = look[kind]
        for row in parts[parts["kind"] == kind].to_dict("records"):
            height = heights[row["part"]] + offset
            axes.plot([row["from_ms"], row["to_ms"]], [height, height], color=style.color, linewidth=2.2, alpha=0.35)
            if not np.isnan(row["low_ms"]):
                arms = [[row["mean_ms"] - row["low_ms"]], [row["high_ms"] - row["mean_ms"]]]
                axes.errorbar(row["mean_ms"], height, xerr=arms, color=style.color, elinewidth=0.9, capsize=2)
            axes.plot(row["mean_ms"], height, linestyle="none", marker=style.marker, markersize=4, color=style.color)
            axes.annotate(
                signed(row["mean_ms"]),
                (1.0, height),
                xycoords=("axes fraction", "data"),
                xytext=(26, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                size=6.5,
                color=INK,
                annotation_clip=False,
            )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("Real minus simulated, mean by part (ms)")
    tidy(axes, "x")


def lateness(curves: pd.DataFrame, limit_ms: float, path: Path) -> Path:
    """Draw the share of packets that left later than scheduled by more than a time, a line per kind of link, and the
    bound that at most one packet in a hundred may exceed.

    `curves`: see `results.figures.emulation_data.lateness_curves`."""
    kinds = list(dict.fromkeys(curves["kind"]))
    look = kind_looks(kinds)
    with page(2.6, COLUMN_IN) as figure:
        axes = figure.subplots()
        for kind in kinds:
            rows = curves[curves["kind"] == kind]
            floor = max(MIN_SHARE_LATER, 0.5 / int(rows["packets"].iloc[0]))
            axes.step(
                rows["late_ms"],
                rows["later"].clip(lower=floor),
                where="post",
                color=look[kind].color,
                linestyle=look[kind].linestyle,
                label=f"{kind} ({int(rows['packets'].iloc[0]):,} packets)",
            )
        axes.set(xscale="log", yscale="log", ylim=(MIN_SHARE_LATER, 1.3))
        axes.set_xlim(MIN_LATE_MS, 8 * max(limit_ms, curves["late_ms"].max() / 3))
        _draw_bound(axes, limit_ms)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        axes.set(xlabel="Later than the schedule by (ms)", ylabel="Share of packets that left later")
        tidy(axes)
        figure.legend(loc="outside upper center", ncols=1)
        return save(figure, path)


def _draw_bound(axes: Axes, limit_ms: float) -> None:
    """Mark the corner that no line may enter."""
    right = axes.get_xlim()[1]
    axes.fill_between([limit_ms, right], ONE_PERCENT, 1.3, color="0.9", linewidth=0, zorder=0)
    axes.plot(
        [limit_ms, limit_ms, right], [1.3, ONE_PERCENT, ONE_PERCENT], color=INK, linewidth=0.9, linestyle=DASHES[2]
    )
    axes.annotate(
        f"bound:\np99 {limit_ms:g} ms",
        (limit_ms, 0.2),
        xytext=(3, 0),
        textcoords="offset points",
        size=7,
        color=INK,
        va="center",
    )


def probes(table: pd.DataFrame, path: Path) -> Path:
    """Draw the probes of each link before the run: on the left how far the measured rate is from the scheduled one, on
    the right how much longer than scheduled single packets took.

    `table`: see `results.figures.emulation_data.read_probes`."""
    shown = furthest(table)
    with page(0.95 + 0.165 * len(shown)) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        _draw_rates(left, shown)
        _draw_delays(right, shown)
        left.set_yticks(range(len(shown)), shown["name"])
        left.set_ylim(len(shown) - 0.4, -0.6)
        if len(shown) < len(table):
            left.set_title(f"{len(shown)} of {len(table)} directions, the furthest", loc="left")
        _draw_legend(figure, bool(shown["filled"].all()))
        return save(figure, path)


def furthest(table: pd.DataFrame) -> pd.DataFrame:
    """Return the directions to show, in order: all, or those furthest from the schedule in rate or delay."""
    if len(table) <= MAX_LINKS_SHOWN:
        return table.reset_index(drop=True)
    columns = table[["rate_error", "delay_error_ns"]].abs()
    kept = columns.rank(ascending=False, na_option="top").min(axis=1).nsmallest(MAX_LINKS_SHOWN, keep="first").index
    return table.loc[sorted(kept)].reset_index(drop=True)


COLOR = sns.color_palette("viridis", 100)[20]
HOLLOW: dict[str, Any] = {"markerfacecolor": "white", "markeredgecolor": COLOR}


def _draw_rates(axes: Axes, table: pd.DataFrame) -> None:
    axes.axvline(0, color=INK, linewidth=0.8)
    for place, row in enumerate(table.to_dict("records")):
        off = 100 * row["rate_error"]
        axes.plot([0, off], [place, place], color=FAINT, linewidth=1.4, zorder=1)
        axes.plot(off, place, "o", color=COLOR, markersize=4, **({} if row["filled"] else HOLLOW))
        rate = "no rate" if np.isnan(row["scheduled_rate_bps"]) else f"{row['scheduled_rate_bps'] / 1e6:.4g}"
        axes.annotate(
            rate, (1.0, place), xycoords=("axes fraction", "data"), xytext=(-2, 0), textcoords="offset points",
            ha="right", va="center", size=6.5, color="0.35",
        )  # fmt: skip
    reach = max(0.1, float(100 * table["rate_error"].abs().max(skipna=True) or 0))
    axes.set_xlim(-1.15 * reach, 1.8 * reach)
    axes.set_xticks([each for each in MaxNLocator(5).tick_values(-reach, reach) if abs(each) <= reach])
    axes.set_xlabel("Measured minus scheduled rate (%)")
    axes.set_title("scheduled, Mbit/s", loc="right", size=6.5, color="0.35")
    axes.tick_params(axis="y", length=0)
    tidy(axes, "x")


def _draw_delays(axes: Axes, table: pd.DataFrame) -> None:
    for place, row in enumerate(table.to_dict("records")):
        middle, worst = row["delay_error_ns"] * 1e-3, row["delay_error_p99_ns"] * 1e-3
        axes.plot([middle, worst], [place, place], color=FAINT, linewidth=1.4, zorder=1)
        axes.plot(middle, place, "o", color=COLOR, markersize=4)
        axes.plot(worst, place, "|", color=COLOR, markersize=7, markeredgewidth=1.2)
    axes.set_xlim(left=0)
    axes.set_xlabel("Measured minus scheduled delay (µs)")
    axes.tick_params(axis="y", length=0)
    tidy(axes, "x")


def _draw_legend(figure: Figure, all_filled: bool) -> None:
    axes = figure.axes[1]
    axes.plot([], [], "o", color=COLOR, markersize=4, label="rate, median delay")
    axes.plot([], [], "|", color=COLOR, markersize=7, markeredgewidth=1.2, linestyle="none", label="p99 of the delay")
    if not all_filled:
        axes.plot([], [], "o", markersize=4, label="rate where this machine could not fill the link", **HOLLOW)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=3)
