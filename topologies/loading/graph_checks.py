"""Rules for nodes, links, and what refers to them. Each yields its mistakes, `path=value: rule`."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence

from topologies.loading.rule_input import RuleInput, first_of_entries
from topologies.schema.base import TEMPLATE
from topologies.schema.links import LinkSection
from topologies.schema.scenario import ALL, Scenario


def check_nodes(given: RuleInput) -> Iterator[str]:
    """Node names are different, and the devices exist."""
    yield from first_of_entries(_repeated_nodes(given.scenario))
    devices = given.scenario.devices
    for index, node in enumerate(given.scenario.nodes):
        if node.device is not None and node.device not in devices:
            yield f"nodes[{index}].device={node.device}: must be one of {', '.join(devices)}"


def _repeated_nodes(scenario: Scenario) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for index, name, _ in scenario.node_entries():
        if name in seen or name == ALL:
            yield index, f"nodes[{index}].name={name}: must be given once, and not be {ALL!r}"
        seen.add(name)


def check_ends(given: RuleInput) -> Iterator[str]:
    """Links join two nodes, a link over the air a UE and another."""
    for index, link in enumerate(given.scenario.links):
        yield from _check_ends(given.scenario, f"links[{index}]", link)


def _check_ends(scenario: Scenario, path: str, link: LinkSection) -> Iterator[str]:
    entries = {node.name: node for node in scenario.nodes}
    roles = {name: node.role for _, name, node in scenario.node_entries()}
    roles |= {name: node.role for name, node in entries.items()}
    a, b = link.between
    unknown = [position for position, end in enumerate(link.between) if end not in roles]
    for position in unknown:
        yield f"{path}.between[{position}]={link.between[position]}: must be the name of a node"
    if unknown:
        return
    if a == b:
        yield f"{path}.between=[{a}, {b}]: must join two different nodes"
    counts = [entries[end].count for end in link.between if TEMPLATE in end]
    if len(counts) == 2 and counts[0] != counts[1]:
        yield f"{path}.between=[{a}, {b}]: must have ends with the same count"
    if link.over_the_air and [roles[a], roles[b]].count("ue") != 1:
        yield f"{path}.between=[{a}, {b}]: a link over the air must have one UE at its end"


def check_graph(given: RuleInput) -> Iterator[str]:
    """Two nodes have one link, and all nodes are connected."""
    neighbours: dict[str, set[str]] = defaultdict(set)
    repeated: list[tuple[int, str]] = []
    for index, a, b, _ in given.scenario.link_entries():
        if b in neighbours[a]:
            repeated.append((index, f"links[{index}].between=[{a}, {b}]: must be the only link of the two"))
        neighbours[a].add(b)
        neighbours[b].add(a)
    yield from first_of_entries(repeated)
    start = given.scenario.nodes[0].names[0]
    reached, frontier = {start}, deque([start])
    while frontier:
        new = neighbours[frontier.popleft()] - reached
        reached |= new
        frontier.extend(new)
    yield from first_of_entries(
        (index, f"nodes[{index}].name={name}: must be reachable from {start} by links")
        for index, name, _ in given.scenario.node_entries()
        if name not in reached
    )


def check_references(given: RuleInput) -> Iterator[str]:
    """Control node and broker exist, names of tasks and labels of policies differ, a failure costs most."""
    scenario = given.scenario
    names = {name for _, name, _ in scenario.node_entries()}
    if scenario.control.node not in names:
        yield f"control.node={scenario.control.node}: must be the name of a node"
    if scenario.broker is not None and scenario.broker not in names:
        yield f"broker={scenario.broker}: must be the name of a node"
    yield from _repeated("tasks", "name", [task.name for task in scenario.tasks])
    yield from _repeated("policies", "label", scenario.labels)
    longest_s = max(task.deadline_ms for task in scenario.tasks) / 1_000
    if scenario.cost.failure_s < longest_s:
        yield f"cost.failure_s={scenario.cost.failure_s:g}: must be at least the longest deadline, {longest_s:g} s"


def _repeated(section: str, key: str, values: Sequence[str]) -> Iterator[str]:
    for index, value in enumerate(values):
        if value in values[:index]:
            yield f"{section}[{index}].{key}={value}: must be given once"


def check_failures(given: RuleInput) -> Iterable[str]:
    """Outages are of nodes and links that exist; a place has one entry with mean times."""
    return first_of_entries(_wrong_outages(given.scenario))


def _wrong_outages(scenario: Scenario) -> Iterator[tuple[int, str]]:
    places: set[str | tuple[str, str]] = {name for _, name, _ in scenario.node_entries()}
    places |= {(a, b) for _, a, b, _ in scenario.link_entries()}
    drawn: set[str | tuple[str, str]] = set()
    for index, place, outage in scenario.outage_entries():
        key, value = ("node", place) if isinstance(place, str) else ("link", f"[{', '.join(place)}]")
        path = f"failures.outages[{index}].{key}={value}"
        if place not in places:
            yield index, f"{path}: must be {'the name of a node' if key == 'node' else 'the two ends of a link'}"
        if outage.means_s is not None:
            if place in drawn:
                yield index, f"{path}: must have mean times in one entry only"
            drawn.add(place)


def check_erasures(given: RuleInput) -> Iterator[str]:
    """The cost of an erased activation is given if a bearer can lose activations of a task whose quality is not."""
    lossy = [index for index, link in enumerate(given.scenario.links) if link.bearer == "um"]
    cost = given.scenario.cost
    if lossy and cost.erasure_s == 0 and any(task.name not in cost.quality_s for task in given.scenario.tasks):
        yield f"cost.erasure_s=0: must be above 0, since links[{lossy[0]}].bearer=um loses activations"


def check_groups(given: RuleInput) -> Iterator[str]:
    """Groups are of nodes with a device, and of a task that its source asks for."""
    scenario, groups = given.scenario, given.scenario.groups
    if groups is None:
        return
    computing = [name for _, name, node in scenario.node_entries() if node.device is not None]
    chosen = computing if groups.nodes is None else scenario.names_of(groups.nodes)
    for name in chosen:
        if name not in computing:
            yield f"groups.nodes={name}: must be a node with a device"
    tasks = {task.name: task for task in scenario.tasks}
    if groups.task not in tasks:
        yield f"groups.task={groups.task}: must be one of {', '.join(tasks)}"
    elif groups.source not in (None, *(sources := scenario.names_of(tasks[groups.task].sources))):
        yield f"groups.source={groups.source}: must be one of {', '.join(sources)}"
