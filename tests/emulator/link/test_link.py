"""A link answers as one that walks every slot does, and as the closed forms say."""

from dataclasses import replace
from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emulator.link import Delivery, Link
from emulator.link.tables import Links
from emulator.system import Bearer, LinkSpec, Ramp
from emulator.trace import Trace, constant
from tests.emulator.reference import Message, ReferenceLink, fluid_sent_ns
from tests.emulator.strategies import SLOTS_NS, cases, slots, traces

MANY = settings(max_examples=1000)
FEWER = settings(max_examples=150)


def enqueue_all(link: Link, messages: list[Message]) -> list[Delivery | None]:
    return [link.enqueue(*message) for message in messages]


@MANY
@given(case=cases())
def test_deliveries_drops_and_queue_equal_the_slot_by_slot_reference(
    case: tuple[LinkSpec, int, list[Message]],
) -> None:
    spec, seed, messages = case
    link, reference = Link.standalone(spec, seed), ReferenceLink(spec, seed)
    found = []
    for message in messages:
        delivery = link.enqueue(*message)
        assert (delivery is not None) == reference.offer(message)
        assert link.queued_bytes == reference.queued_bytes(message.now_ns)  # accepted = sent + queued
        if delivery is not None:
            found.append(delivery)
    assert found == reference.deliveries()
    check_slots_hold_what_the_reference_carried(reference)
    check_stretches_hold_what_was_delivered(spec.trace, [each.size_bytes for each in reference.accepted], found)
    if spec.bearer == "am":
        check_order_kept_and_nothing_lost(found)


def check_slots_hold_what_the_reference_carried(reference: ReferenceLink) -> None:
    trace = reference.spec.trace
    assert all(bits <= trace.capacity_bits[slot % len(trace)] for slot, bits in reference.carried_bits.items())
    accepted_bits = 8 * sum(each.size_bytes for each in reference.accepted)
    assert sum(reference.carried_bits.values()) == (accepted_bits if trace.release == "slot" else 0)


def check_stretches_hold_what_was_delivered(trace: Trace, sizes: list[int], found: list[Delivery]) -> None:
    """From the deliveries alone: what started and was released within a stretch of time fits into its slots."""
    for first, opening in enumerate(found):
        for last in range(first, len(found)):
            bits = 8 * sum(sizes[first : last + 1])
            assert bits <= _capacity(trace, opening.start_ns, found[last].release_ns)


def check_order_kept_and_nothing_lost(found: list[Delivery]) -> None:
    released = [each.release_ns for each in found]
    assert released == sorted(released)
    assert all(each.erased_fraction == 0 and each.start_ns < each.release_ns for each in found)


def _capacity(trace: Trace, start_ns: int, stop_ns: int) -> Fraction:
    """Bits between two instants, slots cut evenly."""

    def before(now_ns: int) -> Fraction:
        slot, part_ns = divmod(now_ns, trace.slot_ns)
        rounds, inside = divmod(slot, len(trace))
        bits = [int(each) for each in trace.capacity_bits]
        return rounds * sum(bits) + sum(bits[:inside]) + Fraction(bits[inside] * part_ns, trace.slot_ns)

    return before(stop_ns) - before(start_ns)


@settings(max_examples=600)
@given(case=cases(), queries=st.lists(st.tuples(st.integers(0, 10**9), st.integers(1, 60)), max_size=3))
def test_earliest_is_a_lower_bound_monotone_and_changes_nothing_and_reset_forgets_all(
    case: tuple[LinkSpec, int, list[Message]], queries: list[tuple[int, int]]
) -> None:
    spec, seed, messages = case
    asked, left_alone = Link.standalone(spec, seed), Link.standalone(spec, seed)
    found = []
    for message in messages:
        earliest_ns = asked.earliest_ns(message.now_ns, message.size_bytes)
        for now_ns, size_bytes in queries:
            asked.earliest_ns(now_ns, size_bytes)
        delivery = asked.enqueue(*message)
        found.append(delivery)
        assert delivery == left_alone.enqueue(*message)
        assert delivery is None or earliest_ns <= delivery.arrival_ns
    size_bytes = messages[0].size_bytes
    times_ns = range(0, 3 * spec.trace.period_ns, max(1, spec.trace.slot_ns // 3))[:100]
    earliest = [asked.earliest_ns(now_ns, size_bytes) for now_ns in times_ns]
    assert earliest == sorted(earliest)
    assert all(asked.earliest_ns(now, size_bytes + 1) >= asked.earliest_ns(now, size_bytes) for now in times_ns[:20])
    asked.reset()
    assert asked.queued_bytes == 0 and enqueue_all(asked, messages) == found


@FEWER
@given(case=cases(bearers=("um",)))
def test_earliest_is_met_by_an_idle_ramped_link_without_losses(case: tuple[LinkSpec, int, list[Message]]) -> None:
    spec, seed, messages = case
    plain = LinkSpec(spec.source, spec.target, spec.trace, spec.delay_ns, bearer="um")
    for now_ns, size_bytes, *_ in messages:
        delivery = Link.standalone(plain, seed).enqueue(now_ns, size_bytes)
        assert delivery is not None
        assert delivery.arrival_ns == Link.standalone(spec, seed).earliest_ns(now_ns, size_bytes)


@FEWER
@given(trace=traces("slot"), now_ns=st.integers(0, 3_000_000))
def test_earliest_of_a_message_that_fits_any_slot_is_the_best_wait(trace: Trace, now_ns: int) -> None:
    """One byte, slots of 8 bits or more or none: the bound is met by starting now or at some later slot."""
    roomy = Trace(trace.slot_ns, {**trace.columns, "capacity_bits": trace.capacity_bits * 8}, "slot")
    spec = LinkSpec("a", "b", roomy, delay_ns=5)
    first = now_ns // trace.slot_ns + 1
    starts_ns = [now_ns, *(slot * trace.slot_ns for slot in range(first, first + 2 * len(trace)))]
    arrivals_ns = [each.arrival_ns for start_ns in starts_ns if (each := Link.standalone(spec, 1).enqueue(start_ns, 1))]
    assert Link.standalone(spec, 1).earliest_ns(now_ns, 1) == min(arrivals_ns)


@FEWER
@given(
    bits=st.lists(st.integers(0, 9_000_000_000_000), min_size=1, max_size=6).filter(any),
    start_ns=st.integers(0, 10**15),
    sizes=st.lists(st.integers(1, 10**13), min_size=1, max_size=4),
)
@example(bits=[9_223_372_036_854], start_ns=999_999, sizes=[1, 1_152_921_504_606, 10**12])
def test_large_numbers_stay_exact(bits: list[int], start_ns: int, sizes: list[int]) -> None:
    """Slots of 1 ms near the largest capacity that a trace may have, late in a long run."""
    trace = slots(*bits, slot_ns=1_000_000)
    link = Link.standalone(LinkSpec("a", "b", trace, queue_bytes=2**60), 1)
    slots_needed = 8 * sum(sizes) / (sum(bits) / len(bits))
    if slots_needed > 2_000:
        sizes = [max(1, size // int(slots_needed)) for size in sizes]
    sent_ns = 0
    for size_bytes in sizes:
        delivery = link.enqueue(start_ns, size_bytes)
        sent_ns = fluid_sent_ns(trace, max(start_ns, sent_ns), size_bytes * 8)
        assert delivery is not None and delivery.release_ns == sent_ns


@FEWER
@given(
    rate_mbps=st.integers(1, 10_000),
    messages=st.lists(st.tuples(st.integers(0, 10**7), st.integers(1, 10**6)), min_size=1, max_size=10),
)
def test_constant_fluid_link_equals_the_closed_form(rate_mbps: int, messages: list[tuple[int, int]]) -> None:
    """At rate r a message of b bits takes b / r, rounded up, after the one before it."""
    link = Link.standalone(LinkSpec("a", "b", constant(rate_mbps * 1e6), delay_ns=7, queue_bytes=10**9), 1)
    now_ns = free_ns = 0
    for gap_ns, size_bytes in messages:
        now_ns += gap_ns
        start_ns = max(now_ns, free_ns)
        free_ns = start_ns + ceil(Fraction(size_bytes * 8 * 1_000, rate_mbps))
        assert link.enqueue(now_ns, size_bytes) == (start_ns, free_ns, free_ns + 7, 0.0)


@FEWER
@given(
    slot_bits=st.integers(1, 10_000),
    slot_ns=st.sampled_from(SLOTS_NS),
    messages=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 10**4)), min_size=1, max_size=10),
)
def test_constant_slotted_link_equals_the_closed_form(
    slot_bits: int, slot_ns: int, messages: list[tuple[int, int]]
) -> None:
    """The n-th bit of a busy period that begins in slot k leaves at the end of slot k + (n - 1) // c."""
    link = Link.standalone(LinkSpec("a", "b", slots(slot_bits, slot_ns=slot_ns, release="slot"), queue_bytes=10**9), 1)
    now_slot = position = 0
    for gap, size_bytes in messages:
        now_slot += gap
        position = max(position, now_slot * slot_bits) + size_bytes * 8
        delivery = link.enqueue(now_slot * slot_ns, size_bytes)
        assert delivery is not None and delivery.release_ns == ((position - 1) // slot_bits + 1) * slot_ns


def test_slot_rule_serves_what_was_queued_at_the_slots_start_and_not_later() -> None:
    trace = slots(80, 80, slot_ns=100, release="slot")
    assert Link.standalone(LinkSpec("a", "b", trace), 1).enqueue(100, 10) == (100, 200, 200, 0.0)
    assert Link.standalone(LinkSpec("a", "b", trace), 1).enqueue(101, 10) == (200, 300, 300, 0.0)


def test_harq_holds_back_in_order_release_under_am_and_nothing_under_um() -> None:
    trace = slots(80, 80, slot_ns=100, release="slot", harq_delay_ns=[400, 0])
    am, um = (Link.standalone(LinkSpec("a", "b", trace, bearer=bearer), 1) for bearer in ("am", "um"))
    releases = {
        link: [each and each.release_ns for each in (link.enqueue(0, 10), link.enqueue(0, 10))] for link in (am, um)
    }
    assert releases[am] == [500, 500]
    assert releases[um] == [100, 200]


def test_slots_that_carry_nothing_delay_and_lose_nothing() -> None:
    """A message spans an empty slot: that slot's HARQ delay and lost block concern no message."""
    trace = slots(40, 0, 40, slot_ns=10, release="slot", harq_delay_ns=[0, 900, 0], block_lost=[False, True, False])
    assert Link.standalone(LinkSpec("a", "b", trace), 1).enqueue(0, 10) == (0, 30, 30, 0.0)
    assert Link.standalone(LinkSpec("a", "b", trace, bearer="um"), 1).enqueue(0, 10) == (0, 30, 30, 0.0)


@pytest.mark.parametrize("loss", [0.0, 0.5])
def test_fluid_release_is_never_before_the_last_bit_whatever_columns_the_trace_has(loss: float) -> None:
    """HARQ and blocks belong to slots that leave as a whole; even flow knows neither."""
    trace = slots(80, 80, 80, harq_delay_ns=[0, 5, 0], block_lost=[True, True, True])
    bare = slots(80, 80, 80)
    for bearer in ("am", "um"):
        spec, plain = (LinkSpec("a", "b", each, bearer=bearer, loss=loss, fragment_bytes=3) for each in (trace, bare))
        messages = [Message(25 * number, 5, number) for number in range(8)]
        assert enqueue_all(Link.standalone(spec, 3), messages) == enqueue_all(Link.standalone(plain, 3), messages)


def test_um_erases_the_bytes_of_the_fragments_that_a_lost_block_carried() -> None:
    """Blocks of 10 bytes, the second lost; fragments of 4 bytes: those of bytes 8-12, 12-16 and 16-20."""
    trace = slots(80, 80, 80, release="slot", block_lost=[False, True, False])
    delivery = Link.standalone(LinkSpec("a", "b", trace, bearer="um", fragment_bytes=4), 1).enqueue(0, 25)
    assert delivery is not None and delivery.erased_fraction == pytest.approx(12 / 25)


@FEWER
@given(case=cases(bearers=("um",)))
def test_a_message_that_is_acknowledged_as_a_whole_is_as_on_an_acknowledged_bearer(
    case: tuple[LinkSpec, int, list[Message]],
) -> None:
    spec, seed, messages = case
    protected = [each._replace(acknowledged_bytes=each.size_bytes) for each in messages]
    acknowledged = Link.standalone(replace(spec, bearer="am"), seed)
    assert enqueue_all(Link.standalone(spec, seed), protected) == enqueue_all(acknowledged, messages)


def test_um_loses_nothing_of_the_acknowledged_bytes_and_sends_their_lost_block_once_more() -> None:
    """Blocks of 10 bytes, the second lost, RLC 500 ns: 12 acknowledged bytes wait for it; fragments of 4 bytes from
    byte 12 on, of which 12-16 and 16-20 are lost. With 10 acknowledged bytes none waits, and 10-22 are lost."""
    trace = slots(80, 80, 80, release="slot", block_lost=[False, True, False])
    spec = LinkSpec("a", "b", trace, bearer="um", fragment_bytes=4, retransmission_ns=500)
    assert Link.standalone(spec, 1).enqueue(0, 25, acknowledged_bytes=12) == (0, 520, 520, 8 / 13)
    assert Link.standalone(spec, 1).enqueue(0, 25, acknowledged_bytes=10) == (0, 30, 30, 12 / 15)


def test_am_sends_a_lost_block_once_more_and_um_does_not() -> None:
    """Two links on one trace: a block that HARQ gave up on after 50 ns takes RLC another 70."""
    trace = slots(80, 80, slot_ns=100, release="slot", harq_delay_ns=[50, 0], block_lost=[True, False])
    for retransmission_ns, release_ns in ((70, 220), (0, 150)):
        spec = LinkSpec("a", "b", trace, retransmission_ns=retransmission_ns)
        assert Link.standalone(spec, 1).enqueue(0, 10) == (0, release_ns, release_ns, 0.0)
        assert Link.standalone(spec, 1).earliest_ns(0, 10) == min(
            release_ns, 200
        )  # the next slot needs no retransmission
        assert Link.standalone(replace(spec, bearer="um"), 1).enqueue(0, 10) == (0, 100, 100, 1.0)
    both = Links([replace(spec, retransmission_ns=70), spec], 1)
    released = [each.release_ns for index in (0, 1) if (each := Link(spec, both, index).enqueue(0, 10))]
    assert released == [220, 150]


def test_drop_tail_counts_a_message_until_its_last_bit_is_sent() -> None:
    link = Link.standalone(LinkSpec("a", "b", slots(80), queue_bytes=25), 1)  # 10 bytes in 10 ns
    assert link.enqueue(0, 20) is not None
    assert link.enqueue(19, 6) is None
    assert link.enqueue(19, 5) is not None
    assert link.enqueue(20, 20) is not None
    assert link.queued_bytes == 25


def test_ramp_delays_the_first_message_and_the_first_after_an_idle_gap() -> None:
    link = Link.standalone(LinkSpec("a", "b", slots(80), ramp=Ramp(idle_ns=100, delay_ns=30)), 1)
    starts = [each.start_ns for now in (0, 5, 149, 258, 260) if (each := link.enqueue(now, 10))]
    assert starts == [30, 40, 149, 258 + 0, 268]  # sent 40, 50, 159, 268: gaps of 99 keep the grant
    late = link.enqueue(278 + 100, 10)
    assert late is not None and late.start_ns == 378 + 30


def test_a_first_grant_at_the_next_occasion_holds_a_part_and_the_rest_follows_a_report() -> None:
    """Occasions every 40 ns, granted 15 ns later; 4 bytes go at once, the others from 30 ns after that slot on."""
    ramp = Ramp(idle_ns=100, delay_ns=15, period_ns=40, first_bytes=4, report_ns=30)
    link = Link.standalone(LinkSpec("a", "b", slots(80, slot_ns=10, release="slot"), ramp=ramp), 1)
    assert link.enqueue(1, 25) == (60, 130, 130, 0.0)  # asked at 40, granted at 55, reported at 70: 100 to 120
    assert link.enqueue(2, 9) == (120, 130, 130, 0.0)  # behind it, in what it leaves of its last slot
    assert link.enqueue(500, 4) == (540, 550, 550, 0.0)  # asked at 520: all of it fits
    assert link.enqueue(500, 1) == (550, 560, 560, 0.0)  # but nothing else


@pytest.mark.parametrize("bearer", ["am", "um"])
def test_random_loss_of_a_message_does_not_depend_on_what_else_was_sent(bearer: Bearer) -> None:
    """Message k keeps its draws alone, among others, and in another order."""
    spec = LinkSpec("a", "b", slots(800), 0, 10**9, bearer, 0.3, 10, 50)
    gap_ns = 10_000  # far beyond any retransmission here: order never holds a release back

    def outcome_of(numbers: list[int]) -> dict[int, tuple[int, float]]:
        link = Link.standalone(spec, 9)
        found = {}
        for place, number in enumerate(numbers):
            delivery = link.enqueue(place * gap_ns, 100, number)
            assert delivery is not None
            found[number] = (delivery.release_ns - place * gap_ns, delivery.erased_fraction)
        return found

    everything = outcome_of(list(range(200)))
    assert len(set(everything.values())) > 3
    assert outcome_of(list(range(199, -1, -1))) == everything
    assert outcome_of([150, 7]) == {7: everything[7], 150: everything[150]}


def test_loss_happens_as_often_as_declared() -> None:
    """20 000 fragments at 0.2: within four standard deviations (0.011); attempts are geometric, mean 0.25."""
    um = Link.standalone(
        LinkSpec("a", "b", slots(8_000), bearer="um", loss=0.2, fragment_bytes=10, queue_bytes=10**9), 5
    )
    erased = [each.erased_fraction for number in range(200) if (each := um.enqueue(0, 1_000, number))]
    assert np.mean(erased) == pytest.approx(0.2, abs=0.0114)
    am = Link.standalone(LinkSpec("a", "b", slots(8_000), loss=0.2, fragment_bytes=10, retransmission_ns=1_000), 5)
    waits = [
        each.release_ns - each.start_ns
        for number in range(20_000)
        if (each := am.enqueue(number * 100_000, 10, number))
    ]
    assert (np.mean(waits) - 0.1) / 1_000 == pytest.approx(0.25, abs=4 * np.sqrt(0.2) / 0.8 / np.sqrt(20_000) + 1e-3)


def test_two_directions_and_two_seeds_draw_apart() -> None:
    def erased(source: str, target: str, seed: int) -> list[float]:
        spec = LinkSpec(source, target, slots(800), bearer="um", loss=0.5, fragment_bytes=1)
        return [each.erased_fraction for k in range(20) if (each := Link.standalone(spec, seed).enqueue(0, 100, k))]

    assert erased("a", "b", 1) == erased("a", "b", 1)
    assert len({tuple(erased(*which)) for which in (("a", "b", 1), ("b", "a", 1), ("a", "b", 2))}) == 3


def test_measured_rate_is_the_mean_of_the_window_and_knows_nothing_of_the_future() -> None:
    """Two channels that differ from 40 ns on have the same measured rate until then, however short the window is
    beside a slot."""
    one, other = slots(10, 20, 30, 40, 50), slots(10, 20, 30, 40, 990)
    for now_ns in range(1, 41):
        for window_ns in (1, 4, 10, 25, 100):
            rates = [
                Link.standalone(LinkSpec("a", "b", trace), 1).rate_bps(now_ns, window_ns) for trace in (one, other)
            ]
            start_ns = max(0, now_ns - window_ns)
            expected = _capacity(one, start_ns, now_ns) * 10**9 / (now_ns - start_ns)
            assert rates == [pytest.approx(float(expected))] * 2
