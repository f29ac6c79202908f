"""Figures of the comparison: the default problem, and the sweeps."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from agents.block_placement.settings import BlockPlacementSettings
from benchmarks.block_placement.compare import REFERENCES, TASKS, difference, interval
from benchmarks.quality_page.figures import bars
from results.figures.style import COLUMN_IN, PAGE_IN, log_when_wide, looks, page, save, tidy

NAMES = {
    "optimum": "optimum",
    "a3c": "A3C",
    "ppo": "PPO",
    "mt-a3c": "MT-A3C",
    "a2c": "A2C",
    "dqn": "DQN",
    "greedy": "greedy",
    "even-split": "even split",
    "random": "random",
}
SWEPT = ("optimum", "mt-a3c", "greedy", "even-split", "random")
AXES = {"servers": "Edge servers", "blocks": "Blocks (VGG16)", "tasks_per_slot": "Tasks in a slot"}
COLUMNS = {"delay": "delay_s", "reward": "cost_s"}
LABELS = {"delay": "Total delay of a slot (s)", "reward": "Reward of an episode (−1000 s)"}


def gaps(rows: pd.DataFrame, folder: Path) -> None:
    """Draw each policy's cost over the optimum or its bound, in both forms: a mark a seed, and the mean with its
    interval."""
    default = rows[rows["sweep"] == ""]
    with page(3.9, COLUMN_IN) as figure:
        for axes, (form, reference) in zip(figure.subplots(2, 1), REFERENCES.items(), strict=True):
            part = default[default["form"] == form]
            costs = part.pivot(index="seed", columns="policy", values="cost_s")
            policies = [name for name in NAMES if name in costs]
            look = looks(list(NAMES))
            for line, policy in enumerate(policies):
                gap = 100 * (costs[policy] / costs[reference] - 1).dropna()
                axes.plot(gap, np.full(len(gap), line + 0.22), ".", color="0.6", markersize=3, markeredgewidth=0)
                found = difference(costs[policy].to_numpy(), costs[reference].to_numpy())
                axes.plot(
                    [100 * found.low, 100 * found.high], [line - 0.12] * 2, color=look[policy].color, linewidth=1.0
                )
                axes.plot(
                    100 * found.mean, line - 0.12, look[policy].marker, color=look[policy].color, markersize=4,
                    markerfacecolor="white",
                )  # fmt: skip
            axes.axvline(2, color="0.4", linestyle=(0, (2, 2)), linewidth=0.8)
            log_when_wide(axes, "x", 1, 100)
            axes.set_yticks(range(len(policies)), [NAMES[policy] for policy in policies])
            axes.invert_yaxis()
            axes.set_xlabel(f"Cost over the optimum, {form} form (%)")
            tidy(axes, "x")
        for suffix in (".pdf", ".png"):
            save(figure, folder / f"block-placement-gaps{suffix}")


def sweeps(rows: pd.DataFrame, folder: Path) -> None:
    """Draw total delay and reward over servers, blocks and tasks, in both forms."""
    for measure in COLUMNS:
        with page(3.9, PAGE_IN) as figure:
            for form, line in zip(REFERENCES, figure.subplots(2, 3), strict=True):
                for (sweep, label), axes in zip(AXES.items(), line, strict=True):
                    _draw(axes, _points(rows, form, sweep, measure))
                    axes.set_xlabel(label)
                line[0].set_ylabel(f"{LABELS[measure]}\n{form} form")
            handles, labels = line[0].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
            for suffix in (".pdf", ".png"):
                save(figure, folder / f"block-placement-{measure}{suffix}")


def _points(rows: pd.DataFrame, form: str, sweep: str, measure: str) -> pd.DataFrame:
    """Return a frame with the columns policy, value (of what is swept), seed and y."""
    part = rows[(rows["form"] == form) & (rows["sweep"] == sweep)]
    if form == "printed" and sweep == "tasks_per_slot":  # a task's delay and cost do not depend on their number
        default = rows[(rows["form"] == form) & (rows["sweep"] == "")]
        part = pd.concat([default.assign(sweep=sweep, value=value) for value in (30, 50, 70, 90, 110)])
    tasks = part["value"] if sweep == "tasks_per_slot" else BlockPlacementSettings.tasks_per_slot
    factor = tasks if measure == "delay" else tasks / BlockPlacementSettings.tasks_per_slot * TASKS / 1e3
    part = part.assign(y=part[COLUMNS[measure]] * factor)
    best = {"viterbi"} if form == "printed" else {"myopic"}
    return part.assign(policy=["optimum" if each in best else each for each in part["policy"]])


def _draw(axes: Axes, points: pd.DataFrame) -> None:
    look = looks(SWEPT)
    for policy in SWEPT:
        own = points[points["policy"] == policy]
        if own.empty:
            continue
        grouped = own.groupby("value")["y"]
        found = np.array([(values.mean(), *interval(values.to_numpy())) for _, values in grouped])
        bars(axes, np.array(list(grouped.groups), dtype=float), found, look[policy], NAMES[policy])
    drawn = points[points["policy"].isin(SWEPT)]["y"]
    log_when_wide(axes, "y", float(drawn.min()), float(drawn.max()), ratio=10)
    tidy(axes)
