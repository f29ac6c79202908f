"""What the cells of a study are compared by. Less is better in all metrics."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from results.study.resampling import Statistic, mean_of, ratio_of
from topologies.schema.study_figures import MetricName

PERCENT = 100.0


class Metric(NamedTuple):
    """How a metric is written. Values are multiplied by `factor` in figures and tables of the `unit`."""

    title: str
    unit: str
    factor: float = 1.0

    @property
    def axis(self) -> str:
        """The label of an axis."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


METRICS: dict[MetricName, Metric] = {
    "cost_mean_s": Metric("Mean cost of a task", "s"),
    "gap": Metric("Mean cost above the bound", "%", PERCENT),
    "delay_mean_ms": Metric("Mean delay", "ms"),
    "delay_p50_ms": Metric("Median delay", "ms"),
    "delay_p95_ms": Metric("95th percentile of the delay", "ms"),
    "delay_p99_ms": Metric("99th percentile of the delay", "ms"),
    "energy_mean_j": Metric("Mean energy of a task", "J"),
    "quality_loss_mean": Metric("Mean loss of quality", ""),
    "failed_share": Metric("Failed tasks", "%", PERCENT),
    "missed_share": Metric("Tasks after their deadline", "%", PERCENT),
}


def with_metrics(cells: pd.DataFrame) -> pd.DataFrame:
    """Return cells with all METRICS and with `channel`."""
    shares = {f"{name}_share": cells[name] / cells["tasks"].replace(0, np.nan) for name in ("failed", "missed")}
    return cells.assign(**shares, channel=channel_numbers(cells))


def channel_numbers(cells: pd.DataFrame) -> pd.Series:
    """Return the number of each cell's channel. Cells with equal seeds are on one channel, whose traces differ between
    settings. Seeds with equal traces (`unit`) are one channel, such as recordings that no seed changes; if only some
    settings have a channel that no seed changes, they are several."""
    seeds, names = pd.factorize(cells["channel_seed"])
    traces = [frozenset(cells["unit"][seeds == number]) for number in range(len(names))]
    alike = np.array([[own <= other for other in traces] for own in traces]).reshape(len(names), len(names))
    return pd.Series(connected_components(coo_array(alike), directed=False)[1][seeds], index=cells.index)


def mean_metric(cells: pd.DataFrame, metric: MetricName) -> float:
    """Return the mean of a metric over the cells that have it, as `statistic_of` does; NaN if none has."""
    known = cells[cells[metric].notna()]
    return float(statistic_of(known, metric)(np.ones((1, len(known))))[0, 0]) if len(known) else np.nan


def statistic_of(cells: pd.DataFrame, metric: MetricName) -> Statistic:
    """Return the mean of a metric. The gap is that of the mean cost to the mean bound, as in the summary of a run."""
    if metric != "gap":
        return mean_of(cells[metric].to_numpy())
    ratio = ratio_of(cells["cost_mean_s"].to_numpy(), cells["bound_mean_s"].to_numpy())
    return lambda weights: ratio(weights) - 1
