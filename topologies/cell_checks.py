"""What the cells of a scenario must hold. Each check raises ValueError, one line."""

from emulator.channel.duplex import symbols
from emulator.channel.numerology import group_prbs
from topologies.cells import WAYS
from topologies.scenario import Scenario


def check_cells(scenario: Scenario) -> None:
    """Cells stand at nodes, on carriers that there are."""
    entries = {node.name: node for node in scenario.nodes}
    for name, cell in scenario.cells.items():
        if name not in entries or entries[name].role == "ue":
            raise ValueError(f"cells.{name}: must be the name of a node, as under nodes, that is no UE")
        try:
            group_prbs(cell.carrier)
            for way in WAYS:
                symbols(cell.carrier, way)
        except ValueError as error:
            raise ValueError(f"cells.{name}: {error}") from error


def check_links_of_cells(scenario: Scenario) -> None:
    """A generated channel is one between a UE and a cell; who shares nothing has nobody in the way."""
    for index, a, b, link in scenario.link_entries():
        cell = scenario.cell_at(a) or scenario.cell_at(b)
        if link.radio is not None and cell is None:
            raise ValueError(f"links[{index}].radio: there must be a section of cells for {a} or {b}")
        for way, section in link.directions.items():
            if section.background is not None and (cell is None or cell.scheduler == "none"):
                raise ValueError(
                    f"links[{index}].{way}.background: the cell must have a scheduler, and it is 'none' so far"
                )
