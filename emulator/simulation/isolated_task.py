"""A task alone in an empty system: what the bound, the optimum and the environment share."""

from collections.abc import Callable

from emulator.legs import legs
from emulator.link import Link
from emulator.simulation.network import Network
from emulator.task import Placement, Task

Transfer = Callable[[Link, int, int], int]


def sojourn_ns(network: Network, task: Task, placement: Placement, transfer: Transfer) -> int:
    """Return the time from arrival to result if nothing waits and all weights are loaded. `transfer(link, now_ns,
    size_bytes)` returns when a message has crossed one link; a link takes a message whole (store and forward)."""
    now_ns = task.arrival_ns
    for leg in legs(task, placement):
        for link in network.route(leg.source, leg.target) if leg.size_bytes else ():
            now_ns = transfer(link, now_ns, leg.size_bytes)
        if leg.passes:
            now_ns += network.service_ns(task, leg)
    return now_ns - task.arrival_ns
