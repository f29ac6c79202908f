"""Digest and file of a trace, made chunk by chunk, so that memory does not grow with the trace."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emulator.core.arrays import Columns
from emulator.core.files import atomic_write, require_writable
from emulator.trace.rules import Rules


class Digest:
    """SHA-256 of a trace's slot length, release rule, and name, type, length and own SHA-256 (of the little-endian
    values) of each column. It does not depend on chunks, storage, metadata or lineage."""

    def __init__(self, slot_ns: int, release: str) -> None:
        self._head, self._slots = f"{slot_ns} {release}", 0
        self._columns: dict[str, Any] = {}
        self._types: dict[str, str] = {}

    def add(self, columns: Columns) -> None:
        """Add the next slots. Raises ValueError unless all chunks have the same columns and types."""
        little = {name: np.asarray(each, each.dtype.newbyteorder("<"), order="C") for name, each in columns.items()}
        types = {name: values.dtype.str for name, values in little.items()}
        if self._columns and types != self._types:
            raise ValueError(f"columns {types}: must be {self._types} in every chunk")
        self._types = types
        self._columns = self._columns or {name: hashlib.sha256() for name in types}
        for name, values in little.items():
            self._columns[name].update(values.data)
        self._slots += len(next(iter(little.values()), ()))

    def hexdigest(self) -> str:
        """Return the digest of all slots so far."""
        digest = hashlib.sha256(self._head.encode())
        for name in sorted(self._columns):
            digest.update(f" {name} {self._types[name]} {self._slots} {self._columns[name].hexdigest()}".encode())
        return digest.hexdigest()


class TraceWriter:
    """Writes the Parquet file of a trace, chunk by chunk (see `trace_writer`)."""

    def __init__(self, path: Path, slot_ns: int, release: str) -> None:
        self._path = path
        self._rules, self._digest = Rules(slot_ns, release), Digest(slot_ns, release)
        self._parquet: pq.ParquetWriter | None = None

    @property
    def sha256(self) -> str:
        """Digest of the trace so far."""
        return self._digest.hexdigest()

    def append(self, columns: Columns) -> None:
        """Write the next slots. Raises ValueError if a value breaks a rule or the columns differ from the first."""
        self._rules.add(columns)
        self._digest.add(columns)
        table = pa.table(dict(columns))
        if self._parquet is None:
            self._parquet = pq.ParquetWriter(self._path, table.schema, compression="zstd")
        self._parquet.write_table(table)

    def finish(self, header: Mapping[str, Any]) -> None:
        """Store the header as JSON in the file's metadata. Raises ValueError if the whole trace breaks a rule."""
        self._rules.finish()
        if self._parquet is not None:
            self._parquet.add_key_value_metadata({"airsplit.trace": json.dumps(header)})

    def close(self) -> None:
        """Close the file."""
        if self._parquet is not None:
            self._parquet.close()


def is_trace_file(path: Path) -> bool:
    """Whether the path has the ending of a trace file, .parquet."""
    return path.suffix == ".parquet"


def require_trace_file(path: Path) -> None:
    """Raise ValueError unless the path has the ending of a trace file and its folder exists."""
    if not is_trace_file(path):
        raise ValueError(f"{path}: ending must be .parquet")
    require_writable(path)


@contextmanager
def trace_writer(
    path: Path, slot_ns: int, release: str, lineage: Sequence[tuple[str, int, int]], metadata: Mapping[str, Any]
) -> Iterator[TraceWriter]:
    """Yield a writer of the trace file `path`, which appears, complete, if the block ends without an error.

    Raises ValueError before anything is written, as `require_trace_file` does."""
    require_trace_file(path)
    header = {"slot_ns": slot_ns, "release": release, "lineage": [*map(list, lineage)], "metadata": dict(metadata)}
    with atomic_write(path) as partial:
        writer = TraceWriter(partial, slot_ns, release)
        try:
            yield writer
            writer.finish({**header, "sha256": writer.sha256})
        finally:
            writer.close()
