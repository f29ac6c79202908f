"""The packets of a relay's log in the order in which they came, in bounded memory."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emulator.core.compiled import Table
from emulator.realtime.packet_log import PACKETS

PACKET = np.dtype([(field.name, field.type.to_pandas_dtype()) for field in PACKETS])
BATCH = 65_536  # rows at a time
HELD_LIMIT = 4_194_304  # rows that wait for one before them: a quarter of a gigabyte


def rows(log: Path) -> Iterator[Table]:
    """The log as it lies, PACKET rows some at a time. Raises ValueError where it is no relay's log, and OSError
    where there is none."""
    log.stat()  # whose error names the file, as pyarrow's does not
    try:
        file = pq.ParquetFile(log, pre_buffer=False)  # which would hold all of it
        if not file.schema_arrow.equals(PACKETS):
            raise ValueError(f"{log}: must have the columns {', '.join(PACKETS.names)}")
        for batch in file.iter_batches(BATCH):
            yield _table_of(batch)
    except (pa.ArrowException, OSError) as error:  # OSError is pyarrow's word for a damaged file
        raise ValueError(f"{log}: must be a log that a relay wrote ({str(error).splitlines()[0]})") from error


def in_order(log: Path, held_limit: int = HELD_LIMIT) -> Iterator[Table]:
    """The rows by `order`, some at a time. A row comes as soon as all before it have; where more than `held_limit`
    wait for one, it is taken as missing. Raises ValueError where an `order` comes twice or that late, and as `rows`
    does."""
    held = np.zeros(0, PACKET)
    following = 0  # the `order` that is awaited
    for some in rows(log):
        held = np.concatenate((held, some))
        held = held[np.argsort(held["order"], kind="stable")]
        while True:
            _require_ascending(log, held["order"], following)
            ready = int(np.searchsorted(held["order"] - np.arange(len(held)), following, side="right"))
            if ready:
                yield held[:ready]
                held, following = held[ready:], following + ready
            if len(held) <= held_limit:
                break
            following = int(held["order"][0])
    if len(held):
        yield held


def _require_ascending(log: Path, order: Table, following: int) -> None:
    wrong = np.flatnonzero(np.diff(order, prepend=following - 1) <= 0)
    if len(wrong):
        raise ValueError(f"{log}: order={order[wrong[0]]}: must come once, and not after {HELD_LIMIT} later ones")


def _table_of(batch: pa.RecordBatch) -> Table:
    table = np.empty(len(batch), PACKET)
    for name in PACKET.names or ():
        table[name] = batch[name].to_numpy()
    return table
