"""Shared by all importers: digest and text of a file, parsing of numbers, and errors that name the row."""

import hashlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

STAMP_LIMIT_S = 1e10  # some 300 years, more than the seconds since 1970
NAMES_LIMIT = 1_000  # characters of a header in an error
SLOTS_LIMIT = 86_400_000  # a day of 1 ms slots; a longer span is an error in a timestamp


def source_of(data: bytes) -> str:
    """Return the lineage source of a recording."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def names_in_line(names: Iterable[str]) -> str:
    """Return names of a file for an error: in one line of printable characters, shortened if long."""
    text = "".join(each if each.isprintable() else "?" for each in ", ".join(names))
    return text if len(text) <= NAMES_LIMIT else f"{text[: NAMES_LIMIT - 3]}..."


def row_error(path: Path, row: int, what: str, value: object, rule: str) -> ValueError:
    """Return an error with file, row (from 1), value as written, shortened if long, and rule."""
    shown = repr(value)
    shown = shown if len(shown) <= 40 else f"{shown[:36]}..."
    return ValueError(f"{path}: row {row}: {what}={shown}: must {rule}")


def decode(path: Path, data: bytes) -> str:
    """Decode UTF-8 text, without its byte-order mark. Raises `row_error`."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise row_error(
            path, row, "byte", data[error.start : error.start + 1], "be UTF-8 text, or in an encoding that is named"
        ) from error


def parse_stamp_ms(path: Path, row: int, what: str, value: str) -> int:
    """Parse a timestamp in seconds, rounded to the nearest millisecond. Raises `row_error`."""
    seconds = parse_number(path, row, what, value)
    if abs(seconds) > STAMP_LIMIT_S:
        raise row_error(path, row, what, value, f"lie within {STAMP_LIMIT_S:g} s of 0")
    return round(seconds * 1e3)


def parse_number(path: Path, row: int, what: str, value: str) -> float:
    """Parse a finite number. Raises `row_error`."""
    try:
        parsed = math.nan if "_" in value else float(value)  # only Python accepts 1_000
    except ValueError:
        parsed = math.nan
    if not math.isfinite(parsed):
        raise row_error(path, row, what, value, "be a finite number")
    return parsed


def choice_pairs(text: str, names: Sequence[str]) -> dict[str, str]:
    """Return the values by name of a choice such as `run=3,series=2`. Raises ValueError for other names."""
    pairs = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if name not in names or not (equals and value):
            raise ValueError(f"columns={part!r}: must be one of {', '.join(names)} with =value")
        pairs[name] = value
    return pairs


def require_step(name: str, step_s: float, longest_s: float = 3_600.0) -> None:
    """Raise ValueError unless a step is at least a millisecond and at most `longest_s`."""
    if not 0.001 <= step_s <= longest_s:
        raise ValueError(f"columns.{name}={step_s}: must be at least 0.001 and at most {longest_s:g}")


def parse_whole(what: str, value: str) -> int:
    """Parse a whole number in a setting, at least 0."""
    if not value.isdecimal():
        raise ValueError(f"{what}={value!r}: must be a whole number")
    return int(value)


def parse_seconds(what: str, value: str) -> float:
    """Parse a number of seconds in a setting."""
    try:
        return float(value)
    except ValueError as error:
        raise ValueError(f"{what}={value!r}: must be a number of seconds") from error
