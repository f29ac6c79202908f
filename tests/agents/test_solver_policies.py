"""Solvers as policies: where a solver's problem is that of `exact`, both choose placements of equal estimated cost."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise, permutations, product

import numpy as np
import pytest

from agents.registry import make_policy
from agents.split_inference.exact import Estimate, ExactOnLastMeasurement
from airsplit import simulate
from emulator.policy import Policy
from emulator.system import System
from emulator.task import Partition, Placement, Task, TaskKind, check_placement, describe
from tests.agents.observations import FixedObservation
from tests.agents.systems import CHAT, IMAGE, candidates_of, small_system
from topologies.build.candidates import coded

NODES = ("ue1", "edge1", "edge2", "cloud")
LAYERS = 4
SOLVERS = ("single-cut", "min-cut", "viterbi", "device-subsets")


def merged(path: Sequence[str]) -> Placement:
    """The placement with layer m at the node `path[m]`."""
    starts = [m for m in range(len(path)) if m == 0 or path[m] != path[m - 1]]
    return tuple(Partition(path[start], start, stop) for start, stop in pairwise([*starts, len(path)]))


def in_codecs(placements: Sequence[Placement]) -> list[Placement]:
    return [coded(each, codec) for each in placements for codec in (("", "int4") if len(each) > 1 else ("",))]


def with_memories(system: System, memories: dict[str, int]) -> System:
    nodes = dict(system.nodes)
    for name, memory_bytes in memories.items():
        device = nodes[name].device
        assert device is not None
        nodes[name] = replace(nodes[name], device=replace(device, memory_bytes=memory_bytes))
    return replace(system, nodes=nodes)


def fits(placement: Placement, kind: TaskKind, memories: dict[str, int]) -> bool:
    used = dict.fromkeys(NODES, 0)
    for part in placement:
        used[part.node] += kind.model.weight_bytes(part.first, part.stop)
    return all(used[node] <= memories[node] for node in NODES)


def once_each(kind: TaskKind, memories: dict[str, int]) -> list[Placement]:
    """All placements that use each node at most once and fit the memories."""
    found = []
    for parts in range(1, len(NODES) + 1):
        for nodes, inner in product(permutations(NODES, parts), combinations(range(1, LAYERS), parts - 1)):
            spans = pairwise((0, *inner, LAYERS))
            placement = tuple(Partition(node, *span) for node, span in zip(nodes, spans, strict=True))
            if fits(placement, kind, memories):
                found.append(placement)
    return in_codecs(found)


@dataclass
class LayeredObservation(FixedObservation):
    """Each node has a speed of its own for each layer."""

    layer_speeds: dict[str, list[float]] = field(default_factory=dict)  # flops per ns

    def service_ns(self, node: str, first: int, stop: int, tokens: int, context: int) -> int:
        layers, speeds = self.task.kind.model.layers, self.layer_speeds[node]
        return sum(
            round(tokens * (layers[m].flops + context * layers[m].context_flops) / speeds[m])
            for m in range(first, stop)
        )


def idle_observation(rng: np.random.Generator, task: Task, candidates: Sequence[Placement]) -> LayeredObservation:
    """Empty queues, and links that are fast enough for several cuts to pay."""
    pairs = [(a, b) for a in NODES for b in NODES if a != b]
    return LayeredObservation(
        task,
        candidates,
        {pair: float(10 ** rng.uniform(7.5, 10)) for pair in pairs},
        {pair: int(rng.integers(1_000_000)) for pair in pairs},
        losses_s={(*pair, cut): float(rng.exponential(0.002)) for pair in pairs for cut in range(1, LAYERS)},
        powers_s={node: float(rng.integers(2) * rng.exponential(1.0)) for node in NODES},
        radios_ns={pair: float(rng.integers(2) * rng.exponential(1.0)) for pair in pairs},
        layer_speeds={node: (10 ** rng.uniform(0, 1.5, LAYERS)).tolist() for node in NODES},
    )


def random_task(rng: np.random.Generator, kind: TaskKind, number: int) -> Task:
    lengths = (0, 0) if kind is IMAGE else tuple(int(each) for each in rng.integers(1, 30, 2))
    return Task("ue1", kind, number, 0, *lengths)


def require_least(policy: Policy, rng: np.random.Generator, task: Task, candidates: Sequence[Placement]) -> str:
    """Require the estimated cost of `exact`'s choice; return the policy's."""
    seen = idle_observation(rng, task, candidates)
    chosen, estimate = policy.decide(seen), Estimate(seen)
    check_placement(chosen, task.kind)
    rounding_ns = 4 * LAYERS * max(1, task.output_tokens)  # each service time is a whole number of ns
    least_ns = estimate.of(ExactOnLastMeasurement().decide(seen))
    assert estimate.of(chosen) == pytest.approx(least_ns, rel=1e-9, abs=rounding_ns)
    return describe(chosen)


@pytest.mark.parametrize("kind", [IMAGE, CHAT], ids=["image", "chat"])
@pytest.mark.parametrize("solver", ["single-cut", "min-cut"])
def test_single_cut_is_the_least_of_candidates_with_one_cut(kind: TaskKind, solver: str) -> None:
    rng = np.random.default_rng(21)
    one_cut = [each for each in candidates_of("ue1", kind, NODES[1:]) if len(each) < 3]
    policy = make_policy(solver, {}, small_system())
    chosen = set()
    for number in range(80):
        some = [one_cut[i] for i in sorted(rng.choice(len(one_cut), int(rng.integers(1, len(one_cut))), replace=False))]
        chosen.add(require_least(policy, rng, random_task(rng, kind, number), some))
    assert len(chosen) > 8


@pytest.mark.parametrize("kind", [IMAGE, CHAT], ids=["image", "chat"])
@pytest.mark.parametrize("limited", [False, True])
def test_viterbi_is_the_least_of_all_paths_that_fit(kind: TaskKind, limited: bool) -> None:
    rng = np.random.default_rng(22)
    whole = kind.model.weight_bytes(0, LAYERS)
    memories = {node: int(whole * share) for node, share in zip(NODES, (0.5, 0.4, 0.8, 0.6), strict=True)}
    memories = memories if limited else dict.fromkeys(NODES, whole)
    paths = [merged(path) for path in product(NODES, repeat=LAYERS)]
    every = in_codecs([each for each in paths if fits(each, kind, memories)])
    assert (len(every) < len(in_codecs(paths))) == limited
    policy = make_policy("viterbi", {}, with_memories(small_system(ues=1), memories))
    chosen = {require_least(policy, rng, random_task(rng, kind, number), every) for number in range(30)}
    assert len(chosen) > 8


@pytest.mark.parametrize("kind", [IMAGE, CHAT], ids=["image", "chat"])
def test_device_subsets_is_the_least_of_paths_that_fit(kind: TaskKind) -> None:
    rng = np.random.default_rng(23)
    chosen = set()
    whole = kind.model.weight_bytes(0, LAYERS)
    for number in range(40):
        memories = {node: int(whole * share) for node, share in zip(NODES, rng.uniform(0.1, 1.5, 4), strict=True)}
        every = once_each(kind, memories)
        if {part.node for each in every for part in each} != set(NODES) or not any(len(each) > 2 for each in every):
            continue
        policy = make_policy("device-subsets", {}, with_memories(small_system(ues=1), memories))
        chosen.add(require_least(policy, rng, random_task(rng, kind, number), every))
    assert len(chosen) > 8


def test_without_coverage_the_first_candidate_is_chosen() -> None:
    rng = np.random.default_rng(24)
    candidates = [(Partition("edge1", 0, LAYERS),), (Partition("edge2", 0, LAYERS),)]
    seen = idle_observation(rng, Task("ue1", IMAGE, 0, 0), candidates)
    seen.rates_bps = dict.fromkeys(seen.rates_bps, 0.0)
    for kind in SOLVERS:
        assert make_policy(kind, {}, small_system(ues=1)).decide(seen) == candidates[0]


def test_a_run_with_solvers_is_complete() -> None:
    system = small_system(ues=1, rate_per_s=1.0)
    tasks = {kind: simulate(system, kind).tasks for kind in (*SOLVERS, "exact")}
    assert tasks["min-cut"]["placement"].tolist() == tasks["single-cut"]["placement"].tolist()
    for rows in tasks.values():
        assert len(rows) == len(tasks["exact"])
        assert set(rows["outcome"]) <= {"done", "missed"}
