"""Compute the small tables behind the figures from the records, policy by policy."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from emulator.core.units import NS_PER_S
from results.intervals import ratio_interval
from results.run.folder import Run
from results.statistics import policy_tasks
from topologies.schema.study_figures import FigureStyleSection

CDF_POINTS = 301
DELAY_PART_TITLES = {
    "service_ns": "compute",
    "waiting_ns": "device queue",
    "load_ns": "weight loading",
    "link_waiting_ns": "link queue",
    "air_ns": "on the links",
}


@dataclass(frozen=True)
class FigureData:
    """`curves`: policy, kind, delay_ms, share; `parts`: policy, then a column of mean ms per part;
    `means`: policy, then for delay_ms and energy_j the mean and its interval `_low`, `_high`; `quality`: the same for
    delay_ms and quality_loss and the loss' unit, a row for each policy and each kind of task whose quality is known."""

    curves: pd.DataFrame
    parts: pd.DataFrame
    means: pd.DataFrame
    quality: pd.DataFrame

    def renamed(self, written: Mapping[str, str]) -> "FigureData":
        """Return the rows of the policies that are keys of `written`, in their order and under the names there."""
        place = {policy: number for number, policy in enumerate(written)}

        def shown(table: pd.DataFrame) -> pd.DataFrame:
            own = table[table["policy"].isin(place)].sort_values(
                "policy", key=lambda names: names.map(place), kind="stable", ignore_index=True
            )
            return own.assign(policy=own["policy"].map(dict(written)))

        return FigureData(shown(self.curves), shown(self.parts), shown(self.means), shown(self.quality))


def figure_data(run: Run, style: FigureStyleSection) -> FigureData:
    """Compute all tables in one pass over the records, with one policy's columns in memory at a time. Only tasks that
    arrive in the style's window count."""
    curves, parts, means, quality = [], [], [], []
    for policy, every in policy_tasks(run):
        tasks = within(every, style.window_s)
        curves.append(delay_curves(tasks).assign(policy=policy))
        parts.append({"policy": policy, **part_means(tasks)})
        means.append({"policy": policy, **means_with_intervals(tasks, ("delay_ms", "energy_j"))})
        quality += quality_means(policy, tasks)
    whole = pd.concat(curves, ignore_index=True)
    columns = None if quality else ["policy", "kind", "unit", "delay_ms", "quality_loss"]
    return FigureData(whole, pd.DataFrame(parts), pd.DataFrame(means), pd.DataFrame(quality, columns=columns))


def within(tasks: pd.DataFrame, window_s: tuple[float, float] | None) -> pd.DataFrame:
    """Return the tasks that arrive in a window of time: from its start until before its end."""
    if window_s is None:
        return tasks
    start_ns, stop_ns = (round(end * NS_PER_S) for end in window_s)
    return tasks[(tasks["arrival_ns"] >= start_ns) & (tasks["arrival_ns"] < stop_ns)]


def quality_means(policy: str, tasks: pd.DataFrame) -> list[dict[str, object]]:
    """Return mean delay and mean loss of quality of the completed tasks of each kind whose quality is known."""
    known = tasks[tasks["quality_loss"].notna()]
    return [
        {
            "policy": policy,
            "kind": str(kind),
            "unit": unit_of(rows),
            **means_with_intervals(rows, ("delay_ms", "quality_loss")),
        }
        for kind, rows in known.groupby("kind", observed=True)
    ]


def delay_curves(tasks: pd.DataFrame) -> pd.DataFrame:
    """Return for each kind the share of offered tasks answered within a delay; it ends below 1 if tasks failed."""
    curves = []
    for kind, rows in tasks.groupby("kind", observed=True):
        delays = rows["delay_ms"].dropna().to_numpy()
        if len(delays):
            levels = np.linspace(0, 1, CDF_POINTS)
            share = levels * len(delays) / len(rows)
            values = np.quantile(delays, levels, method="inverted_cdf")
            curves.append(pd.DataFrame({"kind": str(kind), "delay_ms": values, "share": share}))
    return pd.concat(curves) if curves else pd.DataFrame({"kind": [], "delay_ms": [], "share": []})


def part_means(tasks: pd.DataFrame) -> dict[str, float]:
    """Return the mean milliseconds of each part of the completed tasks' delay; they add up to the mean delay. In
    measured rows the wait in links' queues is unknown and counts as part of the transfer."""
    done = tasks[tasks["completed"]].fillna({"link_waiting_ns": 0})
    air = done["transfer_ns"] - done["link_waiting_ns"]
    return {title: float(done.assign(air_ns=air)[column].mean() * 1e-6) for column, title in DELAY_PART_TITLES.items()}


def unit_of(tasks: pd.DataFrame) -> str:
    """Return the unit of the loss of quality of tasks of one kind; only language models have tokens."""
    return "nats a token" if tasks["ttft_ns"].notna().any() else "share of the answers"


def means_with_intervals(tasks: pd.DataFrame, columns: tuple[str, ...]) -> dict[str, float]:
    """Return the mean of each column over the tasks that have a value, with its interval if there are enough units."""
    result: dict[str, float] = {}
    for column in columns:
        sums = tasks.groupby("unit", observed=True)[column].agg(["sum", "count"])
        result[column] = float(tasks[column].mean())
        low, high = ratio_interval(sums["sum"].to_numpy(), sums["count"].to_numpy())
        result[f"{column}_low"], result[f"{column}_high"] = low, high
    return result
