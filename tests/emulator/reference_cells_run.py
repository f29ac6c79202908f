"""A run of a system with cells written a second time: the cells walk every slot, each after all that comes up to it."""

from heapq import heappush
from typing import NamedTuple

from emulator.link import Delivery, Link
from emulator.policy import Policy
from emulator.system import System
from tests.emulator.reference import Message, Waiting
from tests.emulator.reference_cell import ReferenceCell, ReferenceUe
from tests.emulator.reference_run import Crossing, Failed, ReferenceRun, Walk

UNKNOWN_NS = -1  # when a message will have crossed its cell


class Crosser(NamedTuple):
    """A task whose message is in a cell, and the order in which it asked to be woken."""

    ue: ReferenceUe
    message: Waiting
    order: int
    walk: Walk


class ReferenceCellsRun(ReferenceRun):
    """What the records must say where links share cells."""

    def __init__(self, system: System, policy: Policy) -> None:
        members = {name: [link for link in system.links if link.cell == name] for name in system.cells}
        self._cells = [
            ReferenceCell(spec, members[name], system.seed, system.duration_ns) for name, spec in system.cells.items()
        ]
        self._ues = {(ue.spec.source, ue.spec.target): ue for cell in self._cells for ue in cell.ues}
        self._asked: tuple[ReferenceUe, Waiting] | None = None
        self._crossers: list[Crosser] = []
        super().__init__(system, policy)

    def _run(self) -> None:
        while self._heap or self._crossers:
            cell = min(self._cells, key=lambda cell: cell.slot * cell.slot_ns)
            if self._heap and self._heap[0][0] <= cell.slot * cell.slot_ns:
                self._wake_next()
            else:
                cell.serve()
                self._let_through()

    def _resume(self, walk: Walk) -> None:
        at_ns = next(walk, None)
        if at_ns == UNKNOWN_NS and self._asked is not None:
            self._crossers.append(Crosser(*self._asked, next(self._order), walk))
        elif at_ns is not None:
            self._wake(at_ns, walk)

    def _let_through(self) -> None:
        for each in [each for each in self._crossers if each.message.sent_ns >= 0]:
            self._crossers.remove(each)
            heappush(self._heap, (delivery_of(each.ue, each.message).arrival_ns, each.order, each.walk))

    def _cross(self, link: Link, size_bytes: int, message: int, safe: int) -> Crossing:
        ue = self._ues.get((link.spec.source, link.spec.target))
        if ue is None:
            return (yield from super()._cross(link, size_bytes, message, safe))
        if not ue.admit(Message(self._now_ns, size_bytes, message, safe)):
            raise Failed("link queue full")
        waiting = ue.accepted[-1]
        self._asked = ue, waiting
        yield UNKNOWN_NS
        return delivery_of(ue, waiting)


def delivery_of(ue: ReferenceUe, message: Waiting) -> Delivery:
    """What became of a message that is all sent."""
    kept = ue.accepted
    ue.accepted = kept[: kept.index(message) + 1]
    delivery = ue.deliveries()[-1]
    ue.accepted = kept
    return delivery
