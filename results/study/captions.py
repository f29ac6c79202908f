"""Captions of a study's figures: what is shown, what it stands on, and how to read it."""

from collections import defaultdict
from collections.abc import Iterable

import pandas as pd

from results.study.selection import ShownStudy

TEXTS = {
    "lines": "{metric} over {over}. Less is better. Bands: intervals.",
    "bars": "{metric} in each setting. Less is better. Whiskers: intervals.",
    "iqm": "Interquartile mean of the cells' {metric}: the mean of the middle half, which single outliers do not move. "
    "Less is better. Bars: intervals.",
    "profile": "Performance profiles: the share of cells whose {metric} is at most the value on the horizontal axis. "
    "Higher and further left is better. Bands: intervals at each value by itself.",
    "improvement": "Probability that the {metric} of a policy is less than that of {reference} on the same channel, "
    "over all pairs of training seeds; ties count half. Dotted: no difference. Bars: intervals.",
    "differences": "Mean difference of the {metric} from {reference} in pairs of cells with the same channel, "
    "arrivals, repetition and, of two trained policies, training seed. Left of the dotted line is better than "
    "{reference}. Bars: intervals. At the right: p-values of sign-flip tests after Holm's correction over these "
    "policies.",
    "gap": "How far the mean cost of each policy lies above the mean bound, a relaxation that no policy can beat: each "
    "task alone on an empty system, its channel known in advance. Bars: intervals.",
    "pareto": "{metric} against {against}. Lower left is better. Filled: on the Pareto front, that is, no other policy "
    "of the setting is at least as good in both and better in one; the line joins them. Whiskers: intervals.",
}


def caption(kind: str, study: ShownStudy, table: pd.DataFrame, words: dict[str, str]) -> str:
    """Return the caption of a figure. `table` has the columns `cells`, `channels`, `training_seeds` and `interval_over`
    of `summary.numbers`; `words` fill the text of the kind."""
    sentences = [TEXTS[kind].format(**words), sizes(table), seeds(study.cells), intervals(study, table)]
    text = " ".join(each for each in sentences if each)
    return text[0].upper() + text[1:]


def sizes(table: pd.DataFrame) -> str:
    """Say how many cells, channels and training seeds a point stands on."""
    noun = "pairs of cells" if "reference" in table else "cells"
    counts = [f"n = {_span(table['cells'])} {noun} a point, on {_counted(table['channels'], 'channel')}"]
    trained = table.loc[table["training_seeds"] > 0, "training_seeds"]
    if len(trained):
        counts.append(f"trained policies with {_counted(trained, 'training seed')}")
    return "; ".join(counts) + "."


def seeds(cells: pd.DataFrame) -> str:
    """Say which seeds the cells have."""
    columns = {"channel_seed": "channels", "arrival_seed": "arrivals", "training_seed": "training"}
    named = {title: sorted(map(int, cells[name].dropna().unique())) for name, title in columns.items()}
    return f"Seeds: {', '.join(f'{title} {ranges(values)}' for title, values in named.items() if values)}."


def intervals(study: ShownStudy, table: pd.DataFrame) -> str:
    """Say which kind of interval the policies have."""
    over: dict[str, list[str]] = defaultdict(list)
    for factors, rows in table.groupby("interval_over", sort=False):
        over[str(factors)] += [study.written(str(name)) for name in rows["policy"].unique()]
    drawn = {factors: names for factors, names in over.items() if factors}
    if not drawn:
        return "No intervals: fewer than five channels and training seeds."
    several = len(over) > 1
    kinds = [f"over {factors}{f' ({_listed(names)})' if several else ''}" for factors, names in drawn.items()]
    text = f"Intervals: 95 %, {'; '.join(kinds)}, by a stratified bootstrap's standard error and Student's t"
    return f"{text}; none for {_listed(over[''])}." if "" in over else f"{text}."


def ranges(values: Iterable[int]) -> str:
    """Return ascending numbers with runs as ranges: 0-3, 7."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def _span(counts: pd.Series) -> str:
    low, high = int(counts.min()), int(counts.max())
    return str(low) if low == high else f"{low} to {high}"


def _counted(counts: pd.Series, noun: str) -> str:
    text = _span(counts)
    return f"{text} {noun}{'' if text == '1' else 's'}"


def _listed(names: list[str]) -> str:
    unique = list(dict.fromkeys(names))
    return unique[0] if len(unique) == 1 else f"{', '.join(unique[:-1])} and {unique[-1]}"
