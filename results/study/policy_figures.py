"""Draw a study's policies, one a row: a number with its interval; or as curves of shares: performance profiles."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from emulator.core.arrays import Floats
from results.figures.style import COLUMN_IN, INK, fit_axes, page, save, tidy
from results.study.metrics import METRICS
from results.study.resampling import estimate, shares_within
from results.study.selection import ShownStudy
from results.study.sweep_figures import BAND, legend_above, legend_height_in, merged
from topologies.schema.study_figures import MetricName, StudyFigureSection

POINTS = 101  # of a profile


class DotFigure(NamedTuple):
    """How numbers of policies are drawn: the label of the axis, the factor of the values, and a line for orientation
    (NaN: none)."""

    axis: str
    factor: float
    line: float = np.nan


def dots(study: ShownStudy, table: pd.DataFrame, kind: DotFigure, section: StudyFigureSection, path: Path) -> Path:
    """Draw a row for each policy: `value` with its interval from `low` to `high`. `notes`, if there are, stand at the
    right."""
    with page(0.62 + 0.27 * len(table), COLUMN_IN, study.wanted) as figure:
        axes = figure.subplots()
        for height, row in enumerate(table.to_dict("records")):
            look = study.look[row["policy"]]
            value, low, high = (kind.factor * row[name] for name in ("value", "low", "high"))
            axes.plot([low, high], [height] * 2, color=look.color, linewidth=2.2, solid_capstyle="butt", zorder=2)
            axes.plot(
                value, height, look.marker, color=look.color, markersize=6, markeredgecolor="white",
                markeredgewidth=0.5, zorder=3,
            )  # fmt: skip
        if not np.isnan(kind.line):
            axes.axvline(kind.line, color=INK, linewidth=0.8, linestyle=(0, (1.2, 1.2)), zorder=1)
        axes.set_yticks(range(len(table)), [study.written(policy) for policy in table["policy"]])
        axes.set_ylim(len(table) - 0.45, -0.55)
        axes.margins(x=0.08)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(kind.axis)
        fit_axes(axes, merged(study, section))
        tidy(axes, "x")
        if "notes" in table:
            right = axes.secondary_yaxis("right")
            right.set_yticks(range(len(table)), table["notes"])
            right.tick_params(length=0, labelsize=7)
            right.spines[:].set_visible(False)
        return save(figure, path)


def profile_table(study: ShownStudy, metric: MetricName) -> pd.DataFrame:
    """Return the performance profiles: for each policy and threshold, the share of cells whose metric is at most the
    threshold, with its interval."""
    known = study.cells[study.cells[metric].notna()]
    thresholds = thresholds_of(known[metric].to_numpy())
    curves = []
    for policy in study.policies:
        own = known[known["policy"] == policy]
        if len(own):
            shares = estimate(own, shares_within(own[metric].to_numpy(), thresholds), f"profile\x1f{policy}")
            curve = {"threshold": thresholds, "value": shares.value, "low": shares.low, "high": shares.high}
            curves.append(pd.DataFrame(curve).clip(lower=-np.inf).assign(policy=policy))
    table = pd.concat(curves, ignore_index=True)
    return table.assign(low=table["low"].clip(0, 1), high=table["high"].clip(0, 1))


def thresholds_of(values: Floats) -> Floats:
    """Return thresholds over all values, closer together where values are."""
    even = np.linspace(values.min(), values.max(), POINTS)
    return np.unique(np.append(even, np.quantile(values, np.linspace(0, 1, POINTS))))


def profile(
    study: ShownStudy, table: pd.DataFrame, metric: MetricName, section: StudyFigureSection, path: Path
) -> Path:
    """Draw performance profiles from `profile_table`."""
    named = METRICS[metric]
    width_in = study.wanted.width_in or COLUMN_IN
    with page(2.2 + legend_height_in(study, width_in), width_in, study.wanted) as figure:
        axes = figure.subplots()
        for policy, curve in table.groupby("policy", sort=False):
            look = study.look[str(policy)]
            x = named.factor * curve["threshold"]
            axes.step(
                x, curve["value"], where="post", color=look.color, linestyle=look.linestyle, marker=look.marker,
                markevery=(8 + 5 * study.policies.index(str(policy)), 45), markersize=3.6,
                label=study.written(str(policy)),
            )  # fmt: skip
            axes.fill_between(x, curve["low"], curve["high"], step="post", color=look.color, alpha=BAND, linewidth=0)
        axes.set(xlabel=named.axis, ylabel="Share of cells within", ylim=(0, 1.03))
        axes.margins(x=0.02)
        fit_axes(axes, merged(study, section))
        tidy(axes)
        legend_above(figure, study)
        return save(figure, path)
