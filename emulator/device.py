"""A computer with one queue: how long a partition takes on it, and when its turn comes.

The state of all devices of a network lies in tables that compiled code works on (`submit`); a `Device`
is one row of them, for everybody else.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import accumulate
from typing import NamedTuple, Self

import numpy as np

from emulator.core.compiled import Table, bound, in_place
from emulator.core.fifo import Queues, append, empty_queues, has_passed, pop, unused, with_more_room
from emulator.core.units import NS_PER_S
from emulator.profile import ModelProfile
from emulator.system import DeviceSpec, LayerTimes

PS_PER_NS = 1_000

DEVICE = np.dtype(
    [
        # what it is
        ("memory_bytes", np.int64),
        ("load_bytes_per_s", np.float64),
        ("queue_tasks", np.int64),
        ("busy_power_w", np.float64),
        ("age_ns", np.int64),
        # what has happened on it
        ("waiting", np.int64),  # partitions that wait or are in service
        ("free_ns", np.int64),
        ("busy_ns", np.int64),  # computing and loading, for the energy account
        ("resident_bytes", np.int64),
        ("touches", np.int64),  # counts uses of layers, to tell the least recent
    ]
)
ACCEPTED, QUEUE_FULL, TOO_LARGE, NO_ROOM = range(4)  # answers of `submit`
REFUSALS = {QUEUE_FULL: "device queue full", TOO_LARGE: "memory"}


class Service(NamedTuple):
    """A partition's turn: it waits until `start_ns`, loads weights for `load_ns`, computes until `finish_ns`."""

    start_ns: int
    load_ns: int
    finish_ns: int


class DeviceTables(NamedTuple):
    """Devices, the models' layers one after the other, and when each layer was last used on each device:
    the how-manieth use it was, 0 where its weights are not resident."""

    devices: Table  # DEVICE, shape (devices,)
    weight_bytes: Table  # int64, shape (layers,)
    last_use: Table  # int64, shape (devices, layers)
    queues: Queues  # two a device: (finish, 0) of what waits, and its history of (since, free from)


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


class Devices:
    """The devices of a network as tables; `tables` is replaced when they grow."""

    def __init__(self, specs: Sequence[DeviceSpec], models: Mapping[str, ModelProfile], age_ns: int) -> None:
        sizes = [len(model.layers) for model in models.values()]
        self.first_layer = dict(zip(models, accumulate(sizes, initial=0), strict=False))
        weights = [layer.weight_bytes for model in models.values() for layer in model.layers]
        devices = np.zeros(len(specs), DEVICE)
        for device, spec in zip(devices, specs, strict=True):
            for name in ("memory_bytes", "load_bytes_per_s", "queue_tasks", "busy_power_w"):
                device[name] = getattr(spec, name)
        devices["age_ns"] = age_ns
        last_use = np.zeros((len(specs), sum(sizes)), np.int64)
        self.tables = DeviceTables(devices, np.array(weights, np.int64), last_use, empty_queues(2 * len(specs)))

    def grow(self) -> None:
        """Make room for as many queued partitions again as there is."""
        queues = self.tables.queues
        self.tables = self.tables._replace(queues=with_more_room(queues, len(queues.entries)))


class Device:
    """The state of a computer: first in, first out, one partition at a time; which layers' weights are
    resident, the least recently used leaving first when memory is short."""

    def __init__(self, spec: DeviceSpec, models: Mapping[str, ModelProfile], age_ns: int = 0) -> None:
        self._be(spec, models, Devices([spec], models, age_ns), 0)

    @classmethod
    def of(cls, spec: DeviceSpec, models: Mapping[str, ModelProfile], devices: Devices, index: int) -> Self:
        """The device that is row `index` of a network's tables."""
        device = cls.__new__(cls)
        device._be(spec, models, devices, index)
        return device

    def _be(self, spec: DeviceSpec, models: Mapping[str, ModelProfile], devices: Devices, index: int) -> None:
        self.spec = spec
        self._devices = devices
        self._index = index
        self._times = {name: _running_sums(layer_times(spec, model)) for name, model in models.items()}
        self._code = _machine_code()

    @property
    def busy_ns(self) -> int:
        """Time spent computing and loading by everything accepted so far."""
        return int(self._devices.tables.devices["busy_ns"][self._index])

    def energy_j(self, elapsed_ns: int) -> float:
        """What it has drawn since time 0: busy, and for the rest idle."""
        idle_ns = max(0, elapsed_ns - self.busy_ns)
        return (self.spec.busy_power_w * self.busy_ns + self.spec.idle_power_w * idle_ns) * 1e-9

    def service_ns(self, model: str, first: int, stop: int, tokens: int, context: int) -> int:
        """What layers `first`..`stop` take for one pass of `tokens` tokens that each attend to `context`."""
        fixed_ns, token_ps, context_ps = self.pass_times(model, first, stop)
        return fixed_ns + tokens * (token_ps + context * context_ps) // PS_PER_NS

    def pass_times(self, model: str, first: int, stop: int) -> tuple[int, int, int]:
        """What layers `first`..`stop` take: ns a pass, ps a token, ps a token and attended position."""
        fixed_ns, token_ns, context_ps = self._times[model]
        return (
            fixed_ns[stop] - fixed_ns[first],
            (token_ns[stop] - token_ns[first]) * PS_PER_NS,
            context_ps[stop] - context_ps[first],
        )

    def preload(self, model: str, first: int, stop: int) -> None:
        """Make layers resident before the run, as far as memory goes without evicting."""
        layer = self._devices.first_layer[model]
        self._code.preload(self._devices.tables, self._index, layer + first, layer + stop)

    def submit(self, now_ns: int, model: str, first: int, stop: int, service_ns: int) -> Service | str:
        """Queue a partition for `service_ns` of computing; the reason as text when it cannot be."""
        layer = self._devices.first_layer[model]
        answer, *times_ns = self._code.submit(
            self._devices.tables, self._index, now_ns, layer + first, layer + stop, service_ns
        )
        if answer == NO_ROOM:
            self._devices.grow()
            return self.submit(now_ns, model, first, stop, service_ns)
        return Service(*times_ns) if answer == ACCEPTED else REFUSALS[answer]

    def backlog_ns(self, at_ns: int) -> int:
        """How long the queue would still have taken at a past instant, at most `age_ns` ago."""
        return self._code.backlog_ns(self._devices.tables, self._index, at_ns)


@in_place
def submit(
    tables: DeviceTables, index: int, now_ns: int, first: int, stop: int, service_ns: int
) -> tuple[int, int, int, int]:
    """`Device.submit` for row `index` and rows `first`..`stop` of the layers: whether it was accepted,
    and the fields of its `Service`."""
    device, queues = tables.devices[index], tables.queues
    waiting, history = 2 * index, 2 * index + 1
    while has_passed(queues, waiting, now_ns):
        pop(queues, waiting)
        device.waiting -= 1
    if device.waiting >= device.queue_tasks:
        return QUEUE_FULL, 0, 0, 0
    if unused(queues) < 2:
        return NO_ROOM, 0, 0, 0
    missing_bytes = make_resident(tables, index, first, stop)
    if missing_bytes < 0:
        return TOO_LARGE, 0, 0, 0
    load_ns = round(missing_bytes * 1e9 / device.load_bytes_per_s)
    start_ns = max(now_ns, device.free_ns)
    finish_ns = start_ns + load_ns + service_ns
    device.free_ns = finish_ns
    device.busy_ns += load_ns + service_ns
    device.waiting += 1
    append(queues, waiting, finish_ns, 0)
    while is_history(queues, history, now_ns - device.age_ns):
        pop(queues, history)
    append(queues, history, now_ns, finish_ns)
    return ACCEPTED, start_ns, load_ns, finish_ns


@in_place
def is_history(queues: Queues, queue: int, heard_ns: int) -> bool:
    """Whether nobody can ask for the first entry any more: the one behind it was true already."""
    first = queues.ends[queue].first
    second = queues.entries[first].behind
    return bool(first != 0 and second != 0 and queues.entries[second].at_ns <= heard_ns)


@in_place
def make_resident(tables: DeviceTables, index: int, first: int, stop: int) -> int:
    """Bytes that have to be loaded, after evicting what stands in the way; -1 if they cannot fit."""
    device, weight_bytes, last_use = tables.devices[index], tables.weight_bytes, tables.last_use[index]
    wanted_bytes = missing_bytes = 0
    for layer in range(first, stop):
        wanted_bytes += weight_bytes[layer]
        if last_use[layer] == 0:
            missing_bytes += weight_bytes[layer]
    if missing_bytes > 0 and wanted_bytes > device.memory_bytes:
        return -1
    for layer in range(first, stop):
        if last_use[layer] > 0:
            device.touches += 1
            last_use[layer] = device.touches
    while device.resident_bytes + missing_bytes > device.memory_bytes:
        oldest = least_recent(last_use)
        last_use[oldest] = 0
        device.resident_bytes -= weight_bytes[oldest]
    for layer in range(first, stop):
        if last_use[layer] == 0:
            device.touches += 1
            last_use[layer] = device.touches
    device.resident_bytes += missing_bytes
    return int(missing_bytes)


@in_place
def least_recent(last_use: Table) -> int:
    """The resident layer that was used longest ago; there must be one."""
    oldest = -1
    for layer in range(len(last_use)):
        if last_use[layer] > 0 and (oldest < 0 or last_use[layer] < last_use[oldest]):
            oldest = layer
    return oldest


@in_place
def preload(tables: DeviceTables, index: int, first: int, stop: int) -> None:
    """`Device.preload` for row `index` and rows `first`..`stop` of the layers."""
    device = tables.devices[index]
    for layer in range(first, stop):
        size = tables.weight_bytes[layer]
        if tables.last_use[index, layer] == 0 and device.resident_bytes + size <= device.memory_bytes:
            device.touches += 1
            tables.last_use[index, layer] = device.touches
            device.resident_bytes += size


@in_place
def backlog_ns(tables: DeviceTables, index: int, at_ns: int) -> int:
    """`Device.backlog_ns` for row `index`."""
    entries = tables.queues.entries
    entry = tables.queues.ends[2 * index + 1].first
    free_ns = 0
    while entry != 0 and entries[entry].at_ns <= at_ns:
        free_ns = entries[entry].value
        entry = entries[entry].behind
    return max(0, free_ns - max(at_ns, 0))


class _Code(NamedTuple):
    submit: Callable[[DeviceTables, int, int, int, int, int], tuple[int, int, int, int]]
    preload: Callable[[DeviceTables, int, int, int], None]
    backlog_ns: Callable[[DeviceTables, int, int], int]


@cache
def _machine_code() -> _Code:
    tables = Devices((), {}, 0).tables
    return _Code(bound(submit, tables, 0, 0, 0, 0, 0), bound(preload, tables, 0, 0, 0), bound(backlog_ns, tables, 0, 0))


def _running_sums(times: LayerTimes) -> tuple[list[int], list[int], list[int]]:
    return (
        list(accumulate(times.fixed_ns, initial=0)),
        list(accumulate(times.token_ns, initial=0)),
        list(accumulate(times.context_ps, initial=0)),
    )
