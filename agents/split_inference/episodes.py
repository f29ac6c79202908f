"""Episodes of uncoupled tasks: each task is alone in the system, and the cost of every choice is known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from agents.split_inference.bound import longest_idle_ns
from agents.split_inference.encoding import Encoder, layout_of
from agents.split_inference.isolated_outcome import IsolatedOutcomes
from emulator.core.arrays import Flags, Float32s, is_integer
from emulator.core.randomness import draw_key, generator
from emulator.core.units import NS_PER_S
from emulator.simulation.network import Network
from emulator.simulation.observation import DelayedObservation
from emulator.system import System
from emulator.task import Placement, Task

UNLIMITED_NS = 2**62


@dataclass(frozen=True)
class EpisodeSettings:
    """The number of different episodes, the number of tasks in each, and the seed of the draws. Raises ValueError (one
    line) for less than one episode or task."""

    episodes: int = 64
    steps: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("episodes", "steps"):
            if not is_integer(value := getattr(self, name)) or value < 1:
                raise ValueError(f"{name}={value}: must be a whole number of at least 1")


class Episode(NamedTuple):
    """Tasks of one source in a system that never overlap, whatever is decided. The last one is observed but not
    placed."""

    system: System
    source: str
    tasks: tuple[Task, ...]


class EpisodeRows(NamedTuple):
    """One row per task: `observations` (rows, features), `masks` of the choices that are candidates,
    `rewards` and `sojourns_ns` of each choice (rows, choices)."""

    observations: Float32s
    masks: Flags
    rewards: npt.NDArray[np.float64]
    sojourns_ns: npt.NDArray[np.int64]


class Episodes:
    """Episodes over one or several systems; each is computed at its first use.

    Episode e has system e modulo their number, a random source, a random start on the channel, and the first tasks of
    the source's streams under a seed of its own. A task arrives after the streams' gap, counted from the time at which
    the task before would be over under the slowest choice and every link's ramp would be reset. So each task starts on
    an idle system, at a time that no decision changes.

    The reward is minus the task's cost divided by its deadline: the best choice is the one with the least cost in
    seconds, and short and long kinds of tasks have equal weight. A choice that is no candidate (masked) has the reward
    of a failed task and a sojourn of -1 ns.

    Raises ValueError if the systems differ in nodes, kinds or candidates, or if a source has too few recorded arrivals
    for an episode.
    """

    def __init__(self, systems: Sequence[System], settings: EpisodeSettings) -> None:
        self.settings = settings
        self.layout = layout_of(systems[0])
        if any(layout_of(system) != self.layout for system in systems):
            raise ValueError("systems: must agree in their nodes, kinds and candidates")
        self.systems = tuple(systems)
        self._isolated = [IsolatedOutcomes(Network(system)) for system in systems]
        self._encoder = Encoder(self.layout)
        self._episodes: dict[int, tuple[Episode, EpisodeRows]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Return all but the networks, whose tables are address space and made anew from the systems."""
        return {name: value for name, value in self.__dict__.items() if name != "_isolated"}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._isolated = [IsolatedOutcomes(Network(system)) for system in self.systems]

    def __len__(self) -> int:
        return self.settings.episodes

    def episode(self, number: int) -> Episode:
        """Return the tasks of an episode, 0 <= number < len."""
        return self._computed(number)[0]

    def rows(self, number: int) -> EpisodeRows:
        """Return the `steps` + 1 rows of an episode."""
        return self._computed(number)[1]

    def table(self) -> EpisodeRows:
        """Return the rows of all episodes, in order."""
        rows = [self.rows(number) for number in range(len(self))]
        return EpisodeRows(*(np.ascontiguousarray(np.concatenate(column)) for column in zip(*rows, strict=True)))

    def placement(self, number: int, step: int, action: int) -> Placement:
        """Return the placement of a choice for a task of an episode."""
        return self._choices(self.episode(number).system, self.episode(number).tasks[step])[0][action]

    def _computed(self, number: int) -> tuple[Episode, EpisodeRows]:
        if number not in self._episodes:
            self._episodes[number] = self._compute(number)
        return self._episodes[number]

    def _compute(self, number: int) -> tuple[Episode, EpisodeRows]:
        isolated = self._isolated[number % len(self._isolated)]
        system = isolated.network.system
        seed, steps = self.settings.seed, self.settings.steps
        rng = generator(seed, system.name, "episodes", number)
        source = str(rng.choice(list(dict.fromkeys(stream.source for stream in system.streams))))
        offered = self._offered(system, source, draw_key(seed, source, f"tasks of episode {number}"))
        rows = EpisodeRows(
            np.zeros((steps + 1, self.layout.features), dtype=np.float32),
            np.zeros((steps + 1, self.layout.choices), dtype=np.bool_),
            np.zeros((steps + 1, self.layout.choices), dtype=np.float64),
            np.full((steps + 1, self.layout.choices), -1, dtype=np.int64),
        )
        idle_ns = longest_idle_ns(system)
        now_ns = int(rng.integers(max((link.trace.period_ns for link in system.links), default=1)))
        tasks = []
        for step, task in enumerate(offered):
            gap_ns = task.arrival_ns - offered[step - 1].arrival_ns if step else 0
            tasks.append(task._replace(arrival_ns=now_ns + gap_ns))
            longest_ns = self._fill(rows, step, isolated, tasks[-1])
            now_ns = tasks[-1].arrival_ns + longest_ns + idle_ns
        return Episode(system, source, tuple(tasks)), rows

    def _offered(self, system: System, source: str, seed: int) -> list[Task]:
        streams = (stream.tasks(seed, UNLIMITED_NS) for stream in system.streams if stream.source == source)
        tasks = list(islice(merge(*streams, key=attrgetter("arrival_ns")), self.settings.steps + 1))
        if len(tasks) <= self.settings.steps:
            raise ValueError(
                f"tasks: {source} must ask for more than {self.settings.steps} tasks to train on, not {len(tasks)}"
            )
        return tasks

    def _fill(self, rows: EpisodeRows, step: int, isolated: IsolatedOutcomes, task: Task) -> int:
        """Compute one row. Return the sojourn of the slowest choice."""
        system = isolated.network.system
        candidates = system.placements[task.source, task.kind.name]
        observation = DelayedObservation(task, task.arrival_ns, isolated.network, candidates)
        placements, mask = self._choices(system, task)
        rows.observations[step] = self._encoder.features(observation)
        rows.masks[step] = mask
        if step == self.settings.steps:
            return 0
        deadline_s = task.kind.deadline_ns / NS_PER_S
        rows.rewards[step] = -system.cost.failure_s / deadline_s
        for action in np.flatnonzero(mask):
            outcome = isolated.outcome(task, placements[action])
            rows.rewards[step, action] = -system.cost.of(task.kind.name, *outcome) / deadline_s
            rows.sojourns_ns[step, action] = outcome.sojourn_ns
        return int(rows.sojourns_ns[step].max())

    def _choices(self, system: System, task: Task) -> tuple[tuple[Placement, ...], Flags]:
        return self._encoder.choices(task.source, task.kind.name, system.placements[task.source, task.kind.name])
