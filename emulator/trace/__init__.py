"""What a link can carry, slot by slot: the experiment itself, stored, checked and replayed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from emulator.core.arrays import Ints
from emulator.core.units import NS_PER_S
from emulator.trace.rules import BEHAVIOUR, BITS_LIMIT, Rules
from emulator.trace.writer import Digest, writing

Release = Literal["fluid", "slot"]


class Interval(NamedTuple):
    """A stretch of a source that a trace was made from: a recording's SHA-256, or the seed and entity
    of generated draws, and the time within it."""

    source: str
    start_ns: int
    stop_ns: int

    def overlaps(self, other: "Interval") -> bool:
        """Whether the two share a stretch of a source."""
        return self.source == other.source and self.start_ns < other.stop_ns and other.start_ns < self.stop_ns


@dataclass(frozen=True)
class Trace:
    """Integer bits of capacity for each slot of `slot_ns`, wrapping after the last.

    `release` says how bits leave: `fluid`, evenly within the slot (wired links, recorded rates), or
    `slot`, at the slot's end plus its HARQ delay (NR). `columns` maps a name with its unit to one
    array of a value per slot: `capacity_bits` always, `harq_delay_ns` and `block_lost` where the
    channel has them, and descriptive ones such as `snr_db`.

    Raises ValueError, naming the row, the value and the rule, when the values break one.
    """

    slot_ns: int
    columns: Mapping[str, npt.NDArray[Any]]
    release: Release = "fluid"
    lineage: tuple[Interval, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(self)

    def __len__(self) -> int:
        return len(self.capacity_bits)

    @property
    def capacity_bits(self) -> Ints:
        """Bits per slot, shape (slots,)."""
        return self.columns["capacity_bits"]

    @property
    def period_ns(self) -> int:
        """After this time the trace begins again."""
        return len(self) * self.slot_ns

    @property
    def mean_rate_bps(self) -> float:
        """All bits of one period over its length."""
        return int(self.cumulative_bits[-1]) * NS_PER_S / self.period_ns

    @property
    def carries(self) -> bool:
        """Whether any slot carries bits. A UE out of coverage all the time has a trace without any."""
        return bool(self.cumulative_bits[-1] > 0)

    @cached_property
    def cumulative_bits(self) -> Ints:
        """Bits before each slot, shape (slots + 1,), starting at 0."""
        return np.concatenate(([0], np.cumsum(self.capacity_bits, dtype=np.int64)))

    @cached_property
    def sha256(self) -> str:
        """Digest of the values: slot length, release rule, and all columns (see `Digest`)."""
        digest = Digest(self.slot_ns, self.release)
        digest.add(self.columns)
        return digest.hexdigest()

    def rate_bps(self, start_ns: int, stop_ns: int) -> float:
        """The mean rate between two instants, each slot counted by the part of it that lies between."""
        return (self._bits_before(stop_ns) - self._bits_before(start_ns)) * NS_PER_S / (stop_ns - start_ns)

    def _bits_before(self, now_ns: int) -> float:
        wraps, rest = divmod(now_ns, self.period_ns)
        slot, part = divmod(rest, self.slot_ns)
        cumulative = self.cumulative_bits
        here = int(self.capacity_bits[slot]) * part / self.slot_ns
        return wraps * int(cumulative[-1]) + int(cumulative[slot]) + here

    def slice(self, first: int, stop: int) -> "Trace":
        """Slots `first` up to, not including, `stop`; the lineage shrinks with them when it is one interval."""
        if not 0 <= first < stop <= len(self):
            raise ValueError(f"slice {first}:{stop}: must lie within the {len(self)} slots")
        lineage = self.lineage
        if len(lineage) == 1 and lineage[0].stop_ns - lineage[0].start_ns == self.period_ns:
            source, start_ns, _ = lineage[0]
            lineage = (Interval(source, start_ns + first * self.slot_ns, start_ns + stop * self.slot_ns),)
        columns = {name: values[first:stop] for name, values in self.columns.items()}
        return replace(self, columns=columns, lineage=lineage)

    def until(self, at_ns: int) -> "Trace":
        """The slots that end by `at_ns`. Raises ValueError unless there is one, and the trace lasts as long."""
        if not self.slot_ns <= at_ns <= self.period_ns:
            limits = f"a slot, {self.slot_ns / NS_PER_S:g} s, and at most all of it, {self.period_ns / NS_PER_S:g} s"
            raise ValueError(f"until={at_ns / NS_PER_S:g} s: must be at least {limits}")
        return self.slice(0, at_ns // self.slot_ns)

    def scale(self, factor: float) -> "Trace":
        """Every capacity times `factor`; the running sum is rounded, so that the mean stays true."""
        if not 0 < factor < BITS_LIMIT / max(int(self.cumulative_bits[-1]), 1):
            raise ValueError(f"factor={factor}: must be above 0, and keep the sum of all bits below 2^62")
        bits = np.diff(np.rint(self.cumulative_bits * factor)).astype(np.int64)
        if self.carries and not bits.any():
            raise ValueError(f"factor={factor}: must leave a bit of {int(self.cumulative_bits[-1])}")
        columns = {**self.columns, "capacity_bits": bits}
        return replace(self, columns=columns, metadata={**self.metadata, "scaled_by": factor})

    def resample(self, slot_ns: int) -> "Trace":
        """The same capacity in slots of another length, each sharing the bits of those it overlaps (evenly within a
        slot). Columns that describe hold through slots cut into whole parts. All others have no defined value, and
        do not survive."""
        if slot_ns < 1 or self.period_ns % slot_ns:
            raise ValueError(f"slot_ns={slot_ns}: must divide the period of {self.period_ns} ns")
        edges_ns = np.arange(0, self.period_ns + 1, slot_ns)
        parts, odd_ns = divmod(self.slot_ns, slot_ns)
        held = {} if odd_ns else {name: values for name, values in self.columns.items() if name not in BEHAVIOUR}
        columns = {name: np.repeat(values, parts) for name, values in held.items()}
        columns["capacity_bits"] = np.diff(self.bits_before(edges_ns))
        return replace(self, slot_ns=slot_ns, columns=columns)

    def bits_before(self, edges_ns: Ints) -> Ints:
        """Whole bits, rounded down, from the start to each instant of 0..`period_ns` (even flow in a slot)."""
        slot, part_ns = np.divmod(edges_ns, self.slot_ns)
        capacity = np.append(self.capacity_bits, 0)[slot]
        bits: Ints = self.cumulative_bits[slot] + capacity * part_ns // self.slot_ns
        return bits

    def shares_lineage(self, other: "Trace") -> bool:
        """Whether any stretch of a source went into both."""
        return any(a.overlaps(b) for a in self.lineage for b in other.lineage)

    def save(self, path: Path) -> None:
        """Write a Parquet file: a column a name, the rest in the schema's metadata. Appears whole or not at all."""
        with writing(path, self.slot_ns, self.release, self.lineage, self.metadata) as writer:
            writer.append(self.columns)

    @classmethod
    def load(cls, path: Path) -> "Trace":
        """Read what `save` wrote. Raises ValueError with path and rule when it is not such a file, when a
        value breaks a rule, or when the values are no longer those that were saved; OSError when there is none."""
        path.stat()  # whose error names the file, as pyarrow's does not
        try:
            table = pq.ParquetFile(path).read()
            header = json.loads((table.schema.metadata or {})[b"airsplit.trace"])
            columns = {name: table[name].to_numpy() for name in table.column_names}
            lineage = tuple(Interval(*interval) for interval in header["lineage"])
            trace = cls(header["slot_ns"], columns, header["release"], lineage, dict(header["metadata"]))
            stored = str(header["sha256"])
        except (pa.ArrowException, OSError, KeyError, TypeError, RecursionError) as error:
            # OSError is pyarrow's word for a damaged file, RecursionError json's for one nested too deeply
            reason = str(error).splitlines()[0]
            raise ValueError(f"{path}: must be a trace that airsplit wrote ({reason})") from error
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        if trace.sha256 != stored:
            raise ValueError(
                f"{path}: sha256 {trace.sha256[:12]} must be the stored {stored[:12]}: values were changed"
            )
        return trace


def check(trace: Trace) -> None:
    """Raise ValueError with the row (slots count from 0), the value and the rule that it breaks."""
    rules = Rules(trace.slot_ns, trace.release)
    rules.add(trace.columns)
    rules.finish()


def whole_bits(bits: npt.ArrayLike) -> Ints:
    """Whole bits per slot whose running sum is the rounded running sum of `bits`: no drift, however long."""
    whole: Ints = np.diff(np.rint(np.cumsum(bits)), prepend=0.0).astype(np.int64)
    return whole


def constant(rate_bps: float, slot_ns: int = 1_000_000) -> Trace:
    """An unvarying wired link. A rate that 1 ms does not hold in whole bits gets a slot of 1 s."""
    if not rate_bps > 0:
        raise ValueError(f"rate_bps={rate_bps}: must be above 0")
    bits = rate_bps * slot_ns / NS_PER_S
    if bits != round(bits):
        slot_ns, bits = NS_PER_S, round(rate_bps)
    if bits == 0:
        raise ValueError(f"rate_bps={rate_bps}: must be a bit a second, rounded")
    return Trace(slot_ns, {"capacity_bits": np.array([bits], dtype=np.int64)}, metadata={"kind": "constant"})
