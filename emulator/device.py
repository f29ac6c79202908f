"""A computer with one queue: how long a partition takes on it, and when its turn comes.

The state of all devices of a network lies in tables for compiled code (`submit`); a `Device` is one row of them.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple, Self

import numpy as np

from emulator.core.compiled import Bound, Table, entry_point, in_place
from emulator.core.fifo import Fifos, empty_fifos, has_passed, has_room, pop_entry, push_entry
from emulator.core.units import NS_PER_S
from emulator.profile import ModelProfile
from emulator.system import DeviceSpec, LayerTimes
from emulator.task import Placement, Task, passes

PS_PER_NS = 1_000

DEVICE = np.dtype(
    [
        # what it is
        ("memory_bytes", np.int64),
        ("load_bytes_per_s", np.float64),
        ("queue_tasks", np.int64),
        ("busy_power_w", np.float64),
        ("age_ns", np.int64),
        # its state
        ("down", np.bool_),
        ("waiting", np.int64),  # partitions that wait or are in service
        ("free_ns", np.int64),
        ("busy_ns", np.int64),  # computing and loading, for the energy account
        ("resident_bytes", np.int64),
        ("uses", np.int64),  # counts uses of layers
    ]
)
ACCEPTED, QUEUE_FULL, TOO_LARGE, NODE_DOWN = range(4)  # answers of `submit`
REFUSALS = {QUEUE_FULL: "device queue full", TOO_LARGE: "memory", NODE_DOWN: "node down"}


class Service(NamedTuple):
    """A partition's turn: it waits until `start_ns`, loads weights for `load_ns`, computes until `finish_ns`."""

    start_ns: int
    load_ns: int
    finish_ns: int


class DeviceTables(NamedTuple):
    """Devices, and the layers of all models one after the other. `last_use[device, layer]`: value of the use counter at
    the layer's last use; 0 if its weights are not loaded."""

    devices: Table  # DEVICE, shape (devices,)
    weight_bytes: Table  # int64, shape (layers,)
    last_use: Table  # int64, shape (devices, layers)
    queues: Fifos  # two a device: (finish, 0) of what waits, and its history of (since, free from)


def layer_times(spec: DeviceSpec, model: ModelProfile) -> LayerTimes:
    """Return the device's measured times of the model's layers or, if there are none, the roofline's."""
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
    """The devices of a network as tables."""

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
        self.tables = DeviceTables(devices, np.array(weights, np.int64), last_use, empty_fifos(2 * len(specs)))


class Device:
    """The state of a computer: first in, first out, one partition at a time; the least recently used layers leave its
    memory first when it is short."""

    def __init__(self, spec: DeviceSpec, models: Mapping[str, ModelProfile], devices: Devices, index: int) -> None:
        """Row `index` of a network's tables."""
        self.spec = spec
        self.index = index
        self._devices = devices
        self._times = {name: _running_sums(layer_times(spec, model)) for name, model in models.items()}

    @classmethod
    def standalone(cls, spec: DeviceSpec, models: Mapping[str, ModelProfile], age_ns: int = 0) -> Self:
        """Return a device with tables of its own."""
        return cls(spec, models, Devices([spec], models, age_ns), 0)

    @property
    def busy_ns(self) -> int:
        """Time spent computing and loading by everything accepted so far."""
        return int(self._devices.tables.devices["busy_ns"][self.index])

    @property
    def is_down(self) -> bool:
        """Whether the device is down: it then refuses partitions."""
        return bool(self._devices.tables.devices["down"][self.index])

    def set_down(self, down: bool) -> None:
        """Let the device be down, or up again."""
        self._devices.tables.devices["down"][self.index] = down

    def energy_j(self, elapsed_ns: int) -> float:
        """Return the energy drawn since time 0: busy, and for the rest idle."""
        idle_ns = max(0, elapsed_ns - self.busy_ns)
        return (self.spec.busy_power_w * self.busy_ns + self.spec.idle_power_w * idle_ns) * 1e-9

    def service_ns(self, model: str, first: int, stop: int, tokens: int, context: int) -> int:
        """Return what layers `first`..`stop` take for one pass of `tokens` tokens that each attend to `context`."""
        fixed_ns, token_ps, context_ps = self.pass_times(model, first, stop)
        return fixed_ns + tokens * (token_ps + context * context_ps) // PS_PER_NS

    def pass_times(self, model: str, first: int, stop: int) -> tuple[int, int, int]:
        """Return what layers `first`..`stop` take: ns a pass, ps a token, ps a token and attended position."""
        fixed_ns, token_ns, context_ps = self._times[model]
        return (
            fixed_ns[stop] - fixed_ns[first],
            (token_ns[stop] - token_ns[first]) * PS_PER_NS,
            context_ps[stop] - context_ps[first],
        )

    def preload(self, model: str, first: int, stop: int) -> None:
        """Load layers before the run, as far as memory goes without evicting."""
        layer = self._devices.first_layer[model]
        _preload(self._devices.tables, self.index, layer + first, layer + stop)

    def submit(self, now_ns: int, model: str, first: int, stop: int, service_ns: int) -> Service | str:
        """Queue a partition for `service_ns` of computing; return the reason as text if it is refused. Raises
        ValueError for a negative time and layers that the model does not have."""
        layers = len(self._times[model][0]) - 1
        if not 0 <= first < stop <= layers:
            raise ValueError(f"layers {first}-{stop}: must be some of the {layers} layers of {model}")
        if service_ns < 0:
            raise ValueError(f"service_ns={service_ns}: must not be negative")
        layer = self._devices.first_layer[model]
        tables = self._devices.tables
        answer, *times_ns = _submit(tables, self.index, now_ns, layer + first, layer + stop, service_ns)
        return Service(*times_ns) if answer == ACCEPTED else REFUSALS[answer]

    def clear(self, now_ns: int) -> None:
        """Forget the queue and the weights, as when the device fails at `now_ns`."""
        _clear(self._devices.tables, self.index, now_ns)

    def backlog_ns(self, at_ns: int) -> int:
        """Return how long the queue would still have taken at a past instant, at most `age_ns` ago."""
        return int(_backlog_ns(self._devices.tables, self.index, at_ns))


@entry_point
def submit(
    tables: DeviceTables, index: int, now_ns: int, first: int, stop: int, service_ns: int
) -> tuple[int, int, int, int]:
    """`Device.submit` for row `index` and rows `first`..`stop` of the layers: ACCEPTED or why not, and the fields of a
    `Service`."""
    device, queues = tables.devices[index], tables.queues
    waiting, history = 2 * index, 2 * index + 1
    if device.down:
        return NODE_DOWN, 0, 0, 0
    while has_passed(queues, waiting, now_ns):
        pop_entry(queues, waiting)
        device.waiting -= 1
    if device.waiting >= device.queue_tasks or not has_room(queues.entries, queues.store[0]):
        return QUEUE_FULL, 0, 0, 0
    missing_bytes = load_layers(tables, index, first, stop)
    if missing_bytes < 0:
        return TOO_LARGE, 0, 0, 0
    load_ns = round(missing_bytes * 1e9 / device.load_bytes_per_s)
    start_ns = max(now_ns, device.free_ns)
    finish_ns = start_ns + load_ns + service_ns
    device.free_ns = finish_ns
    device.busy_ns += load_ns + service_ns
    device.waiting += 1
    push_entry(queues, waiting, finish_ns, 0)
    while is_outdated(queues, history, now_ns - device.age_ns):
        pop_entry(queues, history)
    if has_room(queues.entries, queues.store[0]):
        push_entry(queues, history, now_ns, finish_ns)
    return ACCEPTED, start_ns, load_ns, finish_ns


@in_place
def is_outdated(queues: Fifos, queue: int, heard_ns: int) -> bool:
    """Return whether the second entry was true at `heard_ns` already, so that the first is no longer needed."""
    first = queues.ends[queue].first
    second = queues.entries[first].next
    return bool(first != 0 and second != 0 and queues.entries[second].at_ns <= heard_ns)


@in_place
def load_layers(tables: DeviceTables, index: int, first: int, stop: int) -> int:
    """Use layers: return the bytes that have to be loaded, after evicting others; -1 if they cannot fit."""
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
            device.uses += 1
            last_use[layer] = device.uses
    while device.resident_bytes + missing_bytes > device.memory_bytes:
        oldest = least_recently_used(last_use)
        last_use[oldest] = 0
        device.resident_bytes -= weight_bytes[oldest]
    for layer in range(first, stop):
        if last_use[layer] == 0:
            device.uses += 1
            last_use[layer] = device.uses
    device.resident_bytes += missing_bytes
    return int(missing_bytes)


@in_place
def least_recently_used(last_use: Table) -> int:
    """Return the loaded layer that was used longest ago; there must be one."""
    oldest = -1
    for layer in range(len(last_use)):
        if last_use[layer] > 0 and (oldest < 0 or last_use[layer] < last_use[oldest]):
            oldest = layer
    return oldest


@entry_point
def preload(tables: DeviceTables, index: int, first: int, stop: int) -> None:
    """`Device.preload` for row `index` and rows `first`..`stop` of the layers."""
    device = tables.devices[index]
    for layer in range(first, stop):
        size = tables.weight_bytes[layer]
        if tables.last_use[index, layer] == 0 and device.resident_bytes + size <= device.memory_bytes:
            device.uses += 1
            tables.last_use[index, layer] = device.uses
            device.resident_bytes += size


@entry_point
def clear(tables: DeviceTables, index: int, now_ns: int) -> None:
    """`Device.clear` for row `index`."""
    device, queues = tables.devices[index], tables.queues
    while device.waiting > 0:
        pop_entry(queues, 2 * index)
        device.waiting -= 1
    tables.last_use[index, :] = 0
    device.resident_bytes = 0
    device.busy_ns -= max(0, device.free_ns - now_ns)
    device.free_ns = min(device.free_ns, now_ns)
    if has_room(queues.entries, queues.store[0]):
        push_entry(queues, 2 * index + 1, now_ns, device.free_ns)


@entry_point
def backlog_ns(tables: DeviceTables, index: int, at_ns: int) -> int:
    """`Device.backlog_ns` for row `index`."""
    entries = tables.queues.entries
    row = tables.queues.ends[2 * index + 1].first
    free_ns = 0
    while row != 0 and entries[row].at_ns <= at_ns:
        free_ns = entries[row].value
        row = entries[row].next
    return max(0, free_ns - max(at_ns, 0))


def decode_times_ns(devices: Mapping[str, Device], task: Task, placement: Placement) -> list[list[int]]:
    """Return what each pass after the first takes in each partition of a placement, by the devices' layer times."""
    model = task.kind.model.name
    return [
        [devices[node].service_ns(model, first, stop, *each) for node, first, stop, _ in placement]
        for each in passes(task)[1:]
    ]


def _running_sums(times: LayerTimes) -> tuple[list[int], list[int], list[int]]:
    return (
        list(accumulate(times.fixed_ns, initial=0)),
        list(accumulate(times.token_ns, initial=0)),
        list(accumulate(times.context_ps, initial=0)),
    )


_submit, _preload, _clear, _backlog_ns = Bound(submit), Bound(preload), Bound(clear), Bound(backlog_ns)
