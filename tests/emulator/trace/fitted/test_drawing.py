import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chisquare, norm

from emulator.core.arrays import Floats
from emulator.core.randomness import generator
from emulator.core.units import NS_PER_S
from emulator.trace.fitted.autocorrelation import autocorrelation
from emulator.trace.fitted.drawing import draw, draw_outages, draw_rates_bps, random_composition
from emulator.trace.fitted.learning import expected_autocorrelation
from emulator.trace.fitted.model import PROBABILITIES, Correlation, RateModel
from emulator.trace.fitted.spectrum import circular_correlation, spectrum

SLOW = Correlation(0.3, 2 * NS_PER_S, 0.6, 15 * NS_PER_S, 1.5)
GAUSSIAN = tuple((1e7 * (5 + norm.ppf(np.clip(PROBABILITIES, 1e-4, 1 - 1e-4)))).tolist())
SKEWED = tuple((1e6 * np.exp(0.7 * norm.ppf(np.clip(PROBABILITIES, 1e-3, 1 - 1e-3)))).tolist())
FADES = RateModel(NS_PER_S, 600 * NS_PER_S, SKEWED, 0.1, None, SLOW)
OUTAGES = replace(FADES, outage_ns=4 * NS_PER_S)


def circular_autocorrelation(values: Floats) -> Floats:
    power = np.abs(np.fft.rfft(values - values.mean())) ** 2
    products = np.fft.irfft(power, len(values))
    return np.asarray(products / products[0])


@pytest.mark.parametrize("samples", [600, 601, 1200, 6001])
@pytest.mark.parametrize("model", [FADES, OUTAGES], ids=["fades", "outages"])
def test_a_draw_has_exactly_the_models_distribution(model: RateModel, samples: int) -> None:
    rates = np.sort(draw_rates_bps(model, samples, 1, "ue"))
    zeros = round(samples * model.zero_share)
    assert np.count_nonzero(rates == 0) == zeros
    if model.outage_ns is None:
        assert np.array_equal(rates, model.rates_bps(samples))
    else:
        assert np.array_equal(rates[zeros:], model.rates_bps(samples - zeros))
    assert rates.mean() == pytest.approx(model.mean_rate_bps, rel=0.01)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("quantiles", [GAUSSIAN, SKEWED], ids=["gaussian", "skewed"])
def test_a_draw_has_the_models_correlation_around_its_period(quantiles: tuple[float, ...], seed: int) -> None:
    """Each draw, not only the mean. The rest is the error that the distribution imposes."""
    model = replace(FADES, quantiles_bps=quantiles, zero_share=0.0)
    wanted = circular_correlation(spectrum(model.correlation, model.sample_ns, 600, 600), 600)
    found = circular_autocorrelation(draw_rates_bps(model, 600, seed, "ue"))
    assert np.abs(found - wanted).max() < 0.02


def test_nothing_is_slower_than_the_period_of_the_recording() -> None:
    power = spectrum(SLOW, NS_PER_S, 600, 600)
    assert power[0] == 0
    assert power.min() >= 0
    assert circular_correlation(power, 600)[0] == pytest.approx(1)


@pytest.mark.parametrize("times", [2, 5])
def test_the_spectrum_of_a_longer_period_is_interpolated(times: int) -> None:
    """A triangle about each frequency is Fejér's kernel at each lag."""
    base = circular_correlation(spectrum(SLOW, NS_PER_S, 600, 600), 600)
    long = circular_correlation(spectrum(SLOW, NS_PER_S, 600, times * 600), times * 600)
    lags = np.arange(1, 600)
    fejer = (np.sin(np.pi * lags / 600) / (times * np.sin(np.pi * lags / (times * 600)))) ** 2
    np.testing.assert_allclose(long[1:600], base[1:] * fejer, atol=1e-9)


@pytest.mark.parametrize("model", [replace(FADES, zero_share=0.0), OUTAGES], ids=["steady", "outages"])
def test_draws_show_the_expected_autocorrelation(model: RateModel) -> None:
    """The mean over independent draws, to four standard errors and the error of each draw (see above)."""
    shown = np.array([autocorrelation(draw_rates_bps(model, 600, seed, "ue")) for seed in range(64)])
    wrong = np.abs(shown.mean(axis=0) - expected_autocorrelation(SLOW, model, 600))
    assert (wrong <= 4 * shown.std(axis=0) / math.sqrt(64) + 0.02)[:300].all()


def test_outages_have_the_number_and_length_of_the_chains() -> None:
    model = replace(OUTAGES, zero_share=0.2, outage_ns=5 * NS_PER_S)
    for seed in range(5):
        bad = np.zeros(1000, dtype=bool)
        bad[draw_outages(model, 1000, generator(seed, "ue", "test"))] = True
        assert bad.sum() == 200
        assert np.count_nonzero(bad & ~np.roll(bad, 1)) == 40
    assert len(draw_outages(replace(model, zero_share=1e-6), 1000, generator(1, "ue", "test"))) == 0


def test_stays_of_a_chain_are_geometric() -> None:
    """With many stays, P(length > 1) = 1 - the probability to leave."""
    rng = generator(3, "ue", "test")
    lengths = random_composition(50_000, 10_000, rng)
    assert lengths.sum() == 50_000
    assert lengths.min() >= 1
    for length in (1, 3, 10):
        share = 0.8**length
        assert (lengths > length).mean() == pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / 10_000))


def test_all_compositions_are_equally_likely() -> None:
    rng = generator(1, "ue", "test")
    found = Counter(tuple(random_composition(6, 3, rng).tolist()) for _ in range(2_000))
    assert len(found) == math.comb(5, 2)
    assert chisquare(list(found.values())).pvalue > 1e-4


def test_draws_are_addressed() -> None:
    trace = draw(FADES, 600 * NS_PER_S, 1, "ue1")
    assert draw(FADES, 600 * NS_PER_S, 1, "ue1").sha256 == trace.sha256
    others = [draw(FADES, 600 * NS_PER_S, *address) for address in ((2, "ue1"), (1, "ue2"))]
    assert len({trace.sha256, *(other.sha256 for other in others)}) == 3
    assert not any(trace.shares_lineage(other) for other in others)
    assert trace.shares_lineage(draw(OUTAGES, 5 * NS_PER_S, 1, "ue1"))


def test_a_shorter_draw_is_part_of_one_as_long_as_the_recording() -> None:
    whole, part = (draw(FADES, seconds * NS_PER_S, 1, "ue1") for seconds in (600, 40))
    assert np.array_equal(part.capacity_bits, whole.capacity_bits[:40])


def test_the_bits_are_those_of_the_rates() -> None:
    trace = draw(FADES, 600 * NS_PER_S, 1, "ue1")
    rates = draw_rates_bps(FADES, 600, 1, "ue1")
    assert trace.slot_ns == NS_PER_S
    assert trace.release == "fluid"
    assert np.abs(trace.cumulative_bits[1:] - np.cumsum(rates)).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("duration_ns", [0, -NS_PER_S, NS_PER_S + 1])
def test_a_duration_must_be_a_whole_number_of_samples(duration_ns: int) -> None:
    with pytest.raises(ValueError, match=r"^duration=.* s: must be a whole number of samples of 1 s$"):
        draw(FADES, duration_ns, 1, "ue1")
