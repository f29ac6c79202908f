"""Split a layer's weights (safetensors bytes) into chunks, and put them together again.

A transfer is identified by the SHA-256 of all its bytes. An interrupted transfer resumes with the missing chunks, and
weights that a worker already holds are not sent again.
"""

from dataclasses import dataclass
from hashlib import sha256

from hil.codec import Chunk
from hil.errors import Malformed

WEIGHT_CHUNK_BYTES = 4 * 2**20


@dataclass(frozen=True)
class LayerId:
    """Identify a layer of a model whose weights are drawn from `seed`."""

    model: str
    seed: int
    index: int


def digest(data: bytes) -> bytes:
    """Return the SHA-256 that identifies a transfer."""
    return sha256(data).digest()


def chunk_count(size: int) -> int:
    """Return the number of chunks of a transfer of `size` bytes; at least 1."""
    return max(1, -(-size // WEIGHT_CHUNK_BYTES))


def chunk(data: bytes, whole: bytes, index: int) -> Chunk:
    """Return chunk `index` of `data`, whose digest is `whole`."""
    return Chunk(
        whole, index, chunk_count(len(data)), data[index * WEIGHT_CHUNK_BYTES : (index + 1) * WEIGHT_CHUNK_BYTES]
    )


class Assembly:
    """Collect the chunks of one transfer at its receiver."""

    def __init__(self, whole: bytes, size: int) -> None:
        """Allocates nothing: `size` is what the sender says."""
        self.whole = whole
        self.size = size
        self.received_bytes = 0
        self._chunks: dict[int, bytes] = {}

    @property
    def missing(self) -> tuple[int, ...]:
        """The indices of the chunks that have not arrived, in order."""
        return tuple(index for index in range(chunk_count(self.size)) if index not in self._chunks)

    def add(self, piece: Chunk) -> None:
        """Store a chunk; a repeated chunk changes nothing. Raises Malformed for a chunk of another transfer, count or
        size."""
        count = chunk_count(self.size)
        start = piece.index * WEIGHT_CHUNK_BYTES
        length = min(WEIGHT_CHUNK_BYTES, self.size - start)
        if piece.whole != self.whole or piece.count != count or piece.index >= count or len(piece.data) != length:
            raise Malformed(f"chunk {piece.index} of {piece.count}: must fit a transfer of {self.size} bytes")
        if piece.index not in self._chunks:
            self._chunks[piece.index] = piece.data
            self.received_bytes += length

    def take(self) -> bytes:
        """Return all bytes. If their digest is wrong, discards every chunk and raises Malformed."""
        data = b"".join(self._chunks[index] for index in sorted(self._chunks))
        if digest(data) != self.whole:
            self._chunks.clear()
            self.received_bytes = 0
            raise Malformed("weights: digest must be the offered one")
        return data
