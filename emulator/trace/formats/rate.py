"""Two columns, `seconds Mbit/s`, parted by tabs or spaces; the rule of `emulator.trace.formats.samples`."""

from pathlib import Path

from emulator.trace import Trace
from emulator.trace.formats.samples import Sample, checked, trace_of
from emulator.trace.formats.source import digest, fault, number, stamp_ms, text


def import_rate(path: Path) -> Trace:
    """The file as a `fluid` trace. Blank lines are allowed at the end alone.

    Raises ValueError naming file, line, value and rule: two finite numbers a line, stamps never
    going back, rates not negative.
    """
    data = path.read_bytes()
    samples: list[Sample] = []
    for row, line in enumerate(text(path, data).rstrip().split("\n"), 1):
        fields = line.split()
        if len(fields) != 2:
            raise fault(path, row, "line", line.rstrip(), "hold two numbers: seconds and Mbit/s")
        time_ms = stamp_ms(path, row, "time", fields[0])
        rate_bps = number(path, row, "rate", fields[1]) * 1e6
        before = samples[-1] if samples else None
        samples.append(checked(path, Sample(row, time_ms, rate_bps), before, fields[0], fields[1]))
    metadata = {"kind": "recording", "format": "rate", "file": path.name}
    return trace_of(path, samples, (), digest(data), 0, metadata)
