"""Weights on their way: a layer's safetensors bytes in chunks, addressed by what they contain.

The SHA-256 of the whole names a transfer. A transfer can be taken up again where it broke off, and
what a worker already holds is not sent again.
"""

from dataclasses import dataclass
from hashlib import sha256

from hil.codec import Chunk
from hil.errors import Malformed

WEIGHT_CHUNK_BYTES = 4 * 2**20


@dataclass(frozen=True)
class LayerId:
    """A layer of a model whose weights come from `seed`."""

    model: str
    seed: int
    index: int


def digest(data: bytes) -> bytes:
    """The name of a transfer."""
    return sha256(data).digest()


def chunk_count(size: int) -> int:
    """Chunks of `size` bytes; at least one."""
    return max(1, -(-size // WEIGHT_CHUNK_BYTES))


def chunk(data: bytes, whole: bytes, index: int) -> Chunk:
    """Piece `index` of `data`, whose digest is `whole`."""
    return Chunk(
        whole, index, chunk_count(len(data)), data[index * WEIGHT_CHUNK_BYTES : (index + 1) * WEIGHT_CHUNK_BYTES]
    )


class Assembly:
    """The receiving end of one transfer."""

    def __init__(self, whole: bytes, size: int) -> None:
        self.whole = whole
        self.size = size
        self._data = bytearray(size)
        self._missing = set(range(chunk_count(size)))

    @property
    def missing(self) -> tuple[int, ...]:
        """The chunks that have not arrived, in order."""
        return tuple(sorted(self._missing))

    def add(self, piece: Chunk) -> None:
        """Put a chunk in its place; one that is already there changes nothing.

        Raises Malformed for a chunk of another transfer, number or size.
        """
        count = chunk_count(self.size)
        start = piece.index * WEIGHT_CHUNK_BYTES
        length = min(WEIGHT_CHUNK_BYTES, self.size - start)
        if piece.whole != self.whole or piece.count != count or piece.index >= count or len(piece.data) != length:
            raise Malformed(f"chunk {piece.index} of {piece.count}: must fit a transfer of {self.size} bytes")
        self._data[start : start + length] = piece.data
        self._missing.discard(piece.index)

    def take(self) -> bytes:
        """The whole. Raises Malformed, and starts again from nothing, if its digest is wrong."""
        data = bytes(self._data)
        if digest(data) != self.whole:
            self._missing = set(range(chunk_count(self.size)))
            raise Malformed("weights: digest must be the offered one")
        return data
