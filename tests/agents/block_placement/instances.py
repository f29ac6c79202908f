"""Random small instances of the block placement problem."""

import numpy as np

from agents.block_placement.forms import Carried, SlotBatch
from agents.block_placement.settings import BlockPlacementSettings


def random_settings(rng: np.random.Generator) -> BlockPlacementSettings:
    return BlockPlacementSettings(
        blocks=int(rng.integers(1, 6)),
        servers=int(rng.integers(1, 4)),
        deadline_s=float(rng.uniform(0.05, 0.5)),
        late_weight=float(rng.uniform(0, 5)),
        device_flops_per_s=float(rng.uniform(0.5e9, 3e9)),
    )


def random_slots(rng: np.random.Generator, settings: BlockPlacementSettings, count: int) -> SlotBatch:
    return SlotBatch(
        rng.exponential(3e8, (count, settings.blocks)),
        rng.exponential(2e5, (count, settings.blocks + 1)),
        rng.uniform(settings.rate_min, settings.rate_max, (count, settings.blocks, settings.servers)),
        rng.poisson(settings.tasks_per_slot, count),
    )


def random_carried(rng: np.random.Generator, settings: BlockPlacementSettings, count: int) -> Carried:
    return Carried(rng.exponential(2.0, (count, settings.servers)), rng.exponential(5.0, count))
