"""Import of iperf3's reports: JSON (`-J`, `--json-stream`) and text.

The rate of each interval is that of all streams together; omitted intervals are left out, time starts after them. A
file of a test in both directions holds the sent and the received rate. Ends of intervals are rounded to a tenth of the
usual interval, so that their jitter does not cut the trace into milliseconds.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from emulator.trace import Trace
from emulator.trace.formats.samples import RateSamples, require_rates, trace_of
from emulator.trace.formats.source import choice_pairs, parse_whole
from emulator.trace.formats.text import RecordingText, read_text

Side = Literal["sent", "received"]
LINE = re.compile(
    r"\[\s*(?P<stream>SUM|\d+)\](?:\[(?P<role>[TR]X)-[CS]\])?\s+(?P<start>\d+\.\d+)\s*-\s*(?P<end>\d+\.\d+)\s+sec\s+"
    r"[\d.]+\s+[KMGT]?Bytes\s+(?P<rate>[\d.]+)\s+(?P<prefix>[KMGT]?)(?P<amount>bits|Bytes)/sec(?P<rest>.*)"
)
HEAD = 4_096  # characters within which a report's first interval stands
PREFIXES = {"bits": {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}}
PREFIXES["Bytes"] = {prefix: 8 * 1024.0**power for power, prefix in enumerate(["", "K", "M", "G", "T"])}


@dataclass(frozen=True)
class Iperf3Choice:
    """What to read of a report. `side`: sent or received by the host that wrote it (None: the one there is). `run`:
    of several reports in one file, from 1. Raises ValueError if a value breaks a rule."""

    side: Side | None = None
    run: int = 1

    def __post_init__(self) -> None:
        if self.side not in (None, *get_args(Side)):
            raise ValueError(f"columns.side={self.side!r}: must be one of {', '.join(get_args(Side))}")
        if self.run < 1:
            raise ValueError(f"columns.run={self.run}: must be at least 1")


class Span(NamedTuple):
    """The rate of an interval of time."""

    start_s: float
    end_s: float
    rate_bps: float
    omitted: bool


Spans = Mapping[str, Sequence[Span]]
"""The intervals of a report by side."""


def parse_iperf3(text: str) -> Iperf3Choice:
    """Parse a choice such as `side=received,run=2`. Raises ValueError."""
    values: dict[str, Any] = choice_pairs(text, ("side", "run"))
    if "run" in values:
        values["run"] = parse_whole("columns.run", values["run"])
    return Iperf3Choice(**values)


def import_iperf3(path: Path, choice: Iperf3Choice | None = None) -> Trace:
    """Read a `fluid` trace from a report. Raises ValueError with file and rule."""
    choice = choice or Iperf3Choice()
    recording = read_text(path)
    reports = _reports(recording)
    if len(reports) < choice.run or not any(reports[choice.run - 1].values()):
        raise ValueError(f"{path}: run={choice.run}: must be a report of iperf3 with intervals (it has {len(reports)})")
    sides = {side: spans for side, spans in reports[choice.run - 1].items() if spans}
    if choice.side is None and len(sides) > 1:
        raise ValueError(f"{path}: columns: must be side=sent or side=received, as the test had both directions")
    side: str = choice.side or next(iter(sides))
    if side not in sides:
        raise ValueError(f"{path}: side={side}: must be in the report, which has {', '.join(sides)}")
    spans = [span for span in sides[side] if not span.omitted]
    if not spans:
        raise ValueError(f"{path}: intervals=0: must hold one that is not omitted")
    usual_ms = max(round(float(np.median([span.end_s - span.start_s for span in spans])) * 1e3), 1)
    grid_ms = max(usual_ms // 10, 1)
    stamps_ms = np.array([round(span.start_s * 1e3 / grid_ms) * grid_ms for span in spans])
    last_ms = round(spans[-1].end_s * 1e3 / grid_ms) * grid_ms
    kept = np.diff(stamps_ms, append=last_ms) > 0
    if np.any(np.diff(stamps_ms) < 0):
        raise ValueError(f"{path}: intervals: must follow each other")
    rates_bps = np.array([span.rate_bps for span in spans])
    require_rates(path, range(1, len(spans) + 1), rates_bps, [f"{rate:g}" for rate in rates_bps])
    counts = {"intervals_omitted": sum(span.omitted for span in sides[side])}
    notes = [*recording.notes]
    if side == "sent":
        notes.append("the rates are those of the sender: what left it, not what arrived")
    metadata = {"kind": "recording", "format": "iperf3", "file": path.name, "side": side, "run": choice.run}
    source = recording.source + ("" if len(reports) == 1 else f" run {choice.run}")
    samples = RateSamples(stamps_ms[kept], rates_bps[kept], {}, last_ms, counts, tuple(notes))
    return trace_of(path, samples, source, 0, metadata)


def is_report(recording: RecordingText) -> bool:
    """Whether a text begins as a report of iperf3 does."""
    return recording.text.lstrip().startswith("{") or LINE.search(recording.text[:HEAD]) is not None


def report_runs(recording: RecordingText) -> list[dict[str, Any]]:
    """Return a row for each report and side of a file: its choice as `--columns` takes it, the number of intervals
    that are not omitted, their length and mean rate. Raises ValueError with file and rule."""
    rows = []
    for run, report in enumerate(_reports(recording), 1):
        sides = {side: [span for span in spans if not span.omitted] for side, spans in report.items() if spans}
        for side, spans in sides.items():
            length_s = sum(span.end_s - span.start_s for span in spans)
            amount_bits = sum(span.rate_bps * (span.end_s - span.start_s) for span in spans)
            choice = f"run={run},side={side}" if len(sides) > 1 else f"run={run}"
            facts = {"duration_s": length_s, "mean_rate_mbps": amount_bits / length_s / 1e6} if length_s else {}
            rows.append({"columns": choice, "intervals": len(spans), **facts})
    return rows


def _reports(recording: RecordingText) -> list[Spans]:
    """Return the intervals of each report of a file."""
    if recording.text.lstrip().startswith("{"):
        return [*_json_reports(recording.path, recording.text)]
    return [*_text_reports(recording.text)]


def _json_reports(path: Path, text: str) -> Iterator[Spans]:
    """Yield the intervals of each report: documents, one after the other, or events, one a line."""
    decoder = json.JSONDecoder()
    position, events = 0, []
    text = text.rstrip()
    while position < len(text):
        start = re.compile(r"\s*").match(text, position)
        try:
            document, position = decoder.raw_decode(text, start.end() if start else position)
        except (json.JSONDecodeError, RecursionError) as error:
            raise ValueError(f"{path}: must be JSON as iperf3 -J writes it ({error})") from error
        if isinstance(document, dict) and "event" in document:
            events.append(document)
        else:
            yield _spans_of_json(path, document)
    if events:
        intervals = [event.get("data") for event in events if event["event"] == "interval"]
        yield _spans_of_json(path, {"intervals": intervals})


def _spans_of_json(path: Path, report: Any) -> Spans:
    spans: dict[str, list[Span]] = {"sent": [], "received": []}
    try:
        for interval in report["intervals"]:
            sums = [interval[name] for name in ("sum", "sum_bidir_reverse") if name in interval]
            for part in sums or interval["streams"]:
                known = "bits_per_second" in part
                rate_bps = float(part["bits_per_second"] if known else 8 * part["bytes"] / max(part["seconds"], 1e-9))
                span = Span(float(part["start"]), float(part["end"]), rate_bps, bool(part.get("omitted", False)))
                spans["sent" if part.get("sender", True) else "received"].append(span)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path}: must be a report as iperf3 -J writes it ({error!r})") from error
    if not any(spans.values()) and isinstance(report.get("error"), str):
        raise ValueError(f"{path}: intervals=0: iperf3 says: {report['error']}")
    return {side: _added(found) for side, found in spans.items()}


def _added(spans: Sequence[Span]) -> list[Span]:
    """Return the spans with those of the same time and kind added up (streams without a sum)."""
    added: dict[tuple[float, float, bool], float] = {}
    for span in spans:
        key = (span.start_s, span.end_s, span.omitted)
        added[key] = added.get(key, 0.0) + span.rate_bps
    return [Span(start_s, end_s, rate_bps, omitted) for (start_s, end_s, omitted), rate_bps in added.items()]


def _text_reports(text: str) -> Iterator[Spans]:
    """Yield the intervals of each report: a summary, or a start at 0 again, ends one."""
    found: dict[str, list[tuple[str, Span]]] = {"sent": [], "received": []}
    ended = False
    receiving = False
    for line in text.splitlines():
        if re.search(r"Connecting to host|Accepted connection|Server listening", line):
            if any(found.values()):
                yield _text_spans(found)
                found = {"sent": [], "received": []}
            ended, receiving = False, "Accepted" in line
        receiving = receiving or "Reverse mode" in line
        if re.match(r"(\S+ +)*?- - - ", line.strip()):
            ended = True
        match = LINE.search(line)
        if match is None or ended or re.search(r"\b(sender|receiver)\b", match["rest"]):
            continue
        side = {"TX": "sent", "RX": "received"}.get(match["role"], "received" if receiving else "sent")
        rate_bps = float(match["rate"]) * PREFIXES[match["amount"]][match["prefix"]]
        span = Span(float(match["start"]), float(match["end"]), rate_bps, "(omitted)" in match["rest"])
        found[side].append((match["stream"], span))
    yield _text_spans(found)


def _text_spans(found: Mapping[str, Sequence[tuple[str, Span]]]) -> Spans:
    """Return the intervals by side: the sums if there are some, else the only stream's."""
    spans: dict[str, list[Span]] = {}
    for side, lines in found.items():
        summed = [span for stream, span in lines if stream == "SUM"]
        spans[side] = summed or _added([span for _, span in lines])
        last = spans[side][-2:]
        if len(last) == 2 and last[1].start_s < last[0].start_s and not last[0].omitted:
            spans[side].pop()  # iperf 2 ends with the whole test, unmarked
    return spans
