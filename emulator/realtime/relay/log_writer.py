"""The relay's log on its way from the loop's ring of rows to its file, beside the loop."""

from pathlib import Path
from threading import Event, Thread

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emulator.core.compiled import Table
from emulator.realtime.packet_log import PACKETS
from emulator.realtime.relay.priority import precede_ordinary_programs

GROUP = 131_072  # rows of a row group
PAUSE_S = 0.02


class LogWriter:
    """Writes what the loop publishes, in a thread, until `finish`. Raises OSError where there can be no such file."""

    def __init__(self, path: Path, state: Table, rows: Table) -> None:
        self._state, self._rows = state[0], rows
        # times grow slowly and sizes repeat: coded as differences and by dictionary, before any compression
        coded = dict.fromkeys(("order", "number", "arrival_ns", "start_ns", "release_ns", "departure_ns"))
        self._writer = pq.ParquetWriter(
            path,
            PACKETS,
            compression="zstd",
            compression_level=1,
            use_dictionary=["link", "size_bytes", "outcome"],
            column_encoding=dict.fromkeys(coded, "DELTA_BINARY_PACKED"),
        )
        self._failure: Exception | None = None
        self._over = Event()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """All rows are published: write the last ones and close the file. Raises what writing raised: OSError,
        pyarrow.ArrowException."""
        self._over.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        precede_ordinary_programs()
        try:
            with self._writer:
                while not self._over.wait(PAUSE_S):
                    self._write(GROUP)
                self._write(1)
        except (OSError, pa.ArrowException) as error:
            self._failure = error  # rows that are no longer taken are counted as unlogged

    def _write(self, least: int) -> None:
        """Write whole groups, and what is left where it is at least so much."""
        while (count := min(int(self._state["published"] - self._state["taken"]), GROUP)) >= least:
            taken = int(self._state["taken"])
            rows = self._rows.take(np.arange(taken, taken + count), mode="wrap")
            self._writer.write_table(pa.table([rows[name] for name in PACKETS.names], schema=PACKETS))
            self._state["taken"] = taken + count
