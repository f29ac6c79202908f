"""A device against one that remembers every job and looks everything up in it."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.device import Device, Service
from emulator.profile import Layer, ModelProfile
from emulator.system import DeviceSpec, LayerTimes
from tests.emulator.reference import Job, ReferenceDevice

SIZES = (5, 0, 12, 3, 8, 20)
MODEL = ModelProfile("six", "vision", "int8", (1,), tuple(Layer(f"l{i}", 0, size, 1) for i, size in enumerate(SIZES)))
LLM = ModelProfile(
    "llm",
    "causal_lm",
    "fp16",
    (1,),
    tuple(Layer(f"b{i}", 10**6 * (i + 1), 10**5 * (i + 1), 8, 300, 4) for i in range(4)),
)


def spec_of(memory_bytes: int = 2**40, load_bytes_per_s: int = 10**9, queue_tasks: int = 1_000) -> DeviceSpec:
    return DeviceSpec(1e9, memory_bytes, 1e9, float(load_bytes_per_s), queue_tasks=queue_tasks)


@st.composite
def jobs(draw: st.DrawFn) -> list[tuple[int, int, int, int]]:
    """(gap before it, first layer, stop layer, service)."""
    found = []
    for _ in range(draw(st.integers(1, 25))):
        first = draw(st.integers(0, len(SIZES) - 1))
        stop = draw(st.integers(first + 1, len(SIZES)))
        found.append((draw(st.integers(0, 40)), first, stop, draw(st.integers(0, 60))))
    return found


@settings(max_examples=300)
@given(
    submitted=jobs(),
    memory_bytes=st.sampled_from((0, 12, 20, 28, 40, 48)),
    load_bytes_per_s=st.sampled_from((10**9, 333_333_333, 10**8)),
    queue_tasks=st.sampled_from((1, 3, 100)),
    age_ns=st.sampled_from((0, 7, 50)),
)
def test_turns_loads_failures_and_backlog_as_heard_equal_the_reference(
    submitted: list[tuple[int, int, int, int]], memory_bytes: int, load_bytes_per_s: int, queue_tasks: int, age_ns: int
) -> None:
    """FIFO, residency with the least recently used leaving first, both refusals, and the backlog at every
    instant up to `age_ns` ago."""
    device = Device.standalone(spec_of(memory_bytes, load_bytes_per_s, queue_tasks), {"six": MODEL}, age_ns)
    reference = ReferenceDevice(MODEL, memory_bytes, load_bytes_per_s, queue_tasks)
    now_ns = 0
    for gap_ns, first, stop, service_ns in submitted:
        for heard_ns in range(now_ns - age_ns, now_ns + gap_ns + 1, 7):
            assert device.backlog_ns(heard_ns) == reference.backlog_ns(heard_ns)
        now_ns += gap_ns
        assert device.backlog_ns(now_ns - age_ns) == reference.backlog_ns(now_ns - age_ns)
        expected = reference.submit(now_ns, first, stop, service_ns)
        found = device.submit(now_ns, "six", first, stop, service_ns)
        assert found == (expected if isinstance(expected, str) else Service(*expected[1:]))
    assert device.busy_ns == sum(job.finish_ns - job.start_ns for job in reference.jobs)


def test_least_recently_used_layers_leave_first() -> None:
    """Room for 20 of the layers' 5, 0, 12, 3, 8, 20 bytes at a byte a nanosecond."""
    device = Device.standalone(spec_of(memory_bytes=20), {"six": MODEL})

    def load_ns(first: int, stop: int) -> int:
        service = device.submit(0, "six", first, stop, 0)
        assert isinstance(service, Service)
        return service.load_ns

    assert load_ns(0, 1) == 5
    assert load_ns(2, 3) == 12
    assert load_ns(3, 4) == 3  # full: 5 + 12 + 3
    assert load_ns(0, 1) == 0  # used again: now 12 is the oldest
    assert load_ns(4, 5) == 8  # evicts 12
    assert load_ns(0, 1) == load_ns(3, 4) == 0
    assert load_ns(2, 3) == 12  # evicts 8


def test_what_is_in_memory_at_the_start_is_not_loaded_and_evicts_nothing() -> None:
    device = Device.standalone(spec_of(memory_bytes=20), {"six": MODEL})
    device.preload("six", 0, 4)  # 5 + 0 + 12 + 3
    device.preload("six", 4, 5)  # no room
    assert device.submit(0, "six", 0, 4, 7) == Service(0, 0, 7)
    assert device.submit(0, "six", 4, 5, 7) == Service(7, 8, 22)


def test_a_partition_larger_than_memory_is_refused_and_takes_no_turn() -> None:
    device = Device.standalone(spec_of(memory_bytes=19), {"six": MODEL})
    assert device.submit(0, "six", 0, 4, 7) == "memory"
    assert (device.busy_ns, device.backlog_ns(0)) == (0, 0)
    assert device.submit(0, "six", 0, 3, 7) == Service(0, 17, 24)


def test_a_refused_partition_uses_nothing() -> None:
    """It never ran: the layers that it named are no fresher for it."""
    device = Device.standalone(spec_of(memory_bytes=20), {"six": MODEL})
    for layer in (3, 0, 2):  # 3, 5 and 12 bytes: full, in this order of age
        device.submit(0, "six", layer, layer + 1, 0)
    assert device.submit(0, "six", 0, 6, 0) == "memory"
    assert device.submit(0, "six", 4, 5, 0) == Service(20, 8, 28)  # evicts the oldest, 3 and 5 bytes
    assert device.submit(0, "six", 2, 3, 0) == Service(28, 0, 28)


def test_a_full_queue_counts_what_waits_and_what_is_in_service() -> None:
    device = Device.standalone(spec_of(queue_tasks=2), {"six": MODEL})
    device.preload("six", 0, 6)
    assert [device.submit(now, "six", 0, 1, 10) for now in (0, 0, 9, 10)] == [
        Service(0, 0, 10),
        Service(10, 0, 20),
        "device queue full",
        Service(20, 0, 30),
    ]


def test_roofline_without_overlap_adds_compute_memory_and_overhead() -> None:
    """2 Gflop/s, 1 GB/s, 500 ns a layer; three tokens that each attend to seven positions."""
    device = Device.standalone(DeviceSpec(2e9, 2**40, 1e9, 1e9, layer_overhead_ns=500), {"llm": LLM})
    layers = LLM.layers[1:3]
    exact = sum(
        Fraction(3 * layer.flops + 3 * 7 * layer.context_flops, 2) + layer.weight_bytes + 500 for layer in layers
    )
    assert device.service_ns("llm", 1, 3, 3, 7) == int(exact)
    assert device.service_ns("llm", 2, 2, 3, 7) == 0


@given(
    cuts=st.lists(st.integers(0, 4), min_size=1, max_size=3).map(sorted),
    tokens=st.integers(1, 500),
    context=st.integers(0, 2_000),
)
def test_times_of_consecutive_partitions_add_up(cuts: list[int], tokens: int, context: int) -> None:
    """To a nanosecond a partition: what is below is rounded away once in each."""
    device = Device.standalone(DeviceSpec(3e9, 2**40, 7e8, 1e9, layer_overhead_ns=11), {"llm": LLM})
    edges = [0, *cuts, 4]
    parts = sum(device.service_ns("llm", a, b, tokens, context) for a, b in pairwise(edges))
    whole = device.service_ns("llm", 0, 4, tokens, context)
    assert 0 <= whole - parts <= len(edges)


def test_measured_times_stand_instead_of_the_roofline() -> None:
    measured = LayerTimes((100, 200, 300, 400), (1, 2, 3, 4), (1_500, 0, 2_000, 0))
    spec = DeviceSpec(2e9, 2**40, 1e9, 1e9, layer_overhead_ns=500, measured={"llm": measured})
    device = Device.standalone(spec, {"llm": LLM, "six": MODEL})
    assert device.service_ns("llm", 0, 3, 4, 3) == 100 + 200 + 300 + 4 * (1 + 2 + 3) + int(4 * 3 * 3.5)
    assert device.service_ns("six", 0, 1, 1, 0) == 5 + 500  # another model: still the roofline


def test_backlog_after_a_job_is_what_is_left_of_it() -> None:
    device = Device.standalone(spec_of(), {"six": MODEL}, age_ns=20)
    device.preload("six", 0, 6)
    device.submit(100, "six", 0, 1, 50)
    assert [device.backlog_ns(at) for at in (80, 99, 100, 120, 150, 999)] == [0, 0, 50, 30, 0, 0]


def test_reference_refuses_as_told() -> None:
    """The reference can tell its outcomes apart at all."""
    reference = ReferenceDevice(MODEL, 20, 10**9, 1)
    assert isinstance(reference.submit(0, 0, 1, 10), Job)
    assert reference.submit(5, 0, 1, 10) == "device queue full"
    assert reference.submit(50, 5, 6, 10) == pytest.approx(Job(50, 50, 20, 80))
