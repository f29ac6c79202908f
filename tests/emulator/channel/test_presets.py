"""Presets: settings of base stations and UEs that belong together."""

import math
from itertools import pairwise
from typing import get_args

import pytest

from emulator.channel.large_scale.environment import environment_parameters
from emulator.channel.presets import (
    DEFAULT,
    PRESETS,
    PresetName,
    cell_settings,
    default_preset,
    environment_of,
    hexagon_m,
    ue_settings,
)
from emulator.channel.radio import Environment
from emulator.channel.standard_tables import table

ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)
OUTDOOR_M: dict[PresetName, float] = {"n78-macro": 500, "n78-street": 200, "n41-rural": 1732, "fr2-street": 200}


def test_every_preset_is_in_the_table_with_a_source_for_each_number() -> None:
    rows = table("presets")["presets"]
    assert tuple(rows) == PRESETS
    keys = {(tuple(row["cell"]), tuple(sorted(set(row["ue"]) | {"ring"}))) for row in rows.values()}
    assert len(keys) == 1  # a key that one preset gives and another does not would be left to no preset
    for row in rows.values():
        sourced = [row["environment"], *row["cell"].values(), *row["ue"].values()]
        assert all(len(each) == 2 and isinstance(each[1], str) and each[1] for each in sourced)


def test_each_environment_has_a_default_preset() -> None:
    defaults = {environment: default_preset(environment) for environment in ENVIRONMENTS}
    assert defaults["umi"] == DEFAULT
    assert set(defaults.values()) == set(PRESETS) - {"fr2-street"}
    assert all(defaults[environment_of(preset)] == preset for preset in PRESETS if preset != "fr2-street")


@pytest.mark.parametrize("preset", OUTDOOR_M)
def test_an_outdoor_site_has_six_neighbours_at_the_sites_distance(preset: PresetName) -> None:
    (x, y), *around = cell_settings(preset, environment_of(preset))["sites_m"]
    assert (x, y) == (0, 0)
    assert [math.hypot(*site) for site in around] == pytest.approx([OUTDOOR_M[preset]] * 6, abs=0.1)
    apart = [math.dist(one, other) for one, other in pairwise([*around, around[0]])]
    assert apart == pytest.approx([OUTDOOR_M[preset]] * 6, abs=0.1)


def test_hexagon_is_a_lattice() -> None:
    """The sum of two neighbours that are not next to each other is a neighbour or the site itself."""
    _, *around = hexagon_m(1_000.0)
    for first, second in pairwise([*around, *around[:2]]):
        opposite = (around[(around.index(first) + 3) % 6], second)
        total = tuple(sum(axis) for axis in zip(*opposite, strict=True))
        assert min(math.dist(total, site) for site in around) < 0.3


@pytest.mark.parametrize(
    ("environment", "sites", "apart_m"),
    [("inh-open", 12, 20), ("inh-mixed", 12, 20), ("inf-sl", 18, 20), ("inf-dh", 18, 20), ("inf-sh", 18, 50)],
)
def test_a_hall_has_the_standards_grid_within_its_walls(environment: Environment, sites: int, apart_m: float) -> None:
    preset = default_preset(environment)
    places = cell_settings(preset, environment)["sites_m"]
    assert len(set(places)) == len(places) == sites
    nearest = [min(math.dist(one, other) for other in places if other != one) for one in places]
    assert nearest == pytest.approx([apart_m] * sites)
    floor_m = environment_parameters(environment).floor_m
    assert floor_m is not None
    for axis in (0, 1):
        assert sum(place[axis] for place in places) == pytest.approx(0)
        assert max(place[axis] for place in places) < floor_m[axis] / 2
    assert ue_settings(preset, environment)["ring"]["farthest_m"] == min(floor_m) / 2


@pytest.mark.parametrize("preset", PRESETS)
def test_power_and_gain_are_those_of_its_kind_of_network(preset: PresetName) -> None:
    settings = cell_settings(preset, environment_of(preset))
    array = settings["array"] or {"rows": 1, "columns": 1}
    power_dbm, gain_db = settings["tx_power_dbm"], settings["antenna_gain_db"]
    gain_db += 10 * math.log10(array["rows"] * array["columns"])  # at a beam's peak
    if preset in ("n78-macro", "n41-rural"):
        assert 46 <= power_dbm <= 53
        assert 15 <= gain_db <= 24
    if preset in ("indoor-office", "factory"):
        assert (power_dbm, gain_db) == (24, 5)
    if preset in ("n78-street", "fr2-street"):
        assert power_dbm <= 38  # medium range of TS 38.104
