"""What a generated channel is made from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

Fading = Literal["none", "rayleigh", "rice", "nakagami"]

ABOVE_ZERO = ("carrier_hz", "bandwidth_hz", "slot_ns", "reference_m", "correlation_m", "nearest_m")
NOT_NEGATIVE = ("shadowing_sigma_db", "speed_mps", "path_loss_exponent", "harq_round_trip_ns", "cqi_delay_ns")

# Far beyond any radio, and near enough that no step of the arithmetic leaves its type.
RANGES = {
    "carrier_hz": (1e3, 1e13),
    "bandwidth_hz": (1.0, 1e12),
    "slot_ns": (1_000, 10**12),
    "tx_power_dbm": (-1e3, 1e3),
    "antenna_gain_db": (-1e3, 1e3),
    "noise_figure_db": (-1e3, 1e3),
    "path_loss_exponent": (0.0, 100.0),
    "reference_m": (1e-6, 1e9),
    "reference_loss_db": (-1e3, 1e3),
    "shadowing_sigma_db": (0.0, 100.0),
    "correlation_m": (1e-6, 1e9),
    "speed_mps": (0.0, 1e4),
    "nearest_m": (1e-6, 1e9),
    "farthest_m": (1e-6, 1e9),
    "rice_k_db": (-1e3, 1e3),
    "nakagami_m": (0.5, 1e6),
    "harq_round_trip_ns": (0, 10**12),
    "max_transmissions": (1, 1_000),
    "cqi_delay_ns": (0, 10**11),
    "cqi_margin_db": (-1e3, 1e3),
}


@dataclass(frozen=True)
class ChannelSettings:
    """One direction between a base station and a UE that walks to and fro, outwards first, between
    `nearest_m` and `farthest_m`, from `start_m`.

    `reference_loss_db` is the loss at `reference_m`; free space where it is None. `overhead` is the
    share of control and reference symbols, `duty` the share of time that TDD gives this direction.
    The rate follows the CQI of `cqi_delay_ns` ago, `cqi_margin_db` below the SNR then; a block fails with
    `bler_target`, or surely when its CQI is too high by now, and is sent at most `max_transmissions`
    times, a round trip apart.

    Raises ValueError when a value breaks a rule.
    """

    carrier_hz: float = 3.5e9
    bandwidth_hz: float = 20e6
    slot_ns: int = 1_000_000
    tx_power_dbm: float = 23.0
    antenna_gain_db: float = 8.0
    noise_figure_db: float = 5.0
    path_loss_exponent: float = 3.2
    reference_m: float = 1.0
    reference_loss_db: float | None = None
    shadowing_sigma_db: float = 4.0
    correlation_m: float = 10.0
    speed_mps: float = 1.4
    start_m: float = 60.0
    nearest_m: float = 20.0
    farthest_m: float = 150.0
    fading: Fading = "rayleigh"
    rice_k_db: float = 9.0
    nakagami_m: float = 2.0
    overhead: float = 0.14
    duty: float = 1.0
    bler_target: float = 0.1
    harq_round_trip_ns: int = 8_000_000
    max_transmissions: int = 4
    cqi_delay_ns: int = 5_000_000
    cqi_margin_db: float = 3.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{name}={value}: must be finite")
        for name in ABOVE_ZERO:
            _require(self, name, getattr(self, name) > 0, "be above 0")
        for name in NOT_NEGATIVE:
            _require(self, name, getattr(self, name) >= 0, "not be negative")
        _require(self, "farthest_m", self.farthest_m > self.nearest_m, "be above nearest_m")
        _require(self, "start_m", self.nearest_m <= self.start_m <= self.farthest_m, "be from nearest_m to farthest_m")
        _require(self, "fading", self.fading in get_args(Fading), f"be one of {', '.join(get_args(Fading))}")
        _require(self, "nakagami_m", self.nakagami_m >= 0.5, "be at least 0.5")
        _require(self, "overhead", 0 <= self.overhead < 1, "be at least 0 and below 1")
        _require(self, "duty", 0 < self.duty <= 1, "be above 0 and at most 1")
        _require(self, "bler_target", 0 <= self.bler_target < 1, "be at least 0 and below 1")
        _require(self, "max_transmissions", self.max_transmissions >= 1, "be at least 1")
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            _require(self, name, value is None or low <= value <= high, f"be from {low:g} to {high:g}")


def settings_from(pairs: Sequence[str]) -> ChannelSettings:
    """Settings from `name=value`. Raises ValueError, one line, for a name or a value that cannot be."""
    kinds = {field.name: field.type for field in fields(ChannelSettings)}
    values: dict[str, Any] = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        if name not in kinds:
            raise ValueError(f"{pair}: must be name=value with a name of {', '.join(kinds)}")
        try:
            values[name] = int(text) if kinds[name] is int else text if kinds[name] is Fading else float(text)
        except ValueError:
            raise ValueError(f"{pair}: must have a number for its value") from None
    return ChannelSettings(**values)


def _require(settings: ChannelSettings, name: str, holds: bool, rule: str) -> None:
    if not holds:
        raise ValueError(f"{name}={getattr(settings, name)!r}: must {rule}")
