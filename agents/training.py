"""Train the agents of a run, on channels that share no data with the run's."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property, partial
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agents.learning.settings import DEFAULTS, changed, check_settings
from agents.learning.training.curve import Curve
from agents.learning.training.state_store import StateStore
from agents.learning.training.supervision import UNSUPERVISED, Supervision, TrainingPoint
from agents.learning.training.tensorboard import TensorBoardLog
from agents.learning.training.validation import Validation
from agents.learning.training.weights import Weights
from agents.split_inference.checkpoint import Checkpoint, checkpoint_of
from agents.split_inference.episodes import Episodes, EpisodeSettings
from agents.split_inference.learned import mean_return
from agents.split_inference.vector_environment import SplitInferenceVector
from emulator.core.cache import Cache, digest_of
from emulator.core.progress import StepProgress
from emulator.layer_times import Measured, rows_of, with_measured
from emulator.system import System
from topologies.build import require_disjoint, training_systems, validation_systems
from topologies.loading.contents import contents_sha256
from topologies.schema.policies import LearnedSection, label_of
from topologies.schema.scenario import Scenario

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

NOT_TRAINED_ON = (  # sections of a scenario
    *("seed", "channel_seed", "duration_s"),
    *("failures", "policies", "groups", "hil", "realtime"),
)
Value = bool | int | float | str
Trained = tuple[Checkpoint, list[dict[str, Any]]]
Trainer = Callable[[Episodes, Mapping[str, Value], int, Supervision], tuple[Weights, Curve, str]]


@dataclass(frozen=True)
class TrainingFiles:
    """Files of a training besides its result, none by default: that of its `state`, saved every `save_every_s`, from
    which it goes on if `resume`, and a folder of `logs` for TensorBoard."""

    state: Path | None = None
    resume: bool = False
    save_every_s: float = 10.0
    logs: Path | None = None

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
    settings = {label_of(each): {"total_timesteps": scenario.training.steps, **each.settings} for each in missing}
    for each in missing:
        check_settings(each.type, settings[label_of(each)])  # before the episodes, which take minutes
    course = _Course(scenario, folder, progress, measured, store)
    return {
        label_of(each): course.train(label_of(each), each.type, settings[label_of(each)], scenario.training.seed)
        for each in missing
    }


def train_one(
    scenario: Scenario,
    folder: Path,
    agent: str,
    seed: int,
    progress: StepProgress,
    store: Cache,
    files: TrainingFiles = NO_FILES,
) -> Checkpoint:
    """Train `ppo`, `a2c` or `a3c` with `seed` on the scenario's training systems, with the settings of its first policy
    of that type, if any, unless `store` has the result. Return the checkpoint."""
    sections = [each for each in scenario.policies if isinstance(each, LearnedSection) and each.type == agent]
    settings = {"total_timesteps": scenario.training.steps, **(sections[0].settings if sections else {})}
    check_settings(agent, settings)
    return _Course(scenario, folder, progress, {}, store, files).train(agent, agent, settings, seed)[0]


@dataclass
class _Course:
    """Trains agents on the same episodes, which are made when the first agent needs them."""

    scenario: Scenario
    folder: Path
    progress: StepProgress
    measured: Measured
    store: Cache
    files: TrainingFiles = NO_FILES

    @cached_property
    def episodes(self) -> Episodes:
        systems = training_systems(self.scenario, self.folder, self.store)
        adapted = [with_measured(each, self.measured) for each in systems]
        return prepare_episodes(adapted, EpisodeSettings(), self.progress)

    @cached_property
    def validation(self) -> Episodes | None:
        training = self.scenario.training
        if not training.validation_traces:
            return None
        systems = validation_systems(self.scenario, self.folder, self.episodes.systems, self.store)
        adapted = [with_measured(each, self.measured) for each in systems]
        return prepare_episodes(adapted, EpisodeSettings(), self.progress, "episodes of validation")

    @cached_property
    def contents(self) -> str:
        return contents_sha256(self.scenario, self.folder, NOT_TRAINED_ON)

    def train(self, label: str, agent: str, settings: Mapping[str, Value], seed: int) -> Trained:
        """Return the agent of an earlier run, or a new one. An agent is new if its training is to be resumed or logged,
        or if no two of its trainings agree."""

        inputs = (self.contents, rows_of(self.measured), agent, settings, seed)
        is_random = bool(settings.get("asynchronous"))

        @cache
        def make() -> Trained:
            trainer_of(agent)  # before the episodes
            supervision, patience = self._supervision(inputs, is_random), self.scenario.training.patience
            return train_agent(
                agent, self.episodes, settings, seed, self.progress, supervision, self.validation, patience
            )

        if is_random or self.files.resume or self.files.logs is not None:
            return make()
        checkpoint = self.store.get(
            f"agent {label}", (*inputs, "agent"), "safetensors", lambda: make()[0], Checkpoint.load, Checkpoint.save
        )
        curve = self.store.get(
            f"learning curve of {label}", (*inputs, "curve"), "json", lambda: make()[1], _load_curve, _save_curve
        )
        return checkpoint, curve

    def _supervision(self, inputs: Sequence[object], is_random: bool) -> Supervision:
        """Return what accompanies a training with these inputs. One that `is_random` keeps no state."""
        files, described = self.files, {"trained on": digest_of(inputs)}
        observers = () if files.logs is None else (TensorBoardLog(files.logs),)
        if files.state is None or (is_random and not files.resume):
            return Supervision(observers)
        return Supervision(observers, StateStore(files.state, described, files.resume, files.save_every_s))


def _load_curve(path: Path) -> list[dict[str, Any]]:
    curve: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return curve


def _save_curve(curve: list[dict[str, Any]], path: Path) -> None:
    path.write_text(json.dumps(curve), encoding="utf-8")


def prepare_episodes(
    systems: Sequence[System], settings: EpisodeSettings, progress: StepProgress, step: str = "episodes"
) -> Episodes:
    """Compute the rows of all episodes, and report each to `progress`."""
    episodes = Episodes(systems, settings)
    for number in range(len(episodes)):
        episodes.rows(number)
        progress(step, number + 1, len(episodes))
    return episodes


def train_agent(
    agent: str,
    episodes: Episodes,
    settings: Mapping[str, Value],
    seed: int,
    progress: StepProgress,
    supervision: Supervision = UNSUPERVISED,
    validation: Episodes | None = None,
    patience: int = 10,
    tested: Sequence[System] = (),
) -> Trained:
    """Train `ppo`, `a2c` or `a3c` with the given settings; others have their defaults. With `validation` keep the best
    parameters on these episodes, and stop after `patience` points of the curve without better ones.

    Returns the checkpoint and the learning curve (see `agents.learning.training.curve`, without `reward_mean`).
    Raises ValueError for an invalid setting, if two of the episodes' systems, those of `validation`, and `tested` have
    an interval of a source in common, and as `agents.learning.training.loop.run`.
    """
    check_settings(agent, settings)
    validated = () if validation is None else validation.systems
    for one, other in (*product(episodes.systems, (*tested, *validated)), *product(validated, tested)):
        require_disjoint(one, other)

    def report(point: TrainingPoint) -> None:
        progress(agent, point.done, point.total, point.text)

    supervision = replace(supervision, observers=(report, *supervision.observers))
    if validation is not None:
        scored = Validation(partial(mean_return, episodes=validation), patience)
        supervision = replace(supervision, validation=scored)
    weights, curve, library = trainer_of(agent)(episodes, settings, seed, supervision)
    for point in curve:  # all episodes have as many steps, so this mean is that of more of them
        point["episode_return"] = point.pop("reward_mean") * episodes.settings.steps
    chosen = asdict(changed(DEFAULTS[agent], settings))
    return checkpoint_of(weights, episodes, agent, seed, chosen, library, validated), curve


def trainer_of(agent: str) -> Trainer:
    """Return what trains `ppo`, `a2c` or `a3c`. Call it before the work starts: it raises ImportError if a library is
    missing."""
    if agent == "ppo":
        from agents.learning import fast_ppo

        return partial(_train, fast_ppo.train, DEFAULTS[agent], "numpy")
    if agent == "a2c":
        from agents.learning import a2c

        return partial(_train, a2c.train, DEFAULTS[agent], "torch")
    from agents.learning import a3c

    return partial(_train, a3c.train, DEFAULTS[agent], "torch")


def _train(
    learn: Callable[..., tuple[Weights, Curve]],
    defaults: "DataclassInstance",
    library: str,
    episodes: Episodes,
    settings: Mapping[str, Value],
    seed: int,
    supervision: Supervision,
) -> tuple[Weights, Curve, str]:
    weights, curve = learn(
        partial(SplitInferenceVector, episodes=episodes), changed(defaults, settings), seed, supervision
    )
    return weights, curve, f"{library} {version(library)}"
