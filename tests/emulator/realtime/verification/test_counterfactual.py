"""Counterfactuals of what did happen repeat the run; others agree with values computed by hand."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.cell import Cell
from emulator.core.fifo import FOREVER_NS
from emulator.link import Link
from emulator.realtime.verification.counterfactual import (
    CellLinks,
    Counterfactual,
    MessagePackets,
    PacketArrival,
    PacketShare,
    SingleLink,
    counterfactuals,
)
from emulator.system import Background, CellSpec, LinkSpec, Ramp
from emulator.trace import constant
from tests.emulator.cell.test_cell import CellCase, blocks, cell_cases, run
from tests.emulator.reference import Message
from tests.emulator.reference_cell import Offer
from tests.emulator.strategies import cases, slots

MANY = settings(max_examples=300)
BYTE_NS = 1_000  # of a link of 8 Mbit/s
WIRE = LinkSpec("a", "b", constant(8e6), delay_ns=500)


def bursts(arrivals: list[PacketArrival]) -> list[tuple[int, ...]]:
    """The places of the packets that arrived at a link at one time."""
    together: dict[tuple[int, int], list[int]] = {}
    for place, arrival in enumerate(arrivals):
        together.setdefault((arrival.link, arrival.now_ns), []).append(place)
    return [tuple(places) for places in together.values()]


def message_of(arrivals: list[PacketArrival], places: tuple[int, ...], bare_bytes: int) -> MessagePackets:
    """A message whose packets carry nothing else."""
    return MessagePackets(tuple(PacketShare(place, arrivals[place].size_bytes) for place in places), bare_bytes)


def whole(arrivals: list[PacketArrival], places: tuple[int, ...]) -> MessagePackets:
    return message_of(arrivals, places, sum(arrivals[place].size_bytes for place in places))


@MANY
@given(case=cases())
def test_packets_that_arrived_at_once_leave_a_link_as_they_did(case: tuple[LinkSpec, int, list[Message]]) -> None:
    spec, seed, messages = case
    link = Link.standalone(spec, seed)
    delivered = [link.enqueue(*message[:3]) for message in messages]
    arrivals = [PacketArrival(0, number, now_ns, size_bytes) for now_ns, size_bytes, number, _ in messages]
    asked = [whole(arrivals, places) for places in bursts(arrivals)]
    found = counterfactuals(SingleLink(spec, seed), arrivals, asked)
    for each in asked:
        releases = [delivered[place] for place, _ in each.packets]
        if None in releases:
            assert each not in found
        else:
            last_ns = max(release.arrival_ns for release in releases if release is not None)
            assert found[each] == Counterfactual(last_ns, last_ns)


@MANY
@given(case=cell_cases(), data=st.data())
def test_packets_that_arrived_at_once_leave_a_cell_as_they_did(case: CellCase, data: st.DataObject) -> None:
    spec, links, seed, offered = case
    links = [replace(link, background=None) for link in links]  # for which time would not end
    offered = [
        Offer(offer.link, offer.message._replace(number=place, acknowledged_bytes=0))
        for place, offer in enumerate(offered)
    ]
    entered, delivered = run(Cell.standalone(spec, links, seed), offered, 2**40)
    arrivals = [PacketArrival(link, number, now_ns, size_bytes) for link, (now_ns, size_bytes, number, _) in offered]
    arrived_ns = {(each.link, each.message): each.delivery.arrival_ns for each in delivered}
    messages = [whole(arrivals, places) for places in bursts(arrivals)]
    messages = [each for each in messages if data.draw(st.booleans())]
    found = counterfactuals(CellLinks(spec, links, seed, FOREVER_NS), arrivals, messages)
    for each in messages:
        if all(entered[place][0] for place, _ in each.packets):
            last_ns = max(arrived_ns[arrivals[place].link, arrivals[place].number] for place, _ in each.packets)
            assert found[each] == Counterfactual(last_ns, last_ns)
        else:
            assert each not in found


def test_pauses_of_the_sender_and_headers_are_left_out() -> None:
    """Three packets of 100 bytes, 1 ms apart, of which 20 are headers; one byte takes 1 us."""
    arrivals = [PacketArrival(0, number, number * 1_000_000, 100) for number in range(3)]
    message = message_of(arrivals, (0, 1, 2), 240)
    (times,) = counterfactuals(SingleLink(WIRE, 1), arrivals, [message]).values()
    assert times == Counterfactual(300 * BYTE_NS + 500, 240 * BYTE_NS + 500)


def test_earlier_packets_delay_a_message_and_packets_in_between_do_not() -> None:
    sizes = ((0, 1_000), (400_000, 100), (500_000, 700), (600_000, 100))
    arrivals = [PacketArrival(0, number, *each) for number, each in enumerate(sizes)]
    (times,) = counterfactuals(SingleLink(WIRE, 1), arrivals, [message_of(arrivals, (1, 3), 100)]).values()
    assert times == Counterfactual(1_200 * BYTE_NS + 500, 1_100 * BYTE_NS + 500)


def test_another_ue_takes_its_share_of_the_slots_in_between() -> None:
    """10 bytes a slot. Alone, both packets would be through after two slots; the other UE has half of each."""
    links = [LinkSpec(f"ue{number}", "gnb", slots(80, slot_ns=10, release="slot"), cell="cell") for number in (1, 2)]
    cell = CellSpec("rr", groups=2)
    arrivals = [PacketArrival(0, 0, 0, 10), PacketArrival(1, 0, 0, 1_000), PacketArrival(0, 1, 100, 10)]
    (times,) = counterfactuals(
        CellLinks(cell, links, 1, FOREVER_NS), arrivals, [message_of(arrivals, (0, 2), 10)]
    ).values()
    assert times == Counterfactual(40, 20)
    (times,) = counterfactuals(
        CellLinks(cell, links, 1, FOREVER_NS), arrivals[::2], [message_of(arrivals[::2], (0, 1), 10)]
    ).values()
    assert times == Counterfactual(20, 10)


def test_the_wait_of_the_first_packet_for_a_grant_belongs_to_the_message() -> None:
    """The link was idle, so the grant comes 30 us later; the second packet needs none."""
    spec = replace(WIRE, ramp=Ramp(idle_ns=50_000_000, delay_ns=30_000))
    arrivals = [PacketArrival(0, 0, 0, 10), PacketArrival(0, 1, 1_000_000, 10)]
    (times,) = counterfactuals(SingleLink(spec, 1), arrivals, [message_of(arrivals, (0, 1), 20)]).values()
    assert times == Counterfactual(30_000 + 20 * BYTE_NS + 500, 30_000 + 20 * BYTE_NS + 500)


def test_background_traffic_takes_its_share_until_it_ends() -> None:
    """About one of its messages of 10 bytes in every slot of 10 ns, each with room for 10 bytes."""
    links = [LinkSpec(f"ue{number}", "gnb", slots(80, slot_ns=10, release="slot"), cell="cell") for number in (1, 2)]
    links[1] = replace(links[1], background=Background(1e8, 10))
    arrivals = [PacketArrival(0, 0, 1_000, 100)]
    alone_ns, shared_ns = (
        counterfactuals(
            CellLinks(CellSpec("rr", groups=2), links, 1, until_ns), arrivals, [message_of(arrivals, (0,), 100)]
        )
        for until_ns in (0, FOREVER_NS)
    )
    assert alone_ns == {message_of(arrivals, (0,), 100): Counterfactual(1_100, 1_100)}
    assert shared_ns[message_of(arrivals, (0,), 100)].at_once_ns > 1_150


def test_there_is_no_counterfactual_if_a_packet_would_have_been_dropped() -> None:
    spec = replace(WIRE, queue_bytes=150)
    arrivals = [PacketArrival(0, 0, 0, 100), PacketArrival(0, 1, 200_000, 100)]
    assert counterfactuals(SingleLink(spec, 1), arrivals, [message_of(arrivals, (0, 1), 200)]) == {}


def test_bytes_of_another_message_in_a_packet_do_not_count() -> None:
    """Of the first packet 60 bytes are the message's."""
    arrivals = [PacketArrival(0, 0, 0, 100), PacketArrival(0, 1, 500_000, 100)]
    (times,) = counterfactuals(
        SingleLink(WIRE, 1), arrivals, [MessagePackets((PacketShare(0, 60), PacketShare(1, 100)), 120)]
    ).values()
    assert times == Counterfactual(160 * BYTE_NS + 500, 120 * BYTE_NS + 500)


def test_a_counterfactual_does_not_change_later_ones() -> None:
    arrivals = [PacketArrival(0, number, number * 10_000, 100) for number in range(6)]
    messages = [message_of(arrivals, (0, 1, 2), 300), message_of(arrivals, (3, 4, 5), 300)]
    both = counterfactuals(SingleLink(WIRE, 1), arrivals, messages)
    assert both[messages[1]] == counterfactuals(SingleLink(WIRE, 1), arrivals, messages[1:])[messages[1]]
    assert both[messages[1]].at_once_ns == 600 * BYTE_NS + 500


@pytest.mark.parametrize("cell", ["", "cell"])
def test_a_fork_is_independent(cell: str) -> None:
    spec = LinkSpec("a", "b", slots(80, slot_ns=10, release="slot"), cell=cell)
    if cell:
        shared = Cell.standalone(CellSpec("rr", 1), [spec], 1)
        assert shared.enqueue(0, 0, 10)
        other = shared.fork()
        assert other.enqueue(0, 0, 1_000, 1)
        assert [each.delivery.arrival_ns for each in shared.advance(1_000)] == [10]
        assert [each.delivery.arrival_ns for each in other.advance(2_000)] == [10, 1_010]
        return
    link = Link.standalone(blocks(spec, 10, ""), 1)
    link.enqueue(0, 10)
    other_link = link.fork()
    other_link.enqueue(0, 1_000)
    delivery = link.enqueue(0, 10)
    assert delivery is not None and delivery.arrival_ns == 20
    assert link.queued_bytes == 20 and other_link.queued_bytes == 1_010
