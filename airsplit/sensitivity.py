"""Simulate a scenario and its variants, in each of which one assumption is changed, and compare them task by task."""

import multiprocessing
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
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
from emulator.core.cache import Cache, user_cache
from emulator.core.files import file_sha256
from emulator.core.processes import end_with_parent
from emulator.core.progress import Progress
from emulator.record import Records
from emulator.simulation import Simulation
from results.finish import result_makers
from results.progress import RunProgress
from results.run.folder import Run, open_run
from results.run.manifest import SENSITIVITY_FILE, write_manifest
from results.sensitivity import sensitivity_table, write_sensitivity
from results.statistics import cost_of
from topologies.build import build
from topologies.loading.loader import load, prefix_errors
from topologies.schema.scenario import LearnedSection, Scenario, label_of


class Job(NamedTuple):
    """A scenario with a seed, to be simulated under all its policies."""

    file: Path
    overrides: tuple[str, ...]
    seed: int
    cached: bool


def run_sensitivity(
    loaded: LoadedScenario,
    seeds: Sequence[int],
    shown: Sequence[str],
    out: Path,
    command: tuple[str, ...],
    processes: int,
    quiet: bool = False,
    cached: bool = True,
) -> Run:
    """Run a scenario with the first seed, and simulate it and its variants with all seeds in so many processes; write
    sensitivity.csv, its figures and the report into the run's folder.

    Policies that need training are left out. `shown` are the policies to compare; default: the one with the least mean
    cost, and `exact`. A variant that cannot be simulated has a row that says why. Raises ValueError for bad input.
    """
    scenario = load(loaded.file, loaded.overrides)
    types = untrained_policies(scenario)
    if unknown := [label for label in shown if label not in types]:
        raise ValueError(f"--policy {unknown[0]}: must be one of {', '.join(types)}, which need no training")
    loaded = loaded.with_policies(list(types))
    variants, left_out = variants_of(scenario)
    makers = result_makers()  # of what is made again, with the sensitivity
    run = open_run(loaded.run(seed=seeds[0], out=out, progress=not quiet, cache=cached).path)
    with RunProgress(quiet) as progress:
        changes = ((), *(variant.overrides for variant in variants))
        jobs = [Job(loaded.file, (*loaded.overrides, *each), seed, cached) for each in changes for seed in seeds]
        results = simulate_all(jobs, processes, partial(progress, "varying assumptions"))
    present, *varied = (
        together(seeds, results[start : start + len(seeds)]) for start in range(0, len(jobs), len(seeds))
    )
    if isinstance(present, str):
        raise ValueError(present)
    costs = present.groupby("policy", sort=False)["cost_s"].mean()
    exact = [label for label, kind in types.items() if kind == "exact"]
    policies = list(shown or dict.fromkeys((str(costs.idxmin()), *exact)))
    write_sensitivity(
        run.path / SENSITIVITY_FILE,
        sensitivity_table(present, zip(variants, varied, strict=True), left_out, policies),
    )
    sha256 = {SENSITIVITY_FILE: file_sha256(run.path / SENSITIVITY_FILE)}
    changed = {"data_sha256": run.manifest.data_sha256 | sha256, "command": command}
    run = Run(run.path, run.manifest.model_copy(update=changed))
    write_manifest(run.path, run.manifest)
    makers["figures"](run)
    makers["report"](run)
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


def simulate_all(jobs: Sequence[Job], processes: int, progress: Progress) -> list[pd.DataFrame | str]:
    """Return what `simulate` returns for each job, in their order, or what ended its process."""
    results: dict[int, pd.DataFrame | str] = {}
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), end_with_command) as pool:
        futures = {pool.submit(simulate, job): index for index, job in enumerate(jobs)}
        progress(0, len(jobs))
        try:
            for done, future in enumerate(as_completed(futures), 1):
                error = future.exception()
                results[futures[future]] = future.result() if error is None else in_one_line(error)
                progress(done, len(jobs))
        finally:
            pool.shutdown(cancel_futures=True)
    return [results[index] for index in range(len(jobs))]


def end_with_command() -> None:
    """Let this process end at once when the user presses Ctrl-C, and when its parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    end_with_parent()


def simulate(job: Job) -> pd.DataFrame | str:
    """Return the tasks of a scenario under all its policies, with the columns of `sensitivity_table` but the seed, or
    why they cannot be simulated."""
    try:
        scenario = load(job.file, job.overrides, job.seed)
        home = job.file.parent
        with prefix_errors(job.file, job.overrides), TemporaryDirectory() as folder:
            system = build(scenario, home, cache=user_cache() if job.cached else Cache())
            policies = policies_of(scenario, home, system, named_checkpoints(scenario, home, system))
            with Records(Path(folder)) as records:
                evaluate(policies, lambda _: Simulation(system), records, lambda *_: None)
            tasks = read_records(Path(folder) / "tasks.parquet")
    except ValueError as error:
        return " ".join(str(error).split())
    except Exception as error:  # whatever it is, the other variants are still worth simulating
        return in_one_line(error)
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
