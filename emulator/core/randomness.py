"""Independent random streams, each addressed by seed, entity, purpose and index. The same address always gives the
same numbers, so that adding an entity changes no other entity's draws."""

import hashlib

import numpy as np


def address(seed: int, entity: str, purpose: str, index: int = 0) -> bytes:
    """Return the 16-byte key of a stream: the first bytes of the SHA-256 of its address."""
    return hashlib.sha256(f"{seed}\x1f{entity}\x1f{purpose}\x1f{index}".encode()).digest()[:16]


def generator(seed: int, entity: str, purpose: str, index: int = 0) -> np.random.Generator:
    """Return the generator of a stream: the counter-based Philox (Salmon et al., "Parallel random numbers: as easy
    as 1, 2, 3", SC 2011)."""
    key = int.from_bytes(address(seed, entity, purpose, index), "little")
    return np.random.Generator(np.random.Philox(key=key))


def task_key(seed: int, source: str, kind: str) -> int:
    """Return the 39-bit key of the tasks of one kind from one source, for `draws.message_address`."""
    return draw_key(seed, source, f"tasks of {kind}") >> 24


def draw_key(seed: int, entity: str, purpose: str) -> int:
    """Return the 63-bit key of a stream, for `draws.uniform`."""
    return int.from_bytes(address(seed, entity, purpose)[:8], "little") >> 1
