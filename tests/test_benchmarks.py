"""What `make bench` compares does the same work. Nothing here is timed against anything."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import j0

from benchmarks import cell, channel, tasks
from benchmarks.tasks import PEERS, airsplit, check_equal, peak_mib, speed_rows, workload, written
from emulator.channel.generate import generate
from emulator.channel.small_scale.delay_profile import tapped_delay_line
from emulator.core.randomness import generator
from emulator.core.units import NS_PER_S
from emulator.record import Records
from emulator.system import System


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


def test_the_channels_goodput_is_that_of_its_trace() -> None:
    way = channel.street(channel.SPEED_MPS, 2 * NS_PER_S)
    trace = generate(channel.radio(), way, 2 * NS_PER_S, 1, "ue1", "downlink")
    assert channel.goodput_bits(2, channel.SPEED_MPS) == trace.capacity_bits.sum() > 0


def test_the_channels_peer_makes_the_taps_of_the_same_delay_line() -> None:
    """Powers and autocorrelation J0 of each tap, over 300 sets of waves; errors from their spread."""
    rng = generator(1, "test", "waves")
    powers = tapped_delay_line("tdl-c", 100.0).powers
    shape = (len(powers), channel.SINUSOIDS)
    times_s = np.array([0.0, 0.001, 0.004, 0.02])
    shift_rad_s = 2 * np.pi * 97.0
    found = []
    for _ in range(300):
        turn, phase = shift_rad_s * np.cos(rng.uniform(0, 2 * np.pi, shape)), rng.uniform(0, 2 * np.pi, shape)
        taps = channel.impulse_response(np.sqrt(powers / channel.SINUSOIDS), turn, phase, times_s)
        found.append((taps * taps[:, :1].conj()).real)
    error = np.std(found, axis=0) / np.sqrt(len(found))
    np.testing.assert_array_less(
        np.abs(np.mean(found, axis=0) - np.outer(powers, j0(shift_rad_s * times_s))), 4.5 * error
    )
    assert channel.sum_of_sinusoids(1, 30.0) == pytest.approx(1, abs=0.5)


def test_rows_about_the_channel_say_what_was_measured_beside_what() -> None:
    rows = [channel.speed_row("", channel.SPEED_MPS, 1, 1), *channel.linear_rows(1, 1)]
    assert [row["name"] for row in rows] == [
        "channel_tdlc_realtime_factor",
        "channel_cost_by_ues",
        "channel_cost_by_duration",
    ]
    assert all(list(row) == ["name", "value", "unit", "peer", "peer_value", "ratio"] for row in rows)
    assert channel.peak_mib(1) > 50


def test_the_cell_and_its_peer_deliver_the_same_messages() -> None:
    capacities = cell.busy_capacities(1_500)
    cell.check_equal(capacities)
    assert len(cell.through_the_cell(capacities)[1]) > 500
