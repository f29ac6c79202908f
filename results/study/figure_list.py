"""The figures of a study: those that are wanted, or those that it has data for."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from results.study.captions import caption
from results.study.latex_tables import p_text
from results.study.metrics import METRICS
from results.study.pareto import pareto, pareto_table
from results.study.policy_figures import DotFigure, dots, profile, profile_table
from results.study.selection import ShownStudy, in_order, known_metrics, narrowed
from results.study.summary import comparisons, interquartile_means, means
from results.study.sweep_figures import MAX_GROUPS, MAX_PANELS, bars, lines
from topologies.schema.study_figures import MetricName, StudyFigureSection


class StudyFigure(NamedTuple):
    """A figure of a study: how to draw it to a path, and its caption. `title` is what it shows, in a few words."""

    name: str
    title: str
    draw: Callable[[Path], Path]
    caption: str


def study_figures(study: ShownStudy) -> Iterator[StudyFigure]:
    """Yield the figures that are wanted, or one of each kind that there are data for."""
    given = study.wanted.draw
    names: set[str] = set()
    for number, section in enumerate(default_figures(study) if given is None else given):
        try:
            figure = study_figure(narrowed(study, section), section)
        except ValueError as error:
            raise ValueError(f"draw[{number}].{error}") from error
        if figure.name in names:
            raise ValueError(f"draw[{number}].name={figure.name}: must be unique; an earlier figure has it")
        names.add(figure.name)
        yield figure


def default_figures(study: ShownStudy) -> list[StudyFigureSection]:
    """Return the figures of a study that asks for none: those that it has data for."""
    known, several = known_metrics(study.cells), len(study.policies) > 1
    counts = {name: study.cells[name].nunique() for name in study.settings}
    settings = study.cells[study.settings].drop_duplicates()
    figures = [
        StudyFigureSection(kind="lines", over=name)
        for name in study.parameters
        if counts.get(name, 1) > 1 and len(settings) / counts[name] <= MAX_PANELS
    ]
    if len(settings) <= MAX_GROUPS:
        figures.append(StudyFigureSection(kind="bars"))
    shared: MetricName | None = "gap" if "gap" in known else None
    figures += [StudyFigureSection(kind="iqm", metric=shared), StudyFigureSection(kind="profile", metric=shared)]
    if several:
        figures += [StudyFigureSection(kind="improvement"), StudyFigureSection(kind="differences")]
    if shared:
        figures.append(StudyFigureSection(kind="gap"))
    pairs: tuple[tuple[MetricName, MetricName], ...] = (
        ("cost_mean_s", "energy_mean_j"),
        ("delay_mean_ms", "quality_loss_mean"),
    )
    if several and len(settings) <= MAX_PANELS:
        figures += [
            StudyFigureSection(kind="pareto", metric=metric, against=against)
            for metric, against in pairs
            if {metric, against} <= set(known) and study.cells[against].nunique() > 1
        ]
    return figures


def study_figure(study: ShownStudy, section: StudyFigureSection) -> StudyFigure:
    """Return a figure of the cells that it counts. Raises ValueError `key=value: rule` if they cannot be drawn so."""
    metric = section.metric or study.wanted.metric
    words = {"metric": _in_sentence(METRICS[metric].title), "reference": study.written(study.reference)}
    match section.kind:
        case "lines":
            over = section.over or next(iter(study.parameters), "variant")
            if over not in ("variant", *study.parameters):
                raise ValueError(f"over={over}: must be a swept parameter: {', '.join(study.parameters)}")
            others = [name for name in study.settings if name != over]
            _require_room(
                "kind=lines", len(study.cells[others].drop_duplicates()) if others else 1, MAX_PANELS, "panels"
            )
            keys = list(dict.fromkeys([*study.settings, over]))
            table = means(study.cells, keys, [metric])
            words["over"] = _in_sentence(study.axis(over))
            return StudyFigure(
                section.name or f"lines-{metric}-{over}",
                METRICS[metric].title,
                lambda path: lines(study, table, section, over, path),
                caption("lines", study, table, words),
            )
        case "bars":
            _require_room("kind=bars", len(study.cells[study.settings].drop_duplicates()), MAX_GROUPS, "groups")
            table = means(study.cells, study.settings, [metric])
            return StudyFigure(
                section.name or f"bars-{metric}",
                METRICS[metric].title,
                lambda path: bars(study, table, section, path),
                caption("bars", study, table, words),
            )
        case "pareto":
            _require_room("kind=pareto", len(study.cells[study.settings].drop_duplicates()), MAX_PANELS, "panels")
            table = means(study.cells, study.settings, [metric, section.against])
            points = pareto_table(table, study, metric, section.against)
            if not len(points):
                raise ValueError(f"against={section.against}: no cell has one")
            words["against"] = _in_sentence(METRICS[section.against].title)
            return StudyFigure(
                section.name or f"pareto-{metric}-{section.against}",
                METRICS[metric].title,
                lambda path: pareto(study, points, section, path),
                caption("pareto", study, table, words),
            )
        case "profile":
            curves = profile_table(study, metric)
            table = interquartile_means(study.cells, [], metric)
            return StudyFigure(
                section.name or f"profile-{metric}",
                METRICS[metric].title,
                lambda path: profile(study, curves, metric, section, path),
                caption("profile", study, table, words),
            )
        case "iqm" | "gap" | "improvement" | "differences":
            table, kind = dot_rows(study, section.kind, metric)
            if not len(table):
                raise ValueError(f"kind={section.kind}: no policy can be compared with {study.reference}")
            return StudyFigure(
                section.name or (section.kind if section.kind == "gap" else f"{section.kind}-{metric}"),
                METRICS[metric].title,
                lambda path: dots(study, table, kind, section, path),
                caption(section.kind, study, table, words),
            )


def dot_rows(study: ShownStudy, kind: str, metric: MetricName) -> tuple[pd.DataFrame, DotFigure]:
    """Return the rows of a figure with a number for each policy, and how they are drawn."""
    named = METRICS[metric]
    if kind == "iqm":
        rows = interquartile_means(study.cells, [], metric)
        return in_order(rows, study.policies), DotFigure(f"IQM of the {_in_sentence(named.axis)}", named.factor)
    if kind == "gap":
        own = study.cells.assign(all="")
        rows = means(own, ["all"], ["gap"])
        return in_order(rows, study.policies), DotFigure(METRICS["gap"].axis, METRICS["gap"].factor, 0)
    rows = in_order(comparisons(study.cells, study.settings, study.policies, study.reference, metric), study.policies)
    reference = study.written(study.reference)
    if kind == "differences":
        unit = f" ({named.unit})" if named.unit else ""
        notes = [f"p {p_text(p)}" if p_text(p).startswith("<") else f"p = {p_text(p)}" for p in rows["p_holm"]]
        axis = f"{named.title}: difference from {reference}{unit}"
        return rows.assign(notes=notes), DotFigure(axis, named.factor, 0)
    ends = {"value": "improvement", "low": "improvement_low", "high": "improvement_high"}
    ends |= {"cells": "improvement_cells", "interval_over": "improvement_over"}
    return rows.assign(**{name: rows[column] for name, column in ends.items()}), DotFigure(
        f"Probability of improvement over {reference}", 1, 0.5
    )


def _require_room(what: str, count: int, most: int, noun: str) -> None:
    if count > most:
        raise ValueError(f"{what}: would have {count} {noun}, at most {most} can be read: choose settings by `where`")


def _in_sentence(title: str) -> str:
    return title[0].lower() + title[1:]
