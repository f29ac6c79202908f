"""Fits a model to the rate of a recording."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from emulator.core.arrays import Floats, Ints
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.trace import Trace
from emulator.trace.fitted.autocorrelation import autocorrelation, crossing_samples, window_lag
from emulator.trace.fitted.model import PROBABILITIES, Correlation, RateModel
from emulator.trace.fitted.spectrum import circular_correlation, spectrum, with_outages

MIN_SAMPLE_NS = 100 * NS_PER_MS  # shorter samples show the scheduler, not the channel
MIN_SAMPLES = 16
MAX_PERIOD = 2**15  # samples in the period of the expected autocorrelation; longer periods change nothing
MAX_LAGS = 60

# Zeros are taken as sudden outages if there are some runs of them, if the mean rank of the values beside them is far
# from 0 (1/2: independent of the rate), and if that costs little in least squares.
MIN_OUTAGES = 4
MIN_OUTAGE_RANK = 0.25
MAX_OUTAGE_COST = 0.25

# Weights of residuals. The autocorrelation has weight 1 up to some crossing times, and less in its noisy tail.
FULL_WEIGHT_CROSSINGS = 6.0
TAIL_WEIGHT = 0.3
CROSSING_WEIGHT = 20.0
INTEGRAL_WEIGHT = 5.0


def learn(trace: Trace, sample_ns: int | None = None) -> RateModel:
    """Fit a model to the trace's mean rates over samples of `sample_ns` (None: a slot, but at least 100 ms). A rest
    shorter than a sample is ignored. Zeros are the bottoms of fades, or outages if the values beside them are not among
    the lowest and a Gilbert-Elliott chain fits the autocorrelation.

    Raises ValueError if there are fewer than 16 samples, or a sample is shorter than a slot."""
    sample_ns = max(trace.slot_ns, MIN_SAMPLE_NS) if sample_ns is None else sample_ns
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
    fit = fit_correlation(recorded, fades)
    runs, rank = zero_runs(rates_bps)
    if runs >= MIN_OUTAGES and rank >= MIN_OUTAGE_RANK:
        outage_ns = round(int(is_zero.sum()) / runs * sample_ns)
        outages = fit_correlation(recorded, replace(fades, outage_ns=outage_ns))
        fit = outages if outages.cost <= fit.cost + MAX_OUTAGE_COST else fit
    return fit.model


def mean_rates_bps(trace: Trace, sample_ns: int) -> Floats:
    """Return the mean rates over the whole samples in one period, shape (samples,). Raises ValueError as `learn`."""
    if sample_ns < trace.slot_ns:
        raise ValueError(
            f"sample={sample_ns / NS_PER_MS:g} ms: must be at least a slot, {trace.slot_ns / NS_PER_MS:g} ms"
        )
    samples = trace.period_ns // sample_ns
    if samples < MIN_SAMPLES:
        least = f"{MIN_SAMPLES} of {sample_ns / NS_PER_MS:g} ms"
        raise ValueError(f"samples={samples}: must be at least {least}, to fit a model")
    bits = np.diff(trace.bits_before(np.arange(samples + 1) * sample_ns))
    if not bits.any():
        raise ValueError("capacity_bits: at least one sample must carry bits, to fit a model")
    return bits * (NS_PER_S / sample_ns)


def zero_runs(rates_bps: Floats) -> tuple[int, float]:
    """Return the number of runs of zeros, and the mean rank, among all other values, of the values beside them (0 the
    lowest, 1 the highest; 0 without runs)."""
    is_zero = rates_bps == 0
    change = np.diff(is_zero.astype(np.int8), prepend=0, append=0)
    first, after = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    beside = np.concatenate((rates_bps[first[first > 0] - 1], rates_bps[after[after < len(rates_bps)]]))
    others = np.sort(rates_bps[~is_zero])
    ranks = (np.searchsorted(others, beside, "left") + np.searchsorted(others, beside, "right")) / (2 * len(others))
    return len(first), float(ranks.mean()) if len(ranks) else 0.0


class Fit(NamedTuple):
    """A fitted model, and half the sum of squares of `FitWeights.differences`."""

    model: RateModel
    cost: float


def fit_correlation(recorded: Floats, model: RateModel) -> Fit:
    """Fit the correlation for which draws of the model's span are expected to show the `recorded` autocorrelation,
    shape (samples,): weighted least squares from several starts."""
    samples, weights = min(len(recorded), MAX_PERIOD), FitWeights.of(recorded)

    def residuals(vector: Floats) -> Floats:
        return weights.differences(expected_autocorrelation(correlation_of(vector, model), model, samples), recorded)

    bounds = vector_bounds(model)
    fits = [least_squares(residuals, start, bounds=bounds) for start in start_vectors(weights.crossing, model)]
    best = min(fits, key=lambda fit: float(fit.cost))
    return Fit(replace(model, correlation=correlation_of(best.x, model)), float(best.cost))


class FitWeights(NamedTuple):
    """Weights for the difference of two autocorrelations: of values at `lags` with `weights`, of the value at the
    `crossing` of 1/e, and of the sum up to lag `end`."""

    lags: Ints
    weights: Floats
    crossing: float
    end: int

    @classmethod
    def of(cls, recorded: Floats) -> "FitWeights":
        """Choose up to `MAX_LAGS` lags in equal ratios up to half the length of the recording."""
        samples = min(len(recorded), MAX_PERIOD)
        crossing = crossing_samples(recorded)
        lags = np.unique(np.geomspace(1, samples // 2, MAX_LAGS).round().astype(np.int64))
        weights = np.where(lags <= max(FULL_WEIGHT_CROSSINGS * crossing, 10), 1.0, TAIL_WEIGHT)
        return cls(lags, weights, min(crossing, samples - 1.5), window_lag(np.cumsum(recorded[:samples]) - 0.5))

    def differences(self, expected: Floats, recorded: Floats) -> Floats:
        """Return the weighted differences of two autocorrelations, shape (lags + 2,)."""
        error = expected - recorded[: len(expected)]
        before = int(self.crossing)
        at_crossing = np.interp(self.crossing, (before, before + 1), error[before : before + 2])
        integral = error[: self.end + 1].sum() / (recorded[: self.end + 1].sum() - 0.5)
        return np.append(self.weights * error[self.lags], (CROSSING_WEIGHT * at_crossing, INTEGRAL_WEIGHT * integral))


def expected_autocorrelation(correlation: Correlation, model: RateModel, samples: int) -> Floats:
    """Return the expected value of `autocorrelation` for a draw of `samples`, the model's span, shape (samples,)."""
    process = circular_correlation(spectrum(correlation, model.sample_ns, samples, samples), samples)
    if model.outage_ns is not None:
        values = model.rates_bps(samples)
        process = with_outages(process, model.leave_probabilities, float(values.mean()), float(values.var()))
    return process * (1 - np.arange(samples) / samples)


def correlation_of(vector: Floats, model: RateModel) -> Correlation:
    """Decode a vector of the least squares: (share that is not jitter, fading's part of that share, log of the fading
    time, position of the log shadowing time between the log fading time and the log span, shape)."""
    steady, part, log_fading, between, shape = map(float, vector)
    log_shadowing = log_fading + between * (np.log(model.span_ns) - log_fading)
    fading_ns = max(round(np.exp(log_fading)), 1)
    shadowing_ns = max(round(np.exp(log_shadowing)), fading_ns)
    return Correlation(steady * part, fading_ns, steady * (1 - part), shadowing_ns, shape)


def vector_bounds(model: RateModel) -> tuple[list[float], list[float]]:
    """Return the lower and upper bounds of the vectors of `correlation_of`."""
    return [0, 0, np.log(model.sample_ns / 4), 0, 0.3], [1, 1, np.log(model.span_ns), 1, 2]


def start_vectors(crossing: float, model: RateModel) -> list[Floats]:
    """Return the starts of the search: pairs of times around the `crossing` (in samples) of different ratios."""
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
