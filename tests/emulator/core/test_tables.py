"""The tables of compiled code: queues and the event heap against Python's own, rows in groups, and full tables."""

import heapq
from collections import deque
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.event_heap import EVENT, pop, push
from emulator.core.fifo import (
    ENDS,
    ENTRY,
    Fifos,
    empty_fifos,
    has_passed,
    has_room,
    new_store,
    pop_entry,
    push_entry,
    remove_first,
)
from emulator.policy import Execution, Observation
from emulator.record import Records, records_sha256
from emulator.simulation import Simulation
from emulator.system import System
from emulator.task import Partition, Placement, Task, passes
from tests.emulator.systems import pairs, random_system, scatter, simulate, split_at_two

STEPS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.booleans()), max_size=60)


@given(steps=STEPS, room=st.integers(1, 9))
def test_queues_share_their_table_and_keep_their_order(steps: list[tuple[int, int, bool]], room: int) -> None:
    queues = Fifos(np.zeros(3, ENDS), np.zeros(room + 1, ENTRY), new_store())
    expected: list[deque[tuple[int, int]]] = [deque() for _ in range(3)]
    for number, (queue, at_ns, leaves) in enumerate(steps):
        if leaves and expected[queue]:
            passed = [has_passed(queues, queue, each) for each in range(10)]
            assert passed == [expected[queue][0][0] <= each for each in range(10)]
            assert pop_entry(queues, queue) == expected[queue].popleft()[1]
        elif has_room(queues.entries, queues.store[0]):
            push_entry(queues, queue, at_ns, number)
            expected[queue].append((at_ns, number))
        assert has_room(queues.entries, queues.store[0]) == (sum(map(len, expected)) < room)


def test_an_empty_queue_has_no_first_entry() -> None:
    queues = empty_fifos(1)
    assert not has_passed(queues, 0, 2**63 - 1)
    assert remove_first(queues.entries, queues.ends[0]) == 0


@given(times=st.lists(st.one_of(st.integers(0, 5), st.none()), max_size=80))
def test_the_event_heap_gives_the_earliest_and_of_equal_ones_the_first_scheduled(times: list[int | None]) -> None:
    events = np.zeros(80, EVENT)
    expected: list[tuple[int, int, int]] = []
    for order, at_ns in enumerate(times):
        if at_ns is not None:
            push(events, len(expected), at_ns, order, order)
            heapq.heappush(expected, (at_ns, order, order))
        elif expected:
            assert pop(events, len(expected)) == heapq.heappop(expected)


class Measured:
    """A `Compute` that reports the same time for every visit to a device."""

    def execute(self, task: Task, placement: Placement) -> Execution:
        return Execution(
            [[1_000 * step + stage for stage in range(len(placement))] for step in range(len(passes(task)))], "measured"
        )


def rows_of(system: System, folder: Path, measured: bool) -> list[list[dict[str, object]]]:
    folder.mkdir()
    with Records(folder) as records:
        Simulation(system, Measured() if measured else None).run(scatter(system), "x", records)
    return [pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("tasks", "stages")]


@pytest.mark.parametrize("measured", [False, True])
def test_rows_are_written_in_groups_and_both_engines_make_the_same(
    measured: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    system = random_system(3)
    expected = rows_of(system, tmp_path / "roomy", measured)
    for module in ("record", "simulation.engine_state", "simulation.row_writer"):
        monkeypatch.setattr(f"emulator.{module}.ROW_GROUP_ROWS", 5)
    assert rows_of(system, tmp_path / "tight", measured) == expected
    assert len(expected[0]) > 50
    assert pq.ParquetFile(tmp_path / "tight" / "tasks.parquet").num_row_groups > 10
    with Records(tmp_path) as records:
        Simulation(system, Measured() if measured else None, "simpy").run(scatter(system), "x", records)
    digests = [
        records_sha256([folder / "tasks.parquet", folder / "stages.parquet"])
        for folder in (tmp_path, tmp_path / "tight")
    ]
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("simulation.engine_state.MAX_TASKS", "overload"),
        ("simulation.engine_state.MAX_TIMES", "overload"),
        ("core.fifo.ENTRIES", "link queue full"),
    ],
)
def test_a_full_table_is_an_overload_and_an_outcome(
    table: str, reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    system = random_system(3)
    monkeypatch.setattr(f"emulator.{table}", 3)
    tasks, _ = rows_of(system, tmp_path / "tight", measured=True)
    assert len(tasks) > 50
    assert reason in {row["reason"] for row in tasks}


class Interrupted:
    """Decides like another, until it breaks."""

    def __init__(self, system: System) -> None:
        self._decide = split_at_two(system).decide
        self._left = 20

    def decide(self, observation: Observation) -> Placement:
        self._left -= 1
        if not self._left:
            raise ZeroDivisionError
        return self._decide(observation)


def test_what_had_finished_before_a_policy_broke_is_written(tmp_path: Path) -> None:
    system = pairs(1)
    with pytest.raises(ZeroDivisionError), Records(tmp_path) as records:
        Simulation(system).run(Interrupted(system), "x", records)
    found = pq.read_table(tmp_path / "tasks.parquet").to_pylist()
    whole = simulate(system, split_at_two(system), tmp_path / "whole", "x").tasks
    assert 5 < len(found) < 20
    assert found == whole[: len(found)]


@pytest.mark.parametrize(
    ("placement", "rule"),
    [
        ((Partition("ue1", 0, 2), Partition("edge1", 3, 5)), "must start at layer 2"),
        ((Partition("gnb", 0, 5),), "a node that has a device"),
        ((Partition("edge2", 0, 5),), "must be reachable"),
    ],
)
def test_placements_that_cannot_be_are_refused(placement: Placement, rule: str, tmp_path: Path) -> None:
    class Wrong:
        def decide(self, _: Observation) -> Placement:
            return placement

    with pytest.raises(ValueError, match=rule):
        simulate(pairs(2), Wrong(), tmp_path)
