"""Sections of `cells`: a base station, its carrier, and the sharing of its resource blocks."""

from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from emulator.channel import radio
from emulator.channel.presets import PresetName
from emulator.channel.radio import Direction, Environment
from emulator.core.units import ns_from_ms
from topologies.schema.base import Count, NotNegative, Section
from topologies.schema.defaults import FROM_PRESET, with_cell_defaults

DIRECTIONS: tuple[Direction, Direction] = ("uplink", "downlink")

Decibels = Annotated[float, Field(ge=-300, le=300)]
Metres = Annotated[float, Field(ge=-1e6, le=1e6)]
Point = Annotated[tuple[Metres, Metres], Field(strict=False)]
Milliseconds = Annotated[float, Field(ge=0, le=1e6)]
Period = Annotated[float, Field(ge=0.01, le=1e6)]


def in_emulator_units(section: Section) -> dict[str, Any]:
    """Return a section's values with times in ns and frequencies in Hz, by the emulator's names."""
    return dict(_converted(name, getattr(section, name)) for name in type(section).model_fields)


def _converted(name: str, value: Any) -> tuple[str, Any]:
    if name.endswith("_ms"):
        return f"{name.removesuffix('_ms')}_ns", None if value is None else ns_from_ms(value)
    for unit, hertz in (("_mhz", 1e6), ("_ghz", 1e9)):
        if name.endswith(unit):
            return f"{name.removesuffix(unit)}_hz", float(round(value * hertz))
    return name, value


class ArraySection(Section):
    """Antenna panels of a site, with elements of TR 38.901 Table 7.3-1 and as many beams; the best beam serves. The
    first panel looks 30 degrees from the x axis to the y axis."""

    rows: Annotated[int, Field(ge=1, le=64)] = 1
    """Elements of a panel one above another."""
    columns: Annotated[int, Field(ge=1, le=64)] = 1
    """Elements of a panel side by side."""
    sectors: Annotated[int, Field(ge=1, le=6)] = 3
    """Panels about the mast, at equal angles."""
    tilt_deg: Annotated[float, Field(ge=-90, le=90)] = 0.0
    """Angle of the panels below the horizon."""


class HandoverSection(Section):
    """A UE changes its site if another is stronger by `hysteresis_db` for `time_to_trigger_ms`, after a filter."""

    hysteresis_db: Annotated[float, Field(ge=0, le=30)] = 6.0
    """Margin by which another site must be stronger."""
    time_to_trigger_ms: Milliseconds = 160.0
    """Time for which it must be stronger."""
    measurement_ms: Period = 40.0
    """Interval between measurements of the sites."""
    interruption_ms: Milliseconds = 50.0
    """Time without transmission."""
    filter_coefficient: Literal[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 17, 19] = 8
    """k of the filter of measurements of TS 38.331 5.5.3.2: a sample each 200 ms has the weight 1/2^(k/4)."""


class AdaptationSection(Section):
    """Link adaptation: CQI reports, and the choice of the MCS with an outer loop."""

    cqi_table: Literal[1, 2, 3] = 2
    """CQI table of TS 38.214 5.2.2.1: 1 up to 64QAM, 2 up to 256QAM, 3 for low error rates."""
    mcs_table: Literal[1, 2, 3] = 2
    """MCS table of TS 38.214 5.1.3.1: 1 up to 64QAM, 2 up to 256QAM, 3 for low spectral efficiency."""
    cqi_period_ms: Period = 5.0
    """Interval between measurements of the CQI."""
    cqi_delay_ms: Milliseconds = 4.0
    """Time from the measurement of a CQI to its use."""
    bler_target: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Target block error rate of first transmissions (outer loop)."""
    olla_up_db: Annotated[float, Field(ge=0, le=10)] = 0.1
    """Step by which the outer loop lowers its SNR estimate after a failed first transmission; 0: no outer loop."""
    implementation_loss_db: Annotated[float, Field(ge=0, le=20)] = 2.0
    """SNR loss of the receiver against the block error tables."""


class HarqSection(Section):
    """HARQ: retransmission of transport blocks, with soft combining."""

    max_transmissions: Annotated[int, Field(ge=1, le=16)] = 4
    """Most transmissions of a transport block, the first included."""
    round_trip_ms: Period | None = None
    """Default: 8 slots, 4 ms at 30 kHz."""
    processes: Annotated[int, Field(ge=1, le=32)] = 16
    """Most transport blocks of a UE within one round trip."""


class BurstsSection(Section):
    """On-off interference with exponential durations."""

    power_db: Decibels
    """Interference over thermal noise during a burst."""
    mean_on_ms: Period
    """Mean duration of a burst."""
    mean_off_ms: Period
    """Mean time from the end of a burst to the next."""


class RampSection(Section):
    """Delay of a message on a link without traffic for `idle_ms`: until the next request occasion (every `period_ms`:
    scheduling request, configured grant; 0: no wait), plus `delay_ms` until the grant. If `first_bytes` is above 0, the
    first grant is that large, and the grant for the rest follows `report_ms` after its use."""

    idle_ms: NotNegative
    """Time without traffic after which a message waits for a grant."""
    delay_ms: NotNegative
    """Time from a request to its grant."""
    period_ms: NotNegative = 0.0
    """Interval between request occasions; default 0, a request is sent at once."""
    first_bytes: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Size of the first grant; default 0, the first grant holds everything."""
    report_ms: NotNegative = 0.0
    """Time from the use of the first grant to the grant for the rest; only with `first_bytes`."""


class CellSection(Section):
    """A base station: its carrier, its sites, and the scheduler of its resource blocks. A preset gives the defaults of
    the cell and of its UEs."""

    preset: PresetName = FROM_PRESET
    """Kind of network whose settings are the defaults. Default: that of the `environment` (n78-macro for uma, n41-rural
    for rma, indoor-office, factory), or n78-street."""
    environment: Environment = FROM_PRESET
    """Environment of TR 38.901: path loss, line of sight, shadowing. Default: the preset's."""
    carrier_ghz: Annotated[float, Field(ge=0.5, le=100)] = FROM_PRESET
    """Carrier frequency. Default: the preset's."""
    bandwidth_mhz: Annotated[float, Field(ge=1, le=2_000)] = FROM_PRESET
    """Bandwidth of the carrier; with `mu`, one of TS 38.101-1 or 38.101-2. Default: the preset's."""
    mu: Annotated[int, Field(ge=0, le=4)] = FROM_PRESET
    """Numerology of TS 38.211: subcarriers of 15 x 2^mu kHz, slots of 2^-mu ms. Default: the preset's."""
    tdd: Annotated[str, Field(pattern="^[DSU]*$", max_length=80)] = FROM_PRESET
    """Pattern of downlink, special and uplink slots; empty for FDD. Default: the preset's."""
    special: Annotated[tuple[int, int, int], Field(strict=False)] = FROM_PRESET
    """Downlink, guard and uplink symbols of an S slot. Default: the preset's."""
    layers: Annotated[int, Field(ge=1, le=4)] = FROM_PRESET
    """Most spatial layers of the downlink; the rank is adapted up to this number. Default: the preset's."""
    antennas: Annotated[int, Field(ge=1, le=64)] = FROM_PRESET
    """Receive antennas of each site with independent fading. Default: the preset's."""
    dmrs_re: Annotated[int, Field(ge=4, le=48)] = 12
    """Resource elements of demodulation reference symbols in a resource block and slot (TS 38.214 5.1.3.2)."""
    overhead_re: Literal[0, 6, 12, 18] = 0
    """xOverhead of TS 38.214 5.1.3.2."""
    sites_m: Annotated[tuple[Point, ...], Field(strict=False, min_length=1, max_length=64)] = FROM_PRESET
    """Positions of the sites. A UE is served by one site; the others interfere. Default: one at [0, 0] and six
    neighbours at the preset's distance; indoors, a grid of sites in a hall about [0, 0]."""
    height_m: Annotated[float, Field(ge=1, le=150)] | None = None
    """Height of the sites; default: the typical height of the environment."""
    tx_power_dbm: Decibels = FROM_PRESET
    """Transmit power of each site, over the whole bandwidth. Default: the preset's."""
    antenna_gain_db: Decibels = FROM_PRESET
    """Antenna gain of each site, for sending and receiving; with an `array`, of one of its elements. Default: the
    preset's."""
    array: ArraySection | None = FROM_PRESET
    """Panels with beams; null: one antenna with the same gain in all directions. Default: the preset's."""
    noise_figure_db: Decibels = FROM_PRESET
    """Noise figure of the sites' receivers. Default: the preset's."""
    load: Annotated[float, Field(ge=0, le=1)] = FROM_PRESET
    """Share of the time in which each other site, and one of its UEs, transmits. Default: the preset's."""
    load_period_ms: Period = 1000.0
    """Time for which another site is on or off."""
    noise_rise_db: Annotated[float, Field(ge=0, le=60)] | None = None
    """Uplink interference over thermal noise. Default: that of the UEs of the other sites."""
    handover: HandoverSection = HandoverSection()
    """Handover between the sites; matters with several `sites_m` only."""
    site_correlation: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Correlation of the shadowing of two sites at a UE."""
    sight_correlation: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Correlation of the random fields that decide whether a UE is in line of sight of two sites."""
    adaptation: AdaptationSection = AdaptationSection()
    """Link adaptation, in both directions."""
    harq: HarqSection = HarqSection()
    """Retransmission of transport blocks, in both directions."""
    bursts: BurstsSection | None = None
    """Interference in bursts, in both directions; default: none."""
    scheduler: Literal["none", "rr", "pf", "max-rate"] = "none"
    """Scheduler of the resource blocks: round robin, proportional fair, maximum rate; `none`: each UE has all."""
    window_slots: Count = 200
    """Averaging window of proportional fairness."""
    uplink_grant: RampSection | None = None
    """Delay of an uplink's first message after an idle time. Default: none, the uplink always has a grant."""

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, values: Any) -> Any:
        return with_cell_defaults(values) if isinstance(values, dict) else values

    @property
    def carrier(self) -> radio.Carrier:
        """Return the carrier in the emulator's units."""
        return radio.Carrier(**_fields_of(radio.Carrier, in_emulator_units(self)))

    @property
    def base(self) -> radio.Base:
        """Return the base station in the emulator's units."""
        values = in_emulator_units(self) | {
            "handover": radio.Handover(**in_emulator_units(self.handover)),
            "array": None if self.array is None else radio.Array(**in_emulator_units(self.array)),
        }
        return radio.Base(**_fields_of(radio.Base, values))


def _fields_of(kind: type[radio.Carrier] | type[radio.Base], values: dict[str, Any]) -> dict[str, Any]:
    return {field.name: values[field.name] for field in fields(kind)}
