"""Paired differences between policies over seeds, with intervals."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from emulator.core.arrays import Floats

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


def difference(costs: Floats, reference: Floats) -> Difference:
    """Return cost / reference - 1 over pairs, shape (seeds,) each."""
    relative = costs / reference - 1
    relative = relative[~np.isnan(relative)]  # a seed that only one of them has
    mean = float(relative.mean())
    if len(relative) < 5:
        return Difference(mean, float("nan"), float("nan"))
    half = float(stats.t.ppf(0.975, len(relative) - 1) * relative.std(ddof=1) / len(relative) ** 0.5)
    return Difference(mean, mean - half, mean + half)


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
    lines = []
    default = rows[rows["sweep"].isna() | (rows["sweep"] == "")]
    for form, part in default.groupby("form", sort=False):
        costs, delays = paired(part, "cost_s"), paired(part, "delay_s")
        reference = "viterbi" if form == "printed" else "myopic" if "myopic" in costs else "greedy"
        lines.append(f"{form} form, {len(costs)} seeds; cost of a task against {reference}")
        training = part.groupby("policy")["training_s"].mean()
        for policy in costs.mean().sort_values().index:
            pair = costs[[policy, reference]].dropna() if policy != reference else costs[[policy]].dropna()
            found = difference(pair[policy].to_numpy(), pair[reference].to_numpy())
            thousands = -costs[policy].mean() * part["tasks"].mean() / 1e3
            lines.append(
                f"  {policy:12} {costs[policy].mean():8.4f} s  reward of an episode {thousands:9.2f}e3  {found!s:32}"
                f"  trained {training[policy]:5.1f} s"
            )
        present = [policy for policy in ORDER if policy in costs]
        for better, worse in pairwise(present):
            found = difference(costs[worse].to_numpy(), costs[better].to_numpy())
            lines.append(f"  {better} >= {worse}: {verdict(found)}, {worse} costs {found}")
        for other in [policy for policy in present[1:] if "mt-a3c" in costs]:
            found = difference(delays["mt-a3c"].to_numpy(), delays[other].to_numpy())
            lines.append(f"  total delay of mt-a3c against {other}: {found} (published, on average: -4.76%)")
    return "\n".join(lines)
