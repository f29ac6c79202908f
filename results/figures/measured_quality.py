"""Draw the measured quality of answers against the prediction of quality tables."""

from pathlib import Path

import pandas as pd

from results.figures.quality_data import by_share
from results.figures.style import COLUMN_IN, DASHES, INK, MARKERS, page, save, tidy

FAINT, LIGHT = "0.6", "0.87"
NOTHING_LOST = (-0.01, 0.01)  # sides of a panel in which all shares are 0


def measured_quality(tasks: pd.DataFrame, path: Path) -> Path:
    """Draw for each policy and kind the loss of quality against the share of packets that was lost: single tasks, means
    of groups with the 95 % interval of their sampling error, and the table's prediction with its interval.

    `tasks`: see `results.figures.quality_data.read_quality`; all kinds have predictions. Where nothing was lost, the
    prediction is the mean over the tasks, drawn across the panel."""
    panels = list(tasks.groupby(["policy", "kind"]))
    with page(0.35 + 2.15 * len(panels), COLUMN_IN) as figure:
        for axes, ((policy, kind), own) in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
            group = by_share(own)
            shares = 100 * own["erased_share"]
            table = own.sort_values("erased_share")
            if shares.max() == 0:
                table = pd.concat([group.iloc[:1].assign(erased_share=side) for side in NOTHING_LOST])
                axes.set(xlim=[100 * side for side in NOTHING_LOST], xticks=[0])
            at = 100 * table["erased_share"]
            axes.fill_between(at, table["low"], table["high"], color=LIGHT, linewidth=0, label="its 95 % interval")
            axes.plot(at, table["predicted"], color=INK, linestyle=DASHES[1], label="quality table")
            axes.plot(
                shares, own["quality_loss"], linestyle="none", marker=MARKERS[0], markersize=2.5,
                markerfacecolor="none", markeredgecolor=FAINT, markeredgewidth=0.6, label="a task",
            )  # fmt: skip
            axes.errorbar(
                100 * group["share"], group["measured"], yerr=group["error"], color=INK, linestyle="none",
                marker=MARKERS[1], markersize=4, elinewidth=0.9, capsize=2, label="mean of tasks",
            )  # fmt: skip
            axes.axhline(0, color=INK, linewidth=0.5)
            axes.set(xlabel="Share of packets lost (%)", ylabel=f"Quality lost ({own['unit'].iloc[0]})")
            axes.set_title(f"{kind}, {policy}", loc="left")
            tidy(axes)
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
        return save(figure, path)
