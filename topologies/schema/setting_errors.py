"""Errors of the emulator's settings in the words of a scenario: its keys, and their values as it gives them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from emulator.channel.radio import SettingError
from topologies.schema.base import Section
from topologies.schema.cells import in_emulator_units
from topologies.schema.messages import short

OF_UE = ("ue", "fading", "track")  # parts of an emulator's radio that a link's `radio` gives; a cell gives the others
NAMELESS = ("carrier", "base", "ue", "track")  # their keys stand in the cell or `radio` itself


class Placed(NamedTuple):
    """A section and its place in the scenario."""

    path: str
    section: Section


@contextmanager
def blamed(cell: Placed, ue: Placed | None = None) -> Iterator[None]:
    """Within it, a setting that breaks a rule raises ValueError, one line, that names its key in the cell or in the
    UE's `radio`; another ValueError begins with the place of the latter."""
    try:
        yield
    except SettingError as error:
        part, *names = error.setting.split(".")
        path, section = ue if ue is not None and part in OF_UE else cell
        *sections, name = names if part in NAMELESS else (part, *names)
        for key in sections:
            path, section = f"{path}.{key}", getattr(section, key)
        key = dict(zip(in_emulator_units(section), type(section).model_fields, strict=True))[name]
        value = getattr(section, key)
        shown = f"{value:g}" if isinstance(value, float) else short(value)
        raise ValueError(f"{path}.{key}={shown}: {error.rule}") from error
    except ValueError as error:
        raise ValueError(f"{(ue or cell).path}: {error}") from error
