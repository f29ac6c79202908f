"""Random draws with an address: the same seed, entity, purpose and index give the same numbers,
whatever else was drawn before. Adding an entity therefore changes no other entity's draws."""

import hashlib

import numpy as np

from emulator.compiled import compiled


def address(seed: int, entity: str, purpose: str, index: int = 0) -> bytes:
    """The 16-byte key of a stream of draws: the head of the SHA-256 of its address."""
    return hashlib.sha256(f"{seed}\x1f{entity}\x1f{purpose}\x1f{index}".encode()).digest()[:16]


def generator(seed: int, entity: str, purpose: str, index: int = 0) -> np.random.Generator:
    """A generator of its own for one entity and one purpose, by the counter-based Philox
    (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011)."""
    key = int.from_bytes(address(seed, entity, purpose, index), "little")
    return np.random.Generator(np.random.Philox(key=key))


def draw_key(seed: int, entity: str, purpose: str) -> int:
    """The 63-bit key that `uniform` mixes with its counters."""
    return int.from_bytes(address(seed, entity, purpose)[:8], "little") >> 1


@compiled
def uniform(key: int, message: int, fragment: int, attempt: int) -> float:
    """One draw from [0, 1), a pure function of its address: SplitMix64's finaliser
    (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014)
    over the key and each counter in turn, the top 53 bits kept."""
    mixed = np.uint64(key)
    for counter in (message, fragment, attempt):
        mixed = mixed + np.uint64(0x9E3779B97F4A7C15) + np.uint64(counter)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return float(mixed >> np.uint64(11)) * 2.0**-53
