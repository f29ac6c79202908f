"""A link's capacity, slot by slot: an immutable, checked trace with its lineage and digest."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from emulator.core.arrays import Columns, Ints
from emulator.core.scratch import PIECE_ROWS, Scratch, empty_beside, joined, release
from emulator.core.units import NS_PER_S
from emulator.trace.rules import BEHAVIOUR, BITS_LIMIT, Rules
from emulator.trace.writer import Digest, trace_writer

Release = Literal["fluid", "slot"]


class Interval(NamedTuple):
    """The time interval of a source from which a trace was made. `source`: SHA-256 of a recording, or seed and
    entity of a generator."""

    source: str
    start_ns: int
    stop_ns: int

    def overlaps(self, other: "Interval") -> bool:
        """Whether both are of one source and share an instant."""
        return self.source == other.source and self.start_ns < other.stop_ns and other.start_ns < self.stop_ns


@dataclass(frozen=True)
class Trace:
    """Integer bits of capacity for each slot of `slot_ns`; repeats after the last slot.

    `release`: when the bits leave. `fluid`: evenly over the slot (wired links, recorded rates); `slot`: at the slot's
    end plus its HARQ delay (NR). `columns`: arrays with one value per slot, named with their unit. `capacity_bits` is
    required, `harq_delay_ns` and `block_lost` are optional, all others only describe the channel.

    Raises ValueError with row (slots count from 0), value and rule if a value breaks a rule.
    """

    slot_ns: int
    columns: Mapping[str, npt.NDArray[Any]]
    release: Release = "fluid"
    lineage: tuple[Interval, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rules = Rules(self.slot_ns, self.release)
        for piece in self.pieces():
            rules.add(piece)
        rules.finish()

    def __len__(self) -> int:
        return len(self.capacity_bits)

    @property
    def capacity_bits(self) -> Ints:
        """Capacity of each slot, shape (slots,)."""
        return self.columns["capacity_bits"]

    @property
    def period_ns(self) -> int:
        """Length of the trace, after which it repeats."""
        return len(self) * self.slot_ns

    @property
    def mean_rate_bps(self) -> float:
        """Mean rate over one period."""
        return int(self.cumulative_bits[-1]) * NS_PER_S / self.period_ns

    @property
    def carries(self) -> bool:
        """Whether any slot has capacity. The trace of a UE that is always out of coverage has none."""
        return bool(self.cumulative_bits[-1] > 0)

    @cached_property
    def most_bits(self) -> int:
        """The greatest capacity of a slot."""
        starts = range(0, len(self), PIECE_ROWS)
        return max((int(self.capacity_bits[start : start + PIECE_ROWS].max()) for start in starts), default=0)

    @cached_property
    def cumulative_bits(self) -> Ints:
        """Bits before each slot, shape (slots + 1,), starting at 0."""
        edges: Ints = empty_beside(self.capacity_bits, len(self) + 1, np.int64)
        edges[0] = 0
        for start in range(0, len(self), PIECE_ROWS):
            piece, sums = self.capacity_bits[start : start + PIECE_ROWS], edges[start + 1 : start + 1 + PIECE_ROWS]
            np.cumsum(piece, dtype=np.int64, out=sums)
            sums += edges[start]
            release(piece, edges[start : start + PIECE_ROWS])
        return edges

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of slot length, release rule and all columns (see `Digest`)."""
        digest = Digest(self.slot_ns, self.release)
        for piece in self.pieces():
            digest.add(piece)
        return digest.hexdigest()

    def pieces(self) -> Iterator[Columns]:
        """Yield the columns of PIECE_ROWS slots at a time. Of a trace in a scratch file, memory holds one piece."""
        slots = len(next(iter(self.columns.values()), ()))
        for start in range(0, max(slots, 1), PIECE_ROWS):
            stop = start + PIECE_ROWS if start + PIECE_ROWS < slots else None  # a longer column shows in the last piece
            piece = {name: values[start:stop] for name, values in self.columns.items()}
            yield piece
            release(*piece.values())

    def parts(self) -> Iterator["Trace"]:
        """Yield the trace in parts of at most PIECE_ROWS slots, one after the other, as `pieces`."""
        if len(self) <= PIECE_ROWS:
            yield self
            return
        for start in range(0, len(self), PIECE_ROWS):
            part = self.slice(start, min(start + PIECE_ROWS, len(self)))
            yield part
            release(*part.columns.values())

    def rate_bps(self, start_ns: int, stop_ns: int) -> float:
        """Mean rate between two instants; a slot that lies partly between them counts in proportion."""
        return (self._bits_before(stop_ns) - self._bits_before(start_ns)) * NS_PER_S / (stop_ns - start_ns)

    def lost_share(self, start_ns: int, stop_ns: int) -> float:
        """Return the share of the blocks that are lost, of the slots that begin between two instants and have capacity;
        0 where there are none."""
        if self.release != "slot" or "block_lost" not in self.columns:
            return 0.0
        slots = np.arange(-(-start_ns // self.slot_ns), -(-stop_ns // self.slot_ns)) % len(self)
        slots = slots[self.capacity_bits[slots] > 0]
        return float(self.columns["block_lost"][slots].mean()) if len(slots) else 0.0

    def _bits_before(self, now_ns: int) -> float:
        periods, rest_ns = divmod(now_ns, self.period_ns)
        slot, part_ns = divmod(rest_ns, self.slot_ns)
        in_slot = int(self.capacity_bits[slot]) * part_ns / self.slot_ns
        return periods * int(self.cumulative_bits[-1]) + int(self.cumulative_bits[slot]) + in_slot

    def slice(self, first: int, stop: int) -> "Trace":
        """Return slots `first` to `stop` - 1. A lineage of one interval is narrowed to them."""
        if not 0 <= first < stop <= len(self):
            raise ValueError(f"slice {first}:{stop}: must lie within the {len(self)} slots")
        lineage = self.lineage
        if len(lineage) == 1 and lineage[0].stop_ns - lineage[0].start_ns == self.period_ns:
            source, start_ns, _ = lineage[0]
            lineage = (Interval(source, start_ns + first * self.slot_ns, start_ns + stop * self.slot_ns),)
        columns = {name: values[first:stop] for name, values in self.columns.items()}
        return replace(self, columns=columns, lineage=lineage)

    def starting_at(self, first: int, scratch: Scratch | None = None) -> "Trace":
        """Return the slots from `first` on, then those before, with a scratch file in memory that does not grow with
        the trace. The lineage of a single interval becomes that of both parts."""
        if first == 0:
            return self
        later, before = self.slice(first, len(self)), self.slice(0, first)
        columns = joined(chain(later.pieces(), before.pieces()), len(self), scratch)
        metadata = {**self.metadata, "starts_at_s": first * self.slot_ns / NS_PER_S}
        lineage = tuple(dict.fromkeys((*later.lineage, *before.lineage)))
        return replace(self, columns=columns, lineage=lineage, metadata=metadata)

    def until(self, at_ns: int) -> "Trace":
        """Return the slots that end by `at_ns`. Raises ValueError if there is none, or the trace is shorter."""
        if not self.slot_ns <= at_ns <= self.period_ns:
            limits = f"a slot, {self.slot_ns / NS_PER_S:g} s, and at most all of it, {self.period_ns / NS_PER_S:g} s"
            raise ValueError(f"until={at_ns / NS_PER_S:g} s: must be at least {limits}")
        return self.slice(0, at_ns // self.slot_ns)

    def scale(self, factor: float) -> "Trace":
        """Multiply all capacities by `factor`. The running sum is rounded, so that errors do not add up."""
        if not 0 < factor < BITS_LIMIT / max(int(self.cumulative_bits[-1]), 1):
            raise ValueError(f"factor={factor}: must be above 0, and keep the sum of all bits below 2^62")
        bits = np.diff(np.rint(self.cumulative_bits * factor)).astype(np.int64)
        if self.carries and not bits.any():
            raise ValueError(f"factor={factor}: must leave a bit of {int(self.cumulative_bits[-1])}")
        columns = {**self.columns, "capacity_bits": bits}
        return replace(self, columns=columns, metadata={**self.metadata, "scaled_by": factor})

    def resample(self, slot_ns: int) -> "Trace":
        """Return the same capacity in slots of another length; bits are spread evenly over an old slot. Descriptive
        columns are kept if each old slot is cut into equal new ones, otherwise dropped; HARQ columns are dropped."""
        if slot_ns < 1 or self.period_ns % slot_ns:
            raise ValueError(f"slot_ns={slot_ns}: must divide the period of {self.period_ns} ns")
        parts, rest_ns = divmod(self.slot_ns, slot_ns)
        kept = () if rest_ns else [name for name in self.columns if name not in BEHAVIOUR]
        columns = {name: np.repeat(self.columns[name], parts) for name in kept}
        columns["capacity_bits"] = np.diff(self.bits_before(np.arange(0, self.period_ns + 1, slot_ns)))
        return replace(self, slot_ns=slot_ns, columns=columns)

    def bits_before(self, edges_ns: Ints) -> Ints:
        """Bits, rounded down, from the start to each instant in 0..`period_ns`, spread evenly over a slot."""
        slot, part_ns = np.divmod(edges_ns, self.slot_ns)
        in_slot: Ints = np.append(self.capacity_bits, 0)[slot] * part_ns // self.slot_ns
        return self.cumulative_bits[slot] + in_slot

    def shares_lineage(self, other: "Trace") -> bool:
        """Whether both traces were made from a common interval of a source."""
        return any(a.overlaps(b) for a in self.lineage for b in other.lineage)

    def save(self, path: str | PathLike[str]) -> None:
        """Write a Parquet file, atomically: the columns, and all else in the schema's metadata."""
        with trace_writer(Path(path), self.slot_ns, self.release, self.lineage, self.metadata) as writer:
            for piece in self.pieces():
                writer.append(piece)

    @classmethod
    def load(cls, path: str | PathLike[str], scratch: Scratch | None = None) -> "Trace":
        """Read a file of `save` in pieces, into a scratch file if one is given or the trace is long.

        Raises ValueError with path and rule if it is another kind of file, a value breaks a rule, or the values do not
        match the stored digest; OSError if there is no file."""
        Path(path).stat()  # its error names the file; pyarrow's does not
        try:
            file = pq.ParquetFile(path)
            header = json.loads((file.metadata.metadata or {})[b"airsplit.trace"])
            rows = file.metadata.num_rows
            pieces = (
                {name: batch[name].to_numpy(zero_copy_only=False) for name in batch.schema.names}
                for batch in file.iter_batches(PIECE_ROWS)
            )
            columns = joined(pieces, rows, Scratch() if scratch is None and rows > PIECE_ROWS else scratch)
            lineage = tuple(Interval(*interval) for interval in header["lineage"])
            trace = cls(header["slot_ns"], columns, header["release"], lineage, dict(header["metadata"]))
            stored = str(header["sha256"])
        except (pa.ArrowException, OSError, KeyError, TypeError, RecursionError) as error:
            # for a damaged file, pyarrow raises OSError without a file's name, json RecursionError for too deep nesting
            if isinstance(error, OSError) and error.filename:
                raise
            reason = str(error).splitlines()[0]
            raise ValueError(f"{path}: must be a trace that airsplit wrote ({reason})") from error
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        if (found := trace.sha256) != stored:
            raise ValueError(f"{path}: sha256 {found[:12]} must be the stored {stored[:12]}: values were changed")
        return trace


def whole_bits(bits: npt.ArrayLike) -> Ints:
    """Round bits per slot to integers through their running sum, so that errors do not add up."""
    whole: Ints = np.diff(np.rint(np.cumsum(bits)), prepend=0.0).astype(np.int64)
    return whole


def constant(rate_bps: float, slot_ns: int = 1_000_000) -> Trace:
    """Return the trace of a constant rate: one slot, of 1 s if the bits in `slot_ns` are not an integer."""
    if not 0 < rate_bps < 2**63:
        raise ValueError(f"rate_bps={rate_bps}: must be above 0 and below 2^63")
    bits = rate_bps * slot_ns / NS_PER_S
    if bits != round(bits):
        slot_ns, bits = NS_PER_S, round(rate_bps)
    if bits == 0:
        raise ValueError(f"rate_bps={rate_bps}: must be a bit a second, rounded")
    return Trace(slot_ns, {"capacity_bits": np.array([bits], dtype=np.int64)}, metadata={"kind": "constant"})
