"""Translation of the emulator's setting errors to the scenario's keys and values."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from emulator.channel.radio import SettingError
from topologies.schema.base import Section
from topologies.schema.cells import in_emulator_units
from topologies.schema.messages import short

UE_PARTS = ("ue", "fading", "track")  # parts of the emulator's radio from a link's `radio`; the others are the cell's
FLAT_PARTS = ("carrier", "base", "ue", "track")  # parts without a section of their own in the cell or `radio`


class LocatedSection(NamedTuple):
    """A section and its path in the scenario."""

    path: str
    section: Section


@contextmanager
def translate_setting_errors(cell: LocatedSection, ue: LocatedSection | None = None) -> Iterator[None]:
    """Turn a SettingError into a ValueError (one line) that names the key in the cell or in the UE's `radio`; prefix
    any other ValueError with the path of the UE's section, or of the cell if there is none."""
    try:
        yield
    except SettingError as error:
        part, *names = error.setting.split(".")
        path, section = ue if ue is not None and part in UE_PARTS else cell
        *sections, name = names if part in FLAT_PARTS else (part, *names)
        for key in sections:
            path, section = f"{path}.{key}", getattr(section, key)
        key = dict(zip(in_emulator_units(section), type(section).model_fields, strict=True))[name]
        value = getattr(section, key)
        shown = f"{value:g}" if isinstance(value, float) else short(value)
        raise ValueError(f"{path}.{key}={shown}: {error.rule}") from error
    except ValueError as error:
        raise ValueError(f"{(ue or cell).path}: {error}") from error
