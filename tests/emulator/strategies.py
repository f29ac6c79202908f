"""Random traces, links and messages: small, full of edges, the same for all tests of links and cells."""

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from emulator.system import Bearer, LinkSpec, Ramp
from emulator.trace import Release, Trace
from tests.emulator.reference import Message

CAPACITIES = (0, 0, 1, 7, 8, 64, 100, 480, 1_000)
SLOTS_NS = (1, 3, 10, 1_000, 500_000, 1_000_000)
TDD = [1, 1, 1, 0, 0]  # three slots of five are this direction's


def slots(*capacity_bits: int, slot_ns: int = 10, release: Release = "fluid", **columns: Any) -> Trace:
    arrays = {"capacity_bits": np.array(capacity_bits, dtype=np.int64)}
    return Trace(slot_ns, arrays | {name: np.array(values) for name, values in columns.items()}, release)


def nothing(trace: Trace) -> Trace:
    """The same trace, out of coverage all the time."""
    return replace(trace, columns={**trace.columns, "capacity_bits": np.zeros(len(trace), dtype=np.int64)})


@st.composite
def traces(draw: st.DrawFn, release: Release) -> Trace:
    """A few slots, some of them empty, now and then in a TDD pattern, with HARQ delays and lost blocks."""
    slot_ns = draw(st.sampled_from(SLOTS_NS))
    count = draw(st.integers(1, 12))
    pattern = TDD if draw(st.booleans()) else [1]
    bits = [draw(st.sampled_from(CAPACITIES)) * pattern[slot % len(pattern)] for slot in range(count)]
    if not any(bits):
        bits[draw(st.integers(0, count - 1))] = draw(st.sampled_from(CAPACITIES[2:]))
    columns: dict[str, Any] = {"capacity_bits": np.array(bits, dtype=np.int64)}
    if release == "slot" and draw(st.booleans()):
        delays = draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))
        columns["harq_delay_ns"] = np.array(delays, dtype=np.int64) * slot_ns
    if release == "slot" and draw(st.booleans()):
        lost = draw(st.lists(st.booleans(), min_size=count, max_size=count))
        columns["block_lost"] = np.array(lost, dtype=np.bool_)
    return Trace(slot_ns, columns, release)


@st.composite
def specs(draw: st.DrawFn, bearers: tuple[Bearer, ...] = ("am", "um")) -> LinkSpec:
    trace = draw(traces(draw(st.sampled_from(("fluid", "slot")))))
    spans_ns = st.integers(0, 5).map(lambda count: count * trace.slot_ns) | st.integers(0, 3 * trace.slot_ns)
    return LinkSpec(
        "ue1",
        "gnb",
        trace,
        delay_ns=draw(spans_ns),
        queue_bytes=draw(st.sampled_from((40, 120, 10_000))),
        bearer=draw(st.sampled_from(bearers)),
        loss=draw(st.sampled_from((0.0, 0.1, 0.6))),
        fragment_bytes=draw(st.sampled_from((1, 5, 13, 1_500))),
        retransmission_ns=draw(spans_ns),
        ramp=draw(st.none() | ramps(trace.slot_ns, spans_ns)),
    )


def ramps(slot_ns: int, spans_ns: st.SearchStrategy[int]) -> st.SearchStrategy[Ramp]:
    """With and without occasions to ask at and a first grant that does not hold everything."""
    periods_ns = st.just(0) | st.sampled_from((slot_ns, 3 * slot_ns, max(1, 2 * slot_ns // 5)))
    first_bytes = st.just(0) | st.integers(1, 40)
    return st.builds(Ramp, spans_ns, spans_ns, periods_ns, first_bytes, spans_ns)


@st.composite
def offers(draw: st.DrawFn, slot_ns: int) -> list[Message]:
    """Messages in order of time: in bursts, on slot edges, between them, and long after one another."""
    gaps_ns = (
        st.just(0)
        | st.integers(1, 4).map(lambda count: count * slot_ns)
        | st.integers(0, 3 * slot_ns)
        | st.integers(0, 200 * slot_ns)
    )
    now_ns = 0
    messages = []
    for number in range(draw(st.integers(1, 12))):
        now_ns += draw(gaps_ns)
        size_bytes, address = draw(st.integers(1, 60)), draw(st.just(number) | st.integers(0, 2**62))
        acknowledged_bytes = draw(st.just(0) | st.just(size_bytes) | st.integers(0, size_bytes))
        messages.append(Message(now_ns, size_bytes, address, acknowledged_bytes))
    return messages


@st.composite
def cases(draw: st.DrawFn, bearers: tuple[Bearer, ...] = ("am", "um")) -> tuple[LinkSpec, int, list[Message]]:
    spec = draw(specs(bearers))
    return spec, draw(st.integers(0, 2**32)), draw(offers(spec.trace.slot_ns))
