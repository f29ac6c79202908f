"""Real devices that replace nodes, connected to the interfaces under `realtime.hosts`."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from emulator.core.errors import MissingDependency
from emulator.realtime.sandbox import outer_network
from emulator.realtime.sandbox.real_device import moved_into_host, require_unused
from topologies.mininet.network import EmulatedNetwork
from topologies.schema.scenario import Scenario


def require_interfaces(scenario: Scenario) -> None:
    """Raise ValueError (one line) unless the machine has all the interfaces and none is in use."""
    for place, _, interface in _named(scenario):
        try:
            require_unused(interface, outer_network())
        except ValueError as error:
            raise ValueError(f"{place}: {error}") from error


@contextmanager
def plugged_devices(scenario: Scenario, emulated: EmulatedNetwork) -> Iterator[None]:
    """Replace nodes by real devices within the context. Enter it after the links are probed: the hosts lose their
    addresses permanently. Interfaces are moved from the machine's network namespace and returned at the end.

    Raises MissingDependency (one line) if a device does not answer or an interface cannot be moved."""
    with ExitStack() as stack:
        for place, node, interface in _named(scenario):
            host = emulated.hosts[node]
            try:
                stack.enter_context(moved_into_host(interface, outer_network(), host.pid, emulated.address(node)))
            except MissingDependency as error:
                raise MissingDependency(f"{place}: {error}") from error
        yield


def _named(scenario: Scenario) -> Iterator[tuple[str, str, str]]:
    """Yield (path and value in the scenario, node, interface) of every real device."""
    for index, host in enumerate(scenario.realtime.hosts):
        if host.interface is not None:
            (node,) = scenario.names_of(host.nodes)
            yield f"realtime.hosts[{index}].interface={host.interface}", node, host.interface
