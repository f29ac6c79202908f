"""How well a delivery with another codec than int8 is predicted by the sum of two measured losses.

`python -m benchmarks.quality_of_codecs --out FOLDER` (two minutes of one processor) measures deliveries of smollm2-135m
with int4, and prints a JSON line for each cut and delivery: the measured loss with its 95 % interval, in nats a token,
beside what a table predicts that has the two codecs alone and the delivery with int8 (`emulator.quality`). An
interrupted run continues.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.rows import Row, print_row
from emulator.quality import DELIVERED, QualityTable
from results.progress import RunProgress
from topologies.quality.data import SampleSize
from topologies.quality.intervals import MIN_SEEDS
from topologies.quality.measurement import Case, cases
from topologies.quality.run import measure_model

MODEL, CODEC, LEVEL = "smollm2-135m", "int4", 0.1
DELIVERIES = ("packets:1500/scatter/mean/t1/d4", "packets:1500/none/zero")


def measure(cuts: Iterable[int], size: SampleSize, folder: Path) -> list[Row]:
    """Return a row for each cut and delivery."""
    alone = cases(cuts, (CODEC,), DELIVERIES, (LEVEL,))
    together = [Case(cut, CODEC, delivery, LEVEL) for cut in sorted(set(cuts)) for delivery in DELIVERIES]
    wanted = sorted((*alone, *together), key=lambda case: case.cut)
    with RunProgress(quiet=False) as progress:
        table = measure_model(MODEL, wanted, size, None, folder / f"{MODEL}-{CODEC}.json", progress)
    rows = (row for row in table.rows if row.codec != CODEC or not row.delivery)
    separate = QualityTable(table.model, table.unit, table.base, tuple(rows))
    return [_row(case, table, separate) for case in together]


def _row(case: Case, table: QualityTable, separate: QualityTable) -> Row:
    low, high = table.interval(case.cut, case.codec, case.delivery, case.level)
    predicted = separate.loss(case.cut, case.codec, case.delivery, case.level)
    return {
        "benchmark": "quality_of_codecs",
        "cut": case.cut,
        "codec": case.codec,
        "delivery": case.delivery,
        "level": case.level,
        "loss": round(table.loss(case.cut, case.codec, case.delivery, case.level), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "predicted": round(predicted, 4),
        "of_int8": round(separate.loss(case.cut, DELIVERED, case.delivery, case.level), 4),
        "within": low <= predicted <= high,
    }


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(description="Compare measured deliveries of int4 with what a table predicts.")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    if arguments.seeds < MIN_SEEDS:
        parser.error(f"--seeds {arguments.seeds}: must be at least {MIN_SEEDS}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    for row in measure((4, 16, 28), SampleSize(arguments.seeds, 1), arguments.out):
        print_row(row)
    return 0


if __name__ == "__main__":
    sys.exit(main())
