"""Large-scale parameters, compared with a second copy of TR 38.901's tables."""

from typing import get_args

import pytest

from emulator.channel.large_scale.environment import environment_parameters
from emulator.channel.radio import Environment
from emulator.channel.standard_tables import table

ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)

HEIGHTS_M = {"umi": 10, "uma": 25, "rma": 35, "inh-mixed": 3, "inh-open": 3, "inf-sh": 8, "inf-dh": 8}
SHADOWING = {  # in sight, out of it, in a building: sigma in dB, Table 7.4.1-1; correlation in m, Table 7.5-6
    "umi": ((4.0, 10), (7.82, 13), (7.0, 7)),
    "uma": ((4.0, 37), (6.0, 50), (7.0, 7)),
    "rma": ((4.0, 37), (8.0, 120), (8.0, 120)),
    "inh-mixed": ((3.0, 10), (8.03, 6), None),
    "inh-open": ((3.0, 10), (8.03, 6), None),
    "inf-sl": ((4.3, 10), (5.7, 10), None),
    "inf-dl": ((4.3, 10), (7.2, 10), None),
    "inf-sh": ((4.3, 10), (5.9, 10), None),
    "inf-dh": ((4.3, 10), (4.0, 10), None),
}
SIGHT_M = {"umi": 50, "uma": 50, "rma": 60, "inh-mixed": 10, "inh-open": 10}  # Table 7.6.3.1-2
HALLS = {  # Table 7.8-7: size, density, size and height of the clutter
    "inf-sl": ((120, 60, 10), 0.2, 10, 2),
    "inf-dl": ((300, 150, 10), 0.6, 2, 6),
    "inf-sh": ((300, 150, 10), 0.2, 10, 2),
    "inf-dh": ((120, 60, 10), 0.6, 2, 6),
}


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_sigma_and_correlation_distance_are_as_tabulated(environment: Environment) -> None:
    row = environment_parameters(environment)
    states = (row.los, row.nlos, row.o2i)
    assert tuple(state and (state.sigma_db, state.correlation_m) for state in states) == SHADOWING[environment]


@pytest.mark.parametrize("environment", HEIGHTS_M)
def test_site_heights_are_as_in_the_standard(environment: Environment) -> None:
    assert environment_parameters(environment).base_height_m == HEIGHTS_M[environment]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_correlation_distance_of_sight_is_as_tabulated(environment: Environment) -> None:
    """In a factory half the clutter's size."""
    expected = HALLS[environment][2] / 2 if environment in HALLS else SIGHT_M[environment]
    assert environment_parameters(environment).los_correlation_m == expected


@pytest.mark.parametrize("environment", HALLS)
def test_halls_are_those_of_the_calibration(environment: Environment) -> None:
    assert environment_parameters(environment).hall == HALLS[environment]


def test_penetration_sigma_is_as_tabulated() -> None:
    """Table 7.4.3-2."""
    assert {model: each["sigma_db"] for model, each in table("large_scale")["penetrations"].items()} == {
        "low": 4.4,
        "high": 6.5,
    }
