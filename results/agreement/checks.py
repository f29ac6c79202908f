"""What a run in real time is held to: how late packets left, whether the simulation does the same with them, and
whether every packet has its row. All of it from the run's folder."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.core.csv_table import write_table
from emulator.core.units import NS_PER_MS
from emulator.realtime.packet_log import REFUSED
from emulator.realtime.probing.report import ProbeReport
from emulator.realtime.relay import RelayCounts
from emulator.realtime.verification.conformance import Agreement, replay
from emulator.realtime.verification.lateness import Lateness, Latenesses, lateness
from emulator.realtime.verification.log_reader import rows
from emulator.system import System
from results.agreement import write_agreement
from results.run.facts import Told
from results.run.manifest import Broker, Check, Emulation
from topologies.build.conversion import direction_name
from topologies.build.emulation_scope import EMULATED_SUFFIX
from topologies.schema.scenario import Scenario

if TYPE_CHECKING:
    from hil.stations.emulation import EmulationResult

ALL_LINKS = "all links"
ENOUGH = 1_000  # packets of a link, for one in a hundred of them to be more than a few


def told_by_relay(found: "EmulationResult", scenario: Scenario, system: System, folder: Path) -> Told:
    """What is known of an emulation when it is over, and what it is held to. Writes lateness.csv and, where it had
    tasks, agreement.parquet."""
    label = scenario.labels[0]
    facts = Emulation(
        simulated=label,
        emulated=label + EMULATED_SUFFIX,
        links=tuple(direction_name(link.source, link.target) for link in system.links),
        lateness_limit_ms=scenario.realtime.lateness_ms,
        packets=found.ended.packets,
        stray=found.ended.non_ipv4,
        scheduling=found.scheduling,
    )
    checks, notes = examine(folder, system, facts, found.ended, found.probed)
    if (folder / "events.parquet").is_file():
        write_agreement(folder, system, facts.simulated, facts.emulated)
    complaints = [each.complaint for each in found.programs if each.complaint is not None]
    failures = Check(name="commands that failed", subject="all hosts", value=len(complaints), limit=0)
    lost = [f"The {each} ended before the run did." for each in found.lost]
    lost += [f"Stations did not take {found.dropped} messages that had reached them."] if found.dropped else []
    broker = None if found.broker is None else Broker(name=found.broker[0], version=found.broker[1])
    return Told("emu", (*notes, *complaints, *lost), (*checks, failures), broker, emulation=facts)


def examine(
    folder: Path, system: System, emulation: Emulation, ended: RelayCounts, probed: Iterable[ProbeReport]
) -> tuple[tuple[Check, ...], tuple[str, ...]]:
    """All checks of a run in real time, whose packets.parquet lies in the folder, and what the report should also say
    of those that failed. Writes lateness.csv."""
    late = lateness(folder / "packets.parquet")
    write_lateness(folder / "lateness.csv", late, emulation.links)
    same = agreement(folder, system)
    checks = (
        *lateness_checks(late, emulation),
        agreement_check(same),
        refusal_check(folder / "packets.parquet"),
        *log_checks(ended, probed),
    )
    return checks, (f"The simulation differs at {same.first}.",) if same.first else ()


def lateness_checks(found: Latenesses, emulation: Emulation) -> Iterator[Check]:
    """All links together, and each that enough packets crossed, are held to the limit."""
    limit_ms = emulation.lateness_limit_ms
    held = {emulation.links[link]: late for link, late in found.links.items() if late.packets >= ENOUGH}
    for subject, late in {ALL_LINKS: found.overall, **held}.items():
        yield Check(name="lateness, p99 in ms", subject=subject, value=late.p99_ns / NS_PER_MS, limit=limit_ms)
    yield Check(name="packets that left early", subject=ALL_LINKS, value=found.overall.early, limit=0)


def refusal_check(log: Path) -> Check:
    """What reaches the other end by the schedule must be taken there. Raises as `arrivals.rows` does."""
    refused = sum(int((some["outcome"] == REFUSED).sum()) for some in rows(log))
    return Check(name="packets refused at the other end", subject=ALL_LINKS, value=refused, limit=0)


def log_checks(ended: RelayCounts, probed: Iterable[ProbeReport]) -> Iterator[Check]:
    """No packet may be unknown: to the log, to the links, or to the host that it was delivered to."""
    unseen = sum(each.unseen_packets for each in probed)
    for name, value in (
        ("packets without a row", ended.unlogged),
        ("packets without memory", ended.overflowed),
        ("links that broke", len(ended.broken)),
        ("probing packets lost behind a link", unseen),
    ):
        yield Check(name=name, subject=ALL_LINKS, value=value, limit=0)


def write_lateness(path: Path, found: Latenesses, links: Sequence[str]) -> None:
    """Write a row for all links together, and one for each that delivered a packet."""
    named = {ALL_LINKS: found.overall, **{links[link]: late for link, late in found.links.items()}}
    write_table(path, ("link", *Lateness._fields), [(name, *late) for name, late in named.items()])


def agreement(folder: Path, system: System) -> Agreement:
    """The packets of the folder's log, offered to the simulation's own links and cells."""
    return replay(system.links, system.cells, system.seed, system.duration_ns, folder / "packets.parquet")


def agreement_check(found: Agreement) -> Check:
    """No packet may be missing, and none may have been dropped or released otherwise."""
    different = found.missing + found.different_drops + found.different_times
    return Check(name="packets unlike the simulation's", subject=ALL_LINKS, value=different, limit=0)
