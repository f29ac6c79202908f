"""What a placement means for the tasks of one stream, resolved to numbers once: stages, routes, times."""

from typing import NamedTuple

import numpy as np

from emulator.core.compiled import Table
from emulator.core.randomness import task_key
from emulator.device import PS_PER_NS
from emulator.simulation.network import Network
from emulator.task import Partition, Placement, check_placement, describe
from emulator.workload import Recorded, Stream

PLAN = np.dtype(
    [
        ("first_stage", np.int64),  # its partitions, the way home, and a new token's way from last to first
        ("partitions", np.int64),
        ("tokens", np.bool_),  # the task is a language model's
        ("input_bytes", np.int64),
        ("result_bytes", np.int64),
        ("deadline_ns", np.int64),
        ("message", np.int64),  # what the addresses of its messages' draws begin with
    ]
)
STAGE = np.dtype(
    [
        ("first_hop", np.int64),  # of the way to it
        ("stop_hop", np.int64),
        ("device", np.int64),
        ("first_layer", np.int64),  # among all models' layers
        ("stop_layer", np.int64),
        ("fixed_ns", np.int64),  # a pass
        ("token_ps", np.int64),  # a token
        ("context_ps", np.int64),  # a token and attended position
        ("output_bytes", np.int64),  # a token
    ]
)


class PlanTables(NamedTuple):
    """All plans, their stages one after the other, and the links of all ways one after the other."""

    plans: Table  # PLAN
    stages: Table  # STAGE
    hops: Table  # int64: rows of the links' table
    radio_w: Table  # float64, shape (links,): what a link's two ends draw while a message is on the air


class StageNames(NamedTuple):
    """What the records say of a stage."""

    node: str
    first_layer: int
    stop_layer: int


class Plan(NamedTuple):
    """What the records say of a plan's tasks."""

    source: str
    kind: str
    placement: str
    stages: tuple[StageNames, ...]


class Itineraries:
    """The plans of a run; `tables` is replaced when one is added."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._link_rows = {ends: row for row, ends in enumerate(network.links)}
        self._device_rows = {name: row for row, name in enumerate(network.devices)}
        self.plans: list[Plan] = []
        radio_w = np.array([_radio_power_w(network, *ends) for ends in network.links], np.float64)
        self.tables = PlanTables(np.zeros(0, PLAN), np.zeros(0, STAGE), np.zeros(0, np.int64), radio_w)

    def add(self, stream: Stream, placement: Placement) -> int:
        """The row of a new plan. Raises ValueError where the placement does not cover the model's layers in
        order, names a node without a device, or needs a way that does not exist."""
        check_placement(placement, stream.kind.model)
        kind, model = stream.kind, stream.kind.model
        tokens = model.family == "causal_lm"
        plans = np.zeros(1, PLAN)
        plan = plans[0]
        plan["first_stage"], plan["partitions"] = len(self.tables.stages), len(placement)
        plan["tokens"] = tokens
        plan["input_bytes"], plan["result_bytes"] = kind.input_bytes, kind.result_bytes
        plan["deadline_ns"] = kind.deadline_ns
        plan["message"] = task_key(self._network.system.seed, stream.source, kind.name)
        stages = np.zeros(len(placement) + 2, STAGE)
        last_node, carried = stream.source, tokens or kind.input_bytes > 0
        for stage, partition in zip(stages, placement, strict=False):
            self._fill(stage, stream, partition)
            self._lead(stage, last_node, partition.node, carried)
            last_node, carried = partition.node, stage["output_bytes"] > 0
        self._lead(stages[-2], last_node, stream.source, tokens or kind.result_bytes > 0)
        self._lead(stages[-1], last_node, placement[0].node, tokens and len(placement) > 1)
        self.tables = self.tables._replace(
            plans=np.concatenate((self.tables.plans, plans)), stages=np.concatenate((self.tables.stages, stages))
        )
        layers = len(model.layers)
        names = (*(StageNames(*partition) for partition in placement), StageNames(stream.source, layers, layers))
        self.plans.append(Plan(stream.source, kind.name, describe(placement), names))
        return len(self.plans) - 1

    def _lead(self, row: np.void, source: str, target: str, carries: bool) -> None:
        """Give a row the way from one node to another; none is needed where nothing is sent."""
        route = self._network.route(source, target) if carries else ()
        hops = [self._link_rows[link.spec.source, link.spec.target] for link in route]
        row["first_hop"] = len(self.tables.hops)
        self.tables = self.tables._replace(hops=np.append(self.tables.hops, np.array(hops, np.int64)))
        row["stop_hop"] = len(self.tables.hops)

    def _fill(self, stage: np.void, stream: Stream, partition: Partition) -> None:
        node, first, stop = partition
        model = stream.kind.model
        if node not in self._device_rows:
            raise ValueError(f"placement on {node}: must be a node that has a device")
        layer = self._network.device_tables.first_layer[model.name]
        stage["device"], stage["first_layer"], stage["stop_layer"] = (
            self._device_rows[node],
            layer + first,
            layer + stop,
        )
        times = self._network.devices[node].pass_times(model.name, first, stop)
        _check_range(partition, stream, *times)
        stage["fixed_ns"], stage["token_ps"], stage["context_ps"] = times
        stage["output_bytes"] = model.activation_bytes(stop, 1, stream.kind.precision)


def _check_range(partition: Partition, stream: Stream, fixed_ns: int, token_ps: int, context_ps: int) -> None:
    """Compiled code counts in 64 bits: refuse times whose sum over a task's passes could exceed them."""
    prompt, output = _longest(stream)
    longest_ps = max(prompt, 1) * (token_ps + (prompt + output) * context_ps)
    if max(output, 1) * (fixed_ns * PS_PER_NS + longest_ps) >= 2**63:
        raise ValueError(
            f"layers {partition.first}-{partition.stop} on {partition.node}: a task must take under 2^63 ps"
        )


def _longest(stream: Stream) -> tuple[int, int]:
    """The most tokens of a prompt and of an output that the stream's tasks can have."""
    if stream.tokens is not None:
        return stream.tokens.prompt_max, stream.tokens.output_max
    if isinstance(stream.arrivals, Recorded):
        return max(stream.arrivals.prompt_tokens, default=0), max(stream.arrivals.output_tokens, default=0)
    return 0, 0


def _radio_power_w(network: Network, source: str, target: str) -> float:
    """What sending and receiving on a link draw at its two ends while a message is on the air."""
    sender, receiver = network.system.nodes[source].device, network.system.nodes[target].device
    return (sender.transmit_power_w if sender else 0.0) + (receiver.receive_power_w if receiver else 0.0)
