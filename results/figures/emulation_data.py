"""Read an emulation's data from the folder of the run: probes, lateness and programs."""

from pathlib import Path

import numpy as np
import pandas as pd

from emulator.core.arrays import Ints
from emulator.realtime.packet_log import DELIVERED
from emulator.realtime.probing.report import FILLED, ProbeReport
from emulator.realtime.verification.lateness import BINS, Lateness, bin_of, top_of
from emulator.realtime.verification.log_reader import rows
from emulator.trace import Trace
from results.run.folder import Run
from results.run.reading import readable
from results.run.tables import require_columns

RADIO, RECORDED, WIRED = "radio, slot by slot", "recorded or varying rate", "constant rate"


def read_probes(path: Path) -> pd.DataFrame:
    """Read probes.csv: the columns of `ProbeReport` and `rate_error`, NaN where unknown. Adds `name` of the direction
    and `filled`: whether the flood was as fast as the link."""
    table = _read(path, ("source", "target"), ProbeReport._fields)
    table["name"] = table["source"] + "-" + table["target"]
    table["filled"] = table["offered_rate_bps"] >= FILLED * table["scheduled_rate_bps"]
    return table


def read_lateness(path: Path) -> pd.DataFrame:
    """Read lateness.csv: a row for all links and one for each, `link` and the columns of `Lateness`."""
    return _read(path, ("link",), Lateness._fields)


def read_programs(path: Path) -> pd.DataFrame:
    """Read programs.csv: a row for each command that ran in a host."""
    return _read(path, ("node", "command", "outcome", "output", "reason"), ("at_s", "ended_s"))


def _read(path: Path, texts: tuple[str, ...], columns: tuple[str, ...]) -> pd.DataFrame:
    with readable(path):
        table = pd.read_csv(path, dtype=dict.fromkeys(texts, str), keep_default_na=False, na_values=[""])
        require_columns(table, (*texts, *columns))
    table[list(texts)] = table[list(texts)].fillna("")
    return table


def link_kinds(run: Run, links: tuple[str, ...]) -> dict[int, str]:
    """Return the kind of each link, by its number in packets.parquet, from the stored traces."""
    traces = [Trace.load(run.path / "traces" / f"{name}.parquet") for name in links]
    return {
        number: RADIO if trace.release == "slot" else WIRED if len(trace) == 1 else RECORDED
        for number, trace in enumerate(traces)
    }


def lateness_curves(run: Run, links: tuple[str, ...]) -> pd.DataFrame:
    """Return for each kind of link the share `later` of its delivered `packets` that left more than `late_ms` later
    than scheduled: columns `kind`, `late_ms`, `later`, `packets`. Memory does not grow with the log."""
    kinds = link_kinds(run, links)
    counts: dict[str, Ints] = {}
    for some in rows(run.path / "packets.parquet"):
        delivered = some[some["outcome"] == DELIVERED]
        late_ns = np.maximum(delivered["departure_ns"] - delivered["release_ns"], 0)
        for link in np.unique(delivered["link"]).tolist():
            found = np.bincount(bin_of(late_ns[delivered["link"] == link]), minlength=BINS)
            counts[kinds[link]] = counts.get(kinds[link], 0) + found
    curves = [_curve(kind, counts[kind]) for kind in (RADIO, RECORDED, WIRED) if kind in counts]
    return pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=["kind", "late_ms", "later"])


def _curve(kind: str, counts: Ints) -> pd.DataFrame:
    """Return the curve for counts of packets in the bins of `emulator.realtime.verification.lateness`."""
    packets = int(counts.sum())
    bins = np.flatnonzero(counts)
    later = 1.0 - np.cumsum(counts)[bins] / packets
    late_ms = np.array([top_of(int(place)) for place in bins]) * 1e-6
    return pd.DataFrame({"kind": kind, "late_ms": late_ms, "later": later, "packets": packets})
