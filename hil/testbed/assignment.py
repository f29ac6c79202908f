"""Which worker stands for which node, and every move of a node from one worker to another. Pure but for
the log, which says each move once."""

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from hil.testbed.ledger import choose_workers

LOG = logging.getLogger("airsplit.coordinator")


class Move(NamedTuple):
    """From the workers' task number `task` on (the first has 1), a node's partitions of `models` run on
    `worker` and no more on `former`, and what they take is that worker's time; `reason` says why."""

    task: int
    node: str
    former: str
    worker: str
    models: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        """One line, for reports."""
        what = ", ".join(self.models)
        return f"{self.node}: {self.worker} instead of {self.former} from task {self.task} on ({what}; {self.reason})"


class Assignment:
    """A node is at its home while that worker lives and takes the model's layers; away from home it
    stays where it is for as long as it can, and goes home when its worker comes back."""

    def __init__(self, homes: Mapping[str, str], models: Mapping[str, Iterable[str]]) -> None:
        """The worker and the models of each node."""
        self.homes = dict(homes)
        self.moves: list[Move] = []
        self._worker_of = {model: dict(homes) for each in models.values() for model in each}
        self._models = {node: tuple(sorted(each)) for node, each in models.items()}
        self._unfit: dict[str, set[str]] = {}  # by model: the workers that refused its layers

    def refuse(self, worker: str, model: str) -> None:
        """A worker does not take a model's layers; from now on it is asked for them no more."""
        self._unfit.setdefault(model, set()).add(worker)

    def unfit(self, model: str) -> Collection[str]:
        """The workers that have refused a model's layers."""
        return self._unfit.get(model, set())

    def assign(self, task: int, model: str, nodes: Iterable[str], live: Collection[str]) -> dict[str, str] | None:
        """The worker of each node for a task; None when no worker is left."""
        worker_of, unfit = self._worker_of[model], self.unfit(model)
        able = set(live) - set(unfit)
        wished = {node: home if home in able else worker_of[node] for node, home in self.homes.items()}
        placed = choose_workers(nodes, wished, live, unfit)
        for node, worker in (placed or {}).items():
            if worker != worker_of[node]:
                self._move(task, node, model, worker, live)
        return placed

    def _move(self, task: int, node: str, model: str, worker: str, live: Collection[str]) -> None:
        former = self._worker_of[model][node]
        if former in live and former in self.unfit(model):
            models = [model]
            reason = f"{former} refuses"
            said = f"worker {former}: refuses {model}; {node} runs it on {worker} from now on"
        else:
            together = (each for each in self._models[node] if self._worker_of[each][node] == former)
            models = [each for each in together if worker not in self.unfit(each)]
            who, what = (worker, "back") if former in live else (former, "lost")
            reason, said = f"{who} {what}", f"worker {who}: {what}; {node} runs on {worker} from now on"
        for each in models:
            self._worker_of[each][node] = worker
        self.moves.append(Move(task, node, former, worker, tuple(models), reason))
        LOG.warning("%s", said)
