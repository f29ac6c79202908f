"""The tables that compiled code works on: queues and calendars against Python's own, and room that grows in a run."""

import heapq
from collections import deque
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.core.event_heap import APPOINTMENT, add, take
from emulator.core.fifo import append, empty_queues, has_passed, pop, unused, with_more_room
from emulator.policy import Execution, Observation
from emulator.record import Records
from emulator.simulation import Simulation
from emulator.system import System
from emulator.task import Partition, Placement, Task, passes
from tests.emulator.systems import pairs, random_system, scatter, simulate, split_at_two

STEPS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.booleans()), max_size=60)


@given(steps=STEPS, room=st.integers(1, 9))
def test_queues_share_their_room_and_keep_their_order(steps: list[tuple[int, int, bool]], room: int) -> None:
    queues = with_more_room(empty_queues(3)._replace(entries=np.zeros(1, empty_queues(1).entries.dtype)), room)
    expected: list[deque[tuple[int, int]]] = [deque() for _ in range(3)]
    for number, (queue, at_ns, leaves) in enumerate(steps):
        if leaves and expected[queue]:
            passed = [has_passed(queues, queue, each) for each in range(10)]
            assert passed == [expected[queue][0][0] <= each for each in range(10)]
            assert pop(queues, queue) == expected[queue].popleft()[1]
        elif unused(queues):
            append(queues, queue, at_ns, number)
            expected[queue].append((at_ns, number))
        else:
            queues = with_more_room(queues, room)
        assert unused(queues) == len(queues.entries) - 1 - sum(map(len, expected))


def test_an_empty_queue_has_nothing_that_passed() -> None:
    assert not has_passed(empty_queues(1), 0, 2**63 - 1)


@given(times=st.lists(st.one_of(st.integers(0, 5), st.none()), max_size=80))
def test_a_calendar_gives_the_earliest_and_of_equal_ones_the_first_scheduled(times: list[int | None]) -> None:
    calendar = np.zeros(80, APPOINTMENT)
    expected: list[tuple[int, int]] = []
    for order, at_ns in enumerate(times):
        if at_ns is not None:
            add(calendar, len(expected), at_ns, order, order)
            heapq.heappush(expected, (at_ns, order))
        elif expected:
            assert take(calendar, len(expected)) == heapq.heappop(expected)


class Measured:
    """Says of every visit to a device that it took so many nanoseconds."""

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
def test_tables_that_start_tiny_grow_and_give_the_same_rows(
    measured: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Flights, queues, announced departures, rows to write: each starts with room for one or two."""
    system = random_system(3)
    expected = rows_of(system, tmp_path / "roomy", measured)
    monkeypatch.setattr("emulator.simulation.engine.FLIGHTS", 1)
    monkeypatch.setattr("emulator.simulation.engine.ROW_GROUP_ROWS", 5)
    monkeypatch.setattr("emulator.core.fifo.ROOM", 2)
    monkeypatch.setattr("emulator.simulation.occupancy.ROOM", 1)
    assert rows_of(system, tmp_path / "tight", measured) == expected
    assert len(expected[0]) > 50
    assert pq.ParquetFile(tmp_path / "tight" / "tasks.parquet").num_row_groups > 10


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
