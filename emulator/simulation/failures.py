"""When nodes and links fail and are restored, known before a run: each draw belongs to its node or link alone."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from emulator.core.randomness import generator
from emulator.legs import legs
from emulator.policy import Observation
from emulator.simulation.network import Network
from emulator.simulation.observation import DelayedObservation
from emulator.system import Failure, System
from emulator.task import Placement, Task

Outage = tuple[int, int]  # from, to in ns


class Transition(NamedTuple):
    """At `at_ns` these links (their indices) and devices (their nodes) fail together, or are restored."""

    at_ns: int
    fail: bool
    links: tuple[int, ...]
    devices: tuple[str, ...]


def transitions(system: System) -> list[Transition]:
    """Return all failures and restorations of a run, in order of time. Overlapping outages of one link or device are
    one outage."""
    outages: dict[int | str, list[Outage]] = {}
    for failure in system.failures:
        own = list(outages_of(failure, system.seed, system.duration_ns))
        resources: list[int | str] = [*_links_of(failure, system), *_device_of(failure, system)]
        for resource in resources:
            outages.setdefault(resource, []).extend(own)
    events = []
    for each, own in outages.items():
        for start_ns, stop_ns in merged(own):
            events += [(start_ns, True, each), (stop_ns, False, each)]
    events.sort(key=lambda event: event[:2])
    found = []
    for (at_ns, fail), group in groupby(events, key=lambda event: event[:2]):
        together = [each for _, _, each in group]
        links = sorted(each for each in together if isinstance(each, int))
        devices = sorted(each for each in together if isinstance(each, str))
        found.append(Transition(at_ns, fail, tuple(links), tuple(devices)))
    return found


def outages_of(failure: Failure, seed: int, duration_ns: int) -> Iterator[Outage]:
    """Yield the outages that a failure declares or, with `up_ns`, draws: those that begin before `duration_ns`."""
    yield from failure.outages
    if not failure.up_ns:
        return
    rng = generator(seed, failure.node or "-".join(failure.link), "outages")
    now_ns = 0
    while True:
        up_ns, down_ns = (1 + round(rng.exponential(mean_ns)) for mean_ns in (failure.up_ns, failure.down_ns))
        if now_ns + up_ns >= duration_ns:
            return
        yield now_ns + up_ns, now_ns + up_ns + down_ns
        now_ns += up_ns + down_ns


def merged(outages: list[Outage]) -> list[Outage]:
    """Return the same outages in order, those that overlap or touch as one."""
    found: list[Outage] = []
    for start_ns, stop_ns in sorted(outages):
        if found and start_ns <= found[-1][1]:
            found[-1] = (found[-1][0], max(stop_ns, found[-1][1]))
        else:
            found.append((start_ns, stop_ns))
    return found


def _links_of(failure: Failure, system: System) -> list[int]:
    ends = [(link.source, link.target) for link in system.links]
    return [
        index for index, each in enumerate(ends) if each in (failure.link, failure.link[::-1]) or failure.node in each
    ]


def _device_of(failure: Failure, system: System) -> list[str]:
    node = system.nodes.get(failure.node)
    return [node.name] if node is not None and node.device is not None else []


def retried(
    network: Network,
    decide: Callable[[Observation], Placement],
    task: Task,
    now_ns: int,
    candidates: Sequence[Placement],
) -> Placement | None:
    """Return the policy's new placement of a task that a failure has interrupted. The policy observes only candidates
    that use nothing that is down. None if there is no such candidate, or the policy returns a blocked placement."""
    up = [placement for placement in candidates if not is_blocked(network, task, placement)]
    if not up:
        return None
    placement = decide(DelayedObservation(task, now_ns, network, up))
    return None if is_blocked(network, task, placement) else placement


def is_blocked(network: Network, task: Task, placement: Placement) -> bool:
    """Return whether a placement needs a link or a device that is down."""
    for leg in legs(task, placement):
        if any(link.is_down for link in network.route_of(leg)) or (leg.passes and network.devices[leg.target].is_down):
            return True
    return False
