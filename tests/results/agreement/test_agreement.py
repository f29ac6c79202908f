"""The parts of the difference between real and simulated sojourns, where each is known because it was made."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.core.units import NS_PER_MS
from emulator.trace import Trace
from results.agreement import PART_TITLES
from tests.emulator.realtime.logs import LATE_NS, Arrival, LogRow
from tests.results.emulated_world import (
    BACK,
    BYTE_NS,
    DELAY_NS,
    DOWN,
    INPUT_BYTES,
    OUT,
    RESULT_BYTES,
    UP,
    US,
    Knobs,
    RealTask,
    Streamed,
    real_task,
    segments,
    world,
    write_world,
)

FIRST_NS = 10 * NS_PER_MS
UP_AND_OUT = BYTE_NS[UP] + BYTE_NS[OUT]  # a byte on its way there, or back
HEADERS_NS = UP_AND_OUT * (sum(segments(INPUT_BYTES)) - INPUT_BYTES + sum(segments(RESULT_BYTES)) - RESULT_BYTES)


def parts(row: dict[str, Any]) -> dict[str, int]:
    return {part: row[f"{part}_ns"] for part in PART_TITLES}


def expected(knobs: Knobs) -> dict[str, int]:
    """What a task alone has of each part. The sender's gaps count as far as the link had nothing left to do."""
    first, second, last = segments(INPUT_BYTES)
    up_ns = BYTE_NS[UP]
    gap1, gap2 = knobs.hold_gaps
    second_done = max(first * up_ns, gap1) + second * up_ns
    done = max(second_done, gap1 + gap2) + last * up_ns
    return {
        "compute": knobs.late,
        "waiting": knobs.queue,
        "wake": knobs.wake,
        "serialisation": 2 * (knobs.encode + knobs.decode),
        "stack": 2 * (knobs.leave + knobs.reach),
        "forwarding": 2 * knobs.relay,
        "headers": HEADERS_NS,
        "ramp": done - (first + second + last) * up_ns,
        "air": 0,
        "lateness": 4 * LATE_NS,
        "rest": 0,
    }


def test_every_part_of_a_task_by_hand(tmp_path: Path) -> None:
    knobs = Knobs(hold_gaps=(5 * NS_PER_MS, 4 * NS_PER_MS))
    task = real_task(0, FIRST_NS, knobs)
    (row,) = write_world(tmp_path, world(), [task])
    assert parts(row) == expected(knobs) | {"ramp": (5_000 + 4_000 - 1_500 - 1_500) * US}
    assert row["simulated_ns"] == (4_000 + 2_000 + 400 + 1_000 + 5_000 + 40 + 1_000 + 400 + 2_000) * US
    assert row["real_ns"] == task.end_ns - FIRST_NS
    assert (row["messages"], row["overlapping"], row["unmatched"]) == (2, 0, 0)
    assert (row["service_ns"], row["computing_ns"]) == (5_500 * US, 2_000 * US)


spans = st.integers(0, 5 * NS_PER_MS)
knobs_of = st.builds(
    Knobs, spans, spans, spans, st.tuples(spans, spans), st.integers(1, NS_PER_MS), spans, spans, spans, spans, spans
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=knobs_of, second=knobs_of)
def test_whatever_a_task_spends_is_found_where_it_was_spent(tmp_path: Path, first: Knobs, second: Knobs) -> None:
    interval_ns = 200 * NS_PER_MS
    tasks = [real_task(number, FIRST_NS + number * interval_ns, each) for number, each in enumerate((first, second))]
    rows = write_world(tmp_path, world(2, interval_ns), tasks)
    for row, knobs in zip(rows, (first, second), strict=True):
        assert parts(row) == expected(knobs)
        assert sum(parts(row).values()) == row["real_ns"] - row["simulated_ns"]


@pytest.mark.parametrize("link", [UP, OUT])
def test_what_others_had_sent_before_belongs_to_the_links(link: int, tmp_path: Path) -> None:
    """An acknowledgement of somebody else's, before the message on its link."""
    task = real_task(0, FIRST_NS, Knobs(), ahead={link: 52})
    (row,) = write_world(tmp_path, world(), [task])
    assert parts(row) == expected(Knobs()) | {"air": 52 * BYTE_NS[link]}


def test_acknowledgements_between_the_packets_are_nobodys_message(tmp_path: Path) -> None:
    """They come while the link waits for the sender, and are gone before it sends again."""
    knobs = Knobs(hold_gaps=(5 * NS_PER_MS, 4 * NS_PER_MS))
    task = real_task(0, FIRST_NS, knobs)
    first_ns = task.packets[0].now_ns
    more = [Arrival(UP, first_ns + 2 * NS_PER_MS, 52), Arrival(UP, first_ns + 8 * NS_PER_MS, 64)]
    (row,) = write_world(tmp_path, world(), [task], more=more)
    assert parts(row) == expected(knobs)


def test_a_link_that_is_slower_by_then_is_the_links_difference(tmp_path: Path) -> None:
    """The source wakes up 31 ms late, when the link has half its rate: the simulation's message had gone by then."""
    halves = Trace(40 * NS_PER_MS, {"capacity_bits": np.array([320_000, 160_000])})
    system = world()
    slower = replace(system, links=(replace(system.links[UP], trace=halves), *system.links[1:]))
    knobs = Knobs(wake=31 * NS_PER_MS)
    (row,) = write_world(tmp_path, slower, [real_task(0, FIRST_NS, knobs, byte_ns={UP: 2 * US})])
    more_ns = (sum(segments(INPUT_BYTES)) - INPUT_BYTES) * US
    assert parts(row) == expected(knobs) | {"air": INPUT_BYTES * US, "headers": HEADERS_NS + more_ns}


def meeting(first_ns: int) -> list[RealTask]:
    """Two tasks, the second of which publishes its input 6 ms after the first packet of the first one's has come. Then
    the sender has got 2896 bytes of that through; 10 ms after the first packet all others come, one of them with the
    last 1155 bytes of the first input and the first 293 of the second."""
    sizes = (1_500, 1_500, 914)
    up = [Arrival(UP, first_ns, 1_500), Arrival(UP, first_ns + 5 * NS_PER_MS, 1_500)]
    at_once_ns = first_ns + 10 * NS_PER_MS
    both, rest = Arrival(UP, at_once_ns, 1_500), [Arrival(UP, at_once_ns, size) for size in sizes]
    left_ns = at_once_ns + 1_500 * US + 2 * NS_PER_MS + LATE_NS
    knobs = Knobs(wake=0, encode=0, leave=500 * US)
    first = real_task(0, first_ns - knobs.leave, knobs, streamed=Streamed([*up, both], left_ns))
    last_ns = left_ns + sum(sizes) * US
    second = real_task(
        1, first_ns + 6 * NS_PER_MS, knobs._replace(queue=10 * NS_PER_MS), streamed=Streamed(rest, last_ns)
    )
    return [first, second]


def test_messages_that_meet_on_one_connection_are_told_apart_by_their_bytes(tmp_path: Path) -> None:
    interval_ns = 13 * NS_PER_MS // 2
    first, second = meeting(FIRST_NS + 500 * US)
    one, two = write_world(tmp_path, world(2, interval_ns), [first, second])
    own = expected(Knobs(wake=0, encode=0, leave=500 * US))
    header_ns = 52 * US  # of the packet that both share
    assert parts(one) == own | {"ramp": (11_500 - 1_500 - 1_500 - 1_207) * US}
    assert parts(two) == own | {
        "waiting": 10 * NS_PER_MS,
        "stack": own["stack"] - 500 * US,
        "ramp": 1_155 * US,
        "air": 4 * NS_PER_MS,  # behind the first, as in a link's queue
        "headers": own["headers"] + header_ns,
    }
    for row in (one, two):
        assert (row["messages"], row["overlapping"], row["unmatched"]) == (2, 0, 0)
        assert row["rest_ns"] == 0


def test_of_messages_that_meet_with_bytes_of_others_nothing_is_invented(tmp_path: Path) -> None:
    """What both took longer on their way there stays unexplained, and all else is known."""
    interval_ns = 13 * NS_PER_MS // 2
    first, second = meeting(FIRST_NS + 500 * US)
    foreign = Arrival(UP, FIRST_NS + 2 * NS_PER_MS, 300)
    own = expected(Knobs(wake=0, encode=0, leave=500 * US))
    for row in write_world(tmp_path, world(2, interval_ns), [first, second], more=[foreign]):
        assert (row["messages"], row["overlapping"], row["unmatched"]) == (2, 1, 0)
        assert sum(parts(row).values()) == row["real_ns"] - row["simulated_ns"]
        assert row["rest_ns"] > 5 * NS_PER_MS
        assert row["ramp_ns"] == 0 and row["lateness_ns"] == 2 * LATE_NS
        assert row["forwarding_ns"] == own["forwarding"] // 2
        assert row["serialisation_ns"] == own["serialisation"]


def test_a_message_waits_at_the_sender_as_it_would_in_the_queue_of_its_link(tmp_path: Path) -> None:
    """The second input is published 1.3 ms before the first one has left the link, and its packets come 3 ms later.
    Until the first has left, it waits as in the link's queue; the rest is the host's."""
    knobs = Knobs(wake=0, encode=0, leave=0)
    first = real_task(0, FIRST_NS, knobs)
    left_ns = FIRST_NS + sum(segments(INPUT_BYTES)) * US + 2 * NS_PER_MS + LATE_NS
    second_ns = FIRST_NS + 5 * NS_PER_MS
    waited_ns = left_ns - second_ns
    assert 0 < waited_ns < 3 * NS_PER_MS
    second = real_task(1, second_ns, knobs._replace(leave=3 * NS_PER_MS, queue=10 * NS_PER_MS))
    result_late_ns = 3 * NS_PER_MS
    (_, two) = write_world(tmp_path, world(2, 5 * NS_PER_MS), [first, second])
    own = expected(knobs)
    assert (two["air_ns"], two["stack_ns"]) == (waited_ns, own["stack"] + 3 * NS_PER_MS - waited_ns + result_late_ns)
    assert two["ramp_ns"] == 0
    assert (two["waiting_ns"], two["rest_ns"]) == (10 * NS_PER_MS, 0)


def test_bytes_that_came_twice_are_no_message(tmp_path: Path) -> None:
    """A retransmission that nobody needed: which packet was needed is not in the log."""
    task = real_task(0, FIRST_NS, Knobs(hold_gaps=(5 * NS_PER_MS, 4 * NS_PER_MS)))
    again = Arrival(UP, task.packets[0].now_ns + 3 * NS_PER_MS, 1_500)
    (row,) = write_world(tmp_path, world(), [task], more=[again])
    assert (row["overlapping"], row["unmatched"]) == (0, 1)
    assert row["ramp_ns"] == 0 and row["rest_ns"] != 0


def test_datagrams_are_handed_on_one_by_one(tmp_path: Path) -> None:
    """Through a router that needs 20 us for each; the simulation's has whole messages. So the first two of the input's
    three packets need no time of their own on the second link."""
    system = world(broker=None)
    sizes = {"input": (1_500, 1_500, 1_156), "result": (452,)}
    packets: list[Arrival] = []
    events: list[tuple[Any, ...]] = []

    def cross(links: tuple[int, int], message: tuple[int, ...], at_ns: int) -> int:
        came = [at_ns] * len(message)
        for link in links:
            done_ns, left = 0, []
            for size, now_ns in zip(message, came, strict=True):
                packets.append(Arrival(link, now_ns, size))
                done_ns = max(done_ns, now_ns) + size * BYTE_NS[link]
                left.append(done_ns + DELAY_NS[link] + LATE_NS)
            came = [each + 20 * US for each in left]
        return left[-1]

    def happen(node: str, event: str, stage: int, at_ns: int, size_bytes: int = 0) -> int:
        events.append((node, "ue1", "image", 0, 0, stage, event, at_ns, size_bytes))
        return at_ns

    happen("ue1", "woke", 0, FIRST_NS)
    at_ns = happen("ue1", "published", 0, FIRST_NS, 4_072)
    at_ns = happen("edge1", "received", 0, cross((UP, OUT), sizes["input"], at_ns + 300 * US) + 100 * US, 4_072)
    for event, later_ns in (("decoded", 0), ("started", 0), ("computed", NS_PER_MS), ("finished", 4 * NS_PER_MS)):
        at_ns = happen("edge1", event, 0, at_ns + later_ns)
    at_ns = happen("edge1", "published", 1, at_ns, 424)
    at_ns = happen("ue1", "received", 1, cross((BACK, DOWN), sizes["result"], at_ns + 300 * US) + 100 * US, 424)
    (row,) = write_world(tmp_path, system, [RealTask(events, packets, happen("ue1", "decoded", 1, at_ns))])
    nothing = dict.fromkeys(PART_TITLES, 0)
    assert parts(row) == nothing | {
        "stack": 2 * 400 * US,
        "forwarding": 2 * 20 * US - 3_000 * BYTE_NS[OUT],
        "headers": (156 + 52) * UP_AND_OUT,
        "lateness": 4 * LATE_NS,
    }


def test_a_message_whose_packets_are_not_there_is_said_to_be_unmatched(tmp_path: Path) -> None:
    def without_the_second(rows: list[LogRow]) -> list[LogRow]:
        left_out = next(row for row in rows if row.link == UP and row.number == 1)
        return [row for row in rows if row is not left_out]

    (row,) = write_world(tmp_path, world(), [real_task(0, FIRST_NS, Knobs())], spoil=without_the_second)
    assert (row["overlapping"], row["unmatched"]) == (0, 1)
    both = expected(Knobs())
    assert row["stack_ns"] == both["stack"] // 2 and row["wake_ns"] == both["wake"]
    assert row["rest_ns"] == (both["stack"] + both["forwarding"]) // 2 + 2 * LATE_NS + UP_AND_OUT * (
        sum(segments(INPUT_BYTES)) - INPUT_BYTES
    )


def test_time_that_no_event_tells_of_is_unexplained(tmp_path: Path) -> None:
    task = real_task(0, FIRST_NS, Knobs())
    (row,) = write_world(tmp_path, world(), [task._replace(end_ns=task.end_ns + 777)])
    assert parts(row) == expected(Knobs()) | {"rest": 777}


def test_only_tasks_that_were_answered_twice_are_paired(tmp_path: Path) -> None:
    rows = write_world(tmp_path, world(3), [real_task(1, FIRST_NS + 100 * NS_PER_MS, Knobs())])
    assert [row["task"] for row in rows] == [1]
