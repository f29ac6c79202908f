"""The description of a system: nodes, links, cells, tasks. Immutable; `emulator.simulation.network` holds its state."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge
from operator import attrgetter
from typing import Literal

from emulator.profile import ModelProfile
from emulator.quality import QualityTable
from emulator.task import Placement, Task, TaskKind
from emulator.trace import Trace
from emulator.workload import Stream

Bearer = Literal["am", "um"]
Role = Literal["ue", "gnb", "edge", "cloud", "broker", "switch"]
Scheduler = Literal["rr", "pf", "max-rate"]
OnFailure = Literal["wait", "retry", "fail"]


@dataclass(frozen=True)
class LayerTimes:
    """Times of the layers of one model on one device, shape (layers,) each: `fixed_ns` per pass, `token_ns` per token,
    `context_ps` (picoseconds) per token and attended position."""

    fixed_ns: tuple[int, ...]
    token_ns: tuple[int, ...]
    context_ps: tuple[int, ...]


@dataclass(frozen=True)
class DeviceSpec:
    """A computer at a node. A layer takes flops / `compute_flops_per_s` + weight bytes /
    `memory_bytes_per_s` + `layer_overhead_ns`: a roofline (Williams, Waterman, Patterson, CACM 52(4),
    2009) without overlap, so that times of layers add up. `measured` holds measured
    times by model, which are used instead. Weights that are not in memory are first loaded at `load_bytes_per_s`."""

    compute_flops_per_s: float
    memory_bytes: int
    memory_bytes_per_s: float
    load_bytes_per_s: float
    layer_overhead_ns: int = 0
    queue_tasks: int = 1_000
    idle_power_w: float = 0.0
    busy_power_w: float = 0.0
    transmit_power_w: float = 0.0
    receive_power_w: float = 0.0
    measured: Mapping[str, LayerTimes] = field(default_factory=dict)


@dataclass(frozen=True)
class Ramp:
    """The wait of a message whose link had no traffic for `idle_ns`: until the next multiple of `period_ns` (0: none),
    the occasion of a scheduling request or a configured grant (TS 38.321 5.4.4, 5.8.2), then `delay_ns` until it is
    granted. If `first_bytes` is not 0, the first grant holds that many of its bytes and nothing else, in one slot; the
    rest is sent from `report_ns` after that slot's end on (buffer status report, TS 38.321 5.4.5)."""

    idle_ns: int
    delay_ns: int
    period_ns: int = 0
    first_bytes: int = 0
    report_ns: int = 0


@dataclass(frozen=True)
class Background:
    """Cross-traffic of a link in a cell: messages of `size_bytes` that arrive as a Poisson process, as in 3GPP's FTP
    model 3. Records do not contain them."""

    rate_per_s: float
    size_bytes: int


@dataclass(frozen=True)
class CellSpec:
    """One direction of a base station: the links that name it share its `groups` of resource blocks, slot by slot.
    Round robin (`rr`), proportional fair (`pf`, its averages over `window_slots`) or greatest rate (`max-rate`)."""

    scheduler: Scheduler
    groups: int
    window_slots: int = 200


@dataclass(frozen=True)
class LinkSpec:
    """One direction of a connection. `loss` is the probability that a fragment of `fragment_bytes`
    is lost on one attempt: in acknowledged mode (`am`) each attempt costs `retransmission_ns`, in
    unacknowledged mode (`um`) the fragment is erased. A block that the trace marks as lost erases
    fragments in `um`; in `am` it costs `retransmission_ns` more than the HARQ delay that the trace gives its slot.
    A link in a `cell` has its trace's capacity if no other has traffic, otherwise the cell's share of it; its trace
    has the `slot` rule, and may have for each slot the `serving` site, the groups of its block (`grant_groups`), and
    CQIs of the groups (`cqi`, `subband_cqi`)."""

    source: str
    target: str
    trace: Trace
    delay_ns: int = 0
    queue_bytes: int = 10_000_000
    bearer: Bearer = "am"
    loss: float = 0.0
    fragment_bytes: int = 1_500
    retransmission_ns: int = 0
    ramp: Ramp | None = None
    cell: str = ""
    background: Background | None = None


@dataclass(frozen=True)
class Node:
    """A place in the topology; without a device it only forwards."""

    name: str
    role: Role
    device: DeviceSpec | None = None


@dataclass(frozen=True)
class Control:
    """The node that decides, None for the source of each task: it knows its own state at once and hears that of all
    others `age_ns` later; a rate is an average over the last `window_ns` of what it knows."""

    node: str | None
    age_ns: int
    window_ns: int

    def decider(self, source: str) -> str:
        """Return the node that decides where a source's tasks run."""
        return source if self.node is None else self.node


@dataclass(frozen=True)
class Cost:
    """The cost by which policies are compared, in seconds: a task's sojourn, plus `erasure_s` times its erased
    fraction, plus that of the quality that its answer lost: `quality_s` by kind, for one nat a token or for all answers
    wrong, plus `energy_s_per_j` times the energy that it drew. A failed task costs `failure_s`."""

    failure_s: float
    erasure_s: float = 0.0
    quality_s: Mapping[str, float] = field(default_factory=dict)
    energy_s_per_j: float = 0.0

    def of(
        self, kind: str, sojourn_ns: int, erased_fraction: float, quality_loss: float, energy_j: float, failed: bool
    ) -> float:
        """Return the cost of one task of a kind in seconds; `quality_loss` is 0 where it is not known."""
        if failed:
            return self.failure_s
        delay_s, quality_s = sojourn_ns * 1e-9, self.quality_s.get(kind, 0.0)
        return delay_s + self.erasure_s * erased_fraction + quality_s * quality_loss + self.energy_s_per_j * energy_j


@dataclass(frozen=True)
class Failure:
    """When a node, or the connection between two nodes (`link`, both directions), is down: in `outages`, each from its
    first up to its second instant, or at random: up for exponential times of mean `up_ns`, then down for exponential
    times of mean `down_ns`. A node takes its device and its links with it; its device loses the loaded weights."""

    node: str = ""
    link: tuple[str, str] = ("", "")
    outages: tuple[tuple[int, int], ...] = ()
    up_ns: int = 0
    down_ns: int = 0


@dataclass(frozen=True)
class System:
    """All that a backend needs to know. `placements` holds, for each (source, kind), the candidates that policies
    choose from: those that fit the nodes' memories, in a stable order. With `preload`, the weights of all candidates
    are loaded at the start, as far as memory goes. `on_failure` says what becomes of tasks that meet a failure: they
    wait, are placed anew by the policy, or fail. `quality` holds by kind what its answers lose in quality."""

    name: str
    seed: int
    duration_ns: int
    nodes: Mapping[str, Node]
    links: tuple[LinkSpec, ...]
    streams: tuple[Stream, ...]
    placements: Mapping[tuple[str, str], tuple[Placement, ...]]
    control: Control
    cost: Cost
    broker: str | None = None
    preload: bool = True
    cells: Mapping[str, CellSpec] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    on_failure: OnFailure = "wait"
    quality: Mapping[str, QualityTable] = field(default_factory=dict)

    @property
    def kinds(self) -> dict[str, TaskKind]:
        """The task kinds by name."""
        return {stream.kind.name: stream.kind for stream in self.streams}

    @property
    def models(self) -> dict[str, ModelProfile]:
        """The models by name."""
        return {kind.model.name: kind.model for kind in self.kinds.values()}

    def tasks(self) -> Iterator[Task]:
        """Yield all tasks that the streams offer, in order of arrival, those of one instant in the streams' order."""
        offered = (stream.tasks(self.seed, self.duration_ns) for stream in self.streams)
        return merge(*offered, key=attrgetter("arrival_ns"))
