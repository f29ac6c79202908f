"""Checks of switches and of the section `realtime`. Each raises ValueError (one line)."""

from collections import Counter
from collections.abc import Mapping

from emulator.system import Role
from topologies.mininet.addressing import MAX_INTERFACE_NAME, MAX_NODES
from topologies.schema.scenario import Scenario


def check_switches(scenario: Scenario) -> None:
    """Check that switches have no device, are neither control node nor broker, and form no loops, in which frames
    would circulate for ever."""
    _check_names(scenario)
    roles = _roles(scenario)
    for index, name, node in scenario.node_entries():
        if node.role == "switch" and node.device is not None:
            raise ValueError(f"nodes[{index}].device={node.device}: must not be given, since {name} is a switch")
    for key, place in (("control.node", scenario.control.node), ("broker", scenario.broker)):
        if place is not None and roles[place] == "switch":
            raise ValueError(f"{key}={place}: must not be a switch")
    leader = {name: name for name, role in roles.items() if role == "switch"}
    for index, a, b, link in scenario.link_entries():
        ends = f"links[{index}].between=[{a}, {b}]"
        if link.over_the_air and "switch" in (roles[a], roles[b]):
            raise ValueError(f"{ends}: a link over the air must not end at a switch")
        if a in leader and b in leader:
            first, second = _leader(leader, a), _leader(leader, b)
            if first == second:
                raise ValueError(f"{ends}: must not close a loop of switches")
            leader[second] = first


def check_realtime(scenario: Scenario) -> None:
    """Check that names exist, nothing exceeds the run's duration, and each node has at most one entry of `hosts`."""
    section = scenario.realtime
    roles = _roles(scenario)
    if section.policy is not None and section.policy not in scenario.labels:
        labels = ", ".join(scenario.labels)
        raise ValueError(f"realtime.policy={section.policy}: must be the label of a policy: {labels}")
    duration_s = section.duration_s or scenario.duration_s
    if duration_s > scenario.duration_s:
        raise ValueError(f"realtime.duration_s={duration_s:g}: must be at most duration_s, {scenario.duration_s:g}")
    described: set[str] = set()
    interfaces: set[str] = set()
    replaced: set[str] = set()
    for index, host in enumerate(section.hosts):
        path = f"realtime.hosts[{index}]"
        names = scenario.names_of(host.nodes)
        for name in names:
            _check_host(f"{path}.nodes={name}", name, roles)
            if name in described:
                raise ValueError(f"{path}.nodes={name}: must be in one entry of hosts only")
            described.add(name)
        if host.interface is not None:
            _check_interface(f"{path}.interface={host.interface}", names, host.interface in interfaces)
            interfaces.add(host.interface)
            replaced.update(names)
    for index, command in enumerate(section.commands):
        path = f"realtime.commands[{index}]"
        _check_host(f"{path}.node={command.node}", command.node, roles)
        if command.node in replaced:
            raise ValueError(f"{path}.node={command.node}: must not be a node that an interface stands for")
        if command.at_s >= duration_s:
            raise ValueError(f"{path}.at_s={command.at_s:g}: must be before the end, {duration_s:g}")
    _check_replaced(scenario)


def _check_names(scenario: Scenario) -> None:
    """Check the length of switches' names: Linux allows 15 characters for an interface's name, in which Mininet's
    switches must find their own name."""
    links = Counter(end for _, a, b, _ in scenario.link_entries() for end in (a, b))
    nodes = list(scenario.node_entries())
    if len(nodes) > MAX_NODES:
        raise ValueError(f"nodes: must be at most {MAX_NODES} to be emulated in real time")
    for index, name, node in nodes:
        longest = f"{name}-eth{links[name]}"
        if node.role == "switch" and len(longest) > MAX_INTERFACE_NAME:
            room = MAX_INTERFACE_NAME - len(longest) + len(name)
            raise ValueError(f"nodes[{index}].name={name}: must have at most {room} characters, since it is a switch")


def _roles(scenario: Scenario) -> dict[str, Role]:
    return {name: node.role for _, name, node in scenario.node_entries()}


def _leader(leader: Mapping[str, str], name: str) -> str:
    """Return the representative of the connected switches (union-find)."""
    while leader[name] != name:
        name = leader[name]
    return name


def _check_host(place: str, name: str, roles: Mapping[str, Role]) -> None:
    if roles.get(name, "switch") == "switch":
        raise ValueError(f"{place}: must be the name of a node, and no switch")


def _check_interface(place: str, names: tuple[str, ...], taken: bool) -> None:
    if len(names) != 1 or taken:
        raise ValueError(f"{place}: must be given for one node only")


def _check_replaced(scenario: Scenario) -> None:
    """Check that no real device replaces a node whose station or broker must run on this machine."""
    working = {scenario.broker: "the broker"}
    if scenario.realtime.tasks:
        working |= {name: "a computer" for _, name, node in scenario.node_entries() if node.device is not None}
        working |= {name: "a source" for task in scenario.tasks for name in scenario.names_of(task.sources)}
    for index, host in enumerate(scenario.realtime.hosts):
        if host.interface is not None:
            for name in scenario.names_of(host.nodes):
                if name in working:
                    place = f"realtime.hosts[{index}].interface={host.interface}"
                    remedy = "" if name == scenario.broker else "; or realtime.tasks must be false"
                    raise ValueError(f"{place}: must not stand for {name}, {working[name]} of tasks{remedy}")
