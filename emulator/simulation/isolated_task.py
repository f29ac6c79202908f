"""Sojourn of a task alone in an empty system: the bound, the exact optimum and the learning environment use it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from emulator.legs import Leg, legs
from emulator.link import Link
from emulator.quality import Curve
from emulator.simulation.costs import StageCosts, total
from emulator.simulation.energy import radio_w
from emulator.simulation.network import Network, Route
from emulator.task import Placement, Task

Transfer = Callable[[Link, int, int], int]


class IsolatedLeg(NamedTuple):
    """A leg of a task that meets no other: its message crosses the links of `route`, none if it sends nothing, then
    its visit takes `service_ns`. `curve`: what a loss of the message costs in quality; None if nothing. `busy_power_w`:
    what the device draws during the visit; `radio_w`: what the ends of each link draw while it sends."""

    route: Route
    size_bytes: int
    service_ns: int
    acknowledged_bytes: int
    step: int
    stage: int
    curve: Curve | None
    busy_power_w: float
    radio_w: tuple[float, ...]


def isolated_legs(network: Network, task: Task, placement: Placement) -> tuple[IsolatedLeg, ...]:
    """Return the legs of a task, by the profile. They do not depend on when the task arrives."""
    return tuple(_isolated_leg(network, task, leg) for leg in legs(task, placement))


def _isolated_leg(network: Network, task: Task, leg: Leg) -> IsolatedLeg:
    route, device = network.route_of(leg), network.devices.get(leg.target)
    return IsolatedLeg(
        route,
        leg.size_bytes,
        network.service_ns(task, leg) if leg.passes else 0,
        leg.acknowledged_bytes,
        leg.step,
        leg.stage,
        network.quality_curve(task.kind, leg),
        device.spec.busy_power_w if device is not None else 0.0,
        tuple(radio_w(network.system, link.spec) for link in route),
    )


def end_ns(isolated: Sequence[IsolatedLeg], arrival_ns: int, transfer: Transfer) -> int:
    """Return when the result of a task that arrives at `arrival_ns` is there, if nothing waits and all weights are
    loaded. `transfer(link, now_ns, size_bytes)` returns when a message has crossed one link; a link takes a message
    whole (store and forward)."""
    now_ns = arrival_ns
    for leg in isolated:
        for link in leg.route:
            now_ns = transfer(link, now_ns, leg.size_bytes)
        now_ns += leg.service_ns
    return now_ns


def least_quality_loss(isolated: Sequence[IsolatedLeg]) -> float:
    """Return the least that an answer loses in quality, whatever is lost of its activations."""
    return sum(float(leg.curve.losses.min()) for leg in isolated if leg.step == 0 and leg.curve is not None)


def least_energy_j(isolated: Sequence[IsolatedLeg]) -> float:
    """Return the least energy that a task draws, whenever it is sent: that of its visits, and of its messages for
    `Link.least_air_ns`. Adds in the order of the simulation, so that rounding does not exceed what it adds."""
    stages = [StageCosts() for _ in range(isolated[-1].stage + 1)]
    for leg in isolated:
        for link, power_w in zip(leg.route, leg.radio_w, strict=True):
            if power_w:
                stages[leg.stage].energy_j += power_w * link.least_air_ns(leg.size_bytes) * 1e-9
        stages[leg.stage].energy_j += leg.busy_power_w * leg.service_ns * 1e-9
    return total(stages).energy_j


def sojourn_ns(network: Network, task: Task, placement: Placement, transfer: Transfer) -> int:
    """Return the time from arrival to result (see `end_ns`)."""
    return end_ns(isolated_legs(network, task, placement), task.arrival_ns, transfer) - task.arrival_ns
