"""Sections of `links`: wired links, and radio links that are generated, recorded or of constant rate."""

from itertools import combinations
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from emulator.channel.radio import Direction
from emulator.system import Bearer
from emulator.trace.formats import Format
from topologies.schema.base import (
    TEMPLATE,
    Count,
    Interval,
    NodeName,
    NotNegative,
    Positive,
    Probability,
    Rate,
    Section,
    section_error,
)
from topologies.schema.cells import CellSection, RampSection
from topologies.schema.radio import RadioSection

MAX_ACKNOWLEDGED_LOSS = 0.9  # a fragment then takes ten attempts on average


def _leave_file_to_override(schema: dict[str, Any]) -> None:
    """Let editors accept a section whose `file` comes by `--set`."""
    schema["required"].remove("file")
    if not schema["required"]:
        del schema["required"]


class TraceFileSection(Section):
    """A recorded trace. A part of it can be reserved for the training of agents."""

    model_config = ConfigDict(json_schema_extra=_leave_file_to_override)

    file: str
    """File of the recording; must be given, in the scenario or by `--set`. In a link of nodes with `{i}`, an `{i}` in
    it is the number of the copy."""
    format: Literal["parquet", Format] = "parquet"
    """Format of the file; `parquet` is that of `airsplit trace import`."""
    columns: str | None = None
    """For `csv`: the meaning of the columns (name of a preset, or a map); for `list`, `iperf3` and `oai`: what to
    read of the file, as `airsplit trace import --columns`."""
    where: dict[str, str | int | float] = Field(default_factory=dict)
    """For `csv`: only rows with these values count."""
    scale: Positive = 1.0
    """Factor on the recorded rate."""
    interval_s: Interval | None = None
    """Replayed part; default: the whole recording."""
    offset_s: NotNegative = 0.0
    """Start of the replay within the replayed part, which repeats: the instant in it at which the run starts. In a link
    of nodes with `{i}`, copy i starts i times as far in, so that the copies differ."""
    training_interval_s: Interval | None = None
    """Part for the training of agents; must not overlap with `interval_s`."""
    validation_interval_s: Interval | None = None
    """Part for the validation of agents in training; must not overlap with the other two."""

    @model_validator(mode="after")
    def _intervals(self) -> Self:
        named = {"interval_s": self.interval_s, "training_interval_s": self.training_interval_s}
        named["validation_interval_s"] = self.validation_interval_s
        given = {name: interval for name, interval in named.items() if interval is not None}
        for interval in given.values():
            if interval[0] >= interval[1]:
                raise section_error(f"interval [{interval[0]:g}, {interval[1]:g}]: must start before it ends")
        for name in given:
            if self.interval_s is None:
                raise section_error(f"must give interval_s beside {name}")
        for one, other in combinations(given, 2):
            if given[one][0] < given[other][1] and given[other][0] < given[one][1]:
                raise section_error(f"{one} and {other} must not overlap: training and test share no data")
        return self

    def of_copy(self, number: int) -> Self:
        """Return the section of one copy of a link, with its own file and offset."""
        file, offset_s = self.file.replace(TEMPLATE, str(number)), number * self.offset_s
        return self.model_copy(update={"file": file, "offset_s": offset_s})


class BackgroundSection(Section):
    """Background traffic: messages that arrive as a Poisson process and compete with the tasks'. Not recorded."""

    rate_per_s: Annotated[float, Field(gt=0, le=1e6)]
    """Mean number of messages per second."""
    size_kb: Annotated[float, Field(ge=0.001, le=1e6)]
    """Size of each message (1000 bytes)."""


class DirectionSection(Section):
    """Capacity of one direction of a radio link: a recording, a constant rate, or by default the channel generated
    from the link's `radio`."""

    trace: TraceFileSection | None = None
    """Recorded capacity; not with `rate_mbps`."""
    rate_mbps: Rate | None = None
    """Constant rate (10^6 bit/s); not with `trace`."""
    ramp: RampSection | None = None
    """Replaces the ramp of the link or the cell."""
    background: BackgroundSection | None = None
    """Only for a generated channel, in a cell with a scheduler."""

    @property
    def has_own_rate(self) -> bool:
        """Whether the section itself gives the capacity (recording or constant rate)."""
        return self.trace is not None or self.rate_mbps is not None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.trace is not None and self.rate_mbps is not None:
            raise section_error("must give only one of trace, rate_mbps")
        if self.has_own_rate and self.background is not None:
            raise section_error("background must be given only where the link's radio is generated")
        return self


class LinkSection(Section):
    """A link of two nodes: wired (`rate_mbps`, equal in both directions) or over the air (`radio`: generated, in the
    cell of the other end, except in a direction whose `uplink` or `downlink` gives a recording or a rate)."""

    between: Annotated[tuple[NodeName, NodeName], Field(strict=False)]
    """The two nodes; names with `{i}` join the copies of equal number."""
    rate_mbps: Rate | None = None
    """Rate of a wired link in each direction (10^6 bit/s)."""
    radio: RadioSection | None = None
    """The UE's radio; its channel is generated, in the cell of the other end."""
    uplink: DirectionSection | None = None
    """Direction from the UE to the other end."""
    downlink: DirectionSection | None = None
    """Direction from the other end to the UE."""
    delay_ms: NotNegative = 0.0
    """One-way propagation delay."""
    loss: Probability = 0.0
    """Loss probability of a fragment in one attempt."""
    queue_kb: Positive = 10_000.0
    """Most data that wait on each direction (1000 bytes); a message beyond it is refused, and its task fails."""
    bearer: Bearer = "am"
    """`am`: acknowledged, retransmits until a fragment arrives; `um`: unacknowledged, never retransmits."""
    fragment_bytes: Count = 1_500
    """Size of the fragments in which messages are sent; a loss concerns one fragment."""
    retransmission_ms: NotNegative = 0.0
    """Delay of a fragment by each lost attempt on an acknowledged bearer."""
    ramp: RampSection | None = None
    """For both directions; replaces the ramp of the cell."""

    @property
    def over_the_air(self) -> bool:
        """Whether this is a radio link."""
        return self.rate_mbps is None

    @property
    def directions(self) -> dict[Direction, DirectionSection]:
        """Return the sections of the uplink and the downlink; empty sections for those not in the file."""
        return {"uplink": self.uplink or DirectionSection(), "downlink": self.downlink or DirectionSection()}

    def of_copy(self, number: int) -> Self:
        """Return the link of one copy of its nodes: recordings and track with their own files and offsets."""
        changed: dict[str, Section] = {}
        for name, direction in self.directions.items():
            if direction.trace is not None:
                changed[name] = direction.model_copy(update={"trace": direction.trace.of_copy(number)})
        if self.radio is not None and self.radio.track is not None:
            track = self.radio.track.replace(TEMPLATE, str(number))
            changed["radio"] = self.radio.model_copy(update={"track": track})
        return self.model_copy(update=changed) if changed else self

    def ramp_of(self, direction: Direction, cell: CellSection | None) -> RampSection | None:
        """Return the ramp after an idle time: that of the direction, else of the link, else, in the uplink of a `radio`
        link, of the `cell`."""
        from_cell = cell.uplink_grant if cell is not None and self.radio is not None and direction == "uplink" else None
        return self.directions[direction].ramp or self.ramp or from_cell

    @model_validator(mode="after")
    def _kind(self) -> Self:
        wireless = any(section is not None for section in (self.radio, self.uplink, self.downlink))
        if (self.rate_mbps is None) != wireless:
            raise section_error("must give either rate_mbps, or radio, or uplink and downlink")
        if wireless and self.radio is None and not all(section.has_own_rate for section in self.directions.values()):
            raise section_error("must give radio, or a trace or a rate_mbps in both uplink and downlink")
        if self.bearer == "am" and self.loss > MAX_ACKNOWLEDGED_LOSS:
            raise section_error(
                f"loss must be at most {MAX_ACKNOWLEDGED_LOSS} on an acknowledged bearer, or messages take for ever"
            )
        return self
