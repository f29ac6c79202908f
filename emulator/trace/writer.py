"""A trace's digest and its file, made slot by slot: neither needs more than a chunk of it in memory."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emulator.core.files import atomic_write, require_folder
from emulator.trace.rules import Columns, Rules


class Digest:
    """SHA-256 of a trace's values: of slot length, release rule, and each column's name, type, length and
    own SHA-256 over its numbers in little-endian order. The same however the slots are cut into chunks;
    storage, metadata and lineage do not enter it."""

    def __init__(self, slot_ns: int, release: str) -> None:
        self._head = f"{slot_ns} {release}"
        self._columns: dict[str, Any] = {}
        self._types: dict[str, str] = {}
        self._slots = 0

    def add(self, columns: Columns) -> None:
        """The next slots, of the same columns and types as those before (else ValueError)."""
        little = {
            name: np.asarray(values, values.dtype.newbyteorder("<"), order="C") for name, values in columns.items()
        }
        types = {name: values.dtype.str for name, values in little.items()}
        if self._columns and types != self._types:
            raise ValueError(f"columns {types}: must be {self._types} in every chunk")
        self._types = types
        self._columns = self._columns or {name: hashlib.sha256() for name in types}
        for name, values in little.items():
            self._columns[name].update(values.data)
        self._slots += len(next(iter(little.values()), ()))

    def hexdigest(self) -> str:
        """That of all slots so far."""
        digest = hashlib.sha256(self._head.encode())
        for name in sorted(self._columns):
            digest.update(f" {name} {self._types[name]} {self._slots} {self._columns[name].hexdigest()}".encode())
        return digest.hexdigest()


class TraceWriter:
    """Writes a trace's Parquet file: `append` columns as they come, in order of time (see `writing`)."""

    def __init__(self, path: Path, slot_ns: int, release: str) -> None:
        self._path = path
        self._rules = Rules(slot_ns, release)
        self._digest = Digest(slot_ns, release)
        self._parquet: pq.ParquetWriter | None = None

    @property
    def sha256(self) -> str:
        """Digest of all that was appended: that of the trace when the file is finished."""
        return self._digest.hexdigest()

    def append(self, columns: Columns) -> None:
        """Write the next slots. Raises ValueError where a value breaks a rule, or the columns are not the same."""
        self._rules.add(columns)
        self._digest.add(columns)
        table = pa.table(dict(columns))
        if self._parquet is None:
            self._parquet = pq.ParquetWriter(self._path, table.schema, compression="zstd")
        self._parquet.write_table(table)

    def finish(self, header: Mapping[str, Any]) -> None:
        """End the file; the header, made JSON, goes into its metadata. Raises ValueError where the slots,
        taken together, break a rule."""
        self._rules.finish()
        if self._parquet is not None:
            self._parquet.add_key_value_metadata({"airsplit.trace": json.dumps(header)})

    def close(self) -> None:
        """Let go of the file."""
        if self._parquet is not None:
            self._parquet.close()


def is_trace_file(path: Path) -> bool:
    """Whether a file's name is that of a trace: it ends in .parquet."""
    return path.suffix == ".parquet"


def require_trace_file(path: Path) -> None:
    """Raise ValueError, one line, unless the name is a trace's and the folder that it is to lie in is there."""
    if not is_trace_file(path):
        raise ValueError(f"{path}: ending must be .parquet")
    require_folder(path)


@contextmanager
def writing(
    path: Path, slot_ns: int, release: str, lineage: Sequence[tuple[str, int, int]], metadata: Mapping[str, Any]
) -> Iterator[TraceWriter]:
    """A trace's file at `path`, to be appended to; it is there when the block ends well, whole, or not at all.

    Raises ValueError before anything is written, as `require_trace_file` does."""
    require_trace_file(path)
    with atomic_write(path) as partial:
        writer = TraceWriter(partial, slot_ns, release)
        try:
            yield writer
            writer.finish(
                {
                    "slot_ns": slot_ns,
                    "release": release,
                    "lineage": [list(interval) for interval in lineage],
                    "metadata": dict(metadata),
                    "sha256": writer.sha256,
                }
            )
        finally:
            writer.close()
