"""Rules for UEs with several links. Each yields its mistakes, `path=value: rule`."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from emulator.core.shortest_paths import ShortestPaths
from topologies.loading.rule_input import RuleInput, first_of_entries
from topologies.schema.messages import short
from topologies.schema.scenario import Scenario


def check_routes_of_sources(given: RuleInput) -> Iterable[str]:
    """Messages cross each link of a source of tasks, in both directions. Messages take shortest paths, so of two links
    that lead to the same nodes one would have no effect."""
    return first_of_entries(_unused_links(given.scenario))


def _unused_links(scenario: Scenario) -> Iterator[tuple[int, str]]:
    links = list(scenario.link_entries())
    nodes = {name: node for _, name, node in scenario.node_entries()}
    of_source: dict[str, list[int]] = {name: [] for task in scenario.tasks for name in scenario.names_of(task.sources)}
    for number, (_, a, b, _) in enumerate(links):
        for end, other in ((a, b), (b, a)):
            if end in of_source and nodes[other].role != "ue":
                of_source[end].append(number)
    rows = {ends: row for row, ends in enumerate(ends for _, a, b, _ in links for ends in ((a, b), (b, a)))}
    paths = ShortestPaths(tuple(rows))
    servers = [name for name, node in nodes.items() if node.device is not None and node.role != "ue"]
    alike: dict[tuple[str, ...], str] = {}  # the first source with the same neighbours: routes are alike
    for source, numbers in of_source.items():
        neighbours = tuple(end for number in numbers for end in links[number][1:3] if end != source)
        if len(numbers) < 2 or alike.setdefault(neighbours, source) != source:
            continue
        starts, ends = ([source], servers) if scenario.broker is None else ([source, *servers], [scenario.broker])
        pairs = [pair for start in starts for end in ends for pair in ((start, end), (end, start))]
        crossed = {row for pair in pairs for row in paths.path(*pair)}
        unused = [number for number in numbers if not crossed >= {2 * number, 2 * number + 1}]
        if crossed and unused:
            index, a, b, _ = links[unused[0]]
            others = [
                f"links[{other}].between=[{c}, {d}]"
                for number, (other, c, d, _) in ((number, links[number]) for number in numbers)
                if number != unused[0] and crossed & {2 * number, 2 * number + 1}
            ]
            yield (
                index,
                f"links[{index}].between=[{a}, {b}]: must be on the shortest paths of {source}'s messages in both"
                f" directions, and those go by {' and '.join(others) or 'other links'}; leave out one of the links"
                " (a cell with several sites_m hands its UEs over from site to site)",
            )


def check_cells_of_a_ue(given: RuleInput) -> Iterable[str]:
    """The cells to which a UE has generated links are at different places, since shadowing depends on the place of a
    site alone, and the links agree on the movement of the UE."""
    return first_of_entries(_wrong_cells(given.scenario))


def _wrong_cells(scenario: Scenario) -> Iterator[tuple[int, str]]:
    roles = {name: node.role for _, name, node in scenario.node_entries()}
    before: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for index, a, b, link in scenario.link_entries():
        if link.radio is None or all(section.has_own_rate for section in link.directions.values()):
            continue
        ue, station = (a, b) if roles[a] == "ue" else (b, a)
        cell = scenario.cell_at(station)
        for other_index, other_station in before[ue]:
            other_cell, other_radio = scenario.cell_at(other_station), scenario.links[other_index].radio
            if cell is not None and other_cell is not None and set(cell.sites_m) & set(other_cell.sites_m):
                yield (
                    index,
                    f"{scenario.cell_path(station)}.sites_m={short(cell.sites_m)}: must be places without a site of"
                    f" {scenario.cell_path(other_station)}, since {ue} is linked to {other_station} and {station}",
                )
            if other_radio is not None and link.radio.movement != other_radio.movement:
                yield (
                    index,
                    f"links[{index}].radio: must move {ue} as links[{other_index}].radio does, with the same"
                    f" {', '.join(other_radio.movement)}",
                )
        before[ue].append((index, station))
