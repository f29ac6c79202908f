"""How the rates of presets vary beside those of recordings: `python -m benchmarks.variation [FOLDER]`.

A UE walks or drives through the default ring of each preset, with a full buffer. `cv` is the coefficient of variation
of the rates of whole seconds, the median over seeds; `silent` the share of windows of 100 ms without a bit. With a
folder, the same numbers of each recording below it.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.fits import recordings
from emulator.channel.generate import generate
from emulator.channel.presets import PRESETS, PresetName
from emulator.channel.radio import Direction
from emulator.core.arrays import Ints
from emulator.core.units import NS_PER_MS, NS_PER_S
from emulator.trace import Trace
from topologies.build.tracks import track_of
from topologies.new_traces import trace_request
from topologies.schema.cells import DIRECTIONS
from topologies.schema.radio import radio_of

SPEEDS_MPS = {"walk": 1.4, "drive": 12.0}
WINDOW_NS = 100 * NS_PER_MS
LEAST_NS = 20 * NS_PER_S
INDOORS: tuple[PresetName, ...] = ("indoor-office", "factory")  # where nobody drives


class Variation(NamedTuple):
    """Mean rate, coefficient of variation of the rates of whole seconds, and share of silent windows of 100 ms."""

    mean_mbps: float
    cv: float
    silent: float


def bits_by(trace: Trace, period_ns: int) -> Ints:
    """Return the bits of each whole period, shape (periods,)."""
    return np.diff(trace.bits_before(np.arange(trace.period_ns // period_ns + 1) * period_ns))


def variation(trace: Trace) -> Variation:
    """Return the figures of a trace of 2 s or more that carries."""
    seconds = bits_by(trace, NS_PER_S)
    mean_mbps = float(seconds.mean() / 1e6)
    return Variation(mean_mbps, float(seconds.std() / seconds.mean()), float((bits_by(trace, WINDOW_NS) == 0).mean()))


def of_preset(preset: PresetName, speed_mps: float, direction: Direction, seconds: float, seed: int) -> Trace:
    """Return the trace of a UE in the default ring of a preset."""
    request = trace_request(None, (f"radio.speed_mps={speed_mps}",), preset)
    duration_ns = int(seconds * NS_PER_S)
    track = track_of(request.radio, duration_ns, seed, "ue1", Path())
    return generate(radio_of(request.cell, request.radio), track, duration_ns, seed, "ue1", direction)


def rows_of_presets(presets: Sequence[PresetName], seconds: float, seeds: int) -> Iterator[str]:
    """Yield a line of medians over seeds for each preset, movement and direction."""
    for preset in presets:
        for movement, speed_mps in SPEEDS_MPS.items():
            if movement == "drive" and preset in INDOORS:
                continue
            for direction in DIRECTIONS:
                traces = [of_preset(preset, speed_mps, direction, seconds, seed) for seed in range(1, seeds + 1)]
                found = np.array([variation(trace) for trace in traces])
                extra = ""
                if "rank" in traces[0].columns:
                    extra = f" rank {np.mean([sent_rank(trace) for trace in traces]):.2f}"
                mean_mbps, cv, silent = np.median(found, axis=0)
                least, most = np.quantile(found[:, 1], (0.1, 0.9))
                label = f"{preset} {movement} {direction}"
                yield f"{label:34} {mean_mbps:7.1f} {cv:5.2f} ({least:.2f} to {most:.2f}) {silent:6.1%}{extra}"


def sent_rank(trace: Trace) -> float:
    """Return the mean rank of the slots that carry bits."""
    return float(trace.columns["rank"][trace.capacity_bits > 0].mean())


def rows_of_recordings(folder: Path) -> Iterator[str]:
    """Yield a line for each recording of 20 s or more."""
    for name, trace in recordings(folder):
        if trace.period_ns >= LEAST_NS and trace.carries:
            mean_mbps, cv, silent = variation(trace)
            yield f"{name[-34:]:34} {mean_mbps:7.1f} {cv:5.2f} {'':14} {silent:6.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description="How rates vary: of presets, and of recordings.")
    parser.add_argument("folder", type=Path, nargs="?", help="of recordings")
    parser.add_argument("--preset", dest="presets", choices=PRESETS, action="append")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=100.0)
    chosen = parser.parse_args()
    print(f"{'':34} {'Mbit/s':>7} {'cv':>5} {'':14} silent")
    for line in rows_of_presets(chosen.presets or PRESETS, chosen.seconds, chosen.seeds):
        print(line, flush=True)
    for line in rows_of_recordings(chosen.folder) if chosen.folder else ():
        print(line, flush=True)


if __name__ == "__main__":
    main()
