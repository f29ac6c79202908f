"""What every importer needs: the file's bytes and their digest, and errors that name the place."""

import hashlib
import math
from pathlib import Path

STAMP_LIMIT_S = 1e10  # some 300 years: seconds since 1970 lie within
SLOTS_LIMIT = 86_400_000  # a day of 1 ms slots; a longer span is a slip in a stamp


def digest(data: bytes) -> str:
    """The lineage source of a recording."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def fault(path: Path, row: int, what: str, value: object, rule: str) -> ValueError:
    """One line: the file, its line (from 1), the value as it stands there, cut when long, and the rule."""
    shown = repr(value)
    shown = shown if len(shown) <= 40 else f"{shown[:36]}..."
    return ValueError(f"{path}: row {row}: {what}={shown}: must {rule}")


def text(path: Path, data: bytes) -> str:
    """The file as UTF-8 text, without a byte-order mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        raise fault(path, row, "byte", data[error.start : error.start + 1], "be UTF-8 text") from error


def stamp_ms(path: Path, row: int, what: str, value: str) -> int:
    """A number of seconds as the nearest whole millisecond, or the fault."""
    seconds = number(path, row, what, value)
    if abs(seconds) > STAMP_LIMIT_S:
        raise fault(path, row, what, value, f"lie within {STAMP_LIMIT_S:g} s of 0")
    return round(seconds * 1e3)


def number(path: Path, row: int, what: str, value: str) -> float:
    """A finite number, or the fault."""
    try:
        parsed = math.nan if "_" in value else float(value)  # Python's own 1_000 is no number elsewhere
    except ValueError:
        parsed = math.nan
    if not math.isfinite(parsed):
        raise fault(path, row, what, value, "be a finite number")
    return parsed


def seconds_of(what: str, value: str) -> float:
    """A number of seconds that a user wrote."""
    try:
        return float(value)
    except ValueError as error:
        raise ValueError(f"{what}={value!r}: must be a number of seconds") from error
