"""The benchmark of codecs: its rows come from a measurement, and its sums from the rows that a table has."""

from pathlib import Path

import pytest

from benchmarks.quality_of_codecs import DELIVERIES, measure
from emulator.core.errors import MissingDependency
from emulator.quality import DELIVERED
from topologies.quality.data import SampleSize
from topologies.quality.tables import load_quality


def test_the_sum_is_of_the_delivery_with_int8_and_the_two_codecs_alone(tmp_path: Path) -> None:
    try:
        rows = measure((16,), SampleSize(seeds=5, units=1, window_tokens=16), tmp_path)
    except MissingDependency as missing:
        pytest.skip(str(missing))
    (file,) = tmp_path.glob("*.json")
    table = load_quality(str(file))
    assert [row["delivery"] for row in rows] == list(DELIVERIES)
    for row, delivery in zip(rows, DELIVERIES, strict=True):
        parts = table.loss(16, DELIVERED, delivery, 0.1), table.loss(16, "int4"), table.loss(16, DELIVERED)
        assert row["predicted"] == pytest.approx(parts[0] + parts[1] - parts[2], abs=1e-4)
        assert row["loss"] == pytest.approx(table.loss(16, "int4", delivery, 0.1), abs=1e-4)
