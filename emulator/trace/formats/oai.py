"""Import of the MAC statistics that OpenAirInterface's gNB prints: running counters of bytes for each UE.

`Frame.Slot` lines give the time in frames of 10 ms, which begin anew after 1,024 of them; a report without one comes
`step_s` after the one before (1.28 s in the program).
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from emulator.trace import Trace
from emulator.trace.formats.samples import RateSamples, require_rates, trace_of
from emulator.trace.formats.source import choice_pairs, parse_seconds, require_step
from emulator.trace.formats.tables.counters import counter_rates
from emulator.trace.formats.text import read_text

FRAME_MS = 10
FRAMES = 1_024
STEP_S = 1.28
FRAME_LINE = re.compile(r"Frame\.Slot\s+(\d+)\.\d+")
BYTES_LINE = re.compile(r"UE ([0-9a-f]{4}): MAC:\s+TX\s+(\d+)\s+RX\s+(\d+)\s+bytes")
Flow = Literal["downlink", "uplink"]


@dataclass(frozen=True)
class OaiChoice:
    """What to read of the statistics. `ue`: RNTI in hexadecimal (None: the only one). Raises ValueError."""

    direction: Flow = "uplink"
    ue: str | None = None
    step_s: float = STEP_S

    def __post_init__(self) -> None:
        if self.direction not in get_args(Flow):
            raise ValueError(f"columns.direction={self.direction!r}: must be one of {', '.join(get_args(Flow))}")
        require_step("step_s", self.step_s)


def parse_oai(text: str) -> OaiChoice:
    """Parse a choice such as `direction=downlink,ue=c6a5` (also `step_s`). Raises ValueError."""
    values: dict[str, Any] = choice_pairs(text, ("direction", "ue", "step_s"))
    if "step_s" in values:
        values["step_s"] = parse_seconds("columns.step_s", values["step_s"])
    return OaiChoice(**values)


def import_oai(path: Path, choice: OaiChoice | None = None) -> Trace:
    """Read a `fluid` trace of one UE's bytes in one direction. Raises ValueError with file and rule."""
    choice = choice or OaiChoice()
    recording = read_text(path)
    counters: dict[str, tuple[list[int], list[int]]] = {}
    now_ms, frame = 0, None
    for line in recording.text.splitlines():
        if match := FRAME_LINE.search(line):
            before, frame = frame, int(match[1])
            now_ms += 0 if before is None else (frame - before) % FRAMES * FRAME_MS
        elif match := BYTES_LINE.search(line):
            stamps, counts = counters.setdefault(match[1], ([], []))
            stamps.append(now_ms if frame is not None else round(len(stamps) * choice.step_s * 1e3))
            counts.append(int(match[2 if choice.direction == "downlink" else 3]))
    there = ", ".join(counters) or "none"
    ue = choice.ue or (next(iter(counters)) if len(counters) == 1 else None)
    if ue is None or ue not in counters:
        raise ValueError(f"{path}: columns.ue={choice.ue}: must be one of the UEs with MAC counters ({there})")
    stamps_ms, total_bytes = (np.array(each, dtype=np.float64) for each in counters[ue])
    found = counter_rates(stamps_ms, total_bytes)
    known = ~np.isnan(found.amount_per_ms)
    if not known.any():
        raise ValueError(f"{path}: ue={ue}: must have counters at two times at least, growing between them")
    kept_ms = stamps_ms[found.kept].astype(np.int64)
    rates_bps = found.amount_per_ms[known] * 8e3
    require_rates(path, range(1, len(rates_bps) + 1), rates_bps, [f"{rate:g}" for rate in rates_bps])
    about = {"rows_misread": int((~found.kept).sum()), "counter_resets": found.resets}
    samples = RateSamples(kept_ms[known], rates_bps, {}, int(kept_ms[-1]), about, recording.notes)
    metadata = {"kind": "recording", "format": "oai", "file": path.name, "ue": ue, "direction": choice.direction}
    return trace_of(path, samples, f"{recording.source} ue {ue} {choice.direction}", 0, metadata)
