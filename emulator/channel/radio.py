"""What a 5G NR link is made from: its carrier, base station, UE, fading, link adaptation and HARQ.

Numbers are of TS 38.xxx and TR 38.901 as `SPEC_VERSION` has them.
"""

from dataclasses import dataclass, field
from typing import Literal

SPEC_VERSION = "TR 38.901 V16.1.0; TS 38.211, 38.213, 38.214, 38.306, 38.101-1, 38.101-2 Release 16"

Environment = Literal["umi", "uma", "rma", "inh-mixed", "inh-open", "inf-sl", "inf-dl", "inf-sh", "inf-dh"]
Direction = Literal["uplink", "downlink"]
Profile = Literal["auto", "none", "rayleigh", "rice", "nakagami", "tdl-a", "tdl-b", "tdl-c", "tdl-d", "tdl-e"]
Penetration = Literal["none", "low", "high"]


class SettingError(ValueError):
    """A setting of a `Radio` that breaks a rule; `setting` is its place there, such as `base.height_m`."""

    def __init__(self, setting: str, value: object, rule: str) -> None:
        super().__init__(f"{setting}={value}: {rule}")
        self.setting, self.rule = setting, rule


@dataclass(frozen=True)
class Carrier:
    """One carrier: TS 38.211 4.2 numerology `mu` (subcarriers of 15 x 2^mu kHz, slots of 2^-mu ms); `tdd` is a
    pattern of D, S and U slots, empty for FDD; S slots hold `special` (downlink, guard, uplink) symbols."""

    carrier_hz: float = 3.5e9
    bandwidth_hz: float = 40e6
    mu: int = 1
    tdd: str = "DDDSU"
    special: tuple[int, int, int] = (10, 2, 2)
    layers: int = 1
    """Spatial layers, each with an equal share of the power; to tell them apart takes a receive branch for each
    beyond the first."""
    dmrs_re: int = 12
    """Resource elements of demodulation reference symbols a PRB (TS 38.214 5.1.3.2)."""
    overhead_re: int = 0
    """xOverhead of TS 38.214 5.1.3.2: 0, 6, 12 or 18 a PRB."""


@dataclass(frozen=True)
class Handover:
    """Event A3 of TS 38.331 5.5.4.4: another site is stronger by `hysteresis_db` for `time_to_trigger_ns`, measured
    every `measurement_ns`; nothing is sent for `interruption_ns`."""

    hysteresis_db: float = 3.0
    time_to_trigger_ns: int = 160_000_000
    measurement_ns: int = 40_000_000
    interruption_ns: int = 50_000_000


@dataclass(frozen=True)
class Base:
    """A base station's sites: all on one carrier, of one environment of TR 38.901, of one height (None: that of the
    environment). The UE hangs on one of them; each other transmits for the share `load` of the time."""

    environment: Environment = "umi"
    sites_m: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    height_m: float | None = None
    tx_power_dbm: float = 33.0
    antenna_gain_db: float = 8.0
    noise_figure_db: float = 5.0
    load: float = 0.5
    noise_rise_db: float = 0.0
    """Interference over thermal noise in the uplink."""
    handover: Handover = Handover()


@dataclass(frozen=True)
class Ue:
    """A device. Uplink power (TS 38.213 7.1.1): the lesser of `tx_power_dbm` and `p0_dbm` + 10 log10(2^mu PRBs) +
    `alpha` x path loss."""

    height_m: float = 1.5
    tx_power_dbm: float = 23.0
    p0_dbm: float = -80.0
    alpha: float = 0.8
    noise_figure_db: float = 7.0
    penetration: Penetration = "none"
    """Outdoor-to-indoor loss of TR 38.901 7.4.3: none, or that of a low-loss or high-loss building."""


@dataclass(frozen=True)
class Fading:
    """Small-scale fading. `auto`: TDL-D in line of sight, TDL-C out of it, delay spread the environment's median
    (TR 38.901 Table 7.5-6). `scatter_mps`: how fast the surroundings of a UE that stands still seem to move."""

    profile: Profile = "auto"
    delay_spread_ns: float | None = None
    rice_k_db: float = 9.0
    nakagami_m: float = 2.0
    branches: int = 2
    """Receive antennas, fading independently, combined for the greatest SINR."""
    scatter_mps: float = 0.3


@dataclass(frozen=True)
class Bursts:
    """Interference that comes and goes: exponential on and off times, `power_db` over the receiver's noise while on."""

    power_db: float
    mean_on_ns: int
    mean_off_ns: int


@dataclass(frozen=True)
class Adaptation:
    """Link adaptation: CQI reports every `cqi_period_ns`, known `cqi_delay_ns` later; the MCS follows them, moved by
    an outer loop that keeps first transmissions at `bler_target` (steps of `olla_up_db` on a failure)."""

    cqi_table: Literal[1, 2, 3] = 2
    mcs_table: Literal[1, 2, 3] = 2
    cqi_period_ns: int = 5_000_000
    cqi_delay_ns: int = 4_000_000
    bler_target: float = 0.1
    olla_up_db: float = 0.1
    implementation_loss_db: float = 2.0


@dataclass(frozen=True)
class Harq:
    """Hybrid ARQ with soft (chase) combining: a failed block is sent again in the first slot of its direction at
    least `round_trip_ns` later, before anything new; at most `max_transmissions` in all. A process is taken for a
    round trip, so no more than `processes` blocks go in one."""

    max_transmissions: int = 4
    round_trip_ns: int | None = None
    """None: 8 slots, 4 ms at 30 kHz. Terminals and base stations work in symbols and slots (TS 38.214 5.3, 6.4)."""
    processes: int = 16


@dataclass(frozen=True)
class Radio:
    """All that the channel between one base station and one UE is made from, both ways."""

    carrier: Carrier = field(default_factory=Carrier)
    base: Base = field(default_factory=Base)
    ue: Ue = field(default_factory=Ue)
    fading: Fading = field(default_factory=Fading)
    adaptation: Adaptation = field(default_factory=Adaptation)
    harq: Harq = field(default_factory=Harq)
    bursts: Bursts | None = None
