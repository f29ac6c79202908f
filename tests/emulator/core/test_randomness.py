"""Draws depend on their address only: seed, entity, purpose and index."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from emulator.core.draws import uniform
from emulator.core.randomness import address, draw_key, generator
from tests.emulator import reference

GAMMA = reference.GAMMA


def test_reference_mixer_gives_the_published_splitmix64_sequence() -> None:
    """The first outputs for seed 1234567, as Vigna's splitmix64.c gives them."""
    states = [(1234567 + step * GAMMA) % 2**64 for step in range(3)]
    assert [reference.splitmix64(state) for state in states] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


@given(
    key=st.integers(0, 2**63 - 1),
    message=st.integers(0, 2**63 - 1),
    fragment=st.integers(0, 2**31),
    attempt=st.integers(0, 100),
)
def test_uniform_equals_the_reference_in_unbounded_integers(
    key: int, message: int, fragment: int, attempt: int
) -> None:
    draw = uniform(key, message, fragment, attempt)
    assert draw == reference.uniform(key, message, fragment, attempt)
    assert 0.0 <= draw < 1.0


def test_draws_are_even_along_each_counter_and_unrelated_between_neighbours() -> None:
    """Kolmogorov-Smirnov along each counter; neighbours' correlation within four standard deviations."""
    key, count = draw_key(1, "ue1-gnb", "loss"), 20_000
    for place in range(3):
        counters = [[0, 0, 0] for _ in range(count)]
        for step, each in enumerate(counters):
            each[place] = step
        draws = np.array([uniform(key, *each) for each in counters])
        assert stats.kstest(draws, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 4 / np.sqrt(count)


def test_every_part_of_an_address_matters() -> None:
    addresses = [
        (1, "ue1", "loss", 0),
        (2, "ue1", "loss", 0),
        (1, "ue2", "loss", 0),
        (1, "ue1", "gain", 0),
        (1, "ue1", "loss", 1),
        (1, "ue1l", "oss", 0),
        (11, "ue1", "loss", 0),
        (1, "ue1", "loss", 10),
        (1, "1ue1", "loss", 0),
    ]
    assert len({address(*each) for each in addresses}) == len(addresses)
    assert {len(address(*each)) for each in addresses} == {16}


def test_a_generator_does_not_depend_on_other_draws() -> None:
    alone = generator(7, "ue1", "arrivals").random(5)
    generator(7, "ue2", "arrivals").random(1_000)
    assert (generator(7, "ue1", "arrivals").random(5) == alone).all()
    assert (generator(7, "ue1", "lengths").random(5) != alone).all()
    assert (generator(7, "ue1", "arrivals", 1).random(5) != alone).all()


def test_draws_are_the_same_on_every_machine_and_in_every_version() -> None:
    """Recorded once: a change of any of these changes the meaning of every stored seed."""
    assert draw_key(5, "ue1-gnb", "loss") == KEY_OF_UE1_GNB
    assert uniform(KEY_OF_UE1_GNB, 3, 1, 2) == DRAW_3_1_2
    assert generator(5, "ue1", "arrivals of image").random() == FIRST_ARRIVAL_DRAW


KEY_OF_UE1_GNB = 6349692776516652531
DRAW_3_1_2 = 0.2708026977878992
FIRST_ARRIVAL_DRAW = 0.8727065519181129
