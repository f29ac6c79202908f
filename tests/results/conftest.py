"""A small run with known numbers, written by the emulator's own record writer."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.record import Records
from emulator.system import Cost
from emulator.trace import Trace
from results.example import Example, write_example
from results.figures.draw import draw_figures
from results.report import write_report
from results.run.folder import Run, create_run_folder, open_run
from results.run.manifest import Check, KindFacts, RunFacts, describe_run, write_manifest
from results.run.tables import BOUND, CHOICES, CHOICES_FILE, write_choices
from results.statistics import summarise

SOURCES = ("ue1", "ue2", "ue3")
DURATION_S = 60
FAILURE_S = 5.0

KINDS = ("image", "text")
EXAMPLE = Example(
    policy="exact",
    kind="text",
    source="ue1",
    task=3,
    placement="ue1:0-5|edge1:5-16@int4",
    codec="int4",
    prompt="To <begin> with",
    continuation=" the end",
    unharmed_continuation=" the beginning",
    perplexity=22.0,
    unharmed_perplexity=20.0,
    expected_loss=0.04,
)

Row = tuple[Any, ...]
MakeRun = Callable[..., Run]


def task_row(
    policy: str,
    source: str,
    kind: str,
    number: int,
    *,
    delay_ms: float,
    arrival_s: float = 0.0,
    placement: str = "edge1:0-16",
    outcome: str = "done",
    energy_j: float = 0.5,
    erased: float = 0.0,
    loss: float | None = None,
    compute: str = "modelled",
) -> Row:
    """Return a row of tasks.parquet: half of the delay is service, a fifth waiting, a tenth load, the rest transfer,
    of which half in link queues."""
    sojourn = round(delay_ms * NS_PER_MS)
    service, waiting, load = sojourn // 2, sojourn // 5, sojourn // 10
    transfer = sojourn - service - waiting - load
    parts = (waiting, load, service, transfer, transfer // 2)
    reason = "link queue full" if outcome == "failed" else ""
    tokens = (16, 4) if kind == "text" else (None, None)
    ttft = sojourn // 4 if kind == "text" and outcome != "failed" else None
    token = None if ttft is None else (sojourn - ttft + 2) // 3
    missed = "total" if outcome == "missed" else ""
    identity = (policy, source, kind, number, round(arrival_s * NS_PER_S), *tokens, placement)
    energies_j = (energy_j, energy_j / 2, energy_j / 4, energy_j / 4, 0.0)
    ends = (erased, loss, outcome == "done", outcome, missed, reason, 1, compute)
    return (*identity, *parts, sojourn, ttft, token, *energies_j, *ends)


def stage_row(row: Row) -> Row:
    """Return the task as one stage of stages.parquet."""
    return (*row[:4], 0, "edge1", 0, 16, "", *row[8:13], *row[16:23], row[-1], "")


def rate_trace(seed: int, seconds: int = DURATION_S) -> Trace:
    """Return a trace with rates between about 5 and 80 Mbit/s in slots of 10 ms, with its SNR."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, 0.06, seconds * 100).cumsum()
    rate_bps = 35e6 * np.exp(steps - np.linspace(0, steps[-1], len(steps))).clip(0.15, 2.3)
    bits = (rate_bps * rng.uniform(0.85, 1.15, len(steps)) / 100).astype(np.int64)
    return Trace(10 * NS_PER_MS, {"capacity_bits": bits, "snr_db": 10 * np.log10(rate_bps / 1e6)})


def write_run(
    root: Path,
    rows: Iterable[Row],
    bound: Mapping[tuple[str, str, int], float] | None,
    *,
    learning: str | None = None,
    checks: tuple[Check, ...] = (Check(name="Little's law", subject="exact", value=2e-13, limit=1e-9),),
    facts: Mapping[str, Any] | None = None,
    sources: tuple[str, ...] = SOURCES,
) -> Run:
    """Return the folder of a run with all files but the manifest, which is not yet written."""
    rows = list(rows)
    folder = create_run_folder(root, "quickstart", "3fa9c1d2" * 8)
    (folder / "scenario.yaml").write_text("name: quickstart\nseed: 5\n", encoding="utf-8")
    for number, source in enumerate(sources):
        rate_trace(number).save(folder / "traces" / f"{source}-gnb.parquet")
    with Records(folder) as records:
        for row in rows:
            records.tasks.append(row)
            records.stages.append(stage_row(row))
    if bound is not None:
        keys = list(zip(*bound, strict=True))
        columns = [
            pa.array(column, field.type) for column, field in zip((*keys, list(bound.values())), BOUND, strict=True)
        ]
        pq.write_table(pa.table(columns, schema=BOUND), folder / "bound.parquet")
    if learning is not None:
        (folder / "learning.csv").write_text(learning, encoding="utf-8")
    described = {
        "rung": "sim",
        "duration_s": DURATION_S,
        "kinds": {
            "image": KindFacts(model="vgg16", layers=16, deadline_ms=300),
            "text": KindFacts(model="llama-small", layers=22, deadline_ms=2000),
        },
        "cost": Cost(FAILURE_S),
        "uplinks": {source: f"traces/{source}-gnb.parquet" for source in sources},
        "policies": dict.fromkeys(dict.fromkeys(row[0] for row in rows), ""),
    }
    manifest = describe_run(
        folder,
        "quickstart",
        RunFacts(**{**described, **(facts or {})}),
        seeds={"scenario": 5},
        command=("airsplit", "run", "topologies/quickstart.yaml", "--seed", "5"),
        started=datetime.now(UTC),
        threads={"torch": 1},
        checks=checks,
    )
    return Run(folder, manifest)


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """`write_run` into the test's own folder."""

    def make(*arguments: Any, **keywords: Any) -> Run:
        return write_run(tmp_path, *arguments, **keywords)

    return make


def small_run(root: Path) -> Run:
    """Two policies, four tasks each of which one fails and one is late, mean delays 200 and 400 ms; and one
    policy of two measured tasks. Every bound is 0.1 s."""
    rows = []
    for policy, factor in (("exact", 1.0), ("random", 2.0)):
        for number, (delay_ms, outcome) in enumerate([(100, "done"), (200, "done"), (300, "missed"), (50, "failed")]):
            placement = "ue1:0-4|edge1:4-16" if number else "edge1:0-16"
            rows.append(
                task_row(
                    policy,
                    "ue1",
                    "image",
                    number,
                    delay_ms=factor * delay_ms,
                    outcome=outcome,
                    arrival_s=number,
                    placement=placement,
                )
            )
    rows += [task_row("exact on workers", "ue1", "image", n, delay_ms=80, compute="measured") for n in range(2)]
    return write_run(root, rows, {("ue1", "image", number): 0.1 for number in range(4)})


@pytest.fixture
def small(tmp_path: Path) -> Run:
    """See `small_run`."""
    return small_run(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Six sources on traces of their own, two kinds, three policies (one measured, on fewer tasks, one with late and
    lost tasks), training curves; drawn, reported, and its manifest written. Read it only."""
    sources = tuple(f"ue{number}" for number in range(1, 7))
    rng = np.random.default_rng(7)
    rows, bound = [], {}
    for policy, slower in (("exact", 1.1), ("ppo [short] $1$", 1.4), ("on workers <b>", 1.2)):
        for source in sources:
            for kind, least_ms, tasks in (("image", 90, 30), ("text", 900, 6)):
                for number in range(tasks // 3 if "workers" in policy else tasks):
                    bound[source, kind, number] = least_ms * 1e-3
                    late = policy != "exact" and number % 5 == 0
                    delay_ms = least_ms * (5 if late else slower * rng.uniform(1, 1.5))
                    where = (f"{source}:0-16", f"{source}:0-5|edge1:5-16", "edge1:0-16")[number % 3]
                    outcome = "failed" if policy.startswith("ppo") and number % 7 == 6 else "missed" if late else "done"
                    compute = "measured" if "workers" in policy else "modelled"
                    row = task_row(
                        policy,
                        source,
                        kind,
                        number,
                        delay_ms=delay_ms,
                        arrival_s=60 * number / tasks,
                        placement=where,
                        outcome=outcome,
                        compute=compute,
                        loss=None if outcome == "failed" else 0.01 * (number % 3),
                    )
                    rows.append(row)
    learning = ["agent,seed,step,episode_return"]
    learning += [f"ppo,{seed},{step},{-100 / step + seed}" for seed in range(5) for step in range(10, 2001, 10)]
    learning += [f"a3c,0,{step},{-200 / step}" for step in range(10, 2001, 10)]
    facts = {"notes": ["<script>alert('no')</script> & co"], "policies": {"exact": "the best on the last <rate>"}}
    root = tmp_path_factory.mktemp("runs")
    run = write_run(root, rows, bound, learning="\n".join(learning) + "\n", facts=facts, sources=sources)
    summarise(run)
    choices = [
        (kind, "{source}:0-5|edge1:5-16", codec, 80.0, 0.01, 0.09) for kind in KINDS for codec in ("int8", "int4")
    ]
    write_choices(run.path / CHOICES_FILE, pa.table([*zip(*choices, strict=True)], list(CHOICES)))
    write_example(run.path, EXAMPLE)
    draw_figures(run)
    write_report(run)
    write_manifest(run.path, run.manifest)
    return open_run(run.path)
