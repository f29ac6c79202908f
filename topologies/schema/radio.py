"""What a scenario says about a UE's radio link: where the UE goes, its transmitter, its fading."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from emulator.channel import radio
from emulator.channel.radio import Penetration, Profile
from topologies.schema.base import Positive, Section, exactly_one, rule
from topologies.schema.cells import CellSection, Decibels, Point, in_emulator_units

MOVEMENT_KEYS = ("at_m", "waypoints_m", "to_and_fro_m", "ring", "track")
LEAST_WIDTH_M = 1.0  # of a ring: in a narrower one, hardly any way from place to place would stay within
Points = Annotated[tuple[Point, ...], Field(strict=False, min_length=2, max_length=10_000)]


class RingSection(Section):
    """A way drawn for each UE: from a place in the ring straight to another, and on, never nearer to its centre than
    `nearest_m` nor farther than `farthest_m`."""

    nearest_m: Positive = 10.0
    farthest_m: Positive = 150.0
    about_m: Point = (0.0, 0.0)

    @model_validator(mode="after")
    def _width(self) -> Self:
        if not self.nearest_m + LEAST_WIDTH_M <= self.farthest_m:
            given = f"farthest_m={self.farthest_m:g}"
            raise rule(f"{given}: must be {LEAST_WIDTH_M:g} m or more above nearest_m, {self.nearest_m:g}")
        return self


class FadingSection(Section):
    """Small-scale fading."""

    profile: Profile = "auto"
    """`auto`: TDL-D in line of sight, TDL-C out of it."""
    delay_spread_ns: Annotated[float, Field(gt=0, le=10_000)] | None = None
    """Without it, the median of the environment."""
    rice_k_db: Decibels = 9.0
    nakagami_m: Annotated[float, Field(ge=0.5, le=1_000)] = 2.0
    branches: Annotated[int, Field(ge=1, le=16)] = 2
    """Receive antennas."""
    scatter_mps: Annotated[float, Field(ge=0, le=100)] = 0.3
    """How fast the surroundings of a UE that stands still seem to move."""


class RadioSection(Section):
    """A UE on the air of a cell; exactly one key says where it goes."""

    at_m: Point | None = None
    """It stays there."""
    waypoints_m: Points | None = None
    """It goes along them, and stays at the last."""
    to_and_fro_m: Points | None = None
    """It goes along them, back, and so on."""
    ring: RingSection | None = None
    """It wanders about a centre, every UE on a way of its own."""
    track: str | None = None
    """A recorded way: CSV of `time_s,x_m,y_m` or `time_s,latitude,longitude`."""
    speed_mps: Annotated[float, Field(ge=1e-3, le=150)] = 1.4
    pause_s: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Rest at each point."""
    height_m: Annotated[float, Field(ge=0.5, le=22.5)] = 1.5
    tx_power_dbm: Decibels = 23.0
    """The most that the uplink sends with."""
    p0_dbm: Decibels = -80.0
    """What the uplink's power aims at in a resource block, where `alpha` is 1."""
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.8
    """How much of the path loss the uplink's power makes up for (TS 38.213 7.1.1)."""
    noise_figure_db: Decibels = 7.0
    penetration: Penetration = "none"
    """Walls about the UE: none, or those of a low-loss or high-loss building."""
    fading: FadingSection = FadingSection()

    @model_validator(mode="after")
    def _way(self) -> Self:
        exactly_one(self, *MOVEMENT_KEYS)
        return self


def radio_of(cell: CellSection, ue: RadioSection) -> radio.Radio:
    """What the channel between a cell and a UE is made from, in the emulator's units."""
    values = in_emulator_units(ue)
    return radio.Radio(
        carrier=cell.carrier,
        base=cell.base,
        ue=radio.Ue(**{name: values[name] for name in radio.Ue.__dataclass_fields__}),
        fading=radio.Fading(**in_emulator_units(ue.fading)),
        adaptation=radio.Adaptation(**in_emulator_units(cell.adaptation)),
        harq=radio.Harq(**in_emulator_units(cell.harq)),
        bursts=None if cell.bursts is None else radio.Bursts(**in_emulator_units(cell.bursts)),
    )
