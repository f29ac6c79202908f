"""Every policy of a scenario over a system, each in its own run, into the same records."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.checkpoint import Checkpoint, require_unseen
from agents.registry import make_policy
from emulator.policy import Compute, Policy
from emulator.record import Records
from emulator.simulation import Simulation, Totals
from emulator.system import System
from emulator.units import ns_from_s
from topologies.scenario import Learned, Scenario, label_of

HOSTS = "@hosts"  # at the end of the label of a policy whose tasks ran on workers
Progress = Callable[[str, int, int], None]  # (what, done, total)


def named_checkpoints(scenario: Scenario, folder: Path, system: System) -> dict[str, Checkpoint]:
    """The checkpoints that the scenario names, by label. Raises ValueError for one that was trained on
    channels of this run."""
    named = {
        label_of(each): Checkpoint.load(folder / each.checkpoint)
        for each in scenario.policies
        if isinstance(each, Learned) and each.checkpoint is not None
    }
    for checkpoint in named.values():
        require_unseen(checkpoint, system)
    return named


def policies_of(
    scenario: Scenario, folder: Path, system: System, checkpoints: Mapping[str, Checkpoint]
) -> dict[str, Policy]:
    """The scenario's policies by label, fresh. Raises ValueError for one that cannot be made."""
    return {
        label_of(each): make_policy(each.type, _options(each, folder), system, checkpoints.get(label_of(each)))
        for each in scenario.policies
    }


def simulate(policies: Mapping[str, Policy], system: System, records: Records, progress: Progress) -> dict[str, Totals]:
    """Run each policy in simulation; its totals, by label."""
    totals = {}
    for done, (label, policy) in enumerate(policies.items()):
        progress("simulating policies", done, len(policies))
        totals[label] = Simulation(system).run(policy, label, records)
    progress("simulating policies", len(policies), len(policies))
    return totals


def run_on_hosts(
    scenario: Scenario,
    policies: Mapping[str, Policy],
    system: System,
    compute_of: Callable[[str], Compute],
    records: Records,
    progress: Progress,
) -> dict[str, Totals]:
    """Run the policies that the scenario names for hosts, for as long as it says, `compute_of(label)` running
    their partitions; their totals, by labels that end in `@hosts`."""
    if scenario.hil is None:
        raise ValueError(f"{scenario.name}: hil: must name workers and policies")
    shorter = replace(system, duration_ns=ns_from_s(scenario.hil.duration_s))
    totals = {}
    for done, chosen in enumerate(scenario.hil.policies):
        progress("running on hosts", done, len(scenario.hil.policies))
        label = chosen + HOSTS
        totals[label] = Simulation(shorter, compute_of(label)).run(policies[chosen], label, records)
    progress("running on hosts", len(scenario.hil.policies), len(scenario.hil.policies))
    return totals


def _options(section: Any, folder: Path) -> dict[str, Any]:
    """What a policy's section says beside its type and label; a file's path from the scenario's folder."""
    options: dict[str, Any] = section.model_dump(exclude={"type", "label"})
    if "file" in options:
        options["file"] = str(folder / options["file"])
    users_own: dict[str, Any] | None = options.get("options")
    return options if users_own is None else users_own
