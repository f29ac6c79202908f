"""What the coordinator knows of workers and tasks, as a state that events change: `apply(state, event)`.

Pure: no network, no clock. A task is open from `Begun` until it is done or given up, and then counted
once; whatever arrives of an attempt that is over changes nothing but the count of what was ignored.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

MAX_ATTEMPTS = 3
WORKER_LOST = "worker lost"

Condition = Literal["running", "broken", "done"]


class Online(NamedTuple):
    """A worker is there; another incarnation than before has forgotten everything."""

    worker: str
    incarnation: int


class Offline(NamedTuple):
    """A worker is gone, by its last will or because it does not answer."""

    worker: str


class Begun(NamedTuple):
    """An attempt at a task starts, stage i on `workers[i]`."""

    task: int
    attempt: int
    workers: tuple[str, ...]


class Reported(NamedTuple):
    """A stage has run; its output had left the worker before."""

    task: int
    attempt: int
    stage: int
    service_ns: int


class Answered(NamedTuple):
    """The last stage's output has arrived."""

    task: int
    attempt: int


class Broken(NamedTuple):
    """An attempt cannot go on: a worker says so."""

    task: int
    attempt: int
    reason: str


class Closed(NamedTuple):
    """Nobody asks about a task any more: it is done, or given up."""

    task: int


LedgerEvent = Online | Offline | Begun | Reported | Answered | Broken | Closed


@dataclass(frozen=True)
class Attempt:
    """The latest attempt at a task: which stages have reported what, whether the answer is there, and
    why it is broken if it is."""

    number: int
    workers: tuple[str, ...]
    service_ns: Mapping[int, int] = field(default_factory=dict)
    answered: bool = False
    broken: str = ""

    @property
    def condition(self) -> Condition:
        """`done` once every stage has reported and the answer is there; `broken` ends an attempt before."""
        if self.answered and len(self.service_ns) == len(self.workers):
            return "done"
        return "broken" if self.broken else "running"

    @property
    def waiting_for(self) -> str:
        """The worker whose turn it is, as far as is known."""
        silent = [worker for stage, worker in enumerate(self.workers) if stage not in self.service_ns]
        return silent[0] if silent else self.workers[-1]


@dataclass(frozen=True)
class Ledger:
    """Live workers (with their incarnation), open tasks, and what became of the others: at any time
    every task ever begun is either open, done or given up."""

    live: Mapping[str, int] = field(default_factory=dict)
    open: Mapping[int, Attempt] = field(default_factory=dict)
    done: int = 0
    given_up: int = 0
    ignored: int = 0


def apply(ledger: Ledger, event: LedgerEvent) -> Ledger:
    """The state after an event."""
    match event:
        case Online(worker, incarnation):
            if worker in ledger.live and ledger.live[worker] != incarnation:
                ledger = apply(ledger, Offline(worker))  # it was gone in between, unnoticed
            return replace(ledger, live={**ledger.live, worker: incarnation})
        case Offline(worker):
            live = {name: incarnation for name, incarnation in ledger.live.items() if name != worker}
            # A stage that has reported needs its worker no more: its output left before its report.
            tasks = {
                task: replace(attempt, broken=WORKER_LOST) if worker in _needed(attempt) else attempt
                for task, attempt in ledger.open.items()
            }
            return replace(ledger, live=live, open=tasks)
        case Begun(task, number, workers):
            gone = any(worker not in ledger.live for worker in workers)
            return replace(
                ledger, open={**ledger.open, task: Attempt(number, workers, broken=WORKER_LOST if gone else "")}
            )
        case Closed(task):
            return _close(ledger, task)
        case Reported() | Answered() | Broken():
            return _advance(ledger, event)


def _needed(attempt: Attempt) -> set[str]:
    return {worker for stage, worker in enumerate(attempt.workers) if stage not in attempt.service_ns}


def _advance(ledger: Ledger, event: Reported | Answered | Broken) -> Ledger:
    attempt = ledger.open.get(event.task)
    if attempt is None or attempt.number != event.attempt or attempt.condition != "running":
        return replace(ledger, ignored=ledger.ignored + 1)
    match event:
        case Reported(_, _, stage, service_ns):
            if stage in attempt.service_ns or stage >= len(attempt.workers):
                return replace(ledger, ignored=ledger.ignored + 1)
            attempt = replace(attempt, service_ns={**attempt.service_ns, stage: service_ns})
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
    """The worker of each node: its home while that lives and is fit, otherwise the other worker that is
    home to the fewest nodes (the first by name among equals). None when no worker is left."""
    able = sorted(worker for worker in live if worker not in unfit)
    if not able:
        return None
    guests = {worker: sum(home == worker for home in homes.values()) for worker in able}
    placed = {}
    for node in dict.fromkeys(nodes):
        home = homes[node]
        if home not in guests:
            home = min(able, key=lambda worker: (guests[worker], worker))
            guests[home] += 1
        placed[node] = home
    return placed
