"""The model of a recording's rate: distribution, correlation in time, and outages."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from emulator.core.arrays import Floats
from emulator.core.files import atomic_write
from emulator.core.units import NS_PER_S
from emulator.trace import Interval

KNOTS = 49
# Densest in the tails; neighbours differ by at most 0.0327.
PROBABILITIES: Floats = np.sin(np.linspace(0, np.pi / 2, KNOTS)) ** 2

J0_AT_ONE_OVER_E = 1.75199  # J0(1.75199) = 1/e


@dataclass(frozen=True)
class Correlation:
    """Autocorrelation of the rate, the sum of a fast and a slow part. At lags t > 0:

        fading_share exp(-t/fading_ns) + shadowing_share exp(-(t/shadowing_ns)^shadowing_shape)

    The rest of the variance is jitter, independent between samples. `shadowing_ns` >= `fading_ns`.
    Raises ValueError if a value breaks a rule."""

    fading_share: float
    fading_ns: int
    shadowing_share: float
    shadowing_ns: int
    shadowing_shape: float
    """1: exponential, the usual model of shadowing along a track; 2: Gaussian, smooth; below 1: long tail."""

    def __post_init__(self) -> None:
        shares = (self.fading_share, self.shadowing_share)
        if not (min(shares) >= 0 and sum(shares) <= 1 + 1e-9):
            raise ValueError(f"fading_share, shadowing_share={shares}: must not be negative, and at most 1 together")
        if not 1 <= self.fading_ns <= self.shadowing_ns:
            raise ValueError(f"fading_ns={self.fading_ns}: must be 1 to shadowing_ns, {self.shadowing_ns}")
        if not 0 < self.shadowing_shape <= 2:
            raise ValueError(f"shadowing_shape={self.shadowing_shape}: must be above 0 and at most 2")

    @property
    def jitter_share(self) -> float:
        """Share of the variance that is independent between samples."""
        return max(0.0, 1 - self.fading_share - self.shadowing_share)

    @property
    def apparent_doppler_hz(self) -> float:
        """Doppler shift f at which Jakes' J0(2 pi f t) falls to 1/e at `fading_ns`. It is a lower bound, since fading
        faster than a sample is averaged or counted as jitter."""
        return J0_AT_ONE_OVER_E * NS_PER_S / (2 * math.pi * self.fading_ns)

    def at(self, lags_ns: Floats) -> Floats:
        """Return the correlation at lags >= 0, in the shape of `lags_ns`; 1 at lag 0."""
        fading = self.fading_share * np.exp(-lags_ns / self.fading_ns)
        shadowing = self.shadowing_share * np.exp(-((lags_ns / self.shadowing_ns) ** self.shadowing_shape))
        return np.where(lags_ns == 0, 1.0, fading + shadowing)


@dataclass(frozen=True)
class RateModel:
    """Model of mean rates over samples of `sample_ns`. `zero_share` of them are 0; the others have the quantiles
    `quantiles_bps` at `PROBABILITIES`, linear in between. `span_ns` is the length of the recording.

    `outage_ns` None: zeros are the bottoms of fades. Otherwise zeros are sudden outages, the bad state of a
    Gilbert-Elliott chain with mean stay `outage_ns`. Raises ValueError if a value breaks a rule."""

    sample_ns: int
    span_ns: int
    quantiles_bps: tuple[float, ...]
    zero_share: float
    outage_ns: int | None
    correlation: Correlation
    learned_from: tuple[Interval, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.sample_ns <= self.span_ns or self.span_ns % self.sample_ns:
            raise ValueError(f"span_ns={self.span_ns}: must be a whole number of samples of {self.sample_ns} ns")
        if len(self.quantiles_bps) != KNOTS:
            raise ValueError(f"quantiles_bps: must be {KNOTS}, not {len(self.quantiles_bps)}")
        quantiles = np.array(self.quantiles_bps)
        if not (np.isfinite(quantiles).all() and quantiles[0] >= 0 and quantiles[-1] > 0):
            raise ValueError("quantiles_bps: must be finite, not negative, the last above 0")
        if (np.diff(quantiles) < 0).any():
            raise ValueError(f"quantiles_bps[{int(np.argmax(np.diff(quantiles) < 0)) + 1}]: must not decrease")
        if not 0 <= self.zero_share < 1:
            raise ValueError(f"zero_share={self.zero_share}: must be at least 0 and below 1")
        if self.outage_ns is not None and (self.outage_ns < self.sample_ns or self.zero_share == 0):
            raise ValueError(f"outage_ns={self.outage_ns}: must be at least a sample, and none where nothing is 0")

    @property
    def span_samples(self) -> int:
        """Number of samples in the recording."""
        return self.span_ns // self.sample_ns

    @property
    def mean_rate_bps(self) -> float:
        """Mean rate of a draw that is at least as long as the recording."""
        return float(self.rates_bps(10_000).mean()) * (1 if self.outage_ns is None else 1 - self.zero_share)

    @property
    def leave_probabilities(self) -> tuple[float, float]:
        """Probabilities per sample that the Gilbert-Elliott chain leaves its good and its bad state; (0, 1) if zeros
        are not outages."""
        if self.outage_ns is None:
            return 0.0, 1.0
        bad = self.sample_ns / self.outage_ns
        return bad * self.zero_share / (1 - self.zero_share), bad

    def rates_bps(self, samples: int) -> Floats:
        """Return the distribution outside outages as `samples` values of equal weight, ascending."""
        zero_share = self.zero_share if self.outage_ns is None else 0.0
        middles = (np.arange(samples) + 0.5) / samples
        above = np.interp((middles - zero_share) / (1 - zero_share), PROBABILITIES, self.quantiles_bps)
        return np.where(middles < zero_share, 0.0, above)


def save_model(model: RateModel, path: Path) -> None:
    """Write the model as JSON, atomically."""
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(asdict(model), indent=1) + "\n", encoding="utf-8")


def load_model(path: Path) -> RateModel:
    """Read a file of `save_model`. Raises ValueError, one line, for any other file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        values["correlation"] = Correlation(**values["correlation"])
        values["learned_from"] = tuple(Interval(*interval) for interval in values["learned_from"])
        return RateModel(**{**values, "quantiles_bps": tuple(map(float, values["quantiles_bps"]))})
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: must be a model that airsplit fitted ({error})") from error


def describe(model: RateModel) -> dict[str, object]:
    """Return the model's parameters, without the quantiles, ready for JSON."""
    correlation = model.correlation
    leaves_good, leaves_bad = model.leave_probabilities
    return {
        "mean_rate_bps": model.mean_rate_bps,
        "zero_share": model.zero_share,
        "outage_ns": model.outage_ns,
        "leaves_good_state": leaves_good,
        "leaves_bad_state": leaves_bad,
        "fading_share": correlation.fading_share,
        "fading_ns": correlation.fading_ns,
        "apparent_doppler_hz": correlation.apparent_doppler_hz,
        "shadowing_share": correlation.shadowing_share,
        "shadowing_ns": correlation.shadowing_ns,
        "shadowing_shape": correlation.shadowing_shape,
        "jitter_share": correlation.jitter_share,
        "sample_ns": model.sample_ns,
        "span_ns": model.span_ns,
    }
