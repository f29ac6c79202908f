"""The SimPy engine, which defines the simulation, and the compiled engine record the same."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.policy import EngineName
from emulator.record import Records, records_sha256
from emulator.simulation import Simulation
from emulator.simulation.simpy_engine import Events, SimpyEngine, UserProcess
from emulator.system import System
from emulator.task import parse
from emulator.trace import Trace, constant
from emulator.workload import Recorded, Stream
from tests.emulator.simulation.test_stored_digests import STORED
from tests.emulator.stored_systems import COUNT, STORED_COLUMNS, stored_case
from tests.emulator.systems import IMAGE, Fixed, Outcome, offered, pairs, split_at_two, with_stream

BYTE_NS = 1_000  # of a link of 8 Mbit/s


def digest(system: System, policy: Any, compute: Any, engine: EngineName, folder: Path) -> str:
    with Records(folder) as records:
        Simulation(system, compute, engine).run(policy, "stored", records)
    return records_sha256([folder / "tasks.parquet", folder / "stages.parquet"], STORED_COLUMNS)


@pytest.mark.parametrize("number", range(COUNT))
def test_the_simpy_engine_records_what_is_stored_of_the_compiled_one(number: int, tmp_path: Path) -> None:
    system, policy, compute = stored_case(number)
    assert digest(system, policy, compute, "simpy", tmp_path) == STORED[str(number)]


@pytest.mark.parametrize("number", [0, 3, 4, 5, 11, 13])
def test_totals_of_both_engines_are_equal(number: int, tmp_path: Path) -> None:
    totals = []
    for engine in ("compiled", "simpy"):
        system, policy, compute = stored_case(number)
        with Records(tmp_path) as records:
            totals.append(Simulation(system, compute, engine).run(policy, "x", records))
    assert totals[0] == totals[1]


def test_a_process_that_does_nothing_changes_no_row(tmp_path: Path) -> None:
    """But their order: rows are then written when tasks end, not when their end is known."""

    def idle(engine: SimpyEngine) -> Events:
        yield engine.env.timeout(NS_PER_S)

    system = pairs(2)
    rows = []
    for number, processes in enumerate(((), (idle,))):
        folder = tmp_path / str(number)
        folder.mkdir()
        with Records(folder) as records:
            Simulation(system, processes=processes).run(split_at_two(system), "x", records)
        rows.append(sorted(map(str, read(folder).tasks)))
    assert rows[0] == rows[1]


def test_the_compiled_engine_takes_no_processes() -> None:
    def idle(engine: SimpyEngine) -> Events:
        yield engine.env.timeout(1)

    with pytest.raises(ValueError, match="engine=compiled: must be simpy"):
        Simulation(pairs(1), engine="compiled", processes=[idle])


def read(folder: Path) -> Outcome:
    import pyarrow.parquet as pq

    tasks, stages = (pq.read_table(folder / f"{name}.parquet").to_pylist() for name in ("tasks", "stages"))
    return Outcome(None, tasks, stages)  # type: ignore[arg-type]


def run_alone(
    process: UserProcess, folder: Path, arrivals: tuple[int, ...] = (0,), **changes: Any
) -> list[dict[str, Any]]:
    """Images of 8000 bytes that one UE sends to its server over a link of 8 Mbit/s: 8 ms each; 40 bytes back."""
    system = with_stream(pairs(1), Stream("ue1", IMAGE, Recorded(arrivals)))
    links = tuple(replace(link, trace=constant(8e6), delay_ns=0) for link in system.links)
    system = replace(system, links=links, **changes)
    with Records(folder) as records:
        Simulation(system, processes=[process]).run(Fixed({("ue1", "image"): parse("edge1:0-5")}), "x", records)
    return read(folder).tasks


def test_a_users_process_may_change_the_rate_of_a_link(tmp_path: Path) -> None:
    """A quarter of the rate from 20 ms on: the earlier task keeps its times, the later one takes four times as long."""

    def slow_down(engine: SimpyEngine) -> Events:
        yield engine.env.timeout(20 * NS_PER_MS)
        engine.set_rate(engine.network.links["ue1", "edge1"], 2e6)

    first, second = run_alone(slow_down, tmp_path, (0, 30 * NS_PER_MS))
    assert first["transfer_ns"] == (8_000 + 40) * BYTE_NS
    assert second["transfer_ns"] == (4 * 8_000 + 40) * BYTE_NS


def test_a_users_process_may_add_load(tmp_path: Path) -> None:
    """Half a message before the task on its link, and a partition before it on its device."""

    def add_load(engine: SimpyEngine) -> Events:
        assert engine.send(engine.network.links["ue1", "edge1"], 4_000)
        engine.network.devices["edge1"].submit(engine.env.now, "convnet", 0, 1, 100 * NS_PER_MS)
        yield engine.env.timeout(1)

    (row,) = run_alone(add_load, tmp_path, (1,))
    assert row["link_waiting_ns"] == 4_000 * BYTE_NS - 1
    assert row["waiting_ns"] == 100 * NS_PER_MS - (12_000 * BYTE_NS)


@pytest.mark.parametrize(("on_failure", "outcome"), [("wait", "missed"), ("fail", "failed"), ("retry", "failed")])
def test_a_users_process_may_fail_and_restore_a_link(on_failure: str, outcome: str, tmp_path: Path) -> None:
    """The link is down from 3 to 200 ms, in the middle of the message: it is lost, and sent again at 200 ms."""

    def outage(engine: SimpyEngine) -> Events:
        link = engine.network.links["ue1", "edge1"]
        yield engine.env.timeout(3 * NS_PER_MS)
        engine.fail(link)
        yield engine.env.timeout(197 * NS_PER_MS)
        engine.restore(link)

    (row,) = run_alone(outage, tmp_path, on_failure=on_failure)
    assert row["outcome"] == outcome
    if on_failure == "wait":
        assert row["transfer_ns"] == 200 * NS_PER_MS + (8_000 + 40) * BYTE_NS
        assert row["link_waiting_ns"] == 200 * NS_PER_MS
    else:  # `pairs` has candidates at the UE, but this policy insists on the server
        assert (row["reason"], row["sojourn_ns"]) == ("link down", 3 * NS_PER_MS)


@pytest.mark.parametrize(("on_failure", "outcome"), [("wait", "done"), ("fail", "failed"), ("retry", "done")])
def test_a_resource_that_fails_and_is_restored_at_one_instant_loses_what_is_in_it(
    on_failure: str, outcome: str, tmp_path: Path
) -> None:
    """The link at 3 ms: the message is sent again. The device at 12 ms, twice: the partition is computed again."""

    def blink(engine: SimpyEngine) -> Events:
        link, device = engine.network.links["ue1", "edge1"], engine.network.devices["edge1"]
        for after_ms, resource in ((3, link), (9, device)):
            yield engine.env.timeout(after_ms * NS_PER_MS)
            engine.fail(resource)
            engine.fail(resource)
            engine.restore(resource)
            engine.fail(resource)
            engine.restore(resource)

    (row,) = run_alone(blink, tmp_path, on_failure=on_failure)
    assert row["outcome"] == outcome
    if on_failure == "wait":
        assert (row["transfer_ns"], row["waiting_ns"]) == (3 * NS_PER_MS + 8_040 * BYTE_NS, NS_PER_MS)


@pytest.mark.parametrize("place", ["link", "node"])
def test_a_task_that_nothing_restores_fails_with_the_reason(place: str, tmp_path: Path) -> None:
    def end(engine: SimpyEngine) -> Events:
        yield engine.env.timeout(3 * NS_PER_MS)
        network = engine.network
        engine.fail(network.links["ue1", "edge1"] if place == "link" else network.devices["edge1"])

    rows = run_alone(end, tmp_path, (0, 1))
    assert [(row["outcome"], row["reason"]) for row in rows] == [
        ("failed", f"{place.replace('device', 'node')} down")
    ] * 2


def test_a_process_without_an_end_stops_with_the_last_task(tmp_path: Path) -> None:
    beats = []

    def heart(engine: SimpyEngine) -> Events:
        while True:
            beats.append(engine.env.now)
            yield engine.env.timeout(1e6)

    (row,) = run_alone(heart, tmp_path)
    assert beats == list(range(0, row["sojourn_ns"] + 1, NS_PER_MS))


def test_a_timeout_is_a_whole_number_of_nanoseconds(tmp_path: Path) -> None:
    def half(engine: SimpyEngine) -> Events:
        yield engine.env.timeout(0.5)

    with pytest.raises(ValueError, match=r"timeout\(0.5\): must be a whole number of nanoseconds"):
        run_alone(half, tmp_path)


def test_a_users_process_reaches_cells(tmp_path: Path) -> None:
    """A link in a cell fails and is restored, and load enters it: every task still has its row."""
    system, policy, _ = stored_case(3)

    def disturb(engine: SimpyEngine) -> Events:
        links = [link for link in engine.network.links.values() if link.spec.cell]
        rng = np.random.default_rng(1)
        for _ in range(20):
            yield engine.env.timeout(int(rng.integers(1, 40 * NS_PER_MS)))
            link = links[int(rng.integers(len(links)))]
            engine.send(link, 3_000)
            engine.fail(link)
            yield engine.env.timeout(int(rng.integers(1, 20 * NS_PER_MS)))
            engine.restore(link)

    with Records(tmp_path) as records:
        totals = Simulation(system, processes=[disturb]).run(policy, "x", records)
    assert totals.tasks == len(offered(system))
    assert totals.little_error == 0


def test_a_link_keeps_its_rule_when_its_trace_changes() -> None:
    from emulator.link import Link

    system = pairs(1)
    link = Link.standalone(replace(system.links[0], trace=constant(8e6)), 1)
    with pytest.raises(ValueError, match="same rule"):
        link.set_trace(Trace(NS_PER_MS, {"capacity_bits": np.array([8])}, "slot"), 0)


def test_slots_of_a_new_trace_begin_after_those_that_are_used() -> None:
    """8 bits a slot of 10 ns; at 15 ns 80 bits a slot: what was accepted keeps its slots, the next follows."""
    from emulator.link import Link

    def slots(bits: int) -> Trace:
        return Trace(10, {"capacity_bits": np.array([bits])}, "slot")

    link = Link.standalone(replace(pairs(1).links[0], trace=slots(8), delay_ns=0), 1)
    first = link.enqueue(0, 3)
    link.set_trace(slots(80), 15)
    second = link.enqueue(16, 10)
    assert first is not None and second is not None
    assert (first.start_ns, first.release_ns) == (0, 30)
    assert (second.start_ns, second.release_ns) == (30, 40)
