from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.linalg import hadamard

from emulator.activation.codec import FP16_MAX
from emulator.activation.codecs import CODECS, codec
from emulator.activation.dense import BF16_MAX, INT4_GROUP, INT4_MAX

FLOAT32_MAX = float(np.finfo(np.float32).max)
Exact = NDArray[np.float64]
MIXING = hadamard(16) / 4
SCALES = (np.arange(0xF8, dtype=np.uint16) << 7).view(np.float16).astype(np.float64)
names = st.sampled_from(sorted(CODECS))
shapes = st.tuples(st.integers(1, 5), st.one_of(st.integers(1, 40), st.sampled_from([63, 64, 65, 99, 100, 101, 257])))


def activations(largest: float) -> st.SearchStrategy[NDArray[np.float32]]:
    scalars = st.floats(-largest, largest, width=32)
    return shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=scalars, fill=scalars))


any_activation = st.one_of(activations(8.0), activations(2.0**20), activations(FLOAT32_MAX))


def round_trip(name: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    return CODECS[name].decode(CODECS[name].encode(values), (values.shape[0], values.shape[1]))


def beyond(values: Exact, largest: float) -> Exact:
    """What saturation takes off."""
    return np.maximum(np.abs(values) - largest, 0)


def fp16_error(values: Exact) -> Exact:
    return np.maximum(np.abs(values) * 2**-11, 2**-25) + beyond(values, FP16_MAX)


def int8_error(values: Exact) -> Exact:
    """Half a scale of the token: float32 rounds the scale (by 2^-23, by 2^-149 where it is subnormal), the quotient and
    the product."""
    scale = np.abs(values).max(axis=1, keepdims=True) / 127 * (1 + 2**-23) + 2**-149
    return np.broadcast_to(scale * (0.5 + 127 * 2**-22) + 2**-149, values.shape)


def int4_error(values: Exact) -> Exact:
    """The least squared error is at most that of half a scale for each of 16 mixed scalars, thus no scalar's error more
    than two scales, where the scale is the largest mixed scalar's over 7, at most an eighth above it (2^-17 where it is
    subnormal). Mixing rounds by some 2^-20 of the largest."""
    groups = in_groups(np.clip(values, -INT4_MAX, INT4_MAX))
    peaks = np.abs(groups @ MIXING).max(axis=2) / 7
    bounds: Exact = 2 * (peaks * (1 + 1 / 8) + 2**-17) + np.abs(groups).max(axis=2) * 2**-18
    bounds = bounds.repeat(INT4_GROUP, axis=1)[:, : values.shape[1]] + beyond(values, INT4_MAX)
    return bounds


def in_groups(values: Exact) -> Exact:
    """Shape (tokens, groups, 16), with zeros after the last scalar."""
    tokens, elements = values.shape
    groups = np.zeros((tokens, -(-elements // INT4_GROUP) * INT4_GROUP))
    groups[:, :elements] = values
    return groups.reshape(tokens, -1, INT4_GROUP)


def largest(values: Exact, one_in: int) -> NDArray[np.bool_]:
    """The largest of each token, and of equal ones the first, by a sort."""
    kept = -(-values.shape[1] // one_in)
    marks = np.zeros(values.shape, bool)
    for token, row in enumerate(values):
        marks[token, sorted(range(len(row)), key=lambda i: (-abs(row[i]), i))[:kept]] = True
    return marks


def bfloat16_error(values: Exact) -> Exact:
    return np.maximum(np.abs(values) * 2**-8, 2**-134) + beyond(values, BF16_MAX)


def topk10_error(values: Exact) -> Exact:
    return np.where(largest(values, 10), fp16_error(values), np.abs(values))


ERRORS: dict[str, Callable[[Exact], Exact]] = {
    "fp32": np.zeros_like,
    "fp16": fp16_error,
    "bf16": bfloat16_error,
    "int8": int8_error,
    "int4": int4_error,
    "topk10": topk10_error,
}


def error_bound(name: str, values: Exact) -> Exact:
    base = name.removesuffix("+outliers")
    if base == name:
        return ERRORS[name](values)
    apart = largest(values, 100)
    return np.where(apart, fp16_error(values), ERRORS[base](np.where(apart, 0, values)))


@given(names, any_activation)
def test_error_is_within_the_codecs_bound(name: str, values: NDArray[np.float32]) -> None:
    exact = values.astype(np.float64)
    back = round_trip(name, values)
    assert back.dtype == np.float32 and back.shape == values.shape
    assert np.all(np.abs(back - exact) <= error_bound(name, exact))


@pytest.mark.parametrize("name", sorted(set(CODECS) - {"int4", "int4+outliers"}))
def test_error_bounds_are_tight(name: str) -> None:
    """Of many values some come close to the bound, so the bound is the codec's and not a wider one."""
    values = np.random.default_rng(1).uniform(-3, 3, (50, 1_000)).astype(np.float32)
    bound = error_bound(name, values.astype(np.float64))
    error = np.abs(round_trip(name, values).astype(np.float64) - values)
    assert name == "fp32" or np.max(error[bound > 0] / bound[bound > 0]) > 0.99


def test_scales_of_int4_are_nearly_the_best_of_all() -> None:
    """Against each group's least squared error over all scales that there are."""
    values = np.random.default_rng(4).standard_t(3, (40, 64)).astype(np.float32)
    mixed = in_groups(values.astype(np.float64)) @ MIXING
    scales = SCALES[:, None, None, None]
    levels = np.clip(np.rint(mixed / np.where(scales > 0, scales, 1)), -8, 7)
    best = ((levels * scales - mixed) ** 2).sum(axis=3).min(axis=0)
    reached = (in_groups(round_trip("int4", values).astype(np.float64) - values) ** 2).sum(axis=2)
    assert (reached >= best * (1 - 1e-5)).all()
    assert reached.sum() <= 1.03 * best.sum()


@pytest.mark.parametrize("level", range(-8, 8))
def test_a_mixed_scalar_of_int4_is_a_pattern_of_signs(level: int) -> None:
    for scalar in range(16):
        payload = bytearray(9)
        payload[0] = 0x78  # 1
        payload[1 + scalar // 2] = (level & 0xF) << 4 * (scalar % 2)
        assert np.array_equal(CODECS["int4"].decode(payload, (1, 16))[0], level * MIXING[scalar])


@pytest.mark.parametrize(
    ("name", "size_bytes"),
    [
        ("fp32", 2_304),
        ("fp16", 1_152),
        ("bf16", 1_152),
        ("int8", 4 + 576),
        ("int4", 36 + 288),
        ("topk10", 58 * (2 + 2)),
        ("int8+outliers", 6 * (2 + 2) + 4 + 576),
        ("int4+outliers", 6 * (2 + 2) + 18 * 2 + 288),
    ],
)
def test_a_token_of_576_scalars_has_the_size_of_its_parts(name: str, size_bytes: int) -> None:
    assert CODECS[name].size_bytes(576, 1) == size_bytes
    assert CODECS[name].size_bytes(576, 7) == 7 * size_bytes


def test_indices_take_four_bytes_in_a_long_token() -> None:
    assert CODECS["topk10"].size_bytes(65_536, 1) == 6_554 * (2 + 2)
    assert CODECS["topk10"].size_bytes(65_537, 1) == 6_554 * (4 + 2)
    values = np.zeros((1, 70_000), np.float32)
    values[0, 69_999] = 5
    assert np.array_equal(round_trip("topk10", values), values)


@given(names, shapes)
def test_sizes_are_exact(name: str, shape: tuple[int, int]) -> None:
    tokens, elements = shape
    assert len(CODECS[name].encode(np.ones(shape, np.float32))) == CODECS[name].size_bytes(elements, tokens)


@given(names, any_activation, st.data())
def test_tokens_are_coded_one_by_one(name: str, values: NDArray[np.float32], data: st.DataObject) -> None:
    token = data.draw(st.integers(0, len(values) - 1))
    size = CODECS[name].token_bytes(values.shape[1])
    alone = CODECS[name].encode(values[token : token + 1])
    assert CODECS[name].encode(values)[token * size : (token + 1) * size] == alone


@given(st.sampled_from(sorted(set(CODECS) - {"int4", "int4+outliers"})), activations(100.0))
def test_what_was_decoded_is_coded_without_further_error(name: str, values: NDArray[np.float32]) -> None:
    once = round_trip(name, values)
    if name in ("fp32", "fp16", "bf16", "topk10"):
        assert np.array_equal(round_trip(name, once), once)
    else:  # the scale of integers may be rounded once more
        assert np.allclose(round_trip(name, once), once, rtol=1e-2, atol=1e-6)


def test_outliers_save_the_resolution_of_the_rest() -> None:
    values = np.random.default_rng(2).normal(size=(4, 576)).astype(np.float32)
    values[:, 17] = 5_000
    for base in ("int8", "int4"):
        plain, apart = (np.abs(round_trip(name, values) - values).mean() for name in (base, base + "+outliers"))
        assert apart < plain / (50 if base == "int8" else 1.01)


@pytest.mark.parametrize("name", sorted(CODECS))
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(name: str, value: float) -> None:
    values = np.zeros((2, 33), np.float32)
    values[1, 32] = value
    with pytest.raises(ValueError, match=r"^values: must be finite$"):
        CODECS[name].encode(values)


@pytest.mark.parametrize("shape", [(), (3,), (0, 3), (3, 0), (1, 2, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^values: shape=.*: must be \(tokens, elements\)"):
        CODECS["int8"].encode(np.zeros(shape, np.float32))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (-1, -3)])
def test_decoding_into_nothing_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"^payload: shape=.*: must be \(tokens, elements\)"):
        CODECS["fp32"].decode(b"", shape)


@given(names, st.binary(max_size=400), shapes)
def test_any_payload_is_decoded_to_finite_values_or_refused(name: str, payload: bytes, shape: tuple[int, int]) -> None:
    size = CODECS[name].size_bytes(shape[1], shape[0])
    for candidate in (payload, (payload * (size // max(1, len(payload)) + 1))[:size]):
        try:
            values = CODECS[name].decode(candidate, shape)
        except ValueError as error:
            assert str(error).startswith("payload: ") and "\n" not in str(error)
        else:
            assert len(candidate) == size and values.shape == shape and np.isfinite(values).all()


@pytest.mark.parametrize("name", sorted(CODECS))
def test_payloads_of_another_size_are_refused_whatever_the_shape(name: str) -> None:
    payload = CODECS[name].encode(np.ones((2, 33), np.float32))
    for shape in ((2, 52), (3, 33), (2**40, 2**40)):
        with pytest.raises(ValueError, match=r"^payload: \d+ bytes: must be \d+ for shape"):
            CODECS[name].decode(payload, shape)


def bad_payload(name: str, offset: int, part: bytes) -> bytes:
    payload = bytearray(CODECS[name].encode(np.arange(1, 41, dtype=np.float32).reshape(1, -1)))
    payload[offset : offset + len(part)] = part
    return bytes(payload)


@pytest.mark.parametrize(
    ("name", "payload", "rule"),
    [
        ("fp32", bad_payload("fp32", 8, np.float32(np.nan).tobytes()), "values must be finite"),
        ("fp16", bad_payload("fp16", 8, np.float16(np.inf).tobytes()), "values must be finite"),
        ("bf16", bad_payload("bf16", 8, b"\x80\x7f"), "values must be finite"),
        ("int8", bad_payload("int8", 0, np.float32(-1).tobytes()), "scales must be finite and not negative"),
        ("int8", bad_payload("int8", 0, np.float32(3e38).tobytes()), "values must be finite"),
        ("int4", bad_payload("int4", 2, b"\xf8"), "scales must be finite"),
        ("topk10", bad_payload("topk10", 0, b"\x27\x00"), "indices must ascend and be below 40"),
        ("topk10", bad_payload("topk10", 12, b"\x28\x00"), "indices must ascend and be below 40"),
        ("topk10", bad_payload("topk10", 12, b"\x26\x00"), "indices must ascend and be below 40"),
        ("topk10", bad_payload("topk10", 2, np.float16(np.nan).tobytes()), "values must be finite"),
        ("int8+outliers", bad_payload("int8+outliers", 0, b"\xff\xff"), "indices must ascend and be below 40"),
        ("int4+outliers", bad_payload("int4+outliers", 4, b"\xff"), "scales must be finite"),
    ],
)
def test_malicious_payloads_are_refused(name: str, payload: bytes, rule: str) -> None:
    with pytest.raises(ValueError, match=f"^payload: {rule}"):
        CODECS[name].decode(payload, (1, 40))


def sent_alone(name: str, values: NDArray[np.float32], scalar: int) -> NDArray[np.bool_]:
    """Which bytes of a token carry a scalar of it, by the formats' definitions."""
    elements = len(values)
    carries = np.zeros(CODECS[name].token_bytes(elements), bool)
    match name:
        case "fp32" | "fp16" | "bf16":
            width = 4 if name == "fp32" else 2
            carries[width * scalar : width * (scalar + 1)] = True
        case "int8":
            carries[[0, 1, 2, 3, 4 + scalar]] = True
        case "int4":
            group, groups = scalar // 16, -(-elements // 16)
            carries[group] = True
            carries[groups + 8 * group : groups + 8 * (group + 1)] = True
    return carries


@given(st.sampled_from(["fp32", "fp16", "bf16", "int8", "int4"]), activations(8.0), st.data())
def test_a_scalar_is_lost_with_any_of_the_bytes_that_carry_it(
    name: str, values: NDArray[np.float32], data: st.DataObject
) -> None:
    tokens, elements = values.shape
    codec = CODECS[name]
    lost_bytes = data.draw(st.sets(st.integers(0, codec.size_bytes(elements, tokens) - 1), max_size=6))
    arrived = np.ones(codec.size_bytes(elements, tokens), bool)
    arrived[list(lost_bytes)] = False
    payload = bytearray(codec.encode(values))
    for position in lost_bytes:
        payload[position] = 0xFF  # what stands there does not matter
    restored, lost = codec.decode_received(payload, arrived, (tokens, elements))
    missing = ~arrived.reshape(tokens, -1)
    for token in range(tokens):
        carried = [sent_alone(name, values[token], scalar) for scalar in range(elements)]
        assert lost[token].tolist() == [bool((each & missing[token]).any()) for each in carried]
    assert np.array_equal(restored, np.where(lost, 0, round_trip(name, values)))


@given(names, any_activation)
def test_what_arrives_whole_is_decoded_whole(name: str, values: NDArray[np.float32]) -> None:
    payload = CODECS[name].encode(values)
    shape = (values.shape[0], values.shape[1])
    restored, lost = CODECS[name].decode_received(payload, np.ones(len(payload), bool), shape)
    assert not lost.any() and np.array_equal(restored, CODECS[name].decode(payload, shape))
    restored, lost = CODECS[name].decode_received(payload, np.zeros(len(payload), bool), shape)
    assert lost.all() and not restored.any()


def test_lost_pairs_are_values_that_were_not_sent() -> None:
    values = np.arange(1, 41, dtype=np.float32).reshape(1, -1)
    payload, arrived = CODECS["topk10"].encode(values), np.ones(16, bool)
    arrived[[2, 9]] = False  # of the first and the third pair: 37 and 39
    restored, lost = CODECS["topk10"].decode_received(payload, arrived, (1, 40))
    assert not lost.any() and np.flatnonzero(restored).tolist() == [37, 39]


def test_an_outlier_that_arrives_is_known_without_the_rest() -> None:
    values = np.ones((2, 40), np.float32)
    values[:, 7] = 900
    payload = CODECS["int8+outliers"].encode(values)
    arrived = np.ones((2, len(payload) // 2), bool)
    arrived[0, 4:] = False  # all but the pair
    arrived[1, :4] = False  # the pair alone
    restored, lost = CODECS["int8+outliers"].decode_received(payload, arrived.ravel(), (2, 40))
    assert np.flatnonzero(~lost[0]).tolist() == [7] and restored[0, 7] == 900
    assert not lost[1].any() and restored[1, 7] == 0 and np.allclose(np.delete(restored[1], 7), 1, rtol=1e-2)


def test_unknown_codecs_are_refused() -> None:
    assert codec("int4") is CODECS["int4"]
    with pytest.raises(ValueError, match=r"^codec=int3: must be one of fp32, fp16, int8, bf16, int4, topk10, int8"):
        codec("int3")
