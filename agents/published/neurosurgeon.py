"""Neurosurgeon: the cut with the least latency, or the least energy of the device, by regressions of layers' times.

Kang et al., "Neurosurgeon: collaborative intelligence between the cloud and mobile edge", ASPLOS 2017, Algorithm 1.
Times of layers are predicted by a linear model for each device, the upload by the size of its data over the current
bandwidth, and the server's by its current load; the way back of the result is not counted. Here one regression serves
all layers of a device, since profiles have no types of layers, the load is the device's backlog as last heard, and of
several servers the best is taken.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from agents.published.times_alone import SingleCuts, TimesAlone
from agents.split_inference.exact import Estimate
from emulator.core.arrays import Floats
from emulator.core.units import NS_PER_S
from emulator.device import layer_times
from emulator.policy import Observation
from emulator.profile import ModelProfile
from emulator.system import DeviceSpec, System
from emulator.task import Pass, Placement, passes

Objective = Literal["latency", "energy"]


class LayerRegression(NamedTuple):
    """The time of a layer: a constant, one for each FLOP, and one for each byte of its weights."""

    constant_ns: float
    flop_ns: float
    byte_ns: float

    @classmethod
    def fitted(cls, device: DeviceSpec, models: Sequence[ModelProfile]) -> "LayerRegression":
        """Return the least squares over all layers of all models, for one image or token each."""
        rows, times_ns = [], []
        for model in models:
            times = layer_times(device, model)
            rows += [(1.0, layer.flops, layer.weight_bytes) for layer in model.layers]
            times_ns += [fixed + token for fixed, token in zip(times.fixed_ns, times.token_ns, strict=True)]
        table: Floats = np.array(rows, dtype=np.float64)
        scales = np.maximum(table.max(axis=0), 1.0)  # FLOPs are a billion times as many as constants
        found, *_ = np.linalg.lstsq(table / scales, np.array(times_ns, dtype=np.float64), rcond=None)
        return cls(*(found / scales).tolist())

    def time_ns(self, model: ModelProfile, first: int, stop: int, visit: Sequence[Pass]) -> float:
        """Return the predicted time of layers `first` up to `stop` in all passes of a visit, not below 0."""
        tokens, pairs = sum(each.tokens for each in visit), sum(each.tokens * each.context for each in visit)
        total_ns = 0.0
        for layer in model.layers[first:stop]:
            total_ns += len(visit) * (self.constant_ns + self.byte_ns * layer.weight_bytes)
            total_ns += self.flop_ns * (tokens * layer.flops + pairs * layer.context_flops)
        return max(total_ns, 0.0)


class Neurosurgeon:
    """Chooses the single cut in the default codec with the least predicted latency or energy of the source; of equals,
    the first."""

    def __init__(self, system: System, objective: Objective) -> None:
        self._objective = objective
        self._specs = {node.name: node.device for node in system.nodes.values() if node.device is not None}
        models = list(system.models.values())
        self._regressions = {name: LayerRegression.fitted(spec, models) for name, spec in self._specs.items()}
        self._cuts = SingleCuts(default_codec=True)

    def decide(self, observation: Observation) -> Placement:
        """Return the best cut."""
        cuts = self._cuts.of(observation)
        estimate = Estimate(TimesAlone(observation, cuts))
        return min(cuts, key=lambda placement: self._predicted(observation, estimate, placement))

    def _predicted(self, observation: Observation, estimate: Estimate, placement: Placement) -> float:
        """Return the latency in seconds or the energy of the source in joules."""
        task, visit = observation.task, passes(observation.task)
        now_ns = device_ns = upload_ns = 0.0
        before = task.source
        for part in placement:
            service_ns = self._regressions[part.node].time_ns(task.kind.model, part.first, part.stop, visit)
            sent_ns = estimate.handover_ns(before, part)
            arrival_ns = now_ns + sent_ns
            if part.node == task.source:
                device_ns += service_ns
            else:
                arrival_ns = max(arrival_ns, observation.backlog_ns(part.node))  # the load of the datacenter, K
            upload_ns += sent_ns
            now_ns, before = arrival_ns + service_ns, part.node
        if self._objective == "latency" or task.source not in self._specs:
            return now_ns / NS_PER_S
        spec = self._specs[task.source]
        return (device_ns * spec.busy_power_w + upload_ns * spec.transmit_power_w) / NS_PER_S
