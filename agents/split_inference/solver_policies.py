"""Policies that give the last measurement to an exact solver. All assume that observed rates hold and nothing waits.

A block is what lies between two neighbouring cuts of the candidates, a place is a node that any candidate uses.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby, pairwise
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from agents.solvers.device_subsets import PipelineCosts, latency_pipeline
from agents.solvers.min_cut import minimum_cut
from agents.solvers.single_cut import latency_cut
from agents.solvers.solution import FloatArray, Infeasible, Solution
from agents.solvers.viterbi import ChainCosts, cheapest_path_within
from agents.split_inference.exact import Estimate
from emulator.core.randomness import generator
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

    def ends(self) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield the costs of the input at each place and of the way back from each, shape (K,), for all first places
        together if the way back does not depend on them, otherwise for one first place at a time."""
        entry = self.handovers[0, 0]
        if np.all(self.returns == self.returns[0]):
            yield entry, self.returns[0]
            return
        for first, leave in enumerate(self.returns):
            yield np.where(np.arange(len(entry)) == first, entry, np.inf), leave


def block_costs(estimate: Estimate, source: str, choices: Choices, codec: str) -> BlockCosts:
    """Return the costs of the blocks of a task from `source`."""
    nodes = choices.nodes
    parts = [[Partition(node, *span, codec if span[0] else "") for node in nodes] for span in choices.blocks]
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
    for instance without coverage. Each stream has the places in an order of its own: of places of equal cost the first
    is taken, and many UEs would meet there, since no solver sees a queue."""

    def __init__(self) -> None:
        self._choices: dict[tuple[str, str], tuple[Sequence[Placement], Choices]] = {}

    def decide(self, observation: Observation) -> Placement:
        """Return the cheapest placement."""
        found = self.best(observation, self._choices_of(observation))
        return observation.candidates[0] if found is None else found.placement

    def best(self, observation: Observation, choices: Choices) -> Priced | None:
        """Return the cheapest placement of the blocks on the nodes of `choices`; None if the solver finds none."""
        estimate, task = Estimate(observation), observation.task
        found: list[Priced] = []
        for codec in choices.codecs:
            costs = block_costs(estimate, task.source, choices, codec)
            for path, value, _ in self._solutions(task, choices, costs, codec):
                found.append(Priced(value, choices.placement(path, codec)))
        return min(found, key=attrgetter("cost_ns"), default=None)

    @abstractmethod
    def _solutions(self, task: Task, choices: Choices, costs: BlockCosts, codec: str) -> Iterator[Solution]:
        """Yield the best paths of parts of the problem, such that the best of all is among them."""

    def _choices_of(self, observation: Observation) -> Choices:
        stream = (observation.task.source, observation.task.kind.name)
        candidates, choices = self._choices.get(stream, ((), None))
        if choices is None or candidates is not observation.candidates:
            choices = choices_of(observation.candidates)
            order = generator(0, " ".join(stream), "order of places").permutation(len(choices.nodes))
            choices = choices._replace(nodes=tuple(choices.nodes[place] for place in order))
            self._choices[stream] = (observation.candidates, choices)
        return choices


class SingleCut(_SolverPolicy):
    """Chooses the best candidate with at most one cut, between the source and one other node, as Neurosurgeon does
    (Kang et al., ASPLOS 2017)."""

    def _divide(self, device: FloatArray, server: FloatArray, upload: FloatArray) -> Solution:
        """Return the best division of the blocks between two places; `upload[m]`: of the cut before block m."""
        return latency_cut(device, server, upload)

    def _solutions(self, task: Task, choices: Choices, costs: BlockCosts, codec: str) -> Iterator[Solution]:
        layers = choices.blocks[-1][1]
        for place, node in enumerate(choices.nodes):
            local = choices.nodes.index(task.source) if task.source in choices.nodes else place
            device = costs.computing[:, local] if local != place else np.full(len(choices.blocks), np.inf)
            device = np.append(device[:-1], np.inf)  # the whole model at the source is found where place is local
            upload = costs.handovers[:, local, place] + costs.returns[local, place]
            upload[0] = costs.handovers[0, place, place] + costs.returns[place, place]
            cuts = [split(task.source, node, first, layers, codec) for first, _ in choices.blocks]
            upload[[cut not in choices.allowed for cut in cuts]] = np.inf
            with suppress(Infeasible):
                found = self._divide(device, costs.computing[:, place], upload)
                yield found._replace(placement=tuple(place if away else local for away in found.placement))


class MinCut(SingleCut):
    """Chooses as `SingleCut`, by the minimum cut of DADS (Hu et al., INFOCOM 2019): the blocks of a run are a chain,
    whose minimum cut is its best single cut."""

    def _divide(self, device: FloatArray, server: FloatArray, upload: FloatArray) -> Solution:
        chain = list(pairwise(range(len(device) + 1)))  # block m is layer m + 1, behind the input
        found = minimum_cut(np.append(0.0, device), np.append(0.0, server), np.append(upload, 0.0), chain)
        return found._replace(placement=found.placement[1:])


class _MemoryPolicy(_SolverPolicy):
    """A solver that is told which blocks fit the memory of which node."""

    def __init__(self, system: System) -> None:
        super().__init__()
        self._memories = {node.name: node.device.memory_bytes for node in system.nodes.values() if node.device}

    def _weights_and_memories(self, task: Task, choices: Choices) -> tuple[list[int], list[int]]:
        """Return the bytes of the blocks' weights and of the nodes' memories."""
        weights = [task.kind.model.weight_bytes(*block) for block in choices.blocks]
        return weights, [self._memories[node] for node in choices.nodes]


class Viterbi(_MemoryPolicy):
    """Chooses the cheapest path over all places, each as often as it pays (Li et al., IEEE TMC 23(10), 2024), in which
    the layers of each place fit its memory together."""

    def _solutions(self, task: Task, choices: Choices, costs: BlockCosts, codec: str) -> Iterator[Solution]:
        weights, memories = self._weights_and_memories(task, choices)
        for entry, leave in costs.ends():
            chain = ChainCosts.checked(costs.computing, costs.handovers[1:], entry, leave)
            with suppress(Infeasible):
                yield cheapest_path_within(chain, weights, memories)


class DeviceSubsets(_MemoryPolicy):
    """Chooses the cheapest path that uses each place at most once, for layers that fit its memory (the setting of
    PipeEdge and EdgeShard). Takes time in proportion to 2^places."""

    def _solutions(self, task: Task, choices: Choices, costs: BlockCosts, codec: str) -> Iterator[Solution]:
        weights, memories = self._weights_and_memories(task, choices)
        for entry, leave in costs.ends():
            problem = PipelineCosts.checked(costs.computing, costs.handovers, entry, leave, weights, memories)
            with suppress(Infeasible):
                yield latency_pipeline(problem)
