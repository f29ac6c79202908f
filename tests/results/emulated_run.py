"""The folder of an emulation with known content."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from emulator.core.csv_table import write_table
from emulator.core.units import NS_PER_MS
from emulator.realtime.packet_log import PACKETS
from emulator.realtime.probing.report import ProbeReport, write_probe_reports
from emulator.realtime.verification.lateness import lateness
from emulator.record import Records
from results.agreement.checks import write_lateness
from results.run.folder import Run, create_run_folder
from results.run.manifest import Check, EmulationFacts, KindFacts, RunFacts, describe_run
from results.run.tables import BOUND
from tests.results.emulated_world import (
    EMULATED,
    LINKS,
    SIMULATED,
    RealDelays,
    interval_of,
    real_task,
    world,
    write_world,
)

NAMES = tuple(f"{link.source}-{link.target}" for link in LINKS)
PROGRAM = (0, "ue1", "ping -c 3 edge1 && echo '<b>'", 1.0, 1.01, None, "ended", None, "hosts/00-ue1.txt", "")
PASSED = Check(name="lateness, p99 in ms", subject="all links", value=0.05, limit=2.0)


def probed(link: int, **changes: Any) -> ProbeReport:
    """Return a probe of a link of 8 Mbit/s."""
    found = ProbeReport(
        link, LINKS[link].source, LINKS[link].target, 0, 100, 100, 8e6, 9e6, 7.99e6, 50, 50,
        2_000_000, 2_060_000, 60_000, 90_000, 50_000, 0, 0,
    )  # fmt: skip
    return found._replace(**changes)


def emulated_run(
    root: Path,
    tasks: int = 12,
    checks: Sequence[Check] = (PASSED,),
    probes: Sequence[ProbeReport] | None = None,
    programs: Sequence[tuple[Any, ...]] = (PROGRAM,),
) -> Run:
    """Make a run without tasks, or with tasks that are each slower than the one before, the last one unanswered."""
    folder = create_run_folder(root, "world", "3fa9c1d2" * 8)
    system = world(max(tasks, 1))
    (folder / "scenario.yaml").write_text("name: world\n", encoding="utf-8")
    for name, link in zip(NAMES, system.links, strict=True):
        link.trace.save(folder / "traces" / f"{name}.parquet")
    if tasks:
        delays = [RealDelays(late=300_000 * number) for number in range(tasks - 1)]
        times = [10 * NS_PER_MS + number * interval_of(system) for number in range(tasks - 1)]
        real_tasks = [real_task(number, times[number], each) for number, each in enumerate(delays)]
        write_world(folder, system, real_tasks)
        keys = {"source": ["ue1"] * tasks, "kind": ["image"] * tasks, "task": range(tasks), "bound_s": [0.01] * tasks}
        pq.write_table(BOUND.empty_table().from_pydict(keys, schema=BOUND), folder / "bound.parquet")
    else:
        with Records(folder):
            pq.write_table(PACKETS.empty_table(), folder / "packets.parquet")
    write_lateness(folder / "lateness.csv", lateness(folder / "packets.parquet"), NAMES)
    write_probe_reports(folder / "probes.csv", [probed(link) for link in range(4)] if probes is None else probes)
    columns = (
        "number",
        "node",
        "command",
        "at_s",
        "started_s",
        "ended_s",
        "outcome",
        "exit_status",
        "output",
        "reason",
    )
    write_table(folder / "programs.csv", columns, programs)
    facts = RunFacts(
        rung="emu",
        duration_s=system.duration_ns * 1e-9,
        kinds={"image": KindFacts(model="convnet", layers=5, deadline_ms=120)},
        cost=system.cost,
        uplinks={"ue1": "traces/ue1-gnb.parquet"},
        policies={SIMULATED: "fixed"},
        emulation=EmulationFacts(
            simulated=SIMULATED,
            emulated=EMULATED,
            links=NAMES,
            lateness_limit_ms=2.0,
            packets=100,
            stray=1,
            scheduling="SCHED_FIFO 10",
        ),
    )
    manifest = describe_run(
        folder,
        "world",
        facts,
        seeds={"scenario": 1},
        command=("airsplit", "emulate", "world.yaml"),
        started=datetime.now(UTC),
        threads={},
        checks=tuple(checks),
    )
    return Run(folder, manifest)
