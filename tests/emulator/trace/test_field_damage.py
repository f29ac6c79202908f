"""Recordings that are none: refused in one short line, in bounded memory, without a warning of the libraries."""

import bz2
import gzip
import lzma
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.trace.formats import import_trace
from emulator.trace.formats import text as text_module
from emulator.trace.formats.runs import runs_of
from emulator.trace.formats.text import read_bytes

TABLE = b"time,rate,run\n0,1.5,1\n1,2.5,1\n2,3.5,2\n3,4.5,2\n"
LIST = b"Run 1\n1.5,2.5,3.5\n100,200,300\n"


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_field_small_file_does_not_fill_the_memory(
    compress: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may hold a hundred times its size, or what any recording may hold."""
    path = tmp_path / "a.csv"
    path.write_bytes(compress(b"1" * 5_000_000))
    assert read_bytes(path) == b"1" * 5_000_000
    monkeypatch.setattr(text_module, "SMALL_BYTES", 1_000_000)
    with pytest.raises(ValueError, match=r"a\.csv: must hold at most 1000000 bytes when decompressed$"):
        read_bytes(path)
    path.write_bytes(compress(b"") + compress(b"0,1\n") * 2)  # parts in one file
    assert read_bytes(path) == b"0,1\n" * 2


@pytest.mark.parametrize("header", [b"name," * 5_000, b"\x1b[2J,\x00,\x07\nx,y,z"])
def test_field_header_in_an_error_is_short_and_printable(header: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(header + b"\n")
    for call in (lambda: import_trace(path, "csv"), lambda: runs_of(path, None, None)):
        with pytest.raises(ValueError, match=r"a\.csv: ") as caught:
            call()
        assert len(str(caught.value)) < 1_500
        assert all(line.isprintable() for line in str(caught.value).splitlines())


def test_field_rate_beyond_all_numbers_is_an_error_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.list"
    path.write_bytes(b"Run 1\n1.5,1e305,3.5\n100,200,300\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"a\.list: row 2: "):
            import_trace(path, "list")


@settings(max_examples=300, deadline=None)
@given(
    data=st.sampled_from([TABLE, LIST, b"0\n5\n5\n12\n", b'{"intervals": [{"sum": {"start": 0, "end": 1}}]}']),
    edits=st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 8), st.binary(max_size=4) | st.sampled_from([b"nan", b"1e999"])),
        max_size=4,
    ),
    kind=st.sampled_from(["csv", "list", "rate", "mahimahi", "iperf3", "oai"]),
)
def test_field_damaged_recordings_are_read_or_refused_with_their_name(
    data: bytes, edits: list[tuple[int, int, bytes]], kind: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for at, length, put in edits:
        data = data[:at] + put + data[at + length :]
    path = tmp_path_factory.getbasetemp() / "damaged.csv"
    path.write_bytes(data)
    try:
        import_trace(path, kind)
    except ValueError as error:
        assert str(error).startswith(f"{path}: ")
