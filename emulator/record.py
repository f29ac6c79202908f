"""Records of a run, streamed to Parquet: one row per task, and one row per stage of a task."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emulator.core.files import naming

ROW_GROUP_ROWS = 65_536  # rows held in memory, whatever the length of the run

_name = pa.dictionary(pa.int32(), pa.string())

# waiting (device queues) + load (weights) + service + transfer (links, including their queues) = sojourn.
# `link_waiting_ns` is the part of the transfer spent in link queues.
_parts = [(name, pa.int64()) for name in ("waiting_ns", "load_ns", "service_ns", "transfer_ns", "link_waiting_ns")]
# energy_ue_radio + energy_ue_compute + energy_edge + energy_cloud = energy.
ENERGY_PARTS = ("energy_ue_radio_j", "energy_ue_compute_j", "energy_edge_j", "energy_cloud_j")
_outcome = [(name, pa.float64()) for name in ("energy_j", *ENERGY_PARTS, "erased_fraction", "quality_loss")]
_task = [("policy", _name), ("source", _name), ("kind", _name), ("task", pa.int64())]

TASK_SCHEMA = pa.schema(
    [
        *_task,
        ("arrival_ns", pa.int64()),
        ("prompt_tokens", pa.int64()),  # of a language model, else null
        ("output_tokens", pa.int64()),
        ("placement", _name),
        *_parts,
        ("sojourn_ns", pa.int64()),
        # Time to first token: from the arrival until the last partition has computed the first pass. Null without
        # tokens, and where the task failed.
        ("ttft_ns", pa.int64()),
        ("token_ns", pa.int64()),  # mean time of each further token, rounded up; null as well for a single token
        *_outcome,
        ("deadline_met", pa.bool_()),
        ("outcome", _name),  # done, missed (done after a deadline), failed
        ("missed", _name),  # the missed deadlines, such as ttft+token, else empty
        ("reason", _name),  # why the task failed, else empty
        ("attempts", pa.int16()),
        ("compute", _name),  # modelled, measured, mixed
    ]
)

# Stage i is the message to partition i and the computation there. The last stage, without layers, is the message
# with the result to the source. Passes of a language model are summed.
STAGE_SCHEMA = pa.schema(
    [
        *_task,
        ("stage", pa.int16()),
        ("node", _name),
        ("first_layer", pa.int16()),
        ("stop_layer", pa.int16()),
        ("codec", _name),  # of the activation that the partition takes, else empty
        *_parts,
        *_outcome,
        ("compute", _name),
        ("worker", _name),  # the worker that measured the service time, else empty
    ]
)


class RowWriter:
    """Writes a Parquet file row by row; a row is a tuple in the schema's order. Raises OSError with the file's path."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        names = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        self._writer = pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=names)
        self._rows: list[tuple[Any, ...]] = []

    def append(self, row: tuple[Any, ...]) -> None:
        """Add one row."""
        self._rows.append(row)
        if len(self._rows) >= ROW_GROUP_ROWS:
            self.flush()

    def extend(self, columns: Mapping[str, Any]) -> None:
        """Add many rows: one array for each name of the schema, all of the same length."""
        self.flush()
        self._write([columns[field.name] for field in self._schema])

    def flush(self) -> None:
        """Write the rows so far as a row group."""
        if self._rows:
            columns = zip(*self._rows, strict=True)
            self._write([pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)])
            self._rows.clear()

    def close(self) -> None:
        """Write the remaining rows and close the file."""
        try:
            self.flush()
        finally:
            with naming(self._path):
                self._writer.close()

    def _write(self, arrays: list[Any]) -> None:
        with naming(self._path):
            self._writer.write_table(pa.table(arrays, schema=self._schema))


class Records:
    """Writers of a run's records in a folder: `tasks.parquet` and `stages.parquet`."""

    def __init__(self, folder: Path) -> None:
        self.tasks = RowWriter(folder / "tasks.parquet", TASK_SCHEMA)
        self.stages = RowWriter(folder / "stages.parquet", STAGE_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.tasks.close()
        finally:
            self.stages.close()


def records_sha256(paths: Iterable[Path], columns: Collection[str] | None = None) -> str:
    """Return the SHA-256 of the values in the files, column by column in each row group: of all columns, or only of
    `columns`. It does not depend on the files' bytes, which differ between versions of the compressor."""
    digest = hashlib.sha256()
    for path in paths:
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            for name, column in zip(table.column_names, table.columns, strict=True):
                if columns is not None and name not in columns:
                    continue
                digest.update(f" {name} {len(column)} ".encode())
                digest.update(_bytes_of(column.combine_chunks()))
    return digest.hexdigest()


def _bytes_of(column: pa.Array) -> bytes:
    if pa.types.is_dictionary(column.type):
        return _dictionary_bytes(column)
    values = column.to_numpy(zero_copy_only=False)
    return bytes(values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes())


def _dictionary_bytes(column: pa.DictionaryArray) -> bytes:
    """Return the names in order of first appearance, then each row's index into them. So equal values give equal
    bytes, whatever the order of the file's dictionary."""
    codes = column.indices.to_numpy()
    present, first_row = np.unique(codes, return_index=True)
    ordered = present[np.argsort(first_row)]
    numbers = np.empty(len(column.dictionary), "<i4")
    numbers[ordered] = np.arange(len(ordered))
    names = "\x1f".join(column.dictionary.take(pa.array(ordered)).to_pylist())
    return names.encode() + bytes(numbers[codes].tobytes())
