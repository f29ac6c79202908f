"""Parameters of the environments of TR 38.901 (Tables 7.4.1-1, 7.5-6, 7.6.3.1-2 and 7.8-7), read from a data file."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from emulator.channel.radio import Array, Environment, Penetration, Radio, SettingError
from emulator.channel.standard_tables import table


class LogDistanceLaw(NamedTuple):
    """Path loss, linear in log distance: dB at 1 m and 1 GHz, dB per decade of 3-D distance, dB per decade of carrier
    frequency, and dB per metre of UE height above 1.5 m."""

    at_one_db: float
    distance_db: float
    frequency_db: float
    height_db: float


class SightParameters(NamedTuple):
    """Parameters in line of sight, out of it, or indoors: standard deviation and correlation distance of shadowing, and
    (a, b, c) of the median delay spread: log10 of seconds = a log10(b + GHz) + c."""

    sigma_db: float
    correlation_m: float
    delay_spread: tuple[float, float, float]


class FactoryHall(NamedTuple):
    """A factory hall of Table 7.8-7: length, width and height; clutter's share of the floor, size and height."""

    size_m: tuple[float, float, float]
    clutter_density: float
    clutter_size_m: float
    clutter_height_m: float


@dataclass(frozen=True)
class EnvironmentParameters:
    """Parameters of an environment. `los_transition_m`: median length of a transition between line of sight and none.
    `o2i` and `indoor_m` (greatest depth of a UE in a building) if the standard has an outdoor-to-indoor loss;
    `breakpoint_db` if the line-of-sight loss has two slopes; `floor_m`, length and width, if it is a hall."""

    name: Environment
    base_height_m: float
    ue_height_m: tuple[float, float]
    nearest_m: float
    los_correlation_m: float
    los_transition_m: float
    least_delay_spread_ghz: float
    los: SightParameters
    nlos: SightParameters
    o2i: SightParameters | None
    los_line: LogDistanceLaw | None
    nlos_lines: tuple[LogDistanceLaw, ...]
    breakpoint_db: float | None
    beyond_breakpoint_sigma_db: float
    street_width_m: float
    building_height_m: float
    hall: FactoryHall | None
    floor_m: tuple[float, float] | None
    indoor_m: float
    penetrations: tuple[Penetration, ...]


def environment_parameters(environment: Environment) -> EnvironmentParameters:
    """Return the parameters of an environment. Raises ValueError for an unknown name."""
    rows: dict[str, Any] = table("large_scale")["environments"]
    if environment not in rows:
        raise ValueError(f"environment={environment!r}: must be one of {', '.join(rows)}")
    return _row(environment)


@cache
def _row(environment: Environment) -> EnvironmentParameters:
    row: dict[str, Any] = table("large_scale")["environments"][environment]
    hall = _hall(row["hall"]) if "hall" in row else None
    states = {name: _state(name, row[name], hall) for name in ("los", "nlos", "o2i") if name in row}
    return EnvironmentParameters(
        name=environment,
        base_height_m=row["base_height_m"],
        ue_height_m=(row["ue_height_m"][0], row["ue_height_m"][1]),
        nearest_m=row["nearest_m"],
        los_correlation_m=row["los_correlation_m"],
        los_transition_m=row["los_transition_m"],
        least_delay_spread_ghz=row.get("least_delay_spread_ghz", 0.0),
        los=states["los"],
        nlos=states["nlos"],
        o2i=states.get("o2i"),
        los_line=LogDistanceLaw(*row["los_line"]) if "los_line" in row else None,
        nlos_lines=tuple(LogDistanceLaw(*line) for line in row.get("nlos_lines", ())),
        breakpoint_db=row.get("breakpoint_db"),
        beyond_breakpoint_sigma_db=row.get("beyond_breakpoint_sigma_db", row["los"]["sigma_db"]),
        street_width_m=row.get("street_width_m", 0.0),
        building_height_m=row.get("building_height_m", 0.0),
        hall=hall,
        floor_m=hall.size_m[:2] if hall else tuple(row["floor_m"]) if "floor_m" in row else None,
        indoor_m=row.get("indoor_m", 0.0),
        penetrations=("none", *row.get("penetrations", ())),
    )


def median_delay_spread_ns(environment: Environment, carrier_hz: float, los: bool) -> float:
    """Return the median RMS delay spread outdoors, or in an indoor environment (TR 38.901 Table 7.5-6)."""
    row = environment_parameters(environment)
    return _median_ns(row, row.los if los else row.nlos, carrier_hz)


def indoor_delay_spread_ns(environment: Environment, carrier_hz: float) -> float:
    """Return the median RMS delay spread of a UE in a building, served from outside (TR 38.901 Table 7.5-6, O2I).
    Raises ValueError if the environment has no such column."""
    row = environment_parameters(environment)
    if row.o2i is None:
        raise ValueError(f"environment={environment!r}: must have outdoor base stations to serve a UE in a building")
    return _median_ns(row, row.o2i, carrier_hz)


def require_valid(radio: Radio) -> None:
    """Raise ValueError, one line, if heights, sites, carrier or penetration are outside the range of TR 38.901, the
    load, its period or a correlation are out of range, or FR2 has no array."""
    row = environment_parameters(radio.base.environment)
    base_m = base_height_m(radio)
    lowest, highest = row.ue_height_m
    if not 0.5e9 <= radio.carrier.carrier_hz <= 100e9:
        raise SettingError("carrier.carrier_hz", f"{radio.carrier.carrier_hz:g}", "must be 0.5 to 100 GHz")
    if not lowest <= radio.ue.height_m <= highest:
        raise SettingError(
            "ue.height_m", f"{radio.ue.height_m:g}", f"must be at least {lowest:g} and at most {highest:g}"
        )
    least_m = _least_base_height_m(row, radio.ue.height_m)
    if not least_m <= base_m <= 150:
        raise SettingError("base.height_m", f"{base_m:g}", f"must be at least {least_m:g} and at most 150")
    if not radio.base.sites_m:
        raise SettingError("base.sites_m", (), "must have at least one site")
    if not all(math.isfinite(metres) for site in radio.base.sites_m for metres in site):
        raise SettingError("base.sites_m", radio.base.sites_m, "must be finite")
    if len(set(radio.base.sites_m)) < len(radio.base.sites_m):
        raise SettingError("base.sites_m", radio.base.sites_m, "must be different places")
    if not 0 <= radio.base.load <= 1:
        raise SettingError("base.load", f"{radio.base.load:g}", "must be at least 0 and at most 1")
    if not radio.base.load_period_ns >= 1:
        raise SettingError("base.load_period_ns", radio.base.load_period_ns, "must be at least 1")
    _require_array(radio.base.array, radio.carrier.carrier_hz)
    for name in ("site_correlation", "sight_correlation"):
        if not 0 <= getattr(radio.base, name) <= 1:
            raise SettingError(f"base.{name}", f"{getattr(radio.base, name):g}", "must be at least 0 and at most 1")
    if radio.ue.penetration not in row.penetrations:
        raise SettingError("ue.penetration", radio.ue.penetration, f"must be one of {', '.join(row.penetrations)}")


def _require_array(array: Array | None, carrier_hz: float) -> None:
    beams_only = carrier_hz >= table("prb")["ranges"]["FR2"]["lowest_mhz"] * 1e6
    if array is None:
        if beams_only:
            raise SettingError("base.array", None, "must be given in FR2, where all sites send in beams")
        return
    for name, most in (("rows", 64), ("columns", 64), ("sectors", 6)):
        if not 1 <= getattr(array, name) <= most:
            raise SettingError(f"base.array.{name}", getattr(array, name), f"must be at least 1 and at most {most}")
    if not -90 <= array.tilt_deg <= 90:
        raise SettingError("base.array.tilt_deg", f"{array.tilt_deg:g}", "must be at least -90 and at most 90")
    if beams_only and array.rows * array.columns == 1:
        raise SettingError(
            "base.array.columns", 1, "must be above 1 with one row in FR2, where all sites send in beams"
        )


def base_height_m(radio: Radio) -> float:
    """Return the sites' height: the setting, or the environment's default."""
    height_m = radio.base.height_m
    return environment_parameters(radio.base.environment).base_height_m if height_m is None else height_m


def _least_base_height_m(row: EnvironmentParameters, ue_height_m: float) -> float:
    """Return the lowest site: above the reflecting ground (UMi, UMa, RMa) or the clutter (InF-SH, InF-DH)."""
    if row.name in ("umi", "uma"):
        return max(2.0, ue_height_m) if row.name == "uma" else 2.0
    if row.name == "rma":
        return 10.0
    if row.hall and row.name in ("inf-sh", "inf-dh"):
        return row.hall.clutter_height_m
    return 0.5


def _hall(row: dict[str, Any]) -> FactoryHall:
    length_m, width_m, height_m = row["size_m"]
    size_m = (length_m, width_m, height_m)
    return FactoryHall(size_m, row["clutter_density"], row["clutter_size_m"], row["clutter_height_m"])


def _state(name: str, row: dict[str, Any], hall: FactoryHall | None) -> SightParameters:
    if hall is None:
        slope, shift, level = row["delay_spread"]
        return SightParameters(row["sigma_db"], row["correlation_m"], (slope, shift, level))
    return SightParameters(row["sigma_db"], row["correlation_m"], (0.0, 1.0, _hall_delay_spread(name, hall)))


def _hall_delay_spread(name: str, hall: FactoryHall) -> float:
    """Return log10 of the median delay spread in s, from a hall's volume over its surface (Table 7.5-6 part 3)."""
    length_m, width_m, height_m = hall.size_m
    volume_m3 = length_m * width_m * height_m
    surface_m2 = 2 * (length_m * width_m + length_m * height_m + width_m * height_m)
    slope, shift, level = table("large_scale")["hall_delay_spread"][name]
    return math.log10(slope * volume_m3 / surface_m2 + shift) + float(level)


def _median_ns(row: EnvironmentParameters, state: SightParameters, carrier_hz: float) -> float:
    slope, shift, level = state.delay_spread
    ghz = max(carrier_hz / 1e9, row.least_delay_spread_ghz)
    return 1e9 * 10 ** float(slope * math.log10(shift + ghz) + level)
