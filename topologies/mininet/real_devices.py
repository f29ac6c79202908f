"""Real devices in the places of nodes: the interfaces that a scenario names under `realtime.hosts`."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from emulator.core.errors import MissingDependency
from emulator.realtime.sandbox import outside
from emulator.realtime.sandbox.real_device import plugged, require_free
from topologies.mininet.network import EmulatedNetwork
from topologies.schema.scenario import Scenario


def require_interfaces(scenario: Scenario) -> None:
    """Raise ValueError, one line, unless the machine has all the interfaces, unused."""
    for place, _, interface in _named(scenario):
        try:
            require_free(interface, outside())
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from error


@contextmanager
def plugged_devices(scenario: Scenario, emulated: EmulatedNetwork) -> Iterator[None]:
    """Within it, devices stand for their nodes: to be entered when the links are probed, since the hosts lose their
    addresses to them for good. Interfaces come from the network outside the private world, and go back there.

    Raises MissingDependency, one line, for a device that does not answer or an interface that the machine does not
    let go."""
    with ExitStack() as stack:
        for place, node, interface in _named(scenario):
            host = emulated.hosts[node]
            try:
                stack.enter_context(plugged(interface, outside(), host.pid, emulated.address(node)))
            except MissingDependency as error:
                raise MissingDependency(f"{place}: {error}") from error
        yield


def _named(scenario: Scenario) -> Iterator[tuple[str, str, str]]:
    """Where the scenario names an interface, the node that it stands for, and the interface."""
    for index, host in enumerate(scenario.realtime.hosts):
        if host.interface is not None:
            (node,) = scenario.names_of(host.nodes)
            yield f"realtime.hosts[{index}].interface={host.interface}", node, host.interface
