"""What a run was: its digests, its facts, and the machine and versions that made it."""

from datetime import UTC, datetime
from math import inf, isnan
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emulator.core.files import atomic_write, file_sha256
from emulator.record import records_sha256
from emulator.system import Cost
from emulator.trace import Trace
from results.run.machine import Git, Machine, git_state, machine_now, versions_now
from results.run.reading import readable

RECORDS = ("tasks.parquet", "stages.parquet")
# Of a run in real time.
EMULATED = ("packets.parquet", "events.parquet", "agreement.parquet", "lateness.csv", "probes.csv", "programs.csv")
DATA = ("bound.parquet", "learning.csv", "measured.json", *EMULATED)  # each only where the run has it


class Frozen(BaseModel):
    """Immutable, and without room for what nobody reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class Digests(Frozen):
    """SHA-256 of all that a run read and recorded: of values for traces and records, so that another
    version of a compressor changes none, of bytes for the rest. Keys are paths in the folder."""

    scenario_sha256: str
    records_sha256: str
    trace_sha256: dict[str, str]
    checkpoint_sha256: dict[str, str] = Field(default_factory=dict)
    data_sha256: dict[str, str] = Field(default_factory=dict)

    @property
    def by_name(self) -> dict[str, str]:
        """Every digest by a name that a message can carry."""
        named = {"scenario_sha256": self.scenario_sha256, "records_sha256": self.records_sha256}
        for field in ("trace_sha256", "checkpoint_sha256", "data_sha256"):
            named |= {f"{field} of {path}": digest for path, digest in getattr(self, field).items()}
        return named

    @property
    def files(self) -> list[str]:
        """The paths in the folder that the digests belong to."""
        return ["scenario.yaml", *RECORDS, *self.trace_sha256, *self.checkpoint_sha256, *self.data_sha256]


class Kind(Frozen):
    """What the figures need to know of a kind of task."""

    model: str
    layers: int
    deadline_ms: float


class Check(Frozen):
    """A test that the run made on itself: the magnitude of `value` must not exceed `limit`."""

    name: str
    subject: str
    value: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the test held; a value that is no number did not."""
        return abs(self.value) <= self.limit

    @property
    def strain(self) -> float:
        """How near the value came to its limit, as a part of it; infinite for one that is no number."""
        if self.limit == 0:
            return 0.0 if self.value == 0 else inf
        return inf if isnan(self.value) else abs(self.value) / self.limit


class Broker(Frozen):
    """The program that carried the messages between hosts."""

    name: str
    version: str


class Emulation(Frozen):
    """What an emulation in real time was. `simulated` labels the rows of the policy whose placements were carried
    out, `emulated` those of the same tasks with real packets; both are empty where no task was to run. `links` names
    the directions (`ue1-gnb`) in the order of their numbers in packets.parquet. `packets` came to a link; `stray`
    frames were no IPv4. `scheduling` says how the kernel scheduled the relay.
    """

    simulated: str
    emulated: str
    links: tuple[str, ...]
    lateness_limit_ms: float
    packets: int
    stray: int
    scheduling: str


class Facts(Frozen):
    """What summary, figures and report need to know of the scenario; all else they read from the records.

    `uplinks` gives the trace (a path in the folder) of each source's own link, `policies` a word or line on
    each policy by its label, in the order to show them, `notes` sentences that the report should also say
    (how long the agents were trained, on how many tasks workers ran). `duration_s` is that of what was run.
    """

    rung: Literal["sim", "emu", "hil"]
    duration_s: float
    kinds: dict[str, Kind]
    cost: Cost
    uplinks: dict[str, str]
    policies: dict[str, str]
    notes: tuple[str, ...] = ()
    emulation: Emulation | None = None


class Manifest(Digests):
    """Everything that is needed to know what a run was, and to do it again. A run is `valid` if all checks that it
    made on itself passed."""

    format: Literal[1] = 1
    valid: bool = True
    scenario: str
    seeds: dict[str, int]
    command: tuple[str, ...]
    started: datetime
    finished: datetime
    facts: Facts
    checks: tuple[Check, ...] = ()
    versions: dict[str, str]
    git: Git | None
    machine: Machine
    broker: Broker | None = None
    workers: dict[str, dict[str, str]] = Field(default_factory=dict)


def digests(folder: Path) -> Digests:
    """The digests of a run folder's files as they are now."""
    traces = sorted((folder / "traces").glob("*.parquet"))
    checkpoints = sorted((folder / "checkpoints").glob("*.safetensors"))
    for name in RECORDS:
        with readable(folder / name):
            pq.ParquetFile(folder / name)
    with readable(folder):  # whole files with a damaged page
        records = records_sha256([folder / name for name in RECORDS])
    return Digests(
        scenario_sha256=file_sha256(folder / "scenario.yaml"),
        records_sha256=records,
        trace_sha256={f"traces/{path.name}": Trace.load(path).sha256 for path in traces},
        checkpoint_sha256={f"checkpoints/{path.name}": file_sha256(path) for path in checkpoints},
        data_sha256={name: file_sha256(folder / name) for name in DATA if (folder / name).is_file()},
    )


def describe_run(
    folder: Path,
    scenario: str,
    facts: Facts,
    *,
    seeds: dict[str, int],
    command: tuple[str, ...],
    started: datetime,
    threads: dict[str, int],
    checks: tuple[Check, ...] = (),
    broker: Broker | None = None,
    workers: dict[str, dict[str, str]] | None = None,
) -> Manifest:
    """The manifest of a run that has recorded everything: digests of its files, this machine, this time.
    `threads` are the counts that the run set, by library; `workers` a few facts of each host, by name."""
    return Manifest(
        **digests(folder).model_dump(),
        valid=all(check.passed for check in checks),
        scenario=scenario,
        seeds=seeds,
        command=command,
        started=started,
        finished=datetime.now(UTC),
        facts=facts,
        checks=checks,
        versions=versions_now(),
        git=git_state(),
        machine=machine_now(threads),
        broker=broker,
        workers=workers or {},
    )


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Write manifest.json, whole or not at all: the last thing that a run does."""
    path = folder / "manifest.json"
    with atomic_write(path) as partial:
        partial.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return path


def load_manifest(path: Path) -> Manifest:
    """Read a manifest. Raises ValueError, one line, when it is not one that this version understands."""
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "content"
        raise ValueError(f"{path}: {where}: must be as airsplit writes it: {first['msg']}") from error
