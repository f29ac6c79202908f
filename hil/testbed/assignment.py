"""Assign the nodes of a scenario to workers, and move nodes when workers are lost, refuse, or come back.

No network and no clock; each move is logged once.
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from hil.testbed.ledger import choose_workers

LOG = logging.getLogger("airsplit.coordinator")


class Move(NamedTuple):
    """From the workers' task number `task` on (the first is 1), a node's partitions of `models` run on `worker` instead
    of `former`, and are timed there."""

    task: int
    node: str
    former: str
    worker: str
    models: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        """One line, for reports."""
        models = ", ".join(self.models)
        return f"{self.node}: {self.worker} instead of {self.former} from task {self.task} on ({models}; {self.reason})"


class Assignment:
    """The worker of each node. A node runs on its own worker (`homes`) while that is live and takes the model's layers,
    otherwise on one substitute for as long as possible, until its own worker comes back."""

    def __init__(self, homes: Mapping[str, str], models: Mapping[str, Iterable[str]]) -> None:
        """`homes`: the worker declared for each node. `models`: the models that each node runs."""
        self.homes = dict(homes)
        self.moves: list[Move] = []
        self._worker_of = {model: dict(homes) for each in models.values() for model in each}  # by model and node
        self._models = {node: tuple(sorted(each)) for node, each in models.items()}
        self._unfit: dict[str, set[str]] = {}  # by model: the workers that refused its layers

    def refuse(self, worker: str, model: str) -> None:
        """Never assign this worker to this model again: it refused the layers."""
        self._unfit.setdefault(model, set()).add(worker)

    def unfit(self, model: str) -> Collection[str]:
        """Return the workers that have refused a model's layers."""
        return self._unfit.get(model, set())

    def assign(self, task: int, model: str, nodes: Iterable[str], live: Collection[str]) -> dict[str, str] | None:
        """Return the worker of each node for a task, or None if no worker is left."""
        worker_of, unfit = self._worker_of[model], self.unfit(model)
        able = set(live) - set(unfit)
        preferred = {node: home if home in able else worker_of[node] for node, home in self.homes.items()}
        placed = choose_workers(nodes, preferred, live, unfit)
        for node, worker in (placed or {}).items():
            if worker != worker_of[node]:
                self._move(task, node, model, worker, live)
        return placed

    def _move(self, task: int, node: str, model: str, worker: str, live: Collection[str]) -> None:
        former = self._worker_of[model][node]
        if former in live and former in self.unfit(model):
            models = [model]
            reason = f"{former} refuses"
            line = f"worker {former}: refuses {model}; {node} runs it on {worker} from now on"
        else:
            together = (each for each in self._models[node] if self._worker_of[each][node] == former)
            models = [each for each in together if worker not in self.unfit(each)]
            changed, change = (worker, "back") if former in live else (former, "lost")
            reason = f"{changed} {change}"
            line = f"worker {changed}: {change}; {node} runs on {worker} from now on"
        for each in models:
            self._worker_of[each][node] = worker
        self.moves.append(Move(task, node, former, worker, tuple(models), reason))
        LOG.warning("%s", line)
