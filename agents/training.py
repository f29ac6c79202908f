"""Train the agents of a run, on channels that share no data with the run's."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.checkpoint import Checkpoint
from agents.episodes import Episodes, EpisodeSettings
from agents.settings import A3cSettings, PpoSettings, changed, check_settings
from emulator.system import System
from topologies.build import require_disjoint, training_systems
from topologies.schema.scenario import LearnedSection, Scenario, label_of

Progress = Callable[[str, int, int], None]  # (what, done, total)
Value = bool | int | float | str
Trained = tuple[Checkpoint, list[dict[str, Any]]]
Trainer = Callable[[Episodes, Mapping[str, Value], int, Callable[[int, int], None]], Trained]


def train_missing(
    scenario: Scenario, folder: Path, progress: Progress, adapt: Callable[[System], System]
) -> dict[str, Trained]:
    """Train each learned policy of the scenario that names no checkpoint. Return checkpoint and curve by label.
    `adapt` changes each training system before use, for example its layer times to measured ones."""
    missing = [each for each in scenario.policies if isinstance(each, LearnedSection) and each.checkpoint is None]
    if not missing:
        return {}
    settings = {label_of(each): {"total_timesteps": scenario.training.steps, **each.settings} for each in missing}
    for each in missing:
        check_settings(each.type, settings[label_of(each)])  # before the episodes, which take minutes
        trainer_of(each.type)
    episodes = prepare_episodes(
        [adapt(each) for each in training_systems(scenario, folder)], EpisodeSettings(), progress
    )
    trained = {}
    for each in missing:
        label = label_of(each)
        trained[label] = train_agent(each.type, episodes, settings[label], scenario.training.seed, progress)
    return trained


def train_one(scenario: Scenario, folder: Path, agent: str, seed: int, progress: Progress) -> Checkpoint:
    """Train `ppo` or `a3c` with `seed` on the scenario's training systems, with the settings of its first policy of
    that type, if any. Return the checkpoint."""
    sections = [each for each in scenario.policies if isinstance(each, LearnedSection) and each.type == agent]
    settings = {"total_timesteps": scenario.training.steps, **(sections[0].settings if sections else {})}
    check_settings(agent, settings)
    trainer_of(agent)
    episodes = prepare_episodes(training_systems(scenario, folder), EpisodeSettings(), progress)
    return train_agent(agent, episodes, settings, seed, progress)[0]


def prepare_episodes(systems: Sequence[System], settings: EpisodeSettings, progress: Progress) -> Episodes:
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
    progress: Progress,
    tested: Sequence[System] = (),
) -> Trained:
    """Train `ppo` or `a3c` with the given settings; others have their defaults.

    Returns the checkpoint and the learning curve (see `agents.actor_critic.curve_point`). Raises ValueError for an
    invalid setting, and if the traces of the episodes' systems and of `tested` have an interval of a source in common.
    """
    check_settings(agent, settings)
    for system in tested:
        for trained in episodes.systems:
            require_disjoint(trained, system)

    def report(done: int, total: int) -> None:
        progress(agent, done, total)

    return trainer_of(agent)(episodes, settings, seed, report)


def trainer_of(agent: str) -> Trainer:
    """Return what trains `ppo` or `a3c`. Call it before the work starts: it raises ImportError without torch."""
    if agent == "ppo":
        from agents import ppo

        return lambda episodes, settings, *rest: ppo.train(episodes, changed(PpoSettings(), settings), *rest)
    from agents import a3c

    return lambda episodes, settings, *rest: a3c.train(episodes, changed(A3cSettings(), settings), *rest)
