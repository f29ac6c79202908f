import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from hil.codec import (
    FP16_MAX,
    Chunk,
    MessageKind,
    Precision,
    StageId,
    Tensor,
    decode,
    encode_chunk,
    encode_tensor,
    payload_bytes,
)
from hil.errors import Malformed

STAGE_ID = StageId(run=2**62, task=7, attempt=2, plan=5, stage=1, deadline_ns=10**18)
BYTES = {Precision.fp32: 4, Precision.fp16: 2, Precision.int8: 1}
integers = st.integers(0, 2**63 - 1)
activations = arrays(
    np.float32,
    array_shapes(min_dims=1, max_dims=4, max_side=6),
    elements=st.floats(-1e6, 1e6, width=32, allow_nan=False),
)


def error_bound(values: NDArray[np.float32], precision: Precision) -> NDArray[np.float64]:
    """Half a unit in the last place (plus float32's own rounding of the scale, for int8)."""
    exact = values.astype(np.float64)
    match precision:
        case Precision.fp32:
            return np.zeros_like(exact)
        case Precision.fp16:
            return np.maximum(np.abs(exact) * 2**-11, 2**-25) + np.maximum(np.abs(exact) - FP16_MAX, 0)
        case Precision.int8:
            return np.full_like(exact, np.abs(exact).max() / 254 * (1 + 1e-5) + 1e-38)


@given(activations, st.sampled_from(Precision), st.builds(StageId, *[integers] * 6))
def test_decoded_tensor_is_within_its_precision(
    values: NDArray[np.float32], precision: Precision, stage_id: StageId
) -> None:
    message = encode_tensor(Tensor(MessageKind.ACTIVATION, stage_id, precision, values))
    assert payload_bytes(message) == values.size * BYTES[precision]
    back = decode(message)
    assert isinstance(back, Tensor)
    assert (back.kind, back.stage_id, back.precision, back.values.shape) == (
        MessageKind.ACTIVATION,
        stage_id,
        precision,
        values.shape,
    )
    assert np.all(np.abs(back.values.astype(np.float64) - values) <= error_bound(values, precision))


@given(st.data())
def test_damaged_tensor_is_malformed_or_another_tensor(data: st.DataObject) -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    message = bytearray(encode_tensor(Tensor(MessageKind.RESULT, STAGE_ID, Precision.int8, values)))
    if data.draw(st.booleans()):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    else:
        del message[data.draw(st.integers(0, len(message) - 1)) :]
    try:
        back = decode(bytes(message))
    except Malformed:
        return
    assert isinstance(back, Tensor)
    assert np.all(np.isfinite(back.values))


@pytest.mark.parametrize("position", [4, 5, 6, 7, 8, 12, 20])
def test_each_header_field_is_checked(position: int) -> None:
    message = bytearray(
        encode_tensor(Tensor(MessageKind.RESULT, STAGE_ID, Precision.fp32, np.ones((2, 3), np.float32)))
    )
    message[position] ^= 0xF0
    with pytest.raises(Malformed):
        decode(bytes(message))


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_scale_must_be_finite_and_positive(scale: float) -> None:
    message = bytearray(
        encode_tensor(Tensor(MessageKind.RESULT, STAGE_ID, Precision.int8, np.ones((2, 3), np.float32)))
    )
    message[72:76] = struct.pack("!f", scale)
    with pytest.raises(Malformed, match="scale"):
        decode(bytes(message))


@pytest.mark.parametrize("values", [np.float32(1.0), np.ones((1,) * 5), np.array([np.nan]), np.array([np.inf])])
def test_only_finite_tensors_of_1_to_4_dimensions_are_encoded(values: NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="values"):
        encode_tensor(Tensor(MessageKind.RESULT, STAGE_ID, Precision.fp16, np.asarray(values, np.float32)))


def test_chunk_is_decoded_and_a_damaged_one_is_malformed() -> None:
    chunk = Chunk(b"w" * 32, 2, 3, b"some weights")
    message = encode_chunk(chunk)
    assert decode(message) == chunk
    for position in range(len(message) - len(chunk.data) - 32, len(message)):  # the digest and the data
        damaged = bytearray(message)
        damaged[position] ^= 1
        with pytest.raises(Malformed):
            decode(bytes(damaged))
    with pytest.raises(Malformed):
        decode(encode_chunk(Chunk(b"w" * 32, 3, 3, b"beyond the last")))
