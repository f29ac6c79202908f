"""The report's section on an emulation: sentences and table rows, made from the folder of the run."""

from collections.abc import Hashable
from typing import Any, NamedTuple

import pandas as pd

from results.agreement import read_agreement
from results.agreement.summary import AgreementSummary, part_table, summarise_agreement, summary_sentence, trace_units
from results.figures.emulation_data import read_lateness, read_probes, read_programs
from results.run.folder import Run
from results.run.manifest import EmulationFacts

TableRows = list[dict[Hashable, Any]]


class EmulationSection(NamedTuple):
    """Content of the section. `sentence` and `summary` compare the tasks that both emulation and simulation answered
    ("" and None without such a task). `kinds` and `parts` are a table: for each part its title and the mean ms of each
    kind."""

    facts: EmulationFacts
    sentence: str
    summary: AgreementSummary | None
    kinds: list[str]
    parts: list[tuple[str, list[float]]]
    lateness: TableRows
    probes: TableRows
    programs: TableRows


def emulation_section(run: Run) -> EmulationSection | None:
    """Return the section of a run in real time; None for any other run."""
    facts = run.manifest.facts.emulation
    if facts is None:
        return None
    tasks = read_agreement(run.path / "agreement.parquet")
    paired = tasks is not None and len(tasks) > 0
    means = part_means(tasks, trace_units(run)) if tasks is not None and paired else pd.DataFrame()
    return EmulationSection(
        facts,
        summary_sentence(tasks) if tasks is not None and paired else "",
        summarise_agreement(tasks) if tasks is not None and paired else None,
        list(means.columns),
        [(str(part), row.tolist()) for part, row in means.iterrows()],
        read_lateness(run.path / "lateness.csv").to_dict("records"),
        read_probes(run.path / "probes.csv").to_dict("records"),
        read_programs(run.path / "programs.csv").to_dict("records"),
    )


def part_means(tasks: pd.DataFrame, units: dict[str, str]) -> pd.DataFrame:
    """Return the mean ms of each part (rows, in order) for each kind (columns)."""
    table = part_table(tasks, units)
    means = table.pivot(index="part", columns="kind", values="mean_ms")
    return means.loc[list(dict.fromkeys(table["part"]))]
