"""The state of a system while it runs: its links, cells and devices, and the routes between nodes."""

from collections.abc import Mapping

import numpy as np

from emulator.cell import Cell
from emulator.cell.activity import shared_rate_bps
from emulator.cell.tables import Cells
from emulator.core.compiled import Bound
from emulator.core.scratch import Resident
from emulator.core.shortest_paths import ShortestPaths
from emulator.device import Device, Devices
from emulator.legs import Leg, LegTemplate
from emulator.link import Link
from emulator.link.tables import Links
from emulator.quality import Curve
from emulator.system import System
from emulator.task import Task, TaskKind

Route = tuple[Link, ...]
TOUCHED_BYTES = 49  # of tables and columns for each slot of a trace


class Network:
    """Fresh links, cells and devices for one run of a system."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.link_tables = Links(system.links, system.seed)
        memory_ns = system.control.age_ns + system.control.window_ns
        self.cell_tables = Cells(system.cells, system.links, system.seed, memory_ns, system.duration_ns)
        self.links: Mapping[tuple[str, str], Link] = {
            (spec.source, spec.target): Link(spec, self.link_tables, index) for index, spec in enumerate(system.links)
        }
        self.cells: Mapping[str, Cell] = {
            name: Cell(self.link_tables, self.cell_tables, index) for index, name in enumerate(system.cells)
        }
        specs = {node.name: node.device for node in system.nodes.values() if node.device is not None}
        self.device_tables = Devices(list(specs.values()), system.models, system.control.age_ns)
        self.devices: Mapping[str, Device] = {
            name: Device(spec, system.models, self.device_tables, index)
            for index, (name, spec) in enumerate(specs.items())
        }
        self._routes: dict[tuple[str, str], Route] = {}
        self._curves: dict[tuple[str, str, str, int, str], Curve | None] = {}
        self.links_by_index = tuple(self.links.values())
        self._paths = ShortestPaths(tuple(self.links))
        self._resident = self._memory_of_traces()
        if system.preload:
            self._preload()

    def route(self, source: str, target: str) -> Route:
        """Return the links from one node to another, through the broker if the system has one; () if both are one
        node. Raises ValueError if there is no path."""
        key = (source, target)
        if key not in self._routes:
            rows = self._paths.path_through(self.system.broker, source, target)
            self._routes[key] = tuple(self.links_by_index[row] for row in rows)
        return self._routes[key]

    def route_of(self, leg: Leg) -> Route:
        """Return the links that the message of a leg crosses: none if it sends nothing."""
        return self.route(leg.source, leg.target) if leg.size_bytes else ()

    def service_ns(self, task: Task, leg: Leg) -> int:
        """Return what the visit of a leg takes, by the profile."""
        model, device = task.kind.model.name, self.devices[leg.target]
        return sum(device.service_ns(model, leg.first, leg.stop, *each) for each in leg.passes)

    def first_token_ns(self, task: Task, leg: Leg) -> int | None:
        """Return how long the visit of a leg computes until the first output token is known, by the profile; None if
        the token is not a result of this visit."""
        model = task.kind.model
        is_last = leg.passes and leg.stop == len(model.layers)
        if model.family != "causal_lm" or not task.output_tokens or leg.step or not is_last:
            return None
        return self.devices[leg.target].service_ns(model.name, leg.first, leg.stop, *leg.passes[0])

    def quality_curve(self, kind: TaskKind, leg: Leg | LegTemplate) -> Curve | None:
        """Return the loss of quality by the lost share of what a leg sends unacknowledged; None where it carries no
        activation to another node or nothing was measured for the kind. A measured mean below 0 counts as 0.

        On a route that acknowledges everything the only share is 0. Raises ValueError if the cut, the codec or the
        delivery was not measured, or not up to the loss of everything.
        """
        key = (kind.name, leg.source, leg.target, leg.first, leg.codec)
        if key not in self._curves:
            self._curves[key] = self._measured_curve(kind, leg)
        return self._curves[key]

    def _measured_curve(self, kind: TaskKind, leg: Leg | LegTemplate) -> Curve | None:
        table = self.system.quality.get(kind.name)
        if table is None or not leg.codec or leg.source == leg.target:
            return None
        delivery = ""
        if any(link.spec.bearer == "um" for link in self.route(leg.source, leg.target)):
            if kind.delivery is None:
                raise ValueError(f"{kind.name}: delivery: must be given where activations can be lost")
            delivery = str(kind.delivery)
        curve = table.curve(leg.first, leg.codec, delivery)
        if delivery and curve.levels[-1] < 1:
            raise ValueError(f"{kind.name}: {kind.delivery}: quality must be measured up to the loss of everything")
        return curve._replace(losses=np.maximum(curve.losses, 0.0))

    def rate_bps(self, link: Link, now_ns: int, window_ns: int) -> float:
        """Return the link's measured rate, in a cell that of its share (`shared_rate_bps`)."""
        return float(_shared_rate_bps(self.link_tables.tables, self.cell_tables.tables, link.index, now_ns, window_ns))

    def pass_until(self, now_ns: int) -> None:
        """Give the memory of traces in scratch files back from time to time; `now_ns` is that of the run."""
        self._resident.pass_until(now_ns)

    def _memory_of_traces(self) -> Resident:
        traces = {id(spec.trace): spec.trace for spec in self.system.links}.values()
        links = self.link_tables.tables
        tables = [links.cumulative_bits, links.harq_delay_ns, links.block_lost, self.cell_tables.tables.descriptions]
        columns = [array for trace in traces for array in (trace.capacity_bits, trace.cumulative_bits)]
        return Resident([*tables, *columns], sum(TOUCHED_BYTES / trace.slot_ns for trace in traces))

    def _preload(self) -> None:
        """Load every partition of every candidate once, in the order of the candidates. Trying one again would change
        nothing: memory only fills."""
        models = {kind.name: kind.model.name for kind in self.system.kinds.values()}
        loaded = set()
        for (_, kind), candidates in self.system.placements.items():
            for node, first, stop in dict.fromkeys(part[:3] for placement in candidates for part in placement):
                if (kind, node, first, stop) not in loaded:
                    loaded.add((kind, node, first, stop))
                    self.devices[node].preload(models[kind], first, stop)


_shared_rate_bps = Bound(shared_rate_bps)
