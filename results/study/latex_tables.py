"""Tables of a study in LaTeX, with the rules of booktabs."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from results.figures.latex_text import latex
from results.study.metrics import METRICS
from results.study.selection import ShownStudy, in_order, number_or_text
from results.text import number
from topologies.schema.study_figures import MetricName

TABLE_METRICS: tuple[MetricName, ...] = (
    "cost_mean_s",
    "delay_mean_ms",
    "delay_p95_ms",
    "energy_mean_j",
    "quality_loss_mean",
    "failed_share",
    "gap",
)
P_LEAST = 0.001


def booktabs(headings: Sequence[str], aligns: str, groups: Sequence[Sequence[Sequence[str]]]) -> str:
    """Return a tabular of cells in LaTeX, with a rule between groups of rows; the document needs `booktabs`."""
    body = "\n\\midrule\n".join("\n".join(" & ".join(row) + r" \\" for row in rows) for rows in groups)
    lines = [rf"\begin{{tabular}}{{{aligns}}}", r"\toprule", " & ".join(headings) + r" \\", r"\midrule", body]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def means_tex(study: ShownStudy, means: pd.DataFrame) -> str:
    """Return a table of means, value ± half of the interval, with a row for each setting and policy and a column for
    each metric that is known; the least of a setting is bold."""
    metrics = [name for name in TABLE_METRICS if name in set(means["metric"])]
    named = [METRICS[name] for name in metrics]
    shown = [name for name in study.settings if study.cells[name].nunique() > 1]
    groups = []
    for setting, own in means.groupby(study.settings, sort=False):
        values = dict(zip(study.settings, setting, strict=True))
        least = own.groupby("metric")["value"].min()
        rows: list[list[str]] = []
        for policy, row in in_order(own, study.policies).groupby("policy", sort=False):
            ends = {name: (value, high) for name, value, high in row[["metric", "value", "high"]].to_numpy()}
            cells = [interval_tex(name, *ends[name], least[name]) if name in ends else "--" for name in metrics]
            start = ["" if rows else latex(study.written(number_or_text(values[name]))) for name in shown]
            rows.append([*start, latex(study.written(str(policy))), *cells])
        groups.append(rows)
    headings = [*(study.axis(name) for name in shown), "Policy", *(each.axis for each in named)]
    return booktabs([latex(each) for each in headings], "l" * (len(shown) + 1) + "r" * len(metrics), groups)


def interval_tex(metric: MetricName, value: float, high: float, least: float) -> str:
    """Return a mean ± half of its interval as a formula; bold if it is the least."""
    factor = METRICS[metric].factor
    text = rf"\mathbf{{{number(factor * value)}}}" if value == least else number(factor * value)
    return f"${text}$" if np.isnan(high) else rf"${text} \pm {number(factor * (high - value))}$"


def comparisons_tex(study: ShownStudy, table: pd.DataFrame, metric: MetricName) -> str:
    """Return a table of comparisons with the reference, from `summary.comparisons`."""
    named = METRICS[metric]
    rows = [
        [
            latex(study.written(str(row["policy"]))),
            f"${number(named.factor * row['value'])}$",
            _ends(named.factor * row["low"], named.factor * row["high"]),
            f"${p_text(row['p'])}$",
            f"${p_text(row['p_holm'])}$",
            f"${number(row['improvement'])}$",
            _ends(row["improvement_low"], row["improvement_high"]),
        ]
        for row in table.to_dict("records")
    ]
    difference = f"Difference from {study.written(study.reference)}{f' ({named.unit})' if named.unit else ''}"
    headings = ["Policy", difference, "95 % interval", "p", "p (Holm)", "P(better)", "95 % interval"]
    return booktabs([latex(each) for each in headings], "lrrrrrr", [rows])


def p_text(p: float) -> str:
    """Return a p-value with three decimals; small ones as less than that."""
    return "-" if np.isnan(p) else f"< {P_LEAST}" if p < P_LEAST else f"{p:.3f}"


def _ends(low: float, high: float) -> str:
    return "--" if np.isnan(low) else f"$[{number(low)}, {number(high)}]$"
