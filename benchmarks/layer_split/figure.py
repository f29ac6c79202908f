"""Draw the best split by level, and the loss by split, with intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from agents.layer_split.channels import CHANNELS
from agents.layer_split.losses import CODEC
from benchmarks.layer_split.best_split import SPLITS, LevelResult
from benchmarks.quality_page.figures import bars
from emulator.quality import QualityTable
from results.figures.style import COLUMN_IN, looks, page, save, tidy

SHOWN = 0.2  # level at which the losses of all splits are drawn
NAMES = {
    "scalars": "scalars lost",
    "packets": "packets lost",
    "bursts": "bursts lost",
    "link": "lost by the link",
    "analogue": "noise, fading",
}


def draw_best_splits(found: Mapping[str, Sequence[LevelResult]], table: QualityTable, path: Path) -> Path:
    """Draw the split of least loss by level, and the loss by split at one level, for each channel. Return the path."""
    with page(4.1, COLUMN_IN) as figure:
        above, below = figure.subplots(2, 1)
        shifts = np.linspace(-1, 1, len(found))
        for shift, (channel, look) in zip(shifts, looks(list(found)).items(), strict=True):
            bests = [each.quality for each in found[channel]]
            points = np.array([(best.split, best.low, best.high) for best in bests], dtype=float)
            levels = np.array([each.level for each in found[channel]]) + 0.012 * shift
            bars(above, levels, points, look._replace(linestyle="none"), NAMES[channel])
            curves = [table.curve(int(split) + 1, CODEC, CHANNELS[channel].delivery) for split in SPLITS]
            losses = np.array([(curve.at(SHOWN), *curve.interval_at(SHOWN)) for curve in curves])
            bars(below, SPLITS + 0.26 * shift, losses, look, NAMES[channel])
        above.set_xlabel("Share lost, or noise over signal")
        above.set_ylabel("Split of least loss")
        above.set_yticks(range(1, 11, 3))
        above.set_ylim(0.3, 10.7)
        below.set_xlabel("Split (decoder layers at the UE)")
        below.set_ylabel(f"Loss at {SHOWN:g} (nats a token)")
        below.set_xticks(SPLITS)
        below.set_ylim(bottom=0)
        for axes in (above, below):
            tidy(axes)
        handles = below.get_legend_handles_labels()
        figure.legend(*handles, loc="outside upper center", ncols=3, fontsize=6.5, columnspacing=1.2)
        return save(figure, path)
