"""Replay agrees with `Link` and `Cell` on random runs, and finds a single packet that was treated otherwise."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.realtime.packet_log import DELIVERED, FULL, LOST, NEVER_NS, PACKETS, REFUSED, UNFINISHED
from emulator.realtime.verification.conformance import Agreement, replay
from emulator.realtime.verification.log_reader import LOGGED_PACKET, in_order
from emulator.system import CellSpec, LinkSpec
from emulator.trace import constant
from tests.emulator.cell.test_cell import CellCase, cell_cases
from tests.emulator.realtime.logs import Arrival, LogRow, relayed, write
from tests.emulator.strategies import nothing, offers, slots, specs

FOREVER_NS = 2**63 - 1
SEED = 7


def agreement(
    links: Sequence[LinkSpec], cells: Mapping[str, CellSpec], rows: Sequence[LogRow], seed: int = SEED
) -> Agreement:
    with TemporaryDirectory() as folder:
        return replay(links, cells, seed, FOREVER_NS, write(Path(folder) / "log.parquet", rows, 5))


def merged(*arrivals: list[Arrival]) -> list[Arrival]:
    return sorted((arrival for each in arrivals for arrival in each), key=lambda arrival: arrival.now_ns)


@st.composite
def plain_cases(draw: st.DrawFn) -> tuple[list[LinkSpec], int, list[Arrival], int]:
    """Some links that share no cell, packets in order of time, and the end of the run."""
    links = draw(st.lists(specs(), min_size=1, max_size=3))
    arrivals = merged(
        *(
            [Arrival(place, each.now_ns, each.size_bytes) for each in draw(offers(spec.trace.slot_ns))]
            for place, spec in enumerate(links)
        )
    )
    end_ns = max(arrival.now_ns for arrival in arrivals) + draw(st.integers(0, 500_000_000))
    return links, draw(st.integers(0, 2**32)), arrivals, end_ns


@settings(max_examples=60)
@given(plain_cases())
def test_runs_over_links_agree(case: tuple[list[LinkSpec], int, list[Arrival], int]) -> None:
    links, seed, arrivals, end_ns = case
    found = agreement(links, {}, relayed(links, {}, seed, arrivals, end_ns), seed)
    assert found == Agreement(len(arrivals), 0, 0, 0, 0, "")


@settings(max_examples=60)
@given(cell_cases(), st.integers(0, 500))
def test_runs_over_a_cell_agree(case: CellCase, more_slots: int) -> None:
    """With a link in no cell whose packets arrive at the same times."""
    spec, links, seed, offered = case
    arrivals = [Arrival(offer.link, offer.message.now_ns, offer.message.size_bytes) for offer in offered]
    alone = LinkSpec("gnb", "cloud", constant(8_000_000), delay_ns=1_000)
    arrivals = merged(arrivals, [arrival._replace(link=len(links)) for arrival in arrivals])
    end_ns = arrivals[-1].now_ns + more_slots * links[0].trace.slot_ns if arrivals else 0
    rows = relayed([*links, alone], {"cell": spec}, seed, arrivals, end_ns)
    if rows:
        assert agreement([*links, alone], {"cell": spec}, rows, seed).first == ""


def test_links_of_two_cells_meet_in_the_order_of_arrival() -> None:
    """At the same nanosecond; the first to arrive gets the group."""
    trace = slots(80, 80, 80, 0, slot_ns=1_000, release="slot")
    links = [LinkSpec(f"ue{i}", "gnb", trace, cell=f"cell{i % 2}") for i in range(6)]
    cells = {"cell0": CellSpec("rr", 2), "cell1": CellSpec("pf", 3, 4)}
    rng = np.random.default_rng(1)
    times_ns = np.repeat(np.sort(rng.integers(0, 2_000_000, 400)), 5)
    arrivals = [Arrival(int(rng.integers(6)), int(at_ns), int(rng.integers(1, 30))) for at_ns in times_ns]
    rows = relayed(links, cells, SEED, arrivals, 1_500_000)
    assert {row.outcome for row in rows} == {DELIVERED, UNFINISHED}
    assert agreement(links, cells, rows) == Agreement(2_000, 0, 0, 0, 0, "")


# One of each kind: full, lost in UM, delayed by HARQ, out of coverage, in a cell.
HARQ = slots(4_000, 4_000, 0, slot_ns=500_000, release="slot", harq_delay_ns=[0, 4_000_000, 0])
KINDS = [
    LinkSpec("a", "b", constant(8_000_000), delay_ns=5_000_000, queue_bytes=6_000),
    LinkSpec("c", "d", constant(80_000_000), bearer="um", loss=0.2),
    LinkSpec("e", "f", HARQ, retransmission_ns=1_000),
    LinkSpec("g", "h", nothing(HARQ)),
    LinkSpec("i", "gnb", HARQ, cell="cell"),
    LinkSpec("j", "gnb", HARQ, cell="cell", bearer="um", loss=0.1),
]
CELLS = {"cell": CellSpec("pf", 4, 20)}


def logged() -> list[LogRow]:
    rng = np.random.default_rng(2)
    times_ns = np.sort(rng.integers(0, 400_000_000, 3_000)).tolist()
    arrivals = [
        Arrival(int(rng.integers(6)), at_ns, int(rng.integers(40, 1_500)), rng.random() < 0.3) for at_ns in times_ns
    ]
    return relayed(KINDS, CELLS, SEED, arrivals, 390_000_000)


def place_of(rows: list[LogRow], outcome: int, link: int) -> int:
    """The place of such a row in the middle of the run."""
    found = [place for place, row in enumerate(rows) if (row.outcome, row.link) == (outcome, link)]
    return found[len(found) // 2]


def test_all_kinds_agree() -> None:
    rows = logged()
    assert {row.outcome for row in rows} == {0, 1, 2, 3, 4}
    assert agreement(KINDS, CELLS, rows) == Agreement(3_000, 0, 0, 0, 0, "")


def test_a_refused_packet_agrees_if_it_was_released_by_the_schedule() -> None:
    rows = logged()
    place = place_of(rows, DELIVERED, 0)
    rows[place] = rows[place]._replace(outcome=REFUSED, departure_ns=NEVER_NS)
    assert agreement(KINDS, CELLS, rows).complete
    rows[place] = rows[place]._replace(release_ns=rows[place].release_ns + 1)
    assert agreement(KINDS, CELLS, rows).different_times == 1
    lost = place_of(rows, LOST, 1)
    rows[lost] = rows[lost]._replace(outcome=REFUSED)
    assert agreement(KINDS, CELLS, rows).different_drops == 1


DELIVERED_INSTEAD = {"outcome": DELIVERED, "start_ns": 5, "release_ns": 6, "departure_ns": 7}
DROPPED_INSTEAD = {"outcome": FULL, "start_ns": NEVER_NS, "release_ns": NEVER_NS, "departure_ns": NEVER_NS}


@pytest.mark.parametrize(
    ("outcome", "link", "instead"),
    [
        (FULL, 0, DELIVERED_INSTEAD),
        (DELIVERED, 0, DROPPED_INSTEAD),
        (DELIVERED, 4, DROPPED_INSTEAD),
        (LOST, 1, {"outcome": DELIVERED}),
        (LOST, 5, {"outcome": DELIVERED}),
        (DELIVERED, 5, {"outcome": LOST}),
        (DELIVERED, 2, {"outcome": UNFINISHED}),
    ],
)
def test_a_changed_drop_is_found(outcome: int, link: int, instead: dict[str, int]) -> None:
    rows = logged()
    place = place_of(rows, outcome, link)
    rows[place] = rows[place]._replace(**instead)
    found = agreement(KINDS, CELLS, rows)
    assert found.different_drops >= 1
    assert not found.complete
    if instead["outcome"] != UNFINISHED:  # whose row is the one before those that differ
        assert (found.different_drops, found.different_times) == (1, 0)
        assert found.first.startswith(f"link {link} packet {rows[place].number}: logged")


@pytest.mark.parametrize("link", [0, 1, 2, 4, 5])
@pytest.mark.parametrize("column", ["start_ns", "release_ns"])
@pytest.mark.parametrize("shift_ns", [-1, 1, 1_000_000])
def test_a_shifted_time_is_found(link: int, column: str, shift_ns: int) -> None:
    rows = logged()
    place = place_of(rows, DELIVERED, link)
    rows[place] = rows[place]._replace(**{column: getattr(rows[place], column) + shift_ns})
    found = agreement(KINDS, CELLS, rows)
    assert (found.different_drops, found.different_times, found.worst_ns) == (0, 1, abs(shift_ns))


def test_an_arrival_that_was_stamped_late_is_found() -> None:
    rows = logged()
    place = next(place for place, row in enumerate(rows) if (row.link, row.number) == (0, 0))
    rows[place] = rows[place]._replace(arrival_ns=rows[place].arrival_ns + 1)
    assert agreement(KINDS, CELLS, rows).different_times > 0


def test_another_seed_loses_other_packets() -> None:
    assert agreement(KINDS, CELLS, logged(), SEED + 1).different_drops > 50


def test_a_missing_row_is_counted() -> None:
    rows = [row for row in logged() if row.order not in (100, 101, 2_000)]
    found = agreement(KINDS, CELLS, rows)
    assert (found.packets, found.missing, found.complete) == (2_997, 3, False)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda row: row._replace(link=6), "link: must be at least 0 and below 6"),
        (lambda row: row._replace(order=1_501), "order=1501: must come once"),
        (lambda row: row._replace(arrival_ns=0), "arrival_ns: must not decrease by `order`"),
        (lambda row: row._replace(size_bytes=0), "size_bytes=0: must be at least 1"),
    ],
)
def test_a_log_that_no_relay_writes_is_refused(change: Callable[[LogRow], LogRow], rule: str) -> None:
    rows = logged()
    place = [row.order for row in rows].index(1_500)
    rows[place] = change(rows[place])
    with pytest.raises(ValueError, match=rf"log.parquet: {rule}"):
        agreement(KINDS, CELLS, rows)


def test_a_limited_number_of_rows_waits_for_another(tmp_path: Path) -> None:
    """A missing row does not hold all later ones; a row that appears too late is refused."""
    rows = [LogRow(0, order, order, order, 40, 0, 0, 0, DELIVERED) for order in range(200_000)]
    without = write(tmp_path / "without.parquet", [*rows[:10], *rows[11:]])
    lengths = [len(some) for some in in_order(without, 70_000)]
    assert sum(lengths) == 199_999
    assert lengths[0] == 10
    assert max(lengths) < 150_000
    late = write(tmp_path / "late.parquet", [*rows[:10], *rows[11:], rows[10]])
    assert sum(len(some) for some in in_order(late, 200_000)) == 200_000
    with pytest.raises(ValueError, match="order=10: must come once"):
        list(in_order(late, 70_000))


def test_no_more_than_a_part_of_a_log_is_held(tmp_path: Path) -> None:
    """A million rows of noise, 50 MB that cannot be compressed."""
    rng = np.random.default_rng(1)
    count, groups = 50_000, 20
    with pq.ParquetWriter(tmp_path / "log.parquet", PACKETS) as writer:
        for first in range(0, count * groups, count):
            columns = {name: rng.integers(0, 2**62, count) for name in PACKETS.names}
            columns["order"] = np.arange(first, first + count)
            writer.write_table(pa.table([columns[name].astype(LOGGED_PACKET[name]) for name in PACKETS.names], PACKETS))
    before = pa.total_allocated_bytes()
    held = [pa.total_allocated_bytes() - before for _ in in_order(tmp_path / "log.parquet")]
    assert len(held) >= 15
    assert max(held) < 25_000_000


def test_a_file_that_is_no_log_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    path.write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"log.parquet: must be a log that a relay wrote"):
        list(in_order(path))
    with pytest.raises(FileNotFoundError):
        list(in_order(tmp_path / "none.parquet"))
