"""Draw a metric over the settings of a study: lines over a swept parameter, bars by setting."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from results.figures.style import COLUMN_IN, PAGE_IN, fit_axes, page, save, tidy
from results.study.metrics import METRICS
from results.study.selection import ShownStudy, number_or_text
from topologies.schema.study_figures import StudyFigureSection

MAX_PANELS = 6
MAX_GROUPS = 12  # of bars
MAX_COLUMNS, PANEL_IN = 3, 1.7  # panels side by side, and the least width of one
BAND = 0.16  # opacity
HANDLE_IN, LETTER_IN, LEGEND_ROW_IN = 0.45, 0.058, 0.16  # of a legend's entry: line and gaps, a letter, height


def lines(study: ShownStudy, table: pd.DataFrame, section: StudyFigureSection, over: str, path: Path) -> Path:
    """Draw a metric over a swept parameter, a line for each policy with a band for its intervals, and a panel for each
    setting of the other parameters. `table`: as `means` returns it, of one metric."""
    others = [name for name in study.settings if name != over]
    panels = list(table.groupby(others, sort=False)) if others else [((), table)]
    metric = METRICS[table["metric"].iloc[0]]
    values = list(dict.fromkeys(table[over].sort_values()))
    numeric = pd.api.types.is_numeric_dtype(table[over])
    width_in = study.wanted.width_in or (COLUMN_IN if len(panels) == 1 else PAGE_IN)
    rows, columns = grid_of(len(panels), width_in)
    with page(0.35 + 1.95 * rows + legend_height_in(study, width_in), width_in, study.wanted) as figure:
        grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axes, (setting, own) in zip(grid.flat, panels, strict=False):
            for policy in study.policies:
                line = own[own["policy"] == policy].sort_values(over)
                x = line[over] if numeric else line[over].map(values.index)
                draw_line(axes, x, line, metric.factor, study, policy)
            if others:
                axes.set_title(", ".join(map(study.value, others, setting)), loc="left")
            if not numeric or len(values) <= 7:
                axes.set_xticks(values if numeric else range(len(values)), [number_or_text(value) for value in values])
            fit_axes(axes, merged(study, section))
            tidy(axes)
        for axes in list(grid.flat)[len(panels) :]:
            axes.remove()
        figure.supxlabel(study.axis(over), size=8)
        figure.supylabel(metric.axis, size=8)
        legend_above(figure, study)
        return save(figure, path)


def grid_of(panels: int, width_in: float) -> tuple[int, int]:
    """Return the numbers of rows and columns of panels on a page."""
    columns = min(panels, MAX_COLUMNS, max(1, int(width_in / PANEL_IN)))
    return -(-panels // columns), columns


def draw_line(axes: Axes, x: Any, line: pd.DataFrame, factor: float, study: ShownStudy, policy: str) -> None:
    """Draw the line of one policy with its band, if it has intervals."""
    look = study.look[policy]
    low, high = factor * line["low"], factor * line["high"]
    axes.plot(
        x,
        factor * line["value"],
        color=look.color,
        linestyle=look.linestyle,
        marker=look.marker,
        markersize=4,
        markeredgecolor="white",
        markeredgewidth=0.4,
        label=study.written(policy),
        zorder=3,
    )
    axes.fill_between(x, low, high, color=look.color, alpha=BAND, linewidth=0)
    for edge in (low, high):  # keeps overlapping bands apart in grey
        axes.plot(x, edge, color=look.color, linewidth=0.4, linestyle=look.linestyle, alpha=0.7)


def bars(study: ShownStudy, table: pd.DataFrame, section: StudyFigureSection, path: Path) -> Path:
    """Draw a metric in each setting, a bar for each policy with its interval. `table`: as `means` returns it, of one
    metric."""
    groups = list(table.groupby(study.settings, sort=False))
    metric = METRICS[table["metric"].iloc[0]]
    thickness = 0.82 / len(study.policies)
    width_in = study.wanted.width_in or (COLUMN_IN if len(groups) * len(study.policies) <= 12 else PAGE_IN)
    with page(2.35 + legend_height_in(study, width_in), width_in, study.wanted) as figure:
        axes = figure.subplots()
        for place, policy in enumerate(study.policies):
            look = study.look[policy]
            own = [(number, rows[rows["policy"] == policy]) for number, (_, rows) in enumerate(groups)]
            present = pd.concat([rows.assign(group=number) for number, rows in own])
            x = present["group"] + (place - (len(study.policies) - 1) / 2) * thickness
            arms = metric.factor * np.abs(present[["low", "high"]].to_numpy().T - present["value"].to_numpy())
            axes.bar(
                x,
                metric.factor * present["value"],
                thickness,
                color=look.color,
                hatch=look.hatch,
                edgecolor="white",
                linewidth=0.4,
                label=study.written(policy),
            )
            axes.errorbar(
                x, metric.factor * present["value"], arms, fmt="none", ecolor="0.1", elinewidth=0.8, capsize=1.6
            )
        names = [study.setting(setting) for setting, _ in groups]
        long = sum(map(len, names)) * 0.055 > 0.75 * figure.get_figwidth()
        axes.set_xticks(range(len(groups)), names, rotation=25 if long else 0, ha="right" if long else "center")
        axes.tick_params(axis="x", length=0)
        axes.set_ylabel(metric.axis)
        fit_axes(axes, merged(study, section))
        tidy(axes, "y")
        legend_above(figure, study)
        return save(figure, path)


def legend_columns(study: ShownStudy, width_in: float) -> int:
    """Return how many columns of policies there is room for above the panels."""
    widths = [HANDLE_IN + LETTER_IN * len(study.written(policy)) for policy in study.policies]
    return len(widths) if sum(widths) < width_in else max(1, int(width_in / max(widths)))


def legend_height_in(study: ShownStudy, width_in: float) -> float:
    """Return the height of the policies above the panels."""
    return LEGEND_ROW_IN * -(-len(study.policies) // legend_columns(study, width_in))


def legend_above(figure: Figure, study: ShownStudy) -> None:
    """Put the policies, in order, above the panels."""
    drawn: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            drawn.setdefault(label, handle[0] if isinstance(handle, ErrorbarContainer) else handle)
    labels = [name for name in map(study.written, study.policies) if name in drawn]
    figure.legend(
        [drawn[name] for name in labels], labels, loc="outside upper center",
        ncols=legend_columns(study, figure.get_figwidth()), columnspacing=1.2, handletextpad=0.5,
    )  # fmt: skip


def merged(study: ShownStudy, section: StudyFigureSection) -> StudyFigureSection:
    """Return a figure's section, with the study's scales and limits where it has none of its own."""
    names = ("x_limits", "y_limits", "x_scale", "y_scale")
    own = {name: getattr(section, name) or getattr(study.wanted, name) for name in names}
    return section.model_copy(update=own)
