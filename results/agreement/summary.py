"""How far emulation and simulation are apart over all tasks: the numbers of agreement.parquet in a few."""

from collections.abc import Mapping
from math import nan
from typing import NamedTuple

import numpy as np
import pandas as pd

from emulator.core.randomness import generator
from results.agreement import PART_COLUMNS, PARTS, REST
from results.agreement.task_timeline import COMPUTE, WAITING
from results.bootstrap import ratio_interval
from results.text import number

ON_DEVICES = [f"{COMPUTE}_ns", f"{WAITING}_ns"]
SPREAD = (0.05, 0.95)  # of tasks
SAID = 3  # parts in a sentence


class Distance(NamedTuple):
    """Of real less simulated sojourns of `tasks`: the median, and the magnitude that 95 % do not pass. `explained`: 1
    less the sum of the magnitudes of the unexplained rests over that of the differences. Both again of what is left
    without devices, computing and waiting. `computing`: the share of the time on devices in which partitions really
    ran. `untold`: the share of messages whose packets could not be told from others'."""

    tasks: int
    median_ms: float
    within_ms: float
    explained: float
    network_median_ms: float
    network_explained: float
    computing: float
    untold: float


def distance(tasks: pd.DataFrame) -> Distance:
    """The distance over the rows of agreement.parquet, of which there is one at least."""
    difference = differences_ms(tasks)
    network = difference - tasks[ON_DEVICES].sum(axis=1) * 1e-6
    rest = tasks[f"{REST}_ns"] * 1e-6
    service, messages = tasks["service_ns"].sum(), tasks["messages"].sum()
    untold = tasks["overlapping"].sum() + tasks["unmatched"].sum()
    return Distance(
        len(tasks),
        float(difference.median()),
        float(difference.abs().quantile(0.95)),
        explained(difference, rest),
        float(network.median()),
        explained(network, rest),
        float(tasks["computing_ns"].sum() / service) if service else nan,
        float(untold / messages) if messages else 0.0,
    )


def explained(differences: pd.Series, rests: pd.Series) -> float:
    """Which part of the magnitudes of differences is not left as a rest; at worst nothing."""
    apart = differences.abs().sum()
    return max(0.0, float(1 - rests.abs().sum() / apart)) if apart else 1.0


def differences_ms(tasks: pd.DataFrame) -> pd.Series:
    """Real less simulated sojourn of each task."""
    difference: pd.Series = (tasks["real_ns"] - tasks["simulated_ns"]) * 1e-6
    return difference


def part_table(tasks: pd.DataFrame, units: Mapping[str, str]) -> pd.DataFrame:
    """A row for each kind and part: `kind`, `part` (in words), `mean_ms`, its 95 % interval `low_ms` to `high_ms` over
    the traces of sources (`units`; NaN with fewer than five), and what nine tenths of tasks lie between, `from_ms` to
    `to_ms`."""
    rows = []
    for kind, of_kind in tasks.groupby("kind"):
        traces = of_kind["source"].map(lambda source: units.get(source, source))
        for column, title in PART_COLUMNS.items():
            values = of_kind[column] * 1e-6
            sums = values.groupby(traces).agg(["sum", "count"])
            rng = generator(0, str(kind), f"bootstrap of {column}")
            low, high = ratio_interval(sums["sum"].to_numpy(), sums["count"].to_numpy(), rng)
            first, last = np.quantile(values, SPREAD)
            rows.append((str(kind), title, float(values.mean()), low, high, float(first), float(last)))
    return pd.DataFrame(rows, columns=["kind", "part", "mean_ms", "low_ms", "high_ms", "from_ms", "to_ms"])


def in_words(tasks: pd.DataFrame) -> str:
    """The answer to the question how far the two are apart."""
    found = distance(tasks)
    means = (tasks[list(PART_COLUMNS)].mean() * 1e-6).rename(PART_COLUMNS).drop(PARTS[REST])
    largest = means[means.abs().sort_values(ascending=False).index[:SAID]]
    named = [f"{title} ({signed(value)} ms)" for title, value in largest.items()]
    return (
        f"In the median of {found.tasks} tasks, reality took {_more(found.median_ms)} than the simulation; for 95 % of "
        f"them the two are at most {number(found.within_ms)} ms apart. {100 * found.explained:.1f} % of the "
        f"differences are told apart by part, most of them {', '.join(named[:-1])} and {named[-1]}, each the mean of "
        f"all tasks. Without what happened on devices, the median is {signed(found.network_median_ms)} ms, and "
        f"{100 * found.network_explained:.1f} % are told apart."
    )


def _more(median_ms: float) -> str:
    return f"{number(abs(median_ms))} ms {'less' if median_ms < 0 else 'more'}"


def signed(value: float) -> str:
    """A number with its sign, as people read it."""
    sign = "+" if value > 0 else "−" if value < 0 else ""
    return sign + number(abs(value))
