"""Which placements are equal for a task alone: on equal devices, with equal links whose ends draw the same."""

from collections.abc import Sequence

from emulator.legs import plan_legs
from emulator.simulation.energy import radio_w
from emulator.simulation.network import Network
from emulator.system import DeviceSpec
from emulator.task import Placement, TaskKind

Hops = tuple[tuple[str, str], ...]
ANY_SOURCE = ""  # stands for the source of a placement that other sources have too


class AlikePlacements:
    """Finds equal placements by numbers: equal devices have one number, and so have routes over equal links.

    A placement without its source's node serves many sources: its legs are made once. So time is linear in sources.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._devices = _numbers({name: device.spec for name, device in network.devices.items()})
        numbers: dict[tuple[object, ...], int] = {}
        self._links = {
            ends: numbers.setdefault(
                (spec.trace.sha256, spec.delay_ns, spec.bearer, spec.retransmission_ns, radio_w(network.system, spec)),
                len(numbers),
            )
            for ends, spec in ((ends, link.spec) for ends, link in network.links.items())
        }
        self._routes: dict[tuple[str, str], int] = {}
        self._route_numbers: dict[tuple[int, ...], int] = {}
        self._hops: dict[tuple[str, Placement], Hops] = {}

    def distinct(self, kind: TaskKind, source: str, candidates: Sequence[Placement]) -> list[Placement]:
        """Return one candidate, the first, of each set that is equal for a task of the source that is alone."""
        looks = {self._look(kind, source, placement): placement for placement in reversed(candidates)}
        return list(looks.values())[::-1]

    def _look(self, kind: TaskKind, source: str, placement: Placement) -> tuple[object, ...]:
        parts = [(self._devices[node], first, stop, codec) for node, first, stop, codec in placement]
        hops = self._hops_of(kind, source, placement)
        return (*parts, *[self._route(start or source, end or source) for start, end in hops])

    def _hops_of(self, kind: TaskKind, source: str, placement: Placement) -> Hops:
        """Return the ends of all legs, ANY_SOURCE for the source if the placement has no part there."""
        if any(part.node == source for part in placement):
            return _ends_of_legs(kind, source, placement)
        key = (kind.name, placement)
        if key not in self._hops:
            self._hops[key] = _ends_of_legs(kind, ANY_SOURCE, placement)
        return self._hops[key]

    def _route(self, start: str, end: str) -> int:
        number = self._routes.get((start, end))
        if number is None:
            route = self._network.route(start, end)
            links = tuple(self._links[link.spec.source, link.spec.target] for link in route)
            number = self._routes[start, end] = self._route_numbers.setdefault(links, len(self._route_numbers))
        return number


def _ends_of_legs(kind: TaskKind, source: str, placement: Placement) -> Hops:
    plan = plan_legs(kind, source, placement)
    return tuple((leg.source, leg.target) for leg in (*plan.once, *plan.again, plan.result))


def _numbers(specs: dict[str, DeviceSpec]) -> dict[str, int]:
    """Return a number for each node; nodes with equal devices have the same."""
    different: list[DeviceSpec] = []
    known: dict[int, int] = {}
    for spec in specs.values():
        if id(spec) not in known:
            if spec not in different:
                different.append(spec)
            known[id(spec)] = different.index(spec)
    return {name: known[id(spec)] for name, spec in specs.items()}
