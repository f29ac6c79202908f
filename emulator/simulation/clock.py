"""SimPy's environment in integer nanoseconds."""

from heapq import heappop, heappush
from numbers import Real
from typing import Any

import simpy
from simpy.core import EmptySchedule
from simpy.events import NORMAL

from emulator.core.fifo import FOREVER_NS


class Clock(simpy.Environment):
    """SimPy's environment in integer nanoseconds. An event can get its order among those of one instant before its time
    is known."""

    now: int

    def timeout(self, delay: float = 0, value: object = None) -> simpy.Timeout:
        """Return an event that happens after `delay` ns. Raises ValueError unless that is a whole number, not
        negative, and the event before 2^63 ns."""
        is_whole = type(delay) is int or (isinstance(delay, Real) and delay % 1 == 0)
        if not is_whole or not 0 <= delay < FOREVER_NS - self._now:
            raise ValueError(f"timeout({delay!r}): must be a whole number of nanoseconds, not negative, before 2^63")
        return simpy.Timeout(self, int(delay), value)

    def step(self) -> None:
        """Process the next event. Raises what a process raised for which no other process waits: itself, where SimPy
        raises a copy, which not every class allows."""
        if not self._queue:
            raise EmptySchedule
        event: Any  # SimPy's stub does not know that a processed event has no callbacks
        self._now, _, _, event = heappop(self._queue)
        callbacks, event.callbacks = event.callbacks, None
        for callback in callbacks:
            callback(event)
        if not event._ok and not hasattr(event, "_defused"):
            raise event._value

    def next_order(self) -> int:
        """Return the next number in the order of scheduling."""
        return next(self._eid)

    def schedule_at(self, event: simpy.Event, value: object, at_ns: int, order: int, priority: Any = NORMAL) -> None:
        """Let an event succeed with a value at a time; `order` decides among the events of that time."""
        event._ok, event._value = True, value
        heappush(self._queue, (at_ns, priority, order, event))
