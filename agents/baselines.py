"""Policies without learning: the baselines that learned policies are compared with."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from emulator.core.draws import uniform
from emulator.core.files import atomic_write
from emulator.core.randomness import draw_key
from emulator.core.shortest_paths import ShortestPaths
from emulator.policy import Observation
from emulator.system import System
from emulator.task import Placement, parse
from topologies.build.candidates import split


class Random:
    """Chooses each candidate with equal probability. The draw depends on the task only."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._keys: dict[tuple[str, str], int] = {}

    def decide(self, observation: Observation) -> Placement:
        """Return one of the candidates."""
        task, candidates = observation.task, observation.candidates
        stream = (task.source, task.kind.name)
        if stream not in self._keys:
            self._keys[stream] = draw_key(self._seed, task.source, f"random placement of {task.kind.name}")
        return candidates[int(uniform(self._keys[stream], task.number, 0, 0) * len(candidates))]


class AllDevice:
    """Runs all layers at the source, or as many as any candidate has there if memory does not allow all."""

    def decide(self, observation: Observation) -> Placement:
        """Return the first candidate with the most layers at the source."""
        source = observation.task.source
        return max(observation.candidates, key=lambda placement: _layers_at(source, placement))


class AllEdge:
    """Runs all layers at the edge server with the least propagation delay from the source, among those that can hold
    them all. The sources take equally near servers in turn."""

    def __init__(self, system: System) -> None:
        """Raises ValueError if no edge server can hold some kind's model."""
        self._whole: dict[tuple[str, str], Placement] = {}
        paths = ShortestPaths([(link.source, link.target) for link in system.links])
        sources = list(dict.fromkeys(source for source, _ in system.placements))
        for (source, kind), candidates in system.placements.items():
            whole = _whole_at(candidates)
            delays_ns = {
                node: sum(system.links[row].delay_ns for row in paths.path_through(system.broker, source, node))
                for node in edge_servers(system)
                if node in whole
            }
            if not delays_ns:
                raise ValueError(f"all-edge: {system.kinds[kind].model.name} must fit an edge server")
            nearest = [node for node, delay_ns in delays_ns.items() if delay_ns == min(delays_ns.values())]
            self._whole[source, kind] = whole[nearest[sources.index(source) % len(nearest)]]

    def decide(self, observation: Observation) -> Placement:
        """Return the candidate with one partition at that server."""
        return self._whole[observation.task.source, observation.task.kind.name]


class Split(NamedTuple):
    """Layers before `cut` run at the source, the others at `node`; `codec` of the activation, empty for the default."""

    cut: int
    node: str
    codec: str = ""


class FixedSplit:
    """Runs the layers before a cut at the source and the others at one node; `splits` by kind."""

    def __init__(self, splits: Mapping[str, Split]) -> None:
        self._splits = dict(splits)

    def decide(self, observation: Observation) -> Placement:
        """Return the kind's split, even if it is no candidate. Raises ValueError for a kind without one."""
        task = observation.task
        if task.kind.name not in self._splits:
            raise ValueError(f"splits: must name {task.kind.name}")
        cut, node, codec = self._splits[task.kind.name]
        default = task.kind.codecs[0]
        return split(task.source, node, cut, len(task.kind.model.layers), "" if codec == default else codec)


class Greedy:
    """Runs the whole model at the server with the least observed backlog, the first of equals: the greedy baseline of
    Li et al., IEEE TMC 23(10), 2024."""

    def decide(self, observation: Observation) -> Placement:
        """Return a candidate with one partition, not at the source; if there is none, the first candidate."""
        whole = _whole_at(observation.candidates)
        servers = [node for node in whole if node != observation.task.source]
        return whole[min(servers, key=observation.backlog_ns)] if servers else observation.candidates[0]


class Replay:
    """Repeats stored decisions, by (source, kind, task number); `path` names their file in messages."""

    def __init__(self, decisions: Mapping[tuple[str, str, int], Placement], path: Path) -> None:
        self._decisions = dict(decisions)
        self._path = path

    def decide(self, observation: Observation) -> Placement:
        """Return the stored decision. Raises ValueError for a task without one."""
        task = observation.task
        try:
            return self._decisions[task.source, task.kind.name, task.number]
        except KeyError:
            name = f"{task.source} {task.kind.name} {task.number}"
            raise ValueError(f"{self._path}: must hold a decision for task {name}") from None


def load_decisions(path: Path) -> dict[tuple[str, str, int], Placement]:
    """Read a file with one JSON object per line: {"source", "kind", "task", "placement"}.

    Raises ValueError with file, line and rule.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: must be text in UTF-8 ({error.reason} at byte {error.start})") from error
    decisions = {}
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            decisions[str(row["source"]), str(row["kind"]), int(row["task"])] = parse(row["placement"])
        except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise ValueError(
                f"{path}: line {number}: must be a JSON object with source, kind, task and placement ({reason})"
            ) from error
    return decisions


def save_decisions(path: Path, decisions: Iterable[tuple[str, str, int, str]]) -> None:
    """Write a file for `load_decisions` from (source, kind, task number, placement as text)."""
    rows = (dict(zip(("source", "kind", "task", "placement"), row, strict=True)) for row in decisions)
    with atomic_write(path) as partial:
        partial.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def edge_servers(system: System) -> list[str]:
    """Return the nodes with role `edge`, in the system's order."""
    return [node.name for node in system.nodes.values() if node.role == "edge"]


def _layers_at(node: str, placement: Placement) -> int:
    return sum(part.stop - part.first for part in placement if part.node == node)


def _whole_at(candidates: Sequence[Placement]) -> dict[str, Placement]:
    """Return the candidates with one partition, by its node."""
    return {placement[0].node: placement for placement in candidates if len(placement) == 1}
