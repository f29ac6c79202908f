"""A contextual bandit over candidates, that learns how far estimated costs are from those that tasks have."""

from typing import NamedTuple

import numpy as np

from agents.online.features import contexts_of, prior_of
from agents.online.linear_bandit import LinearBandit
from agents.split_inference.commitments import Commitments
from agents.split_inference.encoding import servers_of
from agents.split_inference.exact import Estimate
from emulator.core.arrays import Floats
from emulator.core.units import NS_PER_S
from emulator.ended_task import EndedTask
from emulator.policy import Observation
from emulator.system import System
from emulator.task import Placement


class Pending(NamedTuple):
    """A decision whose task has not ended, as far as is known: its placement, features, and their scale."""

    placement: Placement
    context: Floats
    scale_ns: float


class LinUcb:
    """Chooses the candidate with the least lower confidence bound of its cost: the least `mean - alpha * width` of a
    `LinearBandit`, one for each kind of task; of equals, the first.

    A bandit begins with the estimates of `exact` and learns a factor for each of their parts and an offset for each
    server. Costs are relative to the least estimate of their task, so that short and long tasks have equal weight. The
    candidates' parts change from task to task with what is observed, so that nothing is drawn at random.
    """

    def __init__(self, system: System, alpha: float, discount: float, ridge: float) -> None:
        """`discount` and `ridge` are those of `LinearBandit`."""
        self._alpha, self._discount, self._ridge = alpha, discount, ridge
        self._servers = servers_of(system)
        self._bandits: dict[str, LinearBandit] = {}
        self._pending: dict[tuple[str, str, int], Pending] = {}
        self._commitments = Commitments()

    def decide(self, observation: Observation) -> Placement:
        """Return the chosen candidate; the first one without coverage for any."""
        task, estimate = observation.task, Estimate(observation, self._commitments)
        found = contexts_of(estimate, task.source, observation.candidates, self._servers)
        if found is None:
            return observation.candidates[0]
        bandit = self._bandit(task.kind.name)
        covered = np.flatnonzero(np.isfinite(found.rows).all(axis=1))
        rows = found.rows[covered]
        best = int(covered[np.argmin(bandit.means(rows) - self._alpha * bandit.widths(rows))])
        placement = observation.candidates[best]
        self._pending[task.source, task.kind.name, task.number] = Pending(placement, found.rows[best], found.scale_ns)
        self._commitments.add(observation.now_ns, estimate.visits(placement))
        return placement

    def hear(self, ended: EndedTask) -> None:
        """Learn from the cost of a task that has ended where it was placed."""
        task = ended.task
        pending = self._pending.pop((task.source, task.kind.name, task.number), None)
        if pending is not None and pending.placement == ended.placement:
            self._bandit(task.kind.name).learn(pending.context, ended.cost_s * NS_PER_S / pending.scale_ns)

    def _bandit(self, kind: str) -> LinearBandit:
        if kind not in self._bandits:
            self._bandits[kind] = LinearBandit(prior_of(self._servers), self._ridge, self._discount)
        return self._bandits[kind]
