"""The first part of every run: trains agents, makes the policies, and stores the inputs in a new folder."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from agents.evaluation import check_policies, named_checkpoints, policies_of
from agents.registry import UserPolicy
from agents.split_inference.checkpoint import Checkpoint, require_unseen
from agents.training import environment_of, train_missing
from emulator.core.cache import Cache
from emulator.layer_times import measured_of
from emulator.policy import Policy
from emulator.system import System
from results.progress import RunProgress
from results.run.folder import create_run_folder
from results.run.tables import write_learning
from topologies.build.run_inputs import checkpoint_file, input_files, resolved_yaml, store_inputs
from topologies.schema.policies import LearnedSection, PlainSection, label_of
from topologies.schema.scenario import Scenario

CHANNELS_S = 10  # of a processor, to generate channels and episodes for training, as measured for the quickstart
STEP_S = {"split-inference": 25e-6, "offload": 100e-6}  # of a processor, to train an agent for a step
NO_OBJECTS: Mapping[str, Policy] = {}


class Preparation(NamedTuple):
    """The folder of a run, and a function that makes the run's policies by label, new ones at each call."""

    folder: Path
    make_policies: Callable[[], Mapping[str, Policy]]


def load_checkpoints(
    scenario: Scenario, home: Path, system: System, objects: Mapping[str, Policy] = NO_OBJECTS
) -> dict[str, Checkpoint]:
    """Return the checkpoints that the scenario names, by label, after a check that every policy can be made.

    `home` is the folder that the scenario's relative paths start from; `objects` are policies, by label, that need not
    be made. Raises ValueError, `policies[i]: ...`.
    """
    checkpoints = named_checkpoints(scenario, home, system)
    check_policies(_with_stand_ins(scenario, objects), home, system, checkpoints)
    return checkpoints


def prepare_run(
    scenario: Scenario,
    home: Path,
    system: System,
    named: Mapping[str, Checkpoint],
    out: Path,
    progress: RunProgress,
    objects: Mapping[str, Policy] = NO_OBJECTS,
    cache: Cache | None = None,
) -> Preparation:
    """Train the agents that have no checkpoint and store everything that a repetition needs in a new folder of `out`.

    Agents are trained on the layer times of `system`, which may be measured. `named` are the checkpoints that the
    scenario names, `objects` the policies that the caller made, `cache` holds agents and channels of earlier runs.
    """
    if note := _note_on_training(scenario):
        progress.note(note)
    trained = train_missing(scenario, home, progress, measured_of(system), cache or Cache())
    for checkpoint, _ in trained.values():
        require_unseen(checkpoint, system)
    checkpoints = {**named, **{label: checkpoint for label, (checkpoint, _) in trained.items()}}
    text = resolved_yaml(scenario, home)
    inputs = " ".join([text, *(link.trace.sha256 for link in system.links)])
    folder = create_run_folder(out, scenario.name, hashlib.sha256(inputs.encode()).hexdigest())
    store_inputs(folder, text, input_files(scenario, home), system)
    for label, checkpoint in checkpoints.items():
        checkpoint.save(folder / checkpoint_file(label))
    if trained:
        write_learning(folder / "learning.csv", {label: curve for label, (_, curve) in trained.items()})
    types = dict(zip(scenario.labels, (section.type for section in scenario.policies), strict=True))
    checked = {label: UserPolicy(types[label], policy, system) for label, policy in objects.items()}

    def make_policies() -> dict[str, Policy]:
        return policies_of(_with_stand_ins(scenario, objects), home, system, checkpoints) | checked

    return Preparation(folder, make_policies)


def _note_on_training(scenario: Scenario) -> str:
    """Return a line that says how long training takes; empty if there is none."""
    missing = [each for each in scenario.policies if isinstance(each, LearnedSection) and each.checkpoint is None]
    labels = ", ".join(map(label_of, missing))
    seconds = CHANNELS_S + sum(
        int(each.settings.get("total_timesteps", scenario.training.steps)) * STEP_S[environment_of(scenario, each).name]
        for each in missing
    )
    return f"training {labels}: about {seconds:.0f} s, unless an earlier run did so" if missing else ""


def _with_stand_ins(scenario: Scenario, objects: Mapping[str, Policy]) -> Scenario:
    """Return the scenario with another policy in the place of each object, so that places and labels stay."""
    policies = tuple(
        PlainSection(type="random", label=label) if label in objects else section
        for label, section in zip(scenario.labels, scenario.policies, strict=True)
    )
    return scenario.model_copy(update={"policies": policies})
