"""Layouts of encoded activations, against what the codecs lose without a packet."""

from itertools import pairwise

import numpy as np
import pytest

from emulator.activation.codecs import CODECS
from emulator.activation.concealment import Calibration, Protection
from emulator.activation.delivery import Recipe
from emulator.activation.interleaving import INTERLEAVINGS
from emulator.activation.packing import Packing, packing_of

SHAPE = (7, 96)
KNOWN = Calibration(np.zeros(96, np.float32), np.arange(96)[::-1].copy())
VALUES = np.random.default_rng(3).standard_normal(SHAPE).astype(np.float32)


def packing(codec: str, recipe: Recipe, packet_bytes: int = 50) -> Packing:
    return packing_of(CODECS[codec], SHAPE, recipe, packet_bytes, KNOWN)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("interleaving", INTERLEAVINGS)
def test_every_byte_is_sent_once_and_comes_back_in_place(codec: str, interleaving: str) -> None:
    payload = CODECS[codec].encode(VALUES)
    found = packing(codec, Recipe(interleaving, "mean", Protection(1, 4)))
    assert sorted(found.order.tolist()) == list(range(len(payload)))
    assert max(found.packet_bytes) <= 50
    arrived = np.zeros(len(payload), np.bool_)
    arrived[:20] = True
    back, there = found.unpack(found.pack(payload), arrived)
    assert back == payload
    assert set(np.flatnonzero(there)) == set(found.order[:20].tolist())


@pytest.mark.parametrize("codec", ["fp32", "fp16", "bf16", "int8", "int4", "int8+outliers", "int4+outliers"])
@pytest.mark.parametrize("interleaving", INTERLEAVINGS)
def test_without_any_packet_exactly_what_is_not_protected_is_lost(codec: str, interleaving: str) -> None:
    recipe = Recipe(interleaving, "zero", Protection(2, 4))
    found = packing(codec, recipe)
    arrived = np.arange(len(found.order)) >= sum(found.packet_bytes)
    payload, there = found.unpack(found.pack(CODECS[codec].encode(VALUES)), arrived)
    _, lost = CODECS[codec].decode_received(payload, there, SHAPE)
    kept = recipe.protection.flags(*SHAPE, KNOWN)
    assert not (lost & kept).any()
    if codec == "int4":  # whose groups are protected whole
        kept = kept.reshape(7, -1, 16).any(axis=2).repeat(16, axis=1)
    if "outliers" not in codec:  # they are with the side information
        assert (lost | kept).all()


@pytest.mark.parametrize("interleaving", INTERLEAVINGS)
def test_a_lost_packet_loses_the_scalars_that_the_recipe_puts_into_it(interleaving: str) -> None:
    recipe = Recipe(interleaving, "zero", Protection(1, 3))
    found, numbers = packing("int8", recipe), recipe.packets(SHAPE, 50, KNOWN)
    starts = np.cumsum([0, *found.packet_bytes])
    assert len(found.packet_bytes) == numbers.max() + 1
    for number, (start, stop) in enumerate(pairwise(starts)):
        arrived = np.ones(len(found.order), np.bool_)
        arrived[start:stop] = False
        payload, there = found.unpack(found.pack(CODECS["int8"].encode(VALUES)), arrived)
        assert ((numbers == number) == CODECS["int8"].decode_received(payload, there, SHAPE)[1]).all()


def test_a_protected_scalar_protects_its_group_also_in_a_token_that_ends_within_one() -> None:
    known = Calibration(np.zeros(40, np.float32), np.array([15]))
    found = packing_of(CODECS["int4"], (2, 40), Recipe("none", "zero", Protection(0, 1)), 50, known)
    acknowledged = sorted(found.order[sum(found.packet_bytes) :].tolist())
    assert acknowledged == [*range(3 + 8), *range(27, 27 + 3 + 8)]


def test_side_information_and_protection_are_acknowledged() -> None:
    assert packing("int8", Recipe()).acknowledged_bytes == 7 * 4
    assert packing("int8", Recipe("none", "zero", Protection(2, 4))).acknowledged_bytes == 2 * 100 + 5 * (4 + 4)
    assert packing("fp16", Recipe()).acknowledged_bytes == 0
