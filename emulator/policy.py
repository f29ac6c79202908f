"""The interfaces of what decides (`Policy`) and of what carries the decision out (`Compute`, `Backend`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from emulator.ended_task import EndedTask
from emulator.record import Records
from emulator.task import Partition, Placement, Task

EngineName = Literal["compiled", "simpy"]  # of the two engines of the simulation
Hear = Callable[[EndedTask], None]


class Observation(Protocol):
    """What the deciding node knows when a task arrives, never newer than it can have heard."""

    task: Task
    now_ns: int
    age_ns: int
    candidates: Sequence[Placement]

    def rate_bps(self, source: str, target: str) -> float:
        """Return the lowest measured rate on the route, as last heard; infinite if both are one node, 0 without
        coverage."""

    def delay_ns(self, source: str, target: str) -> int:
        """Return the sum of the propagation delays on the route."""

    def backlog_ns(self, node: str) -> int:
        """Return how long the device's queue would still take, as last heard."""

    def backlog_age_ns(self, node: str) -> int:
        """Return how old `backlog_ns` of the device is: `age_ns`, and 0 for the controller's own device."""

    def service_ns(self, node: str, first: int, stop: int, tokens: int, context: int) -> int:
        """Return the time that layers `first` up to, not including, `stop` of the task's model take at the node, by
        the profile: for a pass of `tokens` tokens that each attend to `context` positions (an image: 1 and 0)."""

    def quality_s(self, source: str, partition: Partition) -> float:
        """Return the expected cost in seconds of what the task's answer loses in quality if a partition takes its
        activation from `source`: by its codec, and by the losses of the route as last heard. 0 where the scenario's
        cost does not count the quality of the task's kind."""

    def energy_s(self, node: str) -> float:
        """Return the cost of the energy of computing at a node for a second, in seconds; 0 where the scenario's cost
        does not count energy."""

    def energy_ns_per_byte(self, source: str, target: str) -> float:
        """Return the cost of the energy that a byte takes on the route, in ns: at the rate of each link, as last heard.
        0 where the scenario's cost does not count energy; infinite without coverage."""


class Policy(Protocol):
    """Anything with this one method can decide; a scenario names a user's own as `module:Class`. If it has an attribute
    `decision_ns`, each decision takes so long (`decision_ns_of`). If it has a method `hear`, it is a `LearningPolicy`.
    """

    def decide(self, observation: Observation) -> Placement:
        """Return where the observed task's layers run: one of `observation.candidates`, or any other placement."""


class LearningPolicy(Policy, Protocol):
    """A policy that learns while it runs."""

    def hear(self, ended: EndedTask) -> None:
        """Take a task that has ended.

        A task ends when its result is at the source, or when it fails. The control node hears of that
        `observation_age_ms` later, as of everything that happens elsewhere; but of its own tasks' results at once. Just
        before each decision the policy is told all that the control node has heard before that instant and the policy
        has not been told yet, once each: in the order in which the node heard it, then of the ends, then of the
        system's streams, then of the tasks' numbers. So it never hears of tasks that end after its last decision.
        """


def hear_of(policy: Policy) -> Hear | None:
    """Return the method by which the policy hears of ended tasks; None if it has none."""
    hear: Hear | None = getattr(policy, "hear", None)
    return hear


def require_policy(what: str, value: object) -> None:
    """Raise ValueError, which begins with `what`, unless a value is an object that can decide."""
    if isinstance(value, type):
        raise ValueError(f"{what}: must be an object, not the class {value.__name__}")
    if not callable(getattr(value, "decide", None)):
        raise ValueError(f"{what}: must be a policy's name or have a method decide(observation)")


def decision_ns_of(policy: Policy) -> int:
    """Return how long a decision of the policy takes: a task begins its first leg so long after it was observed."""
    return int(getattr(policy, "decision_ns", 0))


class Decision(NamedTuple):
    """A task, where its layers run, and how long it took to decide that."""

    task: Task
    placement: Placement
    decision_ns: int = 0


class RecordingPolicy:
    """Decides as another policy does and keeps its decisions, so that another backend can carry out the same."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.decision_ns = decision_ns_of(policy)
        self.hear = hear_of(policy)
        self.decisions: list[Decision] = []  # in the order of arrival

    def decide(self, observation: Observation) -> Placement:
        """Return the decision of the other policy."""
        placement = self._policy.decide(observation)
        self.decisions.append(Decision(observation.task, placement, self.decision_ns))
        return placement


class Execution(NamedTuple):
    """What running a task's partitions took: `service_ns[k][i]` for pass k on partition i.

    `compute` says how it is known: `modelled`, `measured`, or `mixed` (prefill measured, decode
    from measured layer times). A `failure` is the reason why there are no times. `workers`: the worker that ran
    each partition, none if the times are modelled. `quality_loss`: that of the answer, measured where nothing was lost
    between the workers; None if it was not measured.
    """

    service_ns: Sequence[Sequence[int]]
    compute: str
    attempts: int = 1
    failure: str | None = None
    workers: Sequence[str] = ()
    quality_loss: float | None = None


class Compute(Protocol):
    """Runs the partitions of a task for real (or replays such a run) and says what they took."""

    def execute(self, task: Task, placement: Placement) -> Execution:
        """Return when every partition has run, or none can."""


LITTLE_LIMIT = 1e-9  # of `Totals.little_error`; both sides count whole nanoseconds


@dataclass(frozen=True)
class Totals:
    """A run in numbers. `elapsed_ns`: until the last task ended. `occupancy_mean`: of the number of tasks in the
    system. `little_error`: relative difference between the sum of all sojourns and that of their recorded parts.
    `device_energy_j`: of each device, computing and idle; `device_radio_j`: sending and receiving tasks' messages."""

    tasks: int
    elapsed_ns: int
    occupancy_mean: float
    little_error: float
    device_energy_j: dict[str, float]
    device_radio_j: dict[str, float]


class Backend(Protocol):
    """Carries out a policy's decisions: in simulation, in emulation or on a testbed."""

    def run(self, policy: Policy, label: str, records: Records) -> Totals:
        """Run all tasks under `policy`, its rows recorded under `label`."""
