"""Episodes of `airsplit/Offload-v0`: whole runs of training systems, each with draws of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents.split_inference.encoding import SOURCE, Layout, layout_of
from emulator.core.randomness import draw_key
from emulator.stepping.systems import SeededSystem
from emulator.system import System


@dataclass(frozen=True)
class OffloadSettings:
    """The number of different episodes, the seed of their draws, and how long a decision takes in the run's time."""

    episodes: int = 64
    seed: int = 0
    decision_ns: int = 0


def episodes_of(systems: Sequence[System], settings: OffloadSettings) -> tuple[SeededSystem, ...]:
    """Return the episodes: number e is a run of system e modulo their number."""
    return tuple(
        SeededSystem(number % len(systems), draw_key(settings.seed, "offload", f"episode {number}"))
        for number in range(settings.episodes)
    )


def system_of(systems: Sequence[System], episode: SeededSystem) -> System:
    """Return the system whose run is the episode."""
    return replace(systems[episode.system], seed=episode.seed)


def coupled_layout_of(system: System) -> Layout:
    """Return the layout of a system with the backlogs of the task's source and of all servers."""
    layout = layout_of(system)
    return replace(layout, queues=(SOURCE, *layout.servers))
