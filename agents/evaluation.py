"""Run every policy of a scenario on a system, each in its own run, into the same records."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from agents.learning.settings import check_settings
from agents.registry import make_policy
from agents.split_inference.checkpoint import Checkpoint, require_unseen
from emulator.core.errors import Mistakes
from emulator.core.progress import Progress
from emulator.core.units import ns_from_s
from emulator.policy import Backend, Policy, Totals
from emulator.record import Records
from emulator.system import System
from topologies.schema.policies import LearnedSection, label_of
from topologies.schema.scenario import Scenario

HOSTS_SUFFIX = "@hosts"  # of the label of a policy whose tasks ran on workers


def named_checkpoints(scenario: Scenario, folder: Path, system: System) -> dict[str, Checkpoint]:
    """Load the checkpoints that the scenario names, by label. Raises ValueError for one that was trained on channels of
    this run."""
    named = {
        label_of(each): Checkpoint.load(folder / each.checkpoint)
        for each in scenario.policies
        if isinstance(each, LearnedSection) and each.checkpoint is not None
    }
    for checkpoint in named.values():
        require_unseen(checkpoint, system)
    return named


def check_policies(scenario: Scenario, folder: Path, system: System, checkpoints: Mapping[str, Checkpoint]) -> None:
    """Check every policy before the run: make those that need no training, and check the settings of the others.
    Raises Mistakes, a ValueError with a line `policies[i]: ...` for each."""
    lines: list[str] = []
    for index, each in enumerate(scenario.policies):
        try:
            if isinstance(each, LearnedSection) and each.checkpoint is None:
                check_settings(each.type, each.settings)
            else:
                make_policy(each.type, _options(each, folder), system, checkpoints.get(label_of(each)), folder)
        except ValueError as error:
            texts = error.lines if isinstance(error, Mistakes) else (str(error),)
            lines += [f"policies[{index}]: {text}" for text in texts]
    if lines:
        raise Mistakes(lines)


def policies_of(
    scenario: Scenario, folder: Path, system: System, checkpoints: Mapping[str, Checkpoint]
) -> dict[str, Policy]:
    """Make the scenario's policies, by label. Raises ValueError for one that cannot be made."""
    return {
        label_of(each): make_policy(each.type, _options(each, folder), system, checkpoints.get(label_of(each)), folder)
        for each in scenario.policies
    }


def evaluate(
    policies: Mapping[str, Policy], backend_of: Callable[[str], Backend], records: Records, progress: Progress
) -> dict[str, Totals]:
    """Run each policy on its backend. Return totals by label. `progress(done, total)` counts policies."""
    totals = {}
    for done, (label, policy) in enumerate(policies.items()):
        progress(done, len(policies))
        totals[label] = backend_of(label).run(policy, label, records)
    progress(len(policies), len(policies))
    return totals


def on_hosts(scenario: Scenario, policies: Mapping[str, Policy]) -> dict[str, Policy]:
    """Return the policies that the scenario names for hosts, by label with HOSTS_SUFFIX."""
    chosen = scenario.hil.policies if scenario.hil else ()
    return {label + HOSTS_SUFFIX: policies[label] for label in chosen}


def for_hosts(scenario: Scenario, system: System) -> System:
    """Return the system with the duration for hosts, at most that of the scenario."""
    if scenario.hil is None:
        return system
    return replace(system, duration_ns=min(system.duration_ns, ns_from_s(scenario.hil.duration_s)))


def _options(section: Any, folder: Path) -> dict[str, Any]:
    """Return a policy's options without type and label; the path of a file starts at the scenario's folder."""
    options: dict[str, Any] = section.model_dump(exclude={"type", "label"})
    if "file" in options:
        options["file"] = str(folder / options["file"])
    users_own: dict[str, Any] | None = options.get("options")
    return options if users_own is None else users_own
