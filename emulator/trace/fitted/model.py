"""The model of a recording's rate: its samples, and the horizon for which they speak."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from emulator.core.arrays import Floats
from emulator.core.files import atomic_write
from emulator.core.units import NS_PER_S
from emulator.trace import Interval
from emulator.trace.fitted.autocorrelation import autocorrelation, crossing_samples, integrated_samples
from emulator.trace.fitted.variation import level_of, mean_spell_samples

MIN_SAMPLES = 16
LOW_SHARE = 0.1


@dataclass(frozen=True)
class RateModel:
    """The bits of a recording in its consecutive samples of `sample_ns`. Draws rearrange them (`rearrangement`).

    `horizon_ns` is the longest time for which the recording shows how means over that time vary.
    Raises ValueError if a value breaks a rule."""

    sample_ns: int
    horizon_ns: int
    capacity_bits: tuple[int, ...]
    learned_from: tuple[Interval, ...]

    def __post_init__(self) -> None:
        for name in ("sample_ns", "horizon_ns"):
            if type(value := getattr(self, name)) is not int or value < 1:
                raise ValueError(f"{name}={value!r}: must be a whole number above 0")
        if len(self.capacity_bits) < MIN_SAMPLES:
            raise ValueError(f"capacity_bits: must be at least {MIN_SAMPLES}, not {len(self.capacity_bits)}")
        for at, bits in enumerate(self.capacity_bits):
            if type(bits) is not int or not 0 <= bits < 2**53:
                raise ValueError(f"capacity_bits[{at}]={bits!r}: must be a whole number, 0 to 2^53")
        if not any(self.capacity_bits):
            raise ValueError("capacity_bits: at least one must be above 0")
        if self.horizon_ns % self.sample_ns or not self.sample_ns <= self.horizon_ns <= self.span_ns:
            raise ValueError(f"horizon_ns={self.horizon_ns}: must be whole samples, 1 to {len(self.capacity_bits)}")

    @property
    def span_ns(self) -> int:
        """Length of the recording."""
        return len(self.capacity_bits) * self.sample_ns

    @property
    def mean_rate_bps(self) -> float:
        """Mean rate of the recording, and of each draw as long."""
        return sum(self.capacity_bits) * NS_PER_S / self.span_ns

    def rates_bps(self) -> Floats:
        """Return the recorded mean rates, shape (samples,)."""
        rates: Floats = np.array(self.capacity_bits) * (NS_PER_S / self.sample_ns)
        return rates


def save_model(model: RateModel, path: Path) -> None:
    """Write the model as JSON, atomically."""
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(asdict(model)) + "\n", encoding="utf-8")


def load_model(path: Path) -> RateModel:
    """Read a file of `save_model`. Raises ValueError, one line, for any other file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if "quantiles_bps" in values:
            raise ValueError("an earlier version wrote this one: fit the recording again")
        learned_from = tuple(Interval(*interval) for interval in values["learned_from"])
        capacity_bits = tuple(values["capacity_bits"])
        return RateModel(**{**values, "capacity_bits": capacity_bits, "learned_from": learned_from})
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: must be a model that airsplit fitted ({error})") from error


def describe(model: RateModel) -> dict[str, object]:
    """Return facts about the recording, ready for JSON: times of its autocorrelation (1/e and integrated), the rate
    that a tenth of its samples does not exceed, and the mean length of spells at or below it."""
    rates_bps = model.rates_bps()
    shown = autocorrelation(rates_bps)
    low_bps = level_of(rates_bps, LOW_SHARE)
    return {
        "mean_rate_bps": model.mean_rate_bps,
        "zero_share": float((rates_bps == 0).mean()),
        "low_rate_bps": low_bps,
        "low_spell_ns": round(mean_spell_samples(rates_bps, low_bps) * model.sample_ns),
        "correlation_ns": round(crossing_samples(shown) * model.sample_ns),
        "integrated_ns": round(integrated_samples(shown) * model.sample_ns),
        "sample_ns": model.sample_ns,
        "span_ns": model.span_ns,
        "horizon_ns": model.horizon_ns,
    }
