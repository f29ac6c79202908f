"""Paired differences between policies over seeds, with intervals."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from agents.block_placement.settings import BlockPlacementSettings
from benchmarks.block_placement.plan import BOUND
from emulator.core.arrays import Floats

TASKS = BlockPlacementSettings.tasks_per_slot * BlockPlacementSettings.slots  # of an episode, on average
REFERENCES = {"printed": "viterbi", "mended": BOUND}
ORDER = ("mt-a3c", "a3c", "dqn", "greedy", "random")  # as published, best first


class Difference(NamedTuple):
    """Mean of paired relative differences and its 95 % t interval (NaN with fewer than five pairs)."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.low):
            return f"{self.mean:+.2%}"
        return f"{self.mean:+.2%} [{self.low:+.2%}, {self.high:+.2%}]"


def interval(values: Floats) -> tuple[float, float]:
    """Return the 95 % t interval of the mean (NaN with fewer than five values)."""
    if len(values) < 5:
        return float("nan"), float("nan")
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
    return float(values.mean()) - half, float(values.mean()) + half


def difference(costs: Floats, reference: Floats) -> Difference:
    """Return cost / reference - 1 over pairs, shape (seeds,) each."""
    relative = costs / reference - 1
    relative = relative[~np.isnan(relative)]  # a seed that only one of them has
    return Difference(float(relative.mean()), *interval(relative))


def paired(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a column with seeds as rows and policies as columns."""
    return rows.pivot(index="seed", columns="policy", values=column)


def verdict(found: Difference) -> str:
    """Say whether the policy before has the lower cost, given the difference of the policy after it."""
    if np.isnan(found.low):
        return "not tested (fewer than five seeds)"
    if found.low > 0:
        return "holds"
    return "reversed" if found.high < 0 else "undecided"


def tables(rows: pd.DataFrame) -> str:
    """Return the comparison as text: gaps to the optimum, the published order, and the published margins."""
    default = rows[rows["sweep"] == ""]
    lines = [line for form, part in default.groupby("form", sort=False) for line in _default_lines(str(form), part)]
    for (form, sweep), part in rows[rows["sweep"] != ""].groupby(["form", "sweep"], sort=False):
        lines += _sweep_lines(f"{form} form, {sweep}", part, REFERENCES[str(form)])
    return "\n".join(lines)


def _default_lines(form: str, part: pd.DataFrame) -> Iterator[str]:
    costs, delays, reference = paired(part, "cost_s"), paired(part, "delay_s"), REFERENCES[form]
    yield f"{form} form, {len(costs)} seeds; cost of a task against {reference}"
    training = part.groupby("policy")["training_s"].mean()
    for policy in costs.mean().sort_values().index:
        found = difference(costs[policy].to_numpy(), costs[reference].to_numpy())
        worst = float((costs[policy] / costs[reference] - 1).max())
        reward = -costs[policy].mean() * TASKS / 1e3
        yield (
            f"  {policy:12} {costs[policy].mean():9.4f} s  reward of an episode {reward:9.2f}e3  {found!s:32}"
            f" worst {worst:+.2%}, {costs[policy].count()} seeds, trained {training[policy]:.1f} s"
        )
    present = [policy for policy in ORDER if policy in costs]
    for better, worse in pairwise(present):
        found = difference(costs[worse].to_numpy(), costs[better].to_numpy())
        yield f"  {better} >= {worse}: {verdict(found)}, {worse} costs {found}"
    for other in present[1:]:
        found = difference(delays["mt-a3c"].to_numpy(), delays[other].to_numpy())
        yield f"  total delay of mt-a3c against {other}: {found} (published, on average: -4.76%)"


def _sweep_lines(title: str, part: pd.DataFrame, reference: str) -> Iterator[str]:
    """Yield the differences of MT-A3C from other policies, averaged over the points of a sweep, seed by seed."""
    costs = part.pivot(index=["seed", "value"], columns="policy", values="cost_s")
    for other in [each for each in (reference, "greedy", "random") if each in costs]:
        ratios = (costs["mt-a3c"] / costs[other]).dropna().groupby("seed").mean()
        found = difference(ratios.to_numpy(), np.ones(len(ratios)))
        yield f"  {title}: mt-a3c costs {found} against {other}, {len(ratios)} seeds"
