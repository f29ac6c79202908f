"""Run a scenario in real time: from the scenario to the folder of a finished run. Call it inside the sandbox."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from airsplit.answers import with_answers
from airsplit.completion import complete_run, room_for_manifest
from airsplit.deferral import SignalDeferral
from airsplit.preparation import load_checkpoints, prepare_run
from airsplit.stored_run import StoredRun
from emulator.policy import Decision, Policy, RecordingPolicy, Totals
from emulator.record import Records
from emulator.simulation import Simulation
from emulator.system import System
from results.finish import result_makers
from results.progress import RunProgress
from results.run.facts import recording_notes
from results.run.folder import Run, require_run_folders
from results.run.manifest import LeftOut
from topologies.build import build
from topologies.build.emulation_scope import (
    EMULATED_SUFFIX,
    emulated_system,
    require_layers,
    require_matching_bearers,
    require_no_energy,
    require_no_failures,
    with_one_policy,
    without_tasks,
)
from topologies.loading.loader import load, prefix_errors
from topologies.schema.scenario import Scenario


def load_for_emulation(
    file: Path, overrides: Sequence[str], seed: int | None, policy: str | None, *, tasks: bool
) -> Scenario:
    """Load a scenario with the one policy that is to be emulated; without `tasks` only its commands run.

    Raises ValueError, one line, for bad input.
    """
    with prefix_errors(file, overrides):
        chosen = with_one_policy(load(file, overrides, seed), policy)
        chosen = chosen if tasks else without_tasks(chosen)
        require_no_failures(chosen)
        require_no_energy(chosen)
        require_matching_bearers(chosen)
    return chosen


def run_emulation(
    scenario: Scenario,
    file: Path,
    out: Path,
    command: tuple[str, ...],
    progress: RunProgress,
    *,
    prompt: bool,
    left_out: tuple[LeftOut, ...] = (),
) -> Run:
    """Simulate the scenario's one policy, carry out its decisions with real packets, and write both to a folder in
    `out`. With `prompt`, open Mininet's prompt in the network instead of running tasks.

    `file`, `command` and `left_out` are as in `airsplit.simulation_run.run_simulation`.
    """
    from hil.stations import emulation  # needs Mininet
    from hil.stations.files import append_real_tasks
    from results.agreement.checks import check_emulation
    from topologies.mininet.network import require_network
    from topologies.mininet.real_devices import require_interfaces

    started = datetime.now(UTC)
    home = file.parent
    with prefix_errors(file), SignalDeferral() as deferral, progress:
        require_interfaces(scenario)
        system = build(scenario, home)
        progress.notes(recording_notes(scenario, system))
        require_network(scenario, system)
        if scenario.realtime.tasks and scenario.realtime.compute == "measured":
            require_layers(scenario, system)
        checkpoints = load_checkpoints(scenario, home, system)
        part = emulated_system(scenario, system)
        makers = with_answers(result_makers(left_out), lambda: StoredRun(scenario, part), home)  # fails early
        require_run_folders(out, scenario.name)
        folder, make_policies = prepare_run(scenario, home, system, checkpoints, out, progress)
        with room_for_manifest(folder, part), Records(folder) as records:
            totals, decisions = simulate_one(part, make_policies(), records)
            if prompt:
                found = emulation.open_prompt(scenario, home, part, folder, progress)
            else:
                found = emulation.emulate(scenario, home, part, decisions, folder, progress)
            append_real_tasks(records, scenario.labels[0] + EMULATED_SUFFIX, folder)
            deferral.begin()
        execution = check_emulation(found, scenario, part, folder)._replace(left_out=left_out)
        return complete_run(scenario, part, folder, started, command, totals, execution, makers, progress, deferral)


def simulate_one(
    system: System, policies: Mapping[str, Policy], records: Records
) -> tuple[dict[str, Totals], list[Decision]]:
    """Simulate the only policy in `policies`. Return its totals by label, and all its decisions."""
    ((label, policy),) = policies.items()
    noted = RecordingPolicy(policy)
    return {label: Simulation(system).run(noted, label, records)}, noted.decisions
