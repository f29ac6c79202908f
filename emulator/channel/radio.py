"""Settings of a 5G NR link: carrier, base station, UE, fading, link adaptation and HARQ.

Numbers are from TS 38.xxx and TR 38.901 in the versions of `SPEC_VERSION`.
"""

from dataclasses import dataclass, field
from typing import Literal

SPEC_VERSION = "TR 38.901 V16.1.0; TS 38.211, 38.213, 38.214, 38.306, 38.101-1, 38.101-2 Release 16"

Environment = Literal["umi", "uma", "rma", "inh-mixed", "inh-open", "inf-sl", "inf-dl", "inf-sh", "inf-dh"]
Direction = Literal["uplink", "downlink"]
Profile = Literal["auto", "none", "rayleigh", "rice", "nakagami", "tdl-a", "tdl-b", "tdl-c", "tdl-d", "tdl-e"]
Penetration = Literal["none", "low", "high"]

FILTER_COEFFICIENTS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 17, 19)  # FilterCoefficient of TS 38.331 6.3.2


class SettingError(ValueError):
    """A setting of a `Radio` breaks a rule; `setting` is its path, such as `base.height_m`."""

    def __init__(self, setting: str, value: object, rule: str) -> None:
        super().__init__(f"{setting}={value}: {rule}")
        self.setting, self.rule = setting, rule


@dataclass(frozen=True)
class Carrier:
    """A carrier with numerology `mu` (TS 38.211 4.2: subcarriers of 15 x 2^mu kHz, slots of 2^-mu ms). `tdd`: pattern
    of D, S and U slots, empty for FDD; `special`: (downlink, guard, uplink) symbols of an S slot."""

    carrier_hz: float = 3.5e9
    bandwidth_hz: float = 40e6
    mu: int = 1
    tdd: str = "DDDSU"
    special: tuple[int, int, int] = (10, 2, 2)
    layers: int = 4
    """Most spatial layers of the downlink (TS 38.214 5.1.1.1); the rank is adapted up to this number."""
    dmrs_re: int = 12
    """Resource elements per PRB for demodulation reference symbols (TS 38.214 5.1.3.2)."""
    overhead_re: int = 0
    """xOverhead of TS 38.214 5.1.3.2: 0, 6, 12 or 18 resource elements per PRB."""


@dataclass(frozen=True)
class Handover:
    """Event A3 of TS 38.331 5.5.4.4: a handover to a site that is stronger by `hysteresis_db` for
    `time_to_trigger_ns`, measured every `measurement_ns`. Nothing is sent for `interruption_ns`. `filter_coefficient`:
    k of the layer 3 filter (5.5.3.2), one of `FILTER_COEFFICIENTS`; 0: no filter."""

    hysteresis_db: float = 6.0
    time_to_trigger_ns: int = 160_000_000
    measurement_ns: int = 40_000_000
    interruption_ns: int = 50_000_000
    filter_coefficient: int = 8


@dataclass(frozen=True)
class Array:
    """Antenna panels of a site, each of `rows` x `columns` elements of TR 38.901 Table 7.3-1, half a wavelength apart,
    with as many beams: `sectors` panels at equal angles around the mast, tilted down by `tilt_deg`."""

    rows: int = 1
    columns: int = 1
    sectors: int = 3
    tilt_deg: float = 0.0


@dataclass(frozen=True)
class Base:
    """The sites of a base station, all with one carrier, one environment of TR 38.901 and one height (None: the
    environment's). One site serves the UE. Each other site is on for the share `load` of periods of
    `load_period_ns`."""

    environment: Environment = "umi"
    sites_m: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    height_m: float | None = None
    tx_power_dbm: float = 33.0
    antenna_gain_db: float = 8.0
    """Greatest gain of one antenna element, for sending and receiving."""
    array: Array | None = None
    """None: one antenna with the same gain in all directions."""
    antennas: int = 4
    """Receive antennas of a site with independent fading."""
    noise_figure_db: float = 5.0
    load: float = 0.5
    load_period_ns: int = 1_000_000_000
    noise_rise_db: float | None = None
    """Interference over thermal noise in the uplink. None: that of the UEs of the other sites."""
    handover: Handover = Handover()
    site_correlation: float = 0.5
    """Correlation of the shadowing of two sites at a UE (TR 36.814 Table A.2.1.1-1: 0.5; TR 38.901: 0)."""
    sight_correlation: float = 0.8
    """Correlation of two sites' Gaussian fields that decide on line of sight at a UE (TR 38.901: 0)."""


@dataclass(frozen=True)
class Ue:
    """User equipment. Uplink power (TS 38.213 7.1.1): min(`tx_power_dbm`, `p0_dbm` + 10 log10(2^mu PRBs) +
    `alpha` x path loss)."""

    height_m: float = 1.5
    tx_power_dbm: float = 23.0
    p0_dbm: float = -80.0
    alpha: float = 0.8
    antennas: int = 4
    """Receive antennas with independent fading: 4 are required in n41, n77, n78 and n79 (TS 38.101-1 7.2)."""
    layers: int = 1
    """Most spatial layers of the uplink."""
    noise_figure_db: float = 7.0
    antenna_gain_db: float = 0.0
    """Gain towards the serving site, both ways. Interference from other directions is received, and caused, with the
    mean gain of a beam, 0 dB; a negative gain is a loss for all."""
    penetration: Penetration = "none"
    """Outdoor-to-indoor loss of TR 38.901 7.4.3: none, or the low-loss or high-loss model of a building."""


@dataclass(frozen=True)
class Fading:
    """Small-scale fading. `auto`: TDL-D in line of sight, otherwise TDL-C. `delay_spread_ns` None: the environment's
    median (TR 38.901 Table 7.5-6). `scatter_mps`: apparent speed of the surroundings of a UE that stands still."""

    profile: Profile = "auto"
    delay_spread_ns: float | None = None
    rice_k_db: float = 9.0
    nakagami_m: float = 2.0
    scatter_mps: float = 0.3
    correlation: float = 0.3
    """Between the layers of a sender, out of line of sight: interference between layers that the receiver removes at
    the cost of power."""
    los_correlation: float = 0.7
    """The same in line of sight, where all antennas see one direction."""


@dataclass(frozen=True)
class Bursts:
    """Bursty interference: exponential on and off times, `power_db` over the receiver's noise while on."""

    power_db: float
    mean_on_ns: int
    mean_off_ns: int


@dataclass(frozen=True)
class Adaptation:
    """Link adaptation: a CQI is measured every `cqi_period_ns` and received `cqi_delay_ns` later. It selects the MCS,
    corrected by an outer loop that keeps the error rate of first transmissions at `bler_target` (`olla_up_db`: step
    after a failure)."""

    cqi_table: Literal[1, 2, 3] = 2
    mcs_table: Literal[1, 2, 3] = 2
    cqi_period_ns: int = 5_000_000
    cqi_delay_ns: int = 4_000_000
    bler_target: float = 0.1
    olla_up_db: float = 0.1
    implementation_loss_db: float = 2.0


@dataclass(frozen=True)
class Harq:
    """Hybrid ARQ with chase combining: a failed block is sent again, before new blocks, in the first slot of its
    direction at least `round_trip_ns` later, with at most `max_transmissions`. A block occupies a process for a round
    trip, so at most `processes` blocks are sent in one."""

    max_transmissions: int = 4
    round_trip_ns: int | None = None
    """None: 8 slots, 4 ms at 30 kHz, as processing times are in symbols and slots (TS 38.214 5.3, 6.4)."""
    processes: int = 16


@dataclass(frozen=True)
class Radio:
    """All settings of the channel between one base station and one UE, in both directions."""

    carrier: Carrier = field(default_factory=Carrier)
    base: Base = field(default_factory=Base)
    ue: Ue = field(default_factory=Ue)
    fading: Fading = field(default_factory=Fading)
    adaptation: Adaptation = field(default_factory=Adaptation)
    harq: Harq = field(default_factory=Harq)
    bursts: Bursts | None = None
