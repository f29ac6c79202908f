"""Fits to the first half of recordings, evaluated on the second half: `python -m benchmarks.fits FOLDER`.

All values are of mean rates over the model's samples (100 ms, or a slot if that is longer), and of draws as long as the
half. KS is the two-sample Kolmogorov-Smirnov distance. A correlation time is read from the usual biased autocorrelation
in two ways: where it first falls below 1/e, and integrated with Sokal's window
(`emulator.trace.fitted.autocorrelation`).

`chance` is the agreement to expect if the model were true: the share of neighbouring parts, as long as the half, of one
long draw whose times agree within 25 %. Recordings whose name has a SHA-256 with an even first byte were used to
develop the model; the others evaluate it.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import ks_2samp

from emulator.core.arrays import Floats
from emulator.core.units import NS_PER_S
from emulator.trace import Trace
from emulator.trace.fitted import RateModel, learn
from emulator.trace.fitted.autocorrelation import autocorrelation, crossing_samples, integrated_samples
from emulator.trace.fitted.drawing import draw_rates_bps
from emulator.trace.fitted.learning import mean_rates_bps
from emulator.trace.formats import Format, ListSeries, import_trace
from emulator.trace.formats.lists import parse_runs

FORMATS: dict[str, Format] = {".csv": "csv", ".list": "list", ".up": "mahimahi", ".down": "mahimahi", "": "rate"}
DRAWS = 16
PARTS = 64  # of the long draw
KS_MARGIN = 0.05
TIME_MARGIN = 0.25
NOT_RECORDINGS = ("README", "LICENSE", ".md")


class Evaluation(NamedTuple):
    """Results of one recording. Times are (1/e crossing, integrated) in s."""

    name: str
    developed_on: bool
    samples: int
    sample_s: float
    ks_halves: float
    ks_draws: list[float]
    first_s: list[float]
    second_s: list[float]
    draws_s: list[list[float]]
    chance: list[float]

    def distribution_holds(self) -> bool:
        return float(np.median(self.ks_draws)) <= self.ks_halves + KS_MARGIN

    def every_distribution_holds(self) -> bool:
        return max(self.ks_draws) <= self.ks_halves + KS_MARGIN

    def drawn_s(self) -> Floats:
        return np.asarray(np.median(self.draws_s, axis=0))


def near(times: npt.ArrayLike, reference: npt.ArrayLike) -> Floats:
    """Return 1 where a time is within 25 % of its reference, else 0."""
    ratio: Floats = np.asarray(times, dtype=np.float64) / np.asarray(reference, dtype=np.float64)
    return (np.abs(ratio - 1) <= TIME_MARGIN).astype(np.float64)


def recordings(folder: Path) -> Iterator[tuple[str, Trace]]:
    """Yield name and trace of each recording below the folder; print errors of import to standard error."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if path.suffix not in FORMATS or path.name.startswith(NOT_RECORDINGS):
            continue
        try:
            found = choices(path)
        except ValueError as error:
            print(error, file=sys.stderr)
            continue
        for label, chosen in found:
            try:
                trace = import_trace(path, FORMATS[path.suffix], chosen)
            except ValueError as error:
                print(f"{error}{label}", file=sys.stderr)
                continue
            yield f"{path.relative_to(folder)}{label}", trace


def choices(path: Path) -> list[tuple[str, ListSeries | None]]:
    """Return label and choice of each recording in a file: one, or each series of each run of a list."""
    if FORMATS[path.suffix] != "list":
        return [("", None)]
    return [
        (f" {run}.{series}", ListSeries(run, series))
        for run, lines in parse_runs(path, path.read_bytes())
        for series in range(1, max(len(lines) // 2, 1) + 1)
    ]


def times_s(rates_bps: Floats, sample_ns: int) -> list[float]:
    """Return crossing and integrated time in s."""
    shown = autocorrelation(rates_bps)
    return [times * sample_ns / NS_PER_S for times in (crossing_samples(shown), integrated_samples(shown))]


def chance(model: RateModel) -> list[float]:
    """Return the chance (see the module's docstring) for each of the two times."""
    samples = model.span_samples
    parts = draw_rates_bps(model, PARTS * samples, 0, "long").reshape(PARTS, samples)
    times = np.array([times_s(part, model.sample_ns) for part in parts if part.any()])
    return [float(share) for share in near(times[:-1], times[1:]).mean(axis=0)]


def evaluate(name: str, trace: Trace) -> Evaluation:
    """Fit the first half of a recording and compare draws with both halves."""
    half = len(trace) // 2
    first, second = trace.slice(0, half), trace.slice(half, 2 * half)
    model = learn(first)
    before, after = (mean_rates_bps(part, model.sample_ns) for part in (first, second))
    draws = [draw_rates_bps(model, len(before), number, "judged") for number in range(DRAWS)]
    return Evaluation(
        name,
        hashlib.sha256(Path(name).name.encode()).digest()[0] % 2 == 0,
        len(before),
        model.sample_ns / NS_PER_S,
        float(ks_2samp(before, after).statistic),
        [float(ks_2samp(draw, after).statistic) for draw in draws],
        times_s(before, model.sample_ns),
        times_s(after, model.sample_ns),
        [times_s(draw, model.sample_ns) for draw in draws],
        chance(model),
    )


def row(judged: Evaluation) -> str:
    """Return one line of the table; `*` marks values within their margin."""
    parts = [
        f"{judged.name[-44:]:44} {'made on' if judged.developed_on else 'judges':7} {judged.samples:5} "
        f"{judged.sample_s:4g}  {judged.ks_halves:.3f} {max(judged.ks_draws):.3f}"
        f"{'*' if judged.every_distribution_holds() else '(*)' if judged.distribution_holds() else ' '}"
    ]
    drawn = judged.drawn_s()
    for index in range(2):
        as_first, as_second = (near(drawn, times)[index] for times in (judged.first_s, judged.second_s))
        parts.append(
            f"{judged.first_s[index]:6.1f} {drawn[index]:6.1f}{'*' if as_first else ' '} "
            f"{judged.second_s[index]:6.1f}{'*' if as_second else ' '} {judged.chance[index]:.2f}"
        )
    return "  ".join(parts)


def summary(rows: list[Evaluation]) -> dict[str, str]:
    """Count the recordings within each margin."""
    drawn = [each.drawn_s() for each in rows]
    first, second = [each.first_s for each in rows], [each.second_s for each in rows]
    single = np.mean([near(each.draws_s, each.first_s).mean(axis=0) for each in rows], axis=0)
    counts = {
        "KS, median draw": np.array([each.distribution_holds() for each in rows]),
        f"KS, each of {DRAWS} draws": np.array([each.every_distribution_holds() for each in rows]),
    }
    for index, kind in enumerate(("1/e crossing", "integrated")):
        for against, reference in (("fitted half", first), ("second half", second)):
            counts[f"{kind} within 25 % of the {against}'s"] = near(drawn, reference)[:, index] == 1
        counts[f"{kind}: the halves themselves within 25 %"] = near(first, second)[:, index] == 1
    lines = {name: f"{int(held.sum())} of {len(rows)}" for name, held in counts.items()}
    for index, kind in enumerate(("1/e crossing", "integrated")):
        lines[f"{kind}: single draws within 25 % of the fitted half's"] = f"{single[index]:.0%}"
        lines[f"{kind}: chance, were the model the truth"] = f"{np.mean([each.chance[index] for each in rows]):.0%}"
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit to first halves of recordings, judge on second halves.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true", help="every number")
    chosen = parser.parse_args()
    if not chosen.folder.is_dir():
        parser.error(f"{chosen.folder}: must be a folder")
    rows = []
    if not chosen.json:
        times = "first   drawn   second chance"
        print(f"{'':58} {'half of':10}    KS            1/e crossing, s               integrated, s")
        print(f"{'recording':52} {'n':>5} {'s':>4}  halves draws  {times}   {times}")
    for name, trace in recordings(chosen.folder):
        try:
            rows.append(evaluate(name, trace))
        except ValueError as error:
            print(f"{name}: {error}", file=sys.stderr)
            continue
        if not chosen.json:
            print(row(rows[-1]), flush=True)
    sets = {
        "the model was made on": [each for each in rows if each.developed_on],
        "that judge it": [each for each in rows if not each.developed_on],
    }
    summaries = {label: summary(some) for label, some in sets.items() if some}
    if chosen.json:
        json.dump({"summary": summaries, "recordings": [each._asdict() for each in rows]}, sys.stdout, indent=1)
        return
    for label, lines in summaries.items():
        print(f"\nrecordings {label}")
        for what, count in lines.items():
            print(f"  {what:60} {count}")


if __name__ == "__main__":
    main()
