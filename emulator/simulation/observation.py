"""What the deciding node has heard when a task arrives. Nothing is computed before a policy asks for it."""

from collections.abc import Sequence
from math import inf

from emulator.core.units import NS_PER_S
from emulator.legs import first_leg
from emulator.simulation.energy import radio_w
from emulator.simulation.network import Network
from emulator.task import Partition, Placement, Task


class DelayedObservation:
    """An `Observation` of a running network, `age_ns` old (see `emulator.policy`)."""

    __slots__ = ("_network", "age_ns", "candidates", "now_ns", "task")

    def __init__(self, task: Task, now_ns: int, network: Network, candidates: Sequence[Placement]) -> None:
        self.task = task
        self.now_ns = now_ns
        self.age_ns = network.system.control.age_ns
        self.candidates = candidates
        self._network = network

    def rate_bps(self, source: str, target: str) -> float:
        """Return the lowest measured rate on the route, as last heard; infinite if both are one node."""
        window_ns = self._network.system.control.window_ns
        known_ns = self.now_ns - self.age_ns
        network = self._network
        return min((network.rate_bps(link, known_ns, window_ns) for link in network.route(source, target)), default=inf)

    def delay_ns(self, source: str, target: str) -> int:
        """Return the sum of the propagation delays on the route."""
        return sum(link.spec.delay_ns for link in self._network.route(source, target))

    def backlog_ns(self, node: str) -> int:
        """Return how long the device's queue would still take, as last heard; for the controller's own device, now."""
        return self._network.devices[node].backlog_ns(self.now_ns - self.backlog_age_ns(node))

    def backlog_age_ns(self, node: str) -> int:
        """Return how old the observed backlog of a device is."""
        return 0 if node == self._network.system.control.decider(self.task.source) else self.age_ns

    def service_ns(self, node: str, first: int, stop: int, tokens: int, context: int) -> int:
        """Return what layers `first`..`stop` of the task's model take at the node, by its profile."""
        return self._network.devices[node].service_ns(self.task.kind.model.name, first, stop, tokens, context)

    def quality_s(self, source: str, partition: Partition) -> float:
        """Return the expected cost of the quality that a partition's activation loses on its way, in seconds."""
        kind, network = self.task.kind, self._network
        weight_s = network.system.cost.quality_s.get(kind.name, 0.0)
        curve = network.quality_curve(kind, first_leg(kind, 0, source, partition)) if weight_s else None
        if curve is None:
            return 0.0
        kept = 1.0
        if len(curve.levels) > 1:
            known_ns, window_ns = self.now_ns - self.age_ns, network.system.control.window_ns
            for link in network.route(source, partition.node):
                kept *= 1.0 - link.erased_share(known_ns, window_ns)
        return weight_s * curve.at(1.0 - kept)

    def energy_s(self, node: str) -> float:
        """Return the cost of the energy of computing at a node for a second, in seconds."""
        system = self._network.system
        device = system.nodes[node].device
        return system.cost.energy_s_per_j * device.busy_power_w if device is not None else 0.0

    def energy_ns_per_byte(self, source: str, target: str) -> float:
        """Return the cost of the energy that a byte takes on the route, in ns."""
        network, known_ns = self._network, self.now_ns - self.age_ns
        weight, whole_ns = network.system.cost.energy_s_per_j, 0.0
        for link in network.route(source, target) if weight else ():
            if power_w := radio_w(network.system, link.spec):
                rate_bps = network.rate_bps(link, known_ns, network.system.control.window_ns)
                whole_ns += weight * power_w * 8 * NS_PER_S / rate_bps if rate_bps else inf
        return whole_ns
