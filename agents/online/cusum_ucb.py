"""A split that adapts: the servers to use are learned, and learned anew where their costs have changed.

CUSUM-UCB of Liu, Lee and Shroff, "A change-detection based framework for piecewise-stationary multi-armed bandit
problem", AAAI 2018: a UCB index for each arm, a test for changes of each arm's mean that lets the arm begin anew, and
arms that are drawn at random now and then, so that a change of an arm that is not chosen is found too. Here an arm is
the set of servers that a candidate uses. Its mean is that of the logarithms of its tasks' costs relative to their
estimates, so that the estimate of a task, its split and codec included, can follow what is observed. The test needs no
mean to be known beforehand (`SelfStartingCusum`).
"""

from collections.abc import Mapping
from math import exp, inf, log, log1p, sqrt
from typing import NamedTuple

from agents.online.self_starting_cusum import SelfStartingCusum
from agents.split_inference.commitments import Commitments
from agents.split_inference.exact import Estimate
from emulator.core.draws import uniform
from emulator.core.randomness import draw_key
from emulator.core.units import NS_PER_S
from emulator.ended_task import EndedTask
from emulator.policy import Observation
from emulator.task import Placement

Servers = frozenset[str]
Arm = tuple[str, str, Servers]  # source, kind, servers
SMALLEST_RATIO = 1e-6  # of a cost to its estimate


class CheapestOfArm(NamedTuple):
    """The best candidate of an arm by its estimate."""

    placement: Placement
    estimate_ns: float


class ArmInFlight(NamedTuple):
    """A decision whose task has not ended, as far as is known."""

    choice: CheapestOfArm
    servers: Servers


class CusumUcb:
    """Chooses the servers with the least lower confidence bound of the cost, and among the candidates that use them
    the one with the least estimate; of equals, the first."""

    def __init__(
        self, seed: int, exploration: float, random_share: float, prior: float, drift: float, threshold: float
    ) -> None:
        """`exploration` is the weight of the confidence bounds, in the standard deviation of the logarithm of a cost
        relative to its estimate; `random_share` the share of tasks that try servers at random; `prior` how many tasks
        the estimate weighs as much as; `drift` and `threshold` are those of `SelfStartingCusum`."""
        self._seed, self._exploration, self._random_share, self._prior = seed, exploration, random_share, prior
        self._drift, self._threshold = drift, threshold
        self._residuals: dict[Arm, SelfStartingCusum] = {}
        self._in_flight: dict[tuple[str, str, int], ArmInFlight] = {}
        self._commitments = Commitments()
        self.alarms: list[tuple[int, Arm]] = []  # when the task ended that raised each

    def decide(self, observation: Observation) -> Placement:
        """Return the chosen candidate; the first one without coverage for any."""
        task, estimate = observation.task, Estimate(observation, self._commitments)
        choices: dict[Servers, CheapestOfArm] = {}
        for placement in observation.candidates:
            servers = frozenset(part.node for part in placement if part.node != task.source)
            found = CheapestOfArm(placement, estimate.of(placement))
            if found.estimate_ns < choices.get(servers, CheapestOfArm(placement, inf)).estimate_ns:
                choices[servers] = found
        if not choices:
            return observation.candidates[0]
        servers = self._choose(observation, choices)
        self._in_flight[task.source, task.kind.name, task.number] = ArmInFlight(choices[servers], servers)
        self._commitments.add(observation.now_ns, estimate.visits(choices[servers].placement))
        return choices[servers].placement

    def hear(self, ended: EndedTask) -> None:
        """Learn from the cost of a task that has ended where it was placed."""
        task = ended.task
        found = self._in_flight.pop((task.source, task.kind.name, task.number), None)
        if found is None or found.choice.placement != ended.placement:
            return
        arm = (task.source, task.kind.name, found.servers)
        ratio = ended.cost_s * NS_PER_S / max(found.choice.estimate_ns, 1.0)
        if self._residual(arm).add(log(max(ratio, SMALLEST_RATIO))):
            self.alarms.append((ended.end_ns, arm))

    def _choose(self, observation: Observation, choices: Mapping[Servers, CheapestOfArm]) -> Servers:
        """Return the servers with the least index, or some at random."""
        task, arms = observation.task, list(choices)
        key = draw_key(self._seed, task.source, f"servers of {task.kind.name}")
        if uniform(key, task.number, 0, 0) < self._random_share:
            return arms[int(uniform(key, task.number, 0, 1) * len(arms))]
        residuals = [self._residual((task.source, task.kind.name, servers)) for servers in arms]
        counts = [self._prior + residual.count for residual in residuals]
        plays = log1p(sum(counts))

        def index(servers: Servers, residual: SelfStartingCusum, count: float) -> float:
            mean = residual.mean * residual.count / count
            return choices[servers].estimate_ns * exp(mean - self._exploration * sqrt(2 * plays / count))

        indices = [index(*each) for each in zip(arms, residuals, counts, strict=True)]
        return arms[indices.index(min(indices))]

    def _residual(self, arm: Arm) -> SelfStartingCusum:
        if arm not in self._residuals:
            self._residuals[arm] = SelfStartingCusum(self._drift, self._threshold)
        return self._residuals[arm]
