"""Pareto fronts of a study: policies that no other beats in two metrics at once."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.ticker import MaxNLocator

from emulator.core.arrays import Floats
from results.figures.style import COLUMN_IN, PAGE_IN, fit_axes, page, save, tidy
from results.study.metrics import METRICS
from results.study.selection import ShownStudy
from results.study.sweep_figures import grid_of, legend_above, legend_height_in, merged
from topologies.schema.study_figures import MetricName, StudyFigureSection


def on_front(points: Floats) -> npt.NDArray[np.bool_]:
    """Return which points, shape (points, metrics), no other point dominates: is at most as large in all metrics and
    less in one."""
    no_more = (points[:, None] <= points[None]).all(axis=-1)
    less = (points[:, None] < points[None]).any(axis=-1)
    return np.logical_not((no_more & less).any(axis=0))


def pareto_table(means: pd.DataFrame, study: ShownStudy, metric: MetricName, against: MetricName) -> pd.DataFrame:
    """Return a row for each setting and policy that has both metrics: `x` and `y` with the ends of their intervals
    (`x_low`, ...), and whether the policy is `on_front` in its setting. `means`: as `summary.means` returns it."""
    keys = [*study.settings, "policy"]
    sides = [
        means.loc[means["metric"] == name, [*keys, "value", "low", "high"]].rename(
            columns={"value": axis, "low": f"{axis}_low", "high": f"{axis}_high"}
        )
        for axis, name in (("x", metric), ("y", against))
    ]
    table = sides[0].merge(sides[1], on=keys)
    fronts = [
        own.assign(on_front=on_front(own[["x", "y"]].to_numpy()))
        for _, own in table.groupby(study.settings, sort=False)
    ]
    return pd.concat(fronts, ignore_index=True) if fronts else table.assign(on_front=False)


def pareto(study: ShownStudy, table: pd.DataFrame, section: StudyFigureSection, path: Path) -> Path:
    """Draw the front of each setting, a panel each, from `pareto_table`: filled marks are on the front, hollow ones are
    dominated."""
    panels = list(table.groupby(study.settings, sort=False))
    width_in = study.wanted.width_in or (COLUMN_IN if len(panels) == 1 else PAGE_IN)
    rows, columns = grid_of(len(panels), width_in)
    across, along = METRICS[section.metric or study.wanted.metric], METRICS[section.against]
    with page(0.45 + 1.95 * rows + legend_height_in(study, width_in), width_in, study.wanted) as figure:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, (setting, own) in zip(grid.flat, panels, strict=False):
            front = own[own["on_front"]].sort_values("x")
            axes.step(
                across.factor * front["x"],
                along.factor * front["y"],
                where="post",
                color="0.55",
                linewidth=0.9,
                zorder=1,
            )
            for row in own.to_dict("records"):
                look = study.look[row["policy"]]
                reach = [
                    [[abs(metric.factor * (row[axis] - row[f"{axis}_{end}"]))] for end in ("low", "high")]
                    for axis, metric in (("x", across), ("y", along))
                ]
                axes.errorbar(
                    across.factor * row["x"], along.factor * row["y"], reach[1], reach[0], color=look.color,
                    marker=look.marker, markersize=6, elinewidth=0.8, capsize=2, linestyle="none", zorder=3,
                    markerfacecolor=look.color if row["on_front"] else "white", label=study.written(row["policy"]),
                )  # fmt: skip
            if len(panels) > 1:
                axes.set_title(study.setting(setting), loc="left")
            axes.margins(0.12)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            fit_axes(axes, merged(study, section))
            tidy(axes)
        for axes in list(grid.flat)[len(panels) :]:
            axes.remove()
        figure.supxlabel(across.axis, size=8)
        figure.supylabel(along.axis, size=8)
        legend_above(figure, study)
        return save(figure, path)
