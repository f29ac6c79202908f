"""Files of quality tables: what is written is read back, and what is wrong is named in one line."""

import hashlib
import json
from dataclasses import replace
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.activation.codecs import CODECS
from emulator.activation.concealment import Calibration
from emulator.quality import QualityRow, QualityTable
from topologies.quality.tables import (
    MeasuredOn,
    calibration_bytes,
    load_calibration,
    load_quality,
    quality_names,
    read_file,
    save_quality,
)

TABLE = QualityTable(
    "toy",
    "nats a token",
    2.5,
    (
        QualityRow(1, "fp32", "", 0.0, 0.0, 0.0, 0.0, 1.0),
        QualityRow(1, "fp32", "packets:1500/scatter/mean/t1/d4", 0.1, 0.25, nan, nan, 0.875),
    ),
)
CALIBRATIONS = {
    1: Calibration(np.linspace(-3, 900, 7, dtype=np.float32), np.array([6, 5, 4, 3, 2, 1, 0])),
    12: Calibration(np.zeros(7, np.float32), np.arange(7)),
}


def write(folder: Path) -> Path:
    stored = calibration_bytes(CALIBRATIONS)
    (folder / "toy.npz").write_bytes(stored)
    measured_on = MeasuredOn(
        data="text",
        data_sha256="0" * 64,
        weights_sha256="1" * 64,
        calibration_sha256=hashlib.sha256(stored).hexdigest(),
        window_tokens=128,
        seeds=5,
        units_per_seed=2,
        codecs=tuple(CODECS),
        versions={"torch": "2.13.0"},
    )
    save_quality(TABLE, measured_on, folder / "toy.json")
    return folder / "toy.json"


def test_round_trip(tmp_path: Path) -> None:
    read = load_quality(str(write(tmp_path)))
    assert (read.model, read.unit, read.base, read.rows[0]) == ("toy", "nats a token", 2.5, TABLE.rows[0])
    assert read.rows[1].delivery == TABLE.rows[1].delivery
    assert isnan(read.rows[1].low)
    assert read.loss(1, "fp32", TABLE.rows[1].delivery, 0.05) == 0.125


def test_calibration_round_trip(tmp_path: Path) -> None:
    read = load_calibration(str(write(tmp_path)))
    assert list(read) == [1, 12]
    for cut, wanted in CALIBRATIONS.items():
        assert read[cut].means == pytest.approx(wanted.means, rel=2**-11)  # float16
        assert (read[cut].energy_order == wanted.energy_order).all()


def test_equal_tables_are_equal_files(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    first, second = write(tmp_path), write(tmp_path / "other")
    assert first.read_bytes() == second.read_bytes()
    assert first.with_suffix(".npz").read_bytes() == second.with_suffix(".npz").read_bytes()


def test_a_calibration_of_another_table_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "toy.npz").write_bytes(calibration_bytes({1: CALIBRATIONS[1]}))
    with pytest.raises(ValueError, match=r"toy\.npz: must be the calibration that was written with toy\.json$"):
        load_calibration(str(path))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        calibration_bytes({1: Calibration(np.full(7, np.nan, np.float32), np.arange(7))}),
        calibration_bytes({1: Calibration(np.zeros(7, np.float32), np.array([0, 7]))}),
        calibration_bytes({1: Calibration(np.zeros(7, np.float32), np.array([3, 3]))}),
        calibration_bytes({1: CALIBRATIONS[1]}).replace(b"order1", b"older1"),
    ],
)
def test_a_calibration_that_is_none_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "toy.npz").write_bytes(content)
    document = json.loads(path.read_text())
    document["measured_on"]["calibration_sha256"] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"toy\.npz: must be a calibration: ") as refusal:
        load_calibration(str(path))
    assert "\n" not in str(refusal.value)


def test_close_levels_stay_different(tmp_path: Path) -> None:
    path = write(tmp_path)
    levels = (0.10001, 0.10002)
    table = replace(TABLE, rows=(TABLE.rows[0], *(replace(TABLE.rows[1], level=level) for level in levels)))
    save_quality(table, read_file(path).measured_on, path)
    assert [row.level for row in load_quality(str(path)).rows[1:]] == list(levels)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version=2: must be 1"),
        ({"extra": 1}, "extra=1: is not a known key"),
        ({"unit": "bits"}, "unit=bits: must be 'nats a token', 'accuracy' or 'agreement'"),
        ({"rows": []}, "rows=[]: must have 1 or more entries"),
        ({"row": {"loss": "much"}}, "rows[1].loss=much: must be a number"),
        ({"row": {"codec": "int3"}}, "rows[1].codec=int3: must be one of fp32"),
        ({"row": {"delivery": "rain/none/zero"}}, "rows[1]: harm=rain: must be scalars"),
        ({"row": {"level": 0.0}}, "rows[1].level=0: must be above 0 with a delivery, else 0"),
        (
            {"row": {"delivery": "", "level": 0.0}},
            "rows[1]: must differ from all others in cut, codec, delivery or level",
        ),
        ({"row": {"agreement": 1.5}}, "rows[1].agreement=1.5: must be at most 1"),
    ],
)
def test_malformed_files(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = write(tmp_path)
    document = json.loads(path.read_text())
    document["rows"][1] |= change.pop("row", {})
    path.write_text(json.dumps(document | change))
    with pytest.raises(ValueError) as refusal:
        load_quality(str(path))
    assert str(refusal.value).startswith(f"{path}: {message}")
    assert "\n" not in str(refusal.value)


def test_truncated_file(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"toy\.json: must be JSON: "):
        load_quality(str(path))


@pytest.mark.parametrize("name", ["nothing", "nothing.json"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(
        ValueError, match=rf"^quality={name}: must be one of .*, or the path of an existing \.json file$"
    ):
        load_quality(name)


def test_shipped_tables_are_read() -> None:
    for name in quality_names():
        assert load_quality(name).model == name
        assert set(load_calibration(name)) == set(load_quality(name).cuts)
