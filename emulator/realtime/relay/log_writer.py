"""The thread that writes the relay's log from the loop's ring of rows to a file."""

from pathlib import Path
from threading import Event, Thread

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emulator.core.compiled import Table, entry_point, memory_fence
from emulator.core.files import naming
from emulator.realtime.packet_log import PACKETS
from emulator.realtime.relay.priority import set_log_priority

ROW_GROUP_ROWS = 131_072
PAUSE_S = 0.02


@entry_point
def order_memory() -> None:
    """Call `memory_fence` from Python."""
    memory_fence()


class LogWriter:
    """Writes the rows that the loop publishes, in a thread, until `finish`. Raises OSError if the file cannot be
    made. `scalars` and `log_ring` are tables of `RelayState`."""

    def __init__(self, path: Path, scalars: Table, log_ring: Table) -> None:
        self._scalars, self._log_ring = scalars[0], log_ring
        # times grow slowly and sizes repeat: encoded as differences and by dictionary, before any compression
        deltas = ("order", "number", "arrival_ns", "start_ns", "release_ns", "departure_ns")
        self._writer = pq.ParquetWriter(
            path,
            PACKETS,
            compression="zstd",
            compression_level=1,
            use_dictionary=["link", "size_bytes", "outcome", "acknowledged"],
            column_encoding=dict.fromkeys(deltas, "DELTA_BINARY_PACKED"),
        )
        self._path = path
        self._failure: Exception | None = None
        self._finished = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Write the last rows, all of which are published, and close the file. Raises the exception, of any kind, that
        writing raised."""
        self._finished.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        set_log_priority()
        try:
            with naming(self._path), self._writer:
                while not self._finished.wait(PAUSE_S):
                    self._write(ROW_GROUP_ROWS)
                self._write(1)
        except Exception as error:  # of any kind: `finish` raises it
            self._failure = error  # the ring then fills, and later packets are counted as unlogged

    def _write(self, min_rows: int) -> None:
        """Write whole row groups, and then a shorter one if at least `min_rows` are left."""
        scalars = self._scalars
        while (count := min(int(scalars["published_rows"] - scalars["stored_rows"]), ROW_GROUP_ROWS)) >= min_rows:
            order_memory()  # read the rows after their count
            stored = int(scalars["stored_rows"])
            rows = self._log_ring.take(np.arange(stored, stored + count), mode="wrap")
            self._writer.write_table(pa.table([rows[name] for name in PACKETS.names], schema=PACKETS))
            order_memory()  # free the rows after they are read
            scalars["stored_rows"] = stored + count
