"""The totals of a run, added up from its records."""

from emulator.policy import Totals
from emulator.simulation.network import Network

PARTS = ("waiting_ns", "load_ns", "service_ns", "transfer_ns")  # of a sojourn


class Tally:
    """Adds up tasks. By Little's law the mean number of tasks in the system is the sum of their sojourns over the time;
    `little_error` compares it with the sum of the parts that the records split sojourns into."""

    def __init__(self) -> None:
        self._tasks = self._parts_ns = self._sojourns_ns = self._last_ns = 0

    def add(self, tasks: int, parts_ns: int, sojourns_ns: int, last_ns: int) -> None:
        """Add tasks: the sums of their parts and sojourns, and when the last of them ended."""
        self._tasks += tasks
        self._parts_ns += parts_ns
        self._sojourns_ns += sojourns_ns
        self._last_ns = max(self._last_ns, last_ns)

    def totals(self, network: Network) -> Totals:
        """Return the totals of a run that has ended."""
        error = abs(self._sojourns_ns - self._parts_ns) / max(self._sojourns_ns, 1)
        energy_j = {name: device.energy_j(self._last_ns) for name, device in network.devices.items()}
        return Totals(self._tasks, self._last_ns, self._sojourns_ns / max(self._last_ns, 1), error, energy_j)
