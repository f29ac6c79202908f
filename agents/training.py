"""Train the agents of a run, on channels that share no data with the run's."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from agents.learning.settings import check_settings
from agents.learning.training.state_store import StateStore
from agents.learning.training.supervision import Supervision, TrainingPoint
from agents.offload.coupled_tasks import CoupledTasks
from agents.offload.episodes import OffloadSettings
from agents.split_inference.checkpoint import Checkpoint
from agents.split_inference.episodes import EpisodeSettings
from agents.split_inference.isolated_tasks import prepare_episodes
from agents.trainer import Trained, train_agent, trainer_of
from agents.training_problem import TrainingProblem
from emulator.core.cache import Cache, digest_of
from emulator.core.progress import StepProgress
from emulator.core.units import ns_from_ms
from emulator.layer_times import Measured, rows_of, with_measured
from emulator.system import System
from topologies.build import training_systems, validation_systems
from topologies.loading.contents import contents_sha256
from topologies.schema.policies import LearnedSection, label_of
from topologies.schema.scenario import Scenario

NOT_TRAINED_ON = (  # sections of a scenario
    *("seed", "channel_seed", "duration_s"),
    *("failures", "policies", "groups", "hil", "realtime"),
)
COUPLED = "offload"  # of `environment` in a scenario
COUPLED_VALIDATIONS = 8  # episodes for each validation system: as many decisions as 64 of isolated tasks, or more
VALIDATION_DRAWS = 1  # seed of the arrivals and losses of coupled validation; those of training have 0


@dataclass(frozen=True)
class TrainingFiles:
    """Files of a training besides its result, none by default: that of its `state`, saved every `save_every_s`, from
    which it goes on if `resume`. `observers` are told of each point of its curve."""

    state: Path | None = None
    resume: bool = False
    save_every_s: float = 10.0
    observers: tuple[Callable[[TrainingPoint], None], ...] = ()

    def remove_state(self) -> None:
        """Remove the state: the training is over and its result is kept."""
        if self.state is not None:
            self.state.unlink(missing_ok=True)


NO_FILES = TrainingFiles()


def train_missing(
    scenario: Scenario, folder: Path, progress: StepProgress, measured: Measured, store: Cache
) -> dict[str, Trained]:
    """Train each learned policy of the scenario that names no checkpoint, on systems with the measured layer times.
    Agents that earlier runs kept in `store` are not trained again. Return checkpoint and curve by label."""
    missing = [each for each in scenario.policies if isinstance(each, LearnedSection) and each.checkpoint is None]
    for each in missing:
        check_settings(each.type, each.settings)  # before the episodes, which take minutes
    course = Course(scenario, folder, progress, measured, store)
    return {label_of(each): course.train(label_of(each), each, scenario.training.seed) for each in missing}


def train_one(
    scenario: Scenario,
    folder: Path,
    agent: Literal["ppo", "a2c", "a3c"],
    seed: int,
    progress: StepProgress,
    store: Cache,
    files: TrainingFiles = NO_FILES,
) -> Checkpoint:
    """Train an agent with `seed` on the scenario's training systems, as its first policy of that type, if any, unless
    `store` has the result. Return the checkpoint."""
    sections = [each for each in scenario.policies if isinstance(each, LearnedSection) and each.type == agent]
    section = sections[0] if sections else LearnedSection(type=agent)
    check_settings(agent, section.settings)
    return Course(scenario, folder, progress, {}, store, files).train(agent, section, seed)[0]


class ChosenEnvironment(NamedTuple):
    """The environment that an agent is trained in, and how long each of its decisions takes there. Isolated tasks are
    all decided at once."""

    name: str
    decision_ns: int


def environment_of(scenario: Scenario, section: LearnedSection) -> ChosenEnvironment:
    """Return the environment that a policy is trained in."""
    name = section.environment or scenario.training.environment
    return ChosenEnvironment(name, ns_from_ms(section.decision_ms) if name == COUPLED else 0)


@dataclass
class Course:
    """Trains agents on the same systems and episodes, which are made when the first agent needs them."""

    scenario: Scenario
    folder: Path
    progress: StepProgress
    measured: Measured
    store: Cache
    files: TrainingFiles = NO_FILES

    @cached_property
    def systems(self) -> tuple[System, ...]:
        """The systems of training."""
        return self._adapted(training_systems(self.scenario, self.folder, self.store))

    @cached_property
    def validated(self) -> tuple[System, ...]:
        """The systems of validation."""
        return self._adapted(validation_systems(self.scenario, self.folder, self.systems, self.store))

    def _adapted(self, systems: Sequence[System]) -> tuple[System, ...]:
        return tuple(with_measured(each, self.measured) for each in systems)

    @cached_property
    def isolated(self) -> TrainingProblem:
        """Episodes of isolated tasks, of training."""
        return prepare_episodes(self.systems, EpisodeSettings(), self.progress)

    @cached_property
    def isolated_validation(self) -> TrainingProblem:
        """Episodes of isolated tasks, of validation."""
        return prepare_episodes(self.validated, EpisodeSettings(), self.progress, "episodes of validation")

    @cached_property
    def contents(self) -> str:
        """Digest of all that the systems depend on."""
        return contents_sha256(self.scenario, self.folder, NOT_TRAINED_ON)

    def train(self, label: str, section: LearnedSection, seed: int) -> Trained:
        """Return the agent of an earlier run, or a new one. An agent is new if its training is to be resumed or
        observed, or if no two of its trainings agree."""
        settings = {"total_timesteps": self.scenario.training.steps, **section.settings}
        environment = environment_of(self.scenario, section)
        inputs = (self.contents, rows_of(self.measured), section.type, settings, seed, environment)
        is_random = bool(settings.get("asynchronous"))

        @cache
        def make() -> Trained:
            trainer_of(section.type)  # before the episodes
            problem, validation = self._problem(environment), self._validation(environment)
            supervision, patience = self._supervision(inputs, is_random), self.scenario.training.patience
            return train_agent(section.type, problem, settings, seed, self.progress, supervision, validation, patience)

        if is_random or self.files.resume or self.files.observers:
            return make()
        checkpoint = self.store.get(
            f"agent {label}", (*inputs, "agent"), "safetensors", lambda: make()[0], Checkpoint.load, Checkpoint.save
        )
        curve = self.store.get(
            f"learning curve of {label}", (*inputs, "curve"), "json", lambda: make()[1], _load_curve, _save_curve
        )
        return checkpoint, curve

    def _problem(self, environment: ChosenEnvironment) -> TrainingProblem:
        if environment.name == COUPLED:
            return CoupledTasks(self.systems, OffloadSettings(decision_ns=environment.decision_ns))
        return self.isolated

    def _validation(self, environment: ChosenEnvironment) -> TrainingProblem | None:
        count = COUPLED_VALIDATIONS * self.scenario.training.validation_traces
        if not count:
            return None
        if environment.name == COUPLED:
            return CoupledTasks(self.validated, OffloadSettings(count, VALIDATION_DRAWS, environment.decision_ns))
        return self.isolated_validation

    def _supervision(self, inputs: Sequence[object], is_random: bool) -> Supervision:
        """Return what accompanies a training with these inputs. One that `is_random` keeps no state."""
        files, described = self.files, {"trained on": digest_of(inputs)}
        if files.state is None or (is_random and not files.resume):
            return Supervision(files.observers)
        return Supervision(files.observers, StateStore(files.state, described, files.resume, files.save_every_s))


def _load_curve(path: Path) -> list[dict[str, Any]]:
    curve: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return curve


def _save_curve(curve: list[dict[str, Any]], path: Path) -> None:
    path.write_text(json.dumps(curve), encoding="utf-8")
