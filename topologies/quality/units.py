"""Losses of the single units (windows of text, groups of images) that the rows of a quality table are means of.

Units of one number are the same data and the same draws in all rows of a harm: comparisons of cuts pair them.
"""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from emulator.core.arrays import Floats
from emulator.core.files import atomic_write
from topologies.quality.measurement import Case
from topologies.quality.tables import quality_path, read_file


def units_path(table: Path) -> Path:
    """Return the file of the units of a table's file."""
    return table.with_name(f"{table.stem}.units.npz")


def save_units(losses: Mapping[Case, Floats], table: Path) -> None:
    """Write the losses of each row's units, shape (seeds, units) each, beside the table."""
    file = io.BytesIO()
    columns = {name: np.array(column) for name, column in zip(Case._fields, zip(*losses, strict=True), strict=True)}
    values = np.array(list(losses.values()), dtype=np.float32)
    np.savez_compressed(file, allow_pickle=False, losses=values, **columns)
    with atomic_write(units_path(table)) as partial:
        partial.write_bytes(file.getvalue())


def load_units(name: str) -> dict[Case, Floats]:
    """Return the losses of each row's units, shape (seeds, units) each, for a name as `load_quality` takes. Raises
    ValueError, one line, unless the file's means are the losses of the table."""
    table = quality_path(name)
    path = units_path(table)
    if path.is_file():
        with np.load(path, allow_pickle=False) as arrays:
            keys = zip(*(arrays[name].tolist() for name in Case._fields), strict=True)
            found = dict(zip(map(Case._make, keys), arrays["losses"].astype(np.float64), strict=True))
        rows = {Case(row.cut, row.codec, row.delivery, row.level): row.loss for row in read_file(table).rows}
        if rows.keys() == found.keys() and all(
            np.isclose(found[key].mean(), loss, rtol=1e-3, atol=1e-6) for key, loss in rows.items()
        ):
            return found
    raise ValueError(f"{path}: must be the losses of units that were written with {table.name}")
