"""Power spectrum and expected autocorrelation of a drawn series."""

import numpy as np

from emulator.core.arrays import Floats
from emulator.trace.fitted.model import Correlation


def spectrum(correlation: Correlation, sample_ns: int, span_samples: int, samples: int) -> Floats:
    """Return the power of a periodic process of variance 1 at frequencies 0, 1, .. samples//2 per period, shape
    (samples//2 + 1,); `samples` >= `span_samples`.

    For a period of the span it is the spectrum of the correlation repeated every span, with power 0 at frequency 0: a
    recording does not show variations slower than itself. For longer periods it is interpolated linearly."""
    lags = np.minimum(np.arange(span_samples), span_samples - np.arange(span_samples))
    power: Floats = np.fft.rfft(correlation.at(lags * float(sample_ns))).real.clip(min=0)
    power[0] = 0
    if samples != span_samples:
        places = np.arange(samples // 2 + 1) * (span_samples / samples)
        power = np.interp(places, np.arange(len(power)), power)
    power /= circular_correlation(power, samples)[0]
    return power


def circular_correlation(power: Floats, samples: int) -> Floats:
    """Return the correlation of the periodic process at lags 0, 1, .., shape (samples,)."""
    return np.fft.irfft(power, samples)


def with_outages(process: Floats, leave_probabilities: tuple[float, float], mean: float, variance: float) -> Floats:
    """Return the correlation of a process multiplied by a Gilbert-Elliott chain's state (good 1, bad 0), in the shape
    of `process`.

    `process` is the correlation over one period of the rate in the good state, which has `mean` and `variance`. The
    chain's covariance at lag k is p(1-p)(1 - a - b)^k, where p is the share of the bad state and a, b are the
    probabilities to leave (Gilbert 1960). Its mean over the period is subtracted: the share in a draw is exact."""
    good, bad = leave_probabilities
    samples = len(process)
    lags = np.minimum(np.arange(samples), samples - np.arange(samples))
    share = good / (good + bad)
    chain = share * (1 - share) * (1 - good - bad) ** lags
    both: Floats = (chain - chain.mean() + (1 - share) ** 2) * (process * variance + mean**2) - (
        (1 - share) * mean
    ) ** 2
    both /= both[0]
    return both
