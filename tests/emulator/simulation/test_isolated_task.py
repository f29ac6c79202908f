"""A task by itself: the walk of the bound and of the environment, and the simulation's, are one."""

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.legs import legs
from emulator.link import Link
from emulator.record import Records
from emulator.simulation import Simulation
from emulator.simulation.isolated_task import sojourn_ns
from emulator.simulation.network import Network
from emulator.system import LinkSpec, System
from emulator.task import Pass, Task, parse
from emulator.trace import constant
from emulator.workload import Recorded, Stream
from tests.emulator.systems import CHAT, IMAGE, Fixed, pairs, random_system, scatter, simulate, with_stream


def first_message(link: Link, now_ns: int, size_bytes: int) -> int:
    """When a message crosses a link of its own history."""
    delivery = link.enqueue(now_ns, size_bytes)
    assert delivery is not None
    return delivery.arrival_ns


def lossless_and_roomy(system: System) -> System:
    """Nothing fails for want of room, weights are there, and no loss: a task alone is nothing but its walk."""
    nodes = {
        name: replace(node, device=replace(node.device, memory_bytes=2**40, queue_tasks=10)) if node.device else node
        for name, node in system.nodes.items()
    }
    links = tuple(replace(link, queue_bytes=2**40, loss=0.0) for link in system.links)
    everywhere = {
        key: tuple(
            (p,)
            for name in nodes
            if nodes[name].device
            for p in parse(f"{name}:0-{len(system.kinds[key[1]].model.layers)}")
        )
        for key in system.placements
    }
    return replace(system, nodes=nodes, links=links, placements=everywhere, preload=True)


@pytest.mark.parametrize("seed", range(60))
def test_sojourn_alone_equals_the_simulations_of_a_single_task(seed: int, tmp_path: Path) -> None:
    """Any cut anywhere, images and requests, through brokers, ramps and both release rules."""
    kind = (IMAGE, CHAT)[seed % 2]
    arrivals = Recorded((37_123_456 + 1_000 * seed,), (11 + seed,), (2 + seed % 9,))
    if kind is IMAGE:
        arrivals = Recorded(arrivals.arrival_ns)
    system = with_stream(lossless_and_roomy(random_system(seed)), Stream("ue1", kind, arrivals))
    outcome = simulate(system, scatter(system), tmp_path)
    (row,) = outcome.tasks
    (task,) = system.streams[0].tasks(system.seed, system.duration_ns)
    assert row["outcome"] != "failed"
    assert (row["waiting_ns"], row["load_ns"]) == (0, 0)
    assert row["sojourn_ns"] == sojourn_ns(Network(system), task, parse(row["placement"]), first_message)


@pytest.mark.parametrize("kind", ["image", "chat"])
@pytest.mark.parametrize("release", ["fluid", "slot"])
def test_no_task_of_a_busy_run_beats_itself_alone_on_the_earliest_links(
    kind: str, release: str, tmp_path: Path
) -> None:
    """What the bound rests on: `Link.earliest_ns` walks below every sojourn that happened."""
    system = pairs(1, release="slot" if release == "slot" else "fluid", loss=0.05, rate_per_s=60.0)
    network = Network(system)
    for index, placement in enumerate(system.placements["ue1", kind]):
        policy = Fixed({key: candidates[index] for key, candidates in system.placements.items()})
        tasks = {
            task.number: task for s in system.streams for task in s.tasks(1, system.duration_ns) if s.kind.name == kind
        }
        rows = [row for row in simulate(system, policy, tmp_path / str(index)).tasks if row["kind"] == kind]
        alone = [sojourn_ns(network, tasks[row["task"]], placement, Link.earliest_ns) for row in rows]
        assert rows and all(least <= row["sojourn_ns"] for least, row in zip(alone, rows, strict=True))


def test_an_image_alone_in_closed_form() -> None:
    """8 Mbit/s is a byte a microsecond: 40 ms of input or activation up, 40 us of result down, 2 ms of way each."""
    system = pairs(1)
    wire = constant(8e6)
    links = tuple(LinkSpec(link.source, link.target, wire, 2 * NS_PER_MS) for link in system.links)
    network = Network(replace(system, links=links))
    task = Task("ue1", IMAGE, 0, 5 * NS_PER_S)

    def service_ns(node: str, first: int, stop: int) -> int:
        return network.devices[node].service_ns("convnet", first, stop, 1, 0)

    def alone_ns(text: str) -> int:
        return sojourn_ns(network, task, parse(text), first_message)

    assert alone_ns("ue1:0-5") == service_ns("ue1", 0, 5)
    up_ns, down_ns = 2 * NS_PER_MS + 8_000 * 1_000, 2 * NS_PER_MS + 40 * 1_000
    assert alone_ns("edge1:0-5") == up_ns + service_ns("edge1", 0, 5) + down_ns
    network = Network(replace(system, links=links))
    cut_ns = 2 * NS_PER_MS + (4 + IMAGE.model.layers[1].activation_elements) * 1_000  # int8: a scale and a byte each
    expected = service_ns("ue1", 0, 2) + cut_ns + service_ns("edge1", 2, 5) + down_ns
    assert alone_ns("ue1:0-2|edge1:2-5") == expected


@given(prompt=st.integers(1, 60), output=st.integers(1, 12))
def test_a_request_alone_in_closed_form(prompt: int, output: int) -> None:
    """A byte a microsecond, no way: the prompt's activation up, then for each further token its id down and its
    activation up, at last all ids down."""
    system = pairs(1)
    links = tuple(LinkSpec(link.source, link.target, constant(8e6)) for link in system.links)
    network = Network(replace(system, links=links))
    task = Task("ue1", CHAT, 0, 0, prompt, output)

    def step_ns(tokens: int, context: int) -> int:
        near = network.devices["ue1"].service_ns("llama", 0, 2, tokens, context)
        return near + (4 + 128) * tokens * 1_000 + network.devices["edge1"].service_ns("llama", 2, 4, tokens, context)

    expected = step_ns(prompt, prompt // 2) + sum(4_000 + step_ns(1, prompt + k) for k in range(1, output))
    assert sojourn_ns(network, task, parse("ue1:0-2|edge1:2-4"), first_message) == expected + 4_000 * output


def test_passes_on_one_node_are_one_visit_and_across_nodes_one_each() -> None:
    task = Task("ue1", CHAT, 0, 0, prompt_tokens=7, output_tokens=3)
    steps = (Pass(7, 3), Pass(1, 8), Pass(1, 9))
    assert [leg.passes for leg in legs(task, parse("ue1:0-4"))] == [steps, ()]
    split = [leg.passes for leg in legs(task, parse("ue1:0-2|edge1:2-4"))]
    assert split == [(step,) for step in steps for _ in range(2)] + [()]


def test_other_tasks_before_and_after_far_away_change_nothing(tmp_path: Path) -> None:
    """A single task's row is the same among others that never overlap with it, links and devices idle again."""
    system = pairs(1, duration_ns=9 * NS_PER_S)
    system = replace(system, links=tuple(replace(link, trace=constant(8e6)) for link in system.links))
    with Records(tmp_path) as records:
        lonely = with_stream(system, Stream("ue1", IMAGE, Recorded((5,))))
        among = with_stream(system, Stream("ue1", IMAGE, Recorded((5, 5 + NS_PER_S, 5 + 2 * NS_PER_S))))
        policy = Fixed({("ue1", "image"): parse("ue1:0-2|edge1:2-5")})
        Simulation(lonely).run(policy, "lonely", records)
        Simulation(among).run(policy, "among", records)
    rows = pq.read_table(tmp_path / "tasks.parquet").to_pylist()
    assert len(rows) == 4
    assert len({row["sojourn_ns"] for row in rows}) == 1
