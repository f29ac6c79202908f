"""Points 4 and 5: real against simulated sojourns of the quickstart's tasks, by part; what is left of emulations that
are killed; two at once.

Each emulation is a command of its own, outside of every private world but the one that it makes for itself.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from benchmarks.realtime.kills import COMMAND, KILLS, killed
from benchmarks.realtime.rows import Lengths, Row, row
from emulator.core.randomness import generator
from emulator.core.units import NS_PER_MS
from results.agreement import PART_COLUMNS, read_agreement
from results.run.folder import open_run
from results.run.manifest import Manifest

QUICKSTART = Path(__file__).parents[2] / "topologies" / "quickstart.yaml"
CARRIED_OUT = (0, 5)  # exit codes: 5 where the run says itself that it is invalid
LONGEST_WAIT_S = 8.0  # before an emulation is killed whose network is up
TOGETHER = 2


def rows(lengths: Lengths) -> list[Row]:
    """The rows of points 4 and 5; none where no seconds of emulation are asked for."""
    if lengths.emulated_s == 0:
        return []
    with TemporaryDirectory() as folder:
        return [
            *sojourn_rows(*emulated(Path(folder) / "alone", lengths.emulated_s)),
            *kill_rows(Path(folder), lengths),
            together_row(Path(folder), lengths),
        ]


def command(out: Path, seconds: int) -> list[str]:
    """What follows `airsplit emulate`."""
    return [str(QUICKSTART), "--out", str(out), "--set", f"realtime.duration_s={seconds}"]


def emulated(out: Path, seconds: int) -> tuple[Manifest, pd.DataFrame]:
    """A run's manifest, and its tasks in both worlds. Raises RuntimeError where it came to nothing."""
    return finished(subprocess.Popen([*COMMAND, *command(out, seconds)], stdout=subprocess.DEVNULL), out)


def finished(process: "subprocess.Popen[bytes]", out: Path) -> tuple[Manifest, pd.DataFrame]:
    """Wait for the run, and read it."""
    if process.wait() not in CARRIED_OUT:
        raise RuntimeError(f"{process.args!r}: exit code {process.returncode}")
    (folder,) = (path for path in out.glob("*/*") if path.is_dir())
    tasks = read_agreement(folder / "agreement.parquet")
    if tasks is None:
        raise RuntimeError(f"{folder}: must hold agreement.parquet")
    print(f"emulation {out.name}: done", file=sys.stderr)
    return open_run(folder).manifest, tasks


def sojourn_rows(manifest: Manifest, tasks: pd.DataFrame) -> list[Row]:
    """Differences of sojourns over all tasks that were answered in both worlds; the parts' means add up to theirs."""
    simulated_ms, real_ms = tasks["simulated_ns"] / NS_PER_MS, tasks["real_ns"] / NS_PER_MS
    growth_ms = real_ms - simulated_ms
    parts = [
        row(
            f"emulate_{column.removesuffix('_ns')}_mean_ms",
            float(tasks[column].mean()) / NS_PER_MS,
            f"ms: {title}",
            "real less simulated sojourn, mean",
            float(growth_ms.mean()),
        )
        for column, title in PART_COLUMNS.items()
    ]
    quantiles = [
        row(
            f"emulate_growth_{name}_ms",
            float(growth_ms.quantile(share)),
            "ms: real less simulated sojourn",
            "simulated sojourn, median",
            float(simulated_ms.median()),
        )
        for name, share in (("median", 0.5), ("p95", 0.95))
    ]
    return [*quantiles, *parts, failed_checks_row("emulate_failed_checks", [manifest])]


def failed_checks_row(name: str, manifests: list[Manifest]) -> Row:
    """How many of the checks that runs make on themselves failed."""
    checks = [check for manifest in manifests for check in manifest.checks]
    failed = [check for check in checks if not check.passed]
    for check in failed:
        print(f"{name}: {check.name} of {check.subject}: {check.value:g}, limit {check.limit:g}", file=sys.stderr)
    return row(name, len(failed), "checks", "all checks", len(checks))


def kill_rows(folder: Path, lengths: Lengths) -> list[Row]:
    """Emulations killed at random moments after their network was seen up: what was left of each of them."""
    rng = generator(1, "benchmark", "kills")
    left: list[str] = []
    for number in range(lengths.kills):
        kill = KILLS[number % len(KILLS)]
        after_s = rng.uniform(0, LONGEST_WAIT_S)
        place = folder / f"kill{number}"
        found = killed(kill, command(place / "runs", lengths.emulated_s), place, after_s)
        left += found.left
        if found.code != kill.code:
            left.append(f"exit code {found.code} instead of {kill.code}")
        print(
            f"kill {number + 1} of {lengths.kills}: {kill.number.name} to the {kill.who}: {found.left}", file=sys.stderr
        )
    return [row("emulate_killed_left", len(left), "things left", "emulations killed, each seen alive", lengths.kills)]


def together_row(folder: Path, lengths: Lengths) -> Row:
    """Emulations of the same scenario at the same time."""
    outs = [folder / f"together{number}" for number in range(TOGETHER)]
    processes = [
        subprocess.Popen([*COMMAND, *command(out, lengths.emulated_s)], stdout=subprocess.DEVNULL) for out in outs
    ]
    manifests = [finished(*each)[0] for each in zip(processes, outs, strict=True)]
    return failed_checks_row("emulate_together_failed_checks", manifests)
