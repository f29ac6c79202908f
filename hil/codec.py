"""Encode and decode the binary messages: tensors from worker to worker, and chunks of weights.

A tensor message is a header of 76 bytes, big-endian, and the elements, little-endian in C order. The payload is
therefore exactly elements x bytes per element. Decoding never executes received code.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hil.errors import Malformed

MAGIC = b"ASPL"
CODEC_VERSION = 1
INT8_MAX = 127
FP16_MAX = float(np.finfo(np.float16).max)
MAX_RANK = 4
MAX_MESSAGE_BYTES = 64 * 2**20

# magic, version, kind, precision, rank, 4 sizes; run, task, attempt, plan, stage, deadline; scale
_TENSOR = struct.Struct("!4sBBBB4I6Qf")
# magic, version, kind, index, count, digest of the whole, digest of this chunk
_CHUNK = struct.Struct("!4sBBxxII32s32s")

Float32Array = NDArray[np.float32]


class MessageKind(IntEnum):
    """The type of a binary message."""

    ACTIVATION = 1  # the input of a stage
    RESULT = 2  # the output of the last stage
    CHUNK = 3  # a part of a layer's weights


class Precision(IntEnum):
    """The type of an element in the payload."""

    fp32 = 0
    fp16 = 1
    int8 = 2


_DTYPES: Mapping[Precision, np.dtype[Any]] = {
    Precision.fp32: np.dtype("<f4"),
    Precision.fp16: np.dtype("<f2"),
    Precision.int8: np.dtype("i1"),
}


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
    """The input of the stage `stage_id` (ACTIVATION), or the output of the last stage `stage_id` (RESULT)."""

    kind: MessageKind
    stage_id: StageId
    precision: Precision
    values: Float32Array


@dataclass(frozen=True)
class Chunk:
    """Chunk `index` of the `count` chunks of the bytes whose SHA-256 is `whole`."""

    whole: bytes
    index: int
    count: int
    data: bytes


def encode_tensor(tensor: Tensor) -> bytes:
    """Return the header and the elements. int8 is symmetric with one scale per tensor: q = round(x / scale),
    scale = max |x| / 127, so the error is at most scale / 2. fp16 saturates at 65504.

    Raises ValueError for values that are not finite, for 0 or more than 4 dimensions, without elements,
    and for more than MAX_MESSAGE_BYTES.
    """
    values = tensor.values
    if not 1 <= values.ndim <= MAX_RANK:
        raise ValueError(f"values: rank={values.ndim}: must be between 1 and {MAX_RANK}")
    if not values.size:
        raise ValueError(f"values: shape={values.shape}: must have elements")
    payload, scale = encode_elements(values, tensor.precision)
    sizes = (*values.shape, *(1,) * (MAX_RANK - values.ndim))
    types = (tensor.kind, tensor.precision, values.ndim)
    header: bytes = _TENSOR.pack(MAGIC, CODEC_VERSION, *types, *sizes, *tensor.stage_id, scale)
    if len(header) + len(payload) > MAX_MESSAGE_BYTES:
        raise ValueError(f"values: {len(payload)} bytes: must be a message of at most {MAX_MESSAGE_BYTES}")
    return header + payload


def encode_elements(values: Float32Array, precision: Precision) -> tuple[bytes, float]:
    """Return the elements without a header, and the scale (1 unless int8). Raises ValueError for values that are
    not finite."""
    peak = float(np.max(np.abs(values), initial=0.0))
    if not math.isfinite(peak):
        raise ValueError("values: must be finite")
    scale = 1.0
    match precision:
        case Precision.int8:
            scale = float(np.float32(peak / INT8_MAX)) or 1.0
            elements = np.clip(np.rint(values / np.float32(scale)), -INT8_MAX, INT8_MAX)
        case Precision.fp16:
            elements = np.clip(values, -FP16_MAX, FP16_MAX)
        case Precision.fp32:
            elements = values
    payload: bytes = elements.astype(_DTYPES[precision]).tobytes()
    return payload, scale


def decode_elements(
    payload: bytes | memoryview, precision: Precision, scale: float, shape: tuple[int, ...]
) -> Float32Array:
    """Invert `encode_elements`. Raises Malformed unless the shape has elements and the payload fits it, the scale is
    finite and positive, and every value is finite."""
    dtype = _DTYPES[precision]
    if min(shape) < 1:
        raise Malformed(f"tensor: shape={shape}: must have elements")
    if math.prod(shape) * dtype.itemsize != len(payload):
        raise Malformed(f"tensor: payload of {len(payload)} bytes: must be {shape} x {dtype.itemsize}")
    if not (math.isfinite(scale) and scale > 0):
        raise Malformed(f"tensor: scale={scale}: must be finite and positive")
    with np.errstate(over="ignore", invalid="ignore"):  # such values are refused below
        elements = np.frombuffer(payload, dtype).reshape(shape).astype(np.float32)
        values: Float32Array = elements * np.float32(scale) if precision is Precision.int8 else elements
    if not np.all(np.isfinite(values)):
        raise Malformed("tensor: values must be finite")
    return values


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
    sizes, (*stage_id, scale) = rest[:MAX_RANK], rest[MAX_RANK:]
    if code not in tuple(Precision):
        raise Malformed(f"tensor: precision={code}: must be known")
    if not 1 <= rank <= MAX_RANK or any(size != 1 for size in sizes[rank:]):
        raise Malformed(f"tensor: rank={rank}, sizes={sizes}: must agree")
    precision = Precision(code)
    values = decode_elements(memoryview(message)[_TENSOR.size :], precision, scale, tuple(sizes[:rank]))
    return Tensor(MessageKind(kind), StageId(*stage_id), precision, values)


def payload_bytes(message: bytes) -> int:
    """Return the size of a tensor message without its header; equals `activation_bytes` of the model's profile."""
    return len(message) - _TENSOR.size
