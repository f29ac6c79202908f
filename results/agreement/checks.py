"""Checks of a run in real time, from its folder: how late packets left, whether the simulation treats them equally, and
whether every packet has a row in the log."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

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
from results.agreement.unanswered import count_unanswered, unanswered_sentence
from results.run.facts import ExecutionFacts
from results.run.manifest import BrokerFacts, Check, EmulationFacts
from topologies.build.conversion import direction_name
from topologies.build.emulation_scope import EMULATED_SUFFIX
from topologies.schema.scenario import Scenario

ALL_LINKS = "all links"
MIN_PACKETS = 1_000  # of a link, for its 99th percentile to be meaningful


class FinishedProgram(Protocol):
    """A command of the scenario that ran in a host."""

    @property
    def complaint(self) -> str | None:
        """What the report should say of a command that failed; None if it succeeded."""


class FinishedEmulation(Protocol):
    """What `check_emulation` needs to know of an emulation."""

    @property
    def ended(self) -> RelayCounts:
        """The relay's counts."""

    @property
    def scheduling(self) -> str:
        """How the kernel scheduled the relay."""

    @property
    def probed(self) -> Sequence[ProbeReport]:
        """The results of probing each link."""

    @property
    def programs(self) -> Sequence[FinishedProgram]:
        """The commands that ran in hosts."""

    @property
    def broker(self) -> tuple[str, str] | None:
        """Name and version of the broker; None without one."""

    @property
    def lost(self) -> Sequence[str]:
        """The processes (broker, stations) that ended too early."""

    @property
    def dropped(self) -> int:
        """The number of messages that stations received and dropped."""

    @property
    def tcp_congestion_control(self) -> Mapping[str, str]:
        """The kernel's algorithm in the host of each node."""


def check_emulation(found: FinishedEmulation, scenario: Scenario, system: System, folder: Path) -> ExecutionFacts:
    """Check an emulation and return the facts and checks for its manifest. Writes lateness.csv and, if it had tasks,
    agreement.parquet."""
    label = scenario.labels[0]
    unanswered = count_unanswered(folder / "tasks.parquet", label, label + EMULATED_SUFFIX)
    facts = EmulationFacts(
        simulated=label,
        emulated=label + EMULATED_SUFFIX,
        links=tuple(direction_name(link.source, link.target) for link in system.links),
        lateness_limit_ms=scenario.realtime.lateness_ms,
        packets=found.ended.packets,
        stray=found.ended.non_ipv4,
        scheduling=found.scheduling,
        tasks=unanswered.tasks,
        unanswered=dict(unanswered.reasons),
        lost_in_simulation=unanswered.simulated,
        compute=scenario.realtime.compute,
        tcp_congestion_control=dict(found.tcp_congestion_control),
    )
    checks, notes = examine(folder, system, facts, found.ended, found.probed)
    if (folder / "events.parquet").is_file():
        write_agreement(folder, system, facts.simulated, facts.emulated)
    complaints = [each.complaint for each in found.programs if each.complaint is not None]
    own_checks = (
        Check(
            name="tasks not answered beyond the simulation's, share",
            subject=facts.emulated,
            value=unanswered.excess,
            limit=scenario.realtime.unanswered_share,
        ),
        Check(name="commands that failed", subject="all hosts", value=len(complaints), limit=0),
    )
    sentence = unanswered_sentence(facts)
    unanswered_notes = [f"{sentence}."] if sentence else []
    lost = [f"The {each} ended before the run did." for each in found.lost]
    lost += [f"Stations did not take {found.dropped} messages that had reached them."] if found.dropped else []
    broker = None if found.broker is None else BrokerFacts(name=found.broker[0], version=found.broker[1])
    notes = (*unanswered_notes, *notes, *complaints, *lost)
    return ExecutionFacts("emu", notes, (*checks, *own_checks), broker, emulation=facts)


def examine(
    folder: Path, system: System, emulation: EmulationFacts, ended: RelayCounts, probed: Iterable[ProbeReport]
) -> tuple[tuple[Check, ...], tuple[str, ...]]:
    """Return all checks of the packets.parquet in the folder, and notes for the report on those that failed. Writes
    lateness.csv."""
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


def lateness_checks(found: Latenesses, emulation: EmulationFacts) -> Iterator[Check]:
    """Yield the checks of lateness: over all links, and of each link with enough packets."""
    limit_ms = emulation.lateness_limit_ms
    held = {emulation.links[link]: late for link, late in found.links.items() if late.packets >= MIN_PACKETS}
    for subject, late in {ALL_LINKS: found.overall, **held}.items():
        yield Check(name="lateness, p99 in ms", subject=subject, value=late.p99_ns / NS_PER_MS, limit=limit_ms)
    yield Check(name="packets that left early", subject=ALL_LINKS, value=found.overall.early, limit=0)


def refusal_check(log: Path) -> Check:
    """Check that no packet was refused at the other end of its link. Raises ValueError for a damaged log."""
    refused = sum(int((batch["outcome"] == REFUSED).sum()) for batch in rows(log))
    return Check(name="packets refused at the other end", subject=ALL_LINKS, value=refused, limit=0)


def log_checks(ended: RelayCounts, probed: Iterable[ProbeReport]) -> Iterator[Check]:
    """Yield the checks that no packet is missing: from the log, from the links, or at the host it was delivered to."""
    unseen = sum(each.unseen_packets for each in probed)
    for name, value in (
        ("packets without a row", ended.unlogged),
        ("packets without memory", ended.overflowed),
        ("links that broke", len(ended.broken)),
        ("probing packets lost behind a link", unseen),
    ):
        yield Check(name=name, subject=ALL_LINKS, value=value, limit=0)


def write_lateness(path: Path, found: Latenesses, links: Sequence[str]) -> None:
    """Write lateness.csv: a row for all links together, and one for each link that delivered a packet."""
    named = {ALL_LINKS: found.overall, **{links[link]: late for link, late in found.links.items()}}
    write_table(path, ("link", *Lateness._fields), [(name, *late) for name, late in named.items()])


def agreement(folder: Path, system: System) -> Agreement:
    """Replay the packets of the folder's log on the simulation's links and cells, and compare."""
    return replay(system.links, system.cells, system.seed, system.duration_ns, folder / "packets.parquet")


def agreement_check(found: Agreement) -> Check:
    """Check that no packet is missing, and that each was dropped or released as in the simulation."""
    different = found.missing + found.different_drops + found.different_times
    return Check(name="packets unlike the simulation's", subject=ALL_LINKS, value=different, limit=0)
