"""Paired differences between policies over seeds, with intervals."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from agents.block_placement.settings import BlockPlacementSettings
from benchmarks.block_placement.plan import BEST_FIXED, BOUND, IDEAS
from emulator.core.arrays import Floats

TASKS = BlockPlacementSettings.tasks_per_slot * BlockPlacementSettings.slots  # of an episode, on average
REFERENCES = {"printed": "viterbi", "mended": BOUND}
ORDER = ("mt-a3c", "a3c", "dqn", "greedy", "random")  # as published, best first
LEARNED = ORDER[:3]
RULES = (BEST_FIXED, "best-server", "myopic")
DELAYS = {  # with the published margins of MT-A3C, on average
    "delay_s": ("total delay", "-4.76%"),
    "edge_s": ("delay at the edge", "-10.04%"),
    "device_s": ("delay on the device", "-8.03%"),
}


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


def gaps(part: pd.DataFrame, policy: str, reference: str, column: str = "cost_s") -> "pd.Series[float]":
    """Return policy / reference - 1 of a column, by seed and value of what is swept, wherever both were measured."""
    table = part.pivot(index=["seed", "value"], columns="policy", values=column)
    return (table[policy] / table[reference] - 1).dropna()


def relative(part: pd.DataFrame, policy: str, reference: str, column: str = "cost_s") -> Floats:
    """Return the mean of `gaps` over the points of a sweep, shape (seeds,): of seeds that have all points."""
    by_seed = gaps(part, policy, reference, column).groupby("seed")
    complete = by_seed.size() == by_seed.size().max()
    return np.asarray(by_seed.mean()[complete], dtype=np.float64)


def difference(relative: Floats) -> Difference:
    """Return the mean of relative differences and its interval."""
    return Difference(float(relative.mean()), *interval(relative))


def verdict(found: Difference) -> str:
    """Say whether the policy before has the lower cost, given the difference of the policy after it."""
    if np.isnan(found.low):
        return "not tested (fewer than five seeds)"
    if found.low > 0:
        return "holds"
    return "reversed" if found.high < 0 else "undecided"


def tables(rows: pd.DataFrame) -> str:
    """Return the comparison as text: gaps to the optimum or bound, the published order, and the published margins."""
    lines: list[str] = []
    for (form, sweep), part in rows.groupby(["form", "sweep"], sort=False):
        seeds, reference = part["seed"].nunique(), REFERENCES[str(form)]
        lines.append(f"{form} form, {sweep or 'default'}, {seeds} seeds; cost of a task against {reference}")
        lines += _points(part, reference) if sweep else _policies(part, reference)
        lines += [*_order(part), *_margins(part)]
    return "\n".join(lines)


def _policies(part: pd.DataFrame, reference: str) -> Iterator[str]:
    means = part.groupby("policy")[["cost_s", "training_s"]].mean().sort_values("cost_s")
    for policy, cost_s, training_s in means.itertuples():
        found = relative(part, policy, reference)
        yield (
            f"  {policy:12} {cost_s:9.4f} s  reward of an episode {-cost_s * TASKS / 1e3:9.2f}e3"
            f"  {difference(found)!s:32} worst {found.max():+.2%}, {len(found)} seeds, trained {training_s:.1f} s"
        )


def _points(part: pd.DataFrame, reference: str) -> Iterator[str]:
    """Yield the gaps of those that learn, over all points and, beside rules of one line, at each where the reference is
    known."""
    for policy in [each for each in LEARNED if each in set(part["policy"])]:
        yield f"  {policy} over all: {difference(relative(part, policy, reference))}"
    for value in sorted(part[part["policy"] == reference]["value"].unique()):
        here = part[part["value"] == value]
        shown = [policy for policy in (*LEARNED, *IDEAS, *RULES) if policy in set(here["policy"])]
        found = [f"{policy} {difference(relative(here, policy, reference))}" for policy in shown]
        cost_s = here[here["policy"] == reference]["cost_s"].mean()
        yield f"  {value:9}: {reference} {cost_s:.4f} s, {', '.join(found)}"


def _order(part: pd.DataFrame) -> Iterator[str]:
    for better, worse in pairwise(_present(part)):
        found = difference(relative(part, worse, better))
        yield f"  {better} >= {worse}: {verdict(found)}, {worse} costs {found}"


def _margins(part: pd.DataFrame) -> Iterator[str]:
    for other in _present(part)[1:]:
        for column, (name, published) in DELAYS.items():
            if other in LEARNED or column == "delay_s":
                found = difference(relative(part, "mt-a3c", other, column))
                yield f"  {name} of mt-a3c against {other}: {found} (published, on average: {published})"


def _present(part: pd.DataFrame) -> list[str]:
    return [policy for policy in ORDER if policy in set(part["policy"])]
