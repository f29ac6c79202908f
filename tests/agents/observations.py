"""Observations with made-up values, for tests without a network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from emulator.task import Partition, Placement, Task


@dataclass
class FixedObservation:
    """An `Observation` that looks up its values in tables."""

    task: Task
    candidates: Sequence[Placement]
    rates_bps: Mapping[tuple[str, str], float] = field(default_factory=dict)
    delays_ns: Mapping[tuple[str, str], int] = field(default_factory=dict)
    backlogs_ns: Mapping[str, int] = field(default_factory=dict)
    speeds: Mapping[str, float] = field(default_factory=dict)  # flops per ns
    losses_s: Mapping[tuple[str, str, int], float] = field(default_factory=dict)  # by both ends and the cut
    powers_s: Mapping[str, float] = field(default_factory=dict)  # cost of a second of computing
    radios_ns: Mapping[tuple[str, str], float] = field(default_factory=dict)  # cost of a byte
    now_ns: int = 0
    age_ns: int = 0

    def rate_bps(self, source: str, target: str) -> float:
        return self.rates_bps[source, target]

    def delay_ns(self, source: str, target: str) -> int:
        return self.delays_ns[source, target]

    def backlog_ns(self, node: str) -> int:
        return self.backlogs_ns.get(node, 0)

    def backlog_age_ns(self, node: str) -> int:
        return self.age_ns

    def service_ns(self, node: str, first: int, stop: int, tokens: int, context: int) -> int:
        layers = self.task.kind.model.layers[first:stop]
        return sum(
            round(tokens * (layer.flops + context * layer.context_flops) / self.speeds[node]) for layer in layers
        )

    def energy_s(self, node: str) -> float:
        return self.powers_s.get(node, 0.0)

    def energy_ns_per_byte(self, source: str, target: str) -> float:
        return self.radios_ns.get((source, target), 0.0)

    def quality_s(self, source: str, partition: Partition) -> float:
        return self.losses_s.get((source, partition.node, partition.first), 0.0)


def random_observation(
    rng: np.random.Generator, task: Task, nodes: Sequence[str], candidates: Sequence[Placement]
) -> FixedObservation:
    """Draw rates over four decades, delays up to 30 ms, backlogs that are often 0, and what quality and energy cost."""
    pairs = [(a, b) for a in nodes for b in nodes if a != b]
    return FixedObservation(
        task,
        candidates,
        {pair: float(10 ** rng.uniform(5, 9)) for pair in pairs},
        {pair: int(rng.integers(30_000_000)) for pair in pairs},
        {node: int(rng.integers(2) * rng.integers(200_000_000)) for node in nodes},
        {node: float(10 ** rng.uniform(0, 2.5)) for node in nodes},
        losses_s={(*pair, cut): float(rng.exponential(0.03)) for pair in pairs for cut in range(1, 9)},
        powers_s={node: float(rng.integers(2) * rng.exponential(2.0)) for node in nodes},
        radios_ns={pair: float(rng.integers(2) * rng.exponential(100.0)) for pair in pairs},
    )
