"""How long a record remembers: its autocorrelation, and two numbers that are read from it."""

import math

import numpy as np

from emulator.core.arrays import Floats

ONE_OVER_E = 1 / math.e
WINDOW = 5.0  # Sokal's c: the sum runs to the first lag that is at least this many integrated times


def autocorrelation(values: Floats) -> Floats:
    """The usual (biased) estimate at lags 0, 1, ..: sum of (x_t - mean)(x_t+k - mean) over that of lag 0, shape (n,).

    Values that never change count as uncorrelated. For a record of its own length it is expected to fall short of the
    process's by the mean removed and by the factor 1 - k/n; both are the same for records of one length."""
    centred = values - values.mean()
    size = len(values)
    power = np.abs(np.fft.rfft(centred, 2 * size)) ** 2
    products: Floats = np.fft.irfft(power, 2 * size)[:size]
    if products[0] <= size * (1e-12 * np.abs(values).max()) ** 2:
        products = np.eye(1, size)[0]
    shown: Floats = products / products[0]
    return shown


def crossing_samples(autocorrelation: Floats) -> float:
    """Where the autocorrelation first falls below 1/e, between lags by a straight line, in samples."""
    below = autocorrelation < ONE_OVER_E
    if not below.any():
        return float(len(autocorrelation))
    lag = int(np.argmax(below))
    before, after = autocorrelation[lag - 1], autocorrelation[lag]
    return float(lag - 1 + (before - ONE_OVER_E) / (before - after))


def integrated_samples(autocorrelation: Floats) -> float:
    """The integrated time, 1/2 + the sum over lags 1..W, in samples; W is the first lag that is at least `WINDOW`
    times that sum (Sokal, "Monte Carlo methods in statistical mechanics", 1997, eq. 3.19 and the rule after it).

    Madras and Sokal (J. Stat. Phys. 50, 1988, eq. 2.19) give its relative variance as 2(2W + 1)/n."""
    sums = np.cumsum(autocorrelation) - 0.5
    return float(sums[window(sums)])


def window(sums: Floats) -> int:
    """The lag W of `integrated_samples`, from the running sums; the last lag when none qualifies."""
    reached = np.arange(len(sums)) >= WINDOW * np.maximum(sums, 0.5)
    return int(np.argmax(reached)) if reached.any() else len(sums) - 1
