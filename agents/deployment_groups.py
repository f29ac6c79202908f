"""Deploy a split model in groups of nodes, and compare them with the best deployment on all nodes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from agents.split_inference.solver_policies import Choices, DeviceSubsets, choices_of
from emulator.core.units import NS_PER_S
from emulator.policy import Observation
from emulator.simulation.network import Network
from emulator.simulation.observation import DelayedObservation
from emulator.system import System
from emulator.task import Placement
from topologies.grouping import Branch, Key, Member, alternating, depth_first, grown, inventory, search_tree
from topologies.schema.groups import MOST_NODES, GroupsSection


class Group(NamedTuple):
    """Nodes, the best deployment of the model on them, and its cost: delay, and what the answer loses in quality."""

    name: str
    members: tuple[Member, ...]
    placement: Placement
    cost_s: float


class Deployments(NamedTuple):
    """The two search trees by the name of their group; the groups `gpu-first`, `memory-first` and `hybrid`; and the
    optimum over all nodes, as a group of the nodes that it uses."""

    trees: dict[str, Branch]
    groups: tuple[Group, ...]
    optimum: Group


def deploy_groups(system: System, section: GroupsSection, nodes: Sequence[str] | None = None) -> Deployments:
    """Return the deployment groups of a scenario's section `groups` among the nodes of these names (default: all that
    can compute).

    A group is the shortest beginning of its order on which the model fits: the order of its tree, or of the hybrid
    group the members of the two others in turns. Costs are of the source's first task alone, at the mean rates of the
    whole run; placements are exact optima that use each node at most once (`agents.solvers.device_subsets`). Raises
    ValueError, one line, for more than `MOST_NODES` nodes, for groups with more members than there are nodes, if all
    together cannot hold the model, and if the source has no such task.
    """
    members = inventory(system, nodes)
    if len(members) > MOST_NODES:
        raise ValueError(f"groups.nodes: must be at most {MOST_NODES} of the {len(members)} nodes with a device")
    if section.members > len(members):
        raise ValueError(f"groups.members={section.members}: must be at most {len(members)}, the number of nodes")
    observation = _mean_observation(system, section)
    choices = choices_of(observation.candidates)
    deployer = _Deployer(system, observation, choices)
    compute = Key("compute_flops_per_s", "GFLOP/s", 1e9, section.compute_gflops)
    memory = Key("memory_bytes", "MB", 1e6, section.memory_mb)
    trees = {
        "gpu-first": search_tree(members, (compute, memory)),
        "memory-first": search_tree(members, (memory, compute)),
    }
    chosen = {name: grown(depth_first(tree), section.members, deployer.holds) for name, tree in trees.items()}
    order = alternating(chosen["gpu-first"], chosen["memory-first"])
    chosen["hybrid"] = grown(order, section.members, deployer.holds)
    groups = tuple(deployer.group(name, each) for name, each in chosen.items())
    best = deployer.group("optimum", members)
    used = {part.node for part in best.placement}
    return Deployments(trees, groups, best._replace(members=tuple(each for each in members if each.name in used)))


class _Deployer:
    """Finds the best deployment of one task's model on some nodes."""

    def __init__(self, system: System, observation: Observation, choices: Choices) -> None:
        self._policy = DeviceSubsets(system)
        self._observation, self._choices = observation, choices

    def holds(self, members: Sequence[Member]) -> bool:
        """Return whether the model fits the nodes, each with one run of consecutive layers."""
        return self._policy.best(self._observation, self._on(members)) is not None

    def group(self, name: str, members: Sequence[Member]) -> Group:
        """Return the nodes as a group. Raises ValueError if the model does not fit them."""
        found = self._policy.best(self._observation, self._on(members))
        if found is None:
            nodes = ", ".join(member.name for member in members)
            raise ValueError(f"groups: {nodes} of {name} must be able to hold the model and be reached")
        return Group(name, tuple(members), found.placement, found.cost_ns / NS_PER_S)

    def _on(self, members: Sequence[Member]) -> Choices:
        return self._choices._replace(nodes=tuple(member.name for member in members))


def _mean_observation(system: System, section: GroupsSection) -> Observation:
    """Return an observation of the source's first task with the mean rates of the whole run and empty queues."""
    control = replace(system.control, age_ns=0, window_ns=system.duration_ns)
    network = Network(replace(system, control=control))
    source = section.source or next((source for source, kind in system.placements if kind == section.task), None)
    task = next((each for each in system.tasks() if (each.source, each.kind.name) == (source, section.task)), None)
    if task is None:
        raise ValueError(f"groups.source={source}: asks for no {section.task} within duration_s")
    return DelayedObservation(task, system.duration_ns, network, system.placements[task.source, section.task])
