from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil import deployment
from hil.codec import Chunk
from hil.deployment import WEIGHT_CHUNK_BYTES, Assembly, chunk, chunk_count, digest
from hil.errors import Malformed


def test_chunks_are_at_most_four_mebibytes() -> None:
    assert WEIGHT_CHUNK_BYTES <= 4 * 2**20
    assert [chunk_count(size) for size in (0, 1, WEIGHT_CHUNK_BYTES, WEIGHT_CHUNK_BYTES + 1)] == [1, 1, 1, 2]


@given(data=st.binary(max_size=200), order=st.randoms(use_true_random=False))
def test_chunks_are_assembled_in_any_order_with_repeats(data: bytes, order: Random) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deployment, "WEIGHT_CHUNK_BYTES", 16)
        whole = digest(data)
        assembly = Assembly(whole, len(data))
        indices = list(assembly.missing) * 2
        order.shuffle(indices)
        seen = set()
        for index in indices:
            assembly.add(chunk(data, whole, index))
            seen.add(index)
            assert set(assembly.missing) == set(range(chunk_count(len(data)))) - seen
        assert assembly.take() == data


def test_weights_with_a_wrong_digest_are_discarded() -> None:
    whole = digest(b"the real ones")
    assembly = Assembly(whole, 13)
    assembly.add(Chunk(whole, 0, 1, b"the fake ones"))
    with pytest.raises(Malformed, match="digest"):
        assembly.take()
    assert assembly.missing == (0,)


@pytest.mark.parametrize(
    "piece",
    [
        Chunk(b"o" * 32, 0, 2, bytes(WEIGHT_CHUNK_BYTES)),
        Chunk(b"w" * 32, 2, 2, b""),
        Chunk(b"w" * 32, 0, 3, bytes(WEIGHT_CHUNK_BYTES)),
        Chunk(b"w" * 32, 0, 2, b"short"),
        Chunk(b"w" * 32, 1, 2, bytes(11)),
    ],
    ids=["other transfer", "beyond the end", "other count", "too short", "too long"],
)
def test_chunk_must_fit_its_transfer(piece: Chunk) -> None:
    assembly = Assembly(b"w" * 32, WEIGHT_CHUNK_BYTES + 10)
    with pytest.raises(Malformed):
        assembly.add(piece)
    assert assembly.missing == (0, 1)
