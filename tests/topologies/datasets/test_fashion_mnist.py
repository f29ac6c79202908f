"""Fashion-MNIST: strict reading of its files, and the data set itself where it is installed."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.errors import MissingDependency
from tests.topologies.datasets.installed import needs_fashion_mnist
from topologies.datasets.fashion_mnist import VARIABLE, fashion_mnist
from topologies.datasets.idx import read_idx

SHAPE = (2, 3, 4)
PIXELS = np.arange(24, dtype=np.uint8)
HEADER = bytes.fromhex("00000803000000020000000300000004")


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data))
    return path


def test_array_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "a.gz", HEADER + PIXELS.tobytes())
    assert np.array_equal(read_idx(path, SHAPE), PIXELS.reshape(SHAPE))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "header=: must be 00000803"),
        (HEADER[:-1], "header=0000080300000002"),
        (b"\0\0\x0d\3" + HEADER[4:] + PIXELS.tobytes(), "header=00000d03"),  # floats
        (b"\0\0\x08\3" + b"\xff" * 12 + PIXELS.tobytes(), "header=00000803ffffffff"),  # a giant count
        (HEADER + PIXELS.tobytes()[:-1], "must have 24 bytes after its header, not 23"),
        (HEADER + PIXELS.tobytes() + b"\0", "must have 24 bytes after its header, not more"),
    ],
)
def test_other_contents_are_refused_in_one_line(tmp_path: Path, data: bytes, message: str) -> None:
    path = written(tmp_path / "a.gz", data)
    with pytest.raises(ValueError, match=message) as caught:
        read_idx(path, SHAPE)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


WHOLE = gzip.compress(HEADER + PIXELS.tobytes(), mtime=0)


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_no_changed_byte_gives_another_array(tmp_path_factory: pytest.TempPathFactory, place: int, flip: int) -> None:
    """Each is refused, except for what gzip's header says of the file: time, system, level."""
    path = tmp_path_factory.mktemp("idx") / "a.gz"
    changed = bytearray(WHOLE)
    changed[place] ^= flip
    path.write_bytes(changed)
    try:
        read = read_idx(path, SHAPE)
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert np.array_equal(read, PIXELS.reshape(SHAPE))


@given(st.integers(0, len(WHOLE) - 1))
def test_truncated_file_is_refused(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    path = tmp_path_factory.mktemp("idx") / "a.gz"
    path.write_bytes(WHOLE[:length])
    with pytest.raises(ValueError, match=r"a\.gz: "):
        read_idx(path, SHAPE)


def test_missing_data_set_is_said_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none"))
    with pytest.raises(MissingDependency, match=r"/none: Fashion-MNIST is not there .*apt-get install dataset-fashion"):
        fashion_mnist("test")
    with pytest.raises(MissingDependency, match=r"t10k-images-idx3-ubyte\.gz: the file of Fashion-MNIST does"):
        fashion_mnist("test", tmp_path)


@needs_fashion_mnist
def test_installed_data_set_has_a_tenth_of_each_class() -> None:
    for images, count in ((fashion_mnist("train"), 6000), (fashion_mnist("test"), 1000)):
        assert images.pixels.shape == (10 * count, 28, 28, 1)
        assert np.bincount(images.labels).tolist() == [count] * 10


@needs_fashion_mnist
def test_normalisation_is_that_of_the_training_images() -> None:
    from topologies.models.vision.trained import FASHION_MEAN, FASHION_STD

    pixels = fashion_mnist("train").pixels / 255
    assert pixels.mean() == pytest.approx(FASHION_MEAN, abs=1e-4)
    assert pixels.std() == pytest.approx(FASHION_STD, abs=1e-4)
