"""Import and export of Mahimahi's packet-delivery traces (Netravali et al., USENIX ATC 2015).

Each line is an integer, the millisecond at which 1500 bytes may leave; the file repeats after its last value. Slots
are 1 ms with release rule `slot`: an opportunity at t ms is the end of slot t - 1. An opportunity at 0 ms coincides
with the last one of the period before, and counts in the last slot.
"""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from emulator.core.arrays import Ints
from emulator.core.files import atomic_write, require_writable
from emulator.core.units import NS_PER_MS
from emulator.trace import Interval, Trace
from emulator.trace.formats.source import SLOTS_LIMIT, row_error, source_of
from emulator.trace.formats.text import read_bytes

PACKET_BITS = 1500 * 8  # by Mahimahi's manual; its code counts 1504 bytes, 4 of them the tunnel's header


def import_mahimahi(path: Path) -> Trace:
    """Read a trace of 1 ms slots, release rule `slot`; the last value is its length in ms.

    Raises ValueError with file, row, value and rule unless values are digits only and do not decrease, and the last
    is above 0 and at most a day.
    """
    data = read_bytes(path)
    newline = b"\r\n" if b"\r\n" in data else b"\n"
    lines = data.split(newline)
    ends_in_newline = lines[-1] == b""
    if ends_in_newline:
        lines.pop()
    opportunities_ms = [_opportunity_ms(path, row, line) for row, line in enumerate(lines, 1)]
    if not opportunities_ms:
        raise ValueError(f"{path}: opportunities=0: must hold at least one line")
    for row, (before, after) in enumerate(pairwise(opportunities_ms), 2):
        if after < before:
            raise row_error(path, row, "opportunity_ms", after, f"not be below the line before it, {before}")
    last = opportunities_ms[-1]
    if last == 0:
        raise row_error(path, len(lines), "opportunity_ms", 0, "be above 0 on the last line, which is the period")
    ms = np.array(opportunities_ms, dtype=np.int64)
    packets = np.bincount(np.where(ms == 0, last, ms) - 1, minlength=last).astype(np.int64)
    trace = Trace(
        NS_PER_MS,
        {"capacity_bits": packets * PACKET_BITS},
        release="slot",
        lineage=(Interval(source_of(data), 0, last * NS_PER_MS),),
    )
    layout = {
        "values_sha256": trace.sha256,
        "opportunities_at_0_ms": int((ms == 0).sum()),
        "newline": newline.decode(),
        "ends_in_newline": ends_in_newline,
    }
    metadata = {"kind": "recording", "format": "mahimahi", "file": path.name, "mahimahi_layout": layout}
    return replace(trace, metadata=metadata)


def export_mahimahi(trace: Trace, path: Path) -> None:
    """Write a packet of 1500 bytes at the first millisecond by which the trace has capacity for its last bit.

    The last opportunity is at the end of the period, where Mahimahi starts again; a part of a packet left there is
    rounded up. An imported file with unchanged values is written byte for byte. Raises ValueError if the period is
    not a whole number of milliseconds, or the trace has no capacity.
    """
    if trace.period_ns % NS_PER_MS:
        raise ValueError(f"period_ns={trace.period_ns}: must be whole milliseconds for mahimahi; slice or resample")
    if not trace.carries:
        raise ValueError("capacity_bits=0 in all slots: one must carry bits for mahimahi, which has no empty files")
    require_writable(path)
    layout = _layout(trace)
    packets = _packets_by_ms(trace)
    at_zero = layout["opportunities_at_0_ms"]
    packets[-1] -= at_zero
    opportunities_ms = np.repeat(np.arange(1, len(packets) + 1), packets)
    lines = ["0"] * at_zero + [str(ms) for ms in opportunities_ms.tolist()]
    newline = layout["newline"]
    text = newline.join(lines) + (newline if layout["ends_in_newline"] else "")
    with atomic_write(path) as partial:
        partial.write_bytes(text.encode())


def _opportunity_ms(path: Path, row: int, line: bytes) -> int:
    if not line.isdigit() or (line[:1] == b"0" and len(line) > 1):
        shown = line.decode(errors="backslashreplace")
        raise row_error(path, row, "opportunity_ms", shown, "be a whole number of ms: digits alone, no leading zero")
    if len(line) > len(str(SLOTS_LIMIT)) or int(line) > SLOTS_LIMIT:
        raise row_error(path, row, "opportunity_ms", line.decode(), f"be at most {SLOTS_LIMIT} (a day)")
    return int(line)


def _packets_by_ms(trace: Trace) -> Ints:
    """Return the packets of each millisecond, shape (period in ms,); the last value is at least 1."""
    edges_ns = np.arange(1, trace.period_ns // NS_PER_MS + 1) * NS_PER_MS
    if trace.release == "slot":
        edges_ns = edges_ns // trace.slot_ns * trace.slot_ns  # a slot's bits leave together, at its end
    through = trace.bits_before(edges_ns) // PACKET_BITS
    total = -(-int(trace.cumulative_bits[-1]) // PACKET_BITS)
    through = np.minimum(through, total - 1)
    through[-1] = total
    return np.diff(through, prepend=0)


def _layout(trace: Trace) -> dict[str, Any]:
    """Return the layout of the imported file if the values are unchanged, otherwise the default layout."""
    layout: dict[str, Any] = trace.metadata.get("mahimahi_layout", {})
    if layout.get("values_sha256") == trace.sha256:
        return layout
    return {"opportunities_at_0_ms": 0, "newline": "\n", "ends_in_newline": True}
