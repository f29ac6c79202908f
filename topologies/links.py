"""Links: wired, or a radio channel that is generated, recorded or constant."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from emulator.channel import ChannelSettings
from emulator.system import Bearer
from emulator.units import ns_from_ms
from topologies.section import (
    Count,
    Interval,
    NodeName,
    NotNegative,
    Positive,
    Probability,
    Rate,
    Section,
    exactly_one,
    rule,
)

MOST_LOSS = 0.9  # of an acknowledged bearer: ten attempts a fragment on average
Decibels = Annotated[float, Field(ge=-300, le=300)]


class Channel(Section):
    """One direction between a base station and a UE that walks to and fro between `nearest_m` and `farthest_m`."""

    carrier_ghz: Positive = 3.5
    bandwidth_mhz: Positive = 20.0
    slot_ms: Annotated[float, Field(ge=0.01, le=1_000)] = 1.0
    tx_power_dbm: Decibels = 23.0
    antenna_gain_db: Decibels = 8.0
    noise_figure_db: Decibels = 5.0
    path_loss_exponent: Annotated[float, Field(ge=0, le=10)] = 3.2
    reference_m: Positive = 1.0
    reference_loss_db: Decibels | None = None
    """Loss at `reference_m`; without it, that of free space."""
    shadowing_sigma_db: Annotated[float, Field(ge=0, le=50)] = 4.0
    correlation_m: Positive = 10.0
    speed_mps: Annotated[float, Field(ge=0, le=1_000)] = 1.4
    start_m: Positive = 60.0
    """Where the UE is at first; it goes outwards."""
    nearest_m: Positive = 20.0
    farthest_m: Positive = 150.0
    fading: Literal["none", "rayleigh", "rice", "nakagami"] = "rayleigh"
    rice_k_db: Decibels = 9.0
    nakagami_m: Annotated[float, Field(ge=0.5, le=1_000)] = 2.0
    overhead: Annotated[float, Field(ge=0, lt=1)] = 0.14
    """Share of control and reference symbols."""
    duty: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of time that TDD gives to this direction."""
    bler_target: Annotated[float, Field(ge=0, lt=1)] = 0.1
    harq_round_trip_ms: NotNegative = 8.0
    max_transmissions: Annotated[int, Field(ge=1, le=100)] = 4
    cqi_delay_ms: Annotated[float, Field(ge=0, le=1_000)] = 5.0

    @model_validator(mode="after")
    def _way(self) -> Self:
        if not self.nearest_m < self.farthest_m:
            raise rule(f"farthest_m={self.farthest_m:g}: must be above nearest_m, {self.nearest_m:g}")
        if not self.nearest_m <= self.start_m <= self.farthest_m:
            raise rule(f"start_m={self.start_m:g}: must be from nearest_m to farthest_m")
        return self

    @property
    def settings(self) -> ChannelSettings:
        """The section in the emulator's units."""
        converted = {"carrier_ghz", "bandwidth_mhz", "slot_ms", "harq_round_trip_ms", "cqi_delay_ms"}
        return ChannelSettings(
            carrier_hz=self.carrier_ghz * 1e9,
            bandwidth_hz=self.bandwidth_mhz * 1e6,
            slot_ns=ns_from_ms(self.slot_ms),
            harq_round_trip_ns=ns_from_ms(self.harq_round_trip_ms),
            cqi_delay_ns=ns_from_ms(self.cqi_delay_ms),
            **self.model_dump(exclude=converted),
        )


class TraceFile(Section):
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


class Direction(Section):
    """What one direction of a radio link can carry: a generated channel, a recording, or a constant rate."""

    channel: Channel | None = None
    trace: TraceFile | None = None
    rate_mbps: Rate | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        exactly_one(self, "channel", "trace", "rate_mbps")
        return self


class Ramp(Section):
    """After `idle_ms` without traffic, the next message starts `delay_ms` later."""

    idle_ms: NotNegative
    delay_ms: NotNegative


class Link(Section):
    """A connection of two nodes: wired (`rate_mbps`, the same both ways) or radio (`uplink` and `downlink`)."""

    between: Annotated[tuple[NodeName, NodeName], Field(strict=False)]
    rate_mbps: Rate | None = None
    uplink: Direction | None = None
    """From the UE to the other end."""
    downlink: Direction | None = None
    delay_ms: NotNegative = 0.0
    """Propagation, one way."""
    loss: Probability = 0.0
    """Probability that a fragment is lost on one attempt."""
    queue_kb: Positive = 10_000.0
    bearer: Bearer = "am"
    """`am`: retransmitted until it arrives, which takes time; `um`: never, which costs quality."""
    fragment_bytes: Count = 1_500
    retransmission_ms: NotNegative = 0.0
    ramp: Ramp | None = None

    @model_validator(mode="after")
    def _kind(self) -> Self:
        radio = self.uplink is not None and self.downlink is not None
        if (self.rate_mbps is None) != radio or (self.uplink is None) != (self.downlink is None):
            raise rule("must give either rate_mbps, or uplink and downlink")
        if self.bearer == "am" and self.loss > MOST_LOSS:
            raise rule(f"loss must be at most {MOST_LOSS} on an acknowledged bearer, or messages take for ever")
        return self
