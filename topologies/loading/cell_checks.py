"""Checks of a scenario's cells. Each raises ValueError (one line)."""

from emulator.channel.duplex import symbols
from emulator.channel.numerology import group_prbs
from topologies.schema.cells import DIRECTIONS, CellSection
from topologies.schema.scenario import Scenario
from topologies.schema.setting_errors import LocatedSection, translate_setting_errors


def check_cells(scenario: Scenario) -> None:
    """Check that cells are at nodes, with carriers of the standard."""
    entries = {node.name: node for node in scenario.nodes}
    for name, cell in scenario.cells.items():
        if name not in entries or entries[name].role == "ue":
            raise ValueError(f"cells.{name}: must be the name of a node, as under nodes, that is no UE")
        check_carrier(f"cells.{name}", cell)


def check_carrier(path: str, cell: CellSection) -> None:
    """Check that the carrier is one of the standard, with slots for both directions; `path` locates the cell."""
    with translate_setting_errors(LocatedSection(path, cell)):
        group_prbs(cell.carrier)
        for direction in DIRECTIONS:
            symbols(cell.carrier, direction)


def check_links_of_cells(scenario: Scenario) -> None:
    """Check that each link with `radio` ends at a cell, that each cell has such a link, and that background traffic is
    only in cells with a scheduler."""
    radios = [(a, b) for _, a, b, link in scenario.link_entries() if link.radio is not None]
    used = {scenario.cell_path(end) for ends in radios for end in ends}
    for name in scenario.cells:
        if f"cells.{name}" not in used:
            raise ValueError(f"cells.{name}: must be at an end of a link with radio")
    for index, a, b, link in scenario.link_entries():
        cell = scenario.cell_at(a) or scenario.cell_at(b)
        if link.radio is not None and cell is None:
            raise ValueError(f"links[{index}].radio: there must be a section of cells for {a} or {b}")
        for direction, section in link.directions.items():
            if section.background is not None and (cell is None or cell.scheduler == "none"):
                raise ValueError(
                    f"links[{index}].{direction}.background: the cell must have a scheduler, and it is 'none' so far"
                )
