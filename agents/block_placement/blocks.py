"""Networks as chains of blocks: the layers of a profile, joined."""

from typing import NamedTuple

import numpy as np

from emulator.core.arrays import Floats
from emulator.profile import ModelProfile

VALUE_BYTES = 4  # of an activation, fp32


class BlockChain(NamedTuple):
    """A network of M blocks. `work_flop[m]`: operations of block m, shape (M,). `sizes_bytes[m]`: size of the input of
    block m, the last entry that of the result, shape (M + 1,)."""

    work_flop: Floats
    sizes_bytes: Floats


def block_chain(profile: ModelProfile, blocks: int) -> BlockChain:
    """Return a vision network's layers joined into blocks of about equal work: of all ways, that with the least sum of
    squared works; of equals, that with the latest boundaries, so that a layer without work joins the one before.

    Raises ValueError (one line) for a language model, and for more blocks than layers.
    """
    if profile.family != "vision":
        raise ValueError(f"networks={profile.name}: must be a vision network")
    count = len(profile.layers)
    if not 1 <= blocks <= count:
        raise ValueError(f"blocks={blocks}: must be in 1..{count}, the layers of {profile.name}")
    work = np.array([layer.flops for layer in profile.layers], dtype=np.float64)
    before = np.concatenate([[0.0], np.cumsum(work)])  # work of the layers before a boundary
    least = np.full(count + 1, np.inf)  # of the layers before a boundary, in the blocks so far
    least[0] = 0.0
    choices = []
    for _ in range(blocks):
        totals = least[:, None] + (before[None, :] - before[:, None]) ** 2
        totals[np.tril_indices(count + 1)] = np.inf  # a block has a layer
        choices.append(count - np.argmin(totals[::-1], axis=0))  # the last of equals
        least = np.min(totals, axis=0)
    boundaries = [count]
    for choice in reversed(choices):
        boundaries.append(int(choice[boundaries[-1]]))
    cuts = np.array(boundaries[::-1])
    elements = [int(np.prod(profile.input_shape)), *(layer.activation_elements for layer in profile.layers)]
    return BlockChain(np.diff(before[cuts]), VALUE_BYTES * np.array(elements, dtype=np.float64)[cuts])
