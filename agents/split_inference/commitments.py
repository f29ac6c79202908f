"""Computations that a policy has ordered and that no observation shows yet."""

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable
from math import isfinite
from typing import NamedTuple


class Commitment(NamedTuple):
    """A computation that is expected to arrive at a node's device at `arrival_ns` and to take `service_ns`."""

    node: str
    arrival_ns: float
    service_ns: float


class Commitments:
    """The visits of a policy's own decisions, by node.

    A visit counts until an observation is as new as its expected arrival: from then on the observed backlog contains
    it. One that arrives later than expected is missing in between, and one that arrives earlier counts twice.
    """

    def __init__(self) -> None:
        self._coming: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)  # (arrival, service), by arrival

    def add(self, now_ns: int, visits: Iterable[Commitment]) -> None:
        """Add the visits of a placement, with arrivals counted from `now_ns`. Those that never arrive, for want of
        coverage, do not count."""
        for node, arrival_ns, service_ns in visits:
            if isfinite(arrival_ns):
                insort(self._coming[node], (now_ns + arrival_ns, service_ns))

    def start_ns(self, node: str, now_ns: int, heard_ns: int, backlog_ns: int, arrival_ns: float) -> float:
        """Return when the device serves a visit that arrives at `arrival_ns`, if its backlog was `backlog_ns` at
        `heard_ns` (first in, first out). Result and arrival are counted from `now_ns`. Forgets the visits that the
        backlog contains; later calls have no earlier `heard_ns`."""
        coming = self._coming[node]
        while coming and coming[0][0] <= heard_ns:
            del coming[0]
        free_ns = float(heard_ns + backlog_ns - now_ns)
        for own_arrival_ns, service_ns in coming:
            if own_arrival_ns - now_ns > arrival_ns:
                break
            free_ns = max(free_ns, own_arrival_ns - now_ns) + service_ns
        return max(free_ns, arrival_ns)
