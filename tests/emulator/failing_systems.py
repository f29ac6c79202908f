"""The stored systems with failures: each number draws outages of nodes and links, and what becomes of the tasks."""

from dataclasses import replace

import numpy as np

from emulator.core.units import NS_PER_MS
from emulator.policy import Compute, Policy
from emulator.system import Failure, OnFailure, System
from tests.emulator.stored_systems import stored_case

MODES: tuple[OnFailure, ...] = ("wait", "retry", "fail")


def failing_case(number: int) -> tuple[System, Policy, Compute | None]:
    """Return system, policy and compute of a number below `stored_systems.COUNT`, the system with failures."""
    system, policy, compute = stored_case(number)
    mode = MODES[number // 7 % 3]  # each policy in each mode
    return replace(system, failures=drawn_failures(system, number), on_failure=mode), policy, compute


def drawn_failures(system: System, seed: int) -> tuple[Failure, ...]:
    """Return failures of some nodes and links: at given times, on whole milliseconds so that some coincide with
    arrivals, or at random."""
    rng = np.random.default_rng([seed, 1])
    places = [Failure(node=name) for name in system.nodes]
    places += [Failure(link=(link.source, link.target)) for link in system.links[::2]]
    found = []
    for index in rng.permutation(len(places))[: int(rng.integers(1, 6))]:
        if rng.random() < 0.5:
            starts_ms = rng.integers(0, 1_500, int(rng.integers(1, 4))).tolist()
            outages = tuple((ms * NS_PER_MS, (ms + int(rng.integers(1, 300))) * NS_PER_MS) for ms in starts_ms)
            found.append(replace(places[index], outages=outages))
        else:
            up_ms, down_ms = rng.integers(50, 800), rng.integers(1, 150)
            found.append(replace(places[index], up_ns=int(up_ms) * NS_PER_MS, down_ns=int(down_ms) * NS_PER_MS))
    return tuple(found)
