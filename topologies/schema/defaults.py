"""Defaults of cells and of UEs' radios, which come from a preset: keys that are not given are filled in first."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import Field

from emulator.channel.presets import (
    DEFAULT,
    PRESETS,
    PresetName,
    cell_settings,
    default_preset,
    environment_of,
    ue_settings,
)
from emulator.channel.radio import Environment
from topologies.schema.base import TEMPLATE

ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)
FROM_PRESET: Any = Field(default_factory=lambda: None)  # such a key is always given when a section is validated


def with_cell_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a cell with all keys of its preset."""
    preset, environment = _names(given)
    return _merged({"preset": preset, "environment": environment, **cell_settings(preset, environment)}, given)


def with_ue_defaults(given: Mapping[str, Any], cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return a UE's radio with all keys of the preset of its cell, those of a ring if it has one."""
    settings = ue_settings(*_names(cell))
    if "ring" not in given:
        settings.pop("ring", None)
    return _merged(settings, given)


def _names(cell: Mapping[str, Any]) -> tuple[PresetName, Environment]:
    """Return preset and environment of a cell: of the two, each gives the other; without both, it is n78-street. What
    is no name counts as not given; validation refuses it."""
    preset, environment = cell.get("preset"), cell.get("environment")
    if preset not in PRESETS:
        preset = default_preset(environment) if environment in ENVIRONMENTS else DEFAULT
    return preset, environment if environment in ENVIRONMENTS else environment_of(preset)


def with_link_defaults(scenario: Mapping[str, Any]) -> dict[str, Any]:
    """Return a scenario in which the radio of each link has all keys of the preset of the cell that it ends at."""
    cells, links = scenario.get("cells"), scenario.get("links")
    if not isinstance(links, list | tuple):
        return dict(scenario)
    return {**scenario, "links": [_link(link, cells if isinstance(cells, dict) else {}) for link in links]}


def _link(link: Any, cells: Mapping[str, Any]) -> Any:
    if not isinstance(link, dict) or not isinstance(link.get("radio"), dict):
        return link
    ends = link["between"] if isinstance(link.get("between"), list | tuple) else ()
    found = (cell for name, cell in cells.items() if isinstance(cell, dict) and any(_is(name, end) for end in ends))
    return {**link, "radio": with_ue_defaults(link["radio"], next(found, {}))}


def _is(name: Any, end: Any) -> bool:
    """Return whether an end of a link is a cell's node, or a copy of it."""
    if not isinstance(name, str) or not isinstance(end, str):
        return False
    before, _, after = name.partition(TEMPLATE)
    return end == name or (TEMPLATE in name and end.removeprefix(before).removesuffix(after).isdecimal())


def _merged(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults, with what is given in their place; sections are merged by their keys."""
    merged = {**defaults, **given}
    for name, default in defaults.items():
        if isinstance(default, dict) and isinstance(given.get(name), dict):
            merged[name] = _merged(default, given[name])
    return merged
