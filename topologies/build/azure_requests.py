"""Requests to language models recorded in Azure, in the format of the Azure LLM inference traces of 2023 and 2024
(AzurePublicDataset; Patel et al., "Splitwise: efficient generative LLM inference using phase splitting", ISCA 2024)."""

import csv
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from emulator.core.units import NS_PER_S, ns_from_s
from topologies.schema.workloads import RecordedFileSection, RecordedSection

HEADER = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"]
# With up to nine digits of a second; the traces of 2024 add their zone, which is UTC.
TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:\+00:00)?")
COUNT = re.compile(r"[1-9]\d{0,8}")
MOST_REQUESTS = 1_000_000
SECOND = datetime(1970, 1, 1)


class Request(NamedTuple):
    """A line of a trace; `at_ns` since 1970."""

    at_ns: int
    prompt_tokens: int
    output_tokens: int


def read_azure(path: Path, section: RecordedSection) -> RecordedFileSection:
    """Return the requests of a CSV file in the part and scale that the section says, from time 0 on.

    Raises ValueError, one line, `file: line N: field=value: rule`, for anything but that format, for times that
    decrease, for a part without requests, and for one with more than MOST_REQUESTS.
    """
    start_s, stop_s = section.interval_s or (0.0, 1e9)
    scale = section.time_scale or 1.0
    found: list[Request] = []
    first_ns = None
    for request in _requests(path):
        first_ns = request.at_ns if first_ns is None else first_ns
        if request.at_ns - first_ns >= ns_from_s(stop_s):
            break
        if request.at_ns - first_ns >= ns_from_s(start_s):
            found.append(request)
        if len(found) > MOST_REQUESTS:
            raise ValueError(f"{path}: must be at most {MOST_REQUESTS} requests: choose a part with interval_s")
    if first_ns is None or not found:
        raise ValueError(f"{path}: must have a request in the part from {start_s:g} s on")
    start_ns = first_ns + ns_from_s(start_s)
    prompt_max, output_max = (most or 10**9 for most in (section.prompt_max, section.output_max))
    return RecordedFileSection(
        arrival_ns=tuple(round((each.at_ns - start_ns) * scale) for each in found),
        prompt_tokens=tuple(min(each.prompt_tokens, prompt_max) for each in found),
        output_tokens=tuple(min(each.output_tokens, output_max) for each in found),
    )


def _requests(path: Path) -> Iterator[Request]:
    last_ns = 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            for row in (lines := csv.reader(file, strict=True)):
                place = f"{path}: line {lines.line_num}"
                if lines.line_num == 1:
                    if row != HEADER:
                        raise ValueError(f"{place}: must be {','.join(HEADER)}")
                    continue
                request = _request(place, row)
                if request.at_ns < last_ns:
                    raise ValueError(f"{place}: TIMESTAMP={row[0]}: must not be before that of the line above")
                last_ns = request.at_ns
                yield request
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: must be CSV in UTF-8: {error}") from None


def _request(place: str, row: list[str]) -> Request:
    if len(row) != len(HEADER):
        raise ValueError(f"{place}: must have {len(HEADER)} fields, not {len(row)}")
    for name, text in zip(HEADER[1:], row[1:], strict=True):
        if not COUNT.fullmatch(text):
            raise ValueError(f"{place}: {name}={text[:40]}: must be a whole number from 1 to 999999999")
    return Request(_time_ns(place, row[0]), int(row[1]), int(row[2]))


def _time_ns(place: str, text: str) -> int:
    rule = f"{place}: TIMESTAMP={text[:40]}: must be a time such as 2023-11-16 18:17:03.9799600"
    matched = TIMESTAMP.fullmatch(text)
    if matched is None:
        raise ValueError(rule)
    try:
        second = datetime.fromisoformat(matched[1])
    except ValueError:
        raise ValueError(rule) from None
    whole = (second - SECOND).days * 86_400 + (second - SECOND).seconds
    return whole * NS_PER_S + int((matched[2] or "").ljust(9, "0"))
