"""Summarise agreement.parquet: how far emulation and simulation are apart over all tasks."""

from collections.abc import Mapping
from math import nan
from typing import NamedTuple

import numpy as np
import pandas as pd

from results.agreement import PART_COLUMNS, PART_TITLES, REST
from results.agreement.task_timeline import COMPUTE, WAITING
from results.intervals import ratio_interval
from results.run.folder import Run
from results.text import number

DEVICE_COLUMNS = [f"{COMPUTE}_ns", f"{WAITING}_ns"]
TASK_QUANTILES = (0.05, 0.95)
PARTS_NAMED = 3  # in the sentence


class AgreementSummary(NamedTuple):
    """Differences between real and simulated sojourns of `tasks`.

    `median_ms`: the median of real minus simulated. `within_ms`: the 95th percentile of its magnitude. `explained`:
    1 - sum of |unexplained rest| / sum of |difference|. `network_...`: the same without the parts on devices
    (computing and waiting). `computing`: the share of the time on devices in which partitions really computed.
    `unknown`: the share of messages whose packets could not be identified.
    """

    tasks: int
    median_ms: float
    within_ms: float
    explained: float
    network_median_ms: float
    network_explained: float
    computing: float
    unknown: float


def summarise_agreement(tasks: pd.DataFrame) -> AgreementSummary:
    """Summarise the rows of agreement.parquet, at least one."""
    difference = differences_ms(tasks)
    network = difference - tasks[DEVICE_COLUMNS].sum(axis=1) * 1e-6
    rest = tasks[f"{REST}_ns"] * 1e-6
    service, messages = tasks["service_ns"].sum(), tasks["messages"].sum()
    unknown = tasks["overlapping"].sum() + tasks["unmatched"].sum()
    return AgreementSummary(
        len(tasks),
        float(difference.median()),
        float(difference.abs().quantile(0.95)),
        explained(difference, rest),
        float(network.median()),
        explained(network, rest),
        float(tasks["computing_ns"].sum() / service) if service else nan,
        float(unknown / messages) if messages else 0.0,
    )


def explained(differences: pd.Series, rests: pd.Series) -> float:
    """Return 1 - sum of |rest| / sum of |difference|, at least 0."""
    total = differences.abs().sum()
    return max(0.0, float(1 - rests.abs().sum() / total)) if total else 1.0


def differences_ms(tasks: pd.DataFrame) -> pd.Series:
    """Return real minus simulated sojourn of each task."""
    difference: pd.Series = (tasks["real_ns"] - tasks["simulated_ns"]) * 1e-6
    return difference


def trace_units(run: Run) -> dict[str, str]:
    """Return the resampling unit of each source with a link of its own: the digest of that link's trace."""
    return {source: run.manifest.trace_sha256[trace] for source, trace in run.manifest.facts.uplinks.items()}


def part_table(tasks: pd.DataFrame, units: Mapping[str, str]) -> pd.DataFrame:
    """Return a row for each kind and part: `kind`, `part` (its title), `mean_ms`, the 95 % interval of the mean over
    units (`low_ms`, `high_ms`; NaN with fewer than five), and the 5th and 95th percentile of tasks (`from_ms`,
    `to_ms`). `units`: see `trace_units`; a source without one is a unit of its own."""
    rows = []
    for kind, of_kind in tasks.groupby("kind"):
        traces = of_kind["source"].map(lambda source: units.get(source, source))
        for column, title in PART_COLUMNS.items():
            values = of_kind[column] * 1e-6
            sums = values.groupby(traces).agg(["sum", "count"])
            low, high = ratio_interval(sums["sum"].to_numpy(), sums["count"].to_numpy())
            first, last = np.quantile(values, TASK_QUANTILES)
            rows.append((str(kind), title, float(values.mean()), low, high, float(first), float(last)))
    return pd.DataFrame(rows, columns=["kind", "part", "mean_ms", "low_ms", "high_ms", "from_ms", "to_ms"])


def summary_sentence(tasks: pd.DataFrame) -> str:
    """Say in words how far emulation and simulation are apart."""
    found = summarise_agreement(tasks)
    means = (tasks[list(PART_COLUMNS)].mean() * 1e-6).rename(PART_COLUMNS).drop(PART_TITLES[REST])
    largest = means[means.abs().sort_values(ascending=False).index[:PARTS_NAMED]]
    named = [f"{title} ({signed(value)} ms)" for title, value in largest.items()]
    return (
        f"In the median of {found.tasks} tasks, emulation took {_more(found.median_ms)} than the simulation; for 95 % "
        f"of them the two differ by at most {number(found.within_ms)} ms. {100 * found.explained:.1f} % of the "
        f"differences are explained. The largest parts are {', '.join(named[:-1])} and {named[-1]}, each a mean over "
        f"all tasks. Without the time on devices, the median is {signed(found.network_median_ms)} ms, and "
        f"{100 * found.network_explained:.1f} % are explained."
    )


def _more(median_ms: float) -> str:
    return f"{number(abs(median_ms))} ms {'less' if median_ms < 0 else 'more'}"


def signed(value: float) -> str:
    """Format a number with its sign; one that `number` prints as 0 has none."""
    text = number(abs(value))
    sign = "" if text == "0" else "+" if value > 0 else "−" if value < 0 else ""
    return sign + text
