"""The last part of every run: manifest, then bound, checks, figures and report."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache, partial
from os import posix_fallocate
from pathlib import Path

from agents.split_inference.bound import bounds
from airsplit.answers import with_answers
from airsplit.deferral import SignalDeferral
from airsplit.stored_run import load_stored
from emulator.core.files import naming
from emulator.policy import LITTLE_LIMIT, Totals
from emulator.system import System
from results.bound_check import SystemBound
from results.finish import Makers, finish_run, keep_run, result_makers
from results.progress import RunProgress
from results.run.facts import ExecutionFacts, facts_of
from results.run.folder import Run, open_run, verify
from results.run.manifest import Check, describe_run, write_manifest
from results.run.tables import write_device_energy
from topologies.build.run_inputs import images_digests, model_digests
from topologies.schema.scenario import Scenario

MANIFEST_BYTES, LINK_BYTES = 65_536, 1_024  # more than manifest and devices.csv take: for a run, for each link


def complete_run(
    scenario: Scenario,
    system: System,
    folder: Path,
    started: datetime,
    command: tuple[str, ...],
    totals: Mapping[str, Totals],
    execution: ExecutionFacts,
    makers: Makers,
    progress: RunProgress,
    deferral: SignalDeferral,
) -> Run:
    """Write the devices' energy and the manifest of a run whose records are complete, and then what can be made from
    them again: bound, summary, figures, report. Signals that `deferral` holds back act once the manifest is written.

    `totals` are those of each simulated policy by label; `command` is what the user called. Raises UnfinishedRun if
    anything after the manifest fails.
    """
    write_device_energy(folder / "devices.csv", totals)
    little = tuple(
        Check(name="Little's law", subject=label, value=each.little_error, limit=LITTLE_LIMIT)
        for label, each in totals.items()
    )
    text = (folder / "scenario.yaml").read_text(encoding="utf-8")
    manifest = describe_run(
        folder,
        scenario.name,
        facts_of(scenario, system, execution),
        seeds={
            "scenario": scenario.seed,
            "training": scenario.training.seed,
            **({} if scenario.channel_seed is None else {"channel": scenario.channel_seed}),
        },
        command=command,
        started=started,
        threads={"torch": 1, "blas": 1},
        checks=(*little, *execution.checks),
        broker=execution.broker,
        workers={name: dict(facts) for name, facts in execution.workers.items()},
        reused=dict(execution.reused),
        models=model_digests(text),
        images=images_digests(text),
    )
    write_manifest(folder, manifest)
    with keep_run(folder, "bound"):
        deferral.end()
    return finish_run(Run(folder, manifest), lambda: bound_of(system, progress), makers, progress)


def finish_stored(folder: Path, progress: RunProgress) -> Run:
    """Make all results of a run in a folder that has its records and manifest, whatever of them is there already.
    Raises ValueError, one line, for any other folder and for changed files."""
    run = open_run(folder)
    verify(run)
    stored = cache(partial(load_stored, folder, run.manifest.facts.rung))
    makers = with_answers(result_makers(run.manifest.facts.left_out), stored, folder)
    with progress:
        return finish_run(run, lambda: bound_of(stored().system, progress), makers, progress)


def bound_of(system: System, progress: RunProgress) -> SystemBound:
    """Return the bound of a system and the placements that it regards."""
    return SystemBound(bounds(system, partial(progress, "bound")), system.placements)


@contextmanager
def room_for_manifest(folder: Path, system: System) -> Iterator[None]:
    """Keep disk space for the manifest until the block ends, so that records that fill the disk leave room for it."""
    path = folder / ".room"
    with naming(path), path.open("wb") as file:
        posix_fallocate(file.fileno(), 0, MANIFEST_BYTES + LINK_BYTES * len(system.links))
    try:
        yield
    finally:
        path.unlink()
