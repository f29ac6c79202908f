"""Conversion of a scenario's links and cells to the emulator's types, with their traces."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from emulator.channel.numerology import group_prbs
from emulator.channel.radio import Direction
from emulator.core.units import ns_from_ms
from emulator.system import Background, CellSpec, LinkSpec, Node, Ramp
from emulator.trace import Trace
from topologies.build.conversion import BYTES_PER_KB, direction_name, radio_ends
from topologies.build.trace_sources import TraceSource
from topologies.schema.cells import DIRECTIONS, RampSection, in_emulator_units
from topologies.schema.links import DirectionSection, LinkSection
from topologies.schema.scenario import Scenario
from topologies.schema.setting_errors import LocatedSection, translate_setting_errors


def links_of(scenario: Scenario, nodes: Mapping[str, Node], source: TraceSource) -> tuple[LinkSpec, ...]:
    """Return both directions of every link; of a radio link the uplink first. Raises ValueError (one line, beginning
    with the path in the scenario) if a trace cannot be made.

    A UE's channel in its first cell has draws by the name of the UE, in any further cell by the names of UE and base
    station, so that they fade independently."""
    entries = list(scenario.link_entries())
    stations: dict[str, str] = {}  # of each UE, that of its first link with `radio`
    for _, a, b, link in entries:
        if link.radio is not None:
            stations.setdefault(*radio_ends(a, b, nodes))
    return tuple(
        spec
        for index, a, b, link in entries
        for spec in _directions_of(scenario, f"links[{index}]", a, b, link, nodes, stations, source)
    )


def cells_of(scenario: Scenario) -> dict[str, CellSpec]:
    """Return both directions of every base station with a scheduler."""
    return {
        cell_name(station, direction): CellSpec(cell.scheduler, len(group_prbs(cell.carrier)), cell.window_slots)
        for station, cell in scenario.cell_entries()
        if cell.scheduler != "none"
        for direction in DIRECTIONS
    }


def cell_name(station: str, direction: Direction) -> str:
    """Return the name of one direction of a base station in a system."""
    return f"{station} {direction}"


def _directions_of(
    scenario: Scenario,
    path: str,
    a: str,
    b: str,
    link: LinkSection,
    nodes: Mapping[str, Node],
    stations: Mapping[str, str],
    source: TraceSource,
) -> Iterator[LinkSpec]:
    if not link.over_the_air:
        for ends in ((a, b), (b, a)):
            yield _link_spec(*ends, link, source.wired(direction_name(*ends), link.rate_mbps or 0.0))
        return
    ue, station = radio_ends(a, b, nodes)
    entity = ue if stations.get(ue) == station else f"{ue} {station}"
    for direction in DIRECTIONS:
        yield _radio_spec(scenario, path, link, ue, station, entity, direction, source)


def _radio_spec(
    scenario: Scenario,
    path: str,
    link: LinkSection,
    ue: str,
    station: str,
    entity: str,
    direction: Direction,
    source: TraceSource,
) -> LinkSpec:
    cell = scenario.cell_at(station)
    ends = (ue, station) if direction == "uplink" else (station, ue)
    section = link.directions[direction]
    ramp = _ramp(link.ramp_of(direction, cell))
    if section.has_own_rate or link.radio is None or cell is None:
        with _prefix_errors(f"{path}.{direction}"):
            trace = source.specified(section, direction_name(*ends))
        return replace(_link_spec(*ends, link, trace), ramp=ramp)
    with translate_setting_errors(
        LocatedSection(scenario.cell_path(station), cell), LocatedSection(f"{path}.radio", link.radio)
    ):
        trace = source.generated(cell, link.radio, direction_name(*ends), ue, entity, direction)
    spec = replace(_link_spec(*ends, link, trace), ramp=ramp)
    if cell.scheduler == "none":
        return spec
    return replace(spec, cell=cell_name(station, direction), background=_background(section))


@contextmanager
def _prefix_errors(path: str) -> Iterator[None]:
    """Prefix the text of a ValueError with the path in the scenario."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _link_spec(source: str, target: str, link: LinkSection, trace: Trace) -> LinkSpec:
    return LinkSpec(
        source=source,
        target=target,
        trace=trace,
        delay_ns=ns_from_ms(link.delay_ms),
        queue_bytes=round(link.queue_kb * BYTES_PER_KB),
        bearer=link.bearer,
        loss=link.loss,
        fragment_bytes=link.fragment_bytes,
        retransmission_ns=ns_from_ms(link.retransmission_ms),
        ramp=_ramp(link.ramp),
    )


def _ramp(section: RampSection | None) -> Ramp | None:
    return None if section is None else Ramp(**in_emulator_units(section))


def _background(section: DirectionSection) -> Background | None:
    traffic = section.background
    return None if traffic is None else Background(traffic.rate_per_s, round(traffic.size_kb * BYTES_PER_KB))
