"""A small system of two nodes, and the expected answers of its tasks."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from emulator.core.randomness import address
from emulator.system import Control, Cost, DeviceSpec, Node, System
from emulator.task import Partition, Placement, Task, TaskKind
from emulator.workload import Periodic, Stream
from hil.testbed.coordinator import NodeWorker
from topologies.models.chain import Chain, ModelPlan
from topologies.models.registry import model_plan, plan_input
from topologies.profiles import load_profile

SEED = 3
DEVICE = DeviceSpec(1e9, 10**10, 1e9, 1e9)
NODE_WORKERS = {"ue1": NodeWorker("w1"), "edge1": NodeWorker("w2")}


def kind(model: str, codec: str = "fp32") -> TaskKind:
    return TaskKind(f"{model} {codec}", load_profile(model), 1_000, 10, (codec,), 10**9)


def split(of: TaskKind, cut: int) -> Placement:
    """Place the layers before the cut on ue1, the others on edge1."""
    layers = len(of.model.layers)
    parts = (Partition("ue1", 0, cut), Partition("edge1", cut, layers))
    return tuple(part for part in parts if part.first < part.stop)


def system(kinds: Sequence[TaskKind], cuts: Sequence[int] | None = None) -> System:
    """Return a system of both nodes; candidates are the given cuts, by default all, both ends included."""
    return System(
        name="lab",
        seed=SEED,
        duration_ns=10**9,
        nodes={name: Node(name, "ue", DEVICE) for name in NODE_WORKERS},
        links=(),
        streams=tuple(Stream("ue1", each, Periodic(10**9)) for each in kinds),
        placements={
            ("ue1", each.name): tuple(split(each, cut) for cut in cuts or range(len(each.model.layers) + 1))
            for each in kinds
        },
        control=Control("ue1", 0, 1),
        cost=Cost(1.0),
    )


def task(of: TaskKind, number: int = 0, prompt: int = 24, output: int = 4) -> Task:
    is_text = of.model.family == "causal_lm"
    return Task("ue1", of, number, 0, prompt if is_text else 0, output if is_text else 0)


def expected(of: Task, weights_seed: int = 0) -> NDArray[np.float32]:
    """Return the scores of the whole model for a task, computed in this process."""
    return expected_of(of, model_plan(of.kind.model.name), weights_seed)


def expected_of(of: Task, plan: ModelPlan, weights_seed: int = 0) -> NDArray[np.float32]:
    """Return the scores of a whole model, which need not be shipped, as `expected`."""
    seed = int.from_bytes(address(SEED, of.source, f"input of {of.kind.name}", of.number)[:8], "little") >> 1
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    chain = Chain(plan, 0, len(plan.layers))
    chain.materialise(weights_seed)
    output = chain(plan_input(plan, seed, tokens=of.prompt_tokens or 1))
    torch.set_num_threads(threads)
    answer: NDArray[np.float32] = (output[:, -1] if of.kind.model.family == "causal_lm" else output).numpy()
    return answer
