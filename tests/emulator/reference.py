"""What links and devices must do, written a second time the slow way: slot by slot, bit by bit, with plain
integers and fractions. Nothing here is shared with the code under test but the immutable specs and the
key of the draws."""

from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

from emulator.core.randomness import draw_key
from emulator.link import Delivery
from emulator.profile import ModelProfile
from emulator.system import LinkSpec
from emulator.trace import Trace

MASK = 2**64 - 1
GAMMA = 0x9E3779B97F4A7C15


def splitmix64(state: int) -> int:
    """The output of SplitMix64 for the step that follows `state` (Steele, Lea, Flood, OOPSLA 2014)."""
    mixed = (state + GAMMA) & MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK
    return mixed ^ (mixed >> 31)


def uniform(key: int, message: int, fragment: int, attempt: int) -> float:
    """The addressed draw, in unbounded integers."""
    mixed = key
    for counter in (message, fragment, attempt):
        mixed = splitmix64((mixed + counter) & MASK)
    return (mixed >> 11) * 2.0**-53


class Message(NamedTuple):
    """A message offered to a link; `number` addresses its draws. Its first `acknowledged_bytes` are never lost."""

    now_ns: int
    size_bytes: int
    number: int = 0
    acknowledged_bytes: int = 0


class Waiting:
    """An accepted message: since when it may go, and the slot of each bit that went (slot rule)."""

    def __init__(self, message: Message, open_ns: int, first_bits: int) -> None:
        self.size_bytes = message.size_bytes
        self.number = message.number
        self.acknowledged_bytes = message.acknowledged_bytes
        self.open_ns = open_ns
        self.first_bits = first_bits  # what its first grant holds, until that is used; 0: it needs none
        self.slot_of_bit: list[int] = []
        self.start_ns = self.sent_ns = -1  # unknown yet

    @property
    def bits_left(self) -> int:
        return self.size_bytes * 8 - len(self.slot_of_bit)


class ReferenceLink:
    """A link that walks every slot. Offer messages in order of time, then ask for the deliveries."""

    def __init__(self, spec: LinkSpec, seed: int) -> None:
        self.spec = spec
        self.trace = spec.trace
        self.accepted: list[Waiting] = []
        self.unsent: list[Waiting] = []  # of them, in order (slot rule)
        self.carried_bits: dict[int, int] = {}  # by slot, of the endless trace
        self._key = draw_key(seed, f"{spec.source}-{spec.target}", "loss")
        self._next_slot = 0

    def offer(self, message: Message) -> bool:
        """Whether the queue, drop-tail in bytes, has room for the message."""
        if self.trace.release == "slot":
            self._serve_slots_before(message.now_ns)
        if self.queued_bytes(message.now_ns) + message.size_bytes > self.spec.queue_bytes:
            return False
        waiting = Waiting(message, *self._grant(message.now_ns))
        if self.trace.release == "fluid":
            before_ns = self.accepted[-1].sent_ns if self.accepted else 0
            waiting.start_ns = max(waiting.open_ns, before_ns)
            bits = message.size_bytes * 8
            first_bits = min(waiting.first_bits or bits, bits)
            waiting.sent_ns = fluid_sent_ns(self.trace, waiting.start_ns, first_bits)
            if first_bits < bits and self.spec.ramp is not None:
                again_ns = waiting.sent_ns + self.spec.ramp.report_ns
                waiting.sent_ns = fluid_sent_ns(self.trace, again_ns, bits - first_bits)
        else:
            self.unsent.append(waiting)
        self.accepted.append(waiting)
        return True

    def queued_bytes(self, now_ns: int) -> int:
        """Bytes of the messages whose last bit has not been sent by `now_ns`."""
        return sum(each.size_bytes for each in self.accepted if each.sent_ns < 0 or each.sent_ns > now_ns)

    def deliveries(self) -> list[Delivery]:
        """What became of the accepted messages, in order."""
        while self.accepted and self.accepted[-1].sent_ns < 0:
            self.serve(self._next_slot, value_of(self.trace, "capacity_bits", self._next_slot))
        released_ns = 0
        found = []
        for each in self.accepted:
            erased = Fraction(0)
            release_ns = each.sent_ns
            safe_bytes = each.acknowledged_bytes if self.spec.bearer == "um" else each.size_bytes
            if safe_bytes < each.size_bytes:
                erased = Fraction(self._erased_bytes(each, safe_bytes), each.size_bytes - safe_bytes)
            if safe_bytes:
                released_ns = release_ns = max(released_ns, self._acknowledged_ns(each, safe_bytes))
            found.append(Delivery(each.start_ns, release_ns, release_ns + self.spec.delay_ns, float(erased)))
        return found

    def _grant(self, now_ns: int) -> tuple[int, int]:
        """When a message may start, and how much of it then: nothing was ever sent, or the last bit went long
        ago, and it asks at the next occasion and waits for its grant."""
        ramp = self.spec.ramp
        if ramp is None:
            return now_ns, 0
        if self.accepted:
            sent_ns = self.accepted[-1].sent_ns
            if sent_ns < 0 or now_ns - sent_ns < ramp.idle_ns:
                return now_ns, 0
        asked_ns = now_ns
        if ramp.period_ns:
            asked_ns = ceil(Fraction(now_ns, ramp.period_ns)) * ramp.period_ns
        return asked_ns + ramp.delay_ns, ramp.first_bytes * 8

    def _serve_slots_before(self, now_ns: int) -> None:
        slot_ns = self.trace.slot_ns
        while self._next_slot * slot_ns < now_ns:
            if not self.unsent:
                self._next_slot = ceil(Fraction(now_ns, slot_ns))  # nobody waits: these slots go to waste
                return
            self.serve(self._next_slot, value_of(self.trace, "capacity_bits", self._next_slot))

    def serve(self, slot: int, room: int) -> None:
        """Give the slot's bits to the head of the queue as it stands at the slot's start."""
        slot_ns = self.trace.slot_ns
        for each in self.unsent:
            if each.open_ns > slot * slot_ns:
                break
            first = each.first_bits > 0 and room > 0
            if first:  # nothing but the grant in this slot
                room, each.first_bits = min(room, each.first_bits, each.bits_left), 0
            bits = min(room, each.bits_left)
            each.slot_of_bit += [slot] * bits
            self.carried_bits[slot] = self.carried_bits.get(slot, 0) + bits
            room -= bits
            if each.bits_left:
                if first and self.spec.ramp is not None:
                    each.open_ns = (slot + 1) * slot_ns + self.spec.ramp.report_ns
                break
            each.start_ns = each.slot_of_bit[0] * slot_ns
            each.sent_ns = (slot + 1) * slot_ns
        self.unsent = [each for each in self.unsent if each.sent_ns < 0]
        self._next_slot = slot + 1

    def _acknowledged_ns(self, each: Waiting, safe_bytes: int) -> int:
        """When all that the message's first bytes needed is done: each slot's HARQ and, where that failed, RLC; then
        the worst fragment's retries."""
        ends = [self._through_ns(slot) for slot in set(each.slot_of_bit[: safe_bytes * 8])]
        fragments = self._fragments(0, safe_bytes)
        retries = max(self._failures(each.number, fragment) for fragment in range(len(fragments)))
        return max([each.sent_ns, *ends]) + retries * self.spec.retransmission_ns

    def _through_ns(self, slot: int) -> int:
        end_ns = (slot + 1) * self.trace.slot_ns + value_of(self.trace, "harq_delay_ns", slot)
        return end_ns + value_of(self.trace, "block_lost", slot) * self.spec.retransmission_ns

    def _failures(self, number: int, fragment: int) -> int:
        attempt = 0
        while uniform(self._key, number, fragment, attempt) < self.spec.loss:
            attempt += 1
        return attempt

    def _fragments(self, first: int, stop: int) -> list[range]:
        """The bytes of each fragment of the bytes from `first` up to `stop`."""
        step = self.spec.fragment_bytes
        return [range(begin, min(begin + step, stop)) for begin in range(first, stop, step)]

    def _erased_bytes(self, each: Waiting, safe_bytes: int) -> int:
        erased = 0
        safe_fragments = len(self._fragments(0, safe_bytes))
        for fragment, positions in enumerate(self._fragments(safe_bytes, each.size_bytes), safe_fragments):
            slots = each.slot_of_bit[positions.start * 8 : positions.stop * 8]  # none under the fluid rule
            in_lost_block = any(value_of(self.trace, "block_lost", slot) for slot in slots)
            if in_lost_block or uniform(self._key, each.number, fragment, 0) < self.spec.loss:
                erased += len(positions)
        return erased


def fluid_sent_ns(trace: Trace, start_ns: int, bits: int) -> int:
    """Walk the slots, each flowing evenly, until all bits have gone; up to the next whole nanosecond."""
    now, left = Fraction(start_ns), Fraction(bits)
    while True:
        slot = floor(now / trace.slot_ns)
        end_ns = (slot + 1) * trace.slot_ns
        rate = Fraction(value_of(trace, "capacity_bits", slot), trace.slot_ns)
        if rate * (end_ns - now) >= left:
            return ceil(now + left / rate)
        left -= rate * (end_ns - now)
        now = Fraction(end_ns)


def value_of(trace: Trace, name: str, slot: int) -> int:
    """One slot's value of the endless trace; 0 where the trace has no such column."""
    return int(trace.columns[name][slot % len(trace)]) if name in trace.columns else 0


class Job(NamedTuple):
    """A partition that a device accepted."""

    submitted_ns: int
    start_ns: int
    load_ns: int
    finish_ns: int


class ReferenceDevice:
    """A device that keeps every job it ever had, and its resident layers as a list, oldest use first."""

    def __init__(self, model: ModelProfile, memory_bytes: int, load_bytes_per_s: int, queue_tasks: int) -> None:
        self.sizes = [layer.weight_bytes for layer in model.layers]
        self.memory_bytes = memory_bytes
        self.load_bytes_per_s = load_bytes_per_s
        self.queue_tasks = queue_tasks
        self.jobs: list[Job] = []
        self.resident: list[int] = []

    def submit(self, now_ns: int, first: int, stop: int, service_ns: int) -> Job | str:
        """The job, or the reason why there is none."""
        if sum(job.finish_ns > now_ns for job in self.jobs) >= self.queue_tasks:
            return "device queue full"
        wanted = list(range(first, stop))
        missing = [layer for layer in wanted if layer not in self.resident]
        if sum(self.sizes[layer] for layer in wanted) > self.memory_bytes:
            return "memory"
        others = [layer for layer in self.resident if layer not in wanted]
        while sum(self.sizes[layer] for layer in others + wanted) > self.memory_bytes:
            others.pop(0)
        used_before = [layer for layer in wanted if layer not in missing]
        self.resident = others + used_before + missing
        load_ns = round(Fraction(sum(self.sizes[layer] for layer in missing) * 10**9, self.load_bytes_per_s))
        start_ns = max([now_ns, *(job.finish_ns for job in self.jobs)])
        self.jobs.append(Job(now_ns, start_ns, load_ns, start_ns + load_ns + service_ns))
        return self.jobs[-1]

    def backlog_ns(self, at_ns: int) -> int:
        """The work, of all jobs submitted by then, that is still to do at the instant."""
        known = [job for job in self.jobs if job.submitted_ns <= at_ns]
        return sum(max(0, job.finish_ns - max(job.start_ns, at_ns)) for job in known)
