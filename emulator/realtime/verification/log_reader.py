"""Read the packets of a relay's log in bounded memory, in the order of the file or of their arrival."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emulator.core.compiled import Table
from emulator.realtime.packet_log import PACKETS

LOGGED_PACKET = np.dtype([(field.name, field.type.to_pandas_dtype()) for field in PACKETS])
BATCH_ROWS = 65_536
MAX_HELD_ROWS = 4_194_304  # rows that wait for an earlier one: a quarter of a gigabyte


def rows(log: Path) -> Iterator[Table]:
    """Yield the log in file order, in batches. Raises ValueError if the file is not a relay log, OSError if it cannot
    be read."""
    log.stat()  # its error names the file, pyarrow's does not
    try:
        file = pq.ParquetFile(log, pre_buffer=False)  # a pre-buffer would hold the whole file
        if not file.schema_arrow.equals(PACKETS):
            raise ValueError(f"{log}: must have the columns {', '.join(PACKETS.names)}")
        for batch in file.iter_batches(BATCH_ROWS):
            yield _table_of(batch)
    except (pa.ArrowException, OSError) as error:  # pyarrow raises OSError for a damaged file
        raise ValueError(f"{log}: must be a log that a relay wrote ({str(error).splitlines()[0]})") from error


def in_order(log: Path, held_limit: int = MAX_HELD_ROWS) -> Iterator[Table]:
    """Yield the rows by `order`, in batches. A row waits for all earlier ones; if more than `held_limit` rows wait for
    one, that row counts as missing. Raises ValueError if an `order` appears twice or later than that, and as `rows`
    does."""
    held = np.zeros(0, LOGGED_PACKET)
    following = 0  # `order` of the next row to yield
    for batch in rows(log):
        held = np.concatenate((held, batch))
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
        raise ValueError(f"{log}: order={order[wrong[0]]}: must come once, and not after {MAX_HELD_ROWS} later ones")


def _table_of(batch: pa.RecordBatch) -> Table:
    table = np.empty(len(batch), LOGGED_PACKET)
    for name in LOGGED_PACKET.names or ():
        table[name] = batch[name].to_numpy()
    return table
