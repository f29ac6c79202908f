"""Draw the measured quality of answers against the prediction of quality tables."""

from pathlib import Path

import pandas as pd

from results.figures.quality_data import by_share
from results.figures.style import COLUMN_IN, DASHES, INK, MARKERS, page, save, tidy

FAINT, LIGHT = "0.6", "0.87"


def measured_quality(tasks: pd.DataFrame, path: Path) -> Path:
    """Draw for each kind the loss of quality against the share of packets that was lost: single tasks, means of groups
    with the 95 % interval of their sampling error, and the table's prediction with its interval.

    `tasks`: see `results.figures.quality_data.read_quality`; all kinds have predictions."""
    means = by_share(tasks)
    kinds = list(means["kind"].unique())
    with page(0.35 + 2.15 * len(kinds), COLUMN_IN) as figure:
        for axes, kind in zip(figure.subplots(len(kinds), squeeze=False)[:, 0], kinds, strict=True):
            own = tasks[tasks["kind"] == kind].sort_values("erased_share")
            shares = 100 * own["erased_share"]
            axes.fill_between(shares, own["low"], own["high"], color=LIGHT, linewidth=0, label="its 95 % interval")
            axes.plot(shares, own["predicted"], color=INK, linestyle=DASHES[1], label="quality table")
            axes.plot(
                shares, own["quality_loss"], linestyle="none", marker=MARKERS[0], markersize=2.5,
                markerfacecolor="none", markeredgecolor=FAINT, markeredgewidth=0.6, label="a task",
            )  # fmt: skip
            group = means[means["kind"] == kind]
            axes.errorbar(
                100 * group["share"], group["measured"], yerr=group["error"], color=INK, linestyle="none",
                marker=MARKERS[1], markersize=4, elinewidth=0.9, capsize=2, label="mean of tasks",
            )  # fmt: skip
            axes.axhline(0, color=INK, linewidth=0.5)
            axes.set(xlabel="Share of packets lost (%)", ylabel=f"Quality lost ({own['unit'].iloc[0]})")
            axes.set_title(kind, loc="left")
            tidy(axes)
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
        return save(figure, path)
