"""Autocorrelation of a series, and two correlation times read from it."""

import math

import numpy as np
from scipy.fft import next_fast_len

from emulator.core.arrays import Floats

ONE_OVER_E = 1 / math.e
SOKAL_C = 5.0  # the sum ends at the first lag that is at least this many integrated times


def autocorrelation(values: Floats) -> Floats:
    """Return the usual (biased) estimate at lags k = 0, 1, ..: sum of (x_t - mean)(x_t+k - mean), divided by that at
    lag 0, shape (n,). Constant values count as uncorrelated.

    The estimate is below the correlation of the process, since the mean is removed and by the factor 1 - k/n; this
    bias is the same for all series of one length."""
    centred = values - values.mean()
    size = len(values)
    padded = next_fast_len(2 * size, real=True)
    power = np.abs(np.fft.rfft(centred, padded)) ** 2
    products: Floats = np.fft.irfft(power, padded)[:size]
    if products[0] <= size * (1e-12 * np.abs(values).max()) ** 2:
        products = np.eye(1, size)[0]
    shown: Floats = products / products[0]
    return shown


def crossing_samples(autocorrelation: Floats) -> float:
    """Return the lag, in samples, where the autocorrelation first falls below 1/e, interpolated linearly."""
    below = autocorrelation < ONE_OVER_E
    if not below.any():
        return float(len(autocorrelation))
    lag = int(np.argmax(below))
    before, after = autocorrelation[lag - 1], autocorrelation[lag]
    return float(lag - 1 + (before - ONE_OVER_E) / (before - after))


def integrated_samples(autocorrelation: Floats) -> float:
    """Return the integrated time in samples: 1/2 + the sum over lags 1..W, where W is the first lag that is at least
    `SOKAL_C` times that sum (Sokal, "Monte Carlo methods in statistical mechanics", 1997, eq. 3.19).

    Its relative variance is 2(2W + 1)/n (Madras and Sokal, J. Stat. Phys. 50, 1988, eq. 2.19)."""
    sums = np.cumsum(autocorrelation) - 0.5
    return float(sums[window_lag(sums)])


def window_lag(sums: Floats) -> int:
    """Return the lag W of `integrated_samples` from the running sums, or the last lag if none qualifies."""
    reached = np.arange(len(sums)) >= SOKAL_C * np.maximum(sums, 0.5)
    return int(np.argmax(reached)) if reached.any() else len(sums) - 1
