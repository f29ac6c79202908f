"""Draws and saves the figures by name."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.channel_figures import capacity, grants, large_scale, link, small_scale
from benchmarks.channel_figures.points import Panel, SampleSizes
from results.figures.style import page, save

Panels = dict[str, Panel]

FIGURES: dict[str, tuple[Callable[[SampleSizes], Panels], Callable[[Figure, Panels], None], float, float]] = {
    "large-scale": (large_scale.panels, large_scale.draw, *large_scale.SIZE_IN),
    "small-scale": (small_scale.panels, small_scale.draw, *small_scale.SIZE_IN),
    "link": (link.panels, link.draw, *link.SIZE_IN),
    "grants": (grants.panels, grants.draw, *grants.SIZE_IN),
    "capacity": (capacity.panels, capacity.draw, *capacity.SIZE_IN),
}
"""Panels, drawing function, height and width in inches of each figure."""


def make(name: str, folder: Path, sizes: SampleSizes) -> Panels:
    """Write NAME.pdf and NAME.png into the folder, which is created if needed. Return the panels."""
    panels_of, draw, height_in, width_in = FIGURES[name]
    folder.mkdir(parents=True, exist_ok=True)
    panels = panels_of(sizes)
    with page(height_in, width_in) as figure:
        draw(figure, panels)
        for suffix in ("pdf", "png"):
            save(figure, folder / f"{name}.{suffix}")
    return panels
