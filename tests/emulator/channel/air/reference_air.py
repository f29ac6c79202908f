"""A slow reference of the air interface and its traffic: lists and plain numbers, all blocks kept, every decision made
from the full history. It shares only the tables of blocks and CQIs and the draws with the code under test."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from emulator.channel.air.blocks import block_table, cqi_thresholds
from emulator.channel.numerology import group_prbs, slot_ns
from emulator.channel.radio import Adaptation, Carrier, Harq
from emulator.core.arrays import Floats
from emulator.system import Ramp
from tests.emulator.reference import uniform


@dataclass
class ReferenceTransmission:
    """One transmission of a block."""

    slot: int
    failed: bool


class Grant(NamedTuple):
    """Rank, row of the block table, CQI, and the groups."""

    rank: int
    width: int
    cqi: int
    groups: tuple[int, ...]


@dataclass
class Block:
    """A block: its size, the bits of each message in it, and its transmissions so far."""

    slot: int
    symbols: int
    grant: Grant
    mcs: int
    draw: float
    error: float = math.nan
    combined: Floats = field(default_factory=lambda: np.zeros(0))
    transmissions: list[ReferenceTransmission] = field(default_factory=list)
    bits_of: dict[int, int] = field(default_factory=dict)
    left_bits: int = 0  # in the buffer behind it
    by_request: bool = False

    def is_decided(self, most: int) -> bool:
        return bool(self.transmissions) and (not self.transmissions[-1].failed or len(self.transmissions) == most)


class ReferenceAir:
    """Runs slot after slot; `blocks` and `cqis` are the history."""

    def __init__(
        self, carrier: Carrier, adaptation: Adaptation, harq: Harq, key: int,
        ranks: int = 1, widths: tuple[int, ...] | None = None,
    ) -> None:  # fmt: skip
        self.adaptation, self.harq, self.key = adaptation, harq, key
        self.table = block_table(carrier, adaptation, ranks, widths)
        self.thresholds, self.ranks = cqi_thresholds(carrier, adaptation), ranks
        self.prbs = group_prbs(carrier)
        length_ns = self.slot_ns = slot_ns(carrier.mu)
        self.round_trip = max(1, math.ceil((harq.round_trip_ns or 0) / length_ns))
        self.period = max(1, math.ceil(adaptation.cqi_period_ns / length_ns))
        self.delay = math.ceil(adaptation.cqi_delay_ns / length_ns)
        self.measured: list[tuple[int, Grant]] = []  # slot, grant
        self.blocks: list[Block] = []
        self.grants: list[Grant] = []
        self.sinrs_db: list[float] = []

    def run_slot(self, sinr: Floats, limit_prbs: float, symbols: int, has_data: bool) -> Block | None:
        """Run the next slot; return its new block, if any. `sinr`: (ranks, groups)."""
        slot = len(self.grants)
        if symbols and (not self.measured or slot // self.period > self.measured[-1][0] // self.period):
            self.measured.append((slot, self.select_grant(sinr, limit_prbs, symbols)))
        known = [each for index, (at, each) in enumerate(self.measured) if at + (self.delay if index else 0) <= slot]
        grant = known[-1] if known else Grant(1, len(self.table.prbs) - 1, 0, tuple(range(len(self.prbs))))
        self.grants.append(grant)
        new = None
        if symbols:
            again = self.next_retransmission(slot)
            busy = sum(not self.is_known_to_be_decided(block, slot) for block in self.blocks)
            if again is not None:
                self.transmit(again, slot, sinr, limit_prbs, symbols)
            elif has_data and grant.cqi and busy < self.harq.processes:
                draw = uniform(self.key, slot, 0, 0)
                new = Block(slot, symbols, grant, self.select_mcs(grant, symbols, slot), draw)
                self.blocks.append(new)
                self.transmit(new, slot, sinr, limit_prbs, symbols)
        here = new.grant if new is not None else grant
        effective = self.effective(self.of_grant(sinr, limit_prbs, here), here, self.last_mcs())
        self.sinrs_db.append(10 * math.log10(max(effective, 1e-4)))
        return new

    def select_grant(self, sinr: Floats, limit_prbs: float, symbols: int) -> Grant:
        """Try every rank, width and MCS for the most bits; of equals, the widest grant, then the highest rank."""
        most_bits, best = 0, self.grant_of(sinr, limit_prbs, 1, self.narrowest(limit_prbs))
        for width in range(len(self.table.prbs) - 1, self.narrowest(limit_prbs) - 1, -1):
            for rank in range(self.ranks, 0, -1):
                grant = self.grant_of(sinr, limit_prbs, rank, width)
                layer = self.of_grant(sinr, limit_prbs, grant)
                sizes, least = (each[width, rank - 1, symbols] for each in (self.table.bits, self.table.least))
                bits = [
                    int(sizes[mcs])
                    for mcs in range(len(sizes))
                    if sizes[mcs] > most_bits and self.effective(layer, grant, mcs) >= least[mcs]
                ]
                if bits:
                    most_bits, best = bits[-1], grant
        return best

    def narrowest(self, limit_prbs: float) -> int:
        return 0 if limit_prbs < self.table.prbs[-1] else len(self.table.prbs) - 1

    def grant_of(self, sinr: Floats, limit_prbs: float, rank: int, width: int) -> Grant:
        """The grant on the best groups, with the highest CQI that its SINR allows."""
        grant = Grant(rank, width, 0, self.best_groups(sinr[0], int(self.table.groups[width])))
        layer = self.of_grant(sinr, limit_prbs, grant)
        holds = [
            cqi
            for cqi in range(1, 16)
            if eesm(layer, self.shares(grant), self.thresholds.beta[cqi]) >= self.thresholds.least[cqi]
        ]
        return grant._replace(cqi=max(holds, default=0))

    def best_groups(self, sinr: Floats, count: int) -> tuple[int, ...]:
        if count == len(self.prbs):
            return tuple(range(count))
        whole = [group for group in range(len(self.prbs)) if self.prbs[group] == self.prbs[0]]
        return tuple(sorted(sorted(whole, key=lambda group: -sinr[group])[:count]))

    def of_grant(self, sinr: Floats, limit_prbs: float, grant: Grant) -> Floats:
        """SINR of a layer in the groups of a grant: the power that a UE has less for all blocks than for `limit_prbs`,
        is divided among the blocks of the grant alone."""
        everywhere, granted = self.prbs.sum(), self.table.prbs[grant.width]
        power_of_block = min(1.0, limit_prbs / granted)  # of what power control demands
        power_before = min(1.0, limit_prbs / everywhere)
        layer: Floats = sinr[grant.rank - 1, list(grant.groups)] * (power_of_block / power_before)
        return layer

    def shares(self, grant: Grant) -> Floats:
        granted = self.prbs[list(grant.groups)]
        part: Floats = granted / granted.sum()
        return part

    def last_mcs(self) -> int:
        return self.blocks[-1].mcs if self.blocks else 0

    def effective(self, layer: Floats, grant: Grant, mcs: int) -> float:
        return eesm(layer, self.shares(grant), self.table.beta[mcs])

    def next_retransmission(self, slot: int) -> Block | None:
        """Return the block to retransmit: of those known to have failed and not sent again, the first that failed."""
        waiting = [
            block
            for block in self.blocks
            if not block.is_decided(self.harq.max_transmissions)
            and block.transmissions[-1].slot + self.round_trip <= slot
        ]
        return min(waiting, key=lambda block: block.transmissions[-1].slot, default=None)

    def is_known_to_be_decided(self, block: Block, slot: int) -> bool:
        return block.is_decided(self.harq.max_transmissions) and block.transmissions[-1].slot + self.round_trip <= slot

    def select_mcs(self, grant: Grant, symbols: int, slot: int) -> int:
        """Select the MCS by the CQI's SINR and all known steps of the outer loop."""
        top = len(self.table.beta) - 1
        target, up_db = self.adaptation.bler_target, self.adaptation.olla_up_db
        offset_db = 0.0  # step by step: where steps cancel, their rounding decides between equals
        for block in self.blocks:
            if block.slot + self.round_trip <= slot:
                if block.transmissions[0].failed and block.mcs > 0:
                    offset_db -= up_db
                elif not block.transmissions[0].failed and block.mcs < top:
                    offset_db += up_db * target / (1 - target)
        expected_db = self.thresholds.least_db[grant.cqi] + offset_db
        reached = np.flatnonzero(self.table.least_db[grant.width, grant.rank - 1, symbols] <= expected_db)
        return int(reached.max(initial=0))

    def transmit(self, block: Block, slot: int, sinr: Floats, limit_prbs: float, symbols: int) -> None:
        part = self.of_grant(sinr, limit_prbs, block.grant) * symbols / block.symbols
        block.combined = block.combined + part if len(block.combined) else part
        place = self.place_of(block)
        sinr_db = 10 * math.log10(max(self.effective(block.combined, block.grant, block.mcs), 1e-4))
        exponent = self.table.slope_per_db[place] * (sinr_db - self.table.middle_db[place])
        one = 1 / (1 + math.exp(exponent)) if exponent < 700 else 0.0
        error = 1 - (1 - one) ** self.table.code_blocks[place]
        if not block.transmissions:
            block.error = error
        block.transmissions.append(ReferenceTransmission(slot, block.draw < error))

    @staticmethod
    def place_of(block: Block) -> tuple[int, int, int, int]:
        """The block's place in the block table."""
        return block.grant.width, block.grant.rank - 1, block.symbols, block.mcs


def eesm(sinr: Floats, shares: Floats, beta: float) -> float:
    """The definition, shifted by the least SINR so that it does not underflow."""
    return float(sinr.min() - beta * math.log(shares @ np.exp(-(sinr - sinr.min()) / beta)))


class ReferenceLoop:
    """Messages over the air: `left` has the bits of each message that are not in a block yet."""

    def __init__(self, air: ReferenceAir, arrivals_ns: list[int], sizes_bytes: list[int], ramp: Ramp | None) -> None:
        self.air, self.ramp = air, ramp
        self.arrivals_ns = arrivals_ns
        self.left = [8 * size for size in sizes_bytes]
        self.grant_ns: int | None = None
        self.arrived = 0

    def run(self, sinr: Floats, limit_prbs: list[float], symbols: list[int]) -> None:
        for slot, count in enumerate(symbols):
            now_ns = slot * self.air.slot_ns
            self.enqueue_arrivals(now_ns)
            there = sum(self.left[: self.arrived])
            by_request = self.ramp is not None and not self.has_full_grant(now_ns)
            grant = self.first_grant(now_ns, there) if by_request else there
            block = self.air.run_slot(sinr[slot], limit_prbs[slot], count, grant > 0)
            if block is not None:
                self.fill(block, min(grant, int(self.air.table.bits[self.air.place_of(block)])), by_request)

    def enqueue_arrivals(self, now_ns: int) -> None:
        while self.arrived < len(self.left) and self.arrivals_ns[self.arrived] <= now_ns:
            if self.ramp is not None and not sum(self.left[: self.arrived]):
                step_ns = max(1, self.ramp.period_ns)
                request_ns = math.ceil(self.arrivals_ns[self.arrived] / step_ns) * step_ns
                self.grant_ns = request_ns + self.ramp.delay_ns
            self.arrived += 1

    def has_full_grant(self, now_ns: int) -> bool:
        """Whether whole slots are granted: by the last report received from the blocks since the last request, or
        without a report for a while after the last block, unless that had a first grant that was too small."""
        if self.ramp is None or not self.air.blocks:
            return self.ramp is None
        blocks = self.air.blocks
        since = max(index for index, block in enumerate(blocks) if block.by_request)
        received = [i for i in range(since, len(blocks)) if self.received_ns(blocks[i]) <= now_ns]
        known = 0
        if received:
            known = blocks[received[-1]].left_bits - sum(sum(b.bits_of.values()) for b in blocks[received[-1] + 1 :])
        last = blocks[-1]
        waits = last.by_request and last.left_bits > 0 and self.ramp.first_bytes > 0 and self.received_ns(last) > now_ns
        return known > 0 or (not waits and now_ns - (last.slot + 1) * self.air.slot_ns < self.ramp.idle_ns)

    def received_ns(self, block: Block) -> int:
        assert self.ramp is not None
        at_once = block.by_request and self.ramp.first_bytes == 0
        return (block.slot + 1) * self.air.slot_ns + (0 if at_once else self.ramp.report_ns)

    def first_grant(self, now_ns: int, there: int) -> int:
        if self.ramp is None or self.grant_ns is None or now_ns < self.grant_ns:
            return 0
        return min(there, 8 * self.ramp.first_bytes) if self.ramp.first_bytes else there

    def fill(self, block: Block, room: int, by_request: bool) -> None:
        self.grant_ns = None
        block.by_request = by_request
        for message in range(self.arrived):
            taken = min(room, self.left[message])
            if taken:
                block.bits_of[message] = taken
                self.left[message] -= taken
                room -= taken
        block.left_bits = sum(self.left[: self.arrived])

    def release_ns(self, retransmission_ns: int) -> list[int]:
        """Return when each message was released, -1 if not by the end of the slots."""
        found: list[int] = []
        for message, left in enumerate(self.left):
            carriers = [block for block in self.air.blocks if message in block.bits_of]
            over = all(block.is_decided(self.air.harq.max_transmissions) for block in carriers)
            if left or not over or (found and found[-1] < 0):
                found.append(-1)
                continue
            ends = [
                (block.transmissions[-1].slot + 1) * self.air.slot_ns
                + block.transmissions[-1].failed * retransmission_ns
                for block in carriers
            ]
            found.append(max([*ends, *found[-1:]]))
        return found
