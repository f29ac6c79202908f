"""The baselines of MT-A3C in a run: Li et al., "Distributed DNN inference with fine-grained model partitioning in
mobile edge computing networks", IEEE TMC 23(10), 2024. Blocks are what lies between two neighbouring cuts of the
candidates, places the nodes that any candidate uses. Here a place holds no more weights than fit its memory. Of the
paper's third baseline, the least loaded server, `greedy` is the form for whole models; `agents.block_placement` has
all three for the problem as published."""

from collections.abc import Sequence

from agents.split_inference.solver_policies import Choices, choices_of
from emulator.core.draws import uniform
from emulator.core.randomness import draw_key
from emulator.policy import Observation
from emulator.system import System
from emulator.task import Placement, Task


class BlockMemory:
    """Which blocks fit which places."""

    def __init__(self, system: System) -> None:
        self._memories = {node.name: node.device.memory_bytes for node in system.nodes.values() if node.device}

    def overfull(self, task: Task, choices: Choices, path: Sequence[int]) -> str | None:
        """Return the first place that cannot hold the blocks of a path together; None if all can."""
        for place, node in enumerate(choices.nodes):
            spans = [span for at, span in zip(path, choices.blocks, strict=False) if at == place]
            if sum(task.kind.model.weight_bytes(*span) for span in spans) > self._memories[node]:
                return node
        return None


class EvenSplit:
    """Gives each place as many consecutive blocks (APDI), among the places that can hold their share."""

    def __init__(self, system: System) -> None:
        self._memory = BlockMemory(system)

    def decide(self, observation: Observation) -> Placement:
        """Return the split; the first candidate if no place can hold its share."""
        choices = choices_of(observation.candidates)
        while choices.nodes:
            blocks, places = len(choices.blocks), len(choices.nodes)
            path = [block * places // blocks for block in range(blocks)]
            overfull = self._memory.overfull(observation.task, choices, path)
            if overfull is None:
                return choices.placement(path, "")
            choices = choices._replace(nodes=tuple(node for node in choices.nodes if node != overfull))
        return observation.candidates[0]


class RandomBlocks:
    """Places each block at random (RPDI), with equal probability at each place that can hold it besides the blocks
    before it. The draws depend on the task only."""

    def __init__(self, system: System) -> None:
        self._seed, self._memory = system.seed, BlockMemory(system)

    def decide(self, observation: Observation) -> Placement:
        """Return the drawn placement; the first candidate if no place can hold a block."""
        task, choices = observation.task, choices_of(observation.candidates)
        key = draw_key(self._seed, task.source, f"random blocks of {task.kind.name}")
        path: list[int] = []
        for block in range(len(choices.blocks)):
            fitting = [
                place
                for place in range(len(choices.nodes))
                if self._memory.overfull(task, choices, [*path, place]) is None
            ]
            if not fitting:
                return observation.candidates[0]
            path.append(fitting[int(uniform(key, task.number, 0, block) * len(fitting))])
        return choices.placement(path, "")
