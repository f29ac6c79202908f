"""Rules for switches and for the section `realtime`. Each yields its mistakes, `path=value: rule`."""

from collections import Counter
from collections.abc import Iterator, Mapping

from emulator.system import Role
from topologies.loading.rule_input import RuleInput, first_of_entries
from topologies.mininet.addressing import MAX_INTERFACE_NAME, MAX_NODES
from topologies.schema.scenario import Scenario


def check_switches(given: RuleInput) -> Iterator[str]:
    """Switches have no device, are neither control node nor broker, and form no loops, in which frames would circulate
    for ever."""
    scenario = given.scenario
    yield from _check_names(scenario)
    roles = _roles(scenario)
    for index, node in enumerate(scenario.nodes):
        if node.role == "switch" and node.device is not None:
            yield f"nodes[{index}].device={node.device}: must not be given, since {node.name} is a switch"
    for key, place in (("control.node", scenario.control.node), ("broker", scenario.broker)):
        if place is not None and roles[place] == "switch":
            yield f"{key}={place}: must not be a switch"
    yield from first_of_entries(_wrong_ends(scenario, roles))


def _wrong_ends(scenario: Scenario, roles: Mapping[str, Role]) -> Iterator[tuple[int, str]]:
    leader = {name: name for name, role in roles.items() if role == "switch"}
    for index, a, b, link in scenario.link_entries():
        ends = f"links[{index}].between=[{a}, {b}]"
        if link.over_the_air and "switch" in (roles[a], roles[b]):
            yield index, f"{ends}: a link over the air must not end at a switch"
        if a in leader and b in leader:
            first, second = _leader(leader, a), _leader(leader, b)
            if first == second:
                yield index, f"{ends}: must not close a loop of switches"
            leader[second] = first


def check_realtime(given: RuleInput) -> Iterator[str]:
    """Names exist, nothing exceeds the run's duration, and each node has at most one entry of `hosts`."""
    scenario, section = given.scenario, given.scenario.realtime
    if section.policy is not None and section.policy not in scenario.labels:
        yield f"realtime.policy={section.policy}: must be the label of a policy: {', '.join(scenario.labels)}"
    duration_s = section.duration_s or scenario.duration_s
    if duration_s > scenario.duration_s:
        yield f"realtime.duration_s={duration_s:g}: must be at most duration_s, {scenario.duration_s:g}"
    yield from first_of_entries(_wrong_hosts(scenario))
    replaced = {name for host in section.hosts if host.interface is not None for name in scenario.names_of(host.nodes)}
    roles = _roles(scenario)
    for index, command in enumerate(section.commands):
        path = f"realtime.commands[{index}]"
        if not _is_host(command.node, roles):
            yield f"{path}.node={command.node}: must be the name of a node, and no switch"
        if command.node in replaced:
            yield f"{path}.node={command.node}: must not be a node that an interface stands for"
        if command.at_s >= duration_s:
            yield f"{path}.at_s={command.at_s:g}: must be before the end, {duration_s:g}"


def _wrong_hosts(scenario: Scenario) -> Iterator[tuple[int, str]]:
    roles = _roles(scenario)
    described: set[str] = set()
    interfaces: set[str] = set()
    working = _working(scenario)
    for index, host in enumerate(scenario.realtime.hosts):
        path, names = f"realtime.hosts[{index}]", scenario.names_of(host.nodes)
        for name in names:
            if not _is_host(name, roles):
                yield index, f"{path}.nodes={name}: must be the name of a node, and no switch"
            if name in described:
                yield index, f"{path}.nodes={name}: must be in one entry of hosts only"
            described.add(name)
        if host.interface is not None:
            if len(names) != 1 or host.interface in interfaces:
                yield index, f"{path}.interface={host.interface}: must be given for one node only"
            interfaces.add(host.interface)
            for name in names:
                if name in working:
                    remedy = "" if name == scenario.broker else "; or realtime.tasks must be false"
                    rule = f"must not stand for {name}, {working[name]} of tasks{remedy}"
                    yield index, f"{path}.interface={host.interface}: {rule}"


def _working(scenario: Scenario) -> dict[str | None, str]:
    """Return what runs on this machine at each node whose station or broker no real device can replace."""
    working: dict[str | None, str] = {scenario.broker: "the broker"}
    if scenario.realtime.tasks:
        working |= {name: "a computer" for _, name, node in scenario.node_entries() if node.device is not None}
        working |= {name: "a source" for task in scenario.tasks for name in scenario.names_of(task.sources)}
    return working


def _check_names(scenario: Scenario) -> Iterator[str]:
    """Switches' names are short: Linux allows 15 characters for an interface's name, in which Mininet's switches must
    find their own name."""
    links = Counter(end for _, a, b, _ in scenario.link_entries() for end in (a, b))
    nodes = list(scenario.node_entries())
    if len(nodes) > MAX_NODES:
        yield f"nodes: must be at most {MAX_NODES} to be emulated in real time"
    longest = {name: len(f"{name}-eth{links[name]}") for _, name, _ in nodes}
    yield from first_of_entries(
        (
            index,
            f"nodes[{index}].name={name}: must have at most {MAX_INTERFACE_NAME - longest[name] + len(name)}"
            " characters, since it is a switch",
        )
        for index, name, node in nodes
        if node.role == "switch" and longest[name] > MAX_INTERFACE_NAME
    )


def _roles(scenario: Scenario) -> dict[str, Role]:
    return {name: node.role for _, name, node in scenario.node_entries()}


def _leader(leader: Mapping[str, str], name: str) -> str:
    """Return the representative of the connected switches (union-find)."""
    while leader[name] != name:
        name = leader[name]
    return name


def _is_host(name: str, roles: Mapping[str, Role]) -> bool:
    return roles.get(name, "switch") != "switch"
