"""Text of a recording: a file or standard input, compressed or not, in one of the usual encodings."""

import bz2
import gzip
import lzma
import re
import sys
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from emulator.trace.formats.source import decode, row_error, source_of

STANDARD_INPUT = Path("-")
COMPRESSIONS: Mapping[bytes, ModuleType] = {b"\x1f\x8b": gzip, b"BZh": bz2, b"\xfd7zXZ\x00": lzma}
SMALL_BYTES = 100_000_000  # text of any compressed file may be as long
MAX_RATIO = 100  # of a longer text to its compressed file: recordings have 3 to 30
BYTE_ORDER_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f-\x9f]")  # bytes that are no characters in Latin-1


class RecordingText(NamedTuple):
    """Text of a recording. `source`: its lineage source. `notes`: what was assumed about the text."""

    path: Path
    text: str
    source: str
    notes: tuple[str, ...] = ()


def read_text(path: Path, encoding: str | None = None) -> RecordingText:
    """Read a recording's text. `encoding`: a name that Python knows; None: by byte-order mark, else UTF-16 if every
    other byte is zero, else UTF-8, else Latin-1 (with a note).

    The source is the digest of the bytes after decompression. Raises ValueError with file, row and byte if these are
    no text of the encoding; OSError if there is no such file.
    """
    data = read_bytes(path)
    found = encoding or _encoding_of(data)
    notes = (f"not UTF-8: read as {found}",) if found == "latin-1" and encoding is None else ()
    return RecordingText(path, _decoded(path, data, found), source_of(data), notes)


def read_bytes(path: Path) -> bytes:
    """Read a file, or standard input for the path `-`, and decompress it if it is gzip, bzip2 or xz.

    Raises ValueError if the compressed data are damaged or hold far more than recordings do, which could fill the
    memory; OSError if there is no such file."""
    data = sys.stdin.buffer.read() if path == STANDARD_INPUT else path.read_bytes()
    for magic, compression in COMPRESSIONS.items():
        if data.startswith(magic):
            return _decompressed(path, data, compression)
    return data


def _decompressed(path: Path, data: bytes, compression: ModuleType) -> bytes:
    limit = max(SMALL_BYTES, MAX_RATIO * len(data))
    try:
        with compression.open(BytesIO(data)) as file:
            text: bytes = file.read(limit + 1)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
        raise ValueError(f"{path}: must be undamaged {compression.__name__} data ({error})") from error
    if len(text) > limit:
        raise ValueError(f"{path}: must hold at most {limit} bytes when decompressed")
    return text


def _encoding_of(data: bytes) -> str:
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return encoding
    head = data[:4096]
    for encoding, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if len(head) >= 4 and zeros.count(0) > 0.9 * len(zeros):
            return encoding
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        if not NO_TEXT.search(data):
            return "latin-1"
    return "utf-8"


def _decoded(path: Path, data: bytes, encoding: str) -> str:
    if encoding == "utf-8":
        return decode(path, data)
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except LookupError as error:
        raise ValueError(
            f"{path}: encoding={encoding!r}: must be an encoding that Python knows, such as cp1252"
        ) from error
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
        row = data.count(b"\n", 0, start) + 1
        raise row_error(path, row, "byte", data[start : start + 1], f"be {encoding} text") from error
