"""What `make bench` compares does the same work. Nothing here is timed against anything."""

from collections.abc import Callable

import pytest

from benchmarks import tasks
from benchmarks.tasks import PEERS, airsplit, check_equal, peak_mib, speed_rows, workload, written
from emulator.record import Records
from emulator.system import System
from emulator.units import NS_PER_S


@pytest.mark.parametrize("clients", [1, 10, 30])
def test_the_simulation_and_its_peers_write_the_same_rows(clients: int) -> None:
    """At N = 1, 10 and 30 the servers' load is 0.02, 0.2 and 0.2: some tasks wait, none is the same."""
    check_equal(workload(clients, 600 // clients * NS_PER_S), [airsplit, *PEERS.values()])


@pytest.mark.parametrize("peer", PEERS.values())
def test_one_nanosecond_more_of_service_is_noticed(
    peer: Callable[[System, Records], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    system = workload(10, 20 * NS_PER_S)
    monkeypatch.setattr(tasks, "SERVICE_NS", tasks.SERVICE_NS + 1)
    with pytest.raises(AssertionError, match="service_ns"):
        check_equal(system, [airsplit, peer])


def test_tasks_queue_at_links_and_servers_in_the_compared_workload() -> None:
    _, rows = written(airsplit, workload(10, 60 * NS_PER_S))
    assert sum(wait > 0 for wait in rows["waiting_ns"].to_pylist()) > 20
    assert sum(wait > 0 for wait in rows["link_waiting_ns"].to_pylist()) > 20


def test_rows_say_what_was_measured_beside_what() -> None:
    rows = speed_rows(10, 200, 1)
    assert [row["name"] for row in rows] == ["sim_tasks_per_s_n10", "sim_tasks_per_s_n10_heapq"]
    assert all(list(row) == ["name", "value", "unit", "peer", "peer_value", "ratio"] for row in rows)
    assert all(isinstance(row[name], int | float) for row in rows for name in ("value", "peer_value", "ratio"))


def test_the_most_memory_held_is_that_of_this_process() -> None:
    assert peak_mib(10, 100) > 50
