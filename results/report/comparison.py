"""Write the comparison of several runs: one self-contained HTML file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from emulator.core.files import atomic_write
from results.figures.captions import Caption
from results.report import Figure, data_uri
from results.report.run_differences import run_differences
from results.run.folder import Run
from results.statistics import ranked, read_summary
from results.study.figure_list import study_figures
from results.study.latex_tables import p_text
from results.study.run_cells import run_cells
from results.study.selection import ShownStudy, known_metrics, shown_study
from results.study.summary import comparisons
from results.study.sweep_figures import MAX_GROUPS
from results.text import number, percent
from topologies.schema.study_figures import MetricName, StudyFigureSection, StudyFiguresSection

DIFFERENCES_SHOWN = 80
CAPTION = (
    "A group for each policy, a bar for each run: the mean over the run's traces. Less is better. Whiskers: 95 % "
    "intervals over the traces, if there are five or more (bootstrap's standard error and Student's t). They take "
    "traces as independent: of UEs that share a cell or a server in one run they are not, and intervals are too short."
)
METRICS: tuple[MetricName, ...] = ("cost_mean_s", "delay_mean_ms", "delay_p95_ms", "failed_share", "gap")


def run_names(folders: Sequence[Path]) -> dict[str, Path]:
    """Return folders by short names: the folder's own, with its parent's if several have the same. Raises ValueError
    if there are fewer than two, or one is given twice."""
    if len(folders) < 2:
        raise ValueError(f"{folders[0] if folders else 'RUN'}: must be two runs or more to compare")
    names: dict[str, Path] = {}
    for folder in folders:
        path = folder.resolve()
        if path in [each.resolve() for each in names.values()]:
            raise ValueError(f"{folder}: must be given once")
        alike = [other for other in folders if other.resolve().name == path.name]
        names[path.name if len(alike) == 1 else f"{path.parent.name}/{path.name}"] = folder
    return names


def write_comparison(runs: Mapping[str, Run], path: Path) -> Path:
    """Write the comparison of runs by name, whose first is the reference, to `path`, and return the path."""
    study = comparable(runs)
    differences = run_differences(list(runs.values()))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(number=number, percent=percent, p_text=p_text)
    page = environment.get_template("comparison.html.j2").render(
        runs=[(name, run.path.resolve(), run.manifest) for name, run in runs.items()],
        reference=study.reference,
        policies=policy_rows(runs),
        paired=paired_rows(study).to_dict("records"),
        differences=list(differences.items())[:DIFFERENCES_SHOWN],
        more=max(len(differences) - DIFFERENCES_SHOWN, 0),
        figures=comparison_figures(study),
    )
    with atomic_write(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


def comparable(runs: Mapping[str, Run]) -> ShownStudy:
    """Return runs as a study: runs in place of policies, in the order given, policies in place of variants."""
    wanted = StudyFiguresSection(policies=tuple(runs), reference=next(iter(runs)))
    return shown_study(run_cells(runs), wanted)


def policy_rows(runs: Mapping[str, Run]) -> list[tuple[str, list[dict[str, Any] | None]]]:
    """Return for each policy its row of each run's summary, None where the run does not have it."""
    summaries = [ranked(read_summary(run)).set_index("policy", drop=False) for run in runs.values()]
    policies = dict.fromkeys(policy for summary in summaries for policy in summary.index)
    return [
        (policy, [summary.loc[policy].to_dict() if policy in summary.index else None for summary in summaries])
        for policy in policies
    ]


def paired_rows(study: ShownStudy) -> pd.DataFrame:
    """Return for each policy and run but the reference the paired difference of the mean cost from the reference; of
    policies that share traces and arrivals in both runs. p-values are corrected over the runs of a policy."""
    tables = [
        comparisons(own, ["variant"], study.policies, study.reference, "cost_mean_s").assign(variant=policy)
        for policy, own in study.cells.groupby("variant", sort=False)
    ]
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def comparison_figures(study: ShownStudy) -> list[Figure]:
    """Return the figures of runs side by side: a group of bars for each policy, a bar for each run."""
    if study.cells["variant"].nunique() > MAX_GROUPS:
        return []
    known = known_metrics(study.cells)
    draw = tuple(StudyFigureSection(kind="bars", metric=name) for name in METRICS if name in known)
    wanted = study.wanted.model_copy(update={"draw": draw})
    with TemporaryDirectory() as folder:
        return [
            Figure(Caption(each.title, CAPTION), data_uri(each.draw(Path(folder, f"{each.name}.png"))))
            for each in study_figures(study._replace(wanted=wanted))
        ]
