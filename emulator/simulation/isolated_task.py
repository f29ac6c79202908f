"""A task by itself on an empty system: the walk that the bound, the optimum and the environment share."""

from collections.abc import Callable

from emulator.link import Link
from emulator.profile import TOKEN_BYTES
from emulator.simulation.network import Network, Route
from emulator.task import Pass, Placement, Task, input_bytes, passes, result_bytes

Transfer = Callable[[Link, int, int], int]


def sojourn_ns(network: Network, task: Task, placement: Placement, transfer: Transfer) -> int:
    """From arrival to result, nothing waiting and all weights resident. `transfer(link, now_ns,
    size_bytes)` says when a message has crossed one link; each link takes a message whole
    (store and forward)."""
    now_ns = task.arrival_ns
    model = task.kind.model
    last_node = task.source
    carried = input_bytes(task)
    for step in merged_passes(passes(task), placement):
        for node, first, stop in placement:
            now_ns = _cross(network.route(last_node, node), now_ns, carried, transfer)
            device = network.devices[node]
            now_ns += sum(device.service_ns(model.name, first, stop, *each) for each in step)
            carried = model.activation_bytes(stop, step[0].tokens, task.kind.precision)
            last_node = node
        carried = TOKEN_BYTES  # the new token's id goes back to where the first layer runs
    return _cross(network.route(last_node, task.source), now_ns, result_bytes(task), transfer) - task.arrival_ns


def merged_passes(steps: list[Pass], placement: Placement) -> list[list[Pass]]:
    """Passes that run one after the other without leaving their node are one visit to it."""
    return [steps] if len(placement) == 1 else [[step] for step in steps]


def _cross(route: Route, now_ns: int, size_bytes: int, transfer: Transfer) -> int:
    for link in route if size_bytes else ():
        now_ns = transfer(link, now_ns, size_bytes)
    return now_ns
