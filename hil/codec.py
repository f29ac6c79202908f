"""Encode and decode the binary messages: tensors from worker to worker, and chunks of weights.

A tensor message is a header of 76 bytes, big-endian, and the tensor's values as a codec of activations encodes them
(`emulator.activation.codecs`), so the payload has exactly the codec's size. Decoding never executes received code.
"""

import math
import struct
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from emulator.activation.codecs import CODECS
from hil.errors import Malformed

MAGIC = b"ASPL"
CODEC_VERSION = 2
MAX_RANK = 4
MAX_MESSAGE_BYTES = 64 * 2**20
MAX_ELEMENTS = MAX_MESSAGE_BYTES  # of a tensor; a codec may send less than a byte for each

# magic, version, kind, codec, rank, 4 sizes; run, task, attempt, plan, stage, deadline; tokens
_TENSOR = struct.Struct("!4sBBBB4I6QI")
_CODEC_NAMES = tuple(CODECS)
# magic, version, kind, index, count, digest of the whole, digest of this chunk
_CHUNK = struct.Struct("!4sBBxxII32s32s")

Float32Array = NDArray[np.float32]


class MessageKind(IntEnum):
    """The type of a binary message."""

    ACTIVATION = 1  # the input of a stage
    RESULT = 2  # the output of the last stage
    CHUNK = 3  # a part of a layer's weights


class StageId(NamedTuple):
    """Identify one execution of a stage. `run`, `task` and `attempt` name the attempt. `plan` and `stage` name the
    partition.

    `deadline_ns` is on the scenario's clock; workers forward it and do not act on it.
    """

    run: int
    task: int
    attempt: int
    plan: int
    stage: int
    deadline_ns: int


class Tensor(NamedTuple):
    """The input of the stage `stage_id` (ACTIVATION), or the output of the last stage `stage_id` (RESULT): the values
    of `tokens` tokens, one after the other, and the name of their codec."""

    kind: MessageKind
    stage_id: StageId
    codec: str
    values: Float32Array
    tokens: int = 1


@dataclass(frozen=True)
class Chunk:
    """Chunk `index` of the `count` chunks of the bytes whose SHA-256 is `whole`."""

    whole: bytes
    index: int
    count: int
    data: bytes


def encode_tensor(tensor: Tensor) -> bytes:
    """Return the header and the payload.

    Raises ValueError for values that are not finite, for 0 or more than 4 dimensions, without elements, for a number of
    tokens that does not divide the elements, and for more than MAX_ELEMENTS or MAX_MESSAGE_BYTES.
    """
    values = tensor.values
    if not 1 <= values.ndim <= MAX_RANK:
        raise ValueError(f"values: rank={values.ndim}: must be between 1 and {MAX_RANK}")
    matrix = values.reshape(_matrix_shape(values.shape, tensor.tokens))
    payload = CODECS[tensor.codec].encode(matrix)
    sizes = (*values.shape, *(1,) * (MAX_RANK - values.ndim))
    types = (tensor.kind, _CODEC_NAMES.index(tensor.codec), values.ndim)
    header: bytes = _TENSOR.pack(MAGIC, CODEC_VERSION, *types, *sizes, *tensor.stage_id, tensor.tokens)
    if len(header) + len(payload) > MAX_MESSAGE_BYTES:
        raise ValueError(f"values: {len(payload)} bytes: must be a message of at most {MAX_MESSAGE_BYTES}")
    return header + payload


def _matrix_shape(shape: tuple[int, ...], tokens: int) -> tuple[int, int]:
    """Return the shape (tokens, elements of each) of a tensor. Raises ValueError if there is none, and for too many
    elements."""
    elements = math.prod(shape)
    if not 1 <= elements <= MAX_ELEMENTS:
        raise ValueError(f"shape={shape}: must have 1 to {MAX_ELEMENTS} elements")
    if tokens < 1 or elements % tokens:
        raise ValueError(f"tokens={tokens}: must divide the {elements} elements")
    return tokens, elements // tokens


def encode_chunk(chunk: Chunk) -> bytes:
    """Return the header, which holds the SHA-256 of the data, and the data."""
    head = (MAGIC, CODEC_VERSION, MessageKind.CHUNK, chunk.index, chunk.count, chunk.whole, sha256(chunk.data).digest())
    header: bytes = _CHUNK.pack(*head)
    return header + chunk.data


def is_binary(message: bytes) -> bool:
    """Return whether a message starts like a binary message (control messages are JSON)."""
    return message.startswith(MAGIC)


def decode(message: bytes) -> Tensor | Chunk:
    """Invert `encode_tensor` and `encode_chunk`. Raises Malformed for any other message, for more than
    MAX_MESSAGE_BYTES, and for a chunk whose data do not have the stated digest."""
    if len(message) < 6 or not is_binary(message):
        raise Malformed("message: must start with its magic and kind")
    if len(message) > MAX_MESSAGE_BYTES:
        raise Malformed(f"message: {len(message)} bytes: must be at most {MAX_MESSAGE_BYTES}")
    version, kind = message[4], message[5]
    if version != CODEC_VERSION:
        raise Malformed(f"message: version={version}: must be {CODEC_VERSION}")
    if kind == MessageKind.CHUNK:
        return _decode_chunk(message)
    if kind in (MessageKind.ACTIVATION, MessageKind.RESULT):
        return _decode_tensor(message)
    raise Malformed(f"message: kind={kind}: must be known")


def _decode_chunk(message: bytes) -> Chunk:
    if len(message) < _CHUNK.size:
        raise Malformed(f"chunk: {len(message)} bytes: must be at least {_CHUNK.size}")
    *_, index, count, whole, digest = _CHUNK.unpack_from(message)
    data = message[_CHUNK.size :]
    if index >= count:
        raise Malformed(f"chunk: index={index}: must be below {count}")
    if sha256(data).digest() != digest:
        raise Malformed(f"chunk {index} of {count}: digest must be that of its data")
    return Chunk(whole, index, count, data)


def _decode_tensor(message: bytes) -> Tensor:
    if len(message) < _TENSOR.size:
        raise Malformed(f"tensor: {len(message)} bytes: must be at least {_TENSOR.size}")
    _, _, kind, code, rank, *rest = _TENSOR.unpack_from(message)
    sizes, (*stage_id, tokens) = rest[:MAX_RANK], rest[MAX_RANK:]
    if code >= len(_CODEC_NAMES):
        raise Malformed(f"tensor: codec={code}: must be known")
    if not 1 <= rank <= MAX_RANK or any(size != 1 for size in sizes[rank:]):
        raise Malformed(f"tensor: rank={rank}, sizes={sizes}: must agree")
    codec, shape = _CODEC_NAMES[code], tuple(sizes[:rank])
    try:
        values = CODECS[codec].decode(memoryview(message)[_TENSOR.size :], _matrix_shape(shape, tokens)).reshape(shape)
    except ValueError as error:
        raise Malformed(f"tensor: {error}") from error
    return Tensor(MessageKind(kind), StageId(*stage_id), codec, values, tokens)


def payload_bytes(message: bytes) -> int:
    """Return the size of a tensor message without its header; equals `activation_bytes` of the model's profile."""
    return len(message) - _TENSOR.size
