"""Run tasks on stations of this machine, without emulated networks, and compute their expected answers."""

import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from emulator.activation.codecs import CODECS
from emulator.system import Control, Cost, DeviceSpec, Node, System
from emulator.task import Placement, Task, TaskKind
from emulator.workload import Periodic, Stream
from hil.mqtt.address import Address
from hil.stations.event_log import Event
from hil.stations.planning import WEIGHTS_SEED
from hil.stations.processes import Launch, Stations, launch_here
from hil.stations.real_times import EventRows, RealTaskTimes, gather, real_tasks
from hil.stations.schedule import Schedule, StationJob, StationPlan, write_schedule
from topologies.models.chain import Chain
from topologies.models.registry import build, example_input

FAST = DeviceSpec(1e15, 10**10, 1e15, 1e9)  # modelled times are shorter than real ones
SEED = 3


def make_system(kinds: Sequence[TaskKind], devices: Mapping[str, DeviceSpec]) -> System:
    """Return a system of nodes with these devices, without links; no weights are loaded at the start."""
    return System(
        name="stations",
        seed=SEED,
        duration_ns=10**9,
        nodes={name: Node(name, "edge", device) for name, device in devices.items()},
        links=(),
        streams=tuple(Stream("ue1", each, Periodic(10**9)) for each in kinds),
        placements={},
        control=Control("ue1", 0, 1),
        cost=Cost(1.0),
    )


def free_addresses(nodes: Sequence[str]) -> dict[str, Address]:
    """Return a free UDP port of this machine for each node."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in nodes]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return {node: Address(*each.getsockname()) for node, each in zip(nodes, sockets, strict=True)}


class StationRun(NamedTuple):
    """The outcome of a run on stations."""

    schedule: Schedule
    rows: EventRows
    waiting: tuple[str, ...]  # the nodes that still waited for answers at the end
    dropped: dict[str, int]

    def of(self, job: int) -> tuple[StationJob, StationPlan, RealTaskTimes]:
        """Return a job, its plan and its times."""
        each = self.schedule.jobs[job]
        return each, self.schedule.plan(each), list(real_tasks(self.schedule, self.rows))[job][1]

    def at_ns(self, job: int, event: Event, stage: int, step: int = 0) -> list[int]:
        """Return the times of an event at a stage in a pass."""
        return [int(row["at_ns"]) for row in self.rows_of(job, event, stage, step)]

    def rows_of(self, job: int, event: Event, stage: int, step: int = 0) -> EventRows:
        """Return the rows of an event at a stage in a pass."""
        rows = self.rows
        wanted = (rows["job"] == job) & (rows["event"] == event) & (rows["stage"] == stage) & (rows["step"] == step)
        found: EventRows = rows[wanted]
        return found


def run(schedule: Schedule, folder: Path, seconds: float, launch: Launch = launch_here) -> StationRun:
    """Run all tasks with a station for each address, for `seconds` from the start."""
    write_schedule(folder / "schedule.json", schedule)
    with Stations(folder / "schedule.json", schedule.addresses, folder, launch) as stations:
        stations.await_ready(120)
        start_ns = time.monotonic_ns() + 100_000_000
        stations.begin(start_ns)
        waiting = stations.await_answers(start_ns + round(seconds * 1e9))
    return StationRun(schedule, gather(schedule, folder), waiting, stations.dropped)


def answer_of(
    task: Task, placement: Placement, input_seed: int, lost: Mapping[int, Sequence[slice]] | None = None
) -> int:
    """Return the expected `answer` of the last partition in the first pass. The model runs in this process, from cut to
    cut, through the codec between nodes. `lost` gives, by stage, the bytes of its input message that are zeros."""
    model, tokens = task.kind.model.name, task.prompt_tokens or 1
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    x = example_input(model, input_seed, tokens=task.prompt_tokens or 1)
    for stage, partition in enumerate(placement):
        node, first, stop, _ = partition
        if stage and placement[stage - 1].node != node:
            codec = CODECS[task.kind.codec_of(partition)]
            matrix = x.numpy().reshape(tokens, -1)
            received = bytearray(codec.encode(matrix))
            for part in (lost or {}).get(stage, ()):
                received[part] = bytes(len(received[part]))
            x = torch.from_numpy(codec.decode(received, matrix.shape).reshape(x.shape))
        x = whole_model(model).run(x, first, stop)
    torch.set_num_threads(threads)
    scores = (x[:, -1] if task.kind.model.family == "causal_lm" else x).numpy()
    return int.from_bytes(sha256(np.ascontiguousarray(scores).tobytes()).digest()[:8], "little")


@cache
def whole_model(name: str) -> Chain:
    """Return the whole model, drawn once."""
    return build(name, WEIGHTS_SEED)
