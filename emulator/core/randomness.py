"""Random draws with an address: the same seed, entity, purpose and index give the same numbers,
whatever else was drawn before. Adding an entity therefore changes no other entity's draws."""

import hashlib

import numpy as np


def address(seed: int, entity: str, purpose: str, index: int = 0) -> bytes:
    """The 16-byte key of a stream of draws: the head of the SHA-256 of its address."""
    return hashlib.sha256(f"{seed}\x1f{entity}\x1f{purpose}\x1f{index}".encode()).digest()[:16]


def generator(seed: int, entity: str, purpose: str, index: int = 0) -> np.random.Generator:
    """A generator of its own for one entity and one purpose, by the counter-based Philox
    (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011)."""
    key = int.from_bytes(address(seed, entity, purpose, index), "little")
    return np.random.Generator(np.random.Philox(key=key))


def task_key(seed: int, source: str, kind: str) -> int:
    """What the addresses of the draws of a stream's tasks begin with (see `draws.message_address`)."""
    return draw_key(seed, source, f"tasks of {kind}") >> 24


def draw_key(seed: int, entity: str, purpose: str) -> int:
    """The 63-bit key that `uniform` mixes with its counters."""
    return int.from_bytes(address(seed, entity, purpose)[:8], "little") >> 1
