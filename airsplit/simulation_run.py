"""Run a scenario in simulation and, if asked, on workers: from the scenario to the folder of a finished run."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from agents.evaluation import HOSTS_SUFFIX, evaluate, for_hosts, on_hosts
from airsplit.answers import with_answers
from airsplit.completion import complete_run, room_for_manifest
from airsplit.deferral import SignalDeferral
from airsplit.preparation import NO_OBJECTS, load_checkpoints, prepare_run
from airsplit.stored_run import StoredRun
from emulator.core.cache import Cache
from emulator.core.units import NS_PER_S
from emulator.policy import Compute, EngineName, Policy, Totals
from emulator.record import Records
from emulator.simulation import Simulation
from emulator.system import System
from results.finish import result_makers
from results.progress import RunProgress
from results.run.facts import ExecutionFacts, recording_notes
from results.run.folder import Run, require_run_folders
from results.run.manifest import BrokerFacts, LeftOut
from topologies.build import build
from topologies.build.emulation_scope import require_layers
from topologies.loading.loader import prefix_errors
from topologies.schema.scenario import Scenario

if TYPE_CHECKING:
    from hil.mqtt.login import Login
    from hil.testbed.lab import Lab


def run_simulation(
    scenario: Scenario,
    file: Path,
    out: Path,
    command: tuple[str, ...],
    progress: RunProgress,
    hil: str | None = None,
    objects: Mapping[str, Policy] = NO_OBJECTS,
    engine: EngineName = "compiled",
    left_out: tuple[LeftOut, ...] = (),
    login: "Login | None" = None,
    cache: Cache | None = None,
) -> Run:
    """Simulate a scenario under every policy that it names; write records, figures and a report to a folder in `out`.

    `file` is the scenario's file: relative paths start from its folder, and error messages from its name. `hil` is
    `local` or the address of a broker: the scenario's `hil.policies` then also run on workers. `login` is for this
    broker; by default nobody's. `command` is the user's call, for the manifest. `objects` are policies that the caller
    made, by their labels in the scenario. `left_out` names results to do without; `cache` holds channels and agents of
    earlier runs. Both engines record the same. Raises ValueError, one line, for bad input, and UnfinishedRun if
    something fails after the records are complete.
    """
    started = datetime.now(UTC)
    home = file.parent
    cache = cache or Cache()
    with ExitStack() as stack:
        stack.enter_context(prefix_errors(file))
        if hil:
            require_hosts(scenario, hil, login)
        system = build(scenario, home, cache=cache)
        if hil:
            require_layers(scenario, system)
        checkpoints = load_checkpoints(scenario, home, system, objects)
        makers = result_makers(left_out)  # what fails here fails before workers measure and agents train
        makers = with_answers(makers, lambda: StoredRun(scenario, system), home)
        require_run_folders(out, scenario.name)
        deferral = stack.enter_context(SignalDeferral())
        stack.enter_context(progress)
        progress.notes(recording_notes(scenario, system))
        lab = stack.enter_context(workers(hil, scenario, home, system, progress, login)) if hil else None
        system = system if lab is None else lab.system
        folder, make_policies = prepare_run(scenario, home, system, checkpoints, out, progress, objects, cache)
        with room_for_manifest(folder, system):
            compute_of = lab and lab.compute_of
            totals = run_policies(scenario, make_policies, system, compute_of, folder, progress, engine, deferral.begin)
            if lab is not None:
                store_qualities(lab, folder)
        execution = ExecutionFacts("sim") if lab is None else describe_workers(lab, for_hosts(scenario, system))
        execution = execution._replace(engine=engine, left_out=left_out, reused=cache.reused)
        return complete_run(scenario, system, folder, started, command, totals, execution, makers, progress, deferral)


def run_policies(
    scenario: Scenario,
    make_policies: Callable[[], Mapping[str, Policy]],
    system: System,
    compute_of: Callable[[str], Compute] | None,
    folder: Path,
    progress: RunProgress,
    engine: EngineName = "compiled",
    on_recorded: Callable[[], None] = lambda: None,
) -> dict[str, Totals]:
    """Run every policy in simulation, then the scenario's `hil.policies` with the times that `compute_of(label)` gives.

    Records go to `folder`; `on_recorded` is called once all rows are recorded. Returns totals by label.
    """
    last_step = "simulating policies" if compute_of is None else "running on hosts"

    def report(step: str, done: int, total: int) -> None:
        if (step, done) == (last_step, total):
            on_recorded()  # before the step is said to be done
        progress(step, done, total)

    with Records(folder) as records:
        simulating = partial(report, "simulating policies")
        totals = evaluate(make_policies(), lambda _: Simulation(system, engine=engine), records, simulating)
        if compute_of is not None:
            shorter = for_hosts(scenario, system)

            def backend_of(label: str) -> Simulation:
                return Simulation(shorter, compute_of(label), engine)

            policies = on_hosts(scenario, make_policies())
            totals |= evaluate(policies, backend_of, records, partial(report, "running on hosts"))
    return totals


def require_hosts(scenario: Scenario, where: str, login: "Login | None") -> None:
    """Raise ValueError for a scenario without workers, MissingDependency if the broker does not let us in."""
    from hil.testbed.hosts import require_broker

    if scenario.hil is None:
        raise ValueError("hil: must name workers and policies")
    require_broker(where, login)


def workers(
    where: str, scenario: Scenario, folder: Path, system: System, progress: RunProgress, login: "Login | None"
) -> "AbstractContextManager[Lab]":
    """Return the lab of workers. Imports torch, which other runs do not need."""
    from hil.testbed.lab import open_lab

    return open_lab(where, scenario, folder, system, progress, login)


def store_qualities(lab: "Lab", folder: Path) -> None:
    """Write quality.csv, if workers answered."""
    from hil.predicted_quality import write_quality

    if rows := lab.qualities():
        write_quality(folder, rows)


def describe_workers(lab: "Lab", system: System) -> ExecutionFacts:
    """Return what the manifest says of the workers that ran the tasks of `system`."""
    facts = lab.describe()
    duration_s = system.duration_ns / NS_PER_S
    notes = [
        f"Rows that end in {HOSTS_SUFFIX} are of the first {duration_s:g} s: workers ran every partition, and "
        "activations went from worker to worker over MQTT. The others are simulated on the layer times that these "
        "workers measured."
    ]
    if facts.moves:
        notes.append("Tasks are counted over all that the workers ran: " + "; ".join(facts.moves) + ".")
    if facts.dropped:
        notes.append(f"{facts.dropped} messages to the coordinator were not of its format and were dropped.")
    broker = BrokerFacts(name=facts.broker[0], version=facts.broker[1])
    return ExecutionFacts("hil", tuple(notes), broker=broker, workers=facts.workers)
