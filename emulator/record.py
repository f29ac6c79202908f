"""What a run writes down: one row a task, one row a task's stage, streamed to Parquet."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_ROWS = 65_536  # a row group; memory stays flat however long the run

_name = pa.dictionary(pa.int32(), pa.string())

# The parts add up: waiting (device queues) + load (weights) + service + transfer (links, their queues
# included) = sojourn. `link_waiting_ns` is the part of the transfer spent in link queues.
_parts = [(name, pa.int64()) for name in ("waiting_ns", "load_ns", "service_ns", "transfer_ns", "link_waiting_ns")]
_outcome = [("energy_j", pa.float64()), ("erased_fraction", pa.float64())]
_task = [("policy", _name), ("source", _name), ("kind", _name), ("task", pa.int64())]

TASK_SCHEMA = pa.schema(
    [
        *_task,
        ("arrival_ns", pa.int64()),
        ("placement", _name),
        *_parts,
        ("sojourn_ns", pa.int64()),
        *_outcome,
        ("deadline_met", pa.bool_()),
        ("outcome", _name),  # done, missed (done, but late), failed
        ("reason", _name),  # of a failure; otherwise empty
        ("attempts", pa.int16()),
        ("compute", _name),  # modelled, measured, mixed
    ]
)

# Stage i is partition i with the way to it; the way of the result back to the source is a last stage
# without layers. Passes of a language model are summed.
STAGE_SCHEMA = pa.schema(
    [
        *_task,
        ("stage", pa.int16()),
        ("node", _name),
        ("first_layer", pa.int16()),
        ("stop_layer", pa.int16()),
        *_parts,
        *_outcome,
        ("compute", _name),
    ]
)


class RowWriter:
    """A Parquet file that grows by rows: `append` takes a tuple in the schema's order."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        names = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=names)
        self._rows: list[tuple[Any, ...]] = []

    def append(self, row: tuple[Any, ...]) -> None:
        """Add one row."""
        self._rows.append(row)
        if len(self._rows) >= ROW_GROUP_ROWS:
            self._flush()

    def extend(self, columns: Mapping[str, Any]) -> None:
        """Add many rows at once: an array for each name of the schema, all of one length."""
        self._flush()
        arrays = [columns[field.name] for field in self._schema]
        self._writer.write_table(pa.table(arrays, schema=self._schema))

    def _flush(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
            self._writer.write_table(pa.table(arrays, schema=self._schema))
            self._rows.clear()

    def close(self) -> None:
        """Write what is left and finish the file."""
        self._flush()
        self._writer.close()


class Records:
    """The records of a run in a folder: `tasks.parquet` and `stages.parquet`."""

    def __init__(self, folder: Path) -> None:
        self.tasks = RowWriter(folder / "tasks.parquet", TASK_SCHEMA)
        self.stages = RowWriter(folder / "stages.parquet", STAGE_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.tasks.close()
        self.stages.close()


def records_sha256(paths: Iterable[Path]) -> str:
    """Digest of the values of the files' columns, row group by row group; not of their bytes, which
    a compressor's version may change."""
    digest = hashlib.sha256()
    for path in paths:
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            for name, column in zip(table.column_names, table.columns, strict=True):
                digest.update(f" {name} {len(column)} ".encode())
                digest.update(_bytes_of(column.combine_chunks()))
    return digest.hexdigest()


def _bytes_of(column: pa.Array) -> bytes:
    if pa.types.is_dictionary(column.type):
        return _names_and_numbers(column)
    values = column.to_numpy(zero_copy_only=False)
    return bytes(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())


def _names_and_numbers(column: pa.DictionaryArray) -> bytes:
    """The names in the order of their first appearance, and each row's number in it: the same values give
    the same bytes whatever order a writer's dictionary has."""
    codes = column.indices.to_numpy()
    present, first_row = np.unique(codes, return_index=True)
    ordered = present[np.argsort(first_row)]
    numbers = np.empty(len(column.dictionary), "<i4")
    numbers[ordered] = np.arange(len(ordered))
    names = "\x1f".join(column.dictionary.take(pa.array(ordered)).to_pylist())
    return names.encode() + bytes(numbers[codes].tobytes())
