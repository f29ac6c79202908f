"""Draw the quality of answers against their delay: policies, and every fixed choice."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from results.figures.policies import arms
from results.figures.style import COLUMN_IN, INK, PLAIN, Look, fit_axes, page, save, tidy
from topologies.schema.study_figures import FigureStyleSection

CHOICE_MARKERS = {"": "|", "int8": "1", "int4": "x"}  # thin marks, unlike those of policies; others are crosses
OTHER_MARKER = "+"
SHOWN = 3.0  # choices slower than the slowest policy times this are outside the panel


def quality_delay(
    means: pd.DataFrame,
    choices: pd.DataFrame | None,
    look: Mapping[str, Look],
    path: Path,
    style: FigureStyleSection = PLAIN,
) -> Path:
    """Draw the mean loss of quality against the mean delay, a panel for each kind of task; lower left is better.

    `means`: policy, kind, unit (of the loss), delay_ms and quality_loss, each with `_low` and `_high` (NaN: no
    interval), as in `FigureData`. `choices`: as in `results.run.tables.CHOICES`.
    """
    kinds = list(means["kind"].unique())
    with page(1.35 + 1.75 * len(kinds), COLUMN_IN, style) as figure:
        panels = figure.subplots(len(kinds), 1, squeeze=False)[:, 0]
        for axes, kind in zip(panels, kinds, strict=True):
            rows = means[means["kind"] == kind]
            if choices is not None:
                _draw_choices(axes, choices[choices["kind"] == kind], SHOWN * float(rows["delay_ms"].max()))
            for row in rows.to_dict("records"):
                own = look[row["policy"]]
                axes.errorbar(
                    row["delay_ms"],
                    row["quality_loss"],
                    xerr=arms(row, "delay_ms"),
                    yerr=arms(row, "quality_loss"),
                    color=own.color,
                    marker=own.marker,
                    markersize=5.5,
                    markeredgecolor="white",
                    markeredgewidth=0.5,
                    linestyle="none",
                    elinewidth=0.8,
                    capsize=2,
                    zorder=4,
                    label=row["policy"],
                )
            axes.set_title(f"{kind}: {rows['unit'].iloc[0]}", loc="left")
            axes.set_ylabel("Mean loss of quality")
            axes.margins(0.08, 0.12)
            fit_axes(axes, style)
            tidy(axes)
        panels[-1].set_xlabel("Mean delay of completed tasks (ms)")
        handles: dict[str, Any] = {}
        for axes in panels:
            handles |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        order = [*(name for name in look if name in handles), *(name for name in handles if name not in look)]
        figure.legend(
            [handles[name] for name in order], order, loc="outside lower center", ncols=3, handlelength=1.2,
            columnspacing=1, handletextpad=0.4,
        )  # fmt: skip
        return save(figure, path)


def _draw_choices(axes: Axes, choices: pd.DataFrame, slowest_ms: float) -> None:
    shown = choices[choices["delay_ms"] <= slowest_ms]
    for codec in shown["codec"].unique():
        rows = shown[shown["codec"] == codec]
        axes.plot(
            rows["delay_ms"],
            rows["quality_loss"],
            linestyle="none",
            marker=CHOICE_MARKERS.get(codec, OTHER_MARKER),
            markersize=5,
            markeredgewidth=0.9,
            color="0.55",
            zorder=2,
            label=f"fixed, {codec}" if codec else "fixed, no cut",
        )
    front = pareto_front(shown)
    axes.plot(front["delay_ms"], front["quality_loss"], color=INK, linewidth=0.7, drawstyle="steps-post", zorder=1)


def pareto_front(choices: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that no other beats in both delay and loss of quality, the fastest first."""
    ordered = choices.sort_values(["delay_ms", "quality_loss"], ignore_index=True)
    best_before = np.minimum.accumulate(np.concatenate([[np.inf], ordered["quality_loss"].to_numpy()[:-1]]))
    return ordered[ordered["quality_loss"] < best_before]
