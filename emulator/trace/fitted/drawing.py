"""Draws new traces from a fitted model."""

from dataclasses import asdict

import numpy as np

from emulator.core.arrays import Floats, Ints
from emulator.core.randomness import generator
from emulator.core.units import NS_PER_S
from emulator.trace import Interval, Trace, whole_bits
from emulator.trace.fitted.model import RateModel
from emulator.trace.fitted.spectrum import spectrum

FITTED_VERSION = 1  # changes whenever the same seed draws other values
MAX_ITERATIONS = 50


def draw(model: RateModel, duration_ns: int, seed: int, entity: str) -> Trace:
    """Draw a periodic `fluid` trace, one slot per sample of the model. A trace at least as long as the recording has
    exactly the model's distribution, and its spectrum; only the order depends on seed and entity. A shorter trace is a
    part of one as long as the recording, so its mean varies as that of the recording's parts.

    Draws and lineage are addressed by seed and entity; the recording is in the metadata. Raises ValueError if the
    duration is not a whole number of samples, or `entity` is empty."""
    if duration_ns < 1 or duration_ns % model.sample_ns:
        given = f"duration={duration_ns / NS_PER_S:g} s"
        raise ValueError(f"{given}: must be a whole number of samples of {model.sample_ns / NS_PER_S:g} s")
    if not entity:
        raise ValueError("entity='': must name whose channel it is")
    samples = duration_ns // model.sample_ns
    rates_bps = draw_rates_bps(model, max(samples, model.span_samples), seed, entity)[:samples]
    metadata = {
        "kind": "fitted",
        "generator": f"fitted {FITTED_VERSION}",
        "model": asdict(model),
        "seed": seed,
        "entity": entity,
    }
    return Trace(
        model.sample_ns,
        {"capacity_bits": whole_bits(rates_bps * (model.sample_ns / NS_PER_S))},
        lineage=(Interval(f"fitted {FITTED_VERSION}: seed {seed}, entity {entity}", 0, duration_ns),),
        metadata=metadata,
    )


def draw_rates_bps(model: RateModel, samples: int, seed: int, entity: str) -> Floats:
    """Draw one period of `samples`, at least as many as the recording has, shape (samples,)."""
    values = model.rates_bps(samples)
    power = spectrum(model.correlation, model.sample_ns, model.span_samples, samples)
    phases = generator(seed, entity, "fitted phases").random(len(power))
    rates = order_by_spectrum(values, np.sqrt(power), phases)
    if model.outage_ns is None:
        return rates
    bad = draw_outages(model, samples, generator(seed, entity, "fitted outages"))
    good = np.setdiff1d(np.arange(samples), bad)
    # The remaining samples keep their order and get all quantiles of the distribution.
    rates[good[np.argsort(rates[good], kind="stable")]] = model.rates_bps(len(good))
    rates[bad] = 0.0
    return rates


def order_by_spectrum(values: Floats, amplitudes: Floats, phases: Floats) -> Floats:
    """Order `values` (n,), ascending, so that their spectrum has `amplitudes` (n//2 + 1,), 0 at frequency 0, as
    nearly as their distribution permits; `phases` (n//2 + 1,) in turns.

    A sum of waves with these amplitudes and phases gives the first order (Shinozuka, Deodatis, Appl. Mech. Rev. 44(4),
    1991: over its period the sum has exactly this spectrum). Then spectrum and values are imposed alternately until
    the order does not change (Schreiber, Schmitz, Phys. Rev. Lett. 77, 635, 1996)."""
    samples = len(values)
    wave = np.exp(2j * np.pi * phases)
    rates, order = np.empty(samples), np.empty(0, dtype=np.int64)
    for _ in range(MAX_ITERATIONS):
        latest = np.argsort(np.fft.irfft(amplitudes * wave, samples), kind="stable")
        if np.array_equal(latest, order):
            break
        order = latest
        rates[order] = values
        wave = np.fft.rfft(rates)
        wave /= np.maximum(np.abs(wave), np.finfo(np.float64).tiny)
    return rates


def draw_outages(model: RateModel, samples: int, rng: np.random.Generator) -> Ints:
    """Draw the samples in the bad state of the model's Gilbert-Elliott chain, ascending: a path of the chain around the
    period, given the numbers of bad samples and of outages (their expected values). All such paths are equally likely,
    so the lengths of stays are uniform random compositions."""
    _, leaves = model.leave_probabilities
    bad = round(samples * model.zero_share)
    stays = min(max(round(bad * leaves), 1), bad, samples - bad)
    if stays < 1:
        return np.empty(0, dtype=np.int64)
    lengths = np.empty(2 * stays, dtype=np.int64)
    lengths[0::2] = random_composition(bad, stays, rng)
    lengths[1::2] = random_composition(samples - bad, stays, rng)
    is_bad = np.repeat(np.tile([True, False], stays), lengths)
    return np.flatnonzero(np.roll(is_bad, rng.integers(samples)))


def random_composition(total: int, parts: int, rng: np.random.Generator) -> Ints:
    """Draw `total` as a sum of `parts` integers >= 1, uniformly among all such sums, shape (parts,)."""
    cuts = np.sort(rng.choice(total - 1, parts - 1, replace=False)) + 1
    return np.diff(np.concatenate(([0], cuts, [total])))
