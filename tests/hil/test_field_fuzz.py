"""Messages and weights, changed at random, raise one exception only. `AIRSPLIT_MUTATIONS=1000000` tries a million of
each instead of some thousands."""

import json
import os
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load

from emulator.activation.codecs import CODECS
from hil import codec, control_messages
from hil.codec import MessageKind, StageId, Tensor, encode_chunk, encode_tensor
from hil.deployment import Assembly, LayerId, chunk, digest
from hil.errors import Malformed
from hil.runtime import layer_bytes, read_weights, types_of
from tests.hil.test_control_messages import EXAMPLES

MUTATIONS = int(os.environ.get("AIRSPLIT_MUTATIONS", "5000"))
EDGES = (
    0,
    1,
    2,
    3,
    4,
    5,
    127,
    128,
    255,
    256,
    2**15,
    2**16 - 1,
    2**24,
    2**31 - 1,
    2**32 - 1,
    2**40,
    2**63 - 1,
    2**64 - 1,
)
NUMBERS = (*EDGES, -1, 0.5, 1e308, float("nan"), float("inf"))
VALUES: tuple[Any, ...] = (
    *NUMBERS,
    None,
    True,
    "",
    "x" * 600,
    "\x00\ud800",
    "airsplit/#",
    [],
    {},
    [[]],
    [2**40],
    ["w1"],
    {"is": "Start"},
)
TYPES = ("F32", "F16", "F64", "BF16", "F8_E4M3", "F4", "I64", "U16", "BOOL", "C64", "", "f32", "no such type")


def changed_bytes(message: bytes, random: Random) -> bytes:
    """Change, insert, remove or repeat some bytes; small numbers and the largest ones more often than others."""
    data = bytearray(message)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        at = random.randrange(len(data) + 1)
        match random.randrange(6):
            case 0:
                data[at : at + 1] = bytes([random.randrange(256)])
            case 1:
                size = random.choice((1, 2, 4, 8))
                data[at : at + size] = (random.choice(EDGES) % 2 ** (8 * size)).to_bytes(
                    size, random.choice(("big", "little"))
                )
            case 2:
                del data[at : at + random.choice((1, 4, 76, len(data)))]
            case 3:
                data[at:at] = random.randbytes(random.choice((1, 4, 32)))
            case 4:
                data[at:at] = data[: random.randrange(200)]
            case _:
                data[at : at + 1] = bytes([(data[at] if at < len(data) else 0) ^ (1 << random.randrange(8))])
    return bytes(data)


def changed_value(value: object, random: Random) -> object:
    """Change one value somewhere in plain data, or a key."""
    if random.random() < 0.3 or not isinstance(value, dict | list) or not value:
        return random.choice(VALUES)
    if isinstance(value, list):
        place = random.randrange(len(value))
        return [changed_value(item, random) if index == place else item for index, item in enumerate(value)]
    key = random.choice(list(value))
    match random.randrange(8):
        case 0:
            return {name: item for name, item in value.items() if name != key}
        case 1:
            return {**value, random.choice(("", "is", "run", "more", "__class__")): random.choice(VALUES)}
        case _:
            return {**value, key: changed_value(value[key], random)}


def changed_json(message: bytes, random: Random) -> bytes:
    if random.random() < 0.3:
        return changed_bytes(message, random)
    return json.dumps(changed_value(json.loads(message), random)).encode()


def changed_weights(data: bytes, random: Random) -> bytes:
    """Change the header of safetensors as text or as plain data, or any byte."""
    size = int.from_bytes(data[:8], "little")
    header, rest = data[8 : 8 + size], data[8 + size :]
    kind = random.randrange(4)
    if kind == 0:
        return changed_bytes(data[: size + 64], random) + data[size + 64 :]
    tensors = json.loads(header)
    if kind == 1:
        tensors[random.choice(list(tensors))]["dtype"] = random.choice(TYPES)
    elif kind == 2:
        tensors[random.choice(list(tensors))]["shape"] = random.choices(EDGES, k=random.randrange(5))
    else:
        tensors = changed_value(tensors, random)
    header = json.dumps(tensors).encode()
    return len(header).to_bytes(8, "little") + header + rest


def try_all(samples: list[bytes], change: Callable[[bytes, Random], bytes], decode: Callable[[bytes], object]) -> None:
    """Decode changed samples; any exception but Malformed fails, with the message that caused it."""
    refused = 0
    for number in range(MUTATIONS):
        random = Random(number)
        message = change(samples[number % len(samples)], random)
        try:
            decode(message)
        except Malformed:
            refused += 1
        except Exception as error:
            pytest.fail(f"mutation {number}: {type(error).__name__}: {error}: {message[:200]!r}")
    assert refused > MUTATIONS / 3  # the changes are felt


def tensor(shape: tuple[int, ...], codec_name: str) -> bytes:
    values = np.linspace(-2, 2, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    return encode_tensor(Tensor(MessageKind.ACTIVATION, StageId(1, 2, 1, 3, 1, 10**9), codec_name, values, shape[0]))


def test_field_changed_binary_messages_are_malformed_or_decoded() -> None:
    samples = [tensor(shape, name) for shape in ((7,), (2, 3), (1, 3, 2, 4)) for name in CODECS]
    samples.append(encode_chunk(chunk(b"weights", digest(b"weights"), 0)))
    try_all(samples, changed_bytes, control_messages.decode)


def test_field_changed_control_messages_are_malformed_or_decoded() -> None:
    def decode_and_encode(payload: bytes) -> None:
        message = control_messages.decode(payload)
        if not isinstance(message, codec.Tensor | codec.Chunk):
            assert control_messages.decode(control_messages.encode(message)) == message

    try_all([control_messages.encode(example) for example in EXAMPLES], changed_json, decode_and_encode)


def test_field_changed_weights_are_malformed_or_taken() -> None:
    data = layer_bytes(LayerId("resnet32", 0, 2))
    try_all([data], changed_weights, lambda changed: read_weights(changed, types_of(load(data))))


def test_field_changed_chunks_are_malformed_or_assembled() -> None:
    data = b"some weights"
    whole = digest(data)

    def assemble(message: bytes) -> None:
        piece = control_messages.decode(message)
        if not isinstance(piece, codec.Chunk):
            raise Malformed("not a chunk")
        assembly = Assembly(whole, len(data))
        assembly.add(piece)
        assert assembly.take() == data

    try_all([encode_chunk(chunk(data, whole, 0))], changed_bytes, assemble)


@pytest.mark.parametrize("shape", [(0, 2**32 - 1, 2**32 - 1, 2**32 - 1), (2**32 - 1,) * 4, (0,), (0, 1), (2**31, 2)])
def test_field_impossible_shape_is_malformed(shape: tuple[int, ...]) -> None:
    message = bytearray(tensor((1,) * len(shape), "int8")[:-1])
    for place, size in enumerate(shape):
        message[8 + 4 * place : 12 + 4 * place] = size.to_bytes(4, "big")
    with pytest.raises(Malformed, match="tensor"):
        codec.decode(bytes(message))


@pytest.mark.parametrize("dtype", TYPES)
def test_field_weights_of_another_type_are_malformed(dtype: str) -> None:
    data = layer_bytes(LayerId("nin", 0, 0))
    size = int.from_bytes(data[:8], "little")
    tensors = json.loads(data[8 : 8 + size])
    for facts in tensors.values():
        facts["dtype"] = dtype
    header = json.dumps(tensors).encode()
    forged = len(header).to_bytes(8, "little") + header + data[8 + size :]
    if dtype == "F32":
        read_weights(forged, types_of(load(data)))
        return
    with pytest.raises(Malformed, match="weights do not fit"):
        read_weights(forged, types_of(load(data)))


@pytest.mark.parametrize(
    ("number", "field", "value"),
    [
        (2, "size", 2**62),
        (2, "layer", 10**6),
        (3, "missing", [2**40]),
        (3, "missing", [0] * 5_000),
        (4, "stages", [{"worker": "w1", "first": 0, "stop": 1}] * 65),
        (6, "repeats", 2**40),
        (6, "tokens", 2**40),
        (7, "layer_ns", [2**63 - 1]),
        (8, "tokens", 2**62),
        (9, "service_ns", 2**63 - 1),
    ],
)
def test_field_giant_counts_are_malformed(number: int, field: str, value: object) -> None:
    giant = json.dumps({**json.loads(control_messages.encode(EXAMPLES[number])), field: value}).encode()
    with pytest.raises(Malformed, match=field):
        control_messages.decode(giant)


def test_field_long_messages_are_not_read() -> None:
    for message in (b" " * (control_messages.MAX_CONTROL_BYTES + 1), codec.MAGIC + bytes(codec.MAX_MESSAGE_BYTES)):
        with pytest.raises(Malformed):
            control_messages.decode(message)
