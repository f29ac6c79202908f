"""Random draws for compiled code, each a pure function of its address."""

import numpy as np

from emulator.core.compiled import compiled


@compiled
def uniform(key: int, message: int, fragment: int, attempt: int) -> float:
    """Return a draw from [0, 1): the top 53 bits of SplitMix64's finaliser (Steele, Lea, Flood, "Fast splittable
    pseudorandom number generators", OOPSLA 2014), applied to the key and to each counter in turn."""
    mixed = np.uint64(key)
    for counter in (message, fragment, attempt):
        mixed = mixed + np.uint64(0x9E3779B97F4A7C15) + np.uint64(counter)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return float(mixed >> np.uint64(11)) * 2.0**-53


@compiled
def message_address(key: int, number: int, step: int, stage: int) -> int:
    """Return the address of the draws of one message: task `number` of a stream with `randomness.task_key` `key`,
    sent to `stage` in pass `step`. The result's stage is the one after the last."""
    return ((key + number) << 24) + (step << 8) + stage
