"""Figures of the comparison: the default problem, and the sweeps."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from agents.block_placement.settings import BlockPlacementSettings
from benchmarks.block_placement.compare import LEARNED, REFERENCES, TASKS, difference, gaps, interval, relative
from benchmarks.block_placement.plan import BEST_FIXED, BOUND, LENGTHS, SWEEPS
from benchmarks.quality_page.figures import bars
from results.figures.style import COLUMN_IN, PAGE_IN, log_when_wide, looks, page, save, tidy

SUFFIXES = (".pdf", ".png")
NAMES = {
    "a3c": "A3C",
    "ppo": "PPO",
    "mt-a3c": "MT-A3C",
    "a2c": "A2C",
    "dqn": "DQN",
    BEST_FIXED: "best fixed",
    "best-server": "best server",
    "greedy": "greedy",
    "even-split": "even split",
    "random": "random",
}
SWEPT = {
    BOUND: "bound",
    "viterbi": "optimum",
    "myopic": "best of each slot",
    **{name: NAMES[name] for name in ("mt-a3c", "a3c", "dqn", BEST_FIXED, "greedy", "even-split", "random")},
}
GAPS = {"printed": "Cost over the optimum, printed form (%)", "mended": "Cost over the bound, mended form (%)"}
AXES = {"servers": "Edge servers", "blocks": "Blocks (VGG16)", "tasks_per_slot": "Tasks in a slot"}
LEARNED_AXES = {
    "servers": "Edge servers",
    "blocks": "Blocks (VGG16)",
    LENGTHS: "Slots of training (1000), 21 blocks",
}
SHOWN = {
    **{policy: NAMES[policy] for policy in (*LEARNED, BEST_FIXED)},
    "more entropy": "MT-A3C, more entropy",
}
COLUMNS = {"delay": "delay_s", "reward": "cost_s"}
LABELS = {"delay": "Total delay of a slot (s)", "reward": "−Reward (1000 s)"}


def default(rows: pd.DataFrame, folder: Path) -> None:
    """Draw each policy's cost over the optimum or its bound, in both forms: a mark a seed, and the mean with its
    interval."""
    rows = rows[rows["sweep"] == ""]
    with page(3.9, COLUMN_IN) as figure:
        for axes, (form, reference) in zip(figure.subplots(2, 1), REFERENCES.items(), strict=True):
            part = rows[rows["form"] == form]
            policies = [name for name in NAMES if name in set(part["policy"])]
            look = looks(list(NAMES))
            for line, policy in enumerate(policies):
                percent = 100 * relative(part, policy, reference)
                seeds = np.full(len(percent), line + 0.22)
                axes.plot(percent, seeds, ".", color="0.6", markersize=3, markeredgewidth=0)
                found = difference(percent)
                axes.plot([found.low, found.high], [line - 0.12] * 2, color=look[policy].color, linewidth=1.0)
                axes.plot(
                    found.mean, line - 0.12, look[policy].marker, color=look[policy].color, markersize=4,
                    markerfacecolor="white",
                )  # fmt: skip
            axes.axvline(2, color="0.4", linestyle=(0, (2, 2)), linewidth=0.8)
            log_when_wide(axes, "x", 1, 100)
            axes.set_yticks(range(len(policies)), [NAMES[policy] for policy in policies])
            axes.invert_yaxis()
            axes.set_xlabel(GAPS[form])
            tidy(axes, "x")
        for suffix in SUFFIXES:
            save(figure, folder / f"block-placement-gaps{suffix}")


def sweeps(rows: pd.DataFrame, folder: Path) -> None:
    """Draw total delay and reward over servers, blocks and tasks, in both forms."""
    for measure in COLUMNS:
        with page(4.1, PAGE_IN) as figure:
            for form, line in zip(REFERENCES, figure.subplots(2, 3), strict=True):
                for (sweep, label), axes in zip(AXES.items(), line, strict=True):
                    _draw(axes, _points(rows, form, sweep, measure), SWEPT)
                    axes.set_xticks(SWEEPS[sweep])
                    axes.set_xlabel(label)
                line[0].set_ylabel(f"{LABELS[measure]}\n{form} form")
            _legend(figure, SWEPT)
            for suffix in SUFFIXES:
                save(figure, folder / f"block-placement-{measure}{suffix}")


def learned(rows: pd.DataFrame, folder: Path) -> None:
    """Draw how much more than the optimum those cost that learn, and the best fixed placement, over servers, blocks and
    the length of training."""
    with page(2.3, PAGE_IN) as figure:
        panels = figure.subplots(1, 3)
        for (sweep, label), axes in zip(LEARNED_AXES.items(), panels, strict=True):
            part = rows[(rows["form"] == "printed") & (rows["sweep"] == sweep)]
            points = [
                (100 * gaps(part, policy, REFERENCES["printed"])).rename("y").reset_index().assign(policy=policy)
                for policy in SHOWN
                if policy in set(part["policy"])
            ]
            if points:
                _draw(axes, pd.concat(points), SHOWN)
            axes.set_xlabel(label)
        panels[0].set_xticks(SWEEPS["servers"])
        panels[1].set_xticks(SWEEPS["blocks"])
        panels[2].set_xscale("log")
        panels[2].set_xticks(SWEEPS[LENGTHS], [f"{slots / 1000:g}" for slots in SWEEPS[LENGTHS]])
        panels[2].minorticks_off()
        panels[0].set_ylabel("Cost over the\noptimum (%)")
        _legend(figure, SHOWN)
        for suffix in SUFFIXES:
            save(figure, folder / f"block-placement-learned{suffix}")


def _points(rows: pd.DataFrame, form: str, sweep: str, measure: str) -> pd.DataFrame:
    """Return a frame with the columns policy, value (of what is swept), seed and y."""
    part = rows[(rows["form"] == form) & (rows["sweep"] == sweep)]
    if form == "printed" and sweep == "tasks_per_slot":  # a task's delay and cost do not depend on their number
        default = rows[(rows["form"] == form) & (rows["sweep"] == "")]
        part = pd.concat([default.assign(sweep=sweep, value=value) for value in SWEEPS[sweep]])
    tasks = part["value"] if sweep == "tasks_per_slot" else BlockPlacementSettings.tasks_per_slot
    factor = tasks if measure == "delay" else tasks / BlockPlacementSettings.tasks_per_slot * TASKS / 1e3
    part = part.assign(y=part[COLUMNS[measure]] * factor)
    relaxed = {"viterbi"} if form == "mended" else set()  # knows no queue, and overloads servers
    return part[~part["policy"].isin(relaxed)].dropna(subset="y")


def _draw(axes: Axes, points: pd.DataFrame, names: Mapping[str, str]) -> None:
    """Draw the mean and interval of each policy's points: a line a policy, the bound as a band behind them."""
    look = looks(list(names))
    for policy, label in names.items():
        grouped = points[points["policy"] == policy].groupby("value")["y"]
        x = np.array(list(grouped.groups), dtype=float)
        if policy == BOUND and len(x):
            axes.plot(x, grouped.mean(), color="0.8", linewidth=4, solid_capstyle="round", zorder=1, label=label)
        elif len(x):
            found = np.array([(values.mean(), *interval(values.to_numpy())) for _, values in grouped])
            bars(axes, x, found, look[policy], label)
    drawn = points[points["policy"].isin(names)]["y"]
    low, high = float(drawn.min()), float(drawn.max())
    log_when_wide(axes, "y", low, high, ratio=10)
    if axes.get_yscale() == "log" and high < 100 * low:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    tidy(axes)


def _legend(figure: Figure, names: Mapping[str, str]) -> None:
    """Put one legend for all panels above them, in the order of `names`, in lines of at most five."""
    drawn: dict[str, Any] = {}
    for axes in figure.axes:
        handles, labels = axes.get_legend_handles_labels()
        drawn |= dict(zip(labels, handles, strict=True))
    labels = [label for label in names.values() if label in drawn]
    figure.legend([drawn[label] for label in labels], labels, loc="outside upper center", ncols=min(len(labels), 5))
