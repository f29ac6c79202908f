"""The parts of the difference between real and simulated sojourns, on tasks with known parts."""

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
    RealDelays,
    RealTask,
    Streamed,
    real_task,
    segments,
    world,
    write_world,
)

FIRST_NS = 10 * NS_PER_MS
UP_AND_OUT = BYTE_NS[UP] + BYTE_NS[OUT]  # ns per byte on the route there, or back
HEADERS_NS = UP_AND_OUT * (sum(segments(INPUT_BYTES)) - INPUT_BYTES + sum(segments(RESULT_BYTES)) - RESULT_BYTES)


def parts(row: dict[str, Any]) -> dict[str, int]:
    return {part: row[f"{part}_ns"] for part in PART_TITLES}


def expected(delays: RealDelays) -> dict[str, int]:
    """Return the parts of a task that is alone. The sender's gaps count if they leave the link idle."""
    first, second, last = segments(INPUT_BYTES)
    up_ns = BYTE_NS[UP]
    gap1, gap2 = delays.hold_gaps
    second_done = max(first * up_ns, gap1) + second * up_ns
    done = max(second_done, gap1 + gap2) + last * up_ns
    return {
        "compute": delays.late,
        "waiting": delays.queue,
        "wake": delays.wake,
        "serialisation": 2 * (delays.encode + delays.decode),
        "stack": 2 * (delays.leave + delays.reach),
        "forwarding": 2 * delays.relay,
        "headers": HEADERS_NS,
        "ramp": done - (first + second + last) * up_ns,
        "air": 0,
        "lateness": 4 * LATE_NS,
        "rest": 0,
    }


def test_every_part_of_a_task_by_hand(tmp_path: Path) -> None:
    delays = RealDelays(hold_gaps=(5 * NS_PER_MS, 4 * NS_PER_MS))
    task = real_task(0, FIRST_NS, delays)
    (row,) = write_world(tmp_path, world(), [task])
    assert parts(row) == expected(delays) | {"ramp": (5_000 + 4_000 - 1_500 - 1_500) * US}
    assert row["simulated_ns"] == (4_000 + 2_000 + 400 + 1_000 + 5_000 + 40 + 1_000 + 400 + 2_000) * US
    assert row["real_ns"] == task.end_ns - FIRST_NS
    assert (row["messages"], row["overlapping"], row["unmatched"]) == (2, 0, 0)
    assert (row["service_ns"], row["computing_ns"]) == (5_500 * US, 2_000 * US)


spans = st.integers(0, 5 * NS_PER_MS)
delay_draws = st.builds(
    RealDelays,
    spans,
    spans,
    spans,
    st.tuples(spans, spans),
    st.integers(1, NS_PER_MS),
    spans,
    spans,
    spans,
    spans,
    spans,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=delay_draws, second=delay_draws)
def test_time_is_attributed_to_the_part_that_spent_it(tmp_path: Path, first: RealDelays, second: RealDelays) -> None:
    interval_ns = 200 * NS_PER_MS
    tasks = [real_task(number, FIRST_NS + number * interval_ns, each) for number, each in enumerate((first, second))]
    rows = write_world(tmp_path, world(2, interval_ns), tasks)
    for row, delays in zip(rows, (first, second), strict=True):
        assert parts(row) == expected(delays)
        assert sum(parts(row).values()) == row["real_ns"] - row["simulated_ns"]


@pytest.mark.parametrize("link", [UP, OUT])
def test_earlier_packets_of_others_count_as_air(link: int, tmp_path: Path) -> None:
    """A foreign acknowledgement precedes the message on its link."""
    task = real_task(0, FIRST_NS, RealDelays(), ahead={link: 52})
    (row,) = write_world(tmp_path, world(), [task])
    assert parts(row) == expected(RealDelays()) | {"air": 52 * BYTE_NS[link]}


def test_acknowledgements_belong_to_no_message(tmp_path: Path) -> None:
    """They arrive while the link is idle, and leave before the sender continues."""
    delays = RealDelays(hold_gaps=(5 * NS_PER_MS, 4 * NS_PER_MS))
    task = real_task(0, FIRST_NS, delays)
    first_ns = task.packets[0].now_ns
    more = [Arrival(UP, first_ns + 2 * NS_PER_MS, 52), Arrival(UP, first_ns + 8 * NS_PER_MS, 64)]
    (row,) = write_world(tmp_path, world(), [task], more=more)
    assert parts(row) == expected(delays)


def test_slower_link_at_a_later_time_counts_as_air(tmp_path: Path) -> None:
    """The source wakes up 31 ms late, when the link has half its rate: the simulated message was sent before."""
    halves = Trace(40 * NS_PER_MS, {"capacity_bits": np.array([320_000, 160_000])})
    system = world()
    slower = replace(system, links=(replace(system.links[UP], trace=halves), *system.links[1:]))
    delays = RealDelays(wake=31 * NS_PER_MS)
    (row,) = write_world(tmp_path, slower, [real_task(0, FIRST_NS, delays, byte_ns={UP: 2 * US})])
    more_ns = (sum(segments(INPUT_BYTES)) - INPUT_BYTES) * US
    assert parts(row) == expected(delays) | {"air": INPUT_BYTES * US, "headers": HEADERS_NS + more_ns}


def meeting(first_ns: int) -> list[RealTask]:
    """Two tasks, the second of which publishes its input 6 ms after the first packet of the first one's has come. Then
    the sender has got 2896 bytes of that through; 10 ms after the first packet all others come, one of them with the
    last 1155 bytes of the first input and the first 293 of the second."""
    sizes = (1_500, 1_500, 914)
    up = [Arrival(UP, first_ns, 1_500), Arrival(UP, first_ns + 5 * NS_PER_MS, 1_500)]
    at_once_ns = first_ns + 10 * NS_PER_MS
    both, rest = Arrival(UP, at_once_ns, 1_500), [Arrival(UP, at_once_ns, size) for size in sizes]
    left_ns = at_once_ns + 1_500 * US + 2 * NS_PER_MS + LATE_NS
    delays = RealDelays(wake=0, encode=0, leave=500 * US)
    first = real_task(0, first_ns - delays.leave, delays, streamed=Streamed([*up, both], left_ns))
    last_ns = left_ns + sum(sizes) * US
    second = real_task(
        1, first_ns + 6 * NS_PER_MS, delays._replace(queue=10 * NS_PER_MS), streamed=Streamed(rest, last_ns)
    )
    return [first, second]


def test_overlapping_messages_of_a_connection_are_separated_by_bytes(tmp_path: Path) -> None:
    interval_ns = 13 * NS_PER_MS // 2
    first, second = meeting(FIRST_NS + 500 * US)
    one, two = write_world(tmp_path, world(2, interval_ns), [first, second])
    own = expected(RealDelays(wake=0, encode=0, leave=500 * US))
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


def test_overlapping_messages_with_foreign_bytes_are_unknown(tmp_path: Path) -> None:
    """The difference in transfer time of both stays unexplained; all else is known."""
    interval_ns = 13 * NS_PER_MS // 2
    first, second = meeting(FIRST_NS + 500 * US)
    foreign = Arrival(UP, FIRST_NS + 2 * NS_PER_MS, 300)
    own = expected(RealDelays(wake=0, encode=0, leave=500 * US))
    for row in write_world(tmp_path, world(2, interval_ns), [first, second], more=[foreign]):
        assert (row["messages"], row["overlapping"], row["unmatched"]) == (2, 1, 0)
        assert sum(parts(row).values()) == row["real_ns"] - row["simulated_ns"]
        assert row["rest_ns"] > 5 * NS_PER_MS
        assert row["ramp_ns"] == 0 and row["lateness_ns"] == 2 * LATE_NS
        assert row["forwarding_ns"] == own["forwarding"] // 2
        assert row["serialisation_ns"] == own["serialisation"]


def test_wait_at_the_sender_counts_as_wait_in_the_link_queue(tmp_path: Path) -> None:
    """The second input is published 1.3 ms before the first one has left the link, and its packets come 3 ms later.
    Until the first has left, it waits as in the link's queue; the rest is the host's."""
    delays = RealDelays(wake=0, encode=0, leave=0)
    first = real_task(0, FIRST_NS, delays)
    left_ns = FIRST_NS + sum(segments(INPUT_BYTES)) * US + 2 * NS_PER_MS + LATE_NS
    second_ns = FIRST_NS + 5 * NS_PER_MS
    waited_ns = left_ns - second_ns
    assert 0 < waited_ns < 3 * NS_PER_MS
    second = real_task(1, second_ns, delays._replace(leave=3 * NS_PER_MS, queue=10 * NS_PER_MS))
    result_late_ns = 3 * NS_PER_MS
    (_, two) = write_world(tmp_path, world(2, 5 * NS_PER_MS), [first, second])
    own = expected(delays)
    assert (two["air_ns"], two["stack_ns"]) == (waited_ns, own["stack"] + 3 * NS_PER_MS - waited_ns + result_late_ns)
    assert two["ramp_ns"] == 0
    assert (two["waiting_ns"], two["rest_ns"]) == (10 * NS_PER_MS, 0)


def test_retransmitted_bytes_make_a_message_unmatched(tmp_path: Path) -> None:
    """The log does not tell which of the two packets was needed."""
    task = real_task(0, FIRST_NS, RealDelays(hold_gaps=(5 * NS_PER_MS, 4 * NS_PER_MS)))
    again = Arrival(UP, task.packets[0].now_ns + 3 * NS_PER_MS, 1_500)
    (row,) = write_world(tmp_path, world(), [task], more=[again])
    assert (row["overlapping"], row["unmatched"]) == (0, 1)
    assert row["ramp_ns"] == 0 and row["rest_ns"] != 0


def test_datagrams_are_forwarded_one_by_one(tmp_path: Path) -> None:
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


def test_message_with_missing_packets_is_unmatched(tmp_path: Path) -> None:
    def without_the_second(rows: list[LogRow]) -> list[LogRow]:
        left_out = next(row for row in rows if row.link == UP and row.number == 1)
        return [row for row in rows if row is not left_out]

    (row,) = write_world(tmp_path, world(), [real_task(0, FIRST_NS, RealDelays())], spoil=without_the_second)
    assert (row["overlapping"], row["unmatched"]) == (0, 1)
    both = expected(RealDelays())
    assert row["stack_ns"] == both["stack"] // 2 and row["wake_ns"] == both["wake"]
    assert row["rest_ns"] == (both["stack"] + both["forwarding"]) // 2 + 2 * LATE_NS + UP_AND_OUT * (
        sum(segments(INPUT_BYTES)) - INPUT_BYTES
    )


def test_time_after_the_last_event_is_unexplained(tmp_path: Path) -> None:
    task = real_task(0, FIRST_NS, RealDelays())
    (row,) = write_world(tmp_path, world(), [task._replace(end_ns=task.end_ns + 777)])
    assert parts(row) == expected(RealDelays()) | {"rest": 777}


def test_pairs_are_tasks_answered_in_both(tmp_path: Path) -> None:
    rows = write_world(tmp_path, world(3), [real_task(1, FIRST_NS + 100 * NS_PER_MS, RealDelays())])
    assert [row["task"] for row in rows] == [1]
