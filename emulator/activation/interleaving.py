"""Which scalars of an activation each packet of a link that loses packets holds.

Scalars that ride on the acknowledged bearer, because they are protected, are in no packet of these. So is the side
information of a codec: scales, and indices of scalars that are kept.
"""

from functools import lru_cache
from types import MappingProxyType

import numpy as np

from emulator.core.arrays import Flags, Ints

INTERLEAVINGS = MappingProxyType(
    {
        "none": "consecutive scalars share a packet",
        "scatter": "each packet holds scalars of many tokens, so that its loss harms many tokens a little",
        "tokens": "a packet holds whole tokens, or a part of one token, so that its loss harms few tokens much",
    }
)
ACKNOWLEDGED = -1  # in place of a packet's number: the scalar is in none


def scalars_per_packet(packet_bytes: int, scalars: int, size_bytes: int) -> int:
    """Return how many scalars a packet holds of an activation of `scalars` scalars that a codec stores in `size_bytes`:
    at least one."""
    return max(1, packet_bytes * scalars // size_bytes)


def packet_numbers(interleaving: str, protected: Flags, capacity: int) -> Ints:
    """Return for each scalar the number of its packet, counted from 0, or ACKNOWLEDGED if it is protected.

    `protected` has the activation's shape, (tokens, elements); so has the result. A packet holds `capacity` scalars,
    the last one fewer; with `tokens`, as many whole tokens as fit, or where none fits a part of one token. Raises
    ValueError for an unknown interleaving or a capacity below 1.
    """
    if interleaving not in INTERLEAVINGS:
        raise ValueError(f"interleaving={interleaving}: must be one of {', '.join(INTERLEAVINGS)}")
    if capacity < 1:
        raise ValueError(f"capacity={capacity}: must be at least 1")
    numbers = np.full(protected.shape, ACKNOWLEDGED, np.int64)
    if interleaving == "tokens":
        numbers[~protected] = _whole_tokens(protected, capacity)
        return numbers
    order = np.arange(protected.size) if interleaving == "none" else scattered_order(protected.size)
    stream = order[~protected.reshape(-1)[order]]
    numbers.reshape(-1)[stream] = np.arange(len(stream)) // capacity
    return numbers


def _whole_tokens(protected: Flags, capacity: int) -> Ints:
    """Return the packet of each scalar that is not protected, token by token."""
    lengths = (~protected).sum(axis=1)  # of what each token sends in packets
    tokens = np.flatnonzero(lengths)
    first = np.zeros(len(protected), np.int64)  # packet of each token's first scalar
    packet, free = -1, 0
    for token in tokens.tolist():
        length = int(lengths[token])
        if length > free:
            packet, free = packet + 1, capacity
        first[token] = packet
        if length <= capacity:
            free -= length
        else:
            packet, free = packet + (length - 1) // capacity, 0
    place = np.concatenate([np.arange(length) for length in lengths]) if len(tokens) else np.zeros(0, np.int64)
    numbers: Ints = np.repeat(first, lengths) + np.where(np.repeat(lengths, lengths) > capacity, place // capacity, 0)
    return numbers


@lru_cache(maxsize=8)
def scattered_order(scalars: int) -> Ints:
    """Return a permutation of `range(scalars)` that looks random and is the same on every machine: the indices sorted
    by SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014), a bijection, so that no two are equal."""
    mixed = (np.arange(scalars, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    order: Ints = np.argsort(mixed ^ (mixed >> np.uint64(31)))
    order.setflags(write=False)
    return order
