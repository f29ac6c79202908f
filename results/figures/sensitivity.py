"""Draw how much each assumption changes a policy's cost and placements: a tornado figure."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.ticker import EngFormatter, FixedLocator

from results.figures.style import COLUMN_IN, INK, PAGE_IN, page, save, tidy
from results.sensitivity import compared

ROW_IN = 0.31
LINEAR_PERCENT = 10  # within which the axis of costs is linear, where one assumption dwarfs the others
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": sns.color_palette("viridis", 100)[78], "hatch": "////", "edgecolor": "white"},
    {"color": sns.color_palette("viridis", 100)[22], "edgecolor": "white"},
)  # of the first and the second variant of an assumption


def tornado(table: pd.DataFrame, path: Path, width_in: float = PAGE_IN) -> Path:
    """Draw the change of the first policy's mean cost by each variant, with its interval, the assumptions that matter
    most on top; at PAGE_IN also the share of tasks placed elsewhere. `table` is that of `sensitivity_table`."""
    rows = compared(table)
    policy = rows["policy"].iloc[0]
    rows = rows[rows["policy"] == policy]
    names = list(dict.fromkeys(rows["assumption"]))
    with page(0.9 + ROW_IN * len(names), width_in) as figure:
        wide = width_in > COLUMN_IN
        panels = figure.subplots(
            1, 2 if wide else 1, sharey=True, squeeze=False, width_ratios=(1.7, 1) if wide else None
        )
        costs = panels[0][0]
        for place, name in enumerate(names):
            own = rows[rows["assumption"] == name].to_dict("records")
            for row, look, offset in zip(own, LOOKS, (-0.2, 0.2), strict=False):
                height = place + (offset if len(own) > 1 else 0)
                change, low, high = (100 * row[column] for column in ("change", "change_low", "change_high"))
                costs.barh(height, change, height=0.38, linewidth=0.4, **look)
                costs.plot([low, high], [height] * 2, color=INK, linewidth=0.9)
                end = np.fmin(low, change) if change < 0 else np.fmax(high, change)
                costs.annotate(
                    row["setting"],
                    (end, height),
                    xytext=(-3 if change < 0 else 3, 0),
                    textcoords="offset points",
                    va="center",
                    ha="right" if change < 0 else "left",
                    size=6,
                )
                if wide:
                    panels[0][1].barh(height, 100 * row["moved"], height=0.38, linewidth=0.4, **look)
        costs.axvline(0, color=INK, linewidth=0.8)
        costs.set_yticks(range(len(names)), [_title(rows, name, " " if wide else "\n") for name in names])
        costs.set_ylim(len(names) - 0.4, -0.6)
        costs.margins(x=0.25)
        costs.set_xlabel(f"Change of the mean cost of {policy} (%)")
        if rows["change"].abs().max() > 1:
            costs.set_xscale("symlog", linthresh=LINEAR_PERCENT)
            costs.xaxis.set_major_locator(FixedLocator([-100, 0, *(10.0**each for each in range(2, 13, 2))]))
            costs.xaxis.set_major_formatter(EngFormatter(sep=" "))
            costs.set_xlabel(f"{costs.get_xlabel()},\nlogarithmic beyond ±{LINEAR_PERCENT} %")
        if wide:
            panels[0][1].set(xlabel="Tasks placed elsewhere (%)", xlim=(0, None))
        for axes in panels[0]:
            axes.tick_params(axis="y", length=0)
            tidy(axes, "x")
        return save(figure, path)


def _title(rows: pd.DataFrame, name: str, gap: str) -> str:
    return f"{name}{gap}({rows.loc[rows['assumption'] == name, 'present'].iloc[0]})"
