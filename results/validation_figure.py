"""The figure of docs/emulator-channel.md: `python -m results.validation_figure docs/emulator-channel.png`."""

import sys
from pathlib import Path

from matplotlib.axes import Axes

from results.style import log_when_wide, looks, page, require_drawable, save, tidy
from results.validation import Comparison, comparisons

COLUMNS = 2
ROW_IN = 2.15


def draw_validation(path: Path) -> Path:
    """Write the page. Raises ValueError, one line, where `path` cannot be a figure."""
    require_drawable(path)
    panels = list(comparisons())
    rows = -(-len(panels) // COLUMNS)
    with page(ROW_IN * rows) as figure:
        for axes, panel in zip(figure.subplots(rows, COLUMNS).flat, panels, strict=True):
            _draw(axes, panel)
        return save(figure, path)


def _draw(axes: Axes, panel: Comparison) -> None:
    """Lines: the closed forms; points: the model, with two standard errors."""
    for curve, look in zip(panel.curves, looks([curve.name for curve in panel.curves]).values(), strict=True):
        axes.plot(*curve.line, color=look.color, linestyle=look.linestyle, lw=1)
        axes.errorbar(
            *curve.points,
            yerr=curve.errors if curve.errors.any() else None,
            color=look.color,
            marker=look.marker,
            ms=2.6,
            lw=0,
            elinewidth=0.8,
            label=curve.name if len(panel.curves) > 1 else None,
        )
    axes.set(title=panel.title, xlabel=panel.xlabel, ylabel=panel.ylabel)
    for axis, scale in zip("xy", panel.scales, strict=True):
        if scale == "log":
            log_when_wide(axes, axis, *_positive(getattr(axes, f"get_{axis}lim")()), ratio=1)
    if len(panel.curves) > 1:
        axes.legend()
    tidy(axes)


def _positive(limits: tuple[float, float]) -> tuple[float, float]:
    """An axis that its margin brought below 0 has positive values all the same."""
    return max(limits[0], 1e-9), limits[1]


if __name__ == "__main__":
    print(draw_validation(Path(sys.argv[1])))
