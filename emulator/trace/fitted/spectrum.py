"""The power spectrum that a drawn record has, and the autocorrelation that it is expected to show."""

import numpy as np

from emulator.core.arrays import Floats
from emulator.trace.fitted.model import Correlation


def spectrum(correlation: Correlation, sample_ns: int, span_samples: int, samples: int) -> Floats:
    """Power at the frequencies 0, 1, .. samples//2 over the period of `samples` >= `span_samples`, shape
    (samples//2 + 1,), of a periodic process of variance 1 (`circular` of it starts with 1).

    Over the span it is that of the correlation repeated every span, but for the mean, which has none: a record
    cannot tell its level from what is slower than itself. A longer period has the straight line between those."""
    lags = np.minimum(np.arange(span_samples), span_samples - np.arange(span_samples))
    power: Floats = np.fft.rfft(correlation.at(lags * float(sample_ns))).real.clip(min=0)
    power[0] = 0
    if samples != span_samples:
        places = np.arange(samples // 2 + 1) * (span_samples / samples)
        power = np.interp(places, np.arange(len(power)), power)
    power /= circular(power, samples)[0]
    return power


def circular(power: Floats, samples: int) -> Floats:
    """The correlation of the periodic process at lags 0.., shape (samples,)."""
    return np.fft.irfft(power, samples)


def with_outages(process: Floats, leaving: tuple[float, float], mean: float, variance: float) -> Floats:
    """The correlation of a process times a Gilbert-Elliott chain's state (good 1, bad 0), shape as `process`.

    `process`: correlation over one period of what the good state lets through, which has `mean` and `variance`. The
    chain's covariance is p(1-p)(1 - a - b)^k, p the share of the bad state (Gilbert 1960; a, b the chances to leave);
    its mean over the period is taken off, as the shares of a draw are exact."""
    good, bad = leaving
    samples = len(process)
    lags = np.minimum(np.arange(samples), samples - np.arange(samples))
    share = good / (good + bad)
    chain = share * (1 - share) * (1 - good - bad) ** lags
    both: Floats = (chain - chain.mean() + (1 - share) ** 2) * (process * variance + mean**2) - (
        (1 - share) * mean
    ) ** 2
    both /= both[0]
    return both
