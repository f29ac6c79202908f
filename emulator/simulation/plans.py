"""The legs of a stream's tasks under a placement (`emulator.legs`) as tables for compiled code."""

from typing import NamedTuple

import numpy as np

from emulator.core.arrays import Ints, reserved
from emulator.core.compiled import Table
from emulator.core.randomness import task_key
from emulator.deadlines import DEADLINES
from emulator.device import PS_PER_NS
from emulator.legs import LegPlan, LegTemplate, plan_legs
from emulator.policy import Execution
from emulator.simulation.energy import consumer_of, radios_of
from emulator.simulation.network import Network
from emulator.simulation.quality import LEVEL, levels_of
from emulator.task import Placement, Task, check_placement, describe, passes
from emulator.workload import Recorded, Stream

PLANS, LEGS, HOPS, LEVELS = 1_048_576, 8_388_608, 33_554_432, 33_554_432  # address space only
NOTHING_MEASURED = np.zeros(0, np.int64)
PLAN = np.dtype(
    [
        ("first_leg", np.int64),  # the legs of the first pass, then the result's, then those of a further pass
        ("partitions", np.int64),
        ("per_token", np.bool_),  # the task is a language model's
        ("judged", np.bool_),  # the quality of its answer is known
        ("again", np.bool_),  # further passes go through the partitions again
        ("deadlines_ns", np.int64, (len(DEADLINES),)),
        ("key", np.int64),  # first part of the addresses of its messages' random draws
    ]
)
LEG = np.dtype(
    [
        ("first_hop", np.int64),
        ("stop_hop", np.int64),
        ("fixed_bytes", np.int64),
        ("prompt_bytes", np.int64),
        ("output_bytes", np.int64),
        ("acknowledged_fixed", np.int64),
        ("acknowledged_prompt", np.int64),
        ("first_level", np.int64),  # of what a loss costs in quality; no levels: nothing
        ("stop_level", np.int64),
        ("device", np.int64),
        ("consumer", np.int64),  # of the device's energy
        ("first_layer", np.int64),  # among all models' layers
        ("stop_layer", np.int64),
        ("fixed_ns", np.int64),  # per pass
        ("token_ps", np.int64),  # per token
        ("context_ps", np.int64),  # per token and attended position
    ]
)


class PlanTables(NamedTuple):
    """All plans, and one after the other their legs, the links of all legs, and what losses on them cost."""

    plans: Table  # PLAN
    legs: Table  # LEG
    hops: Table  # int64: rows of the links' table
    levels: Table  # LEVEL
    radios: Table  # RADIO, shape (links,)


class StageNames(NamedTuple):
    """Names of a stage in the records."""

    node: str
    first_layer: int
    stop_layer: int
    codec: str


class PlanNames(NamedTuple):
    """Names of a plan in the records."""

    source: str
    kind: str
    placement: str
    stages: tuple[StageNames, ...]


class Plans:
    """The plans of a run."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._legs = self._hops = self._levels = 0
        self.names: list[PlanNames] = []
        self.placements: list[tuple[Stream, Placement]] = []  # of each plan
        self.tables = PlanTables(
            reserved(PLANS, PLAN),
            reserved(LEGS, LEG),
            reserved(HOPS, np.int64),
            reserved(LEVELS, LEVEL),
            radios_of(network.system),
        )

    def add(self, stream: Stream, placement: Placement) -> int:
        """Add a plan and return its row. Raises ValueError if the placement does not assign each of the model's layers
        once, in order, names a node without a device or another codec than the kind's, or needs a route that does not
        exist."""
        legs = checked_legs(self._network, stream, placement)
        row = self.tables.plans[len(self.names)]
        row["first_leg"], row["partitions"], row["again"] = self._legs, len(placement), len(legs.again) > 0
        kind = stream.kind
        row["per_token"] = kind.model.family == "causal_lm"
        row["deadlines_ns"] = kind.deadline_ns, kind.deadline_ttft_ns, kind.deadline_token_ns
        row["judged"] = kind.name in self._network.system.quality
        row["key"] = task_key(self._network.system.seed, stream.source, stream.kind.name)
        for template in (*legs.once, legs.result, *legs.again):
            self._add_leg(stream, template)
        stages = tuple(StageNames(each.target, each.first, each.stop, each.codec) for each in (*legs.once, legs.result))
        self.names.append(PlanNames(stream.source, stream.kind.name, describe(placement), stages))
        self.placements.append((stream, placement))
        return len(self.names) - 1

    def _add_leg(self, stream: Stream, template: LegTemplate) -> None:
        network, leg = self._network, self.tables.legs[self._legs]
        for name in ("fixed_bytes", "prompt_bytes", "output_bytes", "acknowledged_fixed", "acknowledged_prompt"):
            leg[name] = getattr(template, name)
        levels = levels_of(network.quality_curve(stream.kind, template))
        leg["first_level"], leg["stop_level"] = self._levels, self._levels + len(levels)
        self.tables.levels[self._levels : self._levels + len(levels)] = levels
        self._levels += len(levels)
        route = network.route(template.source, template.target) if sends(stream, template) else ()
        leg["first_hop"], leg["stop_hop"] = self._hops, self._hops + len(route)
        self.tables.hops[self._hops : self._hops + len(route)] = [link.index for link in route]
        if template.first < template.stop:
            model, device = stream.kind.model.name, network.devices[template.target]
            layer = network.device_tables.first_layer[model]
            leg["device"] = device.index
            leg["consumer"] = consumer_of(network.system.nodes[template.target].role)
            leg["first_layer"], leg["stop_layer"] = layer + template.first, layer + template.stop
            times = device.pass_times(model, template.first, template.stop)
            leg["fixed_ns"], leg["token_ps"], leg["context_ps"] = times
        self._legs += 1
        self._hops += len(route)


def checked_legs(network: Network, stream: Stream, placement: Placement) -> LegPlan:
    """Return the legs of a stream's tasks. Raises ValueError as `Plans.add` does, and if a task could take longer than
    64 bits of picoseconds can count."""
    kind, model = stream.kind, stream.kind.model
    check_placement(placement, kind)
    prompt, output = _longest(stream)
    for node, first, stop, _ in placement:
        if node not in network.devices:
            raise ValueError(f"placement on {node}: must be a node that has a device")
        fixed_ns, token_ps, context_ps = network.devices[node].pass_times(model.name, first, stop)
        longest_ps = max(prompt, 1) * (token_ps + (prompt + output) * context_ps)
        if max(output, 1) * (fixed_ns * PS_PER_NS + longest_ps) >= 2**63:
            raise ValueError(f"layers {first}-{stop} on {node}: a task must take under 2^63 ps")
    legs = plan_legs(kind, stream.source, placement)
    for template in (*legs.once, *legs.again, legs.result):
        if sends(stream, template):
            network.route(template.source, template.target)
            network.quality_curve(kind, template)
    return legs


def visit_times_ns(task: Task, placement: Placement, execution: Execution) -> Ints:
    """Return the time of each visit to a device, in the order of the legs. Raises ValueError if the times are not one
    for each pass and partition."""
    if execution.failure is not None:
        return NOTHING_MEASURED
    taken_ns = np.array(execution.service_ns, np.int64)
    expected = (len(passes(task)), len(placement))
    if taken_ns.shape != expected:
        raise ValueError(f"service_ns: must have the shape {expected}, not {taken_ns.shape}")
    return taken_ns.sum(axis=0) if len(placement) == 1 else taken_ns.ravel()


def sends(stream: Stream, template: LegTemplate) -> bool:
    """Return whether any task of the stream sends something on this leg."""
    per_token = stream.kind.model.family == "causal_lm"
    return bool(template.fixed_bytes or (per_token and template.prompt_bytes + template.output_bytes))


def _longest(stream: Stream) -> tuple[int, int]:
    """Return the most tokens of a prompt and of an output of the stream's tasks."""
    if stream.tokens is not None:
        return stream.tokens.prompt_max, stream.tokens.output_max
    if isinstance(stream.arrivals, Recorded):
        return max(stream.arrivals.prompt_tokens, default=0), max(stream.arrivals.output_tokens, default=0)
    return 0, 0
