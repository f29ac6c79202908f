"""Rules for a scenario's cells and radio links. Each yields its mistakes, `path=value: rule`."""

from collections.abc import Iterator

from emulator.channel.air.full_buffer import air_state
from emulator.channel.duplex import symbols
from emulator.channel.numerology import group_prbs
from emulator.channel.signal import Signal
from emulator.core.units import ns_from_s
from topologies.build.trace_sources import TraceSource
from topologies.loading.rule_input import RuleInput, first_of_entries
from topologies.schema.cells import DIRECTIONS, CellSection
from topologies.schema.scenario import Scenario
from topologies.schema.setting_errors import LocatedSection, translate_setting_errors


def check_cells(given: RuleInput) -> Iterator[str]:
    """Cells are at nodes, with carriers of the standard."""
    entries = {node.name: node for node in given.scenario.nodes}
    for name, cell in given.scenario.cells.items():
        if name not in entries or entries[name].role == "ue":
            yield f"cells.{name}: must be the name of a node, as under nodes, that is no UE"
        try:
            check_carrier(f"cells.{name}", cell)
        except ValueError as error:
            yield str(error)


def check_carrier(path: str, cell: CellSection) -> None:
    """Raise ValueError (one line) unless the carrier is one of the standard, with slots for both directions; `path`
    locates the cell."""
    with translate_setting_errors(LocatedSection(path, cell)):
        group_prbs(cell.carrier)
        for direction in DIRECTIONS:
            symbols(cell.carrier, direction)


def check_links_of_cells(given: RuleInput) -> Iterator[str]:
    """Each link with `radio` ends at a cell, each cell has such a link, and background traffic is only in cells with a
    scheduler."""
    scenario = given.scenario
    radios = [(a, b) for _, a, b, link in scenario.link_entries() if link.radio is not None]
    used = {scenario.cell_path(end) for ends in radios for end in ends}
    for name in scenario.cells:
        if f"cells.{name}" not in used:
            yield f"cells.{name}: must be at an end of a link with radio"
    yield from first_of_entries(_without_cell(scenario))


def _without_cell(scenario: Scenario) -> Iterator[tuple[int, str]]:
    for index, a, b, link in scenario.link_entries():
        cell = scenario.cell_at(a) or scenario.cell_at(b)
        if link.radio is not None and cell is None:
            yield index, f"links[{index}].radio: there must be a section of cells for {a} or {b}"
        for direction, section in link.directions.items():
            if section.background is not None and (cell is None or cell.scheduler == "none"):
                rule = "the cell must have a scheduler, and it is 'none' so far"
                yield index, f"links[{index}].{direction}.background: {rule}"


def check_radios(given: RuleInput) -> Iterator[str]:
    """The channels can be generated: heights, movement and antennas suit the environment."""
    yield from dict.fromkeys(first_of_entries(_wrong_radios(given)))  # links can have a mistake of their cell in common


def _wrong_radios(given: RuleInput) -> Iterator[tuple[int, str]]:
    scenario, checked = given.scenario, set[tuple[int, str | None]]()
    for index, a, b, link in scenario.link_entries():
        ue, station = (a, b) if scenario.cell_at(a) is None else (b, a)
        cell = scenario.cell_at(station)
        generated = [direction for direction, section in link.directions.items() if not section.has_own_rate]
        if link.radio is None or cell is None or not generated or (index, link.radio.track) in checked:
            continue
        checked.add((index, link.radio.track))  # copies differ in their tracks alone
        duration_s = scenario.duration_s if link.radio.ring is None else 1.0  # any part of random waypoints will do
        source = TraceSource(scenario.seed_of_channels, ns_from_s(duration_s), given.folder, "run")
        radio_section = LocatedSection(f"links[{index}].radio", link.radio)
        try:
            with translate_setting_errors(LocatedSection(scenario.cell_path(station), cell), radio_section):
                radio, track, _ = source.channel(cell, link.radio, ue)
                Signal(radio, track, scenario.seed_of_channels, ue, generated[0])
                air_state(radio, generated[0], 0)
        except ValueError as error:
            yield index, str(error)
