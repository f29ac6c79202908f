"""Harms: realised rates, lengths of bursts, powers of noise, against closed forms."""

from collections import Counter
from itertools import groupby, pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from emulator.activation.harms import Harm, gilbert_losses, lost_scalars, lost_units, noisy, parse_harm
from emulator.activation.interleaving import INTERLEAVINGS, packet_numbers
from emulator.core.arrays import Flags

shares = st.floats(0, 1)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@given(st.integers(0, 300), shares, st.integers(0, 2**32))
def test_number_of_independent_losses_is_the_share_rounded(units: int, share: float, seed: int) -> None:
    lost = lost_units(units, share, 1.0, rng(seed)).sum()
    assert np.floor(share * units) <= lost <= np.ceil(share * units)


def test_mean_number_of_losses_is_exact() -> None:
    counts = [lost_units(7, 0.1, 1.0, rng(seed)).sum() for seed in range(4000)]
    assert np.mean(counts) == pytest.approx(0.7, abs=4 * np.sqrt(0.7 * 0.3 / 4000))


def test_each_unit_is_lost_as_often() -> None:
    often = np.sum([lost_units(10, 0.3, 1.0, rng(seed)) for seed in range(4000)], axis=0)
    chi_square = ((often - 1200) ** 2 / (4000 * 0.3 * 0.7)).sum() * 9 / 10
    assert chi_square < 27.9  # 0.999 quantile of 9 degrees of freedom


@given(st.integers(1, 300), shares, shares, st.integers(0, 2**32))
def test_losses_at_a_greater_share_contain_those_at_a_smaller(units: int, a: float, b: float, seed: int) -> None:
    low, high = (lost_units(units, share, 1.0, rng(seed)) for share in sorted((a, b)))
    assert not (low & ~high).any()


@pytest.mark.parametrize(("share", "mean"), [(0.01, 2.0), (0.1, 4.0), (0.5, 3.0), (0.75, 3.0)])
def test_bursts_have_their_share_and_mean_length(share: float, mean: float) -> None:
    units = 400_000
    lost = gilbert_losses(units, share, mean, rng())
    runs = [len(list(run)) for state, run in groupby(lost.tolist()) if state]
    # Variance of the share of a stationary chain with correlation r: p (1 - p) (1 + r) / (1 - r) / n.
    correlation = 1 - 1 / mean - share / (1 - share) / mean
    deviation = np.sqrt(share * (1 - share) * (1 + correlation) / (1 - correlation) / units)
    assert lost.mean() == pytest.approx(share, abs=4 * deviation)
    assert np.mean(runs) == pytest.approx(mean, abs=4 * np.sqrt(mean * (mean - 1) / len(runs)))
    assert np.var(runs) == pytest.approx(mean * (mean - 1), rel=0.15)  # geometric


def test_all_can_be_lost_in_bursts() -> None:
    assert lost_units(5, 1.0, 4.0, rng()).all()


@given(st.integers(1, 60), st.floats(0, 0.75), st.floats(1.5, 6), st.integers(0, 2**32))
def test_bursts_lose_the_rounded_share(units: int, share: float, extra: float, seed: int) -> None:
    count = lost_units(units, share, 3 * extra, rng(seed)).sum()
    assert abs(count - share * units) < 1


def test_bursts_of_a_given_number_have_the_law_of_the_chain() -> None:
    """Every pattern of 3 losses among 6 units occurs as often as Gilbert's chain says, given that it loses 3."""
    share, mean = 0.5, 3.0
    stay = {True: 1 - 1 / mean, False: 1 - share / (1 - share) / mean}
    law = {}
    for pattern in product([False, True], repeat=6):
        steps = [stay[a] if a == b else 1 - stay[a] for a, b in pairwise(pattern)]
        if sum(pattern) == 3:
            law[pattern] = (share if pattern[0] else 1 - share) * np.prod(steps)
    draws = 8_000
    found = Counter(tuple(lost_units(6, share, mean, rng(seed)).tolist()) for seed in range(draws))
    assert found.keys() <= law.keys()
    expected = {pattern: draws * each / sum(law.values()) for pattern, each in law.items()}
    chi_square = sum((found[pattern] - each) ** 2 / each for pattern, each in expected.items())
    assert chi_square < stats.chi2.ppf(0.999, len(law) - 1)


def test_bursts_are_stationary_from_the_first_unit() -> None:
    first = np.mean([gilbert_losses(3, 0.2, 5.0, rng(seed)) for seed in range(4000)], axis=0)
    assert first == pytest.approx(0.2, abs=4 * np.sqrt(0.2 * 0.8 / 4000))


@given(
    st.sampled_from(["scalars", "packets:7", "bursts:7x2", "tokens"]).map(parse_harm),
    st.sampled_from(list(INTERLEAVINGS)),
    st.floats(0, 0.6),
    st.integers(0, 2**32),
)
def test_only_whole_unprotected_units_are_lost(harm: Harm, interleaving: str, share: float, seed: int) -> None:
    draw = rng(seed)
    protected = draw.random((6, 11)) < 0.3
    packets = packet_numbers(interleaving, protected, harm.packet_bytes or 1)
    lost = lost_scalars(harm, share, packets, draw)
    assert not (lost & protected).any()
    if harm.kind in ("packets", "bursts"):
        assert set(packets[lost].tolist()).isdisjoint(packets[~lost].tolist())
    if harm.kind == "tokens":
        assert all((lost[token] == ~protected[token]).all() for token in np.flatnonzero(lost.any(axis=1)))


def test_a_lost_packet_loses_its_scalars() -> None:
    nothing: Flags = np.zeros((4, 5), np.bool_)
    packets = packet_numbers("scatter", nothing, 6)
    lost = lost_scalars(Harm("packets", packet_bytes=6), 0.25, packets, rng(1))
    gone = set(packets[lost].tolist())
    assert len(gone) == 1
    assert (lost == (packets == gone.pop())).all()


@pytest.mark.parametrize(("text", "m"), [("noise", np.inf), ("noise:4", 4.0)])
def test_power_of_noise(text: str, m: float) -> None:
    values = (np.arange(1, 2001)[:, None] * rng(1).standard_normal((2000, 50))).astype(np.float32)
    received = noisy(values, parse_harm(text), 0.1, np.zeros_like(values, np.bool_), rng())
    ratio = ((received - values) ** 2).mean(axis=1) / (values**2).mean(axis=1)
    inverse_gain = 1.0 if m == np.inf else m / (m - 1)  # E[1 / h^2] of a Gamma(m, 1/m) distributed h^2
    assert ratio.mean() == pytest.approx(0.1 * inverse_gain, rel=0.1)


def test_protected_scalars_have_no_noise() -> None:
    values = np.ones((3, 4), np.float32)
    protected = np.eye(3, 4, dtype=np.bool_)
    received = noisy(values, Harm("noise"), 1.0, protected, rng())
    assert ((received == values) == protected).all()


@pytest.mark.parametrize(
    "text", ["scalars", "packets:1500", "bursts:1500x4", "bursts:64x1.5", "tokens", "noise", "noise:0.5"]
)
def test_texts(text: str) -> None:
    assert str(parse_harm(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rain",
        "scalars:3",
        "packets",
        "packets:0",
        "bursts:10",
        "bursts:10x0.5",
        "noise:0.1",
        "noise:nan",
        "noise:inf",
    ],
)
def test_bad_texts(text: str) -> None:
    with pytest.raises(ValueError, match=rf"^harm={text}: must be scalars, packets:BYTES"):
        parse_harm(text)


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"^share=1.5: must be between 0 and 1$"):
        lost_units(3, 1.5, 1.0, rng())
    with pytest.raises(ValueError, match=r"^share=0.9: bursts of mean 3 lose at most 0.75$"):
        lost_units(3, 0.9, 3.0, rng())
    with pytest.raises(ValueError, match=r"^harm=noise: loses no scalars$"):
        lost_scalars(Harm("noise"), 0.1, np.zeros((2, 2), np.int64), rng())
    with pytest.raises(ValueError, match=r"^harm=tokens: must be noise$"):
        noisy(np.ones((2, 2), np.float32), Harm("tokens"), 0.1, np.zeros((2, 2), np.bool_), rng())
