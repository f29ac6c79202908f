import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from emulator.activation.codecs import CODECS
from hil.codec import (
    Chunk,
    MessageKind,
    StageId,
    Tensor,
    decode,
    encode_chunk,
    encode_tensor,
    payload_bytes,
)
from hil.errors import Malformed

STAGE_ID = StageId(run=2**62, task=7, attempt=2, plan=5, stage=1, deadline_ns=10**18)
HEADER_BYTES = 76
integers = st.integers(0, 2**63 - 1)
names = st.sampled_from(sorted(CODECS))
activations = arrays(
    np.float32,
    array_shapes(min_dims=1, max_dims=4, max_side=6),
    elements=st.floats(-1e6, 1e6, width=32, allow_nan=False),
)


@given(activations, names, st.booleans(), st.builds(StageId, *[integers] * 6))
def test_a_tensor_is_its_header_and_the_codecs_payload(
    values: NDArray[np.float32], name: str, by_token: bool, stage_id: StageId
) -> None:
    tokens = values.shape[0] if by_token else 1
    matrix = values.reshape(tokens, -1)
    message = encode_tensor(Tensor(MessageKind.ACTIVATION, stage_id, name, values, tokens))
    assert message[HEADER_BYTES:] == CODECS[name].encode(matrix)
    assert payload_bytes(message) == CODECS[name].size_bytes(matrix.shape[1], tokens)
    back = decode(message)
    assert isinstance(back, Tensor)
    assert (back.kind, back.stage_id, back.codec, back.values.shape, back.tokens) == (
        MessageKind.ACTIVATION,
        stage_id,
        name,
        values.shape,
        tokens,
    )
    assert np.array_equal(back.values.reshape(matrix.shape), CODECS[name].decode(message[HEADER_BYTES:], matrix.shape))


@given(names, st.data())
def test_damaged_tensor_is_malformed_or_another_tensor(name: str, data: st.DataObject) -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    message = bytearray(encode_tensor(Tensor(MessageKind.RESULT, STAGE_ID, name, values, 3)))
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


@pytest.mark.parametrize("position", [4, 5, 6, 7, 8, 12, 20, 72])
def test_each_header_field_is_checked(position: int) -> None:
    message = bytearray(encode_tensor(Tensor(MessageKind.RESULT, STAGE_ID, "fp32", np.ones((2, 3), np.float32))))
    message[position] ^= 0xF0
    with pytest.raises(Malformed):
        decode(bytes(message))


@pytest.mark.parametrize("tokens", [0, 4, 7, 2**32 - 1])
def test_tokens_must_divide_the_elements(tokens: int) -> None:
    values = np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match=f"^tokens={tokens}: must divide the 6 elements"):
        encode_tensor(Tensor(MessageKind.RESULT, STAGE_ID, "int8", values, tokens))
    message = bytearray(encode_tensor(Tensor(MessageKind.RESULT, STAGE_ID, "int8", values, 2)))
    message[72:76] = struct.pack("!I", tokens)
    with pytest.raises(Malformed, match=f"^tensor: tokens={tokens}: must divide the 6 elements"):
        decode(bytes(message))


def test_a_message_that_unpacks_to_more_than_its_limit_is_malformed() -> None:
    """Few bytes must not make the receiver allocate many: topk10 sends a tenth of the elements."""
    message = bytearray(encode_tensor(Tensor(MessageKind.RESULT, STAGE_ID, "topk10", np.ones((2, 3), np.float32))))
    message[8:12] = struct.pack("!I", 2**26)
    with pytest.raises(Malformed, match=r"must have 1 to 67108864 elements$"):
        decode(bytes(message))


@pytest.mark.parametrize("values", [np.float32(1.0), np.ones((1,) * 5), np.array([np.nan]), np.array([np.inf])])
def test_only_finite_tensors_of_1_to_4_dimensions_are_encoded(values: NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="values"):
        encode_tensor(Tensor(MessageKind.RESULT, STAGE_ID, "fp16", np.asarray(values, np.float32)))


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
