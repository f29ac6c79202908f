"""What the report says of an emulation: from the folder of the run to sentences and rows of tables."""

from collections.abc import Hashable
from typing import Any, NamedTuple

import pandas as pd

from results.agreement import read_agreement
from results.agreement.summary import Distance, distance, in_words, part_table
from results.figures.emulation_data import read_lateness, read_probes, read_programs
from results.run.folder import Run
from results.run.manifest import Emulation

Rows = list[dict[Hashable, Any]]


class Emulated(NamedTuple):
    """`sentence` and `distance` speak of the tasks that were answered in both worlds; `kinds` and `parts` are a table:
    the kinds, and for each part its name and the mean ms of each kind. Empty and None where no task was."""

    facts: Emulation
    sentence: str
    distance: Distance | None
    kinds: list[str]
    parts: list[tuple[str, list[float]]]
    lateness: Rows
    probes: Rows
    programs: Rows


def emulated(run: Run) -> Emulated | None:
    """What there is to say of a run in real time; None of another."""
    facts = run.manifest.facts.emulation
    if facts is None:
        return None
    tasks = read_agreement(run.path / "agreement.parquet")
    paired = tasks is not None and len(tasks) > 0
    means = part_means(tasks, trace_units(run)) if tasks is not None and paired else pd.DataFrame()
    return Emulated(
        facts,
        in_words(tasks) if tasks is not None and paired else "",
        distance(tasks) if tasks is not None and paired else None,
        list(means.columns),
        [(str(part), row.tolist()) for part, row in means.iterrows()],
        read_lateness(run.path / "lateness.csv").to_dict("records"),
        read_probes(run.path / "probes.csv").to_dict("records"),
        read_programs(run.path / "programs.csv").to_dict("records"),
    )


def part_means(tasks: pd.DataFrame, units: dict[str, str]) -> pd.DataFrame:
    """The mean ms of each part (rows, in their order) for each kind (columns)."""
    table = part_table(tasks, units)
    means = table.pivot(index="part", columns="kind", values="mean_ms")
    return means.loc[list(dict.fromkeys(table["part"]))]


def trace_units(run: Run) -> dict[str, str]:
    """The trace of each source's own link, by its digest: what tasks have to differ in to be resampled."""
    return {source: run.manifest.trace_sha256[trace] for source, trace in run.manifest.facts.uplinks.items()}
