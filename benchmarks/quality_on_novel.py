"""What harms cost on another text than the tables', beside a first measurement on it.

`python -m benchmarks.quality_on_novel --out FOLDER` (Debian's package r-cran-janeaustenr; some ten minutes of one
processor) measures smollm2-135m on Jane Austen's *Persuasion* as `airsplit quality` does, and prints a JSON line for
each harm and cut: the perplexity with its 95 % interval, beside what a first measurement had found with one draw of
what is lost. An interrupted run continues.
"""

import argparse
import sys
from collections.abc import Iterable
from math import exp, hypot, log
from pathlib import Path
from typing import NamedTuple

from benchmarks.rows import Row, print_row
from emulator.core.errors import MissingDependency
from emulator.quality import QualityRow
from results.progress import RunProgress
from topologies.datasets.novels import novel
from topologies.quality.data import SampleSize
from topologies.quality.intervals import MIN_SEEDS
from topologies.quality.measurement import UNCODED, Case
from topologies.quality.run import measure_model

MODEL, TITLE = "smollm2-135m", "Persuasion"
CUTS = (1, 2, 4, 9, 16, 23, 30)
PACKETS = "packets:256"  # 64 scalars of four bytes
MISSING = 4  # exit code


class First(NamedTuple):
    """The first measurement, one draw: perplexities behind CUTS in windows of so many tokens. `base`: the unharmed
    model's. Windows of 2048 tokens in all."""

    codec: str
    delivery: str
    level: float
    perplexities: tuple[float, ...]
    window_tokens: int = 256
    base: float = 44.35

    def cases(self) -> list[Case]:
        """Return a case for each cut."""
        return [Case(cut, self.codec, self.delivery, self.level) for cut in CUTS]


FIRST_TOKENS = 2048
FIRST = (
    First(UNCODED, "scalars/none/zero", 0.05, (53, 49, 50, 54, 48, 47, 55)),
    First(UNCODED, "scalars/none/zero", 0.1, (69, 54, 85, 89, 141, 81, 67)),
    First(UNCODED, f"{PACKETS}/none/zero", 0.05, (54, 50, 51, 75, 51, 50, 58)),
    First(UNCODED, f"{PACKETS}/none/zero", 0.2, (158, 83, 387, 170, 2037, 168, 180)),
    First(UNCODED, "noise/none/zero", 0.1, (49, 50, 90, 58, 119, 72, 60)),
    First("int8", "", 0.0, (44.4, 44.4, 44.7, 44.7, 44.5, 44.5, 44.6)),
    First("int4", "", 0.0, (44.9, 46.2, 45.9, 46.3, 44.6, 46.5, 47.5)),  # its groups had 32 scalars, not mixed
    First(UNCODED, f"{PACKETS}/none/mean/t1", 0.1, (88, 71, 79, 76, 68, 70, 73), 128, 64.8),
)


def measure(size: SampleSize, first: Iterable[First], folder: Path) -> list[Row]:
    """Return a row for each of the first measurement's with this length of windows, and each cut. Raises
    MissingDependency, one line, without the novel or the model."""
    text = folder / f"{TITLE.lower()}.txt"
    text.write_text(novel(TITLE), encoding="utf-8")
    of_length = [each for each in first if each.window_tokens == size.window_tokens]
    wanted = sorted((case for each in of_length for case in each.cases()), key=lambda case: case.cut)
    with RunProgress(quiet=False) as progress:
        table = measure_model(
            MODEL, wanted, size, text, folder / f"{TITLE.lower()}-{size.window_tokens}.json", progress
        )
    measured = {(row.cut, row.codec, row.delivery, row.level): row for row in table.rows}
    share = size.seeds * size.units * size.window_tokens / FIRST_TOKENS
    return [
        row_of(each, measured[case], table.base, perplexity, share)
        for each in of_length
        for case, perplexity in zip(each.cases(), each.perplexities, strict=True)
    ]


def row_of(first: First, row: QualityRow, base: float, perplexity: float, share: float) -> Row:
    """Return a cell of the table. `share`: how many times the tokens of the first measurement were measured now, by
    whose root its sampling error is greater.

    Rises are compared, because the texts of the windows differ: `first` is scaled to the unharmed perplexity of these
    windows. `agrees` is `within` where it lies in the interval of the mean, `as one draw` where a draw of its size may
    be as far from the mean, otherwise `no`.
    """
    loss = log(perplexity / first.base)
    sampling = hypot(1, share**0.5)
    below, above = row.loss - sampling * (row.loss - row.low), row.loss + sampling * (row.high - row.loss)
    agrees = "within" if row.low <= loss <= row.high else "as one draw" if below <= loss <= above else "no"
    return {
        "benchmark": "quality_on_novel",
        "codec": first.codec,
        "delivery": first.delivery or "-",
        "level": first.level,
        "p": row.cut - 1,
        "base": round(exp(base), 2),
        "perplexity": round(exp(base + row.loss), 2),
        "low": round(exp(base + row.low), 2),
        "high": round(exp(base + row.high), 2),
        "first": round(exp(base + loss), 2),
        "agrees": agrees,
    }


def main() -> int:
    """Run the command line; return its exit code: 4 where the novel or the model is not installed."""
    parser = argparse.ArgumentParser(description="Measure harms on a novel, beside a first measurement.")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--units", type=int, default=1, help="windows of each seed")
    arguments = parser.parse_args()
    if arguments.seeds < MIN_SEEDS or arguments.units < 1:
        parser.error(f"--seeds {arguments.seeds} --units {arguments.units}: must be at least {MIN_SEEDS} and 1")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for window_tokens in sorted({each.window_tokens for each in FIRST}, reverse=True):
        try:
            rows = measure(SampleSize(arguments.seeds, arguments.units, window_tokens), FIRST, arguments.out)
        except MissingDependency as missing:
            print(missing, file=sys.stderr)
            return MISSING
        for row in rows:
            print_row(row)
    return 0


if __name__ == "__main__":
    sys.exit(main())
