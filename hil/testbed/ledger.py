"""The coordinator's state of workers and tasks, changed only by `apply(ledger, event)`.

Pure: no network, no clock. A task is open from `Begun` to `Closed` and is then counted once, as done or given up.
Events of an attempt that is over only increase the count of ignored events.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

MAX_ATTEMPTS = 3
WORKER_LOST = "worker lost"
BROKER_LOST = "broker lost"

Condition = Literal["running", "broken", "done"]


class Online(NamedTuple):
    """A worker is online; a new incarnation has lost all state."""

    worker: str
    incarnation: int


class Offline(NamedTuple):
    """A worker is offline, by its status, its last will, or a timeout."""

    worker: str


class Begun(NamedTuple):
    """An attempt at a task starts, with stage i on `workers[i]`; without `workers` if none is left."""

    task: int
    attempt: int
    workers: tuple[str, ...]


class Reported(NamedTuple):
    """A stage has run, and its output was sent before this report."""

    task: int
    attempt: int
    stage: int


class Answered(NamedTuple):
    """The last stage's output has arrived."""

    task: int
    attempt: int


class Broken(NamedTuple):
    """A worker reports that an attempt cannot continue."""

    task: int
    attempt: int
    reason: str


class BrokerLost(NamedTuple):
    """The connection to the broker has ended, and with it all messages under way. Nothing is known of the workers."""


class Closed(NamedTuple):
    """A task is over: done or given up."""

    task: int


LedgerEvent = Online | Offline | Begun | Reported | Answered | Broken | BrokerLost | Closed


@dataclass(frozen=True)
class Attempt:
    """The latest attempt at a task: the stages that have reported, whether the result has arrived, and the reason if
    the attempt is broken."""

    number: int
    workers: tuple[str, ...]
    reported: frozenset[int] = frozenset()
    answered: bool = False
    broken: str = ""

    @property
    def awaited(self) -> tuple[str, ...]:
        """The workers that the attempt still needs, by stage: those of stages that have not reported, and the last
        worker until the result has arrived. A stage that has reported does not need its worker any more: the worker
        sent the stage's output before the report."""
        last = len(self.workers) - 1
        return tuple(
            worker
            for stage, worker in enumerate(self.workers)
            if stage not in self.reported or (stage == last and not self.answered)
        )

    @property
    def condition(self) -> Condition:
        """`done` once every stage has reported and the result has arrived; `broken` if a failure came first."""
        if self.broken:
            return "broken"
        return "running" if self.awaited else "done"


@dataclass(frozen=True)
class Ledger:
    """Live workers with their incarnations, the latest attempts at open tasks, and counts. At any time every task ever
    begun is either open, done or given up."""

    live: Mapping[str, int] = field(default_factory=dict)
    open: Mapping[int, Attempt] = field(default_factory=dict)
    done: int = 0
    given_up: int = 0
    ignored: int = 0


def apply(ledger: Ledger, event: LedgerEvent) -> Ledger:
    """Return the ledger after an event."""
    match event:
        case Online(worker, incarnation):
            if worker in ledger.live and ledger.live[worker] != incarnation:
                ledger = apply(ledger, Offline(worker))  # it restarted without a notice
            return replace(ledger, live={**ledger.live, worker: incarnation})
        case Offline(worker):
            live = {name: incarnation for name, incarnation in ledger.live.items() if name != worker}
            tasks = {
                task: replace(attempt, broken=WORKER_LOST) if worker in attempt.awaited else attempt
                for task, attempt in ledger.open.items()
            }
            return replace(ledger, live=live, open=tasks)
        case Begun(task, number, workers):
            runs = bool(workers) and ledger.live.keys() >= set(workers)
            attempt = Attempt(number, workers, broken="" if runs else WORKER_LOST)
            return replace(ledger, open={**ledger.open, task: attempt})
        case BrokerLost():
            tasks = {
                task: replace(attempt, broken=BROKER_LOST) if attempt.condition == "running" else attempt
                for task, attempt in ledger.open.items()
            }
            return replace(ledger, open=tasks)
        case Closed(task):
            return _close(ledger, task)
        case Reported() | Answered() | Broken():
            return _advance(ledger, event)


def _advance(ledger: Ledger, event: Reported | Answered | Broken) -> Ledger:
    attempt = ledger.open.get(event.task)
    if attempt is None or attempt.number != event.attempt or attempt.condition != "running":
        return replace(ledger, ignored=ledger.ignored + 1)
    match event:
        case Reported(_, _, stage):
            if stage in attempt.reported or stage >= len(attempt.workers):
                return replace(ledger, ignored=ledger.ignored + 1)
            attempt = replace(attempt, reported=attempt.reported | {stage})
        case Answered():
            attempt = replace(attempt, answered=True)
        case Broken(_, _, reason):
            attempt = replace(attempt, broken=reason)
    return replace(ledger, open={**ledger.open, event.task: attempt})


def _close(ledger: Ledger, task: int) -> Ledger:
    if task not in ledger.open:
        return replace(ledger, ignored=ledger.ignored + 1)
    done = ledger.open[task].condition == "done"
    rest = {number: attempt for number, attempt in ledger.open.items() if number != task}
    return replace(ledger, open=rest, done=ledger.done + done, given_up=ledger.given_up + (not done))


def choose_workers(
    nodes: Iterable[str], homes: Mapping[str, str], live: Collection[str], unfit: Collection[str]
) -> dict[str, str] | None:
    """Return the worker of each node: its home if that is live and fit, otherwise the live worker with the fewest nodes
    (ties: the first by name). Return None if no worker is left."""
    able = sorted(worker for worker in live if worker not in unfit)
    if not able:
        return None
    node_count = {worker: sum(home == worker for home in homes.values()) for worker in able}
    placed = {}
    for node in dict.fromkeys(nodes):
        home = homes[node]
        if home not in node_count:
            home = min(able, key=lambda worker: (node_count[worker], worker))
            node_count[home] += 1
        placed[node] = home
    return placed
