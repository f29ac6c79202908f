"""Path loss and line of sight, compared with a second implementation of TR 38.901 and with results by hand."""

import math
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.channel.large_scale.environment import (
    environment_parameters,
    indoor_delay_spread_ns,
    median_delay_spread_ns,
)
from emulator.channel.large_scale.path_loss import (
    Geometry,
    breakpoint_m,
    ground_m,
    los_probability,
    path_loss_db,
    rural_breakpoint_m,
    shadowing_sigma_db,
    tall_ue_factor,
)
from emulator.channel.radio import Environment
from emulator.core.randomness import generator

ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)
DISTANCES_M = np.array([10.0, 35.0, 100.0, 250.0, 900.0, 4000.0])


def lg(value: float) -> float:
    return math.log10(value)


def loss(environment: Environment, distance_m: float, geometry: Geometry, los: bool) -> float:
    return float(path_loss_db(environment, np.array([distance_m]), geometry, np.array([los]))[0])


def chance(environment: Environment, distance_m: float, geometry: Geometry) -> float:
    return float(los_probability(environment, np.array([distance_m]), geometry)[0])


def geometry_of(environment: Environment, carrier_hz: float = 3.5e9, ue_height_m: float = 1.5) -> Geometry:
    return Geometry(environment_parameters(environment).base_height_m, ue_height_m, carrier_hz)


def umi(d: float, base: float, ue: float, f: float, los: bool) -> float:
    d3 = math.sqrt(d * d + (base - ue) ** 2)
    bp = 4 * (base - 1) * (ue - 1) * f * 1e9 / 299792458
    near = 32.4 + 21 * lg(d3) + 20 * lg(f)
    far = 32.4 + 40 * lg(d3) + 20 * lg(f) - 9.5 * lg(bp**2 + (base - ue) ** 2)
    clear = near if d <= bp else far
    return clear if los else max(clear, 35.3 * lg(d3) + 22.4 + 21.3 * lg(f) - 0.3 * (ue - 1.5))


def uma(d: float, base: float, ue: float, f: float, los: bool, ground: float = 1.0) -> float:
    d3 = math.sqrt(d * d + (base - ue) ** 2)
    bp = 4 * (base - ground) * (ue - ground) * f * 1e9 / 299792458
    near = 28 + 22 * lg(d3) + 20 * lg(f)
    far = 28 + 40 * lg(d3) + 20 * lg(f) - 9 * lg(bp**2 + (base - ue) ** 2)
    clear = near if d <= bp else far
    return clear if los else max(clear, 13.54 + 39.08 * lg(d3) + 20 * lg(f) - 0.6 * (ue - 1.5))


def rma(d: float, base: float, ue: float, f: float, los: bool) -> float:
    width, height = 20.0, 5.0
    thick: float = height**1.72
    d3 = math.sqrt(d * d + (base - ue) ** 2)
    bp = 2 * math.pi * base * ue * f * 1e9 / 299792458

    def near(x: float) -> float:
        slope = min(0.03 * thick, 10) * lg(x) - min(0.044 * thick, 14.77)
        return 20 * lg(40 * math.pi * x * f / 3) + slope + 0.002 * lg(height) * x

    clear = near(d3) if d <= bp else near(bp) + 40 * lg(d3 / bp)
    blocked = (
        161.04
        - 7.1 * lg(width)
        + 7.5 * lg(height)
        - (24.37 - 3.7 * (height / base) ** 2) * lg(base)
        + (43.42 - 3.1 * lg(base)) * (lg(d3) - 3)
        + 20 * lg(f)
        - (3.2 * lg(11.75 * ue) ** 2 - 4.97)
    )
    return clear if los else max(clear, blocked)


def indoor(clear: tuple[float, float, float], *blocked: tuple[float, float, float]) -> Callable[..., float]:
    def total(d: float, base: float, ue: float, f: float, los: bool) -> float:
        d3 = math.sqrt(d * d + (base - ue) ** 2)
        lines = [clear] if los else [clear, *blocked]
        return max(fixed + slope * lg(d3) + carrier * lg(f) for fixed, slope, carrier in lines)

    return total


FACTORY = (31.84, 21.5, 19.0)
SECOND: dict[Environment, Callable[..., float]] = {
    "umi": umi,
    "uma": uma,
    "rma": rma,
    "inh-mixed": indoor((32.4, 17.3, 20.0), (17.3, 38.3, 24.9)),
    "inh-open": indoor((32.4, 17.3, 20.0), (17.3, 38.3, 24.9)),
    "inf-sl": indoor(FACTORY, (33, 25.5, 20)),
    "inf-dl": indoor(FACTORY, (33, 25.5, 20), (18.6, 35.7, 20)),
    "inf-sh": indoor(FACTORY, (32.4, 23, 20)),
    "inf-dh": indoor(FACTORY, (33.63, 21.9, 20)),
}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
@pytest.mark.parametrize("carrier_hz", [0.8e9, 3.5e9, 28e9])
@pytest.mark.parametrize("los", [True, False])
def test_path_loss_at_distances(environment: Environment, carrier_hz: float, los: bool) -> None:
    geometry = geometry_of(environment, carrier_hz)
    found = path_loss_db(environment, DISTANCES_M, geometry, np.full(len(DISTANCES_M), los))
    second = [SECOND[environment](d, geometry.base_height_m, 1.5, carrier_hz / 1e9, los) for d in DISTANCES_M]
    np.testing.assert_allclose(found, second, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("environment", "distance_m", "los", "worked_db"),
    [
        # d3D = 100.36 m, 32.4 + 42.033 + 10.881
        ("umi", 100.0, True, 85.31),
        # 35.3 x 2.00157 + 22.4 + 21.3 x 0.544068
        ("umi", 100.0, False, 104.64),
        # d'_BP = 560 m; d3D = 1000.28 m: 28 + 120.005 + 10.881 - 9 lg(560.4^2 + 23.5^2)
        ("uma", 1000.0, True, 109.40),
        # 13.54 + 39.08 x 3.00012 + 10.881
        ("uma", 1000.0, False, 141.67),
        # d3D = 20.06 m: 32.4 + 22.53 + 10.88
        ("inh-open", 20.0, True, 65.81),
        # d3D = 50 m, both at 1.5 m: 33 + 25.5 x 1.69897 + 10.881
        ("inf-sl", 50.0, False, 87.20),
    ],
)
def test_path_loss_worked_by_hand(environment: Environment, distance_m: float, los: bool, worked_db: float) -> None:
    assert loss(environment, distance_m, geometry_of(environment), los) == pytest.approx(worked_db, abs=0.01)


@pytest.mark.parametrize("environment", ["umi", "uma", "rma"])
def test_two_slopes_meet_at_the_breakpoint(environment: Environment) -> None:
    geometry = geometry_of(environment)
    turn_m = rural_breakpoint_m(geometry) if environment == "rma" else float(breakpoint_m(geometry))
    before, after = (loss(environment, turn_m * factor, geometry, True) for factor in (1 - 1e-9, 1 + 1e-9))
    # RMa's far slope is 40 log10(d3D / d_BP) over the loss at a 3-D distance of d_BP, which lies within the turn
    assert before == pytest.approx(after, abs=2e-3)
    decade = loss(environment, 4 * turn_m, geometry, True) - loss(environment, 2 * turn_m, geometry, True)
    assert decade == pytest.approx(40 * lg(2), abs=0.02)


@given(
    environment=st.sampled_from(ENVIRONMENTS),
    distances_m=st.tuples(st.floats(0.0, 5000.0), st.floats(0.0, 5000.0)),
    carrier_hz=st.floats(0.5e9, 100e9),
)
def test_loss_grows_with_distance_and_out_of_sight(
    environment: Environment, distances_m: tuple[float, float], carrier_hz: float
) -> None:
    geometry = geometry_of(environment, carrier_hz)
    near_m, far_m = sorted(distances_m)
    for los in (True, False):
        assert loss(environment, near_m, geometry, los) <= loss(environment, far_m, geometry, los) + 1e-9
    assert loss(environment, far_m, geometry, True) <= loss(environment, far_m, geometry, False)
    assert 0 <= chance(environment, far_m, geometry) <= 1


@pytest.mark.parametrize(
    ("environment", "distance_m", "worked"),
    [
        ("umi", 18.0, 1.0),
        ("umi", 72.0, 0.25 + math.exp(-2) * 0.75),
        ("uma", 18.0, 1.0),
        ("uma", 126.0, 1 / 7 + math.exp(-2) * 6 / 7),
        ("rma", 10.0, 1.0),
        ("rma", 1010.0, math.exp(-1)),
        ("inh-mixed", 1.0, 1.0),
        ("inh-mixed", 5.9, math.exp(-1)),
        ("inh-mixed", 39.1, 0.32 * math.exp(-1)),
        ("inh-open", 5.0, 1.0),
        ("inh-open", 40.4, math.exp(-0.5)),
        ("inh-open", 260.7, 0.54 * math.exp(-1)),
        ("inf-sl", 10.0, 0.8),  # (1 - r)^(d / d_clutter)
        ("inf-dl", 4.0, 0.16),
        ("inf-sh", 130.0, 0.8),  # 10 m x (8 - 1.5) / (2 - 1.5) away
        ("inf-dh", 2 * 6.5 / 4.5, 0.4),
    ],
)
def test_los_probability_worked_by_hand(environment: Environment, distance_m: float, worked: float) -> None:
    assert chance(environment, distance_m, geometry_of(environment)) == pytest.approx(worked, abs=1e-12)


def test_a_tall_ue_sees_farther_in_uma() -> None:
    low, tall = geometry_of("uma"), geometry_of("uma", ue_height_m=23.0)
    taller = 1 + 1.25 * 1.5**3 * math.exp(-1)  # C' = 1 at 23 m
    assert chance("uma", 150.0, tall) == pytest.approx(chance("uma", 150.0, low) * taller, abs=1e-12)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_effective_environment_height_has_the_stated_distribution(seed: int) -> None:
    """At 22.5 m the ground is 1 m with probability 1 / (1 + C), else 12, 15, 18 or 21 m, each as likely."""
    draws = generator(seed, "test", "roofs").random(4000)
    found = np.array([ground_m("uma", np.array([200.0]), 22.5, draw)[0] for draw in draws])
    plain = 1 / (1 + float(tall_ue_factor(np.array([200.0]), 22.5)[0]))
    assert set(found) == {1.0, 12.0, 15.0, 18.0, 21.0}
    for height_m, share in [(1.0, plain), *((roof_m, (1 - plain) / 4) for roof_m in (12.0, 15.0, 18.0, 21.0))]:
        error = math.sqrt(share * (1 - share) / len(draws))
        assert (found == height_m).mean() == pytest.approx(share, abs=4 * error)
    assert set(ground_m("uma", np.array([200.0, 10.0]), 13.0, 0.999)) == {1.0}


def test_a_higher_ground_brings_the_breakpoint_nearer() -> None:
    geometry = geometry_of("uma", ue_height_m=22.5)
    grounds_m = np.array([1.0, 12.0, 21.0])
    found = path_loss_db("uma", np.full(3, 9000.0), geometry, np.full(3, True), grounds_m)
    second = [uma(9000.0, 25.0, 22.5, 3.5, True, ground) for ground in grounds_m]
    np.testing.assert_allclose(found, second, rtol=0, atol=1e-9)
    assert found[0] < found[1] < found[2]


def test_rural_shadowing_is_wider_beyond_the_breakpoint() -> None:
    geometry = geometry_of("rma")
    distances_m = rural_breakpoint_m(geometry) * np.array([0.9, 1.1, 1.1])
    sigmas_db = shadowing_sigma_db("rma", distances_m, geometry, np.array([True, True, False]))
    assert list(sigmas_db) == [4.0, 6.0, 8.0]


@pytest.mark.parametrize(
    ("environment", "carrier_hz", "los", "exponent"),
    [
        ("umi", 3.5e9, True, -0.24 * lg(4.5) - 7.14),
        ("umi", 3.5e9, False, -0.24 * lg(4.5) - 6.83),
        ("umi", 0.9e9, False, -0.24 * lg(3.0) - 6.83),  # below 2 GHz as at 2 GHz
        ("uma", 28e9, True, -6.955 - 0.0963 * lg(28)),
        ("uma", 3.5e9, False, -6.28 - 0.204 * lg(6)),  # below 6 GHz as at 6 GHz
        ("rma", 0.8e9, True, -7.49),
        ("rma", 0.8e9, False, -7.43),
        ("inh-mixed", 28e9, False, -0.28 * lg(29) - 7.173),
        ("inf-sl", 3.5e9, True, lg(26 * 4 + 14) - 9.35),  # 120 x 60 x 10 m: volume over surface is 4 m
        ("inf-sl", 3.5e9, False, lg(30 * 4 + 32) - 9.44),
    ],
)
def test_median_delay_spread(environment: Environment, carrier_hz: float, los: bool, exponent: float) -> None:
    assert median_delay_spread_ns(environment, carrier_hz, los) == pytest.approx(1e9 * 10**exponent, rel=1e-9)


def test_delay_spread_in_a_building() -> None:
    assert indoor_delay_spread_ns("umi", 3.5e9) == pytest.approx(239.88, abs=0.01)  # 10^-6.62 s
    with pytest.raises(ValueError, match=r"^environment='inf-dh': must have outdoor base stations"):
        indoor_delay_spread_ns("inf-dh", 3.5e9)
