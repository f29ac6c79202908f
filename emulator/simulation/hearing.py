"""What a policy that learns while it runs hears of tasks that have ended, and when."""

from heapq import heappop, heappush

from emulator.ended_task import EndedTask
from emulator.policy import Hear
from emulator.system import System


class Hearing:
    """Tells a policy of ended tasks as the control node hears of them (`LearningPolicy.hear`)."""

    def __init__(self, hear: Hear, system: System) -> None:
        self._hear, self._control = hear, system.control
        self._places = {(stream.source, stream.kind.name): place for place, stream in enumerate(system.streams)}
        self._on_their_way: list[tuple[int, int, int, int, EndedTask]] = []  # a heap

    def expect(self, ended: EndedTask) -> None:
        """Take a task whose end is known to the simulation: it may be in the future."""
        task = ended.task
        is_own = task.source == self._control.decider(task.source) and ended.outcome != "failed"
        heard_ns = ended.end_ns + (0 if is_own else self._control.age_ns)
        place = self._places[task.source, task.kind.name]
        heappush(self._on_their_way, (heard_ns, ended.end_ns, place, task.number, ended))

    def tell(self, now_ns: int) -> None:
        """Tell all that was heard before `now_ns`: all events before then have happened, of those at this instant some
        are still to come."""
        while self._on_their_way and self._on_their_way[0][0] < now_ns:
            self._hear(heappop(self._on_their_way)[-1])
