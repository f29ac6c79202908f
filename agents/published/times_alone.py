"""What policies know that were published for networks whose activations are sent as they are, and count time alone."""

from collections.abc import Sequence

from agents.split_inference.exact import Estimate
from emulator.policy import Observation
from emulator.task import Partition, Placement


class TimesAlone:
    """An observation in which neither energy nor quality costs anything, of some of its candidates."""

    def __init__(self, observation: Observation, candidates: Sequence[Placement]) -> None:
        self.task, self.now_ns, self.age_ns = observation.task, observation.now_ns, observation.age_ns
        self.candidates = candidates
        self.rate_bps, self.delay_ns = observation.rate_bps, observation.delay_ns
        self.backlog_ns, self.backlog_age_ns = observation.backlog_ns, observation.backlog_age_ns
        self.service_ns = observation.service_ns

    def quality_s(self, source: str, partition: Partition) -> float:
        """Return that no loss of quality costs anything."""
        return 0.0

    def energy_s(self, node: str) -> float:
        """Return that energy costs nothing."""
        return 0.0

    def energy_ns_per_byte(self, source: str, target: str) -> float:
        """Return that energy costs nothing."""
        return 0.0


class SingleCuts:
    """The candidates with at most one cut, between the source and one other node."""

    def __init__(self, default_codec: bool) -> None:
        """With `default_codec` only those that send activations in the kind's first codec."""
        self._default_codec = default_codec
        self._known: dict[tuple[str, str], tuple[Sequence[Placement], tuple[Placement, ...]]] = {}

    def of(self, observation: Observation) -> tuple[Placement, ...]:
        """Return those of an observation's candidates; all candidates if none is one."""
        task, candidates = observation.task, observation.candidates
        known = self._known.get((task.source, task.kind.name))
        if known is None or known[0] is not candidates:
            found = tuple(each for each in candidates if self._is_one(task.source, each)) or tuple(candidates)
            known = self._known[task.source, task.kind.name] = (candidates, found)
        return known[1]

    def _is_one(self, source: str, placement: Placement) -> bool:
        if self._default_codec and placement[-1].codec:
            return False
        return len(placement) == 1 or (len(placement) == 2 and placement[0].node == source)


def transfer_ns(estimate: Estimate, source: str, placement: Placement) -> float:
    """Return the time of the messages of a single cut, up and back."""
    away = placement[-1]
    return estimate.handover_ns(source, away) + estimate.return_ns(away.node, placement[0])


def computing_ns(estimate: Estimate, placement: Placement, source: str) -> tuple[float, float]:
    """Return the computing times of a placement: at the source, and elsewhere."""
    own_ns = sum(estimate.computing_ns(part) for part in placement if part.node == source)
    return own_ns, sum(estimate.computing_ns(part) for part in placement if part.node != source)
