"""Compare the exact choice with an enumeration of all candidates, without the solver's code."""

import math
from dataclasses import replace
from itertools import combinations, pairwise, permutations

import numpy as np
import pytest

from agents.split_inference.exact import Estimate, ExactOnLastMeasurement
from emulator.link import Link
from emulator.simulation.isolated_task import sojourn_ns
from emulator.simulation.network import Network
from emulator.simulation.observation import DelayedObservation
from emulator.system import LinkSpec
from emulator.task import Partition, Placement, Task, TaskKind, describe, passes
from emulator.trace import constant
from tests.agents.observations import FixedObservation, random_observation
from tests.agents.systems import CHAT, IMAGE, small_system
from tests.emulator.systems import input_bytes, result_bytes

NODES = ("ue1", "edge1", "edge2", "cloud")


def all_placements(layers: int) -> list[Placement]:
    """Every division into runs of layers on nodes that differ, all activations in each codec."""
    found: list[Placement] = []
    for parts in range(1, len(NODES) + 1):
        for nodes in permutations(NODES, parts):
            for cuts in combinations(range(1, layers), parts - 1):
                edges = (0, *cuts, layers)
                for codec in ("", "int4") if cuts else ("",):
                    spans = zip(nodes, edges, edges[1:], strict=False)
                    found.append(tuple(Partition(*span, codec if span[1] else "") for span in spans))
    return found


def brute_force_ns(seen: FixedObservation, placement: Placement) -> float:
    """Walk every pass; only the first one meets the backlogs. Then add what the answer loses in quality, and what is
    drawn."""
    task, drawn = seen.task, 0.0
    now, place, carried = 0.0, task.source, input_bytes(task)

    def move(target: str, size: int) -> None:
        nonlocal now, place, drawn
        if target != place and size:
            drawn += size * seen.energy_ns_per_byte(place, target)
            now += size * 8e9 / seen.rate_bps(place, target) + seen.delay_ns(place, target)
        place = target

    steps = passes(task)
    for number, (tokens, context) in enumerate(steps):
        for node, first, stop, codec in placement:
            if first:
                elements = task.kind.model.layers[first - 1].activation_elements
                scales_and_halves = 2 * math.ceil(elements / 32) + math.ceil(elements / 2)
                carried = tokens * (scales_and_halves if codec == "int4" else 4 + elements)
            move(node, carried)
            if number == 0:
                now = max(now, seen.backlog_ns(node))
            service_ns = seen.service_ns(node, first, stop, tokens, context)
            now += service_ns
            drawn += seen.energy_s(node) * service_ns
        carried = 4
    move(task.source, result_bytes(task))
    cuts = [(a.node, b) for a, b in pairwise(placement)]
    return now + drawn + sum(seen.quality_s(source, partition) for source, partition in cuts) * 1e9


@pytest.mark.parametrize("kind", [IMAGE, CHAT], ids=["image", "chat"])
def test_exact_is_the_least_of_all_placements(kind: TaskKind) -> None:
    rng = np.random.default_rng(11)
    places = all_placements(4)
    chosen = set()
    for number in range(60):
        lengths = (0, 0) if kind is IMAGE else tuple(int(each) for each in rng.integers(1, 30, 2))
        task = Task("ue1", kind, number, 0, *lengths)
        some = [places[i] for i in sorted(rng.choice(len(places), 40, replace=False))]
        seen = random_observation(rng, task, NODES, some)
        least = min(brute_force_ns(seen, place) for place in some)
        choice = ExactOnLastMeasurement().decide(seen)  # a new one: its decisions before count
        # services of later passes are summed in closed form: each pass rounds to whole ns by itself
        assert brute_force_ns(seen, choice) == pytest.approx(least, rel=1e-9, abs=8 * max(1, task.output_tokens))
        chosen.add(describe(choice))
    assert len(chosen) > 15


def test_exact_takes_the_first_of_equal_candidates() -> None:
    seen = FixedObservation(
        Task("ue1", IMAGE, 0, 0),
        [(Partition(node, 0, 4),) for node in ("edge1", "edge2")],
        dict.fromkeys([("ue1", "edge1"), ("ue1", "edge2"), ("edge1", "ue1"), ("edge2", "ue1")], 1000000.0),
        dict.fromkeys([("ue1", "edge1"), ("ue1", "edge2"), ("edge1", "ue1"), ("edge2", "ue1")], 5),
        speeds={"edge1": 1.0, "edge2": 1.0},
    )
    assert ExactOnLastMeasurement().decide(seen) == seen.candidates[0]
    seen.candidates = seen.candidates[::-1]
    assert ExactOnLastMeasurement().decide(seen) == seen.candidates[0]


def test_tasks_of_one_stale_observation_are_shared_among_servers() -> None:
    pairs = [("ue1", "edge1"), ("ue1", "edge2"), ("edge1", "ue1"), ("edge2", "ue1")]
    seen = FixedObservation(
        Task("ue1", IMAGE, 0, 0),
        [(Partition(node, 0, 4),) for node in ("edge1", "edge2")],
        dict.fromkeys(pairs, 1e9),
        dict.fromkeys(pairs, 5),
        speeds={"edge1": 1.0, "edge2": 1.0},
        age_ns=10**9,
    )
    policy = ExactOnLastMeasurement()
    nodes = [policy.decide(seen)[0].node for _ in range(6)]
    assert nodes == ["edge1", "edge2"] * 3
    seen.now_ns += 10**10  # by now all are done, and the observation says so
    assert policy.decide(seen)[0].node == "edge1"


def test_a_dead_link_is_avoided() -> None:
    seen = FixedObservation(
        Task("ue1", IMAGE, 0, 0),
        [(Partition("edge1", 0, 4),), (Partition("ue1", 0, 4),)],
        {("ue1", "edge1"): 0.0, ("edge1", "ue1"): 0.0},
        {("ue1", "edge1"): 0, ("edge1", "ue1"): 0},
        speeds={"edge1": 1e9, "ue1": 1e-3},
    )
    assert ExactOnLastMeasurement().decide(seen) == seen.candidates[1]


def test_estimate_is_exact_with_one_slow_hop_and_constant_rates() -> None:
    system = small_system(ues=1)
    traces = {True: constant(8e6), False: constant(1e15)}
    links = tuple(
        LinkSpec(link.source, link.target, traces["ue1" in (link.source, link.target)], link.delay_ns)
        for link in system.links
    )
    network = Network(replace(system, links=links))
    for task in (Task("ue1", IMAGE, 0, 10**9), Task("ue1", CHAT, 0, 10**9, 17, 9)):
        candidates = system.placements["ue1", task.kind.name]
        estimate = Estimate(DelayedObservation(task, task.arrival_ns, network, candidates))
        rounding_ns = 10 * len(passes(task))  # each hop and each service ends on a whole nanosecond
        for placement in candidates:
            truth_ns = sojourn_ns(network, task, placement, Link.earliest_ns)
            assert estimate.of(placement) == pytest.approx(truth_ns, rel=0, abs=rounding_ns)
