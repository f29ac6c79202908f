"""The state of a system while it runs: its links and devices, and the routes between nodes."""

from collections.abc import Callable
from functools import cache

from emulator.cell.activity import others_active
from emulator.cell.tables import Cells, CellTables
from emulator.core.compiled import bound
from emulator.core.shortest_paths import ShortestPaths
from emulator.device import Device, Devices
from emulator.link import Link
from emulator.link.tables import Links, LinkTables
from emulator.system import System

Route = tuple[Link, ...]


class Network:
    """Fresh links and devices for one run of a system."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.link_tables = Links(system.links, system.seed)
        memory_ns = system.control.age_ns + system.control.window_ns
        self.cell_tables = Cells(system.cells, system.links, system.seed, memory_ns, system.duration_ns)
        self.links = {
            (spec.source, spec.target): Link.of(spec, self.link_tables, index)
            for index, spec in enumerate(system.links)
        }
        specs = {node.name: node.device for node in system.nodes.values() if node.device is not None}
        self.device_tables = Devices(list(specs.values()), system.models, system.control.age_ns)
        self.devices = {
            name: Device.of(spec, system.models, self.device_tables, index)
            for index, (name, spec) in enumerate(specs.items())
        }
        self._routes: dict[tuple[str, str], Route] = {}
        self._rows = tuple(self.links.values())
        self._link_rows = {link: row for row, link in enumerate(self._rows)}
        self._paths = ShortestPaths(tuple(self.links))
        if system.preload:
            self._preload()

    def route(self, source: str, target: str) -> Route:
        """The links from one node to another, through the broker where the system has one; () when
        both are one node. Raises ValueError where there is no way."""
        key = (source, target)
        if key not in self._routes:
            broker = self.system.broker
            if broker is None or source == target:
                self._routes[key] = self._path(source, target)
            else:
                self._routes[key] = self._path(source, broker) + self._path(broker, target)
        return self._routes[key]

    def rate_bps(self, link: Link, now_ns: int, window_ns: int) -> float:
        """The link's measured rate (`Link.rate_bps`), in a cell shared by as many others as had something to send
        in the same window."""
        rate_bps = link.rate_bps(now_ns, window_ns)
        start_ns = max(0, now_ns - window_ns)
        if not link.spec.cell or now_ns <= start_ns:
            return rate_bps
        row = self._link_rows[link]
        others = _others_active()(self.link_tables.tables, self.cell_tables.tables, row, start_ns, now_ns)
        return rate_bps / (1.0 + others)

    def _path(self, source: str, target: str) -> Route:
        return tuple(self._rows[row] for row in self._paths.path(source, target))

    def _preload(self) -> None:
        models = {kind.name: kind.model.name for kind in self.system.kinds.values()}
        for (_, kind), candidates in self.system.placements.items():
            for node, first, stop in dict.fromkeys(part for placement in candidates for part in placement):
                self.devices[node].preload(models[kind], first, stop)


@cache
def _others_active() -> Callable[[LinkTables, CellTables, int, int, int], float]:
    return bound(others_active, Links((), 0).tables, Cells({}, (), 0, 0, 0).tables, 0, 0, 0)
