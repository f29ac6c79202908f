"""Where each link's trace comes from: generated, read from a recording, constant, or stored by an earlier run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from emulator.channel import generate
from emulator.formats import import_trace, parse_choice
from emulator.trace import Trace, constant
from emulator.units import ns_from_s
from topologies.links import Direction, TraceFile

BPS_PER_MBPS = 1e6


@dataclass(frozen=True)
class TraceSource:
    """Makes the traces of one system: for a run, or for training (other seed, other part of recordings).

    `stored` gives traces by direction that are taken as they are.
    """

    seed: int
    duration_ns: int
    folder: Path
    training: bool
    stored: Mapping[str, Trace] = field(default_factory=dict)

    def wired(self, name: str, rate_mbps: float) -> Trace:
        """The trace of one direction of a wired link."""
        return self.stored[name] if name in self.stored else constant(rate_mbps * BPS_PER_MBPS)

    def radio(self, path: str, section: Direction, name: str, entity: str) -> Trace:
        """The trace of one direction of a radio link; `path` is the section's, for messages."""
        if name in self.stored:
            return self.stored[name]
        try:
            return self._radio(section, entity)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def _radio(self, section: Direction, entity: str) -> Trace:
        if section.channel is not None:
            settings = section.channel.settings
            whole_ns = -(-self.duration_ns // settings.slot_ns) * settings.slot_ns
            return generate(settings, whole_ns, self.seed, entity)
        if section.trace is not None:
            return self._recorded(section.trace)
        return constant((section.rate_mbps or 0.0) * BPS_PER_MBPS)

    def _recorded(self, section: TraceFile) -> Trace:
        file = self.folder / section.file
        if section.format == "parquet":
            trace = Trace.load(file)
        else:
            columns = None if section.columns is None else parse_choice(section.columns, section.format)
            trace = import_trace(file, section.format, columns)
        interval_s = section.training_interval_s if self.training else section.interval_s
        if interval_s is not None:
            first, stop = (ns_from_s(edge) // trace.slot_ns for edge in interval_s)
            if not first < stop <= len(trace):
                key = "training_interval_s" if self.training else "interval_s"
                given = f"[{interval_s[0]:g}, {interval_s[1]:g}]"
                raise ValueError(f"{file}: {key}={given}: must lie within its {trace.period_ns / 1e9:g} s")
            trace = trace.slice(first, stop)
        return trace if section.scale == 1 else trace.scale(section.scale)
