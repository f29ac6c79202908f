"""Presets: settings of a base station and its UEs that belong together, from a data file with the source of each."""

import math
from collections.abc import Mapping
from typing import Any, Literal, cast, get_args

from emulator.channel.large_scale.environment import environment_parameters
from emulator.channel.radio import Environment
from emulator.channel.standard_tables import table

PresetName = Literal["n78-macro", "n78-street", "n41-rural", "indoor-office", "factory", "fr2-street"]
PRESETS: tuple[PresetName, ...] = get_args(PresetName)
DEFAULT: PresetName = "n78-street"
NEIGHBOURS = 6  # of a site in a hexagonal grid
NEAREST_INDOORS_M = 1.0

Point = tuple[float, float]  # x and y in m


def default_preset(environment: Environment) -> PresetName:
    """Return the preset whose settings are the defaults of an environment."""
    return cast(PresetName, table("presets")["default"][environment])


def environment_of(preset: PresetName) -> Environment:
    """Return the environment of a preset."""
    return cast(Environment, _row(preset)["environment"][0])


def cell_settings(preset: PresetName, environment: Environment) -> dict[str, Any]:
    """Return the settings of a preset's base station, by the names of a scenario's keys. The environment may be another
    one than the preset's: a hall's sites depend on its size."""
    return {**_values(_row(preset)["cell"]), "sites_m": _sites_m(preset, environment)}


def ue_settings(preset: PresetName, environment: Environment) -> dict[str, Any]:
    """Return the settings of a preset's UEs, by the names of a scenario's keys. `ring` is where they move: up to the
    corner of their cell, or within their hall."""
    settings = _values(_row(preset)["ue"])
    floor_m = environment_parameters(environment).floor_m
    if floor_m is not None:
        settings["ring"] = {"nearest_m": NEAREST_INDOORS_M, "farthest_m": min(floor_m) / 2}
    return settings


def _sites_m(preset: PresetName, environment: Environment) -> tuple[Point, ...]:
    """Return a site at the origin and its neighbours in a hexagonal grid; in a hall about the origin, a grid of sites,
    half of their distance from the end walls."""
    row = _row(preset)
    floor_m = environment_parameters(environment).floor_m
    if floor_m is None:
        return hexagon_m(row["site_distance_m"][0]) if "site_distance_m" in row else ((0.0, 0.0),)
    if "floor_sites" not in row:
        return ((0.0, 0.0),)
    columns, rows = row["floor_sites"][0]
    distance_m = floor_m[0] / columns
    return tuple(
        ((column - (columns - 1) / 2) * distance_m, (line - (rows - 1) / 2) * distance_m)
        for line in range(rows)
        for column in range(columns)
    )


def hexagon_m(distance_m: float) -> tuple[Point, ...]:
    """Return a site at the origin and the six next ones of a hexagonal grid, to 0.1 m."""
    turns = [math.tau * number / NEIGHBOURS for number in range(NEIGHBOURS)]
    around = [(round(distance_m * math.cos(turn), 1), round(distance_m * math.sin(turn), 1)) for turn in turns]
    return ((0.0, 0.0), *((x + 0.0, y + 0.0) for x, y in around))  # no -0.0


def _row(preset: PresetName) -> dict[str, Any]:
    row: dict[str, Any] = table("presets")["presets"][preset]
    return row


def _values(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings without their sources; sections and lists are the caller's own."""
    return {name: dict(value) if isinstance(value, dict) else value for name, (value, _) in settings.items()}
