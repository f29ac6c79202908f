"""A model of a recording's rate."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from emulator.core.arrays import Floats, Ints
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.trace import Trace
from emulator.trace.fitted.autocorrelation import autocorrelation, crossing_samples, window
from emulator.trace.fitted.model import PROBABILITIES, Correlation, RateModel
from emulator.trace.fitted.spectrum import circular, spectrum, with_outages

SHORTEST_SAMPLE_NS = 100 * NS_PER_MS  # below it a recording shows the scheduler's grain, not the channel
FEWEST_SAMPLES = 16
LONGEST = 2**15  # samples over whose period the expected autocorrelation is taken: beyond it nothing changes
LAGS = 60

# Zeros come unannounced, as outages, when there are some runs of them, when the mean rank of the values beside them is
# far from 0 (1/2: they could be any), and when that does not spoil the least squares.
FEWEST_STAYS = 4
SUDDEN_RANK = 0.25
SUDDEN_COST = 0.25

# Residuals: the autocorrelation itself counts 1 a lag out to some crossing times, and less where noise is all of it.
REACH = 6.0
TAIL_WEIGHT = 0.3
CROSSING_WEIGHT = 20.0
INTEGRAL_WEIGHT = 5.0


def learn(trace: Trace, sample_ns: int | None = None) -> RateModel:
    """The model of the trace's mean rates over samples of `sample_ns` (its slots, if they are of 100 ms or more;
    otherwise 100 ms). What is left at the end of a whole number of samples is not looked at. Zeros are the bottoms of
    fades, or outages where the values beside them are not among the least and a chain's stays fit the autocorrelation.

    Raises ValueError when there are fewer than 16 samples, or a sample is shorter than a slot."""
    sample_ns = max(trace.slot_ns, SHORTEST_SAMPLE_NS) if sample_ns is None else sample_ns
    rates_bps = mean_rates_bps(trace, sample_ns)
    is_zero = rates_bps == 0
    fades = RateModel(
        sample_ns,
        len(rates_bps) * sample_ns,
        tuple(np.quantile(rates_bps[~is_zero], PROBABILITIES).tolist()),
        float(is_zero.mean()),
        None,
        Correlation(0.0, sample_ns, 0.0, sample_ns, 1.0),
        trace.lineage,
    )
    recorded = autocorrelation(rates_bps)
    if not recorded[1:].any():
        return fades
    fit = nearest(recorded, fades)
    stays, rank = beside_zeros(rates_bps)
    if stays >= FEWEST_STAYS and rank >= SUDDEN_RANK:
        stay_ns = round(int(is_zero.sum()) / stays * sample_ns)
        outages = nearest(recorded, replace(fades, outage_ns=stay_ns))
        fit = outages if outages.cost <= fit.cost + SUDDEN_COST else fit
    return fit.model


def mean_rates_bps(trace: Trace, sample_ns: int) -> Floats:
    """Mean rates over the whole samples of one period, shape (samples,). Raises ValueError as `learn` does."""
    if sample_ns < trace.slot_ns:
        raise ValueError(
            f"sample={sample_ns / NS_PER_MS:g} ms: must be at least a slot, {trace.slot_ns / NS_PER_MS:g} ms"
        )
    samples = trace.period_ns // sample_ns
    if samples < FEWEST_SAMPLES:
        least = f"{FEWEST_SAMPLES} of {sample_ns / NS_PER_MS:g} ms"
        raise ValueError(f"samples={samples}: must be at least {least}, to fit a model")
    bits = np.diff(trace.bits_before(np.arange(samples + 1) * sample_ns))
    if not bits.any():
        raise ValueError("capacity_bits: at least one sample must carry bits, to fit a model")
    return bits * (NS_PER_S / sample_ns)


def beside_zeros(rates_bps: Floats) -> tuple[int, float]:
    """How many runs of zeros there are, and the mean rank (0 least, 1 greatest of all others) of the values beside
    them; 0 without any."""
    is_zero = rates_bps == 0
    change = np.diff(is_zero.astype(np.int8), prepend=0, append=0)
    first, after = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    beside = np.concatenate((rates_bps[first[first > 0] - 1], rates_bps[after[after < len(rates_bps)]]))
    others = np.sort(rates_bps[~is_zero])
    ranks = (np.searchsorted(others, beside, "left") + np.searchsorted(others, beside, "right")) / (2 * len(others))
    return len(first), float(ranks.mean()) if len(ranks) else 0.0


class Fit(NamedTuple):
    """A model, and half the sum of the squares that `Weighing` makes small."""

    model: RateModel
    cost: float


def nearest(recorded: Floats, model: RateModel) -> Fit:
    """The model with the correlation with which records of its span are expected to show the `recorded`
    autocorrelation, shape (samples,): least squares of `Weighing`, from several starts."""
    samples, weighing = min(len(recorded), LONGEST), Weighing.of(recorded)

    def residuals(vector: Floats) -> Floats:
        return weighing.differences(expected_autocorrelation(decoded(vector, model), model, samples), recorded)

    bounds = bounds_of(model)
    fits = [least_squares(residuals, start, bounds=bounds) for start in starts_of(weighing.crossing, model)]
    best = min(fits, key=lambda fit: float(fit.cost))
    return Fit(replace(model, correlation=decoded(best.x, model)), float(best.cost))


class Weighing(NamedTuple):
    """What a fitted autocorrelation is to have in common with the recorded one: its values at `lags` with `weights`,
    that at the `crossing` of 1/e, and the sum out to lag `end`."""

    lags: Ints
    weights: Floats
    crossing: float
    end: int

    @classmethod
    def of(cls, recorded: Floats) -> "Weighing":
        """`LAGS` lags in equal ratios out to half the record."""
        samples = min(len(recorded), LONGEST)
        crossing = crossing_samples(recorded)
        lags = np.unique(np.geomspace(1, samples // 2, LAGS).round().astype(np.int64))
        weights = np.where(lags <= max(REACH * crossing, 10), 1.0, TAIL_WEIGHT)
        return cls(lags, weights, min(crossing, samples - 1.5), window(np.cumsum(recorded[:samples]) - 0.5))

    def differences(self, expected: Floats, recorded: Floats) -> Floats:
        """Of two autocorrelations, weighted: what least squares make small, shape (lags + 2,)."""
        apart = expected - recorded[: len(expected)]
        before = int(self.crossing)
        at_crossing = np.interp(self.crossing, (before, before + 1), apart[before : before + 2])
        in_all = apart[: self.end + 1].sum() / (recorded[: self.end + 1].sum() - 0.5)
        return np.append(self.weights * apart[self.lags], (CROSSING_WEIGHT * at_crossing, INTEGRAL_WEIGHT * in_all))


def expected_autocorrelation(correlation: Correlation, model: RateModel, samples: int) -> Floats:
    """What `autocorrelation` is expected to say of a draw of `samples`, the model's span, shape (samples,)."""
    process = circular(spectrum(correlation, model.sample_ns, samples, samples), samples)
    if model.outage_ns is not None:
        values = model.rates_bps(samples)
        process = with_outages(process, model.leaving, float(values.mean()), float(values.var()))
    return process * (1 - np.arange(samples) / samples)


def decoded(vector: Floats, model: RateModel) -> Correlation:
    """(share not jitter, the fading's part of it, log of the fading's time, how far the shadowing's lies between that
    and the span in logarithms, shape) as a correlation."""
    steady, part, log_fading, between, shape = map(float, vector)
    log_shadowing = log_fading + between * (np.log(model.span_ns) - log_fading)
    fading_ns = max(round(np.exp(log_fading)), 1)
    shadowing_ns = max(round(np.exp(log_shadowing)), fading_ns)
    return Correlation(steady * part, fading_ns, steady * (1 - part), shadowing_ns, shape)


def bounds_of(model: RateModel) -> tuple[list[float], list[float]]:
    """Least and greatest of each number that `decoded` reads."""
    return [0, 0, np.log(model.sample_ns / 4), 0, 0.3], [1, 1, np.log(model.span_ns), 1, 2]


def starts_of(crossing: float, model: RateModel) -> list[Floats]:
    """Where the search begins: two times about the `crossing` (in samples), closer together and farther apart."""
    log_crossing = np.log(max(crossing, 0.5) * model.sample_ns)
    log_span = np.log(model.span_ns)
    lowest = np.log(model.sample_ns / 4) + 1e-3
    starts = []
    for part, faster, slower, shape in ((0.5, 3.0, 3.0, 1.5), (0.75, 2.0, 10.0, 1.0), (0.2, 4.0, 1.5, 1.8)):
        log_fading = np.clip(log_crossing - np.log(faster), lowest, log_span - 0.1)
        log_shadowing = np.clip(log_crossing + np.log(slower), log_fading + 0.01, log_span - 0.01)
        between = (log_shadowing - log_fading) / (log_span - log_fading)
        starts.append(np.array([0.9, part, log_fading, between, shape]))
    return starts
