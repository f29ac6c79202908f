"""The quickstart's placement decision is not trivial: evaluated from links and devices alone, for each task in
isolation on an empty system with a known channel."""

from collections import Counter, defaultdict
from functools import cache
from itertools import chain, product
from pathlib import Path
from statistics import fmean

import pytest

from emulator.link import Link
from emulator.simulation.isolated_task import sojourn_ns
from emulator.simulation.network import Network
from emulator.system import System
from emulator.task import Placement, Task, describe
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
    for tokens, context in steps:
        for node, first, stop, _ in placement:
            if where != node:
                now_ns = send(network, where, node, now_ns, size)
            now_ns += network.devices[node].service_ns(model.name, first, stop, tokens, context)
            where, size = node, (4 + model.layers[stop - 1].activation_elements) * tokens  # int8: a scale, a byte each
        size = TOKEN_ID_BYTES
    if where != task.source:
        result = task.kind.result_bytes if image else task.output_tokens * TOKEN_ID_BYTES
        now_ns = send(network, where, task.source, now_ns, result)
    return now_ns - task.arrival_ns


def pattern(source: str, placement: Placement) -> str:
    """Return a placement with the source's name replaced by `ue`, as in a fixed split."""
    return describe(tuple(part._replace(node="ue" if part.node == source else part.node) for part in placement))


@cache
def delays(seed: int) -> dict[str, list[dict[str, int]]]:
    """Return the delays of all candidate placements, by task kind, for each task."""
    system = system_of(seed)
    network = Network(system)
    found = defaultdict(list)
    for stream in system.streams:
        places = system.placements[stream.source, stream.kind.name]
        for task in stream.tasks(system.seed, system.duration_ns):
            found[stream.kind.name].append(
                {pattern(stream.source, place): delay_ns(network, task, place) for place in places}
            )
    return dict(found)


@pytest.mark.parametrize("seed", SEEDS)
def test_optimum_uses_at_least_three_placements_and_a_split(seed: int) -> None:
    tasks = [(kind, task) for kind, many in delays(seed).items() for task in many]
    chosen = Counter((kind, min(task, key=task.__getitem__)) for kind, task in tasks)
    common = [place for (_, place), times in chosen.items() if times >= 0.1 * len(tasks)]
    assert len(common) >= 3
    assert any("|" in place for place in common)


@pytest.mark.parametrize("seed", SEEDS)
def test_best_fixed_split_is_at_least_five_per_cent_worse(seed: int) -> None:
    by_kind = delays(seed)
    optimum = fmean(min(task.values()) for many in by_kind.values() for task in many)
    sums = [{place: sum(task[place] for task in many) for place in many[0]} for many in by_kind.values()]
    tasks = sum(map(len, by_kind.values()))
    fixed = min(sum(together) / tasks for together in product(*(kind.values() for kind in sums)))
    assert fixed >= 1.05 * optimum


def test_full_precision_activations_leave_one_useful_cut() -> None:
    """In fp32 only the last pool's activation of AlexNet is smaller than the photograph."""
    image = system_of(1).kinds["image"]
    smaller = {
        codec: [
            layer.name
            for cut, layer in enumerate(image.model.layers[:8], 1)
            if image.model.activation_bytes(cut, 1, codec) < image.input_bytes
        ]
        for codec in ("int8", "fp32")
    }
    assert smaller == {"int8": ["pool1", "pool2", "conv4", "conv5", "pool5"], "fp32": ["pool5"]}


def test_no_ue_can_hold_the_whole_image_model() -> None:
    for (source, kind), places in system_of(1).placements.items():
        whole = any(len(place) == 1 and place[0].node == source for place in places)
        assert whole == (kind == "text")


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
    assert roles == {"ue": 3, "gnb": 1, "edge": 2, "cloud": 1}
    assert system.duration_ns == 60_000_000_000
    assert {kind.model.family for kind in system.kinds.values()} == {"vision", "causal_lm"}
