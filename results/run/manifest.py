"""The manifest of a run: digests, facts, checks, machine and versions."""

from datetime import UTC, datetime
from itertools import chain
from math import inf, isnan
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emulator.core.files import atomic_write, file_sha256
from emulator.core.sources import sources_sha256, versions_now
from emulator.policy import EngineName
from emulator.record import records_sha256
from emulator.system import Cost
from emulator.trace import Trace
from results.run.machine import Git, Machine, git_state, machine_now
from results.run.reading import readable
from topologies.user_modules import MODULES_FOLDER

RECORDS = ("tasks.parquet", "stages.parquet")
EMULATION_FILES = (
    "packets.parquet",
    "events.parquet",
    "agreement.parquet",
    "lateness.csv",
    "probes.csv",
    "programs.csv",
    "quality.csv",
)
BOUND_FILE = "bound.parquet"
SENSITIVITY_FILE = "sensitivity.csv"
LATER_FILES = (BOUND_FILE, SENSITIVITY_FILE)  # which a run gets after its manifest
OPTIONAL_FILES = (*LATER_FILES, "learning.csv", "measured.json", *EMULATION_FILES)


LeftOut = Literal["bound", "figures"]  # what a run can be asked to do without


class Frozen(BaseModel):
    """An immutable model that rejects unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class Digests(Frozen):
    """SHA-256 of all inputs and records of a run. Those of traces and records are over values, so that they do not
    depend on the version of a compressor; the others are over bytes. Keys are paths in the folder."""

    scenario_sha256: str
    records_sha256: str
    trace_sha256: dict[str, str]
    checkpoint_sha256: dict[str, str] = Field(default_factory=dict)
    data_sha256: dict[str, str] = Field(default_factory=dict)
    module_sha256: dict[str, str] = Field(default_factory=dict)
    network_sha256: dict[str, str] = Field(default_factory=dict)

    @property
    def by_name(self) -> dict[str, str]:
        """Every digest, by a name for messages."""
        named = {"scenario_sha256": self.scenario_sha256, "records_sha256": self.records_sha256}
        for field in ("trace_sha256", "checkpoint_sha256", "data_sha256", "module_sha256", "network_sha256"):
            named |= {f"{field} of {path}": digest for path, digest in getattr(self, field).items()}
        return named

    @property
    def files(self) -> list[str]:
        """The files that the digests belong to, as paths in the folder."""
        networks = self.network_sha256
        named = (self.trace_sha256, self.checkpoint_sha256, self.data_sha256, self.module_sha256, networks)
        return ["scenario.yaml", *RECORDS, *chain.from_iterable(named)]


class KindFacts(Frozen):
    """A kind of task."""

    model: str
    layers: int
    deadline_ms: float


class Check(Frozen):
    """A check that the run made on itself: it passes if |value| <= limit."""

    name: str
    subject: str
    value: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the check passed; NaN fails."""
        return abs(self.value) <= self.limit

    @property
    def severity(self) -> float:
        """|value| / limit; infinite for NaN."""
        if self.limit == 0:
            return 0.0 if self.value == 0 else inf
        return inf if isnan(self.value) else abs(self.value) / self.limit


class BrokerFacts(Frozen):
    """The broker that carried the messages between hosts."""

    name: str
    version: str


class EmulationFacts(Frozen):
    """An emulation in real time.

    `simulated` labels the simulated rows of the policy whose placements were executed, `emulated` the rows of the same
    tasks with real packets; both are empty if no task was to run. `links`: the directions (`ue1-gnb`) in the order of
    their numbers in packets.parquet. `packets`: packets that arrived at a link. `stray`: frames other than IPv4.
    `scheduling`: how the kernel scheduled the relay. `tasks`: emulated tasks. `unanswered`: how many of them were not
    answered, by reason. `lost_in_simulation`: how many tasks the simulation did not answer either.
    `compute`: whether partitions were really computed, or their nodes only held for the modelled times.
    `tcp_congestion_control`: the kernel's algorithm in each node's host.
    """

    simulated: str
    emulated: str
    links: tuple[str, ...]
    lateness_limit_ms: float
    packets: int
    stray: int
    scheduling: str
    tasks: int = 0
    unanswered: dict[str, int] = Field(default_factory=dict)
    lost_in_simulation: int = 0
    compute: Literal["measured", "held"] = "measured"
    tcp_congestion_control: dict[str, str] = Field(default_factory=dict)


class RunFacts(Frozen):
    """The facts of the scenario that summary, figures and report need besides the records.

    `uplinks`: the trace (a path in the folder) of each source's own link. `policies`: a word or line on each policy by
    its label, in the order to show them. `notes`: more sentences for the report, such as how long agents were trained.
    `duration_s`: of the part that was run. `engine`: which of the simulation's engines made the records. `left_out`:
    what the user asked the run to do without.
    """

    rung: Literal["sim", "emu", "hil"]
    duration_s: float
    kinds: dict[str, KindFacts]
    cost: Cost
    uplinks: dict[str, str]
    policies: dict[str, str]
    notes: tuple[str, ...] = ()
    emulation: EmulationFacts | None = None
    engine: EngineName = "compiled"
    left_out: tuple[LeftOut, ...] = ()


class Manifest(Digests):
    """Everything that is needed to understand a run and to repeat it. A run is `valid` if all its checks passed.
    `source_sha256`: of the code that ran; empty in the manifests of versions that did not note it. `reused`: digests of
    the files that were taken from the cache, by what they hold. `models`: SHA-256 of the files of trained models;
    `images`: that of the images from a folder, by task."""

    format: Literal[1] = 1
    valid: bool = True
    scenario: str
    seeds: dict[str, int]
    command: tuple[str, ...]
    started: datetime
    finished: datetime
    facts: RunFacts
    checks: tuple[Check, ...] = ()
    versions: dict[str, str]
    git: Git | None
    source_sha256: str = ""
    machine: Machine
    broker: BrokerFacts | None = None
    workers: dict[str, dict[str, str]] = Field(default_factory=dict)
    reused: dict[str, str] = Field(default_factory=dict)
    models: dict[str, dict[str, str]] = Field(default_factory=dict)
    images: dict[str, str] = Field(default_factory=dict)


def digests(folder: Path) -> Digests:
    """Compute the digests of a run folder's files."""
    traces = sorted((folder / "traces").glob("*.parquet"))
    checkpoints = sorted((folder / "checkpoints").glob("*.safetensors"))
    modules = sorted(path for path in (folder / MODULES_FOLDER).rglob("*") if path.suffix in (".py", ".so"))
    networks = sorted(path for path in (folder / "inputs").glob("*") if path.suffix in (".onnx", ".zip"))
    for name in RECORDS:
        with readable(folder / name):
            pq.ParquetFile(folder / name)
    with readable(folder):  # a complete file can still have a damaged page
        records = records_sha256([folder / name for name in RECORDS])
    return Digests(
        scenario_sha256=file_sha256(folder / "scenario.yaml"),
        records_sha256=records,
        trace_sha256={f"traces/{path.name}": Trace.load(path).sha256 for path in traces},
        checkpoint_sha256={f"checkpoints/{path.name}": file_sha256(path) for path in checkpoints},
        data_sha256={name: file_sha256(folder / name) for name in OPTIONAL_FILES if (folder / name).is_file()},
        module_sha256={path.relative_to(folder).as_posix(): file_sha256(path) for path in modules},
        network_sha256={path.relative_to(folder).as_posix(): file_sha256(path) for path in networks},
    )


def describe_run(
    folder: Path,
    scenario: str,
    facts: RunFacts,
    *,
    seeds: dict[str, int],
    command: tuple[str, ...],
    started: datetime,
    threads: dict[str, int],
    checks: tuple[Check, ...] = (),
    broker: BrokerFacts | None = None,
    workers: dict[str, dict[str, str]] | None = None,
    reused: dict[str, str] | None = None,
    models: dict[str, dict[str, str]] | None = None,
    images: dict[str, str] | None = None,
) -> Manifest:
    """Return the manifest of a run that has recorded everything, as of now and on this machine. `threads`: the counts
    that the run set, by library. `workers`: facts of each worker, by name. For the others see `Manifest`."""
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
        source_sha256=sources_sha256(),
        machine=machine_now(threads),
        broker=broker,
        workers=workers or {},
        reused=reused or {},
        models=models or {},
        images=images or {},
    )


def write_manifest(folder: Path, manifest: Manifest) -> Path:
    """Write manifest.json atomically. From then on the folder holds a run; later only the bound's digest and
    checks are added."""
    path = folder / "manifest.json"
    with atomic_write(path) as partial:
        partial.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return path


def load_manifest(path: Path) -> Manifest:
    """Read a manifest. Raises ValueError (one line) if this version cannot read it."""
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "content"
        raise ValueError(f"{path}: {where}: must be as airsplit writes it: {first['msg']}") from error
