"""Encode observations as a network's inputs and decode its outputs; the same in training and in a run."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import log10
from typing import Any

import numpy as np

from emulator.core.arrays import Flags, Float32s
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.policy import Observation
from emulator.profile import ModelProfile
from emulator.system import System
from emulator.task import Placement, describe, parse

SOURCE = "@"  # stands for the task's own source, so that all sources share their actions
NOTHING_ORDERED: Mapping[str, int] = {}
LIMIT = 5.0  # on the magnitude of every feature
LOWEST_RATE_BPS, HIGHEST_RATE_BPS = 1e3, 1e12
SHORTEST_S, LONGEST_S = 1e-6, 1e4
LONGEST_MS = 1e7  # of a backlog or ordered work


@dataclass(frozen=True)
class Layout:
    """The meaning of a network's inputs and outputs.

    Inputs, in order: for each of `nodes` the observed rates to it and from it; the service time of the whole model at
    the source; the lengths of prompt and output; one input per kind, 1 for the task's own; the observed backlogs of
    `queues`, nodes or `@` for the source; the work ordered from each of them (`OrderedWork`). For a task of kind
    `kinds[k]`, output `a` stands for `actions[k][a]`: a placement as text, with `@` for the source and the codec of
    activations unless it is the kind's default. `models[k]`: name
    and digest of the model of kind `kinds[k]`, whose layers the placements count. `servers`: all computing nodes but
    UEs, even those that no placement uses.
    """

    nodes: tuple[str, ...]
    servers: tuple[str, ...]
    kinds: tuple[str, ...]
    models: tuple[tuple[str, str], ...]
    actions: tuple[tuple[str, ...], ...]
    queues: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        rates = [f"rate {way} {node}" for node in self.nodes for way in ("to", "from")]
        kinds = [f"kind {kind}" for kind in self.kinds]
        queues = [f"{what} {node}" for what in ("backlog", "ordered") for node in self.queues]
        return (*rates, "service time", "prompt tokens", "output tokens", *kinds, *queues)

    @property
    def features(self) -> int:
        """Number of inputs."""
        return len(self.inputs)

    @property
    def choices(self) -> int:
        """Number of outputs: the largest number of actions of any kind."""
        return max(len(texts) for texts in self.actions)

    def as_data(self) -> dict[str, Any]:
        """Return plain lists and strings, for a file."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Layout":
        """Return the layout that `as_data` described. Raises KeyError, TypeError or ValueError for anything else."""
        actions = tuple(tuple(texts) for texts in data["actions"])
        models = tuple((name, digest) for name, digest in data["models"])
        queues = tuple(data.get("queues", ()))
        return cls(tuple(data["nodes"]), tuple(data["servers"]), tuple(data["kinds"]), models, actions, queues)


def layout_of(system: System) -> Layout:
    """Return the layout of a system: all nodes that some placement uses besides the source, all kinds, and for each
    kind the candidates of all its sources, in the system's order."""
    kinds = tuple(system.kinds)
    texts: dict[str, dict[str, None]] = {kind: {} for kind in kinds}
    used: set[str] = set()
    for (source, kind), candidates in system.placements.items():
        used.update(part.node for placement in candidates for part in placement if part.node != source)
        texts[kind].update(dict.fromkeys(relative(placement, source) for placement in candidates))
    nodes = tuple(name for name in system.nodes if name in used)
    models = tuple((each.model.name, model_digest(each.model)) for each in system.kinds.values())
    return Layout(nodes, servers_of(system), kinds, models, tuple(tuple(texts[kind]) for kind in kinds))


def servers_of(system: System) -> tuple[str, ...]:
    """Return the nodes that can compute and are no UEs, in the system's order."""
    return tuple(node.name for node in system.nodes.values() if node.device is not None and node.role != "ue")


def model_digest(model: ModelProfile) -> str:
    """Return the SHA-256 of all values of the profile."""
    return hashlib.sha256(json.dumps(asdict(model)).encode()).hexdigest()


def relative(placement: Placement, source: str) -> str:
    """Return a placement as text, with `@` for the source."""
    return describe(tuple(part._replace(node=SOURCE) if part.node == source else part for part in placement))


def absolute(text: str, source: str) -> Placement:
    """Return the placement of a `relative` text."""
    return tuple(part._replace(node=source) if part.node == SOURCE else part for part in parse(text))


class Encoder:
    """Encodes observations as a layout's inputs, and decodes its outputs as placements."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._kinds = {kind: index for index, kind in enumerate(layout.kinds)}
        self._choices: dict[tuple[str, str], tuple[tuple[Placement, ...], tuple[Placement, ...], Flags]] = {}

    def features(self, observation: Observation, ordered_ns: Mapping[str, int] = NOTHING_ORDERED) -> Float32s:
        """Return the inputs, shape (features,), each within +-LIMIT. `ordered_ns`: work by node, else 0."""
        task = observation.task
        source, layers = task.source, len(task.kind.model.layers)
        prompt = task.prompt_tokens
        whole_ns = observation.service_ns(source, 0, layers, max(prompt, 1), prompt // 2)
        values = [rate for node in self.layout.nodes for rate in _rates(observation, source, node)]
        values.append(log10(min(max(whole_ns / NS_PER_S, SHORTEST_S), LONGEST_S)) / 2)
        values += [log10(1 + prompt) / 2, log10(1 + task.output_tokens) / 2]
        values += [float(kind == task.kind.name) for kind in self.layout.kinds]
        queues = [source if node == SOURCE else node for node in self.layout.queues]
        values += [_work(observation.backlog_ns(node)) for node in queues]
        values += [_work(ordered_ns.get(node, 0)) for node in queues]
        return np.array(values, dtype=np.float32)

    def choices(self, source: str, kind: str, candidates: tuple[Placement, ...]) -> tuple[tuple[Placement, ...], Flags]:
        """Return the placement of each output of this kind, and the mask of those that are candidates, shape
        (choices,); outputs that the kind does not use are masked."""
        known = self._choices.get((source, kind))
        if known is None or known[0] is not candidates:
            placements = tuple(absolute(text, source) for text in self.layout.actions[self._kinds[kind]])
            allowed = set(candidates)
            mask = np.zeros(self.layout.choices, dtype=np.bool_)
            mask[: len(placements)] = [placement in allowed for placement in placements]
            known = self._choices[source, kind] = (candidates, placements, mask)
        return known[1], known[2]


def _rates(observation: Observation, source: str, node: str) -> tuple[float, float]:
    """Return the rates to and from a node, as log10(rate / 10 Mbit/s) / 2."""
    return _decades(observation.rate_bps(source, node)), _decades(observation.rate_bps(node, source))


def _work(work_ns: int) -> float:
    """Return work as log10(1 + ms) / 2."""
    return log10(1 + min(work_ns / NS_PER_MS, LONGEST_MS)) / 2


def _decades(rate_bps: float) -> float:
    return (log10(min(max(rate_bps, LOWEST_RATE_BPS), HIGHEST_RATE_BPS)) - 7) / 2
