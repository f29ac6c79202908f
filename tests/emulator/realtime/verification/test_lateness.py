"""Lateness from a log agrees with exact quantiles, by link and over all links."""

from pathlib import Path

import numpy as np
import pytest

from emulator.realtime.packet_log import DELIVERED, LOST, NEVER_NS, UNFINISHED
from emulator.realtime.verification.lateness import BINS, Lateness, bin_of, lateness, top_of
from tests.emulator.realtime.logs import LogRow, write


def row(link: int, order: int, late_ns: int, outcome: int = DELIVERED) -> LogRow:
    release_ns = 1_000 * order + 10_000
    departure_ns = release_ns + late_ns if outcome == DELIVERED else NEVER_NS
    return LogRow(link, order, order, 1_000 * order, 1_500, 0, release_ns, departure_ns, outcome)


def test_quantiles_are_those_of_all_values_within_a_bin(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    late_ns = [np.exp(rng.normal(9 + link, 2, 30_000)).astype(np.int64) for link in range(3)]
    rows = [row(link, 3 * i + link, int(late_ns[link][i])) for i in range(30_000) for link in range(3)]
    found = lateness(write(tmp_path / "log.parquet", rows))
    assert list(found.links) == [0, 1, 2]
    for own, values in [(found.overall, np.concatenate(late_ns)), *zip(found.links.values(), late_ns, strict=True)]:
        median_ns, p99_ns = np.quantile(values, [0.5, 0.99], method="inverted_cdf")
        assert (own.packets, own.early, own.max_ns) == (len(values), 0, values.max())
        assert median_ns <= own.median_ns <= median_ns * (1 + 1 / 128)
        assert p99_ns <= own.p99_ns <= p99_ns * (1 + 1 / 128)


def test_only_delivered_packets_can_be_late_and_early_ones_are_counted(tmp_path: Path) -> None:
    rows = [row(4, 0, 100), row(4, 1, 0, LOST), row(4, 2, 0, UNFINISHED), row(4, 3, -5), row(2, 4, 0, LOST)]
    found = lateness(write(tmp_path / "log.parquet", rows))
    assert found.links == {4: Lateness(2, 1, 0, 100, 100)}
    assert found.overall == found.links[4]


def test_nothing_delivered_is_no_lateness(tmp_path: Path) -> None:
    found = lateness(write(tmp_path / "log.parquet", [row(0, 0, 0, LOST)]))
    assert found == (Lateness(0, 0, 0, 0, 0), {})


def test_bins_follow_each_other_without_a_gap() -> None:
    tops = [top_of(place) for place in range(BINS)]
    assert tops[:260] == [*range(256), 257, 259, 261, 263]
    assert bin_of(np.array(tops)).tolist() == list(range(BINS))
    assert bin_of(np.array(tops[:-1]) + 1).tolist() == list(range(1, BINS))
    assert tops[-1] == pytest.approx(2**53, rel=1e-9)
