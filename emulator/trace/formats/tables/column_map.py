"""Column maps as users write them: `time=T,rate=R,unit=kbit/s,rsrp_dbm=RSRP`."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from emulator.trace.formats.source import parse_seconds
from emulator.trace.formats.tables.columns import CsvColumns
from emulator.trace.formats.tables.grid import DELIMITERS
from emulator.trace.formats.tables.presets import PRESETS

# The field of CsvColumns for each name of a map; other names are columns to keep.
FIELDS: Mapping[str, str] = {
    "time": "time",
    "rate": "rate",
    "unit": "rate_unit",
    "format": "time_format",
    **{
        name: name
        for name in (
            "skip_s", "time_unit", "zone", "step_s", "glitches", "max_gap_s", "delimiter", "decimal",
            "encoding", "header",
        )
    },
}  # fmt: skip


def parse_columns(text: str) -> CsvColumns:
    """Parse a column map. A preset's name may come first; the rest then changes the preset. Names other than those of
    `FIELDS`, `missing`, `missing.NAME` and `where.COLUMN` are columns to keep. A part with a comma stands in double
    quotes.

    Raises ValueError if a part is no `name=value`, or a value breaks a rule.
    """
    head, *rest = next(csv.reader([text], skipinitialspace=True), None) or [""]
    preset = PRESETS.get(head.strip())
    pairs = []
    for part in rest if preset else [head, *rest]:
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals and value):
            raise ValueError(f"columns={part!r}: must be name=column, or start with one of {', '.join(PRESETS)}")
        pairs.append((name, value))
    return columns_of(pairs, preset, text)


def columns_of(pairs: Iterable[tuple[str, str]], preset: CsvColumns | None, text: str) -> CsvColumns:
    """Return the map of names and values, on top of a preset. `text`: the map as given, for errors."""
    values: dict[str, Any] = {"keep": {}, "radio": {}, "missing": {}, "where": {}}
    if preset is not None:
        values = asdict(preset)
    for name, value in pairs:
        if name in FIELDS:
            values[FIELDS[name]] = value
        elif name == "missing" or name.startswith("missing."):
            values["missing"][name.removeprefix("missing").removeprefix(".")] = tuple(value.split("|"))
        elif name.startswith("where."):
            values["where"][name.removeprefix("where.")] = value
        else:
            values["radio" if name in values["radio"] else "keep"][name] = value
    for name in ("time", "rate"):
        if name not in values and not (name == "time" and "step_s" in values):
            raise ValueError(f"columns={text!r}: must name the {name} column ({name}=...)")
    if isinstance(values.get("skip_s"), str):
        values |= {"skip_s": parse_seconds("columns.skip_s", values["skip_s"]), "skip_where": {}}
    for name in ("step_s", "max_gap_s"):
        if isinstance(values.get(name), str):
            values[name] = parse_seconds(f"columns.{name}", values[name])
    values.setdefault("time", "")
    if isinstance(values.get("delimiter"), str):
        values["delimiter"] = DELIMITERS.get(values["delimiter"], values["delimiter"])
    return CsvColumns(**values)
