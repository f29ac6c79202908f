"""Published policies choose what their papers' formulas say, by enumeration on random observations."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from agents.published.neurosurgeon import LayerRegression
from agents.registry import make_policy
from emulator.core.units import NS_PER_MS
from emulator.device import layer_times
from emulator.legs import first_leg, result_leg
from emulator.system import DeviceSpec, LayerTimes, System
from emulator.task import Partition, Pass, Placement, Task, check_placement
from emulator.workload import Periodic, Stream
from tests.agents.observations import FixedObservation, random_observation
from tests.agents.online.slowed import known_system, run_policy
from tests.agents.systems import CHAT, CONVNET, IMAGE, LLAMA, SERVERS, candidates_of, small_system

NODES = ("ue1", *SERVERS)
LAYERS = len(CONVNET.layers)
CANDIDATES = candidates_of("ue1", IMAGE, SERVERS)
SYSTEM = small_system()


@dataclass
class CodedObservation(FixedObservation):
    """What is lost depends on the codec too."""

    losses_by_codec_s: dict[tuple[int, str], float] = field(default_factory=dict)

    def quality_s(self, source: str, partition: Partition) -> float:
        return self.losses_by_codec_s[partition.first, partition.codec]


def observation_of(rng: np.random.Generator, number: int = 0, arrival_ns: int = 0) -> FixedObservation:
    return random_observation(rng, Task("ue1", IMAGE, number, arrival_ns), NODES, CANDIDATES)


def in_default_codec() -> list[Placement]:
    """The single cuts with activations in the first codec."""
    return [each for each in CANDIDATES if len(each) <= 2 and not each[-1].codec]


def sent_ns(seen: FixedObservation, source: str, part: Partition) -> float:
    """The time of the input of a partition over its route."""
    if source == part.node:
        return 0.0
    size_bytes = first_leg(IMAGE, 0, source, part).size_bytes(0, 0)
    return size_bytes * 8e9 / seen.rate_bps(source, part.node) + seen.delay_ns(source, part.node)


def returned_ns(seen: FixedObservation, node: str) -> float:
    if node == "ue1":
        return 0.0
    size_bytes = result_leg(IMAGE, 0, node, "ue1").size_bytes(0, 0)
    return size_bytes * 8e9 / seen.rate_bps(node, "ue1") + seen.delay_ns(node, "ue1")


def computed_ns(seen: FixedObservation, part: Partition) -> int:
    return seen.service_ns(part.node, part.first, part.stop, 1, 0)


# Neurosurgeon


def test_the_regression_is_exact_for_a_roofline() -> None:
    device = DeviceSpec(20e9, 2**30, 5e9, 1e9, 30_000)
    regression = LayerRegression.fitted(device, (CONVNET, LLAMA))
    assert regression.constant_ns == pytest.approx(30_000, abs=1)
    assert (regression.flop_ns, regression.byte_ns) == pytest.approx((1 / 20, 1 / 5), rel=1e-4)
    visit = [Pass(20, 10), Pass(1, 21)]
    expected_ns = sum(
        30_000 + layer.weight_bytes / 5 + (each.tokens * (layer.flops + each.context * layer.context_flops)) / 20
        for each in visit
        for layer in LLAMA.layers[1:3]
    )
    assert regression.time_ns(LLAMA, 1, 3, visit) == pytest.approx(expected_ns, rel=1e-4)


def test_the_regression_has_the_least_squares_of_measured_times() -> None:
    """No other coefficients near it have less."""
    rng = np.random.default_rng(1)
    times = LayerTimes(tuple(rng.integers(1, 9_000_000, LAYERS).tolist()), (0,) * LAYERS, (0,) * LAYERS)
    device = DeviceSpec(20e9, 2**30, 5e9, 1e9, 30_000, measured={"convnet": times})
    models = (CONVNET, LLAMA)
    best = LayerRegression.fitted(device, models)

    def squares(regression: LayerRegression) -> float:
        found = 0.0
        for model in models:
            measured = layer_times(device, model)
            for place, layer in enumerate(model.layers):
                predicted = (regression.constant_ns + regression.flop_ns * layer.flops
                             + regression.byte_ns * layer.weight_bytes)  # fmt: skip
                found += (predicted - measured.fixed_ns[place] - measured.token_ns[place]) ** 2
        return found

    for name in LayerRegression._fields:
        for factor in (0.999, 1.001):
            assert squares(best._replace(**{name: getattr(best, name) * factor})) > squares(best)


@pytest.mark.parametrize("objective", ["latency", "energy"])
def test_neurosurgeon_minimises_its_formula(objective: str) -> None:
    rng = np.random.default_rng(2)
    ue = SYSTEM.nodes["ue1"].device
    assert ue is not None
    radio = replace(SYSTEM.nodes["ue1"], device=replace(ue, busy_power_w=0.5, transmit_power_w=20.0))
    system = replace(SYSTEM, nodes={**SYSTEM.nodes, "ue1": radio})
    policy = make_policy("neurosurgeon", {"objective": objective}, system)
    specs = {name: node.device for name, node in system.nodes.items() if node.device is not None}
    chosen = Counter[int]()
    for _ in range(100):
        seen = observation_of(rng)

        def predicted(placement: Placement, seen: FixedObservation = seen) -> float:
            times_ns = [sum(
                layer_times(specs[part.node], CONVNET).fixed_ns[m] + layer_times(specs[part.node], CONVNET).token_ns[m]
                for m in range(part.first, part.stop)
            ) for part in placement]  # fmt: skip
            own_ns = sum(times_ns[:-1]) if placement[-1].node != "ue1" else sum(times_ns)
            up_ns = sent_ns(seen, "ue1", placement[-1])
            if objective == "energy":
                return own_ns * specs["ue1"].busy_power_w + up_ns * specs["ue1"].transmit_power_w
            if placement[-1].node == "ue1":
                return own_ns
            return max(own_ns + up_ns, seen.backlog_ns(placement[-1].node)) + times_ns[-1]

        found = policy.decide(seen)
        assert predicted(found) == pytest.approx(min(map(predicted, in_default_codec())), rel=1e-4)
        chosen[len(found) + (found[0].node == "ue1")] += 1
    assert len(chosen) > 1


# DADS


def stages_ns(seen: FixedObservation, placement: Placement) -> tuple[float, float, float]:
    own_ns = sum(computed_ns(seen, part) for part in placement if part.node == "ue1")
    away_ns = sum(computed_ns(seen, part) for part in placement if part.node != "ue1")
    return own_ns, sent_ns(seen, "ue1", placement[-1]) + returned_ns(seen, placement[-1].node), away_ns


def test_dads_has_the_least_sum_or_if_that_is_too_slow_the_shortest_stage() -> None:
    rng = np.random.default_rng(3)
    modes = Counter[str]()
    for gap_ms in (5, 50, 500) * 20:
        policy = make_policy("dads", {}, SYSTEM)
        policy.decide(observation_of(rng))
        seen = observation_of(rng, 1, gap_ms * NS_PER_MS)
        found = policy.decide(seen)
        least_sum = min(in_default_codec(), key=lambda each: sum(stages_ns(seen, each)))
        light = max(stages_ns(seen, least_sum)) <= gap_ms * NS_PER_MS
        if light:
            assert sum(stages_ns(seen, found)) == pytest.approx(sum(stages_ns(seen, least_sum)))
        else:
            shortest = min(max(stages_ns(seen, each)) for each in in_default_codec())
            assert max(stages_ns(seen, found)) == pytest.approx(shortest)
            modes["differs"] += sum(stages_ns(seen, found)) > sum(stages_ns(seen, least_sum)) * 1.001
        modes["light" if light else "heavy"] += 1
    assert all(modes[name] > 0 for name in ("light", "heavy", "differs"))


def test_dads_finishes_more_in_time_than_the_minimum_cut_under_heavy_load(tmp_path: Path) -> None:
    """The fastest way for one task keeps the UE's uplink or processor busy for longer than the time between two."""
    system = known_system(20.0)
    weak = system.nodes["edge1"].device
    assert weak is not None
    servers = {name: replace(system.nodes[name], device=replace(weak, compute_flops_per_s=12e9)) for name in SERVERS}
    stream = Stream("ue1", IMAGE, Periodic(70 * NS_PER_MS))
    system = replace(system, nodes={**system.nodes, **servers}, streams=(stream,))
    means = [
        float(np.mean([row["sojourn_ns"] for row in run_policy(tmp_path, system, make_policy(name, {}, system))]))
        for name in ("dads", "min-cut")
    ]
    assert means[0] < 0.5 * means[1]


# Edgent


def test_edgent_loses_the_least_quality_among_what_meets_the_deadline() -> None:
    """Of the candidates with a cut, so that there is something to lose."""
    cut_once = [each for each in CANDIDATES if len(each) == 2]
    rng = np.random.default_rng(4)
    outcomes = Counter[str]()
    for _ in range(150):
        drawn = observation_of(rng)
        losses_s = {(cut, codec): float(rng.integers(0, 4)) for cut in range(1, LAYERS) for codec in ("", "int4")}
        values = {name: getattr(drawn, name) for name in FixedObservation.__dataclass_fields__}
        seen = CodedObservation(**values, losses_by_codec_s=losses_s)
        seen.candidates = cut_once
        found = make_policy("edgent", {}, SYSTEM).decide(seen)

        def facts(placement: Placement, seen: CodedObservation = seen) -> tuple[float, float]:
            away = placement[-1]
            return (seen.quality_s("ue1", away) if away.first else 0.0), sum(stages_ns(seen, placement))

        cuts = [facts(each) for each in cut_once]
        in_time = [each for each in cuts if each[1] <= IMAGE.deadline_ns]
        expected = min(in_time) if in_time else (facts(found)[0], min(delay_ns for _, delay_ns in cuts))
        assert facts(found) == pytest.approx(expected)
        outcomes["in time" if in_time else "late"] += 1
        outcomes["lossy"] += facts(found)[0] > 0
    assert all(outcomes[name] > 0 for name in ("in time", "late", "lossy"))


# Even and random placement of blocks


def with_memory(node: str, memory_bytes: int) -> System:
    device = SYSTEM.nodes[node].device
    assert device is not None
    changed = replace(SYSTEM.nodes[node], device=replace(device, memory_bytes=memory_bytes))
    return replace(SYSTEM, nodes={**SYSTEM.nodes, node: changed})


def nodes_of(placement: Placement) -> Sequence[str]:
    return [part.node for part in placement for _ in range(part.first, part.stop)]


def test_even_split_gives_each_place_as_many_blocks() -> None:
    """Four blocks on four places; without the one that cannot hold its share, four on three."""
    seen = observation_of(np.random.default_rng(5))
    assert nodes_of(make_policy("even-split", {}, SYSTEM).decide(seen)) == list(NODES)
    system = with_memory("edge1", 69_999)  # conv2 has 70,000 bytes
    assert nodes_of(make_policy("even-split", {}, system).decide(seen)) == ["ue1", "ue1", "edge2", "cloud"]


def test_random_blocks_go_to_each_place_equally_often_and_depend_on_the_task_alone() -> None:
    seen = [observation_of(np.random.default_rng(6), number) for number in range(4_000)]
    policy = make_policy("random-blocks", {}, SYSTEM)
    placements = [policy.decide(each) for each in seen]
    for block in range(LAYERS):
        counts = Counter(nodes_of(placement)[block] for placement in placements)
        deviation = np.sqrt(4_000 * 0.25 * 0.75)
        assert all(abs(counts[node] - 1_000) < 4 * deviation for node in NODES)
    again = make_policy("random-blocks", {}, SYSTEM)
    assert [again.decide(each) for each in reversed(seen)] == placements[::-1]


def test_random_blocks_fit_the_memory() -> None:
    system = with_memory("edge1", 100_000)
    policy = make_policy("random-blocks", {}, system)
    placements = [policy.decide(observation_of(np.random.default_rng(7), number)) for number in range(300)]
    held = [
        sum(CONVNET.weight_bytes(part.first, part.stop) for part in each if part.node == "edge1") for each in placements
    ]
    assert 0 < max(held) <= 100_000


@pytest.mark.parametrize(
    "name", ["neurosurgeon", "dads", "edgent", "even-split", "random-blocks", "linucb", "cusum-ucb"]
)
def test_all_decide_in_a_run_with_images_and_texts(name: str, tmp_path: Path) -> None:
    system = small_system(duration_s=3.0)
    rows = run_policy(tmp_path, system, make_policy(name, {}, system))
    assert {row["kind"] for row in rows} == {"image", "chat"}
    assert all(row["outcome"] != "failed" for row in rows)
    policy = make_policy(name, {}, system)
    task = Task("ue1", CHAT, 0, 0, 30, 12)
    candidates = candidates_of("ue1", CHAT, SERVERS)
    check_placement(policy.decide(random_observation(np.random.default_rng(8), task, NODES, candidates)), CHAT)
