"""Policies that give the last measurement to an exact solver. All assume that observed rates hold and nothing waits.

A block is what lies between two neighbouring cuts of the candidates, a place is a node that any candidate uses.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from itertools import groupby, pairwise
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from agents.solvers.device_subsets import PipelineCosts, latency_pipeline
from agents.solvers.single_cut import latency_cut
from agents.solvers.solution import FloatArray, Infeasible, Solution
from agents.solvers.viterbi import ChainCosts, cheapest_path
from agents.split_inference.exact import Estimate
from emulator.policy import Observation
from emulator.system import System
from emulator.task import Partition, Placement, Task
from topologies.build.candidates import split


class Choices(NamedTuple):
    """What candidates are made of: nodes, the layers of each block (first, stop), codecs of the activations, and the
    candidates themselves."""

    nodes: tuple[str, ...]
    blocks: tuple[tuple[int, int], ...]
    codecs: tuple[str, ...]
    allowed: frozenset[Placement]

    def placement(self, path: Sequence[int], codec: str) -> Placement:
        """Return the placement with block m at the node of number `path[m]`."""
        parts = []
        for place, group in groupby(zip(path, self.blocks, strict=True), key=lambda each: each[0]):
            spans = [span for _, span in group]
            first = spans[0][0]
            parts.append(Partition(self.nodes[place], first, spans[-1][1], codec if first else ""))
        return tuple(parts)


def choices_of(candidates: Sequence[Placement]) -> Choices:
    """Return what candidates are made of, in order of appearance."""
    parts = [part for placement in candidates for part in placement]
    edges = sorted({0, *(part.stop for part in parts)})
    codecs = dict.fromkeys(part.codec for part in parts if part.first) or {"": None}
    nodes = dict.fromkeys(part.node for part in parts)
    return Choices(tuple(nodes), tuple(pairwise(edges)), tuple(codecs), frozenset(candidates))


class BlockCosts(NamedTuple):
    """Estimated costs in ns of M blocks at K places, with all activations in one codec. `computing[m, k]`, shape
    (M, K). `handovers[m, j, k]` of block m's input from place j to k, shape (M, K, K); of block 0 from the source,
    whatever j is. `returns[f, k]` of the way back if the first block is at place f and the last at k, shape (K, K)."""

    computing: FloatArray
    handovers: FloatArray
    returns: FloatArray

    def entry(self, place: int) -> FloatArray:
        """Return the cost of the input at a place, infinite at all others, shape (K,)."""
        found = np.full(len(self.returns), np.inf)
        found[place] = self.handovers[0, 0, place]
        return found


def block_costs(observation: Observation, choices: Choices, codec: str) -> BlockCosts:
    """Return the costs of a task's blocks."""
    estimate, nodes = Estimate(observation), choices.nodes
    parts = [[Partition(node, *span, codec if span[0] else "") for node in nodes] for span in choices.blocks]
    source = observation.task.source
    handovers = [
        [
            [0.0 if start == part.node else estimate.handover_ns(start, part) for part in row]
            for start in (nodes if row[0].first else [source] * len(nodes))
        ]
        for row in parts
    ]
    computing = [[estimate.computing_ns(part) for part in row] for row in parts]
    returns = [[estimate.return_ns(node, first) for node in nodes] for first in parts[0]]
    return BlockCosts(np.array(computing), np.array(handovers), np.array(returns))


class Priced(NamedTuple):
    """A placement and its estimated cost."""

    cost_ns: float
    placement: Placement


class _SolverPolicy(ABC):
    """Chooses the cheapest of the placements that a solver finds for each codec; the first candidate if there is none,
    for instance without coverage. The solver's problem is divided by places."""

    def __init__(self) -> None:
        self._choices: dict[tuple[str, str], tuple[Sequence[Placement], Choices]] = {}

    def decide(self, observation: Observation) -> Placement:
        """Return the cheapest placement."""
        found = self.best(observation, self._choices_of(observation))
        return observation.candidates[0] if found is None else found.placement

    def best(self, observation: Observation, choices: Choices) -> Priced | None:
        """Return the cheapest placement of the blocks on the nodes of `choices`; None if the solver finds none."""
        found: list[Priced] = []
        for codec in choices.codecs:
            costs = block_costs(observation, choices, codec)
            for place in range(len(choices.nodes)):
                with suppress(Infeasible):
                    path, value, _ = self._solve(observation.task, choices, costs, place, codec)
                    found.append(Priced(value, choices.placement(path, codec)))
        return min(found, key=attrgetter("cost_ns"), default=None)

    @abstractmethod
    def _solve(self, task: Task, choices: Choices, costs: BlockCosts, place: int, codec: str) -> Solution:
        """Return the cheapest of the paths that are counted to a place. Raises Infeasible if there is none."""

    def _choices_of(self, observation: Observation) -> Choices:
        stream = (observation.task.source, observation.task.kind.name)
        candidates, choices = self._choices.get(stream, ((), None))
        if choices is None or candidates is not observation.candidates:
            choices = choices_of(observation.candidates)
            self._choices[stream] = (observation.candidates, choices)
        return choices


class SingleCut(_SolverPolicy):
    """Chooses the best candidate with at most one cut, between the source and one other node, as Neurosurgeon does
    (Kang et al., ASPLOS 2017)."""

    def _solve(self, task: Task, choices: Choices, costs: BlockCosts, place: int, codec: str) -> Solution:
        local = choices.nodes.index(task.source) if task.source in choices.nodes else place
        device = costs.computing[:, local] if local != place else np.full(len(choices.blocks), np.inf)
        device = np.append(device[:-1], np.inf)  # the whole model at the source is counted to the source
        upload = costs.handovers[:, local, place] + costs.returns[local, place]
        upload[0] = costs.handovers[0, place, place] + costs.returns[place, place]
        node, layers = choices.nodes[place], choices.blocks[-1][1]
        cuts = [split(task.source, node, first, layers, codec) for first, _ in choices.blocks]
        upload[[cut not in choices.allowed for cut in cuts]] = np.inf
        found = latency_cut(device, costs.computing[:, place], upload)
        return found._replace(placement=tuple(place if away else local for away in found.placement))


class Viterbi(_SolverPolicy):
    """Chooses the cheapest path over all places, each as often as it pays (Li et al., IEEE TMC 23(10), 2024), whatever
    memory it needs. Paths are counted to the place of the first block, to which each token of the output returns."""

    def _solve(self, task: Task, choices: Choices, costs: BlockCosts, place: int, codec: str) -> Solution:
        entry = costs.entry(place)
        return cheapest_path(ChainCosts.checked(costs.computing, costs.handovers[1:], entry, costs.returns[place]))


class DeviceSubsets(_SolverPolicy):
    """Chooses the cheapest path that uses each place at most once, for layers that fit its memory (the setting of
    PipeEdge and EdgeShard). Takes time in proportion to 2^places. Paths are counted as in `Viterbi`."""

    def __init__(self, system: System) -> None:
        super().__init__()
        self._memories = {node.name: node.device.memory_bytes for node in system.nodes.values() if node.device}

    def _solve(self, task: Task, choices: Choices, costs: BlockCosts, place: int, codec: str) -> Solution:
        weights = [task.kind.model.weight_bytes(*block) for block in choices.blocks]
        memories = [self._memories[node] for node in choices.nodes]
        entry = costs.entry(place)
        return latency_pipeline(
            PipelineCosts.checked(costs.computing, costs.handovers, entry, costs.returns[place], weights, memories)
        )
