"""The quickstart's decision is not trivial: evaluated from links, devices and quality tables alone, for each task in
isolation on an empty system with a known channel. A choice is a placement with a codec."""

from collections import Counter, defaultdict
from functools import cache
from itertools import chain, product
from pathlib import Path
from statistics import fmean

import pyarrow.compute as pc
import pytest

from agents.split_inference.bound import bounds
from airsplit.simulation_result import simulate
from emulator.activation.codecs import CODECS
from emulator.link import Link
from emulator.simulation.isolated_task import sojourn_ns
from emulator.simulation.network import Network
from emulator.system import System
from emulator.task import Placement, Task, describe, parse
from topologies.build import build
from topologies.loading.loader import load

PATH = Path(__file__).parents[2] / "topologies" / "quickstart.yaml"
SEEDS = (1, 2, 5)
TOKEN_ID_BYTES = 4


@cache
def system_of(seed: int) -> System:
    return build(load(PATH, seed=seed), PATH.parent)


def send(network: Network, source: str, target: str, now_ns: int, size_bytes: int) -> int:
    for link in network.route(source, target):
        link.reset()
        delivery = link.enqueue(now_ns, size_bytes)
        assert delivery is not None
        now_ns = delivery.arrival_ns
    return now_ns


def delay_ns(network: Network, task: Task, placement: Placement) -> int:
    """Return the delay of a task: an image passes all partitions once; a text passes them for its prompt and then for
    each token, whose id returns to the first partition; all ids return to the source."""
    model, now_ns = task.kind.model, task.arrival_ns
    image = model.family == "vision"
    steps = [(1, 0)] if image else [(task.prompt_tokens, task.prompt_tokens // 2)]
    steps += [(1, task.prompt_tokens + k) for k in range(1, task.output_tokens)]
    where, size = task.source, task.kind.input_bytes if image else task.prompt_tokens * TOKEN_ID_BYTES
    codec = CODECS[codec_of(placement)]
    for tokens, context in steps:
        for node, first, stop, _ in placement:
            if where != node:
                now_ns = send(network, where, node, now_ns, size)
            now_ns += network.devices[node].service_ns(model.name, first, stop, tokens, context)
            where, size = node, codec.size_bytes(model.layers[stop - 1].activation_elements, tokens)
        size = TOKEN_ID_BYTES
    if where != task.source:
        result = task.kind.result_bytes if image else task.output_tokens * TOKEN_ID_BYTES
        now_ns = send(network, where, task.source, now_ns, result)
    return now_ns - task.arrival_ns


def codec_of(placement: Placement) -> str:
    return placement[-1].codec or "int8"


def cost_s(network: Network, task: Task, placement: Placement) -> float:
    """Return the delay, and what the codec costs by the quality table at the weight of the task's kind."""
    system, kind = network.system, task.kind.name
    losses = (max(0.0, system.quality[kind].loss(part.first, codec_of(placement))) for part in placement[1:])
    return delay_ns(network, task, placement) * 1e-9 + system.cost.quality_s[kind] * sum(losses)


def pattern(source: str, placement: Placement) -> str:
    """Return a placement with the source's name replaced by `ue`, as in a fixed split."""
    return describe(tuple(part._replace(node="ue" if part.node == source else part.node) for part in placement))


@cache
def costs(seed: int) -> dict[str, list[dict[str, float]]]:
    """Return the costs of all candidates in seconds, by task kind, for each task."""
    system = system_of(seed)
    network = Network(system)
    found = defaultdict(list)
    for stream in system.streams:
        places = system.placements[stream.source, stream.kind.name]
        for task in stream.tasks(system.seed, system.duration_ns):
            found[stream.kind.name].append(
                {pattern(stream.source, place): cost_s(network, task, place) for place in places}
            )
    return dict(found)


def shares(chosen: list[tuple[str, Placement]]) -> tuple[dict[str, float], dict[str, float]]:
    """Return how many of all tasks have each choice (source, placement), and how many send activations in each
    codec."""
    places = Counter(pattern(source, place) for source, place in chosen)
    codecs = Counter(codec_of(place) for _, place in chosen if len(place) > 1)
    return {name: n / len(chosen) for name, n in places.items()}, {name: n / len(chosen) for name, n in codecs.items()}


def require_variety(chosen: list[tuple[str, Placement]]) -> None:
    places, codecs = shares(chosen)
    assert sum(share >= 0.1 for share in places.values()) >= 3, places
    assert sum(share >= 0.1 for share in codecs.values()) >= 2, codecs
    assert any("|" in place and share >= 0.1 for place, share in places.items())


@pytest.mark.parametrize("seed", SEEDS)
def test_optimum_uses_at_least_three_placements_and_two_codecs(seed: int) -> None:
    require_variety([("ue", parse(min(task, key=task.__getitem__))) for many in costs(seed).values() for task in many])


@pytest.mark.parametrize("seed", SEEDS)
def test_bound_and_exact_policy_use_at_least_three_placements_and_two_codecs(seed: int) -> None:
    system = system_of(seed)
    require_variety([(row["source"], parse(row["placement"])) for row in bounds(system).to_pylist()])
    tasks = simulate(system, "exact").tasks
    require_variety([(source, parse(place)) for source, place in zip(tasks["source"], tasks["placement"], strict=True)])


@pytest.mark.parametrize("seed", SEEDS)
def test_every_fixed_choice_is_at_least_five_per_cent_worse(seed: int) -> None:
    """Tries each pair of a choice for images and one for texts."""
    by_kind = costs(seed)
    optimum = fmean(min(task.values()) for many in by_kind.values() for task in many)
    sums = [{place: sum(task[place] for task in many) for place in many[0]} for many in by_kind.values()]
    tasks = sum(map(len, by_kind.values()))
    fixed = min(sum(together) / tasks for together in product(*(kind.values() for kind in sums)))
    assert fixed >= 1.05 * optimum
    assert pc.mean(bounds(system_of(seed))["bound_s"]).as_py() <= optimum  # grants take no time in the bound


def test_best_choice_for_images_depends_on_the_rate_of_the_uplink() -> None:
    """Photographs are sent over faster uplinks than activations, and those in int8 over faster ones than in int4."""
    system = system_of(1)
    network = Network(system)
    rates: dict[str, list[float]] = defaultdict(list)
    for stream in system.streams:
        if stream.kind.name != "image":
            continue
        places = system.placements[stream.source, "image"]
        for task in stream.tasks(system.seed, system.duration_ns):
            costs_of = {place: cost_s(network, task, place) for place in places}
            best = min(costs_of, key=costs_of.__getitem__)
            sent_ns = send(network, stream.source, "gnb", task.arrival_ns, 20_000) - task.arrival_ns
            rates["photograph" if len(best) == 1 else codec_of(best)].append(20_000 * 8e9 / sent_ns)
    assert fmean(rates["photograph"]) > fmean(rates["int8"]) > fmean(rates["int4"])


def test_coarser_codecs_leave_smaller_cuts() -> None:
    """In fp32 few of EfficientNet's activations are smaller than the photograph, in int8 and int4 most."""
    image = system_of(1).kinds["image"]
    cuts = system_of(1).quality["image"].cuts
    smaller = {
        codec: [cut for cut in cuts if image.model.activation_bytes(cut, 1, codec) < image.input_bytes / 2]
        for codec in ("int4", "int8", "fp32")
    }
    assert smaller["int4"] == list(cuts)
    assert set(smaller["fp32"]) < set(smaller["int8"]) < set(smaller["int4"])


def test_no_ue_can_hold_a_whole_model_and_the_accelerator_no_whole_text_model() -> None:
    for (source, kind), places in system_of(1).placements.items():
        whole = {place[0].node for place in places if len(place) == 1}
        assert source not in whole
        assert ("edge1" in whole) == (kind == "image")


def test_delays_agree_with_the_emulators_isolated_task() -> None:
    """Compares some candidates of each kind, on new links."""
    system = system_of(1)
    network = Network(system)

    def new(link: Link, now_ns: int, size_bytes: int) -> int:
        delivery = Link.standalone(link.spec, system.seed).enqueue(now_ns, size_bytes)
        assert delivery is not None
        return delivery.arrival_ns

    for stream in system.streams[::2]:
        task = next(stream.tasks(system.seed, system.duration_ns))
        for place in system.placements[stream.source, stream.kind.name][::5]:
            assert delay_ns(network, task, place) == sojourn_ns(network, task, place, new)


def test_hil_duration_has_enough_tasks() -> None:
    """At least 100 tasks arrive in the part that runs on workers."""
    scenario = load(PATH)
    assert scenario.hil is not None
    assert len(scenario.hil.policies) == 2
    assert 3 <= len(scenario.hil.workers) <= 4
    for seed in SEEDS:
        system = system_of(seed)
        arrived = chain.from_iterable(
            stream.tasks(seed, int(scenario.hil.duration_s * 1e9)) for stream in system.streams
        )
        assert sum(1 for _ in arrived) >= 100


def test_scenario_has_its_nodes_duration_and_models() -> None:
    system = system_of(1)
    roles = Counter(node.role for node in system.nodes.values())
    assert roles == {"ue": 6, "gnb": 1, "edge": 2, "cloud": 1}
    assert system.duration_ns == 60_000_000_000
    assert {kind.model.family for kind in system.kinds.values()} == {"vision", "causal_lm"}
