"""Figures of the comparison: the default problem, and the sweeps."""

from pathlib import Path

import pandas as pd

from results.figures.style import COLUMN_IN, PAGE_IN, log_when_wide, looks, page, save, tidy

NAMES = {
    "viterbi": "optimum (Viterbi)",
    "mt-a3c": "MT-A3C",
    "a2c": "A2C",
    "a3c": "A3C",
    "dqn": "DQN",
    "greedy": "greedy",
    "even-split": "even split",
    "random": "random",
}
AXES = {"servers": "edge servers", "blocks": "blocks (VGG16)", "tasks_per_slot": "tasks in a slot"}
FORMS = ("printed", "mended")


def gaps(rows: pd.DataFrame, folder: Path) -> None:
    """Draw each policy's cost over the optimum in the printed form, a mark a seed."""
    part = rows[(rows["form"] == "printed") & (rows["sweep"] == "")]
    costs = part.pivot(index="seed", columns="policy", values="cost_s")
    policies = [name for name in NAMES if name in costs and name != "viterbi"]
    look = looks(policies)
    with page(2.4, COLUMN_IN) as figure:
        axes = figure.add_subplot()
        for row, policy in enumerate(policies):
            gap = 100 * (costs[policy] / costs["viterbi"] - 1)
            axes.plot(gap, [row] * len(gap), look[policy].marker, color=look[policy].color, markersize=4, mfc="none")
        axes.axvline(2, color="0.5", linestyle=(0, (2, 2)), linewidth=0.8)
        log_when_wide(axes, "x", 1, 100)
        axes.set_yticks(range(len(policies)), [NAMES[policy] for policy in policies])
        axes.invert_yaxis()
        axes.set_xlabel("cost over the optimum, % (dotted: 2 %)")
        tidy(axes, "x")
        for suffix in (".pdf", ".png"):
            save(figure, folder / f"gaps{suffix}")


def sweeps(rows: pd.DataFrame, folder: Path) -> None:
    """Draw the mean cost of a task over servers, blocks and tasks, both forms."""
    policies = [name for name in NAMES if name in set(rows[rows["sweep"] != ""]["policy"])]
    look = looks(policies)
    with page(3.9, PAGE_IN) as figure:
        grid = figure.subplots(2, 3)
        for form, line in zip(FORMS, grid, strict=True):
            for (sweep, label), axes in zip(AXES.items(), line, strict=True):
                part = rows[(rows["form"] == form) & (rows["sweep"] == sweep)]
                shown = [policy for policy in policies if form == "printed" or policy != "viterbi"]
                costs = part.groupby(["policy", "value"])["cost_s"].mean()
                for policy in (policy for policy in shown if policy in costs.index.get_level_values(0)):
                    line_costs = costs[policy]
                    color, dashes, marker = look[policy]
                    axes.plot(
                        line_costs.index, line_costs, linestyle=dashes, color=color, marker=marker, markersize=3,
                        label=NAMES[policy],
                    )  # fmt: skip
                log_when_wide(axes, "y", float(part["cost_s"].min()), float(part["cost_s"].max()), ratio=8)
                axes.set_xlabel(label)
                tidy(axes)
            line[0].set_ylabel(f"cost of a task, s\n({form} form)")
        handles, labels = grid[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
        for suffix in (".pdf", ".png"):
            save(figure, folder / f"sweeps{suffix}")
