"""Links: wires, and what goes over the air: generated, recorded, or at a constant rate."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from emulator.channel.radio import Direction
from emulator.system import Bearer
from topologies.schema.base import Count, Interval, NodeName, NotNegative, Positive, Probability, Rate, Section, rule
from topologies.schema.cells import CellSection, RampSection
from topologies.schema.radio import RadioSection

MOST_LOSS = 0.9  # of an acknowledged bearer: ten attempts a fragment on average


class TraceFileSection(Section):
    """A recording. A part of it can be set aside for training agents."""

    file: str
    format: Literal["parquet", "mahimahi", "rate", "csv", "list"] = "parquet"
    columns: str | None = None
    """For `csv`: what the columns mean (a preset's name, or a map); for `list`: which run and series."""
    scale: Positive = 1.0
    interval_s: Interval | None = None
    """The part that is replayed; without it, all."""
    training_interval_s: Interval | None = None
    """The part that agents are trained on; must not overlap with `interval_s`."""

    @model_validator(mode="after")
    def _intervals(self) -> Self:
        for interval in (self.interval_s, self.training_interval_s):
            if interval is not None and interval[0] >= interval[1]:
                raise rule(f"interval [{interval[0]:g}, {interval[1]:g}]: must start before it ends")
        if self.training_interval_s is not None:
            if self.interval_s is None:
                raise rule("must give interval_s beside training_interval_s")
            if self.interval_s[0] < self.training_interval_s[1] and self.training_interval_s[0] < self.interval_s[1]:
                raise rule("interval_s and training_interval_s must not overlap: training and test share no data")
        return self


class BackgroundSection(Section):
    """Traffic in the way of the tasks, of which no row tells: messages that come as a Poisson process."""

    rate_per_s: Annotated[float, Field(gt=0, le=1e6)]
    size_kb: Annotated[float, Field(ge=0.001, le=1e6)]


class DirectionSection(Section):
    """What one direction of a link over the air can carry: a recording, a constant rate, or else what the link's
    `radio` generates."""

    trace: TraceFileSection | None = None
    rate_mbps: Rate | None = None
    ramp: RampSection | None = None
    """Instead of the link's, or the cell's."""
    background: BackgroundSection | None = None
    """Only on what is generated, in a cell with a scheduler."""

    @property
    def given(self) -> bool:
        """Whether it says by itself what it can carry."""
        return self.trace is not None or self.rate_mbps is not None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.trace is not None and self.rate_mbps is not None:
            raise rule("must give only one of trace, rate_mbps")
        if self.given and self.background is not None:
            raise rule("background must be given only where the link's radio is generated")
        return self


class LinkSection(Section):
    """A connection of two nodes: wired (`rate_mbps`, the same both ways) or over the air (`radio`, generated, in the
    cell of the other end, save where `uplink` or `downlink` gives a recording or a rate)."""

    between: Annotated[tuple[NodeName, NodeName], Field(strict=False)]
    rate_mbps: Rate | None = None
    radio: RadioSection | None = None
    uplink: DirectionSection | None = None
    """From the UE to the other end."""
    downlink: DirectionSection | None = None
    delay_ms: NotNegative = 0.0
    """Propagation, one way."""
    loss: Probability = 0.0
    """Probability that a fragment is lost on one attempt."""
    queue_kb: Positive = 10_000.0
    bearer: Bearer = "am"
    """`am`: retransmitted until it arrives, which takes time; `um`: never, which costs quality."""
    fragment_bytes: Count = 1_500
    retransmission_ms: NotNegative = 0.0
    ramp: RampSection | None = None
    """Both ways, instead of the cell's."""

    @property
    def over_the_air(self) -> bool:
        """Whether it is no wire."""
        return self.rate_mbps is None

    @property
    def directions(self) -> dict[Direction, DirectionSection]:
        """The uplink and the downlink of a link over the air, empty where the file leaves them out."""
        return {"uplink": self.uplink or DirectionSection(), "downlink": self.downlink or DirectionSection()}

    def ramp_of(self, direction: Direction, cell: CellSection | None) -> RampSection | None:
        """What a message waits for after an idle time: as its direction says, or the link, or, in the uplink of a
        `radio`, the `cell`."""
        from_cell = cell.uplink_grant if cell is not None and self.radio is not None and direction == "uplink" else None
        return self.directions[direction].ramp or self.ramp or from_cell

    @model_validator(mode="after")
    def _kind(self) -> Self:
        wireless = any(section is not None for section in (self.radio, self.uplink, self.downlink))
        if (self.rate_mbps is None) != wireless:
            raise rule("must give either rate_mbps, or radio, or uplink and downlink")
        if wireless and self.radio is None and not all(section.given for section in self.directions.values()):
            raise rule("must give radio, or a trace or a rate_mbps in both uplink and downlink")
        if self.bearer == "am" and self.loss > MOST_LOSS:
            raise rule(f"loss must be at most {MOST_LOSS} on an acknowledged bearer, or messages take for ever")
        return self
