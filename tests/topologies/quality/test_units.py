"""Losses of single units beside a table."""

from pathlib import Path

import numpy as np
import pytest

from agents.layer_split.losses import TABLE
from emulator.quality import QualityRow, QualityTable
from topologies.quality.measurement import Case
from topologies.quality.tables import MeasuredOn, load_quality, save_quality
from topologies.quality.units import load_units, save_units, units_path

LOSSES = {Case(1, "fp32"): np.zeros((2, 3)), Case(2, "int8", "scalars/none/zero", 0.1): np.arange(6.0).reshape(2, 3)}
DIGEST = "0" * 64


def write(folder: Path) -> Path:
    path = folder / "toy.json"
    rows = tuple(QualityRow(*case, float(each.mean()), 0.0, 5.0, 1.0) for case, each in LOSSES.items())
    measured_on = MeasuredOn(
        data="text", data_sha256=DIGEST, weights_sha256=DIGEST, calibration_sha256=DIGEST, window_tokens=1, seeds=2,
        units_per_seed=3, codecs=("fp32",), versions={},
    )  # fmt: skip
    save_quality(QualityTable("toy", "nats a token", 1.0, rows), measured_on, path)
    save_units(LOSSES, path)
    return path


def test_units_are_read_as_written(tmp_path: Path) -> None:
    found = load_units(str(write(tmp_path)))
    assert found.keys() == LOSSES.keys()
    for case, losses in LOSSES.items():
        np.testing.assert_array_equal(found[case], losses)


def test_equal_losses_are_equal_files(tmp_path: Path) -> None:
    path = write(tmp_path)
    first = units_path(path).read_bytes()
    save_units(LOSSES, path)
    assert units_path(path).read_bytes() == first


def test_units_of_another_table_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    save_units({case: losses + 1 for case, losses in LOSSES.items()}, path)
    with pytest.raises(
        ValueError, match=r"toy\.units\.npz: must be the losses of units that were written with toy\.json$"
    ):
        load_units(str(path))
    units_path(path).unlink()
    with pytest.raises(ValueError, match=r"toy\.units\.npz: must be"):
        load_units(str(path))


def test_the_shipped_units_are_of_their_table() -> None:
    assert len(load_units(str(TABLE))) == len(load_quality(str(TABLE)).rows)
