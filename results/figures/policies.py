"""Draw the figures of policies: one per function, from a table, to a path whose suffix is the format.

Tables have a column `policy` and are in the order to show; `look` is how each policy is drawn in all figures.
"""

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.ticker import EngFormatter, MaxNLocator

from results.figures.style import (
    COLUMN_IN,
    INK,
    PAGE_IN,
    PLAIN,
    Look,
    fit_axes,
    is_narrow,
    log_when_wide,
    looks,
    page,
    save,
    tidy,
)
from results.text import number, percent
from topologies.schema.study_figures import FigureStyleSection

PART_HATCHES = ("", "////", "xxxx", "....", "\\\\")


def delay_cdf(
    curves: pd.DataFrame,
    deadlines_ms: Mapping[str, float],
    look: Mapping[str, Look],
    path: Path,
    style: FigureStyleSection = PLAIN,
) -> Path:
    """Draw the share of offered tasks answered within a delay, a panel per kind of task, with its deadline.

    `curves`: policy, kind, delay_ms, share, as in `FigureData`."""
    policies = list(curves["policy"].unique())
    kinds = [kind for kind in deadlines_ms if kind in set(curves["kind"])]
    narrow = is_narrow(style, PAGE_IN)
    with page((2.1 if narrow else 0) * len(kinds) + (0.6 if narrow else 2.75), style=style) as figure:
        shape = (len(kinds), 1) if narrow else (1, len(kinds))
        panels = figure.subplots(*shape, sharey=True, squeeze=False).ravel()
        for axes, kind in zip(panels, kinds, strict=True):
            rows = curves[curves["kind"] == kind]
            for place, policy in enumerate(policies):
                curve = rows[rows["policy"] == policy]
                offset = 10 + 7 * place  # keeps markers of neighbours apart
                axes.plot(
                    curve["delay_ms"],
                    curve["share"],
                    color=look[policy].color,
                    linestyle=look[policy].linestyle,
                    marker=look[policy].marker,
                    markevery=(offset % 75, 75),
                    markersize=3.6,
                    label=policy,
                )
            axes.axvline(deadlines_ms[kind], color=INK, linewidth=0.9, linestyle=(0, (1.2, 1.2)))
            log_when_wide(axes, "x", float(rows["delay_ms"].quantile(0.02)), rows["delay_ms"].max())
            axes.set_title(f"{kind}, deadline {deadlines_ms[kind]:g} ms", loc="left")
            axes.set(xlabel="Delay (ms)", ylim=(0, 1.03))
            if narrow or axes is panels[0]:
                axes.set_ylabel("Share of offered tasks")
            fit_axes(axes, style)
            tidy(axes)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center" if narrow else "outside right center", ncols=1 + narrow
        )
        return save(figure, path)


def delay_parts(parts: pd.DataFrame, path: Path, style: FigureStyleSection = PLAIN) -> Path:
    """Draw the parts of the mean delay of completed tasks, a stacked bar per policy.

    `parts`: policy, then one column of mean milliseconds per part, as in `FigureData`."""
    names = [column for column in parts.columns if column != "policy"]
    colors = sns.color_palette("mako", 100)
    shades = [colors[round(18 + 76 * place / (len(names) - 1))] for place in range(len(names))]
    with page(1.0 + 0.24 * len(parts), style=style) as figure:
        axes = figure.subplots()
        left = np.zeros(len(parts))
        for name, shade, hatch in zip(names, shades, PART_HATCHES, strict=True):
            width = parts[name].fillna(0).to_numpy()
            axes.barh(
                parts["policy"],
                width,
                left=left,
                height=0.68,
                color=shade,
                hatch=hatch,
                edgecolor="white",
                linewidth=0.4,
                label=name,
            )
            left += width
        completed = parts[names].notna().any(axis=1)
        for row, (total, some) in enumerate(zip(left, completed, strict=True)):
            text = number(total) if some else "no task completed"
            axes.annotate(text, (total, row), xytext=(3, 0), textcoords="offset points", va="center", size=7)
        axes.invert_yaxis()
        axes.margins(y=0.02)
        axes.set(xlabel="Mean delay of completed tasks (ms)", xlim=(0, 1.08 * left.max() or 1))
        axes.tick_params(axis="y", length=0)
        fit_axes(axes, style)
        tidy(axes, "x")
        columns = 3 if is_narrow(style, PAGE_IN) else len(names)
        figure.legend(loc="outside upper center", ncols=columns, columnspacing=1.4, handlelength=1.6)
        return save(figure, path)


def energy_delay(means: pd.DataFrame, look: Mapping[str, Look], path: Path, style: FigureStyleSection = PLAIN) -> Path:
    """Draw mean energy of a task against mean delay, a point per policy; lower left is better.

    `means`: policy, delay_ms and energy_j, each with `_low` and `_high` (NaN: no interval), as in `FigureData`.
    Policies without a measured energy are left out."""
    means = means[means["energy_j"].notna()]
    with page(2.5 + 0.16 * -(-len(means) // 3), COLUMN_IN, style) as figure:
        axes = figure.subplots()
        for row in means.to_dict("records"):
            own = look[row["policy"]]
            axes.errorbar(
                row["delay_ms"],
                row["energy_j"],
                xerr=arms(row, "delay_ms"),
                yerr=arms(row, "energy_j"),
                color=own.color,
                elinewidth=0.8,
                capsize=2,
                zorder=2,
            )
            axes.scatter(
                row["delay_ms"],
                row["energy_j"],
                s=38,
                marker=own.marker,
                color=own.color,
                edgecolor="white",
                linewidth=0.6,
                zorder=3,
                label=row["policy"],
            )
        axes.margins(0.12)
        log_when_wide(axes, "x", means["delay_ms"].min(), means["delay_ms"].max())
        log_when_wide(axes, "y", means["energy_j"].min(), means["energy_j"].max())
        axes.set(xlabel="Mean delay of completed tasks (ms)", ylabel="Mean energy of a task (J)")
        fit_axes(axes, style)
        tidy(axes)
        figure.legend(loc="outside lower center", ncols=3, handlelength=1.2, columnspacing=1, handletextpad=0.4)
        return save(figure, path)


def arms(row: Mapping[Hashable, Any], column: str) -> list[list[float]] | None:
    """Return the lengths of the whiskers of a mean, as `errorbar` takes them; None without an interval."""
    low, high = row[f"{column}_low"], row[f"{column}_high"]
    if np.isnan(low):
        return None
    return [[max(row[column] - low, 0.0)], [max(high - row[column], 0.0)]]  # equal units: rounding alone


def gap_to_bound(
    summary: pd.DataFrame, look: Mapping[str, Look], path: Path, style: FigureStyleSection = PLAIN
) -> Path:
    """Draw how far each policy's mean cost lies above the bound, with its interval if there is one.

    `summary`: policy, gap, gap_low, gap_high, as in summary.csv, of the rows that have a gap."""
    gaps = summary.assign(**{name: 100 * summary[name] for name in ("gap", "gap_low", "gap_high")})
    with page(0.75 + 0.24 * len(summary), style=style) as figure:
        axes = figure.subplots()
        log_when_wide(axes, "x", gaps["gap"].min(), gaps["gap"].max(), ratio=10)  # small gaps, too, show intervals
        base = axes.get_xlim()[0] if axes.get_xscale() == "linear" else gaps["gap"].min() / 2
        for height, row in enumerate(gaps.to_dict("records")):
            own = look[row["policy"]]
            axes.plot([base, row["gap"]], [height, height], color="0.8", linewidth=1.6, zorder=1, solid_capstyle="butt")
            axes.errorbar(
                row["gap"],
                height,
                xerr=arms(row, "gap"),
                color=own.color,
                marker=own.marker,
                markersize=6,
                elinewidth=1.1,
                capsize=2.5,
                zorder=3,
            )
            edge = row["gap"] if np.isnan(row["gap_high"]) else row["gap_high"]
            axes.annotate(
                percent(row["gap"] / 100),
                (edge, height),
                xytext=(7, 0),
                textcoords="offset points",
                va="center",
                size=7,
            )
        axes.set_yticks(range(len(gaps)), gaps["policy"])
        axes.invert_yaxis()
        axes.margins(x=0.1)
        axes.set_xlim(left=base)
        axes.set_xlabel("Mean cost above the bound, which is a relaxation (%)")
        axes.tick_params(axis="y", length=0)
        fit_axes(axes, style)
        tidy(axes, "x")
        return save(figure, path)


def learning_curves(points: pd.DataFrame, path: Path, style: FigureStyleSection = PLAIN) -> Path:
    """Draw return against training steps: a thin line per seed, a thick one for their mean, and with five seeds or
    more the 95 % interval of the mean.

    `points`: agent, seed, step, episode_return; averaged in 50 bins of steps."""
    agents = list(points["agent"].unique())
    look = looks(agents)
    binned = bin_steps(points)
    with page(2.6, COLUMN_IN, style) as figure:
        axes = figure.subplots()
        for agent in agents:
            rows = binned[binned["agent"] == agent]
            own = look[agent]
            for _, single in rows.groupby("seed"):
                axes.plot(single["step"], single["episode_return"], color=own.color, linewidth=0.5, alpha=0.45)
            sns.lineplot(
                rows,
                x="step",
                y="episode_return",
                errorbar=("ci", 95) if rows["seed"].nunique() >= 5 else None,
                seed=0,
                ax=axes,
                color=own.color,
                linestyle=own.linestyle,
                marker=own.marker,
                markevery=6,
                markersize=4,
                label=f"{agent} ({rows['seed'].nunique()} seeds)" if rows["seed"].nunique() > 1 else agent,
                legend=False,
            )
        axes.set(xlabel="Training steps", ylabel="Return of an episode")
        axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        fit_axes(axes, style)
        tidy(axes)
        figure.legend(loc="outside upper center", ncols=2)
        return save(figure, path)


def bin_steps(points: pd.DataFrame, bins: int = 50) -> pd.DataFrame:
    """Return the mean return of each agent and seed in equal bins of steps, at the middle of the bin. There is none of
    bins in which no episode ended."""
    width = max(points["step"].max() / bins, 1)
    middle = (points["step"].clip(lower=1) / width).apply(np.ceil) * width - width / 2
    binned = points.assign(step=middle).groupby(["agent", "seed", "step"])["episode_return"].mean()
    return binned.dropna().reset_index()
