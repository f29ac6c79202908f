"""What every run owes: each task once, its time accounted to the nanosecond, Little's law, energy by power,
and rows equal to those of a run written a second time."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emulator.core.units import NS_PER_MS
from emulator.policy import Observation
from emulator.record import RowWriter
from emulator.simulation.network import Network
from emulator.system import Control, System
from emulator.task import Partition, Placement, check_placement, describe, parse, passes
from emulator.workload import Poisson, Stream
from tests.emulator.reference_run import ReferenceRun
from tests.emulator.systems import (
    IMAGE,
    Outcome,
    judged,
    key_of,
    offered,
    pairs,
    random_system,
    result_bytes,
    scatter,
    simulate,
    split_at_two,
    stages_of,
    tied_system,
    with_stream,
)

SEEDS = range(40)
PARTS = ("waiting_ns", "load_ns", "service_ns", "transfer_ns")

Runs = Callable[[int], tuple[System, Outcome]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Random systems under scattered placements, each run once for all tests; half of them know what losses cost."""

    @cache
    def run(seed: int) -> tuple[System, Outcome]:
        system = random_system(seed)
        system = judged(system, seed) if seed % 2 else system
        return system, simulate(system, scatter(system), tmp_path_factory.mktemp("run"))

    return run


@pytest.mark.parametrize("seed", SEEDS)
def test_every_offered_task_has_exactly_one_row(seed: int, runs: Runs) -> None:
    system, outcome = runs(seed)
    policy = scatter(system)
    tasks = offered(system)
    assert Counter(map(key_of, outcome.tasks)) == Counter(tasks.keys())
    assert outcome.totals.tasks == len(tasks)
    for row in outcome.tasks:
        task = tasks[key_of(row)]
        assert row["arrival_ns"] == task.arrival_ns
        assert row["placement"] == describe(policy.place(task))
        assert (row["policy"], row["attempts"], row["compute"]) == ("tested", 1, "modelled")


@pytest.mark.parametrize("seed", SEEDS)
def test_parts_add_up_to_the_sojourn_and_stages_to_their_task(seed: int, runs: Runs) -> None:
    _, outcome = runs(seed)
    stages = stages_of(outcome)
    for row in outcome.tasks:
        own = stages.pop(key_of(row))
        assert sum(row[part] for part in PARTS) == row["sojourn_ns"]
        for part in (*PARTS, "link_waiting_ns"):
            assert row[part] == sum(stage[part] for stage in own)
            assert all(stage[part] >= 0 for stage in own)
        assert 0 <= row["link_waiting_ns"] <= row["transfer_ns"]
        assert row["energy_j"] == pytest.approx(sum(stage["energy_j"] for stage in own))
        assert row["erased_fraction"] == pytest.approx(1 - prod(1 - stage["erased_fraction"] for stage in own))
        losses = [stage["quality_loss"] for stage in own]
        assert row["quality_loss"] == (None if None in losses else pytest.approx(sum(losses)))
    assert not stages


@pytest.mark.parametrize("seed", SEEDS)
def test_stages_are_the_placements_partitions_and_the_way_home(seed: int, runs: Runs) -> None:
    """A done task has them all; its services are the profile's."""
    system, outcome = runs(seed)
    devices, tasks = Network(system).devices, offered(system)
    stages = stages_of(outcome)
    for row in outcome.tasks:
        task, placement = tasks[key_of(row)], parse(row["placement"])
        own = stages[key_of(row)]
        layers = len(task.kind.model.layers)
        home = [Partition(task.source, layers, layers)] if placement[-1].node != task.source else []
        partitions = [
            Partition(stage["node"], stage["first_layer"], stage["stop_layer"], stage["codec"]) for stage in own
        ]
        resolved = [part._replace(codec=task.kind.codec_of(part)) for part in placement]
        assert [stage["stage"] for stage in own] == list(range(len(own)))
        assert partitions == [*resolved, *home][: len(partitions)]
        if row["outcome"] != "failed":
            assert [part for part in partitions if part.first < part.stop] == resolved
            assert len(partitions) == len(placement) + len(home)
            for stage, (node, first, stop, _) in zip(own, placement, strict=False):
                model = task.kind.model.name
                expected = sum(devices[node].service_ns(model, first, stop, *each) for each in passes(task))
                assert stage["service_ns"] == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_littles_law_holds_for_the_number_of_tasks_over_time(seed: int, runs: Runs) -> None:
    """Arrivals times the mean recorded sojourn is the area under the number of tasks inside, exactly."""
    _, outcome = runs(seed)
    totals = outcome.totals
    assert totals.little_error == 0
    assert totals.occupancy_mean * totals.elapsed_ns == pytest.approx(area_ns(outcome), rel=1e-12)
    ends = [row["arrival_ns"] + row["sojourn_ns"] for row in outcome.tasks]
    assert totals.elapsed_ns == max([*ends, *(row["arrival_ns"] for row in outcome.tasks)])
    assert totals.occupancy_mean <= max(inside_at_arrivals(outcome))


def area_ns(outcome: Outcome) -> int:
    """The area under the number of tasks in the system, from their arrivals and ends alone."""
    changes = [(row["arrival_ns"], 1) for row in outcome.tasks]
    changes += [(row["arrival_ns"] + row["sojourn_ns"], -1) for row in outcome.tasks]
    area = inside = last_ns = 0
    for now_ns, change in sorted(changes):
        area += inside * (now_ns - last_ns)
        inside, last_ns = inside + change, now_ns
    return area


def written_area_ns(outcome: Outcome) -> int:
    return sum(row["sojourn_ns"] for row in outcome.tasks)


def inside_at_arrivals(outcome: Outcome) -> list[int]:
    """How many are inside just after each arrival, by the rows."""
    begins = np.array([row["arrival_ns"] for row in outcome.tasks])
    ends = begins + np.array([row["sojourn_ns"] for row in outcome.tasks])
    return [int(((begins <= now) & (ends > now)).sum()) for now in begins]


@pytest.mark.parametrize("seed", SEEDS)
def test_outcomes_say_what_happened(seed: int, runs: Runs) -> None:
    system, outcome = runs(seed)
    deadlines = {name: kind.deadline_ns for name, kind in system.kinds.items()}
    for row in outcome.tasks:
        late = row["sojourn_ns"] > deadlines[row["kind"]]
        assert row["outcome"] == ("failed" if row["reason"] else "missed" if late else "done")
        assert row["deadline_met"] == (row["outcome"] == "done")
        assert (row["quality_loss"] is None) == (row["outcome"] == "failed" or row["kind"] not in system.quality)
        assert 0 <= row["erased_fraction"] <= 1
        if all(link.bearer == "am" for link in system.links):
            assert row["erased_fraction"] == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_devices_energy_is_its_power_times_the_time_that_rows_account_to_it(seed: int, runs: Runs) -> None:
    system, outcome = runs(seed)
    elapsed_s = outcome.totals.elapsed_ns * 1e-9
    for name, node in system.nodes.items():
        if node.device is None:
            assert name not in outcome.totals.device_energy_j
            continue
        busy_s = sum(row["load_ns"] + row["service_ns"] for row in outcome.stages if row["node"] == name) * 1e-9
        expected = node.device.busy_power_w * busy_s + node.device.idle_power_w * (elapsed_s - busy_s)
        assert outcome.totals.device_energy_j[name] == pytest.approx(expected)


def test_the_random_systems_hold_what_the_tests_are_about(runs: Runs) -> None:
    """Every outcome and reason, erasures, loads, waits, several passes, and up to four partitions occur."""
    rows = [row for seed in SEEDS for row in runs(seed)[1].tasks]
    assert len(rows) > 3_000
    reasons = Counter(row["reason"] for row in rows)
    assert reasons.keys() == {"", "link queue full", "device queue full", "memory"}
    assert min(reasons.values()) > 50
    assert {row["outcome"] for row in rows} == {"done", "missed", "failed"}
    for part in ("waiting_ns", "load_ns", "link_waiting_ns", "erased_fraction"):
        assert sum(row[part] > 0 for row in rows) > 50
    assert Counter(len(parse(row["placement"])) for row in rows).keys() == {1, 2, 3, 4}
    assert sum(row["kind"] == "chat" and row["outcome"] != "failed" for row in rows) > 50
    losses = [row["quality_loss"] for row in rows]
    assert min(losses.count(None), losses.count(0.0), sum(bool(loss) for loss in losses)) > 50


@pytest.mark.parametrize("seed", SEEDS)
def test_every_row_equals_the_reference_runs(seed: int, runs: Runs) -> None:
    """Tasks that meet in queues, compete for memory, lose fragments and fail: all of it written twice."""
    system, outcome = runs(seed)
    check_rows(outcome, ReferenceRun(system, scatter(system)))


def check_rows(outcome: Outcome, reference: ReferenceRun) -> None:
    """Whole numbers equal, others to rounding."""
    found = {key_of(row): row for row in outcome.tasks}
    assert found.keys() == reference.rows.keys()
    for key, expected in reference.rows.items():
        assert {name: found[key][name] for name in expected} == pytest.approx(expected)
        whole_ns = [name for name in expected if name.endswith("_ns")]
        assert [found[key][name] for name in whole_ns] == [expected[name] for name in whole_ns]
    stages = stages_of(outcome)
    for key, accounts in reference.stages.items():
        assert len(stages[key]) == len(accounts)
        for row, account in zip(stages[key], accounts, strict=True):
            shared = account.keys() & row.keys()
            assert {name: row[name] for name in shared} == pytest.approx({name: account[name] for name in shared})


class LeastLoaded:
    """The candidate whose devices were heard to have the least left to do, and of equal ones the first."""

    def decide(self, observation: Observation) -> Placement:
        return min(
            observation.candidates, key=lambda placement: sum(observation.backlog_ns(part.node) for part in placement)
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_who_came_first_in_one_and_the_same_nanosecond_is_served_and_heard_first(seed: int, tmp_path: Path) -> None:
    """Everything falls on whole milliseconds, and the decisions hang on what was heard by then."""
    system = tied_system(seed)
    outcome = simulate(system, LeastLoaded(), tmp_path)
    check_rows(outcome, ReferenceRun(system, LeastLoaded()))
    assert all(row["sojourn_ns"] % NS_PER_MS == 0 for row in outcome.tasks)


@pytest.mark.parametrize("forgotten", PARTS)
def test_littles_check_notices_rows_that_leave_out_a_part(
    forgotten: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The error is then just what the part comes to of the area."""
    monkeypatch.setattr("emulator.simulation.row_writer.PARTS", [part for part in PARTS if part != forgotten])
    system = replace(pairs(1), preload=False)
    outcome = simulate(system, split_at_two(system), tmp_path)
    missing_ns = sum(row[forgotten] for row in outcome.tasks)
    assert missing_ns > 0
    assert outcome.totals.little_error == pytest.approx(missing_ns / written_area_ns(outcome))


@pytest.mark.parametrize("damage", ["first row dropped", "a nanosecond more"])
def test_the_counter_notices_a_writer_that_drops_or_changes_a_row(
    damage: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It stands against the file itself, not only against what the run believes to have written."""
    write = RowWriter.extend

    def damaged(rows: RowWriter, columns: Mapping[str, Any]) -> None:
        if "sojourn_ns" in columns and damage == "a nanosecond more":
            columns = {**columns, "sojourn_ns": columns["sojourn_ns"] + (np.arange(len(columns["task"])) == 0)}
        elif "sojourn_ns" in columns:
            columns = {name: values[1:] for name, values in columns.items()}
        write(rows, columns)

    monkeypatch.setattr(RowWriter, "extend", damaged)
    system = pairs(1)
    outcome = simulate(system, split_at_two(system), tmp_path)
    area_ns = outcome.totals.occupancy_mean * outcome.totals.elapsed_ns
    assert outcome.totals.little_error == 0
    assert abs(area_ns - written_area_ns(outcome)) > 0.5


@pytest.mark.parametrize("release", ["fluid", "slot"])
def test_energy_is_power_times_time(release: Any, tmp_path: Path) -> None:
    """One link each way: a stage draws its device's busy power while it loads and serves, and the powers of the
    radio's two ends from a message's first bit to its release."""
    system = replace(pairs(2, release=release), preload=False)
    outcome = simulate(system, split_at_two(system), tmp_path)
    tasks = offered(system)
    assert len(outcome.tasks) > 50 and any(row["load_ns"] for row in outcome.stages)
    for row in outcome.stages:
        task, source = tasks[key_of(row)], row["source"]
        specs = {name: node.device for name, node in system.nodes.items()}
        ue, server, own = specs[source], specs[f"edge{source[2:]}"], specs[row["node"]]
        assert ue and server and own
        down = row["stage"] == 2 or row["stage"] == 0  # the result, or each new token
        crossings = len(passes(task)) - (row["stage"] == 0) if row["stage"] < 2 else 1
        air_ns = row["transfer_ns"] - row["link_waiting_ns"] - crossings * 2 * NS_PER_MS
        radio_w = ue.receive_power_w + server.transmit_power_w if down else ue.transmit_power_w + server.receive_power_w
        busy_ns = row["load_ns"] + row["service_ns"]
        assert air_ns >= 0
        assert row["energy_j"] == pytest.approx((own.busy_power_w * busy_ns + radio_w * air_ns) * 1e-9)


def test_scattered_placements_are_placements() -> None:
    system = random_system(1)
    for task in offered(system).values():
        check_placement(scatter(system).place(task), task.kind)


def test_result_bytes_of_the_kinds_are_sent_home() -> None:
    """The tests above rely on a result message for every task."""
    assert all(result_bytes(task) > 0 for task in offered(pairs(1)).values())


class Listening:
    """Sends images to either place or both, by their number, and notes what it heard on each arrival."""

    def __init__(self, candidates: Sequence[Placement]) -> None:
        self._candidates = candidates
        self.heard: list[tuple[int, int, int]] = []  # now, backlog of the UE and of the server

    def decide(self, observation: Observation) -> Placement:
        self.heard.append((observation.now_ns, observation.backlog_ns("ue1"), observation.backlog_ns("edge1")))
        return self._candidates[observation.task.number % len(self._candidates)]


@pytest.mark.parametrize("age_ns", [0, 3 * NS_PER_MS, 40 * NS_PER_MS])
def test_policies_hear_the_backlogs_that_the_rows_show_as_late_as_declared(age_ns: int, tmp_path: Path) -> None:
    """What a device had still to do, of all that had reached it by then, from the rows alone: the UE that decides
    knows its own at once, and the server's `age_ns` later."""
    system = with_stream(pairs(1), Stream("ue1", IMAGE, Poisson(60.0)))
    system = replace(system, control=Control("ue1", age_ns, 50 * NS_PER_MS))
    policy = Listening(system.placements["ue1", "image"])
    outcome = simulate(system, policy, tmp_path)
    stages = stages_of(outcome)
    jobs: dict[str, list[tuple[int, int, int]]] = {"ue1": [], "edge1": []}  # reached, start, finish
    for row in outcome.tasks:
        now_ns = row["arrival_ns"]
        for stage in stages[key_of(row)]:
            now_ns += stage["transfer_ns"]
            start_ns = now_ns + stage["waiting_ns"]
            finish_ns = start_ns + stage["load_ns"] + stage["service_ns"]
            if stage["first_layer"] < stage["stop_layer"]:
                jobs[stage["node"]].append((now_ns, start_ns, finish_ns))
            now_ns = finish_ns

    def backlog_ns(node: str, before_ns: int, at_ns: int) -> int:
        """Of what had reached the node before an instant, what was left to do at another."""
        return sum(max(0, finish - max(start, at_ns)) for reached, start, finish in jobs[node] if reached < before_ns)

    for now_ns, ue_ns, edge_ns in policy.heard:
        assert ue_ns == backlog_ns("ue1", now_ns, now_ns)  # the task that arrives is not there yet
        assert edge_ns == backlog_ns("edge1", now_ns - age_ns + 1, now_ns - age_ns)
    assert sum(ue_ns > 0 for _, ue_ns, _ in policy.heard) > 20 and sum(edge_ns > 0 for *_, edge_ns in policy.heard) > 2
