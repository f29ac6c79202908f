"""Joined layers against all ways to join them."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from agents.block_placement.blocks import block_chain
from emulator.profile import Layer, ModelProfile
from topologies.profiles import load_profile

NETWORKS = ("alexnet", "resnet32", "nin", "vgg16")


@pytest.mark.parametrize("name", NETWORKS)
def test_no_other_blocks_are_more_even(name: str) -> None:
    profile = load_profile(name)
    work = [layer.flops for layer in profile.layers]
    for blocks in (3, 4, len(work) - 1, len(work)):
        found = block_chain(profile, blocks)
        assert found.work_flop.sum() == sum(work)
        ways = [[0, *inner, len(work)] for inner in combinations(range(1, len(work)), blocks - 1)]
        least = min(sum(sum(work[a:b]) ** 2 for a, b in pairwise(way)) for way in ways)
        assert np.sum(found.work_flop**2) == pytest.approx(least, rel=1e-12)


def test_sizes_are_those_at_the_boundaries() -> None:
    chain = block_chain(load_profile("alexnet"), 6)
    assert chain.work_flop.sum() == 1_428_376_960
    # The image, the outputs of pool1, pool2, conv3, conv4 and pool5, and the result; 4 bytes a value.
    assert chain.sizes_bytes.tolist() == [602_112, 186_624, 129_792, 259_584, 173_056, 36_864, 4_000]


def test_a_layer_without_work_joins_the_one_before() -> None:
    layers = tuple(Layer(str(i), flops, 0, 10 + i) for i, flops in enumerate((5, 0, 5, 0, 0)))
    chain = block_chain(ModelProfile("small", "vision", "fp32", (3,), layers), 2)
    assert chain.work_flop.tolist() == [5, 5]
    assert chain.sizes_bytes.tolist() == [12, 44, 56]


def test_what_cannot_be_joined() -> None:
    with pytest.raises(ValueError, match=r"^blocks=12: must be in 1\.\.11, the layers of alexnet$"):
        block_chain(load_profile("alexnet"), 12)
    with pytest.raises(ValueError, match=r"^networks=llama-15m: must be a vision network$"):
        block_chain(load_profile("llama-15m"), 3)
