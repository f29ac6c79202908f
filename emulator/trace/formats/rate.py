"""Import of rate files: two columns, `seconds Mbit/s`, separated by tabs, spaces, a comma or a semicolon."""

import re
from pathlib import Path

import numpy as np

from emulator.trace import Trace
from emulator.trace.formats.samples import RateSamples, order_of_rows, require_rates, trace_of
from emulator.trace.formats.source import parse_number, parse_stamp_ms, row_error
from emulator.trace.formats.text import read_text


def import_rate(path: Path) -> Trace:
    """Read a `fluid` trace by the rules of `emulator.trace.formats.samples`. Blank lines are allowed only at the end.

    Raises ValueError with file, row, value and rule unless each line has two finite numbers, timestamps are
    in order (`order_of_rows`), and rates are not negative.
    """
    recording = read_text(path)
    rows: list[list[str]] = []
    for row, line in enumerate(recording.text.rstrip().split("\n"), 1):
        fields = re.split(r"\s*[,;]\s*|\s+", line.strip())
        if len(fields) != 2 or not all(fields):
            raise row_error(
                path, row, "line", line.rstrip(), "hold two numbers: seconds and Mbit/s (other tables: --format csv)"
            )
        rows.append(fields)
    numbers = range(1, len(rows) + 1)
    stamps_ms = np.array(
        [parse_stamp_ms(path, row, "time", time) for row, (time, _) in zip(numbers, rows, strict=True)]
    )
    rates_bps = np.array(
        [parse_number(path, row, "rate", rate) * 1e6 for row, (_, rate) in zip(numbers, rows, strict=True)]
    )
    require_rates(path, numbers, rates_bps, [rate for _, rate in rows])
    order, late = order_of_rows(path, numbers, stamps_ms, [time for time, _ in rows])
    metadata = {"kind": "recording", "format": "rate", "file": path.name}
    samples = RateSamples(stamps_ms[order], rates_bps[order], notes=(*recording.notes, *late))
    return trace_of(path, samples, recording.source, 0, metadata)
