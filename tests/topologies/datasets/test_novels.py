"""Jane Austen's novels: what R itself reads, and databases that are none."""

import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.errors import MissingDependency
from topologies.datasets.novels import DATABASE, novel

HEADER = struct.pack(">2s4i5s", b"X\n", 3, 0x40201, 0x30500, 5, b"UTF-8")


def stored(lines: list[str]) -> bytes:
    """A vector of texts as an object of a database."""
    texts = b"".join(struct.pack(">Ii", 0x40009, len(line.encode())) + line.encode() for line in lines)
    return entry(HEADER + struct.pack(">Ii", 16, len(lines)) + texts)


def entry(plain: bytes) -> bytes:
    return len(plain).to_bytes(4, "big") + zlib.compress(plain)


def written(folder: Path, data: bytes) -> Path:
    path = folder / "Rdata.rdb"
    path.write_bytes(data)
    return path


def test_a_novel_is_found_by_its_first_line(tmp_path: Path) -> None:
    path = written(tmp_path, stored(["Emma", "", "One."]) + stored([]) + stored(["Lady Susan", "", "Naïve."]))
    assert novel("Lady Susan", path) == "Lady Susan\n\nNaïve."
    with pytest.raises(ValueError, match=r"Rdata\.rdb: must have a novel whose first line is Sanditon$"):
        novel("Sanditon", path)


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        b"R database",
        stored(["Emma"])[:-1],
        b"\0\0\0\1" + stored(["Emma"])[4:],
        entry(b"A\n" + HEADER[2:]),
        entry(HEADER + struct.pack(">Ii", 13, 1) + b"\0\0\0\1"),  # integers
        entry(HEADER + struct.pack(">Ii", 16, 2**31 - 1)),
        entry(HEADER + struct.pack(">IiIi", 16, 1, 9, -1)),  # NA
        entry(HEADER + struct.pack(">IiIi", 16, 1, 9, 9) + b"Emma"),
        entry(HEADER + struct.pack(">IiIi", 16, 1, 9, 1) + b"\xff"),
    ],
)
def test_other_databases_are_refused_in_one_line(tmp_path: Path, data: bytes) -> None:
    path = written(tmp_path, data)
    with pytest.raises(ValueError, match=r"Rdata\.rdb: must be a database") as caught:
        novel("Persuasion", path)
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=60))
def test_any_object_is_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = written(tmp_path_factory.mktemp("r"), entry(HEADER + data))
    with pytest.raises(ValueError, match=r"Rdata\.rdb: "):
        novel("Persuasion", path)


def test_a_missing_package_is_said_with_the_command_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match=r"none: Jane Austen's novels .*apt-get install r-cran-janeaustenr\)$"):
        novel("Persuasion", tmp_path / "none")


@pytest.mark.skipif(not DATABASE.is_file(), reason="r-cran-janeaustenr is not installed (apt-get install it)")
def test_the_installed_novel_is_what_r_reads() -> None:
    program = shutil.which("Rscript")
    assert program, "a dependency of the package"
    expression = "e <- new.env(); invisible(lazyLoad(commandArgs(TRUE), e)); cat(e$persuasion, sep = '\\n')"
    lazy_load = [program, "--vanilla", "-e", expression, str(DATABASE.with_suffix(""))]
    read = subprocess.run(lazy_load, capture_output=True, check=True).stdout
    assert novel("Persuasion") == read.decode().removesuffix("\n")
    assert len(novel("Persuasion").split()) > 80_000
