"""A computer with one queue: how long a partition takes on it, and when its turn comes."""

from collections import deque
from collections.abc import Mapping
from itertools import accumulate
from typing import NamedTuple

from emulator.profile import ModelProfile
from emulator.system import DeviceSpec, LayerTimes
from emulator.units import NS_PER_S

PS_PER_NS = 1_000


class Service(NamedTuple):
    """A partition's turn: it waits until `start_ns`, loads weights for `load_ns`, computes until `finish_ns`."""

    start_ns: int
    load_ns: int
    finish_ns: int


def layer_times(spec: DeviceSpec, model: ModelProfile) -> LayerTimes:
    """The device's measured times of the model's layers or, where there are none, the roofline's."""
    if model.name in spec.measured:
        return spec.measured[model.name]
    ns_per_flop = NS_PER_S / spec.compute_flops_per_s
    ns_per_byte = NS_PER_S / spec.memory_bytes_per_s
    return LayerTimes(
        tuple(round(layer.weight_bytes * ns_per_byte) + spec.layer_overhead_ns for layer in model.layers),
        tuple(round(layer.flops * ns_per_flop) for layer in model.layers),
        tuple(round(layer.context_flops * ns_per_flop * PS_PER_NS) for layer in model.layers),
    )


class Device:
    """The state of a computer: first in, first out, one partition at a time; which layers' weights are
    resident, the least recently used leaving first when memory is short."""

    def __init__(self, spec: DeviceSpec, models: Mapping[str, ModelProfile], age_ns: int = 0) -> None:
        self.spec = spec
        self.busy_ns = 0  # computing and loading, for the energy account
        self._age_ns = age_ns
        self._models = models
        self._times = {name: _running_sums(layer_times(spec, model)) for name, model in models.items()}
        self._finish_ns: deque[int] = deque()  # of everything waiting or in service
        self._free_ns = 0
        self._history: deque[tuple[int, int]] = deque([(0, 0)])  # (since, free from)
        self._resident: dict[tuple[str, int], None] = {}  # (model, layer), least recently used first
        self._resident_bytes = 0

    def service_ns(self, model: str, first: int, stop: int, tokens: int, context: int) -> int:
        """What layers `first`..`stop` take for one pass of `tokens` tokens that each attend to `context`."""
        fixed_ns, token_ns, context_ps = self._times[model]
        per_token_ps = (token_ns[stop] - token_ns[first]) * PS_PER_NS + context * (context_ps[stop] - context_ps[first])
        return fixed_ns[stop] - fixed_ns[first] + tokens * per_token_ps // PS_PER_NS

    def preload(self, model: str, first: int, stop: int) -> None:
        """Make layers resident before the run, as far as memory goes without evicting."""
        for layer in range(first, stop):
            size = self._models[model].layers[layer].weight_bytes
            if (model, layer) not in self._resident and self._resident_bytes + size <= self.spec.memory_bytes:
                self._resident[model, layer] = None
                self._resident_bytes += size

    def submit(self, now_ns: int, model: str, first: int, stop: int, service_ns: int) -> Service | str:
        """Queue a partition for `service_ns` of computing; the reason as text when it cannot be."""
        waiting = self._finish_ns
        while waiting and waiting[0] <= now_ns:
            waiting.popleft()
        if len(waiting) >= self.spec.queue_tasks:
            return "device queue full"
        missing_bytes = self._make_resident(model, first, stop)
        if missing_bytes is None:
            return "memory"
        load_ns = round(missing_bytes * NS_PER_S / self.spec.load_bytes_per_s)
        start_ns = max(now_ns, self._free_ns)
        finish_ns = start_ns + load_ns + service_ns
        waiting.append(finish_ns)
        self._free_ns = finish_ns
        self.busy_ns += load_ns + service_ns
        self._remember(now_ns)
        return Service(start_ns, load_ns, finish_ns)

    def backlog_ns(self, at_ns: int) -> int:
        """How long the queue would still have taken at a past instant, at most `age_ns` ago."""
        free_ns = 0
        for since_ns, free_from_ns in self._history:
            if since_ns > at_ns:
                break
            free_ns = free_from_ns
        return max(0, free_ns - max(at_ns, 0))

    def _remember(self, now_ns: int) -> None:
        history = self._history
        while len(history) > 1 and history[1][0] <= now_ns - self._age_ns:
            history.popleft()
        history.append((now_ns, self._free_ns))

    def _make_resident(self, model: str, first: int, stop: int) -> int | None:
        """Bytes that have to be loaded, after evicting what stands in the way; None if it cannot fit."""
        layers = self._models[model].layers
        resident = self._resident
        wanted = [(model, layer) for layer in range(first, stop)]
        missing = [key for key in wanted if key not in resident]
        for key in wanted:  # touched: move to the recently used end
            if key in resident:
                del resident[key]
                resident[key] = None
        if not missing:
            return 0
        if sum(layers[layer].weight_bytes for _, layer in wanted) > self.spec.memory_bytes:
            return None
        missing_bytes = sum(layers[layer].weight_bytes for _, layer in missing)
        while self._resident_bytes + missing_bytes > self.spec.memory_bytes:
            name, layer = next(iter(resident))
            del resident[name, layer]
            self._resident_bytes -= self._models[name].layers[layer].weight_bytes
        resident.update(dict.fromkeys(missing))
        self._resident_bytes += missing_bytes
        return missing_bytes


def _running_sums(times: LayerTimes) -> tuple[list[int], list[int], list[int]]:
    return (
        list(accumulate(times.fixed_ns, initial=0)),
        list(accumulate(times.token_ns, initial=0)),
        list(accumulate(times.context_ps, initial=0)),
    )
