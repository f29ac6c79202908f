"""What a cell must do, written a second time the slow way: every slot, one group after the other."""

from collections.abc import Sequence
from math import log1p
from typing import NamedTuple

from emulator.core.randomness import draw_key
from emulator.link import Delivery
from emulator.system import CellSpec, LinkSpec
from tests.emulator.reference import Message, ReferenceLink, uniform, value_of

NS_PER_S = 10**9


class Offer(NamedTuple):
    """A message offered to one of the links of a cell."""

    link: int
    message: Message


class ReferenceUe(ReferenceLink):
    """A link that sends what a cell lets it send, and remembers its share of earlier slots."""

    def __init__(self, spec: LinkSpec, seed: int, until_ns: int) -> None:
        super().__init__(spec, seed)
        self._until_ns = until_ns
        self.mean_bits = 0.0
        self.turn = -1
        self.groups = self.waiting = 0  # in the slot that is being served
        self.own: list[bool] = []  # of the accepted messages: not of the background
        self._background = draw_key(seed, f"{spec.source}-{spec.target}", "background")
        self._come = 0
        self._come_ns = self._gap_ns()

    def _serve_slots_before(self, now_ns: int) -> None:
        """That is the cell's affair."""

    def _gap_ns(self) -> int:
        background = self.spec.background
        if background is None:
            return 2**63
        return int(-log1p(-uniform(self._background, self._come, 0, 0)) * (NS_PER_S / background.rate_per_s))

    def admit(self, message: Message) -> bool:
        """A message of somebody, after all of the background that came before it."""
        self.admit_background(message.now_ns - 1)
        accepted = self.offer(message)
        self.own += [True] * accepted
        return accepted

    def admit_background(self, until_ns: int) -> None:
        background = self.spec.background
        while background is not None and self._come_ns <= min(until_ns, self._until_ns - 1):
            self.own += [False] * self.offer(Message(self._come_ns, background.size_bytes, -1 - self._come))
            self._come += 1
            self._come_ns += self._gap_ns()

    def capacity_bits(self, slot: int) -> int:
        return value_of(self.trace, "capacity_bits", slot)

    def site(self, slot: int) -> int:
        return value_of(self.trace, "serving", slot)

    def waiting_bits(self, slot: int) -> int:
        """All that it may send in a slot, were there no end of groups."""
        bits = 0
        for each in self.unsent:
            if each.open_ns > slot * self.trace.slot_ns:
                break
            if each.first_bits:
                return bits + min(each.first_bits, each.bits_left)
            bits += each.bits_left
        return bits

    def bits_in(self, slot: int, groups: int, of: int) -> int:
        """What it sends in a slot with so many of the cell's groups."""
        return min(self.waiting, self.capacity_bits(slot) * groups // of)

    def needs_more(self, slot: int, groups: int, of: int) -> bool:
        return groups < of and self.bits_in(slot, groups, of) < self.bits_in(slot, of, of)


class ReferenceCell:
    """A cell that walks every slot from the first on. Offers come in order of time, the background until an instant."""

    def __init__(self, spec: CellSpec, links: Sequence[LinkSpec], seed: int, until_ns: int = 2**63) -> None:
        self.spec = spec
        self.ues = [ReferenceUe(link, seed, until_ns) for link in links]
        self.slot_ns = links[0].trace.slot_ns
        self.slot = 0
        self.sent_bits: list[list[int]] = []  # by slot and link

    def offer(self, offer: Offer) -> bool:
        """Whether the link's queue has room, once all slots that start before are served."""
        while self.slot * self.slot_ns < offer.message.now_ns:
            self.serve()
        return self.ues[offer.link].admit(offer.message)

    def queued_bytes(self, offer: Offer) -> int:
        """Bytes in the queue of the offer's link, just after it."""
        return self.ues[offer.link].queued_bytes(offer.message.now_ns)

    def deliveries(self, slots: int) -> list[list[Delivery]]:
        """What became of the accepted messages within so many slots, by link, without the background."""
        while self.slot < slots:
            self.serve()
        found = []
        for ue in self.ues:
            sent = [each.sent_ns >= 0 for each in ue.accepted]
            ue.accepted = [each for each, is_sent in zip(ue.accepted, sent, strict=True) if is_sent]
            found.append([each for each, own in zip(ue.deliveries(), ue.own, strict=False) if own])
        return found

    def serve(self) -> None:
        """One slot."""
        slot = self.slot
        for ue in self.ues:
            ue.admit_background(slot * self.slot_ns)
            ue.groups, ue.waiting = 0, ue.waiting_bits(slot)
        contenders = [ue for ue in self.ues if ue.waiting > 0]
        for site in {ue.site(slot) for ue in contenders}:
            self._share([ue for ue in contenders if ue.site(slot) == site])
        sent_bits = [ue.bits_in(slot, ue.groups, self.spec.groups) for ue in self.ues]
        for ue, bits in zip(self.ues, sent_bits, strict=True):
            ue.serve(slot, bits)
        self.sent_bits.append(sent_bits)
        self.slot += 1

    def _share(self, ues: list[ReferenceUe]) -> None:
        if len(ues) == 1:
            ues[0].groups = self.spec.groups
        elif any(ue.capacity_bits(self.slot) for ue in ues):
            if self.spec.scheduler == "rr":
                self._in_turns(ues)
            else:
                self._to_the_best(ues)
            for ue in ues:
                bits = ue.bits_in(self.slot, ue.groups, self.spec.groups)
                ue.mean_bits += (bits - ue.mean_bits) / self.spec.window_slots

    def _in_turns(self, ues: list[ReferenceUe]) -> None:
        """Give a group to each UE that can use one more, until there are not enough for all of these."""
        left = self.spec.groups
        while short := [ue for ue in ues if ue.needs_more(self.slot, ue.groups, self.spec.groups)]:
            for ue in sorted(short, key=lambda ue: (ue.turn, self.ues.index(ue)))[:left]:
                ue.groups += 1
                if left < len(short):
                    ue.turn = self.slot
            if left <= len(short):
                return
            left -= len(short)

    def _to_the_best(self, ues: list[ReferenceUe]) -> None:
        """Give one group after the other to the best UE that can use one more."""

        def rank(ue: ReferenceUe) -> tuple[float, int, int]:
            fairness = max(ue.mean_bits, 1.0) if self.spec.scheduler == "pf" else 1.0
            return -ue.capacity_bits(self.slot) / fairness, turns[ue], self.ues.index(ue)

        turns = {ue: ue.turn for ue in ues}
        for _ in range(self.spec.groups):
            short = [ue for ue in ues if ue.needs_more(self.slot, ue.groups, self.spec.groups)]
            if not short:
                return
            best = min(short, key=rank)
            best.groups += 1
            best.turn = self.slot
