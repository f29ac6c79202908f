"""The last part of every run: bound, checks, figures, report and manifest."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from agents.bound import bounds
from emulator.policy import Totals
from emulator.system import System
from results.progress import RunProgress
from results.run.facts import ExecutionFacts, facts_of
from results.run.folder import Run
from results.run.manifest import Check, describe_run
from results.run.tables import write_bound, write_device_energy
from topologies.schema.scenario import Scenario

LITTLE_LIMIT = 1e-9  # relative; both sides count whole nanoseconds


def complete_run(
    scenario: Scenario,
    system: System,
    folder: Path,
    started: datetime,
    command: tuple[str, ...],
    totals: Mapping[str, Totals],
    execution: ExecutionFacts,
    progress: RunProgress,
) -> Run:
    """Write the bound, the computers' energy, summary, figures, report and manifest of a run whose records are
    complete. `totals` are those of each simulated policy by label; `command` is what the user called."""
    from results.finish import finish_run

    write_device_energy(folder / "devices.csv", totals)
    write_bound(folder / "bound.parquet", bounds(system))
    little = tuple(
        Check(name="Little's law", subject=label, value=each.little_error, limit=LITTLE_LIMIT)
        for label, each in totals.items()
    )
    manifest = describe_run(
        folder,
        scenario.name,
        facts_of(scenario, system, execution),
        seeds={"scenario": scenario.seed, "training": scenario.training.seed},
        command=command,
        started=started,
        threads={"torch": 1},
        checks=(*little, *execution.checks),
        broker=execution.broker,
        workers={name: dict(facts) for name, facts in execution.workers.items()},
    )
    finish_run(folder, manifest, progress)
    return Run(folder, manifest)
