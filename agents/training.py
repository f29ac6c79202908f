"""Train the agents of a run, on channels that share no data with the run's."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from agents.learning.curve import Curve
from agents.learning.settings import A3cSettings, PpoSettings, changed, check_settings
from agents.learning.weights import Weights
from agents.split_inference.checkpoint import Checkpoint, checkpoint_of
from agents.split_inference.episodes import Episodes, EpisodeSettings
from agents.split_inference.vector_environment import SplitInferenceVector
from emulator.core.cache import Cache
from emulator.core.progress import StepProgress
from emulator.layer_times import Measured, rows_of, with_measured
from emulator.system import System
from topologies.build import require_disjoint, training_systems
from topologies.loading.contents import contents_sha256
from topologies.schema.scenario import LearnedSection, Scenario, label_of

NOT_TRAINED_ON = ("seed", "duration_s", "failures", "policies", "groups", "hil", "realtime")  # sections of a scenario
Value = bool | int | float | str
Trained = tuple[Checkpoint, list[dict[str, Any]]]
Trainer = Callable[[Episodes, Mapping[str, Value], int, Callable[[int, int], None]], Trained]


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
    scenario: Scenario, folder: Path, agent: str, seed: int, progress: StepProgress, store: Cache
) -> Checkpoint:
    """Train `ppo` or `a3c` with `seed` on the scenario's training systems, with the settings of its first policy of
    that type, if any, unless `store` has the result. Return the checkpoint."""
    sections = [each for each in scenario.policies if isinstance(each, LearnedSection) and each.type == agent]
    settings = {"total_timesteps": scenario.training.steps, **(sections[0].settings if sections else {})}
    check_settings(agent, settings)
    return _Course(scenario, folder, progress, {}, store).train(agent, agent, settings, seed)[0]


@dataclass
class _Course:
    """Trains agents on the same episodes, which are made when the first agent needs them."""

    scenario: Scenario
    folder: Path
    progress: StepProgress
    measured: Measured
    store: Cache

    @cached_property
    def episodes(self) -> Episodes:
        systems = training_systems(self.scenario, self.folder, self.store)
        adapted = [with_measured(each, self.measured) for each in systems]
        return prepare_episodes(adapted, EpisodeSettings(), self.progress)

    @cached_property
    def contents(self) -> str:
        return contents_sha256(self.scenario, self.folder, NOT_TRAINED_ON)

    def train(self, label: str, agent: str, settings: Mapping[str, Value], seed: int) -> Trained:
        """Return the agent of an earlier run, or a new one."""

        @cache
        def make() -> Trained:
            trainer_of(agent)  # before the episodes
            return train_agent(agent, self.episodes, settings, seed, self.progress)

        if settings.get("asynchronous"):  # no two trainings agree
            return make()
        inputs = (self.contents, rows_of(self.measured), agent, settings, seed)
        checkpoint = self.store.get(
            f"agent {label}", (*inputs, "agent"), "safetensors", lambda: make()[0], Checkpoint.load, Checkpoint.save
        )
        curve = self.store.get(
            f"learning curve of {label}", (*inputs, "curve"), "json", lambda: make()[1], _load_curve, _save_curve
        )
        return checkpoint, curve


def _load_curve(path: Path) -> list[dict[str, Any]]:
    curve: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return curve


def _save_curve(curve: list[dict[str, Any]], path: Path) -> None:
    path.write_text(json.dumps(curve), encoding="utf-8")


def prepare_episodes(systems: Sequence[System], settings: EpisodeSettings, progress: StepProgress) -> Episodes:
    """Compute the rows of all episodes, and report each to `progress`."""
    episodes = Episodes(systems, settings)
    for number in range(len(episodes)):
        episodes.rows(number)
        progress("episodes", number + 1, len(episodes))
    return episodes


def train_agent(
    agent: str,
    episodes: Episodes,
    settings: Mapping[str, Value],
    seed: int,
    progress: StepProgress,
    tested: Sequence[System] = (),
) -> Trained:
    """Train `ppo` or `a3c` with the given settings; others have their defaults.

    Returns the checkpoint and the learning curve (see `agents.learning.curve.curve_point`, without `reward_mean`).
    Raises ValueError for an invalid setting, and if the traces of the episodes' systems and of `tested` have an
    interval of a source in common.
    """
    check_settings(agent, settings)
    for system in tested:
        for trained in episodes.systems:
            require_disjoint(trained, system)

    def report(done: int, total: int) -> None:
        progress(agent, done, total)

    return trainer_of(agent)(episodes, settings, seed, report)


def trainer_of(agent: str) -> Trainer:
    """Return what trains `ppo` or `a3c`. Call it before the work starts: it raises ImportError if a library is
    missing."""
    if agent == "ppo":
        from agents.learning import fast_ppo

        return partial(_train, agent, fast_ppo.train, PpoSettings(), "numpy")
    from agents.learning import a3c

    return partial(_train, agent, a3c.train, A3cSettings(), "torch")


def _train(
    agent: str,
    learn: Callable[..., tuple[Weights, Curve]],
    defaults: PpoSettings | A3cSettings,
    library: str,
    episodes: Episodes,
    settings: Mapping[str, Value],
    seed: int,
    progress: Callable[[int, int], None],
) -> Trained:
    chosen = changed(defaults, settings)
    weights, curve = learn(partial(SplitInferenceVector, episodes=episodes), chosen, seed, progress)
    for point in curve:  # all episodes have as many steps, so this mean is that of more of them
        point["episode_return"] = point.pop("reward_mean") * episodes.settings.steps
    described = f"{library} {version(library)}"
    return checkpoint_of(weights, episodes, agent, seed, asdict(chosen), described), curve
