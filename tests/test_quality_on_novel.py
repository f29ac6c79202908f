"""The benchmark on a novel: when a first measurement agrees, and the way from the text to the rows."""

from math import exp, log
from pathlib import Path

import pytest

from benchmarks.quality_on_novel import CUTS, FIRST, First, measure, row_of
from emulator.core.errors import MissingDependency
from emulator.quality import QualityRow
from topologies.quality.data import SampleSize


@pytest.mark.parametrize(
    ("factor", "agrees"),
    [(1.11, "within"), (1.19, "within"), (1.22, "as one draw"), (1.35, "no"), (1.09, "as one draw"), (0.99, "no")],
)
def test_a_first_measurement_agrees_if_a_draw_of_its_size_may_be_so_far_from_the_mean(
    factor: float, agrees: str
) -> None:
    """Equal sizes: the error of the difference is the interval's times the root of 2."""
    row = QualityRow(16, "int4", "", 0.0, log(1.15), log(1.1), log(1.2), 0.9)
    found = row_of(First("int4", "", 0.0, (), base=40), row, log(50), 40 * factor, 1.0)
    assert found["agrees"] == agrees
    assert found["p"] == 15
    assert found["first"] == pytest.approx(50 * factor)
    assert [found[name] for name in ("base", "perplexity", "low", "high")] == [50, 57.5, 55, 60]


def test_each_first_measurement_has_a_value_for_each_cut() -> None:
    assert {len(each.perplexities) for each in FIRST} == {len(CUTS)}


def test_rows_come_from_the_novel(tmp_path: Path) -> None:
    first = [First("int8", "", 0.0, (44,) * 7, window_tokens=16), FIRST[0]]
    try:
        rows = measure(SampleSize(seeds=5, units=1, window_tokens=16), first, tmp_path)
    except MissingDependency as missing:
        pytest.skip(str(missing))
    assert [row["p"] for row in rows] == [cut - 1 for cut in CUTS]
    for row in rows:
        low, perplexity, high = (float(row[name]) for name in ("low", "perplexity", "high"))
        assert low <= perplexity <= high
    assert exp(3) < float(rows[0]["base"]) < exp(8)  # windows of 16 tokens say little before each token
    assert (tmp_path / "persuasion.txt").stat().st_size > 400_000
