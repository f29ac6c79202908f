"""Import of rate files: two columns, `seconds Mbit/s`, separated by tabs or spaces."""

from pathlib import Path

from emulator.trace import Trace
from emulator.trace.formats.samples import Sample, checked, trace_of
from emulator.trace.formats.source import decode, parse_number, parse_stamp_ms, row_error, source_of


def import_rate(path: Path) -> Trace:
    """Read a `fluid` trace by the rules of `emulator.trace.formats.samples`. Blank lines are allowed only at the end.

    Raises ValueError with file, row, value and rule unless each line has two finite numbers, timestamps do not
    decrease, and rates are not negative.
    """
    data = path.read_bytes()
    samples: list[Sample] = []
    for row, line in enumerate(decode(path, data).rstrip().split("\n"), 1):
        fields = line.split()
        if len(fields) != 2:
            raise row_error(path, row, "line", line.rstrip(), "hold two numbers: seconds and Mbit/s")
        time_ms = parse_stamp_ms(path, row, "time", fields[0])
        rate_bps = parse_number(path, row, "rate", fields[1]) * 1e6
        before = samples[-1] if samples else None
        samples.append(checked(path, Sample(row, time_ms, rate_bps), before, fields[0], fields[1]))
    metadata = {"kind": "recording", "format": "rate", "file": path.name}
    return trace_of(path, samples, (), source_of(data), 0, metadata)
