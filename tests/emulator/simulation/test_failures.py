"""Failures of nodes and links: both engines agree, tasks are conserved, and small cases end to the nanosecond as they
should."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.policy import Compute, EngineName, Execution, Observation, Totals
from emulator.record import Records, records_sha256
from emulator.simulation import Simulation
from emulator.simulation.failures import Transition, merged, outages_of, transitions
from emulator.system import Control, Cost, DeviceSpec, Failure, LayerTimes, LinkSpec, Node, OnFailure, System
from emulator.task import Placement, Task, parse
from emulator.trace import constant
from emulator.workload import Recorded, Stream
from tests.emulator.failing_systems import MODES, failing_case
from tests.emulator.systems import CONVNET, IMAGE, Fixed, Row, key_of, offered

ENGINES: tuple[EngineName, ...] = ("compiled", "simpy")
PARTS = ("waiting_ns", "load_ns", "service_ns", "transfer_ns")
LOAD_NS = 750_000  # of all of CONVNET's weights, 1 ns a byte


class FirstCandidate:
    """The first of the candidates."""

    def decide(self, observation: Observation) -> Placement:
        return observation.candidates[0]


class AlwaysFirstServer:
    """The first server, whatever the candidates are."""

    def decide(self, observation: Observation) -> Placement:
        return parse("edge1:0-5")


def run(
    folder: Path, engine: EngineName, system: System, policy: Any, compute: Compute | None = None
) -> tuple[Totals, list[Row], str]:
    """Return a run's totals, the rows of its tasks, and its digest."""
    with Records(folder) as records:
        totals = Simulation(system, compute, engine).run(policy, "tested", records)
    files = [folder / "tasks.parquet", folder / "stages.parquet"]
    return totals, pq.read_table(files[0]).to_pylist(), records_sha256(files)


def two_servers(
    *failures: Failure, on_failure: OnFailure = "wait", servers: Sequence[str] = ("edge1", "edge2")
) -> System:
    """A UE with a link of 8 Mbit/s and 1 ms to each of two servers that take 10 ms for each of five layers. Its one
    task, at time 0, sends 10 kB: it arrives after 11 ms, is served until 61 ms, and has its result of 1 kB at 63 ms."""
    times = LayerTimes((10 * NS_PER_MS,) * 5, (0,) * 5, (0,) * 5)
    server = DeviceSpec(1e9, 2**30, 1e9, 1e9, busy_power_w=100.0, measured={CONVNET.name: times})
    nodes = {"ue1": Node("ue1", "ue"), "edge1": Node("edge1", "edge", server), "edge2": Node("edge2", "edge", server)}
    links = [
        LinkSpec(*ends, constant(8e6), NS_PER_MS)
        for name in ("edge1", "edge2")
        for ends in (("ue1", name), (name, "ue1"))
    ]
    kind = replace(IMAGE, input_bytes=10_000, result_bytes=1_000, deadline_ns=NS_PER_S)
    return System(
        "two servers",
        1,
        NS_PER_S,
        nodes,
        tuple(links),
        (Stream("ue1", kind, Recorded((0,))),),
        {("ue1", kind.name): tuple(parse(f"{name}:0-5") for name in servers)},
        Control("ue1", 0, 50 * NS_PER_MS),
        Cost(10.0),
        failures=failures,
        on_failure=on_failure,
    )


class TakenMs:
    """A `Compute` whose hosts take the same times for every task, one for each partition."""

    def __init__(self, *times_ms: int) -> None:
        self._times_ns = [time_ms * NS_PER_MS for time_ms in times_ms]

    def execute(self, task: Task, placement: Placement) -> Execution:
        return Execution([self._times_ns], "measured", 1)


def linked(system: System) -> System:
    """The same with a link from each server to the other."""
    between = [LinkSpec(*ends, constant(8e6), NS_PER_MS) for ends in (("edge1", "edge2"), ("edge2", "edge1"))]
    return replace(system, links=(*system.links, *between))


def down(start_ms: float, stop_ms: float, **place: Any) -> Failure:
    return Failure(**place, outages=((round(start_ms * NS_PER_MS), round(stop_ms * NS_PER_MS)),))


def only_row(folder: Path, engine: EngineName, system: System, policy: Any = None) -> Row:
    """Return the row of the only task."""
    totals, (row,), _ = run(folder, engine, system, policy or FirstCandidate())
    assert totals.little_error == 0
    assert sum(row[part] for part in PARTS) == row["sojourn_ns"]
    return row


def in_ms(row: Row, *names: str) -> list[float]:
    return [row[f"{name}_ns"] / NS_PER_MS for name in names]


@pytest.mark.parametrize("number", range(63))  # each policy in each mode three times
def test_engines_agree_and_conserve_tasks(number: int, tmp_path: Path) -> None:
    system, _, _ = failing_case(number)
    found = []
    for engine in ENGINES:
        (tmp_path / engine).mkdir()
        found.append(run(tmp_path / engine, engine, *failing_case(number)))
    (totals, rows, digest), (same_totals, _, same_digest) = found
    assert digest == same_digest
    assert totals == same_totals
    assert totals.little_error == 0
    assert sorted(map(key_of, rows)) == sorted(offered(system))
    for row in rows:
        assert sum(row[part] for part in PARTS) == row["sojourn_ns"], row
        assert (row["outcome"] == "failed") == bool(row["reason"])
        assert row["reason"] not in ("link down", "node down") or system.on_failure != "wait"


def test_the_drawn_systems_meet_failures_of_all_kinds(tmp_path: Path) -> None:
    met: dict[OnFailure, Counter[str]] = {mode: Counter() for mode in MODES}
    for number in range(63):
        system, policy, compute = failing_case(number)
        without = replace(system, failures=())
        rows, other = (run(tmp_path, "compiled", each, policy, compute)[1] for each in (system, without))
        met[system.on_failure].update(row["reason"] for row in rows)
        met[system.on_failure]["again"] += sum(row["attempts"] > 2 for row in rows)  # a worker can cost one
        met[system.on_failure]["changed"] += sorted(rows, key=key_of) != sorted(other, key=key_of)
    assert all(met[mode]["changed"] > 10 for mode in MODES)
    assert met["retry"]["again"] > 10
    for mode in ("retry", "fail"):
        assert min(met[mode]["link down"], met[mode]["node down"]) > 0


@pytest.mark.parametrize("engine", ENGINES)
class TestToTheNanosecond:
    def test_without_a_failure_on_its_way(self, engine: EngineName, tmp_path: Path) -> None:
        row = only_row(tmp_path, engine, two_servers(down(0, 100, node="edge2"), down(63, 70, node="edge1")))
        assert in_ms(row, "sojourn", "transfer", "service") == [63, 13, 50]

    def test_message_on_a_failing_link_is_sent_again(self, engine: EngineName, tmp_path: Path) -> None:
        row = only_row(tmp_path, engine, two_servers(down(5, 20, link=("ue1", "edge1"))))
        assert in_ms(row, "sojourn", "transfer", "link_waiting", "waiting") == [83, 33, 20, 0]
        assert (row["outcome"], row["attempts"]) == ("done", 1)

    def test_a_failure_hits_both_directions(self, engine: EngineName, tmp_path: Path) -> None:
        row = only_row(tmp_path, engine, two_servers(down(61.5, 70, link=("edge1", "ue1"))))
        assert in_ms(row, "sojourn", "link_waiting") == [72, 9]
        row = only_row(tmp_path, engine, two_servers(down(61.5, 70, link=("ue1", "edge1"))))
        assert in_ms(row, "sojourn", "link_waiting") == [72, 9]

    def test_message_is_lost_until_its_last_bit_is_sent(self, engine: EngineName, tmp_path: Path) -> None:
        before = replace(down(0, 0, link=("ue1", "edge1")), outages=((10 * NS_PER_MS - 1, 12 * NS_PER_MS),))
        assert in_ms(only_row(tmp_path, engine, two_servers(before)), "sojourn") == [75]
        after = down(10, 12, link=("ue1", "edge1"))
        assert in_ms(only_row(tmp_path, engine, two_servers(after)), "sojourn") == [63]

    def test_message_waits_for_a_link_that_is_down(self, engine: EngineName, tmp_path: Path) -> None:
        row = only_row(tmp_path, engine, two_servers(down(0, 7, link=("ue1", "edge1"))))
        assert in_ms(row, "sojourn", "link_waiting") == [70, 7]

    def test_partition_is_computed_again_with_its_weights_loaded_again(
        self, engine: EngineName, tmp_path: Path
    ) -> None:
        system = two_servers(down(30, 40, node="edge1"))
        totals, (row,), _ = run(tmp_path, engine, system, FirstCandidate())
        assert row["load_ns"] == LOAD_NS
        assert in_ms(row, "sojourn", "waiting", "service", "transfer") == [92.75, 29, 50, 13]
        assert totals.device_energy_j["edge1"] == pytest.approx(100 * (0.019 + 0.050_75), rel=1e-12)
        assert totals.little_error == 0

    def test_partition_computed_again_takes_the_measured_time_of_its_own_visit(
        self, engine: EngineName, tmp_path: Path
    ) -> None:
        """Two visits of 20 and 30 ms, from 11 and 32 ms on; the first is repeated from 25 ms on, the second not."""
        split = {("ue1", IMAGE.name): parse("edge1:0-2|edge2:2-5")}
        system = linked(two_servers(down(15, 25, node="edge1")))
        _, (row,), _ = run(tmp_path, engine, system, Fixed(split), TakenMs(20, 30))
        assert in_ms(row, "service") == [50]
        stages = pq.read_table(tmp_path / "stages.parquet").to_pylist()
        assert [in_ms(stage, "service") for stage in stages[:2]] == [[20], [30]]

    def test_partition_done_at_the_instant_of_a_failure_is_done(self, engine: EngineName, tmp_path: Path) -> None:
        row = only_row(tmp_path, engine, two_servers(down(61, 70, node="edge1")))
        assert in_ms(row, "sojourn", "service", "link_waiting") == [72, 50, 9]  # the result waits for the node's link

    def test_fail_ends_the_task_at_the_failure(self, engine: EngineName, tmp_path: Path) -> None:
        system = two_servers(down(5, 20, link=("ue1", "edge1")), on_failure="fail")
        row = only_row(tmp_path, engine, system)
        assert (row["outcome"], row["reason"], in_ms(row, "sojourn", "transfer")) == ("failed", "link down", [5, 5])
        row = only_row(tmp_path, engine, two_servers(down(30, 40, node="edge1"), on_failure="fail"))
        assert (row["reason"], in_ms(row, "sojourn", "transfer", "waiting")) == ("node down", [30, 11, 19])
        row = only_row(tmp_path, engine, two_servers(down(0, 20, link=("ue1", "edge1")), on_failure="fail"))
        assert (row["reason"], row["sojourn_ns"]) == ("link down", 0)

    def test_retry_goes_to_the_other_server(self, engine: EngineName, tmp_path: Path) -> None:
        row = only_row(tmp_path, engine, two_servers(down(30, 400, node="edge1"), on_failure="retry"))
        assert (row["outcome"], row["placement"], row["attempts"]) == ("done", "edge2:0-5", 2)
        assert in_ms(row, "sojourn", "waiting", "transfer", "load") == [93, 30, 13, 0]

    def test_retry_can_meet_another_failure(self, engine: EngineName, tmp_path: Path) -> None:
        failures = down(30, 40, node="edge1"), down(60, 400, node="edge2")
        row = only_row(tmp_path, engine, two_servers(*failures, on_failure="retry"))
        assert (row["outcome"], row["placement"], row["attempts"]) == ("done", "edge1:0-5", 3)
        assert row["load_ns"] == LOAD_NS
        assert in_ms(row, "sojourn", "waiting") == [123.75, 60]

    def test_retry_without_a_candidate_that_is_up_fails(self, engine: EngineName, tmp_path: Path) -> None:
        failures = down(30, 400, node="edge1"), down(20, 400, link=("edge2", "ue1"))
        row = only_row(tmp_path, engine, two_servers(*failures, on_failure="retry"))
        assert (row["reason"], row["attempts"], in_ms(row, "sojourn")) == ("node down", 1, [30])

    def test_retry_of_a_policy_that_insists_on_a_place_that_is_down_fails(
        self, engine: EngineName, tmp_path: Path
    ) -> None:
        system = two_servers(down(5, 400, link=("edge1", "ue1")), on_failure="retry")
        row = only_row(tmp_path, engine, system, AlwaysFirstServer())
        assert (row["reason"], in_ms(row, "sojourn")) == ("link down", [5])

    def test_tasks_are_served_in_order_after_the_restoration(self, engine: EngineName, tmp_path: Path) -> None:
        system = two_servers(down(5, 50, link=("ue1", "edge1")))
        arrivals = Recorded(tuple(number * NS_PER_MS for number in range(10)))
        system = replace(system, streams=(replace(system.streams[0], arrivals=arrivals),))
        _, rows, _ = run(tmp_path, engine, system, FirstCandidate())
        assert [row["task"] for row in rows] == list(range(10))
        assert [row["arrival_ns"] + row["sojourn_ns"] for row in rows] == [
            (50 + 11 + 50 * (number + 1) + 2) * NS_PER_MS for number in range(10)
        ]

    def test_failures_after_the_last_task_change_nothing(self, engine: EngineName, tmp_path: Path) -> None:
        late = replace(two_servers(), failures=(down(10_000, 20_000, node="edge1"),))
        never = replace(two_servers(), failures=(Failure("edge1", up_ns=2**60, down_ns=NS_PER_MS),))
        digests = [run(tmp_path, engine, system, FirstCandidate())[2] for system in (two_servers(), late, never)]
        assert len(set(digests)) == 1


def test_mean_times_up_and_down() -> None:
    failure = Failure(node="edge1", up_ns=28 * NS_PER_S, down_ns=2 * NS_PER_S)
    outages = np.array(list(outages_of(failure, 5, 100_000 * NS_PER_S)))
    up_ns, down_ns = outages[1:, 0] - outages[:-1, 1], outages[:, 1] - outages[:, 0]
    for times_ns, mean_ns in ((up_ns, failure.up_ns), (down_ns, failure.down_ns)):
        error = 4 / len(times_ns) ** 0.5  # four standard errors of an exponential time's mean
        assert times_ns.mean() == pytest.approx(mean_ns, rel=error)
        assert times_ns.std() == pytest.approx(mean_ns, rel=2 * error)
    assert len(outages) == pytest.approx(100_000 / 30, rel=0.1)


def test_draws_belong_to_the_place_and_the_seed_alone() -> None:
    drawn = [
        Failure(node="edge1", up_ns=10**8, down_ns=10**7),
        Failure(link=("ue1", "edge2"), up_ns=10**8, down_ns=10**7),
    ]
    node, link = (list(outages_of(failure, 1, NS_PER_S)) for failure in drawn)
    assert node != link
    assert node != list(outages_of(drawn[0], 2, NS_PER_S))
    alone, both = (transitions(two_servers(*failures)) for failures in (drawn[:1], drawn))
    assert [change for change in both if change.devices] == alone
    longer = list(outages_of(drawn[0], 1, 3 * NS_PER_S))
    assert longer[: len(node)] == node


def test_overlapping_outages_are_one() -> None:
    assert merged([(5, 7), (1, 3), (2, 4), (4, 5), (9, 10)]) == [(1, 7), (9, 10)]
    system = two_servers(down(1, 3, node="edge1"), down(2, 5, link=("edge1", "ue1")))
    ms = NS_PER_MS
    assert transitions(system) == [
        Transition(1 * ms, True, (0, 1), ("edge1",)),
        Transition(3 * ms, False, (), ("edge1",)),
        Transition(5 * ms, False, (0, 1), ()),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_place_in_two_outages_is_down_until_the_later_one_ends(engine: EngineName, tmp_path: Path) -> None:
    row = only_row(tmp_path, engine, two_servers(down(5, 20, node="edge1"), down(10, 30, link=("ue1", "edge1"))))
    assert in_ms(row, "sojourn", "link_waiting", "load") == [93.75, 30, LOAD_NS / NS_PER_MS]


@pytest.mark.parametrize("engine", ENGINES)
def test_waiting_for_a_device_that_then_refuses_is_in_the_row(engine: EngineName, tmp_path: Path) -> None:
    """Two messages are sent by 20 ms and arrive after 25 and 35 ms at a server that is down from 22 to 40 ms and then
    has room for one."""
    system = two_servers(down(22, 40, node="edge1"))
    edge1 = system.nodes["edge1"]
    assert edge1.device is not None
    nodes = {**system.nodes, "edge1": replace(edge1, device=replace(edge1.device, queue_tasks=1))}
    links = tuple(replace(link, delay_ns=15 * NS_PER_MS) for link in system.links)
    streams = (replace(system.streams[0], arrivals=Recorded((0, 0))),)
    totals, rows, _ = run(
        tmp_path, engine, replace(system, nodes=nodes, links=links, streams=streams), FirstCandidate()
    )
    refused, served = sorted(rows, key=key_of)[::-1]
    assert (served["outcome"], in_ms(served, "waiting")) == ("done", [15])
    assert (refused["reason"], in_ms(refused, "sojourn", "transfer", "waiting")) == ("device queue full", [40, 35, 5])
    assert totals.little_error == 0


def test_field_tasks_that_wait_for_decades_add_up(tmp_path: Path) -> None:
    """Thirty tasks wait for 31 years, 10^18 ns: the sum of their times is more than 64 bits hold."""
    system = two_servers(down(0, 1e12, node="edge1"), servers=("edge1",))
    arrivals = Recorded(tuple(number * NS_PER_MS for number in range(30)))
    system = replace(system, streams=(replace(system.streams[0], arrivals=arrivals),))
    compiled, simpy = (run(tmp_path, engine, system, FirstCandidate())[0] for engine in ENGINES)
    assert compiled == simpy
    assert compiled.occupancy_mean == pytest.approx(30)
    assert compiled.little_error == 0
