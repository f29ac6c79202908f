"""Choose the best candidate under the assumption that the last observed values still hold: a baseline without learning.

The policy knows its own decisions: an observation shows a queue as it was heard of, and what was sent to it since then
is added (`agents.split_inference.commitments`). Otherwise all tasks of an observation's age go to the same server.

The candidates form a tree of partitions. A placement's estimated delay grows with each partition, so a branch whose
prefix already takes longer than the best placement found cannot contain a better one. Each prefix is estimated once,
and the result is the minimum over all candidates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from agents.split_inference.commitments import Commitment, Commitments
from emulator.core.units import NS_PER_S
from emulator.legs import LegTemplate, first_leg, result_leg, token_leg
from emulator.policy import Observation
from emulator.task import Partition, Placement


class Prefix(NamedTuple):
    """The first partitions of a placement: the first pass leaves `node` at `ready_ns` after the task's arrival, and all
    later passes take `later_ns` in these partitions. `extra_ns`: cost of the quality lost and the energy drawn so
    far."""

    node: str
    ready_ns: float
    later_ns: float
    extra_ns: float


@dataclass
class _Branch:
    """The candidates that start with the same partitions; `leaf` is the number of the one that ends here."""

    partition: Partition | None = None
    children: dict[Partition, "_Branch"] = field(default_factory=dict)
    leaf: int | None = None


class ExactOnLastMeasurement:
    """Chooses the candidate with the least estimated cost, its delay, what its answer loses in quality and the energy
    that it draws; of equals, the first."""

    def __init__(self) -> None:
        self._trees: dict[tuple[str, str], tuple[Sequence[Placement], _Branch]] = {}
        self._commitments = Commitments()

    def decide(self, observation: Observation) -> Placement:
        """Return the candidate with the least estimated cost."""
        estimate = Estimate(observation, self._commitments)
        chosen = observation.candidates[self._search(observation, estimate)]
        self._commitments.add(observation.now_ns, estimate.visits(chosen))
        return chosen

    def _search(self, observation: Observation, estimate: "Estimate") -> int:
        best = (float("inf"), 0)
        waiting = [(estimate.start, self._tree(observation))]
        while waiting:
            prefix, branch = waiting.pop()
            if prefix.ready_ns + prefix.later_ns + prefix.extra_ns > best[0]:
                continue
            if branch.leaf is not None:
                leaf = observation.candidates[branch.leaf]
                best = min(best, (estimate.end(prefix, leaf), branch.leaf))
            waiting += [(estimate.extend(prefix, part), child) for part, child in branch.children.items()]
        return best[1]

    def _tree(self, observation: Observation) -> _Branch:
        stream = (observation.task.source, observation.task.kind.name)
        candidates, tree = self._trees.get(stream, ((), None))
        if tree is None or candidates is not observation.candidates:
            tree = _tree_of(observation.candidates)
            self._trees[stream] = (observation.candidates, tree)
        return tree


def _tree_of(candidates: Sequence[Placement]) -> _Branch:
    root = _Branch()
    for number, placement in enumerate(candidates):
        branch = root
        for partition in placement:
            branch = branch.children.setdefault(partition, _Branch(partition))
        if branch.leaf is None:
            branch.leaf = number
    return root


class Estimate:
    """Estimates the cost of one task from an observation: with observed rates and delays, service times of the
    profiles, and each device busy until its observed backlog and the `commitments` that arrive before the task are
    done. Later passes find empty queues; their service times are summed in closed form, since they are linear in the
    context."""

    def __init__(self, observation: Observation, commitments: Commitments | None = None) -> None:
        self._observation = observation
        self._commitments = commitments or Commitments()
        self._hops: dict[tuple[str, str], tuple[float, int]] = {}
        self._drawn: dict[tuple[str, str], float] = {}  # cost of the energy of a byte in ns
        self._backlog_ns: dict[str, int] = {}
        task = observation.task
        self._task = task
        vision = task.kind.model.family == "vision"
        self._prompt = 1 if vision else task.prompt_tokens
        self._context = 0 if vision else task.prompt_tokens // 2
        self._later = 0 if vision else max(0, task.output_tokens - 1)
        self._quality_ns: dict[tuple[str, Partition], float] = {}
        self.start = Prefix(task.source, 0.0, 0.0, 0.0)

    def of(self, placement: Placement) -> float:
        """Return the estimated cost of a placement in ns."""
        prefix = self.start
        for partition in placement:
            prefix = self.extend(prefix, partition)
        return self.end(prefix, placement)

    def extend(self, prefix: Prefix, partition: Partition) -> Prefix:
        """Return the prefix with one more partition."""
        come_ns, come_later_ns = self._messages_ns(prefix.node, partition)
        start_ns = self._start_ns(partition.node, prefix.ready_ns + come_ns)
        service_ns, services_ns = self._services_ns(partition)
        extra_ns = self._lost_ns(prefix.node, partition) + self._sending_ns(prefix.node, partition)
        extra_ns += self._observation.energy_s(partition.node) * (service_ns + services_ns)
        later_ns = prefix.later_ns + come_later_ns + services_ns
        return Prefix(partition.node, start_ns + service_ns, later_ns, prefix.extra_ns + extra_ns)

    def end(self, prefix: Prefix, placement: Placement) -> float:
        """Return the cost of the placement whose partitions are all in the prefix."""
        return prefix.ready_ns + prefix.later_ns + prefix.extra_ns + self.return_ns(prefix.node, placement[0])

    def visits(self, placement: Placement) -> Iterator[Commitment]:
        """Yield the visits of the first pass, with times after the task's arrival."""
        prefix = self.start
        for partition in placement:
            come_ns, _ = self._messages_ns(prefix.node, partition)
            service_ns, _ = self._services_ns(partition)
            yield Commitment(partition.node, prefix.ready_ns + come_ns, service_ns)
            prefix = self.extend(prefix, partition)

    def computing_ns(self, partition: Partition) -> float:
        """Return the service time of a partition in all passes, and the cost of its energy."""
        return sum(self._services_ns(partition)) * (1.0 + self._observation.energy_s(partition.node))

    def handover_ns(self, source: str, partition: Partition) -> float:
        """Return the cost of a partition's input from `source`: its messages in all passes, with their energy, and the
        quality that it loses."""
        extra_ns = self._lost_ns(source, partition) + self._sending_ns(source, partition)
        return sum(self._messages_ns(source, partition)) + extra_ns

    def return_ns(self, node: str, first: Partition) -> float:
        """Return the cost of the messages from a placement's last node, time and energy: tokens to its first partition,
        the result to the source."""
        kind, back_ns = self._task.kind, 0.0
        if self._later:
            token = token_leg(kind, 0, node, first)
            back_ns = self._later * (self._message_ns(token) + self._drawn_ns(token))
        result = result_leg(kind, 0, node, self._task.source)
        return back_ns + self._message_ns(result) + self._drawn_ns(result)

    def _messages_ns(self, source: str, partition: Partition) -> tuple[float, float]:
        """Return the time of the messages to a partition from the one before it: of the first pass, and of all later
        passes, in which the first partition has its token from the last."""
        kind, later_ns = self._task.kind, 0.0
        if partition.first > 0 and self._later:
            later_ns = self._later * self._message_ns(token_leg(kind, 0, source, partition))
        return self._message_ns(first_leg(kind, 0, source, partition)), later_ns

    def _sending_ns(self, source: str, partition: Partition) -> float:
        """Return the cost of the energy of the messages to a partition from the one before it, in all passes."""
        kind, drawn_ns = self._task.kind, self._drawn_ns(first_leg(self._task.kind, 0, source, partition))
        if partition.first > 0 and self._later:
            drawn_ns += self._later * self._drawn_ns(token_leg(kind, 0, source, partition))
        return drawn_ns

    def _drawn_ns(self, leg: LegTemplate) -> float:
        """Return the cost of the energy of a message."""
        size_bytes = leg.size_bytes(self._task.prompt_tokens, self._task.output_tokens)
        if leg.source == leg.target or not size_bytes:
            return 0.0
        key = (leg.source, leg.target)
        if key not in self._drawn:
            self._drawn[key] = self._observation.energy_ns_per_byte(*key)
        return size_bytes * self._drawn[key]

    def _services_ns(self, partition: Partition) -> tuple[float, float]:
        """Return the service time of the first pass, and of the later passes 1..n with contexts prompt + 1..prompt + n:
        n times the mean of both ends."""
        service_ns = self._observation.service_ns
        once_ns = service_ns(*partition[:3], self._prompt, self._context)
        if not self._later:
            return once_ns, 0.0
        first_ns = service_ns(*partition[:3], 1, self._prompt + 1)
        last_ns = service_ns(*partition[:3], 1, self._prompt + self._later)
        return once_ns, self._later * (first_ns + last_ns) / 2

    def _message_ns(self, leg: LegTemplate) -> float:
        source, target = leg.source, leg.target
        size_bytes = leg.size_bytes(self._task.prompt_tokens, self._task.output_tokens)
        if source == target or not size_bytes:
            return 0.0
        key = (source, target)
        if key not in self._hops:
            rate_bps = self._observation.rate_bps(source, target)
            ns_per_byte = 8 * NS_PER_S / rate_bps if rate_bps else float("inf")
            self._hops[key] = (ns_per_byte, self._observation.delay_ns(source, target))
        ns_per_byte, delay_ns = self._hops[key]
        return size_bytes * ns_per_byte + delay_ns

    def _lost_ns(self, source: str, partition: Partition) -> float:
        """Return the cost of the quality that the activation of a partition loses on its way from `source`."""
        if not partition.first:
            return 0.0
        key = (source, partition)
        if key not in self._quality_ns:
            self._quality_ns[key] = self._observation.quality_s(source, partition) * NS_PER_S
        return self._quality_ns[key]

    def _start_ns(self, node: str, arrival_ns: float) -> float:
        """Return when a visit starts that arrives at a device at `arrival_ns`."""
        seen = self._observation
        if node not in self._backlog_ns:
            self._backlog_ns[node] = seen.backlog_ns(node)
        heard_ns = seen.now_ns - seen.backlog_age_ns(node)
        return self._commitments.start_ns(node, seen.now_ns, heard_ns, self._backlog_ns[node], arrival_ns)
