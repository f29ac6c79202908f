"""Fits to the first half of recordings, evaluated on both halves: `python -m benchmarks.fits FOLDER`.

All values are of mean rates over the model's samples (100 ms, or a slot if that is longer), and of draws as long as the
half. KS is the two-sample Kolmogorov-Smirnov distance. A correlation time is read from the usual biased autocorrelation
in two ways: where it first falls below 1/e, and integrated with Sokal's window
(`emulator.trace.fitted.autocorrelation`). A spell of low rate is a run of consecutive samples at or below a level: the
rate that 10 % or 25 % of the half's samples do not exceed. A spread is the standard deviation of means over all windows
of 1/4 or 1/8 of the half: recorded, and in all draws together. That of draws is the spread of the means of draws so
short, which are such windows. The recorded one has a relative standard error of about 1/sqrt(2 (parts - 1)).

Recordings whose name has a SHA-256 with an even first byte were used to develop the model; the others evaluate it.
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

from emulator.core.arrays import Flags, Floats
from emulator.core.units import NS_PER_S
from emulator.trace import Trace
from emulator.trace.fitted import learn
from emulator.trace.fitted.autocorrelation import autocorrelation, crossing_samples, integrated_samples
from emulator.trace.fitted.drawing import draw_order
from emulator.trace.fitted.variation import level_of, mean_spell_samples, window_means
from emulator.trace.formats import Format, ListSeries, import_trace
from emulator.trace.formats.lists import parse_runs

FORMATS: dict[str, Format] = {".csv": "csv", ".list": "list", ".up": "mahimahi", ".down": "mahimahi", "": "rate"}
DRAWS = 16
KS_MARGIN = 0.05
TIME_MARGIN = 0.25
LOW_SHARES = (0.1, 0.25)
SPELL_FACTOR = 1.5
PARTS = (4, 8)
NOT_RECORDINGS = ("README", "LICENSE", ".md")


class Evaluation(NamedTuple):
    """Results of one recording. Times are (1/e crossing, integrated) in s. Spells are mean lengths in s at the levels
    of `LOW_SHARES`; those of draws are means over the draws. Spreads are for windows of 1/`PARTS`, over the mean."""

    name: str
    developed_on: bool
    samples: int
    sample_s: float
    ks_halves: float
    ks_draws: list[float]
    first_s: list[float]
    second_s: list[float]
    draws_s: list[list[float]]
    first_spells_s: list[float]
    second_spells_s: list[float]
    draws_spells_s: list[float]
    first_spreads: list[float]
    draws_spreads: list[float]

    def distribution_holds(self) -> bool:
        return float(np.median(self.ks_draws)) <= self.ks_halves + KS_MARGIN

    def every_distribution_holds(self) -> bool:
        return max(self.ks_draws) <= self.ks_halves + KS_MARGIN

    def drawn_s(self) -> Floats:
        return np.asarray(np.median(self.draws_s, axis=0))

    def spreads_hold(self) -> Flags:
        """Whether each spread of draws is within one standard error of the recorded one."""
        errors = 1 / np.sqrt(2 * (np.array(PARTS) - 1))
        drawn, recorded = np.array(self.draws_spreads), np.array(self.first_spreads)
        holds: Flags = np.abs(drawn - recorded) <= errors * recorded
        return holds


def near(times: npt.ArrayLike, reference: npt.ArrayLike) -> Floats:
    """Return 1 where a time is within 25 % of its reference, else 0."""
    ratio: Floats = np.asarray(times, dtype=np.float64) / np.asarray(reference, dtype=np.float64)
    return (np.abs(ratio - 1) <= TIME_MARGIN).astype(np.float64)


def within_factor(lengths: npt.ArrayLike, reference: npt.ArrayLike) -> Flags:
    """Return whether lengths are within a factor 1.5 of their reference."""
    one, other = np.asarray(lengths), np.asarray(reference)
    flags: Flags = (one <= SPELL_FACTOR * other) & (other <= SPELL_FACTOR * one)
    return flags


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


def spells_s(rates_bps: Floats, levels_bps: list[float], sample_ns: int) -> list[float]:
    """Return the mean length of spells at each level in s."""
    return [mean_spell_samples(rates_bps, level) * sample_ns / NS_PER_S for level in levels_bps]


def spreads(series: list[Floats]) -> list[float]:
    """Return, over the mean, the standard deviation of means over all windows of 1/`PARTS` of series of one length."""
    size, mean = len(series[0]), np.mean(series)
    return [float(np.std([window_means(rates, size // parts) for rates in series]) / mean) for parts in PARTS]


def evaluate(name: str, trace: Trace) -> Evaluation:
    """Fit the first half of a recording and compare draws with both halves."""
    half = len(trace) // 2
    model = learn(trace.slice(0, half))
    sample_ns = model.sample_ns
    before = model.rates_bps()
    after = learn(trace.slice(half, 2 * half), sample_ns).rates_bps()
    draws = [before[draw_order(model, len(before), number, "judged")] for number in range(DRAWS)]
    levels = [level_of(before, share) for share in LOW_SHARES]
    return Evaluation(
        name,
        hashlib.sha256(Path(name).name.encode()).digest()[0] % 2 == 0,
        len(before),
        sample_ns / NS_PER_S,
        float(ks_2samp(before, after).statistic),
        [float(ks_2samp(draw, after).statistic) for draw in draws],
        times_s(before, sample_ns),
        times_s(after, sample_ns),
        [times_s(draw, sample_ns) for draw in draws],
        spells_s(before, levels, sample_ns),
        spells_s(after, levels, sample_ns),
        np.mean([spells_s(draw, levels, sample_ns) for draw in draws], axis=0).tolist(),
        spreads([before]),
        spreads(draws),
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
            f"{judged.second_s[index]:6.1f}{'*' if as_second else ' '}"
        )
    held = within_factor(judged.draws_spells_s, judged.first_spells_s)
    spells = zip(judged.first_spells_s, judged.draws_spells_s, held, strict=True)
    parts += [f"{first:6.1f} {drawn:6.1f}{'*' if holds else ' '}" for first, drawn, holds in spells]
    windows = zip(judged.first_spreads, judged.draws_spreads, judged.spreads_hold(), strict=True)
    parts += [f"{first:.2f}  {drawn:.2f}{'*' if holds else ' '}" for first, drawn, holds in windows]
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
    for index, share in enumerate(LOW_SHARES):
        drawn_spells, first_spells, second_spells = (
            [getattr(each, name)[index] for each in rows]
            for name in ("draws_spells_s", "first_spells_s", "second_spells_s")
        )
        kind = f"spells at the {share:.0%} level"
        counts[f"{kind} within a factor 1.5 of the fitted half's"] = within_factor(drawn_spells, first_spells)
        counts[f"{kind} within a factor 1.5 of the second half's"] = within_factor(drawn_spells, second_spells)
        counts[f"{kind}: the halves themselves within a factor 1.5"] = within_factor(first_spells, second_spells)
    for index, parts in enumerate(PARTS):
        held = np.array([each.spreads_hold()[index] for each in rows])
        counts[f"spread of means over 1/{parts} within a standard error of the recorded"] = held
    lines = {name: f"{int(held.sum())} of {len(rows)}" for name, held in counts.items()}
    for index, kind in enumerate(("1/e crossing", "integrated")):
        lines[f"{kind}: single draws within 25 % of the fitted half's"] = f"{single[index]:.0%}"
    for index, share in enumerate(LOW_SHARES):
        spells = np.array([(each.draws_spells_s, each.first_spells_s) for each in rows])[:, :, index].T
        low, middle = np.quantile(spells[0] / spells[1], (0.1, 0.5))
        lines[f"spells at the {share:.0%} level: drawn over fitted half's, median"] = f"{middle:.2f}"
        lines[f"spells at the {share:.0%} level: drawn over fitted half's, lowest tenth"] = f"{low:.2f}"
    for index, parts in enumerate(PARTS):
        spread = np.array([(each.draws_spreads[index], each.first_spreads[index]) for each in rows]).T
        low, middle, high = np.quantile(spread[0] / spread[1], (0.1, 0.5, 0.9))
        lines[f"spread of means over 1/{parts}: drawn over recorded"] = f"{middle:.2f} ({low:.2f} to {high:.2f})"
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
        times = " first  drawn  second "
        print(f"{'':52} {'half of':10}  KS            1/e crossing, s         integrated, s           spells, s")
        pairs = "  ".join(f" at {share:>4.0%} drawn " for share in LOW_SHARES)
        windows = "  ".join(f" 1/{parts} drawn" for parts in PARTS)
        print(f"{'recording':52} {'n':>5} {'s':>4}  halves draws  {times}  {times}  {pairs} {windows}")
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
            print(f"  {what:68} {count}")


if __name__ == "__main__":
    main()
