"""Section `radio` of a link: the UE's movement, transmitter and fading."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from emulator.channel import radio
from emulator.channel.radio import Penetration, Profile
from topologies.schema.base import Positive, Section, require_exactly_one, section_error
from topologies.schema.cells import CellSection, Decibels, Point, in_emulator_units
from topologies.schema.defaults import FROM_PRESET, with_ue_defaults

MOVEMENT_KEYS = ("at_m", "waypoints_m", "to_and_fro_m", "ring", "track")
WALK = {"speed_mps": 1.4, "pause_s": 0.0}  # of a UE that moves from point to point, by default
MIN_RING_WIDTH_M = 1.0  # in a narrower ring, hardly any straight leg between two points stays within it
Waypoints = Annotated[tuple[Point, ...], Field(strict=False, min_length=2, max_length=10_000)]


class RingSection(Section):
    """Random waypoints in a ring, drawn for each UE: straight legs between points of the ring whose distance from the
    centre stays between `nearest_m` and `farthest_m`."""

    nearest_m: Positive = FROM_PRESET
    """Inner radius. Default: that of the cell's preset, the least distance at which the environment holds."""
    farthest_m: Positive = FROM_PRESET
    """Outer radius, at least 1 m above the inner one. Default: that of the cell's preset, the corner of the cell or the
    wall of the hall."""
    about_m: Point = (0.0, 0.0)
    """Centre as `[x, y]`, in the coordinates of the cell's `sites_m`."""

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, values: Any) -> Any:
        return with_ue_defaults({"ring": values}, {})["ring"] if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _width(self) -> Self:
        if not self.nearest_m + MIN_RING_WIDTH_M <= self.farthest_m:
            given = f"farthest_m={self.farthest_m:g}"
            raise section_error(f"{given}: must be {MIN_RING_WIDTH_M:g} m or more above nearest_m, {self.nearest_m:g}")
        return self


class FadingSection(Section):
    """Small-scale fading."""

    profile: Profile = "auto"
    """`auto`: TDL-D in line of sight, TDL-C out of it."""
    delay_spread_ns: Annotated[float, Field(gt=0, le=10_000)] | None = None
    """Default: the median of the environment."""
    rice_k_db: Decibels = 9.0
    """Ratio of the direct to the scattered power; for profile `rice`."""
    nakagami_m: Annotated[float, Field(ge=0.5, le=1_000)] = 2.0
    """Shape of the distribution, 1 for Rayleigh fading; for profile `nakagami`."""
    correlation: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Correlation between the layers of a sender out of line of sight."""
    los_correlation: Annotated[float, Field(ge=0, lt=1)] = 0.7
    """Correlation between the layers of a sender in line of sight."""
    scatter_mps: Annotated[float, Field(ge=0, le=100)] = 0.3
    """Apparent speed of the scatterers around a static UE."""


class RadioSection(Section):
    """Radio of a UE in a cell; exactly one key gives the movement."""

    at_m: Point | None = None
    """Static position."""
    waypoints_m: Waypoints | None = None
    """Moves along the points and stays at the last one."""
    to_and_fro_m: Waypoints | None = None
    """Moves along the points and back, repeatedly."""
    ring: RingSection | None = None
    """Random waypoints around a centre, different for each UE."""
    track: str | None = None
    """File of a recorded track: CSV of `time_s,x_m,y_m` or `time_s,latitude,longitude`."""
    after_track: Literal["stay", "return"] | None = None
    """Movement after a `track` that ends before the run: `stay` at its end, or `return` along it and so on. Default:
    such a track is refused."""
    speed_mps: Annotated[float, Field(ge=1e-3, le=150)] | None = None
    """Speed from point to point; default: 1.4. Not with `at_m` or `track`."""
    pause_s: Annotated[float, Field(ge=0, le=1e6)] | None = None
    """Pause at each point; default: none. Not with `at_m` or `track`."""
    height_m: Annotated[float, Field(ge=0.5, le=22.5)] = 1.5
    """Height of the UE's antenna."""
    tx_power_dbm: Decibels = FROM_PRESET
    """Maximum transmit power of the uplink. Default: that of the cell's preset."""
    p0_dbm: Decibels = FROM_PRESET
    """Target received power per resource block of the uplink, for `alpha` 1. Default: that of the cell's preset."""
    alpha: Annotated[float, Field(ge=0, le=1)] = FROM_PRESET
    """Fraction of the path loss that uplink power control compensates (TS 38.213 7.1.1). Default: that of the
    cell's preset."""
    antennas: Annotated[int, Field(ge=1, le=64)] = FROM_PRESET
    """Receive antennas of the UE with independent fading. Default: that of the cell's preset."""
    layers: Annotated[int, Field(ge=1, le=4)] = FROM_PRESET
    """Most spatial layers of the uplink. Default: that of the cell's preset."""
    noise_figure_db: Decibels = FROM_PRESET
    """Noise figure of the UE's receiver. Default: that of the cell's preset."""
    antenna_gain_db: Decibels = FROM_PRESET
    """Antenna gain towards the serving site, for sending and receiving; negative: a loss, of interference too. Default:
    that of the cell's preset."""
    penetration: Penetration = FROM_PRESET
    """Building penetration loss: none, low-loss or high-loss building. Default: that of the cell's preset."""
    fading: FadingSection = FadingSection()
    """Small-scale fading of both directions."""

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        walk = WALK if {"waypoints_m", "to_and_fro_m", "ring"} & set(values) else {}
        return {**walk, **with_ue_defaults(values, {})}

    @property
    def movement(self) -> dict[str, Any]:
        """Return the keys that say how the UE moves, with their values."""
        keys = (*MOVEMENT_KEYS, "after_track", "speed_mps", "pause_s")
        return {key: value for key in keys if (value := getattr(self, key)) is not None}

    @model_validator(mode="after")
    def _movement(self) -> Self:
        require_exactly_one(self, *MOVEMENT_KEYS)
        for name, reason in (("at_m", "where the UE stands still"), ("track", "whose times give the speed")):
            for key in ("speed_mps", "pause_s"):
                if getattr(self, name) is not None and getattr(self, key) is not None:
                    raise section_error(f"must not give {key}={getattr(self, key):g} beside {name}, {reason}")
        if self.after_track is not None and self.track is None:
            raise section_error(f"must not give after_track={self.after_track} without a track")
        return self


def radio_of(cell: CellSection, ue: RadioSection) -> radio.Radio:
    """Return the emulator's radio, in its units, for the channel between a cell and a UE."""
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
