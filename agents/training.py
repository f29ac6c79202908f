"""Agents for a run: trained on channels that share nothing with the run's."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from agents.checkpoint import Checkpoint
from agents.episodes import Episodes, EpisodeSettings
from emulator.system import System
from topologies.build import require_disjoint, training_system
from topologies.scenario import Learned, Scenario, label_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Progress = Callable[[str, int, int], None]  # (what, done, total)
Value = bool | int | float | str
Settings = TypeVar("Settings", bound="DataclassInstance")


def training_systems(scenario: Scenario, folder: Path) -> list[System]:
    """The systems that a scenario's agents are trained on. Raises ValueError where they share data with its run."""
    return [training_system(scenario, folder, index) for index in range(scenario.training.traces)]


def train_missing(
    scenario: Scenario, folder: Path, progress: Progress, adapt: Callable[[System], System]
) -> dict[str, tuple[Checkpoint, list[dict[str, Any]]]]:
    """Checkpoint and learning curve, by label, of each learned policy of the scenario that names no checkpoint.
    `adapt` makes of a training system the one to train on (with measured layer times, say)."""
    missing = [each for each in scenario.policies if isinstance(each, Learned) and each.checkpoint is None]
    if not missing:
        return {}
    episodes = prepared([adapt(each) for each in training_systems(scenario, folder)], EpisodeSettings(), progress)
    trained = {}
    for each in missing:
        settings = {"total_steps": scenario.training.steps, **each.settings}
        trained[label_of(each)] = train_agent(each.type, episodes, settings, scenario.training.seed, progress)
    return trained


def train_one(scenario: Scenario, folder: Path, agent: str, seed: int, progress: Progress) -> Checkpoint:
    """The checkpoint of `ppo` or `a3c`, trained under `seed` as the scenario says, with the settings of its first
    policy of that type if it has one."""
    sections = [each for each in scenario.policies if isinstance(each, Learned) and each.type == agent]
    settings = {"total_steps": scenario.training.steps, **(sections[0].settings if sections else {})}
    episodes = prepared(training_systems(scenario, folder), EpisodeSettings(), progress)
    return train_agent(agent, episodes, settings, seed, progress)[0]


def prepared(systems: Sequence[System], settings: EpisodeSettings, progress: Progress) -> Episodes:
    """Episodes whose tables are computed, with `progress` hearing of it."""
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
) -> tuple[Checkpoint, list[dict[str, Any]]]:
    """Train `ppo` or `a3c` with some of its settings changed.

    Returns the checkpoint and the learning curve (see `agents.actor_critic.curve_point`). Raises ValueError
    for a setting that the agent does not have, and where the episodes' systems share a stretch of a source
    with one of `tested`.
    """
    for system in tested:
        for trained in episodes.systems:
            require_disjoint(trained, system)

    def heard(done: int, total: int) -> None:
        progress(agent, done, total)

    if agent == "ppo":
        from agents import ppo

        return ppo.train(episodes, changed(ppo.PpoSettings(), settings), seed, heard)
    if agent == "a3c":
        from agents import a3c

        return a3c.train(episodes, changed(a3c.A3cSettings(), settings), seed, heard)
    raise ValueError(f"agent={agent}: must be ppo or a3c")


def changed(settings: Settings, values: Mapping[str, Value]) -> Settings:
    """The settings with some values replaced. Raises ValueError for a name that is none of them, a value
    of another type, or one below 0."""
    known = {field.name: type(getattr(settings, field.name)) for field in fields(settings)}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"settings.{name}: must be one of {', '.join(known)}")
        wanted = known[name]
        right = isinstance(value, int | float) if wanted is float else isinstance(value, wanted)
        if not right or (isinstance(value, bool) and wanted is not bool) or (not isinstance(value, str) and value < 0):
            raise ValueError(f"settings.{name}={value!r}: must be a {wanted.__name__} of at least 0")
    return replace(settings, **values)
