"""Draw what the shipped tables say: loss by cut, by share of lost packets, and by codec."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from benchmarks.quality_page.plan import BEST, BEST_VISION, BURSTS, COMPARED, PACKETS, PLAIN, PLAIN_VISION
from emulator.core.arrays import Floats
from emulator.quality import DELIVERED, Curve, QualityTable
from results.figures.style import COLUMN_IN, INK, Look, looks, page, save, tidy

SUFFIXES = (".pdf", ".png")
FILES = ("quality-cuts", "quality-shares", "quality-codecs")

LANGUAGE_NAMES = {
    f"{PACKETS}/{PLAIN}": "packets, lost = 0",
    "tokens/none/zero": "tokens, lost = 0",
    "scalars/none/zero": "scalars, lost = 0",
    f"{PACKETS}/none/mean/t1": "first token kept, lost = mean",
    f"{PACKETS}/{BEST}": "scattered too, 4 dimensions kept",
}
VISION_NAMES = {
    f"{PACKETS}/{PLAIN_VISION}": "packets, lost = 0",
    f"{PACKETS}/none/mean": "lost = mean",
    f"{PACKETS}/scatter/zero": "scattered, lost = 0",
    f"{PACKETS}/{BEST_VISION}": "scattered, lost = mean",
}
SHARE_NAMES = {
    f"{PACKETS}/{PLAIN}": "packets, lost = 0",
    f"{BURSTS}/{PLAIN}": "bursts, lost = 0",
    f"{PACKETS}/{BEST}": "packets, protected",
    f"{BURSTS}/{BEST}": "bursts, protected",
}
VISION_SHARE_NAMES = {
    f"{PACKETS}/{PLAIN_VISION}": "packets, lost = 0",
    f"{BURSTS}/{PLAIN_VISION}": "bursts, lost = 0",
    f"{PACKETS}/{BEST_VISION}": "packets, scattered, mean",
    f"{BURSTS}/{BEST_VISION}": "bursts, scattered, mean",
}


def draw_figures(tables: Mapping[str, QualityTable], folder: Path) -> list[Path]:
    """Draw all figures as PDF and PNG into the folder, which is created if needed, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    language = next(table for table in tables.values() if table.unit == "nats a token")
    vision = next(table for table in tables.values() if table.unit == "accuracy")
    draw = {"quality-cuts": by_cut, "quality-shares": by_share, "quality-codecs": by_codec}
    return [paint(language, vision, folder / f"{name}{end}") for name, paint in draw.items() for end in SUFFIXES]


def by_cut(language: QualityTable, vision: QualityTable, path: Path) -> Path:
    """Draw the loss at every cut where a tenth is lost, by what is done against it."""
    with page(3.1) as figure:
        left, right = figure.subplots(1, 2)
        for axes, table, names in ((left, language, LANGUAGE_NAMES), (right, vision, VISION_NAMES)):
            for (delivery, label), look in zip(names.items(), looks(list(names)).values(), strict=True):
                points = [table.curve(cut, DELIVERED, delivery) for cut in table.cuts]
                bars(axes, np.array(table.cuts), [_at(curve, COMPARED) for curve in points], look, label)
            _finish(axes, f"Cut of {table.model}")
            axes.set_xticks(table.cuts)
        left.set_yscale("log")
        left.yaxis.set_major_formatter("{x:g}")
        left.set_ylabel("Loss, a tenth lost (nats a token)")
        right.set_ylabel("Loss, a tenth lost (accuracy)")
        return save(figure, path)


def by_share(language: QualityTable, vision: QualityTable, path: Path) -> Path:
    """Draw the loss by the share of packets that is lost, at one cut in the middle, alone and in bursts."""
    with page(2.9) as figure:
        left, right = figure.subplots(1, 2)
        for axes, table, names in ((left, language, SHARE_NAMES), (right, vision, VISION_SHARE_NAMES)):
            cut = table.cuts[len(table.cuts) // 2]
            for (delivery, label), look in zip(names.items(), looks(list(names)).values(), strict=True):
                curve = table.curve(cut, DELIVERED, delivery)
                points = list(np.array(curve[1:]).T[1:])
                bars(axes, 100 * curve.levels[1:], points, look, label)
            _finish(axes, f"Packets lost (%), cut {cut} of {table.model}")
            axes.set_xscale("log")
            axes.set_xticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
            axes.minorticks_off()
        left.set_ylabel("Loss (nats a token)")
        right.set_ylabel("Loss (accuracy)")
        return save(figure, path)


def by_codec(language: QualityTable, _: QualityTable, path: Path) -> Path:
    """Draw what codecs with integers cost at every cut of the language model, nothing lost, as a rise of perplexity."""
    names = [name for name in ("int4", "int4+outliers", "int8", "int8+outliers") if name in language.codecs]
    with page(2.9, COLUMN_IN) as figure:
        axes = figure.subplots()
        for (name, look), shift in zip(looks(names).items(), (-0.3, -0.1, 0.1, 0.3), strict=False):
            points = [100 * np.expm1(_at(language.curve(cut, name), 0.0)) for cut in language.cuts]
            bars(axes, np.array(language.cuts) + shift, points, look, name)
        axes.axhline(0, color=INK, linewidth=0.8, zorder=1)
        _finish(axes, f"Cut of {language.model}")
        axes.set_xticks(language.cuts)
        axes.set_ylabel("Rise of perplexity (%)")
        return save(figure, path)


def _at(curve: Curve, level: float) -> Floats:
    """Return the loss at a level and the bounds of its interval."""
    return np.array([np.interp(level, curve.levels, values) for values in curve[1:]])


def bars(axes: Axes, x: Floats, points: Sequence[Floats] | Floats, look: Look, label: str) -> None:
    """Draw points, rows of (value, low, high), with their intervals."""
    loss, low, high = np.array(points).T
    axes.errorbar(
        x,
        loss,
        yerr=np.maximum([loss - low, high - loss], 0),
        color=look.color,
        linestyle=look.linestyle,
        linewidth=1.0,
        marker=look.marker,
        markersize=3.4,
        markerfacecolor="white",
        markeredgewidth=0.8,
        elinewidth=0.7,
        capsize=0,
        label=label,
    )


def _finish(axes: Axes, x_label: str) -> None:
    """Label the axis, and put the legend above the panel, where it hides no point."""
    axes.set_xlabel(x_label)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=2,
        borderaxespad=0.2,
        columnspacing=0.8,
        handlelength=2.0,
        handletextpad=0.5,
        fontsize=6.5,
    )
    tidy(axes)
