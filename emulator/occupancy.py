"""How many tasks are in the system, counted as they come and go: the other side of Little's law."""

from heapq import heappop, heappush


class Occupancy:
    """Integrates the number of tasks over time from arrivals and departures alone. A departure may be
    announced ahead of its time; it counts when the clock has passed it."""

    def __init__(self) -> None:
        self.arrivals = 0
        self.peak = 0
        self._inside = 0
        self._area_ns = 0
        self._since_ns = 0
        self._departures_ns: list[int] = []

    def arrive(self, now_ns: int) -> None:
        """One more inside, from now on."""
        self._advance(now_ns)
        self.arrivals += 1
        self._inside += 1
        self.peak = max(self.peak, self._inside)

    def depart(self, at_ns: int) -> None:
        """One fewer inside from `at_ns` on, which is not before the last arrival."""
        heappush(self._departures_ns, at_ns)

    def _advance(self, now_ns: int) -> None:
        departures = self._departures_ns
        while departures and departures[0] <= now_ns:
            self._move_to(heappop(departures))
            self._inside -= 1
        self._move_to(now_ns)

    def _move_to(self, now_ns: int) -> None:
        self._area_ns += self._inside * (now_ns - self._since_ns)
        self._since_ns = now_ns

    def finish(self) -> tuple[int, int]:
        """(area in task-nanoseconds, the instant of the last departure), once everything has left."""
        while self._departures_ns:
            self._advance(self._departures_ns[0])
        if self._inside:
            raise RuntimeError(f"{self._inside} tasks never left the system")
        return self._area_ns, self._since_ns
