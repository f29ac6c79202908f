"""Jane Austen's novels, which are in the public domain, from Debian's package `r-cran-janeaustenr`.

They lie in a database of R for lazy loading: one object after the other, each as its size in four bytes and its
serialisation, compressed with zlib. The serialisation is "X\\n" and numbers of 32 bits, all big-endian (R Core Team, "R
Internals", 1.8 "Serialization Formats").
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from emulator.core.errors import MissingDependency

DATABASE = Path("/usr/lib/R/site-library/janeaustenr/data/Rdata.rdb")
MAX_OBJECT_BYTES = 2**24  # the longest novel has a million
HEADER = struct.Struct(">2s4i")  # the format, its version, two versions of R, the length of the encoding's name
TEXTS, TEXT = 16, 9  # types of objects (STRSXP, CHARSXP), in the lowest byte of an object's flags


def novel(title: str, database: Path = DATABASE) -> str:
    """Return the text of a novel by its title, such as "Persuasion", in the lines of the package.

    Raises MissingDependency, one line, where the package is not installed; ValueError, one line, for a malformed
    database, or one without the novel.
    """
    if not database.is_file():
        raise MissingDependency(
            f"{database}: Jane Austen's novels are not there (Debian and Ubuntu: apt-get install r-cran-janeaustenr)"
        )
    try:
        for stored in _objects(database.read_bytes()):
            lines = _lines(stored)
            if lines[:1] == [title]:
                return "\n".join(lines)
    except (struct.error, zlib.error, UnicodeDecodeError) as error:
        raise ValueError(f"{database}: must be a database of texts that R can load: {error}") from None
    raise ValueError(f"{database}: must have a novel whose first line is {title}")


def _objects(data: bytes) -> Iterator[bytes]:
    """Yield the serialised objects of a database. Raises zlib.error for other contents."""
    while data:
        expander = zlib.decompressobj()
        stored = expander.decompress(data[4:], MAX_OBJECT_BYTES)
        if not expander.eof or len(stored) != int.from_bytes(data[:4], "big"):
            raise zlib.error("an object must have the size that precedes it")
        yield stored
        data = expander.unused_data


def _lines(stored: bytes) -> list[str]:
    """Return the texts of a serialised vector of texts. Raises struct.error for another object."""
    form, version, *_, encoding_bytes = HEADER.unpack_from(stored)
    if (form, version) != (b"X\n", 3):
        raise struct.error(f"an object must be in R's binary format, version 3, not {stored[:6].hex()}")
    place = HEADER.size + encoding_bytes
    count = _header(stored, place, TEXTS)
    lines = []
    for _ in range(count):
        place += 8
        length = _header(stored, place, TEXT)
        text = struct.unpack_from(f"{length}s", stored, place + 8)[0]
        lines.append(text.decode())
        place += length
    return lines


def _header(stored: bytes, place: int, kind: int) -> int:
    """Return the length of an object of a kind. Raises struct.error for another kind, and for a missing text."""
    flags, length = struct.unpack_from(">Ii", stored, place)
    if flags & 0xFF != kind or length < 0:
        raise struct.error(f"an object must be a vector of texts, not of type {flags & 0xFF} and length {length}")
    return int(length)
