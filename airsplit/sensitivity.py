"""Simulate a scenario and its variants, in each of which one assumption is changed, and compare them task by task."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pandas as pd

from agents.evaluation import evaluate, named_checkpoints, policies_of
from agents.user_errors import in_one_line
from airsplit.assumptions import variants_of
from airsplit.finished_run import read_records
from airsplit.loaded_scenario import LoadedScenario
from airsplit.stored_run import load_stored
from emulator.core.cache import Cache, user_cache
from emulator.core.files import file_sha256
from emulator.core.processes import in_processes
from emulator.record import Records
from emulator.simulation import Simulation
from emulator.system import System
from results.finish import keep_run, result_makers
from results.progress import RunProgress
from results.run.folder import Run
from results.run.manifest import SENSITIVITY_FILE, write_manifest
from results.sensitivity import Variant, sensitivity_table, write_sensitivity
from results.statistics import cost_of
from topologies.build import build
from topologies.loading.loader import load, prefix_errors
from topologies.schema.policies import LearnedSection, label_of
from topologies.schema.scenario import Scenario


class Job(NamedTuple):
    """A scenario with a seed, to be simulated under all its policies."""

    file: Path
    overrides: tuple[str, ...]
    seed: int
    cached: bool


class VariedScenario(NamedTuple):
    """The variants of a scenario, the assumptions that do not apply (with the reasons), the types of the policies that
    are simulated by label, and those of them that are `shown`. `overrides` choose these policies."""

    file: Path
    overrides: tuple[str, ...]
    variants: Sequence[Variant]
    left_out: Mapping[str, str]
    types: Mapping[str, str]
    shown: Sequence[str]


def vary_scenario(file: Path, overrides: Sequence[str], shown: Sequence[str]) -> VariedScenario:
    """Return the variants of a scenario, without the policies that need training. Raises ValueError for bad input."""
    scenario = load(file, overrides)
    types = untrained_policies(scenario)
    if unknown := [label for label in shown if label not in types]:
        raise ValueError(f"--policy {unknown[0]}: must be one of {', '.join(types)}, which need no training")
    chosen = LoadedScenario(file, tuple(overrides)).with_policies(list(types))
    return VariedScenario(file, chosen.overrides, *variants_of(scenario), types, shown)


def add_sensitivity(
    run: Run, varied_scenario: VariedScenario, seeds: int, processes: int, progress: RunProgress, cached: bool = True
) -> Run:
    """Simulate the scenario of a run with the next seeds too, and its variants with all `seeds` of them, in so many
    processes; write sensitivity.csv, its figures and the report into the run's folder.

    The policies compared are those that are shown; by default the one with the least mean cost, and `exact`. A variant
    that cannot be simulated has a row that says why. Raises ValueError if the scenario cannot be simulated with a seed,
    and UnfinishedRun if figures or report cannot be made.
    """
    makers = result_makers(run.manifest.facts.left_out)
    first = run.manifest.seeds["scenario"]
    numbers = range(first, first + seeds)
    changes = ((), *(variant.overrides for variant in varied_scenario.variants))
    jobs = [
        Job(varied_scenario.file, (*varied_scenario.overrides, *each), seed, cached)
        for each in changes
        for seed in numbers
    ]
    with TemporaryDirectory() as scratch, progress:  # removed here, for killed processes leave their files
        simulate_there = partial(simulate, scratch=Path(scratch))
        others = in_processes(simulate_there, jobs[1:], processes, partial(progress, "varying assumptions"))
    results = [tasks_of_run(run, varied_scenario.types), *others]
    present, *varied = (together(numbers, results[start : start + seeds]) for start in range(0, len(jobs), seeds))
    if isinstance(present, str):
        raise ValueError(present)
    costs = present.groupby("policy", sort=False)["cost_s"].mean()
    exact = [label for label, kind in varied_scenario.types.items() if kind == "exact"]
    policies = list(varied_scenario.shown or dict.fromkeys((str(costs.idxmin()), *exact)))
    table = sensitivity_table(
        present, zip(varied_scenario.variants, varied, strict=True), varied_scenario.left_out, policies
    )
    write_sensitivity(run.path / SENSITIVITY_FILE, table)
    sha256 = {SENSITIVITY_FILE: file_sha256(run.path / SENSITIVITY_FILE)}
    run = Run(run.path, run.manifest.model_copy(update={"data_sha256": run.manifest.data_sha256 | sha256}))
    write_manifest(run.path, run.manifest)
    for what in ("figures", "report"):
        if what in makers:
            with keep_run(run.path, what):
                makers[what](run)
    return run


def untrained_policies(scenario: Scenario) -> dict[str, str]:
    """Return the types of the policies that need no training, by label. Raises ValueError if there is none."""
    found = {
        label_of(each): each.type
        for each in scenario.policies
        if not isinstance(each, LearnedSection) or each.checkpoint is not None
    }
    if not found:
        raise ValueError("policies: must have one that needs no training")
    return found


def simulate(job: Job, scratch: Path | None = None) -> pd.DataFrame | str:
    """Return the tasks of a scenario under all its policies, with the columns of `sensitivity_table` but the seed, or
    why they cannot be simulated. Records are kept meanwhile in the folder `scratch`,
    by default that of the system."""
    try:
        scenario = load(job.file, job.overrides, job.seed)
        home = job.file.parent
        with prefix_errors(job.file, job.overrides), TemporaryDirectory(dir=scratch) as folder:
            system = build(scenario, home, cache=user_cache() if job.cached else Cache())
            policies = policies_of(scenario, home, system, named_checkpoints(scenario, home, system))
            with Records(Path(folder)) as records:
                evaluate(policies, lambda _: Simulation(system), records, lambda *_: None)
            tasks = read_records(Path(folder) / "tasks.parquet")
    except ValueError as error:
        return " ".join(str(error).split())
    except Exception as error:  # whatever it is, the other variants are still worth simulating
        return in_one_line(error)
    return compared_columns(tasks, system)


def tasks_of_run(run: Run, labels: Collection[str]) -> pd.DataFrame:
    """Return the tasks of a run under some of its policies, as `simulate` returns them."""
    tasks = compared_columns(
        read_records(run.path / "tasks.parquet"), load_stored(run.path, run.manifest.facts.rung).system
    )
    return tasks[tasks["policy"].isin(labels)].reset_index(drop=True)


def compared_columns(tasks: pd.DataFrame, system: System) -> pd.DataFrame:
    """Return the columns of `sensitivity_table` but the seed, of a system's tasks."""
    units = {link.source: link.trace.sha256 for link in reversed(system.links)}
    texts = {name: tasks[name].astype(str) for name in ("policy", "source", "kind", "placement")}
    unit = [units.get(source, source) for source in texts["source"]]
    return pd.DataFrame({**texts, "task": tasks["task"], "cost_s": cost_of(tasks, system.cost), "unit": unit})


def together(seeds: Sequence[int], results: Sequence[pd.DataFrame | str]) -> pd.DataFrame | str:
    """Return the tasks of all seeds, or why those of a seed are missing."""
    tables = []
    for seed, result in zip(seeds, results, strict=True):
        if isinstance(result, str):
            return result
        tables.append(result.assign(seed=seed))
    return pd.concat(tables, ignore_index=True)
