"""Statistics of a study's cells: means and interquartile means with intervals, and comparisons with a reference."""

from collections.abc import Iterator, Sequence

import pandas as pd

from results.study.comparison import duels, holm, paired, sign_flip_p
from results.study.metrics import METRICS, statistic_of, with_metrics
from results.study.resampling import (
    IntervalEstimate,
    Statistic,
    drawn_factors,
    estimate,
    interquartile_mean_of,
    mean_of,
    ratio_of,
)
from topologies.schema.study_figures import MetricName

FACTOR_TITLES = {
    "channel": "channels",
    "arrival_seed": "seeds of arrivals",
    "training_seed": "training seeds",
    "other_training_seed": "training seeds of the reference",
}


def settings_of(cells: pd.DataFrame, settings: Sequence[str]) -> Iterator[tuple[dict[str, object], pd.DataFrame]]:
    """Yield each setting, as values by column, and its cells, in order of appearance, with METRICS and `channel`."""
    for values, own in cells.groupby(list(settings), sort=False, dropna=False):
        yield dict(zip(settings, values, strict=True)), with_metrics(own)


def means(cells: pd.DataFrame, settings: Sequence[str], metrics: Sequence[MetricName] = tuple(METRICS)) -> pd.DataFrame:
    """Return a row for each setting, policy and metric: `value` with `low` and `high`, and what they stand on."""
    rows = [
        {
            **setting,
            "policy": policy,
            "metric": metric,
            **numbers(known, statistic_of(known, metric), f"mean\x1f{setting}\x1f{policy}\x1f{metric}"),
        }
        for setting, own in settings_of(cells, settings)
        for policy, rows in own.groupby("policy", sort=False)
        for metric in metrics
        if len(known := rows[rows[metric].notna()])
    ]
    return pd.DataFrame(rows, columns=None if rows else [*settings, "policy", "metric", "value", "low", "high"])


def interquartile_means(cells: pd.DataFrame, settings: Sequence[str], metric: MetricName) -> pd.DataFrame:
    """Return a row for each setting and policy as `means` does; without settings, of all cells together."""
    groups = settings_of(cells, settings) if settings else [({}, with_metrics(cells))]
    rows = [
        {
            **setting,
            "policy": policy,
            "metric": metric,
            **numbers(known, interquartile_mean_of(known[metric].to_numpy()), f"iqm\x1f{setting}\x1f{policy}"),
        }
        for setting, own in groups
        for policy, rows in own.groupby("policy", sort=False)
        if len(known := rows[rows[metric].notna()])
    ]
    return pd.DataFrame(rows, columns=None if rows else [*settings, "policy", "metric", "value", "low", "high"])


def comparisons(
    cells: pd.DataFrame, settings: Sequence[str], policies: Sequence[str], reference: str, metric: MetricName
) -> pd.DataFrame:
    """Return a row for each policy but the reference, over all settings together: the mean paired `difference` of the
    metric (less than 0: better than the reference), its p-value and that after Holm's correction over the policies,
    and the probability of `improvement`, with intervals."""
    known = with_metrics(cells)
    rows = []
    for policy in (each for each in policies if each != reference):
        pairs = paired(known, settings, policy, reference, metric)
        contests = duels(known, settings, policy, reference, metric)
        if len(pairs):
            address = f"{policy}\x1f{reference}\x1f{metric}"
            changes, weights = pairs["difference"].to_numpy(), pairs["weight"].to_numpy()
            difference = numbers(pairs, ratio_of(changes, weights), f"difference\x1f{address}")
            win = estimate(contests, mean_of(contests["win"].to_numpy()), f"improvement\x1f{address}")
            rows.append(
                {
                    "policy": policy,
                    "reference": reference,
                    "metric": metric,
                    **difference,
                    "relative": changes.mean() / (weights * pairs["other"]).mean(),
                    "p": sign_flip_p(pairs, address),
                    "improvement": win.value[0],
                    "improvement_low": max(win.low[0], 0.0),
                    "improvement_high": min(win.high[0], 1.0),
                    "improvement_cells": len(contests),
                    "improvement_over": interval_over(contests),
                }
            )
    columns = ["policy", "reference", "metric", "value", "low", "high", "p", "improvement"]
    table = pd.DataFrame(rows, columns=None if rows else columns)
    return table.assign(p_holm=holm(table["p"].to_numpy(float)))


def numbers(cells: pd.DataFrame, statistic: Statistic, address: str) -> dict[str, object]:
    """Return a statistic of one value with its interval, and how many cells, channels and training seeds it stands on;
    `interval_over` names the factors that were drawn."""
    found: IntervalEstimate = estimate(cells, statistic, address)
    return {
        "value": found.value[0],
        "low": found.low[0],
        "high": found.high[0],
        "cells": len(cells),
        "channels": cells["channel"].nunique(),
        "training_seeds": cells["training_seed"].nunique(),
        "interval_over": interval_over(cells),
    }


def interval_over(cells: pd.DataFrame) -> str:
    """Name the factors that are drawn for an interval of a statistic of cells."""
    return " and ".join(FACTOR_TITLES[name] for name in drawn_factors(cells))
