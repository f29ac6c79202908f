"""New traces of a recording's kind."""

from dataclasses import asdict

import numpy as np

from emulator.core.arrays import Floats, Ints
from emulator.core.randomness import generator
from emulator.core.units import NS_PER_S
from emulator.trace import Interval, Trace, whole_bits
from emulator.trace.fitted.model import RateModel
from emulator.trace.fitted.spectrum import spectrum

VERSION = 1  # a change of what the same seed draws is a new version
ROUNDS = 50


def draw(model: RateModel, duration_ns: int, seed: int, entity: str) -> Trace:
    """A `fluid` trace of the model's samples, periodic: its end runs into its start. Of at least the recording's
    length it has the model's distribution and spectrum as a whole, in another order for each seed and entity; a
    shorter one is a stretch of one of the recording's length, so its level varies as the recording's own stretches do.

    Every draw is addressed by seed, entity and purpose, and so is the lineage; the recording is in the metadata.
    Raises ValueError when the duration is no whole number of samples, no entity is named, or nothing gets through."""
    if duration_ns < 1 or duration_ns % model.sample_ns:
        given = f"duration={duration_ns / NS_PER_S:g} s"
        raise ValueError(f"{given}: must be a whole number of samples of {model.sample_ns / NS_PER_S:g} s")
    if not entity:
        raise ValueError("entity='': must name whose channel it is")
    samples = duration_ns // model.sample_ns
    rates_bps = draw_rates_bps(model, max(samples, model.span_samples), seed, entity)[:samples]
    metadata = {
        "kind": "fitted",
        "generator": f"fitted {VERSION}",
        "model": asdict(model),
        "seed": seed,
        "entity": entity,
    }
    return Trace(
        model.sample_ns,
        {"capacity_bits": whole_bits(rates_bps * (model.sample_ns / NS_PER_S))},
        lineage=(Interval(f"fitted {VERSION}: seed {seed}, entity {entity}", 0, duration_ns),),
        metadata=metadata,
    )


def draw_rates_bps(model: RateModel, samples: int, seed: int, entity: str) -> Floats:
    """One period of `samples`, at least the recording's, shape (samples,)."""
    values = model.rates_bps(samples)
    power = spectrum(model.correlation, model.sample_ns, model.span_samples, samples)
    phases = generator(seed, entity, "fitted phases").random(len(power))
    rates = ordered(values, np.sqrt(power), phases)
    if model.outage_ns is None:
        return rates
    bad = outages(model, samples, generator(seed, entity, "fitted outages"))
    good = np.setdiff1d(np.arange(samples), bad)
    # What is left has all quantiles, in the order that it had.
    rates[good[np.argsort(rates[good], kind="stable")]] = model.rates_bps(len(good))
    rates[bad] = 0.0
    return rates


def ordered(values: Floats, amplitudes: Floats, phases: Floats) -> Floats:
    """`values` (ascending) in an order whose spectrum has `amplitudes` (at frequency 0: 0), as nearly as their
    distribution lets it; shapes (n,) and, the `phases` in turns too, (n//2 + 1,).

    A sum of waves of these amplitudes and phases gives the first order (Shinozuka, Deodatis, Appl. Mech. Rev. 44(4),
    1991: over its period such a sum has its spectrum exactly, not on average only). Then in turn the spectrum and the
    values are put right until the order stays (Schreiber, Schmitz, Phys. Rev. Lett. 77, 635, 1996)."""
    samples = len(values)
    wave = np.exp(2j * np.pi * phases)
    rates, order = np.empty(samples), np.empty(0, dtype=np.int64)
    for _ in range(ROUNDS):
        latest = np.argsort(np.fft.irfft(amplitudes * wave, samples), kind="stable")
        if np.array_equal(latest, order):
            break
        order = latest
        rates[order] = values
        wave = np.fft.rfft(rates)
        wave /= np.maximum(np.abs(wave), np.finfo(np.float64).tiny)
    return rates


def outages(model: RateModel, samples: int, rng: np.random.Generator) -> Ints:
    """The samples in the bad state of the model's Gilbert-Elliott chain, ascending: a path of it around the period,
    given how many samples and how many stays are bad (the expected numbers). Given these, all paths are equally
    likely, so the stays are uniform compositions of the two numbers."""
    _, leaves = model.leaving
    bad = round(samples * model.zero_share)
    stays = min(max(round(bad * leaves), 1), bad, samples - bad)
    if stays < 1:
        return np.empty(0, dtype=np.int64)
    lengths = np.empty(2 * stays, dtype=np.int64)
    lengths[0::2] = composition(bad, stays, rng)
    lengths[1::2] = composition(samples - bad, stays, rng)
    is_bad = np.repeat(np.tile([True, False], stays), lengths)
    return np.flatnonzero(np.roll(is_bad, rng.integers(samples)))


def composition(total: int, parts: int, rng: np.random.Generator) -> Ints:
    """`total` as a sum of `parts` whole numbers of at least 1, each such sum as likely as any other, shape (parts,)."""
    cuts = np.sort(rng.choice(total - 1, parts - 1, replace=False)) + 1
    return np.diff(np.concatenate(([0], cuts, [total])))
