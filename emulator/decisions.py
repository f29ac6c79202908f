"""What a policy decided, kept: so that another backend can carry out the same."""

from typing import NamedTuple

from emulator.policy import Observation, Policy
from emulator.task import Placement, Task


class Decision(NamedTuple):
    """A task, and where its layers run."""

    task: Task
    placement: Placement


class Noted:
    """A policy that decides as `policy` does; `decisions` are those so far, in the order of arrival."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.decisions: list[Decision] = []

    def decide(self, observation: Observation) -> Placement:
        """What the other policy decides."""
        placement = self._policy.decide(observation)
        self.decisions.append(Decision(observation.task, placement))
        return placement
