"""Packets of an activation: every scalar that is not protected is in exactly one, in the promised order."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.activation.interleaving import (
    ACKNOWLEDGED,
    INTERLEAVINGS,
    packet_numbers,
    scalars_per_packet,
    scattered_order,
)
from emulator.core.arrays import Flags

flags = st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32), st.floats(0, 1)).map(
    lambda drawn: np.random.default_rng(drawn[2]).random(drawn[:2]) < drawn[3]
)


@given(st.sampled_from(list(INTERLEAVINGS)), flags, st.integers(1, 40))
def test_each_unprotected_scalar_is_in_one_packet(interleaving: str, protected: Flags, capacity: int) -> None:
    numbers = packet_numbers(interleaving, protected, capacity)
    assert ((numbers == ACKNOWLEDGED) == protected).all()
    sizes = Counter(numbers[~protected].tolist())
    assert set(sizes) == set(range(len(sizes)))  # no packet is empty
    assert all(size <= capacity for size in sizes.values())
    if interleaving != "tokens":
        assert all(sizes[packet] == capacity for packet in range(len(sizes) - 1))


@given(flags, st.integers(1, 40))
def test_without_interleaving_packets_are_consecutive(protected: Flags, capacity: int) -> None:
    numbers = packet_numbers("none", protected, capacity)[~protected]
    assert numbers.tolist() == [place // capacity for place in range(len(numbers))]


@given(flags, st.integers(1, 40))
def test_whole_tokens(protected: Flags, capacity: int) -> None:
    numbers = packet_numbers("tokens", protected, capacity)
    for row, kept in zip(numbers, protected, strict=True):
        sent = row[~kept]
        if len(sent) <= capacity:
            assert len(set(sent.tolist())) <= 1  # the token is in one packet
        else:  # its packets hold nothing else
            assert (numbers[np.isin(numbers, sent)] != ACKNOWLEDGED).sum() == len(sent)
            assert len(set(sent.tolist())) == -(-len(sent) // capacity)
    sent = numbers[~protected]
    assert (np.diff(sent) >= 0).all()


@given(st.integers(0, 5000))
def test_scattering_is_a_permutation(scalars: int) -> None:
    assert sorted(scattered_order(scalars).tolist()) == list(range(scalars))


def test_scattering_spreads_a_packet_over_tokens_and_dimensions() -> None:
    tokens, elements, capacity = 64, 576, 1500
    numbers = packet_numbers("scatter", np.zeros((tokens, elements), np.bool_), capacity)
    packets = tokens * elements // capacity
    of_tokens = np.array([np.bincount(np.nonzero(numbers == packet)[0], minlength=tokens) for packet in range(packets)])
    mean = capacity / tokens
    assert of_tokens.mean() == pytest.approx(mean)
    # Hypergeometric variance, were it a random permutation: mean (1 - 1/64) (1 - 1500/36864)
    assert of_tokens.var() == pytest.approx(mean * (1 - 1 / tokens) * (1 - capacity / (tokens * elements)), rel=0.15)


def test_scattering_follows_the_published_generator() -> None:
    # First outputs of SplitMix64 from state 0: E220A8397B1DCDAF, 6E789E6AA1B965F4, 06C45D188009454F, F88BB8A8724C81EC,
    # 1B39896A51A8749B.
    assert scattered_order(5).tolist() == [2, 4, 1, 0, 3]


def test_capacity_by_codec() -> None:
    assert scalars_per_packet(1500, 1000, 4000) == 375
    assert scalars_per_packet(1500, 1000, 563) == 2664
    assert scalars_per_packet(1, 1000, 4000) == 1


@pytest.mark.parametrize(("name", "capacity"), [("rows", 5), ("none", 0)])
def test_refusals(name: str, capacity: int) -> None:
    with pytest.raises(ValueError, match=r"^(interleaving=rows|capacity=0): must be "):
        packet_numbers(name, np.zeros((2, 2), np.bool_), capacity)
