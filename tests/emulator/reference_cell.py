"""What a cell must do, written a second time the slow way: every slot, one group after the other."""

from collections.abc import Sequence
from math import log1p
from typing import NamedTuple

from emulator.channel.air.modulation import cqi_table
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
        # in the slot that is being served
        self.waiting = 0
        self.weights: list[int] = []  # of each group
        self.block = self.given = 0  # weight that carries the capacity, and that it has of it
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

    def weigh(self, slot: int, groups: int, looks_at_channel: bool) -> None:
        """Set the weights of the groups and of the block that they carry. Only a block over all groups has unlike
        ones: those of the groups' own CQIs."""
        self.weights, self.block, self.given = [1] * groups, groups, 0
        if "grant_groups" in self.trace.columns:
            self.block = value_of(self.trace, "grant_groups", slot)
        if looks_at_channel and self.block == groups and {"cqi", "subband_cqi"} <= self.trace.columns.keys():
            formats = cqi_table(self.trace.metadata["radio"]["adaptation"]["cqi_table"])
            cqi, differences = value_of(self.trace, "cqi", slot), value_of(self.trace, "subband_cqi", slot)
            for group in range(groups):
                own = cqi + (0, 1, 2, -1)[differences // 4**group % 4]
                row = min(max(own, 1), 15) - 1
                self.weights[group] = int(formats.order[row] * formats.rate_2048[row])
            self.block = sum(self.weights)

    def bits_in(self, slot: int) -> int:
        """What it sends in a slot with the groups that it was given."""
        return min(self.waiting, self.capacity_bits(slot) * self.given // self.block)

    def needs_more(self, slot: int) -> bool:
        return self.bits_in(slot) < min(self.waiting, self.capacity_bits(slot))


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
            ue.waiting = ue.waiting_bits(slot)
            ue.weigh(slot, self.spec.groups, self.spec.scheduler != "rr")
        contenders = [ue for ue in self.ues if ue.waiting > 0]
        for site in {ue.site(slot) for ue in contenders}:
            self._share([ue for ue in contenders if ue.site(slot) == site])
        sent_bits = [ue.bits_in(slot) for ue in self.ues]
        for ue, bits in zip(self.ues, sent_bits, strict=True):
            ue.serve(slot, bits)
        self.sent_bits.append(sent_bits)
        self.slot += 1

    def _share(self, ues: list[ReferenceUe]) -> None:
        if len(ues) == 1:
            ues[0].given = ues[0].block
        elif any(ue.capacity_bits(self.slot) for ue in ues):
            if self.spec.scheduler == "rr":
                self._in_turns(ues)
            else:
                self._to_the_best(ues)
            for ue in ues:
                ue.mean_bits += (ue.bits_in(self.slot) - ue.mean_bits) / self.spec.window_slots

    def _in_turns(self, ues: list[ReferenceUe]) -> None:
        """Give a group to each UE that can use one more, until there are not enough for all of these."""
        left = self.spec.groups
        while short := [ue for ue in ues if ue.needs_more(self.slot)]:
            for ue in sorted(short, key=lambda ue: (ue.turn, self.ues.index(ue)))[:left]:
                ue.given += 1
                if left < len(short):
                    ue.turn = self.slot
            if left <= len(short):
                return
            left -= len(short)

    def _to_the_best(self, ues: list[ReferenceUe]) -> None:
        """Give each group to the UE that can use it and has the greatest merit in it."""
        turns = {ue: ue.turn for ue in ues}
        for group in range(self.spec.groups):
            short = [ue for ue in ues if ue.needs_more(self.slot)]
            if not short:
                return
            best = min(short, key=lambda ue: (-self.merit(ue, group), turns[ue], self.ues.index(ue)))
            best.given += best.weights[group]
            best.turn = self.slot

    def merit(self, ue: ReferenceUe, group: int) -> float:
        """The rate that a UE could have were all groups like this one, over the one that it had."""
        fairness = max(ue.mean_bits, 1.0) if self.spec.scheduler == "pf" else 1.0
        return ue.capacity_bits(self.slot) / fairness * (self.spec.groups / ue.block) * ue.weights[group]
