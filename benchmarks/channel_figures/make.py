"""The figures by name, drawn and saved."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.channel_figures import capacity, large_scale, link, small_scale
from benchmarks.channel_figures.points import Panel, Sizes
from results.figures.style import page, save

Panels = dict[str, Panel]

FIGURES: dict[str, tuple[Callable[[Sizes], Panels], Callable[[Figure, Panels], None], float, float]] = {
    "large-scale": (large_scale.panels, large_scale.draw, *large_scale.SIZE_IN),
    "small-scale": (small_scale.panels, small_scale.draw, *small_scale.SIZE_IN),
    "link": (link.panels, link.draw, *link.SIZE_IN),
    "capacity": (capacity.panels, capacity.draw, *capacity.SIZE_IN),
}
"""What each shows, how it is drawn, its height and width in inches."""


def make(name: str, folder: Path, sizes: Sizes) -> Panels:
    """Write NAME.pdf and NAME.png into the folder, made where it is missing; what they show."""
    panels_of, draw, height_in, width_in = FIGURES[name]
    folder.mkdir(parents=True, exist_ok=True)
    panels = panels_of(sizes)
    with page(height_in, width_in) as figure:
        draw(figure, panels)
        for suffix in ("pdf", "png"):
            save(figure, folder / f"{name}.{suffix}")
    return panels
