"""Emulations: real against simulated sojourns of the quickstart's tasks, by part; leftovers of killed emulations; two
emulations at once.

Each emulation is a command of its own, which makes its own sandbox.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from benchmarks.realtime.kills import COMMAND, KILLS, kill_emulation
from benchmarks.realtime.lengths import Lengths
from benchmarks.rows import Benchmark, Row, row
from emulator.core.randomness import generator
from emulator.core.units import NS_PER_MS
from results.agreement import PART_COLUMNS, read_agreement
from results.run.folder import open_run
from results.run.manifest import Manifest

QUICKSTART = Path(__file__).parents[2] / "topologies" / "quickstart.yaml"
FINISHED = (0, 5)  # exit codes; 5: a check failed
MAX_KILL_DELAY_S = 8.0  # after the network is up
TOGETHER = 2


def benchmarks(lengths: Lengths) -> dict[str, Benchmark]:
    """The benchmarks of emulations; none if `lengths` has no seconds of emulation."""
    if lengths.emulated_s == 0:
        return {}
    return {
        "emulate": partial(emulate_rows, lengths),
        "emulate_killed": partial(kill_rows, lengths),
        "emulate_together": partial(together_rows, lengths),
    }


def emulate_rows(lengths: Lengths) -> Iterator[Row]:
    """Yield the rows of one emulation."""
    with TemporaryDirectory() as folder:
        yield from sojourn_rows(*finish(start(Path(folder), lengths), Path(folder)))


def arguments(out: Path, lengths: Lengths) -> list[str]:
    """Return the arguments of `airsplit emulate`."""
    return [str(QUICKSTART), "--out", str(out), "--set", f"realtime.duration_s={lengths.emulated_s}"]


def start(folder: Path, lengths: Lengths) -> "subprocess.Popen[bytes]":
    """Start an emulation whose run goes to `folder`."""
    return subprocess.Popen([*COMMAND, *arguments(folder, lengths)], stdout=subprocess.DEVNULL)


def finish(process: "subprocess.Popen[bytes]", out: Path) -> tuple[Manifest, pd.DataFrame]:
    """Wait for the run; return its manifest and its tasks, simulated and real. Raises RuntimeError if it failed."""
    if process.wait() not in FINISHED:
        raise RuntimeError(f"{process.args!r}: exit code {process.returncode}")
    (folder,) = (path for path in out.glob("*/*") if path.is_dir())
    tasks = read_agreement(folder / "agreement.parquet")
    if tasks is None:
        raise RuntimeError(f"{folder} has no agreement.parquet")
    print(f"emulation {out.name}: done", file=sys.stderr)
    return open_run(folder).manifest, tasks


def sojourn_rows(manifest: Manifest, tasks: pd.DataFrame) -> list[Row]:
    """Return the differences of sojourns of all tasks answered in both; the means of the parts add up to their mean."""
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
    """Return how many of the runs' own checks failed."""
    checks = [check for manifest in manifests for check in manifest.checks]
    failed = [check for check in checks if not check.passed]
    for check in failed:
        print(f"{name}: {check.name} of {check.subject}: {check.value:g}, limit {check.limit:g}", file=sys.stderr)
    return row(name, len(failed), "checks", "all checks", len(checks))


def kill_rows(lengths: Lengths) -> Iterator[Row]:
    """Yield the number of leftovers of emulations killed at random moments after their network was seen up."""
    rng = generator(1, "benchmark", "kills")
    left: list[str] = []
    for number in range(lengths.kills):
        kill = KILLS[number % len(KILLS)]
        after_s = rng.uniform(0, MAX_KILL_DELAY_S)
        with TemporaryDirectory() as folder:
            result = kill_emulation(kill, arguments(Path(folder) / "runs", lengths), Path(folder), after_s)
        left += result.left
        if result.code != kill.code:
            left.append(f"exit code {result.code} instead of {kill.code}")
        done = f"kill {number + 1} of {lengths.kills}: {kill.number.name} to the {kill.process}"
        print(f"{done}: {result.left}", file=sys.stderr)
    yield row("emulate_killed_left", len(left), "things left", "emulations killed, each seen alive", lengths.kills)


def together_rows(lengths: Lengths) -> Iterator[Row]:
    """Yield the failed checks of emulations of the same scenario at the same time."""
    with TemporaryDirectory() as folder, ExitStack() as stack:
        outs = [Path(folder) / f"together{number}" for number in range(TOGETHER)]
        processes = [stack.enter_context(start(out, lengths)) for out in outs]
        manifests = [finish(*each)[0] for each in zip(processes, outs, strict=True)]
    yield failed_checks_row("emulate_together_failed_checks", manifests)
