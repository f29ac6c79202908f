from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.device import Device, layer_times
from emulator.profile import Layer, ModelProfile
from emulator.task import Pass
from hil.testbed.layer_measurement import contiguous_ranges, layers_by_node, measured_layer_times
from tests.hil.lab import DEVICE, kind, system

LAYERS = (
    Layer("embedding", flops=0, weight_bytes=100, activation_elements=8),
    Layer("decoder", flops=4_000, weight_bytes=400, activation_elements=8, context_flops=400, kv_elements=16),
    Layer("head", flops=2_000, weight_bytes=100, activation_elements=90),
)
MODEL = ModelProfile("m", "causal_lm", "fp32", (1,), LAYERS)


def test_device_with_measured_times_reproduces_the_measurement() -> None:
    fixed, token = (10_000, 20_000, 5_000), (3_000, 40_000, 7_000)

    def takes(index: int, tokens: int) -> int:
        ratio = LAYERS[index].context_flops / (LAYERS[index].flops or 1)
        return round(fixed[index] + token[index] * tokens * (1 + ratio * (tokens // 2)))

    measured = {tokens: {index: takes(index, tokens) for index in range(3)} for tokens in (1, 64)}
    device = Device.standalone(
        DEVICE.__class__(1e9, 1, 1e9, 1e9, measured={"m": measured_layer_times(DEVICE, MODEL, 1.0, measured)}),
        {"m": MODEL},
    )
    for index in range(3):
        for tokens in (1, 7, 64, 200):
            each = Pass(tokens, tokens // 2)
            assert device.service_ns("m", index, index + 1, *each) == pytest.approx(
                takes(index, tokens), rel=1e-5, abs=2
            )


def test_times_are_scaled_and_unmeasured_layers_keep_the_profile() -> None:
    times = measured_layer_times(DEVICE, MODEL, 2.5, {1: {0: 1_000}})
    profile = layer_times(DEVICE, MODEL)
    assert times.fixed_ns == (2_500, *profile.fixed_ns[1:])
    assert times.token_ns == (0, *profile.token_ns[1:])
    assert times.context_ps == (0, *profile.context_ps[1:])


def test_noise_gives_no_negative_times() -> None:
    times = measured_layer_times(DEVICE, MODEL, 1.0, {1: {0: 9_000}, 64: {0: 8_000}})
    assert (times.fixed_ns[0], times.token_ns[0]) == (9_000, 0)
    times = measured_layer_times(DEVICE, MODEL, 1.0, {1: {0: 100}, 2: {0: 9_000}})
    assert times.fixed_ns[0] == 0


@given(st.sets(st.integers(0, 40)))
def test_ranges_cover_exactly_the_indices(numbers: set[int]) -> None:
    found = list(contiguous_ranges(numbers))
    assert [index for first, stop in found for index in range(first, stop)] == sorted(numbers)
    assert all(stop < first for (_, stop), (first, _) in pairwise(found))


def test_a_node_gets_the_layers_of_all_candidates() -> None:
    assert layers_by_node(system([kind("nin")], cuts=[3, 5])) == {
        "ue1": {"nin": set(range(5))},
        "edge1": {"nin": set(range(3, 12))},
    }
