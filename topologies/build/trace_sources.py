"""Source of each link's trace: generated, recorded, constant, or stored by an earlier run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from emulator.channel.generate import generate, origin
from emulator.channel.large_scale.track import Track
from emulator.channel.numerology import slot_ns
from emulator.channel.radio import Direction, Radio
from emulator.core.cache import Cache
from emulator.core.scratch import Scratch
from emulator.core.units import NS_PER_S, ns_from_s
from emulator.trace import Trace, constant
from emulator.trace.formats import read
from topologies.build.tracks import require_in_hall, require_long_enough, track_of
from topologies.schema.cells import CellSection
from topologies.schema.links import DirectionSection, TraceFileSection
from topologies.schema.radio import RadioSection, radio_of

BPS_PER_MBPS = 1e6
Use = Literal["run", "training", "validation"]
MIN_CHANNEL_NS = NS_PER_S  # a shorter channel could end before its first CQI report or slot of its direction


@dataclass(frozen=True)
class TraceSource:
    """Makes the traces of one system: for a run, for training, or for validation in training (each with a seed and a
    part of recordings of its own).

    Traces in `stored_traces` (by direction) replace others. Generated traces are kept in `cache` for later runs.
    """

    seed: int
    duration_ns: int
    folder: Path
    use: Use
    stored_traces: Mapping[str, Trace] = field(default_factory=dict)
    cache: Cache = field(default_factory=Cache)
    _scratch: Scratch = field(default_factory=Scratch, init=False, repr=False)

    def wired(self, name: str, rate_mbps: float) -> Trace:
        """Return the trace of one direction of a wired link."""
        return self.stored_traces[name] if name in self.stored_traces else constant(rate_mbps * BPS_PER_MBPS)

    def specified(self, section: DirectionSection, name: str) -> Trace:
        """Return the trace of a direction whose section gives a recording or a constant rate."""
        if name in self.stored_traces:
            return self.stored_traces[name]
        if section.trace is not None:
            return self._recorded(section.trace)
        return constant((section.rate_mbps or 0.0) * BPS_PER_MBPS)

    def generated(
        self, cell: CellSection, section: RadioSection, name: str, ue: str, entity: str, direction: Direction
    ) -> Trace:
        """Generate the trace of one direction between a cell and a UE. The movement is addressed by seed and UE, all
        other draws by seed and `entity`: both directions have the same path loss and shadowing, and with TDD the same
        fading."""
        if name in self.stored_traces:
            return self.stored_traces[name]
        radio, track, whole_ns = self.channel(cell, section, ue)
        settings = (radio, track, whole_ns, self.seed, entity, direction)
        return self.cache.get(
            f"channel of {entity} {direction}, seed {self.seed}",
            (whole_ns, *origin(*settings)),
            "parquet",
            partial(generate, *settings, self._scratch),
            partial(Trace.load, scratch=self._scratch),
            Trace.save,
        )

    def channel(self, cell: CellSection, section: RadioSection, ue: str) -> tuple[Radio, Track, int]:
        """Return the radio, the track and the duration, in ns, of the channel between a cell and a UE. Raises
        ValueError (one line) for a track that cannot be read, is too short, or leaves its hall."""
        whole_ns = whole_slots_ns(max(self.duration_ns, MIN_CHANNEL_NS), cell.mu)
        track = track_of(section, whole_ns, self.seed, ue, self.folder)
        key = "duration_s" if self.use == "run" else "training.duration_s"
        require_long_enough(section, track, key, self.duration_ns)
        require_in_hall(section, track, cell)
        return radio_of(cell, section), track, whole_ns

    def _recorded(self, section: TraceFileSection) -> Trace:
        file = self.folder / section.file
        trace = read(file, section.format, section.columns, {name: str(value) for name, value in section.where.items()})
        key = "interval_s" if self.use == "run" else f"{self.use}_interval_s"
        interval_s = getattr(section, key)
        if interval_s is not None:
            first, stop = (ns_from_s(edge) // trace.slot_ns for edge in interval_s)
            if not first < stop <= len(trace):
                given = f"[{interval_s[0]:g}, {interval_s[1]:g}]"
                raise ValueError(f"{file}: {key}={given}: must lie within its {trace.period_ns / 1e9:g} s")
            trace = trace.slice(first, stop)
        offset_ns = ns_from_s(section.offset_s)
        if offset_ns % trace.slot_ns:
            given = f"offset_s={section.offset_s:g}"
            raise ValueError(f"{file}: {given}: must be a multiple of its slots of {trace.slot_ns / NS_PER_S:g} s")
        trace = trace.starting_at(offset_ns // trace.slot_ns % len(trace), self._scratch)
        return trace if section.scale == 1 else trace.scale(section.scale)


def whole_slots_ns(duration_ns: int, mu: int) -> int:
    """Return the duration rounded up to whole slots."""
    return -(-duration_ns // slot_ns(mu)) * slot_ns(mu)
