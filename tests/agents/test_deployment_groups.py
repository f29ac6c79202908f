"""Deployment groups of small systems: their placements are optima of their nodes, by enumeration."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, pairwise, permutations

import pytest

from agents.deployment_groups import deploy_groups
from agents.split_inference.exact import Estimate
from emulator.core.units import NS_PER_S
from emulator.simulation.network import Network
from emulator.simulation.observation import DelayedObservation
from emulator.system import System
from emulator.task import Partition, Placement
from tests.agents.systems import CHAT, IMAGE, small_system
from tests.agents.test_solver_policies import in_codecs, with_memories
from topologies.schema.groups import GroupsSection

COMPUTE_GFLOPS, MEMORY_MB = (30.0, 100.0), (2_000.0, 10_000.0)
LAYERS = 4


def section(task: str, members: int) -> GroupsSection:
    return GroupsSection(task=task, source="ue1", members=members, compute_gflops=COMPUTE_GFLOPS, memory_mb=MEMORY_MB)


def at_mean_rates(system: System) -> System:
    """The system whose observed rates are means over the whole run."""
    return replace(system, control=replace(system.control, age_ns=0, window_ns=system.duration_ns))


def least_cost_s(system: System, task: str, nodes: Sequence[str]) -> float:
    """The least estimated cost over all placements that use each node at most once and fit its memory."""
    first = next(each for each in system.tasks() if (each.source, each.kind.name) == ("ue1", task))
    observation = DelayedObservation(first, system.duration_ns, Network(system), system.placements["ue1", task])
    placements: list[Placement] = []
    for parts in range(1, len(nodes) + 1):
        for chosen in permutations(nodes, parts):
            for inner in combinations(range(1, LAYERS), parts - 1):
                spans = pairwise((0, *inner, LAYERS))
                placements.append(tuple(Partition(node, *span) for node, span in zip(chosen, spans, strict=True)))
    model = first.kind.model
    devices = {name: node.device for name, node in system.nodes.items()}
    fitting = [
        placement
        for placement in placements
        if all(
            (device := devices[part.node]) is not None
            and model.weight_bytes(part.first, part.stop) <= device.memory_bytes
            for part in placement
        )
    ]
    return min(Estimate(observation).of(placement) for placement in in_codecs(fitting)) / NS_PER_S


@pytest.mark.parametrize("task", [IMAGE.name, CHAT.name])
@pytest.mark.parametrize("members", [1, 2, 3])
@pytest.mark.parametrize("seed", [1, 2])
def test_each_group_has_the_optimum_of_its_nodes(task: str, members: int, seed: int) -> None:
    system = at_mean_rates(small_system(seed))
    found = deploy_groups(system, section(task, members))
    for group in found.groups:
        names = [member.name for member in group.members]
        assert {part.node for part in group.placement} <= set(names)
        assert group.cost_s == pytest.approx(least_cost_s(system, task, names))
        assert group.cost_s >= found.optimum.cost_s
    everywhere = [name for name, node in system.nodes.items() if node.device is not None]
    assert found.optimum.cost_s == pytest.approx(least_cost_s(system, task, everywhere))


def test_a_group_grows_until_its_memory_holds_the_model() -> None:
    """The cloud is the fastest, but holds one layer of the chain; the next class is needed too."""
    memories = {"cloud": 310_000, "edge1": 80_000, "edge2": 80_000, "ue1": 80_000, "ue2": 80_000}
    system = with_memories(small_system(1), memories)
    found = deploy_groups(system, section(IMAGE.name, 1))
    gpu_first = found.groups[0]
    assert [member.name for member in gpu_first.members] == ["cloud", "edge1", "edge2"]
    assert all(len(group.members) > 1 for group in found.groups)


def test_what_cannot_be_deployed_is_refused() -> None:
    tiny = with_memories(small_system(1), dict.fromkeys(("cloud", "edge1", "edge2", "ue1", "ue2"), 1_000))
    with pytest.raises(ValueError, match=r"can hold the model and be reached$"):
        deploy_groups(tiny, GroupsSection(task=IMAGE.name, source="ue1"))
    with pytest.raises(ValueError, match=r"^groups\.source=ue1: asks for no other"):
        deploy_groups(small_system(1), GroupsSection(task="other", source="ue1"))


def test_the_first_source_asks_unless_another_is_named() -> None:
    system = small_system(1)
    found = deploy_groups(system, GroupsSection(task=IMAGE.name))
    assert found == deploy_groups(system, GroupsSection(task=IMAGE.name, source="ue1"))
    assert found.optimum != deploy_groups(system, GroupsSection(task=IMAGE.name, source="ue2")).optimum


def test_one_node_is_every_group() -> None:
    found = deploy_groups(small_system(1), section(IMAGE.name, 1), ["cloud"])
    assert {group.members for group in found.groups} == {found.optimum.members}
    assert [member.name for member in found.optimum.members] == ["cloud"]
