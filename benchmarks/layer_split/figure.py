"""Draw the best split by level, with intervals."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from benchmarks.layer_split.best_split import Best, LevelResult
from results.figures.style import COLUMN_IN, looks, page, save, tidy

NAMES = {"scalars": "scalars lost", "packets": "packets lost", "bursts": "bursts lost", "analogue": "noise, fading"}


def draw_best_splits(found: Mapping[str, Sequence[LevelResult]], path: Path) -> Path:
    """Draw the split of least loss, and that of greatest reward, by level for each channel. Return the path."""
    with page(3.6, COLUMN_IN) as figure:
        above, below = figure.subplots(2, 1, sharex=True)
        for shift, (channel, look) in zip(
            np.linspace(-0.006, 0.006, len(found)), looks(list(found)).items(), strict=True
        ):
            results = found[channel]
            for axes, bests in (
                (above, [each.quality for each in results]),
                (below, [each.reward for each in results]),
            ):
                splits = np.array([best.split for best in bests])
                axes.errorbar(
                    [each.level + shift for each in results],
                    splits,
                    yerr=_lengths(bests),
                    color=look.color,
                    linestyle=look.linestyle,
                    linewidth=1.0,
                    marker=look.marker,
                    markersize=3.4,
                    markerfacecolor="white",
                    markeredgewidth=0.8,
                    elinewidth=0.7,
                    capsize=0,
                    label=NAMES[channel],
                )
        for axes, label in ((above, "Split of least loss"), (below, "Split of greatest reward")):
            _finish(axes, label)
        above.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, borderaxespad=0.2, fontsize=6.5)
        below.set_xlabel("Share lost, or noise over signal")
        return save(figure, path)


def _lengths(bests: Sequence[Best]) -> np.ndarray:
    return np.array([[best.split - best.low for best in bests], [best.high - best.split for best in bests]]).clip(0)


def _finish(axes: Axes, label: str) -> None:
    axes.set_ylabel(label)
    axes.set_ylim(0.5, 10.5)
    axes.set_yticks(range(1, 11, 3))
    tidy(axes)
